// Groups and single elementwise ops as tile programs; groups of a product and its activation by
// oneDNN.
#include <algorithm>
#include <string_view>

#include "backend/cpu/convolution_ways.h"
#include "backend/cpu/kernels.h"
#include "backend/cpu/onednn.h"
#include "backend/cpu/tile_interpreter.h"
#include "base/math.h"
#include "transform/tile_build.h"

namespace varve::backend::cpu {
namespace {

/// Whether a program reads each element of an operand just where it writes that of an output.
bool elementwise(const tiling::TileProgram& p, size_t operand, size_t output) {
  const tiling::Operand& x = p.operands[operand];
  const tiling::Output& y = p.outputs[output];
  if (y.reduce != tiling::Reduce::none || size_of(x.dtype) != size_of(y.dtype)) return false;
  for (size_t axis = 0; axis < 3; ++axis) {
    if (x.strides[axis] != y.strides[axis] && p.extents[axis] != 1) return false;
  }
  return true;
}

class Tile final : public Kernel {
 public:
  Tile(const tiling::TileProgram& program, int threads)
      : program_(program), kernel_(program), threads_(threads) {}

  int64_t scratch_bytes() const override {
    return static_cast<int64_t>(kernel_.scratch_bytes(threads_));
  }
  void run(const Arguments& a) const noexcept override {
    kernel_.run(a.inputs, a.outputs, a.scratch, threads_);
  }
  bool in_place(int input, int output) const override {
    return elementwise(program_, static_cast<size_t>(input), static_cast<size_t>(output));
  }

 private:
  tiling::TileProgram program_;
  varve::cpu::TileKernel kernel_;
  int threads_;
};

/// Several programs that do not read each other's outputs.
class Tiles final : public Kernel {
 public:
  /// `sources`: for each operand of each program, which input of the kernel it is.
  Tiles(std::vector<tiling::TileProgram> programs, std::vector<size_t> sources, int threads)
      : programs_(std::move(programs)),
        sources_(std::move(sources)),
        kernel_(programs_),
        threads_(threads) {}

  int64_t scratch_bytes() const override {
    return pointer_bytes() + static_cast<int64_t>(kernel_.scratch_bytes(threads_));
  }
  void run(const Arguments& a) const noexcept override {
    auto** operands = reinterpret_cast<void**>(a.scratch);
    for (size_t i = 0; i < sources_.size(); ++i) operands[i] = a.inputs[sources_[i]];
    kernel_.run(operands, a.outputs, a.scratch + pointer_bytes(), threads_);
  }
  /// Programs run at the same time: no other one may read what is overwritten.
  bool in_place(int input, int output) const override {
    if (std::count(sources_.begin(), sources_.end(), static_cast<size_t>(input)) != 1) return false;
    size_t operands = 0, outputs = 0;
    for (const tiling::TileProgram& p : programs_) {
      const auto o = static_cast<size_t>(output) - outputs;
      for (size_t i = 0; o < p.outputs.size() && i < p.operands.size(); ++i) {
        if (sources_[operands + i] == static_cast<size_t>(input)) return elementwise(p, i, o);
      }
      operands += p.operands.size(), outputs += p.outputs.size();
    }
    return false;
  }

 private:
  int64_t pointer_bytes() const {
    return round_up(static_cast<int64_t>(sources_.size() * sizeof(void*)), 64);
  }
  std::vector<tiling::TileProgram> programs_;
  std::vector<size_t> sources_;
  varve::cpu::TileKernel kernel_;
  int threads_;
};

Offer prepare_body(const Request& r, const ir::Graph& body) {
  for (const Layout& l : r.outputs) {
    if (!l.contiguous()) return Offer::decline("writes row-major elements");
    for (const Layout& x : r.inputs) {
      if (x.shape.size() == 0 && l.shape.size() != 0) return Offer::decline("reduces nothing");
    }
  }
  std::vector<ir::Strides> strides;
  for (const Layout& l : r.inputs) strides.push_back(l.strides);
  transform::TileBuild built = transform::build_tile(body, strides);
  if (!built.program) return Offer::decline(built.why);
  return tile_kernel(*built.program, r.threads);
}

ir::Graph body_of_single(const Request& r) {
  ir::Types in, out;
  for (const Layout& l : r.inputs) in.push_back({l.dtype, l.shape});
  for (const Layout& l : r.outputs) out.push_back({l.dtype, l.shape});
  return transform::body_of(r.op, r.attributes, in, out);
}

bool is_scalar_broadcast(const ir::Graph& g, const ir::GraphNode& n) {
  return n.op->name == std::string_view("broadcast_to") && g.type(n.inputs[0]).shape.size() == 1;
}

/// Whether each element written is a function of the elements at the same place, and of scalars: it
/// does not matter then in what order they lie.
bool placeless(const Request& r, const ir::Graph& body) {
  const Shape& space = r.outputs[0].shape;
  const auto fits = [&](const Layout& l) { return l.shape == space; };
  return std::all_of(r.outputs.begin(), r.outputs.end(), fits) &&
         std::all_of(r.inputs.begin(), r.inputs.end(),
                     [&](const Layout& l) { return fits(l) || l.shape.size() == 1; }) &&
         std::all_of(body.nodes.begin(), body.nodes.end(), [&](const ir::GraphNode& n) {
           return n.op->traits.structural || n.op->traits.pointwise || is_scalar_broadcast(body, n);
         });
}

/// Runs over operands that all lie in the same blocks as over plain ones.
Offer prepare_blocks(const Request& r, const ir::Graph& body) {
  if (!placeless(r, body)) return Offer::decline("takes blocks of channels element by element");
  std::vector<Layout> in(r.inputs.begin(), r.inputs.end()), out(r.outputs.begin(), r.outputs.end());
  const Format format = out[0].format;
  for (std::vector<Layout>* operands : {&in, &out}) {
    for (Layout& l : *operands) {
      if (l.format != format && l.shape.size() != 1)
        return Offer::decline("its operands lie in different formats");
      l.format = Format::plain;
    }
  }
  return prepare_body({r.op, r.attributes, in, out, r.threads}, body);
}

bool in_blocks(const Request& r) {
  const auto blocked = [](const Layout& l) { return l.format != Format::plain; };
  return std::any_of(r.inputs.begin(), r.inputs.end(), blocked) ||
         std::any_of(r.outputs.begin(), r.outputs.end(), blocked);
}

/// Whether an operand can be changed to blocks and back.
bool relayable(const Layout& l) { return type_of(l.dtype) || l.shape.size() == 1; }

std::vector<transform::Candidate> candidates_of(const Request& r, const ir::Graph& body) {
  const Format blocks = liked_format();
  if (blocks == Format::plain || !ir::fits(blocks, r.outputs[0].shape) || !placeless(r, body) ||
      !std::all_of(r.inputs.begin(), r.inputs.end(), relayable) ||
      !std::all_of(r.outputs.begin(), r.outputs.end(), relayable)) {
    return {};
  }
  std::vector<transform::Candidate> all(2);
  for (size_t k : {0, 1}) {
    for (const Layout& l : r.inputs)
      all[k].inputs.push_back(k && l.shape.size() != 1 ? blocks : Format::plain);
    all[k].outputs.assign(r.outputs.size(), k ? blocks : Format::plain);
  }
  return all;
}

/// One pointwise op or reduction.
Offer prepare_single(const Request& r) {
  if (!transform::tileable(r.op)) return Offer::decline("neither pointwise nor a reduction");
  const ir::Graph body = body_of_single(r);
  return in_blocks(r) ? prepare_blocks(r, body) : prepare_body(r, body);
}
std::vector<transform::Candidate> candidates_of_single(const Request& r) {
  if (!r.op.traits.pointwise) return {};
  return candidates_of(r, body_of_single(r));
}

const ir::Graph& body_of(const Request& r) { return *r.attributes.get<ir::GraphRef>("body"); }
std::vector<transform::Candidate> candidates_of_group(const Request& r) {
  return candidates_of(r, body_of(r));
}

Offer prepare_group(const Request& r) {
  for (const ir::GraphNode& n : body_of(r).nodes) {
    const bool scalar = n.op->view && n.op->name == std::string_view("broadcast_to");
    if (!n.op->traits.structural && !scalar && !transform::tileable(*n.op)) {
      return Offer::decline(std::string("holds ") + n.op->name);
    }
  }
  return in_blocks(r) ? prepare_blocks(r, body_of(r)) : prepare_body(r, body_of(r));
}

/// Groups that do not read each other, made by transform::batch.
Offer prepare_batch(const Request& r) {
  const ir::Graph& body = body_of(r);
  std::vector<tiling::TileProgram> programs;
  std::vector<size_t> sources;
  for (const ir::GraphNode& n : body.nodes) {
    if (ir::is_input(n)) continue;
    if (n.op->name != std::string_view("group")) return Offer::decline("holds other than groups");
    std::vector<ir::Strides> strides;
    for (ir::ValueId v : n.inputs) {
      const auto at = std::find(body.inputs.begin(), body.inputs.end(), v.node);
      if (at == body.inputs.end()) return Offer::decline("its groups read each other");
      sources.push_back(static_cast<size_t>(at - body.inputs.begin()));
      const Layout& x = r.inputs[sources.back()];
      if (x.shape.size() == 0) return Offer::decline("takes no empty operands");
      strides.push_back(x.strides);
    }
    transform::TileBuild built =
        transform::build_tile(*n.attributes.get<ir::GraphRef>("body"), strides);
    if (!built.program) return Offer::decline(built.why);
    programs.push_back(std::move(*built.program));
  }
  if (programs.empty()) return Offer::decline("holds no groups");
  return Offer(std::make_unique<Tiles>(std::move(programs), std::move(sources), r.threads));
}

/// A convolution or matrix product and the activation that alone reads it.
struct Attached {
  const ir::GraphNode* product = nullptr;  ///< null: the body is something else
  Pointwise activation = Pointwise::identity;
};
Attached attached(const ir::Graph& body) {
  const size_t n = body.nodes.size();
  if (n != body.inputs.size() + 2) return {};
  const auto activation = body.nodes[n - 1].op->traits.pointwise;
  if (!activation || !attachable(*activation)) return {};
  return {&body.nodes[n - 2], *activation};
}

Offer prepare_attached(const Request& r) {
  const auto [product, activation] = attached(body_of(r));
  if (!product) return Offer::decline("is no product with its activation");
  const std::vector<Layout> in = all_changing(r.inputs);
  const Request inner{*product->op, product->attributes, in, r.outputs, r.threads};
  const std::string_view op = product->op->name;
  if (op == "matmul") {
    return unfit_for_few_rows(inner).empty()
               ? Offer::decline("a product of few rows is faster by itself")
               : onednn_matmul(inner, activation);
  }
  if (op == "convolution") {
    if (fastest_plain_way(inner) != ConvolutionWay::plain)
      return Offer::decline("the convolution is predicted to be faster by itself");
    return onednn_convolution(inner, activation);
  }
  return Offer::decline("has no kernel with an activation for " + std::string(op));
}
std::vector<transform::Candidate> candidates_of_attached(const Request& r) {
  const auto [product, activation] = attached(body_of(r));
  if (!product || product->op->name != std::string_view("convolution")) return {};
  const std::vector<Layout> in = all_changing(r.inputs);
  return convolution_candidates({*product->op, product->attributes, in, r.outputs, r.threads});
}

}  // namespace

Offer tile_kernel(const tiling::TileProgram& program, int threads) {
  return Offer(std::make_unique<Tile>(program, threads));
}

std::vector<KernelRow> tile_kernels() {
  return {{"group", "onednn + activation", prepare_attached, candidates_of_attached},
          {"group", "tile", prepare_group, candidates_of_group},
          {"group", "tiles", prepare_batch},
          {"*", "tile", prepare_single, candidates_of_single}};
}

}  // namespace varve::backend::cpu
