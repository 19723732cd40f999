#include "backend/cpu/libraries.h"

#include <cblas.h>

#include <oneapi/dnnl/dnnl.hpp>

namespace varve::cpu {
namespace {

std::string isa_name() {
  switch (dnnl::get_effective_cpu_isa()) {
    case dnnl::cpu_isa::sse41:
      return "SSE4.1";
    case dnnl::cpu_isa::avx:
      return "AVX";
    case dnnl::cpu_isa::avx2:
      return "AVX2";
    case dnnl::cpu_isa::avx2_vnni:
      return "AVX2 with VNNI";
    case dnnl::cpu_isa::avx512_core:
      return "AVX-512";
    case dnnl::cpu_isa::avx512_core_vnni:
      return "AVX-512 with VNNI";
    case dnnl::cpu_isa::avx512_core_bf16:
      return "AVX-512 with bf16";
    case dnnl::cpu_isa::avx512_core_amx:
      return "AVX-512 with AMX";
    default:
      return "all that the processor has";
  }
}

}  // namespace

Libraries libraries() {
  const dnnl_version_t* version = dnnl_version();
  Libraries out;
  out.onednn = std::to_string(version->major) + "." + std::to_string(version->minor) + "." +
               std::to_string(version->patch);
  out.onednn_threads = version->cpu_runtime == DNNL_RUNTIME_OMP   ? "OpenMP"
                       : version->cpu_runtime == DNNL_RUNTIME_TBB ? "TBB"
                                                                  : "none";
  out.onednn_isa = isa_name();
  out.openblas = openblas_get_config();
  const int parallel = openblas_get_parallel();
  out.openblas_threads = parallel == OPENBLAS_OPENMP   ? "OpenMP"
                         : parallel == OPENBLAS_THREAD ? "its own"
                                                       : "none";
  return out;
}

}  // namespace varve::cpu
