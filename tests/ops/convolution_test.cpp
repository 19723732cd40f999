#include "varve/ops/convolution.h"

#include <gtest/gtest.h>

#include <cmath>
#include <limits>

#include "ops/differences.h"
#include "ops/table.h"
#include "support/errors.h"
#include "support/tensors.h"
#include "varve/ops/shape.h"

namespace varve {
namespace {

using test::error_of;
using test::noise;

using Doubles = std::vector<double>;

void expect_close(const Tensor& got, const Tensor& want, double tolerance = 1e-12) {
  ASSERT_EQ(got.shape(), want.shape());
  const Doubles a = got.to_doubles(), b = want.to_doubles();
  for (size_t i = 0; i < a.size(); ++i) ASSERT_NEAR(a[i], b[i], tolerance) << "element " << i;
}

struct Case2D {
  int64_t batch, height, width, in, taps_y, taps_x, out, groups;
  int64_t stride_y, stride_x, dilation_y, dilation_x;
  int64_t top, bottom, left, right;
};

/// By scattering: every input element adds to every output that sees it.
Doubles scattered(const Case2D& c, const Doubles& x, const Doubles& k, Shape& shape) {
  const int64_t oh =
      (c.height + c.top + c.bottom - c.dilation_y * (c.taps_y - 1) - 1) / c.stride_y + 1;
  const int64_t ow =
      (c.width + c.left + c.right - c.dilation_x * (c.taps_x - 1) - 1) / c.stride_x + 1;
  shape = Shape{c.batch, oh, ow, c.out};
  Doubles y(static_cast<size_t>(shape.size()));
  const int64_t in_group = c.in / c.groups, out_group = c.out / c.groups;
  for (int64_t b = 0; b < c.batch; ++b)
    for (int64_t h = 0; h < c.height; ++h)
      for (int64_t w = 0; w < c.width; ++w)
        for (int64_t i = 0; i < c.in; ++i)
          for (int64_t ty = 0; ty < c.taps_y; ++ty)
            for (int64_t tx = 0; tx < c.taps_x; ++tx) {
              const int64_t py = h + c.top - ty * c.dilation_y, px = w + c.left - tx * c.dilation_x;
              if (py < 0 || px < 0 || py % c.stride_y || px % c.stride_x) continue;
              if (py / c.stride_y >= oh || px / c.stride_x >= ow) continue;
              for (int64_t n = 0; n < out_group; ++n) {
                const int64_t o = i / in_group * out_group + n;
                const int64_t to = ((b * oh + py / c.stride_y) * ow + px / c.stride_x) * c.out + o;
                const int64_t from = ((b * c.height + h) * c.width + w) * c.in + i;
                const int64_t by = ((ty * c.taps_x + tx) * in_group + i % in_group) * c.out + o;
                y[static_cast<size_t>(to)] +=
                    x[static_cast<size_t>(from)] * k[static_cast<size_t>(by)];
              }
            }
  return y;
}

const std::vector<Case2D> kCases{
    {2, 5, 7, 3, 3, 3, 4, 1, 1, 1, 1, 1, 0, 0, 0, 0},
    {1, 8, 6, 2, 3, 2, 5, 1, 2, 3, 1, 1, 1, 2, 0, 1},
    {3, 7, 7, 4, 3, 3, 6, 2, 1, 2, 2, 1, 2, 2, 1, 1},
    {1, 4, 4, 3, 2, 2, 3, 3, 2, 2, 1, 1, 0, 0, 0, 0},
    {2, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 0, 0, 0, 0},
    {1, 9, 5, 2, 2, 3, 2, 1, 3, 1, 3, 2, 0, 3, 2, 0},
    {1, 6, 6, 6, 5, 5, 12, 6, 1, 1, 1, 1, 2, 2, 2, 2},
    {1, 2, 2, 1, 2, 2, 1, 1, 5, 5, 1, 1, 0, 0, 0, 0},
};

Tensor apply_case(const Case2D& c, const Tensor& x, const Tensor& k) {
  return conv2d(x, k,
                {.strides = {c.stride_y, c.stride_x},
                 .padding = {{c.top, c.bottom}, {c.left, c.right}},
                 .dilation = {c.dilation_y, c.dilation_x},
                 .groups = c.groups});
}

TEST(Convolution, AgreesWithScatteringTheInput) {
  for (const Case2D& c : kCases) {
    const Tensor x = noise({c.batch, c.height, c.width, c.in}, 1);
    const Tensor k = noise({c.taps_y, c.taps_x, c.in / c.groups, c.out}, 2);
    Shape shape;
    const Doubles want = scattered(c, x.to_doubles(), k.to_doubles(), shape);
    expect_close(apply_case(c, x, k), tensor(want, shape));
  }
}

TEST(Convolution, HasRightDerivativesOfFirstAndSecondOrder) {
  for (const Case2D& c : kCases) {
    if (c.out > 6) continue;
    const Tensor x = noise({c.batch, c.height, c.width, c.in}, 1);
    const Tensor k = noise({c.taps_y, c.taps_x, c.in / c.groups, c.out}, 2);
    expect_derivatives([&](const Tensors& v) -> Tensors { return apply_case(c, v[0], v[1]); },
                       {x, k});
  }
  expect_derivatives(
      [&](const Tensors& v) -> Tensors {
        return conv1d(v[0], v[1], {.strides = 2, .padding = "same", .bias = v[2]});
      },
      {noise({2, 7, 2}, 1), noise({3, 2, 3}, 2), noise({3}, 3)});
}

TEST(Convolution, OfTheNotesHasTheSizesOfTheNotes) {  // 32x32x3, 16 filters of 5x5, stride 2
  const Tensor x = noise({2, 32, 32, 3}, 1, f32), k = noise({5, 5, 3, 16}, 2, f32);
  EXPECT_EQ(conv2d(x, k, {.strides = 2, .padding = "same"}).shape(), (Shape{2, 16, 16, 16}));
  EXPECT_EQ(conv2d(x, k, {.strides = 2}).shape(), (Shape{2, 14, 14, 16}));
  EXPECT_EQ(k.size(), 1200);
}

TEST(Convolution, OfTheNotesFindsTheCross) {
  const Tensor image = tensor({1., 1., 1., 0., 0., 0., 1., 1., 1., 0., 0., 0., 1.,
                               1., 1., 0., 0., 1., 1., 0., 0., 1., 1., 0., 0.},
                              {1, 5, 5, 1});
  const Tensor cross = tensor({1., 0., 1., 0., 1., 0., 1., 0., 1.}, {3, 3, 1, 1});
  EXPECT_EQ(conv2d(image, cross).to_doubles(), (Doubles{4, 3, 4, 2, 4, 3, 2, 3, 4}));
}

TEST(Convolution, PadsTheOddElementAtTheEndUnderSame) {
  // TensorFlow's rule: 2 taps on 4 positions need 1 element, at the end.
  const Tensor x = tensor({1., 2., 3., 4.}, {1, 4, 1}), k = tensor({1., 10.}, {2, 1, 1});
  EXPECT_EQ(conv1d(x, k, {.padding = "same"}).to_doubles(), (Doubles{21, 32, 43, 4}));
  // 3 taps, stride 2: 1 element at the end; on 5 positions one on each side.
  const Tensor three = tensor({1., 10., 100.}, {3, 1, 1});
  EXPECT_EQ(conv1d(x, three, {.strides = 2, .padding = "same"}).to_doubles(), (Doubles{321, 43}));
  EXPECT_EQ(conv1d(x, three, {.padding = "causal"}).to_doubles(), (Doubles{100, 210, 321, 432}));
}

TEST(Convolution, OutputSizesFollowTheFormula) {
  for (int64_t size : {5, 6, 7, 12}) {
    for (int64_t taps : {1, 2, 3, 5}) {
      for (int64_t stride : {1, 2, 3}) {
        for (int64_t pad : {0, 1, 2}) {
          for (int64_t dilation : {1, 2}) {
            const int64_t reach = dilation * (taps - 1) + 1;
            if (size + 2 * pad < reach) continue;
            const Tensor x = noise({1, size, 1}, 1), k = noise({taps, 1, 1}, 2);
            EXPECT_EQ(
                conv1d(x, k, {.strides = stride, .padding = pad, .dilation = dilation}).shape()[1],
                (size + 2 * pad - reach) / stride + 1);
            EXPECT_EQ(conv1d(x, k, {.strides = stride, .padding = "same", .dilation = dilation})
                          .shape()[1],
                      (size + stride - 1) / stride);
          }
        }
      }
    }
  }
}

TEST(Convolution, InOneAndThreeDimensionsIsThatInTwo) {
  const Tensor x = noise({2, 9, 3}, 1), k = noise({4, 3, 5}, 2);
  const Tensor flat = reshape(
      conv2d(reshape(x, {2, 1, 9, 3}), reshape(k, {1, 4, 3, 5}), {.strides = {1, 2}}), {2, 3, 5});
  expect_close(conv1d(x, k, {.strides = 2}), flat);
  const Tensor deep =
      conv3d(reshape(x, {2, 1, 9, 1, 3}), reshape(k, {1, 4, 1, 3, 5}), {.strides = {1, 2, 1}});
  expect_close(reshape(deep, {2, 3, 5}), flat);
}

TEST(Convolution, OfAVolumeSumsOverAllThreeAxes) {
  const Tensor x = noise({1, 3, 4, 5, 2}, 1), k = noise({2, 2, 3, 2, 1}, 2);
  const Tensor y = conv3d(x, k);
  ASSERT_EQ(y.shape(), (Shape{1, 2, 3, 3, 1}));
  const Doubles a = x.to_doubles(), b = k.to_doubles();
  double sum = 0;  // at position (1, 2, 0)
  for (size_t d = 0; d < 2; ++d)
    for (size_t h = 0; h < 2; ++h)
      for (size_t w = 0; w < 3; ++w)
        for (size_t c = 0; c < 2; ++c)
          sum += a[(((1 + d) * 4 + 2 + h) * 5 + w) * 2 + c] * b[((d * 2 + h) * 3 + w) * 2 + c];
  EXPECT_NEAR(y.to_doubles()[(1 * 3 + 2) * 3], sum, 1e-12);
}

TEST(Convolution, TakesChannelsFirst) {
  const Tensor x = noise({2, 5, 6, 3}, 1), k = noise({3, 3, 3, 4}, 2), b = noise({4}, 3);
  const Tensor last = conv2d(x, k, {.padding = 1, .bias = b});
  const Tensor first = conv2d(transpose(x, {0, 3, 1, 2}), transpose(k, {3, 2, 0, 1}),
                              {.padding = 1, .data_format = "channels_first", .bias = b});
  EXPECT_EQ(first.shape(), (Shape{2, 4, 5, 6}));
  expect_close(transpose(first, {0, 2, 3, 1}), last);
}

TEST(Convolution, ByGroupsIsAConvolutionAGroup) {  // depthwise: groups = channels
  const Tensor x = noise({1, 6, 6, 3}, 1), k = noise({3, 3, 1, 3}, 2);
  const Doubles y = conv2d(x, k, {.groups = 3}).to_doubles();
  for (int g = 0; g < 3; ++g) {
    Doubles one_x, one_k;
    const Doubles all_x = x.to_doubles(), all_k = k.to_doubles();
    for (size_t i = static_cast<size_t>(g); i < all_x.size(); i += 3) one_x.push_back(all_x[i]);
    for (size_t i = static_cast<size_t>(g); i < all_k.size(); i += 3) one_k.push_back(all_k[i]);
    const Doubles one =
        conv2d(tensor(one_x, {1, 6, 6, 1}), tensor(one_k, {3, 3, 1, 1})).to_doubles();
    for (size_t i = 0; i < one.size(); ++i)
      EXPECT_DOUBLE_EQ(y[i * 3 + static_cast<size_t>(g)], one[i]);
  }
}

TEST(Convolution, OfNothingIsNothing) {
  const Tensor x = noise({0, 5, 5, 2}, 1), k = noise({3, 3, 2, 4}, 2);
  EXPECT_EQ(conv2d(x, k).shape(), (Shape{0, 3, 3, 4}));
  EXPECT_EQ(conv2d(x, k).to_doubles().size(), 0u);
  const auto g = vjp([&](const Tensors& v) -> Tensors { return conv2d(x, v[0]); }, k,
                     Tensors{noise({0, 3, 3, 4}, 3)});
  EXPECT_EQ(g.cotangents[0].to_doubles(), Doubles(72, 0.));
  const Tensor none = noise({1, 5, 5, 0}, 1), empty = noise({3, 3, 0, 4}, 2);
  EXPECT_EQ(conv2d(none, empty).to_doubles(), Doubles(36, 0.));
}

TEST(ConvTranspose, IsTheTransposeOfConvolution) {
  // <conv(x), y> = <x, conv_transpose(y)>
  const Tensor k = noise({3, 2, 4, 5}, 1), x = noise({2, 9, 7, 4}, 2);
  const ConvOptions<2> o{.strides = {2, 3}, .padding = {{1, 0}, {0, 1}}, .dilation = {1, 2}};
  const Tensor cx = conv2d(x, k, o), y = noise(cx.shape(), 3);
  const Tensor ty = conv_transpose2d(y, k,
                                     {.strides = {2, 3},
                                      .padding = {{1, 0}, {0, 1}},
                                      .output_padding = Extents<2>{1, 2},
                                      .dilation = {1, 2}});
  ASSERT_EQ(ty.shape(), x.shape());
  EXPECT_NEAR(dot(cx, y), dot(x, ty), 1e-12);
}

TEST(ConvTranspose, SpreadsEachElementByTheKernel) {
  const Tensor x = tensor({1., 10.}, {1, 2, 1}), k = tensor({1., 2., 3.}, {3, 1, 1});
  EXPECT_EQ(conv_transpose1d(x, k).to_doubles(), (Doubles{1, 12, 23, 30}));
  EXPECT_EQ(conv_transpose1d(x, k, {.strides = 2}).to_doubles(), (Doubles{1, 2, 13, 20, 30}));
  // Keras: "same" gives size * stride; the kernel's odd element is cut at the end.
  EXPECT_EQ(conv_transpose1d(x, k, {.strides = 2, .padding = "same"}).to_doubles(),
            (Doubles{1, 2, 13, 20}));
  // A stride beyond the kernel leaves zeros, up to the last one.
  EXPECT_EQ(conv_transpose1d(x, k, {.strides = 4}).to_doubles(),
            (Doubles{1, 2, 3, 0, 10, 20, 30, 0}));
  EXPECT_EQ(conv_transpose1d(x, k, {.strides = 4, .output_padding = 0}).to_doubles(),
            (Doubles{1, 2, 3, 0, 10, 20, 30}));
  EXPECT_EQ(
      conv_transpose1d(x, k, {.strides = 2, .padding = 1, .bias = tensor({100.})}).to_doubles(),
      (Doubles{102, 113, 120}));
}

TEST(ConvTranspose, TakesOutputPaddingBelowTheLargerOfStrideAndDilation) {
  const Tensor x = tensor({1., 10.}, {1, 2, 1}), k = tensor({1., 2., 3.}, {3, 1, 1}),
               bias = tensor({100.});
  const auto y = [&](int64_t more, const ConvTransposeOptions<1>& given) {
    ConvTransposeOptions<1> o = given;
    o.output_padding = more;
    return conv_transpose1d(x, k, o).to_doubles();
  };
  // PyTorch's conv_transpose1d of the same numbers: behind the last tap there is the bias alone.
  EXPECT_EQ(y(0, {.dilation = 3}), (Doubles{1, 10, 0, 2, 20, 0, 3, 30}));
  EXPECT_EQ(y(2, {.dilation = 3}), (Doubles{1, 10, 0, 2, 20, 0, 3, 30, 0, 0}));
  EXPECT_EQ(y(2, {.dilation = 3, .bias = bias}),
            (Doubles{101, 110, 100, 102, 120, 100, 103, 130, 100, 100}));
  // Where there is padding, it is uncovered first.
  EXPECT_EQ(y(1, {.padding = 1, .dilation = 3}), (Doubles{10, 0, 2, 20, 0, 3, 30}));
  EXPECT_EQ(y(2, {.padding = 1, .dilation = 3}), (Doubles{10, 0, 2, 20, 0, 3, 30, 0}));
  EXPECT_EQ(y(2, {.strides = 2, .dilation = 3}), (Doubles{1, 0, 10, 2, 0, 20, 3, 0, 30, 0, 0}));
  for (const int64_t more : {-1, 3}) {
    EXPECT_EQ(error_of<ValueError>([&] { y(more, {.strides = 2, .dilation = 3}); }).message(),
              "conv_transpose1d: output_padding: expected 0 to dilation - 1 = 2, got " +
                  std::to_string(more));
  }
  expect_derivatives(
      [](const Tensors& v) -> Tensors {
        return conv_transpose2d(
            v[0], v[1],
            {.padding = {{1, 0}, {0, 1}}, .output_padding = Extents<2>{1, 2}, .dilation = {2, 3}});
      },
      {noise({1, 3, 2, 2}, 1), noise({3, 3, 4, 2}, 2)});
}

TEST(ConvTranspose, NamesSizesThatPassInt64) {
  const Tensor x = ones({1, 4, 1}, f64), k = ones({3, 1, 1}, f64);
  constexpr int64_t huge = int64_t{1} << 62, most = std::numeric_limits<int64_t>::max();
  const auto message = [&](const ConvTransposeOptions<1>& o) {
    return error_of<ShapeError>([&] { conv_transpose1d(x, k, o); }).message();
  };
  const auto passes = [](int64_t stride, const std::string& padding) {
    return "conv_transpose1d: stride " + std::to_string(stride) + " and padding " + padding +
           " of an input of 4 elements give a size that passes 2^63";
  };
  EXPECT_EQ(message({.strides = huge}), passes(huge, "valid"));
  EXPECT_EQ(message({.strides = huge, .padding = "same"}), passes(huge, "same"));
  EXPECT_EQ(message({.strides = most / 3 - 1, .padding = "same"}), passes(most / 3 - 1, "same"));
  EXPECT_EQ(message({.strides = most / 3, .output_padding = 2}), passes(most / 3, "valid"));
  EXPECT_EQ(message({.dilation = huge}),
            "conv_transpose1d: a window of 3 elements, dilation 4611686018427387904, reaches over "
            "more than 2^63");
  EXPECT_EQ(message({.padding = most}), passes(1, "9223372036854775807"));
}

TEST(ConvTranspose, TakesGroupsAndChannelsFirst) {
  // PyTorch's layout: kernel [in, out / groups, taps].
  const Tensor x = noise({1, 4, 3}, 1), k = noise({4, 3, 2}, 2);
  const Tensor y = conv_transpose1d(x, k, {.data_format = "channels_first", .groups = 2});
  ASSERT_EQ(y.shape(), (Shape{1, 6, 4}));
  const Doubles a = x.to_doubles(), b = k.to_doubles();
  // Output channel 4 = group 1, channel 1: inputs 2 and 3, at position 2.
  double want = 0;
  for (size_t i : {2u, 3u})
    want += a[i * 3 + 2] * b[(i * 3 + 1) * 2] + a[i * 3 + 1] * b[(i * 3 + 1) * 2 + 1];
  EXPECT_NEAR(y.to_doubles()[4 * 4 + 2], want, 1e-12);
}

TEST(ConvTranspose, OverlapsUnevenlyWhereStrideDoesNotDivideTheKernel) {
  // The checkerboard of Odena et al. 2016: how often an output position is written.
  const Tensor ones = tensor(Doubles(5, 1.), {1, 5, 1}), k = tensor({1., 1., 1.}, {3, 1, 1});
  EXPECT_EQ(conv_transpose1d(ones, k, {.strides = 2}).to_doubles(),
            (Doubles{1, 1, 2, 1, 2, 1, 2, 1, 2, 1, 1}));
}

TEST(ConvTranspose, HasRightDerivatives) {
  expect_derivatives(
      [](const Tensors& v) -> Tensors {
        return conv_transpose2d(v[0], v[1], {.strides = 2, .padding = "same", .bias = v[2]});
      },
      {noise({1, 3, 2, 2}, 1), noise({3, 3, 4, 2}, 2), noise({4}, 3)});
}

TEST(Convolution, NamesWhatDoesNotFit) {
  const Tensor x = noise({1, 5, 5, 3}, 1);
  auto message = [&](const Tensor& k, const ConvOptions<2>& o) {
    return error_of<Error>([&] { conv2d(x, k, o); }).message();
  };
  EXPECT_EQ(message(noise({7, 7, 3, 2}, 2), {}),
            "conv2d: kernel 7x7 larger than input 5x5 (+ padding 0)");
  EXPECT_EQ(message(noise({7, 3, 3, 2}, 2), {.padding = {{1, 0}, {0, 0}}}),
            "conv2d: kernel 7x3 larger than input 5x5 (+ padding [[1, 0], [0, 0]])");
  EXPECT_EQ(message(noise({3, 3, 3, 2}, 2), {.dilation = 3}),
            "conv2d: kernel 3x3 (dilation 3x3) larger than input 5x5 (+ padding 0)");
  EXPECT_EQ(message(noise({3, 3, 3, 2}, 2), {.strides = {1, 0}}),
            "conv2d: strides[1]: expected at least 1, got 0");
  EXPECT_EQ(message(noise({3, 3, 3, 2}, 2), {.dilation = 0}),
            "conv2d: dilation[0]: expected at least 1, got 0");
  EXPECT_EQ(message(noise({3, 3, 3, 2}, 2), {.groups = 0}),
            "conv2d: groups: expected at least 1, got 0");
  EXPECT_EQ(message(noise({3, 3, 3, 2}, 2), {.padding = -1}),
            "conv2d: padding: expected at least 0, got -1");
  EXPECT_EQ(message(noise({3, 3, 3, 2}, 2), {.padding = {1, 2, 3}}),
            "conv2d: padding: expected 2 axes, got 3");
  EXPECT_EQ(message(noise({3, 3, 3, 2}, 2), {.padding = "causal"}),
            "conv2d: padding: \"causal\" needs one spatial axis, there are 2");
  EXPECT_EQ(message(noise({3, 3, 3, 2}, 2), {.groups = 2}),
            "conv2d: groups 2 does not divide the 3 input channels");
  EXPECT_EQ(message(noise({3, 3, 4, 2}, 2), {}),
            "conv2d: input has 3 channels, kernel [3, 3, 4, 2] takes 4");
  EXPECT_EQ(message(noise({3, 3, 3, 2}, 2), {.bias = noise({3}, 1)}),
            "conv2d: bias: expected shape [2], got [3]");
  EXPECT_EQ(message(noise({3, 3, 3}, 2), {}),
            "conv2d: kernel: expected rank 4 [spatial..., in / groups, out], got [3, 3, 3]");
  EXPECT_EQ(error_of<ValueError>([&] {
              conv_transpose2d(x, noise({3, 3, 2, 3}, 1), {.strides = 2, .output_padding = 2});
            }).message(),
            "conv_transpose2d: output_padding: expected 0 to stride - 1 = 1, got 2");
  EXPECT_EQ(error_of<ShapeError>([&] {
              conv2d(x, noise({7, 7, 3, 2}, 2));
            })
                .at()
                .substr(0, 21),
            "convolution_test.cpp:");
}

TEST(Padding, ReadsNamesAndNumbers) {
  EXPECT_EQ(Padding::parse("same"), Padding("same"));
  EXPECT_EQ(Padding::parse("3"), Padding(3));
  EXPECT_EQ(Padding::parse("causal").to_string(), "causal");
  EXPECT_EQ(Padding(2).to_string(), "2");
  EXPECT_EQ((Padding{{1, 2}, {0, 3}}).to_string(), "[[1, 2], [0, 3]]");
  const auto e = error_of<ValueError>([] { Padding::parse("smae"); });
  EXPECT_EQ(
      e.message(),
      "padding: expected \"valid\", \"same\", \"causal\" or a number of elements, got \"smae\"");
  EXPECT_EQ(e.hint(), "did you mean \"same\"?");
  EXPECT_THROW(Padding::parse("-1"), ValueError);
  EXPECT_EQ(DataFormat::parse("channels_first"), DataFormat("channels_first"));
  EXPECT_THROW(DataFormat::parse("nchw"), ValueError);
}

TEST(Convolution, CountsItsOperations) {
  const ir::OpDef& op = ops::get("convolution");
  const ir::Types in{{f32, {1, 5, 5, 3}}, {f32, {3, 3, 3, 8}}};
  const ir::Attributes none;
  EXPECT_EQ(op.flops({op, in, none}, {{f32, {1, 3, 3, 8}}}), 2. * 9 * 8 * 27);
}

}  // namespace
}  // namespace varve
