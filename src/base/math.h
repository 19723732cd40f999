// Checked integer arithmetic and small index helpers; private.
#pragma once
#include <cstdint>
#include <string>

namespace varve {

/// out = a * b; false where it does not fit.
inline bool checked_multiply(int64_t a, int64_t b, int64_t& out) {
  return !__builtin_mul_overflow(a, b, &out);
}
inline bool checked_add(int64_t a, int64_t b, int64_t& out) {
  return !__builtin_add_overflow(a, b, &out);
}
constexpr int64_t ceil_div(int64_t a, int64_t b) { return (a + b - 1) / b; }
constexpr int64_t round_up(int64_t a, int64_t b) { return ceil_div(a, b) * b; }

/// "axis 3 out of range for rank 2 (-2..1)".
std::string axis_range(int64_t axis, int rank);

}  // namespace varve
