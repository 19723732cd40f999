// What the rows of samples_reduction.cpp do not show: special values, types, zeros and ties.
#include "varve/ops/reduction.h"

#include <gtest/gtest.h>

#include <cmath>
#include <limits>

#include "differences.h"
#include "varve/ops/shape.h"

namespace varve {
namespace {

using Doubles = std::vector<double>;
constexpr double kInfinity = std::numeric_limits<double>::infinity();

TEST(Reductions, TheGradientOfAProductIsRightAroundZeros) {
  for (const Doubles& v :
       {Doubles{2, 0, 3, 4, 5}, Doubles{2, 0, 3, 0, 5}, Doubles{0, 0, 0, 1, 2}}) {
    expect_derivatives([](const Tensors& x) -> Tensors { return prod(x[0]); }, tensor(v, {5}));
  }
  const Tensor g = grad([](const Tensor& x) { return prod(x); })(tensor({2., 0., 3.}));
  EXPECT_EQ(g.to_doubles(), (Doubles{0, 6, 0}));
}

TEST(Reductions, EqualLargestElementsShareTheGradient) {
  const Tensor x = tensor({1., 3., 3., 2.});
  EXPECT_EQ(grad([](const Tensor& t) { return max(t); })(x).to_doubles(),
            (Doubles{0, 0.5, 0.5, 0}));
  EXPECT_EQ(grad([](const Tensor& t) { return -min(-t); })(x).to_doubles(),
            (Doubles{0, 0.5, 0.5, 0}));
}

TEST(Reductions, IntegersAddUpInSixtyFourBitsExactly) {
  EXPECT_EQ(sum(full({1000}, 255, u8)).item<int64_t>(), 255000);
  EXPECT_EQ(sum(tensor({true, true, false})).item<int64_t>(), 2);
  const int64_t big = (int64_t{1} << 53) + 1;
  EXPECT_EQ(sum(tensor<int64_t>({big, 0})).item<int64_t>(), big);
  EXPECT_EQ(prod(tensor<uint64_t>({UINT64_MAX, 1})).item<uint64_t>(), UINT64_MAX);
  EXPECT_EQ(max(tensor<int64_t>({big, big - 1})).item<int64_t>(), big);
  EXPECT_EQ(sum(tensor<int64_t>({INT64_MAX, 1})).item<int64_t>(), INT64_MIN);
  EXPECT_EQ(mean(tensor<int32_t>({1, 2})).dtype(), f32);
}

TEST(Reductions, AMeanOfHalvesDoesNotPassTheirRange) {
  const Tensor x = full({4000}, 100, f16);  // their sum is 400000, the largest half 65504
  EXPECT_EQ(mean(x).to_double(), 100);
}

TEST(Reductions, ALogsumexpIsStable) {
  EXPECT_DOUBLE_EQ(logsumexp(tensor({1000., 1000.})).item<double>(), 1000 + std::log(2));
  EXPECT_DOUBLE_EQ(logsumexp(tensor({-1000., -1001.})).item<double>(),
                   -1000 + std::log1p(std::exp(-1.)));
  EXPECT_EQ(logsumexp(tensor({-kInfinity, -kInfinity})).item<double>(), -kInfinity);
  EXPECT_EQ(logsumexp(tensor({-kInfinity, 1.})).item<double>(), 1);
  EXPECT_EQ(logsumexp(tensor({kInfinity, 1., kInfinity})).item<double>(), kInfinity);
  EXPECT_TRUE(std::isnan(logsumexp(tensor({kInfinity, std::nan(""), 1.})).item<double>()));
  const Tensor g = grad([](const Tensor& x) { return logsumexp(x); })(tensor({-kInfinity, 2.}));
  EXPECT_EQ(g.to_doubles(), (Doubles{0, 1}));
}

TEST(Reductions, TheFirstNaNIsTheExtreme) {
  const double nan = std::nan("");
  const Tensor x = tensor({1., nan, 5., nan});
  EXPECT_EQ(argmax(x).item<int64_t>(), 1);
  EXPECT_EQ(argmin(x).item<int64_t>(), 1);
  EXPECT_TRUE(std::isnan(max(x).item<double>()));
  EXPECT_EQ(argmax(tensor({2, 7, 7, 1})).item<int64_t>(), 1);
  EXPECT_EQ(argmin(tensor({2, 1, 7, 1})).item<int64_t>(), 1);
}

TEST(Reductions, RootsHaveNoInfiniteGradientAtZero) {
  const Tensor x = zeros({3}, f64);
  EXPECT_EQ(grad([](const Tensor& t) { return norm(t); })(x).to_doubles(), (Doubles{0, 0, 0}));
  EXPECT_EQ(grad([](const Tensor& t) { return std(t); })(x).to_doubles(), (Doubles{0, 0, 0}));
}

TEST(Reductions, TheGradientOfLogsumexpBesideAnInfiniteElementIsZero) {
  const auto gradient = [](const Tensor& x) {
    return grad([](const Tensor& v) { return logsumexp(v); })(x).to_doubles();
  };
  const Doubles infinite =
      gradient(tensor({1., kInfinity, 5.}));  // as JAX: NaN at the infinite one
  EXPECT_EQ(infinite[0], 0);
  EXPECT_TRUE(std::isnan(infinite[1]));
  EXPECT_EQ(infinite[2], 0);
  EXPECT_EQ(gradient(tensor({-kInfinity, -kInfinity})), (Doubles{0, 0}));
}

}  // namespace
}  // namespace varve
