#include "varve/nn/activation_layers.h"

#include "nn/masks.h"
#include "nn/weights.h"
#include "varve/ops/activation.h"
#include "varve/ops/matmul.h"
#include "varve/ops/normalization.h"
#include "varve/ops/pointwise.h"
#include "varve/ops/shape.h"

namespace varve::nn {

Tensor Activation::call(const Tensor& x, Scope&) const {
  if (activation.masks() != Masks::elementwise) require_within_step(x, -1);
  return activation(x);
}
Tensor Activation::operator()(const Tensor& x, CallOptions options, Where where) && {
  return once(std::move(*this), x, options, where);
}
void Activation::fields(Fields& f) {
  f("activation", activation, "The function.");
  f("name", name, kLayerName);
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
  f("name", name, kLayerName);
}

Tensor LeakyReLU::activate(const Tensor& x) const { return leaky_relu(x, negative_slope); }
Tensor LeakyReLU::call(const Tensor& x, Scope&) const { return activate(x); }
Tensor LeakyReLU::operator()(const Tensor& x, CallOptions options, Where where) && {
  return once(std::move(*this), x, options, where);
}
void LeakyReLU::fields(Fields& f) {
  f("negative_slope", negative_slope, "Slope below 0.", {.min = 0});
  f("name", name, kLayerName);
}

Tensor PReLU::call(const Tensor& x, Scope& s) const {
  require_rank(x, 2, kAnyRank, "[batch, ...]");
  std::vector<int64_t> dims(x.shape().begin() + 1, x.shape().end());
  for (int axis : shared_axes) {
    if (axis >= x.rank()) {
      throw IndexError("prelu: shared_axes: axis " + std::to_string(axis) + " of " +
                       x.shape().to_string());
    }
    dims[static_cast<size_t>(axis) - 1] = 1;
  }
  const Tensor alpha =
      s.variable("alpha", Shape(std::move(dims)),
                 weight(alpha_initializer, weight_type(x), alpha_regularizer, alpha_constraint));
  return relu(x) - alpha * relu(-x);
}
Tensor PReLU::operator()(const Tensor& x, CallOptions options, Where where) && {
  return once(std::move(*this), x, options, where);
}
void PReLU::fields(Fields& f) {
  f("alpha_initializer", alpha_initializer, "How the slopes begin.");
  f("alpha_regularizer", alpha_regularizer, "Penalty on the slopes.");
  f("alpha_constraint", alpha_constraint, "What the slopes are brought back to.");
  f("shared_axes", shared_axes, "Axes, from 1, that share a slope.", {.min = 1});
  f("name", name, kLayerName);
}

Tensor ELU::activate(const Tensor& x) const { return elu(x, alpha); }
Tensor ELU::call(const Tensor& x, Scope&) const { return activate(x); }
Tensor ELU::operator()(const Tensor& x, CallOptions options, Where where) && {
  return once(std::move(*this), x, options, where);
}
void ELU::fields(Fields& f) {
  f("alpha", alpha, "Minus the limit towards minus infinity.");
  f("name", name, kLayerName);
}

Tensor Softmax::activate(const Tensor& x) const {
  require_within_step(x, axis);
  return softmax(x, axis);
}
Tensor Softmax::call(const Tensor& x, Scope&) const { return activate(x); }
Tensor Softmax::operator()(const Tensor& x, CallOptions options, Where where) && {
  return once(std::move(*this), x, options, where);
}
void Softmax::fields(Fields& f) {
  f("axis", axis, "The axis whose elements sum to 1.");
  f("name", name, kLayerName);
}

Tensor CELU::activate(const Tensor& x) const { return celu(x, alpha); }
Tensor CELU::call(const Tensor& x, Scope&) const { return activate(x); }
Tensor CELU::operator()(const Tensor& x, CallOptions options, Where where) && {
  return once(std::move(*this), x, options, where);
}
void CELU::fields(Fields& f) {
  f("alpha", alpha, "Minus the limit towards minus infinity.", {.above = 0});
  f("name", name, kLayerName);
}

Tensor Swish::activate(const Tensor& x) const { return swish(x, beta); }
Tensor Swish::call(const Tensor& x, Scope&) const { return activate(x); }
Tensor Swish::operator()(const Tensor& x, CallOptions options, Where where) && {
  return once(std::move(*this), x, options, where);
}
void Swish::fields(Fields& f) {
  f("beta", beta, "0: x / 2; large: relu.");
  f("name", name, kLayerName);
}

Tensor Softplus::activate(const Tensor& x) const {
  return softplus(x, {.beta = beta, .threshold = threshold.value_or(SoftplusOptions{}.threshold)});
}
Tensor Softplus::call(const Tensor& x, Scope&) const { return activate(x); }
Tensor Softplus::operator()(const Tensor& x, CallOptions options, Where where) && {
  return once(std::move(*this), x, options, where);
}
void Softplus::fields(Fields& f) {
  f("beta", beta, "How sharp the bend is.", {.above = 0});
  f("threshold", threshold, "Where beta x is above it, the result is x.");
  f("name", name, kLayerName);
}

Tensor HardSigmoid::activate(const Tensor& x) const {
  return hard_sigmoid(x, {.alpha = alpha, .beta = beta});
}
Tensor HardSigmoid::call(const Tensor& x, Scope&) const { return activate(x); }
Tensor HardSigmoid::operator()(const Tensor& x, CallOptions options, Where where) && {
  return once(std::move(*this), x, options, where);
}
void HardSigmoid::fields(Fields& f) {
  f("alpha", alpha, "Slope.");
  f("beta", beta, "Value at 0.");
  f("name", name, kLayerName);
}

Tensor HardTanh::activate(const Tensor& x) const { return hard_tanh(x, low, high); }
Tensor HardTanh::call(const Tensor& x, Scope&) const { return activate(x); }
Tensor HardTanh::operator()(const Tensor& x, CallOptions options, Where where) && {
  return once(std::move(*this), x, options, where);
}
void HardTanh::fields(Fields& f) {
  f("low", low, "The least result.");
  f("high", high, "The largest result.");
  f("name", name, kLayerName);
}

Tensor HardShrink::activate(const Tensor& x) const { return hard_shrink(x, lambda); }
Tensor HardShrink::call(const Tensor& x, Scope&) const { return activate(x); }
Tensor HardShrink::operator()(const Tensor& x, CallOptions options, Where where) && {
  return once(std::move(*this), x, options, where);
}
void HardShrink::fields(Fields& f) {
  f("lambda", lambda, "Up to which size elements become 0.", {.min = 0});
  f("name", name, kLayerName);
}

Tensor SoftShrink::activate(const Tensor& x) const { return soft_shrink(x, lambda); }
Tensor SoftShrink::call(const Tensor& x, Scope&) const { return activate(x); }
Tensor SoftShrink::operator()(const Tensor& x, CallOptions options, Where where) && {
  return once(std::move(*this), x, options, where);
}
void SoftShrink::fields(Fields& f) {
  f("lambda", lambda, "By how much.", {.min = 0});
  f("name", name, kLayerName);
}

Tensor ThresholdedReLU::activate(const Tensor& x) const { return thresholded_relu(x, threshold); }
Tensor ThresholdedReLU::call(const Tensor& x, Scope&) const { return activate(x); }
Tensor ThresholdedReLU::operator()(const Tensor& x, CallOptions options, Where where) && {
  return once(std::move(*this), x, options, where);
}
void ThresholdedReLU::fields(Fields& f) {
  f("threshold", threshold, "Up to where the result is 0.");
  f("name", name, kLayerName);
}

Tensor Step::activate(const Tensor& x) const { return step(x, at_zero); }
Tensor Step::call(const Tensor& x, Scope&) const { return activate(x); }
Tensor Step::operator()(const Tensor& x, CallOptions options, Where where) && {
  return once(std::move(*this), x, options, where);
}
void Step::fields(Fields& f) {
  f("at_zero", at_zero, "The value at 0.");
  f("name", name, kLayerName);
}

Tensor GLU::activate(const Tensor& x) const {
  require_within_step(x, axis);
  const int64_t size = axis >= -x.rank() && axis < x.rank() ? x.shape()[axis] : 0;
  if (size == 0 || size % 2 != 0) {
    throw ShapeError("glu: axis " + std::to_string(axis) + " of " + x.shape().to_string() +
                     " has no two halves");
  }
  const Tensors halves = split(x, 2, axis);
  return halves[0] * activation(halves[1]);
}
Tensor GLU::call(const Tensor& x, Scope&) const { return activate(x); }
Tensor GLU::operator()(const Tensor& x, CallOptions options, Where where) && {
  return once(std::move(*this), x, options, where);
}
void GLU::fields(Fields& f) {
  f("activation", activation, "Function of the gate.");
  f("axis", axis, "The axis whose second half is the gate.");
  f("name", name, kLayerName);
}

Tensor RReLU::call(const Tensor& x, Scope& s) const {
  if (!s.training()) return leaky_relu(x, (lower + upper) / 2);
  return random_relu(x, s.key(), {.lower = lower, .upper = upper});
}
Tensor RReLU::operator()(const Tensor& x, CallOptions options, Where where) && {
  return once(std::move(*this), x, options, where);
}
void RReLU::fields(Fields& f) {
  f("lower", lower, "The least slope below 0.");
  f("upper", upper, "The largest slope below 0.");
  f("name", name, kLayerName);
}

Tensor Maxout::call(const Tensor& x, Scope& s) const {
  require_rank(x, 2, kAnyRank, "[batch, ..., features]");
  const DType dtype = weight_type(x);
  MatmulOptions options;
  const Tensor kernel =
      fitted(s, "kernel", {x.shape()[-1], units * pieces}, 0, 1,
             weight(kernel_initializer, dtype, kernel_regularizer, kernel_constraint));
  if (use_bias) {
    options.bias = s.variable("bias", {units * pieces},
                              weight(bias_initializer, dtype, bias_regularizer, bias_constraint));
  }
  return maxout(matmul(real(x), kernel, options), pieces);
}
Tensor Maxout::operator()(const Tensor& x, CallOptions options, Where where) && {
  return once(std::move(*this), x, options, where);
}
void Maxout::fields(Fields& f) {
  f("units", units, "Size of the result's last axis.", {.min = 1});
  f("pieces", pieces, "Affine maps a unit.", {.min = 1});
  f("use_bias", use_bias, "Whether a bias is added.");
  kernel_and_bias_fields(*this, f);
  f("name", name, kLayerName);
}

}  // namespace varve::nn
