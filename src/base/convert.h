// One element converted from one type to another, defined for every value.
#pragma once
#include <bit>
#include <cstdint>
#include <limits>
#include <type_traits>

#include "varve/types.h"

namespace varve {

/// A double as the float that rounds to f16 or bf16 as the double itself would: where it is not
/// exact, the last bit is set (round to odd), so that the second rounding sees no false tie.
inline float to_float_for_rounding(double v) {
  const float f = static_cast<float>(v);
  if (static_cast<double>(f) == v || v != v || v - v != 0) return f;
  uint32_t bits = std::bit_cast<uint32_t>(f);
  const double size = v < 0 ? -v : v, rounded = f < 0 ? -f : f;
  if (rounded > size) --bits;
  return std::bit_cast<float>(bits | 1u);
}

/// As NumPy's astype where that is defined: to bool, anything but 0 is true (NaN too); between
/// integers, modulo 2^width; between floats, to nearest even. Float to integer is cut towards zero,
/// held within the integer's range, and NaN becomes 0.
template <class To, class From>
To convert(From v) {
  constexpr bool half_from = std::is_same_v<From, Float16> || std::is_same_v<From, BFloat16>;
  constexpr bool half_to = std::is_same_v<To, Float16> || std::is_same_v<To, BFloat16>;
  if constexpr (std::is_same_v<To, From>) {
    return v;
  } else if constexpr (half_from) {
    return convert<To, float>(static_cast<float>(v));
  } else if constexpr (std::is_same_v<To, bool>) {
    return v != From{0};
  } else if constexpr (half_to) {
    if constexpr (std::is_same_v<From, float>) return To(v);
    return To(to_float_for_rounding(static_cast<double>(v)));
  } else if constexpr (std::is_floating_point_v<From> && std::is_integral_v<To>) {
    // 2^bits is a float even where the greatest integer is none.
    constexpr From top = static_cast<From>(std::numeric_limits<To>::max() / 2 + 1) * 2;
    constexpr From low = static_cast<From>(std::numeric_limits<To>::min());
    if (v >= top) return std::numeric_limits<To>::max();
    if (v <= low) return std::numeric_limits<To>::min();
    return v != v ? To{0} : static_cast<To>(v);
  } else {
    return static_cast<To>(v);
  }
}

}  // namespace varve
