// Residual networks and densely connected ones.
#include <map>
#include <vector>

#include "base/error.h"
#include "varve/ops/shape.h"
#include "varve/zoo_vision.h"
#include "zoo/build.h"

namespace varve::zoo {
namespace {

std::string numbered(const std::string& name, int64_t i) { return name + std::to_string(i); }

/// Two 3 x 3 convolutions; or 1 x 1, 3 x 3 and 1 x 1 to four times the channels.
Tensor residual(const Style& style, const Tensor& x, int64_t channels, int64_t strides,
                bool bottleneck, const std::string& name) {
  const int64_t out = bottleneck ? 4 * channels : channels;
  Tensor y = x;
  if (bottleneck) {
    y = relu(style.norm(style.conv(y, channels, {.size = 1}, name + "_conv1"), name + "_bn1"));
    y = style.conv(y, channels, {.strides = strides, .padding = 1}, name + "_conv2");
    y = relu(style.norm(y, name + "_bn2"));
    y = style.norm(style.conv(y, out, {.size = 1}, name + "_conv3"), name + "_bn3");
  } else {
    y = style.conv(y, channels, {.strides = strides, .padding = 1}, name + "_conv1");
    y = relu(style.norm(y, name + "_bn1"));
    y = style.norm(style.conv(y, out, {}, name + "_conv2"), name + "_bn2");
  }
  Tensor skip = x;
  if (strides != 1 || x.shape()[-1] != out) {
    skip =
        style.conv(x, out, {.size = 1, .strides = strides, .padding = 0}, name + "_downsample_0");
    skip = style.norm(skip, name + "_downsample_1");
  }
  return relu(y + skip);
}

[[noreturn]] void refuse_depth(const char* what, const char* expected, int64_t got) {
  throw ValueError(std::string(what) + ": depth: expected " + expected + ", got " +
                   std::to_string(got));
}

}  // namespace

ResNet::operator Model() const {
  static const std::map<int64_t, std::vector<int>> blocks = {{18, {2, 2, 2, 2}},
                                                             {34, {3, 4, 6, 3}},
                                                             {50, {3, 4, 6, 3}},
                                                             {101, {3, 4, 23, 3}},
                                                             {152, {3, 8, 36, 3}}};
  const auto counts = blocks.find(depth);
  if (counts == blocks.end()) refuse_depth("resnet", "18, 34, 50, 101 or 152", depth);
  const Style style{.width = width, .bias = conv_bias};
  const Tensor image = nn::Input{.shape = input, .name = "image"};
  Tensor x = style.conv(image, style(64), {.size = 7, .strides = 2, .padding = 3}, "conv1");
  x = max_pool(relu(style.norm(x, "bn1")), 3, 2, 1);
  for (size_t stage = 0; stage < 4; ++stage) {
    for (int i = 0; i < counts->second[stage]; ++i) {
      x = residual(style, x, style(int64_t{64} << stage), stage > 0 && i == 0 ? 2 : 1, depth >= 50,
                   numbered("layer", static_cast<int64_t>(stage) + 1) + numbered("_", i));
    }
  }
  return Model(image, include_top ? pooled_head(x, classes, "fc") : x);
}
void ResNet::fields(Fields& f) {
  f("depth", depth, "Layers with weights: 18, 34, 50, 101 or 152.", {.min = 18, .max = 152});
  f("conv_bias", conv_bias, "Convolutions have biases, as in Keras.");
  image_fields(*this, f);
  f("include_top", include_top, "With the classifier.");
}

CifarResNet::operator Model() const {
  if (depth < 8 || (depth - 2) % 6 != 0) refuse_depth("cifar_resnet", "6 n + 2", depth);
  if (shortcut != "A" && shortcut != "B") {
    throw ValueError("cifar_resnet: shortcut: unknown choice \"" + escaped(shortcut) + "\"",
                     did_you_mean(shortcut, {"A", "B"}));
  }
  const Style style{.width = width};
  const Tensor image = nn::Input{.shape = input, .name = "image"};
  Tensor x = relu(style.norm(style.conv(image, style(16), {}, "conv1"), "bn1"));
  for (int stage = 0; stage < 3; ++stage) {
    const int64_t channels = style(int64_t{16} << stage);
    for (int64_t i = 0; i < (depth - 2) / 6; ++i) {
      const std::string name = numbered("layer", stage + 1) + numbered("_", i);
      const int64_t strides = stage > 0 && i == 0 ? 2 : 1;
      Tensor y = style.conv(x, channels, {.strides = strides, .padding = 1}, name + "_conv1");
      y = relu(style.norm(y, name + "_bn1"));
      y = style.norm(style.conv(y, channels, {}, name + "_conv2"), name + "_bn2");
      Tensor skip = x;
      const int64_t more = channels - x.shape()[-1];
      if (strides != 1 && shortcut == "A") {
        skip = slice(x, {{}, {.step = 2}, {.step = 2}});
        skip = pad(skip, {{0, 0}, {0, 0}, {0, 0}, {more / 2, more - more / 2}});
      } else if (strides != 1) {
        skip =
            style.conv(x, channels, {.size = 1, .strides = 2, .padding = 0}, name + "_shortcut_0");
        skip = style.norm(skip, name + "_shortcut_1");
      }
      x = relu(y + skip);
    }
  }
  return Model(image, pooled_head(x, classes, "linear"));
}
void CifarResNet::fields(Fields& f) {
  f("depth", depth, "Layers with weights: 6 n + 2.", {.min = 8});
  f("shortcut", shortcut, "\"A\" or \"B\".");
  image_fields(*this, f);
}

namespace {

/// Everything so far joined with `growth` new maps.
Tensor dense_layer(const Style& style, const Tensor& x, int64_t growth, bool bottleneck,
                   const std::string& name) {
  Tensor y = relu(style.norm(x, name + "_norm1"));
  if (bottleneck) {
    y = style.conv(y, 4 * growth, {.size = 1}, name + "_conv1");
    y = relu(style.norm(y, name + "_norm2"));
  }
  y = style.conv(y, growth, {}, name + (bottleneck ? "_conv2" : "_conv1"));
  return nn::Concatenate{.name = name}({x, y});
}

Tensor dense_block(const Style& style, Tensor x, int64_t layers, int64_t growth, bool bottleneck,
                   const std::string& name) {
  for (int64_t i = 1; i <= layers; ++i)
    x = dense_layer(style, x, growth, bottleneck, numbered(name + "_denselayer", i));
  return x;
}

Tensor transition(const Style& style, const Tensor& x, bool compressed, const std::string& name) {
  const int64_t channels = x.shape()[-1] / (compressed ? 2 : 1);
  const Tensor y =
      style.conv(relu(style.norm(x, name + "_norm")), channels, {.size = 1}, name + "_conv");
  return average_pool(y, 2, 2);
}

}  // namespace

DenseNet::operator Model() const {
  struct Plan {
    int64_t growth;
    std::vector<int> layers;
  };
  static const std::map<int64_t, Plan> plans = {{121, {32, {6, 12, 24, 16}}},
                                                {161, {48, {6, 12, 36, 24}}},
                                                {169, {32, {6, 12, 32, 32}}},
                                                {201, {32, {6, 12, 48, 32}}}};
  const auto plan = plans.find(depth);
  if (plan == plans.end()) refuse_depth("densenet", "121, 161, 169 or 201", depth);
  const Style style{.width = width};
  const int64_t growth = style(plan->second.growth);
  const Tensor image = nn::Input{.shape = input, .name = "image"};
  Tensor x =
      style.conv(image, 2 * growth, {.size = 7, .strides = 2, .padding = 3}, "features_conv0");
  x = max_pool(relu(style.norm(x, "features_norm0")), 3, 2, 1);
  for (size_t b = 0; b < 4; ++b) {
    const auto n = static_cast<int64_t>(b) + 1;
    x = dense_block(style, x, plan->second.layers[b], growth, true,
                    numbered("features_denseblock", n));
    if (b < 3) x = transition(style, x, true, numbered("features_transition", n));
  }
  x = relu(style.norm(x, "features_norm5"));
  return Model(image, include_top ? pooled_head(x, classes, "classifier") : x);
}
void DenseNet::fields(Fields& f) {
  f("depth", depth, "Layers with weights: 121, 161, 169 or 201.", {.min = 121, .max = 201});
  image_fields(*this, f);
  f("include_top", include_top, "With the classifier.");
}

CifarDenseNet::operator Model() const {
  const int64_t each = bottleneck ? 2 : 1;
  if (depth < 7 || (depth - 4) % (3 * each) != 0) {
    refuse_depth("cifar_densenet", bottleneck ? "6 n + 4" : "3 n + 4", depth);
  }
  const Style style;
  const Tensor image = nn::Input{.shape = input, .name = "image"};
  Tensor x = style.conv(image, bottleneck ? 2 * growth : 16, {}, "conv0");
  for (int b = 1; b <= 3; ++b) {
    x = dense_block(style, x, (depth - 4) / (3 * each), growth, bottleneck,
                    numbered("denseblock", b));
    if (b < 3) x = transition(style, x, bottleneck, numbered("transition", b));
  }
  return Model(image, pooled_head(relu(style.norm(x, "norm")), classes, "classifier"));
}
void CifarDenseNet::fields(Fields& f) {
  f("depth", depth, "Layers with weights.", {.min = 7});
  f("growth", growth, "Maps that each layer adds.", {.min = 1});
  f("bottleneck", bottleneck, "1 x 1 convolutions first, and half the maps between blocks.");
  f("classes", classes, "Numbers that the network gives.", {.min = 1});
  f("input", input, "Height, width and channels of an image.", {.min = 1});
}

}  // namespace varve::zoo
