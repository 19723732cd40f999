#include "backend/cpu/kernels.h"

#include "backend/cpu/instruction_set.h"
#include "base/environment.h"

namespace varve::backend {

std::vector<KernelRow> cpu_kernels() {
  // Asked for once, before the first kernel is chosen.
  if (const std::string cap = environment("VARVE_MAX_CPU_ISA"); !cap.empty()) {
    varve::cpu::cap_instruction_set(cap);
  }
  std::vector<KernelRow> all;
  for (auto family : {cpu::onednn_kernels, cpu::openblas_kernels, cpu::simd_kernels,
                      cpu::movement_kernels, cpu::tile_kernels, cpu::pooled_convolution_kernels}) {
    for (const KernelRow& row : family()) all.push_back(row);
  }
  return all;
}

}  // namespace varve::backend
