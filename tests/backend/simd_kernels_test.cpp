// The rows that wrap our vector loops: what they take, and that they agree with the reference.
#include <gtest/gtest.h>

#include "backend/kernels_under_test.h"
#include "runtime/evaluate.h"
#include "support/errors.h"
#include "varve/derivatives.h"
#include "varve/ops/cross_entropy.h"
#include "varve/ops/normalization.h"
#include "varve/ops/pointwise.h"
#include "varve/ops/pooling.h"
#include "varve/ops/reduction.h"

namespace varve {
namespace {

/// The elements of f evaluated by all kernels and by the reference alone.
void expect_same(auto f, double tolerance) {
  const std::vector<double> fast = Tensor(f()).to_doubles();
  const runtime::ExecuteScope scope({.kernels = backend::KernelSet::ref});
  const std::vector<double> slow = Tensor(f()).to_doubles();
  ASSERT_EQ(fast.size(), slow.size());
  for (size_t i = 0; i < fast.size(); ++i) {
    if (std::isinf(slow[i])) {  // which is near nothing
      EXPECT_EQ(fast[i], slow[i]);
    } else {
      EXPECT_NEAR(fast[i], slow[i], tolerance);
    }
  }
}

Tensor noise(const Shape& shape, uint64_t seed) {
  return random::uniform(Key(seed), shape, {.low = -3, .high = 3}).evaluate();
}

std::string kernel_of(const char* op, std::vector<TestOperand> in, const ir::Attributes& a) {
  return run_kernel(op, in, a, backend::KernelSet::all).kernel;
}

TEST(SimdKernels, TakeSoftmaxAlongTheLastAxis) {
  const ir::Attributes last{{"axis", int64_t{1}}}, first{{"axis", int64_t{0}}};
  const auto x = make_operand(f32, {5, 7}, 1);
  EXPECT_EQ(kernel_of("softmax", {x}, last), "simd softmax");
  EXPECT_EQ(kernel_of("log_softmax", {x}, last), "simd softmax");
  EXPECT_EQ(kernel_of("softmax", {x}, first), "");
  EXPECT_EQ(kernel_of("softmax", {make_operand(f64, {5, 7}, 1)}, last), "");
  for (int64_t n : {0, 1, 15, 16, 17, 1000}) {
    const Tensor v = noise({9, n}, 2);
    expect_same([&] { return softmax(v); }, 1e-6);
    expect_same([&] { return log_softmax(v); }, 2e-6);
    expect_same([&] { return logsumexp(v, {.axes = {-1}}); }, 2e-6);
  }
  expect_same([] { return logsumexp(noise({3, 4, 5}, 1), {.axes = {1, 2}}); }, 2e-6);
}

TEST(SimdKernels, TakeCrossEntropyWithOneGradientOrMany) {
  ir::Attributes a{{"label_smoothing", 0.1}};
  auto labels = make_operand(i64, {4}, 1);  // uniform in (-1, 1): zeros
  const auto x = make_operand(f32, {4, 10}, 1), row = make_operand(f32, {4}, 2);
  EXPECT_EQ(kernel_of("cross_entropy", {x, labels}, a), "simd cross-entropy");
  EXPECT_EQ(kernel_of("cross_entropy_gradient", {x, labels, row, row}, a), "simd cross-entropy");
  EXPECT_EQ(kernel_of("cross_entropy_gradient", {x, labels, row, repeated(f32, {4}, 1)}, a),
            "simd cross-entropy");
  const Tensor logits = noise({33, 10}, 1), t = random::integers(Key(1), 0, 10, {33}).evaluate();
  for (double s : {0., 0.1}) {
    const CrossEntropyOptions o{.label_smoothing = s, .ignore_index = 3};
    expect_same([&] { return cross_entropy(logits, t, o); }, 2e-6);
    auto gradient = [&](bool mean_of) {
      return grad([&](const Tensor& v) {
        const Tensor loss = cross_entropy(v, t, o);
        return mean_of ? mean(loss) : sum(loss * loss);
      })(logits);
    };
    expect_same([&] { return gradient(true); }, 1e-7);
    expect_same([&] { return gradient(false); }, 2e-6);
  }
}

TEST(SimdKernels, NameALabelOutOfRange) {
  const Tensor x = noise({50, 10}, 1);
  std::vector<int32_t> t(50, 3);
  t[37] = 10;
  const IndexError e =
      test::error_of<IndexError>([&] { cross_entropy(x, tensor(t, {50})).evaluate(); });
  EXPECT_EQ(e.message(), "cross_entropy: target[37] = 10, expected 0..9");
}

TEST(SimdKernels, TakeMaxPoolingOfOneAndTwoAxes) {
  const ir::Attributes flat{{"window", ir::Ints{2, 2}},
                            {"strides", ir::Ints{2, 2}},
                            {"dilation", ir::Ints{1, 1}},
                            {"padding_low", ir::Ints{0, 0}},
                            {"padding_high", ir::Ints{0, 0}}};
  EXPECT_EQ(kernel_of("max_pool", {make_operand(f32, {1, 4, 4, 3}, 1)}, flat), "simd max pool");
  EXPECT_EQ(kernel_of("max_pool", {make_operand(f64, {1, 4, 4, 3}, 1)}, flat), "ref max_pool");
  const Tensor line = noise({2, 13, 5}, 1), picture = noise({2, 9, 8, 17}, 2),
               large = noise({1, 40, 40, 2}, 3);
  auto check = [](auto pool, const Tensor& x) {
    expect_same([&] { return pool(x); }, 0);
    expect_same([&] { return grad([&](const Tensor& v) { return sum(pool(v) * pool(v)); })(x); },
                1e-5);
  };
  check([](const Tensor& x) { return max_pool1d(x, {.window = 3, .strides = 2}); }, line);
  check(
      [](const Tensor& x) {
        return max_pool2d(x, {.window = {3, 2}, .padding = "same"});
      },
      picture);
  check(
      [](const Tensor& x) {
        return max_pool2d(x, {.window = 2, .strides = {1, 2}, .padding = 1, .dilation = 2});
      },
      picture);
  check([](const Tensor& x) { return max_pool2d(x, {.window = 20}); }, large);
}

}  // namespace
}  // namespace varve
