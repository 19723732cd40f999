// Autoencoders and adversarial networks.
#include "nn/layer_state.h"
#include "varve/nn/layers.h"
#include "varve/ops/normalization.h"
#include "varve/ops/shape.h"
#include "varve/zoo_generative.h"
#include "zoo/build.h"

namespace varve::zoo {
namespace {

Layer named(const Layer& part, const char* name) {
  part.state()->given = name;
  return part;
}

}  // namespace

Autoencoder::operator Model() const {
  std::vector<Layer> down, up;
  for (int n : units) down.push_back(nn::Dense{.units = n, .activation = activation});
  down.push_back(nn::Dense{.units = code});
  for (auto n = units.rbegin(); n != units.rend(); ++n)
    up.push_back(nn::Dense{.units = *n, .activation = activation});
  up.push_back(nn::Dense{.units = input});
  const Tensor x = nn::Input{.shape = {input}, .name = "x"};
  const Layer encoder = named(nn::sequential(down), "encoder"),
              decoder = named(nn::sequential(up), "decoder");
  return Model(x, decoder(encoder(x)));
}
void Autoencoder::fields(Fields& f) {
  f("input", input, "Numbers a sample.", {.min = 1});
  f("units", units, "Of the hidden layers, down to the code.", {.min = 1});
  f("code", code, "Numbers of the code.", {.min = 1});
  f("activation", activation, "After each hidden layer.");
}

VAE::operator Model() const {
  const Tensor x = nn::Input{.shape = {input}, .name = "x"};
  const Tensor h = nn::Dense{.units = hidden, .activation = "relu", .name = "fc1"}(x);
  const Layer encoder =
      named(nn::functional(x, {nn::Dense{.units = code, .name = "mean"}(h),
                               nn::Dense{.units = code, .name = "log_variance"}(h)}),
            "encoder");
  const Layer decoder =
      named(nn::sequential({nn::Dense{.units = hidden, .activation = "relu", .name = "fc3"},
                            nn::Dense{.units = input, .name = "fc4"}}),
            "decoder");
  const Tensor image = nn::Input{.shape = {input}, .name = "x"};
  const double weight = kl_weight > 0 ? kl_weight.value : 1 / static_cast<double>(input.value);
  const Tensor z = nn::Reparameterize{.kl_weight = weight}(encoder(Tensors(image)));
  return Model(image, decoder(z));
}
void VAE::fields(Fields& f) {
  f("input", input, "Numbers a sample.", {.min = 1});
  f("hidden", hidden, "Units between input and code.", {.min = 1});
  f("code", code, "Numbers of the code.", {.min = 1});
  f("kl_weight", kl_weight, "Of the divergence; 0: 1 / input.", {.min = 0});
}

ConvVAE::operator Model() const {
  const Style style{.width = width, .bias = true, .initializer = "glorot_uniform"};
  const int64_t height = input[0] / 4, breadth = input[1] / 4, maps = style(64);
  const Tensor x = nn::Input{.shape = input, .name = "image"};
  Tensor h = style.conv(x, style(32), {.strides = 2}, "conv1", "relu");
  h = style.conv(h, maps, {.strides = 2}, "conv2", "relu");
  h = nn::Dense{.units = style(16), .activation = "relu", .name = "fc"}(nn::Flatten{}(h));
  const Layer encoder =
      named(nn::functional(x, {nn::Dense{.units = code, .name = "mean"}(h),
                               nn::Dense{.units = code, .name = "log_variance"}(h)}),
            "encoder");
  const auto up = [&](int64_t filters, int64_t strides, const char* name) {
    return nn::Conv2DTranspose{
        .filters = filters, .strides = strides, .padding = "same", .name = name};
  };
  const Layer decoder = named(
      nn::sequential({nn::Dense{.units = height * breadth * maps, .activation = "relu"},
                      nn::Reshape{.target_shape = {height, breadth, maps}}, up(maps, 2, "up1"),
                      nn::ReLU{}, up(style(32), 2, "up2"), nn::ReLU{}, up(input[2], 1, "up3")}),
      "decoder");
  const Tensor image = nn::Input{.shape = input, .name = "image"};
  const double weight = kl_weight > 0 ? kl_weight.value : 1 / static_cast<double>(input.size());
  const Tensor z = nn::Reparameterize{.kl_weight = weight}(encoder(Tensors(image)));
  return Model(image, decoder(z));
}
void ConvVAE::fields(Fields& f) {
  f("input", input, "Height, width and channels of an image.", {.min = 1});
  f("code", code, "Numbers of the code.", {.min = 1});
  f("kl_weight", kl_weight, "Of the divergence; 0: 1 / numbers of an image.", {.min = 0});
  f("width", width, "Factor of all numbers of channels.", {.above = 0});
}

// ---- DCGAN ----

Model DCGAN::generator() const {
  const Style style{.width = width};
  const Tensor z = nn::Input{.shape = {code}, .name = "code"};
  const auto up = [&](const Tensor& x, int64_t filters, bool first, const std::string& name) {
    return nn::Conv2DTranspose{.filters = filters,
                               .kernel_size = 4,
                               .strides = first ? 1 : 2,
                               .padding = first ? Padding("valid") : Padding("same"),
                               .use_bias = false,
                               .kernel_initializer = nn::RandomNormal{.stddev = 0.02},
                               .name = name}(x);
  };
  Tensor x = reshape(z, {-1, 1, 1, code.value});
  int place = 0;
  for (int64_t filters : {512, 256, 128, 64}) {
    x = up(x, style(filters), place == 0, "main_" + std::to_string(place));
    x = relu(style.norm(x, "main_" + std::to_string(place + 1)));
    place += 3;
  }
  return Model(z, tanh(up(x, channels, false, "main_" + std::to_string(place))));
}

Model DCGAN::discriminator() const {
  const Style style{.width = width};
  const Tensor image = nn::Input{.shape = {64, 64, channels.value}, .name = "image"};
  Tensor x = image;
  int place = 0;
  for (int64_t filters : {64, 128, 256, 512}) {
    x = style.conv(x, style(filters), {.size = 4, .strides = 2, .padding = 1},
                   "main_" + std::to_string(place));
    if (place > 0) x = style.norm(x, "main_" + std::to_string(place + 1));
    x = leaky_relu(x, 0.2);
    place += place == 0 ? 2 : 3;
  }
  x = style.conv(x, 1, {.size = 4, .padding = "valid"}, "main_" + std::to_string(place));
  return Model(image, nn::Flatten{}(x));
}
void DCGAN::fields(Fields& f) {
  f("code", code, "Numbers that an image is made of.", {.min = 1});
  f("channels", channels, "Of the images.", {.min = 1});
  f("width", width, "Factor of all numbers of channels.", {.above = 0});
}

Model MnistDCGAN::generator() const {
  const Style style{.width = width};
  const int64_t maps = style(128);
  const auto up = [&](const Tensor& x, int64_t filters, bool bias, const char* name) -> Tensor {
    return nn::Conv2DTranspose{.filters = filters,
                               .kernel_size = 4,
                               .strides = 2,
                               .padding = "same",
                               .use_bias = bias,
                               .kernel_initializer = nn::RandomNormal{.stddev = 0.02},
                               .name = name}(x);
  };
  const Tensor z = nn::Input{.shape = {code}, .name = "code"};
  Tensor x = nn::Dense{.units = 49 * maps, .use_bias = false, .name = "fc"}(z);
  x = nn::Reshape{.target_shape = {7, 7, maps}}(relu(style.norm(x, "fc_bn")));
  x = relu(style.norm(up(x, style(64), false, "up1"), "up1_bn"));
  return Model(z, tanh(up(x, channels, true, "up2")));
}

Model MnistDCGAN::discriminator() const {
  const Style biased{.width = width, .bias = true}, style{.width = width};
  const Tensor image = nn::Input{.shape = {28, 28, channels.value}, .name = "image"};
  const Kernel half{.size = 4, .strides = 2, .padding = 1};
  Tensor x = leaky_relu(biased.conv(image, style(64), half, "conv1"), 0.2);
  x = style.norm(style.conv(x, style(128), half, "conv2"), "conv2_bn");
  return Model(image, nn::Dense{.units = 1, .name = "fc"}(nn::Flatten{}(leaky_relu(x, 0.2))));
}
void MnistDCGAN::fields(Fields& f) {
  f("code", code, "Numbers that an image is made of.", {.min = 1});
  f("channels", channels, "Of the images.", {.min = 1});
  f("width", width, "Factor of all numbers of channels.", {.above = 0});
}

// ---- CycleGAN ----

namespace {

/// Each map of each sample to mean 0 and variance 1.
Tensor instance_norm(const Tensor& x) {
  return group_norm(x, {.groups = x.shape()[-1], .epsilon = 1e-5});
}
Tensor mirrored(const Tensor& x, int64_t n) {
  return pad(x, {{0, 0}, {n, n}, {n, n}, {0, 0}}, {.mode = "reflect"});
}

}  // namespace

Model CycleGAN::generator() const {
  const Style style{.width = width, .bias = true};
  const Tensor image = nn::Input{.shape = input, .name = "image"};
  const auto inside = [&](const Tensor& x, int64_t filters, int64_t size, const std::string& name) {
    return style.conv(mirrored(x, size / 2), filters, {.size = size, .padding = "valid"}, name);
  };
  Tensor x = relu(instance_norm(inside(image, style(64), 7, "in")));
  for (int64_t filters : {128, 256}) {
    const std::string name = "down" + std::to_string(filters);
    x = style.conv(x, style(filters), {.strides = 2, .padding = 1}, name);
    x = relu(instance_norm(x));
  }
  for (int64_t i = 1; i <= blocks; ++i) {
    const std::string name = "block" + std::to_string(i);
    const Tensor y = relu(instance_norm(inside(x, style(256), 3, name + "_conv1")));
    x = x + instance_norm(inside(y, style(256), 3, name + "_conv2"));
  }
  for (int64_t filters : {128, 64}) {
    x = nn::Conv2DTranspose{.filters = style(filters),
                            .strides = 2,
                            .padding = "same",
                            .name = "up" + std::to_string(filters)}(x);
    x = relu(instance_norm(x));
  }
  return Model(image, tanh(inside(x, input[2], 7, "out")));
}

Model CycleGAN::discriminator() const {
  const Style style{.width = width, .bias = true};
  const Tensor image = nn::Input{.shape = input, .name = "image"};
  Tensor x = image;
  for (int64_t filters : {64, 128, 256, 512}) {
    const int64_t strides = filters < 512 ? 2 : 1;
    x = style.conv(x, style(filters), {.size = 4, .strides = strides, .padding = 1},
                   "conv" + std::to_string(filters));
    x = leaky_relu(filters == 64 ? x : instance_norm(x), 0.2);
  }
  return Model(image, style.conv(x, 1, {.size = 4, .padding = 1}, "out"));
}
void CycleGAN::fields(Fields& f) {
  f("input", input, "Height, width and channels of an image.", {.min = 1});
  f("blocks", blocks, "Residual blocks of the generator.", {.min = 0});
  f("width", width, "Factor of all numbers of channels.", {.above = 0});
}

}  // namespace varve::zoo
