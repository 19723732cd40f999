// The nodes of a graph in units, each to be run as one kernel: what grouping works on.
#pragma once
#include <optional>
#include <vector>

#include "ir/graph.h"

namespace varve::transform {

/// What a unit of several nodes computes.
struct UnitBody {
  ir::Graph graph;
  std::vector<ir::ValueId> operands;  // of the outer graph
  std::vector<ir::ValueId> results;   // of the outer graph, one an output of the body
};

/// Each node is owned by one unit, which writes its value where others read it; other units may
/// compute the node too, for themselves alone. Refers to the graph.
class Units {
 public:
  /// Each node is a unit of its own.
  explicit Units(const ir::Graph& graph);

  const ir::Graph& graph() const { return graph_; }
  const ir::GraphNode& node(int32_t n) const { return graph_.nodes[static_cast<size_t>(n)]; }
  int32_t owner(int32_t n) const { return owner_[static_cast<size_t>(n)]; }
  /// The nodes a unit computes, in order.
  const std::vector<int32_t>& members(int32_t unit) const {
    return members_[static_cast<size_t>(unit)];
  }
  bool computes(int32_t unit, int32_t n) const;
  /// Nodes that read node n, once for each input that does.
  const std::vector<int32_t>& readers(int32_t n) const { return readers_[static_cast<size_t>(n)]; }
  bool is_output(int32_t n) const { return is_output_[static_cast<size_t>(n)]; }
  /// Whether the node may be in a unit with others, and whether it reduces there.
  bool joins(int32_t n) const;
  bool reduces(int32_t n) const;
  /// A value that is written into bodies instead of being an operand: the constant, else null.
  const ir::GraphNode* scalar_constant(ir::ValueId v) const;

  /// The units that read node n and do not compute it.
  std::vector<int32_t> units_reading(int32_t n) const;

  /// What units a and b would be as one, or a unit that computes `others` too; nodes that no result
  /// needs are left out. Nothing where no tile program can run it.
  std::optional<UnitBody> merged(int32_t a, int32_t b) const;
  std::optional<UnitBody> with(int32_t unit, const std::vector<int32_t>& others) const;
  /// Does so.
  void merge(int32_t a, int32_t b);
  void compute_in(int32_t unit, const std::vector<int32_t>& others);
  /// A unit computes no longer what none of its results needs.
  void prune(int32_t unit);

  /// The units that have nodes, each after those it reads.
  std::vector<int32_t> order() const;
  /// The graph with one node `group` for each unit of several nodes.
  ir::Graph to_graph() const;

 private:
  void lay_out();
  std::vector<int32_t> joined(int32_t unit, const std::vector<int32_t>& others) const;
  std::vector<int32_t> results_of(const std::vector<int32_t>& nodes, int32_t a, int32_t b) const;
  std::vector<int32_t> needed_for(const std::vector<int32_t>& results,
                                  const std::vector<int32_t>& nodes) const;
  UnitBody body(const std::vector<int32_t>& nodes, const std::vector<int32_t>& results) const;
  std::optional<UnitBody> runnable(const std::vector<int32_t>& nodes, int32_t a, int32_t b) const;

  const ir::Graph& graph_;
  std::vector<int32_t> owner_;
  std::vector<std::vector<int32_t>> members_;  // by unit, sorted
  std::vector<std::vector<int32_t>> holders_;  // by node: the units that compute it
  std::vector<std::vector<ir::Strides>> strides_;
  std::vector<std::vector<int32_t>> readers_;
  std::vector<bool> is_output_;
};

}  // namespace varve::transform
