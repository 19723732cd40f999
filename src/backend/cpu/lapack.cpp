// Linear algebra by the LAPACK within OpenBLAS (the OpenMP flavour alone, as in openblas.cpp).
#include <cblas.h>

#include "backend/cpu/kernels.h"
#include "backend/cpu/thread_scope.h"
#include "backend/dense.h"

// Fortran's calling convention: everything by address, lengths of texts behind.
extern "C" {
void spotrf_(const char*, const int*, float*, const int*, int*, size_t);
void sgetrf_(const int*, const int*, float*, const int*, int*, int*);
void sgetrs_(const char*, const int*, const int*, const float*, const int*, const int*, float*,
             const int*, int*, size_t);
void sgeqrf_(const int*, const int*, float*, const int*, float*, float*, const int*, int*);
void sorgqr_(const int*, const int*, const int*, float*, const int*, const float*, float*,
             const int*, int*);
void sgesdd_(const char*, const int*, const int*, float*, const int*, float*, float*, const int*,
             float*, const int*, float*, const int*, int*, int*, size_t);
void ssyevd_(const char*, const char*, const int*, float*, const int*, float*, float*, const int*,
             int*, const int*, int*, size_t, size_t);
void dpotrf_(const char*, const int*, double*, const int*, int*, size_t);
void dgetrf_(const int*, const int*, double*, const int*, int*, int*);
void dgetrs_(const char*, const int*, const int*, const double*, const int*, const int*, double*,
             const int*, int*, size_t);
void dgeqrf_(const int*, const int*, double*, const int*, double*, double*, const int*, int*);
void dorgqr_(const int*, const int*, const int*, double*, const int*, const double*, double*,
             const int*, int*);
void dgesdd_(const char*, const int*, const int*, double*, const int*, double*, double*, const int*,
             double*, const int*, double*, const int*, int*, int*, size_t);
void dsyevd_(const char*, const char*, const int*, double*, const int*, double*, double*,
             const int*, int*, const int*, int*, size_t, size_t);
}

namespace varve::backend::cpu {
namespace {

// Columns that LAPACK works on at a time: the blocks of its own choice are no wider.
constexpr int kBlock = 64;

template <class Real>
struct LapackRoutines {
  using T = Real;
  static constexpr bool kDouble = std::is_same_v<Real, double>;
  struct Scope {
    Scope(double operations, int threads) : threads_(useful_threads(operations, threads)) {}
    ThreadScope threads_;
  };

  static int64_t cholesky(T* a, int64_t size) {
    const int n = static_cast<int>(size);
    int info = 0;
    if constexpr (kDouble) {
      dpotrf_("L", &n, a, &n, &info, 1);
    } else {
      spotrf_("L", &n, a, &n, &info, 1);
    }
    return info;
  }

  static int64_t lu(T* a, int64_t size, int* pivots) {
    const int n = static_cast<int>(size);
    int info = 0;
    if constexpr (kDouble) {
      dgetrf_(&n, &n, a, &n, pivots, &info);
    } else {
      sgetrf_(&n, &n, a, &n, pivots, &info);
    }
    for (int i = 0; i < n; ++i) --pivots[i];
    return info;
  }

  static void lu_solve(const T* a, const int* pivots, T* b, int64_t size, int64_t columns) {
    const int n = static_cast<int>(size), k = static_cast<int>(columns);
    std::vector<int> from_one(pivots, pivots + n);
    for (int& p : from_one) ++p;
    int info = 0;
    if constexpr (kDouble) {
      dgetrs_("N", &n, &k, a, &n, from_one.data(), b, &n, &info, 1);
    } else {
      sgetrs_("N", &n, &k, a, &n, from_one.data(), b, &n, &info, 1);
    }
  }

  static void triangular_solve(const T* a, T* b, int64_t size, int64_t columns, bool lower,
                               bool transpose, bool unit) {
    const int n = static_cast<int>(size), k = static_cast<int>(columns);
    const auto side = lower ? CblasLower : CblasUpper;
    const auto turned = transpose ? CblasTrans : CblasNoTrans;
    const auto diagonal = unit ? CblasUnit : CblasNonUnit;
    if constexpr (kDouble) {
      cblas_dtrsm(CblasColMajor, CblasLeft, side, turned, diagonal, n, k, 1, a, n, b, n);
    } else {
      cblas_strsm(CblasColMajor, CblasLeft, side, turned, diagonal, n, k, 1, a, n, b, n);
    }
  }

  static void qr(T* a, int64_t rows, int64_t columns, T* q, int64_t width, T* r) {
    const int m = static_cast<int>(rows), n = static_cast<int>(columns),
              k = static_cast<int>(width), steps = std::min(m, n);
    std::vector<T> scales(static_cast<size_t>(steps)),
        work(static_cast<size_t>(kBlock) * static_cast<size_t>(std::max(n, k)));
    const int size = static_cast<int>(work.size());
    int info = 0;
    if constexpr (kDouble) {
      dgeqrf_(&m, &n, a, &m, scales.data(), work.data(), &size, &info);
    } else {
      sgeqrf_(&m, &n, a, &m, scales.data(), work.data(), &size, &info);
    }
    for (int64_t c = 0; c < n; ++c) {
      for (int64_t i = 0; i < k; ++i) r[c * k + i] = i <= c ? a[c * m + i] : T{0};
    }
    std::copy_n(a, rows * std::min(n, k), q);
    if constexpr (kDouble) {
      dorgqr_(&m, &k, &steps, q, &m, scales.data(), work.data(), &size, &info);
    } else {
      sorgqr_(&m, &k, &steps, q, &m, scales.data(), work.data(), &size, &info);
    }
  }

  static bool svd(T* a, int64_t rows, int64_t columns, T* u, T* s, T* vt) {
    const int m = static_cast<int>(rows), n = static_cast<int>(columns), k = std::min(m, n);
    const char* job = u ? "S" : "N";
    std::vector<int> whole(8 * static_cast<size_t>(k));
    T best = 0;
    int size = -1, info = 0;
    const auto call = [&](T* work) {
      if constexpr (kDouble) {
        dgesdd_(job, &m, &n, a, &m, s, u, &m, vt, &k, work, &size, whole.data(), &info, 1);
      } else {
        sgesdd_(job, &m, &n, a, &m, s, u, &m, vt, &k, work, &size, whole.data(), &info, 1);
      }
    };
    call(&best);
    // The size came as a float: one unit in its last place more, for it may have been cut.
    size = static_cast<int>(std::nextafter(best, std::numeric_limits<T>::max())) + 1;
    std::vector<T> work(static_cast<size_t>(size));
    call(work.data());
    return info == 0;
  }

  static bool eigh(T* a, int64_t rows, T* w) {
    const int n = static_cast<int>(rows);
    const int64_t wanted = 1 + 6 * rows + 2 * rows * rows;
    std::vector<T> work(static_cast<size_t>(wanted));
    std::vector<int> whole(3 + 5 * static_cast<size_t>(n));
    const int size = static_cast<int>(wanted), whole_size = static_cast<int>(whole.size());
    int info = 0;
    if constexpr (kDouble) {
      dsyevd_("V", "L", &n, a, &n, w, work.data(), &size, whole.data(), &whole_size, &info, 1, 1);
    } else {
      ssyevd_("V", "L", &n, a, &n, w, work.data(), &size, whole.data(), &whole_size, &info, 1, 1);
    }
    return info == 0;
  }
};

Offer prepare(const Request& r) {
  constexpr int kOpenMp = 2;
  if (openblas_get_parallel() != kOpenMp)
    return Offer::decline("OpenBLAS is not the OpenMP flavour");
  // Its integers have 32 bits, and the largest workspace has two matrices and more.
  for (const Layout& l : r.inputs) {
    int64_t size = 1;
    for (int64_t n : l.shape.dims()) size = std::max(size, n);
    if (size > 1 << 14) return Offer::decline("takes sizes up to 16384");
  }
  if (r.inputs[0].dtype == f64)
    return Offer(std::make_unique<DenseKernel<LapackRoutines<double>, double>>(r));
  return Offer(std::make_unique<DenseKernel<LapackRoutines<float>, float>>(r));
}

}  // namespace

std::vector<KernelRow> lapack_kernels() {
  std::vector<KernelRow> rows;
  for (const char* op : kDenseOps) rows.push_back({op, "lapack dense", prepare});
  return rows;
}

}  // namespace varve::backend::cpu
