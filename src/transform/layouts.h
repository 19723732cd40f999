// Layouts: what computes element by element runs in the order of axes that its inputs come from
// where transposes before and after it then cancel. Models of programs whose channels lie in front
// have such a pair around each activation.
//   %1 = transpose %0 {axes = [0, 3, 1, 2]};  %2 = relu %1;  %3 = transpose %2 {axes = [0, 2, 3,
//   1]}
//     ->  %1 = relu %0
#pragma once
#include "ir/graph.h"

namespace varve::transform {

/// Needs: a verified, simplified graph. Keeps: values of the outputs, inputs and their order;
/// bodies stay as they are. `changed` becomes true where it did something; simplify follows then,
/// for what is no longer read and transposes of transposes stay.
ir::Graph cancel_transposes(const ir::Graph& graph, bool& changed);

}  // namespace varve::transform
