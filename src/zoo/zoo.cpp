#include "varve/zoo.h"

#include "base/error.h"
#include "varve/nn/layers.h"

namespace varve::zoo {
namespace {

Layer pooling_layer(const std::string& kind) {
  if (kind == "average") return nn::AveragePool2D{.pool_size = 2};
  if (kind == "max") return nn::MaxPool2D{.pool_size = 2};
  throw ValueError("lenet5: pooling: unknown choice \"" + escaped(kind) + "\"",
                   did_you_mean(kind, {"average", "max"}));
}

}  // namespace

LeNet5::operator Sequential() const {
  const auto pool = [this] { return pooling_layer(pooling); };
  return Sequential{
      nn::Conv2D{
          .filters = 6, .kernel_size = 5, .padding = padding.value, .activation = activation},
      pool(),
      nn::Conv2D{.filters = 16, .kernel_size = 5, .activation = activation},
      pool(),
      nn::Flatten{},
      nn::Dense{.units = 120, .activation = activation},
      nn::Dense{.units = 84, .activation = activation},
      nn::Dense{.units = classes},
  };
}

void LeNet5::fields(Fields& f) {
  f("classes", classes, "Numbers that the network gives.", {.min = 1});
  f("activation", activation, "After convolutions and dense layers.");
  f("pooling", pooling, "average or max.");
  f("padding", padding, "Zeros on every side of the images.", {.min = 0});
}

MnistConvnet::operator Sequential() const {
  return Sequential{
      nn::Conv2D{.filters = 32, .kernel_size = 3, .activation = "relu"},
      nn::MaxPool2D{.pool_size = 2},
      nn::Conv2D{.filters = 64, .kernel_size = 3, .activation = "relu"},
      nn::MaxPool2D{.pool_size = 2},
      nn::Flatten{},
      nn::Dropout{.rate = dropout},
      nn::Dense{.units = classes},
  };
}

void MnistConvnet::fields(Fields& f) {
  f("classes", classes, "Numbers that the network gives.", {.min = 1});
  f("dropout", dropout, "Share dropped before the last layer.", {.min = 0, .below = 1});
}

MLP::operator Sequential() const {
  Sequential model{nn::Flatten{}};
  for (int n : units) {
    model.add(nn::Dense{.units = n, .activation = activation});
    if (dropout > 0) model.add(nn::Dropout{.rate = dropout});
  }
  model.add(nn::Dense{.units = classes});
  return model;
}

void MLP::fields(Fields& f) {
  f("units", units, "Of the hidden layers.", {.min = 1});
  f("classes", classes, "Numbers that the network gives.", {.min = 1});
  f("activation", activation, "After each hidden layer.");
  f("dropout", dropout, "Share dropped after each hidden layer.", {.min = 0, .below = 1});
}

}  // namespace varve::zoo
