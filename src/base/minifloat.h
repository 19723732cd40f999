// Floating-point formats of 4 and 8 bits: codes to numbers and back. Nothing computes in them;
// files hold them.
#pragma once
#include <cstdint>

namespace varve {

/// A format of one sign bit, exponent and mantissa; or (e8m0) of an exponent alone.
struct MiniFloat {
  /// What the highest codes mean.
  enum class Kind : uint8_t {
    ieee,           ///< infinities and NaN where all exponent bits are set (float8e5m2)
    finite_nan,     ///< NaN where all bits are set, no infinities (float8e4m3fn)
    unsigned_zero,  ///< the code of -0 is the only NaN, no infinities (the fnuz formats)
    finite,         ///< neither NaN nor infinities (float4e2m1)
    exponent        ///< 2^(code - 127), 255 is NaN (float8e8m0)
  };
  Kind kind;
  int exponent_bits, mantissa_bits, bias;
};

inline constexpr MiniFloat kE4M3FN{MiniFloat::Kind::finite_nan, 4, 3, 7},
    kE4M3FNUZ{MiniFloat::Kind::unsigned_zero, 4, 3, 8}, kE5M2{MiniFloat::Kind::ieee, 5, 2, 15},
    kE5M2FNUZ{MiniFloat::Kind::unsigned_zero, 5, 2, 16}, kE2M1{MiniFloat::Kind::finite, 2, 1, 1},
    kE8M0{MiniFloat::Kind::exponent, 8, 0, 127};

/// Which neighbour a number between two codes goes to; formats with a mantissa take the nearest,
/// ties to even.
enum class MiniRound : uint8_t { nearest, up, down };

/// The number of a code, exact.
float decode(const MiniFloat& format, uint8_t code);
/// The code of a number. With `saturate` what is beyond the range becomes the largest number,
/// otherwise infinity where the format has it, else NaN; e2m1 always saturates, and NaN becomes its
/// -0 (as ONNX's conformance suite has it). e8m0 drops the sign.
uint8_t encode(const MiniFloat& format, float value, bool saturate = true,
               MiniRound round = MiniRound::nearest);

}  // namespace varve
