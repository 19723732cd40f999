#include "varve/optim.h"

#include <gtest/gtest.h>

#include <cmath>
#include <limits>

#include "support/errors.h"
#include "support/tensors.h"
#include "varve/jit.h"
#include "varve/ops/pointwise.h"
#include "varve/ops/reduction.h"
#include "varve/ops/shape.h"

namespace varve {

struct SignDescent {
  Schedule learning_rate = 0.5;
  optim::Updated update(const optim::UpdateArguments& a) const {
    return {a.parameter - sign(a.gradient) * cast(a.learning_rate, a.parameter.dtype()), {}};
  }
};

namespace {

using test::expect_near;
using test::message_of;

Variable weights() { return Variable(tensor({1.0, -2.0, 3.0}), {.name = "dense.kernel"}); }

// The gradient of the fixed trial problem at w: sum(w^2 (1, 2, 3)) / 2 + sum(w).
std::vector<double> slope(const std::vector<double>& w) {
  std::vector<double> g;
  for (size_t i = 0; i < w.size(); ++i) g.push_back(w[i] * static_cast<double>(i + 1) + 1);
  return g;
}

Tensor objective(const Variable& w) {
  return sum(square(w.value()) * tensor({1.0, 2.0, 3.0})) / 2 + sum(w.value());
}

// Runs `steps` updates, uncompiled or compiled, and gives the weights.
std::vector<double> run(Optimizer optimizer, int steps, bool compiled) {
  Variable w = weights();
  const auto body = [&] {
    auto [value, grads] = value_and_grad([&] { return objective(w); }, {w})();
    optimizer.update(grads);
    return value;
  };
  const auto fast = jit(body);
  for (int i = 0; i < steps; ++i) compiled ? fast() : body();
  EXPECT_EQ(optimizer.step().value().item<int64_t>(), steps);
  return w.value().to_doubles();
}

// The same by a rule written in plain doubles: rule(w, g, t) changes w.
std::vector<double> by_hand(int steps,
                            const std::function<void(double& w, double g, size_t i, int t)>& rule) {
  std::vector<double> w{1, -2, 3};
  for (int t = 1; t <= steps; ++t) {
    const std::vector<double> g = slope(w);
    for (size_t i = 0; i < 3; ++i) rule(w[i], g[i], i, t);
  }
  return w;
}

// The rate is held in f32, the rest in f64: differences stay far below the rate's rounding.
constexpr double kRate = 0.0625, kTolerance = 1e-12;
constexpr int kSteps = 7;

void check(const Optimizer& optimizer,
           const std::function<void(double& w, double g, size_t i, int t)>& rule) {
  const std::vector<double> expected = by_hand(kSteps, rule);
  expect_near(run(optimizer.fresh(), kSteps, false), expected, kTolerance);
  expect_near(run(optimizer.fresh(), kSteps, true), expected, kTolerance);
}

TEST(SGD, FollowsItsFormula) {
  check(optim::SGD{.learning_rate = kRate},
        [](double& w, double g, size_t, int) { w -= kRate * g; });
  check(optim::SGD{.learning_rate = kRate, .weight_decay = 0.1},
        [](double& w, double g, size_t, int) { w -= kRate * (g + 0.1 * w); });
  std::vector<double> v(3);
  check(optim::SGD{.learning_rate = kRate, .momentum = 0.9},
        [&](double& w, double g, size_t i, int t) {
          if (t == 1) v[i] = 0;
          v[i] = 0.9 * v[i] - kRate * g;
          w += v[i];
        });
  check(optim::SGD{.learning_rate = kRate, .momentum = 0.9, .nesterov = true},
        [&](double& w, double g, size_t i, int t) {
          if (t == 1) v[i] = 0;
          v[i] = 0.9 * v[i] - kRate * g;
          w += 0.9 * v[i] - kRate * g;
        });
}

TEST(RMSProp, FollowsItsFormula) {
  std::vector<double> s(3), mean(3), b(3);
  check(optim::RMSProp{.learning_rate = kRate}, [&](double& w, double g, size_t i, int t) {
    if (t == 1) s[i] = 0;
    s[i] = 0.9 * s[i] + 0.1 * g * g;
    w -= kRate * g / (std::sqrt(s[i]) + 1e-7);
  });
  check(optim::RMSProp{.learning_rate = kRate, .rho = 0.5, .momentum = 0.25, .centered = true},
        [&](double& w, double g, size_t i, int t) {
          if (t == 1) s[i] = mean[i] = b[i] = 0;
          s[i] = 0.5 * s[i] + 0.5 * g * g;
          mean[i] = 0.5 * mean[i] + 0.5 * g;
          b[i] = 0.25 * b[i] + g / (std::sqrt(s[i] - mean[i] * mean[i]) + 1e-7);
          w -= kRate * b[i];
        });
}

// s - mean^2 is 0 but for rounding, which takes it below.
TEST(RMSProp, CenteredSurvivesGradientsThatNeverChange) {
  std::vector<float> g(257);
  for (size_t i = 0; i < g.size(); ++i) g[i] = 0.01f * static_cast<float>(i + 1);
  const Tensor slopes = tensor(g, {257});
  for (double rho : {0.5, 0.9, 0.99}) {
    Variable w(zeros({257}), {.name = "w"});
    Optimizer optimizer = optim::RMSProp{.learning_rate = 1e-3, .rho = rho, .centered = true};
    for (int step = 0; step < 200; ++step) optimizer.update(Grads({w}, {slopes}));
    for (double x : w.value().to_doubles()) ASSERT_TRUE(std::isfinite(x)) << rho;
  }
}

TEST(Adam, FollowsThePaper) {
  std::vector<double> m(3), v(3);
  const auto adam = [&](double decay, double decoupled) {
    return [&, decay, decoupled](double& w, double g, size_t i, int t) {
      if (t == 1) m[i] = v[i] = 0;
      g += decay * w;
      w -= kRate * decoupled * w;
      m[i] = 0.9 * m[i] + 0.1 * g;
      v[i] = 0.999 * v[i] + 0.001 * g * g;
      const double mh = m[i] / (1 - std::pow(0.9, t)), vh = v[i] / (1 - std::pow(0.999, t));
      w -= kRate * mh / (std::sqrt(vh) + 1e-7);
    };
  };
  check(optim::Adam{.learning_rate = kRate}, adam(0, 0));
  check(optim::Adam{.learning_rate = kRate, .weight_decay = 0.1}, adam(0.1, 0));
  check(optim::AdamW{.learning_rate = kRate, .weight_decay = 0.1}, adam(0, 0.1));
}

TEST(Adam, ItsFirstStepIsTheRateTimesTheSign) {
  const std::vector<double> w = run(optim::Adam{.learning_rate = kRate}, 1, true);
  const std::vector<double> first{1, -2, 3}, g = slope(first);
  for (size_t i = 0; i < 3; ++i) {
    EXPECT_NEAR(w[i] - first[i], g[i] > 0 ? -kRate : kRate, 1e-8);
  }
}

// PyTorch 2 on the same problem, f32, lr 0.001, eps 1e-8: computed by its documented algorithm in
// f64.
TEST(Adam, InSinglePrecisionStaysWithinRounding) {
  Variable w(tensor({1.f, -2.f, 3.f}), {.name = "w"});
  Optimizer adam = optim::Adam{.learning_rate = 0.001, .epsilon = 1e-8};
  const auto step = jit([&] {
    auto [value, grads] = value_and_grad(
        [&] {
          return sum(square(w.value()) * tensor({1.f, 2.f, 3.f})) / 2 + sum(w.value());
        },
        {w})();
    adam.update(grads);
    return value;
  });
  for (int i = 0; i < 100; ++i) step();
  std::vector<double> m(3), v(3);
  const std::vector<double> expected = by_hand(100, [&](double& x, double g, size_t i, int t) {
    m[i] = 0.9 * m[i] + 0.1 * g;
    v[i] = 0.999 * v[i] + 0.001 * g * g;
    x -= 0.001 * (m[i] / (1 - std::pow(0.9, t))) /
         (std::sqrt(v[i] / (1 - std::pow(0.999, t))) + 1e-8);
  });
  expect_near(w.value().to_doubles(), expected, 100 * 3 * 1.2e-7);
}

TEST(Clipping, ByNormKeepsTheDirectionAndByValueCutsElements) {
  Variable a(tensor({0.f, 0.f}), {.name = "a"}), b(tensor({0.f}), {.name = "b"});
  const Grads g({a, b}, {tensor({3.f, 0.f}), tensor({-4.f})});
  Optimizer by_norm = optim::SGD{.learning_rate = 1, .clip_norm = 1};
  by_norm.update(g);
  expect_near(a.value().to_doubles(), {-0.6, 0}, 1e-6);
  expect_near(b.value().to_doubles(), {0.8}, 1e-6);
  Optimizer loose = optim::SGD{.learning_rate = 1, .clip_norm = 10};
  loose.update(g);
  expect_near(a.value().to_doubles(), {-3.6, 0}, 1e-6);
  Optimizer by_value = optim::SGD{.learning_rate = 1, .clip_value = 0.5};
  by_value.update(g);
  expect_near(a.value().to_doubles(), {-4.1, 0}, 1e-6);
  expect_near(b.value().to_doubles(), {5.3}, 1e-6);
}

TEST(Optimizer, AGradientThatIsNotFiniteChangesNothing) {
  for (bool compiled : {false, true}) {
    Variable w(tensor({1.f, 4.f}), {.name = "dense.kernel"}), u(tensor({1.f}), {.name = "bias"});
    Optimizer adam = optim::Adam{};
    const auto body = [&](const Tensor& x) {
      auto [value, grads] =
          value_and_grad([&] { return sum(w.value() * x) + sum(u.value()); }, {u, w})();
      adam.update(grads);
      return value;
    };
    const auto fast = jit(body);
    const auto step = [&](const Tensor& x) { compiled ? fast(x) : body(x); };
    step(tensor({1.f, 1.f}));
    const std::vector<double> before = w.value().to_doubles(), other = u.value().to_doubles();
    std::vector<std::vector<double>> slots;
    for (const auto& s : adam.state()) slots.push_back(s.variable.value().to_doubles());
    EXPECT_EQ(message_of([&] {
                step(tensor({1.f, std::numeric_limits<float>::infinity()}));
              }).substr(0, 40),
              "gradient of dense.kernel is not finite" + std::string(compiled ? ": " : ""));
    EXPECT_EQ(w.value().to_doubles(), before);
    EXPECT_EQ(u.value().to_doubles(), other);
    size_t i = 0;
    for (const auto& s : adam.state()) EXPECT_EQ(s.variable.value().to_doubles(), slots[i++]);
  }
}

TEST(Optimizer, TheRateFollowsItsScheduleUntilItIsAssigned) {
  for (bool compiled : {false, true}) {
    Variable w(tensor({0.0}), {.name = "w"});
    Optimizer sgd = optim::SGD{.learning_rate = [](int64_t step) { return step < 2 ? 1.0 : 0.25; }};
    const auto body = [&] {
      sgd.update(Grads({w}, {tensor({-1.0})}));
      return w.value();
    };
    const auto fast = jit(body);
    const auto step = [&] { compiled ? fast() : body(); };
    for (double expected : {1.0, 2.0, 2.25, 2.5}) {
      step();
      EXPECT_EQ(w.value().to_double(), expected);
    }
    EXPECT_EQ(sgd.learning_rate().value().item<float>(), 0.25f);
    sgd.learning_rate().assign(scalar(4, f32));
    step();
    EXPECT_EQ(w.value().to_double(), 6.5);
  }
}

TEST(Optimizer, TakesARuleOfOnesOwn) {
  Variable w(tensor({1.f, 1.f}), {.name = "w"});
  Optimizer own = SignDescent{};
  own.update(Grads({w}, {tensor({-7.f, 0.1f})}));
  EXPECT_EQ(w.value().to_doubles(), (std::vector<double>{1.5, 0.5}));
  EXPECT_EQ(own.name(), "sign_descent");
}

TEST(Optimizer, NamesItsState) {
  Optimizer adam = "adam";
  adam.build({weights(), weights()});
  std::vector<std::string> paths;
  for (const auto& s : adam.state()) paths.push_back(s.path);
  EXPECT_EQ(paths,
            (std::vector<std::string>{"step", "learning_rate", "m.dense.kernel", "v.dense.kernel",
                                      "m.dense.kernel_2", "v.dense.kernel_2"}));
}

TEST(Optimizer, IsKnownByNameAndWrittenAsText) {
  const Optimizer adam =
      optim::Adam{.learning_rate = schedules::Cosine{.initial = 0.1, .steps = 50}, .clip_norm = 1};
  EXPECT_EQ(adam.config(),
            R"({"type":"adam","learning_rate":{"type":"cosine","initial":0.1,"steps":50,)"
            R"("minimum":0.0,"warmup_steps":0},"beta_1":0.9,"beta_2":0.999,"epsilon":1e-07,)"
            R"("weight_decay":0.0,"clip_norm":1.0})");
  EXPECT_EQ(Optimizer::from_config(adam.config()).config(), adam.config());
  EXPECT_EQ(Optimizer("rmsprop").name(), "rmsprop");
  EXPECT_EQ(message_of([] { Optimizer("adamax"); }), "optimizer: unknown name \"adamax\"");
  EXPECT_EQ(message_of([] { Optimizer(optim::Adam{.beta_1 = 1}); }),
            "adam: beta_1: expected number >= 0 and < 1, got 1");
  EXPECT_EQ(message_of([] { Optimizer(optim::SGD{.learning_rate = -1}); }),
            "learning_rate: expected a number >= 0, got -1.000000");
}

TEST(Schedules, GoThroughTheirMarks) {
  const schedules::Cosine cosine{.initial = 1, .steps = 100, .minimum = 0.1, .warmup_steps = 10};
  EXPECT_EQ(cosine(0), 0);
  EXPECT_NEAR(cosine(5), 0.5, 1e-12);
  EXPECT_NEAR(cosine(10), 1, 1e-12);
  EXPECT_NEAR(cosine(60), 0.55, 1e-12);
  EXPECT_NEAR(cosine(110), 0.1, 1e-12);
  EXPECT_NEAR(cosine(1000), 0.1, 1e-12);

  const schedules::StepDecay decay{.initial = 0.1, .every = 10, .factor = 0.5};
  EXPECT_EQ(decay(9), 0.1);
  EXPECT_EQ(decay(10), 0.05);
  EXPECT_EQ(decay(29), 0.025);

  const schedules::Exponential smooth{.initial = 1, .steps = 10, .rate = 0.25};
  EXPECT_NEAR(smooth(5), 0.5, 1e-12);
  const schedules::Exponential stairs{.initial = 1, .steps = 10, .rate = 0.25, .staircase = true};
  EXPECT_EQ(stairs(9), 1);
  EXPECT_EQ(stairs(10), 0.25);

  const schedules::InverseTime inverse{.initial = 1, .steps = 1, .decay = 0.5};
  EXPECT_NEAR(inverse(2), 0.5, 1e-12);

  const schedules::Warmup warmup{.steps = 4, .after = 2.0};
  EXPECT_EQ(warmup(0), 0);
  EXPECT_EQ(warmup(1), 0.5);
  EXPECT_EQ(warmup(4), 2);
  EXPECT_EQ(warmup(99), 2);

  // PyTorch: OneCycleLR(max_lr=1, total_steps=10): first 0.04, peak at step 2, last 4e-6.
  const schedules::OneCycle cycle{.maximum = 1, .steps = 10};
  EXPECT_NEAR(cycle(0), 0.04, 1e-12);
  EXPECT_NEAR(cycle(2), 1, 1e-12);
  EXPECT_NEAR(cycle(9), 4e-6, 1e-12);
  EXPECT_GT(cycle(5), cycle(6));
}

}  // namespace
}  // namespace varve
