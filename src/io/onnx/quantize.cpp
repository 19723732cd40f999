// Numbers of few bits and their scales.
#include <algorithm>

#include "base/integers.h"
#include "io/onnx/helpers.h"
#include "varve/ops/matmul.h"
#include "varve/ops/reduction.h"
#include "varve/ops/shape.h"

namespace varve::io::onnx {
namespace {

using formats::onnx::held_as;

// A scale or zero point beside x: one number, one along an axis, or one a block of an axis.
Tensor beside(const Call& c, const Tensor& x, const Tensor& s) {
  if (s.size() == 1 && s.rank() <= 1) return reshape(s, {});
  const int64_t given = c.integer("axis", 1);
  const int64_t block = c.integer("block_size", 0);
  const int axis = c.axis(given, x.rank());
  if (s.rank() == 1 && block == 0) {
    if (s.size() != x.shape()[axis]) {
      c.fail("scale " + s.shape().to_string() + " does not fit axis " + std::to_string(axis) +
             " of " + x.shape().to_string());
    }
    std::vector<int64_t> sizes(static_cast<size_t>(x.rank()), 1);
    sizes[static_cast<size_t>(axis)] = s.size();
    return reshape(s, Shape(std::move(sizes)));
  }
  const int64_t n = x.shape()[axis];
  if (block < 1 || s.rank() != x.rank() || s.shape()[axis] != (n > 0 ? (n - 1) / block + 1 : 0)) {
    c.fail("scale " + s.shape().to_string() + " with block_size " + std::to_string(block) +
           " does not fit " + x.shape().to_string());
  }
  std::vector<Slice> slices(static_cast<size_t>(x.rank()));
  slices[static_cast<size_t>(axis)].stop = n;
  return slice(repeat(s, std::clamp<int64_t>(block, 1, std::max<int64_t>(n, 1)), axis), slices);
}

// Rounds to the nearest (ties to even), shifts, and cuts to what the type holds.
Value quantized(const Tensor& scaled, const Tensor& zero, Type to, bool saturate) {
  if (formats::onnx::minifloat_of(to)) {
    const Tensor shifted = zero.defined() ? add(scaled, as(zero, scaled.dtype())) : scaled;
    return {round_to(shifted, to, {.saturate = saturate}), to};
  }
  Tensor y = round(scaled);
  if (zero.defined()) y = add(y, as(zero, y.dtype()));
  if (const auto range = formats::onnx::small_range(to)) {
    y = clip(y, range->low, range->high);
  }
  return {cast(y, held_as(to)), to};
}

Values quantize_linear(Call& c) {
  const Tensor x = c.dtype(0) == i32 ? as(c.tensor(0), f64) : widened(c.tensor(0));
  const Tensor scale = as(beside(c, x, c.tensor(1)), x.dtype());
  // The zero point's type counts; 0 says that none is given.
  const Type named =
      c.integer("output_dtype", 0) ? c.type_attribute("output_dtype", Type::uint8) : Type::uint8;
  const Type given = c.has(2) ? c.type(2) : named;
  const Tensor zero = c.has(2) ? beside(c, x, c.tensor(2)) : Tensor();
  return {quantized(divide(x, scale), zero, given, c.integer("saturate", 1) != 0)};
}

Values dequantize_linear(Call& c) {
  const Tensor& x = c.tensor(0);
  const Tensor scale = beside(c, x, c.tensor(1));
  Tensor shifted = x;
  if (c.has(2)) {
    const DType wide = is_floating(x.dtype()) ? f32 : size_of(x.dtype()) < 4 ? i32 : i64;
    shifted = subtract(as(x, wide), as(beside(c, x, c.tensor(2)), wide));
  }
  const Type to =
      c.integer("output_dtype", 0) ? c.type_attribute("output_dtype", c.type(1)) : c.type(1);
  const DType inner = scale.dtype() == f64 ? f64 : f32;
  return {Value(as(multiply(as(shifted, inner), as(scale, inner)), held_as(to)), to)};
}

// The range of x, 0 included, spread over 0..255.
Values dynamic_quantize_linear(Call& c) {
  const Tensor& x = c.tensor(0);
  const Tensor low = minimum(min(x), 0), high = maximum(max(x), 0);
  const Tensor scale = divide(subtract(high, low), 255);
  // All zeros have no range: any scale will do.
  const Tensor divisor = where(equal(scale, 0), ones_like(scale), scale);
  const Tensor zero = clip(round(divide(negative(low), divisor)), 0, 255);
  const Tensor y = clip(add(round(divide(x, divisor)), zero), 0, 255);
  return {cast(y, u8), scale, cast(zero, u8)};
}

// Scales of a may be one a row, of b one a column.
Values qlinear_matmul(Call& c) {
  const auto operand = [&](int i, bool rows) {
    const auto column = [&](int at) {
      const Tensor s = as(c.tensor(at), f64);
      return rows && s.rank() == 1 && s.size() > 1 ? expand_dims(s, -1) : s;
    };
    return multiply(subtract(as(c.tensor(i), f64), column(i + 2)), column(i + 1));
  };
  const Tensor product = matmul(operand(0, true), operand(3, false));
  const Tensor scaled = divide(product, as(c.tensor(6), f64));
  return {quantized(scaled, c.tensor(7), c.type(7), true)};
}

constexpr Row kRows[] = {
    {"DequantizeLinear", 10, dequantize_linear},
    {"DynamicQuantizeLinear", 11, dynamic_quantize_linear},
    {"QLinearMatMul", 10, qlinear_matmul},
    {"QuantizeLinear", 10, quantize_linear},
};

}  // namespace

std::span<const Row> quantize_rows() { return kRows; }

}  // namespace varve::io::onnx
