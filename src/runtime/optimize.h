// The passes between a trace and its plan, in order.
#pragma once
#include "backend/kernel.h"
#include "ir/graph.h"
#include "runtime/lower.h"
#include "runtime/plan.h"

namespace varve::runtime {

/// Simplifies, lowers composites that no kernel takes, groups, and runs updates of variables
/// together. Needs: a traced graph. Keeps: inputs, outputs and their order.
ir::Graph optimize(const ir::Graph& graph, const PlanRoles& roles, backend::KernelSet set,
                   int threads, Means means = Means::fused);

}  // namespace varve::runtime
