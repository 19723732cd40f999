// Batching: groups that nobody reads further become one node, which runs them side by side. The
// updates of a training step's parameters are such groups.
//   %5 = group %0, %1 {..};  %6 = group %2, %1 {..}   ->   %5, %5.1 = group %0, %1, %2 {body =
//   graph(..) { group; group }}
#pragma once
#include "ir/graph.h"

namespace varve::transform {

/// Needs: a grouped graph. Keeps: values, inputs, outputs and their order. Takes groups of
/// pointwise ops and reductions all of whose results are among outputs [first, first + count), and
/// nothing else.
ir::Graph batch(const ir::Graph& graph, size_t first, size_t count);

}  // namespace varve::transform
