#include "transform/precision.h"

#include <algorithm>
#include <optional>
#include <string_view>

#include "ops/table.h"
#include "transform/tile_build.h"

namespace varve::transform {
namespace {

using ir::PrecisionTrait;
using ir::ValueId;

bool in_f32(const ir::TensorType& t) { return t.dtype == f32; }

/// How the elements of an f32 value came to be.
enum class Origin : uint8_t {
  single,   ///< with all digits
  rounded,  ///< of bf16
  neutral   ///< few numbers repeated, random ones, or a mask: either goes with them
};

/// What stands for a value of the old graph in the new one.
struct Value {
  ValueId single, half;  // node -1 where it was not needed yet
  Origin origin = Origin::single;
};

class Mixing {
 public:
  Mixing(const ir::Graph& graph, bool kernels)
      : graph_(graph), kernels_(kernels), values_(graph.nodes.size()) {
    for (size_t n = 0; n < graph.nodes.size(); ++n)
      values_[n].resize(graph.nodes[n].outputs.size());
    find_readers();
  }

  ir::Graph run() {
    for (size_t n = 0; n < graph_.nodes.size(); ++n) {
      const ir::GraphNode& node = graph_.nodes[n];
      site_ = node.site;
      if (node.op->traits.structural)
        copy(n);
      else if (node.op->traits.precision == PrecisionTrait::bf16_ok && all_in_f32(node))
        in_bf16(n);
      else if (node.op->view && in_f32(node.outputs[0]))
        move(n);
      else
        in_single(n);
    }
    for (int32_t i : graph_.inputs) out_.inputs.push_back(value({i, 0}).single.node);
    for (ValueId v : graph_.outputs) {
      site_ = graph_.node(v).site;
      out_.outputs.push_back(as_single(v));
    }
    return std::move(out_);
  }

 private:
  Value& value(ValueId v) {
    return values_[static_cast<size_t>(v.node)][static_cast<size_t>(v.output)];
  }
  size_t place(ValueId v) const {
    return first_[static_cast<size_t>(v.node)] + static_cast<size_t>(v.output);
  }
  bool all_in_f32(const ir::GraphNode& node) const {
    return std::all_of(node.inputs.begin(), node.inputs.end(),
                       [&](ValueId v) { return in_f32(graph_.type(v)); }) &&
           std::all_of(node.outputs.begin(), node.outputs.end(), in_f32);
  }

  /// Who reads each value, and whether an op in bf16 will.
  void find_readers() {
    size_t values = 0;
    for (const ir::GraphNode& n : graph_.nodes) {
      first_.push_back(values);
      values += n.outputs.size();
    }
    readers_.assign(values, 0);
    fused_.assign(values, true);
    leads_.assign(values, false);
    for (ValueId v : graph_.outputs) ++readers_[place(v)], fused_[place(v)] = false;
    for (size_t n = graph_.nodes.size(); n-- > 0;) {
      const ir::GraphNode& node = graph_.nodes[n];
      bool leads = false;
      switch (node.op->traits.precision) {
        case PrecisionTrait::bf16_ok:
          leads = all_in_f32(node);
          break;
        case PrecisionTrait::f32:
          break;
        case PrecisionTrait::stored_as_input:
        case PrecisionTrait::follow:
          for (size_t o = 0; o < node.outputs.size(); ++o) leads |= leads_[first_[n] + o];
      }
      for (ValueId v : node.inputs) {
        ++readers_[place(v)];
        leads_[place(v)] = leads_[place(v)] || leads;
        fused_[place(v)] = fused_[place(v)] && tileable(*node.op);
      }
    }
  }

  ValueId cast(ValueId v, DType to) {
    const ir::OpDef& op = ops::get("cast");
    return out_.add({&op, {v}, {{"dtype", to}}, {{to, out_.type(v).shape}}, site_});
  }
  ValueId as_single(ValueId v) {
    Value& x = value(v);
    if (x.single.node < 0) x.single = cast(x.half, f32);
    return x.single;
  }
  ValueId as_half(ValueId v) {
    Value& x = value(v);
    if (x.half.node < 0) x.half = cast(x.single, bf16);
    return x.half;
  }
  /// From here on the value is what bf16 holds of it.
  void round(Value& x) {
    x.half = cast(x.single, bf16);
    x.single = {};
    x.origin = Origin::rounded;
  }

  /// The node on other inputs; its results are found by value().
  void add(size_t n, std::vector<ValueId> inputs, std::optional<DType> result = {}) {
    ir::GraphNode node = graph_.nodes[n];
    node.inputs = std::move(inputs);
    if (result) {
      for (ir::TensorType& t : node.outputs) t.dtype = *result;
    }
    const int32_t at = out_.add(std::move(node)).node;
    for (size_t o = 0; o < values_[n].size(); ++o) {
      Value& x = values_[n][o];
      (result == bf16 ? x.half : x.single) = {at, static_cast<int32_t>(o)};
    }
  }

  void copy(size_t n) {
    const bool scalar =
        ir::is_constant(graph_.nodes[n]) && graph_.nodes[n].outputs[0].shape.size() == 1;
    add(n, {});
    values_[n][0].origin = scalar ? Origin::neutral : Origin::single;
  }

  void in_bf16(size_t n) {
    std::vector<ValueId> inputs;
    for (ValueId v : graph_.nodes[n].inputs) {
      const ValueId half = as_half(v);
      inputs.push_back(kernels_ ? half : cast(half, f32));
    }
    add(n, std::move(inputs), kernels_ ? std::optional(bf16) : std::nullopt);
    for (size_t o = 0; o < values_[n].size(); ++o) {
      Value& x = values_[n][o];
      if (!kernels_) round(x);
      x.origin = Origin::rounded;
      // The gradient of a parameter, or the input of a loss.
      if (!leads_[first_[n] + o]) x.single = cast(x.half, f32), x.origin = Origin::single;
    }
  }

  /// Elements as they are, in another order or repeated.
  void move(size_t n) {
    const ir::GraphNode& node = graph_.nodes[n];
    const ValueId from = node.inputs[0];
    const Origin origin = value(from).origin;
    const bool halves = origin == Origin::rounded && value(from).half.node >= 0;
    std::vector<ValueId> inputs{halves ? value(from).half : as_single(from)};
    for (size_t i = 1; i < node.inputs.size(); ++i) inputs.push_back(as_single(node.inputs[i]));
    add(n, std::move(inputs), halves ? bf16 : f32);
    const bool repeated = node.outputs[0].shape.size() > graph_.type(from).shape.size();
    values_[n][0].origin = repeated ? Origin::neutral : origin;
  }

  /// Whether an input counts for how a result is stored: those of its shape that hold activations.
  Origin origin_of(const ir::GraphNode& node, const ir::TensorType& result) {
    Origin origin = Origin::neutral;
    for (ValueId v : node.inputs) {
      if (!in_f32(graph_.type(v)) || value(v).origin == Origin::neutral) continue;
      const bool alike = graph_.type(v).shape == result.shape;
      if (!alike && node.op->traits.pointwise) continue;
      if (value(v).origin == Origin::single) return Origin::single;
      origin = Origin::rounded;
    }
    return origin;
  }

  void in_single(size_t n) {
    const ir::GraphNode& node = graph_.nodes[n];
    const ir::Traits& traits = node.op->traits;
    std::vector<ValueId> inputs;
    for (ValueId v : node.inputs) inputs.push_back(as_single(v));
    add(n, std::move(inputs));
    const bool reduces = tile_reduction(*node.op) != tiling::Reduce::none;
    for (size_t o = 0; o < values_[n].size(); ++o) {
      Value& x = values_[n][o];
      const ir::TensorType& result = node.outputs[o];
      if (!in_f32(result) || reduces || traits.body || traits.precision == PrecisionTrait::f32 ||
          traits.precision == PrecisionTrait::bf16_ok) {
        continue;
      }
      if (traits.precision == PrecisionTrait::stored_as_input) {
        const ValueId first = node.inputs[0];
        x.origin = result.shape == graph_.type(first).shape ? value(first).origin : Origin::single;
      } else {
        x.origin = origin_of(node, result);
      }
      const size_t at = first_[n] + o;
      const bool fused = tileable(*node.op) && readers_[at] == 1 && fused_[at];
      if (x.origin == Origin::rounded && leads_[at] && !fused) round(x);
    }
  }

  const ir::Graph& graph_;
  const bool kernels_;
  ir::Graph out_;
  ir::Site site_;
  std::vector<std::vector<Value>> values_;  // [node][output]
  std::vector<size_t> first_;               // by node: the place of its first output in these:
  std::vector<int32_t> readers_;
  std::vector<bool> fused_;  // only ops of tiles read it
  std::vector<bool> leads_;  // to an op in bf16
};

}  // namespace

ir::Graph mixed_bf16(const ir::Graph& graph, bool kernels) { return Mixing(graph, kernels).run(); }

ir::Graph moments_of_halves(ir::Graph graph) {
  for (ir::GraphNode& node : graph.nodes) {
    if (node.op->name != std::string_view("moments") || node.attributes.has("dtype")) continue;
    const ir::GraphNode& from = graph.node(node.inputs[0]);
    if (from.op->name != std::string_view("cast") || graph.type(from.inputs[0]).dtype != bf16 ||
        !in_f32(from.outputs[0])) {
      continue;
    }
    node.inputs[0] = from.inputs[0];
    node.attributes.set("dtype", f32);
  }
  return graph;
}

}  // namespace varve::transform
