// What the architectures are written with.
#pragma once
#include <algorithm>
#include <cmath>
#include <string>

#include "varve/model.h"
#include "varve/nn/layers.h"
#include "varve/nn/network.h"
#include "varve/ops/pointwise.h"

namespace varve::zoo {

/// n channels at a width multiplier, one at least.
inline int64_t scaled(int64_t n, double width) {
  return std::max<int64_t>(1, std::llround(static_cast<double>(n) * width));
}

/// Shapes of a convolution.
struct Kernel {
  int64_t size = 3, strides = 1;
  Padding padding = "same";
  int64_t groups = 1;
};

/// Convolutions and batch norms of one style. PyTorch's: no biases before batch norm, epsilon 1e-5,
/// momentum 0.9.
struct Style {
  double width = 1;
  bool bias = false;
  double epsilon = 1e-5, momentum = 0.9;
  const char* initializer = "he_normal";

  int64_t operator()(int64_t channels) const { return scaled(channels, width); }

  /// `filters` are as given: scale them first.
  Tensor conv(const Tensor& x, int64_t filters, const Kernel& k, const std::string& name,
              const char* activation = "linear") const {
    return nn::Conv2D{.filters = filters,
                      .kernel_size = k.size,
                      .strides = k.strides,
                      .padding = k.padding,
                      .groups = k.groups,
                      .activation = activation,
                      .use_bias = bias,
                      .kernel_initializer = initializer,
                      .name = name}(x);
  }
  Tensor depthwise(const Tensor& x, const Kernel& k, const std::string& name) const {
    return nn::DepthwiseConv2D{.kernel_size = k.size,
                               .strides = k.strides,
                               .padding = k.padding,
                               .use_bias = bias,
                               .depthwise_initializer = initializer,
                               .name = name}(x);
  }
  Tensor norm(const Tensor& x, const std::string& name) const {
    return nn::BatchNorm{.momentum = momentum, .epsilon = epsilon, .name = name}(x);
  }
};

inline Tensor max_pool(const Tensor& x, int64_t size, int64_t strides, Padding padding = "valid") {
  return nn::MaxPool2D{.pool_size = size, .strides = strides, .padding = padding}(x);
}
inline Tensor average_pool(const Tensor& x, int64_t size, int64_t strides,
                           Padding padding = "valid") {
  return nn::AveragePool2D{.pool_size = size, .strides = strides, .padding = padding}(x);
}
inline Tensor dropped(const Tensor& x, double rate) {
  return rate > 0 ? Tensor(nn::Dropout{.rate = rate}(x)) : x;
}
/// The mean over the positions, then `classes` units.
inline Tensor pooled_head(const Tensor& x, int64_t classes, const std::string& name,
                          double dropout = 0) {
  return nn::Dense{.units = classes, .name = name}(dropped(nn::GlobalAveragePool2D{}(x), dropout));
}

/// The fields that networks of images share.
template <class N>
void image_fields(N& n, Fields& f) {
  f("classes", n.classes, "Numbers that the network gives.", {.min = 1});
  f("input", n.input, "Height, width and channels of an image.", {.min = 1});
  f("width", n.width, "Factor of all numbers of channels.", {.above = 0});
}

}  // namespace varve::zoo
