// room: ops
// Products of matrices.
#pragma once
#include "varve/tensor.h"

namespace varve {

struct MatmulOptions {
  Tensor bias = {};          ///< of shape [N] (or empty): added to every row of the product
  bool transpose_a = false;  ///< the last two axes of a are swapped first
  bool transpose_b = false;  ///< the last two axes of b are swapped first
};

/// Matrix product over the last two axes: out[..., i, j] = sum_k a[..., i, k] * b[..., k, j],
/// plus bias[j] where a bias is given.
/// Shapes: a [..., M, K], b [..., K, N] -> [..., M, N]; leading axes broadcast. An operand of one
/// axis is a row (a) or a column (b), and that axis is missing from the result (NumPy). K = 0 gives
/// zeros. Types promote; integers wrap; halves are summed in f32 at least.
/// Throws: ShapeError if the K's differ, an operand is a scalar or the bias is not [N]; DTypeError
/// for bool.   Example: matmul(ones({2, 3}), ones({3, 4})).shape()  // [2, 4]
Tensor matmul(const Operand& a, const Operand& b, const MatmulOptions& options = {});

}  // namespace varve
