#include "runtime/attach.h"

#include <string_view>

#include "base/pointwise.h"
#include "ops/table.h"
#include "runtime/prepare.h"
#include "transform/dead_code.h"

namespace varve::runtime {
namespace {

/// The graph of a producer with one output and the one-input op on it.
ir::GraphRef pair_body(const ir::Graph& g, const ir::GraphNode& producer,
                       const ir::GraphNode& reader) {
  auto body = std::make_shared<ir::Graph>();
  ir::GraphNode first = producer;
  for (ir::ValueId& v : first.inputs) v = body->add_input(g.type(v));
  ir::GraphNode second = reader;
  second.inputs = {body->add(std::move(first))};
  const int32_t last = body->add(std::move(second)).node;
  for (size_t o = 0; o < reader.outputs.size(); ++o)
    body->outputs.push_back({last, static_cast<int32_t>(o)});
  return body;
}

/// A product and its activation, or relu and its max pooling.
bool may_join(const ir::GraphNode& producer, const ir::GraphNode& reader) {
  if (producer.op->traits.epilogue && producer.outputs.size() == 1)
    return reader.op->traits.pointwise.has_value();
  return producer.op->traits.pointwise == Pointwise::relu &&
         reader.op->name == std::string_view("max_pool");
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
  for (ir::GraphNode& reader : out.nodes) {
    if (reader.inputs.size() != 1) continue;
    const ir::GraphNode& producer = graph.node(reader.inputs[0]);
    if (!may_join(producer, reader)) continue;
    // The producer may belong to what comes before it by now.
    if (out.node(reader.inputs[0]).op != producer.op) continue;
    if (reads[static_cast<size_t>(reader.inputs[0].node)] != 1) continue;
    ir::GraphNode pair{&ops::get("group"), producer.inputs, {}, reader.outputs, reader.site};
    pair.attributes.set("body", pair_body(graph, producer, reader));
    if (taken(graph, pair, threads)) reader = std::move(pair);
  }
  return transform::eliminate_dead_code(out);
}

}  // namespace varve::runtime
