// Numbers beside tensors: either side of every operator, every type of number, weak as in NumPy.
#include <gtest/gtest.h>

#include <cmath>
#include <functional>

#include "varve/ops/pointwise.h"
#include "varve/ops/shape.h"

namespace varve {
namespace {

using Doubles = std::vector<double>;

template <class N>
class Numbers : public ::testing::Test {};
using NumberTypes = ::testing::Types<bool, char, int8_t, uint8_t, short, int, unsigned, long,
                                     size_t, long long, float, double, long double, Dim, Real>;
TYPED_TEST_SUITE(Numbers, NumberTypes);

Doubles over(const Doubles& x, const std::function<double(double)>& f) {
  Doubles out;
  for (double v : x) out.push_back(f(v));
  return out;
}

TYPED_TEST(Numbers, StandOnEitherSideOfEveryOperator) {
  const TypeParam n = 1;
  const Doubles v{-2, 1, 4};
  const Tensor x = tensor({-2.f, 1.f, 4.f});
  const auto expect = [&](const Tensor& got, double (*f)(double)) {
    EXPECT_EQ(got.dtype(), f32);
    EXPECT_EQ(got.to_doubles(), over(v, f));
  };
  expect(n + x, [](double a) { return 1 + a; });
  expect(x + n, [](double a) { return a + 1; });
  expect(n - x, [](double a) { return 1 - a; });
  expect(x - n, [](double a) { return a - 1; });
  expect(n * x, [](double a) { return 1 * a; });
  expect(x * n, [](double a) { return a * 1; });
  expect(n / x, [](double a) { return 1 / a; });
  expect(x / n, [](double a) { return a / 1; });
  expect(n % x, [](double a) { return 1 - std::floor(1 / a) * a; });
  expect(x % n, [](double a) { return a - std::floor(a); });
  const auto expect_truth = [&](const Tensor& got, bool (*f)(double)) {
    EXPECT_EQ(got.dtype(), DType::bool_);
    Doubles expected;
    for (double a : v) expected.push_back(f(a));
    EXPECT_EQ(got.to_doubles(), expected);
  };
  expect_truth(n == x, [](double a) { return 1 == a; });
  expect_truth(x == n, [](double a) { return a == 1; });
  expect_truth(n != x, [](double a) { return 1 != a; });
  expect_truth(x != n, [](double a) { return a != 1; });
  expect_truth(n < x, [](double a) { return 1 < a; });
  expect_truth(x < n, [](double a) { return a < 1; });
  expect_truth(n <= x, [](double a) { return 1 <= a; });
  expect_truth(x <= n, [](double a) { return a <= 1; });
  expect_truth(n > x, [](double a) { return 1 > a; });
  expect_truth(x > n, [](double a) { return a > 1; });
  expect_truth(n >= x, [](double a) { return 1 >= a; });
  expect_truth(x >= n, [](double a) { return a >= 1; });
}

TYPED_TEST(Numbers, StandBesideVariablesAndInFunctions) {
  const TypeParam n = 1;
  const Variable x(tensor({-2.f, 4.f}));
  EXPECT_EQ((n - x).to_doubles(), (Doubles{3, -3}));
  EXPECT_EQ((x - n).to_doubles(), (Doubles{-3, 3}));
  EXPECT_EQ((n < x).to_doubles(), (Doubles{0, 1}));
  EXPECT_EQ(maximum(n, x).to_doubles(), (Doubles{1, 4}));
  EXPECT_EQ(where(x > n, n, x).to_doubles(), (Doubles{-2, 1}));
  EXPECT_EQ(clip(x, n, n).to_doubles(), (Doubles{1, 1}));
  EXPECT_EQ(full({2}, n).to_doubles(), (Doubles{1, 1}));
}

TYPED_TEST(Numbers, AreWeak) {
  const TypeParam n = 1;
  for (DType strong : {f16, bf16, f32, f64}) {
    EXPECT_EQ((n * ones({2}, strong)).dtype(), strong) << name_of(strong);
    EXPECT_EQ((ones({2}, strong) * n).dtype(), strong) << name_of(strong);
  }
  const DType with_integers =
      Operand(n).dtype() == f32 ? (n * ones({2}, i32)).dtype() : i32;  // a real number lifts them
  EXPECT_EQ((n + ones({2}, i32)).dtype(), with_integers);
  EXPECT_EQ((ones({2}, i32) + n).dtype(), with_integers);
  EXPECT_EQ(is_floating(with_integers), Operand(n).dtype() == f32);
}

TYPED_TEST(Numbers, OnTheLeftOfBitsAreIntegers) {
  if constexpr (!std::is_floating_point_v<TypeParam> && !std::is_same_v<TypeParam, Real>) {
    const TypeParam n = 1;
    const Tensor x = tensor<int32_t>({0, 1, 6});
    EXPECT_EQ((n & x).to_doubles(), (Doubles{0, 1, 0}));
    EXPECT_EQ((n | x).to_doubles(), (Doubles{1, 1, 7}));
    EXPECT_EQ((n ^ x).to_doubles(), (Doubles{1, 0, 7}));
  }
}

TEST(OptionNumbers, AmongThemselvesStayNumbers) {
  const Real rate = 0.5;
  const Dim n = 3;
  static_assert(std::is_same_v<decltype(rate * rate), double>);
  static_assert(std::is_same_v<decltype(n * n), int64_t>);
  static_assert(std::is_same_v<decltype(n * rate), double>);
  static_assert(std::is_same_v<decltype(1 - rate), double>);
  static_assert(std::is_same_v<decltype(-rate), double>);
  EXPECT_EQ(rate * rate + 1 - rate / n, 0.25 + 1 - 0.5 / 3);
  EXPECT_EQ(n / Dim(2), 1);
  EXPECT_EQ(n % Dim(2), 1);
  EXPECT_TRUE(rate < n && n > rate && rate <= rate && n >= n && rate == rate && n != rate);
  EXPECT_TRUE(!Real(0) && !Dim(0) && rate > 0 && 1 > rate && n == 3);
}

}  // namespace
}  // namespace varve
