#include "varve/losses.h"

#include <gtest/gtest.h>

#include <cmath>

#include "support/errors.h"
#include "support/tensors.h"
#include "varve/derivatives.h"
#include "varve/ops/pointwise.h"
#include "varve/ops/reduction.h"
#include "varve/ops/shape.h"

namespace varve {
namespace {

using test::expect_near;
using test::message_of;

std::vector<double> values(const Tensor& x) { return x.to_doubles(); }

Tensor logits() { return tensor({1.0, 2.0, 3.0, 0.0, -1.0, 5.0}, {2, 3}); }

// -log softmax at classes 1 and 2: log(e^-1 + 1 + e) and log(1 + e^-5 + e^-6).
const std::vector<double> kCrossEntropy{std::log(std::exp(-1.0) + 1 + std::exp(1.0)),
                                        std::log1p(std::exp(-5.0) + std::exp(-6.0))};

TEST(CrossEntropy, IsTheSameFromClassesAndFromOneHotRows) {
  const Loss loss = losses::CrossEntropy{.from_logits = true};
  const Tensor rows = tensor({0.f, 1.f, 0.f, 0.f, 0.f, 1.f}, {2, 3});
  expect_near(values(loss.per_sample(logits(), tensor({int64_t{1}, int64_t{2}}))), kCrossEntropy,
              1e-12);
  expect_near(values(loss.per_sample(logits(), tensor({uint8_t{1}, uint8_t{2}}, {2, 1}))),
              kCrossEntropy, 1e-12);
  expect_near(values(loss.per_sample(logits(), rows)), kCrossEntropy, 1e-12);
  EXPECT_NEAR(loss(logits(), rows).to_double(), (kCrossEntropy[0] + kCrossEntropy[1]) / 2, 1e-12);
}

TEST(CrossEntropy, FromProbabilitiesAgreesWithLogits) {
  const Tensor p = exp(logits()) / sum(exp(logits()), {.axes = {-1}, .keep_dims = true});
  const Tensor y = tensor({int64_t{1}, int64_t{2}});
  expect_near(values(losses::CrossEntropy{}(p, y)), kCrossEntropy, 1e-12);
  // Rows need not sum to one, and a zero probability stays finite.
  expect_near(values(losses::CrossEntropy{}(p * 3, y)), kCrossEntropy, 1e-12);
  expect_near(values(losses::CrossEntropy{}(tensor({0.0, 1.0}, {1, 2}), tensor({int64_t{0}}))),
              {-std::log(1e-7)}, 1e-9);
}

TEST(CrossEntropy, InitialLossIsTheLogarithmOfTheNumberOfClasses) {
  const double expected[][2] = {
      {2, 0.693147}, {10, 2.302585}, {65, 4.174387}, {1000, 6.907755}, {50257, 10.824905}};
  for (const auto& [classes, log_classes] : expected) {
    const auto c = static_cast<int64_t>(classes);
    const Tensor flat = tensor(std::vector<double>(static_cast<size_t>(3 * c), 0.7), {3, c});
    const Loss loss = losses::CrossEntropy{.from_logits = true};
    EXPECT_NEAR(loss(flat, tensor({int64_t{0}, c - 1, c / 2})).to_double(), log_classes, 5e-7);
  }
}

TEST(CrossEntropy, SmoothingSpreadsTheTarget) {
  const losses::CrossEntropy smooth{.from_logits = true, .label_smoothing = 0.3};
  const Tensor y = tensor({int64_t{1}, int64_t{2}});
  // 0.7 of the class's loss and 0.1 of each class's.
  const Tensor all = logsumexp(logits(), {.axes = {-1}, .keep_dims = true}) - logits();
  const std::vector<double> spread = values(sum(all, {.axes = {-1}}));
  expect_near(values(smooth(logits(), y)),
              {0.7 * kCrossEntropy[0] + 0.1 * spread[0], 0.7 * kCrossEntropy[1] + 0.1 * spread[1]},
              1e-12);
}

TEST(CrossEntropy, LargeScoresStayFinite) {
  const losses::CrossEntropy loss{.from_logits = true};
  const Tensor x = tensor({1e4f, 0.f, -1e4f}, {1, 3});
  expect_near(values(loss(x, tensor({int64_t{0}}))), {0});
  expect_near(values(loss(x, tensor({int64_t{2}}))), {2e4});
}

TEST(CrossEntropy, RefusesTargetsThatDoNotFit) {
  const Loss loss = losses::CrossEntropy{.from_logits = true};
  EXPECT_EQ(
      message_of([&] { loss(logits(), tensor({int64_t{1}})); }),
      "cross_entropy: prediction is f64[2, 3], target is i64[1]; expected classes [2] or rows "
      "[2, 3]");
  EXPECT_EQ(message_of([&] {
              loss(logits(), tensor({1.f, 2.f}));
            }),
            "cross_entropy: classes [2]: expected integers, got f32");
  EXPECT_EQ(message_of([&] {
              loss(tensor({1.f, 2.f}, {2, 1}), tensor({1.f, 0.f}));
            }),
            "cross_entropy: prediction [2, 1]: expected 2 or more classes along the last axis");
  EXPECT_THROW(loss(logits(), tensor({int64_t{1}, int64_t{3}})).evaluate(), IndexError);
  EXPECT_THROW(losses::CrossEntropy{}(logits(), tensor({int64_t{1}, int64_t{3}})).evaluate(),
               IndexError);
}

TEST(BinaryCrossEntropy, IsTheSameFromLogitsAndProbabilities) {
  const Tensor x = tensor({-2.0, 0.5, 30.0}), y = tensor({0.0, 1.0, 0.0});
  const losses::BinaryCrossEntropy stable{.from_logits = true}, clipped{};
  const std::vector<double> expected{std::log1p(std::exp(-2.0)), std::log1p(std::exp(-0.5)), 30.0};
  expect_near(values(stable(x, y)), expected, 1e-12);
  expect_near(values(clipped(sigmoid(x), y)), {expected[0], expected[1], -std::log(1e-7)}, 1e-8);
  const losses::BinaryCrossEntropy smooth{.from_logits = true, .label_smoothing = 0.2};
  EXPECT_NEAR(values(smooth(x, y))[1],
              0.9 * std::log1p(std::exp(-0.5)) + 0.1 * std::log1p(std::exp(0.5)), 1e-12);
}

// Probabilities that a half cannot bring nearer to 0 and 1 than to them.
TEST(Losses, OfHalvesAreThoseOfTheirNumbersInDoubles) {
  const std::vector<double> p{0, 1, 1, 0, 0.5, 0.75}, y{0, 1, 0, 1, 1, 0};
  const Loss kinds[] = {
      losses::BinaryCrossEntropy{}, losses::BinaryCrossEntropy{.positive_weight = 2},
      losses::BinaryFocal{},        losses::BinaryFocal{.alpha = 0.25},
      losses::CrossEntropy{},       losses::CategoricalFocal{},
      losses::KLDivergence{},       losses::CosineSimilarity{}};
  for (const Loss& loss : kinds) {
    for (const DType dtype : {f16, bf16}) {
      SCOPED_TRACE(loss.config() + name_of(dtype));
      const Tensor x = tensor(p, {3, 2}), target = tensor(y, {3, 2});
      const Tensor half = loss.per_sample(cast(x, dtype), target);
      const auto expected = values(loss.per_sample(x, target)), got = values(half);
      ASSERT_EQ(got.size(), expected.size());
      for (size_t i = 0; i < got.size(); ++i) {
        // f32 has 1 - 1e-7 as 1 - 2 * 2^-24; a half then has 8 or 11 digits.
        EXPECT_NEAR(got[i], expected[i], 0.02 * std::abs(expected[i]) + 2e-4) << i;
      }
      const auto g = vjp([&](const Tensors& v) -> Tensors { return loss.per_sample(v[0], target); },
                         cast(x, dtype), cast(ones(half.shape()), half.dtype()));
      for (double v : values(g.cotangents[0])) EXPECT_FALSE(std::isnan(v));
    }
  }
  // Zero rows have no direction.
  const Tensor zero = zeros({1, 2}, f16);
  EXPECT_EQ(values(losses::CosineSimilarity{}(zero, zero))[0], 0);
}

TEST(BinaryCrossEntropy, AColumnOfPredictionsMeetsARowOfTargets) {
  const Tensor x = tensor({-2.0, 0.5, 1.0}, {3, 1});
  EXPECT_EQ(losses::BinaryCrossEntropy{}(sigmoid(x), tensor({true, false, true})).shape(),
            (Shape{3, 1}));
  EXPECT_EQ(message_of([&] {
              Loss("binary_cross_entropy")(x, tensor({1.f, 0.f}));
            }),
            "binary_cross_entropy: prediction is f64[3, 1], target is f32[2]; expected the same "
            "shape");
}

TEST(SquaredAndAbsolute, TheirOptimaAreMeanAndMedian) {
  // Skewed data: mean 22, median 3.
  const Tensor data = tensor({1.0, 2.0, 3.0, 4.0, 100.0});
  const auto fit = [&](const Loss& loss, double rate) {
    Tensor c = scalar(10, f64);
    for (int i = 0; i < 2000; ++i) {
      const Tensor g =
          grad([&](const Tensor& at) { return loss(broadcast_to(at, Shape{5}), data); })(c);
      c = c - rate / std::sqrt(i + 1.0) * g;
      c.evaluate();
    }
    return c.to_double();
  };
  EXPECT_NEAR(fit("mse", 0.5), 22, 1e-6);
  EXPECT_NEAR(fit("mae", 1), 3, 0.03);
}

TEST(Huber, IsAParabolaThenALine) {
  const losses::Huber huber{.delta = 2};
  const Tensor zero = tensor({0.0, 0.0, 0.0, 0.0});
  expect_near(values(huber(tensor({1.0, -2.0, 3.0, -10.0}), zero)), {0.5, 2, 4, 18}, 1e-12);
}

TEST(Hinge, SaturatesWhereCrossEntropyDoesNot) {
  // The right class leads by 2.
  const Tensor scores = tensor({3.0, 1.0, 1.0}, {1, 3}), y = tensor({int64_t{0}});
  EXPECT_EQ(Loss(losses::CategoricalHinge{})(scores, y).to_double(), 0);
  EXPECT_GT(Loss(losses::CrossEntropy{.from_logits = true})(scores, y).to_double(), 0.2);
  // Merely right is not enough: a lead of 0.5 costs 0.5 for each other class.
  EXPECT_NEAR(Loss(losses::CategoricalHinge{})(tensor({1.5, 1.0, 1.0}, {1, 3}), y).to_double(), 1,
              1e-12);
}

TEST(Hinge, TakesZeroForMinusOne) {
  const Tensor s = tensor({0.5, 0.5, -3.0, 2.0});
  const losses::Hinge hinge;
  expect_near(values(hinge(s, tensor({1.0, -1.0, -1.0, 1.0}))), {0.5, 1.5, 0, 0}, 1e-12);
  expect_near(values(hinge(s, tensor({1.0, 0.0, 0.0, 1.0}))), {0.5, 1.5, 0, 0}, 1e-12);
}

// d|d| = sign(d), d d^2 = 2 d, d BCE = -y/p + (1 - y)/(1 - p), summed over samples.
TEST(LossGradients, AreThoseOfTheFormulas) {
  const Tensor p = tensor({0.2, 0.7, 0.9}), y = tensor({0.0, 1.0, 0.0});
  const auto gradient = [&](auto f) {
    return values(grad([&](const Tensor& x) { return sum(f(x, y)); })(p));
  };
  expect_near(gradient(losses::MeanAbsoluteError{}), {1, -1, 1}, 1e-12);
  expect_near(gradient(losses::MeanSquaredError{}), {0.4, -0.6, 1.8}, 1e-12);
  expect_near(gradient(losses::BinaryCrossEntropy{}), {1 / 0.8, -1 / 0.7, 1 / 0.1}, 1e-9);
  // Cross-entropy by logits: softmax - y.
  const Tensor x = tensor({1.0, 2.0, 3.0}, {1, 3});
  const Tensor g = grad([&](const Tensor& at) {
    return Loss(losses::CrossEntropy{.from_logits = true})(at, tensor({int64_t{2}}));
  })(x);
  expect_near(values(g), {0.0900305731703805, 0.2447284710547977, 0.665240955774822 - 1}, 1e-12);
}

TEST(Loss, AveragesTrailingAxesThenWeighsThenAveragesTheBatch) {
  const Tensor p = tensor({1.0, 3.0, 2.0, 2.0}, {2, 2}), y = tensor({0.0, 0.0, 0.0, 0.0}, {2, 2});
  const Loss mse = "mse";
  expect_near(values(mse.per_sample(p, y)), {5, 4}, 1e-12);
  EXPECT_NEAR(mse(p, y).to_double(), 4.5, 1e-12);
  EXPECT_NEAR(mse(p, y, tensor({2.f, 0.5f})).to_double(), (10 + 2) / 2.0, 1e-12);
  EXPECT_EQ(message_of([&] { mse(p, y, tensor({1.f})); }),
            "mean_squared_error: weights: expected [2], got [1]");
}

TEST(Loss, AScalarTakesNoWeights) {
  const Loss loss = [](const Tensor& p, const Tensor& t) { return sum(square(p - t)); };
  const Tensor p = tensor({1.0, 3.0}), y = tensor({0.0, 0.0});
  EXPECT_EQ(loss(p, y).to_double(), 10);
  EXPECT_EQ(message_of([&] {
              loss(p, y, tensor({1.f, 1.f}));
            }),
            "loss: gives one number for the whole batch, so samples cannot be weighted");
}

TEST(Loss, IsKnownByNameAndWrittenAsText) {
  EXPECT_EQ(Loss("mse").name(), "mean_squared_error");
  EXPECT_EQ(Loss(losses::Huber{.delta = 2}).config(), R"({"type":"huber","delta":2.0})");
  EXPECT_EQ(Loss("l1").config(), R"("mean_absolute_error")");
  const Loss again = Loss::from_config(R"({"type": "cross_entropy", "from_logits": true})");
  EXPECT_EQ(again.from_logits(), true);
  EXPECT_EQ(Loss::from_config(again.config()).config(), again.config());
  const auto own = [](const Tensor& p, const Tensor&) { return p; };
  EXPECT_EQ(Loss(own).name(), "loss");
  EXPECT_THROW(Loss(own).config(), UnsupportedError);
  const ValueError e = test::error_of<ValueError>([&] { Loss("cross_entropi"); });
  EXPECT_EQ(e.message(), "loss: unknown name \"cross_entropi\"");
  EXPECT_EQ(e.hint(), "did you mean \"cross_entropy\"?");
  EXPECT_EQ(e.at().substr(0, 16), "losses_test.cpp:");
  EXPECT_EQ(message_of([] { Loss(losses::Huber{.delta = 0}); }),
            "huber: delta: expected number > 0, got 0");
}

TEST(Loss, OfOnesOwnGetsTheTargetInThePredictionsShape) {
  const Loss own = [](const Tensor& p, const Tensor& t) { return square(p - t); };
  const Tensor prediction = tensor({1.f, 2.f, 3.f}, {3, 1}), target = tensor({1.f, 4.f, 6.f});
  // Broadcast to [3, 3] the mean would be another.
  EXPECT_NEAR(own(prediction, target).to_double(), (0. + 4 + 9) / 3, 1e-6);
  EXPECT_NEAR(own(target, prediction).to_double(), (0. + 4 + 9) / 3, 1e-6);
  // As many elements are not enough.
  EXPECT_THROW(own(zeros({2, 4, 1}), zeros({8, 1})), ShapeError);
}

}  // namespace
}  // namespace varve
