#include "backend/cpu/simd_top.h"

#include <algorithm>
#include <bit>
#include <cstring>
#include <limits>
#include <type_traits>
#include <utility>

#include "backend/cpu/order_keys.h"
#include "backend/cpu/simd_targets.h"
#undef HWY_TARGET_INCLUDE
#define HWY_TARGET_INCLUDE "backend/cpu/simd_top.cpp"
#include "hwy/foreach_target.h"
// Comes after foreach_target.
#include "backend/cpu/simd_partial-inl.h"
#include "hwy/highway.h"

HWY_BEFORE_NAMESPACE();
namespace varve::cpu::HWY_NAMESPACE {
namespace {
namespace hn = hwy::HWY_NAMESPACE;

template <class T>
constexpr T kLowest = std::is_floating_point_v<T> ? -std::numeric_limits<T>::infinity()
                                                  : std::numeric_limits<T>::lowest();
template <class T>
constexpr T kHighest = std::is_floating_point_v<T> ? std::numeric_limits<T>::infinity()
                                                   : std::numeric_limits<T>::max();

/// A number that k elements of a row reach at least, and not many more do: the k-th largest of the
/// maxima of kGroups groups of elements. Leaves NaN out of account.
template <int kGroups, class T>
HWY_INLINE T least_of_top(const T* x, int64_t n, int64_t k) {
  const hn::CappedTag<T, kGroups> d;
  const hn::RebindToSigned<decltype(d)> di;
  constexpr auto kLanes = static_cast<int64_t>(hn::MaxLanes(d));
  HWY_ALIGN T groups[kGroups];
  for (int64_t g = 0; g < kGroups; g += kLanes) {
    auto most = hn::Set(d, kLowest<T>);
    for (int64_t i = g; i + kLanes <= n; i += kGroups) {
      const auto v = hn::LoadU(d, x + i);
      most = hn::IfThenElse(hn::Gt(v, most), v, most);
    }
    hn::Store(most, d, groups + g);
  }
  auto least = hn::Set(d, kHighest<T>);
  for (int64_t g = 0; g < kGroups; g += kLanes) {
    const auto mine = hn::Load(d, groups + g);
    auto larger = hn::Zero(di);  // how many are, negative
    for (const T other : groups) {
      const auto is = hn::VecFromMask(d, hn::Gt(hn::Set(d, other), mine));
      larger = hn::Add(larger, hn::BitCast(di, is));
    }
    const auto of_top = hn::Gt(larger, hn::Set(di, static_cast<hn::TFromD<decltype(di)>>(-k)));
    least = hn::Min(least, hn::IfThenElse(hn::RebindMask(d, of_top), mine, least));
  }
  return hn::GetLane(hn::MinOfLanes(d, least));
}

/// Bit i: whether x[i] is not below (kAbove: above) the edge, i < n <= 64. NaN is above everything.
template <bool kAbove, class T>
HWY_INLINE uint64_t reaching(const T* x, int64_t n, T edge) {
  const hn::CappedTag<T, 64> d;
  const auto lanes = static_cast<int64_t>(hn::Lanes(d));
  const auto e = hn::Set(d, edge);
  const auto reaches = [&](auto v) {
    if constexpr (!kAbove)
      return hn::Not(hn::Lt(v, e));
    else if constexpr (std::is_floating_point_v<T>)
      return hn::Not(hn::Le(v, e));
    else
      return hn::Gt(v, e);
  };
  const auto bits_of = [&](auto v) {
    uint8_t bytes[8] = {};  // of 64 lanes
    hn::StoreMaskBits(d, reaches(v), bytes);
    uint64_t bits;
    std::memcpy(&bits, bytes, sizeof bits);
    return bits;
  };
  uint64_t bits = 0;
  int64_t i = 0;
  for (; i + lanes <= n; i += lanes) bits |= bits_of(hn::LoadU(d, x + i)) << i;
  if (i < n) bits |= bits_of(load_some(d, x + i, static_cast<size_t>(n - i), edge)) << i;
  return n < 64 ? bits & ((uint64_t{1} << n) - 1) : bits;
}

/// The least of the entries seen, in ascending order. Those to keep lie at the end, so that the
/// last to be kept is always in the same place; below them are entries that nothing displaces.
template <class Entry, int kRoom>
class Least {
 public:
  HWY_INLINE Least(int64_t k, Entry lowest, Entry highest) {
    for (int j = 0; j < kRoom; ++j) entries_[j] = j < kRoom - k ? lowest : highest;
  }
  HWY_INLINE void add(Entry e) { add(e, std::make_integer_sequence<int, kRoom - 1>()); }
  HWY_INLINE Entry last() const { return entries_[kRoom - 1]; }
  HWY_INLINE void copy(Entry* to) const { std::copy_n(entries_, kRoom, to); }

 private:
  /// All steps at once, without branches: each takes its own, its neighbour's or the new one. The
  /// places are constants, so that entries may be registers.
  template <int... kFromEnd>
  HWY_INLINE void add(Entry e, std::integer_sequence<int, kFromEnd...>) {
    ((entries_[kRoom - 1 - kFromEnd] =
          std::min(entries_[kRoom - 1 - kFromEnd], std::max(entries_[kRoom - 2 - kFromEnd], e))),
     ...);
    entries_[0] = std::min(entries_[0], e);
  }
  Entry entries_[kRoom];
};

/// kRoom: k or more.
template <int kRoom, class T>
HWY_INLINE void top_of_row(const T* x, int64_t n, int64_t k, int64_t* places) {
  using How = std::conditional_t<sizeof(T) == 4, Narrow, Wide>;
  using Key = decltype(key_of(T{}));
  constexpr int kGroups = 2 * kRoom;
  constexpr int64_t kChunk = 4096;  // what the first cache keeps until it is looked at again
  // The largest element has the least entry.
  Least<typename How::Entry, kRoom> best(k, How::entry(0, 0), How::entry(~Key{0}, UINT32_MAX));
  int64_t found = 0;
  T floor = kLowest<T>;
  for (int64_t begin = 0; begin < n; begin += 64) {
    if (begin % kChunk == 0 && n - begin > kGroups)
      floor = least_of_top<kGroups>(x + begin, std::min(n - begin, kChunk), k);
    const int64_t some = std::min<int64_t>(64, n - begin);
    uint64_t bits;
    if (found < k) {
      bits = reaching<false>(x + begin, some, floor);
    } else {
      const T last = x[How::place(best.last())];
      if (last != last) break;  // none is before a NaN
      bits = floor > last ? reaching<false>(x + begin, some, floor)
                          : reaching<true>(x + begin, some, last);
    }
    for (; bits != 0; bits &= bits - 1, ++found) {
      const int64_t place = begin + std::countr_zero(bits);
      best.add(How::entry(~key_of(x[place]), place));
    }
  }
  typename How::Entry sorted[kRoom];
  best.copy(sorted);
  for (int64_t j = 0; j < k; ++j) places[j] = How::place(sorted[kRoom - k + j]);
}

template <class T>
HWY_INLINE void top(const T* x, int64_t n, int64_t k, int64_t* places) {
  if (k <= 8) return top_of_row<8>(x, n, k, places);
  top_of_row<kMostTop>(x, n, k, places);
}

void floats(const float* x, int64_t n, int64_t k, int64_t* places) { top(x, n, k, places); }
void doubles(const double* x, int64_t n, int64_t k, int64_t* places) { top(x, n, k, places); }
void words(const int32_t* x, int64_t n, int64_t k, int64_t* places) { top(x, n, k, places); }
void long_words(const int64_t* x, int64_t n, int64_t k, int64_t* places) { top(x, n, k, places); }

}  // namespace
}  // namespace varve::cpu::HWY_NAMESPACE
HWY_AFTER_NAMESPACE();

#if HWY_ONCE
namespace varve::cpu {
HWY_EXPORT(floats);
HWY_EXPORT(doubles);
HWY_EXPORT(words);
HWY_EXPORT(long_words);

void top_places(const float* x, int64_t n, int64_t k, int64_t* places) noexcept {
  HWY_DYNAMIC_DISPATCH(floats)(x, n, k, places);
}
void top_places(const double* x, int64_t n, int64_t k, int64_t* places) noexcept {
  HWY_DYNAMIC_DISPATCH(doubles)(x, n, k, places);
}
void top_places(const int32_t* x, int64_t n, int64_t k, int64_t* places) noexcept {
  HWY_DYNAMIC_DISPATCH(words)(x, n, k, places);
}
void top_places(const int64_t* x, int64_t n, int64_t k, int64_t* places) noexcept {
  HWY_DYNAMIC_DISPATCH(long_words)(x, n, k, places);
}

}  // namespace varve::cpu
#endif
