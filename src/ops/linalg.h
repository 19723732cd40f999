// Derivatives of linear algebra, and raw nodes that they are made of.
#pragma once
#include "ops/build.h"

namespace varve::ops::linalg {

using Cotangents = std::span<const Tensor>;

Slots solve_vjp(const Local& at, Cotangents ct);
Slots solve_jvp(const Local& at, Cotangents t);
Slots triangular_vjp(const Local& at, Cotangents ct);
Slots triangular_jvp(const Local& at, Cotangents t);
Slots inverse_vjp(const Local& at, Cotangents ct);
Slots inverse_jvp(const Local& at, Cotangents t);
Slots pinv_vjp(const Local& at, Cotangents ct);
Slots pinv_jvp(const Local& at, Cotangents t);
Slots det_vjp(const Local& at, Cotangents ct);
Slots det_jvp(const Local& at, Cotangents t);
Slots slogdet_vjp(const Local& at, Cotangents ct);
Slots slogdet_jvp(const Local& at, Cotangents t);
Slots cholesky_vjp(const Local& at, Cotangents ct);
Slots cholesky_jvp(const Local& at, Cotangents t);
Slots qr_vjp(const Local& at, Cotangents ct);
Slots qr_jvp(const Local& at, Cotangents t);
Slots svd_vjp(const Local& at, Cotangents ct);
Slots svd_jvp(const Local& at, Cotangents t);
Slots values_vjp(const Local& at, Cotangents ct);
Slots values_jvp(const Local& at, Cotangents t);
Slots eigh_vjp(const Local& at, Cotangents ct);
Slots eigh_jvp(const Local& at, Cotangents t);
Slots exp_vjp(const Local& at, Cotangents ct);
Slots exp_jvp(const Local& at, Cotangents t);
Tensor cofactor_of_regular(const Tensor& a);

/// The last two axes exchanged.
Tensor turned(const Tensor& a);
/// A column, a row, a matrix of the last axis: [..., N] -> [..., N, 1], [..., 1, N], [..., N, N].
Tensor column(const Tensor& v);
Tensor row(const Tensor& v);
Tensor on_diagonal(const Tensor& v);
/// [..., N, N] -> [..., N].
Tensor diagonal_of(const Tensor& a);
/// The identity of a matrix's type, [N, N].
Tensor identity_like(const Tensor& a, int64_t n);
/// [..., M, K], [..., K, N], stacks of one shape.
Tensor product(const Tensor& a, const Tensor& b, bool transpose_a = false,
               bool transpose_b = false);

}  // namespace varve::ops::linalg
