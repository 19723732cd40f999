// Attributes of gathers and scatters, and what their rows share.
#pragma once
#include "ops/shape.h"

namespace varve::ops {

/// form: "take", "along" or "nd" (axis 0); negative: indices -n..-1 count from the end.
Attributes gather_form(const char* form, int64_t axis, bool negative = true);

/// The shape rule of every scatter: inputs x, updates, indices.
Types scatter_type(const InferArguments& a);
/// A scatter's node, and the gather that reads where it wrote.
Tensor scatter(const char* op, const Tensor& x, const Tensor& updates, const Tensor& indices,
               const Attributes& how);
Tensor gathered(const Tensor& x, const Tensor& indices, const Attributes& how);

/// Scatters that multiply or keep an extreme.
std::vector<ir::OpDef> scatter_reduce_rows();

}  // namespace varve::ops
