// Results whose size depends on the data, and derivatives where factors are 0.
#include <gtest/gtest.h>

#include "varve/derivatives.h"
#include "varve/error.h"
#include "varve/ops/indexing.h"
#include "varve/ops/pointwise.h"
#include "varve/ops/reduction.h"
#include "varve/ops/shape.h"

namespace varve {
namespace {

using Numbers = std::vector<double>;

TEST(Compress, TakesTheSlicesWhereTheConditionHolds) {  // ONNX's examples
  const Tensor x = tensor({1., 2., 3., 4., 5., 6.}, {3, 2});
  EXPECT_EQ(compress(x, tensor({false, true, true}), 0).to_doubles(), (Numbers{3, 4, 5, 6}));
  EXPECT_EQ(compress(x, tensor({false, true}), 1).to_doubles(), (Numbers{2, 4, 6}));
  EXPECT_EQ(compress(x, tensor({false, true, false, false, true})).to_doubles(), (Numbers{2, 5}));
  EXPECT_EQ(compress(x, tensor({false, true}), -1).shape(), (Shape{3, 1}));
  EXPECT_THROW(compress(x, tensor({true, true, true}), 1), ShapeError);
  EXPECT_THROW(compress(x, ones({2}), 1), DTypeError);
  // The gradient goes where the elements came from.
  const auto g = grad([](const Tensor& v) {
    return sum(square(compress(v, tensor({true, false, true}), 0)));
  })(x);
  EXPECT_EQ(g.to_doubles(), (Numbers{2, 4, 0, 0, 10, 12}));
}

TEST(Unique, GivesFirstPlacesAndWholeSlices) {
  const UniqueResult flat = unique(tensor({2., 1., 1., 3., 4., 3.}));
  EXPECT_EQ(flat.values.to_doubles(), (Numbers{1, 2, 3, 4}));
  EXPECT_EQ(flat.first.to_doubles(), (Numbers{1, 0, 3, 4}));
  EXPECT_EQ(flat.inverse.to_doubles(), (Numbers{1, 0, 0, 2, 3, 2}));
  EXPECT_EQ(flat.counts.to_doubles(), (Numbers{2, 1, 2, 1}));
  const Tensor x = tensor({1., 0., 0., 1., 0., 0., 2., 3., 4.}, {3, 3});
  const UniqueResult rows = unique(x, {.axis = 0});
  EXPECT_EQ(rows.values.to_doubles(), (Numbers{1, 0, 0, 2, 3, 4}));
  EXPECT_EQ(rows.first.to_doubles(), (Numbers{0, 2}));
  EXPECT_EQ(rows.inverse.to_doubles(), (Numbers{0, 0, 1}));
  EXPECT_EQ(rows.counts.to_doubles(), (Numbers{2, 1}));
  const UniqueResult columns = unique(x, {.axis = -1});
  EXPECT_EQ(columns.values.shape(), (Shape{3, 3}));
  EXPECT_EQ(columns.inverse.to_doubles(), (Numbers{2, 0, 1}));
  const UniqueResult none = unique(zeros({0, 2}), {.axis = 0});
  EXPECT_EQ(none.values.shape(), (Shape{0, 2}));
  EXPECT_EQ(none.count.item<int64_t>(), 0);
}

TEST(ScatterMultiply, HasTheGradientOfAProductWithZeros) {
  // Places: 0 gets 2 * 0 * 3, 1 gets 5 * 0 * 0, 2 gets 7 alone.
  const Tensor x = tensor({2., 5., 7.}), u = tensor({0., 3., 0., 0.}),
               at = tensor({int64_t{0}, int64_t{0}, int64_t{1}, int64_t{1}});
  const auto f = [&](const Tensor& a, const Tensor& b) {
    return sum(scatter_reduce(a, at, b, 0, "multiply"));
  };
  EXPECT_EQ(grad([&](const Tensor& a) { return f(a, u); })(x).to_doubles(), (Numbers{0, 0, 1}));
  EXPECT_EQ(grad([&](const Tensor& b) { return f(x, b); })(u).to_doubles(), (Numbers{6, 0, 0, 0}));
}

TEST(ScatterMax, SharesTheGradientAmongEqualOnes) {
  const Tensor x = tensor({1., 4.}), u = tensor({1., 3., 4., 4.}),
               at = tensor({int64_t{0}, int64_t{1}, int64_t{1}, int64_t{1}});
  const auto g = grad([&](const Tensor& b) { return sum(scatter_reduce(x, at, b, 0, "max")); })(u);
  const auto v = g.to_doubles();
  EXPECT_DOUBLE_EQ(v[0], 0.5);
  EXPECT_EQ(v[1], 0);
  EXPECT_DOUBLE_EQ(v[2], 1. / 3);
  EXPECT_DOUBLE_EQ(v[3], 1. / 3);
}

}  // namespace
}  // namespace varve
