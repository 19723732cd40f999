// Runs a test once for each instruction set that this machine has.
#pragma once
#include <gtest/gtest.h>
#include <hwy/targets.h>

#include <cstdint>

#include "backend/cpu/instruction_set.h"

namespace varve::cpu {

template <class F>
void for_each_target(F test) {
  instruction_set();  // found out once: it must not be what this leaves for a while
  hwy::SetSupportedTargetsForTest(0);
  const int64_t all = hwy::SupportedTargets();
  int targets = 0;
  for (const int64_t target : {HWY_SSE4, HWY_AVX2, HWY_AVX3}) {
    if ((all & target) == 0) continue;
    ++targets;
    hwy::SetSupportedTargetsForTest(target);
    hwy::GetChosenTarget().DeInit();
    SCOPED_TRACE(hwy::TargetName(target));
    test();
  }
  hwy::SetSupportedTargetsForTest(0);
  hwy::GetChosenTarget().DeInit();
  if (targets == 0) test();  // the one that another kind of machine has
}

}  // namespace varve::cpu
