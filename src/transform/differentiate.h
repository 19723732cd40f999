// Reverse and forward differentiation over live tensors, by the derivative rules of the op table.
#pragma once
#include <span>
#include <vector>

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

/// The same value as a node of its own: what a derivative is taken at.
Tensor fork(const Tensor& x);

}  // namespace varve::transform
