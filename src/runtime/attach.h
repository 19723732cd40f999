// Attaching: an activation that alone reads a convolution or matrix product becomes one node with
// it, and so does a max pooling that alone reads that, or a relu.
//   %2 = matmul %0, %1;  %3 = relu %2     ->     %3 = group %0, %1 {body = graph(...) { matmul;
//   relu }}
#pragma once
#include "backend/kernel.h"
#include "ir/graph.h"

namespace varve::runtime {

/// Needs: a lowered graph. Keeps: values, inputs, outputs and their order. Joins a node of an op
/// with the trait `epilogue` and the one pointwise node that reads it, relu and its max_pool, or
/// all three, wherever a kernel takes them.
ir::Graph attach(const ir::Graph& graph, int threads);

}  // namespace varve::runtime
