#include "varve/ops/normalization.h"

#include <gtest/gtest.h>

#include <cfloat>
#include <cmath>
#include <limits>

#include "ops/differences.h"
#include "support/errors.h"
#include "support/tensors.h"
#include "varve/ops/reduction.h"
#include "varve/ops/shape.h"

namespace varve {
namespace {

using test::expect_near;
using test::message_of;
using test::noise;

using Doubles = std::vector<double>;
constexpr double kInf = std::numeric_limits<double>::infinity();

TEST(Softmax, GivesProbabilities) {
  expect_near(softmax(tensor({1., 2., 3.})),
              {0.09003057317038046, 0.24472847105479767, 0.6652409557748219});
  expect_near(log_softmax(tensor({1., 2., 3.})),
              {-2.4076059644443806, -1.4076059644443804, -0.4076059644443804});
  EXPECT_EQ(softmax(tensor({1, 2, 3})).dtype(), f32);
}

TEST(Softmax, OfTheNotesScalesAttention) {  // scores 112 and 96 over sqrt(64)
  expect_near(softmax(tensor({112., 96.}) / 8), {0.880797, 0.119203}, 5e-7);
}

TEST(Softmax, SumsToOneAndIgnoresAShift) {
  const Tensor x = noise({50, 7}, 1, f32);
  for (int axis : {0, 1, -1}) {
    for (double s : sum(softmax(x, axis), {.axes = {axis}}).to_doubles()) EXPECT_NEAR(s, 1, 1e-6);
  }
  const Doubles far = softmax(cast(x, f64) + 1e4).to_doubles();
  expect_near(softmax(cast(x, f64)), far, 1e-11);
  for (double v : softmax(x * 1e4f).to_doubles()) EXPECT_TRUE(std::isfinite(v));
}

TEST(Softmax, HoldsAtTheEdgesOfItsRange) {
  const Tensor big = tensor({FLT_MAX, -FLT_MAX, FLT_MAX, 0.f});
  expect_near(softmax(big), {0.5, 0, 0.5, 0});
  expect_near(log_softmax(tensor({1e4, 0.})), {0, -1e4});
  // Everything masked: zeros, and a gradient of zeros.
  const Tensor masked = tensor({-kInf, -kInf, 1., -kInf}, {2, 2});
  expect_near(softmax(masked), {0, 0, 1, 0});
  EXPECT_EQ(log_softmax(masked).to_doubles(), (Doubles{-kInf, -kInf, 0, -kInf}));
  const auto g = vjp([](const Tensors& x) -> Tensors { return softmax(x[0]); }, masked,
                     Tensors{tensor({1., 2., 3., 4.}, {2, 2})});
  expect_near(g.cotangents[0], {0, 0, 0, 0});
  for (double v : softmax(tensor({kInf, 1.})).to_doubles()) EXPECT_TRUE(std::isnan(v));
  EXPECT_EQ(softmax(noise({3, 0}, 1)).shape(), (Shape{3, 0}));
  EXPECT_EQ(log_softmax(noise({0, 3}, 1)).to_doubles().size(), 0u);
}

TEST(Softmax, HasRightDerivatives) {
  for (int axis : {0, 1}) {
    expect_derivatives([&](const Tensors& x) -> Tensors { return softmax(x[0], axis); },
                       {noise({4, 3}, 1)});
    expect_derivatives([&](const Tensors& x) -> Tensors { return log_softmax(x[0], axis); },
                       {noise({4, 3}, 1)});
  }
}

TEST(Softmax, NamesAWrongAxis) {
  EXPECT_EQ(message_of([] {
              softmax(tensor({1., 2.}), 1);
            }),
            "softmax: axis 1 out of range for rank 1 (-1..0)");
}

/// Rows of n values each to mean 0 and variance 1, by plain loops.
Doubles normalized(const Doubles& x, size_t n, double epsilon) {
  Doubles y(x.size());
  for (size_t r = 0; r < x.size(); r += n) {
    double mean = 0, variance = 0;
    for (size_t i = 0; i < n; ++i) mean += x[r + i] / static_cast<double>(n);
    for (size_t i = 0; i < n; ++i)
      variance += (x[r + i] - mean) * (x[r + i] - mean) / static_cast<double>(n);
    for (size_t i = 0; i < n; ++i) y[r + i] = (x[r + i] - mean) / std::sqrt(variance + epsilon);
  }
  return y;
}

TEST(LayerNorm, NormalizesEachSample) {
  const Tensor x = noise({5, 3, 4}, 1);
  expect_near(layer_norm(x), normalized(x.to_doubles(), 4, 1e-3));
  expect_near(layer_norm(x, {.axes = {1, 2}, .epsilon = 0}), normalized(x.to_doubles(), 12, 0));
  const Tensor scale = noise({4}, 2), offset = noise({4}, 3);
  const Tensor y = layer_norm(x, {.scale = scale, .offset = offset, .epsilon = 1e-5});
  expect_near(y, (layer_norm(x, {.epsilon = 1e-5}) * scale + offset).to_doubles());
  // A scale alone goes with an offset of 0.
  expect_near(layer_norm(x, {.scale = scale}), (layer_norm(x) * scale).to_doubles());
}

TEST(LayerNorm, OfEqualValuesIsTheOffset) {
  const Tensor x = tensor({3., 3., 3.}, {1, 3});
  expect_near(layer_norm(x, {.offset = tensor({1., 2., 3.})}), {1, 2, 3});
}

TEST(LayerNorm, KeepsAFarMeanApart) {  // a sum of squares would cancel
  const Tensor x = noise({2, 64}, 1, f32) + 1e4f;
  expect_near(layer_norm(x), normalized(x.to_doubles(), 64, 1e-3), 5e-3);
}

TEST(LayerNorm, HasRightDerivatives) {
  expect_derivatives([](const Tensors& v) -> Tensors { return layer_norm(v[0]); },
                     {noise({3, 5}, 1)});
  expect_derivatives(
      [](const Tensors& v) -> Tensors {
        return layer_norm(v[0], {.axes = {-2, -1}, .scale = v[1], .offset = v[2]});
      },
      {noise({2, 3, 4}, 1), noise({3, 4}, 2), noise({3, 4}, 3)});
}

TEST(GroupNorm, OfOneGroupIsOverTheWholeSampleAndOfAllIsOverEachChannel) {
  const Tensor x = noise({2, 3, 3, 4}, 1);
  expect_near(group_norm(x, {.groups = 1}), normalized(x.to_doubles(), 36, 1e-3));
  const Tensor first = transpose(x, {0, 3, 1, 2});
  const Tensor each = group_norm(first, {.groups = 4, .axis = 1});
  expect_near(each, normalized(first.to_doubles(), 9, 1e-3));
  expect_near(transpose(group_norm(x, {.groups = 4}), {0, 3, 1, 2}), each.to_doubles());
  const Tensor two = group_norm(first, {.groups = 2, .axis = 1});
  expect_near(two, normalized(first.to_doubles(), 18, 1e-3));
  const Tensor scale = noise({4}, 2), offset = noise({4}, 3);
  expect_near(group_norm(x, {.groups = 2, .scale = scale, .offset = offset}),
              (group_norm(x, {.groups = 2}) * scale + offset).to_doubles());
  EXPECT_EQ(message_of([&] { group_norm(x, {.groups = 3}); }),
            "group_norm: groups 3 does not divide axis -1 of [2, 3, 3, 4]");
}

TEST(BatchNorm, NormalizesEachChannelAndGivesItsMoments) {
  const Tensor x = noise({6, 5, 3}, 1);
  const BatchNorm y = batch_norm(x);
  const Tensor rows = transpose(x, {2, 0, 1});
  expect_near(transpose(y.output, {2, 0, 1}), normalized(rows.to_doubles(), 30, 1e-3));
  expect_near(y.mean, mean(x, {.axes = {0, 1}}).to_doubles());
  expect_near(y.variance, var(x, {.axes = {0, 1}}).to_doubles());
  EXPECT_EQ(y.mean.shape(), Shape{3});
  const BatchNorm first = batch_norm(transpose(x, {0, 2, 1}), {.axis = 1});
  expect_near(transpose(first.output, {0, 2, 1}), y.output.to_doubles());
}

TEST(BatchNorm, HasRightDerivativesAlsoThroughItsMoments) {
  const Tensors at{noise({5, 2, 3}, 1), noise({3}, 2), noise({3}, 3)};
  auto f = [](const Tensors& v) {
    return batch_norm(v[0], {.scale = v[1], .offset = v[2], .epsilon = 0.1});
  };
  expect_derivatives([&](const Tensors& v) -> Tensors { return f(v).output; }, at);
  expect_derivatives(
      [&](const Tensors& v) -> Tensors {
        const BatchNorm y = f(v);
        return {y.output, y.mean, y.variance};
      },
      at);
}

TEST(BatchNorm, CanUndoItself) {  // of the notes: scale = sqrt(variance), offset = mean
  const Tensor x = noise({20, 4}, 1);
  const Tensor m = mean(x, {.axes = {0}}), v = var(x, {.axes = {0}});
  const Tensor y = batch_norm(x, {.scale = sqrt(v + 1e-3), .offset = m, .epsilon = 1e-3}).output;
  expect_near(y, x.to_doubles());
}

TEST(BatchNorm, OfInferenceUsesTheGivenStatistics) {
  const Tensor x = noise({4, 3}, 1);
  const Tensor m = tensor({1., 2., 3.}), v = tensor({4., 9., 16.});
  const Tensor y = batch_norm_inference(
      x, m, v, {.scale = tensor({2., 3., 4.}), .offset = tensor({1., 1., 1.}), .epsilon = 0});
  expect_near(y, (x - m + 1).to_doubles());
  const BatchNorm own = batch_norm(x);
  expect_near(batch_norm_inference(x, own.mean, own.variance), own.output.to_doubles());
  expect_derivatives(
      [](const Tensors& in) -> Tensors {
        return batch_norm_inference(in[0], in[1], square(in[2]) + 1, {.scale = in[3]});
      },
      {x, m, v, tensor({2., 3., 4.})});
}

TEST(BatchNorm, RefusesABatchOfOne) {
  const ValueError e = test::error_of<ValueError>([&] { batch_norm(noise({1, 4}, 1)); });
  EXPECT_EQ(e.message(), "batch_norm: expected at least 2 values a channel, got 1 ([1, 4])");
  EXPECT_EQ(e.hint(), "a batch of one has no variance: leave it out, or use running statistics");
  EXPECT_EQ(batch_norm(noise({1, 2, 4}, 1)).output.shape(), (Shape{1, 2, 4}));
}

TEST(Normalization, NamesWhatDoesNotFit) {
  const Tensor x = noise({4, 3}, 1);
  EXPECT_EQ(message_of([&] { layer_norm(x, {.scale = noise({4}, 1)}); }),
            "layer_norm: scale: expected shape [3], got [4]");
  EXPECT_EQ(message_of([&] { batch_norm(x, {.offset = noise({4}, 1)}); }),
            "batch_norm: offset: expected shape [3], got [4]");
  EXPECT_EQ(message_of([&] { layer_norm(x, {.axes = {2}}); }),
            "layer_norm: axis 2 out of range for rank 2 (-2..1)");
  EXPECT_EQ(message_of([&] { layer_norm(x, {.epsilon = -1}); }),
            "layer_norm: epsilon: expected at least 0, got -1.000000");
  EXPECT_EQ(message_of([&] { batch_norm_inference(x, noise({2}, 1), noise({3}, 1)); }),
            "batch_norm_inference: mean: expected shape [3], got [2]");
}

}  // namespace
}  // namespace varve
