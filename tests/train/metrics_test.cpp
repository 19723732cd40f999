#include "varve/metrics.h"

#include <gtest/gtest.h>

#include <cmath>

#include "support/errors.h"
#include "varve/jit.h"
#include "varve/ops/pointwise.h"
#include "varve/ops/reduction.h"

namespace varve {
namespace {

using test::message_of;

double once(Metric m, const Tensor& p, const Tensor& t, const Tensor& w = {}) {
  m.update(p, t, w);
  return m.result();
}

Tensor classes(std::initializer_list<int64_t> c) { return tensor(c); }

Tensor scores() {
  return tensor({0.1f, 0.7f, 0.2f, 0.5f, 0.3f, 0.2f, 0.2f, 0.2f, 0.6f, 0.4f, 0.4f, 0.2f}, {4, 3});
}  // classes 1, 0, 2, 0 (a tie)

TEST(Accuracy, TakesClassesOneHotRowsAndSingleNumbers) {
  EXPECT_EQ(
      once(metrics::Accuracy{}, scores(), tensor({uint8_t{1}, uint8_t{1}, uint8_t{2}, uint8_t{1}})),
      0.5);
  EXPECT_EQ(once("accuracy", scores(), tensor<int64_t>({1, 0, 2, 0}, {4, 1})), 1);
  const Tensor rows = tensor({0.f, 1.f, 0.f, 0.f, 0.f, 1.f, 0.f, 0.f, 1.f, 1.f, 0.f, 0.f}, {4, 3});
  EXPECT_EQ(once("accuracy", scores(), rows), 0.75);
  const Tensor p = tensor({0.4f, 0.6f, 0.51f}, {3, 1}), t = tensor({0.f, 1.f, 0.f});
  EXPECT_NEAR(once("accuracy", p, t), 2 / 3.0, 1e-7);
  EXPECT_NEAR(once(metrics::Accuracy{.threshold = 0.55}, p, t), 1, 1e-7);
}

TEST(Accuracy, OfLogitsCutsAtZero) {
  Metric m = metrics::Accuracy{};
  m.set_from_logits(true);
  m.update(tensor({-0.1f, 0.2f, 3.f}, {3, 1}), tensor({false, true, true}));
  EXPECT_EQ(m.result(), 1);
}

TEST(Metric, AddsUpBatchesOfDifferentSizeAndWeights) {
  Metric m = metrics::Accuracy{};
  EXPECT_TRUE(std::isnan(m.result()));
  m.update(scores(), classes({1, 0, 2, 0}));
  m.update(tensor({1.f, 0.f}, {1, 2}), classes({1}), tensor({4.f}));
  EXPECT_EQ(m.result(), 0.5);
  m.reset();
  EXPECT_TRUE(std::isnan(m.result()));
  EXPECT_EQ(
      message_of([&] { m.update(scores(), classes({1})); }),
      "accuracy: prediction is f32[4, 3], target is i64[1]; expected classes [4] or rows [4, 3]");
}

TEST(Metric, WorksInACompiledStep) {
  Metric m = metrics::F1{}, plain = metrics::F1{};
  const auto step = jit([&](const Tensor& p, const Tensor& t) {
    m.update(p, t);
    return p;
  });
  const Tensor t = classes({1, 0, 1, 0});
  for (int i = 0; i < 3; ++i) {
    step(scores(), t);
    plain.update(scores(), t);
  }
  EXPECT_EQ(m.result(), plain.result());
  m.reset();
  step(scores(), t);
  EXPECT_EQ(m.result(), plain.result());
}

TEST(TopK, CountsTheClassesBefore) {
  const Tensor t = classes({2, 2, 0, 1});
  EXPECT_EQ(once(metrics::TopK{.k = 1}, scores(), t), 0);
  EXPECT_EQ(once(metrics::TopK{.k = 2}, scores(), t), 0.75);  // 2nd, 3rd, 2nd, 2nd
  EXPECT_EQ(once(metrics::TopK{.k = 3}, scores(), t), 1);
}

// Said 1 0 2 0, right 1 1 2 0. Class 0: said 2, is 1, hit 1; 1: 1, 2, 1; 2: 1, 1, 1.
TEST(F1, IsPutTogetherInThreeWays) {
  const Tensor t = classes({1, 1, 2, 0});
  EXPECT_NEAR(once("f1", scores(), t), (2 / 3.0 + 2 / 3.0 + 1) / 3, 1e-12);
  EXPECT_NEAR(once(metrics::F1{.average = "weighted"}, scores(), t),
              (2 / 3.0 + 2 * 2 / 3.0 + 1) / 4, 1e-12);
  EXPECT_NEAR(once(metrics::F1{.average = "micro"}, scores(), t), 0.75, 1e-12);
  EXPECT_NEAR(once("precision", scores(), t), (0.5 + 1 + 1) / 3, 1e-12);
  EXPECT_NEAR(once("recall", scores(), t), (1 + 0.5 + 1) / 3, 1e-12);
}

TEST(F1, OfSingleNumbersIsThatOfClassOne) {
  const Tensor p = tensor({0.9f, 0.8f, 0.3f, 0.1f}), t = tensor({true, false, true, false});
  EXPECT_NEAR(once("f1", p, t), 0.5, 1e-12);
  EXPECT_NEAR(once("precision", p, t), 0.5, 1e-12);
  EXPECT_NEAR(once("f1", tensor({0.1f, 0.2f}), tensor({true, true})), 0, 1e-12);
}

TEST(RegressionMetrics, AreTheirFormulas) {
  const Tensor p = tensor({1.f, 2.f, 4.f, 8.f}, {4, 1}), t = tensor({1.f, 3.f, 2.f, 6.f});
  EXPECT_NEAR(once("mse", p, t), (0 + 1 + 4 + 4) / 4.0, 1e-6);
  EXPECT_NEAR(once("mae", p, t), 5 / 4.0, 1e-6);
  EXPECT_NEAR(once("rmse", p, t), 1.5, 1e-6);
  EXPECT_NEAR(once("r2", p, t), 1 - 9 / 14.0, 1e-6);
  EXPECT_NEAR(once("mean", p, t), 15 / 4.0, 1e-6);
  EXPECT_NEAR(once("mae", p, t, tensor({1.f, 0.f, 0.f, 1.f})), 1, 1e-6);
}

TEST(AUC, CountsOrderedPairs) {
  const Tensor p = tensor({0.1f, 0.4f, 0.35f, 0.8f}), t = tensor({0.f, 0.f, 1.f, 1.f});
  EXPECT_NEAR(once("auc", p, t), 0.75, 1e-12);  // scikit-learn's own example
  EXPECT_NEAR(once("auc", tensor({0.5f, 0.5f}), tensor({0.f, 1.f})), 0.5, 1e-12);
}

TEST(Metric, AFunctionOfOnesOwnIsAveragedOverSamples) {
  Metric m("distance",
           [](const Tensor& p, const Tensor& t) { return sum(abs(p - t), {.axes = {-1}}); });
  EXPECT_EQ(once(m, tensor({1.f, 2.f, 3.f, 4.f}, {2, 2}), tensor({0.f, 0.f, 0.f, 0.f}, {2, 2})), 5);
  EXPECT_EQ(m.name(), "distance");
  EXPECT_THROW(m.config(), UnsupportedError);
}

TEST(Metric, IsKnownByNameAndWrittenAsText) {
  EXPECT_EQ(Metric("mse").name(), "mse");
  EXPECT_EQ(Metric(metrics::TopK{.k = 3, .name = "top_3"}).name(), "top_3");
  const Metric f1 = metrics::F1{.average = "weighted"};
  EXPECT_EQ(f1.config(), R"({"type":"f1","average":"weighted"})");
  EXPECT_EQ(Metric::from_config(f1.config()).config(), f1.config());
  EXPECT_THROW(Metric::from_config(R"({"type":"f1","average":"all"})"), ConfigError);
  EXPECT_EQ(Metric::from_config(R"("mae")").name(), "mae");
  EXPECT_EQ(Metric::from_config(Metric("mae").config()).name(), "mae");
  EXPECT_EQ(Metric::from_config(Metric(metrics::MeanAbsoluteError{}).config()).name(),
            "mean_absolute_error");
  EXPECT_EQ(Metric::from_config(Metric(metrics::TopK{.k = 3, .name = "top_3"}).config()).name(),
            "top_3");
  EXPECT_EQ(message_of([] { Metric("acuracy"); }), "metric: unknown name \"acuracy\"");
  EXPECT_EQ(message_of([] { Metric(metrics::TopK{.k = 0}); }),
            "top_k: k: expected integer >= 1, got 0");
}

TEST(Metric, OfOnesOwnIsNamedByItsErrors) {
  Metric close("close", [](const Tensor& p, const Tensor& t) { return p > t; });
  EXPECT_EQ(message_of([&] { close.update(tensor({1.f}), tensor({2.f})); }),
            "metric \"close\": expected a floating result, got bool[1]");
}

}  // namespace
}  // namespace varve
