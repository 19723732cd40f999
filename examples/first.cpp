// Trains a small convolutional network on handwritten digits, and uses it.
#include <varve/varve.h>

#include <cstdio>

using namespace varve;

int main() {
  TrainTest mnist = datasets::mnist();
  Sequential model{
      nn::Input{.shape = {28, 28, 1}},
      nn::Conv2D{.filters = 16, .kernel_size = 3, .activation = "relu"},
      nn::MaxPool2D{.pool_size = 2},
      nn::Flatten{},
      nn::Dropout{.rate = 0.2},
      nn::Dense{.units = 10},
  };
  model.compile({.optimizer = optim::Adam{.learning_rate = 2e-3},
                 .loss = losses::CrossEntropy{.from_logits = true},
                 .metrics = {metrics::Accuracy{}}});
  model.summary();
  model.fit(mnist.train, {.batch_size = 128, .epochs = 2, .validation_split = 0.1, .seed = 1});
  std::printf("test: %s\n", model.evaluate(mnist.test).to_string().c_str());
  Tensor digit = argmax(model.predict(mnist.test.take(1)), {.axis = -1});
  std::printf("the first test picture is a %d\n", int(digit.item<int64_t>()));
  model.save("digits.safetensors");
}
