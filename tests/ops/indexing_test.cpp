#include "varve/ops/indexing.h"

#include <gtest/gtest.h>

#include "ops/gradients.h"

namespace varve {
namespace {

using Doubles = std::vector<double>;
using testing::expect_derivatives;
using testing::spread_numbers;

TEST(Indexing, DerivativesOfGathersAgreeWithDifferences) {
  const Tensor i = tensor<int64_t>({2, 0, -1, 2}, {2, 2});
  for (int axis : {0, 1, -1}) {
    expect_derivatives([&](const Tensors& x) { return take(x[0], i, axis); },
                       spread_numbers({3, 4, 5}, 1));
  }
  const Tensor along = tensor<int32_t>({2, 0, -1, 1, 1, 1}, {3, 2});
  expect_derivatives([&](const Tensors& x) { return take_along_axis(x[0], along, 1); },
                     spread_numbers({3, 4}, 2));
  const Tensor tuples = tensor<uint8_t>({2, 0, 1, 3, 2, 0}, {3, 2});
  expect_derivatives([&](const Tensors& x) { return gather_nd(x[0], tuples); },
                     spread_numbers({3, 4, 2}, 3));
}

TEST(Indexing, DerivativesOfScattersAgreeWithDifferencesAlsoForRepeatedIndices) {
  const Tensor i = tensor<int64_t>({2, 0, -1, 2});
  const Tensors xu{spread_numbers({3, 5}, 1), spread_numbers({4, 5}, 2)};
  expect_derivatives([&](const Tensors& x) { return scatter_add(x[0], i, x[1], 0); }, xu);
  expect_derivatives([&](const Tensors& x) { return scatter_set(x[0], i, x[1], 0); }, xu);
  const Tensor along = tensor<int32_t>({2, 0, -1, 1, 1, 1}, {3, 2});
  const Tensors xv{spread_numbers({3, 4}, 1), spread_numbers({3, 2}, 2)};
  expect_derivatives([&](const Tensors& x) { return scatter_add_along_axis(x[0], along, x[1], 1); },
                     xv);
  expect_derivatives([&](const Tensors& x) { return scatter_set_along_axis(x[0], along, x[1], 1); },
                     xv);
  const Tensor tuples = tensor<uint8_t>({2, 0, 1, 3, 2, 0}, {3, 2});
  const Tensors xw{spread_numbers({3, 4, 2}, 1), spread_numbers({3, 2}, 2)};
  expect_derivatives([&](const Tensors& x) { return scatter_nd_add(x[0], tuples, x[1]); }, xw);
  expect_derivatives([&](const Tensors& x) { return scatter_nd_set(x[0], tuples, x[1]); }, xw);
}

TEST(Indexing, DerivativesOfOrderAndRunningOpsAgreeWithDifferences) {
  const Tensor x = spread_numbers({3, 7}, 4);
  for (int axis : {0, 1}) {
    for (bool flag : {false, true}) {
      expect_derivatives([&](const Tensors& t) { return sort(t[0], {axis, flag}); }, x);
      for (bool exclusive : {false, true}) {
        const CumulativeOptions o{axis, flag, exclusive};
        expect_derivatives([&](const Tensors& t) { return cumsum(t[0], o); }, x);
        expect_derivatives([&](const Tensors& t) { return cumprod(t[0], o); }, x);
      }
    }
    expect_derivatives([&](const Tensors& t) { return top_k(t[0], 2, {axis}).values; }, x);
  }
  expect_derivatives([&](const Tensors& t) { return cumprod(t[0]); },
                     tensor<double>({2, 0, 3, 0, 5}));
}

TEST(Indexing, AnIndexOutOfRangeIsNamedWithItsPositionAndLine) {
  const Tensor x = spread_numbers({10, 2}, 1);
  auto text = [](const std::function<Tensor()>& f) -> std::string {
    try {
      f().evaluate();
    } catch (const IndexError& e) {
      EXPECT_EQ(e.at().substr(0, 18), "indexing_test.cpp:");
      return e.message();
    }
    return "";
  };
  const Tensor i = tensor<int64_t>({1, 2, 10, 4}, {2, 2}), low = tensor<int8_t>({1, -11});
  EXPECT_EQ(text([&] { return take(x, i, 0); }), "take: index[2] = 10, expected 0..9");
  EXPECT_EQ(text([&] { return take(x, low, 0); }), "take: index[1] = -11, expected -10..9");
  EXPECT_EQ(text([&] { return embedding(x, tensor<int64_t>({-1})); }),
            "take: index[0] = -1, expected 0..9");
  EXPECT_EQ(text([&] { return one_hot(i, 10); }), "one_hot: index[2] = 10, expected 0..9");
  EXPECT_EQ(text([&] { return gather_nd(x, i); }), "gather_nd: index[1] = 2, expected 0..1");
}

}  // namespace
}  // namespace varve
