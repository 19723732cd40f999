// room: nn
// Layer: what holds weights and is called on tensors. Scope: what a layer's own code works with.
#pragma once
#include <concepts>
#include <initializer_list>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "varve/fields.h"
#include "varve/nn/choices.h"
#include "varve/nn/mask.h"
#include "varve/tensor.h"

namespace varve {

class Layer;
class Scope;

/// A layer spec is any copyable struct with `Tensor call(const Tensor& x, Scope& s) const`, or with
/// `const Tensors&`, or giving `Tensors`; and, where it has members, `void fields(Fields&)`. What
/// becomes of masks a static member `masks` says (nn::Masks).
template <class S>
concept MultiLayerSpec = requires(const S& s, const Tensors& x, Scope& c) {
  { s.call(x, c) } -> std::convertible_to<Tensors>;
};
/// A spec whose `call` takes one tensor.
template <class S>
concept SingleLayerSpec = requires(const S& s, const Tensor& x, Scope& c) {
  { s.call(x, c) } -> std::convertible_to<Tensors>;
};
/// A spec of either kind.
template <class S>
concept LayerSpec = MultiLayerSpec<S> || SingleLayerSpec<S>;

/// How a layer is called.
struct CallOptions {
  /// Dropout drops, batch norm uses the batch. Not given: as the layer or model that calls; false
  /// outside any.
  std::optional<bool> training = {};
  /// Where penalties (regularizers, Scope::add_loss) are collected, scalars; null: nowhere.
  std::vector<Tensor>* losses = nullptr;
};

namespace detail {

struct LayerState;

/// A layer's spec without its type.
struct Spec {
  virtual ~Spec() = default;
  virtual Tensors call(const Tensors& x, Scope& scope) const = 0;
  virtual void fields(Fields& fields) = 0;
  virtual std::unique_ptr<Spec> copy() const = 0;
  /// One with every member at its default; null where the type has none.
  virtual std::unique_ptr<Spec> fresh() const = 0;
  /// How the compiler spells the type.
  virtual std::string_view spelling() const = 0;
  /// The spec's own member `name`; null where it has none.
  virtual const std::string* name() const = 0;
  virtual bool takes_many() const = 0;
  virtual nn::Masks masks() const = 0;
};

template <class S>
struct SpecOf final : Spec {
  S spec;
  explicit SpecOf(S s) : spec(std::move(s)) {}
  Tensors call(const Tensors& x, Scope& scope) const override {
    if constexpr (MultiLayerSpec<S>) {
      return spec.call(x, scope);
    } else {
      return spec.call(x.only(), scope);
    }
  }
  void fields(Fields& fields) override { visit_fields(spec, fields); }
  std::unique_ptr<Spec> copy() const override { return std::make_unique<SpecOf>(spec); }
  std::unique_ptr<Spec> fresh() const override {
    if constexpr (requires { S{}; }) {
      return std::make_unique<SpecOf>(S{});
    } else {
      return nullptr;
    }
  }
  std::string_view spelling() const override { return spelled<S>(); }
  const std::string* name() const override {
    if constexpr (requires {
                    { spec.name } -> std::convertible_to<const std::string&>;
                  }) {
      return &spec.name;
    } else {
      return nullptr;
    }
  }
  bool takes_many() const override { return MultiLayerSpec<S>; }
  nn::Masks masks() const override { return nn::masks_of_spec<S>(nn::Masks::refused); }
};

template <class S>
std::unique_ptr<Spec> hold(S spec) {
  static_assert(LayerSpec<S>,
                "a layer needs a const member: Tensor call(const Tensor& x, Scope& s) const");
  if constexpr (LayerSpec<S>) {
    return std::make_unique<SpecOf<S>>(std::move(spec));
  } else {
    return nullptr;
  }
}

}  // namespace detail

/// What several tensors give: one tensor or several.
class Outputs : public Tensors {
 public:
  using IsOutputs = void;  ///< marks the type: one tensor of them is an operand
  using Tensors::Tensors;
  Outputs(Tensors tensors) : Tensors(std::move(tensors)) {}
  /// The only one (ValueError).
  operator Tensor() const { return only(); }
};

/// A variable and where it stands.
struct NamedVariable {
  std::string path;  ///< "encoder.dense_1.kernel", from the layer that was asked
  Variable variable;
};

/// What you hold: a layer with its weights. Copies share them; `clone` does not. Made implicitly
/// from a spec, whose values are checked then (ValueError: "dense: units: expected integer >= 1,
/// got 0").
///     Layer dense = nn::Dense{.units = 64};
///     Tensor a = dense(x), b = dense(y);     // one set of weights
/// Parts are named by their own name or by type and number within the parent: "conv2d_1". Paths
/// join names by dots. Globs match paths, `*` any characters, `?` one; a path that is matched up to
/// a dot is matched with all below it.
class Layer {
 public:
  using IsLayer = void;  ///< marks the type for templates

  template <class S>
  requires requires { &S::call; }
  Layer(S spec, Where where = Where::here()) : Layer(detail::hold(std::move(spec)), where) {}

  /// Calls the layer. Its variables are described on the first call (nothing is allocated before a
  /// value is read). On a tensor that comes from nn::Input the call is recorded, for a Model.
  Tensor operator()(const Tensor& x, CallOptions options = {}, Where where = Where::here()) const;
  Outputs operator()(const Tensors& x, CallOptions options = {}, Where where = Where::here()) const;

  /// The name it was given, or by which its parent calls it, or its type.
  const std::string& name() const;
  /// "dense": the type in snake case, as files spell it.
  const std::string& type() const;
  /// "Dense(units=10, activation="relu")": the spec, without what is at its default.
  std::string to_string() const;

  /// A part by its path: model["encoder.dense_1"]. Throws IndexError with what there is.
  Layer operator[](std::string_view path) const;
  /// The parts, in order. Those of a spec's `call` exist once it was called.
  std::vector<Layer> layers() const;
  /// A variable by its path: model.variable("encoder.dense_1.kernel"). Throws IndexError.
  Variable variable(std::string_view path) const;
  /// Variables whose path matches, each once, in the order of the layers. Throws ValueError where
  /// the layer was neither built nor called yet.
  Variables variables(std::string_view glob = "*") const;
  /// The same with their paths.
  std::vector<NamedVariable> named_variables(std::string_view glob = "*") const;
  /// Those of them that are trained.
  Variables trainable(std::string_view glob = "*") const;
  /// Elements of all variables together.
  int64_t parameter_count() const;

  /// Stops (starts again) training the matching variables; a matching batch norm goes on with its
  /// running statistics as they are. Throws IndexError where nothing matches.
  void freeze(std::string_view glob = "*");
  void unfreeze(std::string_view glob = "*");  ///< see freeze

  /// A deep copy: same spec, parts of its own, variables with the same values.
  Layer clone() const;

  /// Describes the variables for samples of this shape (without the batch), by calling the layer on
  /// batches of 2 and of 3 without computing. Throws ShapeError, naming the line, where other
  /// dimensions of a result than the first change with the batch.
  void build(const Shape& sample, DType dtype = f32, Where where = Where::here());
  /// The same for a layer of several tensors.
  void build_many(const std::vector<Shape>& samples, DType dtype = f32,
                  Where where = Where::here());
  bool built() const;  ///< whether its variables are known

  /// Seed and counter (u64[2]) of the random numbers of calls of this layer. Counted up by each
  /// call that uses them.
  Variable random_state() const;

  /// The architecture as JSON: {"type": "dense", "name": "dense_1", "units": 10, ...}. Throws
  /// UnsupportedError, naming the layer, for functions of your own.
  std::string config() const;
  /// Throws ConfigError; types of your own must be registered.
  static Layer from_config(std::string_view json);

  bool operator==(const Layer& other) const { return state_ == other.state_; }
  Layer(std::unique_ptr<detail::Spec> spec, Where where);
  explicit Layer(std::shared_ptr<detail::LayerState> state) : state_(std::move(state)) {}
  const std::shared_ptr<detail::LayerState>& state() const { return state_; }

 protected:
  std::shared_ptr<detail::LayerState> state_;
};

struct VariableOptions {
  Initializer initializer = "zeros";
  bool trainable = true;
  DType dtype = f32;
  Regularizer regularizer = {};
  Constraint constraint = {};
};

namespace detail {
class Call;
}

/// What a layer's `call` works with: its variables, parts, random keys, mode. Valid during the
/// call.
///     struct Residual {
///       Dim units = 64;
///       Tensor call(const Tensor& x, Scope& s) const {
///         Tensor gain = s.variable("gain", {}, {.initializer = 0});
///         Tensor h = s("up", nn::Dense{units, "gelu"}, x);
///         return x + gain * s("down", nn::Dense{x.shape()[-1]}, h);
///       }
///       void fields(Fields& f) { f("units", units, "Hidden width.", {.min = 1}); }
///     };
class Scope {
 public:
  bool training() const;  ///< whether the model is being trained
  /// Whether the layer was frozen as a whole.
  bool frozen() const;
  /// A random key: another one at each use, in each call and at each step.
  Key key();
  /// A variable of this layer: made at the first call, found ever after. Throws ShapeError where it
  /// was made with another shape.
  Tensor variable(std::string_view name, const Shape& shape, VariableOptions options = {});
  /// Assigns a variable of this layer (running statistics). No gradient flows through it.
  void update(std::string_view name, const Operand& value);
  /// The value of a part's variable, for weights that serve twice: s.part_variable("tokens",
  /// "embeddings"). The path is one within the part. Throws IndexError where this layer has not
  /// called such a part yet, or the part has no such variable.
  Tensor part_variable(std::string_view part, std::string_view path) const;
  /// Adds a scalar to the loss.
  void add_loss(const Operand& penalty);
  /// Calls a part. The first call keeps the layer under that name; later ones use the kept one.
  Tensor operator()(std::string_view name, const Layer& layer, const Tensor& x);
  Outputs operator()(std::string_view name, const Layer& layer, const Tensors& x);
  /// "encoder.dense_1"; empty for the layer that was called from outside.
  const std::string& path() const { return path_; }
  /// An error about the size of the axis that a layer consumes, with the name of what made it:
  /// `layer 3 "fc2": expects 128 features, "fc1" gives 64`.
  [[noreturn]] void wrong_features(int64_t expected, int64_t got, const char* what = "features");

  Scope(detail::Call& call, detail::LayerState& layer, std::string path);
  Scope(const Scope&) = delete;
  Scope& operator=(const Scope&) = delete;
  detail::Call& call() { return call_; }
  detail::LayerState& layer() { return layer_; }  ///< for Varve itself

 private:
  detail::Call& call_;
  detail::LayerState& layer_;
  std::string path_;
};

namespace detail {
void register_type(const std::string& type, std::unique_ptr<Spec> fresh);
}

namespace nn {

/// Makes a layer type of your own loadable from files, under this name. Needs:
/// default-constructible. Throws ValueError where the name is another type's.
template <class S>
requires LayerSpec<S> && std::default_initializable<S>
void register_layer(const std::string& type) {
  varve::detail::register_type(type, varve::detail::hold(S{}));
}
/// The layer types that files may name, sorted.
std::vector<std::string> layer_types();

}  // namespace nn
}  // namespace varve
