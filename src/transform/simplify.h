// Simplification: rewrite rules (rows of rewrite.h), constants, common subexpressions, dead code.
//   %2 = multiply %0, 1;  %3 = exp %2;  %4 = exp %0;  %5 = add %3, %4
//     ->  %1 = exp %0;  %2 = add %1, %1
#pragma once
#include "ir/graph.h"

namespace varve::transform {

struct SimplifyOptions {
  /// Keep what only derivatives look at (stop_gradient), for a graph that will be differentiated.
  bool keep_gradient_stops = false;
  /// Compute what depends on constants alone. Not for a formula, where log(2) says more.
  bool fold_constants = true;
};

/// Needs: a verified graph. Keeps: values of the outputs (but for last digits and signs of zeros
/// where a rule says so), inputs and their order. Bodies of control flow are simplified alike.
/// Repeats until nothing changes, at most 16 times; idempotent.
ir::Graph simplify(const ir::Graph& graph, const SimplifyOptions& options = {});

}  // namespace varve::transform
