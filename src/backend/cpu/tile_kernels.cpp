// Groups and single elementwise ops as tile programs; groups of a product and its activation by
// oneDNN.
#include <string_view>

#include "backend/cpu/kernels.h"
#include "backend/cpu/onednn.h"
#include "backend/cpu/tile_interpreter.h"
#include "transform/tile_build.h"

namespace varve::backend::cpu {
namespace {

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
    const tiling::Operand& x = program_.operands[static_cast<size_t>(input)];
    const tiling::Output& y = program_.outputs[static_cast<size_t>(output)];
    if (y.reduce != tiling::Reduce::none || size_of(x.dtype) != size_of(y.dtype)) return false;
    for (size_t axis = 0; axis < 3; ++axis) {
      if (x.strides[axis] != y.strides[axis] && program_.extents[axis] != 1) return false;
    }
    return true;
  }

 private:
  tiling::TileProgram program_;
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

/// One pointwise op or reduction.
Offer prepare_single(const Request& r) {
  if (!transform::tileable(r.op)) return Offer::decline("neither pointwise nor a reduction");
  ir::Types in, out;
  for (const Layout& l : r.inputs) in.push_back({l.dtype, l.shape});
  for (const Layout& l : r.outputs) out.push_back({l.dtype, l.shape});
  return prepare_body(r, transform::body_of(r.op, r.attributes, in, out));
}

const ir::Graph& body_of(const Request& r) { return *r.attributes.get<ir::GraphRef>("body"); }

Offer prepare_group(const Request& r) {
  for (const ir::GraphNode& n : body_of(r).nodes) {
    const bool scalar = n.op->view && n.op->name == std::string_view("broadcast_to");
    if (!n.op->traits.structural && !scalar && !transform::tileable(*n.op)) {
      return Offer::decline(std::string("holds ") + n.op->name);
    }
  }
  return prepare_body(r, body_of(r));
}

/// A convolution or matrix product and the activation that alone reads it.
Offer prepare_attached(const Request& r) {
  const ir::Graph& body = body_of(r);
  const size_t n = body.nodes.size();
  const auto activation = n == body.inputs.size() + 2 ? body.nodes[n - 1].op->traits.pointwise
                                                      : std::optional<Pointwise>();
  if (!activation || !attachable(*activation))
    return Offer::decline("is no product with its activation");
  const ir::GraphNode& product = body.nodes[n - 2];
  const Request inner{*product.op, product.attributes, r.inputs, r.outputs, r.threads};
  const std::string_view op = product.op->name;
  if (op == "matmul") return onednn_matmul(inner, *activation);
  if (op == "convolution") return onednn_convolution(inner, *activation);
  return Offer::decline("has no kernel with an activation for " + std::string(op));
}

}  // namespace

Offer tile_kernel(const tiling::TileProgram& program, int threads) {
  return Offer(std::make_unique<Tile>(program, threads));
}

std::vector<KernelRow> tile_kernels() {
  return {{"group", "onednn + activation", prepare_attached},
          {"group", "tile", prepare_group},
          {"*", "tile", prepare_single}};
}

}  // namespace varve::backend::cpu
