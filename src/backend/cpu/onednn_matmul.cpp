#include "backend/cpu/onednn.h"

namespace varve::backend::cpu {
namespace {

/// A stack of matrices over strided elements, its last two axes swapped where asked.
Desc matrices(const Layout& l, bool transposed, dnnl::memory::data_type type) {
  Dims dims = l.shape.dims();
  Dims strides(l.strides.begin(), l.strides.end());
  if (transposed) {
    std::swap(dims[dims.size() - 1], dims[dims.size() - 2]);
    std::swap(strides[strides.size() - 1], strides[strides.size() - 2]);
  }
  return {dims, type, strides};
}

/// oneDNN wants one of the two last axes without gaps, and no repeated elements.
bool plain(const Layout& l) {
  const size_t r = l.strides.size();
  for (size_t i = 0; i < r; ++i) {
    if (l.strides[i] <= 0) return false;
  }
  return l.strides[r - 1] == 1 || l.strides[r - 2] == 1;
}

}  // namespace

Offer onednn_matmul(const Request& r, bool relu) {
  const auto type = onednn_type(r.inputs[0].dtype);
  if (!type) return Offer::decline(std::string("has no ") + name_of(r.inputs[0].dtype));
  if (r.outputs[0].shape.size() == 0 || r.inputs[0].shape.size() == 0)
    return Offer::decline("takes no empty operands");
  if (r.outputs[0].shape.rank() > 5) return Offer::decline("takes at most 5 axes");
  if (!plain(r.inputs[0]) || !plain(r.inputs[1]))
    return Offer::decline("wants matrices without gaps or repeats");
  const Desc a = matrices(r.inputs[0], r.attributes.flag("transpose_a"), *type);
  const Desc b = matrices(r.inputs[1], r.attributes.flag("transpose_b"), *type);
  const Desc c = matrices(r.outputs[0], false, *type);
  Desc bias;
  if (r.inputs.size() == 3) {
    if (!r.inputs[2].contiguous()) return Offer::decline("wants a bias without gaps");
    Dims dims(static_cast<size_t>(r.outputs[0].shape.rank()), 1);
    dims.back() = r.outputs[0].shape[-1];
    bias = Desc(dims, *type, Dims(ir::row_major(Shape(dims))));
  }
  try {
    const auto pd = matmul_desc(a, b, bias, c, onednn_attributes(relu));
    auto k = std::make_unique<OnednnKernel>();
    using S = Binding::Source;
    std::vector<Binding> bindings{{S::input, 0, 0, DNNL_ARG_SRC, a},
                                  {S::input, 1, 0, DNNL_ARG_WEIGHTS, b},
                                  {S::output, 0, 0, DNNL_ARG_DST, c}};
    if (r.inputs.size() == 3) bindings.push_back({S::input, 2, 0, DNNL_ARG_BIAS, bias});
    k->add(dnnl::matmul(pd), std::move(bindings), pd.scratchpad_desc());
    return Offer(std::move(k));
  } catch (const dnnl::error& e) {
    return Offer::decline(e.what());
  }
}

}  // namespace varve::backend::cpu
