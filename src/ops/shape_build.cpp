// Shape ops on raw tensors: what does nothing makes no node.
#include <algorithm>
#include <cmath>
#include <limits>

#include "base/error.h"
#include "base/math.h"
#include "ir/dispatch.h"
#include "ops/shape.h"

namespace varve::ops {

Tensor reshaped(const Tensor& x, const Shape& shape, Where where) {
  return x.shape() == shape ? x : make("reshape", {x}, {{"shape", shape.dims()}}, where);
}

Tensor stretched_to(const Tensor& x, const Shape& shape, Where where) {
  return x.shape() == shape ? x : make("broadcast_to", {x}, {{"shape", shape.dims()}}, where);
}

Tensor sliced(const Tensor& x, const ir::Ints& start, const ir::Ints& size, const ir::Ints& step,
              Where where) {
  ir::Ints from = start, by = step;
  bool whole = true;
  for (size_t i = 0; i < size.size(); ++i) {
    if (size[i] <= 1) by[i] = 1;  // equal computations are equal nodes
    if (size[i] == 0) from[i] = 0;
    whole &= from[i] == 0 && size[i] == x.shape().dims()[i] && by[i] == 1;
  }
  return whole ? x : make("slice", {x}, {{"start", from}, {"size", size}, {"step", by}}, where);
}

Tensor narrow(const Tensor& x, int axis, int64_t start, int64_t size) {
  const size_t rank = static_cast<size_t>(x.rank());
  ir::Ints from(rank, 0), sizes = x.shape().dims();
  from[static_cast<size_t>(axis)] = start;
  sizes[static_cast<size_t>(axis)] = size;
  return sliced(x, from, sizes, ir::Ints(rank, 1));
}

Tensor padded(const Tensor& x, const ir::Ints& low, const ir::Ints& high,
              const ir::Ints& interior) {
  auto zero = [](const ir::Ints& v) {
    return std::all_of(v.begin(), v.end(), [](int64_t n) { return n == 0; });
  };
  if (zero(low) && zero(high) && zero(interior)) return x;
  return make("pad", {x, scalar(0, x.dtype())},
              {{"low", low}, {"high", high}, {"interior", interior}});
}

Tensor permuted(const Tensor& x, const ir::Ints& order, Where where) {
  if (std::is_sorted(order.begin(), order.end())) return x;
  return make("transpose", {x}, {{"axes", order}}, where);
}

Tensor counted(int64_t size, DType dtype, int64_t start, int64_t step, Where where) {
  return make("arange", {},
              {{"dtype", dtype}, {"size", size}, {"start", start}, {"step", size > 1 ? step : 1}},
              where);
}

Tensor counted_along(int64_t size, int axis, int rank, int64_t start, int64_t step, DType dtype) {
  std::vector<int64_t> dims(static_cast<size_t>(rank), 1);
  dims[static_cast<size_t>(axis)] = size;
  const Tensor numbers = counted(size, i64, start, step);
  return reshaped(dtype == i64 ? numbers : make("cast", {numbers}, {{"dtype", dtype}}),
                  Shape(std::move(dims)));
}

Tensor limit_of(DType dtype, bool largest) {
  if (is_floating(dtype)) return scalar(largest ? INFINITY : -INFINITY, dtype);
  return ir::dispatch(dtype, [&]<class T>(T) -> Tensor {
    if constexpr (std::is_integral_v<T>) {
      using Limits = std::numeric_limits<T>;
      return tensor({largest ? Limits::max() : Limits::min()}, Shape{});
    } else {
      throw InternalError("limit_of: not an integer type");
    }
  });
}

int axis_at(const char* operation, int64_t axis, const Tensor& x, Where where) {
  try {
    return normalize_axis(operation, axis, x.rank());
  } catch (const IndexError& e) {
    throw IndexError(e.message(), "the operand is " + x.shape().to_string(), where.to_string());
  }
}

int new_axis_at(const char* operation, int64_t axis, const Tensor& x, Where where) {
  const int rank = x.rank() + 1;
  if (axis < -rank || axis >= rank) {
    throw IndexError(text_of(operation, "new " + axis_range(axis, rank)),
                     "the operand is " + x.shape().to_string(), where.to_string());
  }
  return static_cast<int>(axis < 0 ? axis + rank : axis);
}

Shape with_ones(const Shape& shape, const ir::Ints& axes) {
  std::vector<int64_t> dims = shape.dims();
  for (int64_t a : axes) dims[static_cast<size_t>(a)] = 1;
  return Shape(std::move(dims));
}

Tensor squeezed(const Tensor& x, const ir::Ints& axes) {
  std::vector<int64_t> dims;
  for (int i = 0; i < x.rank(); ++i) {
    if (!std::binary_search(axes.begin(), axes.end(), i)) dims.push_back(x.shape()[i]);
  }
  return reshaped(x, Shape(std::move(dims)));
}

Tensor spread(const Tensor& x, const ir::Ints& axes, const Shape& shape) {
  return stretched_to(reshaped(x, with_ones(shape, axes)), shape);
}

}  // namespace varve::ops
