// Matrix products of few rows: of one sample or a handful.
#include "backend/cpu/kernels.h"
#include "backend/cpu/matrices.h"
#include "backend/cpu/simd_few_rows.h"

namespace varve::backend::cpu {
namespace {

/// Whether b lies column by column; one column may be taken for a row.
bool by_columns(const MatmulProblem& p) {
  return p.b.column != 1 || (p.y.columns == 1 && p.b.row == 1 && p.a.column == 1);
}

class FewRowsProduct final : public Kernel {
 public:
  FewRowsProduct(const MatmulProblem& p, int threads) : biased_(p.has_bias), threads_(threads) {
    shape_.rows = p.y.rows, shape_.columns = p.y.columns, shape_.depth = p.a.columns;
    shape_.a_row = p.a.row, shape_.a_column = p.a.column;
    shape_.transposed = by_columns(p);
    shape_.b_pitch = shape_.transposed ? p.b.column : p.b.row;
    shape_.y_row = p.y.row;
  }

  void run(const Arguments& a) const noexcept override {
    varve::cpu::FewRows p = shape_;
    p.a = static_cast<const float*>(a.inputs[0]);
    p.b = static_cast<const float*>(a.inputs[1]);
    p.bias = biased_ ? static_cast<const float*>(a.inputs[2]) : nullptr;
    p.y = static_cast<float*>(a.outputs[0]);
    varve::cpu::few_rows_product(p, threads_);
  }

 private:
  varve::cpu::FewRows shape_{};
  bool biased_;
  int threads_;
};

}  // namespace

std::string unfit_for_few_rows(const Request& r) {
  if (r.outputs[0].dtype != f32) return "takes f32";
  const MatmulProblem p = matmul_problem(r);
  if (p.empty()) return "the product is empty";
  const int64_t most = varve::cpu::most_few_rows(by_columns(p));
  if (p.stack.count() > 1 || p.y.rows > most)
    return "takes one product, of up to " + std::to_string(most) + " rows";
  // One thread would go all the way down a large one.
  if (!by_columns(p) && p.a.columns > 8 * p.y.columns && p.a.columns * p.y.columns > (16 << 10))
    return "it is deep and narrow";
  if (p.copy_a || p.copy_b || p.strided_y || p.y.column != 1 ||
      (p.b.column != 1 && p.a.column != 1))
    return "wants rows that lie contiguously";
  return p.has_bias && r.inputs[2].strides[0] != 1 && p.y.columns > 1 ? "wants a contiguous bias"
                                                                      : "";
}

std::vector<KernelRow> few_rows_kernels() {
  return {{"matmul", "few rows", [](const Request& r) {
             if (std::string why = unfit_for_few_rows(r); !why.empty()) return Offer::decline(why);
             return Offer(std::make_unique<FewRowsProduct>(matmul_problem(r), r.threads));
           }}};
}

}  // namespace varve::backend::cpu
