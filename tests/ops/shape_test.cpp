#include "varve/ops/shape.h"

#include <gtest/gtest.h>

#include "ops/gradients.h"
#include "varve/ops/indexing.h"

namespace varve {
namespace {

using Doubles = std::vector<double>;
using testing::expect_derivatives;
using testing::spread_numbers;

TEST(Shapes, DerivativesAgreeWithDifferencesInBothModesAndToSecondOrder) {
  const Tensor x = spread_numbers({3, 4, 5}, 1);
  const std::vector<std::function<Tensor(const Tensor&)>> list = {
      [](const Tensor& t) {
        return reshape(t, {-1, 6});
      },
      [](const Tensor& t) {
        return transpose(t, {2, 0, 1});
      },
      [](const Tensor& t) {
        return broadcast_to(t, {2, 3, 4, 5});
      },
      [](const Tensor& t) {
        return slice(t, {{1, 3}, {3, {}, -2}, {.step = 3}});
      },
      [](const Tensor& t) {
        return slice(t, {{2, 2}});
      },
      [](const Tensor& t) { return flip(t); },
      [](const Tensor& t) { return roll(t, 3, 1); },
      [](const Tensor& t) {
        return pad(t, {{1, 2}, {0, -3}, {-1, 1}}, {.value = 3});
      },
      [](const Tensor& t) {
        return pad(t, {{1, 2}, {3, 4}, {0, 6}}, {.mode = "reflect"});
      },
      [](const Tensor& t) {
        return concat({t, t * t, t}, 1);
      },
      [](const Tensor& t) {
        return stack({t, t * t}, 1);
      },
      [](const Tensor& t) { return split(t, 2, 1)[1]; },
      [](const Tensor& t) {
        return tile(t, {2, 1, 3});
      },
      [](const Tensor& t) { return repeat(t, 2, 1); },
      [](const Tensor& t) { return diagonal(t, {.offset = 1, .axis1 = 2, .axis2 = 0}); },
      [](const Tensor& t) { return diagonal(t, {.offset = -2}); },
      [](const Tensor& t) { return tril(t, 1); },
      [](const Tensor& t) { return triu(t, -1); },
      [](const Tensor& t) { return diagonal_matrix(reshape(t, {-1}), -2); },
  };
  for (const auto& f : list) {
    expect_derivatives([&](const Tensors& t) { return f(t[0]) * f(t[0]); }, x);
  }
}

}  // namespace
}  // namespace varve
