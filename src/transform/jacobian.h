// Whole Jacobians: pushforward or pullback, an element at a time.
#pragma once
#include <span>
#include <vector>

#include "varve/tensor.h"

namespace varve::transform {

/// [output..., argument...].
Shape jacobian_shape(const Shape& output, const Shape& argument);

/// 1 at one element, 0 elsewhere.
Tensor unit(const Tensor& like, int64_t element);

/// [output][argument]: a tensor of the shape [output..., argument...].
using JacobianBlocks = std::vector<std::vector<Tensor>>;

/// One pullback an element of the outputs. Needs: as pullback; outputs and `at` are floating.
JacobianBlocks jacobian_by_rows(std::span<const Tensor> outputs, std::span<const Tensor> at);
/// One pushforward an element of `at`.
JacobianBlocks jacobian_by_columns(std::span<const Tensor> outputs, std::span<const Tensor> at);

}  // namespace varve::transform
