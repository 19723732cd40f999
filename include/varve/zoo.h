// room: zoo
// Architectures. Each is a spec that becomes a Sequential, made of plain layers: it can be saved,
// frozen, looked into and changed like one written by hand.
//     Sequential model = zoo::LeNet5{.activation = "relu", .pooling = "max"};
#pragma once
#include <string>
#include <string_view>
#include <vector>

#include "varve/fields.h"
#include "varve/model.h"

namespace varve::zoo {

/// LeNet-5 (LeCun, Bottou, Bengio & Haffner 1998): two convolutions of 5 x 5 with 6 and 16 filters,
/// each pooled by 2; then 120, 84 and `classes` units. Images of 28 x 28 are padded to the paper's
/// 32 x 32. Gives logits. 61,706 parameters for one channel and 10 classes: all maps see all maps,
/// where the paper's table left some out, and pooling has no weights of its own.
struct LeNet5 {
  Dim classes = 10;
  Activation activation = "tanh";
  std::string pooling = "average";  ///< or "max"
  Dim padding = 2;                  ///< on every side; 0 for images that are 32 x 32 already
  operator Sequential() const;
  void fields(Fields& f);
};

/// The convolutional network of Keras' "Simple MNIST convnet" example: 3 x 3 convolutions of 32 and
/// 64 filters, each with relu and max pooling by 2, dropout, a dense layer. Gives logits. 34,826
/// parameters for 28 x 28 x 1 and 10 classes.
struct MnistConvnet {
  Dim classes = 10;
  Real dropout = 0.5;
  operator Sequential() const;
  void fields(Fields& f);
};

/// Dense layers of the given sizes, each followed by dropout where `dropout` is above 0, then
/// `classes` units. Gives logits. The defaults are Keras' mnist_mlp: 669,706 parameters for 784
/// inputs.
struct MLP {
  std::vector<int> units = {512, 512};
  Dim classes = 10;
  Activation activation = "relu";
  Real dropout = 0.2;
  operator Sequential() const;
  void fields(Fields& f);
};

/// The names that files and the command line know, sorted: every network of zoo.h, zoo_vision.h,
/// zoo_generative.h and zoo_text.h in snake case ("lenet5", "cifar_resnet", "mobilenet_v2"); of
/// adversarial ones the two parts ("dcgan_generator", "dcgan_discriminator").
std::vector<std::string> names();
/// A network by its text form: `"lenet5"`, `{"type": "resnet", "depth": 18, "input": [32, 32, 3]}`.
/// Throws ConfigError, with `path` before the member's name.
Model from_config(std::string_view json, const std::string& path = "zoo");

}  // namespace varve::zoo
