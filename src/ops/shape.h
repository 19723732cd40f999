// Shape ops on raw tensors, for derivative rules and decompositions; axes are normalized.
#pragma once
#include "ops/build.h"

namespace varve::ops {

/// Elements start .. start + size - 1 of an axis.
Tensor narrow(const Tensor& x, int axis, int64_t start, int64_t size);
/// Without the given axes (sorted), which have size 1.
Tensor squeezed(const Tensor& x, const ir::Ints& axes);
/// The shape with size 1 at the given axes.
Shape with_ones(const Shape& shape, const ir::Ints& axes);
/// What a reduction over `axes` made (with or without keep_dims), stretched back to `shape`.
Tensor spread(const Tensor& x, const ir::Ints& axes, const Shape& shape);
Tensor reshaped(const Tensor& x, const Shape& shape, Where where = {});
Tensor stretched_to(const Tensor& x, const Shape& shape, Where where = {});
/// Grows (or, where negative, crops) each axis and puts `interior` zeros between elements.
Tensor padded(const Tensor& x, const ir::Ints& low, const ir::Ints& high, const ir::Ints& interior);
/// Elements start + i * step, i < size, of each axis.
Tensor sliced(const Tensor& x, const ir::Ints& start, const ir::Ints& size, const ir::Ints& step,
              Where where = {});
/// Axis i of the output is axis order[i] of x.
Tensor permuted(const Tensor& x, const ir::Ints& order, Where where = {});
/// start, start + step, ... as a tensor of `size` elements.
Tensor counted(int64_t size, DType dtype, int64_t start = 0, int64_t step = 1, Where where = {});
/// The same as numbers of type `dtype` along one axis of `rank`, of size 1 beside it.
Tensor counted_along(int64_t size, int axis, int rank, int64_t start, int64_t step, DType dtype);
/// The largest or the smallest value of a type (infinities where it has them), of rank 0.
Tensor limit_of(DType dtype, bool largest);
/// 0..rank-1 from -rank..rank-1; IndexError names the operand and its place.
int axis_at(const char* operation, int64_t axis, const Tensor& x, Where where);
/// The same for an axis to be made: 0..rank from -rank-1..rank.
int new_axis_at(const char* operation, int64_t axis, const Tensor& x, Where where);

}  // namespace varve::ops
