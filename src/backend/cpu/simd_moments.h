// Sums and squared differences from the mean, of runs and columns of floats, in doubles.
#pragma once
#include <cstdint>

namespace varve::cpu {

/// Of `count` numbers: their sum, and the sum of their squared differences from the mean.
struct Moments {
  double count = 0, sum = 0, squares = 0;
};

/// Columns first..last-1 of `rows` rows, each `stride` floats behind the one before.
struct ColumnBlock {
  const float* x;
  int64_t rows, stride, first, last;
};

/// The moments of two disjoint sets together (Chan, Golub, LeVeque 1983).
Moments merged(const Moments& a, const Moments& b);

/// Of x[0..n); the sum alone has fewer passes.
double run_sum(const float* x, int64_t n);
Moments run_moments(const float* x, int64_t n);

/// sums[c], and squares[c] where it is not null: of column c, written over.
void column_moments(const ColumnBlock& b, double* sums, double* squares);

}  // namespace varve::cpu
