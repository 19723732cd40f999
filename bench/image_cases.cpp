// Networks of images, channels last.
#include "cases.h"
#include "varve/losses.h"
#include "varve/ops/pointwise.h"
#include "varve/zoo.h"
#include "varve/zoo_vision.h"

namespace varve::bench {
namespace {

double rate(double dropout, const CaseOptions& o) { return o.deterministic ? 0 : dropout; }

/// Layers for images or rows of numbers, and their classes.
Bench classifier(const Layer& network, const Shape& images, int64_t classes,
                 const Optimizer& optimizer) {
  return supervised({.network = network,
                     .x = normal(images),
                     .y = labels(classes, {images[0]}),
                     .optimizer = optimizer});
}

Bench unet() {
  const Model net = zoo::UNet{
      .classes = 1, .input = {128, 128, 3}, .padding = "same", .batch_norm = true, .width = 0.5};
  const Loss loss = losses::BinaryCrossEntropy{.from_logits = true};
  return supervised({.network = net,
                     .x = normal({4, 128, 128, 3}),
                     .y = cast(labels(2, {4, 128, 128, 1}), f32).evaluate(),
                     .loss = [loss](const Tensor& o, const Tensor& t) { return loss(o, t); }});
}

}  // namespace

std::vector<Case> image_cases() {
  using O = const CaseOptions&;
  const auto mlp = [](std::vector<int> units) {
    return Sequential(zoo::MLP{.units = std::move(units), .dropout = 0});
  };
  return {
      {"mlp_small",
       [=](O) {
         return classifier(mlp({128}), {64, 784}, 10, adam());
       }},
      {"mlp_big",
       [=](O) {
         return classifier(mlp({2048, 2048}), {256, 784}, 10, adam());
       }},
      {"lenet5",
       [](O) {
         const Sequential net = zoo::LeNet5{.activation = "relu", .pooling = "max"};
         return classifier(net, {64, 28, 28, 1}, 10, adam());
       }},
      {"mnist_cnn",
       [](O o) {
         const Model net = zoo::MnistCnn{.conv_dropout = rate(0.25, o), .dropout = rate(0.5, o)};
         return classifier(net, {128, 28, 28, 1}, 10, adam());
       }},
      {"mnist_convnet",
       [](O o) {
         const Sequential net = zoo::MnistConvnet{.dropout = rate(0.5, o)};
         return classifier(net, {128, 28, 28, 1}, 10, adam());
       }},
      {"resnet20_cifar",
       [](O) {
         const Model net = zoo::CifarResNet{.shortcut = "B"};
         return classifier(net, {128, 32, 32, 3}, 10, momentum());
       }},
      {"resnet18_imagenet",
       [](O) {
         const Model net = zoo::ResNet{.depth = 18};
         return classifier(net, {8, 224, 224, 3}, 1000, momentum());
       }},
      {"mobilenet_v2_96",
       [](O o) {
         const Model net =
             zoo::MobileNetV2{.classes = 100, .input = {96, 96, 3}, .dropout = rate(0.2, o)};
         return classifier(net, {16, 96, 96, 3}, 100, momentum());
       }},
      {"xception_mini_96",
       [](O o) {
         const Model net = zoo::XceptionMini{
             .input = {96, 96, 3}, .padding = 1, .dropout = rate(0.25, o), .epsilon = 1e-5};
         return classifier(net, {16, 96, 96, 3}, 2, adam());
       }},
      {"vgg11bn_cifar",
       [](O) {
         const Model net = zoo::VGG{.depth = 11,
                                    .batch_norm = true,
                                    .conv_bias = false,
                                    .hidden = 0,
                                    .classes = 10,
                                    .input = {32, 32, 3}};
         return classifier(net, {64, 32, 32, 3}, 10, momentum());
       }},
      {"unet_128", [](O) { return unet(); }},
  };
}

}  // namespace varve::bench
