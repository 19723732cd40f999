// Rows of floats: weighted sums of some, products.
#pragma once
#include <cstdint>

namespace varve::cpu {

/// y[i] = sum_k weights[k] * rows[k][i] (+ y[i] where `add`), i < n.
using WeightedSum = void (*)(float* y, const float* const* rows, const float* weights, int64_t k,
                             int64_t n, bool add);
/// sum of a[i] * b[i], i < n.
using RowProduct = float (*)(const float* a, const float* b, int64_t n);

/// For this machine.
WeightedSum weighted_sum();
RowProduct row_product();

}  // namespace varve::cpu
