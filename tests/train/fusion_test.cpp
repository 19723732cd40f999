// What a compiled model is made of: which kernels, and that they give what single ops give.
#include <gtest/gtest.h>

#include <cmath>
#include <limits>
#include <string>
#include <utility>
#include <vector>

#include "support/tensors.h"
#include "support/text.h"
#include "varve/jit.h"
#include "varve/losses.h"
#include "varve/model.h"
#include "varve/nn/layers.h"
#include "varve/numerics.h"
#include "varve/ops/convolution.h"
#include "varve/ops/matmul.h"
#include "varve/ops/pointwise.h"
#include "varve/ops/pooling.h"
#include "varve/ops/random.h"
#include "varve/ops/reduction.h"
#include "varve/ops/shape.h"

namespace varve {
namespace {

using test::count;
using test::distance;

TEST(Fusion, AnActivationBelongsToItsProduct) {
  const Tensor x = random::normal(Key(1), {9, 7}) * 20, w = random::normal(Key(2), {7, 33}),
               b = random::normal(Key(3), {33});
  for (const char* name : {"relu", "sigmoid", "tanh"}) {
    SCOPED_TRACE(name);
    auto f = [&](const Tensor& v) {
      const Tensor y = matmul(v, w) + b;
      return name[0] == 'r' ? relu(y) : name[0] == 's' ? sigmoid(y) : tanh(y);
    };
    auto compiled = jit(f);
    const Tensor y = compiled(x);
    const bool attached = name[0] != 'r';  // oneDNN's relu loses NaN
    EXPECT_EQ(count(compiled.info().plan(), "onednn + activation"), attached);
    EXPECT_EQ(count(compiled.info().plan(), "tile"), !attached) << compiled.info().plan();
    const Tensor exact = cast(w, f64);
    const Tensor z = matmul(cast(x, f64), exact) + cast(b, f64);
    const Tensor want = name[0] == 'r' ? relu(z) : name[0] == 's' ? sigmoid(z) : tanh(z);
    EXPECT_LT(distance(y, want), name[0] == 'r' ? 1e-4 : 4e-6);
  }
}

TEST(Fusion, BatchNormalizationForInferenceGoesIntoTheConvolution) {
  Sequential net{nn::Conv2D{.filters = 5, .kernel_size = 3, .use_bias = false}, nn::BatchNorm{},
                 nn::Activation{"relu"}};
  const Tensor x = random::normal(Key(4), {3, 8, 8, 2});
  // Statistics that are not those of the start.
  for (int i = 0; i < 5; ++i) net(x * 3 + 1, {.training = true});
  auto infer = jit([&](const Tensor& v) { return net(v); });
  const Tensor y = infer(x);
  EXPECT_LT(distance(y, net(x)), 1e-6);
  const std::string plan = infer.info().plan();
  // Two are left that run each time.
  EXPECT_EQ(std::stoi(plan.substr(plan.find(' '))) - static_cast<int>(count(plan, " steady ")), 2)
      << plan;
  EXPECT_EQ(count(plan, "onednn convolution"), 1) << plan;
}

TEST(Fusion, ReluBeforeMaxPoolingIsMaskedAfterIt) {
  Sequential net{nn::Conv2D{.filters = 4, .kernel_size = 3, .activation = "relu"}, nn::MaxPool2D{},
                 nn::Flatten{}, nn::Dense{3}};
  const Tensor x = random::normal(Key(5), {2, 11, 9, 3});
  net(x);
  auto objective = [&](const Tensor& v) { return mean(square(net(v))); };
  auto step = jit([&](const Tensor& v) { return value_and_grad(objective, net.trainable())(v); });
  const auto compiled = step(x);
  const auto eager = value_and_grad(objective, net.trainable())(x);
  for (size_t i = 0; i < eager.grads.size(); ++i) {
    EXPECT_LT(distance(compiled.grads.gradients()[i], eager.grads.gradients()[i]), 1e-6) << i;
  }
  // No group works on the pictures as they were before pooling: 9 x 7.
  const std::string plan = step.info().plan();
  EXPECT_EQ(count(plan, "greater %0, %2 : bool[2, 9, 7, 4]"), 0) << plan;
  EXPECT_GE(count(plan, "bool[2, 4, 3, 4]"), 1) << plan;
}

TEST(Fusion, AConvolutionIsPooledAFewPicturesAtATime) {
  Sequential net{nn::Conv2D{.filters = 32, .kernel_size = 3, .activation = "relu"},
                 nn::MaxPool2D{.pool_size = 3, .strides = 2, .padding = "same"}, nn::Flatten{},
                 nn::Dense{3}};
  const Tensor x = random::normal(Key(7), {96, 30, 26, 2}).evaluate();
  net(x);
  auto infer = jit([&](const Tensor& v) { return net(v); });
  EXPECT_LT(distance(infer(x), net(x)), 1e-5);
  const std::string plan = infer.info().plan();
  EXPECT_EQ(count(plan, "in slices"), 1) << plan;
  EXPECT_EQ(count(plan, "f32[96, 28, 24, 32] ->"), 0) << plan;
  auto objective = [&](const Tensor& v) { return mean(square(net(v))); };
  auto step = jit([&](const Tensor& v) { return value_and_grad(objective, net.trainable())(v); });
  const auto compiled = step(x);
  const auto eager = value_and_grad(objective, net.trainable())(x);
  EXPECT_EQ(count(step.info().plan(), "in slices"), 1);
  for (size_t i = 0; i < eager.grads.size(); ++i) {
    const Tensor want = eager.grads.gradients()[i];
    EXPECT_LT(distance(compiled.grads.gradients()[i], want),
              1e-5 * (1 + max(abs(want)).to_double()));
  }
  // A batch of a prime number of pictures makes no slices.
  EXPECT_LT(distance(infer(slice(x, {{0, 89}})), net(slice(x, {{0, 89}}))), 1e-5);
  EXPECT_EQ(count(infer.info().plan(), "in slices"), 0);
}

TEST(Fusion, AConvolutionThatIsPooledRunsByWinogradWhereThatIsFaster) {
  const Tensor x = random::normal(Key(8), {24, 30, 26, 64}).evaluate();
  const Tensor k = (random::normal(Key(9), {3, 3, 64, 64}) / 24).evaluate();
  const auto f = [&](const Tensor& v) {
    return max_pool2d(relu(conv2d(v, k)), {.window = {2, 2}});
  };
  const Tensor exact = max_pool2d(relu(conv2d(cast(x, f64), cast(k, f64))), {.window = {2, 2}});
  const bool before = winograd_allowed();
  Tensor y[2];
  for (bool allowed : {false, true}) {
    allow_winograd(allowed);
    auto compiled = jit(f);
    y[allowed] = compiled(x);
    EXPECT_EQ(count(compiled.info().plan(), "in slices"), 1) << compiled.info().plan();
    EXPECT_LT(distance(y[allowed], exact), 2e-5);
  }
  allow_winograd(before);
  EXPECT_GT(distance(y[0], y[1]), 0);  // roundings of another algorithm
}

// A network that has diverged must not look sound because its kernels were fused.
TEST(Fusion, NanAndInfinityPassThroughWhateverIsFused) {
  struct Operands {
    Tensor x, k, m, w;
  };
  using In = const Operands&;
  const std::pair<const char*, Tensor (*)(In)> functions[] = {
      {"convolution, relu", [](In i) { return relu(conv2d(i.x, i.k)); }},
      {"convolution, sigmoid", [](In i) { return sigmoid(conv2d(i.x, i.k)); }},
      {"convolution, tanh", [](In i) { return tanh(conv2d(i.x, i.k)); }},
      {"two convolutions", [](In i) { return relu(conv2d(relu(conv2d(i.x, i.k)), i.k)); }},
      {"convolution, pooling",
       [](In i) {
         return max_pool2d(conv2d(i.x, i.k), {.window = {2, 2}});
       }},
      {"convolution, relu, pooling",
       [](In i) {
         return max_pool2d(relu(conv2d(i.x, i.k)), {.window = {2, 2}});
       }},
      {"relu, pooling",
       [](In i) {
         return max_pool2d(relu(i.x), {.window = {2, 2}});
       }},
      {"product, relu", [](In i) { return relu(matmul(i.m, i.w)); }},
      {"product, sigmoid", [](In i) { return sigmoid(matmul(i.m, i.w)); }},
      {"product, tanh", [](In i) { return tanh(matmul(i.m, i.w)); }},
      {"one row, relu",
       [](In i) {
         return relu(matmul(slice(i.m, {{0, 1}}), i.w));
       }},
  };
  const Tensor k = random::normal(Key(2), {3, 3, 32, 32}) * 0.1,
               w = random::normal(Key(3), {32, 48}) * 0.1;
  const double inf = std::numeric_limits<double>::infinity();
  for (double bad : {std::nan(""), inf, -inf}) {
    Tensor x = random::normal(Key(4), {8, 12, 12, 32});
    x = where(reshape(arange(x.size()), x.shape()) == 7, bad, x).evaluate();
    const Tensor m = reshape(x, {-1, 32}).evaluate();
    for (const auto& [name, f] : functions) {
      SCOPED_TRACE(std::string(name) + " of " + std::to_string(bad));
      auto compiled =
          jit([f = f](const Tensor& a, const Tensor& b, const Tensor& c, const Tensor& d) {
            return f({a, b, c, d});
          });
      const std::vector<double> want = f({x, k, m, w}).to_doubles(),
                                got = compiled(x, k, m, w).to_doubles();
      for (size_t i = 0; i < want.size(); ++i) {
        if (std::isfinite(want[i])) {
          ASSERT_NEAR(got[i], want[i], 1e-5) << i;
        } else {
          ASSERT_TRUE(std::isnan(want[i]) ? std::isnan(got[i]) : got[i] == want[i])
              << i << ": " << got[i] << ", not " << want[i];
        }
      }
    }
  }
}

TEST(Fusion, PoolingTakesAReluThatNoProductTakes) {
  const Tensor x = random::normal(Key(6), {2, 6, 6, 5}).evaluate();
  auto f = [](const Tensor& v) { return max_pool2d(relu(v), {.window = 3, .strides = 2}); };
  auto infer = jit(f);
  EXPECT_EQ(distance(infer(x), f(x)), 0);
  EXPECT_EQ(count(infer.info().plan(), "relu + max pool"), 1) << infer.info().plan();
  // Nobody asks for the places of the largest elements.
  EXPECT_EQ(count(infer.info().plan(), "nowhere"), 1) << infer.info().plan();
  auto loss = [&](const Tensor& v) { return sum(square(f(v))); };
  auto gradient = jit(grad(loss));
  EXPECT_EQ(distance(gradient(x), grad(loss)(x)), 0);
}

}  // namespace
}  // namespace varve
