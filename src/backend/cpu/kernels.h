// The families of the CPU's kernels; kernels.cpp strings them together in the order they are tried.
#pragma once
#include <vector>

#include "backend/kernel.h"

namespace varve::backend::cpu {

std::vector<KernelRow> onednn_kernels();
std::vector<KernelRow> openblas_kernels();
std::vector<KernelRow> tile_kernels();

}  // namespace varve::backend::cpu
