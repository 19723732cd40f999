#include "runtime/lower.h"

#include "ir/frame.h"
#include "runtime/prepare.h"
#include "runtime/widen.h"

namespace varve::runtime {
namespace {

/// A node's operands, one after another.
struct Operands {
  std::vector<backend::Layout> in, out;

  Operands(const ir::Graph& g, const ir::GraphNode& node) {
    for (ir::ValueId v : node.inputs) in.push_back(packed(g.type(v)));
    for (const ir::TensorType& t : node.outputs) out.push_back(packed(t));
  }
};

bool has_kernel(const ir::Graph& g, const ir::GraphNode& node, backend::KernelSet set,
                int threads) {
  const Operands o(g, node);
  return prepare(node, o.in, o.out, set, threads).kernel != nullptr;
}

bool wants_f32(const ir::Graph& g, const ir::GraphNode& node, backend::KernelSet set, int threads) {
  const Operands o(g, node);
  return computes_in_f32(node, o.in, o.out, set, threads);
}

/// Whether what makes the mean's input can sum it, too, and never write it.
bool fused_mean(const ir::Graph& g, const ir::GraphNode& node, std::span<const int32_t> uses) {
  if (node.op->name != std::string_view("mean")) return false;
  const auto from = static_cast<size_t>(node.inputs[0].node);
  return uses[from] == 1 && g.nodes[from].op->traits.pointwise.has_value();
}

/// One pass; `changed` tells whether another is needed.
ir::Graph lower_once(const ir::Graph& graph, backend::KernelSet set, int threads, Means means,
                     bool& changed) {
  ir::Frame frame(ir::Frame::Kind::trace);
  std::vector<Tensor> inputs;
  for (int32_t i : graph.inputs)
    inputs.push_back(ir::placeholder(graph.nodes[static_cast<size_t>(i)].outputs[0]));
  std::vector<std::vector<Tensor>> made(graph.nodes.size());
  for (size_t i = 0; i < inputs.size(); ++i)
    made[static_cast<size_t>(graph.inputs[i])] = {inputs[i]};
  const std::vector<int32_t> uses = ir::uses_of(graph);
  for (size_t n = 0; n < graph.nodes.size(); ++n) {
    const ir::GraphNode& node = graph.nodes[n];
    if (ir::is_input(node)) continue;
    if (ir::is_constant(node)) {
      const auto& v = node.attributes.get<ir::Literal>("value");
      made[n] = {ir::computed(v.dtype, v.shape, v.array)};
      continue;
    }
    std::vector<Tensor> x;
    for (ir::ValueId v : node.inputs)
      x.push_back(made[static_cast<size_t>(v.node)][static_cast<size_t>(v.output)]);
    const bool apart = means == Means::fused && fused_mean(graph, node, uses);
    if (!apart && wants_f32(graph, node, set, threads)) {
      ir::SiteScope site(node.site);
      made[n] = widened(node, x);
      changed = true;
    } else if (node.op->decompose && (apart || !has_kernel(graph, node, set, threads))) {
      ir::SiteScope site(node.site);
      made[n] = node.op->decompose(x, node.attributes);
      changed = true;
    } else {
      made[n] = ir::apply_typed(*node.op, x, node.attributes, node.outputs, node.site);
    }
  }
  std::vector<Tensor> outputs;
  for (ir::ValueId v : graph.outputs)
    outputs.push_back(made[static_cast<size_t>(v.node)][static_cast<size_t>(v.output)]);
  return ir::linearize(outputs, inputs);
}

}  // namespace

ir::Graph lower(const ir::Graph& graph, backend::KernelSet set, int threads, Means means) {
  ir::Graph g = graph;
  // A composite of composites of ... sixteen levels deep would be a cycle in the table.
  for (int level = 0; level < 16; ++level) {
    bool changed = false;
    g = lower_once(g, set, threads, means, changed);
    if (!changed) break;
  }
  return g;
}

}  // namespace varve::runtime
