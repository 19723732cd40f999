#include "transform/batch.h"

#include <algorithm>
#include <map>
#include <string_view>

#include "ops/table.h"
#include "transform/tile_build.h"

namespace varve::transform {
namespace {

bool is_tile_group(const ir::GraphNode& node) {
  if (node.op->name != std::string_view("group")) return false;
  const ir::Graph& body = *node.attributes.get<ir::GraphRef>("body");
  return std::all_of(body.nodes.begin(), body.nodes.end(), [](const ir::GraphNode& n) {
    return n.op->traits.structural || n.op->view || tileable(*n.op);
  });
}

/// By node: a group that is read by outputs [first, first + count) alone.
std::vector<bool> leaves(const ir::Graph& g, size_t first, size_t count) {
  std::vector<bool> leaf(g.nodes.size());
  for (size_t n = 0; n < g.nodes.size(); ++n) leaf[n] = is_tile_group(g.nodes[n]);
  for (const ir::GraphNode& n : g.nodes) {
    for (ir::ValueId v : n.inputs) leaf[static_cast<size_t>(v.node)] = false;
  }
  for (size_t o = 0; o < g.outputs.size(); ++o) {
    if (o < first || o >= first + count) leaf[static_cast<size_t>(g.outputs[o].node)] = false;
  }
  return leaf;
}

}  // namespace

ir::Graph batch(const ir::Graph& graph, size_t first, size_t count) {
  const std::vector<bool> leaf = leaves(graph, first, count);
  if (std::count(leaf.begin(), leaf.end(), true) < 2) return graph;
  ir::Graph out;
  auto body = std::make_shared<ir::Graph>();
  ir::GraphNode together{&ops::get("group"), {}, {}, {}, {}};
  std::vector<int32_t> moved(graph.nodes.size());
  std::map<std::pair<int32_t, int32_t>, ir::ValueId> inner;   // inputs of the body
  std::vector<int32_t> first_output(graph.nodes.size(), -1);  // of leaves
  for (size_t n = 0; n < graph.nodes.size(); ++n) {
    ir::GraphNode node = graph.nodes[n];
    for (ir::ValueId& v : node.inputs) v.node = moved[static_cast<size_t>(v.node)];
    if (!leaf[n]) {
      moved[n] = out.add(std::move(node)).node;
      continue;
    }
    for (ir::ValueId& v : node.inputs) {
      auto [at, fresh] = inner.try_emplace({v.node, v.output});
      if (fresh) {
        at->second = body->add_input(out.type(v));
        together.inputs.push_back(v);
      }
      v = at->second;
    }
    together.site = node.site;
    first_output[n] = static_cast<int32_t>(together.outputs.size());
    const auto results = static_cast<int32_t>(node.outputs.size());
    together.outputs.insert(together.outputs.end(), node.outputs.begin(), node.outputs.end());
    const int32_t member = body->add(std::move(node)).node;
    for (int32_t o = 0; o < results; ++o) body->outputs.push_back({member, o});
  }
  together.attributes.set("body", ir::GraphRef(std::move(body)));
  const int32_t whole = out.add(std::move(together)).node;
  for (int32_t i : graph.inputs) out.inputs.push_back(moved[static_cast<size_t>(i)]);
  for (ir::ValueId v : graph.outputs) {
    const auto n = static_cast<size_t>(v.node);
    out.outputs.push_back(leaf[n] ? ir::ValueId{whole, first_output[n] + v.output}
                                  : ir::ValueId{moved[n], v.output});
  }
  return out;
}

}  // namespace varve::transform
