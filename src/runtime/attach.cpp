#include "runtime/attach.h"

#include <string_view>

#include "base/pointwise.h"
#include "ops/table.h"
#include "runtime/prepare.h"
#include "transform/dead_code.h"

namespace varve::runtime {
namespace {

/// The producer, or what it is joined of already, and the one-input op on its only output.
ir::GraphRef joined_body(const ir::Graph& g, const ir::GraphNode& producer, bool joined,
                         const ir::GraphNode& reader) {
  auto body = std::make_shared<ir::Graph>();
  ir::ValueId made;
  if (joined) {
    *body = *producer.attributes.get<ir::GraphRef>("body");
    made = body->outputs[0];
    body->outputs.clear();
  } else {
    ir::GraphNode first = producer;
    for (ir::ValueId& v : first.inputs) v = body->add_input(g.type(v));
    made = body->add(std::move(first));
  }
  ir::GraphNode second = reader;
  second.inputs = {made};
  const int32_t last = body->add(std::move(second)).node;
  for (size_t o = 0; o < reader.outputs.size(); ++o)
    body->outputs.push_back({last, static_cast<int32_t>(o)});
  return body;
}

/// A product and its activation, relu and its max pooling, or all three.
bool may_join(const ir::GraphNode& producer, bool joined, const ir::GraphNode& reader) {
  if (reader.op->name == std::string_view("max_pool")) {
    return joined || producer.op->traits.epilogue ||
           producer.op->traits.pointwise == Pointwise::relu;
  }
  return !joined && producer.op->traits.epilogue && reader.op->traits.pointwise;
}

bool taken(const ir::Graph& g, const ir::GraphNode& node, int threads) {
  std::vector<backend::Layout> in, out;
  for (ir::ValueId v : node.inputs) in.push_back(packed(g.type(v)));
  for (const ir::TensorType& t : node.outputs) out.push_back(packed(t));
  return prepare(node, in, out, backend::KernelSet::cpu, threads).kernel != nullptr;
}

}  // namespace

ir::Graph attach(const ir::Graph& graph, int threads) {
  std::vector<int> reads(graph.nodes.size(), 0);
  for (const ir::GraphNode& n : graph.nodes) {
    for (ir::ValueId v : n.inputs) ++reads[static_cast<size_t>(v.node)];
  }
  for (ir::ValueId v : graph.outputs) ++reads[static_cast<size_t>(v.node)];
  ir::Graph out = graph;
  std::vector<bool> joined(graph.nodes.size());
  for (size_t n = 0; n < out.nodes.size(); ++n) {
    ir::GraphNode& reader = out.nodes[n];
    if (reader.inputs.size() != 1) continue;
    const auto p = static_cast<size_t>(reader.inputs[0].node);
    const ir::GraphNode& producer = out.nodes[p];
    if (reads[p] != 1 || producer.outputs.size() != 1) continue;
    if (!may_join(producer, joined[p], reader)) continue;
    ir::GraphNode group{&ops::get("group"), producer.inputs, {}, reader.outputs, reader.site};
    group.attributes.set("body", joined_body(out, producer, joined[p], reader));
    if (!taken(out, group, threads)) continue;
    reader = std::move(group);
    joined[n] = true;
  }
  return transform::eliminate_dead_code(out);
}

}  // namespace varve::runtime
