// Operations of the user's own: called on row-major elements.
#include "ops/custom.h"

#include "backend/ref/families.h"

namespace varve::backend::ref {
namespace {

Offer prepare(const Request& r) {
  std::vector<TensorSpec> in, out;
  for (const Layout& l : r.inputs) {
    if (!l.contiguous()) return Offer::decline("takes row-major inputs");
    in.push_back({l.dtype, l.shape});
  }
  for (const Layout& l : r.outputs) out.push_back({l.dtype, l.shape});
  return kernel([in, out, held = r.attributes.get<ir::Opaque>("definition")](const Arguments& a) {
    const auto& op = *static_cast<const CustomOp*>(held.object.get());
    try {
      std::vector<Elements> x, y;
      for (size_t i = 0; i < in.size(); ++i) x.emplace_back(in[i], a.inputs[i]);
      for (size_t i = 0; i < out.size(); ++i) y.emplace_back(out[i], a.outputs[i]);
      op.forward(x, y);
    } catch (...) {
      a.fault->note_exception(std::current_exception());
    }
  });
}

}  // namespace

std::vector<KernelRow> custom_kernels() { return {{"custom_op", "custom", prepare}}; }

}  // namespace varve::backend::ref
