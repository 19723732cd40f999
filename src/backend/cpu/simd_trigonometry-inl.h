// The trigonometric functions of float vectors; what simd_math-inl.h says of accuracy holds here.
#if defined(VARVE_BACKEND_CPU_SIMD_TRIGONOMETRY_INL_H_) == defined(HWY_TARGET_TOGGLE)
#ifdef VARVE_BACKEND_CPU_SIMD_TRIGONOMETRY_INL_H_
#undef VARVE_BACKEND_CPU_SIMD_TRIGONOMETRY_INL_H_
#else
#define VARVE_BACKEND_CPU_SIMD_TRIGONOMETRY_INL_H_
#endif

#include <cmath>

#include "backend/cpu/simd_math-inl.h"

HWY_BEFORE_NAMESPACE();
namespace varve::cpu::HWY_NAMESPACE {

/// x = n pi / 2 + r with |r| <= pi / 4 (and a rounding error more); q ends in the bits of n.
struct QuarterTurns {
  VI q;
  VF r;
};
/// Is |x| small enough in all lanes for three parts of pi / 2? They need FMA, too.
HWY_INLINE bool small_angles(VF x) {
  return HWY_NATIVE_FMA != 0 && hn::AllTrue(F32(), hn::Lt(hn::Abs(x), constant(48000.f)));
}
HWY_INLINE QuarterTurns reduce_angle(VF x) {
  const VF magic = constant(12582912.f);
  const VF t = hn::MulAdd(x, constant(0x1.45f306p-1f), magic);  // 2 / pi
  const VF n = hn::Sub(t, magic);
  VF r = hn::NegMulAdd(n, constant(0x1.921fb0p0f), x);
  r = hn::NegMulAdd(n, constant(0x1.5110b4p-22f), r);
  r = hn::NegMulAdd(n, constant(0x1.846988p-48f), r);
  return {bits_of(t), r};
}
HWY_INLINE auto is_odd(VI q) {
  return hn::RebindMask(F32(), hn::Ne(hn::And(q, hn::Set(I32(), 1)), hn::Zero(I32())));
}

/// sin(x + quarter * pi / 2) for small angles.
HWY_INLINE VF sine_of_small(VF x, int quarter) {
  const auto [turns, r] = reduce_angle(x);
  const VI q = hn::Add(turns, hn::Set(I32(), quarter));
  const VF s = hn::Mul(r, r);
  // (sin(r) - r) / r^3 and (cos(r) - 1 + r^2 / 2) / r^4 on [0, pi / 4].
  const VF sin_q =
      polynomial(s, -0x1.555556p-3f, 0x1.111198p-7f, -0x1.a0830cp-13f, 0x1.8774c8p-19f);
  const VF cos_q = polynomial(s, 0x1.55554ap-5f, -0x1.6c0c2ep-10f, 0x1.99eac8p-16f);
  const VF sine = hn::MulAdd(hn::Mul(r, s), sin_q, r);
  const VF cosine =
      hn::MulAdd(hn::Mul(s, s), cos_q, hn::NegMulAdd(s, constant(0.5f), constant(1.f)));
  const VF sign = from_bits(hn::ShiftLeft<30>(hn::And(q, hn::Set(I32(), 2))));
  return hn::Xor(hn::IfThenElse(is_odd(q), cosine, sine), sign);
}
HWY_INLINE VF simd_sin(VF x) {
  if (!small_angles(x)) {
    return map_lanes(F32(), x, [](float v) { return static_cast<float>(std::sin(double{v})); });
  }
  return hn::IfThenElse(hn::Eq(x, constant(0.f)), x, sine_of_small(x, 0));  // the sign of zero
}
HWY_INLINE VF simd_cos(VF x) {
  if (!small_angles(x)) {
    return map_lanes(F32(), x, [](float v) { return static_cast<float>(std::cos(double{v})); });
  }
  return sine_of_small(x, 1);
}
HWY_INLINE VF simd_tan(VF x) {
  if (!small_angles(x)) {
    return map_lanes(F32(), x, [](float v) { return static_cast<float>(std::tan(double{v})); });
  }
  const auto [q, r] = reduce_angle(x);
  const VF s = hn::Mul(r, r);
  // (tan(r) - r) / r^3 on [0, pi / 4].
  const VF p = polynomial(s, 0x1.555556p-2f, 0x1.111072p-3f, 0x1.ba5724p-5f, 0x1.62094ap-6f,
                          0x1.4794c6p-7f, 0x1.2a8088p-10f, 0x1.fade36p-9f);
  const VF t = hn::MulAdd(hn::Mul(r, s), p, r);
  const VF y = hn::IfThenElse(is_odd(q), hn::Div(constant(-1.f), t), t);
  return hn::IfThenElse(hn::Eq(x, constant(0.f)), x, y);
}

/// asin(x) for |x| <= 0.5.
HWY_INLINE VF asin_of_small(VF x) {
  const VF s = hn::Mul(x, x);
  // (asin(x) - x) / x^3 on [0, 0.5].
  const VF p = polynomial(s, 0x1.555554p-3f, 0x1.3334c8p-4f, 0x1.6d4032p-5f, 0x1.ff9494p-6f,
                          0x1.10abf6p-6f, 0x1.1a258cp-5f);
  return hn::MulAdd(hn::Mul(x, s), p, x);
}
/// 2 asin(sqrt((1 - x) / 2)) = acos(x) for x in [0.5, 1]; NaN beyond 1.
HWY_INLINE VF acos_near_one(VF x) {
  const VF half = hn::Mul(hn::Sub(constant(1.f), x), constant(0.5f));
  const VF a = asin_of_small(hn::Sqrt(half));
  return hn::Add(a, a);
}
// pi / 2 and pi in two parts each.
inline constexpr float kHalfPi = 0x1.921fb6p0f, kHalfPiRest = -0x1.777a5cp-25f;

HWY_INLINE VF simd_asin(VF x) {
  const VF size = hn::Abs(x);
  const VF far = hn::Add(hn::Sub(constant(kHalfPi), acos_near_one(size)), constant(kHalfPiRest));
  const VF y = hn::IfThenElse(hn::Lt(size, constant(0.5f)), asin_of_small(size), far);
  return hn::CopySign(y, x);
}
HWY_INLINE VF simd_acos(VF x) {
  const VF size = hn::Abs(x), far = acos_near_one(size);
  const VF other = hn::Sub(constant(2 * kHalfPi), hn::Sub(far, constant(2 * kHalfPiRest)));
  const VF near = hn::Sub(constant(kHalfPi), hn::Sub(asin_of_small(x), constant(kHalfPiRest)));
  const VF outside = hn::IfThenElse(hn::Lt(x, constant(0.f)), other, far);
  return hn::IfThenElse(hn::Lt(size, constant(0.5f)), near, outside);
}

/// atan(x) for 0 <= x <= 1.
HWY_INLINE VF atan_of_small(VF x) {
  const VF s = hn::Mul(x, x);
  // (atan(x) - x) / x^3 on [0, 1].
  const VF p =
      polynomial(s, -0x1.555554p-2f, 0x1.999832p-3f, -0x1.246ce4p-3f, 0x1.c3f7fep-4f,
                 -0x1.62baf8p-4f, 0x1.005ebp-4f, -0x1.26cceep-5f, 0x1.bd14p-7f, -0x1.3b6c6ap-9f);
  return hn::MulAdd(hn::Mul(x, s), p, x);
}
HWY_INLINE VF simd_atan(VF x) {
  const VF size = hn::Abs(x), one = constant(1.f);
  const auto far = hn::Gt(size, one);
  const VF a = atan_of_small(hn::IfThenElse(far, hn::Div(one, size), size));
  const VF y =
      hn::IfThenElse(far, hn::Sub(constant(kHalfPi), hn::Sub(a, constant(kHalfPiRest))), a);
  return hn::CopySign(y, x);
}
HWY_INLINE VF simd_atan2(VF y, VF x) {
  const F32 d;
  const VF zero = hn::Zero(d), one = constant(1.f), infinity = constant(kInfinity);
  const VF ax = hn::Abs(x), ay = hn::Abs(y);
  const auto steep = hn::Gt(ay, ax);
  const VF low = hn::IfThenElse(steep, ax, ay), high = hn::IfThenElse(steep, ay, ax);
  // 0 / 0 counts as 0 and infinity / infinity as 1.
  VF t = hn::IfThenElse(hn::Eq(high, zero), zero, hn::Div(low, high));
  t = hn::IfThenElse(hn::Eq(low, infinity), one, t);
  VF a = atan_of_small(t);
  a = hn::IfThenElse(steep, hn::Sub(constant(kHalfPi), hn::Sub(a, constant(kHalfPiRest))), a);
  const auto left = hn::MaskFromVec(from_bits(hn::BroadcastSignBit(bits_of(x))));
  a = hn::IfThenElse(left, hn::Sub(constant(2 * kHalfPi), hn::Sub(a, constant(2 * kHalfPiRest))),
                     a);
  a = hn::CopySign(a, y);
  return hn::IfThenElse(hn::Or(hn::IsNaN(x), hn::IsNaN(y)), hn::Add(x, y), a);
}

}  // namespace varve::cpu::HWY_NAMESPACE
HWY_AFTER_NAMESPACE();

#endif  // include guard
