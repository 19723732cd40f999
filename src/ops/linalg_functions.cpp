// The functions of linear algebra that users call: types and stacks are settled, then nodes made.
#include <algorithm>
#include <cmath>

#include "base/error.h"
#include "ops/linalg.h"
#include "ops/shape.h"
#include "varve/ops/linalg.h"
#include "varve/ops/matmul.h"
#include "varve/ops/pointwise.h"
#include "varve/ops/reduction.h"
#include "varve/ops/shape.h"

namespace varve::linalg {
namespace {

/// An operand in the type it is computed in; bools and integers as f32.
Tensor computable(const char* op, const Operand& x) {
  const Tensor t = ops::floating(x);
  if (t.dtype() != f32 && t.dtype() != f64) {
    throw DTypeError(
        ops::text_of(op, std::string("expected f32 or f64, got ") + name_of(t.dtype())),
        "cast it: halves do not hold the digits", x.where().to_string());
  }
  return t;
}
Tensor matrices(const char* op, const Operand& x) {
  const Tensor t = computable(op, x);
  if (t.rank() < 2) {
    throw ShapeError(
        ops::text_of(op, "expected matrices [..., M, N], got " + t.shape().to_string()), "",
        x.where().to_string());
  }
  return t;
}
Tensor squares(const char* op, const Operand& x) {
  const Tensor t = matrices(op, x);
  if (t.shape()[-1] != t.shape()[-2]) {
    throw ShapeError(ops::text_of(op, "expected square matrices, got " + t.shape().to_string()), "",
                     x.where().to_string());
  }
  return t;
}

Shape lead_of(const Tensor& t) {
  return Shape(std::vector<int64_t>(t.shape().begin(), t.shape().end() - 2));
}
Tensor stacked(const Tensor& t, const Shape& lead, Where where) {
  std::vector<int64_t> dims = lead.dims();
  dims.insert(dims.end(), t.shape().end() - 2, t.shape().end());
  return ops::stretched_to(t, Shape(std::move(dims)), where);
}

/// A system's matrix and right-hand sides in one type, stacks of one shape.
struct System {
  Tensor a, b;
  bool vector;

  System(const char* op, const Operand& given_a, const Operand& given_b, bool square) {
    a = square ? squares(op, given_a) : matrices(op, given_a);
    b = computable(op, given_b);
    const Where where = given_a.where();
    const std::string text = "a is " + a.shape().to_string() + ", b " + b.shape().to_string();
    vector = b.rank() == 1;
    if (vector) b = expand_dims(Operand(b, where), -1);
    if (b.rank() < 2 || b.shape()[-2] != a.shape()[-2]) {
      throw ShapeError(ops::text_of(op, text),
                       square ? "expected [..., N, N] and [..., N, K] or [N]"
                              : "expected [..., M, N] and [..., M, K] or [M]",
                       where.to_string());
    }
    const DType d = promote(a.dtype(), b.dtype());
    a = cast(Operand(a, where), d);
    b = cast(Operand(b, where), d);
    try {
      const Shape lead = ops::broadcast_shapes(op, lead_of(a), lead_of(b));
      a = stacked(a, lead, where);
      b = stacked(b, lead, where);
    } catch (const ShapeError& e) {
      throw ShapeError(e.message(), e.hint(), where.to_string());
    }
  }
  Tensor result(const Tensor& x) const { return vector ? ops::squeezed(x, {x.rank() - 1}) : x; }
};

Tensor symmetric(const Tensor& t) { return 0.5 * (t + ops::linalg::turned(t)); }

double tolerance_of(const RankOptions& o, const Tensor& t) {
  const double epsilon = t.dtype() == f64 ? 0x1p-52 : 0x1p-23;
  return o.tolerance.value_or(epsilon *
                              static_cast<double>(std::max(t.shape()[-1], t.shape()[-2])));
}

}  // namespace

Tensor solve(const Operand& a, const Operand& b) {
  const ir::CallerScope caller(a.where());
  const System s("solve", a, b, true);
  return s.result(ops::make("solve", {s.a, s.b}, {}, a.where()));
}

Tensor triangular_solve(const Operand& a, const Operand& b, const TriangularOptions& o) {
  const ir::CallerScope caller(a.where());
  const System s("triangular_solve", a, b, true);
  return s.result(ops::make(
      "triangular_solve", {s.a, s.b},
      {{"lower", o.lower}, {"transpose", o.transpose}, {"unit_diagonal", o.unit_diagonal}},
      a.where()));
}

Tensor cholesky(const Operand& a) {
  const ir::CallerScope caller(a.where());
  return ops::make("cholesky", {symmetric(squares("cholesky", a))}, {}, a.where());
}

Qr qr(const Operand& a, const QrOptions& o) {
  const Tensor t = matrices("qr", a);
  // With no more rows than columns both are one thing.
  const bool complete = o.complete && t.shape()[-2] > t.shape()[-1];
  const auto out = ir::apply(ops::get("qr"), std::vector{t}, {{"complete", complete}}, a.where());
  return {out[0], out[1]};
}

namespace {

/// Orthonormal columns [..., M, K] made a basis [..., M, M]; what is added is constant.
Tensor completed(const Tensor& u) {
  const int64_t m = u.shape()[-2], k = u.shape()[-1];
  if (m == k) return u;
  const Tensor q = qr(ops::make("stop_gradient", {u}), {.complete = true}).q;
  return concat({u, ops::narrow(q, q.rank() - 1, k, m - k)}, -1);
}

}  // namespace

Svd svd(const Operand& a, const SvdOptions& o) {
  const ir::CallerScope caller(a.where());
  const auto f = ir::apply(ops::get("svd"), std::vector{matrices("svd", a)}, {}, a.where());
  if (!o.full) return {f[0], f[1], f[2]};
  return {completed(f[0]), f[1], ops::linalg::turned(completed(ops::linalg::turned(f[2])))};
}

Tensor singular_values(const Operand& a) {
  return ops::make("singular_values", {matrices("singular_values", a)}, {}, a.where());
}

Eigh eigh(const Operand& a) {
  const ir::CallerScope caller(a.where());
  const auto f =
      ir::apply(ops::get("eigh"), std::vector{symmetric(squares("eigh", a))}, {}, a.where());
  return {f[0], f[1]};
}
Tensor eigenvalues_symmetric(const Operand& a) { return eigh(a).values; }

Tensor det(const Operand& a) { return ops::make("det", {squares("det", a)}, {}, a.where()); }

Slogdet slogdet(const Operand& a) {
  const auto out =
      ir::apply(ops::get("slogdet"), std::vector{squares("slogdet", a)}, {}, a.where());
  return {out[0], out[1]};
}

Tensor inverse(const Operand& a) {
  return ops::make("inverse", {squares("inverse", a)}, {}, a.where());
}

Tensor pinv(const Operand& a, const RankOptions& o) {
  const Tensor t = matrices("pinv", a);
  return ops::make("pinv", {t}, {{"tolerance", tolerance_of(o, t)}}, a.where());
}

Tensor lstsq(const Operand& a, const Operand& b, const RankOptions& o) {
  const ir::CallerScope caller(a.where());
  const System s("lstsq", a, b, false);
  return s.result(matmul(pinv(s.a, o), s.b));
}

Tensor matrix_rank(const Operand& a, const RankOptions& o) {
  const ir::CallerScope caller(a.where());
  const Tensor t = matrices("matrix_rank", a), s = singular_values(t);
  if (s.shape()[-1] == 0) return sum(s > 0, {.axes = {-1}});
  return sum(s > max(s, {.axes = {-1}, .keep_dims = true}) * tolerance_of(o, t), {.axes = {-1}});
}

Tensor condition_number(const Operand& a) {
  const ir::CallerScope caller(a.where());
  const Tensor s = singular_values(matrices("condition_number", a));
  return max(s, {.axes = {-1}}) / min(s, {.axes = {-1}});
}

void MatrixNorm::norm_must_be_frobenius_nuclear_spectral_one_or_infinity() {
  throw ValueError("matrix_norm: expected frobenius, nuclear, spectral, one or infinity");
}
MatrixNorm MatrixNorm::parse(std::string_view name) { return MatrixNorm(read(name)); }

Tensor matrix_norm(const Operand& a, MatrixNorm kind) {
  const ir::CallerScope caller(a.where());
  const Tensor t = matrices("matrix_norm", a);
  switch (kind.kind) {
    case MatrixNorm::Kind::frobenius:
      return norm(t, {.axes = {-2, -1}});
    case MatrixNorm::Kind::nuclear:
      return sum(singular_values(t), {.axes = {-1}});
    case MatrixNorm::Kind::spectral:
      return max(singular_values(t), {.axes = {-1}});
    case MatrixNorm::Kind::one:
      return max(sum(abs(t), {.axes = {-2}}), {.axes = {-1}});
    default:
      return max(sum(abs(t), {.axes = {-1}}), {.axes = {-1}});
  }
}

Tensor matrix_power(const Operand& a, int64_t exponent) {
  const ir::CallerScope caller(a.where());
  Tensor base = squares("matrix_power", a), result;
  if (exponent < 0) base = inverse(base);
  for (uint64_t n = exponent < 0 ? -static_cast<uint64_t>(exponent)
                                 : static_cast<uint64_t>(exponent);
       n; n /= 2) {
    if (n % 2) result = result.defined() ? matmul(result, base) : base;
    if (n > 1) base = matmul(base, base);
  }
  if (result.defined()) return result;
  return ops::stretched_to(ops::linalg::identity_like(base, base.shape()[-1]), base.shape());
}

Tensor matrix_exp(const Operand& a) {
  return ops::make("matrix_exp", {squares("matrix_exp", a)}, {}, a.where());
}

}  // namespace varve::linalg
