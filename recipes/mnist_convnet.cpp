#include "recipes/mnist.h"

namespace varve::recipes {

namespace {

// Keras' "Simple MNIST convnet": test accuracy 0.9922; validation accuracy 0.978 after the first
// epoch.
Outcome train(const Settings& settings, Precision precision) {
  random::seed(settings.seed);
  Sequential model = zoo::MnistConvnet{};
  model.compile({.optimizer = optim::Adam{},
                 .loss = losses::CrossEntropy{.from_logits = true},
                 .metrics = {metrics::Accuracy{}},
                 .precision = precision});
  Outcome out = train_on_mnist(model, {.batch_size = 128, .epochs = 15, .validation_split = 0.1},
                               settings, {{"source", "Keras, examples/vision/mnist_convnet"}});
  out.figure.gate = 0.99;
  out.published = 0.9922;
  out.also = {{"validation accuracy after epoch 1", (*out.history)["val_accuracy"].at(0), 0.97}};
  return out;
}

}  // namespace

Outcome mnist_convnet(const Settings& settings) { return train(settings, "f32"); }

Outcome mnist_convnet_bf16(const Settings& settings) { return in_bf16(settings, train); }

}  // namespace varve::recipes
