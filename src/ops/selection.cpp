// Choosing by masks, lengths and modes, and running extremes: made of gathers.

#include "base/error.h"
#include "ir/frame.h"
#include "ops/shape.h"
#include "varve/ops/indexing.h"
#include "varve/ops/normalization.h"
#include "varve/ops/pointwise.h"
#include "varve/ops/reduction.h"
#include "varve/ops/shape.h"

namespace varve {

void TakeMode::mode_must_be_raise_clip_or_wrap() {
  throw ValueError("take: mode: expected raise, clip or wrap");
}
TakeMode TakeMode::parse(std::string_view name) { return TakeMode(read(name)); }

Tensor take(const Operand& x, const Operand& indices, int axis, TakeMode mode) {
  const ir::CallerScope caller(x.where());
  const Tensor i = indices.tensor();
  if (mode.kind == TakeMode::Kind::raise || !is_integer(i.dtype())) return take(x, indices, axis);
  const Tensor t = x.tensor(), wide = i.dtype() == u64 ? i : cast(i, i64);
  const int64_t n = t.shape()[ops::axis_at("take", axis, t, x.where())];
  return take(x, mode.kind == TakeMode::Kind::clip ? clip(wide, 0, n - 1) : remainder(wide, n),
              axis);
}

Tensor compress(const Operand& x, const Operand& condition, std::optional<int> axis) {
  const ir::CallerScope caller(x.where());
  Tensor t = x.tensor();
  const Tensor c = condition.tensor();
  if (!axis) t = reshape(Operand(t, x.where()), {-1});
  const int a = ops::axis_at("compress", axis.value_or(0), t, x.where());
  if (c.dtype() != DType::bool_) {
    throw DTypeError(std::string("compress: condition: expected bool, got ") + name_of(c.dtype()),
                     "", condition.where().to_string());
  }
  if (c.rank() != 1 || c.size() > t.shape()[a]) {
    throw ShapeError("compress: condition: expected one axis of at most " +
                         std::to_string(t.shape()[a]) + ", got " + c.shape().to_string(),
                     "", condition.where().to_string());
  }
  return take(t, reshape(nonzero(Operand(c, condition.where())).indices, {-1}), a);
}

Tensor reverse_sequence(const Operand& x, const Operand& lengths, const ReverseSequenceOptions& o) {
  const ir::CallerScope caller(x.where());
  const Tensor t = x.tensor(), given = lengths.tensor();
  const int time = ops::axis_at("reverse_sequence", o.time_axis, t, x.where()),
            batch = ops::axis_at("reverse_sequence", o.batch_axis, t, x.where());
  if (time == batch) {
    throw ValueError("reverse_sequence: time_axis and batch_axis are both " + std::to_string(time),
                     "", x.where().to_string());
  }
  const int64_t steps = t.shape()[time], rows = t.shape()[batch];
  if (!is_integer(given.dtype()) || given.shape() != Shape{rows}) {
    throw ShapeError("reverse_sequence: lengths: expected integers [" + std::to_string(rows) +
                         "], got " + ir::type_of(given).to_string(),
                     "", lengths.where().to_string());
  }
  std::vector<int64_t> column(static_cast<size_t>(t.rank()), 1), row = column;
  column[static_cast<size_t>(batch)] = rows;
  row[static_cast<size_t>(time)] = steps;
  const Tensor length = reshape(cast(given, i64), Shape(std::move(column))),
               step = reshape(ops::counted(steps, i64), Shape(std::move(row)));
  // A length beyond the steps points outside the axis, and so does one below 0 after the shift.
  const Tensor turned = where(length < 0, -1 - steps, length - 1 - step);
  return take_along_axis(t, where((step < length) | (length < 0), turned, step), time);
}

namespace {

/// log2(n) rounds of the extreme of y[i] and y[i - 2^r].
Tensor running(const char* op, bool largest, const Operand& x, const CumulativeOptions& o) {
  const ir::CallerScope caller(x.where());
  const Tensor t = x.tensor();
  const int axis = ops::axis_at(op, o.axis, t, x.where());
  const int64_t n = t.shape()[axis];
  const Tensor least = ops::limit_of(t.dtype(), !largest);
  const auto shifted = [&](const Tensor& y, int64_t by) {
    std::vector<int64_t> dims = y.shape().dims();
    dims[static_cast<size_t>(axis)] = by;
    const Tensor fill = ops::stretched_to(least, Shape(std::move(dims)));
    const Tensor rest = ops::narrow(y, axis, o.reverse ? by : 0, n - by);
    return o.reverse ? concat({rest, fill}, axis) : concat({fill, rest}, axis);
  };
  Tensor y = o.exclusive && n > 0 ? shifted(t, 1) : t;
  for (int64_t by = 1; by < n; by *= 2)
    y = largest ? maximum(y, shifted(y, by)) : minimum(y, shifted(y, by));
  return y;
}

}  // namespace

Tensor cummax(const Operand& x, const CumulativeOptions& o) {
  return running("cummax", true, x, o);
}
Tensor cummin(const Operand& x, const CumulativeOptions& o) {
  return running("cummin", false, x, o);
}

Tensor hardmax(const Operand& x, int axis) {
  const ir::CallerScope caller(x.where());
  const Tensor t = x.tensor();
  const int a = ops::axis_at("hardmax", axis, t, x.where());
  std::vector<int64_t> row(static_cast<size_t>(t.rank()), 1);
  row[static_cast<size_t>(a)] = t.shape()[a];
  return cast(argmax(Operand(t, x.where()), {a, true}) ==
                  reshape(ops::counted(t.shape()[a], i64), Shape(std::move(row))),
              t.dtype());
}

Tensor l2_normalize(const Operand& x, const L2NormalizeOptions& o) {
  const ir::CallerScope caller(x.where());
  const Tensor t = ops::floating(x);
  return t /
         maximum(norm(Operand(t, x.where()), {.axes = o.axes, .keep_dims = true}), o.epsilon.value);
}

Tensor logaddexp(const Operand& a, const Operand& b) {
  const ir::CallerScope caller(a.where());
  DType d = ops::common_type({&a, &b});
  if (!is_floating(d)) d = f32;
  const auto t = ops::meet_in("logaddexp", d, {&a, &b});
  return logsumexp(stack({t[0], t[1]}, -1), {.axes = {-1}});
}

}  // namespace varve
