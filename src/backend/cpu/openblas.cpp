// Matrix products by OpenBLAS: f64, which oneDNN lacks, and f32 where oneDNN declines or is slower.
// Only the OpenMP flavour: another one brings a second pool of threads, which fights with OpenMP's
// for the processors.
#include <cblas.h>

#include "backend/cpu/kernels.h"
#include "backend/cpu/matmul_costs.h"
#include "backend/cpu/matrices.h"
#include "backend/cpu/thread_scope.h"

namespace varve::backend::cpu {
namespace {

template <class T>
void gemm(const MatmulProblem& p, const T* a, const T* b, T beta, T* y) {
  const auto turned = [](const Matrix& m) { return m.transposed() ? CblasTrans : CblasNoTrans; };
  const auto m = static_cast<blasint>(p.y.rows), n = static_cast<blasint>(p.y.columns),
             k = static_cast<blasint>(p.a.columns);
  const auto lda = static_cast<blasint>(p.a.pitch()), ldb = static_cast<blasint>(p.b.pitch()),
             ldy = static_cast<blasint>(p.y.pitch());
  if constexpr (std::is_same_v<T, double>) {
    cblas_dgemm(CblasRowMajor, turned(p.a), turned(p.b), m, n, k, 1, a, lda, b, ldb, beta, y, ldy);
  } else {
    cblas_sgemm(CblasRowMajor, turned(p.a), turned(p.b), m, n, k, 1, a, lda, b, ldb, beta, y, ldy);
  }
}

template <class T>
class Gemm final : public Kernel {
 public:
  Gemm(MatmulProblem p, int64_t bias_step, int threads)
      : p_(std::move(p)), bias_step_(bias_step), threads_(threads) {}

  void run(const Arguments& args) const noexcept override {
    const ThreadScope scope(threads_);
    const T *a = static_cast<const T*>(args.inputs[0]), *b = static_cast<const T*>(args.inputs[1]);
    const T* bias = p_.has_bias ? static_cast<const T*>(args.inputs[2]) : nullptr;
    T* y = static_cast<T*>(args.outputs[0]);
    for (int64_t i = 0; i < p_.stack.count(); ++i) {
      int64_t at_a = 0, at_b = 0, at_y = 0, rest = i;
      for (size_t axis = p_.stack.sizes.size(); axis-- > 0;) {
        const int64_t index = rest % p_.stack.sizes[axis];
        rest /= p_.stack.sizes[axis];
        at_a += index * p_.a.lead[axis];
        at_b += index * p_.b.lead[axis];
        at_y += index * p_.y.lead[axis];
      }
      if (bias) put_bias(bias, y + at_y);
      gemm<T>(p_, a + at_a, b + at_b, bias ? T{1} : T{0}, y + at_y);
    }
  }

 private:
  void put_bias(const T* bias, T* y) const {
    for (int64_t r = 0; r < p_.y.rows; ++r) {
      for (int64_t c = 0; c < p_.y.columns; ++c)
        y[r * p_.y.row + c * p_.y.column] = bias[c * bias_step_];
    }
  }

  MatmulProblem p_;
  int64_t bias_step_;
  int threads_;
};

Offer prepare(const Request& r) {
  constexpr int kOpenMp = 2;
  if (openblas_get_parallel() != kOpenMp)
    return Offer::decline("OpenBLAS is not the OpenMP flavour");
  const DType d = r.outputs[0].dtype;
  if (d != f32 && d != f64) return Offer::decline("takes f32 and f64");
  MatmulProblem p = matmul_problem(r);
  if (p.empty()) return Offer::decline("the product is empty");
  if (p.copy_a || p.copy_b || p.strided_y || p.y.transposed())
    return Offer::decline("wants matrices with a contiguous axis");
  for (int64_t size : {p.y.rows, p.y.columns, p.a.columns, p.a.pitch(), p.b.pitch(), p.y.pitch()}) {
    if (size > INT32_MAX) return Offer::decline("takes sizes below 2^31");
  }
  const int64_t step = p.has_bias ? r.inputs[2].strides[0] : 0;
  const int threads =
      useful_threads(p.operations() / static_cast<double>(p.stack.count()), r.threads);
  if (d == f64) return Offer(std::make_unique<Gemm<double>>(std::move(p), step, threads));
  return Offer(std::make_unique<Gemm<float>>(std::move(p), step, threads));
}

}  // namespace

Offer openblas_matmul(const Request& r) { return prepare(r); }

std::vector<KernelRow> openblas_kernels() { return {{"matmul", "openblas matmul", prepare}}; }

std::vector<KernelRow> fastest_openblas_kernels() {
  return {{"matmul", "openblas matmul", [](const Request& r) {
             if (r.outputs[0].dtype != f32) return Offer::decline("is first choice for f32 alone");
             if (!openblas_is_faster(matmul_problem(r), r.threads))
               return Offer::decline("oneDNN is as fast");
             return prepare(r);
           }}};
}

}  // namespace varve::backend::cpu
