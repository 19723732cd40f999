#include "backend/cpu/simd_gelu.h"

#include <algorithm>
#include <cstring>

#include "backend/cpu/simd_targets.h"
#undef HWY_TARGET_INCLUDE
#define HWY_TARGET_INCLUDE "backend/cpu/simd_gelu.cpp"
#include "hwy/foreach_target.h"
// Comes after foreach_target.
#include "backend/cpu/simd_math-inl.h"
#include "backend/cpu/simd_partial-inl.h"

HWY_BEFORE_NAMESPACE();
namespace varve::cpu::HWY_NAMESPACE {
namespace {

/// x / 2 times erfc(t / sqrt 2) on the left and 2 - erfc(t / sqrt 2) on the right, t = |x|: nothing
/// cancels. erfc(t / sqrt 2) = 2^(t g).
HWY_INLINE VF one(VF x) {
  const VF size = hn::Abs(x), t = hn::Min(constant(12.9f), size);
  // On [0, 13.2], weighted by what an error of g does to the result.
  const VF g = polynomial(t, -0x1.26aeecp+0f, -0x1.d6385ap-2f, -0x1.ae1cd2p-5f, 0x1.ccdcc8p-8f,
                          -0x1.01f7f4p-14f, -0x1.0bc816p-12f, 0x1.2c7672p-14f, -0x1.6918e2p-17f,
                          0x1.008186p-20f, -0x1.8ef40ap-25f, 0x1.032324p-30f);
  const VF tail = hn::IfThenElseZero(hn::Lt(size, constant(13.f)), exp2_within(hn::Mul(t, g)));
  const VF weight = hn::IfThenElse(hn::Lt(x, constant(0.f)), tail, hn::Sub(constant(2.f), tail));
  return hn::Mul(hn::Mul(x, constant(0.5f)), weight);
}

}  // namespace

void gelu_of(const float* x, float* y, int64_t n) {
  const F32 d;
  const auto lanes = static_cast<int64_t>(hn::Lanes(d));
  int64_t i = 0;
  for (; i + 2 * lanes <= n; i += 2 * lanes) {
    const VF a = one(hn::LoadU(d, x + i)), b = one(hn::LoadU(d, x + i + lanes));
    hn::StoreU(a, d, y + i);
    hn::StoreU(b, d, y + i + lanes);
  }
  for (; i < n; i += lanes) {
    const auto some = static_cast<size_t>(std::min(lanes, n - i));
    store_some(d, one(load_some(d, x + i, some, 0)), y + i, some);
  }
}

}  // namespace varve::cpu::HWY_NAMESPACE
HWY_AFTER_NAMESPACE();

#if HWY_ONCE
namespace varve::cpu {
HWY_EXPORT(gelu_of);

void gelu(const float* x, float* y, int64_t n) noexcept { HWY_DYNAMIC_DISPATCH(gelu_of)(x, y, n); }

}  // namespace varve::cpu
#endif
