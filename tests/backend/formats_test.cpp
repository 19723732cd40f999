// Operands that lie in blocks of channels.
#include <gtest/gtest.h>

#include "backend/cpu/convolution_costs.h"
#include "backend/cpu/kernels.h"
#include "backend/kernels_under_test.h"
#include "backend/relaid.h"
#include "varve/tensor.h"

namespace varve {
namespace {

using backend::Format;
using backend::Layout;

/// Where [batch, spatial..., channels] element `i`, counted row-major, lies among blocks.
int64_t place_in_blocks(const Shape& s, int64_t block, int64_t i) {
  const int64_t channels = s[-1], positions = s.size() / (s[0] * channels);
  const int64_t c = i % channels, p = i / channels % positions, b = i / channels / positions;
  return ((b * (channels / block) + c / block) * positions + p) * block + c % block;
}

TEST(Formats, ARelayPutsEveryElementInItsBlockAndBack) {
  for (Format f : {Format::channels8, Format::channels16}) {
    for (const Shape& s : {Shape{2, 5, 32}, Shape{3, 4, 5, 16}, Shape{2, 3, 2, 5, 48},
                           Shape{1, 1, 1, 16}, Shape{16, 32, 32, 64}}) {
      for (DType type : {f32, bf16}) {
        SCOPED_TRACE(s.to_string() + " " + ir::name_of(f) + " " + name_of(type));
        TestOperand x = make_operand(type, s, 3);
        const auto* plain = static_cast<const std::byte*>(x.data());
        const auto blocks = relaid(x.layout, plain, f);
        const auto size = static_cast<size_t>(size_of(type));
        for (int64_t i = 0; i < s.size(); ++i) {
          const auto at = static_cast<size_t>(place_in_blocks(s, ir::block_of(f), i));
          ASSERT_EQ(std::memcmp(&blocks[at * size], plain + static_cast<size_t>(i) * size, size), 0)
              << i;
        }
        const auto back = relaid(laid(x.layout, f), blocks.data(), Format::plain);
        EXPECT_EQ(std::memcmp(back.data(), plain, back.size()), 0);
      }
    }
  }
}

TEST(Formats, ARelayTakesStridedElements) {
  TestOperand x = make_operand(f32, {2, 3, 4, 16}, 5, {0, 3, 1, 2}, 2);
  std::vector<float> want;
  for (int64_t b = 0; b < 2; ++b)
    for (int64_t h = 0; h < 3; ++h)
      for (int64_t w = 0; w < 4; ++w)
        for (int64_t c = 0; c < 16; ++c) {
          const auto& st = x.layout.strides;
          want.push_back(
              static_cast<float*>(x.data())[b * st[0] + h * st[1] + w * st[2] + c * st[3]]);
        }
  const auto blocks = relaid(x.layout, x.data(), Format::channels16);
  const auto back = relaid(laid(x.layout, Format::channels16), blocks.data(), Format::plain);
  EXPECT_EQ(std::memcmp(back.data(), want.data(), back.size()), 0);
}

Format machines_format() { return backend::cpu::liked_format(); }

/// Every candidate of the op computes the sums, that of blocks by the library, the plain one by
/// whatever is the fastest; there are as many as expected (with AVX-512: the library has fewer
/// kernels for less).
void check_candidates(const char* op, std::vector<TestOperand> inputs,
                      const ir::Attributes& attributes, int64_t k, size_t expected) {
  const auto ways = candidates(op, inputs, attributes);
  EXPECT_GE(ways.size(), 1u) << op;
  EXPECT_LE(ways.size(), expected) << op;
  if (machines_format() == Format::channels16) {
    EXPECT_EQ(ways.size(), expected) << op;
  }
  for (const transform::Candidate& way : ways) {
    EXPECT_GT(way.seconds, 0);
    const Ran ran = run_candidate(way, op, inputs, attributes);
    const bool plain = &way == &ways.front();
    expect_sums(ran, op, inputs, attributes, plain ? ran.kernel.c_str() : "onednn convolution", k);
  }
}

struct Case {
  Shape x, kernel;
  int64_t stride = 1, padding = 0;
  bool gradient_to_input = true;  ///< in blocks
};

TEST(Formats, ConvolutionsComputeTheSameInBlocks) {
  const WinogradRule direct(false);
  if (machines_format() == Format::plain) GTEST_SKIP() << "no kernel wants blocks here";
  for (const Case& c :
       {Case{{2, 9, 7, 32}, {3, 3, 32, 16}}, Case{{3, 8, 8, 16}, {1, 1, 16, 48}},
        Case{{2, 12, 11, 16}, {5, 5, 16, 32}, 2, 2},
        Case{{2, 10, 10, 1}, {3, 3, 1, 32}, 1, 1, false}, Case{{2, 17, 32}, {3, 32, 64}, 1, 1},
        Case{{1, 5, 6, 7, 16}, {3, 2, 3, 16, 16}, 1, 1}}) {
    SCOPED_TRACE("x " + c.x.to_string() + " kernel " + c.kernel.to_string());
    const size_t axes = static_cast<size_t>(c.x.rank()) - 2;
    const ir::Ints all(axes, c.stride), ones(axes, 1), padding(axes, c.padding);
    const ir::Attributes window{{"strides", all},
                                {"dilation", ones},
                                {"padding_low", padding},
                                {"padding_high", padding},
                                {"groups", int64_t{1}}};
    std::vector<int64_t> y{c.x[0]}, spatial, taps;
    for (size_t i = 0; i < axes; ++i) {
      spatial.push_back(c.x.dims()[i + 1]);
      taps.push_back(c.kernel.dims()[i]);
      y.push_back((spatial[i] + 2 * c.padding - taps[i]) / c.stride + 1);
    }
    y.push_back(c.kernel[-1]);
    const TestOperand x = make_operand(f32, c.x, 1), k = make_operand(f32, c.kernel, 2),
                      dy = make_operand(f32, Shape(y), 3),
                      bias = make_operand(f32, {c.kernel[-1]}, 4);
    const int64_t sum = Shape(taps).size();
    check_candidates("convolution", {x, k}, window, sum * c.kernel[-2], 2);
    check_candidates("convolution", {x, k, bias}, window, sum * c.kernel[-2] + 1, 2);
    ir::Attributes sized = window;
    sized.set("size", ir::Ints(spatial));
    check_candidates("convolution_input_gradient", {dy, k}, sized, sum * c.kernel[-1],
                     c.gradient_to_input ? 2 : 1);
    sized.set("size", ir::Ints(taps));
    check_candidates("convolution_filter_gradient", {x, dy}, sized, Shape(y).size() / y.back(), 2);
  }
}

TEST(Formats, ChannelsThatFillNoBlockAreOfferedPlainOnly) {
  const ir::Attributes window{{"strides", ir::Ints{1, 1}},
                              {"dilation", ir::Ints{1, 1}},
                              {"padding_low", ir::Ints{0, 0}},
                              {"padding_high", ir::Ints{0, 0}},
                              {"groups", int64_t{1}}};
  for (int64_t channels : {3, 17, 20}) {
    EXPECT_EQ(candidates("convolution",
                         {make_operand(f32, {2, 8, 8, channels}, 1),
                          make_operand(f32, {3, 3, channels, 32}, 2)},
                         window)
                  .size(),
              1u);
  }
}

TEST(Formats, PointwiseOpsDoNotCareInWhatOrderElementsLie) {
  const Format f = machines_format();
  if (f == Format::plain) GTEST_SKIP() << "no kernel wants blocks here";
  std::vector<TestOperand> in{make_operand(f32, {2, 5, 4, 32}, 1),
                              make_operand(f32, {2, 5, 4, 32}, 2)};
  const auto ways = candidates("multiply", in, {});
  ASSERT_EQ(ways.size(), 2u);
  EXPECT_EQ(ways[1].inputs, (std::vector<Format>{f, f}));
  const Ran got = run_candidate(ways[1], "multiply", in, {});
  EXPECT_EQ(got.outputs, run_kernel("multiply", in, {}, backend::KernelSet::ref).outputs);
}

TEST(Formats, WhatNoRelayTakesIsOfferedPlainOnlyAndIsNotReadAsIfItWerePlain) {
  const TestOperand x = make_operand(f32, {2, 5, 4, 32}, 1),
                    n = make_operand(i32, {2, 5, 4, 32}, 2);
  EXPECT_EQ(candidates("greater", {x, x}, {}).size(), 1u);  // writes bools
  EXPECT_EQ(candidates("add", {n, n}, {}).size(), 1u);
  const std::vector<Layout> in{laid(n.layout, Format::channels16)},
      out{laid(n.layout, Format::plain)};
  const ir::Attributes type{{"dtype", i32}};
  EXPECT_EQ(
      backend::choose_kernel({ops::get("cast"), type, in, out, 1}, backend::KernelSet::all).kernel,
      nullptr);
}

TEST(Formats, AReductionIsOfferedPlainOnly) {
  const ir::Attributes over{{"axes", ir::Ints{0, 1, 2}}, {"keep_dims", false}};
  EXPECT_EQ(candidates("sum", {make_operand(f32, {2, 5, 4, 32}, 1)}, over).size(), 1u);
}

TEST(Formats, AKernelThatKnowsNoFormatsDeclines) {
  const Layout x = laid({f32, {2, 4, 4, 16}, {}}, Format::channels16);
  const std::vector<Layout> in{x}, out{{f32, {2, 2, 2, 16}, ir::row_major({2, 2, 2, 16})}};
  const ir::Attributes attributes{{"window", ir::Ints{2, 2}},       {"strides", ir::Ints{2, 2}},
                                  {"dilation", ir::Ints{1, 1}},     {"padding_low", ir::Ints{0, 0}},
                                  {"padding_high", ir::Ints{0, 0}}, {"count_include_pad", true}};
  const backend::Choice choice = backend::choose_kernel(
      {ops::get("average_pool"), attributes, in, out, 1}, backend::KernelSet::all);
  EXPECT_EQ(choice.kernel, nullptr);
  ASSERT_FALSE(choice.declined.empty());
  EXPECT_EQ(choice.declined[0], "onednn average pool: takes plain operands");
}

TEST(KernelCosts, PredictMoreTimeForMoreWorkAndLessForMoreThreads) {
  using namespace backend::cpu;
  const ConvolutionShape small{32, 784, 64, 64, 9}, large{64, 784, 64, 64, 9};
  for (auto pass : {ConvolutionPass::forward, ConvolutionPass::input_gradient,
                    ConvolutionPass::filter_gradient}) {
    for (ConvolutionWay way : {ConvolutionWay::plain, ConvolutionWay::blocks}) {
      EXPECT_GT(convolution_seconds(pass, large, way, 1), convolution_seconds(pass, small, way, 1));
      EXPECT_LT(convolution_seconds(pass, large, way, 2), convolution_seconds(pass, large, way, 1));
    }
  }
  EXPECT_GT(relay_seconds(1 << 26, 1), relay_seconds(1 << 20, 1));
  EXPECT_EQ(
      convolution_seconds(ConvolutionPass::forward, {0, 0, 1, 1, 1}, ConvolutionWay::plain, 1), 0);
}

}  // namespace
}  // namespace varve
