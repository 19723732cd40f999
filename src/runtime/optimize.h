// The passes between a trace and its plan, in order.
#pragma once
#include "backend/kernel.h"
#include "ir/graph.h"
#include "runtime/lower.h"
#include "runtime/plan.h"
#include "varve/precision.h"

namespace varve::runtime {

/// Mixes precisions where that is asked for, simplifies, lowers composites that no kernel takes,
/// groups, and runs updates of variables together. Needs: a traced graph. Keeps: inputs, outputs
/// and their order.
ir::Graph optimize(const ir::Graph& graph, const PlanRoles& roles, backend::KernelSet set,
                   int threads, Precision precision = "f32", Means means = Means::fused);

}  // namespace varve::runtime
