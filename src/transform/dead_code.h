// Dead code: nodes that no output depends on go.
//   %1 = exp %0;  %2 = sin %0;  return %2     ->     %1 = sin %0;  return %1
#pragma once
#include "ir/graph.h"

namespace varve::transform {

/// Needs: a verified graph. Keeps: values of the outputs, inputs (used or not) and their order.
/// Idempotent.
ir::Graph eliminate_dead_code(const ir::Graph& graph);

}  // namespace varve::transform
