#include "varve/ops/cross_entropy.h"

#include <gtest/gtest.h>

#include <cmath>
#include <limits>

#include "ops/differences.h"
#include "support/errors.h"
#include "support/tensors.h"
#include "varve/ops/normalization.h"
#include "varve/ops/reduction.h"
#include "varve/ops/shape.h"

namespace varve {
namespace {

using test::error_of;
using test::expect_near;
using test::noise;

using Doubles = std::vector<double>;
constexpr double kInf = std::numeric_limits<double>::infinity();

Tensor labels(const Shape& shape, int64_t classes) {
  return random::integers(Key(9), 0, classes, shape);
}

/// By the definition: -sum q log p.
Doubles by_definition(const Tensor& logits, const Tensor& target, double smoothing) {
  const Doubles p = softmax(logits).to_doubles(), t = target.to_doubles();
  const size_t classes = static_cast<size_t>(logits.shape()[-1]);
  Doubles out;
  for (size_t n = 0; n < t.size(); ++n) {
    double loss = 0;
    for (size_t c = 0; c < classes; ++c) {
      const double q = (1 - smoothing) * (static_cast<double>(c) == t[n]) +
                       smoothing / static_cast<double>(classes);
      if (q > 0) loss -= q * std::log(p[n * classes + c]);
    }
    out.push_back(loss);
  }
  return out;
}

TEST(CrossEntropy, IsTheNegativeLogOfTheLabelsProbability) {
  const Tensor x = noise({7, 5}, 1), t = labels({7}, 5);
  expect_near(cross_entropy(x, t), by_definition(x, t, 0));
  for (double s : {0.1, 1.}) {
    expect_near(cross_entropy(x, t, {.label_smoothing = s}), by_definition(x, t, s));
  }
  EXPECT_EQ(cross_entropy(x, cast(t, u8)).to_doubles(), cross_entropy(x, t).to_doubles());
  EXPECT_EQ(cross_entropy(x, reshape(t, {7, 1})).shape(), Shape{7});
}

TEST(CrossEntropy, OfEqualLogitsIsTheLogOfTheClasses) {  // of the notes
  for (auto [classes, want] : {std::pair{2, 0.693147},
                               {10, 2.302585},
                               {65, 4.174387},
                               {1000, 6.907755},
                               {50257, 10.824905}}) {
    const Tensor x = broadcast_to(tensor({0.f}), {1, classes});
    EXPECT_NEAR(cross_entropy(x, tensor<int64_t>({1})).to_double(), want, 5e-6);
  }
}

TEST(CrossEntropy, TakesProbabilitiesAndOneHots) {
  const Tensor x = noise({4, 3}, 1), t = labels({4}, 3);
  Doubles hot(12);
  const Doubles which = t.to_doubles();
  for (size_t i = 0; i < 4; ++i) hot[i * 3 + static_cast<size_t>(which[i])] = 1;
  const Tensor q = tensor(hot, {4, 3});
  for (double s : {0., 0.2}) {
    expect_near(cross_entropy(x, q, {.label_smoothing = s}), by_definition(x, t, s));
    expect_near(cross_entropy(x, cast(q, i32), {.label_smoothing = s}), by_definition(x, t, s));
  }
  expect_near(cross_entropy(tensor({0., 0.}, {1, 2}), tensor({0.25, 0.75}, {1, 2})),
              {std::log(2.)});
}

TEST(CrossEntropy, TakesClassesOnAnyAxis) {  // [batch, classes, height, width], as in PyTorch
  const Tensor x = noise({2, 5, 3, 4}, 1), t = labels({2, 3, 4}, 5);
  const Tensor y = cross_entropy(x, t, {.axis = 1});
  ASSERT_EQ(y.shape(), (Shape{2, 3, 4}));
  EXPECT_EQ(y.to_doubles(), cross_entropy(transpose(x, {0, 2, 3, 1}), t).to_doubles());
}

TEST(CrossEntropy, IgnoresALabel) {
  const Tensor x = noise({3, 4}, 1), t = tensor<int64_t>({2, -100, 1});
  const CrossEntropyOptions o{.ignore_index = -100};
  const Doubles y = cross_entropy(x, t, o).to_doubles();
  EXPECT_EQ(y[1], 0);
  EXPECT_GT(y[0], 0);
  const auto g = vjp([&](const Tensors& v) -> Tensors { return cross_entropy(v[0], t, o); }, x,
                     Tensors{tensor({1., 1., 1.})});
  const Doubles d = g.cotangents[0].to_doubles();
  for (size_t c = 4; c < 8; ++c) EXPECT_EQ(d[c], 0);
  expect_derivatives([&](const Tensors& v) -> Tensors { return cross_entropy(v[0], t, o); }, {x});
}

TEST(CrossEntropy, HoldsFarOut) {
  const Tensor x = tensor({1e4, 0., -1e4, 0., -kInf, 0.}, {2, 3});
  expect_near(cross_entropy(x, tensor<int64_t>({1, 0})), {1e4, std::log(2.)});
  EXPECT_EQ(cross_entropy(x, tensor<int64_t>({0, 1})).to_doubles()[1], kInf);
}

TEST(CrossEntropy, HasRightDerivatives) {
  const Tensor t = labels({3}, 4);
  for (double s : {0., 0.1}) {
    expect_derivatives(
        [&](const Tensors& v) -> Tensors { return cross_entropy(v[0], t, {.label_smoothing = s}); },
        {noise({3, 4}, 1)});
  }
  expect_derivatives([](const Tensors& v) -> Tensors { return cross_entropy(v[0], v[1]); },
                     {noise({3, 4}, 1), random::uniform(Key(3), {3, 4}, {.dtype = f64})});
}

TEST(CrossEntropy, HasSoftmaxMinusOneHotAsGradient) {
  const Tensor x = noise({1, 3}, 1);
  const auto g =
      vjp([](const Tensors& v) -> Tensors { return cross_entropy(v[0], tensor<int64_t>({2})); }, x,
          Tensors{tensor({1.})});
  Doubles want = softmax(x).to_doubles();
  want[2] -= 1;
  expect_near(g.cotangents[0], want);
}

TEST(CrossEntropy, NamesALabelOutOfRange) {
  std::vector<int64_t> t(50, 3);
  t[37] = 10;
  const Tensor x = noise({50, 10}, 1, f32);
  auto e = error_of<IndexError>([&] { cross_entropy(x, tensor(t, {50})).evaluate(); });
  EXPECT_EQ(e.message(), "cross_entropy: target[37] = 10, expected 0..9");
  t[37] = -1;
  e = error_of<IndexError>([&] { cross_entropy(x, tensor(t, {50})).evaluate(); });
  EXPECT_EQ(e.message(), "cross_entropy: target[37] = -1, expected 0..9");
  EXPECT_NO_THROW(cross_entropy(x, tensor(t, {50}), {.ignore_index = -1}).evaluate());
}

TEST(CrossEntropy, NamesWhatDoesNotFit) {
  const Tensor x = noise({4, 3}, 1);
  EXPECT_EQ(error_of<ShapeError>([&] { cross_entropy(x, labels({5}, 3)); }).message(),
            "cross_entropy: logits [4, 3] need integer labels [4] or probabilities [4, 3], got "
            "i64[5]");
  EXPECT_EQ(error_of<ShapeError>([&] { cross_entropy(x, noise({4}, 1)); }).message(),
            "cross_entropy: logits [4, 3] need integer labels [4] or probabilities [4, 3], got "
            "f64[4]");
  EXPECT_EQ(error_of<ValueError>([&] {
              cross_entropy(x, labels({4}, 3), {.label_smoothing = 2});
            }).message(),
            "cross_entropy: label_smoothing: expected 0 to 1, got 2.000000");
  EXPECT_EQ(error_of<ValueError>([&] { cross_entropy(x, x, {.ignore_index = 0}); }).message(),
            "cross_entropy: ignore_index needs integer labels, the targets are f64[4, 3]");
  EXPECT_EQ(error_of<ShapeError>([&] {
              cross_entropy(noise({4, 0}, 1), labels({4}, 3));
            }).message(),
            "cross_entropy: there are no classes: logits [4, 0]");
}

TEST(CrossEntropy, OfNoSamplesIsEmpty) {
  EXPECT_EQ(cross_entropy(noise({0, 3}, 1), labels({0}, 3)).to_doubles().size(), 0u);
}

TEST(SigmoidCrossEntropy, IsThatOfTwoClasses) {
  const Tensor x = noise({6}, 1), t = tensor({0., 1., 0.5, 1., 0., 0.25});
  const Doubles a = x.to_doubles(), b = t.to_doubles(),
                y = sigmoid_cross_entropy(x, t).to_doubles();
  for (size_t i = 0; i < 6; ++i) {
    const double p = 1 / (1 + std::exp(-a[i]));
    EXPECT_NEAR(y[i], -b[i] * std::log(p) - (1 - b[i]) * std::log(1 - p), 1e-12);
  }
  EXPECT_EQ(sigmoid_cross_entropy(tensor({1000.f, -1000.f}), tensor({1.f, 0.f})).to_doubles(),
            (Doubles{0, 0}));
  EXPECT_EQ(sigmoid_cross_entropy(tensor({-1000.f}), 1).to_doubles(), Doubles{1000});
}

}  // namespace
}  // namespace varve
