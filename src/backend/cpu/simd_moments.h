// Sums and squared differences from the mean, of runs and columns of floats, in doubles.
#pragma once
#include <cstdint>

#include "varve/types.h"

namespace varve::cpu {

/// Of `count` numbers: their sum, and the sum of their squared differences from the mean.
struct Moments {
  double count = 0, sum = 0, squares = 0;
};

/// Columns first..last-1 of `rows` rows, each `stride` elements behind the one before.
template <class T>
struct ColumnBlock {
  const T* x;
  int64_t rows, stride, first, last;
};

/// The moments of two disjoint sets together (Chan, Golub, LeVeque 1983).
Moments merged(const Moments& a, const Moments& b);

/// Of x[0..n), float or BFloat16; the sum alone has fewer passes.
template <class T>
double run_sum(const T* x, int64_t n);
template <class T>
Moments run_moments(const T* x, int64_t n);

/// sums[c], and squares[c] where it is not null: of column c, written over.
template <class T>
void column_moments(const ColumnBlock<T>& b, double* sums, double* squares);

}  // namespace varve::cpu
