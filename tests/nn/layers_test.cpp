// What layers compute, against sums written out in double precision.
#include "nn/helpers.h"
#include "varve/derivatives.h"
#include "varve/jit.h"
#include "varve/ops/matmul.h"
#include "varve/ops/reduction.h"
#include "varve/ops/shape.h"

namespace varve {
namespace {

using test::distance;
using test::expect_near;
using test::message_of;
using test::normal;

TEST(Dense, CountsAreTheNotesFigures) {  // P4-09
  Layer model = nn::sequential({nn::Input{.shape = {3}}, nn::Dense{4}, nn::Dense{2}});
  EXPECT_EQ(model["dense_1"].parameter_count(), 12 + 4);
  EXPECT_EQ(model["dense_2"].parameter_count(), 8 + 2);
}

TEST(Dense, IsXTimesKernelPlusBias) {
  for (const Shape& lead : {Shape{1}, Shape{7}, Shape{2, 3}, Shape{0}}) {
    std::vector<int64_t> dims = lead.dims();
    dims.push_back(5);
    const Tensor x = normal(Shape(dims));
    Layer dense = nn::Dense{.units = 3, .activation = "tanh", .bias_initializer = "random_normal"};
    const auto y = dense(x).to_doubles(), xs = x.to_doubles(),
               k = dense.variable("kernel").value().to_doubles(),
               b = dense.variable("bias").value().to_doubles();
    for (size_t i = 0; i < y.size(); ++i) {
      double sum = b[i % 3];
      for (size_t j = 0; j < 5; ++j) sum += xs[i / 3 * 5 + j] * k[j * 3 + i % 3];
      EXPECT_NEAR(y[i], std::tanh(sum), 1e-6);
    }
  }
  EXPECT_EQ(message_of<ShapeError>([] { Layer(nn::Dense{2})(normal({4})); }),
            "expected [batch, ..., features], got [4]");
}

TEST(Dense, DoubleInputsGiveDoubleWeights) {
  Layer dense = nn::Dense{.units = 3};
  EXPECT_EQ(dense(cast(normal({2, 4}), f64)).dtype(), f64);
  EXPECT_EQ(dense.variable("kernel").dtype(), f64);
}

TEST(Dense, ALinearStackIsOneLayer) {  // P4-49
  Layer model = nn::sequential({nn::Dense{.units = 7, .bias_initializer = "random_normal"},
                                nn::Dense{.units = 3, .bias_initializer = "random_normal"}});
  const Tensor x = cast(normal({11, 5}), f64);
  const Tensor y = model(x);
  const Variable k1 = model.variable("dense_1.kernel"), k2 = model.variable("dense_2.kernel"),
                 b1 = model.variable("dense_1.bias"), b2 = model.variable("dense_2.bias");
  Layer one = nn::Dense{3};
  one.build({5}, f64);
  one.variable("kernel").assign(matmul(k1, k2));
  one.variable("bias").assign(reshape(matmul(reshape(b1, {1, 7}), k2), {3}) + b2);
  EXPECT_LT(distance(one(x), y), 1e-12);
}

TEST(Dense, AllZeroWeightsGiveEveryHiddenUnitTheSameGradient) {  // P4-47
  auto hidden_gradient = [](const char* initializer) {
    random::seed(3);
    Layer model = nn::sequential(
        {nn::Dense{.units = 6, .activation = "sigmoid", .kernel_initializer = initializer},
         nn::Dense{.units = 1, .kernel_initializer = 0.5}});
    model.build({4});
    const Tensor x = normal({32, 4}), target = normal({32, 1}, 2);
    const auto result =
        value_and_grad([&] { return mean(square(model(x) - target)); }, model.trainable())();
    return result.grads[model.variable("dense_1.kernel")];
  };
  // All columns are equal: a matrix of rank 1.
  const Tensor g = hidden_gradient("zeros");
  const auto v = g.to_doubles();
  double size = 0, apart = 0;
  for (size_t i = 0; i < v.size(); ++i) {
    apart = std::max(apart, std::abs(v[i] - v[i / 6 * 6]));
    size = std::max(size, std::abs(v[i]));
  }
  EXPECT_GT(size, 1e-4);
  EXPECT_LT(apart, 1e-7);
  const auto w = hidden_gradient("glorot_uniform").to_doubles();
  apart = 0;
  for (size_t i = 0; i < w.size(); ++i) apart = std::max(apart, std::abs(w[i] - w[i / 6 * 6]));
  EXPECT_GT(apart, 1e-4);
}

TEST(Shapes, FlattenReshapePermuteAndRepeat) {
  const Tensor x = normal({2, 3, 4});
  EXPECT_EQ(Layer(nn::Flatten{})(x).shape(), (Shape{2, 12}));
  EXPECT_EQ(Layer(nn::Flatten{})(normal({0, 3, 4})).shape(), (Shape{0, 12}));
  EXPECT_EQ(Layer(nn::Flatten{})(normal({5})).shape(), (Shape{5, 1}));
  EXPECT_EQ(Layer(nn::Reshape{.target_shape = {2, -1}})(x).shape(), (Shape{2, 2, 6}));
  EXPECT_EQ(Layer(nn::Reshape{.target_shape = {2, -1}})(normal({0, 3, 4})).shape(),
            (Shape{0, 2, 6}));
  EXPECT_EQ(Layer(nn::Permute{.dims = {2, 1}})(x).shape(), (Shape{2, 4, 3}));
  EXPECT_EQ(Layer(nn::RepeatVector{.n = 5})(normal({2, 3})).shape(), (Shape{2, 5, 3}));
  EXPECT_EQ(message_of<ShapeError>([&] { Layer(nn::Reshape{.target_shape = {5}})(x); }),
            "reshape: a sample of 12 elements into [5]");
}

TEST(Merge, LayersComputeTheirOperation) {
  const Tensor a = tensor({1.f, 2.f, 3.f, 4.f}, {2, 2}), b = tensor({4.f, 3.f, 2.f, 1.f}, {2, 2}),
               c = tensor({1.f, 1.f, 1.f, 1.f}, {2, 2});
  auto run = [&](const Layer& l, const Tensors& x) { return l(x).only().to_doubles(); };
  using V = std::vector<double>;
  EXPECT_EQ(run(nn::Add{}, {a, b, c}), (V{6, 6, 6, 6}));
  EXPECT_EQ(run(nn::Subtract{}, {a, b}), (V{-3, -1, 1, 3}));
  EXPECT_EQ(run(nn::Multiply{}, {a, b, c}), (V{4, 6, 6, 4}));
  EXPECT_EQ(run(nn::Average{}, {a, b}), (V{2.5, 2.5, 2.5, 2.5}));
  EXPECT_EQ(run(nn::Maximum{}, {a, b}), (V{4, 3, 3, 4}));
  EXPECT_EQ(run(nn::Minimum{}, {a, b}), (V{1, 2, 2, 1}));
  EXPECT_EQ(run(nn::Concatenate{}, {a, b}), (V{1, 2, 4, 3, 3, 4, 2, 1}));
  EXPECT_EQ(run(nn::Dot{}, {a, b}), (V{10, 10}));
  EXPECT_NEAR(run(nn::Dot{.normalize = true}, {a, b})[0], 10 / std::sqrt(5. * 25), 1e-6);
  EXPECT_EQ(message_of<ValueError>([&] {
              run(nn::Subtract{}, {a, b, c});
            }),
            "subtract: expected two tensors, got 3");
  EXPECT_EQ(message_of<ValueError>([&] { run(nn::Add{}, {a}); }),
            "add: expected two tensors or more, got 1");
}

TEST(Conv, CountsAndShapesAreKeras) {  // P4-04: 5x5x3x16, stride 2
  for (const auto& [padding, size] : {std::pair{Padding("same"), 16}, {Padding("valid"), 14}}) {
    Layer conv = nn::Conv2D{.filters = 16, .kernel_size = 5, .strides = 2, .padding = padding};
    EXPECT_EQ(conv(normal({2, 32, 32, 3})).shape(), (Shape{2, size, size, 16}));
    EXPECT_EQ(conv.variable("kernel").shape().size(), 1200);
    EXPECT_EQ(conv.parameter_count(), 1216);
  }
}

TEST(Conv, IsTheSumOverTapsAndChannels) {
  Layer conv = nn::Conv2D{.filters = 4,
                          .kernel_size = {2, 3},
                          .strides = {1, 2},
                          .groups = 2,
                          .activation = "relu",
                          .bias_initializer = "random_normal"};
  const Tensor x = normal({2, 5, 7, 6});
  const Tensor y = conv(x);
  ASSERT_EQ(y.shape(), (Shape{2, 4, 3, 4}));
  ASSERT_EQ(conv.variable("kernel").shape(), (Shape{2, 3, 3, 4}));
  const auto xs = x.to_doubles(), ys = y.to_doubles(),
             k = conv.variable("kernel").value().to_doubles(),
             bias = conv.variable("bias").value().to_doubles();
  size_t at = 0;
  for (size_t b = 0; b < 2; ++b)
    for (size_t i = 0; i < 4; ++i)
      for (size_t j = 0; j < 3; ++j)
        for (size_t o = 0; o < 4; ++o, ++at) {
          double sum = bias[o];
          for (size_t p = 0; p < 2; ++p)
            for (size_t q = 0; q < 3; ++q)
              for (size_t c = 0; c < 3; ++c)
                sum += xs[((b * 5 + i + p) * 7 + 2 * j + q) * 6 + o / 2 * 3 + c] *
                       k[((p * 3 + q) * 3 + c) * 4 + o];
          EXPECT_NEAR(ys[at], std::max(0., sum), 1e-5);
        }
}

TEST(Conv, ChannelsFirstIsTheSameWithAxesMoved) {
  Layer last = nn::Conv2D{.filters = 4, .padding = "same", .groups = 3 / 3};
  const Tensor x = normal({2, 5, 6, 3});
  const Tensor y = last(x);
  Layer first = nn::Conv2D{.filters = 4, .padding = "same", .data_format = "channels_first"};
  first.build({3, 5, 6});
  ASSERT_EQ(first.variable("kernel").shape(), last.variable("kernel").shape());
  first.variable("kernel").assign(last.variable("kernel").value());
  EXPECT_LT(distance(transpose(first(transpose(x, {0, 3, 1, 2})), {0, 2, 3, 1}), y), 1e-5);
}

TEST(Conv, OneAndThreeAxesTransposedAndDepthwise) {
  EXPECT_EQ(Layer(nn::Conv1D{.filters = 4, .padding = "causal"})(normal({2, 9, 3})).shape(),
            (Shape{2, 9, 4}));
  EXPECT_EQ(Layer(nn::Conv3D{.filters = 4})(normal({1, 5, 6, 7, 2})).shape(),
            (Shape{1, 3, 4, 5, 4}));
  Layer up = nn::Conv2DTranspose{.filters = 3, .kernel_size = 4, .strides = 2, .padding = "same"};
  EXPECT_EQ(up(normal({2, 5, 6, 8})).shape(), (Shape{2, 10, 12, 3}));
  EXPECT_EQ(up.parameter_count(), 4 * 4 * 3 * 8 + 3);
  EXPECT_EQ(Layer(nn::Conv1DTranspose{.filters = 3, .strides = 2})(normal({2, 5, 4})).shape(),
            (Shape{2, 11, 3}));
  EXPECT_EQ(Layer(nn::Conv3DTranspose{.filters = 2, .kernel_size = 2, .strides = 2})(
                normal({1, 2, 3, 4, 3}))
                .shape(),
            (Shape{1, 4, 6, 8, 2}));
  Layer depthwise = nn::DepthwiseConv2D{.depth_multiplier = 2};
  const Tensor x = normal({1, 5, 5, 3});
  const Tensor y = depthwise(x);
  ASSERT_EQ(y.shape(), (Shape{1, 3, 3, 6}));
  // Channel 4 of the result is kernel 0 of channel 2.
  const auto xs = x.to_doubles(), k = depthwise.variable("kernel").value().to_doubles();
  double sum = 0;
  for (size_t p = 0; p < 3; ++p)
    for (size_t q = 0; q < 3; ++q) sum += xs[(p * 5 + q) * 3 + 2] * k[((p * 3 + q) * 3 + 2) * 2];
  EXPECT_NEAR(y.to_doubles()[4], sum, 1e-5);
  EXPECT_EQ(message_of<ShapeError>([] {
              Layer(nn::Conv2D{.filters = 4, .groups = 2})(normal({1, 5, 5, 3}));
            }),
            "groups: expected a divisor of 3 channels and 4 filters, got 2");
}

TEST(Conv, PaddingAndUpsampling) {
  const Tensor x = tensor({1.f, 2.f, 3.f, 4.f}, {1, 2, 2, 1});
  EXPECT_EQ(Layer(nn::UpSampling2D{.size = {1, 2}})(x).to_doubles(),
            (std::vector<double>{1, 1, 2, 2, 3, 3, 4, 4}));
  EXPECT_EQ(Layer(nn::ZeroPadding2D{.padding = {{0, 1}, {1, 0}}})(x).to_doubles(),
            (std::vector<double>{0, 1, 2, 0, 3, 4, 0, 0, 0}));
}

TEST(Pool, LayersGiveTheNotesFigures) {  // P4-06
  const Tensor x =
      tensor({3.f, 1.f, 3.f, 5.f, 6.f, 0.f, 7.f, 9.f, 3.f, 2.f, 1.f, 4.f, 0.f, 2.f, 4.f, 3.f},
             {1, 4, 4, 1});
  using V = std::vector<double>;
  EXPECT_EQ(Layer(nn::MaxPool2D{})(x).to_doubles(), (V{6, 9, 3, 4}));
  EXPECT_EQ(Layer(nn::AveragePool2D{})(x).to_doubles(), (V{2.5, 6, 1.75, 3}));
  EXPECT_EQ(Layer(nn::MaxPool2D{.pool_size = 3, .strides = 1})(x).to_doubles(), (V{7, 9, 7, 9}));
  EXPECT_EQ(Layer(nn::GlobalMaxPool2D{})(x).to_doubles(), (V{9}));
  EXPECT_NEAR(Layer(nn::GlobalAveragePool2D{})(x).to_double(), 53. / 16, 1e-6);
  EXPECT_EQ(Layer(nn::GlobalAveragePool2D{.keep_dims = true})(x).shape(), (Shape{1, 1, 1, 1}));
  EXPECT_EQ(Layer(nn::MaxPool1D{})(normal({2, 7, 3})).shape(), (Shape{2, 3, 3}));
  EXPECT_EQ(Layer(nn::AveragePool3D{})(normal({2, 4, 6, 8, 3})).shape(), (Shape{2, 2, 3, 4, 3}));
  EXPECT_EQ(Layer(nn::GlobalMaxPool1D{})(normal({2, 7, 3})).shape(), (Shape{2, 3}));
  EXPECT_EQ(Layer(nn::GlobalAveragePool3D{})(normal({2, 4, 6, 8, 3})).shape(), (Shape{2, 3}));
}

TEST(Dropout, KeepsTheMeanOverItsMasks) {  // P4-29: two inputs, rate 1/2
  // The four masks are equally likely and the kept inputs count twice, so the mean is z itself;
  // without the scaling it would be z / 2.
  const double x1 = 3, x2 = -5, theta1 = 0.5, theta2 = 2;
  double inverted = 0, plain = 0;
  for (int mask = 0; mask < 4; ++mask) {
    const double z = (mask & 1) * theta1 * x1 + (mask >> 1) * theta2 * x2;
    plain += z / 4;
    inverted += 2 * z / 4;
  }
  EXPECT_EQ(plain, (theta1 * x1 + theta2 * x2) / 2);
  EXPECT_EQ(inverted, theta1 * x1 + theta2 * x2);
  // The layer draws exactly these: every element is 0 or twice its input, half of them each.
  Layer drop = nn::Dropout{.rate = 0.5};
  const int64_t n = 100000;
  const auto y = drop(broadcast_to(tensor({3.f}), {n}), {.training = true}).to_doubles();
  double kept = 0;
  for (double v : y) {
    ASSERT_TRUE(v == 0 || v == 6);
    kept += v != 0;
  }
  EXPECT_NEAR(kept / n, 0.5, 5 * 0.5 / std::sqrt(n));
}

TEST(Dropout, DrawsAnewInEachCallLayerAndStepAndNeverOutsideTraining) {
  Layer model = nn::sequential({nn::Dropout{0.5}, nn::Dropout{0.5}});
  const Tensor x = broadcast_to(tensor({1.f}), {1, 1000});
  EXPECT_EQ(distance(model(x), x), 0);
  const Tensor a = model(x, {.training = true}), b = model(x, {.training = true});
  EXPECT_GT(distance(a, b), 0);
  // Two layers of one call draw apart: a quarter of the elements is left, not a half.
  double kept = 0;
  for (double v : a.to_doubles()) kept += v != 0;
  EXPECT_NEAR(kept / 1000, 0.25, 5 * std::sqrt(0.25 * 0.75 / 1000));
  // The state is data: seed and counter. Set back, the numbers are the same.
  Variable state = model.random_state();
  EXPECT_EQ(state.value().span<uint64_t>()[1], 2u);
  state.assign(tensor({state.value().span<uint64_t>()[0], uint64_t{0}}));
  EXPECT_EQ(distance(model(x, {.training = true}), a), 0);
  EXPECT_EQ(distance(Layer(nn::Dropout{1})(x, {.training = true}), x * 0), 0);
}

TEST(Dropout, DrawsAnewInEachStepOfACompiledFunction) {
  Layer model = nn::sequential({nn::Dropout{0.5}});
  auto step = jit([&](const Tensor& x) { return model(x, {.training = true}); });
  const Tensor x = broadcast_to(tensor({1.f}), {1, 1000}).evaluate();
  const Tensor a = step(x), b = step(x);
  EXPECT_GT(distance(a, b), 0);
  EXPECT_EQ(model.random_state().value().span<uint64_t>()[1], 2u);
}

TEST(Dropout, SpatialFormsDropWholeChannels) {
  const Tensor ones = broadcast_to(tensor({1.f}), {4, 5, 6, 32});
  const Tensor y = Layer(nn::SpatialDropout2D{.rate = 0.5})(ones, {.training = true});
  const auto v = y.to_doubles();
  double kept = 0;
  for (size_t b = 0; b < 4; ++b)
    for (size_t c = 0; c < 32; ++c) {
      const double first = v[b * 960 + c];
      kept += first != 0;
      for (size_t i = 0; i < 30; ++i) ASSERT_EQ(v[b * 960 + i * 32 + c], first);
    }
  EXPECT_NEAR(kept / 128, 0.5, 5 * 0.5 / std::sqrt(128.));
  EXPECT_EQ(Layer(nn::SpatialDropout1D{})(normal({2, 5, 3}), {.training = true}).shape(),
            (Shape{2, 5, 3}));
  const Tensor z = Layer(nn::SpatialDropout2D{.rate = 0.5, .data_format = "channels_first"})(
      ones, {.training = true});
  EXPECT_EQ(max(z, {.axes = {2, 3}}).to_doubles(), min(z, {.axes = {2, 3}}).to_doubles());
}

TEST(Noise, HasItsDeviationWhileTraining) {
  Layer noise = nn::GaussianNoise{.stddev = 0.5};
  const Tensor x = broadcast_to(tensor({0.f}), {10000});
  EXPECT_EQ(distance(noise(x), x), 0);
  EXPECT_NEAR(sqrt(mean(square(noise(x, {.training = true})))).to_double(), 0.5, 5 * 0.5 / 141);
}

TEST(BatchNorm, NormalizesByTheBatchAndMovesItsStatistics) {
  Layer bn = nn::BatchNorm{.momentum = 0.9, .epsilon = 1e-3};
  const Tensor x = normal({6, 4, 3}) * 2 + 5;
  const Tensor y = bn(x, {.training = true});
  const auto xs = x.to_doubles(), ys = y.to_doubles();
  const auto mean = bn.variable("moving_mean").value().to_doubles(),
             variance = bn.variable("moving_variance").value().to_doubles();
  for (size_t c = 0; c < 3; ++c) {
    double m = 0, v = 0;
    for (size_t i = 0; i < 24; ++i) m += xs[i * 3 + c] / 24;
    for (size_t i = 0; i < 24; ++i) v += (xs[i * 3 + c] - m) * (xs[i * 3 + c] - m) / 24;
    for (size_t i = 0; i < 24; ++i)
      EXPECT_NEAR(ys[i * 3 + c], (xs[i * 3 + c] - m) / std::sqrt(v + 1e-3), 1e-4);
    EXPECT_NEAR(mean[c], 0.1 * m, 1e-5);
    EXPECT_NEAR(variance[c], 0.9 + 0.1 * v, 1e-4);
  }
  EXPECT_EQ(bn.parameter_count(), 12);
  EXPECT_EQ(bn.trainable().size(), 2u);
}

TEST(BatchNorm, ABatchOfOneUsesTheRunningStatisticsAndLeavesThem) {
  Layer bn = nn::BatchNorm{};
  bn(normal({8, 3}), {.training = true});
  const Tensor before = bn.variable("moving_mean").value();
  const Tensor x = normal({1, 3}, 5);
  EXPECT_EQ(distance(bn(x, {.training = true}), bn(x)), 0);
  EXPECT_EQ(distance(bn.variable("moving_mean").value(), before), 0);
}

TEST(BatchNorm, CanUndoItself) {  // P4-39: gamma = sqrt(variance + epsilon), beta = mean
  Layer bn = nn::BatchNorm{};
  const Tensor x = normal({50, 4}) * 3 + 1;
  bn(x);
  const Tensor m = mean(x, {.axes = {0}}), v = var(x, {.axes = {0}});
  bn.variable("gamma").assign(sqrt(v + 1e-3));
  bn.variable("beta").assign(m);
  EXPECT_LT(distance(bn(x, {.training = true}), x), 1e-5);
}

TEST(BatchNorm, FoldsIntoTheConvolutionBeforeIt) {  // P4-39
  Layer model = nn::sequential({nn::Conv2D{.filters = 4, .use_bias = false}, nn::BatchNorm{}});
  const Tensor x = normal({4, 6, 6, 3});
  model(x, {.training = true});
  Variable gamma = model.variable("batch_norm_1.gamma"), beta = model.variable("batch_norm_1.beta"),
           mean = model.variable("batch_norm_1.moving_mean"),
           variance = model.variable("batch_norm_1.moving_variance");
  gamma.assign(tensor({1.f, 0.5f, 2.f, -1.f}));
  beta.assign(tensor({0.1f, -0.2f, 0.f, 1.f}));
  const Tensor factor = gamma * rsqrt(variance + 1e-3);
  Layer fused = nn::Conv2D{.filters = 4};
  fused.build({6, 6, 3});
  fused.variable("kernel").assign(model.variable("conv2d_1.kernel") * factor);
  fused.variable("bias").assign(beta - mean * factor);
  EXPECT_LT(distance(fused(x), model(x)), 1e-5);
}

TEST(BatchNorm, MakesABiasBeforeItRedundant) {  // P4-39
  Layer bn = nn::BatchNorm{};
  const Tensor x = normal({50, 4});
  EXPECT_LT(distance(bn(x + tensor({1.f, -2.f, 3.f, 0.5f}), {.training = true}),
                     bn(x, {.training = true})),
            1e-5);
}

TEST(LayerNorm, NormalizesEachSample) {
  Layer ln = nn::LayerNorm{};
  const Tensor x = normal({3, 4, 7}) * 2 + 5;
  const auto xs = x.to_doubles(), ys = ln(x).to_doubles();
  for (size_t r = 0; r < 12; ++r) {
    double m = 0, v = 0;
    for (size_t i = 0; i < 7; ++i) m += xs[r * 7 + i] / 7;
    for (size_t i = 0; i < 7; ++i) v += (xs[r * 7 + i] - m) * (xs[r * 7 + i] - m) / 7;
    for (size_t i = 0; i < 7; ++i)
      EXPECT_NEAR(ys[r * 7 + i], (xs[r * 7 + i] - m) / std::sqrt(v + 1e-3), 1e-4);
  }
  EXPECT_EQ(ln.parameter_count(), 14);
}

TEST(Embedding, GivesRowsAndRefusesOtherIndices) {
  Layer table = nn::Embedding{.input_dim = 10, .output_dim = 3};
  const Tensor y = table(tensor<int32_t>({0, 9, 4, 4}, {2, 2}));
  ASSERT_EQ(y.shape(), (Shape{2, 2, 3}));
  const auto rows = table.variable("embeddings").value().to_doubles(), v = y.to_doubles();
  for (size_t i = 0; i < 3; ++i) {
    EXPECT_EQ(v[i], rows[i]);
    EXPECT_EQ(v[3 + i], rows[27 + i]);
    EXPECT_EQ(v[9 + i], rows[12 + i]);
  }
  const std::string text = message_of<IndexError>([&] {
    table(tensor<int32_t>({0, 10}, {1, 2})).to_doubles();
  });
  EXPECT_NE(text.find("[1] = 10, expected 0..9"), std::string::npos) << text;
}

TEST(Activations, LayersComputeTheirFunction) {
  const Tensor x = tensor({-2.f, -0.5f, 0.f, 1.f, 7.f}, {1, 5});
  expect_near(Layer(nn::LeakyReLU{})(x), {-0.6, -0.15, 0, 1, 7}, 1e-6);
  expect_near(Layer(nn::ReLU{.max_value = 6})(x), {0, 0, 0, 1, 6}, 0);
  expect_near(Layer(nn::ELU{.alpha = 2})(x), {2 * std::expm1(-2), 2 * std::expm1(-0.5), 0, 1, 7},
              1e-6);
  Layer prelu = nn::PReLU{.alpha_initializer = 0.25};
  expect_near(prelu(x), {-0.5, -0.125, 0, 1, 7}, 1e-6);
  EXPECT_EQ(prelu.parameter_count(), 5);
  EXPECT_EQ(Layer(nn::PReLU{.shared_axes = {1, 2}})(normal({2, 3, 4, 5})).shape(),
            (Shape{2, 3, 4, 5}));
  EXPECT_NEAR(sum(Layer(nn::Softmax{})(x)).to_double(), 1, 1e-6);
  expect_near(Layer(nn::Activation{"tanh"})(x),
              {std::tanh(-2), std::tanh(-0.5), 0, std::tanh(1), std::tanh(7)}, 1e-6);
  expect_near(Layer(nn::Rescaling{.scale = 2, .offset = 1})(x), {-3, 0, 1, 3, 15}, 1e-6);
  EXPECT_EQ(Layer(nn::Rescaling{1. / 255})(tensor<uint8_t>({255}, {1, 1})).to_double(), 1);
}

TEST(Lambda, TakesATensorOrSeveral) {
  const Tensor x = tensor({3.f}), y = tensor({4.f});
  EXPECT_EQ(Layer(nn::Lambda{[](const Tensor& t) { return t * t; }})(x).to_double(), 9);
  const Layer distance =
      nn::Lambda{[](const Tensors& t) { return sqrt(square(t[0]) + square(t[1])); }};
  EXPECT_EQ(distance({x, y}).only().to_double(), 5);
  EXPECT_EQ(message_of<UnsupportedError>([&] { (void)distance.config(); }),
            "layer \"lambda\": function is a function of your own and has no text form");
}

TEST(Models, HaveTheirPublishedParameterCounts) {  // X20, X22, X24 and appendix A
  Layer convnet = nn::sequential({nn::Input{.shape = {28, 28, 1}},
                                  nn::Conv2D{.filters = 32, .activation = "relu"}, nn::MaxPool2D{},
                                  nn::Conv2D{.filters = 64, .activation = "relu"}, nn::MaxPool2D{},
                                  nn::Flatten{}, nn::Dropout{0.5}, nn::Dense{10, "softmax"}});
  EXPECT_EQ(convnet.parameter_count(), 34826);
  Layer mlp = nn::sequential({nn::Input{.shape = {784}}, nn::Dense{512, "relu"}, nn::Dropout{0.2},
                              nn::Dense{512, "relu"}, nn::Dropout{0.2}, nn::Dense{10}});
  EXPECT_EQ(mlp.parameter_count(), 669706);
  Layer lenet = nn::sequential(
      {nn::Input{.shape = {32, 32, 1}},
       nn::Conv2D{.filters = 6, .kernel_size = 5, .activation = "tanh"}, nn::AveragePool2D{},
       nn::Conv2D{.filters = 16, .kernel_size = 5, .activation = "tanh"}, nn::AveragePool2D{},
       nn::Conv2D{.filters = 120, .kernel_size = 5, .activation = "tanh"}, nn::Flatten{},
       nn::Dense{84, "tanh"}, nn::Dense{10}});
  EXPECT_EQ(lenet.parameter_count(), 61706);
  Layer siamese = nn::sequential(
      {nn::Input{.shape = {28, 28, 1}}, nn::BatchNorm{},
       nn::Conv2D{.filters = 4, .kernel_size = 5, .activation = "tanh"}, nn::AveragePool2D{},
       nn::Conv2D{.filters = 16, .kernel_size = 5, .activation = "tanh"}, nn::AveragePool2D{},
       nn::Flatten{}, nn::BatchNorm{}, nn::Dense{10, "tanh"}});
  int64_t trainable = 0;
  for (const Variable& v : siamese.trainable()) trainable += v.shape().size();
  EXPECT_EQ(siamese.parameter_count(), 5318);
  EXPECT_EQ(trainable, 4804);
}

}  // namespace
}  // namespace varve
