// Derivatives of a function of f64 tensors held against central differences, in both modes and to
// the second order.
#pragma once
#include <gtest/gtest.h>

#include <cmath>
#include <string>
#include <vector>

#include "varve/derivatives.h"
#include "varve/ops/pointwise.h"
#include "varve/ops/reduction.h"

namespace varve::testing {

/// Fixed numbers in (-1, 1) without pattern.
inline Tensor spread_numbers(const Shape& shape, uint64_t seed, double scale = 1) {
  std::vector<double> v(static_cast<size_t>(shape.size()));
  for (double& d : v) {
    seed = seed * 6364136223846793005u + 1442695040888963407u;
    d = scale * (static_cast<double>(seed >> 11) * 0x1p-52 - 1);
  }
  return tensor(v, shape);
}

inline Tensor moved(const Tensor& x, const Tensor& direction, double by) {
  return x + direction * by;
}

inline double inner(const Tensors& a, const Tensors& b) {
  double total = 0;
  for (size_t i = 0; i < a.size(); ++i) total += sum(a[i] * b[i]).to_double();
  return total;
}

/// J t by jvp and by central differences, and u.(J t) = (J^T u).t, for f at x. The bounds are
/// PyTorch's: eps 1e-6, atol 1e-5, rtol 1e-3.
inline void expect_first_order(const TensorsFunction& f, const Tensors& x, const char* what) {
  std::vector<Tensor> directions, up, down;
  for (size_t i = 0; i < x.size(); ++i) {
    directions.push_back(spread_numbers(x[i].shape(), 17 + i));
    up.push_back(moved(x[i], directions[i], 1e-6));
    down.push_back(moved(x[i], directions[i], -1e-6));
  }
  const auto forward = jvp(f, x, directions);
  const Tensors above = f(up), below = f(down);
  std::vector<Tensor> cotangents;
  for (size_t k = 0; k < forward.value.size(); ++k) {
    const auto got = forward.tangents[k].to_doubles();
    const auto p = above[k].to_doubles(), q = below[k].to_doubles();
    ASSERT_EQ(got.size(), p.size());
    for (size_t i = 0; i < got.size(); ++i) {
      const double expected = (p[i] - q[i]) / 2e-6;
      EXPECT_NEAR(got[i], expected, 1e-5 + 1e-3 * std::abs(expected))
          << what << ": tangent of output " << k << ", element " << i;
    }
    cotangents.push_back(spread_numbers(forward.value[k].shape(), 91 + k));
  }
  const auto reverse = vjp(f, x, cotangents);
  const double left = inner(cotangents, forward.tangents),
               right = inner(reverse.cotangents, directions);
  EXPECT_NEAR(left, right, 1e-9 * (1 + std::abs(left))) << what << ": u.(J t) = (J^T u).t";
}

/// The same for f and for its gradient (reverse and forward over reverse).
inline void expect_derivatives(const TensorsFunction& f, const Tensors& x) {
  expect_first_order(f, x, "first order");
  const TensorsFunction gradient = [&](const Tensors& at) -> Tensors {
    std::vector<Tensor> cotangents;
    const Tensors y = f(at);
    for (size_t k = 0; k < y.size(); ++k) cotangents.push_back(spread_numbers(y[k].shape(), 5 + k));
    return vjp(f, at, cotangents).cotangents;
  };
  expect_first_order(gradient, x, "second order");
}

}  // namespace varve::testing
