// Products of a handful of rows.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "backend/kernels_under_test.h"
#include "backend/targets.h"

namespace varve {
namespace {

ir::Attributes transposes(bool a, bool b) { return {{"transpose_a", a}, {"transpose_b", b}}; }

TEST(FewRows, AgreeWithTheReference) {
  cpu::for_each_target([] {
    uint64_t seed = 1;
    for (int64_t rows : {1, 2, 3, 4}) {
      // About a vector, several and a part; more than what is done at once, across and down.
      for (int64_t columns : {1, 3, 16, 33, 150, 5003}) {
        for (int64_t depth : {1, 7, 16, 70}) {
          for (bool tb : {false, true}) {
            if (rows > 2 && (!tb || depth == 1)) continue;  // of depth 1, b is a row
            SCOPED_TRACE(std::to_string(rows) + " " + std::to_string(depth) + " " +
                         std::to_string(columns) + (tb ? " transposed" : ""));
            const TestOperand a = make_operand(f32, {rows, depth}, ++seed),
                              b = make_operand(
                                  f32, tb ? Shape{columns, depth} : Shape{depth, columns}, ++seed),
                              bias = make_operand(f32, {columns}, ++seed);
            expect_sums("matmul", {a, b}, transposes(false, tb), "few rows", depth);
            expect_sums("matmul", {a, b, bias}, transposes(false, tb), "few rows", depth + 1);
          }
        }
      }
    }
  });
}

TEST(FewRows, TakeRowsWithGapsAndColumnsOfTheFirst) {
  const TestOperand b = make_operand(f32, {40, 50}, 2),
                    wide = make_operand(f32, {40, 50}, 2, {}, 6);
  expect_sums("matmul", {make_operand(f32, {40, 2}, 1), b}, transposes(true, false), "few rows",
              40);
  expect_sums("matmul", {make_operand(f32, {2, 40}, 1, {}, 3), wide}, transposes(false, false),
              "few rows", 40);
  expect_sums("matmul", {make_operand(f32, {4, 50}, 1, {}, 3), wide}, transposes(false, true),
              "few rows", 50);
  // A stack of one.
  expect_sums("matmul", {make_operand(f32, {1, 2, 40}, 1), make_operand(f32, {1, 40, 50}, 2)},
              transposes(false, false), "few rows", 40);
}

TEST(FewRows, GiveTheSameBitsWithOneThreadAndWithTwo) {
  for (bool tb : {false, true}) {
    std::vector<TestOperand> in{make_operand(f32, {2, 700}, 1),
                                make_operand(f32, tb ? Shape{1001, 700} : Shape{700, 1001}, 2)};
    const auto run = [&](int threads) {
      return run_kernel("matmul", in, transposes(false, tb), backend::KernelSet::all, threads);
    };
    const Ran one = run(1), two = run(2);
    EXPECT_EQ(one.kernel, "few rows");
    EXPECT_EQ(one.outputs, two.outputs);
  }
}

TEST(FewRows, DeclineWhatOthersDoFasterAndWhatTheyCannotRead) {
  const auto declined = [](std::vector<TestOperand> in, bool ta, bool tb) {
    const Ran r = run_kernel("matmul", in, transposes(ta, tb), backend::KernelSet::all);
    EXPECT_NE(r.kernel, "few rows");
    for (const std::string& why : r.declined) {
      if (why.starts_with("few rows: ")) return why.substr(10);
    }
    return std::string();
  };
  const auto of = [](Shape s) { return make_operand(f32, s, 1); };
  EXPECT_EQ(declined({of({3, 8}), of({8, 9})}, false, false), "takes one product, of up to 2 rows");
  EXPECT_EQ(declined({of({5, 8}), of({9, 8})}, false, true), "takes one product, of up to 4 rows");
  EXPECT_EQ(declined({of({2, 1, 8}), of({2, 8, 9})}, false, false),
            "takes one product, of up to 2 rows");
  EXPECT_EQ(declined({of({2, 2000}), of({2000, 9})}, false, false), "it is deep and narrow");
  EXPECT_EQ(declined({of({1, 0}), of({0, 9})}, false, false), "the product is empty");
  EXPECT_EQ(declined({of({8, 2}), of({9, 8})}, true, true), "wants rows that lie contiguously");
  EXPECT_EQ(declined({make_operand(f64, {1, 8}, 1), make_operand(f64, {8, 9}, 2)}, false, false),
            "takes f32");
}

}  // namespace
}  // namespace varve
