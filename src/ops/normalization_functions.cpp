// Normalizations that are made of other ops.
#include <algorithm>
#include <cmath>

#include "base/error.h"
#include "ops/build.h"
#include "ops/shape.h"
#include "varve/ops/normalization.h"
#include "varve/ops/pointwise.h"
#include "varve/ops/pooling.h"
#include "varve/ops/reduction.h"
#include "varve/ops/shape.h"

namespace varve {
namespace {

/// A scale or offset in x's type; ShapeError for another shape.
Tensor parameter(const char* op, const char* what, const Tensor& given, const Shape& shape,
                 DType dtype, double otherwise, const Where& where) {
  if (!given.defined()) return ops::full(otherwise, dtype, shape);
  if (given.shape() != shape) {
    throw ShapeError(ops::text_of(op, std::string(what) + ": expected shape " + shape.to_string() +
                                          ", got " + given.shape().to_string()),
                     "", where.to_string());
  }
  return cast(Operand(given, where), dtype);
}

void require_epsilon(const char* op, double epsilon, const Where& where) {
  if (epsilon >= 0) return;
  throw ValueError(ops::text_of(op, "epsilon: expected at least 0, got " + std::to_string(epsilon)),
                   "", where.to_string());
}

}  // namespace

Tensor instance_norm(const Operand& operand, const InstanceNormOptions& o) {
  const char* name = "instance_norm";
  const Where where = operand.where();
  require_epsilon(name, o.epsilon, where);
  const Tensor x = ops::floating(operand);
  if (x.rank() < 3) {
    throw ShapeError(ops::text_of(name, "expected batch, channels and spatial axes, got " +
                                            x.shape().to_string()),
                     "", where.to_string());
  }
  const int axis = ops::axis_at(name, o.axis, x, where);
  if (axis == 0)
    throw ValueError(ops::text_of(name, "axis 0 is the batch's"), "", where.to_string());
  ir::Ints space;
  for (int i = 1; i < x.rank(); ++i) {
    if (i != axis) space.push_back(i);
  }
  std::vector<Tensor> inputs{x};
  if (o.scale.defined() || o.offset.defined()) {
    const Shape shape{x.shape()[axis]};
    inputs.push_back(parameter(name, "scale", o.scale, shape, x.dtype(), 1, where));
    inputs.push_back(parameter(name, "offset", o.offset, shape, x.dtype(), 0, where));
  }
  return ir::apply(
      ops::get("normalize"), inputs,
      {{"axes", space}, {"parameter_axes", ir::Ints{axis}}, {"epsilon", o.epsilon.value}},
      where)[0];
}

Tensor rms_norm(const Operand& operand, const RmsNormOptions& o) {
  const char* name = "rms_norm";
  const Where where = operand.where();
  require_epsilon(name, o.epsilon, where);
  const ir::CallerScope caller(where);
  const Tensor given = ops::floating(operand);
  for (int a : o.axes) ops::axis_at(name, a, given, where);
  const ir::Ints axes = ops::normalize_axes(name, o.axes, given.rank());
  const Tensor x = given.dtype() == f64 ? given : cast(given, f32);
  const Tensor power = mean(square(x), {.axes = {axes.begin(), axes.end()}, .keep_dims = true});
  Tensor y = x * rsqrt(power + o.epsilon);
  if (o.scale.defined()) {
    std::vector<int64_t> dims, beside(static_cast<size_t>(x.rank()), 1);
    for (int64_t a : axes) {
      dims.push_back(x.shape()[static_cast<int>(a)]);
      beside[static_cast<size_t>(a)] = dims.back();
    }
    const Tensor scale =
        parameter(name, "scale", o.scale, Shape(std::move(dims)), x.dtype(), 1, where);
    y = y * reshape(scale, Shape(std::move(beside)));
  }
  return cast(y, given.dtype());
}

Tensor local_response_norm(const Operand& operand, const LocalResponseNormOptions& o) {
  const char* name = "local_response_norm";
  const Where where = operand.where();
  const ir::CallerScope caller(where);
  const Tensor x = ops::floating(operand);
  const int axis = ops::axis_at(name, o.axis, x, where);
  if (o.size < 1) {
    throw ValueError(
        ops::text_of(name, "size: expected at least 1, got " + std::to_string(o.size.value)), "",
        where.to_string());
  }
  // Windows reach no further than to the other end.
  const int64_t channels = x.shape()[axis], most = std::max<int64_t>(channels - 1, 0);
  const int64_t low = std::min<int64_t>((o.size - 1) / 2, most),
                high = std::min<int64_t>(o.size / 2, most);
  const Tensor squares = square(x);
  Tensor sum;
  constexpr int64_t kFewTerms = 16;
  if (low + high < kFewTerms) {
    // A few shifted terms run as one pass.
    std::vector<PadWidth> around(static_cast<size_t>(x.rank()));
    around[static_cast<size_t>(axis)] = {low, high};
    const Tensor wide = pad(squares, around);
    for (int64_t k = 0; k <= low + high; ++k) {
      const Tensor term = ops::narrow(wide, axis, k, channels);
      sum = sum.defined() ? sum + term : term;
    }
  } else {
    int64_t before = 1, after = 1;
    for (int i = 0; i < x.rank(); ++i) {
      if (i < axis) before *= x.shape()[i];
      if (i > axis) after *= x.shape()[i];
    }
    const int64_t taps = low + high + 1;
    const Tensor means = average_pool1d(
        reshape(squares, {before, channels, after}),
        {.window = taps, .strides = 1, .padding = {{low, high}}, .count_include_pad = true});
    sum = reshape(means * static_cast<double>(taps), x.shape());
  }
  const double share = o.alpha.value / static_cast<double>(o.size.value);
  return x * power(sum * share + o.bias, -o.beta.value);
}

}  // namespace varve
