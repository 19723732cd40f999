// Networks of depthwise separable convolutions.
#include <string>

#include "varve/zoo_vision.h"
#include "zoo/build.h"

namespace varve::zoo {
namespace {

Tensor relu6_norm(const Style& style, const Tensor& x, const std::string& name) {
  return relu6(style.norm(x, name));
}

/// The multiple of 8 that is nearest, and not below nine tenths (MobileNetV2's rule).
int64_t in_eights(int64_t channels, double width) {
  const double wanted = static_cast<double>(channels) * width;
  const int64_t n = std::max<int64_t>(8, static_cast<int64_t>(wanted + 4) / 8 * 8);
  return static_cast<double>(n) < 0.9 * wanted ? n + 8 : n;
}

}  // namespace

MobileNet::operator Model() const {
  struct Block {
    int64_t channels, strides;
  };
  constexpr Block kBlocks[] = {{64, 1},  {128, 2},  {128, 1}, {256, 2}, {256, 1},
                               {512, 2}, {512, 1},  {512, 1}, {512, 1}, {512, 1},
                               {512, 1}, {1024, 2}, {1024, 1}};
  const Style style{.width = width, .epsilon = 1e-3, .momentum = 0.99};
  const Tensor image = nn::Input{.shape = input, .name = "image"};
  Tensor x = relu6_norm(style, style.conv(image, style(32), {.strides = 2}, "conv1"), "conv1_bn");
  int number = 0;
  for (const Block& b : kBlocks) {
    const std::string n = std::to_string(++number);
    x = style.depthwise(x, {.strides = b.strides}, "conv_dw_" + n);
    x = relu6_norm(style, x, "conv_dw_" + n + "_bn");
    x = style.conv(x, style(b.channels), {.size = 1}, "conv_pw_" + n);
    x = relu6_norm(style, x, "conv_pw_" + n + "_bn");
  }
  return Model(image, include_top ? pooled_head(x, classes, "conv_preds", dropout) : x);
}
void MobileNet::fields(Fields& f) {
  image_fields(*this, f);
  f("dropout", dropout, "Share dropped before the classifier.", {.min = 0, .below = 1});
  f("include_top", include_top, "With the classifier.");
}

MobileNetV2::operator Model() const {
  struct Part {
    int64_t expansion, channels, count, strides;
  };
  constexpr Part kParts[] = {{1, 16, 1, 1}, {6, 24, 2, 2},  {6, 32, 3, 2}, {6, 64, 4, 2},
                             {6, 96, 3, 1}, {6, 160, 3, 2}, {6, 320, 1, 1}};
  const Style style;
  const Tensor image = nn::Input{.shape = input, .name = "image"};
  Tensor x = style.conv(image, in_eights(32, width), {.strides = 2, .padding = 1}, "features_0_0");
  x = relu6_norm(style, x, "features_0_1");
  int number = 0;
  for (const Part& part : kParts) {
    for (int64_t i = 0; i < part.count; ++i) {
      const std::string name = "features_" + std::to_string(++number) + "_conv_";
      const int64_t in = x.shape()[-1], out = in_eights(part.channels, width);
      const int64_t strides = i == 0 ? part.strides : 1;
      Tensor y = x;
      const bool expands = part.expansion != 1;
      if (expands) {
        y = style.conv(y, in * part.expansion, {.size = 1}, name + "0_0");
        y = relu6_norm(style, y, name + "0_1");
      }
      const std::string middle = name + (expands ? "1" : "0");
      y = style.depthwise(y, {.strides = strides, .padding = 1}, middle + "_0");
      y = relu6_norm(style, y, middle + "_1");
      y = style.conv(y, out, {.size = 1}, name + (expands ? "2" : "1"));
      y = style.norm(y, name + (expands ? "3" : "2"));
      x = strides == 1 && in == out ? x + y : y;
    }
  }
  x = style.conv(x, in_eights(1280, std::max(1., width.value)), {.size = 1}, "features_18_0");
  x = relu6_norm(style, x, "features_18_1");
  return Model(image, include_top ? pooled_head(x, classes, "classifier_1", dropout) : x);
}
void MobileNetV2::fields(Fields& f) {
  image_fields(*this, f);
  f("dropout", dropout, "Share dropped before the classifier.", {.min = 0, .below = 1});
  f("include_top", include_top, "With the classifier.");
}

namespace {

struct XceptionParts {
  Style style;
  Tensor separable(const Tensor& x, int64_t channels, const std::string& name) const {
    const Tensor y =
        style.conv(style.depthwise(x, {}, name + "_dw"), style(channels), {.size = 1}, name);
    return style.norm(y, name + "_bn");
  }
  /// Two separable convolutions and pooling, beside a 1 x 1 convolution of stride 2.
  Tensor down(const Tensor& x, int64_t first, int64_t second, bool relu_first, int number) const {
    const std::string name = "block" + std::to_string(number);
    Tensor skip = style.conv(x, style(second), {.size = 1, .strides = 2}, name + "_skip");
    skip = style.norm(skip, name + "_skip_bn");
    Tensor y = separable(relu_first ? relu(x) : x, first, name + "_sepconv1");
    y = separable(relu(y), second, name + "_sepconv2");
    return max_pool(y, 3, 2, "same") + skip;
  }
};

}  // namespace

XceptionMini::operator Model() const {
  const Style style{.width = width, .bias = true, .epsilon = epsilon, .momentum = 0.99},
      biasless{.width = width};
  const auto separable = [&](const Tensor& x, int64_t channels, const std::string& name) {
    const Tensor y =
        style.conv(biasless.depthwise(x, {}, name + "_dw"), style(channels), {.size = 1}, name);
    return style.norm(y, name + "_bn");
  };
  const Tensor image = nn::Input{.shape = input, .name = "image"};
  Tensor x = style.conv(image, style(128), {.strides = 2, .padding = padding}, "conv1");
  x = relu(style.norm(x, "conv1_bn"));
  for (int64_t channels : {256, 512, 728}) {
    const std::string name = "block" + std::to_string(channels);
    Tensor y = separable(relu(x), channels, name + "_sepconv1");
    y = max_pool(separable(relu(y), channels, name + "_sepconv2"), 3, 2, padding);
    x = y + style.conv(x, style(channels), {.size = 1, .strides = 2}, name + "_skip");
  }
  x = relu(separable(x, 1024, "sepconv"));
  return Model(image, pooled_head(x, classes, "predictions", dropout));
}
void XceptionMini::fields(Fields& f) {
  image_fields(*this, f);
  f("padding", padding, "Of windows of stride 2.");
  f("dropout", dropout, "Share dropped before the classifier.", {.min = 0, .below = 1});
  f("epsilon", epsilon, "Added to the variance by batch norm.", {.min = 0});
}

Xception::operator Model() const {
  const XceptionParts parts{{.width = width, .epsilon = 1e-3, .momentum = 0.99}};
  const Style& style = parts.style;
  const Tensor image = nn::Input{.shape = input, .name = "image"};
  Tensor x = style.conv(image, style(32), {.strides = 2, .padding = "valid"}, "block1_conv1");
  x = relu(style.norm(x, "block1_conv1_bn"));
  x = style.conv(x, style(64), {.padding = "valid"}, "block1_conv2");
  x = relu(style.norm(x, "block1_conv2_bn"));
  x = parts.down(x, 128, 128, false, 2);
  x = parts.down(x, 256, 256, true, 3);
  x = parts.down(x, 728, 728, true, 4);
  for (int i = 5; i <= 12; ++i) {
    Tensor y = x;
    for (int k = 1; k <= 3; ++k) {
      const std::string name = "block" + std::to_string(i) + "_sepconv" + std::to_string(k);
      y = parts.separable(relu(y), 728, name);
    }
    x = x + y;
  }
  x = parts.down(x, 728, 1024, true, 13);
  x = relu(parts.separable(x, 1536, "block14_sepconv1"));
  x = relu(parts.separable(x, 2048, "block14_sepconv2"));
  return Model(image, include_top ? pooled_head(x, classes, "predictions") : x);
}
void Xception::fields(Fields& f) {
  image_fields(*this, f);
  f("include_top", include_top, "With the classifier.");
}

}  // namespace varve::zoo
