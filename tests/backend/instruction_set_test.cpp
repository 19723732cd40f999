#include "backend/cpu/instruction_set.h"

#include <gtest/gtest.h>
#include <hwy/targets.h>

#include <cstdlib>
#include <oneapi/dnnl/dnnl.hpp>
#include <string_view>

#include "support/errors.h"
#include "varve/error.h"

namespace varve::cpu {
namespace {

// A cap holds for the rest of a process, so each is set in a process of its own.
class InstructionSet : public testing::Test {
 protected:
  InstructionSet() { testing::FLAGS_gtest_death_test_style = "threadsafe"; }
};

/// What our kernels' dispatch would take if these were the targets.
size_t place_of(int64_t targets) {
  hwy::ChosenTarget chosen;
  chosen.Update(targets);
  return chosen.GetIndex();
}

/// Whether the cap holds for both; a machine may have less than it allows.
bool capped(std::string_view name, dnnl::cpu_isa most) {
  unsetenv("VARVE_MAX_CPU_ISA");  // another cap would stand already
  const std::string_view had = instruction_set();
  cap_instruction_set(name);
  const std::string_view expected = had == "sse4" ? had : name;
  const int64_t targets = expected == "sse4" ? HWY_SSE4 : HWY_AVX2;
  return instruction_set() == expected && hwy::GetChosenTarget().GetIndex() == place_of(targets) &&
         static_cast<int>(dnnl::get_effective_cpu_isa()) <= static_cast<int>(most);
}

TEST_F(InstructionSet, CapsOurKernelsAndOneDnn) {
  EXPECT_EXIT(std::exit(capped("sse4", dnnl::cpu_isa::sse41) ? 0 : 1), testing::ExitedWithCode(0),
              "");
  EXPECT_EXIT(std::exit(capped("avx2", dnnl::cpu_isa::avx2) ? 0 : 1), testing::ExitedWithCode(0),
              "");
}

// To ask oneDNN what it has makes its choice, after which it cannot be capped.
TEST_F(InstructionSet, OfTheEnvironmentCapsWhatIsAskedOfOneDnnFirst) {
  const auto capped_first = [] {
    setenv("VARVE_MAX_CPU_ISA", "avx2", 1);
    return !computes_in_bf16() && instruction_set() != std::string_view("avx512");
  };
  EXPECT_EXIT(std::exit(capped_first() ? 0 : 1), testing::ExitedWithCode(0), "");
}

TEST_F(InstructionSet, AnUnknownNameIsRefused) {
  const ConfigError e = test::error_of<ConfigError>([&] { cap_instruction_set("avx9"); });
  EXPECT_STREQ(e.what(), "instruction set: expected sse4, avx2 or avx512, got \"avx9\"");
}

}  // namespace
}  // namespace varve::cpu
