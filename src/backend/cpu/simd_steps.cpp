#include "backend/cpu/simd_steps.h"

#include <algorithm>

#include "backend/cpu/simd_targets.h"
#undef HWY_TARGET_INCLUDE
#define HWY_TARGET_INCLUDE "backend/cpu/simd_steps.cpp"
#include "hwy/foreach_target.h"
// Comes after foreach_target.
#include "hwy/highway.h"

HWY_BEFORE_NAMESPACE();
namespace varve::cpu::HWY_NAMESPACE {
namespace {
namespace hn = hwy::HWY_NAMESPACE;

template <class D, class V>
HWY_INLINE V reversed_lanes(D d, V v) {
  if constexpr (sizeof(hn::TFromD<D>) == 1) {
    const hn::Repartition<uint16_t, D> pairs;
    const auto p = hn::Reverse(pairs, hn::BitCast(pairs, v));
    return hn::BitCast(d, hn::Or(hn::ShiftLeft<8>(p), hn::ShiftRight<8>(p)));
  } else {
    return hn::Reverse(d, v);
  }
}

template <class T>
HWY_INLINE void reversed(const T* x, T* y, int64_t n) {
  const hn::ScalableTag<T> d;
  const auto lanes = static_cast<int64_t>(hn::Lanes(d));
  int64_t i = 0;
  for (; i + lanes <= n; i += lanes) {
    hn::StoreU(reversed_lanes(d, hn::LoadU(d, x + n - i - lanes)), d, y + i);
  }
  std::reverse_copy(x, x + n - i, y + i);
}

template <class T>
HWY_INLINE void second(const T* x, T* y, int64_t n) {
  const hn::ScalableTag<T> d;
  const auto lanes = static_cast<int64_t>(hn::Lanes(d));
  int64_t i = 0;
  for (; i + lanes < n; i += lanes) {
    hn::Vec<decltype(d)> even, odd;
    hn::LoadInterleaved2(d, x + 2 * i, even, odd);
    hn::StoreU(even, d, y + i);
  }
  for (; i < n; ++i) y[i] = x[2 * i];
}

void bytes(const uint8_t* x, uint8_t* y, int64_t n) { reversed(x, y, n); }
void halves(const uint16_t* x, uint16_t* y, int64_t n) { reversed(x, y, n); }
void words(const uint32_t* x, uint32_t* y, int64_t n) { reversed(x, y, n); }
void doubles(const uint64_t* x, uint64_t* y, int64_t n) { reversed(x, y, n); }

void second_bytes(const uint8_t* x, uint8_t* y, int64_t n) { second(x, y, n); }
void second_halves(const uint16_t* x, uint16_t* y, int64_t n) { second(x, y, n); }
void second_words(const uint32_t* x, uint32_t* y, int64_t n) { second(x, y, n); }
void second_doubles(const uint64_t* x, uint64_t* y, int64_t n) { second(x, y, n); }

}  // namespace
}  // namespace varve::cpu::HWY_NAMESPACE
HWY_AFTER_NAMESPACE();

#if HWY_ONCE
namespace varve::cpu {
HWY_EXPORT(bytes);
HWY_EXPORT(halves);
HWY_EXPORT(words);
HWY_EXPORT(doubles);
HWY_EXPORT(second_bytes);
HWY_EXPORT(second_halves);
HWY_EXPORT(second_words);
HWY_EXPORT(second_doubles);

void reverse(const uint8_t* x, uint8_t* y, int64_t n) noexcept {
  HWY_DYNAMIC_DISPATCH(bytes)(x, y, n);
}
void reverse(const uint16_t* x, uint16_t* y, int64_t n) noexcept {
  HWY_DYNAMIC_DISPATCH(halves)(x, y, n);
}
void reverse(const uint32_t* x, uint32_t* y, int64_t n) noexcept {
  HWY_DYNAMIC_DISPATCH(words)(x, y, n);
}
void reverse(const uint64_t* x, uint64_t* y, int64_t n) noexcept {
  HWY_DYNAMIC_DISPATCH(doubles)(x, y, n);
}

void every_second(const uint8_t* x, uint8_t* y, int64_t n) noexcept {
  HWY_DYNAMIC_DISPATCH(second_bytes)(x, y, n);
}
void every_second(const uint16_t* x, uint16_t* y, int64_t n) noexcept {
  HWY_DYNAMIC_DISPATCH(second_halves)(x, y, n);
}
void every_second(const uint32_t* x, uint32_t* y, int64_t n) noexcept {
  HWY_DYNAMIC_DISPATCH(second_words)(x, y, n);
}
void every_second(const uint64_t* x, uint64_t* y, int64_t n) noexcept {
  HWY_DYNAMIC_DISPATCH(second_doubles)(x, y, n);
}

}  // namespace varve::cpu
#endif
