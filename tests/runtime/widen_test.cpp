// Half precision in f32 between casts (runtime/widen.h).
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "base/philox.h"
#include "runtime/evaluate.h"
#include "varve/derivatives.h"
#include "varve/jit.h"
#include "varve/ops/convolution.h"
#include "varve/ops/cross_entropy.h"
#include "varve/ops/matmul.h"
#include "varve/ops/pointwise.h"
#include "varve/ops/reduction.h"
#include "varve/ops/shape.h"

namespace varve {
namespace {

using ::testing::HasSubstr;
using ::testing::Not;

Tensor numbers(const Shape& shape, uint64_t seed) {
  std::vector<double> v(static_cast<size_t>(shape.size()));
  for (size_t i = 0; i < v.size(); ++i) v[i] = 2 * philox::unit_double(seed, 0, i) - 1;
  return cast(tensor(v, shape), f16).evaluate();
}

/// Half precision keeps 11 bits of what is added in f32 at least.
void expect_near(const Tensor& expected, const Tensor& got) {
  ASSERT_EQ(got.dtype(), f16);
  ASSERT_EQ(got.shape(), expected.shape());
  const auto e = expected.to_doubles(), g = got.to_doubles();
  for (size_t i = 0; i < e.size(); ++i) EXPECT_NEAR(g[i], e[i], std::abs(e[i]) / 2048 + 1e-5) << i;
}

Tensor convolved(const Tensor& x, const Tensor& k) { return conv2d(x, k, {.padding = "same"}); }

TEST(Widen, HalvesAreConvolvedInF32) {
  const Tensor x = numbers({2, 7, 7, 16}, 1), k = numbers({3, 3, 16, 8}, 2);
  const Tensor exact = convolved(cast(x, f64), cast(k, f64)).evaluate();
  expect_near(exact, convolved(x, k));
  // A second time: the plan of what was decomposed.
  expect_near(exact, convolved(x, k));
  auto f = jit([](const Tensor& x, const Tensor& k) { return relu(convolved(x, k)); });
  expect_near(relu(exact), f(x, k));
  EXPECT_THAT(f.info().plan(), Not(HasSubstr("ref convolution")));
}

TEST(Widen, ReferenceKernelsStayThemselves) {
  const runtime::ExecuteScope scope({.kernels = backend::KernelSet::ref});
  const Tensor x = numbers({1, 5, 5, 3}, 1), k = numbers({3, 3, 3, 2}, 2);
  expect_near(convolved(cast(x, f64), cast(k, f64)), convolved(x, k));
  auto f = jit([](const Tensor& x, const Tensor& k) { return convolved(x, k); });
  f(x, k);
  EXPECT_THAT(f.info().plan(), HasSubstr("ref convolution"));
}

// What f16 cannot hold on the way, f32 can: the sum of exponentials is 70,000.
TEST(Widen, CompositesAreWidenedWhole) {
  const Tensor x = zeros({70000}, f16);
  const auto f = jit([](const Tensor& t) { return logsumexp(t); });
  for (int time = 0; time < 3; ++time) {
    EXPECT_NEAR(logsumexp(x).to_double(), std::log(70000.), 0.01);
    EXPECT_NEAR(f(x).to_double(), std::log(70000.), 0.01);
  }
  const Tensor labels = tensor<int64_t>({99, 0}, {2});
  for (int time = 0; time < 3; ++time)
    EXPECT_THROW(cross_entropy(zeros({2, 10}, f16), labels).evaluate(), IndexError);
}

TEST(Widen, GradientsOfHalvesAreHalves) {
  const Tensor x = numbers({4, 6}, 3), w = numbers({6, 5}, 4);
  const auto loss = [](const Tensor& x, const Tensor& w) { return sum(square(matmul(x, w))); };
  const auto half = value_and_grad(loss)(x, w),
             exact = value_and_grad(loss)(cast(x, f64), cast(w, f64));
  ASSERT_EQ(half.grads[0].dtype(), f16);
  const auto e = exact.grads[0].to_doubles(), g = half.grads[0].to_doubles();
  for (size_t i = 0; i < e.size(); ++i) EXPECT_NEAR(g[i], e[i], 0.02) << i;
}

}  // namespace
}  // namespace varve
