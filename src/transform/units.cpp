#include "transform/units.h"

#include <algorithm>
#include <iterator>
#include <unordered_map>

#include "base/error.h"
#include "ops/table.h"
#include "transform/tile_build.h"

namespace varve::transform {
namespace {

// More operands than this and a strip of each no longer fits the first-level cache beside the
// slots.
constexpr size_t kMostOperands = 24, kMostMembers = 96;

bool contains(const std::vector<int32_t>& sorted, int32_t n) {
  return std::binary_search(sorted.begin(), sorted.end(), n);
}

int64_t key(ir::ValueId v) { return (int64_t{v.node} << 32) | v.output; }

}  // namespace

Units::Units(const ir::Graph& graph)
    : graph_(graph),
      owner_(graph.nodes.size()),
      members_(graph.nodes.size()),
      holders_(graph.nodes.size()),
      readers_(graph.nodes.size()),
      is_output_(graph.nodes.size(), false) {
  for (size_t n = 0; n < graph.nodes.size(); ++n) {
    owner_[n] = static_cast<int32_t>(n);
    members_[n] = holders_[n] = {static_cast<int32_t>(n)};
    for (ir::ValueId v : graph.nodes[n].inputs)
      readers_[static_cast<size_t>(v.node)].push_back(static_cast<int32_t>(n));
  }
  for (ir::ValueId v : graph.outputs) is_output_[static_cast<size_t>(v.node)] = true;
  lay_out();
}

/// The strides each value will have if kernels write row-major: what views make of them.
void Units::lay_out() {
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

bool Units::computes(int32_t unit, int32_t n) const { return contains(members(unit), n); }

bool Units::joins(int32_t n) const {
  const ir::GraphNode& at = node(n);
  // Without elements there is nothing to gain, and a reduction of nothing is the reference's.
  return tileable(*at.op) && !at.op->traits.barrier && space_of(graph_, at).size() > 0;
}

bool Units::reduces(int32_t n) const { return tile_reduction(*node(n).op) != tiling::Reduce::none; }

/// A constant of one element, or its broadcast.
const ir::GraphNode* Units::scalar_constant(ir::ValueId v) const {
  const ir::GraphNode* n = &graph_.node(v);
  while (n->op->view && n->op->name == std::string_view("broadcast_to"))
    n = &graph_.node(n->inputs[0]);
  return ir::is_constant(*n) && n->outputs[0].shape.size() == 1 ? n : nullptr;
}

std::vector<int32_t> Units::units_reading(int32_t n) const {
  std::vector<int32_t> units;
  for (int32_t r : readers(n)) {
    for (int32_t u : holders_[static_cast<size_t>(r)]) {
      if (!computes(u, n) && std::find(units.begin(), units.end(), u) == units.end()) {
        units.push_back(u);
      }
    }
  }
  return units;
}

std::vector<int32_t> Units::joined(int32_t unit, const std::vector<int32_t>& others) const {
  std::vector<int32_t> all;
  std::set_union(members(unit).begin(), members(unit).end(), others.begin(), others.end(),
                 std::back_inserter(all));
  return all;
}

/// The nodes that a unit of these, owned by a and b, has to write.
std::vector<int32_t> Units::results_of(const std::vector<int32_t>& nodes, int32_t a,
                                       int32_t b) const {
  std::vector<int32_t> results;
  for (int32_t n : nodes) {
    if (owner(n) != a && owner(n) != b) continue;
    const std::vector<int32_t> units = units_reading(n);
    if (is_output(n) ||
        std::any_of(units.begin(), units.end(), [&](int32_t u) { return u != a && u != b; })) {
      results.push_back(n);
    }
  }
  return results;
}

std::vector<int32_t> Units::needed_for(const std::vector<int32_t>& results,
                                       const std::vector<int32_t>& nodes) const {
  std::vector<int32_t> needed, stack = results;
  while (!stack.empty()) {
    const int32_t n = stack.back();
    stack.pop_back();
    if (std::find(needed.begin(), needed.end(), n) != needed.end()) continue;
    needed.push_back(n);
    for (ir::ValueId v : node(n).inputs) {
      if (contains(nodes, v.node)) stack.push_back(v.node);
    }
  }
  std::sort(needed.begin(), needed.end());
  return needed;
}

UnitBody Units::body(const std::vector<int32_t>& nodes, const std::vector<int32_t>& results) const {
  UnitBody b;
  std::unordered_map<int64_t, ir::ValueId> inner;
  for (int32_t n : nodes) {
    for (ir::ValueId v : node(n).inputs) {
      if (inner.contains(key(v)) || contains(nodes, v.node)) continue;
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
    ir::GraphNode copy = node(n);
    for (ir::ValueId& v : copy.inputs) v = inner.at(key(v));
    inner[key({n, 0})] = b.graph.add(std::move(copy));
  }
  for (int32_t n : results) {
    b.graph.outputs.push_back(inner.at(key({n, 0})));
    b.results.push_back({n, 0});
  }
  return b;
}

std::optional<UnitBody> Units::runnable(const std::vector<int32_t>& nodes, int32_t a,
                                        int32_t b) const {
  const std::vector<int32_t> results = results_of(nodes, a, b);
  const std::vector<int32_t> needed = needed_for(results, nodes);
  if (needed.size() > kMostMembers) return std::nullopt;
  UnitBody made = body(needed, results);
  if (made.operands.size() > kMostOperands) return std::nullopt;
  std::vector<ir::Strides> strides;
  for (ir::ValueId v : made.operands)
    strides.push_back(strides_[static_cast<size_t>(v.node)][static_cast<size_t>(v.output)]);
  if (!build_tile(made.graph, strides).program) return std::nullopt;
  return made;
}

std::optional<UnitBody> Units::merged(int32_t a, int32_t b) const {
  return runnable(joined(a, members(b)), a, b);
}

std::optional<UnitBody> Units::with(int32_t unit, const std::vector<int32_t>& others) const {
  return runnable(joined(unit, others), unit, unit);
}

void Units::merge(int32_t a, int32_t b) {
  const std::vector<int32_t> moved = members(b);
  compute_in(a, moved);
  for (int32_t n : moved) {
    if (owner(n) == b) owner_[static_cast<size_t>(n)] = a;
    std::erase(holders_[static_cast<size_t>(n)], b);
  }
  members_[static_cast<size_t>(b)].clear();
}

void Units::compute_in(int32_t unit, const std::vector<int32_t>& others) {
  for (int32_t n : others) {
    if (!computes(unit, n)) holders_[static_cast<size_t>(n)].push_back(unit);
  }
  members_[static_cast<size_t>(unit)] = joined(unit, others);
}

void Units::prune(int32_t unit) {
  const std::vector<int32_t> needed =
      needed_for(results_of(members(unit), unit, unit), members(unit));
  for (int32_t n : members(unit)) {
    if (!contains(needed, n)) std::erase(holders_[static_cast<size_t>(n)], unit);
  }
  members_[static_cast<size_t>(unit)] = needed;
}

std::vector<int32_t> Units::order() const {
  std::vector<int32_t> order;
  std::vector<char> state(graph_.nodes.size(), 0);
  std::vector<int32_t> stack;
  for (size_t first = 0; first < graph_.nodes.size(); ++first) {
    if (!members_[static_cast<size_t>(owner_[first])].empty()) stack.push_back(owner_[first]);
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
        for (int32_t m : members(u)) {
          for (ir::ValueId v : node(m).inputs) {
            if (!computes(u, v.node) && state[static_cast<size_t>(owner(v.node))] == 0)
              stack.push_back(owner(v.node));
          }
        }
      }
    }
  }
  return order;
}

ir::Graph Units::to_graph() const {
  ir::Graph out;
  std::vector<std::vector<ir::ValueId>> moved(graph_.nodes.size());
  const auto at = [&](ir::ValueId v) {
    return moved[static_cast<size_t>(v.node)].at(static_cast<size_t>(v.output));
  };
  for (int32_t i : graph_.inputs) {
    moved[static_cast<size_t>(i)] = {out.add_input(node(i).outputs[0])};
  }
  for (int32_t u : order()) {
    const std::vector<int32_t>& nodes = members(u);
    const ir::GraphNode& first = node(nodes.front());
    if (ir::is_input(first)) continue;
    if (nodes.size() == 1) {
      ir::GraphNode copy = first;
      for (ir::ValueId& v : copy.inputs) v = at(v);
      const int32_t n = out.add(std::move(copy)).node;
      for (size_t o = 0; o < first.outputs.size(); ++o) {
        moved[static_cast<size_t>(nodes.front())].push_back({n, static_cast<int32_t>(o)});
      }
      continue;
    }
    UnitBody made = body(nodes, results_of(nodes, u, u));
    ir::GraphNode group{&ops::get("group"), {}, {}, {}, node(nodes.back()).site};
    for (ir::ValueId v : made.operands) group.inputs.push_back(at(v));
    for (ir::ValueId v : made.results) group.outputs.push_back(graph_.type(v));
    group.attributes.set("body", std::make_shared<const ir::Graph>(std::move(made.graph)));
    const int32_t n = out.add(std::move(group)).node;
    for (size_t o = 0; o < made.results.size(); ++o) {
      moved[static_cast<size_t>(made.results[o].node)] = {{n, static_cast<int32_t>(o)}};
    }
  }
  for (ir::ValueId v : graph_.outputs) out.outputs.push_back(at(v));
  return out;
}

}  // namespace varve::transform
