// Sparse products summed in the type of their elements.
#include "backend/sparse.h"

#include "backend/cpu/kernels.h"

namespace varve::backend::cpu {
namespace {

template <template <class, class> class K>
Offer prepare(const Request& r) {
  const DType d = r.outputs[0].dtype;
  if (d == f32) return Offer(std::make_unique<K<float, float>>(r));
  if (d == f64) return Offer(std::make_unique<K<double, double>>(r));
  return Offer::decline("takes f32 and f64");
}

}  // namespace

std::vector<KernelRow> sparse_kernels() {
  return {{"sparse_matmul", "cpu sparse_matmul", prepare<SparseProduct>},
          {"sparse_sampled_product", "cpu sparse_sampled_product", prepare<SampledProduct>}};
}

}  // namespace varve::backend::cpu
