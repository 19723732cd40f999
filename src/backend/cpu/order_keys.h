// Orders: the element as an unsigned key that rises with it, NaN the highest and -0 as 0, above the
// place in its lane. Equal elements then stand in the order of their places.
#pragma once
#include <bit>
#include <cmath>
#include <cstdint>
#include <type_traits>

#include "varve/types.h"

namespace varve::cpu {

inline uint32_t key_of(float v) {
  if (std::isnan(v)) return UINT32_MAX;
  const auto bits = std::bit_cast<uint32_t>(v + 0.0f);
  return bits >> 31 ? ~bits : bits | 0x80000000u;
}
inline uint64_t key_of(double v) {
  if (std::isnan(v)) return UINT64_MAX;
  const auto bits = std::bit_cast<uint64_t>(v + 0.0);
  return bits >> 63 ? ~bits : bits | (uint64_t{1} << 63);
}
inline uint32_t key_of(Float16 v) { return key_of(static_cast<float>(v)); }
inline uint32_t key_of(BFloat16 v) { return key_of(static_cast<float>(v)); }
inline uint64_t key_of(int64_t v) { return static_cast<uint64_t>(v) ^ (uint64_t{1} << 63); }
inline uint64_t key_of(uint64_t v) { return v; }
template <class T>
requires(std::is_integral_v<T> && sizeof(T) <= 4) uint32_t key_of(T v) {
  if constexpr (std::is_signed_v<T>) return static_cast<uint32_t>(int32_t{v}) ^ 0x80000000u;
  return static_cast<uint32_t>(v);
}

/// A key and a place in one number, for elements of 32 bits at most and lanes below 2^32.
struct Narrow {
  using Entry = uint64_t;
  static Entry entry(uint32_t key, int64_t place) {
    return uint64_t{key} << 32 | static_cast<uint64_t>(place);
  }
  static int64_t place(Entry e) { return static_cast<int64_t>(e & UINT32_MAX); }
};
/// Both side by side, for the others.
struct Wide {
  struct Entry {
    uint64_t key;
    int64_t place;
    bool operator<(const Entry& o) const { return key != o.key ? key < o.key : place < o.place; }
  };
  static Entry entry(uint64_t key, int64_t place) { return {key, place}; }
  static int64_t place(Entry e) { return e.place; }
};

}  // namespace varve::cpu
