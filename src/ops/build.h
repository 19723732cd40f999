// What op functions are written with: promotion, broadcasting, axes; and shape rules many rows
// share.
#pragma once
#include <initializer_list>
#include <string_view>
#include <vector>

#include "ir/node.h"
#include "ir/op.h"
#include "ops/table.h"
#include "varve/tensor.h"

namespace varve::ops {

using ir::Attributes;
using ir::InferArguments;
using ir::Local;
using ir::Slots;
using ir::TensorType;
using ir::Types;

/// NumPy's broadcast of two shapes; ShapeError names both and the axis.
Shape broadcast_shapes(const char* operation, const Shape& a, const Shape& b);
/// The type in which operands meet: strong types promote, numbers are weak (a real number with
/// integers gives f32).
DType common_type(std::initializer_list<const Operand*> operands);
/// The operands cast to one type and broadcast to one shape.
std::vector<Tensor> meet(const char* operation, std::initializer_list<const Operand*> operands);
/// The same in a given type.
std::vector<Tensor> meet_in(const char* operation, DType dtype,
                            std::initializer_list<const Operand*> operands);
/// A tensor; integers and bools become f32 (functions that are real by nature: exp, mean).
Tensor floating(const Operand& x);

/// 0..rank-1 from -rank..rank-1; IndexError as "op: axis 3 out of range for rank 2 (-2..1)".
int normalize_axis(const char* operation, int64_t axis, int rank);
/// Sorted, each once (ValueError for repeats); empty means all.
std::vector<int64_t> normalize_axes(const char* operation, const std::vector<int>& axes, int rank);

/// Puts together an error's text: "op: message".
std::string text_of(const char* operation, const std::string& message);

/// Shape rules.
Types same_type(const InferArguments& a);  ///< one output as the first input; all inputs equal
Types same_type_floating(const InferArguments& a);  ///< the same, floating only
Types same_shape_bool(const InferArguments& a);     ///< bool output, all inputs of one type

/// Raw nodes, for rules and decompositions: operands are of one type and shape already.
Tensor make(const char* op, std::initializer_list<Tensor> inputs, Attributes attributes = {},
            Where where = {});

/// A constant of x's type and shape (a broadcast scalar).
Tensor full_like(const Tensor& x, double value);
Tensor full(double value, DType dtype, const Shape& shape);
/// Sums over the axes that broadcasting added or stretched.
Tensor sum_to(const Tensor& x, const Shape& shape);

}  // namespace varve::ops
