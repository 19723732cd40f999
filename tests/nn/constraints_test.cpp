// What weights are brought back to after each update.
#include <gtest/gtest.h>

#include <cmath>

#include "support/errors.h"
#include "support/tensors.h"
#include "varve/derivatives.h"
#include "varve/model.h"
#include "varve/nn/layers.h"
#include "varve/ops/pointwise.h"
#include "varve/ops/reduction.h"
#include "varve/ops/shape.h"
#include "varve/optim.h"

namespace varve {
namespace {

using test::expect_near;
using test::message_of;

const Tensor kWeights = tensor({3.0, 0.1, 4.0, -0.2}, {2, 2});  // lengths of columns: 5, 0.2236

TEST(Constraints, BringWeightsBack) {
  expect_near(Constraint(nn::MaxNorm{.max_value = 2})(kWeights), {1.2, 0.1, 1.6, -0.2}, 1e-6);
  expect_near(Constraint("unit_norm")(kWeights),
              {0.6, 0.1 / std::sqrt(0.05), 0.8, -0.2 / std::sqrt(0.05)}, 1e-5);
  expect_near(Constraint("non_negative")(kWeights), {3, 0.1, 4, 0});
  const double wanted = 1 / std::sqrt(0.05);
  expect_near(Constraint(nn::MinMaxNorm{.min_value = 1, .max_value = 2})(kWeights),
              {1.2, 0.1 * wanted, 1.6, -0.2 * wanted}, 1e-5);
  // Half of the way.
  expect_near(Constraint(nn::MinMaxNorm{.min_value = 0, .max_value = 3, .rate = 0.5})(kWeights),
              {2.4, 0.1, 3.2, -0.2}, 1e-6);
  // Zeros stay zeros.
  expect_near(Constraint("unit_norm")(zeros({2, 1}, f64)), {0, 0});
}

TEST(Constraints, AreWrittenAndRead) {
  const Constraint c = nn::MaxNorm{.max_value = 3, .axes = {0, 1, 2}};
  EXPECT_EQ(c.config(), R"({"type":"max_norm","max_value":3.0,"axes":[0,1,2]})");
  EXPECT_EQ(Constraint::from_config(c.config()).config(), c.config());
  EXPECT_EQ(Constraint().config(), "null");
  EXPECT_FALSE(Constraint::from_config("null"));
  EXPECT_EQ(message_of([] { Constraint("max_nor"); }), "constraint: unknown name \"max_nor\"");
  const Layer dense = nn::Dense{.units = 2, .kernel_constraint = "non_negative"};
  EXPECT_EQ(Layer::from_config(dense.config()).config(), dense.config());
}

TEST(Constraints, HoldAfterEveryStepOfTraining) {
  for (const char* how : {"fit", "update", "clone"}) {
    SCOPED_TRACE(how);
    Sequential model{nn::Dense{.units = 3,
                               .kernel_constraint = nn::MaxNorm{.max_value = 0.5},
                               .bias_constraint = "non_negative"}};
    model.build({4});
    const Tensor x = test::normal({16, 4}), y = test::normal({16, 3}, 2) * 10 - 5;
    if (std::string(how) == "update") {
      Optimizer sgd = optim::SGD{.learning_rate = 0.5};
      for (int i = 0; i < 5; ++i) {
        sgd.update(
            value_and_grad([&] { return mean(square(Tensor(model(x)) - y)); }, model.trainable())()
                .grads);
      }
    } else {
      Model trained = std::string(how) == "clone" ? model.clone() : Model(model);
      trained.compile({.optimizer = optim::SGD{.learning_rate = 0.5}, .loss = "mse"});
      trained.fit(x, y, {.batch_size = 8, .epochs = 3, .progress = false});
      model = Sequential{};
      const Tensor kernel = trained.variable("dense_1.kernel").value();
      EXPECT_LE(max(norm(kernel, {.axes = {0}})).to_double(), 0.5 + 1e-6);
      EXPECT_GE(max(norm(kernel, {.axes = {0}})).to_double(), 0.49);
      EXPECT_GE(min(trained.variable("dense_1.bias").value()).to_double(), 0);
      continue;
    }
    const Tensor kernel = model.variable("dense_1.kernel").value();
    EXPECT_LE(max(norm(kernel, {.axes = {0}})).to_double(), 0.5 + 1e-6);
    EXPECT_GE(min(model.variable("dense_1.bias").value()).to_double(), 0);
  }
}

TEST(Constraints, OfOnesOwnKeepTheType) {
  Sequential model{
      nn::Dense{.units = 1, .kernel_constraint = [](const Tensor& w) { return sum(w); }}};
  model.build({2});
  Optimizer sgd = optim::SGD{};
  EXPECT_EQ(message_of<ShapeError>([&] {
              sgd.update(value_and_grad(
                             [&] {
                               return sum(Tensor(model(ones({1, 2}))));
                             },
                             model.trainable())()
                             .grads);
            }),
            "the constraint of dense_1.kernel gives f32[], expected f32[2, 1]");
}

}  // namespace
}  // namespace varve
