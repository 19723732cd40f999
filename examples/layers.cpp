// Layers: written as specs, held as handles, found by name.
#include <varve/varve.h>

#include <cstdio>

using namespace varve;

int main() {
  // [sequential]
  Sequential model{
      nn::Input{.shape = {28, 28, 1}},
      nn::Conv2D{.filters = 32, .activation = "relu"},
      nn::MaxPool2D{},
      nn::Flatten{},
      nn::Dense{.units = 64, .activation = nn::LeakyReLU{.negative_slope = 0.1}},
      nn::Dense{.units = 10, .kernel_initializer = "he_normal", .name = "scores"},
  };
  model.summary();
  // [/sequential]

  // [names]
  for (const NamedVariable& v : model.named_variables("*.kernel")) {
    std::printf("%-16s %s\n", v.path.c_str(), v.variable.shape().to_string().c_str());
  }
  Variable bias = model.variable("scores.bias");
  bias.assign(full(bias.shape(), 0.1));
  model.freeze("conv2d*");
  std::printf("%zu of %zu variables are trained\n", model.trainable().size(),
              model.variables().size());
  // [/names]

  // [shared]
  Layer shared = nn::Dense{.units = 4};  // a handle: copies and calls share its weights
  Tensor a = shared(ones({2, 3})), b = shared(ones({2, 3}));
  std::printf("the same weights: %s\n", bool(all(a == b)) ? "yes" : "no");
  Layer apart = shared.clone();  // weights of its own, with the same values
  // [/shared]

  // [mode]
  Layer dropout = nn::Dropout{.rate = 0.5};
  Tensor kept = dropout(ones({1000})), dropped = dropout(ones({1000}), {.training = true});
  std::printf("zeros: %g without training, about half with it: %s\n",
              1000 - count_nonzero(kept).to_double(),
              std::abs(count_nonzero(dropped).to_double() - 500) < 100 ? "yes" : "no");
  // [/mode]
}
