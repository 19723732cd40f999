#include "backend/cpu/simd_indices.h"

#include <algorithm>
#include <limits>

#include "backend/cpu/simd_targets.h"
#undef HWY_TARGET_INCLUDE
#define HWY_TARGET_INCLUDE "backend/cpu/simd_indices.cpp"
#include "hwy/foreach_target.h"
// Comes after foreach_target.
#include "hwy/highway.h"

HWY_BEFORE_NAMESPACE();
namespace varve::cpu::HWY_NAMESPACE {
namespace {
namespace hn = hwy::HWY_NAMESPACE;

/// An index below 0 has its sign set; one beyond the last, its distance from the last has. Signs
/// are gathered by or, which every instruction set has for every width.
template <class T>
HWY_INLINE bool below(const T* indices, int64_t n, int64_t bound) {
  const hn::ScalableTag<T> d;
  const auto lanes = static_cast<int64_t>(hn::Lanes(d));
  const auto last = static_cast<T>(std::min<int64_t>(bound - 1, std::numeric_limits<T>::max()));
  const auto end = hn::Set(d, last);
  const auto outside = [&](auto v) { return hn::Or(v, hn::Sub(end, v)); };
  auto even = hn::Zero(d), odd = even;
  int64_t i = 0;
  for (; i + 2 * lanes <= n; i += 2 * lanes) {
    even = hn::Or(even, outside(hn::LoadU(d, indices + i)));
    odd = hn::Or(odd, outside(hn::LoadU(d, indices + i + lanes)));
  }
  bool good = hn::AllFalse(d, hn::Lt(hn::Or(even, odd), hn::Zero(d)));
  for (; i < n; ++i) good &= indices[i] >= 0 && indices[i] <= last;
  return good;
}

bool words(const int32_t* indices, int64_t n, int64_t bound) { return below(indices, n, bound); }
bool doubles(const int64_t* indices, int64_t n, int64_t bound) { return below(indices, n, bound); }

}  // namespace
}  // namespace varve::cpu::HWY_NAMESPACE
HWY_AFTER_NAMESPACE();

#if HWY_ONCE
namespace varve::cpu {
HWY_EXPORT(words);
HWY_EXPORT(doubles);

bool all_below(const int32_t* indices, int64_t n, int64_t bound) noexcept {
  return HWY_DYNAMIC_DISPATCH(words)(indices, n, bound);
}
bool all_below(const int64_t* indices, int64_t n, int64_t bound) noexcept {
  return HWY_DYNAMIC_DISPATCH(doubles)(indices, n, bound);
}

}  // namespace varve::cpu
#endif
