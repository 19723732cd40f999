#include "transform/dead_code.h"

namespace varve::transform {

ir::Graph eliminate_dead_code(const ir::Graph& graph) {
  std::vector<bool> live(graph.nodes.size(), false);
  for (ir::ValueId v : graph.outputs) live[static_cast<size_t>(v.node)] = true;
  for (int32_t i : graph.inputs) live[static_cast<size_t>(i)] = true;
  for (size_t n = graph.nodes.size(); n-- > 0;) {
    if (!live[n]) continue;
    live[n] = true;
    for (ir::ValueId v : graph.nodes[n].inputs) live[static_cast<size_t>(v.node)] = true;
  }
  ir::Graph out;
  std::vector<int32_t> moved(graph.nodes.size(), -1);
  auto follow = [&](ir::ValueId v) {
    return ir::ValueId{moved[static_cast<size_t>(v.node)], v.output};
  };
  for (size_t n = 0; n < graph.nodes.size(); ++n) {
    if (!live[n]) continue;
    ir::GraphNode node = graph.nodes[n];
    for (ir::ValueId& v : node.inputs) v = follow(v);
    moved[n] = out.add(std::move(node)).node;
  }
  for (int32_t i : graph.inputs) out.inputs.push_back(moved[static_cast<size_t>(i)]);
  for (ir::ValueId v : graph.outputs) out.outputs.push_back(follow(v));
  return out;
}

}  // namespace varve::transform
