// room: nn
// Wrapped: a layer inside the spec of another.
#pragma once
#include <optional>
#include <string>
#include <string_view>
#include <utility>

#include "varve/nn/layer.h"

namespace varve::nn {

/// A layer as a member of another layer's spec: any spec or Layer.
class Wrapped {
 public:
  Wrapped() = default;  ///< none
  template <class L>
  requires(LayerSpec<L> || requires { typename L::IsLayer; })
      Wrapped(L layer, Where where = Where::here())
      : layer_(made(std::move(layer), where)) {}

  explicit operator bool() const { return layer_.has_value(); }
  /// Throws ValueError where there is none.
  const Layer& get() const;
  std::string config() const;  ///< JSON; null for none
  static Wrapped from_config(std::string_view json);

 private:
  template <class L>
  static Layer made(L layer, [[maybe_unused]] Where where) {
    if constexpr (requires { typename L::IsLayer; }) {
      return layer;
    } else {
      return Layer(std::move(layer), where);
    }
  }
  std::optional<Layer> layer_;
};

}  // namespace varve::nn
