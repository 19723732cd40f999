// Reverse and forward differentiation over live tensors, by the derivative rules of the op table.
#pragma once
#include <span>
#include <vector>

#include "ir/node.h"
#include "varve/tensor.h"

namespace varve::transform {

/// The cotangents of `at` (one a tensor; empty where nothing flows) for cotangents of `outputs`:
/// transposed Jacobian times cotangents. Gradients stop at the cells of `at`.
/// Needs: links kept (a gradient frame or a trace) since the cells of `at` were used.
std::vector<Tensor> pullback(std::span<const Tensor> outputs, std::span<const Tensor> cotangents,
                             std::span<const Tensor> at);

/// The tangents of `outputs` (empty where nothing flows) for tangents of `at` (empty: zero):
/// Jacobian times tangents.
std::vector<Tensor> pushforward(std::span<const Tensor> outputs, std::span<const Tensor> at,
                                std::span<const Tensor> tangents);

/// Whether derivatives flow through values of that type.
inline bool flows(const ir::TensorType& t) { return is_floating(t.dtype); }
Tensor zeros(const ir::TensorType& t);
/// t, zeros like `like` where it is empty.
Tensor or_zeros(const Tensor& t, const Tensor& like);

/// ShapeError in the name of the operation; `otherwise` is for results of other shapes.
void require_scalar(const char* operation, const Tensor& value, const char* otherwise);

/// The same value as a node of its own: what a derivative is taken at.
Tensor fork(const Tensor& x);

}  // namespace varve::transform
