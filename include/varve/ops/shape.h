// room: ops
// Operations on shapes and on where elements lie. Most are views and cost nothing.
#pragma once
#include "varve/tensor.h"

namespace varve {

/// The same elements in row-major order under another shape; one size may be -1 and is worked out.
/// Throws ShapeError where the counts differ: "reshape: 6 elements into [4]".
Tensor reshape(const Operand& x, const Shape& shape);
/// Axes in another order: output axis i is input axis axes[i]; empty reverses them all.
Tensor transpose(const Operand& x, const std::vector<int>& axes = {});
/// Repeats along new or size-1 axes (NumPy). Throws ShapeError.
Tensor broadcast_to(const Operand& x, const Shape& shape);
/// One after the other along an axis; they meet in one type.
/// Throws ShapeError where shapes differ beside the axis, ValueError for no tensor.
/// Example: concat({zeros({2, 3}), ones({2, 1})}).shape()  // [2, 4]
Tensor concat(const Tensors& parts, int axis = -1, Where where = Where::here());

}  // namespace varve
