#include "base/minifloat.h"

#include <algorithm>
#include <cmath>
#include <limits>

namespace varve {
namespace {

using Kind = MiniFloat::Kind;

int sign_shift(const MiniFloat& f) { return f.exponent_bits + f.mantissa_bits; }

// The code of the largest finite number.
uint8_t largest(const MiniFloat& f) {
  const int all = (1 << sign_shift(f)) - 1;
  switch (f.kind) {
    case Kind::ieee:
      return static_cast<uint8_t>(all - (1 << f.mantissa_bits));
    case Kind::finite_nan:
      return static_cast<uint8_t>(all - 1);
    default:
      return static_cast<uint8_t>(all);
  }
}

uint8_t nan_code(const MiniFloat& f, uint8_t sign) {
  const int all = (1 << sign_shift(f)) - 1;
  switch (f.kind) {
    case Kind::ieee:
      return static_cast<uint8_t>(sign |
                                  (all - (1 << f.mantissa_bits) + (1 << (f.mantissa_bits - 1))));
    case Kind::unsigned_zero:
      return static_cast<uint8_t>(1 << sign_shift(f));
    case Kind::finite:
      return static_cast<uint8_t>(1 << sign_shift(f));
    default:
      return static_cast<uint8_t>(sign | all);
  }
}

// |x| as a code without sign, to the nearest, beyond `largest` where it does not fit.
int magnitude(const MiniFloat& f, float x) {
  if (x == 0) return 0;
  int exponent;
  std::frexp(x, &exponent);  // x = m 2^exponent, m in [0.5, 1)
  const int least = 1 - f.bias;
  const int power = std::max(exponent - 1, least);
  // In units of the last place; nearbyint rounds ties to even.
  const double units = std::nearbyint(std::ldexp(static_cast<double>(x), f.mantissa_bits - power));
  // Counting from the first normal number of this power; a carry goes on into the exponent.
  return (power - least) * (1 << f.mantissa_bits) + static_cast<int>(units);
}

uint8_t encode_exponent(float x, bool saturate, MiniRound round) {
  if (std::isnan(x)) return 255;
  x = std::fabs(x);
  if (std::isinf(x)) return saturate ? 254 : 255;
  if (x == 0) return 0;
  int exponent;
  const double m = std::frexp(static_cast<double>(x), &exponent) * 2;  // [1, 2)
  int code = exponent - 1 + 127;
  if (round == MiniRound::up && m > 1) ++code;
  if (round == MiniRound::nearest && m >= 1.5) ++code;  // halves away from zero, as rounding a log2
  if (code < 0) return 0;
  if (code > 254) return saturate ? 254 : 255;
  return static_cast<uint8_t>(code);
}

}  // namespace

float decode(const MiniFloat& f, uint8_t code) {
  constexpr float nan = std::numeric_limits<float>::quiet_NaN();
  if (f.kind == Kind::exponent) {
    return code == 255 ? nan : std::ldexp(1.f, static_cast<int>(code) - f.bias);
  }
  const int shift = sign_shift(f), mantissa_max = (1 << f.mantissa_bits) - 1;
  const bool negative = (code >> shift) & 1;
  const int body = code & ((1 << shift) - 1);
  const int exponent = body >> f.mantissa_bits, mantissa = body & mantissa_max;
  if (f.kind == Kind::unsigned_zero && negative && body == 0) return nan;
  if (f.kind == Kind::finite_nan && body == (1 << shift) - 1) return nan;
  if (f.kind == Kind::ieee && exponent == (1 << f.exponent_bits) - 1) {
    if (mantissa != 0) return nan;
    const float infinity = std::numeric_limits<float>::infinity();
    return negative ? -infinity : infinity;
  }
  const int fraction = exponent == 0 ? mantissa : mantissa + mantissa_max + 1;
  const float value =
      std::ldexp(static_cast<float>(fraction), std::max(exponent, 1) - f.bias - f.mantissa_bits);
  return negative ? -value : value;
}

uint8_t encode(const MiniFloat& f, float value, bool saturate, MiniRound round) {
  if (f.kind == Kind::exponent) return encode_exponent(value, saturate, round);
  const auto sign = static_cast<uint8_t>(std::signbit(value) ? 1 << sign_shift(f) : 0);
  if (std::isnan(value)) return nan_code(f, sign);
  const uint8_t most = largest(f);
  const int body = std::isinf(value) ? most + 1 : magnitude(f, std::fabs(value));
  if (body > most) {
    if (saturate || f.kind == Kind::finite) return static_cast<uint8_t>(sign | most);
    return f.kind == Kind::ieee ? static_cast<uint8_t>(sign | (most + 1)) : nan_code(f, sign);
  }
  if (body == 0 && f.kind == Kind::unsigned_zero) return 0;
  return static_cast<uint8_t>(sign | body);
}

}  // namespace varve
