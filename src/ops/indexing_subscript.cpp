// NumPy's subscripts. An index is taken apart in two steps: slices, integers and new axes are views
// of x; what tensors index is then gathered from the view.
#include <algorithm>

#include "base/error.h"
#include "ir/frame.h"
#include "ops/indexing.h"
#include "varve/ops/indexing.h"
#include "varve/ops/pointwise.h"

namespace varve {
namespace {

struct Subscript {
  Tensor x;
  Where where;
  ir::Ints start, size, step;  // the slice of x, an entry an axis of x
  std::vector<int64_t> dims;   // the view's shape: dropped axes gone, new ones made
  std::vector<std::pair<int, Tensor>> gathers;  // axis of the view, its indices
  int axis = 0;                                 // the next axis of x
  bool gap = false, apart = false;              // something stands between two gathers

  [[noreturn]] void shape_error(const std::string& text) const {
    throw ShapeError("index: " + text, "", where.to_string());
  }

  void add(const Slice& s) {
    const int64_t n = x.shape()[axis], step_by = s.step.value_or(1);
    if (step_by == 0) throw ValueError("index: a slice's step is 0", "", where.to_string());
    // Python's rules: forwards, positions lie in 0..n; backwards, in -1..n-1.
    const int64_t low = step_by > 0 ? 0 : -1, high = step_by > 0 ? n : n - 1;
    auto place = [&](int64_t p) { return std::clamp(p < 0 ? p + n : p, low, high); };
    const int64_t first = s.start ? place(*s.start) : step_by > 0 ? low : high;
    const int64_t stop = s.stop ? place(*s.stop) : step_by > 0 ? high : low;
    // As unsigned numbers the least step has a counterpart, too.
    const uint64_t by =
        step_by > 0 ? static_cast<uint64_t>(step_by) : -static_cast<uint64_t>(step_by);
    const int64_t span = step_by > 0 ? stop - first : first - stop;
    const int64_t count =
        span <= 0 ? 0 : static_cast<int64_t>((static_cast<uint64_t>(span) - 1) / by) + 1;
    push(count ? first : 0, count, step_by);
    dims.push_back(count);
  }
  void add(int64_t i) {
    const int64_t n = x.shape()[axis];
    if (i < -n || i >= n) {
      throw IndexError("index: " + std::to_string(i) + " is outside axis " + std::to_string(axis) +
                           " of " + x.shape().to_string() +
                           (n ? " (" + std::to_string(-n) + ".." + std::to_string(n - 1) + ")"
                              : " (which is empty)"),
                       "", where.to_string());
    }
    push(i < 0 ? i + n : i, 1, 1);
  }
  void add(NewAxis) { dims.push_back(1); }
  void add_gather(const Tensor& indices) {
    apart |= gap;
    gathers.emplace_back(static_cast<int>(dims.size()), indices);
    dims.push_back(x.shape()[axis]);
    push(0, x.shape()[axis], 1);
  }
  void add(const Tensor& t) {
    if (is_integer(t.dtype())) return add_gather(t);
    if (t.dtype() != DType::bool_) {
      throw DTypeError(std::string("index: expected integers or bools, got ") + name_of(t.dtype()),
                       "", where.to_string());
    }
    for (int k = 0; k < t.rank(); ++k) {
      if (t.shape()[k] != x.shape()[axis + k]) {
        shape_error("mask " + t.shape().to_string() + " does not fit " + x.shape().to_string() +
                    " from axis " + std::to_string(axis));
      }
    }
    if (ir::tracing() && !t.cell()->computed()) {
      throw ValueError(
          "index: how many elements a mask takes depends on the mask, whose elements a trace does "
          "not have",
          "where(mask, a, b) keeps the shape; nonzero(mask, {.size = n}) has a bound",
          where.to_string());
    }
    const Tensor places = nonzero(Operand(t, where)).indices;
    if (t.rank() == 0) return add_truth(places.shape()[0]);
    for (int k = 0; k < t.rank(); ++k) {
      add_gather(ops::reshaped(ops::narrow(places, 1, k, 1), Shape{places.shape()[0]}));
    }
  }

 private:
  /// A mask of no axes makes one: of size 1 where it is true, else 0 (NumPy).
  void add_truth(int64_t count) {
    apart |= gap;
    gathers.emplace_back(static_cast<int>(dims.size()), zeros(Shape{count}, i64));
    dims.push_back(1);
  }
  void push(int64_t first, int64_t count, int64_t by) {
    start.push_back(first);
    size.push_back(count);
    step.push_back(by);
    ++axis;
  }
};

/// How many axes of x an index stands for.
int axes_of(const Index& i) {
  if (auto* t = std::get_if<Tensor>(&i.value())) return t->dtype() == DType::bool_ ? t->rank() : 1;
  return std::holds_alternative<Ellipsis>(i.value()) || std::holds_alternative<NewAxis>(i.value())
             ? 0
             : 1;
}

bool is_gather(const Index& i) {
  auto* t = std::get_if<Tensor>(&i.value());
  return t && (t->dtype() == DType::bool_ || t->rank() > 0);
}

Subscript parse(const Tensor& x, const std::vector<Index>& at, Where where) {
  Subscript s;
  s.x = x;
  s.where = where;
  int used = 0, dots = 0;
  bool gathers = false;
  for (const Index& i : at) {
    used += axes_of(i);
    dots += std::holds_alternative<Ellipsis>(i.value());
    gathers |= is_gather(i);
  }
  if (used > x.rank()) {
    throw IndexError("index: " + std::to_string(used) + " indices for " + x.shape().to_string(), "",
                     where.to_string());
  }
  if (dots > 1) throw IndexError("index: one ellipsis at most", "", where.to_string());
  for (const Index& i : at) {
    s.gap |= !s.gathers.empty() && !std::holds_alternative<int64_t>(i.value()) &&
             !std::holds_alternative<Tensor>(i.value());
    if (std::holds_alternative<Ellipsis>(i.value())) {
      for (int k = used; k < x.rank(); ++k) s.add(Slice{});
    } else if (auto* number = std::get_if<int64_t>(&i.value())) {
      if (gathers) {
        Subscript probe = s;  // for its check
        probe.add(*number);
        s.add_gather(tensor({*number}, Shape{}));
      } else {
        s.add(*number);
      }
    } else if (auto* slice = std::get_if<Slice>(&i.value())) {
      s.add(*slice);
    } else if (auto* t = std::get_if<Tensor>(&i.value())) {
      s.add(*t);
    } else {
      s.add(NewAxis{});
    }
  }
  while (s.axis < x.rank()) s.add(Slice{});
  return s;
}

/// Several index tensors at once: their axes come first (or, where they are neighbours, stay in
/// their place), gathered by tuples.
Tensor gather_many(const Tensor& view, const Subscript& s) {
  Shape together;
  for (const auto& [axis, t] : s.gathers) {
    try {
      together = ops::broadcast_shapes("index", together, t.shape());
    } catch (const ShapeError& e) {
      throw ShapeError(e.message(), e.hint(), s.where.to_string());
    }
  }
  std::vector<Tensor> columns;
  ir::Ints order;
  for (const auto& [axis, t] : s.gathers) {
    columns.push_back(ops::stretched_to(cast(t, i64), together));
    order.push_back(axis);
  }
  for (int i = 0; i < view.rank(); ++i) {
    if (std::find(order.begin(), order.end(), i) == order.end()) order.push_back(i);
  }
  const Tensor tuples = stack(columns, -1, s.where);
  Tensor y = gather_nd(Operand(ops::permuted(view, order), s.where), tuples);
  if (s.apart || s.gathers[0].first == 0) return y;
  const int before = s.gathers[0].first, rank = together.rank();
  ir::Ints back;
  for (int i = 0; i < before; ++i) back.push_back(rank + i);
  for (int i = 0; i < rank; ++i) back.push_back(i);
  for (int i = before + rank; i < y.rank(); ++i) back.push_back(i);
  return ops::permuted(y, back);
}

}  // namespace

Tensor index(const Operand& x, const std::vector<Index>& at) {
  const Tensor t = x.tensor();
  const Subscript s = parse(t, at, x.where());
  const Tensor cut = ops::sliced(t, s.start, s.size, s.step, x.where());
  const Tensor view = ops::reshaped(cut, Shape(s.dims), x.where());
  if (s.gathers.empty()) return view;
  if (s.gathers.size() == 1) {
    return take(Operand(view, x.where()), s.gathers[0].second, s.gathers[0].first);
  }
  return gather_many(view, s);
}

namespace {

/// The row-major position of each element that an index names.
Tensor positions(const Operand& x, const std::vector<Index>& at) {
  const Shape shape = x.tensor().shape();
  return index(Operand(ops::reshaped(ops::counted(shape.size(), i64), shape), x.where()), at);
}

Tensor scatter_at(bool add, const Operand& x, const std::vector<Index>& at, const Operand& value) {
  const Tensor t = x.tensor();
  const Operand flat(ops::reshaped(t, Shape{t.size()}, x.where()), x.where());
  const Tensor where_to = positions(x, at);
  const Tensor y =
      add ? scatter_add(flat, where_to, value, 0) : scatter_set(flat, where_to, value, 0);
  return ops::reshaped(y, t.shape(), x.where());
}

}  // namespace

Tensor index_set(const Operand& x, const std::vector<Index>& at, const Operand& value) {
  return scatter_at(false, x, at, value);
}
Tensor index_add(const Operand& x, const std::vector<Index>& at, const Operand& value) {
  return scatter_at(true, x, at, value);
}

}  // namespace varve
