// What the tests of architectures share.
#pragma once
#include <gtest/gtest.h>

#include <cstdlib>
#include <fstream>
#include <functional>
#include <string>

#include "varve/derivatives.h"
#include "varve/losses.h"
#include "varve/model.h"
#include "varve/ops/pointwise.h"
#include "varve/ops/random.h"
#include "varve/ops/reduction.h"
#include "varve/ops/shape.h"
#include "varve/optim.h"
#include "varve/threads.h"

namespace varve::test {

inline int64_t trainable_count(const Model& model) {
  int64_t n = 0;
  for (const Variable& v : model.trainable()) n += v.shape().size();
  return n;
}

/// A network at full size, with the numbers that others publish of it. -1: not published.
struct Counted {
  const char* name;
  std::function<Model()> make;
  int64_t trainable, all = -1;
};

/// Memory of this process in MiB.
inline double resident() {
  std::ifstream status("/proc/self/status");
  std::string word;
  while (status >> word) {
    if (word == "VmRSS:") {
      double kib = 0;
      status >> kib;
      return kib / 1024;
    }
  }
  return 0;
}

inline void expect_counts(const std::vector<Counted>& list) {
  for (const Counted& c : list) {
    SCOPED_TRACE(c.name);
    const double before = resident();
    const Model model = c.make();
    EXPECT_EQ(trainable_count(model), c.trainable);
    if (c.all >= 0) {
      EXPECT_EQ(model.parameter_count(), c.all);
    }
    // Nothing is allocated before it is read.
    EXPECT_LT(resident() - before, 64);
  }
}

/// Learns eight samples by heart: the loss falls to a tenth of the first epoch's, within 800
/// epochs.
inline void expect_overfits(Model model, const Tensors& x, const Tensor& y, const std::string& loss,
                            double rate = 5e-3) {
  set_thread_count(1);  // so small that threads only wait for each other
  const Loss l = loss == "cross_entropy" ? Loss(losses::CrossEntropy{.from_logits = true})
                 : loss == "binary_cross_entropy"
                     ? Loss(losses::BinaryCrossEntropy{.from_logits = true})
                     : Loss(loss);
  model.compile({.optimizer = optim::Adam{.learning_rate = rate}, .loss = l});
  double first = 0, last = 0;
  for (int round = 0; round < 40; ++round) {
    const History h =
        model.fit(x, y, {.batch_size = 8, .epochs = 20, .seed = 3, .progress = false});
    if (round == 0) first = h["loss"].front();
    last = h["loss"].back();
    if (last < 0.1 * first) return;
  }
  ADD_FAILURE() << "the loss fell from " << first << " to " << last << " only";
}

/// The largest magnitude.
inline double largest(const Tensor& x) { return max(abs(x)).to_double(); }

/// Eight images and their classes.
inline Tensor images(const Shape& sample, uint64_t seed = 5) {
  std::vector<int64_t> dims = sample.dims();
  dims.insert(dims.begin(), 8);
  return random::normal(Key(seed), Shape(std::move(dims)));
}
inline Tensor classes(int64_t n) { return arange(8) % n; }

}  // namespace varve::test
