// Spatial and normalization layers: outputs and counts of Keras (tests/golden/spatial_layers.py),
// and what they are made for.
#include <cmath>
#include <fstream>
#include <nlohmann/json.hpp>

#include "nn/helpers.h"
#include "varve/derivatives.h"
#include "varve/ops/convolution.h"
#include "varve/ops/matmul.h"
#include "varve/ops/pooling.h"
#include "varve/ops/reduction.h"
#include "varve/ops/resampling.h"
#include "varve/ops/shape.h"
#include "varve/ops/windows.h"

namespace varve {
namespace {

using test::distance;
using test::message_of;
using test::normal;

Tensor read(const nlohmann::json& j) {
  return tensor(j.at("values").get<std::vector<float>>(),
                Shape(j.at("shape").get<std::vector<int64_t>>()));
}

TEST(SpatialLayers, GiveWhatKerasGives) {
  std::ifstream file(VARVE_SOURCE_DIR "/tests/golden/spatial_layers.json");
  const auto content = nlohmann::json::parse(file);
  int64_t cases = 0;
  for (const auto& j : content.at("layers")) {
    SCOPED_TRACE(j.at("layer").dump());
    Layer layer = Layer::from_config(j.at("layer").dump());
    const Tensor x = read(j.at("x")), expected = read(j.at("y"));
    layer(x);
    for (const auto& w : j.at("weights"))
      layer.variable(w.at("name").get<std::string>()).assign(read(w));
    const Tensor y = layer(x);
    ASSERT_EQ(y.shape(), expected.shape());
    // TensorFlow takes the weights of bicubic interpolation from a table of 1024 places.
    const bool tabled = j.at("layer").value("interpolation", "") == "bicubic";
    EXPECT_LT(distance(y, expected), tabled ? 2e-3 : 2e-5);
    EXPECT_EQ(layer.parameter_count(), j.at("parameters").get<int64_t>());
    ++cases;
  }
  EXPECT_GE(cases, 45);
}

/// x with the channels, its last axis, behind the batch.
Tensor channels_first(const Tensor& x) {
  std::vector<int> axes{0, x.rank() - 1};
  for (int i = 1; i + 1 < x.rank(); ++i) axes.push_back(i);
  return transpose(x, axes);
}

TEST(SpatialLayers, TakeChannelsFirst) {
  const Tensor line = normal({2, 9, 4}), image = normal({2, 6, 8, 4}),
               solid = normal({2, 4, 5, 6, 4});
  struct Row {
    const char* config;
    const Tensor& x;
  };
  const Row rows[] = {
      {R"({"type": "resizing", "height": 4, "width": 4, "crop_to_aspect_ratio": true})", image},
      {R"({"type": "up_sampling2d", "size": [1, 3], "interpolation": "bicubic"})", image},
      {R"({"type": "up_sampling3d", "size": [2, 1, 3]})", solid},
      {R"({"type": "zero_padding1d", "padding": [1, 3]})", line},
      {R"({"type": "zero_padding2d", "padding": [[1, 2], [0, 3]]})", image},
      {R"({"type": "zero_padding3d", "padding": [[1, 2], [0, 3], [1, 0]]})", solid},
      {R"({"type": "reflection_padding1d", "padding": [1, 3]})", line},
      {R"({"type": "reflection_padding2d", "padding": [[1, 2], [0, 3]]})", image},
      {R"({"type": "reflection_padding3d", "padding": [1, 2, 3]})", solid},
      {R"({"type": "cropping1d", "cropping": [1, 3]})", line},
      {R"({"type": "cropping2d", "cropping": [1, 2]})", image},
      {R"({"type": "cropping3d", "cropping": [[1, 2], [0, 3], [1, 0]]})", solid},
      {R"({"type": "conv1d", "filters": 3, "kernel_size": 2})", line},
      {R"({"type": "conv2d", "filters": 6, "kernel_size": [3, 2], "groups": 2})", image},
      {R"({"type": "conv3d", "filters": 3, "kernel_size": [3, 2, 1]})", solid},
      {R"({"type": "conv1d_transpose", "filters": 3, "strides": 2})", line},
      {R"({"type": "conv2d_transpose", "filters": 3, "kernel_size": [3, 2]})", image},
      {R"({"type": "conv3d_transpose", "filters": 3, "kernel_size": [3, 2, 1]})", solid},
      {R"({"type": "depthwise_conv1d", "depth_multiplier": 2})", line},
      {R"({"type": "depthwise_conv2d", "kernel_size": [3, 2], "depth_multiplier": 2})", image},
      {R"({"type": "separable_conv1d", "filters": 5, "depth_multiplier": 2})", line},
      {R"({"type": "separable_conv2d", "filters": 5, "kernel_size": [3, 2]})", image},
      {R"({"type": "max_pool1d", "pool_size": 2})", line},
      {R"({"type": "max_pool2d", "pool_size": [2, 3]})", image},
      {R"({"type": "max_pool3d", "pool_size": [2, 3, 1]})", solid},
      {R"({"type": "average_pool1d", "pool_size": 2, "padding": "same"})", line},
      {R"({"type": "average_pool2d", "pool_size": [2, 3], "padding": "same"})", image},
      {R"({"type": "average_pool3d", "pool_size": [2, 3, 1], "padding": "same"})", solid},
      {R"({"type": "adaptive_average_pool1d", "output_size": 4})", line},
      {R"({"type": "adaptive_average_pool2d", "output_size": [4, 3]})", image},
      {R"({"type": "adaptive_average_pool3d", "output_size": [3, 2, 4]})", solid},
      {R"({"type": "adaptive_max_pool1d", "output_size": 4})", line},
      {R"({"type": "adaptive_max_pool2d", "output_size": [4, 3]})", image},
      {R"({"type": "adaptive_max_pool3d", "output_size": [3, 2, 4]})", solid},
      {R"({"type": "global_average_pool2d", "keep_dims": true})", image},
      {R"({"type": "global_max_pool3d", "keep_dims": true})", solid},
      {R"({"type": "blur_pool2d"})", image},
      {R"({"type": "pixel_shuffle"})", image},
  };
  for (const auto& [config, x] : rows) {
    SCOPED_TRACE(config);
    std::string other = config;
    other.insert(other.size() - 1, R"(, "data_format": "channels_first")");
    const Layer a = Layer::from_config(config), b = Layer::from_config(other);
    const Tensor first = channels_first(x);
    a(x);
    b(first);
    // Weights lie alike in both.
    for (const NamedVariable& v : a.named_variables())
      b.variable(v.path).assign(v.variable.value());
    EXPECT_LT(distance(channels_first(a(x)), b(first)), 2e-5);
  }
}

TEST(SpatialLayers, OfOneAxisTakeAPairAsItsEnds) {
  const Tensor x = tensor<float>({1, 2, 3, 4}, {1, 4, 1});
  const auto of = [&](Layer layer) {
    EXPECT_EQ(Layer::from_config(layer.config()).config(), layer.config());
    return layer(x).to_doubles();
  };
  using List = std::vector<double>;
  EXPECT_EQ(of(nn::ZeroPadding1D{.padding = {1, 2}}), (List{0, 1, 2, 3, 4, 0, 0}));
  EXPECT_EQ(of(nn::ZeroPadding1D{.padding = {{1, 2}}}), (List{0, 1, 2, 3, 4, 0, 0}));
  EXPECT_EQ(of(nn::ZeroPadding1D{.padding = 1}), (List{0, 1, 2, 3, 4, 0}));
  EXPECT_EQ(of(nn::ReflectionPadding1D{.padding = {0, 3}}), (List{1, 2, 3, 4, 3, 2, 1}));
  EXPECT_EQ(of(nn::Cropping1D{.cropping = {0, 3}}), (List{1}));
  EXPECT_EQ(message_of<ValueError>([&] {
              of(nn::ZeroPadding1D{.padding = {{1, 2}, {3, 4}}});
            }),
            "padding: expected a number or a pair, got \"[[1, 2], [3, 4]]\"");
}

TEST(SpatialLayers, RefuseWhatDoesNotFit) {
  EXPECT_EQ(message_of<ValueError>([] {
              Layer(nn::ZeroPadding1D{.padding = "same"})(normal({1, 3, 2}));
            }),
            "padding: expected a number or a pair, got \"same\"");
  EXPECT_EQ(message_of<ValueError>([] { Layer(nn::Resizing{.height = 3}); }),
            "resizing: width: expected integer >= 1, got 0");
  EXPECT_EQ(message_of<ConfigError>([] {
              Layer::from_config(R"({"type": "up_sampling2d", "interpolation": "cube"})");
            }),
            "layer.interpolation: expected one of \"nearest\", \"linear\", \"bilinear\", "
            "\"trilinear\", \"cubic\", \"bicubic\", \"area\", got \"cube\"");
}

TEST(SeparableConv2D, CostsAnNthPlusAKSquaredth) {  // L34
  Layer plain = nn::Conv2D{.filters = 128, .kernel_size = 3, .use_bias = false};
  Layer separable = nn::SeparableConv2D{.filters = 128, .kernel_size = 3, .use_bias = false};
  plain.build({8, 8, 128});
  separable.build({8, 8, 128});
  const double ratio = static_cast<double>(plain.parameter_count()) /
                       static_cast<double>(separable.parameter_count());
  EXPECT_NEAR(1 / ratio, 1. / 128 + 1. / 9, 1e-12);
  EXPECT_NEAR(ratio, 8.4, 0.05);
}

TEST(Dropouts, KeepMeanAndVariance) {
  random::seed(5);
  const Shape shape{200000};
  const auto moments = [](const Tensor& y) {
    return std::pair(mean(y).to_double(), var(y).to_double());
  };
  const Tensor x = random::normal(random::key(), shape);
  const auto [m, v] = moments(Layer(nn::AlphaDropout{.rate = 0.3})(x, {.training = true}));
  EXPECT_NEAR(m, 0, 0.02);
  EXPECT_NEAR(v, 1, 0.02);
  const auto [gm, gv] =
      moments(Layer(nn::GaussianDropout{.rate = 0.2})(ones(shape), {.training = true}));
  EXPECT_NEAR(gm, 1, 0.01);
  EXPECT_NEAR(gv, 0.25, 0.01);
  EXPECT_EQ(distance(Layer(nn::AlphaDropout{.rate = 0.3})(x), x), 0);
}

// --- facts of the notes --------------------------------------------------------------------------

TEST(Convolution, OfAPictureOf32HasTheNotesSizes) {  // P4-04
  const Tensor x = normal({2, 32, 32, 3});
  Layer same = nn::Conv2D{.filters = 16, .kernel_size = 5, .strides = 2, .padding = "same"};
  EXPECT_EQ(same(x).shape(), (Shape{2, 16, 16, 16}));
  Layer valid = nn::Conv2D{.filters = 16, .kernel_size = 5, .strides = 2};
  EXPECT_EQ(valid(x).shape(), (Shape{2, 14, 14, 16}));
  EXPECT_EQ(same.variable("kernel").shape().size(), 1200);
  EXPECT_EQ(same.variable("bias").shape().size(), 16);
}

TEST(Convolution, OfTheNotesTemplateCountsMatches) {  // P4-05
  const Tensor image = tensor<float>(
      {1, 1, 1, 0, 0, 0, 1, 1, 1, 0, 0, 0, 1, 1, 1, 0, 0, 1, 1, 0, 0, 1, 1, 0, 0}, {1, 5, 5, 1});
  const Tensor cross = tensor<float>({1, 0, 1, 0, 1, 0, 1, 0, 1}, {3, 3, 1, 1});
  EXPECT_EQ(conv2d(image, cross).to_doubles(), (std::vector<double>{4, 3, 4, 2, 4, 3, 2, 3, 4}));
}

TEST(MaxPooling, OfTheNotesExample) {  // P4-06
  const Tensor x = tensor<float>({3, 1, 3, 5, 6, 0, 7, 9, 3, 2, 1, 4, 0, 2, 4, 3}, {1, 4, 4, 1});
  EXPECT_EQ(max_pool2d(x).to_doubles(), (std::vector<double>{6, 9, 3, 4}));
}

TEST(Convolution, WithFractionalStrideIsZeroInsertion) {  // L26
  const Tensor x = cast(normal({2, 5, 6, 3}), f64), kernel = cast(normal({3, 3, 4, 3}), f64);
  // Zeros between the elements, two around them, and the kernel turned with its channels swapped.
  const Tensor apart = reshape(
      pad(reshape(x, {2, 5, 1, 6, 1, 3}), {{}, {}, {0, 1}, {}, {0, 1}, {}}), {2, 10, 12, 3});
  const Tensor spread = pad(apart, {{}, {2, 1}, {2, 1}, {}});
  const Tensor turned = transpose(flip(kernel, {0, 1}), {0, 1, 3, 2});
  EXPECT_LT(distance(conv_transpose2d(x, kernel, {.strides = 2}), conv2d(spread, turned)), 1e-12);
}

TEST(Convolution, OfTheWholeInputIsADenseLayer) {  // L35
  const Tensor x = cast(normal({3, 4, 5, 2}), f64), w = cast(normal({40, 7}), f64);
  const Tensor dense = matmul(flatten(x), w);
  EXPECT_LT(distance(reshape(conv2d(x, reshape(w, {4, 5, 2, 7})), {3, 7}), dense), 1e-12);
  // On a larger image it slides: one output for each place where the smaller one fits.
  EXPECT_EQ(conv2d(cast(normal({3, 6, 9, 2}), f64), reshape(w, {4, 5, 2, 7})).shape(),
            (Shape{3, 3, 5, 7}));
}

TEST(UpSampling, ThenConvolutionKeepsTheNotesSizes) {  // L38
  Layer model = nn::sequential({nn::UpSampling2D{.size = 5},
                                nn::Conv2D{.filters = 1, .kernel_size = 10, .padding = "same"}});
  EXPECT_EQ(model(normal({1, 7, 7, 3})).shape(), (Shape{1, 35, 35, 1}));
}

TEST(UpSampling, ByTheNearestCopiesAndDoesNotAverage) {  // L29
  const Tensor x = tensor<float>({1, 2, 3, 4}, {1, 2, 2, 1});
  EXPECT_EQ(Layer(nn::UpSampling2D{})(x).to_doubles(),
            (std::vector<double>{1, 1, 2, 2, 1, 1, 2, 2, 3, 3, 4, 4, 3, 3, 4, 4}));
}

TEST(Cubic, HasTheCoefficientThatIsNamed) {  // L31
  // Half way between two elements: (-a, 4 + a ... ) / 8 of the four around it.
  const Tensor x = tensor<double>({0, 0, 1, 0, 0, 0}, {6});
  for (double a : {-0.5, -0.75}) {
    const Tensor y = resize(x, {.size = {12},
                                .interpolation = "cubic",
                                .axes = {0},
                                .coordinates = "asymmetric",
                                .cubic_coefficient = a});
    const auto v = y.to_doubles();
    EXPECT_NEAR(v[5], 0.5 - a / 8, 1e-15);
    EXPECT_NEAR(v[7], a / 8, 1e-15);
    EXPECT_NEAR(v[4], 1, 1e-15);
  }
}

TEST(ReceptiveField, FollowsTheProductOfStrides) {  // L22
  EXPECT_EQ(receptive_field({{3}, {3}}), 5);
  EXPECT_EQ(receptive_field({{3, 1, 2}}), 5);
  // VGG16 up to its last convolution and pooling.
  std::vector<WindowStep> vgg;
  for (int convolutions : {2, 2, 3, 3, 3}) {
    for (int i = 0; i < convolutions; ++i) vgg.push_back({3});
    vgg.push_back({2, 2});
  }
  EXPECT_EQ(receptive_field(vgg), 212);
  EXPECT_EQ(message_of<ValueError>([] { receptive_field({{0}}); }),
            "receptive_field: sizes, strides and dilations are at least 1");
}

TEST(ReceptiveField, IsWhereTheGradientIsNotZero) {
  const auto f = [](const Tensor& x) {
    Tensor y = max_pool1d(conv1d(x, ones({3, 1, 1})), {.window = 2});
    y = conv1d(y, ones({3, 1, 1}), {.dilation = 2});
    return sum(slice(y, {{}, {0, 1}}));
  };
  // Positive and rising: each window's largest element is its last.
  const Tensor x = reshape(arange(1, 41), {1, 40, 1});
  const auto g = grad(f)(cast(x, f32)).to_doubles();
  const auto last = std::find_if(g.rbegin(), g.rend(), [](double v) { return v != 0; });
  EXPECT_EQ(g.rend() - last, receptive_field({{3}, {2, 2}, {3, 1, 2}}));
}

// --- properties ----------------------------------------------------------------------------------

TEST(PixelShuffle, IsUndoneByUnshuffling) {
  const Tensor x = normal({2, 4, 6, 18});
  EXPECT_EQ(distance(pixel_unshuffle(pixel_shuffle(x, 3), 3), x), 0);
  EXPECT_EQ(distance(space_to_depth(depth_to_space(x, 3), 3), x), 0);
}

TEST(MaxUnpooling, PutsEveryLargestElementBack) {
  const Tensor x = cast(normal({2, 6, 8, 3}), f64);
  const auto pooled = max_pool2d_with_indices(x);
  const Tensor back = max_unpool(pooled.values, pooled.indices, {6, 8});
  // Each element is that of x, or 0 where it was not the largest; pooled again it is the same.
  EXPECT_EQ(distance(where(back == 0, 0, back - x), zeros_like(x)), 0);
  EXPECT_EQ(distance(sum(back), sum(pooled.values)), 0);
}

TEST(AdaptivePooling, IsPoolingWhereTheSizesDivide) {
  const Tensor x = cast(normal({2, 6, 8, 3}), f64);
  EXPECT_LT(distance(adaptive_average_pool(x, {3, 4}), average_pool2d(x)), 1e-15);
  EXPECT_EQ(distance(adaptive_max_pool(x, {3, 4}), max_pool2d(x)), 0);
  EXPECT_LT(distance(adaptive_average_pool(x, {1, 1}), global_average_pool(x, {.keep_dims = true})),
            1e-15);
}

TEST(Fold, OfUnfoldCountsTheWindowsOfEachElement) {
  const Tensor x = cast(normal({1, 5, 6, 2}), f64);
  const UnfoldOptions o{.strides = {2, 1}, .padding = {{1, 1}, {0, 2}}};
  const auto there_and_back = [&](const Tensor& t) {
    return fold(unfold(t, {3, 2}, o), {3, 2}, {5, 6}, o);
  };
  EXPECT_LT(distance(there_and_back(x), x * there_and_back(ones_like(x))), 1e-12);
}

TEST(Unfold, MakesAConvolutionAMatrixProduct) {  // L13
  const Tensor x = cast(normal({2, 6, 7, 3}), f64), kernel = cast(normal({3, 2, 3, 5}), f64);
  const Tensor columns = unfold(x, {3, 2}, {.strides = {2, 1}});
  EXPECT_LT(
      distance(matmul(columns, reshape(kernel, {18, 5})), conv2d(x, kernel, {.strides = {2, 1}})),
      1e-12);
}

}  // namespace
}  // namespace varve
