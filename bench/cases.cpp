#include "cases.h"

#include "base/error.h"
#include "varve/model.h"
#include "varve/nn/layers.h"

namespace varve::bench {
namespace {

Layer mlp(std::initializer_list<int64_t> hidden) {
  Sequential net;
  for (int64_t units : hidden) net.add(nn::Dense{.units = units, .activation = "relu"});
  net.add(nn::Dense{.units = 10});
  return net;
}

Layer lenet5() {
  return Sequential{nn::Conv2D{.filters = 6, .kernel_size = 5, .padding = 2, .activation = "relu"},
                    nn::MaxPool2D{},
                    nn::Conv2D{.filters = 16, .kernel_size = 5, .activation = "relu"},
                    nn::MaxPool2D{},
                    nn::Flatten{},
                    nn::Dense{120, "relu"},
                    nn::Dense{84, "relu"},
                    nn::Dense{10}};
}

Layer mnist_cnn(bool dropout) {
  return Sequential{nn::Conv2D{.filters = 32, .kernel_size = 3, .activation = "relu"},
                    nn::Conv2D{.filters = 64, .kernel_size = 3, .activation = "relu"},
                    nn::MaxPool2D{},
                    nn::Dropout{.rate = dropout ? 0.25 : 0},
                    nn::Flatten{},
                    nn::Dense{128, "relu"},
                    nn::Dropout{.rate = dropout ? 0.5 : 0},
                    nn::Dense{10}};
}

Layer mnist_convnet(bool dropout) {
  return Sequential{nn::Conv2D{.filters = 32, .kernel_size = 3, .activation = "relu"},
                    nn::MaxPool2D{},
                    nn::Conv2D{.filters = 64, .kernel_size = 3, .activation = "relu"},
                    nn::MaxPool2D{},
                    nn::Flatten{},
                    nn::Dropout{.rate = dropout ? 0.5 : 0},
                    nn::Dense{10}};
}

}  // namespace

const std::vector<Case>& cases() {
  static const std::vector<Case> all = {
      {"mlp_small", {64, 784}, 10, [](bool) { return mlp({128}); }},
      {"mlp_big",
       {256, 784},
       10,
       [](bool) {
         return mlp({2048, 2048});
       }},
      {"lenet5", {64, 28, 28, 1}, 10, [](bool) { return lenet5(); }},
      {"mnist_cnn", {128, 28, 28, 1}, 10, mnist_cnn},
      {"mnist_convnet", {128, 28, 28, 1}, 10, mnist_convnet},
  };
  return all;
}

const Case& find_case(const std::string& name) {
  std::vector<std::string> names;
  for (const Case& c : cases()) {
    if (c.name == name) return c;
    names.push_back(c.name);
  }
  throw ValueError("case \"" + escaped(name) + "\" is unknown", did_you_mean(name, names));
}

}  // namespace varve::bench
