#include "transform/fold_constants.h"

#include "varve/error.h"

namespace varve::transform {
namespace {

constexpr int64_t kLargest = 1024;  // elements; more would only swell the plan

int64_t elements(const ir::Types& types) {
  int64_t n = 0;
  for (const ir::TensorType& t : types) n += t.shape.size();
  return n;
}

bool foldable(const ir::Graph& g, const ir::GraphNode& node) {
  const ir::Traits& traits = node.op->traits;
  if (traits.structural || traits.random || traits.barrier || traits.body) return false;
  int64_t given = 0;
  for (ir::ValueId v : node.inputs) {
    if (!ir::is_constant(g.node(v))) return false;
    given += g.type(v).shape.size();
  }
  const int64_t made = elements(node.outputs);
  return made <= kLargest && !(node.op->view && made > given);
}

std::vector<Tensor> run(const ir::Graph& g, const ir::GraphNode& node) {
  std::vector<Tensor> inputs;
  for (ir::ValueId v : node.inputs) {
    const auto& value = g.node(v).attributes.get<ir::Literal>("value");
    inputs.push_back(ir::computed(value.dtype, value.shape, value.array));
  }
  std::vector<Tensor> outputs =
      ir::apply_typed(*node.op, inputs, node.attributes, node.outputs, node.site);
  ir::evaluate(outputs);
  return outputs;
}

}  // namespace

ir::Graph fold_constants(const ir::Graph& graph) {
  ir::Graph out;
  std::vector<std::vector<ir::ValueId>> moved(graph.nodes.size());
  auto follow = [&](ir::ValueId v) {
    return moved[static_cast<size_t>(v.node)][static_cast<size_t>(v.output)];
  };
  for (size_t n = 0; n < graph.nodes.size(); ++n) {
    ir::GraphNode node = graph.nodes[n];
    for (ir::ValueId& v : node.inputs) v = follow(v);
    node.attributes = ir::map_bodies(node.attributes, [](const ir::Graph& body) {
      return std::make_shared<const ir::Graph>(fold_constants(body));
    });
    std::vector<Tensor> values;
    if (foldable(out, node)) {
      try {
        values = run(out, node);
      } catch (const Error&) {
        values.clear();
      }
    }
    if (values.empty()) {
      const size_t count = node.outputs.size();
      const int32_t at = out.add(std::move(node)).node;
      for (size_t o = 0; o < count; ++o) moved[n].push_back({at, static_cast<int32_t>(o)});
    } else {
      for (const Tensor& t : values) {
        ir::Literal literal{t.dtype(), t.shape(), ir::contiguous_array(t)};
        ir::Types type = {ir::type_of(t)};
        moved[n].push_back(out.add(
            {&ir::constant_op(), {}, {{"value", std::move(literal)}}, std::move(type), {}}));
      }
    }
  }
  for (int32_t i : graph.inputs) out.inputs.push_back(moved[static_cast<size_t>(i)][0].node);
  for (ir::ValueId v : graph.outputs) out.outputs.push_back(follow(v));
  return out;
}

}  // namespace varve::transform
