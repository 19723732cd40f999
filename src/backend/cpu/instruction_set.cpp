#include "backend/cpu/instruction_set.h"

#include <hwy/targets.h>

#include <atomic>
#include <oneapi/dnnl/dnnl.hpp>
#include <string>
#include <vector>

#include "base/environment.h"
#include "base/error.h"

namespace varve::cpu {
namespace {

struct Row {
  const char* name;
  int64_t above;  // Highway's targets beyond it
  dnnl::cpu_isa dnnl;
};
constexpr int64_t kAvx512 = HWY_AVX3 | HWY_AVX3_DL;
constexpr Row kRows[] = {{"sse4", kAvx512 | HWY_AVX2, dnnl::cpu_isa::sse41},
                         {"avx2", kAvx512, dnnl::cpu_isa::avx2},
                         {"avx512", 0, dnnl::cpu_isa::avx512_core}};

std::atomic<const char*> known{nullptr};  // what instruction_set gives, once it was found out

}  // namespace

void cap_instruction_set(std::string_view name) {
  for (const Row& row : kRows) {
    if (name != row.name) continue;
    if (dnnl::set_max_cpu_isa(row.dnnl) != dnnl::status::success) {
      throw ConfigError("instruction set: oneDNN is in use already, and can be capped no more",
                        "set the cap before the first computation");
    }
    hwy::DisableTargets(row.above);
    hwy::GetChosenTarget().DeInit();  // what was chosen before is chosen anew
    known = nullptr;
    return;
  }
  throw ConfigError("instruction set: expected sse4, avx2 or avx512, got \"" + escaped(name) +
                    "\"");
}

const char* instruction_set() {
  static const bool capped = [] {
    const std::string cap = environment("VARVE_MAX_CPU_ISA");
    if (!cap.empty()) cap_instruction_set(cap);
    return !cap.empty();
  }();
  (void)capped;
  if (const char* before = known) return before;
  // Asking detects the processor anew and chooses the most that it has, whatever the cap.
  const int64_t targets = hwy::SupportedTargets();
  hwy::GetChosenTarget().Update(targets);
  return known = targets & kAvx512 ? "avx512" : targets & HWY_AVX2 ? "avx2" : "sse4";
}

namespace {
bool has(dnnl::cpu_isa wanted) {
  instruction_set();  // the environment's cap comes before oneDNN's choice, which is made by asking
  const auto isa = static_cast<unsigned>(dnnl::get_effective_cpu_isa()),
             all = static_cast<unsigned>(wanted);
  return (isa & all) == all;
}
}  // namespace

bool computes_in_bf16() { return has(dnnl::cpu_isa::avx512_core_bf16); }
bool multiplies_tiles() { return has(dnnl::cpu_isa::avx512_core_amx); }

}  // namespace varve::cpu
