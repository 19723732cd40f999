// room: ops
// What graph layers are made of: reductions over segments (of edges into nodes), and products with
// sparse matrices. (segment_sum stands in indexing.h.)
#pragma once
#include "varve/tensor.h"

namespace varve {

/// Means of the x[i] with segments[i] = s over the first axis, for each s of `count`; 0 for none.
/// Throws as segment_sum.   Shapes: x [n, B...], segments [n] -> [count, B...].
Tensor segment_mean(const Operand& x, const Operand& segments, Dim count);
struct SegmentOptions {
  Real empty = 0;  ///< of segments that have no element
};
/// The largest; equal ones share the gradient.
Tensor segment_max(const Operand& x, const Operand& segments, Dim count,
                   const SegmentOptions& options = {});
Tensor segment_min(const Operand& x, const Operand& segments, Dim count,
                   const SegmentOptions& options = {});  ///< As segment_max, the smallest.
/// exp(x[i]) / the sum of exp(x[j]) over the segment of i, in x's shape (attention over the edges
/// of a graph: Velickovic 2018), shifted by the segment's largest.
Tensor segment_softmax(const Operand& x, const Operand& segments, Dim count);

/// A matrix [rows, columns] by rows (CSR): row r has values[k] in column columns[k], for k from
/// row_starts[r] up to row_starts[r + 1]. The same place may occur several times: values add.
struct SparseMatrix {
  Tensor values;      ///< [entries]
  Tensor columns;     ///< integers [entries]
  Tensor row_starts;  ///< integers [rows + 1], ascending from 0
  int64_t width = 0;  ///< how many columns there are
};
/// Of entries in any order (COO).
/// Throws ShapeError unless rows, columns and values are vectors of one length.
SparseMatrix sparse_matrix(const Operand& rows, const Operand& columns, const Operand& values,
                           Dim height, Dim width);
struct SparseOptions {
  bool transpose = false;  ///< of the sparse matrix
};
/// A sparse matrix by a dense one [columns, F] (or a vector [columns]): [rows, F]. Gradients flow
/// to the values and the dense matrix. Throws ShapeError; IndexError, when computed, for columns or
/// starts out of range.
Tensor sparse_matmul(const SparseMatrix& a, const Operand& dense,
                     const SparseOptions& options = {});
/// As a dense matrix.
Tensor to_dense(const SparseMatrix& a, Where where = Where::here());

}  // namespace varve
