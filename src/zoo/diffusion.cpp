// The network of diffusion models.
#include <cmath>
#include <string>
#include <vector>

#include "base/error.h"
#include "varve/nn/layers.h"
#include "varve/ops/pointwise.h"
#include "varve/ops/shape.h"
#include "varve/zoo_generative.h"

namespace varve::zoo {
namespace {

/// cos and sin of each step by `size` / 2 frequencies from 1 down towards 1 / 10000.
Tensor waves(const Tensor& steps, int64_t size) {
  const int64_t half = size / 2;
  const Tensor frequencies =
      exp(arange(half, {.dtype = f32}) * (-std::log(1e4) / static_cast<double>(half)));
  const Tensor angles = reshape(cast(steps, f32), {-1, 1}) * frequencies;
  return concat({sin(angles), cos(angles)}, 1);
}

/// What is built of residual blocks.
struct Blocks {
  Scope& s;
  int64_t groups;
  Tensor step;  ///< what is known of the step

  Tensor conv(const std::string& name, const Tensor& x, int64_t filters, int64_t size = 3,
              int64_t strides = 1) const {
    return s(name,
             nn::Conv2D{.filters = filters,
                        .kernel_size = size,
                        .strides = strides,
                        .padding = size == 1 ? Padding("valid") : Padding(1)},
             x);
  }
  Tensor norm(const std::string& name, const Tensor& x) const {
    return s(name, nn::GroupNorm{.groups = groups, .epsilon = 1e-5}, x);
  }
  Tensor half(const std::string& name, const Tensor& x, int64_t filters) const {
    return conv(name + "_conv", silu(norm(name + "_norm", x)), filters);
  }
  Tensor block(const std::string& name, const Tensor& x, int64_t filters) const {
    Tensor h = half(name + "_1", x, filters);
    const Tensor shift = s(name + "_step", nn::Dense{.units = filters}, step);
    h = half(name + "_2", h + reshape(shift, {-1, 1, 1, filters}), filters);
    return h + (x.shape()[3] == filters ? x : conv(name + "_skip", x, filters, 1));
  }
  /// Every position looks at all others.
  Tensor attention(const std::string& name, const Tensor& x, int64_t heads) const {
    const int64_t channels = x.shape()[3], positions = x.shape()[1] * x.shape()[2];
    const Tensor rows = reshape(norm(name + "_norm", x), {-1, positions, channels});
    const nn::MultiHeadAttention look{.num_heads = heads, .key_dim = channels / heads};
    return x + reshape(s(name, look, rows), x.shape());
  }
};

}  // namespace

Tensor DiffusionUNet::call(const Tensors& x, Scope& s) const {
  if (x.size() != 2) throw ValueError("diffusion unet: expected {images, steps}");
  const Tensor &image = x[0], &steps = x[1];
  const int64_t halvings = static_cast<int64_t>(multipliers.size()) - 1;
  if (halvings < 0) throw ValueError("diffusion unet: no multipliers");
  const int64_t unit = int64_t{1} << halvings;
  if (image.rank() != 4 || steps.rank() != 1 || image.shape()[1] % unit != 0 ||
      image.shape()[2] % unit != 0) {
    throw ShapeError(
        "diffusion unet: expected images [batch, h, w, c] whose sides are multiples of " +
        std::to_string(unit) + " and steps [batch], got " + image.shape().to_string() + " and " +
        steps.shape().to_string());
  }
  const auto width = [&](size_t level) { return channels * multipliers[level]; };
  const int64_t known = width(multipliers.size() - 1);
  const nn::Dense dense{.units = known, .activation = "silu"};
  const Blocks net{s, groups, s("time2", dense, s("time1", dense, waves(steps, channels)))};
  std::vector<Tensor> maps;
  Tensor y = net.conv("in", image, channels);
  for (size_t level = 0; level < multipliers.size() - 1; ++level) {
    const std::string name = std::to_string(level + 1);
    maps.push_back(net.block("down" + name, y, width(level)));
    y = net.conv("half" + name, maps.back(), width(level), 3, 2);
  }
  y = net.block("middle1", y, known);
  y = net.block("middle2", net.attention("attention", y, heads), known);
  for (size_t level = maps.size(); level-- > 0;) {
    const std::string name = std::to_string(level + 1);
    const nn::Conv2DTranspose twice{.filters = width(level), .kernel_size = 2, .strides = 2};
    y = net.block("up" + name, concat({s("twice" + name, twice, y), maps[level]}, 3), width(level));
  }
  return net.half("out", y, image.shape()[3]);
}
void DiffusionUNet::fields(Fields& f) {
  f("channels", channels, "Channels at the full size.", {.min = 2});
  f("multipliers", multipliers, "Factors of the channels, from the full size down.", {.min = 1});
  f("groups", groups, "Of the group norms; they divide all numbers of channels.", {.min = 1});
  f("heads", heads, "Heads of attention, which divide the most channels.", {.min = 1});
  f("name", name, "The layer's name.");
}

}  // namespace varve::zoo
