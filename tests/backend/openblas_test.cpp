#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "backend/kernels_under_test.h"

namespace varve {
namespace {

ir::Attributes attributes(bool ta, bool tb) { return {{"transpose_a", ta}, {"transpose_b", tb}}; }

TEST(OpenBlas, MultipliesDoublesOverManySizes) {
  uint64_t seed = 1;
  for (auto [m, k, n] : {std::array<int64_t, 3>{1, 1, 1},
                         {1, 9, 1},
                         {17, 1, 3},
                         {15, 16, 17},
                         {64, 129, 31},
                         {200, 100, 150}}) {
    for (bool ta : {false, true}) {
      for (bool tb : {false, true}) {
        std::vector<TestOperand> in{make_operand(f64, ta ? Shape{k, m} : Shape{m, k}, ++seed),
                                    make_operand(f64, tb ? Shape{n, k} : Shape{k, n}, ++seed)};
        expect_sums("matmul", in, attributes(ta, tb), "openblas matmul", k);
        in.push_back(make_operand(f64, {n}, ++seed));
        expect_sums("matmul", in, attributes(ta, tb), "openblas matmul", k + 1);
      }
    }
  }
}

TEST(OpenBlas, TakesStacksAndGaps) {
  expect_sums("matmul",
              {make_operand(f64, {2, 3, 5, 8}, 1, {0, 2, 1, 3}),
               make_operand(f64, {2, 3, 5, 8}, 2, {0, 2, 1, 3})},
              attributes(false, true), "openblas matmul", 8);
  expect_sums("matmul",
              {make_operand(f64, {7, 9}, 1, {1, 0}, 2), make_operand(f64, {9, 4}, 1, {}, 3)},
              attributes(false, false), "openblas matmul", 9);
  std::vector<TestOperand> ones{repeated(f64, {7, 9}, 1), make_operand(f64, {9, 4}, 1)};
  const Ran r = run_kernel("matmul", ones, attributes(false, false), backend::KernelSet::all);
  EXPECT_EQ(r.kernel, "ref matmul");
  EXPECT_THAT(r.declined,
              ::testing::Contains("openblas matmul: wants matrices with a contiguous axis"));
}

}  // namespace
}  // namespace varve
