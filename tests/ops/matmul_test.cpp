#include "varve/ops/matmul.h"

#include <gtest/gtest.h>

#include "ir/graph.h"
#include "ops/table.h"
#include "support/errors.h"
#include "varve/ops/pointwise.h"
#include "varve/ops/shape.h"

namespace varve {
namespace {

using test::error_of;

Tensor counted(const Shape& shape, DType dtype = f64, double start = 1) {
  std::vector<double> v(static_cast<size_t>(shape.size()));
  for (size_t i = 0; i < v.size(); ++i) v[i] = start + static_cast<double>(i);
  return cast(tensor(v, shape), dtype);
}

std::vector<double> list(const Tensor& x) { return x.to_doubles(); }
using Doubles = std::vector<double>;

TEST(Matmul, MultipliesMatrices) {
  const Tensor y = matmul(counted({2, 3}), counted({3, 2}));
  EXPECT_EQ(y.shape(), (Shape{2, 2}));
  EXPECT_EQ(list(y), (Doubles{22, 28, 49, 64}));
}

TEST(Matmul, OfTheNotesHasTheShapeOfTheNotes) {  // (100 x 20) (20 x 40)
  EXPECT_EQ(matmul(counted({100, 20}), counted({20, 40})).shape(), (Shape{100, 40}));
}

TEST(Matmul, AddsABiasToEveryRow) {
  const Tensor y = matmul(counted({2, 3}), counted({3, 2}), {.bias = counted({2}, f64, 10)});
  EXPECT_EQ(list(y), (Doubles{32, 39, 59, 75}));
}

TEST(Matmul, TransposesItsOperands) {
  const Tensor a = counted({2, 3}), b = counted({3, 2});
  const Doubles want = list(matmul(a, b));
  EXPECT_EQ(list(matmul(transpose(a), b, {.transpose_a = true})), want);
  EXPECT_EQ(list(matmul(a, transpose(b), {.transpose_b = true})), want);
  EXPECT_EQ(list(matmul(transpose(a), transpose(b), {.transpose_a = true, .transpose_b = true})),
            want);
}

TEST(Matmul, TakesVectorsAsNumPyDoes) {
  const Tensor v = counted({3}), m = counted({3, 2}), stack = counted({4, 2, 3});
  EXPECT_EQ(matmul(v, v).shape(), Shape{});
  EXPECT_EQ(matmul(v, v).to_double(), 14);
  EXPECT_EQ(list(matmul(v, m)), (Doubles{22, 28}));
  EXPECT_EQ(list(matmul(transpose(m), v)), (Doubles{22, 28}));
  EXPECT_EQ(matmul(stack, v).shape(), (Shape{4, 2}));
  EXPECT_EQ(list(matmul(stack, v))[7], 22 + 46 + 72);
}

TEST(Matmul, BroadcastsStacks) {
  const Tensor a = counted({2, 1, 2, 3}), b = counted({5, 3, 4});
  const Tensor y = matmul(a, b);
  ASSERT_EQ(y.shape(), (Shape{2, 5, 2, 4}));
  const Doubles ya = list(a), yb = list(b), got = list(y);
  for (size_t p = 0; p < 2; ++p) {
    for (size_t q = 0; q < 5; ++q) {
      for (size_t i = 0; i < 2; ++i) {
        for (size_t j = 0; j < 4; ++j) {
          double sum = 0;
          for (size_t k = 0; k < 3; ++k) sum += ya[p * 6 + i * 3 + k] * yb[q * 12 + k * 4 + j];
          EXPECT_EQ(got[((p * 5 + q) * 2 + i) * 4 + j], sum);
        }
      }
    }
  }
}

TEST(Matmul, OfAStackByOneMatrixIsOneProduct) {
  const ir::Graph g = ir::trace_body(
      {{f32, {7, 5, 3}}, {f32, {3, 2}}},
      [](std::span<const Tensor> x) -> std::vector<Tensor> { return {matmul(x[0], x[1])}; });
  EXPECT_EQ(ir::to_text(g), R"(graph(%0: f32[7, 5, 3], %1: f32[3, 2]) {
  %2 = reshape %0 {shape = [35, 3]} : f32[35, 3]
  %3 = matmul %2, %1 {transpose_a = false, transpose_b = false} : f32[35, 2]
  %4 = reshape %3 {shape = [7, 5, 2]} : f32[7, 5, 2]
  return %4
})");
}

TEST(Matmul, OverNothingGivesZeros) {
  const Tensor y = matmul(counted({2, 0}), counted({0, 3}));
  EXPECT_EQ(list(y), Doubles(6, 0.));
  EXPECT_EQ(matmul(counted({0, 4}), counted({4, 3})).shape(), (Shape{0, 3}));
  EXPECT_EQ(list(matmul(counted({2, 0}), counted({0, 2}), {.bias = counted({2})})),
            (Doubles{1, 2, 1, 2}));
}

TEST(Matmul, PromotesTypesAndWrapsIntegers) {
  EXPECT_EQ(matmul(counted({2, 2}, i32), counted({2, 2}, f32)).dtype(), f64);
  EXPECT_EQ(matmul(counted({2, 2}, f16), counted({2, 2}, f16)).dtype(), f16);
  const Tensor big = tensor<uint8_t>({200, 100}, {1, 2});
  EXPECT_EQ(matmul(big, transpose(big)).item<uint8_t>(), (200 * 200 + 100 * 100) % 256);
  const Tensor low = tensor<int64_t>({-3, 5}, {1, 2});
  EXPECT_EQ(matmul(low, transpose(low)).item<int64_t>(), 34);
}

TEST(Matmul, TakesStridedOperands) {
  const Tensor a = counted({4, 3}), rows = broadcast_to(counted({3}), {4, 3});
  EXPECT_EQ(list(matmul(transpose(a), rows)), (Doubles{22, 44, 66, 26, 52, 78, 30, 60, 90}));
}

TEST(Matmul, NamesBothShapesWhereInnerDimensionsDiffer) {
  auto e = error_of<ShapeError>([] { matmul(counted({2, 3}), counted({4, 5})); });
  EXPECT_EQ(e.message(), "matmul: inner dimensions differ: a is [2, 3] and b is [4, 5]");
  EXPECT_EQ(e.hint(), "");
  EXPECT_EQ(e.at().substr(0, 16), "matmul_test.cpp:");
}

TEST(Matmul, HintsAtTheTransposeThatWouldFit) {
  auto e = error_of<ShapeError>([] { matmul(counted({32, 784}), counted({10, 784})); });
  EXPECT_EQ(e.message(), "matmul: inner dimensions differ: a is [32, 784] and b is [10, 784]");
  EXPECT_EQ(e.hint(), "did you mean matmul(a, transpose(b))?");
  e = error_of<ShapeError>([] { matmul(counted({3, 2}), counted({3, 4})); });
  EXPECT_EQ(e.hint(), "did you mean matmul(transpose(a), b)?");
  e = error_of<ShapeError>([] { matmul(counted({7, 2, 3}), counted({7, 4, 3})); });
  EXPECT_EQ(e.hint(), "did you mean .transpose_b = true?");
}

TEST(Matmul, RefusesScalarsBoolsAndAWrongBias) {
  EXPECT_EQ(error_of<ShapeError>([] {
              matmul(counted({2, 2}), 3);
            }).message(),
            "matmul: b is a scalar");
  const Tensor t = counted({2, 2}) > 1;
  EXPECT_EQ(error_of<DTypeError>([&] { matmul(t, t); }).message(),
            "matmul: bool has no arithmetic");
  const Tensor a = counted({2, 2});
  EXPECT_EQ(error_of<ShapeError>([&] { matmul(a, a, {.bias = counted({3})}); }).message(),
            "matmul: bias: expected shape [2], got [3]");
  EXPECT_EQ(error_of<ShapeError>([] {
              matmul(counted({2, 2, 3}), counted({3, 3, 2}));
            }).message(),
            "matmul: shapes do not broadcast: [2] and [3] differ in axis -1 (2 and 3)");
}

TEST(Matmul, CountsItsOperations) {
  const ir::OpDef& op = ops::get("matmul");
  const ir::Types in{{f32, {100, 20}}, {f32, {20, 40}}};
  const ir::Attributes attributes{{"transpose_a", false}, {"transpose_b", false}};
  EXPECT_EQ(op.flops({op, in, attributes}, {{f32, {100, 40}}}), 2. * 100 * 20 * 40);
}

}  // namespace
}  // namespace varve
