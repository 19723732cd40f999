// Indices, looked at before what they name is read.
#pragma once
#include <cstdint>

namespace varve::cpu {

/// Whether 0 <= indices[i] < bound for every i < n; bound > 0.
bool all_below(const int32_t* indices, int64_t n, int64_t bound) noexcept;
bool all_below(const int64_t* indices, int64_t n, int64_t bound) noexcept;

}  // namespace varve::cpu
