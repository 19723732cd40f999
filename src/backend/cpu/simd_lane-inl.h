// The SIMD lane of the pointwise functions: a vector of floats or doubles.
#if defined(VARVE_BACKEND_CPU_SIMD_LANE_INL_H_) == defined(HWY_TARGET_TOGGLE)
#ifdef VARVE_BACKEND_CPU_SIMD_LANE_INL_H_
#undef VARVE_BACKEND_CPU_SIMD_LANE_INL_H_
#else
#define VARVE_BACKEND_CPU_SIMD_LANE_INL_H_
#endif

#include <cmath>
#include <limits>
#include <type_traits>

#include "backend/cpu/simd_hyperbolic-inl.h"
#include "backend/cpu/simd_math-inl.h"
#include "backend/cpu/simd_trigonometry-inl.h"
#include "base/plain_lane.h"
#include "base/pointwise.h"

HWY_BEFORE_NAMESPACE();
namespace varve::cpu::HWY_NAMESPACE {

template <class T>
struct SimdMask {
  hn::Mask<hn::ScalableTag<T>> m;
  friend HWY_INLINE SimdMask operator&(SimdMask a, SimdMask b) { return {hn::And(a.m, b.m)}; }
  friend HWY_INLINE SimdMask operator|(SimdMask a, SimdMask b) { return {hn::Or(a.m, b.m)}; }
  friend HWY_INLINE SimdMask operator^(SimdMask a, SimdMask b) { return {hn::Xor(a.m, b.m)}; }
};

template <class T>
struct Simd {
  using Scalar = T;
  using D = hn::ScalableTag<T>;
  using Mask = SimdMask<T>;
  static HWY_INLINE Simd constant(double c) { return {hn::Set(D(), static_cast<T>(c))}; }
  hn::Vec<D> v;

  friend HWY_INLINE Simd operator+(Simd a, Simd b) { return {hn::Add(a.v, b.v)}; }
  friend HWY_INLINE Simd operator-(Simd a, Simd b) { return {hn::Sub(a.v, b.v)}; }
  friend HWY_INLINE Simd operator*(Simd a, Simd b) { return {hn::Mul(a.v, b.v)}; }
  friend HWY_INLINE Simd operator/(Simd a, Simd b) { return {hn::Div(a.v, b.v)}; }
  friend HWY_INLINE Simd operator-(Simd a) { return {hn::Neg(a.v)}; }
  friend HWY_INLINE Mask operator==(Simd a, Simd b) { return {hn::Eq(a.v, b.v)}; }
  // Not hn::Ne, which on AVX says false where one of them is NaN.
  friend HWY_INLINE Mask operator!=(Simd a, Simd b) { return {hn::Not(hn::Eq(a.v, b.v))}; }
  friend HWY_INLINE Mask operator<(Simd a, Simd b) { return {hn::Lt(a.v, b.v)}; }
  friend HWY_INLINE Mask operator<=(Simd a, Simd b) { return {hn::Le(a.v, b.v)}; }
  friend HWY_INLINE Mask operator>(Simd a, Simd b) { return {hn::Gt(a.v, b.v)}; }
  friend HWY_INLINE Mask operator>=(Simd a, Simd b) { return {hn::Ge(a.v, b.v)}; }
};

template <class T>
HWY_INLINE Simd<T> choose(SimdMask<T> m, Simd<T> a, Simd<T> b) {
  return {hn::IfThenElse(m.m, a.v, b.v)};
}
template <class L>
HWY_INLINE L truth(typename L::Mask m) {
  return {hn::IfThenElseZero(m.m, L::constant(1).v)};
}
template <class T>
HWY_INLINE Simd<T> absolute(Simd<T> x) {
  return {hn::Abs(x.v)};
}
template <class T>
HWY_INLINE SimdMask<T> is_infinite(Simd<T> x) {
  return absolute(x) == Simd<T>::constant(std::numeric_limits<double>::infinity());
}
template <class T>
HWY_INLINE SimdMask<T> is_finite_number(Simd<T> x) {
  return absolute(x) < Simd<T>::constant(std::numeric_limits<double>::infinity());
}
// x86's max and min give their second operand where either is NaN.
template <class T>
HWY_INLINE Simd<T> maximum(Simd<T> a, Simd<T> b) {
  return {hn::IfThenElse(hn::IsNaN(a.v), a.v, hn::Max(a.v, b.v))};
}
template <class T>
HWY_INLINE Simd<T> minimum(Simd<T> a, Simd<T> b) {
  return {hn::IfThenElse(hn::IsNaN(a.v), a.v, hn::Min(a.v, b.v))};
}

// clang-format off
template <class T> HWY_INLINE Simd<T> square_root(Simd<T> x) { return {hn::Sqrt(x.v)}; }
template <class T> HWY_INLINE Simd<T> round_down(Simd<T> x) { return {hn::Floor(x.v)}; }
template <class T> HWY_INLINE Simd<T> round_up(Simd<T> x) { return {hn::Ceil(x.v)}; }
template <class T> HWY_INLINE Simd<T> round_to_zero(Simd<T> x) { return {hn::Trunc(x.v)}; }
template <class T> HWY_INLINE Simd<T> round_to_even(Simd<T> x) { return {hn::Round(x.v)}; }
// clang-format on

/// The C library's function of each lane; a float's in double, which rounds it to within half a
/// unit or a hair more.
template <class T, class F>
HWY_INLINE Simd<T> by_lane(Simd<T> x, F f) {
  return {map_lanes(hn::ScalableTag<T>(), x.v,
                    [f](T a) { return static_cast<T>(f(static_cast<double>(a))); })};
}
template <class T, class F>
HWY_INLINE Simd<T> by_lane(Simd<T> x, Simd<T> y, F f) {
  return {map_lanes(hn::ScalableTag<T>(), x.v, y.v, f)};
}
template <class T>
HWY_INLINE Simd<T> floor_divide(Simd<T> x, Simd<T> y) {
  return by_lane(
      x, y, [](T a, T b) { return plain::floor_divide(plain::Lane<T>{a}, plain::Lane<T>{b}).v; });
}
template <class T>
HWY_INLINE Simd<T> remainder(Simd<T> x, Simd<T> y) {
  return by_lane(x, y,
                 [](T a, T b) { return plain::remainder(plain::Lane<T>{a}, plain::Lane<T>{b}).v; });
}
template <class T>
HWY_INLINE Simd<T> cut_remainder(Simd<T> x, Simd<T> y) {
  return by_lane(
      x, y, [](T a, T b) { return plain::cut_remainder(plain::Lane<T>{a}, plain::Lane<T>{b}).v; });
}
HWY_INLINE Simd<double> atan2_(Simd<double> y, Simd<double> x) {
  return by_lane(y, x, [](double a, double b) { return std::atan2(a, b); });
}
HWY_INLINE Simd<float> atan2_(Simd<float> y, Simd<float> x) { return {simd_atan2(y.v, x.v)}; }

// clang-format off
HWY_INLINE Simd<double> tan_(Simd<double> x) { return by_lane(x, [](double a) { return std::tan(a); }); }
HWY_INLINE Simd<float> tan_(Simd<float> x) { return {simd_tan(x.v)}; }
HWY_INLINE Simd<double> asin_(Simd<double> x) { return by_lane(x, [](double a) { return std::asin(a); }); }
HWY_INLINE Simd<float> asin_(Simd<float> x) { return {simd_asin(x.v)}; }
HWY_INLINE Simd<double> acos_(Simd<double> x) { return by_lane(x, [](double a) { return std::acos(a); }); }
HWY_INLINE Simd<float> acos_(Simd<float> x) { return {simd_acos(x.v)}; }
HWY_INLINE Simd<double> atan_(Simd<double> x) { return by_lane(x, [](double a) { return std::atan(a); }); }
HWY_INLINE Simd<float> atan_(Simd<float> x) { return {simd_atan(x.v)}; }
HWY_INLINE Simd<double> sinh_(Simd<double> x) { return by_lane(x, [](double a) { return std::sinh(a); }); }
HWY_INLINE Simd<float> sinh_(Simd<float> x) { return {simd_sinh(x.v)}; }
HWY_INLINE Simd<double> cosh_(Simd<double> x) { return by_lane(x, [](double a) { return std::cosh(a); }); }
HWY_INLINE Simd<float> cosh_(Simd<float> x) { return {simd_cosh(x.v)}; }
HWY_INLINE Simd<double> asinh_(Simd<double> x) { return by_lane(x, [](double a) { return std::asinh(a); }); }
HWY_INLINE Simd<float> asinh_(Simd<float> x) { return {simd_asinh(x.v)}; }
HWY_INLINE Simd<double> acosh_(Simd<double> x) { return by_lane(x, [](double a) { return std::acosh(a); }); }
HWY_INLINE Simd<float> acosh_(Simd<float> x) { return {simd_acosh(x.v)}; }
HWY_INLINE Simd<double> atanh_(Simd<double> x) { return by_lane(x, [](double a) { return std::atanh(a); }); }
HWY_INLINE Simd<float> atanh_(Simd<float> x) { return {simd_atanh(x.v)}; }
HWY_INLINE Simd<double> gelu_(Simd<double> x) { return by_lane(x, [](double a) { return plain::gelu_(plain::Lane<double>{a}).v; }); }
HWY_INLINE Simd<float> gelu_(Simd<float> x) { return {simd_gelu(x.v)}; }
template <class T> HWY_INLINE Simd<T> erfc_(Simd<T> x) { return by_lane(x, [](double a) { return std::erfc(a); }); }

HWY_INLINE Simd<float> exp_(Simd<float> x) { return {simd_exp(x.v)}; }
HWY_INLINE Simd<float> expm1_(Simd<float> x) { return {simd_expm1(x.v)}; }
HWY_INLINE Simd<float> log_(Simd<float> x) { return {simd_log(x.v)}; }
HWY_INLINE Simd<float> log1p_(Simd<float> x) { return {simd_log1p(x.v)}; }
HWY_INLINE Simd<float> log2_(Simd<float> x) { return {simd_log2(x.v)}; }
HWY_INLINE Simd<float> sin_(Simd<float> x) { return {simd_sin(x.v)}; }
HWY_INLINE Simd<float> cos_(Simd<float> x) { return {simd_cos(x.v)}; }
HWY_INLINE Simd<float> tanh_(Simd<float> x) { return {simd_tanh(x.v)}; }
HWY_INLINE Simd<float> erf_(Simd<float> x) { return {simd_erf(x.v)}; }
HWY_INLINE Simd<float> power(Simd<float> x, Simd<float> y) { return {simd_pow(x.v, y.v)}; }

HWY_INLINE Simd<double> exp_(Simd<double> x) { return by_lane(x, [](double a) { return std::exp(a); }); }
HWY_INLINE Simd<double> expm1_(Simd<double> x) { return by_lane(x, [](double a) { return std::expm1(a); }); }
HWY_INLINE Simd<double> log_(Simd<double> x) { return by_lane(x, [](double a) { return std::log(a); }); }
HWY_INLINE Simd<double> log1p_(Simd<double> x) { return by_lane(x, [](double a) { return std::log1p(a); }); }
HWY_INLINE Simd<double> log2_(Simd<double> x) { return by_lane(x, [](double a) { return std::log2(a); }); }
HWY_INLINE Simd<double> sin_(Simd<double> x) { return by_lane(x, [](double a) { return std::sin(a); }); }
HWY_INLINE Simd<double> cos_(Simd<double> x) { return by_lane(x, [](double a) { return std::cos(a); }); }
HWY_INLINE Simd<double> tanh_(Simd<double> x) { return by_lane(x, [](double a) { return std::tanh(a); }); }
HWY_INLINE Simd<double> erf_(Simd<double> x) { return by_lane(x, [](double a) { return std::erf(a); }); }
HWY_INLINE Simd<double> power(Simd<double> x, Simd<double> y) {
  return by_lane(x, y, [](double a, double b) { return std::pow(a, b); });
}
// clang-format on

#include "base/pointwise_functors.inc"

}  // namespace varve::cpu::HWY_NAMESPACE
HWY_AFTER_NAMESPACE();

#endif  // include guard
