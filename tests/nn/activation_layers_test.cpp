// Activations as layers, and the values at which written definitions go wrong.
#include "varve/nn/activation_layers.h"

#include <gtest/gtest.h>

#include <cmath>

#include "support/errors.h"
#include "support/tensors.h"
#include "varve/derivatives.h"
#include "varve/ops/activation.h"
#include "varve/ops/matmul.h"
#include "varve/ops/pointwise.h"
#include "varve/ops/reduction.h"
#include "varve/ops/shape.h"

namespace varve {
namespace {

using test::distance;
using test::expect_near;
using test::message_of;

const Tensor kX = tensor({-4.0, -1.0, -0.25, 0.0, 0.5, 2.0}, {2, 3});

TEST(ActivationLayers, AreTheirFunctions) {
  const std::pair<Layer, Tensor> cases[] = {
      {nn::CELU{.alpha = 0.5}, celu(kX, 0.5)},
      {nn::Swish{.beta = 2}, swish(kX, 2)},
      {nn::Softplus{.beta = 3}, softplus(kX, {.beta = 3})},
      {nn::Softplus{.beta = 3, .threshold = 1}, softplus(kX, {.beta = 3, .threshold = 1})},
      {nn::HardSigmoid{.alpha = 0.2, .beta = 0.4}, clip(0.2 * kX + 0.4, 0, 1)},
      {nn::HardTanh{.low = -0.5, .high = 0.25}, clip(kX, -0.5, 0.25)},
      {nn::HardShrink{.lambda = 0.3}, hard_shrink(kX, 0.3)},
      {nn::SoftShrink{.lambda = 0.3}, soft_shrink(kX, 0.3)},
      {nn::ThresholdedReLU{.threshold = 0.4}, thresholded_relu(kX, 0.4)},
      {nn::Step{.at_zero = 0.5}, step(kX, 0.5)},
  };
  for (const auto& [layer, expected] : cases) {
    EXPECT_EQ(distance(layer(kX), expected), 0) << layer.to_string();
    EXPECT_EQ(distance(Layer::from_config(layer.config())(kX), expected), 0) << layer.config();
  }
  const Activation a = nn::Swish{.beta = 2};
  EXPECT_EQ(distance(Activation::from_config(a.config())(kX), swish(kX, 2)), 0);
}

// The step of a perceptron is strict; others start at 0.
TEST(Step, TheValueAtZeroIsNamed) {
  const Tensor x = tensor({-1.0, -0.0, 0.0, 1e-300});
  expect_near(step(x), {0, 1, 1, 1});
  expect_near(step(x, 0), {0, 0, 0, 1});
  expect_near(step(x, 0.5), {0, 0.5, 0.5, 1});
  EXPECT_TRUE(std::isnan(step(tensor({NAN})).to_double()));
  expect_near(grad([](const Tensor& t) { return sum(step(t)); })(x), {0, 0, 0, 0});
}

// max(alpha (exp(x) - 1), x) is not ELU: for large x the exponential wins.
TEST(ELU, IsTheIdentityAboveZero) {
  expect_near(elu(tensor({4.0}), 0.1), {4});
  expect_near(elu(tensor({2.0}), 1), {2});
  expect_near(maximum(0.1 * expm1(tensor({4.0})), 4.0), {5.3598150033}, 1e-9);
}

TEST(Swish, GoesFromHalfTheIdentityToRelu) {
  expect_near(swish(kX, 0), (kX / 2).to_doubles());
  EXPECT_LT(distance(swish(kX, 1e4), relu(kX)), 1e-12);
  // Its minimum is -0.27846 at -1.278; it is not 2 x sigmoid(x), which is unbounded.
  expect_near(swish(tensor({-1.278}), 1), {-0.278465}, 1e-6);
  const auto slope = grad([](const Tensor& t) { return sum(silu(t)); });
  EXPECT_LT(slope(tensor({-1.2785})).to_double() * slope(tensor({-1.2784})).to_double(), 0);
  // Beta may be learned.
  EXPECT_NE(
      grad([](const Tensor& beta) { return sum(swish(kX, beta)); })(tensor({1.0})).to_double(), 0);
}

// max(alpha x, x) is the parametric ReLU for alpha <= 1 alone.
TEST(PReLU, ASlopeAboveOneIsStillASlopeBelowZero) {
  const Layer shared = nn::PReLU{.alpha_initializer = 1.5, .shared_axes = {1}};
  expect_near(shared(kX), {-6, -1.5, -0.375, 0, 0.5, 2});
  EXPECT_EQ(shared.parameter_count(), 1);
  Layer each = nn::PReLU{.shared_axes = {1, 2}};
  each.build({28, 28, 16});
  EXPECT_EQ(each.parameter_count(), 16);
  // The gradient by the slope is x below 0 and 0 above.
  expect_near(grad([](const Tensor& a) { return sum(prelu(kX, a)); })(tensor({0.25})), {-5.25});
}

TEST(RReLU, DrawsSlopesWhileTraining) {
  const Layer layer = nn::RReLU{.lower = 0.1, .upper = 0.3};
  const Tensor x = full({10000}, -1.0, f64);
  expect_near(layer(tensor({-1.0, 2.0})), {-0.2, 2});
  const Tensor y = layer(reshape(x, {100, 100}), {.training = true});
  EXPECT_GE(min(y).to_double(), -0.3);
  EXPECT_LE(max(y).to_double(), -0.1);
  EXPECT_NEAR(mean(y).to_double(), -0.2, 0.002);
  EXPECT_NEAR(var(y).to_double(), 0.04 / 12, 1e-4);
}

TEST(Maxout, IsTheLargestOfAffineMapsAndDoublesTheParameters) {
  Layer layer = nn::Maxout{.units = 3, .pieces = 2};
  const Tensor x = test::noise({5, 4}, 1);
  const Tensor y = layer(x);
  EXPECT_EQ(y.shape(), (Shape{5, 3}));
  EXPECT_EQ(layer.parameter_count(), 2 * (4 * 3 + 3));
  const Tensor scores =
      matmul(x, layer.variable("kernel").value()) + layer.variable("bias").value();
  EXPECT_LT(distance(y, max(reshape(scores, {5, 3, 2}), {.axes = {2}})), 1e-12);
  // |x| is the maxout of x and -x.
  expect_near(maxout(tensor({-3.0, 3.0, 2.0, -2.0}), 2), {3, 2});
}

TEST(GatedUnits, TheSecondHalfIsTheGate) {
  const Tensor x = tensor({1.0, -2.0, 0.0, 100.0}, {1, 4});
  expect_near(nn::GLU{}(x), {0.5, -2});
  expect_near(nn::GLU{.activation = "relu"}(x), {0, -200});
  EXPECT_EQ(distance(nn::GLU{}(x), glu(x)), 0);
  EXPECT_EQ(message_of([&] { nn::GLU{.axis = 0}(x); }), "glu: axis 0 of [1, 4] has no two halves");
}

TEST(Sparsemax, IsAPointOfTheSimplexWithExactZeros) {
  const Tensor p = sparsemax(tensor({1.2, 1.0, -3.0, 1.1, 0.0}));
  expect_near(p, {1.3 / 3, 0.7 / 3, 0, 1. / 3, 0});
  expect_near(sparsemax(tensor({5.0, 1.0})), {1, 0});
  // Equal elements share.
  expect_near(sparsemax(tensor({2.0, 2.0, -9.0, 2.0})), {1. / 3, 1. / 3, 0, 1. / 3});
  // On the support the gradient of an element is what it has above their mean.
  const Tensor w = tensor({1.0, 2.0, 4.0, 8.0, 16.0});
  expect_near(grad([&](const Tensor& x) { return sum(w * sparsemax(x)); })(
                  tensor({1.2, 1.0, -3.0, 1.1, 0.0})),
              {1 - 11. / 3, 2 - 11. / 3, 0, 8 - 11. / 3, 0});
}

TEST(Activations, RefuseParametersThatTheyCannotHave) {
  EXPECT_EQ(message_of([] { celu(kX, 0); }),
            "celu: alpha: expected a number above 0, got 0.000000");
  EXPECT_EQ(message_of([] { softplus(kX, {.beta = -1}); }),
            "softplus: beta: expected a number above 0, got -1.000000");
  EXPECT_EQ(message_of([] { soft_shrink(kX, -1); }),
            "soft_shrink: lambda: expected 0 or more, got -1.000000");
  EXPECT_THROW(hard_shrink(kX, -1), ValueError);
  EXPECT_THROW(squareplus(kX, 0), ValueError);
  EXPECT_THROW(random_relu(kX, Key(1), {.lower = 1, .upper = 0}), ValueError);
  EXPECT_THROW((void)Layer(nn::CELU{.alpha = 0}), ValueError);
  EXPECT_THROW((void)Layer(nn::Maxout{.units = 0}), ValueError);
}

}  // namespace
}  // namespace varve
