#include "backend/cpu/kernels.h"

namespace varve::backend {

std::vector<KernelRow> cpu_kernels() {
  std::vector<KernelRow> all;
  for (auto family : {cpu::onednn_kernels, cpu::openblas_kernels, cpu::tile_kernels}) {
    for (const KernelRow& row : family()) all.push_back(row);
  }
  return all;
}

}  // namespace varve::backend
