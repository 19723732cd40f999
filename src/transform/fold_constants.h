// Constant folding: nodes of constants become constants.
//   %1 = constant {2};  %2 = exp %1;  %3 = multiply %0, %2  ->  %1 = constant {7.389}; ...
#pragma once
#include "ir/graph.h"

namespace varve::transform {

/// Needs: a verified graph. Keeps: values of the outputs, inputs and their order. Folds results of
/// at most 1024 elements; never random ops, barriers and bodies, nor repetitions (a
/// broadcast scalar says more than its copies), nor what fails when it is run (an index out of
/// range stays where it is, to be told with its place). Idempotent.
ir::Graph fold_constants(const ir::Graph& graph);

}  // namespace varve::transform
