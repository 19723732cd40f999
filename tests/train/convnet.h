// A network with all that has a state of its own, and pictures for it.
#pragma once
#include <random>
#include <utility>
#include <vector>

#include "helpers.h"
#include "varve/ops/shape.h"

namespace varve::test {

/// Pictures whose class is the half that is brighter; i64 labels.
inline Dataset pictures(int64_t n) {
  std::vector<float> x(static_cast<size_t>(n * 36));
  std::vector<int64_t> y;
  for (int64_t i = 0; i < n; ++i) {
    const bool right = i % 3 == 0;
    for (int64_t k = 0; k < 36; ++k) {
      x[static_cast<size_t>(i * 36 + k)] =
          static_cast<float>((i * 31 + k * 17) % 23) / 23 + (right == (k % 6 > 2) ? 0.5f : 0.f);
    }
    y.push_back(right);
  }
  return Dataset(tensor(x, Shape{n, 6, 6, 1}), tensor(y, Shape{n}));
}

/// Weights from a seed, whatever was drawn before.
inline void set_weights(Model& model, uint64_t seed) {
  model.random_state().assign(tensor({seed, uint64_t{0}}));
  std::mt19937 draw(static_cast<uint32_t>(seed));
  for (Variable v : model.trainable()) {
    std::vector<float> w(static_cast<size_t>(v.shape().size()));
    for (float& e : w) e = static_cast<float>(draw() % 1000) / 2000 - 0.25f;
    v.assign(tensor(w, v.shape()));
  }
}

/// Convolution, batch norm, dropout: all that has a state of its own.
inline Sequential convnet(uint64_t seed = 1) {
  Sequential model{nn::Conv2D{.filters = 4, .kernel_size = 3, .activation = "relu"},
                   nn::BatchNorm{},
                   nn::MaxPool2D{.pool_size = 2},
                   nn::Flatten{},
                   nn::Dropout{.rate = 0.3},
                   nn::Dense{.units = 2}};
  model.build({6, 6, 1});
  set_weights(model, seed);
  return model;
}

inline CompileOptions with(Optimizer optimizer, bool eager = false) {
  return {.optimizer = std::move(optimizer),
          .loss = losses::CrossEntropy{.from_logits = true},
          .metrics = {"accuracy"},
          .run_eagerly = eager};
}

}  // namespace varve::test
