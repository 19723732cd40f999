#include "transform/layouts.h"

#include <algorithm>
#include <map>
#include <numeric>
#include <set>
#include <string_view>
#include <utility>

#include "ops/table.h"

namespace varve::transform {
namespace {

using ir::GraphNode;
using ir::Ints;
using ir::ValueId;

/// A transpose of a shorter axis list is a view, and its copies are too small to matter.
constexpr int kLeastRank = 3;

Ints inverse(const Ints& axes) {
  Ints out(axes.size());
  for (size_t i = 0; i < axes.size(); ++i)
    out[static_cast<size_t>(axes[i])] = static_cast<int64_t>(i);
  return out;
}

bool is(const GraphNode& node, std::string_view op) { return node.op->name == op; }

/// Sets of nodes that are joined by pairs.
class Sets {
 public:
  explicit Sets(size_t count) : parent_(count) { std::iota(parent_.begin(), parent_.end(), 0); }
  size_t of(size_t n) {
    while (parent_[n] != n) n = parent_[n] = parent_[parent_[n]];
    return n;
  }
  void join(size_t a, size_t b) { parent_[of(a)] = of(b); }

 private:
  std::vector<size_t> parent_;
};

/// Nodes that take any order of axes and read one another.
struct Region {
  std::vector<size_t> nodes;
  Ints axes;         // of the transposes that it reads; empty: it stays as it is
  int64_t gain = 0;  // elements that are moved less often
};

class Cancelling {
 public:
  explicit Cancelling(const ir::Graph& graph)
      : graph_(graph), region_(graph.nodes.size(), -1), readers_(graph.nodes.size()) {}

  ir::Graph run(bool& changed) {
    find_regions();
    if (std::all_of(regions_.begin(), regions_.end(),
                    [](const Region& r) { return r.axes.empty(); }))
      return graph_;
    changed = true;
    return rewritten();
  }

 private:
  static constexpr int kOutside = -1;

  /// Whether the node may compute with its axes in another order.
  bool free(const GraphNode& node) const {
    if (node.outputs.size() != 1 || node.outputs[0].shape.rank() < kLeastRank) return false;
    const auto like_it = [&](ValueId v) { return graph_.type(v).shape == node.outputs[0].shape; };
    if (node.op->traits.pointwise)
      return std::all_of(node.inputs.begin(), node.inputs.end(), like_it);
    return node.op->traits.reordered != nullptr;
  }
  /// Whether an input of a free node has its axes; what has none (the number to pad with) has not.
  bool has_axes(const GraphNode& node, ValueId v) const {
    return graph_.type(v).shape.rank() == node.outputs[0].shape.rank();
  }

  void find_regions() {
    const size_t count = graph_.nodes.size();
    Sets sets(count);
    std::vector<bool> free_node(count);
    for (size_t n = 0; n < count; ++n) {
      const GraphNode& node = graph_.nodes[n];
      free_node[n] = free(node);
      for (ValueId v : node.inputs) {
        const auto m = static_cast<size_t>(v.node);
        readers_[m].push_back(n);
        if (free_node[n] && free_node[m] && has_axes(node, v)) sets.join(n, m);
      }
    }
    is_output_.assign(count, false);
    for (ValueId v : graph_.outputs) is_output_[static_cast<size_t>(v.node)] = true;
    std::map<size_t, int> numbers;
    for (size_t n = 0; n < count; ++n) {
      if (!free_node[n]) continue;
      const auto [at, fresh] = numbers.try_emplace(sets.of(n), static_cast<int>(regions_.size()));
      if (fresh) regions_.emplace_back();
      region_[n] = at->second;
      regions_[static_cast<size_t>(at->second)].nodes.push_back(n);
    }
    for (size_t r = 0; r < regions_.size(); ++r) choose(static_cast<int>(r));
  }

  /// What a region reads that is made outside it, each value once.
  std::vector<ValueId> read_by(int r) const {
    std::vector<ValueId> out;
    std::set<std::pair<int32_t, int32_t>> met;
    for (size_t n : regions_[static_cast<size_t>(r)].nodes) {
      const GraphNode& node = graph_.nodes[n];
      for (ValueId v : node.inputs) {
        if (region_[static_cast<size_t>(v.node)] == r || !has_axes(node, v)) continue;
        if (met.emplace(v.node, v.output).second) out.push_back(v);
      }
    }
    return out;
  }
  /// What reads a node from outside its region.
  std::vector<size_t> readers_outside(size_t n) const {
    std::vector<size_t> out;
    for (size_t reader : readers_[n]) {
      if (region_[reader] != region_[n]) out.push_back(reader);
    }
    return out;
  }

  /// The order that saves most, of those of the transposes around a region.
  void choose(int r) {
    Region& region = regions_[static_cast<size_t>(r)];
    const std::vector<ValueId> inputs = read_by(r);
    std::vector<Ints> orders;
    const auto consider = [&](Ints axes) {
      if (std::find(orders.begin(), orders.end(), axes) == orders.end())
        orders.push_back(std::move(axes));
    };
    for (ValueId v : inputs) {
      const GraphNode& node = graph_.node(v);
      if (is(node, "transpose")) consider(node.attributes.ints("axes"));
    }
    for (size_t n : region.nodes) {
      for (size_t reader : readers_outside(n)) {
        const GraphNode& node = graph_.nodes[reader];
        if (is(node, "transpose")) consider(inverse(node.attributes.ints("axes")));
      }
    }
    for (const Ints& axes : orders) {
      const int64_t gain = gain_of(region, r, inputs, axes);
      if (gain <= region.gain) continue;
      region.gain = gain;
      region.axes = axes;
    }
  }

  int64_t gain_of(const Region& region, int r, const std::vector<ValueId>& inputs,
                  const Ints& axes) const {
    int64_t gain = 0;
    for (ValueId v : inputs) {
      const GraphNode& node = graph_.node(v);
      const int64_t size = graph_.type(v).shape.size();
      if (is(node, "transpose") && node.attributes.ints("axes") == axes) {
        const auto& readers = readers_[static_cast<size_t>(v.node)];
        const bool alone =
            !is_output_[static_cast<size_t>(v.node)] &&
            std::all_of(readers.begin(), readers.end(), [&](size_t n) { return region_[n] == r; });
        if (alone) gain += size;
      } else if (!is(node, "broadcast_to") && !ir::is_constant(node)) {
        gain -= size;
      }
    }
    const Ints back = inverse(axes);
    for (size_t n : region.nodes) {
      bool stays = is_output_[n], goes = false;
      for (size_t reader : readers_outside(n)) {
        const GraphNode& node = graph_.nodes[reader];
        const bool moves = is(node, "transpose");
        goes |= moves && node.attributes.ints("axes") == back;
        // One transpose after another is one, and what reduces reads it where it lies.
        stays |= !moves && graph_.nodes[reader].outputs[0].shape.size() * 4 >
                               graph_.nodes[n].outputs[0].shape.size();
      }
      const int64_t size = graph_.nodes[n].outputs[0].shape.size();
      gain += (goes ? size : 0) - (stays ? size : 0);
    }
    return gain;
  }

  ir::Graph rewritten() {
    ir::Graph out;
    moved_.assign(graph_.nodes.size(), {});
    for (size_t n = 0; n < graph_.nodes.size(); ++n) {
      GraphNode node = graph_.nodes[n];
      const Ints& axes = axes_of(n);
      for (ValueId& v : node.inputs)
        v = axes.empty() || !has_axes(graph_.nodes[n], v) ? plain(out, v) : turned(out, v, axes);
      if (!axes.empty()) {
        if (node.op->traits.reordered)
          node.attributes = node.op->traits.reordered(node.attributes, axes);
        node.outputs[0].shape = turned(node.outputs[0].shape, axes);
      }

      const ValueId first = out.add(std::move(node));
      Moved& m = moved_[n];
      (axes.empty() ? m.plain : m.turned) = first;
    }
    for (int32_t i : graph_.inputs) out.inputs.push_back(moved_[static_cast<size_t>(i)].plain.node);
    for (ValueId v : graph_.outputs) out.outputs.push_back(plain(out, v));
    return out;
  }

  const Ints& axes_of(size_t n) const {
    static const Ints none;
    return region_[n] == kOutside ? none : regions_[static_cast<size_t>(region_[n])].axes;
  }
  /// The shape before a transpose by these axes.
  static Shape turned(const Shape& shape, const Ints& axes) {
    std::vector<int64_t> dims(axes.size());
    for (size_t i = 0; i < axes.size(); ++i)
      dims[static_cast<size_t>(axes[i])] = shape[static_cast<int>(i)];
    return Shape(std::move(dims));
  }

  static ValueId add(ir::Graph& out, const GraphNode& like, const char* op, ValueId from,
                     const char* attribute, Ints value, Shape shape);

  /// A value of the old graph as it is there.
  ValueId plain(ir::Graph& out, ValueId v);
  /// A value as it is before a transpose by these axes.
  ValueId turned(ir::Graph& out, ValueId v, const Ints& axes);

  /// Where the outputs of a node are in the new graph: in the old order, and before a transpose.
  struct Moved {
    ValueId plain, turned;
  };
  const ir::Graph& graph_;
  std::vector<int> region_;
  std::vector<std::vector<size_t>> readers_;
  std::vector<bool> is_output_;
  std::vector<Region> regions_;
  std::vector<Moved> moved_;
};

ValueId Cancelling::add(ir::Graph& out, const GraphNode& like, const char* op, ValueId from,
                        const char* attribute, Ints value, Shape shape) {
  return out.add({.op = &ops::get(op),
                  .inputs = {from},
                  .attributes = {{attribute, std::move(value)}},
                  .outputs = {{out.type(from).dtype, std::move(shape)}},
                  .site = like.site});
}

ValueId Cancelling::plain(ir::Graph& out, ValueId v) {
  const auto n = static_cast<size_t>(v.node);
  Moved& m = moved_[n];
  if (m.plain.node < 0) {
    const GraphNode& node = graph_.nodes[n];
    m.plain = add(out, node, "transpose", m.turned, "axes", axes_of(n), node.outputs[0].shape);
  }
  return {m.plain.node, v.output};
}

ValueId Cancelling::turned(ir::Graph& out, ValueId v, const Ints& axes) {
  const auto n = static_cast<size_t>(v.node);
  if (axes_of(n) == axes) return moved_[n].turned;
  const GraphNode& node = graph_.nodes[n];
  if (is(node, "transpose") && node.attributes.ints("axes") == axes)
    return plain(out, node.inputs[0]);
  const Shape& shape = graph_.type(v).shape;
  if (!is(node, "broadcast_to")) {
    return add(out, node, "transpose", plain(out, v), "axes", inverse(axes), turned(shape, axes));
  }
  // What is repeated is turned before that.
  ValueId few = plain(out, node.inputs[0]);
  std::vector<int64_t> dims = graph_.type(node.inputs[0]).shape.dims();
  if (!dims.empty()) {
    dims.insert(dims.begin(), axes.size() - dims.size(), 1);
    const Shape padded(dims), small = turned(padded, axes);
    few = add(out, node, "reshape", few, "shape", padded.dims(), padded);
    few = add(out, node, "transpose", few, "axes", inverse(axes), small);
  }
  return add(out, node, "broadcast_to", few, "shape", turned(shape, axes).dims(),
             turned(shape, axes));
}

}  // namespace

ir::Graph cancel_transposes(const ir::Graph& graph, bool& changed) {
  return Cancelling(graph).run(changed);
}

}  // namespace varve::transform
