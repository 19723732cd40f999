// The families of the CPU's kernels; kernels.cpp strings them together in the order they are tried.
#pragma once
#include <vector>

#include "backend/kernel.h"
#include "transform/tile_program.h"

namespace varve::backend::cpu {

std::vector<KernelRow> onednn_kernels();
std::vector<KernelRow> openblas_kernels();
std::vector<KernelRow> simd_kernels();
std::vector<KernelRow> movement_kernels();
std::vector<KernelRow> tile_kernels();

/// A tile program as a kernel.
Offer tile_kernel(const tiling::TileProgram& program, int threads);

}  // namespace varve::backend::cpu
