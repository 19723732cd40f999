// Small problems that the tests of training share.
#pragma once
#include <cmath>
#include <string>
#include <vector>

#include "support/errors.h"
#include "varve/dataset.h"
#include "varve/error.h"
#include "varve/model.h"
#include "varve/nn/layers.h"

namespace varve::test {

/// Points on a grid, class 1 above the line x + y = 1, 0 below; inputs f32 [n, 2], targets i64 [n].
inline Dataset two_classes(int64_t n) {
  std::vector<float> x;
  std::vector<int64_t> y;
  for (int64_t i = 0; i < n; ++i) {
    const auto a = static_cast<float>(i * 37 % 101) / 100, b = static_cast<float>(i * 53 % 89) / 88;
    x.insert(x.end(), {a, b});
    y.push_back(a + b > 1);
  }
  return Dataset(tensor(x, Shape{n, 2}), tensor(y, Shape{n}));
}

/// y = 2 a - 3 b + 1.
inline Dataset line(int64_t n) {
  const Tensor x = two_classes(n).stored_inputs()[0];
  const std::span<const float> v = x.span<float>();
  std::vector<float> y;
  for (int64_t i = 0; i < n; ++i) {
    const auto at = static_cast<size_t>(2 * i);
    y.push_back(2 * v[at] - 3 * v[at + 1] + 1);
  }
  return Dataset(x, tensor(y, Shape{n, 1}));
}

/// A small classifier with dropout, so that random numbers matter.
inline Sequential classifier(uint64_t seed = 1) {
  Sequential model{nn::Dense{.units = 8, .activation = "relu"}, nn::Dropout{.rate = 0.25},
                   nn::Dense{.units = 2}};
  model.build({2});
  model.random_state().assign(tensor({seed, uint64_t{0}}));
  // Weights from the seed alone, whatever the tests before drew.
  uint64_t i = 0;
  for (const Variable& v : model.variables()) {
    std::vector<float> w;
    for (int64_t k = 0; k < v.shape().size(); ++k) {
      w.push_back(std::sin(static_cast<float>(seed * 7 + ++i) * 1.7f));
    }
    Variable(v).assign(tensor(w, v.shape()));
  }
  return model;
}

inline CompileOptions for_classes() {
  return {.optimizer = optim::Adam{.learning_rate = 0.03},
          .loss = losses::CrossEntropy{.from_logits = true},
          .metrics = {metrics::Accuracy{}}};
}

inline std::vector<std::vector<double>> weights_of(const Model& model) {
  std::vector<std::vector<double>> out;
  for (const Variable& v : model.variables()) out.push_back(v.value().to_doubles());
  return out;
}

}  // namespace varve::test
