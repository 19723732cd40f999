// The shape functions users call: arguments are normalized, then views are made.
#include <algorithm>
#include <numeric>

#include "base/count.h"
#include "base/error.h"
#include "base/math.h"
#include "ops/shape.h"
#include "varve/ops/indexing.h"
#include "varve/ops/pointwise.h"
#include "varve/ops/shape.h"

namespace varve {
namespace {

/// An operand's tensor and the place for errors.
struct Subject {
  Tensor t;
  Where where;
  const char* op;

  Subject(const char* name, const Operand& x) : t(x.tensor()), where(x.where()), op(name) {}
  int rank() const { return t.rank(); }
  int axis(int64_t a) const { return ops::axis_at(op, a, t, where); }
  [[noreturn]] void shape_error(const std::string& message, const std::string& hint = {}) const {
    throw ShapeError(ops::text_of(op, message), hint, where.to_string());
  }
};

size_t at(int axis) { return static_cast<size_t>(axis); }

ir::Ints axis_order(int rank) {
  ir::Ints order(at(rank));
  std::iota(order.begin(), order.end(), 0);
  return order;
}

Shape with_size(const Shape& shape, int axis, int64_t size) {
  std::vector<int64_t> dims = shape.dims();
  dims[at(axis)] = size;
  return Shape(std::move(dims));
}

}  // namespace

Tensor reshape(const Operand& x, const Shape& shape) {
  const Tensor t = x.tensor();
  std::vector<int64_t> dims = shape.dims();
  int64_t known = 1, unknown = -1;
  for (size_t i = 0; i < dims.size(); ++i) {
    if (dims[i] == -1 && unknown < 0) {
      unknown = static_cast<int64_t>(i);
    } else if (dims[i] < 0) {
      throw ShapeError("reshape: shape " + shape.to_string() +
                           ": one size may be -1, the others must not be negative",
                       "", x.where().to_string());
    } else if (!checked_multiply(known, dims[i], known)) {
      throw ShapeError("reshape: shape " + shape.to_string() + ": element count passes 2^63", "",
                       x.where().to_string());
    }
  }
  const int64_t count = t.size();
  if (unknown >= 0 && known > 0 && count % known == 0)
    dims[static_cast<size_t>(unknown)] = count / known;
  const Shape full(std::move(dims));
  if ((unknown >= 0 && full.dims()[static_cast<size_t>(unknown)] < 0) || full.size() != count) {
    throw ShapeError("reshape: " + count_of(count, "element") + " into " + shape.to_string(),
                     "the input is " + t.shape().to_string(), x.where().to_string());
  }
  return ops::reshaped(t, full, x.where());
}

Tensor flatten(const Operand& x, int first_axis) {
  const Subject s("flatten", x);
  const int first = first_axis == s.rank() ? first_axis : s.axis(first_axis);
  std::vector<int64_t> dims(s.t.shape().begin(), s.t.shape().begin() + first);
  int64_t rest = 1;
  for (int i = first; i < s.rank(); ++i) rest *= s.t.shape()[i];
  dims.push_back(rest);
  return ops::reshaped(s.t, Shape(std::move(dims)), s.where);
}

Tensor squeeze(const Operand& x, const std::vector<int>& axes) {
  const Subject s("squeeze", x);
  std::vector<bool> drop(at(s.rank()), false);
  for (int i = 0; axes.empty() && i < s.rank(); ++i) drop[at(i)] = s.t.shape()[i] == 1;
  for (int a : axes) {
    const int axis = s.axis(a);
    if (s.t.shape()[axis] != 1) {
      s.shape_error("axis " + std::to_string(a) + " of " + s.t.shape().to_string() + " has size " +
                    std::to_string(s.t.shape()[axis]) + ", expected 1");
    }
    drop[at(axis)] = true;
  }
  std::vector<int64_t> dims;
  for (int i = 0; i < s.rank(); ++i) {
    if (!drop[at(i)]) dims.push_back(s.t.shape()[i]);
  }
  return ops::reshaped(s.t, Shape(std::move(dims)), s.where);
}

Tensor expand_dims(const Operand& x, int axis) {
  const Subject s("expand_dims", x);
  const int place = ops::new_axis_at(s.op, axis, s.t, s.where);
  std::vector<int64_t> dims = s.t.shape().dims();
  dims.insert(dims.begin() + place, 1);
  return ops::reshaped(s.t, Shape(std::move(dims)), s.where);
}

Tensor broadcast_to(const Operand& x, const Shape& shape) {
  const Tensor t = x.tensor();
  if (t.rank() > shape.rank() || ops::broadcast_shapes("broadcast_to", t.shape(), shape) != shape) {
    throw ShapeError(
        "broadcast_to: " + t.shape().to_string() + " does not stretch to " + shape.to_string(), "",
        x.where().to_string());
  }
  return ops::stretched_to(t, shape, x.where());
}

Tensor transpose(const Operand& x, const std::vector<int>& axes) {
  const Subject s("transpose", x);
  ir::Ints order;
  for (int i = s.rank(); axes.empty() && i-- > 0;) order.push_back(i);
  for (int a : axes) order.push_back(s.axis(a));
  std::vector<bool> seen(at(s.rank()));
  for (int64_t a : order) {
    if (seen[static_cast<size_t>(a)]) {
      throw ValueError("transpose: axis " + std::to_string(a) + " is given twice", "",
                       s.where.to_string());
    }
    seen[static_cast<size_t>(a)] = true;
  }
  if (static_cast<int>(order.size()) != s.rank()) {
    s.shape_error("expected " + count_of(s.rank(), "axis", "axes") + ", got " +
                  std::to_string(order.size()));
  }
  return ops::permuted(s.t, order, s.where);
}

Tensor swap_axes(const Operand& x, int a, int b) {
  const Subject s("swap_axes", x);
  ir::Ints order = axis_order(s.rank());
  std::swap(order[at(s.axis(a))], order[at(s.axis(b))]);
  return ops::permuted(s.t, order, s.where);
}

Tensor move_axis(const Operand& x, int from, int to) {
  const Subject s("move_axis", x);
  ir::Ints order = axis_order(s.rank());
  const int source = s.axis(from), target = s.axis(to);
  order.erase(order.begin() + source);
  order.insert(order.begin() + target, source);
  return ops::permuted(s.t, order, s.where);
}

Tensor slice(const Operand& x, const std::vector<Slice>& slices) {
  const Subject s("slice", x);
  if (static_cast<int>(slices.size()) > s.rank()) {
    s.shape_error(std::to_string(slices.size()) + " slices for " + s.t.shape().to_string());
  }
  return index(x, {slices.begin(), slices.end()});
}

Tensor flip(const Operand& x, const std::vector<int>& axes) {
  const Subject s("flip", x);
  std::vector<bool> turn(at(s.rank()), axes.empty());
  for (int a : axes) turn[at(s.axis(a))] = true;
  ir::Ints start(at(s.rank()), 0), step(at(s.rank()), 1);
  for (int i = 0; i < s.rank(); ++i) {
    if (turn[at(i)]) start[at(i)] = s.t.shape()[i] - 1, step[at(i)] = -1;
  }
  return ops::sliced(s.t, start, s.t.shape().dims(), step, s.where);
}

Tensor roll(const Operand& x, Dim shift, int axis) {
  const Subject s("roll", x);
  const int a = s.axis(axis);
  const int64_t n = s.t.shape()[a];
  const int64_t by = n ? (shift.value % n + n) % n : 0;
  if (by == 0) return s.t;
  return concat({ops::narrow(s.t, a, n - by, by), ops::narrow(s.t, a, 0, n - by)}, a, s.where);
}

void PadMode::mode_must_be_constant_edge_reflect_symmetric_or_wrap() {
  throw ValueError("pad: mode: expected constant, edge, reflect, symmetric or wrap");
}

PadMode PadMode::parse(std::string_view name) { return PadMode(read(name)); }

namespace {

/// Where element i of a padded axis comes from, before = 0; any i.
int64_t mirrored(int64_t i, int64_t n, PadMode::Kind kind) {
  auto modulo = [](int64_t a, int64_t b) { return (a % b + b) % b; };
  switch (kind) {
    case PadMode::Kind::edge:
      return std::clamp<int64_t>(i, 0, n - 1);
    case PadMode::Kind::wrap:
      return modulo(i, n);
    case PadMode::Kind::symmetric:
      i = modulo(i, 2 * n);
      return i < n ? i : 2 * n - 1 - i;
    default:
      if (n == 1) return 0;
      i = modulo(i, 2 * (n - 1));
      return i < n ? i : 2 * (n - 1) - i;
  }
}

Tensor pad_from_itself(const Subject& s, const std::vector<PadWidth>& widths, PadMode::Kind kind) {
  Tensor t = s.t;
  for (int axis = 0; axis < s.rank(); ++axis) {
    const PadWidth& w = widths[at(axis)];
    const int64_t n = t.shape()[axis], size = n + w.before + w.after;
    if (w.before == 0 && w.after == 0) continue;
    if (n == 0 && size > 0) {
      s.shape_error("axis " + std::to_string(axis) + " of " + s.t.shape().to_string() +
                    " is empty and cannot be filled from itself");
    }
    std::vector<int64_t> from(static_cast<size_t>(size));
    for (int64_t i = 0; i < size; ++i)
      from[static_cast<size_t>(i)] = mirrored(i - w.before, n, kind);
    t = take(Operand(t, s.where), tensor(from, Shape{size}), axis);
  }
  return t;
}

}  // namespace

Tensor pad(const Operand& x, const std::vector<PadWidth>& widths, const PadOptions& options) {
  const Subject s("pad", x);
  if (static_cast<int>(widths.size()) != s.rank()) {
    s.shape_error("expected one {before, after} an axis of " + s.t.shape().to_string() + ", got " +
                  std::to_string(widths.size()));
  }
  ir::Ints low, high;
  bool nothing = true;
  for (int i = 0; i < s.rank(); ++i) {
    const PadWidth& w = widths[at(i)];
    low.push_back(w.before);
    high.push_back(w.after);
    nothing &= w.before == 0 && w.after == 0;
    int64_t total = 0;
    if (!checked_add(s.t.shape()[i], w.before, total) || !checked_add(total, w.after, total) ||
        total < 0) {
      s.shape_error("axis " + std::to_string(i) + " of " + s.t.shape().to_string() +
                    " cannot grow by " + std::to_string(w.before) + " and " +
                    std::to_string(w.after));
    }
  }
  if (nothing) return s.t;
  if (options.mode.kind != PadMode::Kind::constant)
    return pad_from_itself(s, widths, options.mode.kind);
  return ops::make("pad", {s.t, scalar(options.value, s.t.dtype())},
                   {{"low", low}, {"high", high}, {"interior", ir::Ints(at(s.rank()), 0)}},
                   s.where);
}

namespace {

/// The parts in the type in which they meet.
std::vector<Tensor> one_type(const char* op, const Tensors& parts, Where where) {
  if (parts.size() == 0) {
    throw ValueError(ops::text_of(op, "expected at least one tensor"), "", where.to_string());
  }
  DType dtype = parts[0].dtype();
  for (const Tensor& t : parts) dtype = promote(dtype, t.dtype());
  std::vector<Tensor> out;
  for (const Tensor& t : parts) out.push_back(cast(Operand(t, where), dtype));
  return out;
}

}  // namespace

Tensor concat(const Tensors& parts, int axis, Where where) {
  const std::vector<Tensor> list = one_type("concat", parts, where);
  const int64_t along = ops::axis_at("concat", axis, list[0], where);
  if (list.size() == 1) return list[0];
  return ir::apply(ops::get("concat"), list, {{"axis", along}}, where)[0];
}

Tensor stack(const Tensors& parts, int axis, Where where) {
  std::vector<Tensor> list = one_type("stack", parts, where);
  const int place = ops::new_axis_at("stack", axis, list[0], where);
  const Shape shape = list[0].shape();
  for (size_t k = 0; k < list.size(); ++k) {
    if (list[k].shape() != shape) {
      throw ShapeError("stack: parts 0 and " + std::to_string(k) + " differ: " + shape.to_string() +
                           " and " + list[k].shape().to_string(),
                       "", where.to_string());
    }
    list[k] = expand_dims(Operand(list[k], where), place);
  }
  return concat(std::move(list), place, where);
}

Tensors split_sizes(const Operand& x, const std::vector<int64_t>& sizes, int axis) {
  const Subject s("split", x);
  const int a = s.axis(axis);
  int64_t total = 0;
  for (int64_t n : sizes) {
    if (n < 0 || !checked_add(total, n, total)) {
      s.shape_error("part sizes must not be negative, got " + std::to_string(n));
    }
  }
  if (total != s.t.shape()[a]) {
    s.shape_error("the parts have " + count_of(total, "element") + " together, axis " +
                  std::to_string(axis) + " of " + s.t.shape().to_string() + " has " +
                  std::to_string(s.t.shape()[a]));
  }
  std::vector<Tensor> parts;
  int64_t start = 0;
  for (int64_t n : sizes) {
    parts.push_back(ops::narrow(s.t, a, start, n));
    start += n;
  }
  return parts;
}

Tensors split(const Operand& x, Dim parts, int axis) {
  const Subject s("split", x);
  const int64_t n = s.t.shape()[s.axis(axis)];
  if (parts < 1 || n % parts != 0) {
    s.shape_error("axis " + std::to_string(axis) + " of " + s.t.shape().to_string() +
                      " does not divide into " + std::to_string(parts) + " equal parts",
                  "split_sizes takes the sizes");
  }
  return split_sizes(x, std::vector<int64_t>(static_cast<size_t>(parts.value), n / parts), axis);
}

Tensor tile(const Operand& x, const std::vector<int64_t>& repeats) {
  const Subject s("tile", x);
  std::vector<int64_t> dims = s.t.shape().dims(), times = repeats;
  dims.insert(dims.begin(), times.size() > dims.size() ? times.size() - dims.size() : 0, 1);
  times.insert(times.begin(), dims.size() > times.size() ? dims.size() - times.size() : 0, 1);
  std::vector<int64_t> apart, stretched, joined;
  for (size_t i = 0; i < dims.size(); ++i) {
    int64_t size = 0;
    if (times[i] < 0 || !checked_multiply(times[i], dims[i], size)) {
      s.shape_error("cannot repeat " + std::to_string(times[i]) + " times");
    }
    apart.insert(apart.end(), {1, dims[i]});
    stretched.insert(stretched.end(), {times[i], dims[i]});
    joined.push_back(size);
  }
  const Tensor t = ops::reshaped(s.t, Shape(std::move(apart)), s.where);
  return ops::reshaped(ops::stretched_to(t, Shape(std::move(stretched)), s.where),
                       Shape(std::move(joined)), s.where);
}

Tensor repeat(const Operand& x, Dim count, int axis) {
  const Subject s("repeat", x);
  const int a = s.axis(axis);
  int64_t size = 0;
  if (count < 0 || !checked_multiply(count, s.t.shape()[a], size)) {
    s.shape_error("cannot repeat " + std::to_string(count) + " times");
  }
  std::vector<int64_t> apart = s.t.shape().dims();
  apart.insert(apart.begin() + a + 1, 1);
  const Tensor t = ops::reshaped(s.t, Shape(apart), s.where);
  apart[at(a + 1)] = count;
  return ops::reshaped(ops::stretched_to(t, Shape(std::move(apart)), s.where),
                       with_size(s.t.shape(), a, size), s.where);
}

}  // namespace varve
