// Losses, metrics, layers, callbacks, optimizers and training steps of the user's own, as lambdas
// and as short structs: all of them in a compiled step and step by step.
#include <gtest/gtest.h>

#include "helpers.h"
#include "support/folder.h"
#include "varve/derivatives.h"
#include "varve/ops/pointwise.h"
#include "varve/ops/random.h"
#include "varve/ops/reduction.h"
#include "varve/ops/shape.h"

namespace varve {
namespace {

using namespace test;

// A layer: variables, parts, a running statistic, a penalty, another behaviour in training.
struct Gated {
  Dim units = 4;
  Tensor call(const Tensor& x, Scope& s) const {
    const Tensor gain = s.variable("gain", {}, {.initializer = 0.5});
    const Tensor seen = s.variable("seen", {}, {.initializer = 0, .trainable = false});
    const Tensor h = s("up", nn::Dense{.units = units, .activation = "tanh"}, x);
    if (s.training()) s.update("seen", seen + 1);
    s.add_loss(0.001 * square(gain));
    return x + gain * s("down", nn::Dense{.units = x.shape()[-1]}, h);
  }
  void fields(Fields& f) { f("units", units, "Hidden width.", {.min = 1}); }
};

// A loss with a setting.
struct Squared {
  Real scale = 1;
  Tensor operator()(const Tensor& prediction, const Tensor& target) const {
    return scale.value * square(prediction - target);
  }
  void fields(Fields& f) { f("scale", scale, "What it is multiplied by."); }
};

// A metric: the largest error of all.
struct LargestSquare {
  std::string name = "squares";
  Tensor statistics(const MetricInput& in) const {
    return stack({sum(square(in.prediction - in.target)), cast(sum(in.weights), f32)});
  }
  double result(std::span<const double> totals) const { return totals[0] / totals[1]; }
};

// An optimizer rule: the sign of the gradient.
struct SignDescent {
  Schedule learning_rate = 0.01;
  optim::Updated update(const optim::UpdateArguments& a) const {
    return {a.parameter - cast(a.learning_rate, f32) * sign(a.gradient), {}};
  }
};

struct Outcome {
  History history;
  std::vector<std::vector<double>> weights;
};

void expect_same(const Outcome& a, const Outcome& b) {
  EXPECT_EQ(a.history.names(), b.history.names());
  for (const std::string& name : a.history.names()) {
    for (size_t e = 0; e < a.history[name].size(); ++e) {
      EXPECT_NEAR(a.history[name][e], b.history[name][e], 1e-4) << name;
    }
  }
  ASSERT_EQ(a.weights.size(), b.weights.size());
  for (size_t i = 0; i < a.weights.size(); ++i) {
    for (size_t k = 0; k < a.weights[i].size(); ++k) {
      EXPECT_NEAR(a.weights[i][k], b.weights[i][k], 1e-3);
    }
  }
}

Sequential gated() {
  Sequential model{nn::Dense{.units = 3, .activation = "relu"}, Gated{.units = 5},
                   nn::Lambda{[](const Tensor& x) { return x * 2; }}, nn::Dense{.units = 1}};
  model.build({2});
  uint64_t i = 0;
  for (Variable v : model.trainable()) {
    std::vector<float> w;
    for (int64_t k = 0; k < v.shape().size(); ++k) {
      w.push_back(std::sin(static_cast<float>(++i) * 1.7f) / 2);
    }
    v.assign(tensor(w, v.shape()));
  }
  return model;
}

TEST(OwnCode, OfEveryKindTrainsTogetherCompiledAndEager) {
  const auto run = [](bool eager) {
    Sequential model = gated();
    model.compile({.optimizer = SignDescent{},
                   .loss = Squared{.scale = 2},
                   .metrics = {LargestSquare{},
                               Metric("distance",
                                      [](const Tensor& p, const Tensor& t) { return abs(p - t); }),
                               "mae"},
                   .run_eagerly = eager});
    int64_t batches = 0;
    std::string epochs;
    struct Count : Callback {
      int64_t& n;
      explicit Count(int64_t& count) : n(count) {}
      void on_batch_end(TrainState&) override { ++n; }
    };
    const History h = model.fit(
        line(40), {.batch_size = 7,
                   .epochs = 3,
                   .callbacks = {Count(batches), callbacks::OnEpochEnd{[&](TrainState& s) {
                                   epochs += std::to_string(s.epoch());
                                 }}},
                   .validation_split = 0.25,
                   .seed = 2,
                   .progress = false});
    EXPECT_EQ(batches, 15);
    EXPECT_EQ(epochs, "012");
    // A step each batch; calls outside training leave it alone.
    EXPECT_EQ(model.variable("gated_1.seen").value().to_double(), 15);
    return Outcome{h, weights_of(model)};
  };
  const Outcome compiled = run(false), eager = run(true);
  expect_same(compiled, eager);
  const History& h = compiled.history;
  EXPECT_LT(h["loss"].back(), h["loss"].front());
  EXPECT_NEAR(h["val_distance"][2], h["val_mae"][2], 1e-6);
  // The penalty 0.001 gain^2 is part of the loss, validation without training included.
  EXPECT_NEAR(h["val_loss"][2] - 2 * h["val_squares"][2],
              0.001 * std::pow(compiled.weights[2][0], 2), 1e-6);
}

TEST(OwnCode, ALossMayBeALambdaOrAStruct) {
  const auto run = [](const Loss& loss) {
    Sequential model = gated();
    model.compile({.optimizer = optim::SGD{.learning_rate = 0.05}, .loss = loss});
    const History h = model.fit(line(40), {.epochs = 2, .seed = 2, .progress = false});
    return Outcome{h, weights_of(model)};
  };
  const Outcome expected = run("mse");
  expect_same(run(Squared{}), expected);
  expect_same(run([](const Tensor& p, const Tensor& t) { return square(p - t); }), expected);
}

TEST(OwnCode, ALayerOfOnesOwnIsSavedFoundFrozenAndCloned) {
  nn::register_layer<Gated>("gated");
  Sequential model{nn::Dense{.units = 3, .name = "in"}, Gated{.units = 5}, nn::Dense{.units = 1}};
  model.build({2});
  EXPECT_EQ(model["gated_1.up"].type(), "dense");
  EXPECT_EQ(model.variables("*.kernel").size(), 4u);
  const Folder folder;
  const std::string path = folder / "own_layer.safetensors";
  model.save(path);
  Model loaded = Model::load(path);
  const Tensor x = line(9).stored_inputs()[0];
  EXPECT_EQ(Tensor(loaded.predict(x)).to_doubles(), Tensor(model.predict(x)).to_doubles());
  loaded.freeze("gated_1");
  EXPECT_EQ(loaded.trainable().size(), 4u);
  Model copy = loaded.clone();
  copy.variable("gated_1.gain").assign(scalar(9, f32));
  EXPECT_EQ(loaded.variable("gated_1.gain").value().to_double(), 0.5);
}

// Two models trained against each other, each by its own optimizer.
TEST(OwnCode, ATrainingStepMayTrainSeveralModels) {
  const auto run = [](bool eager) {
    Sequential generator{nn::Dense{.units = 4, .activation = "tanh"}, nn::Dense{.units = 2}};
    Sequential judge{nn::Dense{.units = 6, .activation = "relu"}, nn::Dense{.units = 1}};
    generator.build({2});
    judge.build({2});
    uint64_t i = 0;
    for (Sequential* m : {&generator, &judge}) {
      for (Variable v : m->trainable()) {
        std::vector<float> w;
        for (int64_t k = 0; k < v.shape().size(); ++k) {
          w.push_back(std::sin(static_cast<float>(++i) * 2.3f) / 2);
        }
        v.assign(tensor(w, v.shape()));
      }
    }
    Optimizer of_generator = optim::Adam{.learning_rate = 0.01},
              of_judge = optim::Adam{.learning_rate = 0.02};
    const auto score = [&](const Tensor& x, float real) {
      return mean(losses::BinaryCrossEntropy{.from_logits = true}(judge(x, {.training = true}),
                                                                  full({x.shape()[0], 1}, real)));
    };
    generator.compile({.train_step = [&](const Batch& b) -> StepLogs {
                         const Tensor noise = random::normal(Key(3), b.x().shape());
                         const Tensor fake =
                             stop_gradient(Tensor(generator(noise, {.training = true})));
                         auto [d_loss, d_grads] = value_and_grad(
                             [&] { return score(b.x(), 1) + score(fake, 0); }, judge.trainable())();
                         of_judge.update(d_grads);
                         auto [g_loss, g_grads] = value_and_grad(
                             [&] { return score(generator(noise, {.training = true}), 1); },
                             generator.trainable())();
                         of_generator.update(g_grads);
                         return {{"judge", d_loss}, {"generator", g_loss}};
                       },
                       .run_eagerly = eager});
    const History h = generator.fit(two_classes(32).without_targets(),
                                    {.batch_size = 8, .epochs = 3, .seed = 1, .progress = false});
    EXPECT_EQ(of_judge.step().value().item<int64_t>(), 12);
    auto weights = weights_of(generator);
    for (auto& w : weights_of(judge)) weights.push_back(w);
    return Outcome{h, weights};
  };
  const Outcome compiled = run(false), eager = run(true);
  EXPECT_EQ(compiled.history.names(),
            (std::vector<std::string>{"judge", "generator", "learning_rate"}));
  expect_same(compiled, eager);
}

}  // namespace
}  // namespace varve
