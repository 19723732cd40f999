#include "transform/flops.h"

namespace varve::transform {

double flops_of(const ir::Graph& graph, const ir::GraphNode& node) {
  const ir::OpDef& op = *node.op;
  if (op.traits.structural) return 0;
  ir::Types inputs;
  for (ir::ValueId v : node.inputs) inputs.push_back(graph.type(v));
  if (op.flops) return op.flops({op, inputs, node.attributes}, node.outputs);
  if (op.decompose) {
    return flops_of(ir::trace_body(
        inputs, [&](std::span<const Tensor> x) { return op.decompose(x, node.attributes); }));
  }
  double flops = 0;
  if (!op.view) {
    for (const ir::TensorType& t : node.outputs) flops += static_cast<double>(t.shape.size());
  }
  return flops;
}

double flops_of(const ir::Graph& graph) {
  double sum = 0;
  for (const ir::GraphNode& node : graph.nodes) sum += flops_of(graph, node);
  return sum;
}

}  // namespace varve::transform
