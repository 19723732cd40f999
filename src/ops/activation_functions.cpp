#include <string>

#include "base/error.h"
#include "ops/build.h"
#include "varve/ops/activation.h"
#include "varve/ops/indexing.h"
#include "varve/ops/normalization.h"
#include "varve/ops/pointwise.h"
#include "varve/ops/random.h"
#include "varve/ops/reduction.h"
#include "varve/ops/shape.h"

namespace varve {
namespace {

void require(bool ok, const char* op, const char* expected, double got, Where where) {
  if (ok) return;
  throw ValueError(std::string(op) + ": " + expected + ", got " + std::to_string(got), "",
                   where.to_string());
}

int axis_of(const char* op, const Operand& x, int axis, int rank) {
  try {
    return ops::normalize_axis(op, axis, rank);
  } catch (const IndexError& e) {
    throw IndexError(e.message(), e.hint(), x.where().to_string());
  }
}

/// The halves of an axis.
Tensors halves(const char* op, const Operand& x, const Tensor& t, int axis) {
  const int a = axis_of(op, x, axis, t.rank());
  if (t.shape()[a] % 2 != 0) {
    throw ShapeError(std::string(op) + ": axis " + std::to_string(axis) + " of " +
                         t.shape().to_string() + " has no two halves",
                     "", x.where().to_string());
  }
  return split(t, 2, a);
}

}  // namespace

Tensor softplus(const Operand& x, const SoftplusOptions& o) {
  require(o.beta > 0, "softplus", "beta: expected a number above 0", o.beta, x.where());
  const ir::CallerScope caller(x.where());
  const Tensor t = ops::floating(x);
  const Tensor scaled = o.beta == 1 ? t : t * o.beta.value;
  const Tensor y = o.beta == 1 ? softplus(scaled) : softplus(scaled) * (1 / o.beta.value);
  return o.threshold < SoftplusOptions{}.threshold ? where(scaled > o.threshold.value, t, y) : y;
}

Tensor swish(const Operand& x, const Operand& beta) {
  const ir::CallerScope caller(x.where());
  const Tensor t = ops::floating(x);
  return t * sigmoid(beta * t);
}

Tensor quick_gelu(const Operand& x) { return swish(x, 1.702); }

Tensor celu(const Operand& x, Real alpha) {
  require(alpha > 0, "celu", "alpha: expected a number above 0", alpha, x.where());
  const ir::CallerScope caller(x.where());
  const Tensor t = ops::floating(x);
  return where(t > 0, t, alpha.value * expm1(minimum(t, 0) * (1 / alpha.value)));
}

Tensor prelu(const Operand& x, const Operand& slope) {
  const ir::CallerScope caller(x.where());
  const Tensor t = ops::floating(x);
  return relu(t) - slope * relu(-t);
}

Tensor thresholded_relu(const Operand& x, Real threshold) {
  const ir::CallerScope caller(x.where());
  const Tensor t = ops::floating(x);
  return where(t <= threshold.value, 0, t);
}

Tensor hard_sigmoid(const Operand& x, const HardSigmoidOptions& o) {
  const ir::CallerScope caller(x.where());
  return clip(ops::floating(x) * o.alpha.value + o.beta.value, 0, 1);
}

Tensor hard_swish(const Operand& x) {
  const ir::CallerScope caller(x.where());
  const Tensor t = ops::floating(x);
  return t * hard_sigmoid(t);
}

Tensor hard_tanh(const Operand& x, Real low, Real high) {
  const ir::CallerScope caller(x.where());
  return clip(ops::floating(x), low.value, high.value);
}

Tensor hard_shrink(const Operand& x, Real lambda) {
  require(lambda >= 0, "hard_shrink", "lambda: expected 0 or more", lambda, x.where());
  const ir::CallerScope caller(x.where());
  const Tensor t = ops::floating(x);
  return where(abs(t) <= lambda.value, 0, t);
}

Tensor soft_shrink(const Operand& x, Real lambda) {
  require(lambda >= 0, "soft_shrink", "lambda: expected 0 or more", lambda, x.where());
  const ir::CallerScope caller(x.where());
  const Tensor t = ops::floating(x);
  return t - clip(t, -lambda.value, lambda.value);
}

Tensor tanh_shrink(const Operand& x) {
  const ir::CallerScope caller(x.where());
  const Tensor t = ops::floating(x);
  return t - tanh(t);
}

Tensor squareplus(const Operand& x, Real b) {
  require(b > 0, "squareplus", "b: expected a number above 0", b, x.where());
  const ir::CallerScope caller(x.where());
  const Tensor t = ops::floating(x);
  // Below 0 the sum would cancel; it is b / 2 over its conjugate.
  const Tensor s = sqrt(square(t) + b.value) + abs(t);
  return where(t < 0, b.value / 2 / s, s * 0.5);
}

Tensor sparse_plus(const Operand& x) {
  const ir::CallerScope caller(x.where());
  const Tensor t = ops::floating(x);
  return where(t >= 1, t, square(clip(t, -1, 1) + 1) * 0.25);
}

Tensor sparse_sigmoid(const Operand& x) { return hard_sigmoid(x, {.alpha = 0.5, .beta = 0.5}); }

Tensor step(const Operand& x, const Operand& at_zero) {
  const ir::CallerScope caller(x.where());
  const Tensor t = ops::floating(x);
  return where(t == 0, at_zero, clip(sign(t), 0, 1));
}

Tensor softmin(const Operand& x, int axis) {
  const ir::CallerScope caller(x.where());
  return softmax(-ops::floating(x), axis);
}

Tensor sparsemax(const Operand& x, int axis) {
  const ir::CallerScope caller(x.where());
  const Tensor t = ops::floating(x);
  const int a = axis_of("sparsemax", x, axis, t.rank());
  const ReduceOptions along{.axes = {a}, .keep_dims = true};
  // Which elements are not 0 is a step of x; beside it the threshold is linear, so the gradient
  // needs no sorting. The j-th largest is one of them where 1 + j x_j > the sum of the j largest.
  const Tensor fixed = ops::make("stop_gradient", {t});
  const Tensor z = sort(fixed, {.axis = a, .descending = true});
  std::vector<int64_t> counted(static_cast<size_t>(t.rank()), 1);
  counted[static_cast<size_t>(a)] = t.shape()[a];
  const Tensor j = reshape(cast(arange(1, t.shape()[a] + 1), t.dtype()), Shape(std::move(counted)));
  const Tensor in = cast(1 + j * z > cumsum(z, {.axis = a}), t.dtype());
  const Tensor support = cast(fixed > (sum(in * z, along) - 1) / sum(in, along), t.dtype());
  return relu(t - (sum(support * t, along) - 1) / sum(support, along));
}

Tensor maxout(const Operand& x, Dim pieces, int axis) {
  const ir::CallerScope caller(x.where());
  const Tensor t = x.tensor();
  const int a = axis_of("maxout", x, axis, t.rank());
  if (pieces < 1 || t.shape()[a] % pieces != 0) {
    throw ShapeError("maxout: axis " + std::to_string(axis) + " of " + t.shape().to_string() +
                         " into pieces of " + std::to_string(pieces.value),
                     "", x.where().to_string());
  }
  std::vector<int64_t> dims = t.shape().dims();
  dims[static_cast<size_t>(a)] /= pieces;
  dims.insert(dims.begin() + a + 1, pieces.value);
  return max(reshape(t, Shape(std::move(dims))), {.axes = {a + 1}});
}

Tensor glu(const Operand& x, int axis) {
  const ir::CallerScope caller(x.where());
  const Tensors h = halves("glu", x, ops::floating(x), axis);
  return h[0] * sigmoid(h[1]);
}

Tensor swiglu(const Operand& x, int axis) {
  const ir::CallerScope caller(x.where());
  const Tensors h = halves("swiglu", x, ops::floating(x), axis);
  return silu(h[0]) * h[1];
}

Tensor geglu(const Operand& x, int axis) {
  const ir::CallerScope caller(x.where());
  const Tensors h = halves("geglu", x, ops::floating(x), axis);
  return gelu(h[0]) * h[1];
}

Tensor random_relu(const Operand& x, const Key& key, const RandomReluOptions& o) {
  require(o.lower <= o.upper, "random_relu", "lower: expected at most upper", o.lower, x.where());
  const ir::CallerScope caller(x.where());
  const Tensor t = ops::floating(x);
  return prelu(
      t, random::uniform(key, t.shape(), {.low = o.lower, .high = o.upper, .dtype = t.dtype()}));
}

}  // namespace varve
