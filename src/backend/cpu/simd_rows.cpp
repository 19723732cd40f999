#include "backend/cpu/simd_rows.h"

#include "backend/cpu/simd_targets.h"
#undef HWY_TARGET_INCLUDE
#define HWY_TARGET_INCLUDE "backend/cpu/simd_rows.cpp"
#include "hwy/foreach_target.h"
// Comes after foreach_target.
#include "backend/cpu/simd_rows-inl.h"

HWY_BEFORE_NAMESPACE();
namespace varve::cpu::HWY_NAMESPACE {
namespace hn = hwy::HWY_NAMESPACE;

void weighted_sum_here(float* y, const float* const* rows, const float* weights, int64_t k,
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
  for (; i + lanes <= n; i += lanes) {
    auto a = add ? hn::LoadU(d, y + i) : hn::Zero(d);
    for (int64_t t = 0; t < k; ++t)
      a = hn::MulAdd(hn::Set(d, weights[t]), hn::LoadU(d, rows[t] + i), a);
    hn::StoreU(a, d, y + i);
  }
  for (; i < n; ++i) {
    float sum = add ? y[i] : 0;
    for (int64_t t = 0; t < k; ++t) sum += weights[t] * rows[t][i];
    y[i] = sum;
  }
}

float row_product_here(const float* a, const float* b, int64_t n) { return row_product(a, b, n); }

}  // namespace varve::cpu::HWY_NAMESPACE
HWY_AFTER_NAMESPACE();

#if HWY_ONCE
namespace varve::cpu {
HWY_EXPORT(weighted_sum_here);
HWY_EXPORT(row_product_here);

WeightedSum weighted_sum() { return HWY_DYNAMIC_DISPATCH(weighted_sum_here); }
RowProduct row_product() { return HWY_DYNAMIC_DISPATCH(row_product_here); }

}  // namespace varve::cpu
#endif
