// The indexing functions users call; NumPy's subscripts are in indexing_subscript.cpp.
#include <algorithm>

#include "base/error.h"
#include "ir/frame.h"
#include "ops/indexing.h"
#include "varve/ops/indexing.h"
#include "varve/ops/pointwise.h"
#include "varve/ops/reduction.h"

namespace varve {
namespace {

Tensor integers(const char* op, const Operand& indices) {
  const Tensor t = indices.tensor();
  if (!is_integer(t.dtype())) {
    throw DTypeError(
        ops::text_of(op, std::string("indices: expected integers, got ") + name_of(t.dtype())),
        t.dtype() == DType::bool_ ? "index(x, {mask}) selects by a mask" : "",
        indices.where().to_string());
  }
  return t;
}

/// Updates in x's type and in the shape that the gather would read.
Tensor fitted(const char* op, const Tensor& x, const Tensor& indices, const Operand& updates,
              const Shape& shape) {
  const Tensor u = updates.is_tensor() ? cast(updates, x.dtype()) : updates.as(x.dtype());
  bool fits = u.rank() <= shape.rank();
  for (int i = 1; fits && i <= u.rank(); ++i)
    fits = u.shape()[-i] == 1 || u.shape()[-i] == shape[-i];
  if (!fits) {
    throw ShapeError(
        ops::text_of(op,
                     "updates: expected " + shape.to_string() + ", got " + u.shape().to_string()),
        "x is " + x.shape().to_string() + ", indices are " + indices.shape().to_string(),
        updates.where().to_string());
  }
  return ops::stretched_to(u, shape, updates.where());
}

Tensor scatter(const char* op, const char* name, const Operand& x, const Tensor& indices,
               const Operand& updates, const Shape& shape, const ir::Attributes& how) {
  const Tensor t = x.tensor();
  return ops::make(op, {t, fitted(name, t, indices, updates, shape), indices}, how, x.where());
}

Tensor scatter_take(const char* op, const Operand& x, const Operand& indices,
                    const Operand& updates, int axis) {
  const Tensor t = x.tensor(), i = integers(op, indices);
  const int a = ops::axis_at(op, axis, t, x.where());
  std::vector<int64_t> dims = t.shape().dims();
  dims.erase(dims.begin() + a);
  dims.insert(dims.begin() + a, i.shape().begin(), i.shape().end());
  return scatter(op, op, x, i, updates, Shape(std::move(dims)), ops::gather_form("take", a));
}

/// Indices stretched to x's shape beside the axis; x stretched likewise.
struct Along {
  Tensor x, indices;
  int axis;
};

Along along(const char* op, const Operand& x, const Operand& indices, int axis) {
  Along r{x.tensor(), integers(op, indices), 0};
  if (r.x.rank() != r.indices.rank()) {
    throw ShapeError(
        ops::text_of(op, "x and indices are of different rank: " + r.x.shape().to_string() +
                             " and " + r.indices.shape().to_string()),
        "", x.where().to_string());
  }
  r.axis = ops::axis_at(op, axis, r.x, x.where());
  std::vector<int64_t> xs = r.x.shape().dims(), is = r.indices.shape().dims();
  const size_t a = static_cast<size_t>(r.axis);
  const int64_t n = xs[a], m = is[a];
  xs[a] = is[a] = 1;
  std::vector<int64_t> both;
  try {
    both = ops::broadcast_shapes(op, Shape(xs), Shape(is)).dims();
  } catch (const ShapeError& e) {
    throw ShapeError(e.message(), e.hint(), x.where().to_string());
  }
  both[a] = n;
  r.x = ops::stretched_to(r.x, Shape(both), x.where());
  both[a] = m;
  r.indices = ops::stretched_to(r.indices, Shape(both), x.where());
  return r;
}

Tensor scatter_along(const char* op, const char* name, const Operand& x, const Operand& indices,
                     const Operand& updates, int axis) {
  const Along r = along(name, x, indices, axis);
  return scatter(op, name, Operand(r.x, x.where()), r.indices, updates, r.indices.shape(),
                 ops::gather_form("along", r.axis));
}

Tensor scatter_nd(const char* op, const char* name, const Operand& x, const Operand& indices,
                  const Operand& updates) {
  const Tensor t = x.tensor(), i = integers(name, indices);
  const int64_t k = i.rank() ? i.shape()[-1] : -1;
  if (k < 0 || k > t.rank()) {
    throw ShapeError(
        ops::text_of(name, "indices " + i.shape().to_string() + ": expected a last axis of 0.." +
                               std::to_string(t.rank()) + " positions in " + t.shape().to_string()),
        "", indices.where().to_string());
  }
  std::vector<int64_t> dims(i.shape().begin(), i.shape().end() - 1);
  dims.insert(dims.end(), t.shape().begin() + k, t.shape().end());
  return scatter(op, name, x, i, updates, Shape(std::move(dims)), ops::gather_form("nd", 0));
}

}  // namespace

Tensor take(const Operand& x, const Operand& indices, int axis) {
  const Tensor t = x.tensor(), i = integers("take", indices);
  const int a = ops::axis_at("take", axis, t, x.where());
  return ops::make("take", {t, i}, ops::gather_form("take", a), x.where());
}

Tensor embedding(const Operand& table, const Operand& ids) {
  const Tensor t = table.tensor(), i = integers("embedding", ids);
  ops::axis_at("embedding", 0, t, table.where());
  return ops::make("take", {t, i}, ops::gather_form("take", 0, false), table.where());
}

Tensor take_along_axis(const Operand& x, const Operand& indices, int axis) {
  const Along r = along("take_along_axis", x, indices, axis);
  return ops::make("take_along_axis", {r.x, r.indices}, ops::gather_form("along", r.axis),
                   x.where());
}

Tensor gather_nd(const Operand& x, const Operand& indices) {
  return ops::make("gather_nd", {x.tensor(), integers("gather_nd", indices)},
                   ops::gather_form("nd", 0), x.where());
}

Tensor scatter_add(const Operand& x, const Operand& i, const Operand& u, int axis) {
  return scatter_take("scatter_add", x, i, u, axis);
}
Tensor scatter_set(const Operand& x, const Operand& i, const Operand& u, int axis) {
  return scatter_take("scatter_set", x, i, u, axis);
}
Tensor scatter_add_along_axis(const Operand& x, const Operand& i, const Operand& u, int axis) {
  return scatter_along("scatter_add", "scatter_add_along_axis", x, i, u, axis);
}
Tensor scatter_set_along_axis(const Operand& x, const Operand& i, const Operand& u, int axis) {
  return scatter_along("scatter_set", "scatter_set_along_axis", x, i, u, axis);
}
Tensor scatter_nd_add(const Operand& x, const Operand& i, const Operand& u) {
  return scatter_nd("scatter_add", "scatter_nd_add", x, i, u);
}
Tensor scatter_nd_set(const Operand& x, const Operand& i, const Operand& u) {
  return scatter_nd("scatter_set", "scatter_nd_set", x, i, u);
}

void ScatterMode::mode_must_be_set_add_multiply_max_or_min() {
  throw ValueError("scatter: mode: expected set, add, multiply, max or min");
}
ScatterMode ScatterMode::parse(std::string_view name) { return ScatterMode(read(name)); }

namespace {

const char* op_of(ScatterMode mode) {
  constexpr const char* kOps[] = {"scatter_set", "scatter_add", "scatter_multiply", "scatter_max",
                                  "scatter_min"};
  return kOps[static_cast<size_t>(mode.kind)];
}

}  // namespace

Tensor scatter_reduce(const Operand& x, const Operand& i, const Operand& u, int axis,
                      ScatterMode mode) {
  return scatter_take(op_of(mode), x, i, u, axis);
}
Tensor scatter_reduce_along_axis(const Operand& x, const Operand& i, const Operand& u, int axis,
                                 ScatterMode mode) {
  return scatter_along(op_of(mode), "scatter_reduce_along_axis", x, i, u, axis);
}
Tensor scatter_nd_reduce(const Operand& x, const Operand& i, const Operand& u, ScatterMode mode) {
  return scatter_nd(op_of(mode), "scatter_nd_reduce", x, i, u);
}

Tensor segment_sum(const Operand& x, const Operand& segments, Dim count) {
  const Tensor t = x.tensor(), ids = integers("segment_sum", segments);
  const int64_t n = t.rank() ? t.shape()[0] : -1;
  if (ids.shape() != Shape{n} || count < 0) {
    throw ShapeError("segment_sum: x is " + t.shape().to_string() + ", segments " +
                         ids.shape().to_string() + ", count " + std::to_string(count),
                     "expected x [n, ...], segments [n], count 0 or more", x.where().to_string());
  }
  std::vector<int64_t> dims = t.shape().dims();
  dims[0] = count;
  return ops::make("scatter_add", {ops::full(0, t.dtype(), Shape(std::move(dims))), t, ids},
                   ops::gather_form("take", 0, false), x.where());
}

Tensor one_hot(const Operand& indices, Dim classes, const OneHotOptions& o) {
  const Tensor i = integers("one_hot", indices);
  const int place = ops::new_axis_at("one_hot", o.axis, i, indices.where());
  const Tensor hot =
      ops::make("one_hot", {i}, {{"classes", classes.value}, {"dtype", o.dtype}}, indices.where());
  return move_axis(Operand(hot, indices.where()), -1, place);
}

namespace {

/// Results whose number depends on data are counted now; a trace has no elements to count.
void refuse_in_trace(const char* op, const Operand& x, const Tensor& t) {
  if (!ir::tracing() || t.cell()->computed()) return;
  throw ValueError(
      ops::text_of(op,
                   "the number of results depends on the elements, which a trace does not have"),
      std::string("give a bound: ") + op + "(x, {.size = n})", x.where().to_string());
}

}  // namespace

NonzeroResult nonzero(const Operand& x, const BoundOptions& o) {
  const Tensor t = x.tensor();
  if (!o.size) refuse_in_trace("nonzero", x, t);
  const int64_t size = o.size ? *o.size : count_nonzero(Operand(t, x.where())).item<int64_t>();
  const auto out = ir::apply(ops::get("nonzero"), std::vector{t}, {{"size", size}}, x.where());
  return {out[0], out[1]};
}

NonzeroResult where(const Operand& condition, const BoundOptions& o) {
  return nonzero(condition, o);
}

namespace {

/// Of each of `size` groups, the first position that belongs to it; groups from `count` on: 0.
/// Positions whose group is `size` belong to none.
Tensor first_of_groups(const Tensor& group, int64_t size, const Tensor& count) {
  const int64_t n = group.size();
  const Tensor first = scatter_reduce(ops::full(static_cast<double>(n), i64, Shape{size + 1}),
                                      reshape(group, {-1}), ops::counted(n, i64), 0, "min");
  return where(ops::counted(size, i64) < count, ops::narrow(first, 0, 0, size), 0);
}

UniqueResult unique_elements(const Operand& x, const Tensor& t, const UniqueOptions& o) {
  const int64_t bound = o.size ? *o.size : t.size();
  const auto out = ir::apply(ops::get("unique"), std::vector{t}, {{"size", bound}}, x.where());
  const Tensor first = first_of_groups(out[1], bound, out[3]);
  if (o.size) return {out[0], out[1], out[2], out[3], first};
  const int64_t count = out[3].item<int64_t>();
  return {ops::narrow(out[0], 0, 0, count), out[1], ops::narrow(out[2], 0, 0, count), out[3],
          ops::narrow(first, 0, 0, count)};
}

/// Rows in order; where one differs from the row before it, a new group begins.
UniqueResult unique_slices(const Operand& x, const Tensor& t, const UniqueOptions& o) {
  const int axis = ops::axis_at("unique", *o.axis, t, x.where());
  const Tensor moved = move_axis(Operand(t, x.where()), axis, 0);
  const int64_t n = moved.shape()[0];
  std::vector<int64_t> rest(moved.shape().begin() + 1, moved.shape().end());
  const Tensor rows = reshape(moved, Shape{n, Shape(rest).size()});
  const Tensor order = argsort_rows(rows), sorted = take(rows, order, 0);
  Tensor group = ops::full(0, i64, Shape{n}), count = scalar(0, i64);
  if (n > 0) {
    const Tensor a = ops::narrow(sorted, 0, 0, n - 1), b = ops::narrow(sorted, 0, 1, n - 1);
    Tensor differs = a != b;
    if (is_floating(t.dtype())) differs = logical_and(differs, !(is_nan(a) & is_nan(b)));
    const Tensor steps =
        concat({ops::full(0, i64, Shape{1}), cast(any(differs, {.axes = {1}}), i64)}, 0);
    const Tensor number = cumsum(steps);
    count = reshape(ops::narrow(number, 0, n - 1, 1), {}) + 1;
    group = scatter_set(group, order, number, 0);
  }
  const int64_t size = o.size ? *o.size : count.item<int64_t>();
  const Tensor held = minimum(group, size);
  const Tensor first = first_of_groups(held, size, count);
  const Tensor counts =
      ops::narrow(segment_sum(ops::full(1, i64, Shape{n}), held, size + 1), 0, 0, size);
  Tensor values = n > 0 ? take(moved, first, 0) : ops::narrow(moved, 0, 0, 0);
  if (o.size && n > 0) {
    std::vector<int64_t> column(static_cast<size_t>(values.rank()), 1);
    column[0] = size;
    const Tensor there = reshape(ops::counted(size, i64) < count, Shape(std::move(column)));
    values = where(there, values, ops::full(0, t.dtype(), {}));
  }
  return {move_axis(values, 0, axis), held, counts, count, first};
}

}  // namespace

UniqueResult unique(const Operand& x, const UniqueOptions& o) {
  const ir::CallerScope caller(x.where());
  const Tensor t = x.tensor();
  if (!o.size) refuse_in_trace("unique", x, t);
  if (o.size && *o.size < 0) {
    throw ValueError("unique: size: expected 0 or more, got " + std::to_string(*o.size), "",
                     x.where().to_string());
  }
  return o.axis ? unique_slices(x, t, o) : unique_elements(x, t, o);
}

Tensor argsort_rows(const Operand& x) {
  const Tensor t = x.tensor();
  if (t.rank() < 1) {
    throw ShapeError("argsort_rows: expected rows [n, ...], got a scalar", "",
                     x.where().to_string());
  }
  std::vector<int64_t> rest(t.shape().begin() + 1, t.shape().end());
  return ops::make(
      "argsort_rows",
      {ops::reshaped(t, Shape{t.shape()[0], Shape(std::move(rest)).size()}, x.where())}, {},
      x.where());
}

Tensor argsort(const Operand& x, const SortOptions& o) {
  const Tensor t = x.tensor();
  const int64_t axis = ops::axis_at("argsort", o.axis, t, x.where());
  return ops::make("argsort", {t}, {{"axis", axis}, {"descending", o.descending}}, x.where());
}

Tensor sort(const Operand& x, const SortOptions& o) {
  const Tensor t = x.tensor();
  const int axis = ops::axis_at("sort", o.axis, t, x.where());
  const Operand subject(t, x.where());
  return take_along_axis(subject, argsort(subject, {axis, o.descending}), axis);
}

TopKResult top_k(const Operand& x, Dim k, const TopKOptions& o) {
  const Tensor t = x.tensor();
  const int axis = ops::axis_at("top_k", o.axis, t, x.where());
  const Tensor places =
      ops::make("top_k", {t}, {{"axis", int64_t{axis}}, {"k", k.value}}, x.where());
  return {take_along_axis(Operand(t, x.where()), places, axis), places};
}

namespace {

Tensor cumulative(const char* op, const Operand& x, const CumulativeOptions& o) {
  const Tensor t = x.tensor();
  const int64_t axis = ops::axis_at(op, o.axis, t, x.where());
  return ops::make(op, {t}, {{"axis", axis}, {"reverse", o.reverse}, {"exclusive", o.exclusive}},
                   x.where());
}

}  // namespace

Tensor cumsum(const Operand& x, const CumulativeOptions& o) { return cumulative("cumsum", x, o); }
Tensor cumprod(const Operand& x, const CumulativeOptions& o) { return cumulative("cumprod", x, o); }

Tensor searchsorted(const Operand& sorted, const Operand& values, const SearchOptions& o) {
  const DType d = ops::common_type({&sorted, &values});
  const Tensor s = cast(Operand(sorted.as(d), sorted.where()), d),
               v = cast(Operand(values.as(d), values.where()), d);
  return ops::make("searchsorted", {s, v}, {{"right", o.right}}, sorted.where());
}

}  // namespace varve
