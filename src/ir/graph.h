// Graph: the flat form of a computation that passes read and write. Index-based, topologically
// ordered. Made by one `linearize`, turned back into live tensors by one `replay`.
#pragma once
#include <functional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "ir/node.h"

namespace varve::ir {

/// Output `output` of node `node`.
struct ValueId {
  int32_t node = -1;
  int32_t output = 0;
  bool operator==(const ValueId&) const = default;
};

struct GraphNode {
  const OpDef* op = nullptr;
  std::vector<ValueId> inputs;
  Attributes attributes;
  Types outputs;
  Site site;
};

/// `nodes` holds inputs and constants too (ops `input` and `constant`); `inputs` lists the input
/// nodes in the order of the graph's arguments, used or not.
struct Graph {
  std::vector<GraphNode> nodes;
  std::vector<int32_t> inputs;
  std::vector<ValueId> outputs;

  const TensorType& type(ValueId v) const {
    return nodes[static_cast<size_t>(v.node)].outputs[static_cast<size_t>(v.output)];
  }
  const GraphNode& node(ValueId v) const { return nodes[static_cast<size_t>(v.node)]; }
  ValueId add(GraphNode node);
  ValueId add_input(const TensorType& type);
};

/// The structural ops: every other op is a row of the op table.
const OpDef& input_op();
const OpDef& constant_op();
inline bool is_input(const GraphNode& n) { return n.op == &input_op(); }
inline bool is_constant(const GraphNode& n) { return n.op == &constant_op(); }

/// The graph that computes `outputs` from `inputs`. Computed values become constants; a placeholder
/// that is not an input is a ValueError (a value read inside a trace, or from nn::Input).
Graph linearize(std::span<const Tensor> outputs, std::span<const Tensor> inputs);

/// How often each node's outputs are read, as outputs of the graph too.
std::vector<int32_t> uses_of(const Graph& graph);

/// The graph's outputs as live tensors, its inputs replaced by the given ones.
std::vector<Tensor> replay(const Graph& graph, std::span<const Tensor> inputs);
/// The tensors of every value: [node][output].
std::vector<std::vector<Tensor>> replay_all(const Graph& graph, std::span<const Tensor> inputs);

/// Applies a function to every graph in the attributes of a node (bodies of control flow and
/// groups).
Attributes map_bodies(const Attributes& attributes, const std::function<GraphRef(const Graph&)>& f);
/// Traces a function of placeholders of the given types.
Graph trace_body(const Types& inputs,
                 const std::function<std::vector<Tensor>(std::span<const Tensor>)>& f);

struct PrintOptions {
  size_t elide = 16;   ///< longer constants are cut (and cannot be parsed again); 0: none
  bool sites = false;  ///< adds where each node was made
};
/// The text form:
///     graph(%0: f32[2, 3]) {
///       %1 = exp %0 : f32[2, 3]
///       return %1
///     }
std::string to_text(const Graph& graph, PrintOptions options = {});
std::string to_text(const GraphNode& node, int index);
std::string to_text(const Attribute& attribute, PrintOptions options = {});
/// Reads the text form and verifies it. `find` gives the row of an op's name (null: unknown).
/// Throws FormatError with the line and what was expected, or the node whose types are not right.
Graph parse_graph(std::string_view text, const std::function<const OpDef*(std::string_view)>& find);

/// Checks order, arities and types by the shape rules; throws InternalError with the ten nodes
/// around the fault.
void verify(const Graph& graph);
/// Whether two graphs are the same node by node.
bool same(const Graph& a, const Graph& b);

}  // namespace varve::ir
