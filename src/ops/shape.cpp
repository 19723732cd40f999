// Ops that rearrange elements: rows with their views and derivatives.
#include "ops/shape.h"

#include <algorithm>
#include <numeric>

#include "base/count.h"
#include "base/error.h"
#include "base/math.h"
#include "ops/checks.h"
#include "varve/ops/pointwise.h"
#include "varve/ops/shape.h"

namespace varve::ops {
namespace {

using Cotangents = std::span<const Tensor>;

Types reshape_type(const InferArguments& a) {
  const Shape shape(a.attributes.ints("shape"));
  if (shape.size() != a[0].shape.size()) {
    throw ShapeError(
        text_of(a.op.name, count_of(a[0].shape.size(), "element") + " into " + shape.to_string()));
  }
  return {{a[0].dtype, shape}};
}

/// Walks groups of axes that hold the same elements in both shapes; within a group the input must
/// run evenly.
std::optional<ir::View> reshape_view(const InferArguments& a, const TensorType& output,
                                     const ir::Strides& input) {
  if (output.shape.size() == 0 || ir::is_contiguous(a[0].shape, input))
    return ir::View{0, ir::row_major(output.shape)};
  std::vector<int64_t> from, from_strides;
  for (int i = 0; i < a[0].shape.rank(); ++i) {
    if (a[0].shape[i] == 1) continue;
    from.push_back(a[0].shape[i]);
    from_strides.push_back(input[static_cast<size_t>(i)]);
  }
  const std::vector<int64_t>& to = output.shape.dims();
  ir::Strides strides(to.size(), 0);
  size_t i = 0, o = 0;
  while (i < from.size()) {
    size_t i_end = i + 1, o_end = o + 1;
    int64_t in_count = from[i], out_count = to[o];
    while (in_count != out_count) {
      if (in_count < out_count) {
        if (from_strides[i_end - 1] != from[i_end] * from_strides[i_end]) return std::nullopt;
        in_count *= from[i_end++];
      } else {
        out_count *= to[o_end++];
      }
    }
    int64_t step = from_strides[i_end - 1];
    for (size_t k = o_end; k-- > o;) {
      strides[k] = step;
      step *= to[k];
    }
    i = i_end;
    o = o_end;
  }
  return ir::View{0, strides};
}

Types broadcast_type(const InferArguments& a) {
  const Shape shape(a.attributes.ints("shape"));
  if (broadcast_shapes(a.op.name, a[0].shape, shape) != shape) {
    throw ShapeError(
        text_of(a.op.name, a[0].shape.to_string() + " does not stretch to " + shape.to_string()));
  }
  return {{a[0].dtype, shape}};
}

std::optional<ir::View> broadcast_view(const InferArguments& a, const TensorType& output,
                                       const ir::Strides& input) {
  ir::Strides strides(static_cast<size_t>(output.shape.rank()), 0);
  const Shape& from = a[0].shape;
  for (int i = 1; i <= from.rank(); ++i) {
    if (from[-i] != 1 || output.shape[-i] == 1) {
      strides[strides.size() - static_cast<size_t>(i)] =
          input[input.size() - static_cast<size_t>(i)];
    }
  }
  return ir::View{0, strides};
}

Types transpose_type(const InferArguments& a) {
  const ir::Ints& axes = a.attributes.ints("axes");
  const int rank = a[0].shape.rank();
  if (static_cast<int>(axes.size()) != rank) {
    throw ShapeError(text_of(a.op.name, "expected " + count_of(rank, "axis", "axes") + ", got " +
                                            std::to_string(axes.size())));
  }
  std::vector<int64_t> dims;
  std::vector<bool> taken(axes.size());
  for (int64_t axis : axes) {
    const int i = require_axis(a, axis, rank);
    if (taken[static_cast<size_t>(i)])
      throw ValueError(text_of(a.op.name, "axis " + std::to_string(i) + " is given twice"));
    taken[static_cast<size_t>(i)] = true;
    dims.push_back(a[0].shape[i]);
  }
  return {{a[0].dtype, Shape(std::move(dims))}};
}

std::optional<ir::View> transpose_view(const InferArguments& a, const TensorType&,
                                       const ir::Strides& input) {
  ir::View v;
  for (int64_t axis : a.attributes.ints("axes"))
    v.strides.push_back(input[static_cast<size_t>(axis)]);
  return v;
}

Slots transpose_back(const Local& at, Cotangents ct) {
  const ir::Ints& axes = at.attributes.ints("axes");
  ir::Ints back(axes.size());
  for (size_t i = 0; i < axes.size(); ++i)
    back[static_cast<size_t>(axes[i])] = static_cast<int64_t>(i);
  return {make("transpose", {ct[0]}, {{"axes", back}})};
}

void require_one_an_axis(const InferArguments& a, std::initializer_list<const char*> names) {
  for (const char* name : names) {
    if (static_cast<int>(a.attributes.ints(name).size()) != a[0].shape.rank()) {
      throw ShapeError(text_of(a.op.name, std::string(name) + ": expected one number an axis of " +
                                              a[0].shape.to_string()));
    }
  }
}

Types slice_type(const InferArguments& a) {
  require_one_an_axis(a, {"start", "size", "step"});
  const ir::Ints &start = a.attributes.ints("start"), &size = a.attributes.ints("size"),
                 &step = a.attributes.ints("step");
  for (size_t i = 0; i < size.size(); ++i) {
    const int64_t n = a[0].shape.dims()[i];
    int64_t way = 0, last = 0;
    const bool counted = size[i] >= 0 && size[i] <= n &&
                         checked_multiply(size[i] - 1, step[i], way) &&
                         checked_add(start[i], way, last);
    if (!counted || (size[i] > 0 && (start[i] < 0 || start[i] >= n || last < 0 || last >= n))) {
      throw IndexError(text_of(a.op.name, std::to_string(size[i]) + " elements from " +
                                              std::to_string(start[i]) + " by " +
                                              std::to_string(step[i]) + " leave axis " +
                                              std::to_string(i) + " of " + a[0].shape.to_string()));
    }
  }
  return {{a[0].dtype, Shape(size)}};
}

std::optional<ir::View> slice_view(const InferArguments& a, const TensorType& output,
                                   const ir::Strides& input) {
  const ir::Ints &start = a.attributes.ints("start"), &step = a.attributes.ints("step");
  ir::View v{0, input};
  const bool empty = output.shape.size() == 0;
  for (size_t i = 0; i < input.size(); ++i) {
    if (!empty) v.offset += start[i] * input[i];
    if (output.shape.dims()[i] > 1)
      v.strides[i] *= step[i];  // the step of one element means nothing
  }
  return v;
}

Slots slice_back(const Local& at, Cotangents ct) {
  ir::Ints start = at.attributes.ints("start"), step = at.attributes.ints("step");
  const ir::Ints& size = at.attributes.ints("size");
  const Shape& shape = at.x().shape();
  const size_t rank = size.size();
  ir::Ints first(rank, 0), turn(rank, 1), high(rank), interior(rank);
  bool turned = false;
  for (size_t i = 0; i < rank; ++i) {
    if (step[i] < 0 && size[i] > 0) {  // the same elements forwards, turned around
      first[i] = size[i] - 1;
      turn[i] = -1;
      start[i] += (size[i] - 1) * step[i];
      step[i] = -step[i];
      turned = true;
    }
    if (size[i] == 0) start[i] = 0;
    if (size[i] < 2) step[i] = 1;
    interior[i] = step[i] - 1;
    const int64_t covered = size[i] ? (size[i] - 1) * step[i] + 1 : 0;
    high[i] = shape.dims()[i] - start[i] - covered;
  }
  const Tensor forwards = turned ? sliced(ct[0], first, size, turn) : ct[0];
  return {padded(forwards, start, high, interior)};
}

Types pad_type(const InferArguments& a) {
  require_one_an_axis(a, {"low", "high", "interior"});
  const ir::Ints &low = a.attributes.ints("low"), &high = a.attributes.ints("high"),
                 &interior = a.attributes.ints("interior");
  if (a[1] != TensorType{a[0].dtype, Shape{}}) {
    throw ShapeError(text_of(a.op.name, std::string("value: expected ") + name_of(a[0].dtype) +
                                            "[], got " + a[1].to_string()));
  }
  std::vector<int64_t> dims = a[0].shape.dims();
  for (size_t i = 0; i < dims.size(); ++i) {
    // Sums of a few such numbers cannot wrap in the kernels.
    constexpr int64_t kMost = int64_t{1} << 60;
    int64_t between = 0, total = 0;
    const bool fits =
        std::max({low[i], high[i], interior[i], -(low[i] + 1), -(high[i] + 1)}) < kMost &&
        checked_multiply(std::max<int64_t>(dims[i] - 1, 0), interior[i], between) &&
        checked_add(dims[i], between, total) && checked_add(total, low[i], total) &&
        checked_add(total, high[i], total);
    if (!fits || total < 0 || interior[i] < 0) {
      throw ShapeError(text_of(a.op.name, "axis " + std::to_string(i) + " of " +
                                              a[0].shape.to_string() + " cannot grow by " +
                                              std::to_string(low[i]) + " and " +
                                              std::to_string(high[i])));
    }
    dims[i] = total;
  }
  return {{a[0].dtype, Shape(std::move(dims))}};
}

Slots pad_back(const Local& at, Cotangents ct) {
  const ir::Ints &low = at.attributes.ints("low"), &high = at.attributes.ints("high"),
                 &interior = at.attributes.ints("interior");
  const size_t rank = low.size();
  const Shape& shape = at.x().shape();
  Slots slots(2);
  if (shape.size() == 0) {
    slots[0] = full_like(at.x(), 0);
  } else {
    ir::Ints back_low(rank), back_high(rank), start(rank, 0), step(rank);
    for (size_t i = 0; i < rank; ++i) {
      back_low[i] = -low[i];
      back_high[i] = -high[i];
      step[i] = interior[i] + 1;
    }
    const Tensor whole = padded(ct[0], back_low, back_high, ir::Ints(rank, 0));
    slots[0] = sliced(whole, start, shape.dims(), step);
  }
  // The value stands wherever no element of x does.
  if (at.wanted[1]) slots[1] = sum_to(ct[0], Shape{}) - sum_to(slots[0], Shape{});
  return slots;
}

Types concat_type(const InferArguments& a) {
  const int axis = require_axis(a, a.attributes.integer("axis"), a[0].shape.rank());
  std::vector<int64_t> dims = a[0].shape.dims();
  const size_t along = static_cast<size_t>(axis);
  for (size_t k = 1; k < a.inputs.size(); ++k) {
    std::vector<int64_t> other = a[k].shape.dims();
    if (other.size() == dims.size()) other[along] = dims[along];
    if (other != dims || a[k].dtype != a[0].dtype) {
      throw ShapeError(text_of(a.op.name, "inputs 0 and " + std::to_string(k) +
                                              " differ beside axis " + std::to_string(axis) + ": " +
                                              a[0].to_string() + " and " + a[k].to_string()));
    }
  }
  int64_t total = 0;
  for (const TensorType& t : a.inputs) {
    if (!checked_add(total, t.shape.dims()[along], total))
      throw ShapeError(text_of(a.op.name, "size passes 2^63"));
  }
  dims[along] = total;
  return {{a[0].dtype, Shape(std::move(dims))}};
}

Slots concat_back(const Local& at, Cotangents ct) {
  const int axis = static_cast<int>(at.attributes.integer("axis"));
  Slots slots;
  int64_t start = 0;
  for (size_t k = 0; k < at.inputs.size(); ++k) {
    const int64_t n = at.x(k).shape()[axis];
    slots.push_back(at.wanted[k] ? narrow(ct[0], axis, start, n) : Tensor());
    start += n;
  }
  return slots;
}

Types diagonal_type(const InferArguments& a) {
  const ir::Ints& axes = require_count(a, "axes", 2);
  const int64_t offset = a.attributes.integer("offset");
  for (int64_t axis : axes) require_axis(a, axis, a[0].shape.rank());
  if (axes[0] == axes[1])
    throw ValueError(text_of(a.op.name, "axis " + std::to_string(axes[0]) + " is given twice"));
  std::vector<int64_t> dims;
  for (int i = 0; i < a[0].shape.rank(); ++i) {
    if (i != axes[0] && i != axes[1]) dims.push_back(a[0].shape[i]);
  }
  const int64_t rows = a[0].shape[static_cast<int>(axes[0])] + std::min<int64_t>(offset, 0);
  const int64_t columns = a[0].shape[static_cast<int>(axes[1])] - std::max<int64_t>(offset, 0);
  dims.push_back(std::max<int64_t>(0, std::min(rows, columns)));
  return {{a[0].dtype, Shape(std::move(dims))}};
}

std::optional<ir::View> diagonal_view(const InferArguments& a, const TensorType& output,
                                      const ir::Strides& input) {
  const ir::Ints& axes = a.attributes.ints("axes");
  const int64_t offset = a.attributes.integer("offset");
  const int64_t down = input[static_cast<size_t>(axes[0])],
                right = input[static_cast<size_t>(axes[1])];
  ir::View v;
  if (output.shape.size() > 0) v.offset = offset > 0 ? offset * right : -offset * down;
  for (size_t i = 0; i < input.size(); ++i) {
    if (static_cast<int64_t>(i) != axes[0] && static_cast<int64_t>(i) != axes[1])
      v.strides.push_back(input[i]);
  }
  v.strides.push_back(down + right);
  return v;
}

/// The cotangent on the diagonal of a square, the square put in its place among zeros.
Slots diagonal_back(const Local& at, Cotangents ct) {
  const ir::Ints& axes = at.attributes.ints("axes");
  const int64_t offset = at.attributes.integer("offset");
  const Shape& shape = at.x().shape();
  const int rank = shape.rank();
  const int64_t n = ct[0].shape()[-1];
  const int64_t rows = shape[static_cast<int>(axes[0])], columns = shape[static_cast<int>(axes[1])];
  const Tensor square =
      where(cast(eye(n), DType::bool_), expand_dims(ct[0], -2), scalar(0, ct[0].dtype()));
  const size_t r = static_cast<size_t>(rank);
  ir::Ints low(r, 0), high(r, 0), order;
  if (n > 0) low[r - 2] = std::max<int64_t>(-offset, 0), low[r - 1] = std::max<int64_t>(offset, 0);
  high[r - 2] = rows - n - low[r - 2];
  high[r - 1] = columns - n - low[r - 1];
  int64_t next = 0;
  for (int i = 0; i < rank; ++i) {
    order.push_back(i == axes[0] ? rank - 2 : i == axes[1] ? rank - 1 : next++);
  }
  return {permuted(padded(square, low, high, ir::Ints(r, 0)), order)};
}

Types arange_type(const InferArguments& a) {
  const int64_t size = a.attributes.integer("size");
  if (size < 0) {
    throw ShapeError(text_of(a.op.name, "size: expected 0 or more, got " + std::to_string(size)));
  }
  const int64_t start = a.attributes.integer("start"), step = a.attributes.integer("step");
  int64_t last = 0;
  if (size > 0 && (!checked_multiply(size - 1, step, last) || !checked_add(start, last, last))) {
    throw ShapeError(text_of(a.op.name, "its last element passes 2^63"));
  }
  return {{a.attributes.get<DType>("dtype"), Shape{size}}};
}

/// Lists of one number an axis, in another order of axes.
ir::Attributes reordered_lists(const ir::Attributes& a, const ir::Ints& place,
                               std::initializer_list<const char*> names) {
  ir::Attributes out = a;
  for (const char* name : names) {
    const ir::Ints& before = a.ints(name);
    ir::Ints after(before.size());
    for (size_t i = 0; i < before.size(); ++i) after[static_cast<size_t>(place[i])] = before[i];
    out.set(name, after);
  }
  return out;
}

double free_of_flops(const InferArguments&, const Types&) { return 0; }

ir::OpDef row(const char* name, const char* doc, int inputs, Types (*infer)(const InferArguments&),
              Slots (*transpose)(const Local&, Cotangents)) {
  return {.name = name,
          .doc = doc,
          .min_inputs = inputs,
          .max_inputs = inputs,
          .infer = infer,
          .derivative = ir::Linear{transpose},
          .flops = free_of_flops};
}

}  // namespace

std::span<const ir::OpDef> shape_rows() {
  static const std::vector<ir::OpDef> rows = [] {
    ir::OpDef reshape = row(
        "reshape", "The same elements in row-major order under attribute shape.", 1, reshape_type,
        [](const Local& at, Cotangents ct) -> Slots { return {reshaped(ct[0], at.x().shape())}; });
    reshape.view = reshape_view;
    ir::OpDef broadcast = row(
        "broadcast_to", "Repeats along new leading axes and axes of size 1, to attribute shape.", 1,
        broadcast_type,
        [](const Local& at, Cotangents ct) -> Slots { return {sum_to(ct[0], at.x().shape())}; });
    broadcast.view = broadcast_view;
    ir::OpDef transpose = row("transpose", "Axes in another order: output axis i is axis axes[i].",
                              1, transpose_type, transpose_back);
    transpose.view = transpose_view;
    ir::OpDef slice = row("slice",
                          "Elements start + i * step, i < size, along each axis (attributes start, "
                          "size, step, one number an axis; steps may be negative).",
                          1, slice_type, slice_back);
    slice.view = slice_view;
    slice.traits.reordered = [](const ir::Attributes& a, const ir::Ints& place) {
      return reordered_lists(a, place, {"start", "size", "step"});
    };
    ir::OpDef pad = row("pad",
                        "Each axis with `low` values before, `high` after (negative: cut off) and "
                        "`interior` between elements; inputs x and the value to pad with.",
                        2, pad_type, pad_back);
    pad.traits.reordered = [](const ir::Attributes& a, const ir::Ints& place) {
      return reordered_lists(a, place, {"low", "high", "interior"});
    };
    ir::OpDef concat = row("concat", "Inputs one after the other along attribute axis.", 1,
                           concat_type, concat_back);
    concat.max_inputs = 1 << 20;
    concat.traits.reordered = [](const ir::Attributes& a, const ir::Ints& place) {
      ir::Attributes out = a;
      const int64_t axis = a.integer("axis"), rank = static_cast<int64_t>(place.size());
      out.set("axis", place[static_cast<size_t>(axis < 0 ? axis + rank : axis)]);
      return out;
    };
    ir::OpDef diagonal =
        row("diagonal",
            "Elements x[i, i + offset] of the matrices in attribute axes, as a new "
            "last axis.",
            1, diagonal_type, diagonal_back);
    diagonal.view = diagonal_view;
    ir::OpDef arange =
        row("arange", "start + i * step for i < size (integer attributes), in dtype.", 0,
            arange_type, nullptr);
    arange.derivative = ir::NotDifferentiable{"it has no inputs"};
    return std::vector<ir::OpDef>{reshape, broadcast, transpose, slice,
                                  pad,     concat,    diagonal,  arange};
  }();
  return rows;
}

}  // namespace varve::ops
