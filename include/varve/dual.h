// room: base
// Dual numbers: forward-mode differentiation of plain C++ code by operator overloading. A value
// travels with its derivative; each operation applies the chain rule to both.
#pragma once
#include <cmath>
#include <compare>
#include <concepts>
#include <limits>
#include <numbers>
#include <type_traits>

#include "varve/types.h"

namespace varve {

/// See below.
template <class T>
struct Dual;

namespace detail {

// The functions that the standard library lacks, of plain numbers.
template <std::floating_point T>
T sigmoid(T x) {
  // exp(-|x|) cannot overflow, and e / (1 + e) keeps its digits where x is very negative.
  const T e = std::exp(-std::abs(x));
  return (x < 0 ? e : T(1)) / (1 + e);
}
template <std::floating_point T>
T softplus(T x) {
  return (x > 0 ? x : T(0)) + std::log1p(std::exp(-std::abs(x)));
}
template <std::floating_point T>
constexpr T sign(T x) {
  return x > 0 ? T(1) : x < 0 ? T(-1) : x - x;
}
template <std::floating_point T>
constexpr T plain(T x) {
  return x;
}
template <class T>
constexpr auto plain(const Dual<T>& x) {
  return plain(x.value);
}
// Of remainders, C's fmod is exact, and so is moving it to the sign of b but for rounding.
/// Python's %: the sign of b.
template <std::floating_point T>
T remainder(T a, T b) {
  const T r = std::fmod(a, b);
  if (r == 0) return std::copysign(T(0), b);
  return (r < 0) != (b < 0) ? r + b : r;
}
/// NumPy's npy_divmod: the quotient is made from the exact remainder, then snapped to an integer.
template <std::floating_point T>
T floor_divide(T a, T b) {
  if (b == 0) return a / b;
  const T r = std::fmod(a, b);
  T q = (a - r) / b;
  if (r != 0 && (r < 0) != (b < 0)) q -= 1;
  if (q == 0) return std::copysign(T(0), a / b);
  const T down = std::floor(q);
  return q - down > T(0.5) ? down + 1 : down;
}
/// 0 with all its derivatives.
template <class T>
constexpr bool vanishes(const T& x) {
  if constexpr (std::floating_point<T>) {
    return x == 0;
  } else {
    return vanishes(x.value) && vanishes(x.derivative);
  }
}
/// The chain rule: a constant moves nothing, however steep the slope is.
template <class T>
constexpr T along(const T& derivative, const T& slope) {
  return vanishes(derivative) ? T(0) : derivative * slope;
}
/// Half of both, in each part.
template <class T>
constexpr T middle(const T& a, const T& b) {
  if constexpr (std::floating_point<T>) {
    return a == b ? a : (a + b) * T(0.5);
  } else {
    return {middle(a.value, b.value), middle(a.derivative, b.derivative)};
  }
}

}  // namespace detail

/// value + derivative e with e^2 = 0. T is float, double or a Dual again: Dual<Dual<double>>
/// carries second derivatives. Mixes with plain numbers, which are constants. Operators: + - * /,
/// the comparisons (by value). Functions, found by their argument: those of the pointwise table of
/// the library by their names there (abs, sqrt, exp, sigmoid, power, where ...), with the same
/// values at infinities and NaN and the same derivatives where one has to be chosen: 0 at the kinks
/// of abs and relu, halves to both of maximum and minimum where they are equal, 0 for the steps of
/// floor and sign. What does not depend on x has derivative 0, even where a slope is infinite.
/// Cost: one number in, N inputs need N passes; memory for one derivative beside each value.
/// Example: derivative([](auto x) { return x * x; }, 3.0)    // 6
template <class T>
struct Dual {
  T value{};
  T derivative{};

  constexpr Dual() = default;
  constexpr Dual(const T& v) : value(v) {}
  constexpr Dual(const T& v, const T& d) : value(v), derivative(d) {}
  /// A constant.
  template <Number N>
  requires(!std::same_as<N, T>) constexpr Dual(N v) : value(static_cast<T>(v)) {}

  constexpr Dual& operator+=(const Dual& b) { return *this = *this + b; }
  constexpr Dual& operator-=(const Dual& b) { return *this = *this - b; }
  constexpr Dual& operator*=(const Dual& b) { return *this = *this * b; }
  constexpr Dual& operator/=(const Dual& b) { return *this = *this / b; }

  friend constexpr Dual operator+(const Dual& a) { return a; }
  friend constexpr Dual operator-(const Dual& a) { return {-a.value, -a.derivative}; }
  friend constexpr Dual operator+(const Dual& a, const Dual& b) {
    return {a.value + b.value, a.derivative + b.derivative};
  }
  friend constexpr Dual operator-(const Dual& a, const Dual& b) {
    return {a.value - b.value, a.derivative - b.derivative};
  }
  friend constexpr Dual operator*(const Dual& a, const Dual& b) {
    return {a.value * b.value,
            detail::along(a.derivative, b.value) + detail::along(b.derivative, a.value)};
  }
  friend constexpr Dual operator/(const Dual& a, const Dual& b) {
    const T quotient = a.value / b.value;
    const T above = a.derivative - detail::along(b.derivative, quotient);
    return {quotient, detail::vanishes(above) ? T(0) : above / b.value};
  }
  friend constexpr bool operator==(const Dual& a, const Dual& b) { return a.value == b.value; }
  friend constexpr auto operator<=>(const Dual& a, const Dual& b) { return a.value <=> b.value; }

  friend constexpr Dual identity(const Dual& x) { return x; }
  friend constexpr Dual negative(const Dual& x) { return -x; }
  friend constexpr Dual square(const Dual& x) { return x * x; }
  friend constexpr Dual reciprocal(const Dual& x) { return T(1) / x; }
  friend constexpr Dual sign(const Dual& x) { return x.constant(detail::sign(x.plain())); }
  friend constexpr Dual abs(const Dual& x) {
    return x.plain() < 0 ? -x : x.plain() == 0 ? Dual() : x;
  }
  friend constexpr Dual relu(const Dual& x) {
    return x.plain() < 0 || x.plain() == 0 ? Dual() : x;  // NaN goes through
  }
  friend Dual sqrt(const Dual& x) {
    using std::sqrt;
    const T y = sqrt(x.value);
    return x.chain(y, T(0.5) / y);
  }
  friend Dual rsqrt(const Dual& x) { return T(1) / sqrt(x); }

  friend Dual exp(const Dual& x) {
    using std::exp;
    const T y = exp(x.value);
    return x.chain(y, y);
  }
  friend Dual expm1(const Dual& x) {
    using std::exp, std::expm1;
    return x.chain(expm1(x.value), exp(x.value));
  }
  friend Dual log(const Dual& x) {
    using std::log;
    return x.chain(log(x.value), T(1) / x.value);
  }
  friend Dual log1p(const Dual& x) {
    using std::log1p;
    return x.chain(log1p(x.value), T(1) / (T(1) + x.value));
  }
  friend Dual log2(const Dual& x) {
    using std::log2;
    return x.chain(log2(x.value), T(std::numbers::log2e) / x.value);
  }

  friend Dual sin(const Dual& x) {
    using std::sin, std::cos;
    return x.chain(sin(x.value), cos(x.value));
  }
  friend Dual cos(const Dual& x) {
    using std::sin, std::cos;
    return x.chain(cos(x.value), -sin(x.value));
  }
  friend Dual tan(const Dual& x) {
    using std::tan;
    const T y = tan(x.value);
    return x.chain(y, T(1) + y * y);
  }
  friend Dual asin(const Dual& x) {
    using std::asin, std::sqrt;
    return x.chain(asin(x.value), T(1) / sqrt(T(1) - x.value * x.value));
  }
  friend Dual acos(const Dual& x) {
    using std::acos, std::sqrt;
    return x.chain(acos(x.value), T(-1) / sqrt(T(1) - x.value * x.value));
  }
  friend Dual atan(const Dual& x) {
    using std::atan;
    return x.chain(atan(x.value), T(1) / (T(1) + x.value * x.value));
  }
  friend Dual sinh(const Dual& x) {
    using std::sinh, std::cosh;
    return x.chain(sinh(x.value), cosh(x.value));
  }
  friend Dual cosh(const Dual& x) {
    using std::sinh, std::cosh;
    return x.chain(cosh(x.value), sinh(x.value));
  }
  friend Dual tanh(const Dual& x) {
    using std::tanh;
    const T y = tanh(x.value);
    return x.chain(y, T(1) - y * y);
  }
  friend Dual asinh(const Dual& x) {
    using std::asinh, std::sqrt;
    return x.chain(asinh(x.value), T(1) / sqrt(T(1) + x.value * x.value));
  }
  friend Dual acosh(const Dual& x) {
    using std::acosh, std::sqrt;
    return x.chain(acosh(x.value), T(1) / sqrt(x.value * x.value - T(1)));
  }
  friend Dual atanh(const Dual& x) {
    using std::atanh;
    return x.chain(atanh(x.value), T(1) / (T(1) - x.value * x.value));
  }

  friend Dual erf(const Dual& x) {
    using std::erf, std::exp;
    return x.chain(erf(x.value), T(2 * std::numbers::inv_sqrtpi) * exp(-(x.value * x.value)));
  }
  friend Dual erfc(const Dual& x) {
    using std::erfc, std::exp;
    return x.chain(erfc(x.value), T(-2 * std::numbers::inv_sqrtpi) * exp(-(x.value * x.value)));
  }
  friend Dual sigmoid(const Dual& x) {
    using detail::sigmoid;
    const T y = sigmoid(x.value);
    return x.chain(y, y * sigmoid(-x.value));
  }
  friend Dual softplus(const Dual& x) {
    using detail::sigmoid, detail::softplus;
    return x.chain(softplus(x.value), sigmoid(x.value));
  }
  friend Dual log_sigmoid(const Dual& x) { return -softplus(-x); }
  friend Dual softsign(const Dual& x) {
    using std::abs;
    const T size = T(1) + abs(x.value);
    const T y = std::isinf(x.plain()) ? T(detail::sign(x.plain())) : x.value / size;
    return x.chain(y, T(1) / (size * size));
  }
  friend Dual silu(const Dual& x) {
    using detail::sigmoid;
    const T s = sigmoid(x.value);
    // At minus infinity the product would be -inf * 0.
    const T y = std::isinf(x.plain()) ? x.plain() < 0 ? T(-0.) : x.value : x.value * s;
    return x.chain(y, s * (T(1) + x.value * (T(1) - s)));
  }
  friend Dual gelu(const Dual& x) { return T(0.5) * x * erfc(x * T(-std::numbers::sqrt2 / 2)); }

  friend Dual floor(const Dual& x) { return x.constant(std::floor(x.plain())); }
  friend Dual ceil(const Dual& x) { return x.constant(std::ceil(x.plain())); }
  friend Dual trunc(const Dual& x) { return x.constant(std::trunc(x.plain())); }
  /// Halves go to the even neighbour (in the default rounding mode).
  friend Dual round(const Dual& x) { return x.constant(std::nearbyint(x.plain())); }
  friend bool is_nan(const Dual& x) { return std::isnan(x.plain()); }
  friend bool is_finite(const Dual& x) { return std::isfinite(x.plain()); }
  friend bool is_inf(const Dual& x) { return std::isinf(x.plain()); }

  /// Exactly, as remainder and fmod are: the quotient's own rounding never crosses an integer.
  friend Dual floor_divide(const Dual& a, const Dual& b) {
    return a.constant(detail::floor_divide(a.plain(), b.plain()));
  }
  friend Dual remainder(const Dual& a, const Dual& b) {
    using detail::remainder;
    return a.less_multiples(b, remainder(a.value, b.value),
                            detail::floor_divide(a.plain(), b.plain()));
  }
  friend Dual fmod(const Dual& a, const Dual& b) {
    using std::fmod;
    const T y = fmod(a.value, b.value);
    // A whole number, whatever the rounding.
    return a.less_multiples(b, y, std::nearbyint((a.plain() - detail::plain(y)) / b.plain()));
  }
  /// a to the power b. By a: b a^(b - 1), 0 where b is 0; by b: a^b log(a), 0 where a is 0.
  friend Dual power(const Dual& a, const Dual& b) {
    using std::pow, std::log;
    const T y = pow(a.value, b.value);
    T slope = T(0);
    // At 0 to the power 0 the slope by a is 0; elsewhere b's own derivatives count, too.
    if (!detail::vanishes(b.value) && (a.plain() != 0 || b.plain() != 0))
      slope = detail::along(a.derivative, b.value * pow(a.value, b.value - T(1)));
    // A constant exponent must not ask for the logarithm of a negative number.
    if (a.plain() != 0 && !detail::vanishes(b.derivative))
      slope = slope + y * log(a.value) * b.derivative;
    return {y, slope};
  }
  friend Dual pow(const Dual& a, const Dual& b) { return power(a, b); }
  friend constexpr Dual maximum(const Dual& a, const Dual& b) { return b.extremum(a, a > b); }
  friend constexpr Dual minimum(const Dual& a, const Dual& b) { return b.extremum(a, a < b); }
  friend Dual atan2(const Dual& y, const Dual& x) {
    using std::atan2;
    const T r2 = x.value * x.value + y.value * y.value;
    const bool still = detail::vanishes(y.derivative) && detail::vanishes(x.derivative);
    const T turn = detail::along(y.derivative, x.value) - detail::along(x.derivative, y.value);
    return {atan2(y.value, x.value), still ? T(0) : turn / r2};
  }
  friend constexpr Dual where(bool condition, const Dual& a, const Dual& b) {
    return condition ? a : b;
  }
  /// minimum(maximum(x, low), high); the derivative is x's where low <= x <= high.
  friend constexpr Dual clip(const Dual& x, const Dual& low, const Dual& high) {
    // NaN goes through, as a bound, too.
    const Dual& raised = x < low || low.plain() != low.plain() ? low : x;
    return raised > high || high.plain() != high.plain() ? high : raised;
  }

  /// The number itself, whatever the depth.
  constexpr auto plain() const { return detail::plain(value); }

 private:
  constexpr Dual chain(const T& y, const T& slope) const {
    return {y, detail::along(derivative, slope)};
  }
  constexpr Dual constant(decltype(detail::plain(T())) y) const { return Dual(T(y)); }
  /// y = this - whole * b.
  constexpr Dual less_multiples(const Dual& b, const T& y,
                                decltype(detail::plain(T())) whole) const {
    return {y, derivative - detail::along(b.derivative, T(whole))};
  }
  /// a where it wins, this number otherwise, half of both where they are equal; NaN goes through.
  constexpr Dual extremum(const Dual& a, bool a_wins) const {
    if (a.plain() != a.plain()) return a;
    if (a.plain() == plain()) return detail::middle(a, *this);
    return a_wins ? a : *this;
  }
};

/// f'(x) of a function of one number.
template <class F, std::floating_point T>
constexpr T derivative(const F& f, T x) {
  return f(Dual<T>(x, T(1))).derivative;
}
/// f''(x), by duals of duals.
template <class F, std::floating_point T>
constexpr T second_derivative(const F& f, T x) {
  using Inner = Dual<T>;
  return f(Dual<Inner>(Inner(x, T(1)), Inner(T(1)))).derivative.derivative;
}

}  // namespace varve
