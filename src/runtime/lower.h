// Lowering: composites without a kernel become their decompositions.
//   %1 = gelu %0     ->     %1 = ... %9 = multiply %8, %7      (where no kernel takes gelu)
#pragma once
#include "backend/kernel.h"
#include "ir/graph.h"

namespace varve::runtime {

/// Needs: a verified graph. Keeps: values of the outputs; inputs and their order. Composites of
/// composites are lowered too.
ir::Graph lower(const ir::Graph& graph, backend::KernelSet set, int threads);

}  // namespace varve::runtime
