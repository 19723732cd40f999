// The order in which a plan runs the nodes of a graph.
#pragma once
#include <cstdint>
#include <vector>

#include "ir/graph.h"

namespace varve::runtime {

/// All nodes but inputs and constants, each after those it reads; those that `late` names (node by
/// node) behind all others. As in the graph, but a node that is the last to read more bytes than it
/// makes runs as soon as it can: the gradient of a kernel when that of the activations has just
/// been made and still lies in a cache, instead of at the end, until which a trace would keep all
/// activations and all their gradients. What reads a late node must be late. Of two nodes that fail
/// it may be the other one that is reported.
std::vector<int32_t> frugal_order(const ir::Graph& graph, const std::vector<bool>& late);

}  // namespace varve::runtime
