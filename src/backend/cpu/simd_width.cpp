#include "backend/cpu/simd_width.h"

#include "backend/cpu/simd_targets.h"
#undef HWY_TARGET_INCLUDE
#define HWY_TARGET_INCLUDE "backend/cpu/simd_width.cpp"
#include "hwy/foreach_target.h"
// Comes after foreach_target.
#include "hwy/highway.h"

HWY_BEFORE_NAMESPACE();
namespace varve::cpu::HWY_NAMESPACE {

bool has_avx512_here() { return HWY_TARGET == HWY_AVX3 || HWY_TARGET == HWY_AVX3_DL; }

}  // namespace varve::cpu::HWY_NAMESPACE
HWY_AFTER_NAMESPACE();

#if HWY_ONCE
namespace varve::cpu {
HWY_EXPORT(has_avx512_here);

bool has_avx512() { return HWY_DYNAMIC_DISPATCH(has_avx512_here)(); }

}  // namespace varve::cpu
#endif
