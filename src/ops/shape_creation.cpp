// Making tensors, and functions of diagonals.
#include <algorithm>
#include <cmath>

#include "base/error.h"
#include "ops/shape.h"
#include "varve/ops/pointwise.h"
#include "varve/ops/shape.h"

namespace varve {

Tensor zeros(const Shape& shape, DType dtype) { return ops::full(0, dtype, shape); }
Tensor ones(const Shape& shape, DType dtype) { return ops::full(1, dtype, shape); }

Tensor full(const Shape& shape, const Operand& value, DType dtype) {
  Tensor v = value.is_tensor() ? cast(value, dtype) : value.as(dtype);
  if (v.size() != 1) {
    throw ShapeError("full: value: expected one element, got shape " + v.shape().to_string(), "",
                     value.where().to_string());
  }
  return ops::stretched_to(ops::reshaped(v, {}, value.where()), shape, value.where());
}

Tensor zeros_like(const Operand& x) { return ops::full(0, x.dtype(), x.tensor().shape()); }
Tensor ones_like(const Operand& x) { return ops::full(1, x.dtype(), x.tensor().shape()); }
Tensor full_like(const Operand& x, const Operand& value) {
  return full(x.tensor().shape(), value, x.dtype());
}

namespace {

/// column - row >= offset, as bool of shape [rows, columns].
Tensor on_or_above(int64_t rows, int64_t columns, int64_t offset) {
  const Tensor column = ops::counted(columns, i64);
  const Tensor row = ops::reshaped(ops::counted(rows, i64, offset), Shape{rows, 1});
  return column >= row;
}

Tensor matrices(const char* op, const Operand& x) {
  const Tensor t = x.tensor();
  if (t.rank() < 2) {
    throw ShapeError(ops::text_of(op, "expected at least 2 axes, got " + t.shape().to_string()), "",
                     x.where().to_string());
  }
  return t;
}

}  // namespace

Tensor eye(Dim rows, Dim columns, Dim offset, DType dtype) {
  const int64_t width = columns < 0 ? rows : columns;
  const Tensor column = ops::counted(width, i64);
  const Tensor row = ops::reshaped(ops::counted(rows, i64, offset), Shape{rows, 1});
  return cast(column == row, dtype);
}

Tensor triu(const Operand& x, Dim offset) {
  const ir::CallerScope caller(x.where());
  const Tensor t = matrices("triu", x);
  return where(Operand(on_or_above(t.shape()[-2], t.shape()[-1], offset), x.where()), t,
               scalar(0, t.dtype()));
}

Tensor tril(const Operand& x, Dim offset) {
  const ir::CallerScope caller(x.where());
  const Tensor t = matrices("tril", x);
  return where(Operand(on_or_above(t.shape()[-2], t.shape()[-1], offset + 1), x.where()),
               scalar(0, t.dtype()), t);
}

Tensor diagonal(const Operand& x, const DiagonalOptions& o) {
  const Tensor t = matrices("diagonal", x);
  const int64_t a = ops::axis_at("diagonal", o.axis1, t, x.where()),
                b = ops::axis_at("diagonal", o.axis2, t, x.where());
  if (a == b) {
    throw ValueError("diagonal: axis " + std::to_string(a) + " is given twice", "",
                     x.where().to_string());
  }
  return ops::make("diagonal", {t}, {{"offset", o.offset.value}, {"axes", ir::Ints{a, b}}},
                   x.where());
}

Tensor diagonal_matrix(const Operand& x, Dim offset) {
  const ir::CallerScope caller(x.where());
  const Tensor t = x.tensor();
  if (t.rank() != 1) {
    throw ShapeError("diagonal_matrix: expected one axis, got " + t.shape().to_string(), "",
                     x.where().to_string());
  }
  const int64_t n = t.size(), k = offset, size = n + std::abs(k);
  const Tensor square = where(cast(eye(n), DType::bool_), t, scalar(0, t.dtype()));
  const int64_t down = std::max<int64_t>(-k, 0), right = std::max<int64_t>(k, 0);
  return ops::padded(square, {down, right}, {size - n - down, size - n - right}, {0, 0});
}

namespace {

double number(const Operand& x) {
  const Tensor t = x.tensor();
  if (t.size() != 1) {
    throw ShapeError("arange: expected a number, got shape " + t.shape().to_string(), "",
                     x.where().to_string());
  }
  return t.to_double();
}

}  // namespace

Tensor arange(const Operand& start, const Operand& stop, const Operand& step,
              const ArangeOptions& o) {
  const double from = number(start), to = number(stop), by = number(step);
  if (by == 0 || std::isnan(by)) {
    throw ValueError("arange: step: expected a number other than 0, got " + std::to_string(by), "",
                     start.where().to_string());
  }
  const double count = std::ceil((to - from) / by);
  if (!(count < 0x1p62)) {
    throw ValueError("arange: from " + std::to_string(from) + " to " + std::to_string(to) + " by " +
                         std::to_string(by) + " never ends",
                     "", start.where().to_string());
  }
  const auto size = static_cast<int64_t>(std::max(count, 0.));
  const bool real =
      is_floating(start.dtype()) || is_floating(stop.dtype()) || is_floating(step.dtype());
  const DType dtype = o.dtype.value_or(real ? f32 : i64);
  if (!real) {
    return ops::counted(size, dtype, static_cast<int64_t>(from), static_cast<int64_t>(by),
                        start.where());
  }
  const Tensor places = ops::counted(size, f64, 0, 1, start.where());
  return cast(from + by * places, dtype);
}

Tensor arange(const Operand& start, const Operand& stop, const ArangeOptions& o) {
  return arange(start, stop, Operand(1, start.where()), o);
}
Tensor arange(const Operand& stop, const ArangeOptions& o) {
  return arange(Operand(0, stop.where()), stop, Operand(1, stop.where()), o);
}

Tensor linspace(Real start, Real stop, Dim count, const LinspaceOptions& o) {
  if (count < 0)
    throw ValueError("linspace: count: expected 0 or more, got " + std::to_string(count));
  const double gaps = static_cast<double>(o.endpoint ? count - 1 : count.value);
  const Tensor place = ops::counted(count, f64);
  Tensor t = start.value + place * (gaps > 0 ? (stop - start) / gaps : 0);
  // start + gaps * step may miss the end by a rounding.
  if (o.endpoint && count > 1) t = where(place == gaps, stop.value, t);
  return cast(t, o.dtype);
}

}  // namespace varve
