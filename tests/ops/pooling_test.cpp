#include "varve/ops/pooling.h"

#include <gtest/gtest.h>

#include <cmath>
#include <limits>

#include "ops/differences.h"
#include "support/errors.h"
#include "support/tensors.h"
#include "varve/ops/shape.h"

namespace varve {
namespace {

using test::message_of;
using test::noise;

using Doubles = std::vector<double>;

TEST(MaxPool, OfTheNotes) {
  const Tensor x =
      tensor({3., 1., 3., 5., 6., 0., 7., 9., 3., 2., 1., 4., 0., 2., 4., 3.}, {1, 4, 4, 1});
  EXPECT_EQ(max_pool2d(x).to_doubles(), (Doubles{6, 9, 3, 4}));
}

TEST(MaxPool, TakesStridesPaddingAndDilation) {
  const Tensor x = tensor({1., 5., 2., 4., 3., 0.}, {1, 6, 1});
  EXPECT_EQ(max_pool1d(x, {.window = 3, .strides = 1}).to_doubles(), (Doubles{5, 5, 4, 4}));
  EXPECT_EQ(max_pool1d(x, {.window = 3, .strides = 2, .padding = "same"}).to_doubles(),
            (Doubles{5, 4, 3}));
  EXPECT_EQ(max_pool1d(x, {.window = 2, .strides = 1, .dilation = 2}).to_doubles(),
            (Doubles{2, 5, 3, 4}));
  EXPECT_EQ(max_pool1d(-x, {.window = 3, .strides = 3, .padding = 1}).to_doubles(),
            (Doubles{-1, -2}));
}

TEST(MaxPool, TakesChannelsFirst) {
  const Tensor x = noise({2, 6, 5, 3}, 1);
  const Tensor y = max_pool2d(transpose(x, {0, 3, 1, 2}), {.data_format = "channels_first"});
  EXPECT_EQ(y.shape(), (Shape{2, 3, 3, 2}));
  EXPECT_EQ(transpose(y, {0, 2, 3, 1}).to_doubles(), max_pool2d(x).to_doubles());
}

TEST(MaxPool, LetsNaNThrough) {
  const double nan = std::numeric_limits<double>::quiet_NaN();
  const Tensor y = max_pool1d(tensor({1., nan, 3., 4.}, {1, 4, 1}));
  EXPECT_TRUE(std::isnan(y.to_doubles()[0]));
  EXPECT_EQ(y.to_doubles()[1], 4);
}

TEST(MaxPool, OfAllMinusInfinityIsMinusInfinity) {
  const double inf = std::numeric_limits<double>::infinity();
  EXPECT_EQ(max_pool1d(tensor({-inf, -inf}, {1, 2, 1})).to_doubles()[0], -inf);
}

TEST(MaxPool, GivesTheGradientToTheFirstOfEqualOnes) {
  const Tensor x = tensor({2., 2., 2., 2.}, {1, 2, 2, 1});
  const auto g = vjp([](const Tensors& v) -> Tensors { return max_pool2d(v[0]); }, x,
                     Tensors{tensor({1.}, {1, 1, 1, 1})});
  EXPECT_EQ(g.cotangents[0].to_doubles(), (Doubles{1, 0, 0, 0}));
}

TEST(MaxPool, AddsTheGradientsOfOverlappingWindows) {
  const Tensor x = tensor({1., 5., 2., 4., 3.}, {1, 5, 1});
  const auto g =
      vjp([](const Tensors& v) -> Tensors { return max_pool1d(v[0], {.window = 3, .strides = 1}); },
          x, Tensors{tensor({1., 10., 100.}, {1, 3, 1})});
  EXPECT_EQ(g.cotangents[0].to_doubles(), (Doubles{0, 11, 0, 100, 0}));
}

TEST(MaxPool, TakesIntegers) {
  const Tensor x = tensor<uint8_t>({1, 200, 3, 4}, {1, 4, 1});
  EXPECT_EQ(max_pool1d(x).to_doubles(), (Doubles{200, 4}));
}

TEST(MaxPool, TakesWindowsOfManyElements) {  // places beyond a byte
  const Tensor x = noise({1, 40, 40, 1}, 3);
  expect_derivatives(
      [](const Tensors& v) -> Tensors { return max_pool2d(v[0], {.window = 20, .strides = 20}); },
      {x});
}

TEST(Pooling, HasRightDerivatives) {
  const Tensor x = noise({2, 7, 6, 3}, 5);
  expect_derivatives([](const Tensors& v) -> Tensors { return max_pool2d(v[0]); }, {x});
  expect_derivatives(
      [](const Tensors& v) -> Tensors {
        return max_pool2d(v[0], {.window = 3, .strides = {1, 2}, .padding = "same"});
      },
      {x});
  for (bool whole : {false, true}) {
    expect_derivatives(
        [&](const Tensors& v) -> Tensors {
          return average_pool2d(
              v[0], {.window = 3, .strides = 2, .padding = "same", .count_include_pad = whole});
        },
        {x});
  }
}

TEST(AveragePool, LeavesOutThePaddingUnlessAsked) {
  const Tensor x = tensor({1., 2., 3., 4.}, {1, 4, 1});
  EXPECT_EQ(average_pool1d(x).to_doubles(), (Doubles{1.5, 3.5}));
  EXPECT_EQ(average_pool1d(x, {.window = 3, .strides = 1, .padding = "same"}).to_doubles(),
            (Doubles{1.5, 2, 3, 3.5}));
  EXPECT_EQ(average_pool1d(x, {.window = 3, .strides = 1, .padding = 1, .count_include_pad = true})
                .to_doubles(),
            (Doubles{1, 2, 3, 7. / 3}));
  EXPECT_EQ(average_pool1d(tensor({1, 2}, {1, 2, 1})).dtype(), f32);
}

TEST(AdaptivePool, GivesThePlacesOfTheLargest) {
  // Row-major first of equal ones: both maxima of the first part are 5.
  const Tensor x = tensor({1., 5., 2., 5., 4., 3., 0., 9., 6.}, {1, 3, 3, 1});
  const auto y = adaptive_max_pool_with_indices(x, {2, 2});
  EXPECT_EQ(y.values.to_doubles(), (Doubles{5, 5, 9, 9}));
  EXPECT_EQ(y.indices.to_doubles(), (Doubles{1, 1, 7, 7}));
  EXPECT_EQ(
      adaptive_max_pool_with_indices(x, {2, 2}, {}, {.column_major = true}).indices.to_doubles(),
      (Doubles{3, 3, 5, 5}));
  const double nan = std::numeric_limits<double>::quiet_NaN();
  const auto first = adaptive_max_pool_with_indices(tensor({1., nan, 7., nan}, {1, 4, 1}), {1});
  EXPECT_TRUE(std::isnan(first.values.to_doubles()[0]));
  EXPECT_EQ(first.indices.item<int64_t>(), 1);
  // The gradient goes to that place.
  const auto g = vjp(
      [](const Tensors& v) -> Tensors {
        return adaptive_max_pool_with_indices(v[0], {1, 1}).values;
      },
      tensor({3., 3., 3., 3.}, {1, 2, 2, 1}), tensor({1.}, {1, 1, 1, 1}));
  EXPECT_EQ(g.cotangents[0].to_doubles(), (Doubles{1, 0, 0, 0}));
}

TEST(AdaptivePool, PlacesLeadBackByUnpooling) {
  struct Case {
    Shape x;
    std::vector<int64_t> size;
  };
  for (const Case& c :
       {Case{{2, 7, 3}, {3}}, Case{{2, 5, 6, 3}, {2, 6}}, Case{{1, 4, 9, 2}, {4, 9}},
        Case{{2, 3, 5, 4, 2}, {2, 3, 4}}, Case{{0, 5, 6, 3}, {2, 2}}}) {
    for (const char* format : {"channels_last", "channels_first"}) {
      for (const PlaceOptions& places :
           {PlaceOptions{}, PlaceOptions{.column_major = true}, PlaceOptions{.whole = true}}) {
        const DataFormat f = DataFormat::parse(format);
        const Tensor last = noise(c.x, 3);
        const Tensor x = f.channels_first ? move_axis(last, -1, 1) : last;
        const auto y = adaptive_max_pool_with_indices(x, c.size, {.data_format = f}, places);
        const Tensor pooled = adaptive_max_pool(x, c.size, {.data_format = f});
        ASSERT_EQ(y.indices.shape(), pooled.shape());
        EXPECT_EQ(y.values.to_doubles(), pooled.to_doubles());
        const std::vector<int64_t> whole(c.x.begin() + 1, c.x.end() - 1);
        const Tensor back =
            max_unpool(y.values, y.indices, whole, {.data_format = f, .places = places});
        ASSERT_EQ(back.shape(), x.shape());
        // Each element is 0 or itself, and pooling finds the same largest ones where they are
        // above 0.
        const Doubles a = back.to_doubles(), b = x.to_doubles();
        for (size_t i = 0; i < a.size(); ++i) EXPECT_TRUE(a[i] == 0 || a[i] == b[i]);
        EXPECT_EQ(maximum(adaptive_max_pool(back, c.size, {.data_format = f}), 0).to_doubles(),
                  maximum(pooled, 0).to_doubles());
      }
    }
  }
}

TEST(AdaptivePool, NamesSizesThatPassInt64) {
  const Tensor x = ones({1, 3, 1}, f64);
  constexpr int64_t huge = int64_t{1} << 62;
  EXPECT_EQ(message_of([&] { adaptive_max_pool(x, {huge}); }),
            "adaptive_max_pool: size 4611686018427387904 of 3 elements passes 2^63");
  EXPECT_EQ(message_of([&] { adaptive_max_pool_with_indices(x, {huge}); }),
            "adaptive_max_pool_with_indices: size 4611686018427387904 of 3 elements passes 2^63");
}

TEST(Pooling, WithCeilModeNamesPaddingThatPassesInt64) {
  constexpr int64_t most = std::numeric_limits<int64_t>::max();
  EXPECT_EQ(message_of([&] {
              max_pool1d(ones({1, 4, 1}), {.window = 2, .padding = most, .ceil_mode = true});
            }),
            "max_pool1d: stride 2 and padding 9223372036854775807 and 9223372036854775807 of 4 "
            "elements pass 2^63");
}

TEST(Pooling, InThreeDimensionsIsPoolingAxisByAxis) {
  const Tensor x = noise({1, 4, 6, 5, 2}, 1);
  const Tensor at_once = max_pool3d(x, {.window = {2, 3, 2}});
  ASSERT_EQ(at_once.shape(), (Shape{1, 2, 2, 2, 2}));
  const Tensor first = max_pool3d(x, {.window = {2, 1, 1}});
  const Tensor then = max_pool3d(max_pool3d(first, {.window = {1, 3, 1}}), {.window = {1, 1, 2}});
  EXPECT_EQ(at_once.to_doubles(), then.to_doubles());
}

TEST(GlobalPool, ReducesAllSpatialAxes) {
  const Tensor x = noise({2, 3, 4, 5}, 1);
  EXPECT_EQ(global_average_pool(x).shape(), (Shape{2, 5}));
  EXPECT_EQ(global_max_pool(x, {.keep_dims = true}).shape(), (Shape{2, 1, 1, 5}));
  EXPECT_EQ(global_average_pool(x, {.data_format = "channels_first"}).shape(), (Shape{2, 3}));
  EXPECT_EQ(global_max_pool(x).to_doubles(),
            reshape(max_pool2d(x, {.window = {3, 4}}), {2, 5}).to_doubles());
}

TEST(Pooling, OfAnEmptyBatchIsEmpty) {
  EXPECT_EQ(max_pool2d(noise({0, 4, 4, 2}, 1)).shape(), (Shape{0, 2, 2, 2}));
  EXPECT_EQ(average_pool2d(noise({0, 4, 4, 2}, 1)).to_doubles().size(), 0u);
}

TEST(Pooling, NamesWhatDoesNotFit) {
  const Tensor x = noise({1, 5, 5, 3}, 1);
  EXPECT_EQ(message_of([&] { max_pool2d(x, {.window = 7}); }),
            "max_pool2d: window 7x7 larger than input 5x5 (+ padding 0)");
  EXPECT_EQ(message_of([&] {
              average_pool2d(x, {.window = {2, 6}});
            }),
            "average_pool2d: window 2x6 larger than input 5x5 (+ padding 0)");
  EXPECT_EQ(message_of([&] { max_pool2d(x, {.window = 0}); }),
            "max_pool2d: window[0]: expected at least 1, got 0");
  EXPECT_EQ(message_of([&] { max_pool2d(x, {.window = 2, .padding = 2}); }),
            "max_pool2d: padding 2 is not smaller than the window 2x2");
  EXPECT_EQ(message_of([&] { max_pool1d(x); }),
            "max_pool1d: expected rank 3 [batch, spatial..., channels], got [1, 5, 5, 3]");
  EXPECT_EQ(message_of([&] { max_pool2d(x > 0); }), "max_pool: bool has no order");
  EXPECT_EQ(message_of([&] {
              global_max_pool(noise({2, 3}, 1));
            }),
            "global_max_pool: expected batch, channels and spatial axes, got [2, 3]");
}

}  // namespace
}  // namespace varve
