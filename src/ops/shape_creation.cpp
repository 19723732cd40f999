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

Tensor one(const Operand& x) {
  const Tensor t = x.tensor();
  if (t.size() != 1) {
    throw ShapeError("arange: expected a number, got shape " + t.shape().to_string(), "",
                     x.where().to_string());
  }
  return t;
}

/// An integer, exact beyond 2^53.
int64_t whole(const Operand& x) {
  const Tensor t = one(x);
  if (t.dtype() == u64 && t.item<uint64_t>() > static_cast<uint64_t>(INT64_MAX)) {
    throw ValueError("arange: " + std::to_string(t.item<uint64_t>()) + " passes 2^63 - 1", "",
                     x.where().to_string());
  }
  return cast(t, i64).item<int64_t>();
}

[[noreturn]] void step_is_none(const Operand& start) {
  throw ValueError("arange: step: expected a number other than 0", "", start.where().to_string());
}

Tensor integers(const Operand& start, int64_t from, int64_t to, int64_t by, DType dtype) {
  if (by == 0) step_is_none(start);
  // As unsigned numbers: their difference may pass 2^63, and the least step has a counterpart.
  const auto a = static_cast<uint64_t>(from), b = static_cast<uint64_t>(to);
  const uint64_t span = by > 0 ? (to > from ? b - a : 0) : (from > to ? a - b : 0);
  const uint64_t step = by > 0 ? static_cast<uint64_t>(by) : -static_cast<uint64_t>(by);
  const uint64_t count = span == 0 ? 0 : (span - 1) / step + 1;
  if (count > uint64_t{1} << 62) {
    throw ValueError("arange: from " + std::to_string(from) + " to " + std::to_string(to) + " by " +
                         std::to_string(by) + " never ends",
                     "", start.where().to_string());
  }
  return ops::counted(static_cast<int64_t>(count), dtype, from, by, start.where());
}

}  // namespace

Tensor arange(const Operand& start, const Operand& stop, const Operand& step,
              const ArangeOptions& o) {
  const bool real =
      is_floating(start.dtype()) || is_floating(stop.dtype()) || is_floating(step.dtype());
  const DType dtype = o.dtype.value_or(real ? f32 : i64);
  if (!real) return integers(start, whole(start), whole(stop), whole(step), dtype);
  const double from = one(start).to_double(), to = one(stop).to_double(),
               by = one(step).to_double();
  if (by == 0 || std::isnan(by)) step_is_none(start);
  const double count = std::ceil((to - from) / by);
  if (!(count < 0x1p62)) {
    throw ValueError("arange: from " + std::to_string(from) + " to " + std::to_string(to) + " by " +
                         std::to_string(by) + " never ends",
                     "", start.where().to_string());
  }
  const auto size = static_cast<int64_t>(std::max(count, 0.));
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
