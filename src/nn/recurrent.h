// What the recurrent layers share.
#pragma once
#include <optional>
#include <string>
#include <vector>

#include "nn/layer_state.h"
#include "nn/masks.h"
#include "ops/recurrent.h"
#include "varve/nn/recurrent_layers.h"

namespace varve::nn {

/// {x, states...}, and the mask of x.
struct SequenceInputs {
  Tensor x, mask;
  std::vector<Tensor> states;
};
/// Throws ValueError unless there is one tensor of `rank` axes, maybe with a mask [batch, time],
/// and behind it none or so many states.
SequenceInputs sequence_inputs(const Tensors& x, int rank, size_t states, const char* axes);

/// x, whose elements are dropped the same way at every step.
Tensor dropped_alike(const Tensor& x, double rate, Scope& s);
/// What multiplies a state [batch, units] in its product; empty for none.
Tensor dropout_factor(const Shape& shape, DType dtype, double rate, Scope& s);

/// The name of a function that the fused operations know and that means the same there; empty for
/// others.
std::string fused_name(const varve::Activation& activation);
/// An initializer of a bias whose part `gate` of `gates` begins at 1, the others as given.
Initializer with_ones(const Initializer& others, int64_t gates, int64_t gate);

/// The state variables of a stateful layer.
class KeptStates {
 public:
  /// Where `stateful`; else does nothing.
  KeptStates(bool stateful, int64_t batch_size, const Tensor& x, Scope& s);
  /// The state that the last batch left; empty where none is kept.
  Tensor read(const char* name, const Shape& shape, DType dtype);
  void write(const char* name, const Tensor& value);

 private:
  Scope& s_;
  int64_t batch_;
  bool kept_, fits_ = false;
};

/// The part of that name, or the given layer as it.
Layer kept_part(Scope& s, std::string_view name, const Layer& otherwise);
/// The same, made where there is none.
Layer kept_part(Scope& s, std::string_view name, FunctionRef<Layer()> make);

}  // namespace varve::nn
