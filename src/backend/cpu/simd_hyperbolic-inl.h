// The hyperbolic functions of float vectors; what simd_math-inl.h says of accuracy holds here.
#if defined(VARVE_BACKEND_CPU_SIMD_HYPERBOLIC_INL_H_) == defined(HWY_TARGET_TOGGLE)
#ifdef VARVE_BACKEND_CPU_SIMD_HYPERBOLIC_INL_H_
#undef VARVE_BACKEND_CPU_SIMD_HYPERBOLIC_INL_H_
#else
#define VARVE_BACKEND_CPU_SIMD_HYPERBOLIC_INL_H_
#endif

#include "backend/cpu/simd_math-inl.h"

HWY_BEFORE_NAMESPACE();
namespace varve::cpu::HWY_NAMESPACE {

/// tanh: a polynomial below 0.625, 1 - 2 / (exp(2 |x|) + 1) from there on.
HWY_INLINE VF simd_tanh(VF x) {
  const VF size = hn::Abs(x), s = hn::Mul(x, x);
  // (tanh(x) - x) / x^3 on [0, 0.625].
  const VF q = polynomial(s, -0x1.555552p-2f, 0x1.110e04p-3f, -0x1.b92222p-5f, 0x1.57eddap-6f,
                          -0x1.8f2868p-8f);
  const VF small = hn::MulAdd(hn::Mul(x, s), q, x);
  // From 9.02 on tanh rounds to 1.
  const VF e = simd_exp(hn::Min(constant(20.f), hn::Add(size, size)));
  const VF large = hn::Sub(constant(1.f), hn::Div(constant(2.f), hn::Add(e, constant(1.f))));
  return hn::CopySign(hn::IfThenElse(hn::Lt(size, constant(0.625f)), small, large), x);
}

HWY_INLINE VF simd_sinh(VF x) {
  const VF size = hn::Abs(x), s = hn::Mul(x, x);
  // (sinh(x) - x) / x^3 on [0, 1].
  const VF q = polynomial(s, 0x1.555556p-3f, 0x1.1110c4p-7f, 0x1.a036dap-13f, 0x1.720e84p-19f);
  const VF small = hn::MulAdd(hn::Mul(x, s), q, x);
  const VF half = simd_exp<1>(size);
  const VF large = hn::Sub(half, hn::Div(constant(0.25f), half));
  return hn::CopySign(hn::IfThenElse(hn::Lt(size, constant(1.f)), small, large), x);
}
HWY_INLINE VF simd_cosh(VF x) {
  const VF half = simd_exp<1>(hn::Abs(x));
  return hn::Add(half, hn::Div(constant(0.25f), half));
}

/// log(1 + a) for a >= 2^30, of 2 a: what asinh and acosh are that far out.
HWY_INLINE VF log_of_double(VF a) { return hn::Add(simd_log(a), constant(0.693147181f)); }
HWY_INLINE VF simd_asinh(VF x) {
  const VF a = hn::Abs(x), s = hn::Mul(a, a), one = constant(1.f);
  // asinh(a) = log1p(a + a^2 / (1 + sqrt(1 + a^2))).
  const VF root = hn::Add(one, hn::Sqrt(hn::Add(one, s)));
  const VF near = simd_log1p(hn::Add(a, hn::Div(s, root)));
  const VF y = hn::IfThenElse(hn::Lt(a, constant(0x1p30f)), near, log_of_double(a));
  return hn::CopySign(y, x);
}
HWY_INLINE VF simd_acosh(VF x) {
  const VF t = hn::Sub(x, constant(1.f));
  const VF near = simd_log1p(hn::Add(t, hn::Sqrt(hn::MulAdd(t, t, hn::Add(t, t)))));
  const VF y = hn::IfThenElse(hn::Lt(x, constant(0x1p30f)), near, log_of_double(x));
  const VF nan = constant(std::numeric_limits<float>::quiet_NaN());
  return hn::IfThenElse(hn::Lt(x, constant(1.f)), nan, y);
}
HWY_INLINE VF simd_atanh(VF x) {
  const VF a = hn::Abs(x);
  const VF y = simd_log1p(hn::Div(hn::Add(a, a), hn::Sub(constant(1.f), a)));
  return hn::CopySign(hn::Mul(y, constant(0.5f)), x);
}

}  // namespace varve::cpu::HWY_NAMESPACE
HWY_AFTER_NAMESPACE();

#endif  // include guard
