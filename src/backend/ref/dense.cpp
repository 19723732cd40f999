// Linear algebra in plain loops, in double: elimination, Householder reflections, Jacobi rotations.
#include "backend/dense.h"

#include "backend/ref/families.h"
#include "ir/dispatch.h"

namespace varve::backend::ref {
namespace {

// Rotations below this change nothing that double holds.
constexpr double kOrthogonal = 1e-16;
constexpr int kMostSweeps = 60;

struct PlainRoutines {
  using T = double;
  struct Scope {
    Scope(double, int) {}
  };

  static int64_t cholesky(double* a, int64_t n) {
    for (int64_t j = 0; j < n; ++j) {
      double d = a[j * n + j];
      for (int64_t k = 0; k < j; ++k) d -= a[k * n + j] * a[k * n + j];
      if (!(d > 0)) return j + 1;
      d = std::sqrt(d);
      a[j * n + j] = d;
      for (int64_t i = j + 1; i < n; ++i) {
        double v = a[j * n + i];
        for (int64_t k = 0; k < j; ++k) v -= a[k * n + i] * a[k * n + j];
        a[j * n + i] = v / d;
      }
    }
    return 0;
  }

  static int64_t lu(double* a, int64_t n, int* pivots) {
    int64_t zero = 0;
    for (int64_t j = 0; j < n; ++j) {
      int64_t p = j;
      for (int64_t i = j + 1; i < n; ++i) {
        if (std::abs(a[j * n + i]) > std::abs(a[j * n + p])) p = i;
      }
      pivots[j] = static_cast<int>(p);
      if (p != j) {
        for (int64_t c = 0; c < n; ++c) std::swap(a[c * n + j], a[c * n + p]);
      }
      if (a[j * n + j] == 0) {
        if (!zero) zero = j + 1;
        continue;
      }
      for (int64_t i = j + 1; i < n; ++i) a[j * n + i] /= a[j * n + j];
      for (int64_t c = j + 1; c < n; ++c) {
        for (int64_t i = j + 1; i < n; ++i) a[c * n + i] -= a[j * n + i] * a[c * n + j];
      }
    }
    return zero;
  }

  static void lu_solve(const double* a, const int* pivots, double* b, int64_t n, int64_t columns) {
    for (int64_t c = 0; c < columns; ++c) {
      for (int64_t i = 0; i < n; ++i) std::swap(b[c * n + i], b[c * n + pivots[i]]);
    }
    triangular_solve(a, b, n, columns, true, false, true);
    triangular_solve(a, b, n, columns, false, false, false);
  }

  static void triangular_solve(const double* a, double* b, int64_t n, int64_t columns, bool lower,
                               bool transpose, bool unit) {
    const auto at = [&](int64_t i, int64_t j) { return transpose ? a[i * n + j] : a[j * n + i]; };
    const bool forward = lower != transpose;
    for (int64_t c = 0; c < columns; ++c) {
      double* x = b + c * n;
      for (int64_t s = 0; s < n; ++s) {
        const int64_t i = forward ? s : n - 1 - s;
        double v = x[i];
        for (int64_t j = forward ? 0 : i + 1; j < (forward ? i : n); ++j) v -= at(i, j) * x[j];
        x[i] = unit ? v : v / at(i, i);
      }
    }
  }

  /// Reflections I - t v v', v[k] = 1 kept below the diagonal of a; Q is their product.
  static void qr(double* a, int64_t m, int64_t n, double* q, int64_t k, double* r) {
    const int64_t steps = std::min(m, n);
    std::vector<double> t(static_cast<size_t>(steps));
    const auto reflect = [&](int64_t s, double* x) {
      const double* v = a + s * m;
      double sum = x[s];
      for (int64_t i = s + 1; i < m; ++i) sum += v[i] * x[i];
      sum *= t[static_cast<size_t>(s)];
      x[s] -= sum;
      for (int64_t i = s + 1; i < m; ++i) x[i] -= sum * v[i];
    };
    for (int64_t s = 0; s < steps; ++s) {
      double* v = a + s * m;
      double below = 0;
      for (int64_t i = s + 1; i < m; ++i) below += v[i] * v[i];
      if (below > 0) {
        const double head = v[s], length = std::sqrt(head * head + below);
        const double beta = head > 0 ? -length : length;
        t[static_cast<size_t>(s)] = (beta - head) / beta;
        for (int64_t i = s + 1; i < m; ++i) v[i] /= head - beta;
        v[s] = beta;
      }
      for (int64_t c = s + 1; c < n; ++c) reflect(s, a + c * m);
    }
    for (int64_t c = 0; c < n; ++c) {
      for (int64_t i = 0; i < k; ++i) r[c * k + i] = i <= c ? a[c * m + i] : 0;
    }
    for (int64_t c = 0; c < k; ++c) {
      std::fill(q + c * m, q + c * m + m, 0.);
      q[c * m + c] = 1;
      for (int64_t s = steps; s-- > 0;) reflect(s, q + c * m);
    }
  }

  /// Cosine and sine that make two columns with these inner products orthogonal.
  struct Rotation {
    double c, s;
    void turn(double* x, double* y, int64_t n) const {
      for (int64_t i = 0; i < n; ++i) {
        const double p = x[i], q = y[i];
        x[i] = c * p - s * q;
        y[i] = s * p + c * q;
      }
    }
  };
  static Rotation rotation(double xx, double yy, double xy) {
    const double zeta = (yy - xx) / (2 * xy);
    const double t = (zeta < 0 ? -1 : 1) / (std::abs(zeta) + std::sqrt(1 + zeta * zeta));
    const double c = 1 / std::sqrt(1 + t * t);
    return {c, c * t};
  }

  /// One-sided Jacobi (Hestenes 1958): the columns are turned until they are orthogonal.
  static bool svd(double* a, int64_t m, int64_t n, double* u, double* s, double* vt) {
    if (m < n) {
      std::vector<double> turned(static_cast<size_t>(m * n)), v(turned.size()),
          ut(static_cast<size_t>(m * m));
      transpose(a, m, n, turned.data());
      if (!svd(turned.data(), n, m, v.data(), s, ut.data())) return false;
      if (u) transpose(ut.data(), m, m, u);
      if (vt) transpose(v.data(), n, m, vt);
      return true;
    }
    std::vector<double> v(static_cast<size_t>(n * n), 0.);
    for (int64_t i = 0; i < n; ++i) v[static_cast<size_t>(i * n + i)] = 1;
    const auto inner = [&](const double* x, const double* y) {
      double sum = 0;
      for (int64_t i = 0; i < m; ++i) sum += x[i] * y[i];
      return sum;
    };
    bool again = true;
    for (int sweep = 0; again && sweep < kMostSweeps; ++sweep) {
      again = false;
      for (int64_t p = 0; p < n; ++p) {
        for (int64_t q = p + 1; q < n; ++q) {
          double *x = a + p * m, *y = a + q * m;
          const double xx = inner(x, x), yy = inner(y, y), xy = inner(x, y);
          if (std::abs(xy) <= kOrthogonal * std::sqrt(xx * yy) || xy == 0) continue;
          again = true;
          const Rotation r = rotation(xx, yy, xy);
          r.turn(x, y, m);
          r.turn(v.data() + p * n, v.data() + q * n, n);
        }
      }
    }
    std::vector<int64_t> order(static_cast<size_t>(n));
    std::vector<double> length(order.size());
    for (int64_t c = 0; c < n; ++c) {
      order[static_cast<size_t>(c)] = c;
      length[static_cast<size_t>(c)] = std::sqrt(inner(a + c * m, a + c * m));
    }
    std::stable_sort(order.begin(), order.end(), [&](int64_t p, int64_t q) {
      return length[static_cast<size_t>(p)] > length[static_cast<size_t>(q)];
    });
    for (int64_t c = 0; c < n; ++c) {
      const int64_t from = order[static_cast<size_t>(c)];
      s[c] = length[static_cast<size_t>(from)];
      for (int64_t i = 0; vt && i < n; ++i) vt[i * n + c] = v[static_cast<size_t>(from * n + i)];
      if (!u) continue;
      // Columns without a direction of their own take one that is left over.
      if (s[c] > m * 1e-16 * s[0]) {
        for (int64_t i = 0; i < m; ++i) u[c * m + i] = a[from * m + i] / s[c];
      } else {
        leftover(u, m, c);
      }
    }
    return true;
  }
  static void transpose(const double* x, int64_t rows, int64_t columns, double* y) {
    for (int64_t c = 0; c < columns; ++c) {
      for (int64_t r = 0; r < rows; ++r) y[r * columns + c] = x[c * rows + r];
    }
  }
  /// Column c orthogonal to those before it: of the unit vectors, the one that keeps most.
  static void leftover(double* u, int64_t m, int64_t c) {
    int64_t best = 0;
    double most = -1;
    for (int64_t e = 0; e < m; ++e) {
      double kept = 1;
      for (int64_t k = 0; k < c; ++k) kept -= u[k * m + e] * u[k * m + e];
      if (kept > most) most = kept, best = e;
    }
    double* x = u + c * m;
    std::fill(x, x + m, 0.);
    x[best] = 1;
    for (int pass = 0; pass < 2; ++pass) {
      for (int64_t k = 0; k < c; ++k) {
        double sum = 0;
        for (int64_t i = 0; i < m; ++i) sum += u[k * m + i] * x[i];
        for (int64_t i = 0; i < m; ++i) x[i] -= sum * u[k * m + i];
      }
      double size = 0;
      for (int64_t i = 0; i < m; ++i) size += x[i] * x[i];
      for (int64_t i = 0; i < m; ++i) x[i] /= std::sqrt(size);
    }
  }

  /// Jacobi's method: off-diagonal elements are turned away, pair by pair.
  static bool eigh(double* a, int64_t n, double* w) {
    std::vector<double> v(static_cast<size_t>(n * n), 0.);
    for (int64_t i = 0; i < n; ++i) {
      v[static_cast<size_t>(i * n + i)] = 1;
      for (int64_t j = 0; j < i; ++j) a[i * n + j] = a[j * n + i];
    }
    double size = 0;
    for (int64_t i = 0; i < n * n; ++i) size = std::max(size, std::abs(a[i]));
    bool again = true;
    for (int sweep = 0; again && sweep < kMostSweeps; ++sweep) {
      again = false;
      for (int64_t p = 0; p < n; ++p) {
        for (int64_t q = p + 1; q < n; ++q) {
          const double pq = a[q * n + p];
          if (std::abs(pq) <= kOrthogonal * 1e-2 * size) continue;
          again = true;
          const Rotation r = rotation(a[p * n + p], a[q * n + q], pq);
          r.turn(a + p * n, a + q * n, n);
          for (int64_t i = 0; i < n; ++i) {
            const double x = a[i * n + p], y = a[i * n + q];
            a[i * n + p] = r.c * x - r.s * y;
            a[i * n + q] = r.s * x + r.c * y;
          }
          r.turn(v.data() + p * n, v.data() + q * n, n);
        }
      }
    }
    std::vector<int64_t> order(static_cast<size_t>(n));
    for (int64_t i = 0; i < n; ++i) order[static_cast<size_t>(i)] = i;
    std::stable_sort(order.begin(), order.end(),
                     [&](int64_t p, int64_t q) { return a[p * n + p] < a[q * n + q]; });
    for (int64_t c = 0; c < n; ++c) w[c] = a[order[static_cast<size_t>(c)] * (n + 1)];
    for (int64_t c = 0; c < n; ++c)
      std::copy_n(v.data() + order[static_cast<size_t>(c)] * n, n, a + c * n);
    return true;
  }
};

Offer prepare(const Request& r) {
  if (r.inputs[0].dtype == f32)
    return Offer(std::make_unique<DenseKernel<PlainRoutines, float>>(r));
  return Offer(std::make_unique<DenseKernel<PlainRoutines, double>>(r));
}

}  // namespace

std::vector<KernelRow> dense_kernels() {
  std::vector<KernelRow> rows;
  for (const char* op : kDenseOps) rows.push_back({op, "ref dense", prepare});
  return rows;
}

}  // namespace varve::backend::ref
