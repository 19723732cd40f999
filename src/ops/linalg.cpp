// Linear algebra: rows with their shape rules; derivatives stand in linalg_derivatives.cpp.
#include "ops/linalg.h"

#include <algorithm>

#include "base/error.h"
#include "ops/checks.h"

namespace varve::ops {
namespace {

const TensorType& matrix(const InferArguments& a, size_t which = 0) {
  const TensorType& t = a[which];
  if (t.dtype != f32 && t.dtype != f64)
    throw DTypeError(
        text_of(a.op.name, std::string("expected f32 or f64, got ") + name_of(t.dtype)));
  if (t.shape.rank() < 2)
    throw ShapeError(
        text_of(a.op.name, "expected matrices [..., M, N], got " + t.shape.to_string()));
  return t;
}
const TensorType& square_matrix(const InferArguments& a) {
  const TensorType& t = matrix(a);
  if (t.shape[-1] != t.shape[-2])
    throw ShapeError(text_of(a.op.name, "expected square matrices, got " + t.shape.to_string()));
  return t;
}
/// The shape with other sizes instead of the matrix's two.
TensorType with_last(const TensorType& t, std::initializer_list<int64_t> last) {
  std::vector<int64_t> dims(t.shape.begin(), t.shape.end() - 2);
  dims.insert(dims.end(), last);
  return {t.dtype, Shape(std::move(dims))};
}
int64_t least(const TensorType& t) { return std::min(t.shape[-1], t.shape[-2]); }

Types square_type(const InferArguments& a) { return {square_matrix(a)}; }
Types number_type(const InferArguments& a) { return {with_last(square_matrix(a), {})}; }

Types solve_type(const InferArguments& a) {
  const TensorType &x = square_matrix(a), &b = matrix(a, 1);
  if (x.dtype != b.dtype || with_last(x, {}) != with_last(b, {}) || x.shape[-1] != b.shape[-2]) {
    throw ShapeError(text_of(a.op.name, "expected [..., N, N] and [..., N, K], got " +
                                            x.to_string() + " and " + b.to_string()));
  }
  return {b};
}
Types triangular_type(const InferArguments& a) {
  require_flags(a, {"lower", "transpose", "unit_diagonal"});
  return solve_type(a);
}
Types qr_type(const InferArguments& a) {
  require_flags(a, {"complete"});
  const TensorType& t = matrix(a);
  const int64_t m = t.shape[-2], k = a.attributes.flag("complete") ? m : least(t);
  return {with_last(t, {m, k}), with_last(t, {k, t.shape[-1]})};
}
Types svd_type(const InferArguments& a) {
  const TensorType& t = matrix(a);
  const int64_t k = least(t);
  return {with_last(t, {t.shape[-2], k}), with_last(t, {k}), with_last(t, {k, t.shape[-1]})};
}
Types values_type(const InferArguments& a) { return {with_last(matrix(a), {least(matrix(a))})}; }
Types eigh_type(const InferArguments& a) {
  const TensorType& t = square_matrix(a);
  return {with_last(t, {t.shape[-1]}), t};
}
Types slogdet_type(const InferArguments& a) {
  const TensorType t = with_last(square_matrix(a), {});
  return {t, t};
}
Types pinv_type(const InferArguments& a) {
  require_real(a, "tolerance");
  const TensorType& t = matrix(a);
  return {with_last(t, {t.shape[-1], t.shape[-2]})};
}

/// Of order N^3, which is what a summary wants to know.
double cubic(const InferArguments& a, const Types&) {
  const Shape& s = a[0].shape;
  return 2. * static_cast<double>(s.size()) * static_cast<double>(std::min(s[-1], s[-2]));
}

ir::OpDef row(const char* name, const char* doc, int inputs, Types (*infer)(const InferArguments&),
              ir::Derivative derivative) {
  return {.name = name,
          .doc = doc,
          .min_inputs = inputs,
          .max_inputs = inputs,
          .infer = infer,
          .derivative = std::move(derivative),
          .traits = {.faults = true, .precision = ir::PrecisionTrait::f32},
          .flops = cubic};
}

std::vector<ir::OpDef> solving_rows() {
  return {
      row("solve", "The X of A X = B, by elimination with row exchanges.", 2, solve_type,
          ir::Custom{linalg::solve_vjp, linalg::solve_jvp}),
      row("triangular_solve",
          "The X of A X = B (attribute transpose: A' X = B) for a triangular A: attribute lower "
          "says which triangle is read; unit_diagonal: its diagonal counts as 1.",
          2, triangular_type, ir::Custom{linalg::triangular_vjp, linalg::triangular_jvp}),
      row("inverse", "The inverse of square matrices.", 1, square_type,
          ir::Custom{linalg::inverse_vjp, linalg::inverse_jvp}),
      row("pinv",
          "Moore-Penrose inverse: singular values up to attribute tolerance times the largest "
          "count "
          "as 0.",
          1, pinv_type, ir::Custom{linalg::pinv_vjp, linalg::pinv_jvp}),
  };
}

std::vector<ir::OpDef> number_rows() {
  ir::OpDef cofactor =
      row("cofactor",
          "det(A) times the transpose of A's inverse, right for singular matrices, "
          "too: the gradient of det.",
          1, square_type, ir::FromDecomposition{});
  cofactor.decompose = [](std::span<const Tensor> in, const Attributes&) -> std::vector<Tensor> {
    return {linalg::cofactor_of_regular(in[0])};
  };
  return {
      row("det", "The determinant.", 1, number_type, ir::Custom{linalg::det_vjp, linalg::det_jvp}),
      row("slogdet", "The sign of the determinant and the logarithm of its size.", 1, slogdet_type,
          ir::Custom{linalg::slogdet_vjp, linalg::slogdet_jvp}),
      cofactor,
  };
}

std::vector<ir::OpDef> factor_rows() {
  return {
      row("cholesky", "The lower L of A = L L'; the lower triangle of A is read.", 1, square_type,
          ir::Custom{linalg::cholesky_vjp, linalg::cholesky_jvp}),
      row("qr",
          "A = Q R with R's diagonal 0 or more: Q [M, K], R [K, N], K = min(M, N), or M where "
          "attribute complete.",
          1, qr_type, ir::Custom{linalg::qr_vjp, linalg::qr_jvp}),
      row("svd",
          "A = U diag(s) Vh: U [M, K], s [K] descending, Vh [K, N]; the first large component of "
          "each column of U is positive.",
          1, svd_type, ir::Custom{linalg::svd_vjp, linalg::svd_jvp}),
      row("singular_values", "The singular values, descending.", 1, values_type,
          ir::Custom{linalg::values_vjp, linalg::values_jvp}),
      row("eigh",
          "A = V diag(w) V' of symmetric matrices, w ascending; the lower triangle is read; signs "
          "as svd's.",
          1, eigh_type, ir::Custom{linalg::eigh_vjp, linalg::eigh_jvp}),
      row("matrix_exp", "The exponential of square matrices, by scaling and squaring.", 1,
          square_type, ir::Custom{linalg::exp_vjp, linalg::exp_jvp}),
  };
}

}  // namespace

std::span<const ir::OpDef> linalg_rows() {
  static const std::vector<ir::OpDef> rows = [] {
    std::vector<ir::OpDef> all = solving_rows();
    for (const auto& family : {number_rows(), factor_rows()})
      all.insert(all.end(), family.begin(), family.end());
    return all;
  }();
  return rows;
}

}  // namespace varve::ops
