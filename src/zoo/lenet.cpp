// Small networks of images.
#include <vector>

#include "varve/ops/indexing.h"
#include "varve/ops/random.h"
#include "varve/ops/reduction.h"
#include "varve/ops/shape.h"
#include "varve/zoo_vision.h"
#include "zoo/build.h"

namespace varve::zoo {
namespace {

// Which of the six maps each of the sixteen sees (table I).
const std::vector<std::vector<int64_t>> kSeen = {
    {0, 1, 2},    {1, 2, 3},    {2, 3, 4},    {3, 4, 5},         {4, 5, 0},    {5, 0, 1},
    {0, 1, 2, 3}, {1, 2, 3, 4}, {2, 3, 4, 5}, {3, 4, 5, 0},      {4, 5, 0, 1}, {5, 0, 1, 2},
    {0, 1, 3, 4}, {1, 2, 4, 5}, {0, 2, 3, 5}, {0, 1, 2, 3, 4, 5}};

/// 1.7159 tanh(2 x / 3), the paper's squashing function.
Tensor squashed(const Tensor& x) { return 1.7159 * tanh(x * (2. / 3)); }

/// The sum of 2 x 2 neighbours times a factor of its map, plus a bias.
Tensor subsampled(const Tensor& x, const char* name) {
  return squashed(nn::DepthwiseConv2D{.kernel_size = 1, .name = name}(average_pool(x, 2, 2) * 4.0));
}

}  // namespace

LeNet5Paper::operator Model() const {
  const Tensor image = nn::Input{.shape = {32, 32, 1}, .name = "image"};
  Tensor x =
      subsampled(squashed(nn::Conv2D{.filters = 6, .kernel_size = 5, .name = "c1"}(image)), "s2");
  Tensors maps;
  std::vector<Tensor> all;
  for (size_t i = 0; i < kSeen.size(); ++i) {
    const Tensor seen = take(x, tensor(kSeen[i], {static_cast<int64_t>(kSeen[i].size())}), 3);
    all.push_back(
        nn::Conv2D{.filters = 1, .kernel_size = 5, .name = "c3_" + std::to_string(i + 1)}(seen));
  }
  x = subsampled(squashed(nn::Concatenate{.name = "c3"}(Tensors(all))), "s4");
  x = squashed(nn::Conv2D{.filters = 120, .kernel_size = 5, .name = "c5"}(x));
  x = squashed(nn::Dense{.units = 84, .name = "f6"}(nn::Flatten{}(x)));
  const Tensor codes = 2 * cast(random::bernoulli(Key(1998), 0.5, {1, classes, 84}), f32) - 1;
  const Tensor far = square(reshape(x, {-1, 1, 84}) - codes.evaluate());
  return Model(image, -sum(far, {.axes = {2}}));
}
void LeNet5Paper::fields(Fields& f) {
  f("classes", classes, "Numbers that the network gives.", {.min = 1});
}

LeNet5Caffe::operator Model() const {
  const Style style{.width = width, .bias = true};
  const Tensor image = nn::Input{.shape = input, .name = "image"};
  Tensor x = max_pool(style.conv(image, style(20), {.size = 5, .padding = "valid"}, "conv1"), 2, 2);
  x = max_pool(style.conv(x, style(50), {.size = 5, .padding = "valid"}, "conv2"), 2, 2);
  x = nn::Dense{.units = style(500), .activation = "relu", .name = "ip1"}(nn::Flatten{}(x));
  return Model(image, nn::Dense{.units = classes, .name = "ip2"}(x));
}
void LeNet5Caffe::fields(Fields& f) { image_fields(*this, f); }

MnistCnn::operator Model() const {
  const Style style{.width = width, .bias = true};
  const Tensor image = nn::Input{.shape = input, .name = "image"};
  Tensor x = style.conv(image, style(32), {.padding = "valid"}, "conv1", "relu");
  x = style.conv(x, style(64), {.padding = "valid"}, "conv2", "relu");
  x = nn::Flatten{}(dropped(max_pool(x, 2, 2), conv_dropout));
  x = dropped(nn::Dense{.units = style(128), .activation = "relu", .name = "fc1"}(x), dropout);
  return Model(image, nn::Dense{.units = classes, .name = "fc2"}(x));
}
void MnistCnn::fields(Fields& f) {
  image_fields(*this, f);
  f("conv_dropout", conv_dropout, "Share dropped behind the pooling.", {.min = 0, .below = 1});
  f("dropout", dropout, "Share dropped before the last layer.", {.min = 0, .below = 1});
}

Cifar10Cnn::operator Model() const {
  const Style style{.width = width, .bias = true};
  const Tensor image = nn::Input{.shape = input, .name = "image"};
  Tensor x = image;
  for (int part : {1, 2}) {
    const std::string name = "conv" + std::to_string(part);
    x = style.conv(x, style(32 * part), {}, name + "_1", "relu");
    x = style.conv(x, style(32 * part), {.padding = "valid"}, name + "_2", "relu");
    x = dropped(max_pool(x, 2, 2), 0.25);
  }
  x = nn::Dense{.units = style(512), .activation = "relu", .name = "fc1"}(nn::Flatten{}(x));
  return Model(image, nn::Dense{.units = classes, .name = "fc2"}(dropped(x, 0.5)));
}
void Cifar10Cnn::fields(Fields& f) { image_fields(*this, f); }

// ---- features to compare ----

KochSiamese::operator Model() const {
  const Style style{.width = width, .bias = true};
  const Tensor left = nn::Input{.shape = input, .name = "left"},
               right = nn::Input{.shape = input, .name = "right"};
  const auto conv = [&](int64_t filters, int64_t size, const char* name) {
    return nn::Conv2D{.filters = style(filters),
                      .kernel_size = size,
                      .activation = "relu",
                      .kernel_initializer = style.initializer,
                      .name = name};
  };
  const Layer twin = nn::sequential(
      {conv(64, 10, "conv1"), nn::MaxPool2D{}, conv(128, 7, "conv2"), nn::MaxPool2D{},
       conv(128, 4, "conv3"), nn::MaxPool2D{}, conv(256, 4, "conv4"), nn::Flatten{},
       nn::Dense{.units = style(4096), .activation = "sigmoid", .name = "features"}});
  const Tensor apart = abs(twin(left) - twin(right));
  return Model({left, right}, nn::Dense{.units = 1, .name = "same"}(apart));
}
void KochSiamese::fields(Fields& f) {
  f("input", input, "Height, width and channels of an image.", {.min = 1});
  f("width", width, "Factor of all numbers of channels.", {.above = 0});
}

ProtoNet::operator Model() const {
  const Style style{.width = width, .bias = true};
  const Tensor image = nn::Input{.shape = input, .name = "image"};
  Tensor x = image;
  for (int i = 1; i <= 4; ++i) {
    const std::string n = std::to_string(i);
    x = max_pool(relu(style.norm(style.conv(x, style(64), {}, "conv" + n), "bn" + n)), 2, 2);
  }
  return Model(image, nn::Flatten{}(x));
}
void ProtoNet::fields(Fields& f) {
  f("input", input, "Height, width and channels of an image.", {.min = 1});
  f("width", width, "Factor of all numbers of channels.", {.above = 0});
}

KerasSiamese::operator Model() const {
  const Tensor image = nn::Input{.shape = input, .name = "image"};
  Tensor x = nn::BatchNorm{}(image);
  for (int64_t filters : {4, 16}) {
    x = nn::Conv2D{.filters = filters, .kernel_size = 5, .activation = "tanh"}(x);
    x = average_pool(x, 2, 2);
  }
  x = nn::BatchNorm{}(nn::Flatten{}(x));
  return Model(image, nn::Dense{.units = features, .activation = "tanh"}(x));
}
void KerasSiamese::fields(Fields& f) {
  f("input", input, "Height, width and channels of an image.", {.min = 1});
  f("features", features, "Numbers that an image becomes.", {.min = 1});
}

}  // namespace varve::zoo
