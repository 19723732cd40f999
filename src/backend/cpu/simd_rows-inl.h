// What is done with whole rows of floats.
#if defined(VARVE_BACKEND_CPU_SIMD_ROWS_INL_H_) == defined(HWY_TARGET_TOGGLE)
#ifdef VARVE_BACKEND_CPU_SIMD_ROWS_INL_H_
#undef VARVE_BACKEND_CPU_SIMD_ROWS_INL_H_
#else
#define VARVE_BACKEND_CPU_SIMD_ROWS_INL_H_
#endif

#include <cstdint>

#include "backend/cpu/simd_partial-inl.h"
#include "hwy/highway.h"

HWY_BEFORE_NAMESPACE();
namespace varve::cpu::HWY_NAMESPACE {
namespace hn = hwy::HWY_NAMESPACE;

/// The sum of a[i] b[i].
HWY_INLINE float row_product(const float* a, const float* b, int64_t n) {
  const hn::ScalableTag<float> d;
  const auto lanes = static_cast<int64_t>(hn::Lanes(d));
  // Two sums that do not wait for each other.
  auto even = hn::Zero(d), odd = hn::Zero(d);
  int64_t i = 0;
  for (; i + 2 * lanes <= n; i += 2 * lanes) {
    even = hn::MulAdd(hn::LoadU(d, a + i), hn::LoadU(d, b + i), even);
    odd = hn::MulAdd(hn::LoadU(d, a + i + lanes), hn::LoadU(d, b + i + lanes), odd);
  }
  for (; i + lanes <= n; i += lanes)
    even = hn::MulAdd(hn::LoadU(d, a + i), hn::LoadU(d, b + i), even);
  if (i < n) {
    const auto some = static_cast<size_t>(n - i);
    odd = hn::MulAdd(load_some(d, a + i, some, 0), load_some(d, b + i, some, 0), odd);
  }
  return hn::GetLane(hn::SumOfLanes(d, hn::Add(even, odd)));
}

/// y = the sum of weights[t] rows[t], t < k; added to what y holds where asked.
HWY_INLINE void weighted_rows(float* y, const float* const* rows, const float* weights, int64_t k,
                              int64_t n, bool add) {
  const hn::ScalableTag<float> d;
  const auto lanes = static_cast<int64_t>(hn::Lanes(d));
  int64_t i = 0;
  // Two vectors at once, for sums that do not wait for each other.
  for (; i + 2 * lanes <= n; i += 2 * lanes) {
    auto a = add ? hn::LoadU(d, y + i) : hn::Zero(d);
    auto b = add ? hn::LoadU(d, y + i + lanes) : hn::Zero(d);
    for (int64_t t = 0; t < k; ++t) {
      const auto w = hn::Set(d, weights[t]);
      a = hn::MulAdd(w, hn::LoadU(d, rows[t] + i), a);
      b = hn::MulAdd(w, hn::LoadU(d, rows[t] + i + lanes), b);
    }
    hn::StoreU(a, d, y + i);
    hn::StoreU(b, d, y + i + lanes);
  }
  for (; i < n; i += lanes) {
    const auto some = static_cast<size_t>(n - i < lanes ? n - i : lanes);
    auto a = add ? load_some(d, y + i, some, 0) : hn::Zero(d);
    for (int64_t t = 0; t < k; ++t)
      a = hn::MulAdd(hn::Set(d, weights[t]), load_some(d, rows[t] + i, some, 0), a);
    store_some(d, a, y + i, some);
  }
}

}  // namespace varve::cpu::HWY_NAMESPACE
HWY_AFTER_NAMESPACE();

#endif  // include guard
