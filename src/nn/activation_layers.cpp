#include "varve/nn/activation_layers.h"

#include "nn/weights.h"
#include "varve/ops/normalization.h"
#include "varve/ops/pointwise.h"

namespace varve::nn {
namespace {

constexpr const char* kName = "The layer's name; empty: its type and number.";

}  // namespace

Tensor Activation::call(const Tensor& x, Scope&) const { return activation(x); }
Tensor Activation::operator()(const Tensor& x, CallOptions options, Where where) && {
  return once(std::move(*this), x, options, where);
}
void Activation::fields(Fields& f) {
  f("activation", activation, "The function.");
  f("name", name, kName);
}

Tensor ReLU::activate(const Tensor& x) const {
  Tensor y = threshold == 0 && negative_slope == 0
                 ? relu(x)
                 : where(x >= threshold, x, (x - threshold) * negative_slope);
  return max_value ? minimum(y, *max_value) : y;
}
Tensor ReLU::call(const Tensor& x, Scope&) const { return activate(x); }
Tensor ReLU::operator()(const Tensor& x, CallOptions options, Where where) && {
  return once(std::move(*this), x, options, where);
}
void ReLU::fields(Fields& f) {
  f("max_value", max_value, "Upper bound.", {.min = 0});
  f("negative_slope", negative_slope, "Slope below the threshold.", {.min = 0});
  f("threshold", threshold, "Where it begins.", {.min = 0});
  f("name", name, kName);
}

Tensor LeakyReLU::activate(const Tensor& x) const { return leaky_relu(x, negative_slope); }
Tensor LeakyReLU::call(const Tensor& x, Scope&) const { return activate(x); }
Tensor LeakyReLU::operator()(const Tensor& x, CallOptions options, Where where) && {
  return once(std::move(*this), x, options, where);
}
void LeakyReLU::fields(Fields& f) {
  f("negative_slope", negative_slope, "Slope below 0.", {.min = 0});
  f("name", name, kName);
}

Tensor PReLU::call(const Tensor& x, Scope& s) const {
  require_rank(x, 2, 1 << 20, "[batch, ...]");
  std::vector<int64_t> dims(x.shape().begin() + 1, x.shape().end());
  for (int axis : shared_axes) {
    if (axis >= x.rank()) {
      throw IndexError("prelu: shared_axes: axis " + std::to_string(axis) + " of " +
                       x.shape().to_string());
    }
    dims[static_cast<size_t>(axis) - 1] = 1;
  }
  const Tensor alpha = s.variable("alpha", Shape(std::move(dims)),
                                  {.initializer = alpha_initializer,
                                   .dtype = weight_type(x),
                                   .regularizer = alpha_regularizer});
  return relu(x) - alpha * relu(-x);
}
Tensor PReLU::operator()(const Tensor& x, CallOptions options, Where where) && {
  return once(std::move(*this), x, options, where);
}
void PReLU::fields(Fields& f) {
  f("alpha_initializer", alpha_initializer, "How the slopes begin.");
  f("alpha_regularizer", alpha_regularizer, "Penalty on the slopes.");
  f("shared_axes", shared_axes, "Axes, from 1, that share a slope.", {.min = 1});
  f("name", name, kName);
}

Tensor ELU::activate(const Tensor& x) const { return elu(x, alpha); }
Tensor ELU::call(const Tensor& x, Scope&) const { return activate(x); }
Tensor ELU::operator()(const Tensor& x, CallOptions options, Where where) && {
  return once(std::move(*this), x, options, where);
}
void ELU::fields(Fields& f) {
  f("alpha", alpha, "Minus the limit towards minus infinity.");
  f("name", name, kName);
}

Tensor Softmax::activate(const Tensor& x) const { return softmax(x, axis); }
Tensor Softmax::call(const Tensor& x, Scope&) const { return activate(x); }
Tensor Softmax::operator()(const Tensor& x, CallOptions options, Where where) && {
  return once(std::move(*this), x, options, where);
}
void Softmax::fields(Fields& f) {
  f("axis", axis, "The axis whose elements sum to 1.");
  f("name", name, kName);
}

}  // namespace varve::nn
