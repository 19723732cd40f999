#include "transform/tile_build.h"

#include <algorithm>
#include <cstring>

#include "base/error.h"
#include "ir/dispatch.h"

namespace varve::transform {

tiling::Reduce tile_reduction(const ir::OpDef& op) {
  const std::string_view name = op.name;
  if (name == "sum") return tiling::Reduce::sum;
  if (name == "prod") return tiling::Reduce::prod;
  if (name == "max") return tiling::Reduce::max;
  if (name == "min") return tiling::Reduce::min;
  return tiling::Reduce::none;
}

bool tileable(const ir::OpDef& op) {
  return op.traits.pointwise.has_value() || tile_reduction(op) != tiling::Reduce::none;
}

const Shape& space_of(const ir::Graph& graph, const ir::GraphNode& node) {
  return tile_reduction(*node.op) == tiling::Reduce::none ? node.outputs[0].shape
                                                          : graph.type(node.inputs[0]).shape;
}

ir::Graph body_of(const ir::OpDef& op, const ir::Attributes& attributes,
                  std::span<const ir::TensorType> inputs, std::span<const ir::TensorType> outputs) {
  ir::Graph g;
  ir::GraphNode node{&op, {}, attributes, {outputs.begin(), outputs.end()}, {}};
  for (const ir::TensorType& t : inputs) node.inputs.push_back(g.add_input(t));
  g.outputs.push_back(g.add(std::move(node)));
  return g;
}

namespace {

bool narrow(DType d) {
  return d == DType::f16 || d == DType::bf16 || d == DType::u8 || d == DType::i8 ||
         d == DType::u16 || d == DType::i16;
}

class Builder {
 public:
  Builder(const ir::Graph& body, std::span<const ir::Strides> inputs)
      : body_(body), inputs_(inputs) {}

  TileBuild build() {
    if (!layout()) return {std::nullopt, why_};
    slots_.assign(body_.nodes.size(), -1);
    for (size_t n = 0; n < body_.nodes.size() && why_.empty(); ++n) emit(n);
    for (size_t o = 0; o < body_.outputs.size() && why_.empty(); ++o) emit_output(o);
    if (!why_.empty()) return {std::nullopt, why_};
    return {std::move(program_), ""};
  }

 private:
  /// The axes of the common space, the steps of every input and output along them, joined to three.
  bool layout() {
    const ir::GraphNode* any = nullptr;
    for (const ir::GraphNode& n : body_.nodes) {
      if (!n.op->traits.structural && tileable(*n.op)) any = &n;
    }
    check(any != nullptr, "a body has an op");
    shape_ = space_of(body_, *any);
    const auto rank = static_cast<size_t>(shape_.rank());
    tiling::Space space;
    space.extents = shape_.dims();
    for (size_t i = 0; i < body_.inputs.size(); ++i) {
      const Shape& own = body_.nodes[static_cast<size_t>(body_.inputs[i])].outputs[0].shape;
      std::vector<int64_t> steps(rank, 0);
      if (own == shape_) {
        steps = inputs_[i];
        // The stride of an axis of one element is never taken; 0 lets neighbours join.
      } else if (own.rank() != 0) {
        why_ = "an input is neither of the common shape nor a scalar";
        return false;
      }
      space.strides.push_back(std::move(steps));
    }
    std::vector<int> kinds(rank, 0);
    for (ir::ValueId v : body_.outputs) space.strides.push_back(output_steps(v, kinds));
    if (!why_.empty()) return false;
    if (!tiling::collapse(space, kinds)) {
      why_ = "more than three axes remain of rank " + std::to_string(rank);
      return false;
    }
    for (size_t a = 0; a < 3; ++a) program_.extents[a] = space.extents[a];
    steps_ = std::move(space.strides);
    return true;
  }

  std::vector<int64_t> output_steps(ir::ValueId v, std::vector<int>& kinds) {
    const ir::GraphNode& node = body_.node(v);
    const auto rank = static_cast<size_t>(shape_.rank());
    if (tile_reduction(*node.op) == tiling::Reduce::none) return ir::row_major(shape_);
    std::vector<bool> reduced(rank, false);
    for (int64_t axis : node.attributes.ints("axes")) reduced[static_cast<size_t>(axis)] = true;
    std::vector<int64_t> steps(rank, 0);
    int64_t step = 1;
    for (size_t a = rank; a-- > 0;) {
      if (reduced[a]) continue;
      steps[a] = step;
      step *= shape_.dims()[a];
    }
    // All reductions of a body over the same axes share kinds; others keep axes apart by their
    // bits.
    for (size_t a = 0; a < rank; ++a) kinds[a] = kinds[a] * 2 + (reduced[a] ? 1 : 0);
    return steps;
  }

  tiling::Strides steps(size_t array) const {
    return {steps_[array][0], steps_[array][1], steps_[array][2]};
  }

  void emit(size_t n) {
    const ir::GraphNode& node = body_.nodes[n];
    if (ir::is_input(node)) {
      const auto i = static_cast<size_t>(
          std::find(body_.inputs.begin(), body_.inputs.end(), static_cast<int32_t>(n)) -
          body_.inputs.begin());
      program_.operands.push_back({node.outputs[0].dtype, steps(i)});
      slots_[n] = program_.load(static_cast<int>(program_.operands.size()) - 1,
                                tiling::compute_type(node.outputs[0].dtype));
    } else if (ir::is_constant(node)) {
      slots_[n] = emit_constant(node.attributes.get<ir::Literal>("value"));
    } else if (!node.op->traits.pointwise) {
      slots_[n] = slots_[static_cast<size_t>(
          node.inputs[0].node)];  // broadcast of a scalar; reductions end here
    } else {
      slots_[n] = emit_call(node);
    }
  }

  int emit_constant(const ir::Literal& v) {
    const Tensor t = ir::computed(v.dtype, v.shape, v.array);
    const tiling::Type type = tiling::compute_type(v.dtype);
    if (tiling::is_floating(type)) return program_.constant(t.to_double(), type);
    int64_t value = 0;
    ir::dispatch(v.dtype, [&]<class T>(T) { value = convert<int64_t>(t.item<T>()); });
    return program_.constant_integer(value, type);
  }

  tiling::Type type_of(int slot) const {
    return program_.instructions[static_cast<size_t>(slot)].type;
  }
  int as(int slot, tiling::Type type) {
    return type_of(slot) == type ? slot : program_.cast(slot, type);
  }

  int emit_call(const ir::GraphNode& node) {
    const Pointwise f = *node.op->traits.pointwise;
    const DType to = node.outputs[0].dtype, from = body_.type(node.inputs.back()).dtype;
    std::vector<int> x;
    for (ir::ValueId v : node.inputs) x.push_back(slots_[static_cast<size_t>(v.node)]);
    if (f == Pointwise::identity) return emit_cast(x[0], from, to);
    if ((from == u64 || to == u64) && !tiling::keeps_u64(f)) {
      why_ = std::string(name_of(f)) + " of u64 is exact only in the reference";
      return -1;
    }
    const tiling::Type type = tiling::compute_type(from);
    for (int& slot : x) slot = as(slot, type);
    const int y = program_.call(f, x[0], x.size() > 1 ? x[1] : -1, x.size() > 2 ? x[2] : -1);
    // What a store would round or wrap is rounded here, so that fused and unfused bits are the
    // same.
    return narrow(to) || (to == u32) ? program_.cast(y, type, to) : y;
  }

  int emit_cast(int x, DType from, DType to) {
    if (from == to) return x;
    if ((from == u64 || to == u64) && size_of(from) + size_of(to) != 16) {
      why_ = "a cast from or to u64 is exact only in the reference";
      return -1;
    }
    if (is_floating(from) && to == u64) {
      why_ = "a cast from a float to u64 is exact only in the reference";
      return -1;
    }
    if (from == u64 && is_floating(to)) {
      why_ = "a cast from u64 to a float is exact only in the reference";
      return -1;
    }
    return program_.cast(x, tiling::compute_type(to), to);
  }

  void emit_output(size_t o) {
    const ir::ValueId v = body_.outputs[o];
    const ir::GraphNode& node = body_.node(v);
    tiling::Output out;
    out.slot = slots_[static_cast<size_t>(v.node)];
    out.dtype = node.outputs[0].dtype;
    out.strides = steps(body_.inputs.size() + o);
    out.reduce = tile_reduction(*node.op);
    if (out.reduce != tiling::Reduce::none) {
      const DType from = body_.type(node.inputs[0]).dtype;
      if (from == u64) {
        why_ = "a reduction of u64 is exact only in the reference";
        return;
      }
      // Sums of integers are held in 64 bits; floats are summed in their compute type.
      out.slot = as(out.slot, tiling::compute_type(out.dtype));
      out.axes = reduced_axes(o);
      // Over axes of one element: the element itself.
      if (out.axes == tiling::Axes{}) out.reduce = tiling::Reduce::none;
    }
    program_.outputs.push_back(out);
  }

  /// Which of the three joined axes a reduction runs over: those of extent > 1 that its output does
  /// not step along. An axis of one element may be either.
  tiling::Axes reduced_axes(size_t o) const {
    tiling::Axes axes{};
    const tiling::Strides s = steps(body_.inputs.size() + o);
    for (size_t a = 0; a < 3; ++a) axes[a] = s[a] == 0 && program_.extents[a] != 1;
    return axes;
  }

  const ir::Graph& body_;
  std::span<const ir::Strides> inputs_;
  Shape shape_;
  std::vector<std::vector<int64_t>> steps_;
  std::vector<int> slots_;
  tiling::TileProgram program_;
  std::string why_;
};

}  // namespace

TileBuild build_tile(const ir::Graph& body, std::span<const ir::Strides> inputs) {
  return Builder(body, inputs).build();
}

}  // namespace varve::transform
