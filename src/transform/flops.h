// What graphs cost, by the op table.
#pragma once
#include "ir/graph.h"

namespace varve::transform {

/// Floating-point operations of a node: what its row says, or that of what it decomposes into, or
/// one an element of its results. Inputs, constants and views have none.
double flops_of(const ir::Graph& graph, const ir::GraphNode& node);
/// Of all nodes.
double flops_of(const ir::Graph& graph);

}  // namespace varve::transform
