// Derivatives of linear algebra. A bar over a name is its cotangent, a d before it its tangent; '
// transposes. Sources: include/varve/ops/linalg.h.
#include "base/error.h"
#include "ops/linalg.h"
#include "ops/shape.h"
#include "varve/ops/pointwise.h"
#include "varve/ops/reduction.h"
#include "varve/ops/shape.h"

namespace varve::ops::linalg {

Tensor turned(const Tensor& a) { return swap_axes(a, -1, -2); }
Tensor column(const Tensor& v) { return expand_dims(v, -1); }
Tensor row(const Tensor& v) { return expand_dims(v, -2); }
Tensor identity_like(const Tensor& a, int64_t n) { return eye(n, n, 0, a.dtype()); }
Tensor on_diagonal(const Tensor& v) { return column(v) * identity_like(v, v.shape()[-1]); }
Tensor diagonal_of(const Tensor& a) { return diagonal(a, {.axis1 = -2, .axis2 = -1}); }
Tensor product(const Tensor& a, const Tensor& b, bool transpose_a, bool transpose_b) {
  return make("matmul", {a, b}, {{"transpose_a", transpose_a}, {"transpose_b", transpose_b}});
}

namespace {

Tensor solved(const Tensor& a, const Tensor& b) { return make("solve", {a, b}); }

struct Triangle {
  bool lower, transpose, unit;
};
Triangle triangle_of(const Attributes& a) {
  return {a.flag("lower"), a.flag("transpose"), a.flag("unit_diagonal")};
}
Tensor triangular(const Tensor& a, const Tensor& b, Triangle t) {
  return make("triangular_solve", {a, b},
              {{"lower", t.lower}, {"transpose", t.transpose}, {"unit_diagonal", t.unit}});
}
/// A^-1 B and B A^-1 for triangular A (transpose: of A').
Tensor from_left(const Tensor& a, const Tensor& b, bool lower, bool transpose) {
  return triangular(a, b, {lower, transpose, false});
}
Tensor from_right(const Tensor& a, const Tensor& b, bool lower, bool transpose) {
  return turned(triangular(a, turned(b), {lower, !transpose, false}));
}
/// What of a matrix a triangular solve reads.
Tensor read_part(const Tensor& a, Triangle t) {
  const int shift = t.unit ? 1 : 0;
  return t.lower ? tril(a, -shift) : triu(a, shift);
}

bool none(Cotangents t) {
  for (const Tensor& x : t) {
    if (x.defined()) return false;
  }
  return true;
}
/// Adds where the sum may be empty.
void accumulate(Tensor& sum, const Tensor& term) { sum = sum.defined() ? sum + term : term; }
/// 1 / x, 0 where x is 0.
Tensor safe_reciprocal(const Tensor& x) {
  const Tensor zero = x == 0;
  return where(zero, 0, reciprocal(where(zero, 1, x)));
}
Tensor symmetric(const Tensor& a) { return 0.5 * (a + turned(a)); }

}  // namespace

// X = A^-1 B:  dX = A^-1 (dB - dA X);  B~ = A'^-1 X~,  A~ = -B~ X'.
Slots solve_vjp(const Local& at, Cotangents ct) {
  const Tensor b = solved(turned(at.x(0)), ct[0]);
  return {at.wanted[0] ? -product(b, at.y(), false, true) : Tensor(), b};
}
Slots solve_jvp(const Local& at, Cotangents t) {
  Tensor sum = t[1];
  if (t[0].defined()) accumulate(sum, -product(t[0], at.y()));
  return {sum.defined() ? solved(at.x(0), sum) : Tensor()};
}

Slots triangular_vjp(const Local& at, Cotangents ct) {
  const Triangle how = triangle_of(at.attributes);
  const Tensor b = triangular(at.x(0), ct[0], {how.lower, !how.transpose, how.unit});
  if (!at.wanted[0]) return {Tensor(), b};
  const Tensor a =
      how.transpose ? product(at.y(), b, false, true) : product(b, at.y(), false, true);
  return {-read_part(a, how), b};
}
Slots triangular_jvp(const Local& at, Cotangents t) {
  const Triangle how = triangle_of(at.attributes);
  Tensor sum = t[1];
  if (t[0].defined()) accumulate(sum, -product(read_part(t[0], how), at.y(), how.transpose));
  return {sum.defined() ? triangular(at.x(0), sum, how) : Tensor()};
}

// Y = A^-1:  dY = -Y dA Y.
Slots inverse_vjp(const Local& at, Cotangents ct) {
  return {-product(product(at.y(), ct[0], true), at.y(), false, true)};
}
Slots inverse_jvp(const Local& at, Cotangents t) {
  return {-product(product(at.y(), t[0]), at.y())};
}

// dP = -P dA P + P P' dA' (I - A P) + (I - P A) dA' P' P.
Slots pinv_vjp(const Local& at, Cotangents ct) {
  const Tensor &a = at.x(), &p = at.y(), &bar = ct[0];
  const Tensor outside = identity_like(a, a.shape()[-2]) - product(a, p),
               kernel = identity_like(a, a.shape()[-1]) - product(p, a);
  const Tensor first = product(product(p, bar, true), p, false, true),
               second = product(product(outside, bar, false, true), product(p, p, false, true)),
               third = product(product(product(p, p, true), bar, false, true), kernel);
  return {second + third - first};
}
Slots pinv_jvp(const Local& at, Cotangents t) {
  const Tensor &a = at.x(), &p = at.y(), &da = t[0];
  const Tensor outside = identity_like(a, a.shape()[-2]) - product(a, p),
               kernel = identity_like(a, a.shape()[-1]) - product(p, a);
  const Tensor first = product(product(p, da), p),
               second = product(product(product(p, p, false, true), da, false, true), outside),
               third = product(product(kernel, da, false, true), product(p, p, true));
  return {second + third - first};
}

Tensor cofactor_of_regular(const Tensor& a) {
  return column(column(make("det", {a}))) * turned(make("inverse", {a}));
}
Slots det_vjp(const Local& at, Cotangents ct) {
  return {column(column(ct[0])) * make("cofactor", {at.x()})};
}
Slots det_jvp(const Local& at, Cotangents t) {
  return {sum(make("cofactor", {at.x()}) * t[0], {.axes = {-2, -1}})};
}
Slots slogdet_vjp(const Local& at, Cotangents ct) {
  if (!ct[1].defined()) return {Tensor()};
  return {column(column(ct[1])) * turned(make("inverse", {at.x()}))};
}
Slots slogdet_jvp(const Local& at, Cotangents t) {
  return {Tensor(), sum(turned(make("inverse", {at.x()})) * t[0], {.axes = {-2, -1}})};
}

namespace {

/// The lower triangle with half the diagonal.
Tensor half_lower(const Tensor& a) { return tril(a) * (1 - 0.5 * identity_like(a, a.shape()[-1])); }

}  // namespace

// dL = L half_lower(L^-1 dA L'^-1);  A~ = sym(L'^-1 half_lower(L' L~) L^-1).
Slots cholesky_vjp(const Local& at, Cotangents ct) {
  const Tensor& l = at.y();
  const Tensor inside = half_lower(product(l, tril(ct[0]), true));
  return {symmetric(from_right(l, from_left(l, inside, true, true), true, false))};
}
Slots cholesky_jvp(const Local& at, Cotangents t) {
  const Tensor& l = at.y();
  const Tensor inside = from_right(l, from_left(l, symmetric(t[0]), true, false), true, true);
  return {product(l, half_lower(inside))};
}

namespace {

/// Cotangent of A [M, N], M >= N, from those of thin factors.
Tensor thin_qr_vjp(const Tensor& q, const Tensor& r, const Tensor& q_bar, const Tensor& r_bar) {
  Tensor m = full_like(r, 0);
  if (r_bar.defined()) m = m + product(r, r_bar, false, true);
  if (q_bar.defined()) m = m - product(q_bar, q, true);
  Tensor inside = product(q, tril(m) + turned(tril(m, -1)));
  if (q_bar.defined()) inside = inside + q_bar;
  return from_right(r, inside, false, true);
}
struct QrTangents {
  Tensor q, r;
};
QrTangents thin_qr_jvp(const Tensor& q, const Tensor& r, const Tensor& da) {
  const Tensor c = from_right(r, da, false, false), inside = product(q, c, true);
  const Tensor low = tril(inside, -1), turn = low - turned(low);
  return {c - product(q, inside) + product(q, turn), product(inside - turn, r)};
}

/// The columns (rows) of a matrix from `start` on.
Tensor columns(const Tensor& a, int64_t start, int64_t size) {
  return narrow(a, a.rank() - 1, start, size);
}
Tensor rows(const Tensor& a, int64_t start, int64_t size) {
  return narrow(a, a.rank() - 2, start, size);
}

/// Columns that are any basis of their space are no function of A.
void refuse_added_columns(const Tensor& a, const Tensor& q) {
  if (q.shape()[-1] <= a.shape()[-1]) return;
  throw UnsupportedError("qr: complete of more rows than columns " + a.shape().to_string() +
                             " has no derivative: the columns that are added to Q are any basis",
                         "use qr(a): its Q has the columns that a determines");
}

}  // namespace

Slots qr_vjp(const Local& at, Cotangents ct) {
  if (none(ct)) return {Tensor()};
  const Tensor &a = at.x(), &q = at.y(0), &r = at.y(1), &r_bar = ct[1];
  refuse_added_columns(a, q);
  const int64_t m = a.shape()[-2], n = a.shape()[-1];
  Tensor q_bar = ct[0];
  if (m >= n) return {thin_qr_vjp(q, r, q_bar, r_bar)};
  // A = [X Y], R = [U V]: X = Q U, Y = Q V.
  Tensor y_bar = full_like(columns(a, m, n - m), 0), u_bar;
  if (r_bar.defined()) {
    const Tensor v_bar = columns(r_bar, m, n - m);
    accumulate(q_bar, product(columns(a, m, n - m), v_bar, false, true));
    y_bar = product(q, v_bar);
    u_bar = columns(r_bar, 0, m);
  }
  return {concat({thin_qr_vjp(q, columns(r, 0, m), q_bar, u_bar), y_bar}, -1)};
}

Slots qr_jvp(const Local& at, Cotangents t) {
  const Tensor &a = at.x(), &q = at.y(0), &r = at.y(1);
  refuse_added_columns(a, q);
  const int64_t m = a.shape()[-2], n = a.shape()[-1];
  if (m >= n) {
    const QrTangents d = thin_qr_jvp(q, r, t[0]);
    return {d.q, d.r};
  }
  const QrTangents d = thin_qr_jvp(q, columns(r, 0, m), columns(t[0], 0, m));
  const Tensor dv =
      product(d.q, columns(a, m, n - m), true) + product(q, columns(t[0], m, n - m), true);
  return {d.q, concat({d.r, dv}, -1)};
}

namespace {

struct Decomposition {
  Tensor u, s, v;  // V, not its transpose
};

/// 1 / (s[j]^2 - s[i]^2), 0 where they are equal.
Tensor square_gaps(const Tensor& s) {
  const Tensor s2 = square(s);
  return safe_reciprocal(row(s2) - column(s2));
}
/// (I - U U') X.
Tensor beside(const Tensor& u, const Tensor& x) { return x - product(u, product(u, x, true)); }

}  // namespace

Slots svd_vjp(const Local& at, Cotangents ct) {
  if (none(ct)) return {Tensor()};
  const Decomposition f{at.y(0), at.y(1), turned(at.y(2))};
  const Tensor inverse = row(safe_reciprocal(f.s)), by = row(f.s);
  const int64_t m = f.u.shape()[-2], n = f.v.shape()[-2];
  Tensor middle, sum;
  if (ct[1].defined()) middle = on_diagonal(ct[1]);
  if (ct[0].defined()) {
    const Tensor p = product(f.u, ct[0], true);
    accumulate(middle, square_gaps(f.s) * (p - turned(p)) * by);
    if (m > n) accumulate(sum, product(beside(f.u, ct[0]) * inverse, f.v, false, true));
  }
  if (ct[2].defined()) {
    const Tensor v_bar = turned(ct[2]), p = product(f.v, v_bar, true);
    accumulate(middle, column(f.s) * (square_gaps(f.s) * (p - turned(p))));
    if (n > m) accumulate(sum, product(f.u, beside(f.v, v_bar) * inverse, false, true));
  }
  accumulate(sum, product(product(f.u, middle), f.v, false, true));
  return {sum};
}

Slots svd_jvp(const Local& at, Cotangents t) {
  const Decomposition f{at.y(0), at.y(1), turned(at.y(2))};
  const Tensor inverse = row(safe_reciprocal(f.s)), by = row(f.s), gaps = square_gaps(f.s);
  const int64_t m = f.u.shape()[-2], n = f.v.shape()[-2];
  const Tensor av = product(t[0], f.v), p = product(f.u, av, true);
  const Tensor left = p * by, right = column(f.s) * p;
  Tensor du = product(f.u, gaps * (left + turned(left))),
         dv = product(f.v, gaps * (right + turned(right)));
  if (m > n) du = du + beside(f.u, av) * inverse;
  if (n > m) dv = dv + beside(f.v, product(t[0], f.u, true)) * inverse;
  return {du, diagonal_of(p), turned(dv)};
}

Slots values_vjp(const Local& at, Cotangents ct) {
  const auto f = ir::apply(get("svd"), std::vector{at.x()});
  return {product(f[0] * row(ct[0]), f[2])};
}
Slots values_jvp(const Local& at, Cotangents t) {
  const auto f = ir::apply(get("svd"), std::vector{at.x()});
  return {diagonal_of(product(product(f[0], t[0], true), f[2], false, true))};
}

namespace {

/// 1 / (w[j] - w[i]), 0 where they are equal.
Tensor gaps_of(const Tensor& w) { return safe_reciprocal(row(w) - column(w)); }

}  // namespace

// dw = diag(V' dA V), dV = V (gaps * V' dA V).
Slots eigh_vjp(const Local& at, Cotangents ct) {
  if (none(ct)) return {Tensor()};
  const Tensor &w = at.y(0), &v = at.y(1);
  Tensor middle;
  if (ct[0].defined()) middle = on_diagonal(ct[0]);
  if (ct[1].defined()) accumulate(middle, gaps_of(w) * product(v, ct[1], true));
  return {symmetric(product(product(v, middle), v, false, true))};
}
Slots eigh_jvp(const Local& at, Cotangents t) {
  const Tensor &w = at.y(0), &v = at.y(1);
  const Tensor p = product(product(v, symmetric(t[0]), true), v);
  return {diagonal_of(p), product(v, gaps_of(w) * p)};
}

namespace {

/// The derivative of exp at A in the direction E: the upper right block of exp([A E; 0 A]).
Tensor exp_derivative(const Tensor& a, const Tensor& e) {
  const int64_t n = a.shape()[-1];
  const Tensor block = concat({concat({a, e}, -1), concat({full_like(a, 0), a}, -1)}, -2);
  return columns(rows(make("matrix_exp", {block}), 0, n), n, n);
}

}  // namespace

Slots exp_vjp(const Local& at, Cotangents ct) { return {exp_derivative(turned(at.x()), ct[0])}; }
Slots exp_jvp(const Local& at, Cotangents t) { return {exp_derivative(at.x(), t[0])}; }

}  // namespace varve::ops::linalg
