// What the tests of layers share.
#pragma once
#include <gtest/gtest.h>

#include <cmath>
#include <string>
#include <vector>

#include "support/errors.h"
#include "varve/nn/layer.h"
#include "varve/nn/layers.h"
#include "varve/nn/network.h"
#include "varve/ops/pointwise.h"
#include "varve/ops/random.h"

namespace varve::test {

inline std::vector<std::string> names_of(const Variables& variables) {
  std::vector<std::string> names;
  for (const Variable& v : variables) names.push_back(v.name());
  return names;
}

inline Tensor normal(const Shape& shape, uint64_t seed = 1) {
  return random::normal(Key(seed), shape);
}

/// Largest difference of two tensors' elements.
inline double distance(const Tensor& a, const Tensor& b) {
  EXPECT_EQ(a.shape(), b.shape());
  const auto x = a.to_doubles(), y = b.to_doubles();
  double most = 0;
  for (size_t i = 0; i < x.size() && i < y.size(); ++i)
    most = std::max(most, std::abs(x[i] - y[i]));
  return most;
}

inline void expect_near(const Tensor& got, const std::vector<double>& expected, double tolerance) {
  const auto v = got.to_doubles();
  ASSERT_EQ(v.size(), expected.size());
  for (size_t i = 0; i < v.size(); ++i) EXPECT_NEAR(v[i], expected[i], tolerance) << "at " << i;
}

}  // namespace varve::test
