#include "varve/ops/reduction.h"

#include <gtest/gtest.h>

#include "ops/gradients.h"
#include "varve/ops/shape.h"

namespace varve {
namespace {

using Doubles = std::vector<double>;
using testing::expect_derivatives;
using testing::spread_numbers;

TensorsFunction of(Tensor (*f)(const Operand&, const ReduceOptions&), ReduceOptions o) {
  return [f, o](const Tensors& x) { return f(x[0], o); };
}

TEST(Reductions, DerivativesAgreeWithDifferencesInBothModesAndToSecondOrder) {
  const Tensor x = spread_numbers({3, 4, 5}, 1);
  for (auto f : {sum, mean, prod, max, min, logsumexp}) {
    for (const ReduceOptions& o : {ReduceOptions{}, ReduceOptions{{1}, false},
                                   ReduceOptions{{0, -1}, true}, ReduceOptions{{0}, false}}) {
      expect_derivatives(of(f, o), x);
    }
  }
}

TEST(Reductions, TheGradientOfAProductIsRightAroundZeros) {
  for (const Doubles& v :
       {Doubles{2, 0, 3, 4, 5}, Doubles{2, 0, 3, 0, 5}, Doubles{0, 0, 0, 1, 2}}) {
    expect_derivatives(of(prod, {}), tensor(v, {5}));
  }
  const Tensor g = grad([](const Tensor& x) { return prod(x); })(tensor({2., 0., 3.}));
  EXPECT_EQ(g.to_doubles(), (Doubles{0, 6, 0}));
}

TEST(Reductions, EqualLargestElementsShareTheGradient) {
  const Tensor g = grad([](const Tensor& x) { return max(x); })(tensor({1., 3., 3., 2.}));
  EXPECT_EQ(g.to_doubles(), (Doubles{0, 0.5, 0.5, 0}));
}

}  // namespace
}  // namespace varve
