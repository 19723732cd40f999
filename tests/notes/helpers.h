// What the tests of the notes' own numbers share. Comments name the row of the table of targets.
#pragma once
#include <gtest/gtest.h>

#include <cmath>
#include <string>
#include <vector>

#include "support/errors.h"
#include "varve/varve.h"

namespace varve::notes {

using Doubles = std::vector<double>;

using test::message_of;

/// Largest difference of two tensors' elements.
inline double distance(const Tensor& a, const Tensor& b) {
  EXPECT_EQ(a.shape(), b.shape());
  const Doubles x = a.to_doubles(), y = b.to_doubles();
  double most = 0;
  for (size_t i = 0; i < x.size() && i < y.size(); ++i)
    most = std::max(most, std::abs(x[i] - y[i]));
  return most;
}

inline void expect_near(const Tensor& got, const Doubles& expected, double tolerance) {
  const Doubles v = got.to_doubles();
  ASSERT_EQ(v.size(), expected.size());
  for (size_t i = 0; i < v.size(); ++i) EXPECT_NEAR(v[i], expected[i], tolerance) << "at " << i;
}

inline Tensor normal(const Shape& shape, uint64_t seed, DType dtype = f32) {
  return random::normal(Key(seed), shape, {.dtype = dtype});
}

}  // namespace varve::notes
