#include "backend/cpu/simd_rows.h"

#include "backend/cpu/simd_targets.h"
#undef HWY_TARGET_INCLUDE
#define HWY_TARGET_INCLUDE "backend/cpu/simd_rows.cpp"
#include "hwy/foreach_target.h"
// Comes after foreach_target.
#include "backend/cpu/simd_rows-inl.h"

HWY_BEFORE_NAMESPACE();
namespace varve::cpu::HWY_NAMESPACE {

void weighted_sum_here(float* y, const float* const* rows, const float* weights, int64_t k,
                       int64_t n, bool add) {
  weighted_rows(y, rows, weights, k, n, add);
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
