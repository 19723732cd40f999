// Elementary functions of float vectors, within 4 units in the last place of the exact value where
// nothing else is said, and with C's special values (tests/backend/simd_math_test.cpp measures
// both). Polynomials are minimax fits made with Sollya's fpminimax on the interval that each
// comment names.
#if defined(VARVE_BACKEND_CPU_SIMD_MATH_INL_H_) == defined(HWY_TARGET_TOGGLE)
#ifdef VARVE_BACKEND_CPU_SIMD_MATH_INL_H_
#undef VARVE_BACKEND_CPU_SIMD_MATH_INL_H_
#else
#define VARVE_BACKEND_CPU_SIMD_MATH_INL_H_
#endif

#include <cmath>
#include <limits>

#include "hwy/highway.h"

HWY_BEFORE_NAMESPACE();
namespace varve::cpu::HWY_NAMESPACE {
namespace hn = hwy::HWY_NAMESPACE;

using F32 = hn::ScalableTag<float>;
using I32 = hn::RebindToSigned<F32>;
using F64 = hn::ScalableTag<double>;
using U64 = hn::RebindToUnsigned<F64>;
using VF = hn::Vec<F32>;
using VI = hn::Vec<I32>;
using VD = hn::Vec<F64>;
inline constexpr float kInfinity = std::numeric_limits<float>::infinity();

HWY_INLINE VF constant(float c) { return hn::Set(F32(), c); }
HWY_INLINE VI bits_of(VF x) { return hn::BitCast(I32(), x); }
HWY_INLINE VF from_bits(VI x) { return hn::BitCast(F32(), x); }

/// c0 + x (c1 + x (c2 + ...)).
HWY_INLINE VF polynomial(VF, float c) { return constant(c); }
template <class... C>
HWY_INLINE VF polynomial(VF x, float c, C... rest) {
  return hn::MulAdd(polynomial(x, rest...), x, constant(c));
}
HWY_INLINE VD polynomial(VD, double c) { return hn::Set(F64(), c); }
template <class... C>
HWY_INLINE VD polynomial(VD x, double c, C... rest) {
  return hn::MulAdd(polynomial(x, rest...), x, hn::Set(F64(), c));
}

/// c0 + y (c2 + y (c4 + ...)).
HWY_INLINE VF every_other(VF, float c) { return constant(c); }
HWY_INLINE VF every_other(VF, float c, float) { return constant(c); }
template <class... C>
HWY_INLINE VF every_other(VF y, float c, float, C... rest) {
  return hn::MulAdd(every_other(y, rest...), y, constant(c));
}
/// The same as polynomial, with even and odd powers apart: half as many operations wait for one
/// another, and one more is done. For long ones.
template <class... C>
HWY_INLINE VF long_polynomial(VF x, float c, C... rest) {
  const VF y = hn::Mul(x, x);
  return hn::MulAdd(every_other(y, rest...), x, every_other(y, c, rest...));
}

/// f of each lane, one at a time.
template <class D, class F>
HWY_INLINE hn::Vec<D> map_lanes(D d, hn::Vec<D> x, F f) {
  HWY_ALIGN hn::TFromD<D> lanes[hn::MaxLanes(D())];
  hn::Store(x, d, lanes);
  for (size_t i = 0; i < hn::Lanes(d); ++i) lanes[i] = f(lanes[i]);
  return hn::Load(d, lanes);
}
template <class D, class F>
HWY_INLINE hn::Vec<D> map_lanes(D d, hn::Vec<D> x, hn::Vec<D> y, F f) {
  HWY_ALIGN hn::TFromD<D> a[hn::MaxLanes(D())];
  HWY_ALIGN hn::TFromD<D> b[hn::MaxLanes(D())];
  hn::Store(x, d, a);
  hn::Store(y, d, b);
  for (size_t i = 0; i < hn::Lanes(d); ++i) a[i] = f(a[i], b[i]);
  return hn::Load(d, a);
}

/// x within [low, high]; NaN stays, since x86's min and max give their second operand then.
HWY_INLINE VF clamp(VF x, float low, float high) {
  return hn::Max(constant(low), hn::Min(constant(high), x));
}

/// x = n ln 2 + r with n whole and |r| <= ln(2) / 2 (and a rounding error more).
struct ExpReduction {
  VF shifted, n;  // n + 1.5 * 2^23, which has n in its low bits
  VF r;
  VI whole() const { return hn::Sub(bits_of(shifted), bits_of(constant(12582912.f))); }
};
HWY_INLINE ExpReduction reduce_exp(VF x) {
  // Adding 1.5 * 2^23 leaves the nearest integer in the low bits.
  const VF magic = constant(12582912.f);
  const VF t = hn::MulAdd(x, constant(1.44269504f), magic);
  const VF n = hn::Sub(t, magic);
  // ln 2 in two parts; the first has 17 bits, so that n times it is exact without FMA too.
  VF r = hn::NegMulAdd(n, constant(0x1.62e4p-1f), x);
  r = hn::NegMulAdd(n, constant(0x1.7f7d1cp-20f), r);
  return {t, n, r};
}
/// 2^n for -126 <= n <= 127.
HWY_INLINE VF power_of_two(VI n) {
  return from_bits(hn::ShiftLeft<23>(hn::Add(n, hn::Set(I32(), 127))));
}
/// p 2^(n - halvings) for p near 1, rounded once: denormal or infinite where that is.
template <int halvings>
HWY_INLINE VF scale_by_power(VF p, const ExpReduction& e) {
#if HWY_TARGET <= HWY_AVX3
  const VF n = halvings == 0 ? e.n : hn::Sub(e.n, constant(static_cast<float>(halvings)));
  return VF{_mm512_scalef_ps(p.raw, n.raw)};
#else
  // In two steps, since 2^n alone may be denormal or infinite where the result is not.
  const VI n = hn::Sub(e.whole(), hn::Set(I32(), halvings));
  const VI half = hn::ShiftRight<1>(n);
  return hn::Mul(hn::Mul(p, power_of_two(half)), power_of_two(hn::Sub(n, half)));
#endif
}

/// exp(x) / 2^halvings.
template <int halvings = 0>
HWY_INLINE VF simd_exp(VF x) {
  // Beyond these the result is infinite or rounds to 0.
  const ExpReduction e = reduce_exp(clamp(x, -104.5f, 89.f + static_cast<float>(halvings)));
  // (exp(r) - 1 - r) / r^2 on [-0.3475, 0.3475].
  const VF q = polynomial(e.r, 0x1.fffff4p-2f, 0x1.55548cp-3f, 0x1.555dd2p-5f, 0x1.123d6p-7f,
                          0x1.6721e8p-10f);
  const VF p = hn::MulAdd(hn::Mul(e.r, e.r), q, hn::Add(e.r, constant(1.f)));
  return scale_by_power<halvings>(p, e);
}

HWY_INLINE VF simd_expm1(VF x) {
  const ExpReduction reduction = reduce_exp(clamp(x, -18.f, 89.f));
  const VF r = reduction.r;
  // (expm1(r) - r) / r^2 on [-0.3475, 0.3475].
  const VF q =
      polynomial(r, 0x1p-1f, 0x1.5554dcp-3f, 0x1.55556ap-5f, 0x1.120c86p-7f, 0x1.6cad1cp-10f);
  const VF e = hn::MulAdd(hn::Mul(r, r), q, r);
  // 2^n e + (2^n - 1), halved on the way because 2^128 is no float.
  const VF half = power_of_two(hn::Sub(reduction.whole(), hn::Set(I32(), 1)));
  const VF y = hn::MulAdd(half, e, hn::Sub(half, constant(0.5f)));
  return hn::CopySign(hn::Add(y, y), x);
}

/// log(1 + f) for f in [-0.25, 0.5].
HWY_INLINE VF log1p_near_zero(VF f) {
  const VF q =
      polynomial(f, -0x1p-1f, 0x1.55557ep-2f, -0x1.00006ep-2f, 0x1.99788ep-3f, -0x1.54ed7ep-3f,
                 0x1.27a052p-3f, -0x1.0ce6d2p-3f, 0x1.b4ef28p-4f, -0x1.878cacp-5f);
  return hn::MulAdd(hn::Mul(f, f), q, f);
}
/// The exponent, as bits in place, that brings u > 0 into [0.75, 1.5).
HWY_INLINE VI exponent_bits(VF u) {
  const I32 i;
  return hn::And(hn::Sub(bits_of(u), hn::Set(i, 0x3f400000)), hn::Set(i, ~0x7fffff));
}
/// What logarithms give where their argument is not in (0, infinity).
HWY_INLINE VF log_of_special(VF x) {
  const VF nan = constant(std::numeric_limits<float>::quiet_NaN());
  const VF below = hn::IfThenElse(hn::Eq(x, constant(0.f)), constant(-kInfinity), nan);
  return hn::IfThenElse(hn::Le(x, constant(0.f)), below, x);
}
HWY_INLINE auto is_ordinary(VF x) {
  return hn::And(hn::Gt(x, constant(0.f)), hn::Lt(x, constant(kInfinity)));
}

/// x = 2^n (1 + f), f in [-0.25, 0.5), for ordinary x; denormal ones are scaled up first.
struct LogReduction {
  VF n, f;
};
HWY_INLINE LogReduction reduce_log(VF x) {
  const auto tiny = hn::Lt(x, constant(0x1p-126f));
  const VF u = hn::IfThenElse(tiny, hn::Mul(x, constant(0x1p23f)), x);
  const VI e = exponent_bits(u);
  const VF f = hn::Sub(from_bits(hn::Sub(bits_of(u), e)), constant(1.f));
  const VF n = hn::MulAdd(hn::ConvertTo(F32(), e), constant(0x1p-23f),
                          hn::IfThenElseZero(tiny, constant(-23.f)));
  return {n, f};
}

HWY_INLINE VF simd_log(VF x) {
  const auto [n, f] = reduce_log(x);
  const VF y = hn::MulAdd(n, constant(0.693147181f), log1p_near_zero(f));
  return hn::IfThenElse(is_ordinary(x), y, log_of_special(x));
}

HWY_INLINE VF simd_log2(VF x) {
  const auto [n, f] = reduce_log(x);
  // 1 / ln 2 in two parts: with one, values near x = 1 would lose half a unit more.
  const VF l = log1p_near_zero(f);
  const VF y = hn::MulAdd(l, constant(0x1.715476p0f), hn::Mul(l, constant(0x1.4ae0cp-26f)));
  return hn::IfThenElse(is_ordinary(x), hn::Add(y, n), log_of_special(x));
}

HWY_INLINE VF simd_log1p(VF x) {
  const VF u = hn::Add(x, constant(1.f));
  const VI e = exponent_bits(u);
  // f = 2^-e (1 + x) - 1, from x itself: 1 + x has lost its low bits.
  const VF scale = from_bits(hn::Sub(hn::Set(I32(), 0x40800000), e));  // 4 * 2^-e
  const VF f = hn::Add(from_bits(hn::Sub(bits_of(x), e)),
                       hn::MulAdd(scale, constant(0.25f), constant(-1.f)));
  const VF n = hn::Mul(hn::ConvertTo(F32(), e), constant(0x1p-23f));
  const VF y = hn::MulAdd(n, constant(0.693147181f), log1p_near_zero(f));
  return hn::IfThenElse(is_ordinary(u), hn::CopySign(y, x), log_of_special(u));
}

/// (2^r - 1) / r on [-0.5, 0.5].
HWY_INLINE VF exp2_slope(VF r) {
  return long_polynomial(r, 0x1.62e43p-1f, 0x1.ebfbdep-3f, 0x1.c6af6ep-5f, 0x1.3b2bap-7f,
                         0x1.5f07dcp-10f, 0x1.4308fap-13f);
}
/// 2^u = power (1 + rest), power a power of two; u within [-126, 127].
struct PowerOfTwo {
  VF power, rest;
};
HWY_INLINE PowerOfTwo power_of_two_near(VF u) {
  // Adding 1.5 * 2^23 leaves the nearest integer in the low bits, which alone outlive the shift.
  const VF magic = constant(12582912.f), shifted = hn::Add(u, magic);
  const VF r = hn::Sub(u, hn::Sub(shifted, magic));
  return {from_bits(hn::Add(hn::ShiftLeft<23>(bits_of(shifted)), bits_of(constant(1.f)))),
          hn::Mul(r, exp2_slope(r))};
}
/// 2^u; u within [-126, 127].
HWY_INLINE VF exp2_within(VF u) {
#if HWY_TARGET <= HWY_AVX3
  const VF r{_mm512_reduce_ps(u.raw, 0)};  // u less the nearest integer
  const VF p = hn::MulAdd(r, exp2_slope(r), constant(1.f));
  return VF{_mm512_scalef_ps(p.raw, hn::Sub(u, r).raw)};
#else
  const PowerOfTwo p = power_of_two_near(u);
  return hn::MulAdd(p.power, p.rest, p.power);
#endif
}

/// erf(t) = 1 - 2^(t g) of t = |x|, with g = log2(erfc(t)) / t.
HWY_INLINE VF simd_erf(VF x) {
  // erf rounds to 1 from 4 on; Min gives its second operand where one is NaN.
  const VF t = hn::Min(constant(4.f), hn::Abs(x));
  // On [0, 4], weighted by what an error of g does to erf.
  const VF g = long_polynomial(t, -0x1.a0be84p+0f, -0x1.d63ec4p-1f, -0x1.2fabe2p-3f, 0x1.c4b918p-6f,
                               0x1.e552e8p-13f, -0x1.3b3b62p-9f, 0x1.deacbp-11f, -0x1.63ef3cp-13f,
                               0x1.c017dap-17f);
  const PowerOfTwo p = power_of_two_near(hn::Mul(t, g));
  const VF one = constant(1.f);
  return hn::CopySign(hn::NegMulAdd(p.power, p.rest, hn::Sub(one, p.power)), x);
}

/// x / 2 times erfc(t / sqrt 2) on the left and 2 - erfc(t / sqrt 2) on the right, t = |x|: nothing
/// cancels. erfc(t / sqrt 2) = 2^(t g), which below -1 is within 2e-6 of the value and 1e-9.
HWY_INLINE VF simd_gelu(VF x) {
  const VF size = hn::Abs(x), t = hn::Min(constant(12.9f), size);
  // On [0, 13.2], weighted by what an error of g does to the result.
  const VF g =
      long_polynomial(t, -0x1.26aeecp+0f, -0x1.d6385ap-2f, -0x1.ae1cd2p-5f, 0x1.ccdcc8p-8f,
                      -0x1.01f7f4p-14f, -0x1.0bc816p-12f, 0x1.2c7672p-14f, -0x1.6918e2p-17f,
                      0x1.008186p-20f, -0x1.8ef40ap-25f, 0x1.032324p-30f);
  const VF tail = hn::IfThenElseZero(hn::Lt(size, constant(13.f)), exp2_within(hn::Mul(t, g)));
  const VF weight = hn::IfThenElse(hn::Lt(x, constant(0.f)), tail, hn::Sub(constant(2.f), tail));
  return hn::Mul(hn::Mul(x, constant(0.5f)), weight);
}

/// log2 of positive normal doubles to 2^-38, enough for a float's power.
HWY_INLINE VD log2_for_power(VD x) {
  const F64 d;
  const U64 u;
  // The biased exponent that brings x into [sqrt(1/2), sqrt(2)).
  const auto bits = hn::BitCast(u, x);
  const auto biased = hn::ShiftRight<52>(
      hn::Add(hn::Sub(bits, hn::Set(u, 0x3fe6a09e667f3bcd)), hn::Set(u, uint64_t{1023} << 52)));
  const auto shifted = hn::Sub(biased, hn::Set(u, 1023));
  const VD m = hn::BitCast(d, hn::Sub(bits, hn::ShiftLeft<52>(shifted)));
  // As a double: put under the bits of 2^52.
  const VD e = hn::Sub(hn::BitCast(d, hn::Or(biased, hn::Set(u, 0x4330000000000000))),
                       hn::Set(d, 0x1p52 + 1023));
  const VD one = hn::Set(d, 1.0);
  const VD s = hn::Div(hn::Sub(m, one), hn::Add(m, one));
  // log2((1 + s) / (1 - s)) / s on |s| < 0.1717.
  const VD p = polynomial(hn::Mul(s, s), 0x1.71547652beeb3p1, 0x1.ec709d11d001fp-1,
                          0x1.277780b3d56bcp-1, 0x1.a58d2421bf87cp-2, 0x1.5ceff4d922b77p-2);
  return hn::MulAdd(s, p, e);
}
/// 2^x to 2^-34; x within [-1000, 1000].
HWY_INLINE VD exp2_for_power(VD x) {
  const F64 d;
  const U64 u;
  const VD magic = hn::Set(d, 0x1.8p52);
  const VD t = hn::Add(x, magic);
  const VD f = hn::Sub(x, hn::Sub(t, magic));
  const VD p = polynomial(f, 1.0, 0x1.62e42ff18ada3p-1, 0x1.ebfbe079a70bfp-3, 0x1.c6b089c3efd9ep-5,
                          0x1.3b29f216e1697p-7, 0x1.5d8b5ce6335ddp-10, 0x1.445d892127958p-13,
                          0x1.fd0886ac6b956p-17);
  return hn::BitCast(d, hn::Add(hn::BitCast(u, p), hn::ShiftLeft<52>(hn::BitCast(u, t))));
}
/// x^y for x >= 0, but for the cases where one of them is NaN, or x = 1, or y = 0.
template <class VHalf>
HWY_INLINE VHalf power_of_half(VHalf x, VHalf y) {
  const F64 d;
  const VD a = hn::PromoteTo(d, x), b = hn::PromoteTo(d, y);
  const VD infinity = hn::Set(d, std::numeric_limits<double>::infinity());
  VD l = log2_for_power(a);
  l = hn::IfThenElse(hn::Eq(a, hn::Zero(d)), hn::Neg(infinity), l);
  l = hn::IfThenElse(hn::Eq(a, infinity), infinity, l);
  // 2^+-200 is out of a float's range.
  const VD t = hn::Max(hn::Set(d, -200.0), hn::Min(hn::Set(d, 200.0), hn::Mul(l, b)));
  return hn::DemoteTo(hn::Rebind<float, F64>(), exp2_for_power(t));
}
HWY_INLINE VF simd_pow(VF x, VF y) {
  const F32 d;
  const VF zero = constant(0.f), one = constant(1.f), size = hn::Abs(x);
  const hn::Half<F32> half;
  const VF r = hn::Combine(d, power_of_half(hn::UpperHalf(half, size), hn::UpperHalf(half, y)),
                           power_of_half(hn::LowerHalf(half, size), hn::LowerHalf(half, y)));
  const auto whole = hn::Eq(hn::Round(y), y);  // the infinities too
  // From 2^24 on every float is even.
  const auto small = hn::Lt(hn::Abs(y), constant(0x1p24f));
  const VI last = hn::And(hn::ConvertTo(I32(), hn::IfThenElseZero(small, y)), hn::Set(I32(), 1));
  const auto odd = hn::And(whole, hn::RebindMask(d, hn::Ne(last, hn::Zero(I32()))));
  const VF sign = hn::And(x, constant(-0.f));
  VF p = hn::IfThenElse(odd, hn::Or(r, sign), r);
  const auto negative = hn::And(hn::Lt(x, zero), hn::Lt(size, constant(kInfinity)));
  const VF nan = constant(std::numeric_limits<float>::quiet_NaN());
  p = hn::IfThenElse(hn::AndNot(whole, negative), nan, p);
  const auto is_nan = hn::Or(hn::IsNaN(x), hn::IsNaN(y));
  p = hn::IfThenElse(is_nan, nan, p);
  const auto unit = hn::And(hn::Eq(size, one), hn::Eq(hn::Abs(y), constant(kInfinity)));
  return hn::IfThenElse(hn::Or(hn::Or(hn::Eq(x, one), hn::Eq(y, zero)), unit), one, p);
}

}  // namespace varve::cpu::HWY_NAMESPACE
HWY_AFTER_NAMESPACE();

#endif  // include guard
