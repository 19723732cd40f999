#include "runtime/evaluate.h"

#include <algorithm>
#include <cstring>
#include <optional>
#include <unordered_map>

#include "base/error.h"
#include "base/threads.h"
#include "ir/dispatch.h"
#include "ir/frame.h"
#include "ir/node.h"
#include "runtime/prepare.h"
#include "runtime/prepared_nodes.h"

namespace varve::runtime {
namespace {

thread_local ExecuteOptions options;

std::vector<ir::Array> allocated(const ir::Types& types) {
  std::vector<ir::Array> arrays;
  for (const ir::TensorType& t : types) arrays.push_back(ir::allocate(t.dtype, t.shape));
  return arrays;
}

std::vector<ir::Array> run_plan(const Plan& plan, const ir::Operation& node,
                                std::span<const ir::TensorType> types,
                                std::span<const ir::Array> inputs) {
  std::vector<ir::Array> in(inputs.begin(), inputs.end()), out = allocated(node.outputs);
  std::vector<const void*> from;
  std::vector<void*> to;
  for (size_t i = 0; i < in.size(); ++i) {
    if (!ir::is_contiguous(types[i].shape, in[i].strides))
      in[i] = ir::contiguous_copy(types[i], in[i]);
    from.push_back(in[i].data());
  }
  for (const ir::Array& a : out) to.push_back(a.data());
  try {
    plan.run(from, to);
  } catch (const IndexError& e) {
    // The plan was made for a node of another line.
    throw IndexError(e.message(), e.hint(), node.site.to_string());
  }
  return out;
}

}  // namespace

ExecuteScope::ExecuteScope(ExecuteOptions o) : before_(options) { options = o; }
ExecuteScope::~ExecuteScope() { options = before_; }
ExecuteOptions execute_options() { return options; }

void raise_fault(const ir::Operation& node, const backend::Fault& fault) {
  if (fault.thrown) {
    try {
      std::rethrow_exception(fault.thrown);
    } catch (const NumericError& e) {  // of a kernel of ours, which knows no place
      if (!e.at().empty()) throw;
      throw NumericError(e.message(), e.hint(), node.site.to_string());
    }
  }
  // Losses name their second input; everything else is an index.
  const char* what = node.op->name == std::string_view("cross_entropy") ? "target" : "index";
  throw IndexError(std::string(node.op->name) + ": " + what + "[" + std::to_string(fault.position) +
                       "] = " + std::to_string(fault.value) + ", expected " +
                       std::to_string(fault.low) + ".." + std::to_string(fault.high),
                   "", node.site.to_string());
}

std::optional<ir::Array> view_of(const ir::Operation& node, std::span<const ir::TensorType> types,
                                 std::span<const ir::Array> inputs) {
  if (!node.op->view) return std::nullopt;
  auto v = node.op->view({*node.op, types, node.attributes}, node.outputs[0], inputs[0].strides);
  if (!v) return std::nullopt;
  const int64_t offset = inputs[0].offset + v->offset * size_of(types[0].dtype);
  return ir::Array{inputs[0].storage, offset, std::move(v->strides)};
}

std::vector<ir::Array> run_node(const ir::Operation& node, std::span<const ir::TensorType> types,
                                std::span<const ir::Array> inputs) {
  if (auto view = view_of(node, types, inputs)) return {std::move(*view)};
  const auto prepared = prepared_node(node, types, inputs, options.kernels, thread_count());
  const Prepared& p = prepared->kernel;
  if (!p.kernel) {
    if (prepared->plan) return run_plan(*prepared->plan, node, types, inputs);
    if (prepared->way != PreparedNode::Way::kernel)
      return run_graph(instead_of_kernel(node, types, prepared->way), inputs);
    no_kernel(node, p.declined);
  }
  const std::vector<ir::Array> outputs = allocated(node.outputs);
  std::vector<ir::Array> packed_inputs(inputs.begin(), inputs.end());
  std::vector<void*> from, to;
  for (size_t i = 0; i < inputs.size(); ++i) {
    if (p.pack[i]) packed_inputs[i] = ir::contiguous_copy(types[i], inputs[i]);
    from.push_back(packed_inputs[i].data());
  }
  for (const ir::Array& a : outputs) to.push_back(a.data());
  backend::Fault fault;
  std::unique_ptr<ir::Storage> scratch;
  if (const int64_t bytes = p.kernel->scratch_bytes())
    scratch = std::make_unique<ir::Storage>(bytes);
  p.kernel->run({from.data(), to.data(), scratch ? scratch->data() : nullptr, &fault});
  if (fault.set) raise_fault(node, fault);
  return outputs;
}

std::vector<ir::Array> run_graph(const ir::Graph& graph, std::span<const ir::Array> inputs) {
  std::vector<int32_t> uses = ir::uses_of(graph);
  std::vector<std::vector<ir::Array>> made(graph.nodes.size());
  for (size_t i = 0; i < inputs.size(); ++i)
    made[static_cast<size_t>(graph.inputs[i])] = {inputs[i]};
  for (size_t n = 0; n < graph.nodes.size(); ++n) {
    const ir::GraphNode& node = graph.nodes[n];
    if (ir::is_input(node)) continue;
    if (ir::is_constant(node)) {
      made[n] = {node.attributes.get<ir::Literal>("value").array};
      continue;
    }
    ir::Types types;
    std::vector<ir::Array> arguments;
    for (ir::ValueId v : node.inputs) {
      types.push_back(graph.type(v));
      arguments.push_back(made[static_cast<size_t>(v.node)][static_cast<size_t>(v.output)]);
    }
    made[n] = run_node(node, types, arguments);
    for (ir::ValueId v : node.inputs) {
      if (--uses[static_cast<size_t>(v.node)] == 0) made[static_cast<size_t>(v.node)].clear();
    }
  }
  std::vector<ir::Array> outputs;
  for (ir::ValueId v : graph.outputs) {
    outputs.push_back(made[static_cast<size_t>(v.node)][static_cast<size_t>(v.output)]);
  }
  return outputs;
}

}  // namespace varve::runtime

namespace varve::ir {
namespace {

/// An input of a node that waits: elements, or an output of another one.
struct Source {
  Array array;
  const Node* node = nullptr;
  size_t output = 0;
};

/// Pending values in the order in which they can be computed, with what somebody beside the nodes
/// between them still holds. A copy of what was pending: other threads may compute the same.
struct Pending {
  std::vector<NodeRef> nodes;
  std::vector<std::vector<Source>> inputs;  // of each node
  std::unordered_map<const Node*, std::vector<Array>> results;
  std::unordered_map<const Node*, size_t> last_use;
  std::unordered_map<const Value*, int> held_by_nodes;
  std::vector<NodeRef> roots;  // the producer of each root; none where it was computed

  const Array& elements(const Source& s) const {
    return s.node ? results.at(s.node)[s.output] : s.array;
  }
  void add(const NodeRef& node) {
    std::vector<Source> sources;
    for (const ValueRef& v : node->inputs) {
      ++held_by_nodes[v.get()];
      if (v->computed()) {
        sources.push_back({v->array});
        continue;
      }
      last_use[v->node.get()] = nodes.size();
      sources.push_back({{}, v->node.get(), static_cast<size_t>(v->output)});
    }
    inputs.push_back(std::move(sources));
    nodes.push_back(node);
  }
  bool is_root(const Node* node) const {
    return std::any_of(roots.begin(), roots.end(),
                       [&](const NodeRef& root) { return root.get() == node; });
  }
};

Pending collect(std::span<const Tensor> roots) {
  const std::lock_guard lock(values_mutex());
  Pending p;
  std::unordered_map<const Node*, bool> done;  // false: waiting for its inputs
  std::vector<NodeRef> stack;
  auto push = [&](const ValueRef& v) {
    if (v->computed()) return;
    if (!v->node) linearize(std::span<const Tensor>(roots), {});  // throws: a placeholder was read
    if (!done.contains(v->node.get())) stack.push_back(v->node);
  };
  for (const Tensor& t : roots) {
    push(t.cell());
    p.roots.push_back(t.cell()->computed() ? nullptr : t.cell()->node);
  }
  while (!stack.empty()) {
    const NodeRef node = stack.back();
    auto [at, fresh] = done.emplace(node.get(), false);
    if (fresh) {
      for (const ValueRef& v : node->inputs) push(v);
      continue;
    }
    stack.pop_back();
    if (at->second) continue;
    at->second = true;
    p.add(node);
  }
  return p;
}

/// The elements of a value that is there, or a view of what is there: a row beside a matrix, say.
std::optional<Array> at_hand(const Value& v) {
  if (v.computed()) return v.array;
  if (!v.node || !v.node->op->view) return std::nullopt;
  Types types;
  std::vector<Array> inputs;
  for (const ValueRef& input : v.node->inputs) {
    if (!input->computed()) return std::nullopt;
    types.push_back(input->type);
    inputs.push_back(input->array);
  }
  return runtime::view_of(*v.node, types, inputs);
}

/// A value whose inputs are all there is computed without a list of what is pending; false: it is
/// not that simple.
bool evaluate_alone(const ValueRef& v) {
  const bool keep = links_kept();
  NodeRef node;
  Types types;
  std::vector<Array> inputs;
  {
    const std::lock_guard lock(values_mutex());
    if (v->computed()) return true;
    if (!v->node || v->node->outputs.size() != 1) return false;
    for (const ValueRef& input : v->node->inputs) {
      // What is kept to be differentiated is computed with all that it was made of.
      if (keep && !input->computed()) return false;
      std::optional<Array> array = at_hand(*input);
      if (!array) return false;
      types.push_back(input->type);
      inputs.push_back(std::move(*array));
    }
    node = v->node;
  }
  const std::vector<Array> outputs = runtime::run_node(*node, types, inputs);
  const std::lock_guard lock(values_mutex());
  // The value that was first made for the node may be another one, which somebody holds.
  for (const ValueRef& value : {v, node->results[0].lock()}) {
    if (!value) continue;
    if (!value->computed()) value->compute(outputs[0]);
    if (keep) {
      cut_later(value);
    } else {
      value->node.reset();
    }
  }
  return true;
}

}  // namespace

void evaluate(std::span<const Tensor> roots) {
  if (roots.size() == 1 && evaluate_alone(roots[0].cell())) return;
  Pending p = collect(roots);
  const bool keep = links_kept();
  std::vector<std::pair<ValueRef, Array>> finished;
  for (size_t i = 0; i < p.nodes.size(); ++i) {
    const Node& node = *p.nodes[i];
    Types types;
    std::vector<Array> inputs;
    for (const ValueRef& v : node.inputs) types.push_back(v->type);
    for (const Source& s : p.inputs[i]) inputs.push_back(p.elements(s));
    std::vector<Array> outputs = runtime::run_node(node, types, inputs);
    for (size_t o = 0; o < outputs.size(); ++o) {
      ValueRef v = node.results[o].lock();
      // Held by a user, or needed again when what is kept is differentiated.
      if (v && (keep || v.use_count() - 1 > p.held_by_nodes[v.get()]))
        finished.emplace_back(v, outputs[o]);
    }
    p.results.emplace(&node, std::move(outputs));
    for (const Source& s : p.inputs[i]) {
      if (s.node && p.last_use[s.node] == i && !p.is_root(s.node)) p.results.erase(s.node);
    }
  }
  const std::lock_guard lock(values_mutex());
  for (size_t r = 0; r < roots.size(); ++r) {
    const ValueRef& v = roots[r].cell();
    if (p.roots[r])
      finished.emplace_back(v, p.results.at(p.roots[r].get())[static_cast<size_t>(v->output)]);
  }
  for (auto& [v, array] : finished) {
    if (!v->computed()) v->compute(array);
    if (keep) {
      cut_later(v);
    } else {
      v->node.reset();
    }
  }
}

}  // namespace varve::ir
