#include "runtime/widen.h"

#include <algorithm>

#include "ops/build.h"

namespace varve::runtime {
namespace {

using backend::KernelSet;
using backend::Layout;

/// Whether the CPU's own kernels take a node with packed operands, f16 as `halves`.
bool taken(const ir::Operation& node, std::span<const Layout> inputs,
           std::span<const Layout> outputs, int threads, DType halves) {
  const auto packed_as = [&](std::span<const Layout> layouts) {
    std::vector<Layout> out;
    for (const Layout& l : layouts)
      out.push_back(backend::packed({l.dtype == f16 ? halves : l.dtype, l.shape}));
    return out;
  };
  const std::vector<Layout> in = packed_as(inputs), out = packed_as(outputs);
  return backend::choose_kernel({*node.op, node.attributes, in, out, threads}, KernelSet::cpu)
             .kernel != nullptr;
}

}  // namespace

bool computes_in_f32(const ir::Operation& node, std::span<const Layout> inputs,
                     std::span<const Layout> outputs, KernelSet set, int threads) {
  const bool halves =
      std::any_of(inputs.begin(), inputs.end(), [](const Layout& l) { return l.dtype == f16; });
  // An attribute dtype says what comes out, whatever went in.
  return halves && set != KernelSet::ref && !node.op->traits.body &&
         !node.attributes.has("dtype") && !taken(node, inputs, outputs, threads, f16) &&
         taken(node, inputs, outputs, threads, f32);
}

std::vector<Tensor> widened(const ir::Operation& node, std::span<const Tensor> x) {
  std::vector<Tensor> in;
  for (const Tensor& t : x)
    in.push_back(t.dtype() == f16 ? ops::make("cast", {t}, {{"dtype", f32}}) : t);
  std::vector<Tensor> out = ir::apply(*node.op, in, node.attributes);
  for (size_t i = 0; i < out.size(); ++i) {
    if (node.outputs[i].dtype == f16) out[i] = ops::make("cast", {out[i]}, {{"dtype", f16}});
  }
  return out;
}

}  // namespace varve::runtime
