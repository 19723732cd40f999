// Lowering: composites without a kernel become their decompositions, and what has one in f32 alone
// is computed there (widen.h).
//   %1 = gelu %0     ->     %1 = ... %9 = multiply %8, %7      (where no kernel takes gelu)
#pragma once
#include "backend/kernel.h"
#include "ir/graph.h"

namespace varve::runtime {

/// A mean of what is computed for it alone is summed with that, or stays as it is, so that it has
/// the digits that it has alone.
enum class Means { fused, whole };

/// Needs: a verified graph. Keeps: values of the outputs; inputs and their order. Composites of
/// composites are lowered too.
ir::Graph lower(const ir::Graph& graph, backend::KernelSet set, int threads, Means means);

}  // namespace varve::runtime
