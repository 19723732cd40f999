// Fourier transforms: linear rows whose transposes are one another.
#include "varve/ops/fourier.h"

#include <cmath>

#include "base/error.h"
#include "ops/checks.h"
#include "ops/shape.h"
#include "varve/ops/pointwise.h"

namespace varve::ops {
namespace {

using Cotangents = std::span<const Tensor>;

void require_floating(const InferArguments& a) {
  if (!is_floating(a[0].dtype)) {
    throw DTypeError(
        text_of(a.op.name, std::string("expected a floating type, got ") + name_of(a[0].dtype)));
  }
}
/// The transform's axis, of a complex array.
size_t complex_axis(const InferArguments& a) {
  require_floating(a);
  const Shape& x = a[0].shape;
  if (x.rank() < 2 || x[-1] != 2) {
    throw ShapeError(text_of(a.op.name, "expected complex numbers [..., 2], got " + x.to_string()));
  }
  return static_cast<size_t>(require_axis(a, a.attributes.integer("axis"), x.rank() - 1));
}
void require_points(const InferArguments& a, int64_t points) {
  if (points < 1) {
    throw ShapeError(text_of(a.op.name, "expected at least one point, got " +
                                            std::to_string(points) + " (input " +
                                            a[0].shape.to_string() + ")"));
  }
}

Types fft_type(const InferArguments& a) {
  const size_t axis = complex_axis(a);
  require_flags(a, {"inverse"});
  require_points(a, a[0].shape.dims()[axis]);
  return {a[0]};
}

Types rfft_type(const InferArguments& a) {
  require_floating(a);
  const int axis = require_axis(a, a.attributes.integer("axis"), a[0].shape.rank());
  std::vector<int64_t> dims = a[0].shape.dims();
  int64_t& n = dims[static_cast<size_t>(axis)];
  require_points(a, n);
  n = n / 2 + 1;
  dims.push_back(2);
  return {{a[0].dtype, Shape(std::move(dims))}};
}

Types irfft_type(const InferArguments& a) {
  const size_t axis = complex_axis(a);
  const int64_t size = a.attributes.integer("size");
  require_points(a, size);
  std::vector<int64_t> dims = a[0].shape.dims();
  if (dims[axis] != size / 2 + 1) {
    throw ShapeError(text_of(a.op.name, std::to_string(size) + " real numbers need " +
                                            std::to_string(size / 2 + 1) + " complex ones, got " +
                                            a[0].shape.to_string()));
  }
  dims[axis] = size;
  dims.pop_back();
  return {{a[0].dtype, Shape(std::move(dims))}};
}

/// How often each of the kept frequencies of `points` real numbers counts among all of them: once
/// without a partner, else twice; to the power `sign`. It broadcasts to the spectrum.
Tensor partners(const Tensor& spectrum, int64_t axis, int64_t points, bool reciprocal) {
  const int64_t n = spectrum.shape()[static_cast<int>(axis)];
  std::vector<double> w(static_cast<size_t>(n), reciprocal ? 0.5 : 2);
  w.front() = 1;
  if (points % 2 == 0) w.back() = 1;
  std::vector<int64_t> dims(static_cast<size_t>(spectrum.rank()), 1);
  dims[static_cast<size_t>(axis)] = n;
  return cast(tensor(w, Shape(std::move(dims))), spectrum.dtype());
}

Slots fft_back(const Local& at, Cotangents ct) {
  Attributes how = at.attributes;
  how.set("inverse", !how.flag("inverse"));
  return {make("fft", {ct[0]}, how)};
}
Slots rfft_back(const Local& at, Cotangents ct) {
  const int64_t axis = at.attributes.integer("axis");
  const int64_t points = at.x().shape()[static_cast<int>(axis)];
  return {make("irfft", {ct[0] * partners(ct[0], axis, points, true)},
               {{"axis", axis}, {"size", points}})};
}
Slots irfft_back(const Local& at, Cotangents ct) {
  const int64_t axis = at.attributes.integer("axis");
  const Tensor y = make("rfft", {ct[0]}, {{"axis", axis}});
  return {y * partners(y, axis, at.attributes.integer("size"), false)};
}

/// 5 N log2 N a line of complex points, the usual count; half of that for real ones.
double flops_of(const InferArguments& a, const Types& outputs) {
  const auto axis = static_cast<int>(a.attributes.integer("axis"));
  const bool complex = std::string_view(a.op.name) == "fft";
  const Shape& real = std::string_view(a.op.name) == "irfft" ? outputs[0].shape : a[0].shape;
  const double all = static_cast<double>(real.size()) / (complex ? 2 : 1);
  return (complex ? 5 : 2.5) * all *
         std::log2(std::max<double>(2, static_cast<double>(real[axis])));
}

}  // namespace

std::span<const ir::OpDef> fourier_rows() {
  static const std::vector<ir::OpDef> rows = {
      {.name = "fft",
       .doc = "y[k] = sum_n z[n] exp(-2 pi i k n / N) along attribute axis of complex numbers "
              "[..., N, ..., 2]; attribute inverse: exp(+2 pi i k n / N). Not divided by anything.",
       .min_inputs = 1,
       .max_inputs = 1,
       .infer = fft_type,
       .derivative = ir::Linear{fft_back},
       .traits = {.precision = ir::PrecisionTrait::f32},
       .flops = flops_of},
      {.name = "rfft",
       .doc = "The first N / 2 + 1 frequencies of real numbers [..., N, ...] along attribute axis, "
              "as [..., N / 2 + 1, ..., 2].",
       .min_inputs = 1,
       .max_inputs = 1,
       .infer = rfft_type,
       .derivative = ir::Linear{rfft_back},
       .traits = {.precision = ir::PrecisionTrait::f32},
       .flops = flops_of},
      {.name = "irfft",
       .doc = "x[n] = sum_k z[k] exp(2 pi i k n / N), the N = attribute size real numbers along "
              "attribute axis of N / 2 + 1 complex ones, the others being conjugates. Not divided "
              "by anything.",
       .min_inputs = 1,
       .max_inputs = 1,
       .infer = irfft_type,
       .derivative = ir::Linear{irfft_back},
       .traits = {.precision = ir::PrecisionTrait::f32},
       .flops = flops_of},
  };
  return rows;
}

}  // namespace varve::ops
