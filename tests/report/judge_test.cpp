// Which class a model says, and how sure it is, by what its numbers are.
#include "report/judge.h"

#include <gtest/gtest.h>

#include <cmath>

#include "support/errors.h"

namespace varve::report {
namespace {

using test::message_of;
using train::OutputKind;

TEST(Judge, OneNumberTellsTwoClassesByTheThresholdOfItsKind) {
  const Tensor x = tensor({-0.3f, 0.2f, 0.7f}, {3, 1});
  const auto said = [&](OutputKind kind) { return judge(x, {0, 0, 0}, kind).said; };
  for (OutputKind kind : {OutputKind::logits, OutputKind::yes_no_logits, OutputKind::margins})
    EXPECT_EQ(said(kind), (std::vector<int64_t>{0, 1, 1}));
  for (OutputKind kind : {OutputKind::probabilities, OutputKind::numbers})
    EXPECT_EQ(said(kind), (std::vector<int64_t>{0, 0, 1}));
  const Judged margins = judge(x, {0, 0, 0}, OutputKind::margins);
  EXPECT_FALSE(margins.probabilities);
  EXPECT_FLOAT_EQ(static_cast<float>(margins.sure[0]), 0.3f);
  EXPECT_FLOAT_EQ(static_cast<float>(margins.of_truth[2]), -0.7f);
}

TEST(Judge, LogitsBecomeProbabilitiesOnceAndProbabilitiesStayAsTheyAre) {
  const Tensor x = tensor({0.2f, 0.5f, 0.3f}, {1, 3});
  const std::vector<double> p = class_scores(x, OutputKind::probabilities)[0];
  EXPECT_FLOAT_EQ(static_cast<float>(p[1]), 0.5f);
  const std::vector<double> soft = class_scores(x, OutputKind::logits)[0];
  EXPECT_NEAR(soft[1], std::exp(0.5) / (std::exp(0.2) + std::exp(0.5) + std::exp(0.3)), 1e-7);
  const std::vector<double> each = class_scores(x, OutputKind::yes_no_logits)[0];
  EXPECT_NEAR(each[1], 1 / (1 + std::exp(-0.5)), 1e-7);
}

TEST(Judge, TargetsThatAreNoClassesAreNamed) {
  EXPECT_EQ(message_of([] {
              judge(tensor({0.1f, 0.9f}), {1, 2}, OutputKind::logits);
            }),
            "judge: target[1] = 2, and the model tells 2 classes apart");
  EXPECT_EQ(message_of([] {
              judge(tensor({0.1f}), {1, 0}, OutputKind::logits);
            }),
            "judge: 1 predictions for 2 targets");
}

}  // namespace
}  // namespace varve::report
