#include "transform/group.h"

#include <algorithm>
#include <unordered_map>

#include "base/error.h"
#include "ops/table.h"
#include "transform/tile_build.h"

namespace varve::transform {
namespace {

// More operands than this and a strip of each no longer fits the first-level cache beside the
// slots.
constexpr size_t kMostOperands = 24, kMostMembers = 96;

class Grouper {
 public:
  explicit Grouper(const ir::Graph& graph)
      : graph_(graph), unit_of_(graph.nodes.size()), members_(graph.nodes.size()) {
    for (size_t n = 0; n < graph.nodes.size(); ++n) {
      unit_of_[n] = static_cast<int32_t>(n);
      members_[n] = {static_cast<int32_t>(n)};
    }
    lay_out();
    find_readers();
  }

  ir::Graph run() {
    for (size_t n = 0; n < graph_.nodes.size(); ++n) {
      if (!joins(n)) continue;
      for (ir::ValueId v : graph_.nodes[n].inputs) try_merge(v.node, static_cast<int32_t>(n));
    }
    return rebuild();
  }

 private:
  bool joins(size_t n) const {
    const ir::GraphNode& node = graph_.nodes[n];
    // Without elements there is nothing to gain, and a reduction of nothing is the reference's.
    return tileable(*node.op) && !node.op->traits.barrier && space_of(graph_, node).size() > 0;
  }
  bool reduces(size_t n) const {
    return tile_reduction(*graph_.nodes[n].op) != tiling::Reduce::none;
  }

  /// The strides each value will have if kernels write row-major: what views make of them.
  void lay_out() {
    strides_.resize(graph_.nodes.size());
    for (size_t n = 0; n < graph_.nodes.size(); ++n) {
      const ir::GraphNode& node = graph_.nodes[n];
      if (node.op->view) {
        ir::Types types;
        for (ir::ValueId v : node.inputs) types.push_back(graph_.type(v));
        const ir::ValueId x = node.inputs[0];
        auto view =
            node.op->view({*node.op, types, node.attributes}, node.outputs[0],
                          strides_[static_cast<size_t>(x.node)][static_cast<size_t>(x.output)]);
        if (view) {
          strides_[n] = {std::move(view->strides)};
          continue;
        }
      }
      for (const ir::TensorType& t : node.outputs) strides_[n].push_back(ir::row_major(t.shape));
    }
  }

  void find_readers() {
    readers_.resize(graph_.nodes.size());
    for (size_t n = 0; n < graph_.nodes.size(); ++n) {
      for (ir::ValueId v : graph_.nodes[n].inputs)
        readers_[static_cast<size_t>(v.node)].push_back(static_cast<int32_t>(n));
    }
    is_output_.assign(graph_.nodes.size(), false);
    for (ir::ValueId v : graph_.outputs) is_output_[static_cast<size_t>(v.node)] = true;
  }

  void try_merge(int32_t producer, int32_t consumer) {
    const auto p = static_cast<size_t>(producer), c = static_cast<size_t>(consumer);
    if (!joins(p) || reduces(p) || unit_of_[p] == unit_of_[c]) return;
    if (space_of(graph_, graph_.nodes[p]) != space_of(graph_, graph_.nodes[c])) return;
    const int32_t a = unit_of_[p], b = unit_of_[c];
    const auto &ma = members_[static_cast<size_t>(a)], &mb = members_[static_cast<size_t>(b)];
    if (ma.size() + mb.size() > kMostMembers) return;
    if (reads_reduction(ma, mb) || reads_reduction(mb, ma)) return;
    if (reaches_outside(a, b) || reaches_outside(b, a)) return;
    std::vector<int32_t> all = ma;
    all.insert(all.end(), mb.begin(), mb.end());
    std::sort(all.begin(), all.end());
    const Body body = make_body(all);
    if (body.operands.size() > kMostOperands) return;
    std::vector<ir::Strides> strides;
    for (ir::ValueId v : body.operands)
      strides.push_back(strides_[static_cast<size_t>(v.node)][static_cast<size_t>(v.output)]);
    if (!build_tile(body.graph, strides).program) return;
    for (int32_t m : mb) unit_of_[static_cast<size_t>(m)] = a;
    members_[static_cast<size_t>(b)].clear();
    members_[static_cast<size_t>(a)] = std::move(all);
  }

  /// Whether a member of `to` reads a reduction in `from`: it would not be finished yet.
  bool reads_reduction(const std::vector<int32_t>& from, const std::vector<int32_t>& to) const {
    for (int32_t m : from) {
      if (!reduces(static_cast<size_t>(m))) continue;
      for (int32_t r : readers_[static_cast<size_t>(m)]) {
        if (std::find(to.begin(), to.end(), r) != to.end()) return true;
      }
    }
    return false;
  }

  /// Whether unit `to` depends on unit `from` through some unit between them: merged, they would
  /// wait for what waits for them.
  bool reaches_outside(int32_t from, int32_t to) {
    ++stamp_;
    seen_.resize(graph_.nodes.size(), 0);
    std::vector<int32_t> stack;
    auto push_inputs = [&](int32_t unit, bool direct) {
      for (int32_t m : members_[static_cast<size_t>(unit)]) {
        for (ir::ValueId v : graph_.nodes[static_cast<size_t>(m)].inputs) {
          const int32_t u = unit_of_[static_cast<size_t>(v.node)];
          if (u == unit || seen_[static_cast<size_t>(u)] == stamp_) continue;
          if (u == from && direct) continue;
          // (Where members stand says nothing: an early unit may need a later member of another.)
          seen_[static_cast<size_t>(u)] = stamp_;
          stack.push_back(u);
        }
      }
    };
    push_inputs(to, true);
    while (!stack.empty()) {
      const int32_t u = stack.back();
      stack.pop_back();
      if (u == from) return true;
      push_inputs(u, false);
    }
    return false;
  }

  struct Body {
    ir::Graph graph;
    std::vector<ir::ValueId> operands;  // of the outer graph
    std::vector<ir::ValueId> results;   // of the outer graph, one an output of the body
  };

  /// A scalar constant, or its broadcast, is written into the body instead of being an operand.
  const ir::GraphNode* scalar_constant(ir::ValueId v) const {
    const ir::GraphNode* n = &graph_.node(v);
    while (n->op->view && n->op->name == std::string_view("broadcast_to"))
      n = &graph_.node(n->inputs[0]);
    return ir::is_constant(*n) && n->outputs[0].shape.size() == 1 ? n : nullptr;
  }

  Body make_body(const std::vector<int32_t>& nodes) const {
    Body b;
    std::unordered_map<int64_t, ir::ValueId> inner;
    auto key = [](ir::ValueId v) { return (int64_t{v.node} << 32) | v.output; };
    for (int32_t n : nodes) {
      for (ir::ValueId v : graph_.nodes[static_cast<size_t>(n)].inputs) {
        if (inner.contains(key(v)) || std::binary_search(nodes.begin(), nodes.end(), v.node))
          continue;
        if (const ir::GraphNode* c = scalar_constant(v)) {
          ir::GraphNode flat = *c;
          const auto& literal = c->attributes.get<ir::Literal>("value");
          flat.attributes = {
              {"value",
               ir::Literal{literal.dtype, {}, {literal.array.storage, literal.array.offset, {}}}}};
          flat.outputs = {{literal.dtype, {}}};
          ir::ValueId x = b.graph.add(std::move(flat));
          const ir::TensorType& t = graph_.type(v);
          if (t.shape.rank())
            x = b.graph.add({&ops::get("broadcast_to"), {x}, {{"shape", t.shape.dims()}}, {t}, {}});
          inner[key(v)] = x;
        } else {
          inner[key(v)] = b.graph.add_input(graph_.type(v));
          b.operands.push_back(v);
        }
      }
      ir::GraphNode node = graph_.nodes[static_cast<size_t>(n)];
      for (ir::ValueId& v : node.inputs) v = inner.at(key(v));
      inner[key({n, 0})] = b.graph.add(std::move(node));
    }
    for (int32_t n : nodes) {
      bool leaves = is_output_[static_cast<size_t>(n)];
      for (int32_t r : readers_[static_cast<size_t>(n)])
        leaves |= !std::binary_search(nodes.begin(), nodes.end(), r);
      if (!leaves) continue;
      b.graph.outputs.push_back(inner.at(key({n, 0})));
      b.results.push_back({n, 0});
    }
    return b;
  }

  /// Units in the order in which they can run: each after those it reads.
  std::vector<int32_t> unit_order() {
    std::vector<int32_t> order;
    std::vector<char> state(graph_.nodes.size(), 0);
    std::vector<int32_t> stack;
    for (size_t n = 0; n < graph_.nodes.size(); ++n) {
      stack.push_back(unit_of_[n]);
      while (!stack.empty()) {
        const int32_t u = stack.back();
        char& s = state[static_cast<size_t>(u)];
        if (s == 2) {
          stack.pop_back();
        } else if (s == 1) {
          s = 2;
          order.push_back(u);
          stack.pop_back();
        } else {
          s = 1;
          for (int32_t m : members_[static_cast<size_t>(u)]) {
            for (ir::ValueId v : graph_.nodes[static_cast<size_t>(m)].inputs) {
              const int32_t other = unit_of_[static_cast<size_t>(v.node)];
              if (other != u && state[static_cast<size_t>(other)] == 0) stack.push_back(other);
            }
          }
        }
      }
    }
    return order;
  }

  ir::Graph rebuild() {
    ir::Graph out;
    std::vector<std::vector<ir::ValueId>> moved(graph_.nodes.size());
    auto at = [&](ir::ValueId v) {
      return moved[static_cast<size_t>(v.node)][static_cast<size_t>(v.output)];
    };
    for (int32_t i : graph_.inputs) {
      moved[static_cast<size_t>(i)] = {
          out.add_input(graph_.nodes[static_cast<size_t>(i)].outputs[0])};
    }
    for (int32_t u : unit_order()) {
      const auto& nodes = members_[static_cast<size_t>(u)];
      const ir::GraphNode& first = graph_.nodes[static_cast<size_t>(nodes.front())];
      if (ir::is_input(first)) continue;
      if (nodes.size() == 1) {
        ir::GraphNode node = first;
        for (ir::ValueId& v : node.inputs) v = at(v);
        const int32_t n = out.add(std::move(node)).node;
        for (size_t o = 0; o < first.outputs.size(); ++o) {
          moved[static_cast<size_t>(nodes.front())].push_back({n, static_cast<int32_t>(o)});
        }
        continue;
      }
      Body body = make_body(nodes);
      ir::GraphNode node{
          &ops::get("group"), {}, {}, {}, graph_.nodes[static_cast<size_t>(nodes.back())].site};
      for (ir::ValueId v : body.operands) node.inputs.push_back(at(v));
      for (ir::ValueId v : body.results) node.outputs.push_back(graph_.type(v));
      node.attributes.set("body", std::make_shared<const ir::Graph>(std::move(body.graph)));
      const int32_t n = out.add(std::move(node)).node;
      for (size_t o = 0; o < body.results.size(); ++o) {
        moved[static_cast<size_t>(body.results[o].node)] = {{n, static_cast<int32_t>(o)}};
      }
    }
    for (ir::ValueId v : graph_.outputs) out.outputs.push_back(at(v));
    return out;
  }

  const ir::Graph& graph_;
  std::vector<int32_t> unit_of_;
  std::vector<std::vector<int32_t>> members_;  // by unit, sorted
  std::vector<std::vector<ir::Strides>> strides_;
  std::vector<std::vector<int32_t>> readers_;
  std::vector<bool> is_output_;
  std::vector<int> seen_;
  int stamp_ = 0;
};

}  // namespace

ir::Graph group(const ir::Graph& graph) { return Grouper(graph).run(); }

}  // namespace varve::transform
