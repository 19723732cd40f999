#include "runtime/order.h"

#include <algorithm>
#include <limits>
#include <set>
#include <utility>

namespace varve::runtime {
namespace {

using ir::ValueId;

class Order {
 public:
  Order(const ir::Graph& graph, const std::vector<bool>& late) : graph_(graph), late_(late) {
    const size_t n = graph.nodes.size();
    owner_.resize(n);
    last_.resize(n);
    waits_.resize(n);
    readers_.resize(n);
    placed_.resize(n);
    for (int32_t i = 0; i < static_cast<int32_t>(n); ++i) note(i);
    for (ValueId v : graph.outputs) last(owner(v)) = std::numeric_limits<int64_t>::max();
  }

  std::vector<int32_t> run() {
    for (bool late : {false, true}) {
      for (int32_t i = 0; i < static_cast<int32_t>(graph_.nodes.size()); ++i) {
        if (is_step(i) && is_late(i) == late && !placed_[static_cast<size_t>(i)]) place(i);
      }
    }
    return std::move(order_);
  }

 private:
  bool is_step(int32_t i) const {
    return !graph_.nodes[static_cast<size_t>(i)].op->traits.structural;
  }
  bool is_late(int32_t i) const { return late_[static_cast<size_t>(i)]; }
  /// The value whose memory a view shows.
  ValueId owner(ValueId v) const {
    return owner_[static_cast<size_t>(v.node)][static_cast<size_t>(v.output)];
  }
  /// The place in the graph of the last node that reads a value.
  int64_t& last(ValueId v) {
    return last_[static_cast<size_t>(v.node)][static_cast<size_t>(v.output)];
  }
  int64_t bytes(ValueId v) const {
    const ir::TensorType& t = graph_.type(v);
    return t.shape.size() * size_of(t.dtype);
  }

  void note(int32_t i) {
    const auto at = static_cast<size_t>(i);
    const ir::GraphNode& node = graph_.nodes[at];
    last_[at].assign(node.outputs.size(), -1);
    for (int32_t o = 0; o < static_cast<int32_t>(node.outputs.size()); ++o)
      owner_[at].push_back(node.op->view ? owner(node.inputs[0]) : ValueId{i, o});
    // Late nodes come after all others, whatever their place in the graph.
    const auto count = static_cast<int64_t>(graph_.nodes.size());
    for (ValueId v : node.inputs)
      last(owner(v)) = std::max(last(owner(v)), is_late(i) ? count + i : i);
    if (!node.op->view) wait_for_inputs(i, node);
  }
  /// Views are made just before what reads them, so that it is their operands that are waited for.
  void wait_for_inputs(int32_t reader, const ir::GraphNode& of) {
    for (ValueId v : of.inputs) {
      if (graph_.node(v).op->view) {
        wait_for_inputs(reader, graph_.node(v));
      } else if (is_step(v.node)) {
        readers_[static_cast<size_t>(v.node)].push_back(reader);
        ++waits_[static_cast<size_t>(reader)];
      }
    }
  }

  bool frees_more_than_it_makes(int32_t i) {
    const ir::GraphNode& node = graph_.nodes[static_cast<size_t>(i)];
    int64_t gain = 0;
    std::set<std::pair<int32_t, int32_t>> seen;
    for (ValueId v : node.inputs) {
      const ValueId own = owner(v);
      if (is_step(own.node) && last(own) == i && seen.emplace(own.node, own.output).second)
        gain += bytes(own);
    }
    for (int32_t o = 0; o < static_cast<int32_t>(node.outputs.size()); ++o)
      gain -= bytes(ValueId{i, o});
    return gain > 0;
  }

  /// A node behind the views that it reads.
  void append(int32_t i) {
    for (ValueId v : graph_.nodes[static_cast<size_t>(i)].inputs) {
      if (graph_.node(v).op->view && !placed_[static_cast<size_t>(v.node)]) append(v.node);
    }
    order_.push_back(i);
    placed_[static_cast<size_t>(i)] = true;
  }

  void place(int32_t first) {
    std::vector<int32_t> next{first};
    while (!next.empty()) {
      const int32_t i = next.back();
      next.pop_back();
      append(i);
      std::vector<int32_t> ready;
      for (int32_t reader : readers_[static_cast<size_t>(i)]) {
        if (--waits_[static_cast<size_t>(reader)] == 0 && !is_late(reader) &&
            frees_more_than_it_makes(reader)) {
          ready.push_back(reader);
        }
      }
      next.insert(next.end(), ready.rbegin(), ready.rend());
    }
  }

  const ir::Graph& graph_;
  const std::vector<bool>& late_;
  std::vector<std::vector<ValueId>> owner_;    // [node][output]
  std::vector<std::vector<int64_t>> last_;     // [node][output]
  std::vector<std::vector<int32_t>> readers_;  // by node, once for each operand, views left out
  std::vector<int>
      waits_;  // of a node: operands, of itself or of views it reads, that are still to be made
  std::vector<bool> placed_;
  std::vector<int32_t> order_;
};

}  // namespace

std::vector<int32_t> frugal_order(const ir::Graph& graph, const std::vector<bool>& late) {
  return Order(graph, late).run();
}

}  // namespace varve::runtime
