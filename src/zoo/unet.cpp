#include <vector>

#include "base/error.h"
#include "varve/ops/shape.h"
#include "varve/zoo_vision.h"
#include "zoo/build.h"

namespace varve::zoo {
namespace {

/// The middle of x, as large as `like`; where padding keeps sizes they must be the same.
Tensor cropped(const Tensor& x, const Tensor& like, bool kept) {
  std::vector<Slice> middle{{}};
  for (int axis : {1, 2}) {
    const int64_t more = x.shape()[axis] - like.shape()[axis];
    if (more < 0 || (kept && more > 0)) {
      throw ShapeError("unet: the image is too small or no multiple: maps " +
                       x.shape().to_string() + " meet " + like.shape().to_string());
    }
    middle.push_back({more / 2, more / 2 + like.shape()[axis]});
  }
  return slice(x, middle);
}

}  // namespace

UNet::operator Model() const {
  const Style style{.width = width, .bias = !batch_norm};
  const auto pair = [&](Tensor x, int64_t filters, const std::string& name) {
    for (const char* which : {"_conv1", "_conv2"}) {
      x = style.conv(x, style(filters), {.padding = padding}, name + which);
      if (batch_norm) x = style.norm(x, name + which + "_bn");
      x = relu(x);
    }
    return x;
  };
  const Tensor image = nn::Input{.shape = input, .name = "image"};
  std::vector<Tensor> maps;
  Tensor x = image;
  int64_t filters = 64;
  for (int64_t level = 1; level <= levels; ++level) {
    maps.push_back(pair(x, filters, "down" + std::to_string(level)));
    x = max_pool(maps.back(), 2, 2);
    filters *= 2;
  }
  x = pair(x, filters, "bottom");
  for (int64_t level = levels; level >= 1; --level) {
    filters /= 2;
    const std::string name = "up" + std::to_string(level);
    x = nn::Conv2DTranspose{
        .filters = style(filters), .kernel_size = 2, .strides = 2, .name = name}(x);
    x = nn::Concatenate{.name = name + "_joined"}(
        {cropped(maps[static_cast<size_t>(level) - 1], x, padding.kind == Padding::Kind::same), x});
    x = pair(x, filters, name);
  }
  return Model(image, nn::Conv2D{.filters = classes, .kernel_size = 1, .name = "out"}(x));
}
void UNet::fields(Fields& f) {
  f("classes", classes, "Numbers a pixel.", {.min = 1});
  f("levels", levels, "How often the maps are halved.", {.min = 1, .max = 8});
  f("input", input, "Height, width and channels of an image.", {.min = 1});
  f("padding", padding, "Of the 3 x 3 convolutions.");
  f("batch_norm", batch_norm, "After each convolution.");
  f("width", width, "Factor of all numbers of channels.", {.above = 0});
}

}  // namespace varve::zoo
