// Conversion where tile programs load and store. Floats, the common case, are compiled for each
// instruction set; the other computing types once.
#include <cstring>

#include "backend/cpu/simd_targets.h"
#include "backend/cpu/tile_loops.h"
#include "base/convert.h"
#undef HWY_TARGET_INCLUDE
#define HWY_TARGET_INCLUDE "backend/cpu/tile_convert.cpp"
#include "hwy/foreach_target.h"
// Comes after foreach_target.
#include "hwy/highway.h"

#ifndef VARVE_BACKEND_CPU_TILE_CONVERT_ONCE
#define VARVE_BACKEND_CPU_TILE_CONVERT_ONCE
namespace varve::cpu {
struct FloatConversions {
  LoadLoop load[kDTypeCount];
  StoreLoop store[kDTypeCount];
};
namespace {

/// What lies in memory: a byte other than 0 and 1 is no bool to C++.
template <class T>
using Stored = std::conditional_t<std::is_same_v<T, bool>, uint8_t, T>;

/// convert(), with the bits of bfloat16 in sight of the vectorizer.
template <class To, class From>
inline Stored<To> convert_inline(Stored<From> v) {
  if constexpr (std::is_same_v<From, bool>) {
    return static_cast<Stored<To>>(v != 0);
  } else if constexpr (std::is_same_v<From, BFloat16> && std::is_same_v<To, float>) {
    return std::bit_cast<float>(static_cast<uint32_t>(v.bits) << 16);
  } else if constexpr (std::is_same_v<From, float> && std::is_same_v<To, BFloat16>) {
    const uint32_t x = std::bit_cast<uint32_t>(v);
    const uint32_t rounded = (x + 0x7fffu + ((x >> 16) & 1u)) >> 16;
    BFloat16 result;
    result.bits = static_cast<uint16_t>(v != v ? (x >> 16) | 0x40u : rounded);
    return result;
  } else {
    return convert<To>(v);
  }
}

template <class From, class To>
inline void load_elements(const void* source, int64_t stride, void* out, size_t n) {
  const auto* s = static_cast<const Stored<From>*>(source);
  auto* o = static_cast<Stored<To>*>(out);
  if constexpr (std::is_same_v<From, To>) {
    if (stride == 1) {
      std::memcpy(o, s, n * sizeof(To));
      return;
    }
  }
  if (stride == 1) {
    for (size_t i = 0; i < n; ++i) o[i] = convert_inline<To, From>(s[i]);
  } else {
    for (size_t i = 0; i < n; ++i)
      o[i] = convert_inline<To, From>(s[static_cast<int64_t>(i) * stride]);
  }
}

template <class From, class To>
inline void store_elements(const void* source, void* out, int64_t stride, size_t n) {
  const auto* s = static_cast<const Stored<From>*>(source);
  auto* o = static_cast<Stored<To>*>(out);
  if constexpr (std::is_same_v<From, To>) {
    if (stride == 1) {
      std::memcpy(o, s, n * sizeof(To));
      return;
    }
  }
  if (stride == 1) {
    for (size_t i = 0; i < n; ++i) o[i] = convert_inline<To, From>(s[i]);
  } else {
    for (size_t i = 0; i < n; ++i)
      o[static_cast<int64_t>(i) * stride] = convert_inline<To, From>(s[i]);
  }
}

}  // namespace
}  // namespace varve::cpu
#endif

HWY_BEFORE_NAMESPACE();
namespace varve::cpu::HWY_NAMESPACE {
namespace hn = hwy::HWY_NAMESPACE;
namespace {

template <class From>
[[gnu::flatten]] void load_float(const void* source, int64_t stride, void* out, size_t n) {
  load_elements<From, float>(source, stride, out, n);
}
template <class To>
[[gnu::flatten]] void store_float(const void* source, void* out, int64_t stride, size_t n) {
  store_elements<float, To>(source, out, stride, n);
}

#if HWY_TARGET != HWY_SSE4  // which has no instructions for it
using Halves = hn::Rebind<hwy::float16_t, hn::ScalableTag<float>>;

void load_half(const void* source, int64_t stride, void* out, size_t n) {
  const hn::ScalableTag<float> d;
  const auto* s = static_cast<const hwy::float16_t*>(source);
  float* o = static_cast<float*>(out);
  size_t i = 0;
  if (stride == 1) {
    for (; i + hn::Lanes(d) <= n; i += hn::Lanes(d)) {
      hn::StoreU(hn::PromoteTo(d, hn::LoadU(Halves(), s + i)), d, o + i);
    }
  }
  load_elements<Float16, float>(s + static_cast<int64_t>(i) * stride, stride, o + i, n - i);
}
void store_half(const void* source, void* out, int64_t stride, size_t n) {
  const hn::ScalableTag<float> d;
  const float* s = static_cast<const float*>(source);
  auto* o = static_cast<hwy::float16_t*>(out);
  size_t i = 0;
  if (stride == 1) {
    for (; i + hn::Lanes(d) <= n; i += hn::Lanes(d)) {
      hn::StoreU(hn::DemoteTo(Halves(), hn::LoadU(d, s + i)), Halves(), o + i);
    }
  }
  store_elements<float, Float16>(s + i, o + static_cast<int64_t>(i) * stride, stride, n - i);
}
#else
constexpr LoadLoop load_half = load_float<Float16>;
constexpr StoreLoop store_half = store_float<Float16>;
#endif

constexpr FloatConversions kConversions = {
    {load_float<bool>, load_float<uint8_t>, load_float<int8_t>, load_float<uint16_t>,
     load_float<int16_t>, load_float<uint32_t>, load_float<int32_t>, load_float<uint64_t>,
     load_float<int64_t>, load_half, load_float<BFloat16>, load_float<float>, load_float<double>},
    {store_float<bool>, store_float<uint8_t>, store_float<int8_t>, store_float<uint16_t>,
     store_float<int16_t>, store_float<uint32_t>, store_float<int32_t>, store_float<uint64_t>,
     store_float<int64_t>, store_half, store_float<BFloat16>, store_float<float>,
     store_float<double>}};

}  // namespace

const FloatConversions* float_conversions() { return &kConversions; }

}  // namespace varve::cpu::HWY_NAMESPACE
HWY_AFTER_NAMESPACE();

#if HWY_ONCE
namespace varve::cpu {
HWY_EXPORT(float_conversions);
namespace {

template <class To, class... From>
LoadLoop pick_load(DType from) {
  static constexpr LoadLoop kLoops[] = {load_elements<From, To>...};
  return kLoops[static_cast<int>(from)];
}
template <class From, class... To>
StoreLoop pick_store(DType to) {
  static constexpr StoreLoop kLoops[] = {store_elements<From, To>...};
  return kLoops[static_cast<int>(to)];
}

template <class T>
LoadLoop load_as(DType from) {
  return pick_load<T, bool, uint8_t, int8_t, uint16_t, int16_t, uint32_t, int32_t, uint64_t,
                   int64_t, Float16, BFloat16, float, double>(from);
}
template <class T>
StoreLoop store_from(DType to) {
  return pick_store<T, bool, uint8_t, int8_t, uint16_t, int16_t, uint32_t, int32_t, uint64_t,
                    int64_t, Float16, BFloat16, float, double>(to);
}

}  // namespace

LoadLoop load_loop(DType from, tiling::Type to) {
  switch (to) {
    case tiling::Type::f64:
      return load_as<double>(from);
    case tiling::Type::i32:
      return load_as<int32_t>(from);
    case tiling::Type::i64:
      return load_as<int64_t>(from);
    case tiling::Type::f32:
      break;
  }
  return HWY_DYNAMIC_DISPATCH(float_conversions)()->load[static_cast<int>(from)];
}

StoreLoop store_loop(tiling::Type from, DType to) {
  switch (from) {
    case tiling::Type::f64:
      return store_from<double>(to);
    case tiling::Type::i32:
      return store_from<int32_t>(to);
    case tiling::Type::i64:
      return store_from<int64_t>(to);
    case tiling::Type::f32:
      break;
  }
  return HWY_DYNAMIC_DISPATCH(float_conversions)()->store[static_cast<int>(to)];
}

}  // namespace varve::cpu
#endif
