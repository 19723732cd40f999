// The choice between libraries for matrix products, by the table of measurements.
#include "backend/cpu/matmul_costs.h"

#include <gtest/gtest.h>

#include <string_view>

#include "backend/cpu/instruction_set.h"
#include "backend/kernels_under_test.h"

namespace varve {
namespace {

using backend::KernelSet;
using backend::cpu::MatmulProblem;
using backend::cpu::Matrix;

/// A row-major product whose left operand lies turned where asked.
MatmulProblem product(int64_t rows, int64_t columns, int64_t depth, bool turned) {
  MatmulProblem p;
  p.a = turned ? Matrix{rows, depth, 1, rows, {}} : Matrix{rows, depth, depth, 1, {}};
  p.b = Matrix{depth, columns, columns, 1, {}};
  p.y = Matrix{rows, columns, columns, 1, {}};
  return p;
}

TEST(MatmulCosts, ChoosesByTheMostLikeRowAndOnlyWhereOneIsLike) {
  const std::string_view isa = varve::cpu::instruction_set();
  if (isa == "sse4") GTEST_SKIP() << "the table has no rows for it";
  // Measured: the gradient of a large layer's weights 1.27 and 1.8 times as fast by OpenBLAS.
  const MatmulProblem gradient =
      isa == "avx512" ? product(768, 3072, 4096, true) : product(256, 1024, 1024, true);
  EXPECT_TRUE(openblas_is_faster(gradient, 1));
  EXPECT_TRUE(openblas_is_faster(gradient, 2));
  EXPECT_TRUE(openblas_is_faster(
      product(gradient.y.rows - 16, gradient.y.columns + 64, gradient.a.columns - 128, true), 8));
  // Where oneDNN was as fast, where nothing like it was measured, nothing, and stacks.
  EXPECT_FALSE(openblas_is_faster(product(1000, 1000, 1000, false), 2));
  EXPECT_FALSE(openblas_is_faster(product(1 << 20, 16, 1 << 20, true), 2));
  EXPECT_FALSE(openblas_is_faster(product(0, 3072, 4096, true), 2));
  MatmulProblem stack = gradient;
  stack.stack.sizes = {4};
  EXPECT_FALSE(openblas_is_faster(stack, 2));
}

TEST(MatmulCosts, TheChosenLibraryRunsAndIsRight) {
  if (varve::cpu::instruction_set() == std::string_view("sse4")) GTEST_SKIP() << "no rows for it";
  const int64_t rows = 128, columns = 10, depth = 64;  // 1.6 times as fast on both
  std::vector<TestOperand> in{make_operand(f32, {depth, rows}, 1),
                              make_operand(f32, {depth, columns}, 2)};
  const ir::Attributes turned{{"transpose_a", true}, {"transpose_b", false}};
  const Ran fast = run_kernel("matmul", in, turned, KernelSet::all);
  if (fast.kernel != "openblas matmul") {
    EXPECT_EQ(fast.kernel, "onednn matmul");
    GTEST_SKIP() << "OpenBLAS is not the OpenMP flavour";
  }
  expect_sums(fast, "matmul", in, turned, "openblas matmul", depth);
}

}  // namespace
}  // namespace varve
