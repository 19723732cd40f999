// What weights are brought back to after each update.
#include <gtest/gtest.h>

#include <cmath>

#include "support/errors.h"
#include "support/tensors.h"
#include "varve/callbacks.h"
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

TEST(Constraints, AndRegularizersOfEveryNameAreReadFromWhatTheyWrite) {
  const Tensor pairs[] = {kWeights, ones({2, 3}, f64)};
  const auto read_back = [&](const auto& choice) {
    const auto again = std::decay_t<decltype(choice)>::from_config(choice.config());
    EXPECT_EQ(again.config(), choice.config());
    for (const Tensor& x : pairs) EXPECT_EQ(test::distance(again(x), choice(x)), 0);
  };
  for (const std::string& name : nn::constraint_names()) {
    SCOPED_TRACE(name);
    read_back(Constraint(name));
    EXPECT_NE(Constraint(name).config().find('"' + name + '"'), std::string::npos);
  }
  for (const std::string& name : nn::regularizer_names()) {
    SCOPED_TRACE(name);
    read_back(Regularizer(name));
    EXPECT_NE(Regularizer(name).config().find('"' + name + '"'), std::string::npos);
  }
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

/// A layer with weights, a batch for it, and the variables that a constraint is given to.
struct Constrained {
  const char* name;
  Layer layer;
  Shape batch;
  std::vector<const char*> variables;
};

std::vector<Constrained> constrained_layers(const Constraint& k, const Constraint& b) {
  const std::vector<const char*> usual{"kernel", "bias"},
      separable{"depthwise_kernel", "pointwise_kernel", "bias"},
      recurrent{"kernel", "recurrent_kernel", "bias"}, affine{"gamma", "beta"};
  const Initializer weights = "glorot_uniform";
  const Shape line{8, 7, 3}, image{8, 6, 5, 3}, solid{8, 4, 4, 4, 2}, film{8, 3, 5, 5, 2};
  return {
      {"dense", nn::Dense{.units = 3, .kernel_constraint = k, .bias_constraint = b}, {8, 4}, usual},
      {"einsum_dense",
       nn::EinsumDense{.equation = "...a,abc->...bc",
                       .output_shape = {2, 3},
                       .bias_axes = "bc",
                       .kernel_constraint = k,
                       .bias_constraint = b},
       line, usual},
      {"maxout",
       nn::Maxout{.units = 3, .kernel_constraint = k, .bias_constraint = b},
       {8, 4},
       usual},
      {"conv1d", nn::Conv1D{.filters = 4, .kernel_constraint = k, .bias_constraint = b}, line,
       usual},
      {"conv2d", nn::Conv2D{.filters = 4, .kernel_constraint = k, .bias_constraint = b}, image,
       usual},
      {"conv3d", nn::Conv3D{.filters = 4, .kernel_constraint = k, .bias_constraint = b}, solid,
       usual},
      {"conv1d_transpose",
       nn::Conv1DTranspose{.filters = 4, .kernel_constraint = k, .bias_constraint = b}, line,
       usual},
      {"conv2d_transpose",
       nn::Conv2DTranspose{.filters = 4, .kernel_constraint = k, .bias_constraint = b}, image,
       usual},
      {"conv3d_transpose",
       nn::Conv3DTranspose{.filters = 4, .kernel_constraint = k, .bias_constraint = b}, solid,
       usual},
      {"depthwise_conv1d", nn::DepthwiseConv1D{.depthwise_constraint = k, .bias_constraint = b},
       line, usual},
      {"depthwise_conv2d", nn::DepthwiseConv2D{.depthwise_constraint = k, .bias_constraint = b},
       image, usual},
      {"separable_conv1d",
       nn::SeparableConv1D{.filters = 4,
                           .depthwise_constraint = k,
                           .pointwise_constraint = k,
                           .bias_constraint = b},
       line, separable},
      {"separable_conv2d",
       nn::SeparableConv2D{.filters = 4,
                           .depthwise_constraint = k,
                           .pointwise_constraint = k,
                           .bias_constraint = b},
       image, separable},
      {"simple_rnn",
       nn::SimpleRNN{
           .units = 3, .kernel_constraint = k, .recurrent_constraint = k, .bias_constraint = b},
       line, recurrent},
      {"lstm",
       nn::LSTM{
           .units = 3, .kernel_constraint = k, .recurrent_constraint = k, .bias_constraint = b},
       line, recurrent},
      {"gru",
       nn::GRU{.units = 3, .kernel_constraint = k, .recurrent_constraint = k, .bias_constraint = b},
       line, recurrent},
      {"conv_lstm2d",
       nn::ConvLSTM2D{
           .filters = 2, .kernel_constraint = k, .recurrent_constraint = k, .bias_constraint = b},
       film, recurrent},
      {"batch_norm", nn::BatchNorm{.beta_constraint = b, .gamma_constraint = k}, image, affine},
      {"layer_norm", nn::LayerNorm{.beta_constraint = b, .gamma_constraint = k}, image, affine},
      {"group_norm", nn::GroupNorm{.groups = 1, .beta_constraint = b, .gamma_constraint = k}, image,
       affine},
      {"instance_norm", nn::InstanceNorm{.beta_constraint = b, .gamma_constraint = k}, image,
       affine},
      {"multi_head_attention",
       nn::MultiHeadAttention{
           .num_heads = 2, .key_dim = 2, .kernel_constraint = k, .bias_constraint = b},
       line,
       {"query_kernel", "query_bias", "key_kernel", "key_bias", "value_kernel", "value_bias",
        "output_kernel", "output_bias"}},
      {"prelu", nn::PReLU{.alpha_initializer = weights, .alpha_constraint = k}, {8, 4}, {"alpha"}},
  };
}

/// After how many of four updates a variable is out of bounds: lengths up to 0.25, biases from 0.
int times_out_of_bounds(const Constrained& c, const Layer& layer) {
  Sequential model{layer, nn::Flatten{}};
  model.build(Shape(std::vector<int64_t>(c.batch.begin() + 1, c.batch.end())));
  const Tensor x = test::normal(c.batch), y = model(x);
  int batches = 0, times = 0;
  const auto check = [&](TrainState& state) {
    ++batches;
    for (const std::string name : c.variables) {
      const Variables found = state.model().variables("*." + name);
      ASSERT_EQ(found.size(), 1u) << name;
      const Tensor v = found[0].value();
      const bool bias = name.ends_with("bias") || name == "beta";
      times +=
          bias ? min(v).to_double() < 0 : max(norm(v, {.axes = {0}})).to_double() > 0.25 + 1e-6;
    }
  };
  model.compile({.optimizer = optim::SGD{.learning_rate = 0.1}, .loss = "mse"});
  model.fit(x, test::normal(y.shape(), 2) - 0.5,
            {.batch_size = 4,
             .epochs = 2,
             .callbacks = {callbacks::Hooks{.on_batch_end = check}},
             .progress = false});
  EXPECT_EQ(batches, 4);
  return times;
}

TEST(Constraints, AreTakenByEveryLayerWithWeightsAndHoldAfterEveryUpdate) {
  const nn::MaxNorm at_most{.max_value = 0.25};
  for (const Constrained& c : constrained_layers(at_most, "non_negative")) {
    SCOPED_TRACE(c.name);
    const std::string text = c.layer.config();
    EXPECT_EQ(Layer::from_config(text).config(), text);
    EXPECT_EQ(times_out_of_bounds(c, c.layer.clone()), 0);
    EXPECT_EQ(times_out_of_bounds(c, Layer::from_config(text)), 0) << "read back";
  }
  for (const Constrained& c : constrained_layers({}, {})) {
    EXPECT_GT(times_out_of_bounds(c, c.layer), 0) << c.name << " without constraints";
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
