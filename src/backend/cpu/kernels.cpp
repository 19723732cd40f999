#include "backend/cpu/kernels.h"

#include "backend/cpu/instruction_set.h"

namespace varve::backend {

const std::vector<KernelRow>& cpu_kernels() {
  static const std::vector<KernelRow> rows = [] {
    varve::cpu::instruction_set();  // capped before the first kernel is made
    std::vector<KernelRow> all;
    for (auto family :
         {cpu::few_rows_kernels, cpu::fastest_openblas_kernels, cpu::winograd_kernels,
          cpu::pixel_product_kernels, cpu::onednn_kernels, cpu::openblas_kernels,
          cpu::relay_kernels, cpu::simd_kernels, cpu::movement_kernels, cpu::rows_kernels,
          cpu::pool3d_kernels, cpu::tile_kernels, cpu::pooled_convolution_kernels,
          cpu::lane_kernels, cpu::moment_kernels, cpu::lapack_kernels, cpu::sparse_kernels,
          cpu::recurrent_kernels, cpu::attention_kernels}) {
      for (const KernelRow& row : family()) all.push_back(row);
    }
    return all;
  }();
  return rows;
}

std::string cpu::not_packed(const Request& r) {
  for (std::span<const Layout> side : {r.inputs, r.outputs}) {
    for (const Layout& l : side) {
      if (!l.contiguous()) return "takes packed tensors";
    }
  }
  return {};
}

std::string cpu::not_packed_or_empty(const Request& r) {
  for (std::span<const Layout> side : {r.inputs, r.outputs}) {
    for (const Layout& l : side) {
      if (l.shape.size() == 0) return "takes no empty operands";
    }
  }
  return not_packed(r);
}

std::vector<Layout> cpu::all_changing(std::span<const Layout> operands) {
  std::vector<Layout> all(operands.begin(), operands.end());
  for (Layout& l : all) l.steady = false;
  return all;
}

Format cpu::liked_format() {
  const std::string_view isa = varve::cpu::instruction_set();
  return isa == "avx512" ? Format::channels16 : isa == "avx2" ? Format::channels8 : Format::plain;
}

}  // namespace varve::backend
