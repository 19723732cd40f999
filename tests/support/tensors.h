// Tensors drawn for tests, and how near two of them are.
#pragma once
#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <limits>
#include <vector>

#include "varve/ops/random.h"
#include "varve/tensor.h"

namespace varve::test {

inline Tensor normal(const Shape& shape, uint64_t seed = 1, DType dtype = f32) {
  return random::normal(Key(seed), shape, {.dtype = dtype});
}

/// Uniform in -2..2.
inline Tensor noise(const Shape& shape, uint64_t seed, DType dtype = f64) {
  return random::uniform(Key(seed), shape, {.low = -2, .high = 2, .dtype = dtype});
}

/// As many numbers, each near its own.
inline void expect_near(const std::vector<double>& got, const std::vector<double>& expected,
                        double tolerance = 1e-12) {
  ASSERT_EQ(got.size(), expected.size());
  for (size_t i = 0; i < got.size(); ++i) {
    EXPECT_NEAR(got[i], expected[i], tolerance) << "element " << i;
  }
}
inline void expect_near(const Tensor& got, const std::vector<double>& expected,
                        double tolerance = 1e-12) {
  expect_near(got.to_doubles(), expected, tolerance);
}

/// Largest difference of two tensors' elements. Other shapes fail the test, and so does a NaN.
inline double distance(const Tensor& a, const Tensor& b) {
  EXPECT_EQ(a.shape(), b.shape());
  const auto x = a.to_doubles(), y = b.to_doubles();
  double most = 0;
  for (size_t i = 0; i < x.size() && i < y.size(); ++i) {
    if (std::isnan(x[i]) || std::isnan(y[i])) {
      ADD_FAILURE() << "element " << i << " is not a number: " << x[i] << " and " << y[i];
      return std::numeric_limits<double>::infinity();
    }
    if (x[i] != y[i]) most = std::max(most, std::abs(x[i] - y[i]));
  }
  return most;
}

}  // namespace varve::test
