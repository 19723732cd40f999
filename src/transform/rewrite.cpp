#include "transform/rewrite.h"

#include <cstring>
#include <unordered_map>

#include "base/error.h"
#include "ir/dispatch.h"
#include "ops/table.h"

namespace varve::transform {

std::optional<ir::GraphNode> Rewriting::made_by(ir::ValueId v, std::string_view op) const {
  const ir::GraphNode& n = graph_.node(v);
  return n.op->name == op ? std::optional(n) : std::nullopt;
}

std::optional<double> Rewriting::number(ir::ValueId v) const {
  const ir::GraphNode* n = &graph_.node(v);
  while (n->op->name == std::string_view("broadcast_to")) n = &graph_.node(n->inputs[0]);
  if (!ir::is_constant(*n)) return std::nullopt;
  const auto& literal = n->attributes.get<ir::Literal>("value");
  if (literal.shape.size() != 1) return std::nullopt;
  return ir::dispatch(literal.dtype, [&]<class T>(T) -> std::optional<double> {
    const T element = *reinterpret_cast<const T*>(literal.array.data());
    // Integers that a double does not hold exactly are left alone.
    if constexpr (std::is_integral_v<T> && sizeof(T) == 8) {
      const auto wide = static_cast<double>(element);
      if (wide >= 0x1p53 || wide <= -0x1p53) return std::nullopt;
    }
    return static_cast<double>(element);
  });
}

ir::ValueId Rewriting::make(std::string_view op, std::vector<ir::ValueId> inputs,
                            ir::Attributes attributes) {
  const ir::OpDef& def = ops::get(op);
  ir::Types types;
  for (ir::ValueId v : inputs) types.push_back(graph_.type(v));
  ir::Types outputs = def.infer({def, types, attributes});
  return graph_.add(
      {&def, std::move(inputs), std::move(attributes), std::move(outputs), node_.site});
}

ir::ValueId Rewriting::again(std::vector<ir::ValueId> inputs) {
  return make(node_.op->name, std::move(inputs), node_.attributes);
}

ir::ValueId Rewriting::full(double value, const ir::TensorType& type) {
  ir::Array element = ir::allocate(type.dtype, {});
  ir::dispatch(type.dtype,
               [&]<class T>(T) { *reinterpret_cast<T*>(element.data()) = convert<T>(value); });
  return constant(type.dtype, std::move(element), type.shape);
}

ir::ValueId Rewriting::wrapped(uint64_t value, const ir::TensorType& type) {
  check(is_integer(type.dtype), "integers wrap");
  ir::Array element = ir::allocate(type.dtype, {});
  std::memcpy(element.data(), &value, static_cast<size_t>(size_of(type.dtype)));  // little-endian
  return constant(type.dtype, std::move(element), type.shape);
}

ir::ValueId Rewriting::constant(DType dtype, ir::Array element, const Shape& shape) {
  ir::Literal literal{dtype, {}, std::move(element)};
  const ir::ValueId scalar = graph_.add(
      {&ir::constant_op(), {}, {{"value", std::move(literal)}}, {{dtype, {}}}, node_.site});
  return broadcast(scalar, shape);
}

ir::ValueId Rewriting::reshape(ir::ValueId v, const Shape& shape) {
  return type(v).shape == shape ? v : make("reshape", {v}, {{"shape", shape.dims()}});
}

ir::ValueId Rewriting::broadcast(ir::ValueId v, const Shape& shape) {
  return type(v).shape == shape ? v : make("broadcast_to", {v}, {{"shape", shape.dims()}});
}

namespace {

/// Rules by op name, then those for any op, in order.
class RulesByOp {
 public:
  explicit RulesByOp(std::span<const Rule> rules) {
    for (const Rule& r : rules) {
      if (std::strcmp(r.op, "*") == 0) {
        any_.push_back(&r);
      } else {
        by_op_[&ops::get(r.op)].push_back(&r);
      }
    }
  }
  std::optional<ir::ValueId> apply(Rewriting& at) const {
    if (auto found = by_op_.find(at.node().op); found != by_op_.end()) {
      if (auto v = first(found->second, at)) return v;
    }
    return first(any_, at);
  }

 private:
  static std::optional<ir::ValueId> first(const std::vector<const Rule*>& rules, Rewriting& at) {
    for (const Rule* r : rules) {
      if (auto v = r->apply(at)) return v;
    }
    return std::nullopt;
  }
  std::unordered_map<const ir::OpDef*, std::vector<const Rule*>> by_op_;
  std::vector<const Rule*> any_;
};

}  // namespace

ir::Graph rewrite(const ir::Graph& graph, std::span<const Rule> rules, bool& changed) {
  const RulesByOp table(rules);
  const std::vector<int32_t> uses = ir::uses_of(graph);
  ir::Graph out;
  std::vector<std::vector<ir::ValueId>> moved(graph.nodes.size());
  auto follow = [&](ir::ValueId v) {
    return moved[static_cast<size_t>(v.node)][static_cast<size_t>(v.output)];
  };
  for (size_t n = 0; n < graph.nodes.size(); ++n) {
    ir::GraphNode node = graph.nodes[n];
    std::vector<int32_t> read;
    for (ir::ValueId& v : node.inputs) {
      read.push_back(uses[static_cast<size_t>(v.node)]);
      v = follow(v);
    }
    if (node.outputs.size() == 1 && !node.op->traits.structural) {
      Rewriting at(out, node, read);
      if (auto v = table.apply(at)) {
        check(out.type(*v) == node.outputs[0], "a rewrite rule keeps the type");
        changed = true;
        moved[n] = {*v};
        continue;
      }
    }
    const size_t count = node.outputs.size();
    const int32_t at = out.add(std::move(node)).node;
    for (size_t o = 0; o < count; ++o) moved[n].push_back({at, static_cast<int32_t>(o)});
  }
  for (int32_t i : graph.inputs) out.inputs.push_back(moved[static_cast<size_t>(i)][0].node);
  for (ir::ValueId v : graph.outputs) out.outputs.push_back(follow(v));
  return out;
}

}  // namespace varve::transform
