#include "transform/common_subexpressions.h"

#include <algorithm>
#include <unordered_map>

namespace varve::transform {
namespace {

using Inputs = std::vector<ir::ValueId>;

bool before(ir::ValueId a, ir::ValueId b) {
  return a.node != b.node ? a.node < b.node : a.output < b.output;
}

/// The inputs by which nodes are compared.
Inputs unordered(const ir::GraphNode& node) {
  Inputs inputs = node.inputs;
  if (node.op->traits.commutative && inputs.size() >= 2 && before(inputs[1], inputs[0]))
    std::swap(inputs[0], inputs[1]);
  return inputs;
}

size_t hash(const ir::GraphNode& node) {
  size_t h = std::hash<const void*>()(node.op) ^ ir::hash(node.attributes);
  for (ir::ValueId v : unordered(node)) {
    h = h * 0x100000001b3 + static_cast<size_t>(v.node) * 31 + static_cast<size_t>(v.output);
  }
  return h;
}

bool same(const ir::GraphNode& a, const ir::GraphNode& b) {
  return a.op == b.op && unordered(a) == unordered(b) && a.outputs == b.outputs &&
         ir::same(a.attributes, b.attributes);
}

}  // namespace

ir::Graph eliminate_common_subexpressions(const ir::Graph& graph) {
  ir::Graph out;
  std::unordered_multimap<size_t, int32_t> known;
  std::vector<int32_t> moved(graph.nodes.size(), -1);
  auto follow = [&](ir::ValueId v) {
    return ir::ValueId{moved[static_cast<size_t>(v.node)], v.output};
  };
  for (size_t n = 0; n < graph.nodes.size(); ++n) {
    ir::GraphNode node = graph.nodes[n];
    for (ir::ValueId& v : node.inputs) v = follow(v);
    node.attributes = ir::map_bodies(node.attributes, [](const ir::Graph& body) {
      return std::make_shared<const ir::Graph>(eliminate_common_subexpressions(body));
    });
    if (ir::is_input(node) || node.op->traits.barrier) {
      moved[n] = out.add(std::move(node)).node;
      continue;
    }
    const size_t h = hash(node);
    const auto [begin, end] = known.equal_range(h);
    const auto found = std::find_if(begin, end, [&](const auto& entry) {
      return same(out.nodes[static_cast<size_t>(entry.second)], node);
    });
    if (found != end) {
      moved[n] = found->second;
    } else {
      moved[n] = out.add(std::move(node)).node;
      known.emplace(h, moved[n]);
    }
  }
  for (int32_t i : graph.inputs) out.inputs.push_back(moved[static_cast<size_t>(i)]);
  for (ir::ValueId v : graph.outputs) out.outputs.push_back(follow(v));
  return out;
}

}  // namespace varve::transform
