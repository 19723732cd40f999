// Common subexpressions: nodes that compute the same become one.
//   %2 = exp %0;  %3 = exp %0;  %4 = add %2, %3     ->     %2 = exp %0;  %3 = add %2, %2
#pragma once
#include "ir/graph.h"

namespace varve::transform {

/// Needs: a verified graph. Keeps: values of the outputs, inputs and their order, nodes of ops with
/// the trait `barrier` (recomputed on purpose). The first two inputs of commutative ops
/// count as unordered; equal constants are one. Random ops are functions of their key, so equal
/// ones are equal. Bodies of control flow are treated alike. Idempotent.
ir::Graph eliminate_common_subexpressions(const ir::Graph& graph);

}  // namespace varve::transform
