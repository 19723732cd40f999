// What losses mean: where written definitions go wrong, their optima, what they refuse.
#include <gtest/gtest.h>

#include <cmath>

#include "support/errors.h"
#include "support/tensors.h"
#include "varve/derivatives.h"
#include "varve/generative_losses.h"
#include "varve/losses.h"
#include "varve/ops/cross_entropy.h"
#include "varve/ops/ctc.h"
#include "varve/ops/normalization.h"
#include "varve/ops/pointwise.h"
#include "varve/ops/reduction.h"
#include "varve/ops/shape.h"

namespace varve {
namespace {

using test::expect_near;
using test::message_of;

const Tensor kLabels = tensor({int64_t{0}, int64_t{3}, int64_t{1}, int64_t{1}, int64_t{2}});

TEST(CrossEntropy, TheMeanLeavesOutWhatIsIgnored) {
  const Tensor x = test::noise({5, 4}, 1);
  const Loss all = losses::CrossEntropy{.from_logits = true};
  const Loss some = losses::CrossEntropy{.from_logits = true, .ignore_index = 1};
  const std::vector<double> l = all.per_sample(x, kLabels).to_doubles();
  EXPECT_NEAR(some(x, kLabels).to_double(), (l[0] + l[1] + l[4]) / 3, 1e-12);
  // From probabilities too, and a label that is no class may be ignored.
  const Loss p = losses::CrossEntropy{.ignore_index = -100};
  const Tensor y = where(kLabels == 1, -100, kLabels);
  EXPECT_NEAR(p(softmax(x), y).to_double(), (l[0] + l[1] + l[4]) / 3, 1e-6);
  // Nothing counts: 0, not 0 / 0.
  EXPECT_EQ(some(x, full_like(kLabels, 1)).to_double(), 0);
  EXPECT_EQ(message_of([&] { some(x, softmax(x)); }),
            "cross_entropy: ignore_index needs classes, the targets are rows [5, 4]");
}

TEST(CrossEntropy, ReductionsAreThoseOfPyTorchAndOnnx) {
  const Tensor x = test::noise({5, 4}, 2), w = tensor({1.0, 0.5, 2.0, 0.25});
  const std::vector<double> l = cross_entropy(x, kLabels).to_doubles();
  // The weighted mean divides by the weights of the labels.
  const double sum_w = 1 + 0.25 + 0.5 + 0.5 + 2;
  const double weighted = l[0] + 0.25 * l[1] + 0.5 * l[2] + 0.5 * l[3] + 2 * l[4];
  EXPECT_NEAR(cross_entropy(x, kLabels, {.class_weights = w, .reduction = "mean"}).to_double(),
              weighted / sum_w, 1e-12);
  EXPECT_NEAR(cross_entropy(x, kLabels, {.class_weights = w, .reduction = "sum"}).to_double(),
              weighted, 1e-12);
  EXPECT_NEAR(cross_entropy(x, kLabels, {.ignore_index = 1, .reduction = "mean"}).to_double(),
              (l[0] + l[1] + l[4]) / 3, 1e-12);
  const NegativeLogLikelihoodOptions o{.ignore_index = 1, .class_weights = w, .reduction = "mean"};
  EXPECT_NEAR(negative_log_likelihood(log_softmax(x), kLabels, o).to_double(),
              (l[0] + 0.25 * l[1] + 2 * l[4]) / 3.25, 1e-12);
  // Channels first, as ONNX has it.
  const Tensor maps = test::noise({2, 4, 3}, 3);
  const Tensor y =
      tensor({int64_t{0}, int64_t{1}, int64_t{2}, int64_t{3}, int64_t{0}, int64_t{1}}, {2, 3});
  EXPECT_LT(test::distance(negative_log_likelihood(log_softmax(maps, 1), y, {.axis = 1}),
                           cross_entropy(maps, y, {.axis = 1})),
            1e-12);
  EXPECT_EQ(message_of([&] { cross_entropy(x, kLabels, {.reduction = "average"}); }),
            "reduction: unknown choice \"average\"");
  EXPECT_EQ(message_of([&] { cross_entropy(x, kLabels, {.class_weights = ones({3})}); }),
            "class_weights: expected [4], got [3]");
  EXPECT_THROW(negative_log_likelihood(x, full_like(kLabels, -1)).evaluate(), IndexError);
  // A class of probability 0 costs nothing where it is not asked for.
  EXPECT_EQ(negative_log_likelihood(tensor({0.0, -double{INFINITY}}, {1, 2}), tensor({int64_t{0}}))
                .to_double(),
            0);
}

// "0 if it is right" holds only for a lead of the margin.
TEST(CategoricalHinge, ItsFormsDiffer) {
  const Tensor s = tensor({1.0, 0.8, 0.5, -3.0}, {1, 4}), y = tensor({int64_t{0}});
  EXPECT_NEAR(Loss(losses::CategoricalHinge{})(s, y).to_double(), 0.8 + 0.5, 1e-12);
  EXPECT_NEAR(Loss(losses::CategoricalHinge{.form = "max"})(s, y).to_double(), 0.8, 1e-12);
  EXPECT_EQ(message_of([&] { losses::CategoricalHinge{.form = "mean"}(s, y); }),
            "categorical_hinge: form: unknown choice \"mean\"");
}

TEST(Focal, GammaZeroIsCrossEntropyAndEasyExamplesCountLess) {
  const Tensor x = test::noise({6, 3}, 4), y = cast(test::noise({6, 3}, 5) > 0, f64);
  EXPECT_LT(test::distance(losses::BinaryFocal{.from_logits = true, .gamma = 0, .alpha = {}}(x, y),
                           losses::BinaryCrossEntropy{.from_logits = true}(x, y)),
            1e-12);
  // p = 0.9: a hundredth of the cross-entropy.
  const losses::BinaryFocal focal{.alpha = {}};
  EXPECT_NEAR(focal(tensor({0.9}), tensor({1.0})).to_double(), -0.01 * std::log(0.9), 1e-12);
  const losses::CategoricalFocal many{.from_logits = true, .gamma = 0, .alpha = 1};
  const Tensor labels =
      tensor({int64_t{0}, int64_t{2}, int64_t{1}, int64_t{0}, int64_t{1}, int64_t{2}});
  EXPECT_LT(test::distance(many(x, labels), cross_entropy(x, labels)), 1e-6);
}

TEST(Quantile, TheOptimumIsTheQuantile) {
  const Tensor data = arange(101.0);
  const losses::Quantile loss{.quantile = 0.9};
  const auto at = [&](double c) { return mean(loss(full({101}, c, f32), data)).to_double(); };
  EXPECT_LT(at(90), at(88));
  EXPECT_LT(at(90), at(92));
}

TEST(Contrastive, PullsPairsTogetherAndPushesOthersUpToTheMargin) {
  const losses::Contrastive loss{.margin = 2};
  expect_near(loss(tensor({0.5, 0.5, 3.0}), tensor({1.0, 0.0, 0.0})), {0.25, 2.25, 0});
}

TEST(Triplet, IsZeroWhereTheNegativeIsFarEnough) {
  const Tensor a = tensor({0.0, 0.0, 0.0, 0.0}, {2, 2}), p = tensor({3.0, 4.0, 1.0, 0.0}, {2, 2}),
               n = tensor({0.0, 5.0, 3.0, 0.0}, {2, 2});
  expect_near(losses::triplet(a, p, n), {1, 0});
  // Swapped: the negative of the second lies 2 from the positive.
  expect_near(losses::triplet(a, p, n, {.margin = 1.5, .swap = true}),
              {1.5 + 5 - std::sqrt(10.0), 0.5});
}

TEST(TripletMining, ABatchWithoutPairsCostsNothing) {
  const Tensor x = test::noise({3, 2}, 6);
  for (const char* mining : {"semi_hard", "hard"}) {
    const losses::TripletMining loss{.mining = mining};
    EXPECT_EQ(loss(x, tensor({int64_t{0}, int64_t{1}, int64_t{2}})).to_double(), 0);
    EXPECT_EQ(loss(x, tensor({int64_t{4}, int64_t{4}, int64_t{4}})).to_double(), 0);
    const Tensor g = grad([&](const Tensor& at) {
      return loss(at, tensor({int64_t{4}, int64_t{4}, int64_t{4}}));
    })(x);
    expect_near(g, std::vector<double>(6, 0.));
  }
}

/// The probability of labels, summed over every path of classes.
double by_enumeration(const Tensor& log_p, const std::vector<int64_t>& labels, int64_t blank) {
  const std::vector<double> p = exp(log_p).to_doubles();
  const int64_t steps = log_p.shape()[0], classes = log_p.shape()[1];
  double total = 0;
  int64_t paths = 1;
  for (int64_t t = 0; t < steps; ++t) paths *= classes;
  for (int64_t code = 0; code < paths; ++code) {
    std::vector<int64_t> said;
    double probability = 1;
    int64_t rest = code, last = -1;
    for (int64_t t = 0; t < steps; ++t) {
      const int64_t c = rest % classes;
      rest /= classes;
      probability *= p[static_cast<size_t>(t * classes + c)];
      if (c != blank && c != last) said.push_back(c);
      last = c;
    }
    if (said == labels) total += probability;
  }
  return -std::log(total);
}

TEST(CTC, IsTheSumOverAllAlignments) {
  const Tensor log_p = log_softmax(test::noise({1, 5, 3}, 7));
  const Tensor one = reshape(log_p, {5, 3});
  const std::vector<std::vector<int64_t>> cases = {{1, 2}, {1, 1}, {}, {2}, {1, 2, 1}, {1, 1, 1}};
  for (const std::vector<int64_t>& labels : cases) {
    std::vector<int64_t> padded = labels;
    padded.resize(4, -1);
    EXPECT_NEAR(ctc_loss(log_p, tensor(padded, {1, 4})).to_double(), by_enumeration(one, labels, 0),
                1e-12)
        << labels.size();
  }
  EXPECT_NEAR(ctc_loss(log_p, tensor({int64_t{0}, int64_t{1}}, {1, 2}), {.blank = 2}).to_double(),
              by_enumeration(one, {0, 1}, 2), 1e-12);
  // Four steps of the five.
  EXPECT_NEAR(ctc_loss(log_p, tensor({int64_t{1}, int64_t{2}}, {1, 2}),
                       {.input_lengths = tensor({int64_t{4}})})
                  .to_double(),
              by_enumeration(slice(one, {{0, 4}}), {1, 2}, 0), 1e-12);
}

TEST(CTC, LabelsThatDoNotFitAreInfiniteWithoutGradient) {
  const Tensor x = test::noise({2, 3, 3}, 8);
  // "1 1" needs a blank between: three steps; "1 2 1 2" four.
  const Tensor labels = tensor({int64_t{1}, int64_t{2}, int64_t{1}, int64_t{2}, int64_t{1},
                                int64_t{1}, int64_t{-1}, int64_t{-1}},
                               {2, 4});
  const std::vector<double> l = losses::CTC{}(x, labels).to_doubles();
  EXPECT_EQ(l[0], INFINITY);
  EXPECT_TRUE(std::isfinite(l[1]));
  const losses::CTC zero{.zero_infinity = true};
  EXPECT_EQ(zero(x, labels).to_doubles()[0], 0);
  const std::vector<double> g =
      grad([&](const Tensor& at) { return sum(zero(at, labels)); })(x).to_doubles();
  for (size_t i = 0; i < 9; ++i) EXPECT_EQ(g[i], 0);
  EXPECT_NE(g[9], 0);
}

TEST(CTC, RefusesWhatDoesNotFit) {
  const Tensor x = ones({2, 3, 4}), y = full({2, 2}, 1, i64);
  EXPECT_EQ(message_of([&] {
              ctc_loss(ones({2, 3}), y);
            }),
            "ctc_loss: expected log_probs [B, T, C], got [2, 3]");
  EXPECT_EQ(message_of([&] {
              ctc_loss(x, full({3, 2}, 1, i64));
            }),
            "ctc_loss: expected labels [2, S], got [3, 2]");
  EXPECT_EQ(message_of([&] { ctc_loss(x, y, {.blank = 4}); }), "ctc_loss: blank 4 of 4 classes");
  EXPECT_EQ(message_of([&] {
              ctc_loss(x, ones({2, 2}));
            }),
            "ctc_loss: labels: expected integers, got f32");
  EXPECT_THROW(ctc_loss(x, full({2, 2}, 4, i64)).evaluate(), IndexError);
  EXPECT_THROW(ctc_loss(x, y, {.input_lengths = full({2}, 4, i64)}).evaluate(), IndexError);
}

// 1/2 (mu^2 + sigma^2 - 1 - log sigma^2), which a formula in words leaves open.
TEST(GenerativeLosses, TheDivergenceFromTheUnitGaussian) {
  const Tensor mean = tensor({0.0, 1.0, 2.0, 0.0}, {2, 2}),
               log_variance = tensor({0.0, 0.0, 0.0, std::log(4.0)}, {2, 2});
  expect_near(losses::gaussian_kl(mean, log_variance), {0.5, 2 + 1.5 - std::log(2.0)});
  expect_near(losses::negative_elbo(full({2, 3}, 0.5, f64), mean, log_variance, 2),
              {1.5 + 1, 1.5 + 2 * (3.5 - std::log(2.0))});
}

// The generator that makes D(G(z)) near 1 is not minus the discriminator's loss.
TEST(GenerativeLosses, MinimaxAndNonSaturatingHaveTheSameGoalAndOtherGradients) {
  const Tensor fake = tensor({-6.0, -5.0}), real = tensor({3.0, 2.0});
  const auto slope = [&](const char* kind) {
    return std::abs(grad([&](const Tensor& s) { return losses::gan_generator(s, kind); })(fake)
                        .to_doubles()[0]);
  };
  EXPECT_LT(slope("minimax"), 0.002);
  EXPECT_GT(slope("non_saturating"), 0.49);
  const auto bce = losses::BinaryCrossEntropy{.from_logits = true};
  EXPECT_NEAR(losses::gan_discriminator(real, fake).to_double(),
              (mean(bce(real, ones_like(real))) + mean(bce(fake, zeros_like(fake)))).to_double(),
              1e-12);
  EXPECT_NEAR(losses::gan_generator(fake).to_double(), mean(bce(fake, ones_like(fake))).to_double(),
              1e-12);
  EXPECT_NEAR(losses::gan_discriminator(real, fake, "least_squares").to_double(),
              0.5 * (2.5 + 30.5), 1e-12);
  EXPECT_NEAR(losses::gan_generator(fake, "least_squares").to_double(), 0.5 * (49 + 36) / 2.0,
              1e-12);
  EXPECT_NEAR(losses::gan_discriminator(real, fake, "wasserstein").to_double(), -5.5 - 2.5, 1e-12);
  EXPECT_NEAR(losses::gan_discriminator(real - 2, fake, "hinge").to_double(), 0.5, 1e-12);
  EXPECT_EQ(message_of([&] { losses::gan_generator(fake, "hing"); }), "gan: unknown kind \"hing\"");
}

TEST(GenerativeLosses, TheGradientPenaltyIsZeroForSlopeOne) {
  const Tensor real = test::noise({4, 3}, 9), fake = test::noise({4, 3}, 10);
  const auto critic = [](double slope) {
    return [slope](const Tensor& x) { return slope / std::sqrt(3.0) * sum(x, {.axes = {1}}); };
  };
  EXPECT_NEAR(losses::gradient_penalty(critic(1), real, fake, Key(1)).to_double(), 0, 1e-12);
  EXPECT_NEAR(losses::gradient_penalty(critic(3), real, fake, Key(1)).to_double(), 4, 1e-12);
}

TEST(GenerativeLosses, CyclesComeBack) {
  const Tensor a = tensor({1.0, 2.0}), b = tensor({3.0});
  EXPECT_NEAR(losses::cycle_consistency(a, a + 0.5, b, b - 1).to_double(), 15, 1e-12);
}

}  // namespace
}  // namespace varve
