// The passes between a trace and its plan, in order.
#pragma once
#include "ir/graph.h"

namespace varve::runtime {

/// Needs: a traced graph. Keeps: inputs, outputs and their order.
ir::Graph optimize(const ir::Graph& graph);

}  // namespace varve::runtime
