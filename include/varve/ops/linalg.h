// room: ops
// Linear algebra on matrices in the last two axes; leading axes are a stack (those of two operands
// broadcast). f32 and f64; integers and bools count as f32, halves are a DTypeError (cast them).
//
// All have derivatives of every order, by the formulas of Giles, "An extended collection of matrix
// derivative results" (2008), where no other source is named. Where a matrix that must not be
// singular is, a NumericError names the operation and the matrix's place in the stack when it is
// computed; NaN and infinities give NaN (of decompositions, everywhere).
//
// The matrices of a stack are computed by one thread each, and so are those below some 80 x 80: the
// bits do not depend on the number of threads. A larger matrix by itself is LAPACK's on all
// threads, which for another number of them may round the last digits otherwise.
#pragma once
#include <optional>
#include <string_view>

#include "varve/tensor.h"

namespace varve::linalg {

/// The X of A X = B. Shapes: a [..., N, N], b [..., N, K], or a vector [N] (NumPy 2). By
/// elimination with row exchanges. Throws ShapeError; NumericError for a singular matrix.
Tensor solve(const Operand& a, const Operand& b);

struct TriangularOptions {
  bool lower = true;           ///< which triangle is read; the other one counts as 0
  bool transpose = false;      ///< solves A' X = B
  bool unit_diagonal = false;  ///< the diagonal is not read and counts as 1
};
/// The X of A X = B for a triangular A [..., N, N] and B [..., N, K] or [N].
/// Throws NumericError for a 0 on the diagonal.
Tensor triangular_solve(const Operand& a, const Operand& b, const TriangularOptions& options = {});

/// The lower triangular L of A = L L', L's diagonal above 0, of (A + A') / 2.
/// Throws NumericError unless A is positive definite. Derivative: Murray (2016), eq. 8.
Tensor cholesky(const Operand& a);

struct QrOptions {
  bool complete = false;  ///< Q [M, M], R [M, N] instead of Q [M, K], R [K, N], K = min(M, N)
};
/// What `qr` gives.
struct Qr {
  Tensor q, r;
};
/// A = Q R, Q'Q = I, R upper triangular with a diagonal of 0 or more (so that both are unique where
/// A has full rank; LAPACK's may differ by signs). Derivative: Walter & Lehmann (2012), Roberts &
/// Roberts (2020); with columns that `complete` adds there is none (they are any basis of their
/// space): UnsupportedError where it is asked for, as in PyTorch. Needs full rank of the first K
/// columns (NumericError).
Qr qr(const Operand& a, const QrOptions& options = {});

struct SvdOptions {
  bool full = false;  ///< U [M, M] and Vh [N, N] instead of [M, K] and [K, N], K = min(M, N)
};
/// What `svd` gives.
struct Svd {
  Tensor u, s, vh;
};
/// A = U diag(s) Vh, s descending, columns of U and rows of Vh orthonormal. The first of the large
/// components of each column of U (0.9 of the largest or more) is positive. Derivative: Townsend
/// (2016). Vectors of equal singular values, of 0 and those that `full` adds are any basis of their
/// space; to the derivative they are constants within it, so that it is right for functions that do
/// not depend on that choice.
Svd svd(const Operand& a, const SvdOptions& options = {});
/// The singular values [..., K] alone.
Tensor singular_values(const Operand& a);

/// What `eigh` gives.
struct Eigh {
  Tensor values, vectors;
};
/// A = V diag(w) V' of the symmetric (A + A') / 2: eigenvalues w [..., N] ascending, eigenvectors
/// the columns of V, signed as svd's U. Vectors of equal eigenvalues: as svd.
Eigh eigh(const Operand& a);
Tensor eigenvalues_symmetric(const Operand& a);  ///< eigh's values

/// The determinant [...]; of an empty matrix 1. The gradient is right for singular matrices, too
/// (second derivatives are not: NumericError).
Tensor det(const Operand& a);
/// What `slogdet` gives.
struct Slogdet {
  Tensor sign, log;
};
/// The determinant's sign (0 where it is 0) and the logarithm of its size (there -inf), which do
/// not overflow. The gradient of singular matrices is a NumericError.
Slogdet slogdet(const Operand& a);
/// Throws NumericError for a singular matrix. `solve` is faster and more exact than multiplying
/// by an inverse.
Tensor inverse(const Operand& a);

struct RankOptions {
  std::optional<double> tolerance = {};  ///< of the largest singular value; else max(M, N) epsilon
};
/// Moore-Penrose inverse [..., N, M]: singular values up to the tolerance count as 0. Derivative:
/// Golub & Pereyra (1973), for a rank that stays.
Tensor pinv(const Operand& a, const RankOptions& options = {});
/// The x of least |A x - b|, and of these of least |x|: pinv(A) b. Shapes as solve, A [..., M, N].
Tensor lstsq(const Operand& a, const Operand& b, const RankOptions& options = {});
/// How many singular values are above the tolerance, i64 [...].
Tensor matrix_rank(const Operand& a, const RankOptions& options = {});
/// Largest singular value by the smallest; infinite for singular matrices.
Tensor condition_number(const Operand& a);

/// Which norm of matrices: "frobenius" sqrt(sum x^2), "nuclear" the sum of singular values,
/// "spectral" the largest of them, "one" the largest column sum of |x|, "infinity" row sum.
struct MatrixNorm {
  enum class Kind { frobenius, nuclear, spectral, one, infinity };
  Kind kind;
  consteval MatrixNorm(const char* name) : kind(read(name)) {}
  /// Throws ValueError with the choices.
  static MatrixNorm parse(std::string_view name);

 private:
  explicit constexpr MatrixNorm(Kind k) : kind(k) {}
  static void norm_must_be_frobenius_nuclear_spectral_one_or_infinity();
  static constexpr Kind read(std::string_view n) {
    if (n == "frobenius") return Kind::frobenius;
    if (n == "nuclear") return Kind::nuclear;
    if (n == "spectral") return Kind::spectral;
    if (n == "one") return Kind::one;
    if (n != "infinity") norm_must_be_frobenius_nuclear_spectral_one_or_infinity();
    return Kind::infinity;
  }
};
/// Of each matrix [..., M, N]: [...].
Tensor matrix_norm(const Operand& a, MatrixNorm norm = "frobenius");

/// A multiplied by itself `exponent` times, by squaring; 0: the identity; below 0: of the inverse.
Tensor matrix_power(const Operand& a, int64_t exponent);
/// exp(A) = I + A + A^2 / 2 + ..., by scaling and squaring (Higham 2005). Derivative: Frechet's,
/// from the exponential of a block matrix (Mathias 1996).
Tensor matrix_exp(const Operand& a);

}  // namespace varve::linalg
