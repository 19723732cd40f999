// The passes between a trace and its plan, in order.
#pragma once
#include "backend/kernel.h"
#include "ir/graph.h"

namespace varve::runtime {

/// Simplifies, lowers composites that no kernel takes, groups. Needs: a traced graph. Keeps:
/// inputs, outputs and their order.
ir::Graph optimize(const ir::Graph& graph, backend::KernelSet set, int threads);

}  // namespace varve::runtime
