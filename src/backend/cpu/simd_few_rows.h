// Matrix products of few rows, which wait for the second matrix to come from memory: it is read
// once as it lies, and nothing is packed.
#pragma once
#include <cstdint>

namespace varve::cpu {

/// Of more, others are faster.
constexpr int64_t most_few_rows(bool transposed) { return transposed ? 4 : 2; }

/// y [rows, columns] = a [rows, depth] b [depth, columns] + bias, of up to most_few_rows.
struct FewRows {
  int64_t rows, columns, depth;
  const float* a;
  int64_t a_row, a_column;  // steps
  const float* b;
  int64_t b_pitch;    // from row to row; where it is transposed, from column to column
  bool transposed;    // columns of b lie contiguously, as must rows of a
  const float* bias;  // [columns], or null
  float* y;
  int64_t y_row;
};
/// The result does not depend on the number of threads.
void few_rows_product(const FewRows& p, int threads) noexcept;

}  // namespace varve::cpu
