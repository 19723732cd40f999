// The few largest elements of a row.
#pragma once
#include <cstdint>

namespace varve::cpu {

/// How many at most.
constexpr int64_t kMostTop = 16;

/// places[0..k-1] = where the k largest of n elements are, the largest first: equal ones (-0 and 0
/// are) in the order of their places, NaN before everything.
/// Requires: 0 < k <= min(n, kMostTop), n < 2^32.
void top_places(const float* x, int64_t n, int64_t k, int64_t* places) noexcept;
void top_places(const double* x, int64_t n, int64_t k, int64_t* places) noexcept;
void top_places(const int32_t* x, int64_t n, int64_t k, int64_t* places) noexcept;
void top_places(const int64_t* x, int64_t n, int64_t k, int64_t* places) noexcept;

}  // namespace varve::cpu
