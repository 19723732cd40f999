// Derivatives against central differences in f64, forward against reverse mode, both orders.
#pragma once
#include <gtest/gtest.h>

#include <cmath>

#include "varve/derivatives.h"
#include "varve/ops/pointwise.h"
#include "varve/ops/random.h"

namespace varve {

inline Tensor random_like(const Tensor& x, uint64_t seed) {
  return random::uniform(Key(seed), x.shape(), {.low = -1, .high = 1, .dtype = x.dtype()});
}

inline double dot(const Tensors& a, const Tensors& b) {
  double sum = 0;
  for (size_t i = 0; i < a.size(); ++i) {
    if (!is_floating(a[i].dtype())) continue;
    const auto p = a[i].to_doubles(), q = b[i].to_doubles();
    for (size_t k = 0; k < p.size(); ++k) sum += p[k] * q[k];
  }
  return sum;
}

/// f of f64 tensors to f64 tensors, checked along one random direction at a time:
/// <ct, (f(x + h v) - f(x - h v)) / 2 h> = <ct, jvp v> = <vjp ct, v>, then the same for the vjp.
inline void expect_derivatives(const TensorsFunction& f, const Tensors& at, int orders = 2) {
  std::vector<Tensor> v, up, down;
  constexpr double kStep = 1e-6;
  for (size_t i = 0; i < at.size(); ++i) {
    v.push_back(random_like(at[i], 100 + i));
    up.push_back(at[i] + kStep * v.back());
    down.push_back(at[i] - kStep * v.back());
  }
  const ValueAndTangents forward = jvp(f, at, v);
  std::vector<Tensor> ct;
  for (size_t i = 0; i < forward.value.size(); ++i)
    ct.push_back(random_like(forward.value[i], 200 + i));
  const ValueAndCotangents reverse = vjp(f, at, ct);
  const double difference = (dot(ct, f(up)) - dot(ct, f(down))) / (2 * kStep);
  const double tangent = dot(ct, forward.tangents), cotangent = dot(reverse.cotangents, v);
  const double scale = 1 + std::abs(difference);
  EXPECT_NEAR(tangent, difference, 1e-5 * scale) << "forward mode, " << orders << " orders to go";
  EXPECT_NEAR(cotangent, difference, 1e-5 * scale) << "reverse mode, " << orders << " orders to go";
  EXPECT_NEAR(tangent, cotangent, 1e-12 * scale) << "the modes differ";
  if (orders < 2) return;
  // The gradient as a function of the point and the cotangents.
  const size_t n = at.size();
  std::vector<Tensor> both = at.list();
  both.insert(both.end(), ct.begin(), ct.end());
  expect_derivatives(
      [&f, n](const Tensors& x) {
        const std::vector<Tensor>& all = x.list();
        const auto middle = all.begin() + static_cast<std::ptrdiff_t>(n);
        return vjp(f, std::vector<Tensor>(all.begin(), middle),
                   std::vector<Tensor>(middle, all.end()))
            .cotangents;
      },
      both, orders - 1);
}

}  // namespace varve
