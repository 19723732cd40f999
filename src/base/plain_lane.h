// The plainest lane of the pointwise functions: one number of type T, C++ arithmetic made total.
#pragma once
#include <cmath>
#include <cstdint>
#include <limits>
#include <numbers>
#include <type_traits>

#include "base/pointwise.h"
#include "varve/dual.h"

namespace varve::plain {

struct Mask {
  bool v;
  friend Mask operator&(Mask a, Mask b) { return {a.v && b.v}; }
  friend Mask operator|(Mask a, Mask b) { return {a.v || b.v}; }
  friend Mask operator^(Mask a, Mask b) { return {a.v != b.v}; }
  friend Mask operator!(Mask a) { return {!a.v}; }
};

/// T is double, float, int32_t, int64_t or uint64_t.
template <class T>
struct Lane {
  using Mask = plain::Mask;
  static constexpr bool kFloating = std::is_floating_point_v<T>;
  static Lane constant(double c) { return {static_cast<T>(c)}; }
  T v;

  friend Mask operator==(Lane a, Lane b) { return {a.v == b.v}; }
  friend Mask operator!=(Lane a, Lane b) { return {a.v != b.v}; }
  friend Mask operator<(Lane a, Lane b) { return {a.v < b.v}; }
  friend Mask operator<=(Lane a, Lane b) { return {a.v <= b.v}; }
  friend Mask operator>(Lane a, Lane b) { return {a.v > b.v}; }
  friend Mask operator>=(Lane a, Lane b) { return {a.v >= b.v}; }
};

/// The unsigned twin of an integer: its arithmetic wraps, where the signed one is undefined.
template <class T>
auto wrapping(T v) {
  if constexpr (std::is_integral_v<T>) {
    return static_cast<std::make_unsigned_t<T>>(v);
  } else {
    return v;
  }
}
template <class T>
Lane<T> operator+(Lane<T> a, Lane<T> b) {
  return {static_cast<T>(wrapping(a.v) + wrapping(b.v))};
}
template <class T>
Lane<T> operator-(Lane<T> a, Lane<T> b) {
  return {static_cast<T>(wrapping(a.v) - wrapping(b.v))};
}
template <class T>
Lane<T> operator*(Lane<T> a, Lane<T> b) {
  return {static_cast<T>(wrapping(a.v) * wrapping(b.v))};
}
template <class T>
Lane<T> operator-(Lane<T> a) {
  if constexpr (std::is_integral_v<T>) {
    return {static_cast<T>(std::make_unsigned_t<T>{0} - wrapping(a.v))};
  } else {
    return {-a.v};
  }
}
/// Least / -1, which traps on x86, is the least integer again.
template <class T>
bool wraps_when_divided(T a, T b) {
  return std::is_signed_v<T> && a == std::numeric_limits<T>::min() && b == static_cast<T>(-1);
}
template <class T>
Lane<T> operator/(Lane<T> a, Lane<T> b) {
  if constexpr (std::is_integral_v<T>) {
    if (b.v == 0) return {T{0}};
    if (wraps_when_divided(a.v, b.v)) return a;
  }
  return {static_cast<T>(a.v / b.v)};
}
template <class T>
Lane<T> operator&(Lane<T> a, Lane<T> b) {
  return {static_cast<T>(a.v & b.v)};
}
template <class T>
Lane<T> operator|(Lane<T> a, Lane<T> b) {
  return {static_cast<T>(a.v | b.v)};
}
template <class T>
Lane<T> operator^(Lane<T> a, Lane<T> b) {
  return {static_cast<T>(a.v ^ b.v)};
}
template <class T>
Lane<T> operator~(Lane<T> a) {
  return {static_cast<T>(~a.v)};
}

template <class T>
Lane<T> choose(Mask m, Lane<T> a, Lane<T> b) {
  return m.v ? a : b;
}
template <class L>
L truth(Mask m) {
  return L::constant(m.v ? 1 : 0);
}
template <class T>
Mask is_infinite(Lane<T> x) {
  if constexpr (std::is_floating_point_v<T>) return {std::isinf(x.v)};
  return {false};
}
template <class T>
Mask is_finite_number(Lane<T> x) {
  if constexpr (std::is_floating_point_v<T>) return {std::isfinite(x.v)};
  return {true};
}
template <class T>
Lane<T> absolute(Lane<T> x) {
  if constexpr (std::is_floating_point_v<T>) return {std::fabs(x.v)};
  return x.v < 0 ? -x : x;
}
template <class T>
Lane<T> maximum(Lane<T> a, Lane<T> b) {
  return a.v >= b.v || a.v != a.v ? a : b;
}
template <class T>
Lane<T> minimum(Lane<T> a, Lane<T> b) {
  return a.v <= b.v || a.v != a.v ? a : b;
}

/// Python's %: the sign of b.
template <class T>
Lane<T> remainder(Lane<T> a, Lane<T> b) {
  if constexpr (std::is_floating_point_v<T>) {
    return {detail::remainder(a.v, b.v)};
  } else {
    if (b.v == 0 || wraps_when_divided(a.v, b.v)) return {T{0}};
    const T r = static_cast<T>(a.v % b.v);
    return {r != 0 && (r < 0) != (b.v < 0) ? static_cast<T>(r + b.v) : r};
  }
}
/// C's %: the sign of a.
template <class T>
Lane<T> cut_remainder(Lane<T> a, Lane<T> b) {
  if constexpr (std::is_floating_point_v<T>) {
    return {std::fmod(a.v, b.v)};
  } else {
    if (b.v == 0 || wraps_when_divided(a.v, b.v)) return {T{0}};
    return {static_cast<T>(a.v % b.v)};
  }
}
template <class T>
Lane<T> floor_divide(Lane<T> a, Lane<T> b) {
  if constexpr (std::is_floating_point_v<T>) {
    return {detail::floor_divide(a.v, b.v)};
  } else {
    const Lane<T> q = a / b;
    const bool cut_up =
        b.v != 0 && !wraps_when_divided(a.v, b.v) && a.v % b.v != 0 && (a.v < 0) != (b.v < 0);
    return cut_up ? q - Lane<T>{T{1}} : q;
  }
}
template <class T>
Lane<T> power(Lane<T> a, Lane<T> b) {
  if constexpr (std::is_floating_point_v<T>) {
    return {std::pow(a.v, b.v)};
  } else {
    if (b.v < 0) {
      const bool odd = (b.v & 1) != 0;
      if (a.v == 1) return a;
      return {static_cast<T>(a.v == static_cast<T>(-1) ? (odd ? -1 : 1) : 0)};
    }
    Lane<T> result{T{1}};
    for (auto left = wrapping(b.v); left != 0; left >>= 1, a = a * a) {
      if (left & 1) result = result * a;
    }
    return result;
  }
}
template <class T>
Lane<T> shift_left(Lane<T> a, Lane<T> count) {
  const auto n = wrapping(count.v);
  return {n < 8 * sizeof(T) ? static_cast<T>(wrapping(a.v) << n) : T{0}};
}
template <class T>
Lane<T> shift_right(Lane<T> a, Lane<T> count) {
  const auto n = wrapping(count.v);
  if (n < 8 * sizeof(T)) return {static_cast<T>(a.v >> n)};
  return {static_cast<T>(a.v < 0 ? -1 : 0)};
}

template <class T>
Lane<T> round_down(Lane<T> x) {
  if constexpr (std::is_floating_point_v<T>) return {std::floor(x.v)};
  return x;
}
template <class T>
Lane<T> round_up(Lane<T> x) {
  if constexpr (std::is_floating_point_v<T>) return {std::ceil(x.v)};
  return x;
}
template <class T>
Lane<T> round_to_zero(Lane<T> x) {
  if constexpr (std::is_floating_point_v<T>) return {std::trunc(x.v)};
  return x;
}
template <class T>
Lane<T> round_to_even(Lane<T> x) {
  if constexpr (std::is_floating_point_v<T>) return {std::nearbyint(x.v)};
  return x;
}

// clang-format off
template <class T> Lane<T> square_root(Lane<T> x) { return {std::sqrt(x.v)}; }
template <class T> Lane<T> exp_(Lane<T> x) { return {std::exp(x.v)}; }
template <class T> Lane<T> expm1_(Lane<T> x) { return {std::expm1(x.v)}; }
template <class T> Lane<T> log_(Lane<T> x) { return {std::log(x.v)}; }
template <class T> Lane<T> log1p_(Lane<T> x) { return {std::log1p(x.v)}; }
template <class T> Lane<T> log2_(Lane<T> x) { return {std::log2(x.v)}; }
template <class T> Lane<T> sin_(Lane<T> x) { return {std::sin(x.v)}; }
template <class T> Lane<T> cos_(Lane<T> x) { return {std::cos(x.v)}; }
template <class T> Lane<T> tan_(Lane<T> x) { return {std::tan(x.v)}; }
template <class T> Lane<T> asin_(Lane<T> x) { return {std::asin(x.v)}; }
template <class T> Lane<T> acos_(Lane<T> x) { return {std::acos(x.v)}; }
template <class T> Lane<T> atan_(Lane<T> x) { return {std::atan(x.v)}; }
template <class T> Lane<T> sinh_(Lane<T> x) { return {std::sinh(x.v)}; }
template <class T> Lane<T> cosh_(Lane<T> x) { return {std::cosh(x.v)}; }
template <class T> Lane<T> tanh_(Lane<T> x) { return {std::tanh(x.v)}; }
template <class T> Lane<T> asinh_(Lane<T> x) { return {std::asinh(x.v)}; }
template <class T> Lane<T> acosh_(Lane<T> x) { return {std::acosh(x.v)}; }
template <class T> Lane<T> atanh_(Lane<T> x) { return {std::atanh(x.v)}; }
template <class T> Lane<T> erf_(Lane<T> x) { return {std::erf(x.v)}; }
template <class T> Lane<T> erfc_(Lane<T> x) { return {std::erfc(x.v)}; }
template <class T> Lane<T> gelu_(Lane<T> x) { return {T(0.5) * x.v * std::erfc(-x.v * T(std::numbers::sqrt2 / 2))}; }
template <class T> Lane<T> atan2_(Lane<T> y, Lane<T> x) { return {std::atan2(y.v, x.v)}; }
// clang-format on

#include "base/pointwise_functors.inc"

/// F of one element.
template <Pointwise F, int arity, class T>
T evaluate(T x, T y, T z) {
  return apply_function<F, arity>(Lane<T>{x}, Lane<T>{y}, Lane<T>{z}).v;
}

}  // namespace varve::plain
