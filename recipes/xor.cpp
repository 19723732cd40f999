#include <chrono>

#include "recipes/recipe.h"

namespace varve::recipes {
namespace {

constexpr int64_t kNetworks = 10, kMostSteps = 12000;

// Trains one network of 2-2-1 sigmoid units; returns the steps that it took until every answer was
// within 0.2 of the truth, or -1.
int64_t steps_to_solve(Model& network) {
  const Tensor x = tensor({0.f, 0.f, 0.f, 1.f, 1.f, 0.f, 1.f, 1.f}, {4, 2});
  const Tensor y = tensor({0.f, 1.f, 1.f, 0.f}, {4, 1});
  network.build({2});
  Optimizer sgd = optim::SGD{.learning_rate = 1, .momentum = 0.9};
  const auto step = jit([&] {
    auto [loss, gradients] = value_and_grad(
        [&] { return mean(square(network(x, {.training = true}) - y)); }, network.trainable())();
    sgd.update(gradients);
    return loss;
  });
  const auto furthest = jit([&] { return max(abs(network(x) - y)); });
  for (int64_t i = 0; i < kMostSteps; ++i) {
    step();
    // Looking costs a pass of its own, and a few steps more do no harm.
    if (i % 20 == 19 && furthest().item<float>() < 0.2f) return i + 1;
  }
  return -1;
}

}  // namespace

// Minsky & Papert 1969: no single unit can tell exclusive or; Rumelhart, Hinton & Williams 1986:
// two hidden units learn it by backpropagation. From small weights some runs stay in a local
// minimum.
Outcome xor_problem(const Settings& settings) {
  random::seed(settings.seed);
  const nn::RandomUniform small{.minval = -0.2, .maxval = 0.2};
  int64_t solved = 0, steps = 0;
  const auto begin = std::chrono::steady_clock::now();
  Outcome out;
  for (int64_t i = 0; i < kNetworks; ++i) {
    const auto units = [&](int64_t n) {
      return nn::Dense{.units = n,
                       .activation = "sigmoid",
                       .kernel_initializer = small,
                       .bias_initializer = small};
    };
    Sequential network{units(2), units(1)};
    const int64_t took = steps_to_solve(network);
    solved += took > 0;
    steps += took > 0 ? took : kMostSteps;
    settings.say("network " + std::to_string(i + 1) + " of " + std::to_string(kNetworks) +
                 (took > 0 ? ": solved after " + std::to_string(took) + " steps\n"
                           : ": not solved in " + std::to_string(kMostSteps) + " steps\n"));
    out.parameters = network.parameter_count();
  }
  const std::chrono::duration<double> seconds = std::chrono::steady_clock::now() - begin;
  out.figure = {"solved", static_cast<double>(solved) / kNetworks, 0.8};
  out.seconds = seconds.count();
  out.samples_per_second = static_cast<double>(4 * steps) / seconds.count();
  return out;
}

}  // namespace varve::recipes
