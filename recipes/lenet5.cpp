#include <cmath>

#include "recipes/mnist.h"

namespace varve::recipes {

namespace {

// LeCun et al. 1998: 0.95 % errors on the test part. As in the paper: tanh, average pooling, 32
// x 32. Unlike it: softmax cross-entropy in place of radial basis functions, and Adam in place of
// the stochastic diagonal Levenberg-Marquardt method.
Outcome train(const Settings& settings, Precision precision) {
  random::seed(settings.seed);
  constexpr int64_t kBatch = 64, kEpochs = 20, kSteps = 60000 * kEpochs / kBatch;
  Sequential model = zoo::LeNet5{.activation = "tanh", .pooling = "average"};
  model.compile({.optimizer = optim::AdamW{.learning_rate =
                                               schedules::Cosine{.initial = 2e-3, .steps = kSteps},
                                           .weight_decay = 0.05},
                 .loss = losses::CrossEntropy{.from_logits = true},
                 .metrics = {metrics::Accuracy{}},
                 .precision = precision});
  Outcome out = train_on_mnist(model, {.batch_size = kBatch, .epochs = kEpochs}, settings,
                               {{"source", "LeCun, Bottou, Bengio & Haffner 1998"}});
  const auto samples = static_cast<double>(out.test->size());
  const double wrong = std::round((1 - out.figure.value) * samples);
  out.figure = {"test error", wrong / samples, 0.011, false};
  out.published = 0.0095;
  return out;
}

}  // namespace

Outcome lenet5(const Settings& settings) { return train(settings, "f32"); }

Outcome lenet5_bf16(const Settings& settings) { return in_bf16(settings, train); }

}  // namespace varve::recipes
