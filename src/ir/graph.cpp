#include "ir/graph.h"

#include <algorithm>
#include <unordered_map>

#include "base/error.h"
#include "ir/frame.h"
#include "ir/infer.h"

namespace varve::ir {
namespace {

Types no_infer(const InferArguments& a) {
  throw InternalError(std::string(a.op.name) + " is structural: its type is given, not inferred");
}

const Literal& literal_of(const Attributes& a) { return a.get<Literal>("value"); }

}  // namespace

const OpDef& input_op() {
  static const OpDef op{.name = "input",
                        .doc = "An argument of a graph.",
                        .min_inputs = 0,
                        .max_inputs = 0,
                        .infer = no_infer,
                        .derivative = NotDifferentiable{"an input has no inputs"},
                        .traits = {.structural = true}};
  return op;
}

const OpDef& constant_op() {
  static const OpDef op{.name = "constant",
                        .doc = "Given elements.",
                        .min_inputs = 0,
                        .max_inputs = 0,
                        .infer = [](const InferArguments& a) -> Types {
                          const Literal& v = literal_of(a.attributes);
                          return {{v.dtype, v.shape}};
                        },
                        .derivative = NotDifferentiable{"a constant has no inputs"},
                        .traits = {.structural = true}};
  return op;
}

ValueId Graph::add(GraphNode node) {
  nodes.push_back(std::move(node));
  return {static_cast<int32_t>(nodes.size()) - 1, 0};
}

ValueId Graph::add_input(const TensorType& type) {
  const ValueId v = add({&input_op(), {}, {}, {type}, {}});
  inputs.push_back(v.node);
  return v;
}

namespace {

/// Walks from values back to inputs and constants without recursion; nodes come out after their
/// inputs.
class Linearizer {
 public:
  explicit Linearizer(std::span<const Tensor> inputs) {
    for (const Tensor& x : inputs) {
      ids_[x.cell().get()] = graph_.add_input(x.cell()->type);
    }
  }

  ValueId visit(const ValueRef& root) {
    stack_.push_back(root.get());
    while (!stack_.empty()) {
      Value* v = stack_.back();
      if (ids_.contains(v)) {
        stack_.pop_back();
      } else if (v->computed()) {
        add_constant(v);
      } else if (!v->node && v->symbolic) {
        throw ValueError(
            "the value comes from nn::Input \"" + *v->symbolic + "\" and has no elements",
            "make a Model(inputs, outputs) and call it on data");
      } else if (!v->node) {
        throw ValueError(
            "a value inside a trace was read: it depends on an argument of the function being "
            "compiled "
            "and has no elements yet",
            "inside jit, fit and control-flow bodies compute with tensors (where, cond) instead of "
            "reading them, or pass {.run_eagerly = true}");
      } else if (auto known = nodes_.find(v->node.get()); known != nodes_.end()) {
        ids_[v] = {known->second, v->output};
      } else {
        add_node(*v->node);
      }
    }
    return ids_.at(root.get());
  }

  Graph take() { return std::move(graph_); }
  Graph& graph() { return graph_; }

 private:
  void add_constant(Value* v) {
    Attributes a{{"value", Literal{v->type.dtype, v->type.shape, v->array}}};
    ids_[v] = graph_.add({&constant_op(), {}, std::move(a), {v->type}, {}});
  }

  void add_node(const Node& node) {
    bool ready = true;
    // Backwards, so that the first input is visited first and lists read in the order of the
    // source.
    for (size_t i = node.inputs.size(); i-- > 0;) {
      const ValueRef& input = node.inputs[i];
      if (!ids_.contains(input.get())) {
        // Values that share a known node need no second visit.
        auto known = input->computed() ? nodes_.end() : nodes_.find(input->node.get());
        if (known != nodes_.end()) {
          ids_[input.get()] = {known->second, input->output};
        } else {
          stack_.push_back(input.get());
          ready = false;
        }
      }
    }
    if (!ready) return;
    GraphNode flat{node.op, {}, node.attributes, node.outputs, node.site};
    for (const ValueRef& input : node.inputs) flat.inputs.push_back(ids_.at(input.get()));
    nodes_[&node] = graph_.add(std::move(flat)).node;
  }

  Graph graph_;
  std::unordered_map<const Value*, ValueId> ids_;
  std::unordered_map<const Node*, int32_t> nodes_;
  std::vector<Value*> stack_;
};

}  // namespace

Graph linearize(std::span<const Tensor> outputs, std::span<const Tensor> inputs) {
  const std::lock_guard lock(values_mutex());
  Linearizer walk(inputs);
  for (const Tensor& y : outputs) walk.graph().outputs.push_back(walk.visit(y.cell()));
  return walk.take();
}

std::vector<std::vector<Tensor>> replay_all(const Graph& graph, std::span<const Tensor> inputs) {
  check(inputs.size() == graph.inputs.size(), "a graph gets as many tensors as it has inputs");
  std::vector<std::vector<Tensor>> made(graph.nodes.size());
  for (size_t i = 0; i < inputs.size(); ++i)
    made[static_cast<size_t>(graph.inputs[i])] = {inputs[i]};
  std::vector<Tensor> arguments;
  for (size_t n = 0; n < graph.nodes.size(); ++n) {
    const GraphNode& node = graph.nodes[n];
    if (is_input(node)) continue;
    if (is_constant(node)) {
      const Literal& v = literal_of(node.attributes);
      made[n] = {computed(v.dtype, v.shape, v.array)};
      continue;
    }
    arguments.clear();
    for (ValueId v : node.inputs) {
      arguments.push_back(made[static_cast<size_t>(v.node)][static_cast<size_t>(v.output)]);
    }
    made[n] = apply_typed(*node.op, arguments, node.attributes, node.outputs, node.site);
  }
  return made;
}

std::vector<int32_t> uses_of(const Graph& graph) {
  std::vector<int32_t> uses(graph.nodes.size(), 0);
  for (const GraphNode& n : graph.nodes) {
    for (ValueId v : n.inputs) ++uses[static_cast<size_t>(v.node)];
  }
  for (ValueId v : graph.outputs) ++uses[static_cast<size_t>(v.node)];
  return uses;
}

std::vector<Tensor> replay(const Graph& graph, std::span<const Tensor> inputs) {
  const auto made = replay_all(graph, inputs);
  std::vector<Tensor> outputs;
  for (ValueId v : graph.outputs) {
    outputs.push_back(made[static_cast<size_t>(v.node)][static_cast<size_t>(v.output)]);
  }
  return outputs;
}

Attributes map_bodies(const Attributes& attributes,
                      const std::function<GraphRef(const Graph&)>& f) {
  Attributes mapped = attributes;
  for (const auto& [name, value] : attributes) {
    if (auto* body = std::get_if<GraphRef>(&value)) mapped.set(name, f(**body));
  }
  return mapped;
}

Graph trace_body(const Types& inputs,
                 const std::function<std::vector<Tensor>(std::span<const Tensor>)>& f) {
  Frame frame(Frame::Kind::trace);
  std::vector<Tensor> arguments;
  for (const TensorType& t : inputs) arguments.push_back(placeholder(t));
  return linearize(f(arguments), arguments);
}

bool same(const Graph& a, const Graph& b) {
  if (a.nodes.size() != b.nodes.size() || a.inputs != b.inputs || a.outputs != b.outputs)
    return false;
  for (size_t i = 0; i < a.nodes.size(); ++i) {
    const GraphNode &x = a.nodes[i], &y = b.nodes[i];
    if (x.op != y.op || x.inputs != y.inputs || x.outputs != y.outputs ||
        !same(x.attributes, y.attributes)) {
      return false;
    }
  }
  return true;
}

void verify(const Graph& graph) {
  auto fault = [&](size_t at, const std::string& what) {
    std::string text = "graph is broken at node " + std::to_string(at) + ": " + what;
    for (size_t i = at < 5 ? 0 : at - 5; i < std::min(at + 5, graph.nodes.size()); ++i) {
      text += (i == at ? "\n  > " : "\n    ") + to_text(graph.nodes[i], static_cast<int>(i));
    }
    throw InternalError(text);
  };
  auto exists = [&](ValueId v, size_t before) {
    return v.node >= 0 && static_cast<size_t>(v.node) < before && v.output >= 0 &&
           static_cast<size_t>(v.output) < graph.nodes[static_cast<size_t>(v.node)].outputs.size();
  };
  for (size_t n = 0; n < graph.nodes.size(); ++n) {
    const GraphNode& node = graph.nodes[n];
    if (!node.op) fault(n, "it has no op");
    for (ValueId v : node.inputs) {
      if (!exists(v, n)) fault(n, "an input does not come before it");
    }
    const int count = static_cast<int>(node.inputs.size());
    if (is_input(node)) {
      if (count != 0 || node.outputs.size() != 1) fault(n, "an input has one type and no inputs");
      if (std::count(graph.inputs.begin(), graph.inputs.end(), static_cast<int32_t>(n)) != 1)
        fault(n, "it is not listed once among the graph's inputs");
      continue;
    }
    if (count < node.op->min_inputs || count > node.op->max_inputs)
      fault(n, "wrong number of inputs");
    for (const auto& [name, value] : node.attributes) {
      auto* body = std::get_if<GraphRef>(&value);
      if (body && !*body) fault(n, "its graph \"" + name + "\" is missing");
      auto* literal = std::get_if<Literal>(&value);
      if (literal && (!literal->array ||
                      literal->array.strides.size() != static_cast<size_t>(literal->shape.rank())))
        fault(n, "its elements \"" + name + "\" are missing");
    }
    map_bodies(node.attributes, [](const Graph& body) {
      verify(body);
      return GraphRef();
    });
    Types types;
    for (ValueId v : node.inputs) types.push_back(graph.type(v));
    Types inferred;
    try {
      inferred = infer(*node.op, types, node.attributes);
    } catch (const Error& e) {
      fault(n, e.message());
    }
    if (inferred != node.outputs) fault(n, "its types are not those of its shape rule");
  }
  for (int32_t i : graph.inputs) {
    if (i < 0 || static_cast<size_t>(i) >= graph.nodes.size() ||
        !is_input(graph.nodes[static_cast<size_t>(i)])) {
      throw InternalError("graph input " + std::to_string(i) + " is not an input node");
    }
  }
  for (ValueId v : graph.outputs) {
    if (!exists(v, graph.nodes.size()))
      throw InternalError("a graph output names a value that is not there");
  }
}

}  // namespace varve::ir
