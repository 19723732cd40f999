// Linear algebra on stacks of strided matrices: what is common to the routines that compute it.
// Routines work on column-major matrices of their own type and are given by a struct:
//     using T                                                what they compute in
//     struct Scope { Scope(double operations, int threads); }   held while they run
//     int64_t cholesky(T* a, n)          lower factor in place; 0, or the order of the minor that
//                                        is not positive definite
//     int64_t lu(T* a, n, int* pivots)   in place, row i exchanged with pivots[i] >= i; 0, or the
//                                        (first) place, from 1, of a pivot that is 0
//     void lu_solve(const T* a, const int* pivots, T* b, n, columns)
//     void triangular_solve(const T* a, T* b, n, columns, lower, transpose, unit)
//     void qr(T* a, m, n, T* q, q_columns, T* r)      r has q_columns rows
//     bool svd(T* a, m, n, T* u, T* s, T* vt)         thin; u and vt may be null; false: no result
//     bool eigh(T* a, n, T* w)                        the lower triangle; vectors into a
#pragma once
#include <algorithm>
#include <cmath>
#include <limits>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "backend/kernel.h"
#include "base/convert.h"
#include "base/math.h"
#include "base/threads.h"
#include "varve/error.h"

namespace varve::backend {

/// Where a stack of matrices lies; vectors are matrices of one column.
struct DenseOperand {
  ir::Strides lead;
  int64_t rows = 1, columns = 1, row = 0, column = 0;

  int64_t at(const std::vector<int64_t>& sizes, int64_t which) const {
    int64_t offset = 0;
    for (size_t a = sizes.size(); a-- > 0;) {
      offset += which % sizes[a] * lead[a];
      which /= sizes[a];
    }
    return offset;
  }
};

/// A request, taken apart: the last `axes` of an operand are the matrix, the others the stack.
struct DenseProblem {
  std::string_view op;
  std::vector<int64_t> sizes;
  int64_t count = 1;
  std::vector<DenseOperand> in, out;
  bool lower = false, transpose = false, unit = false;
  double tolerance = 0, operations = 0;

  explicit DenseProblem(const Request& r) : op(r.op.name) {
    const auto& dims = r.inputs[0].shape.dims();
    sizes.assign(dims.begin(), dims.end() - 2);
    for (int64_t n : sizes) count *= n;
    for (const Layout& l : r.inputs) in.push_back(operand(l));
    for (const Layout& l : r.outputs) out.push_back(operand(l));
    if (op == "triangular_solve") {
      lower = r.attributes.flag("lower");
      transpose = r.attributes.flag("transpose");
      unit = r.attributes.flag("unit_diagonal");
    }
    if (op == "pinv") tolerance = r.attributes.real("tolerance");
    // A few multiplications an element of the inner product: enough to choose thread counts.
    double widest = 1;
    for (const DenseOperand& o : in) widest = std::max(widest, static_cast<double>(o.columns));
    operations = 4 * static_cast<double>(in[0].rows) * static_cast<double>(in[0].columns) * widest;
  }

 private:
  DenseOperand operand(const Layout& l) const {
    DenseOperand o;
    const size_t n = l.shape.dims().size(), axes = n - sizes.size();
    o.lead.assign(l.strides.begin(), l.strides.begin() + static_cast<int64_t>(sizes.size()));
    if (axes > 0) o.rows = l.shape.dims()[sizes.size()], o.row = l.strides[sizes.size()];
    if (axes > 1) o.columns = l.shape.dims().back(), o.column = l.strides.back();
    return o;
  }
};

/// One matrix after another, by routines R on elements E.
template <class R, class E>
class DenseKernel final : public Kernel {
 public:
  using T = typename R::T;
  DenseKernel(const Request& r) : p_(r), threads_(r.threads), solve_(choose(p_.op)) {}

  void run(const Arguments& a) const noexcept override {
    try {
      const typename R::Scope scope(p_.operations, threads_);
      // A part of some 20 microseconds.
      const auto grain = static_cast<int64_t>(std::max(1., 2e6 / p_.operations));
      // Not by `this`: GCC 12 calls the member of something else inside a lambda where the
      // sanitizers check the call.
      const DenseKernel& self = *this;
      const Solve solve_one = solve_;
      parallel_for(p_.count, grain, [&](int64_t begin, int64_t end) {
        try {
          for (int64_t i = begin; i < end; ++i) (self.*solve_one)(a, i);
        } catch (...) {
          a.fault->note_exception(std::current_exception());
        }
      });
    } catch (...) {
      a.fault->note_exception(std::current_exception());
    }
  }

 private:
  using Matrix = std::vector<T>;  // column-major
  using Solve = void (DenseKernel::*)(const Arguments&, int64_t) const;

  static Solve choose(std::string_view op) {
    constexpr std::pair<std::string_view, Solve> kSolves[] = {
        {"cholesky", &DenseKernel::cholesky},
        {"qr", &DenseKernel::qr},
        {"svd", &DenseKernel::svd},
        {"singular_values", &DenseKernel::svd},
        {"eigh", &DenseKernel::eigh},
        {"solve", &DenseKernel::solve},
        {"inverse", &DenseKernel::inverse},
        {"triangular_solve", &DenseKernel::triangular},
        {"det", &DenseKernel::det},
        {"slogdet", &DenseKernel::slogdet},
        {"cofactor", &DenseKernel::cofactor},
        {"pinv", &DenseKernel::pinv},
        {"matrix_exp", &DenseKernel::exponential}};
    for (const auto& [name, f] : kSolves) {
      if (name == op) return f;
    }
    return nullptr;
  }

  Matrix load(const Arguments& a, size_t which, int64_t i) const {
    const DenseOperand& o = p_.in[which];
    const E* x = static_cast<const E*>(a.inputs[which]) + o.at(p_.sizes, i);
    Matrix m(static_cast<size_t>(o.rows * o.columns));
    size_t n = 0;
    for (int64_t c = 0; c < o.columns; ++c) {
      for (int64_t r = 0; r < o.rows; ++r) m[n++] = static_cast<T>(x[r * o.row + c * o.column]);
    }
    return m;
  }
  void store(const Arguments& a, size_t which, int64_t i, const T* m) const {
    const DenseOperand& o = p_.out[which];
    E* y = static_cast<E*>(a.outputs[which]) + o.at(p_.sizes, i);
    for (int64_t c = 0; c < o.columns; ++c) {
      for (int64_t r = 0; r < o.rows; ++r) y[r * o.row + c * o.column] = convert<E>(*m++);
    }
  }
  [[noreturn]] void fail(int64_t i, const std::string& what) const {
    throw NumericError(
        std::string(p_.op) + ": " +
        (p_.sizes.empty() ? "the matrix" : "matrix " + std::to_string(i) + " of the stack") +
        " is " + what);
  }
  static bool finite(const Matrix& m) {
    return std::all_of(m.begin(), m.end(), [](T v) { return std::isfinite(v); });
  }
  static Matrix nothing(int64_t n) {
    return Matrix(static_cast<size_t>(n), std::numeric_limits<T>::quiet_NaN());
  }
  static Matrix identity(int64_t n) {
    Matrix m(static_cast<size_t>(n * n), T{0});
    for (int64_t i = 0; i < n; ++i) m[static_cast<size_t>(i * n + i)] = 1;
    return m;
  }
  static void negate(T* v, int64_t n, int64_t step) {
    for (int64_t i = 0; i < n; ++i) v[i * step] = -v[i * step];
  }
  /// Whether the first of a vector's large components is negative: the sign that is turned. (Not
  /// the largest: rounding would choose among equal ones.)
  static bool points_back(const T* v, int64_t n) {
    T largest = 0;
    for (int64_t i = 0; i < n; ++i) largest = std::max(largest, std::abs(v[i]));
    for (int64_t i = 0; i < n; ++i) {
      if (std::abs(v[i]) >= T{0.9} * largest) return v[i] < 0;
    }
    return false;
  }

  void cholesky(const Arguments& a, int64_t i) const {
    const int64_t n = p_.in[0].rows;
    Matrix m = load(a, 0, i);
    if (const int64_t order = n ? R::cholesky(m.data(), n) : 0) {
      fail(i, "not positive definite: its leading minor of order " + std::to_string(order) +
                  " is not above 0");
    }
    for (int64_t c = 0; c < n; ++c) std::fill(m.begin() + c * n, m.begin() + c * n + c, T{0});
    store(a, 0, i, m.data());
  }

  void qr(const Arguments& a, int64_t i) const {
    const int64_t m = p_.in[0].rows, n = p_.in[0].columns, k = p_.out[0].columns;
    Matrix x = load(a, 0, i), q = m == k ? identity(m) : Matrix(static_cast<size_t>(m * k));
    Matrix r(static_cast<size_t>(k * n), T{0});
    if (m > 0 && n > 0) R::qr(x.data(), m, n, q.data(), k, r.data());
    for (int64_t d = 0; d < std::min(m, n); ++d) {
      if (r[static_cast<size_t>(d * k + d)] >= 0) continue;
      negate(r.data() + d, n, k);
      negate(q.data() + d * m, m, 1);
    }
    store(a, 0, i, q.data());
    store(a, 1, i, r.data());
  }

  struct Factors {
    Matrix u, s, vt;
  };
  /// The thin decomposition with its signs chosen; NaN where there is none.
  Factors decomposed(Matrix x, int64_t m, int64_t n, bool vectors) const {
    const int64_t k = std::min(m, n);
    Factors f{Matrix(static_cast<size_t>(vectors ? m * k : 0)), Matrix(static_cast<size_t>(k)),
              Matrix(static_cast<size_t>(vectors ? k * n : 0))};
    if (k == 0) return f;
    if (!finite(x) || !R::svd(x.data(), m, n, vectors ? f.u.data() : nullptr, f.s.data(),
                              vectors ? f.vt.data() : nullptr)) {
      return {nothing(vectors ? m * k : 0), nothing(k), nothing(vectors ? k * n : 0)};
    }
    for (int64_t c = 0; vectors && c < k; ++c) {
      if (!points_back(f.u.data() + c * m, m)) continue;
      negate(f.u.data() + c * m, m, 1);
      negate(f.vt.data() + c, n, k);
    }
    return f;
  }
  void svd(const Arguments& a, int64_t i) const {
    const bool vectors = p_.op == "svd";
    const Factors f = decomposed(load(a, 0, i), p_.in[0].rows, p_.in[0].columns, vectors);
    if (vectors) {
      store(a, 0, i, f.u.data());
      store(a, 1, i, f.s.data());
      store(a, 2, i, f.vt.data());
    } else {
      store(a, 0, i, f.s.data());
    }
  }

  void eigh(const Arguments& a, int64_t i) const {
    const int64_t n = p_.in[0].rows;
    Matrix m = load(a, 0, i), w(static_cast<size_t>(n));
    if (n > 0 && (!finite(m) || !R::eigh(m.data(), n, w.data())))
      m = nothing(n * n), w = nothing(n);
    for (int64_t c = 0; c < n; ++c) {
      if (points_back(m.data() + c * n, n)) negate(m.data() + c * n, n, 1);
    }
    store(a, 0, i, w.data());
    store(a, 1, i, m.data());
  }

  struct Lu {
    Matrix m;
    std::vector<int> pivots;
    int64_t zero = 0;
  };
  static Lu factored(Matrix m, int64_t n) {
    Lu lu{std::move(m), std::vector<int>(static_cast<size_t>(n)), 0};
    if (n > 0) lu.zero = R::lu(lu.m.data(), n, lu.pivots.data());
    return lu;
  }
  Lu regular(const Arguments& a, int64_t i) const {
    Lu lu = factored(load(a, 0, i), p_.in[0].rows);
    if (lu.zero)
      fail(i, "singular: pivot " + std::to_string(lu.zero - 1) + " of its elimination is 0");
    return lu;
  }
  void solve(const Arguments& a, int64_t i) const {
    const Lu lu = regular(a, i);
    Matrix b = load(a, 1, i);
    if (!b.empty())
      R::lu_solve(lu.m.data(), lu.pivots.data(), b.data(), p_.in[1].rows, p_.in[1].columns);
    store(a, 0, i, b.data());
  }
  void inverse(const Arguments& a, int64_t i) const {
    const Lu lu = regular(a, i);
    const int64_t n = p_.in[0].rows;
    Matrix b = identity(n);
    if (n > 0) R::lu_solve(lu.m.data(), lu.pivots.data(), b.data(), n, n);
    store(a, 0, i, b.data());
  }
  /// (-1) to the power of the exchanges.
  static T parity(const Lu& lu) {
    bool odd = false;
    for (size_t i = 0; i < lu.pivots.size(); ++i) odd ^= lu.pivots[i] != static_cast<int>(i);
    return odd ? T{-1} : T{1};
  }
  static T determinant(const Matrix& m, int64_t n) {
    const Lu lu = factored(m, n);
    T d = parity(lu);
    for (int64_t k = 0; k < n; ++k) d *= lu.m[static_cast<size_t>(k * n + k)];
    return d;
  }
  void det(const Arguments& a, int64_t i) const {
    const T d = determinant(load(a, 0, i), p_.in[0].rows);
    store(a, 0, i, &d);
  }
  void slogdet(const Arguments& a, int64_t i) const {
    const int64_t n = p_.in[0].rows;
    const Lu lu = factored(load(a, 0, i), n);
    T sign = parity(lu), sum = 0;
    for (int64_t k = 0; k < n; ++k) {
      const T d = lu.m[static_cast<size_t>(k * n + k)];
      sign *= d > 0 ? T{1} : d < 0 ? T{-1} : d;
      sum += std::log(std::abs(d));
    }
    store(a, 0, i, &sign);
    store(a, 1, i, &sum);
  }

  void triangular(const Arguments& a, int64_t i) const {
    const int64_t n = p_.in[0].rows;
    const Matrix m = load(a, 0, i);
    for (int64_t k = 0; k < n && !p_.unit; ++k) {
      if (m[static_cast<size_t>(k * n + k)] == 0)
        fail(i, "singular: element " + std::to_string(k) + " of its diagonal is 0");
    }
    Matrix b = load(a, 1, i);
    if (!b.empty())
      R::triangular_solve(m.data(), b.data(), n, p_.in[1].columns, p_.lower, p_.transpose, p_.unit);
    store(a, 0, i, b.data());
  }

  /// det(A) times the inverse's transpose, as det(U) det(V') U diag(product of the other singular
  /// values) V': right for singular matrices, too.
  void cofactor(const Arguments& a, int64_t i) const {
    const int64_t n = p_.in[0].rows;
    const Factors f = decomposed(load(a, 0, i), n, n, true);
    const T sign = determinant(f.u, n) * determinant(f.vt, n) < 0 ? T{-1} : T{1};
    Matrix scale(static_cast<size_t>(n), sign);
    for (size_t k = 0; k < scale.size(); ++k) {
      for (size_t j = 0; j < scale.size(); ++j) scale[k] *= j == k ? T{1} : f.s[j];
    }
    store(a, 0, i, product(f.u, scale, f.vt, n, n, n).data());
  }
  /// U diag(scale) V', [m, k] and [k, n].
  static Matrix product(const Matrix& u, const Matrix& scale, const Matrix& vt, int64_t m,
                        int64_t k, int64_t n) {
    Matrix y(static_cast<size_t>(m * n), T{0});
    for (int64_t c = 0; c < n; ++c) {
      for (int64_t j = 0; j < k; ++j) {
        const T by = scale[static_cast<size_t>(j)] * vt[static_cast<size_t>(c * k + j)];
        for (int64_t r = 0; r < m; ++r)
          y[static_cast<size_t>(c * m + r)] += u[static_cast<size_t>(j * m + r)] * by;
      }
    }
    return y;
  }
  void pinv(const Arguments& a, int64_t i) const {
    const int64_t m = p_.in[0].rows, n = p_.in[0].columns, k = std::min(m, n);
    const Factors f = decomposed(load(a, 0, i), m, n, true);
    Matrix scale(static_cast<size_t>(k), T{0});
    for (size_t j = 0; j < scale.size(); ++j) {
      if (!(f.s[j] <= static_cast<T>(p_.tolerance) * f.s[0])) scale[j] = 1 / f.s[j];
    }
    const Matrix p = product(f.u, scale, f.vt, m, k, n);  // of the transpose
    Matrix y(p.size());
    for (int64_t r = 0; r < m; ++r) {
      for (int64_t c = 0; c < n; ++c)
        y[static_cast<size_t>(r * n + c)] = p[static_cast<size_t>(c * m + r)];
    }
    store(a, 0, i, y.data());
  }

  static Matrix times(const Matrix& a, const Matrix& b, int64_t n) {
    return product(a, Matrix(static_cast<size_t>(n), T{1}), b, n, n, n);
  }
  /// Pade approximant of order 13 of the matrix halved until its 1-norm is below 5.4, then squared
  /// as often (Higham 2005).
  void exponential(const Arguments& a, int64_t i) const {
    constexpr T b[] = {64764752532480000.,
                       32382376266240000.,
                       7771770303897600.,
                       1187353796428800.,
                       129060195264000.,
                       10559470521600.,
                       670442572800.,
                       33522128640.,
                       1323241920.,
                       40840800.,
                       960960.,
                       16380.,
                       182.,
                       1.};
    const int64_t n = p_.in[0].rows;
    Matrix m = load(a, 0, i);
    if (!finite(m)) return store(a, 0, i, nothing(n * n).data());
    T norm = 0;
    for (int64_t c = 0; c < n; ++c) {
      T sum = 0;
      for (int64_t r = 0; r < n; ++r) sum += std::abs(m[static_cast<size_t>(c * n + r)]);
      norm = std::max(norm, sum);
    }
    const int halvings =
        norm > T{5.371920351148152} ? std::max(0, std::ilogb(norm / T{5.371920351148152}) + 1) : 0;
    for (T& v : m) v = std::ldexp(v, -halvings);
    const Matrix one = identity(n), m2 = times(m, m, n), m4 = times(m2, m2, n),
                 m6 = times(m2, m4, n);
    const auto combine = [&](T c6, T c4, T c2, T c0) {
      Matrix y(m.size());
      for (size_t k = 0; k < y.size(); ++k)
        y[k] = c6 * m6[k] + c4 * m4[k] + c2 * m2[k] + c0 * one[k];
      return y;
    };
    Matrix u = times(m6, combine(b[13], b[11], b[9], 0), n),
           v = times(m6, combine(b[12], b[10], b[8], 0), n);
    const Matrix u0 = combine(b[7], b[5], b[3], b[1]), v0 = combine(b[6], b[4], b[2], b[0]);
    for (size_t k = 0; k < u.size(); ++k) u[k] += u0[k], v[k] += v0[k];
    u = times(m, u, n);
    Matrix top(u.size()), bottom(u.size());
    for (size_t k = 0; k < u.size(); ++k) top[k] = v[k] + u[k], bottom[k] = v[k] - u[k];
    const Lu lu = factored(std::move(bottom), n);
    if (n > 0) R::lu_solve(lu.m.data(), lu.pivots.data(), top.data(), n, n);
    for (int s = 0; s < halvings; ++s) top = times(top, top, n);
    store(a, 0, i, top.data());
  }

  DenseProblem p_;
  int threads_;
  Solve solve_;
};

/// The ops that DenseKernel computes.
inline constexpr const char* kDenseOps[] = {
    "cholesky",         "qr",  "svd",     "singular_values", "eigh", "solve",     "inverse",
    "triangular_solve", "det", "slogdet", "cofactor",        "pinv", "matrix_exp"};

}  // namespace varve::backend
