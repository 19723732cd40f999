// AlexNet, VGG and GoogLeNet.
#include <map>
#include <vector>

#include "base/error.h"
#include "varve/ops/shape.h"
#include "varve/zoo_vision.h"
#include "zoo/build.h"

namespace varve::zoo {
namespace {

/// Two hidden layers with dropout before each, then the classes. Named by their place in
/// torchvision's `classifier`.
Tensor classifier(Tensor x, const Style& style, int64_t units, int64_t classes, double dropout,
                  std::initializer_list<int> places, bool dropout_first) {
  x = nn::Flatten{}(x);
  std::vector<std::string> names;
  for (int p : places) names.push_back("classifier_" + std::to_string(p));
  for (size_t i = 0; i < 2; ++i) {
    if (dropout_first) x = dropped(x, dropout);
    x = nn::Dense{.units = style(units),
                  .activation = "relu",
                  .kernel_initializer = style.initializer,
                  .name = names[i]}(x);
    if (!dropout_first) x = dropped(x, dropout);
  }
  return nn::Dense{.units = classes, .name = names[2]}(x);
}

Tensor torchvision_alexnet(Tensor x, const Style& style) {
  x = style.conv(x, style(64), {.size = 11, .strides = 4, .padding = 2}, "features_0", "relu");
  x = max_pool(x, 3, 2);
  x = style.conv(x, style(192), {.size = 5}, "features_3", "relu");
  x = max_pool(x, 3, 2);
  x = style.conv(x, style(384), {}, "features_6", "relu");
  x = style.conv(x, style(256), {}, "features_8", "relu");
  x = style.conv(x, style(256), {}, "features_10", "relu");
  return max_pool(x, 3, 2);
}

Tensor paper_alexnet(Tensor x, const Style& style) {
  x = style.conv(x, style(96), {.size = 11, .strides = 4, .padding = "valid"}, "conv1", "relu");
  x = max_pool(x, 3, 2);
  x = style.conv(x, style(256), {.size = 5, .groups = 2}, "conv2", "relu");
  x = max_pool(x, 3, 2);
  x = style.conv(x, style(384), {}, "conv3", "relu");
  x = style.conv(x, style(384), {.groups = 2}, "conv4", "relu");
  x = style.conv(x, style(256), {.groups = 2}, "conv5", "relu");
  return max_pool(x, 3, 2);
}

}  // namespace

AlexNet::operator Model() const {
  const Style style{.width = width, .bias = true};
  const Tensor image = nn::Input{.shape = input, .name = "image"};
  const Tensor x = two_groups ? paper_alexnet(image, style) : torchvision_alexnet(image, style);
  return Model(image, two_groups ? classifier(x, style, 4096, classes, dropout, {6, 7, 8}, false)
                                 : classifier(x, style, 4096, classes, dropout, {1, 4, 6}, true));
}
void AlexNet::fields(Fields& f) {
  f("two_groups", two_groups, "As in the paper, else torchvision's.");
  image_fields(*this, f);
  f("dropout", dropout, "Share dropped in the classifier.", {.min = 0, .below = 1});
}

VGG::operator Model() const {
  // Convolutions in each of five parts.
  static const std::map<int64_t, std::vector<int>> parts = {
      {11, {1, 1, 2, 2, 2}}, {13, {2, 2, 2, 2, 2}}, {16, {2, 2, 3, 3, 3}}, {19, {2, 2, 4, 4, 4}}};
  const auto counts = parts.find(depth);
  if (counts == parts.end()) {
    throw ValueError("vgg: depth: expected 11, 13, 16 or 19, got " + std::to_string(depth.value));
  }
  const Style style{.width = width, .bias = conv_bias};
  const Tensor image = nn::Input{.shape = input, .name = "image"};
  Tensor x = image;
  int64_t filters = 64;
  int place = 0;  // in torchvision's `features`, which counts relu and pooling
  for (int count : counts->second) {
    for (int i = 0; i < count; ++i) {
      x = style.conv(x, style(filters), {}, "features_" + std::to_string(place++));
      if (batch_norm) x = style.norm(x, "features_" + std::to_string(place++));
      x = relu(x);
      ++place;
    }
    x = max_pool(x, 2, 2);
    ++place;
    filters = std::min<int64_t>(2 * filters, 512);
  }
  if (!include_top) return Model(image, x);
  if (hidden == 0) {
    return Model(image, nn::Dense{.units = classes, .name = "classifier"}(nn::Flatten{}(x)));
  }
  return Model(image, classifier(x, style, hidden, classes, dropout, {0, 3, 6}, false));
}
void VGG::fields(Fields& f) {
  f("depth", depth, "Layers with weights: 11, 13, 16 or 19.", {.min = 11, .max = 19});
  f("batch_norm", batch_norm, "Batch norm after each convolution.");
  f("conv_bias", conv_bias, "Whether convolutions have biases.");
  f("hidden", hidden, "Units of the classifier's hidden layers; 0: none.", {.min = 0});
  image_fields(*this, f);
  f("dropout", dropout, "Share dropped in the classifier.", {.min = 0, .below = 1});
  f("include_top", include_top, "With the classifier.");
}

namespace {

struct Inception {
  const char* name;
  // 1 x 1; 3 x 3 after a reduction; 5 x 5 after one; 1 x 1 after pooling.
  int64_t one, reduce3, three, reduce5, five, pool;
  bool pool_after;
};
constexpr Inception kInceptions[] = {
    {"inception3a", 64, 96, 128, 16, 32, 32, false},
    {"inception3b", 128, 128, 192, 32, 96, 64, true},
    {"inception4a", 192, 96, 208, 16, 48, 64, false},
    {"inception4b", 160, 112, 224, 24, 64, 64, false},
    {"inception4c", 128, 128, 256, 24, 64, 64, false},
    {"inception4d", 112, 144, 288, 32, 64, 64, false},
    {"inception4e", 256, 160, 320, 32, 128, 128, true},
    {"inception5a", 256, 160, 320, 32, 128, 128, false},
    {"inception5b", 384, 192, 384, 48, 128, 128, false},
};

struct GoogLeNetParts {
  Style style;
  bool batch_norm;
  Tensor conv(const Tensor& x, int64_t filters, const Kernel& k, const std::string& name) const {
    if (!batch_norm) return style.conv(x, style(filters), k, name, "relu");
    return relu(style.norm(style.conv(x, style(filters), k, name + "_conv"), name + "_bn"));
  }
  Tensor inception(const Tensor& x, const Inception& i) const {
    const std::string n = i.name;
    const Tensor one = conv(x, i.one, {.size = 1}, n + "_branch1");
    const Tensor three =
        conv(conv(x, i.reduce3, {.size = 1}, n + "_branch2_0"), i.three, {}, n + "_branch2_1");
    const Tensor five = conv(conv(x, i.reduce5, {.size = 1}, n + "_branch3_0"), i.five,
                             {.size = batch_norm ? 3 : 5}, n + "_branch3_1");
    const Tensor pool = conv(max_pool(x, 3, 1, "same"), i.pool, {.size = 1}, n + "_branch4_1");
    return nn::Concatenate{.name = n}({one, three, five, pool});
  }
};

}  // namespace

GoogLeNet::operator Model() const {
  const GoogLeNetParts parts{{.width = width, .bias = !batch_norm, .epsilon = 1e-3}, batch_norm};
  const Tensor image = nn::Input{.shape = input, .name = "image"};
  Tensor x = parts.conv(image, 64, {.size = 7, .strides = 2, .padding = 3}, "conv1");
  x = max_pool(x, 3, 2, "same");
  x = parts.conv(x, 64, {.size = 1}, "conv2");
  x = parts.conv(x, 192, {}, "conv3");
  x = max_pool(x, 3, 2, "same");
  for (const Inception& i : kInceptions) {
    x = parts.inception(x, i);
    if (i.pool_after) x = max_pool(x, 3, 2, "same");
  }
  return Model(image, include_top ? pooled_head(x, classes, "fc", dropout) : x);
}
void GoogLeNet::fields(Fields& f) {
  f("batch_norm", batch_norm, "torchvision's form, else the paper's.");
  image_fields(*this, f);
  f("dropout", dropout, "Share dropped before the classifier.", {.min = 0, .below = 1});
  f("include_top", include_top, "With the classifier.");
}

}  // namespace varve::zoo
