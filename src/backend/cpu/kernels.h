// The families of the CPU's kernels; kernels.cpp strings them together in the order they are tried.
#pragma once
#include <string>
#include <vector>

#include "backend/kernel.h"
#include "transform/tile_program.h"

namespace varve::backend::cpu {

std::vector<KernelRow> onednn_kernels();
std::vector<KernelRow> openblas_kernels();
/// Those that go before oneDNN's: where measurements say that they are faster.
std::vector<KernelRow> fastest_openblas_kernels();
std::vector<KernelRow> few_rows_kernels();
std::vector<KernelRow> winograd_kernels();
std::vector<KernelRow> pixel_product_kernels();
std::vector<KernelRow> simd_kernels();
std::vector<KernelRow> movement_kernels();
std::vector<KernelRow> rows_kernels();
std::vector<KernelRow> pool3d_kernels();
std::vector<KernelRow> lane_kernels();
std::vector<KernelRow> moment_kernels();
std::vector<KernelRow> relay_kernels();
std::vector<KernelRow> tile_kernels();
std::vector<KernelRow> lapack_kernels();
std::vector<KernelRow> sparse_kernels();
std::vector<KernelRow> pooled_convolution_kernels();
std::vector<KernelRow> recurrent_kernels();
std::vector<KernelRow> attention_kernels();

/// Why the operands are not packed (row-major without gaps); empty where they are.
std::string not_packed(const Request& r);
/// Why they are not packed or one has no elements.
std::string not_packed_or_empty(const Request& r);

/// Operands as if all changed at every run. Nodes are joined before it is known which do not, and
/// what was joined must find its kernel later.
std::vector<Layout> all_changing(std::span<const Layout> operands);

/// Blocks of channels as wide as a register; plain where no kernel wants any.
Format liked_format();

/// Why a product is none of a few rows that our own kernel takes; empty where it is.
std::string unfit_for_few_rows(const Request& request);
/// A product by OpenBLAS, whichever is faster.
Offer openblas_matmul(const Request& request);
/// The change from one format to another.
Offer relay(const Request& request);
/// A tile program as a kernel.
Offer tile_kernel(const tiling::TileProgram& program, int threads);
/// Max pooling, of relu of its input where asked. The second output, places, may be null.
Offer max_pool_kernel(const Request& request, bool relu);

}  // namespace varve::backend::cpu
