// The pointwise functions: their list, and one scalar definition each (pointwise_functors.inc) that
// reference kernels, the CPU's vectors and CUDA share.
#pragma once
#include <array>
#include <cstdint>
#include <string_view>

namespace varve {

/// NumPy's names where NumPy has one. IEEE arithmetic: NaN goes through every function of floating
/// arguments (relu, clip, maximum and minimum included). Truth values are 0 and 1 in the type of
/// the arguments; any number other than 0 is true, NaN too. Integers wrap modulo 2^width.
enum class Pointwise : uint8_t {
  identity,
  negative,
  absolute,  // of the least integer: itself
  sign,      // -1, 0, 1; NaN stays NaN
  square,
  reciprocal,
  sqrt,
  rsqrt,  // 1 / sqrt(x)
  exp,
  expm1,
  log,
  log1p,
  log2,
  sin,
  cos,
  tan,
  asin,
  acos,
  atan,
  sinh,
  cosh,
  tanh,
  asinh,
  acosh,
  atanh,
  erf,
  erfc,
  sigmoid,      // 1 / (1 + exp(-x))
  log_sigmoid,  // log(sigmoid(x))
  softplus,     // log(1 + exp(x))
  softsign,     // x / (1 + |x|); -1 and 1 at the infinities
  silu,         // x * sigmoid(x); -0 at minus infinity
  gelu,         // x / 2 * erfc(-x / sqrt(2)); NaN at minus infinity
  relu,         // 0 where x < 0, else x
  floor,
  ceil,
  trunc,
  round,  // halves go to the even neighbour
  logical_not,
  is_nan,
  is_finite,
  is_inf,
  bitwise_not,
  add,
  subtract,
  multiply,
  divide,        // integers: quotient cut towards zero; x / 0 = 0, least / -1 = least
  floor_divide,  // floor(x / y), exactly; integers: x / 0 = 0, least / -1 = least
  remainder,     // x - floor_divide(x, y) * y, the sign of y; integers: 0 where y = 0
  fmod,          // x - trunc(x / y) * y, the sign of x (C); integers: 0 where y = 0
  power,         // integers: wraps; negative exponents as 1 / x^-y cut towards zero, 0 for x = 0
  maximum,
  minimum,
  atan2,  // atan2(y, x)
  equal,
  not_equal,
  less,
  less_equal,
  greater,
  greater_equal,
  logical_and,
  logical_or,
  logical_xor,
  bitwise_and,
  bitwise_or,
  bitwise_xor,
  left_shift,   // 0 where the count is outside 0 .. width - 1
  right_shift,  // arithmetic; counts outside 0 .. width - 1 leave only the sign (0 or -1)
  select,       // select(condition, a, b)
  clip,         // clip(x, low, high) = minimum(maximum(x, low), high)
};
inline constexpr int kPointwiseCount = static_cast<int>(Pointwise::clip) + 1;

/// Which lanes a function is defined for.
enum class PointwiseDomain : uint8_t { any, floating, integer };

struct PointwiseInfo {
  Pointwise function;
  const char* name;
  int arity;
  PointwiseDomain domain;
  /// What one f32 element costs in SIMD, in multiples of an addition; for choosing thread counts.
  int cost;
};

const PointwiseInfo& info(Pointwise function);
inline const char* name_of(Pointwise function) { return info(function).name; }
/// The inverse of name_of. Throws ValueError with the nearest name.
Pointwise parse_pointwise(std::string_view name);
/// Is `function` defined for floating (or integer) lanes?
bool defined_for(Pointwise function, bool floating);

/// The function on one element of type T: double, float, int32_t, int64_t or uint64_t, in plain C++
/// and the C library. Arguments beyond the arity are ignored. Null where it is not defined for T.
template <class T>
using PointwiseFn = T (*)(T x, T y, T z);
template <class T>
PointwiseFn<T> plain_pointwise(Pointwise function);

}  // namespace varve
