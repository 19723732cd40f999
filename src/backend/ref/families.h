// The families of reference kernels; backend/ref/kernels.cpp strings them together.
#pragma once
#include <vector>

#include "backend/kernel.h"

namespace varve::backend::ref {

std::vector<KernelRow> pointwise_kernels();
std::vector<KernelRow> matmul_kernels();
std::vector<KernelRow> convolution_kernels();
std::vector<KernelRow> pooling_kernels();
std::vector<KernelRow> resampling_kernels();
std::vector<KernelRow> windows_kernels();
std::vector<KernelRow> sampling_kernels();
std::vector<KernelRow> detection_kernels();
std::vector<KernelRow> cross_entropy_kernels();
std::vector<KernelRow> ctc_kernels();
std::vector<KernelRow> random_kernels();
std::vector<KernelRow> reduction_kernels();
std::vector<KernelRow> shape_kernels();
std::vector<KernelRow> indexing_kernels();
std::vector<KernelRow> order_kernels();
std::vector<KernelRow> fourier_kernels();
std::vector<KernelRow> dense_kernels();
std::vector<KernelRow> sparse_kernels();
std::vector<KernelRow> custom_kernels();

}  // namespace varve::backend::ref
