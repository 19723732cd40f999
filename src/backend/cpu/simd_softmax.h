// Softmax and its kin over rows of floats.
#pragma once
#include <cstdint>

#include "varve/types.h"

namespace varve::cpu {

/// y = exp(x - max x) / sum exp(x - max x) of each row; y may be x. Zeros where all of a row is
/// -inf; NaN where a row holds NaN or +inf.
void softmax_rows(const float* x, float* y, int64_t rows, int64_t columns) noexcept;
/// y = x - log sum exp(x) of each row; y may be x. Rows of -inf alone stay so.
void log_softmax_rows(const float* x, float* y, int64_t rows, int64_t columns) noexcept;
/// log sum exp(x) of each row: -inf for rows of -inf alone or of nothing, +inf where one is.
void logsumexp_rows(const float* x, float* result, int64_t rows, int64_t columns) noexcept;

/// Softmax cross-entropy with integer labels: logits [rows, columns], q[c] = the one-hot of the
/// label, smoothed: (1 - s) one-hot + s / columns.
struct CrossEntropyRows {
  const float* logits = nullptr;
  const void* labels = nullptr;
  DType label_type = DType::i32;  // any integer type
  int64_t rows = 0, columns = 0;
  double smoothing = 0;
  bool ignores = false;  // rows whose label is `ignored` have loss and gradient 0
  int64_t ignored = 0;
};
/// The label of a row.
int64_t label_at(const CrossEntropyRows& p, int64_t row);
/// The gradient of the losses: one a row, `step` apart (0: one for all rows).
struct RowGradients {
  const float* values = nullptr;
  int64_t step = 1;
};

/// losses = logsumexp(logits) - sum_c q[c] logits[c], 0 where the label is out of range. Returns
/// the first row whose label is, or -1. Null outputs are left out.
int64_t cross_entropy_rows(const CrossEntropyRows& p, float* losses, float* logsumexp) noexcept;
/// gradient = (softmax(logits) - q) * g of each row; may be the logits' memory.
void cross_entropy_gradient_rows(const CrossEntropyRows& p, const float* logsumexp, RowGradients g,
                                 float* gradient) noexcept;
/// Both in one pass over the logits.
int64_t cross_entropy_with_gradient_rows(const CrossEntropyRows& p, RowGradients g, float* losses,
                                         float* logsumexp, float* gradient) noexcept;

}  // namespace varve::cpu
