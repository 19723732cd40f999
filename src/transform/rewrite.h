// What rewrite rules are written with. A rule looks at one node of a graph that is being copied and
// may give another value for it, made of new nodes.
#pragma once
#include <optional>
#include <span>
#include <string_view>

#include "ir/graph.h"

namespace varve::transform {

/// The copy so far, and the node at hand (its inputs are values of the copy).
class Rewriting {
 public:
  /// `uses`: how many nodes and outputs read each of the node's inputs.
  Rewriting(ir::Graph& copy, const ir::GraphNode& node, std::span<const int32_t> uses)
      : graph_(copy), node_(node), uses_(uses) {}

  const ir::GraphNode& node() const { return node_; }
  const ir::Attributes& attributes() const { return node_.attributes; }
  ir::ValueId x(size_t i = 0) const { return node_.inputs[i]; }
  const ir::TensorType& result() const { return node_.outputs[0]; }
  // Copies, for making a node moves the others.
  ir::TensorType type(ir::ValueId v) const { return graph_.type(v); }
  /// The node that makes v if it is of that op.
  std::optional<ir::GraphNode> made_by(ir::ValueId v, std::string_view op) const;
  /// The number that all elements of v are, where v is a constant or a repeated one.
  std::optional<double> number(ir::ValueId v) const;
  bool is(ir::ValueId v, double value) const { return number(v) == value; }
  /// Whether this node alone reads its input i.
  bool only_reader(size_t i) const { return uses_[i] == 1; }

  /// A new node with one output; its type comes from the op's shape rule.
  ir::ValueId make(std::string_view op, std::vector<ir::ValueId> inputs,
                   ir::Attributes attributes = {});
  /// The node at hand on other inputs.
  ir::ValueId again(std::vector<ir::ValueId> inputs);
  /// `value` in every element; integers saturate.
  ir::ValueId full(double value, const ir::TensorType& type);
  /// `value` in every element of an integer type, wrapped to it as its arithmetic wraps.
  ir::ValueId wrapped(uint64_t value, const ir::TensorType& type);
  ir::ValueId reshape(ir::ValueId v, const Shape& shape);
  ir::ValueId broadcast(ir::ValueId v, const Shape& shape);

 private:
  ir::ValueId constant(DType dtype, ir::Array element, const Shape& shape);
  ir::Graph& graph_;
  const ir::GraphNode& node_;
  std::span<const int32_t> uses_;
};

/// A row: what it does in one line, the op it looks at, and the function; nullopt: does not apply.
struct Rule {
  const char* name;
  const char* op;  ///< "*": any
  std::optional<ir::ValueId> (*apply)(Rewriting&);
};

/// Arithmetic identities.
std::span<const Rule> arithmetic_rules();
/// Shapes, types, choices, reductions.
std::span<const Rule> shape_rules();
/// Gradients of max pooling.
std::span<const Rule> pooling_rules();
/// Batch normalization for inference.
std::span<const Rule> normalization_rules();

/// Copies a graph, replacing each node by what the first rule that applies gives for it. Nodes that
/// are no longer read stay: eliminate_dead_code follows.
ir::Graph rewrite(const ir::Graph& graph, std::span<const Rule> rules, bool& changed);

}  // namespace varve::transform
