// Sparse products of any type, floats summed in double, integers modulo 2^64.
#include "backend/sparse.h"

#include "backend/ref/families.h"
#include "ir/dispatch.h"

namespace varve::backend::ref {
namespace {

template <template <class, class> class K>
Offer prepare(const Request& r) {
  std::unique_ptr<Kernel> made;
  ir::dispatch(r.outputs[0].dtype, [&]<class E>(E) {
    using T = std::conditional_t<ir::is_float_element<E>, double, uint64_t>;
    made = std::make_unique<K<E, T>>(r);
  });
  return Offer(std::move(made));
}

}  // namespace

std::vector<KernelRow> sparse_kernels() {
  return {{"sparse_matmul", "ref sparse_matmul", prepare<SparseProduct>},
          {"sparse_sampled_product", "ref sparse_sampled_product", prepare<SampledProduct>}};
}

}  // namespace varve::backend::ref
