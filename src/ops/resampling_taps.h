// The weights of a resampling along one axis: shape rules, functions and kernels work them out
// alike.
#pragma once
#include <cstdint>
#include <vector>

#include "ir/attributes.h"

namespace varve::ops {

/// A sparse matrix by rows: row i has the taps begin[i] .. begin[i + 1] - 1.
struct Taps {
  std::vector<int64_t> begin{0}, index;
  std::vector<double> weight;

  int64_t rows() const { return static_cast<int64_t>(begin.size()) - 1; }
  /// Whether each row copies one element.
  bool copies() const;
};

/// Of node resample on an axis of `input` elements: a row an output element.
Taps resampling_taps(const ir::Attributes& attributes, int64_t input);
/// The transpose, of `rows` rows.
Taps transposed(const Taps& taps, int64_t rows);
/// Where output element i lies in the input.
double source_of(const ir::Attributes& attributes, int64_t i, int64_t input);

}  // namespace varve::ops
