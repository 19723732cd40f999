// What the library's own layers are written with.
#pragma once
#include <string>
#include <utility>

#include "base/error.h"
#include "varve/nn/layer.h"

namespace varve::nn {

/// What every layer says of its field `name`.
inline constexpr const char* kLayerName = "The layer's name; empty: its type and number.";
/// Of require_rank: no bound above.
inline constexpr int kAnyRank = 1 << 20;
/// The axes of a batch, by the number of spatial axes.
inline constexpr const char* kSpatialAxes[] = {"", "[batch, steps, channels]",
                                               "[batch, height, width, channels]",
                                               "[batch, depth, height, width, channels]"};

/// A spec that is called at once becomes a layer of its own.
template <class S, class X>
auto once(S&& spec, const X& x, const CallOptions& options, Where where) {
  return Layer(std::move(spec), where)(x, options, where);
}

/// Weights are f32, beside f64 inputs f64.
DType weight_type(const Tensor& x);
/// Integers and bools as f32; floating numbers as they are. Masks stay.
Tensor real(const Tensor& x);

/// How a trained weight is made.
inline VariableOptions weight(const Initializer& initializer, DType dtype,
                              const Regularizer& regularizer = {},
                              const Constraint& constraint = {}) {
  return {.initializer = initializer,
          .dtype = dtype,
          .regularizer = regularizer,
          .constraint = constraint};
}

/// How kernel and bias begin, and what holds them in training.
template <class L>
void kernel_and_bias_fields(L& layer, Fields& f) {
  f("kernel_initializer", layer.kernel_initializer, "How the kernel begins.");
  f("bias_initializer", layer.bias_initializer, "How the bias begins.");
  f("kernel_regularizer", layer.kernel_regularizer, "Penalty on the kernel.");
  f("bias_regularizer", layer.bias_regularizer, "Penalty on the bias.");
  f("kernel_constraint", layer.kernel_constraint, "What the kernel is brought back to.");
  f("bias_constraint", layer.bias_constraint, "What the bias is brought back to.");
}

/// A weight whose axis (of its shape) must fit what comes in: where the layer has it already with
/// another size there, the error names the layer and what made its input.
Tensor fitted(Scope& s, std::string_view name, const Shape& shape, int axis, int64_t times,
              VariableOptions options);

/// Throws ShapeError unless the tensor has at least (exactly) so many axes.
void require_rank(const Tensor& x, int least, int most, const char* axes);

}  // namespace varve::nn
