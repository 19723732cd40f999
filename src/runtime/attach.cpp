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

/// The producer and the one-input op on its only output as one node.
ir::GraphNode join(const ir::Graph& g, const ir::GraphNode& producer, bool joined,
                   const ir::GraphNode& reader) {
  ir::GraphNode group{&ops::get("group"), producer.inputs, {}, reader.outputs, reader.site};
  group.attributes.set("body", joined_body(g, producer, joined, reader));
  return group;
}

bool is_relu(const ir::GraphNode& node) { return node.op->traits.pointwise == Pointwise::relu; }

/// A product and its activation or max pooling, or relu and its max pooling.
bool may_join(const ir::GraphNode& producer, bool joined, const ir::GraphNode& reader) {
  if (reader.op->name == std::string_view("max_pool"))
    return joined || producer.op->traits.epilogue || is_relu(producer);
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
  const auto read_once = [&](size_t n) {
    return reads[n] == 1 && out.nodes[n].outputs.size() == 1;
  };
  const auto producer_of = [&](size_t n) {
    return static_cast<size_t>(out.nodes[n].inputs[0].node);
  };
  const auto put = [&](size_t n, ir::GraphNode group) {
    if (!taken(out, group, threads)) return false;
    out.nodes[n] = std::move(group);
    joined[n] = true;
    return true;
  };
  for (size_t n = 0; n < out.nodes.size(); ++n) {
    const ir::GraphNode& reader = out.nodes[n];
    if (reader.inputs.size() != 1) continue;
    const size_t p = producer_of(n);
    const ir::GraphNode& producer = out.nodes[p];
    if (!read_once(p) || !may_join(producer, joined[p], reader)) continue;
    // A product leaves its relu to the pooling that reads it: all three, if a kernel takes them.
    if (is_relu(producer) && read_once(producer_of(p)) &&
        out.nodes[producer_of(p)].op->traits.epilogue &&
        put(n, join(out, join(out, out.nodes[producer_of(p)], false, producer), true, reader))) {
      continue;
    }
    put(n, join(out, producer, joined[p], reader));
  }
  return transform::eliminate_dead_code(out);
}

}  // namespace varve::runtime
