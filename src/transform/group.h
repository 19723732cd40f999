// Grouping: chains of pointwise ops, with the reductions that end them, become one `group` node
// each, to be run as one tile program; where it costs less than to write and read, a value is
// computed in several of them.
//   %2 = add %0, %1;  %3 = relu %2;  %4 = sum %3     ->     %2, %2.1 = group %0, %1 {body =
//   graph...}
#pragma once
#include "ir/graph.h"

namespace varve::transform {

/// Needs: a verified graph without composites that should stay whole. Keeps: values, inputs,
/// outputs and their order. Groups hold at least two ops; a group's members have one iteration
/// space, and reductions are never read within their own group. Idempotent.
ir::Graph group(const ir::Graph& graph);

}  // namespace varve::transform
