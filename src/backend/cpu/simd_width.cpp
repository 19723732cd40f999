#include "backend/cpu/simd_width.h"

#include "backend/cpu/simd_targets.h"
#undef HWY_TARGET_INCLUDE
#define HWY_TARGET_INCLUDE "backend/cpu/simd_width.cpp"
#include "hwy/foreach_target.h"
// Comes after foreach_target.
#include "hwy/highway.h"

HWY_BEFORE_NAMESPACE();
namespace varve::cpu::HWY_NAMESPACE {

VectorSet vector_set_here() {
  // Better ones are smaller numbers.
  return HWY_TARGET <= HWY_AVX3   ? VectorSet::avx512
         : HWY_TARGET <= HWY_AVX2 ? VectorSet::avx2
                                  : VectorSet::sse4;
}

}  // namespace varve::cpu::HWY_NAMESPACE
HWY_AFTER_NAMESPACE();

#if HWY_ONCE
namespace varve::cpu {
HWY_EXPORT(vector_set_here);

VectorSet vector_set() { return HWY_DYNAMIC_DISPATCH(vector_set_here)(); }

}  // namespace varve::cpu
#endif
