// Parts of vectors of floats: loads and stores that touch nothing beyond the first n elements.
#if defined(VARVE_BACKEND_CPU_SIMD_PARTIAL_INL_H_) == defined(HWY_TARGET_TOGGLE)
#ifdef VARVE_BACKEND_CPU_SIMD_PARTIAL_INL_H_
#undef VARVE_BACKEND_CPU_SIMD_PARTIAL_INL_H_
#else
#define VARVE_BACKEND_CPU_SIMD_PARTIAL_INL_H_
#endif

#include <cstring>

#include "hwy/highway.h"
#include "varve/types.h"

HWY_BEFORE_NAMESPACE();
namespace varve::cpu::HWY_NAMESPACE {
namespace hn = hwy::HWY_NAMESPACE;

// SSE4's masked loads and stores touch whole vectors, and so do AVX2's loads of less than 32 bits:
// there the elements go through an array.

/// n elements, as many as a vector has at most, and `rest` in the other lanes.
template <class D>
HWY_INLINE hn::Vec<D> load_some(D d, const hn::TFromD<D>* x, size_t n, hn::TFromD<D> rest) {
  if constexpr (HWY_TARGET == HWY_SSE4 ||
                (HWY_TARGET == HWY_AVX2 && sizeof(hn::TFromD<D>) < sizeof(float))) {
    HWY_ALIGN hn::TFromD<D> lanes[hn::MaxLanes(D())];
    for (size_t i = 0; i < hn::MaxLanes(D()); ++i) lanes[i] = i < n ? x[i] : rest;
    return hn::Load(d, lanes);
  } else {
    const auto mask = hn::FirstN(d, n);
    return hn::IfThenElse(mask, hn::MaskedLoad(mask, d, x), hn::Set(d, rest));
  }
}

template <class D>
HWY_INLINE void store_some(D d, hn::Vec<D> v, hn::TFromD<D>* x, size_t n) {
#if HWY_TARGET == HWY_SSE4
  HWY_ALIGN hn::TFromD<D> lanes[hn::MaxLanes(D())];
  hn::Store(v, d, lanes);
  std::memcpy(x, lanes, n * sizeof(hn::TFromD<D>));
#else
  hn::BlendedStore(v, hn::FirstN(d, n), d, x);
#endif
}

/// The floats that bf16 holds: a vector of them, or n with 0 in the other lanes.
HWY_INLINE hn::Vec<hn::ScalableTag<float>> widened(
    hn::Vec<hn::Rebind<uint16_t, hn::ScalableTag<float>>> bits) {
  const hn::ScalableTag<float> d;
  return hn::BitCast(d,
                     hn::ShiftLeft<16>(hn::PromoteTo(hn::RebindToUnsigned<decltype(d)>(), bits)));
}
HWY_INLINE hn::Vec<hn::ScalableTag<float>> load_wide(const BFloat16* x) {
  const hn::Rebind<uint16_t, hn::ScalableTag<float>> d;
  return widened(hn::LoadU(d, reinterpret_cast<const uint16_t*>(x)));
}
HWY_INLINE hn::Vec<hn::ScalableTag<float>> load_wide(const BFloat16* x, size_t n) {
  const hn::Rebind<uint16_t, hn::ScalableTag<float>> d;
  return widened(load_some(d, reinterpret_cast<const uint16_t*>(x), n, 0));
}

/// What bf16 holds of floats: rounded to the nearest, ties to even; NaN stays, quiet.
HWY_INLINE hn::Vec<hn::Rebind<uint16_t, hn::ScalableTag<float>>> narrowed(
    hn::Vec<hn::ScalableTag<float>> v) {
  const hn::RebindToUnsigned<hn::ScalableTag<float>> d;
  const hn::RebindToSigned<hn::ScalableTag<float>> i;
  const auto bits = hn::BitCast(d, v), upper = hn::ShiftRight<16>(bits);
  const auto odd = hn::And(upper, hn::Set(d, 1u));
  const auto rounded = hn::ShiftRight<16>(hn::Add(bits, hn::Add(odd, hn::Set(d, 0x7fffu))));
  const auto nan = hn::RebindMask(d, hn::IsNaN(v));
  const auto half = hn::IfThenElse(nan, hn::Or(upper, hn::Set(d, 0x40u)), rounded);
  return hn::DemoteTo(hn::Rebind<uint16_t, hn::ScalableTag<float>>(), hn::BitCast(i, half));
}

}  // namespace varve::cpu::HWY_NAMESPACE
HWY_AFTER_NAMESPACE();

#endif  // include guard
