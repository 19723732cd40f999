// Replaying a plan allocates nothing outside library calls.
#include "allocations.h"

#include <gtest/gtest.h>

#include "varve/varve.h"

namespace varve {
namespace {

using namespace test;

/// A training step of a small convolutional network: dropout, cross-entropy and Adam included.
struct Training {
  Sequential model{nn::Conv2D{.filters = 8, .kernel_size = 3, .activation = "relu"},
                   nn::MaxPool2D{.pool_size = 2},
                   nn::Conv2D{.filters = 16, .kernel_size = 3, .activation = "relu"},
                   nn::BatchNorm{},
                   nn::MaxPool2D{.pool_size = 2},
                   nn::Flatten{},
                   nn::Dropout{.rate = 0.5},
                   nn::Dense{.units = 10}};
  Optimizer adam = optim::Adam{};
  Loss loss = losses::CrossEntropy{.from_logits = true};
  Tensor pictures = random::uniform(Key(1), {50, 20, 20, 1}), labels = arange(50) % 10;

  Training() { model.build({20, 20, 1}); }
  Tensor step(const Tensor& rows) {
    const Tensor x = take(pictures, rows, 0), y = take(labels, rows, 0);
    auto [value, grads] =
        value_and_grad([&] { return loss(model(x, {.training = true}), y); }, model.trainable())();
    adam.update(grads);
    return value;
  }
};

TEST(Allocations, AreCounted) {
  if (!allocations_visible()) GTEST_SKIP() << "a sanitizer holds the allocator";
  begin_counting();
  { std::vector<double> v(1000); }
  Tensor t = scalar(1, f32);
  const Allocations a = end_counting();
  EXPECT_GE(a.own, 3);
}

TEST(Allocations, OfAReplayedTrainingStepAreNone) {
  if (!allocations_visible()) GTEST_SKIP() << "a sanitizer holds the allocator";
  Training training;
  const auto step = jit([&](const Tensor& rows) { return training.step(rows); });
  const Tensor rows = arange(16);
  rows.evaluate();
  Tensor loss;
  for (int i = 0; i < 3; ++i) loss = step(rows);
  const double before = loss.to_double();
  begin_counting();
  for (int i = 0; i < 5; ++i) loss = step(rows);
  const Allocations a = end_counting();
  EXPECT_EQ(a.own, 0) << a.places;
  EXPECT_NE(loss.to_double(), before);
  EXPECT_EQ(step.info().traces(), 1);
}

}  // namespace
}  // namespace varve
