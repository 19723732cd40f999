// The Gaussian error linear unit of floats, in one pass.
#pragma once
#include <cstdint>

namespace varve::cpu {

/// y[i] = x[i] Phi(x[i]), i < n: within 4 units in the last place from -1 on, below within 2e-6 of
/// the value and 1e-9 (tests/backend/gelu_test.cpp). y may be x.
void gelu(const float* x, float* y, int64_t n) noexcept;

}  // namespace varve::cpu
