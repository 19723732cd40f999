// Layers around another layer that normalize its weights.
#include "nn/helpers.h"
#include "support/folder.h"
#include "varve/derivatives.h"
#include "varve/model.h"
#include "varve/ops/linalg.h"
#include "varve/ops/matmul.h"
#include "varve/ops/reduction.h"
#include "varve/ops/shape.h"
#include "varve/optim.h"

namespace varve {
namespace {

using test::distance;
using test::message_of;
using test::normal;

/// A weight of a layer: what the wrapper calls its own variables, the axes within an output, and
/// how g lies beside it.
struct Weight {
  const char *name, *prefix;
  std::vector<int> within;
  Shape g;
};
struct Case {
  const char* name;
  Layer layer;
  Shape batch;
  std::vector<Weight> weights;
};

/// Layers of every way in which a kernel numbers its outputs.
std::vector<Case> cases() {
  const Shape line{2, 8, 3}, image{2, 6, 7, 3}, solid{1, 4, 4, 4, 3};
  return {
      {"dense", nn::Dense{.units = 4}, {2, 3}, {{"kernel", "", {0}, {1, 4}}}},
      {"conv2d", nn::Conv2D{.filters = 4}, image, {{"kernel", "", {0, 1, 2}, {1, 1, 1, 4}}}},
      {"conv2d of groups",
       nn::Conv2D{.filters = 6, .groups = 3},
       image,
       {{"kernel", "", {0, 1, 2}, {1, 1, 1, 6}}}},
      {"conv1d_transpose",
       nn::Conv1DTranspose{.filters = 4},
       line,
       {{"kernel", "", {0, 2}, {1, 4, 1}}}},
      {"conv2d_transpose",
       nn::Conv2DTranspose{.filters = 4},
       image,
       {{"kernel", "", {0, 1, 3}, {1, 1, 4, 1}}}},
      {"conv3d_transpose",
       nn::Conv3DTranspose{.filters = 4},
       solid,
       {{"kernel", "", {0, 1, 2, 4}, {1, 1, 1, 4, 1}}}},
      {"depthwise_conv1d",
       nn::DepthwiseConv1D{.depth_multiplier = 2},
       line,
       {{"kernel", "", {0}, {1, 3, 2}}}},
      {"depthwise_conv2d", nn::DepthwiseConv2D{}, image, {{"kernel", "", {0, 1}, {1, 1, 3, 1}}}},
      {"separable_conv2d",
       nn::SeparableConv2D{.filters = 4, .depth_multiplier = 2},
       image,
       {{"depthwise_kernel", "depthwise_", {0, 1}, {1, 1, 3, 2}},
        {"pointwise_kernel", "pointwise_", {0, 1, 2}, {1, 1, 1, 4}}}},
      {"einsum_dense",
       nn::EinsumDense{.equation = "abc,cde->abde", .output_shape = {-1, 4, 2}},
       line,
       {{"kernel", "", {0}, {1, 4, 2}}}},
      {"einsum_dense turned around",
       nn::EinsumDense{.equation = "abc, dc -> abd", .output_shape = {-1, 4}},
       line,
       {{"kernel", "", {1}, {4, 1}}}},
  };
}

TEST(WeightNorm, GivesTheWeightsOfEachOutputTheLengthG) {
  for (const Case& c : cases()) {
    SCOPED_TRACE(c.name);
    const Layer plain = c.layer, normed = nn::WeightNorm{.layer = c.layer.clone()};
    const Tensor x = normal(c.batch);
    plain(x);
    normed(x);
    int64_t lengths = 0;
    uint64_t seed = 10;
    for (const Weight& w : c.weights) {
      Variable held = normed.variable(std::string("layer.") + w.name),
               g = normed.variable(std::string(w.prefix) + "g");
      ASSERT_EQ(g.shape(), Shape{w.g.size()});
      held.assign(normal(held.shape(), ++seed));
      g.assign(abs(normal(g.shape(), ++seed)) + 0.5);
      const Tensor v = held.value();
      plain.variable(w.name).assign(v / norm(v, {.axes = w.within, .keep_dims = true}) *
                                    reshape(g.value(), w.g));
      lengths += w.g.size();
    }
    EXPECT_LT(distance(normed(x), plain(x)), 2e-5);
    EXPECT_EQ(normed.parameter_count(), plain.parameter_count() + lengths);
  }
}

/// The largest singular value of a weight as a matrix [within an output, outputs].
double largest(const Tensor& weight, const Weight& w) {
  std::vector<int> order = w.within;
  int64_t rows = 1;
  for (int axis : w.within) rows *= weight.shape()[axis];
  for (int axis = 0; axis < weight.rank(); ++axis) {
    if (std::find(w.within.begin(), w.within.end(), axis) == w.within.end()) order.push_back(axis);
  }
  const Tensor matrix = reshape(transpose(cast(weight, f64), order), {rows, -1});
  return max(linalg::singular_values(matrix)).to_double();
}

TEST(SpectralNorm, BeginsWithWeightsOfNormOne) {
  random::seed(7);
  for (const Case& c : cases()) {
    SCOPED_TRACE(c.name);
    const Layer plain = c.layer, normed = nn::SpectralNorm{.layer = c.layer.clone()};
    const Tensor x = normal(c.batch);
    plain(x);
    const Tensor y = normed(x);
    for (const Weight& w : c.weights) {
      EXPECT_EQ(normed.variable(std::string(w.prefix) + "vector_u").shape(), Shape{w.g.size()});
      const Tensor v = normed.variable(std::string("layer.") + w.name).value();
      plain.variable(w.name).assign(v / largest(v, w));
    }
    // The steps come close from below, so that the weights are a little too large.
    EXPECT_LT(distance(y, plain(x)), 0.03 * max(abs(y)).to_double());
  }
}

TEST(WeightNorm, BeginsAsTheLayerItself) {
  const Tensor x = normal({3, 8, 9, 2});
  random::seed(11);
  Layer plain = nn::Conv2D{.filters = 4};
  const Tensor y = plain(x);
  random::seed(11);
  Layer normed = nn::WeightNorm{.layer = nn::Conv2D{.filters = 4}};
  const Tensor z = normed(x);
  EXPECT_LT(distance(y, z), 1e-5);
  EXPECT_EQ(normed.parameter_count(), plain.parameter_count() + 4);
  // A layer that was called before keeps what it has.
  Layer around = nn::WeightNorm{.layer = plain};
  EXPECT_LT(distance(y, around(x)), 1e-5);
}

TEST(WeightNorm, BeginsAlikeInACopyWhateverTheOriginalHasBecome) {
  for (const Layer& wrapper : {Layer(nn::WeightNorm{.layer = nn::Dense{.units = 3}}),
                               Layer(nn::SpectralNorm{.layer = nn::Dense{.units = 3}})}) {
    SCOPED_TRACE(wrapper.type());
    Sequential model{wrapper};
    model.build({5});
    const Layer first = model.clone(), second = model.clone();
    const Tensor x = normal({16, 5});
    model.compile({.optimizer = optim::SGD{.learning_rate = 0.5}, .loss = "mse"});
    const Tensor before = first(x);
    model.fit(x, normal({16, 3}, 2) * 5, {.batch_size = 8, .epochs = 3, .progress = false});
    EXPECT_LT(distance(second(x), before), 1e-6);
    EXPECT_GT(test::distance(Tensor(model(x)), before), 0.1);
    EXPECT_EQ(distance(model.clone()(x), model(x)), 0);
  }
}

TEST(WeightNorm, GivesEachOutputTheLengthG) {
  Layer normed = nn::WeightNorm{.layer = nn::Dense{.units = 3, .use_bias = false}};
  normed.build({5});
  normed.variable("g").assign(tensor<float>({1, 2, 3}));
  const Tensor kernel = normed(cast(eye(5), f32));
  test::expect_near(norm(kernel, {.axes = {0}}), {1, 2, 3}, 1e-5);
  // The gradient does not change the length of v: it stands at right angles to it.
  const Tensor x = normal({7, 5});
  const auto g = value_and_grad([&] { return sum(square(normed(x))); }, normed.trainable())().grads;
  const Variable v = normed.variable("layer.kernel");
  test::expect_near(sum(g[v] * v.value(), {.axes = {0}}), {0, 0, 0}, 2e-4);
}

TEST(SpectralNorm, BringsTheLargestSingularValueToOne) {
  random::seed(3);
  Layer normed =
      nn::SpectralNorm{.layer = nn::Dense{.units = 6, .use_bias = false}, .power_iterations = 2};
  const Tensor x = cast(eye(9), f32);
  for (int i = 0; i < 60; ++i) normed(x, {.training = true}).evaluate();
  EXPECT_NEAR(max(linalg::singular_values(cast(normed(x), f64))).to_double(), 1, 1e-4);
  // Outside of training the vector stays.
  const auto before = normed.variable("vector_u").value().to_doubles();
  normed(x).evaluate();
  EXPECT_EQ(normed.variable("vector_u").value().to_doubles(), before);
  EXPECT_EQ(normed.trainable().size(), 1u);
}

TEST(WeightWrappers, TakeAndGiveMasksAndStates) {
  const nn::LSTM lstm{.units = 4, .return_sequences = true, .return_state = true};
  const Tensor x = normal({2, 5, 3}), h = normal({2, 4}, 2), c = normal({2, 4}, 3);
  const Tensor mask =
      tensor({true, true, false, true, false, true, true, true, true, false}, {2, 5});
  const Layer layer = lstm;
  const Tensors given{nn::with_mask(x, mask), h, c};
  const Outputs plain = layer(given), normed = nn::WeightNorm{.layer = layer.clone()}(given);
  ASSERT_EQ(normed.size(), plain.size());
  ASSERT_EQ(normed.size(), 3u);
  EXPECT_TRUE(nn::mask_of(normed[0]).defined());
  for (size_t i = 0; i < plain.size(); ++i) EXPECT_LT(distance(normed[i], plain[i]), 1e-5) << i;
  // An embedding's mask reaches the layer behind it.
  const Layer table = nn::Embedding{.input_dim = 9, .output_dim = 3, .mask_zero = true};
  const Layer model = nn::sequential({nn::SpectralNorm{.layer = table}, nn::LSTM{.units = 4}});
  const Tensor padded = tensor({int64_t{3}, int64_t{5}, int64_t{0}, int64_t{0}}, {1, 4}),
               alone = tensor({int64_t{3}, int64_t{5}}, {1, 2});
  EXPECT_LT(distance(model(padded), model(alone)), 1e-6);
}

TEST(WeightWrappers, RefuseLayersWithoutAKernel) {
  EXPECT_EQ(message_of<ValueError>([] {
              Layer(nn::WeightNorm{.layer = nn::Flatten{}})(normal({2, 3}));
            }),
            "layer: expected one with a kernel or embeddings, got flatten");
}

TEST(WeightWrappers, AreSavedAndLoaded) {
  Sequential model{nn::WeightNorm{.layer = nn::DepthwiseConv2D{.depth_multiplier = 2}},
                   nn::SpectralNorm{.layer = nn::Conv2D{.filters = 3}, .power_iterations = 2},
                   nn::Flatten{}, nn::WeightNorm{.layer = nn::Dense{.units = 2}}};
  model.build({7, 6, 3});
  const Tensor x = normal({8, 7, 6, 3});
  model.compile({.optimizer = optim::SGD{.learning_rate = 0.05}, .loss = "mse"});
  model.fit(x, normal({8, 2}, 2), {.batch_size = 4, .epochs = 1, .progress = false});
  const test::Folder folder;
  const std::string path = std::string(folder.path()) + "/wrapped.safetensors";
  model.save(path);
  const Model again = Model::load(path);
  EXPECT_EQ(again.config(), model.config());
  const auto held = model.named_variables();
  ASSERT_EQ(again.named_variables().size(), held.size());
  EXPECT_EQ(test::names_of(again.variables("*.g")).size(), 2u);
  for (const NamedVariable& v : held)
    EXPECT_EQ(distance(again.variable(v.path).value(), v.variable.value()), 0) << v.path;
  EXPECT_EQ(distance(Tensor(again(x)), Tensor(model(x))), 0);
}

}  // namespace
}  // namespace varve
