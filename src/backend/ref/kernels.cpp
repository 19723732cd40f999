#include "backend/ref/families.h"

namespace varve::backend {

const std::vector<KernelRow>& ref_kernels() {
  static const std::vector<KernelRow> rows = [] {
    std::vector<KernelRow> all;
    for (auto family : {
             ref::pointwise_kernels,
             ref::reduction_kernels,
             ref::shape_kernels,
             ref::indexing_kernels,
             ref::matmul_kernels,
             ref::convolution_kernels,
             ref::pooling_kernels,
             ref::resampling_kernels,
             ref::windows_kernels,
             ref::sampling_kernels,
             ref::detection_kernels,
             ref::cross_entropy_kernels,
             ref::ctc_kernels,
             ref::random_kernels,
             ref::fourier_kernels,
             ref::dense_kernels,
             ref::sparse_kernels,
             ref::custom_kernels,
         }) {
      for (const KernelRow& row : family()) all.push_back(row);
    }
    return all;
  }();
  return rows;
}

}  // namespace varve::backend
