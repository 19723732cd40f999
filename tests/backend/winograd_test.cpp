// 3x3 convolutions by Winograd's minimal filtering.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "backend/cpu/convolution_costs.h"
#include "backend/cpu/instruction_set.h"
#include "backend/cpu/onednn.h"
#include "backend/relaid.h"

namespace varve {
namespace {

using backend::Format;
using backend::Layout;
using ::testing::HasSubstr;

/// How much more than a plain sum's the roundings of F(4x4, 3x3) grow where all elements are of one
/// size: for points 0, 5/8, -5/8, 3/2, -3/2 and infinity, the largest of |A'| (|G| |g| * |B'| |d|)
/// over |g| * |d| is 7.92 along an axis, for the gradient of the filter 7.08 (Barabasz et al.,
/// Error Analysis and Improving the Accuracy of Winograd Convolution, 2020, for the matrices).
constexpr double kGrowth = 7.92 * 7.92;

/// Where the library has such kernels: for AVX-512, and not from version 3 on.
class Winograd : public ::testing::Test {
  void SetUp() override {
    if (DNNL_VERSION_MAJOR >= 3 || std::string(cpu::instruction_set()) != "avx512")
      GTEST_SKIP() << "oneDNN has no Winograd kernels here";
  }
};

backend::Choice winograd(const backend::Request& r) {
  backend::Offer offer = backend::cpu::any_winograd(r);
  return {std::move(offer.kernel), "winograd", {offer.declined}};
}

ir::Attributes window(ir::Ints low, ir::Ints high, int64_t stride = 1, int64_t groups = 1) {
  const size_t axes = low.size();
  return {{"strides", ir::Ints(axes, stride)},
          {"dilation", ir::Ints(axes, 1)},
          {"padding_low", std::move(low)},
          {"padding_high", std::move(high)},
          {"groups", groups}};
}

const transform::Candidate kBlocksBy1{{Format::channels16, Format::plain}, {Format::channels16}};

/// Forward, with and without a bias, and both gradients against double precision.
void check_all(const Shape& xs, int64_t out, const ir::Ints& padding) {
  SCOPED_TRACE("x " + xs.to_string() + ", " + std::to_string(out) + " out, padding " +
               std::to_string(padding[0]) + " and " + std::to_string(padding[1]));
  const Shape ys{xs[0], xs[1] + 2 * padding[0] - 2, xs[2] + 2 * padding[1] - 2, out};
  const TestOperand x = make_operand(f32, xs, 1), k = make_operand(f32, {3, 3, xs[3], out}, 2),
                    bias = make_operand(f32, {out}, 3), dy = make_operand(f32, ys, 4);
  const auto check = [](const transform::Candidate& way, const char* op,
                        std::vector<TestOperand> inputs, const ir::Attributes& attributes,
                        int64_t terms) {
    expect_sums(run_candidate(way, op, inputs, attributes, winograd), op, inputs, attributes,
                "winograd", terms, kGrowth);
  };
  ir::Attributes a = window(padding, padding);
  check(kBlocksBy1, "convolution", {x, k}, a, 9 * xs[3]);
  check({{Format::channels16, Format::plain, Format::plain}, {Format::channels16}}, "convolution",
        {x, k, bias}, a, 9 * xs[3] + 1);
  a.set("size", ir::Ints{xs[1], xs[2]});
  check(kBlocksBy1, "convolution_input_gradient", {dy, k}, a, 9 * out);
  a.set("size", ir::Ints{3, 3});
  check({{Format::channels16, Format::channels16}, {Format::plain}}, "convolution_filter_gradient",
        {x, dy}, a, ys.size() / out);
}

TEST_F(Winograd, ComputesTheSameSums) {
  check_all({2, 8, 8, 16}, 16, {1, 1});
  check_all({1, 6, 6, 32}, 48, {0, 0});  // one whole tile
  check_all({3, 5, 7, 16}, 32, {1, 1});  // tiles that reach beyond the picture
  check_all({2, 1, 9, 32}, 16, {1, 1});  // one row
  check_all({2, 9, 10, 16}, 16, {1, 0});
  check_all({2, 10, 9, 16}, 16, {0, 1});
  check_all({16, 28, 28, 32}, 32, {1, 1});  // in parts, by several threads
  check_all({1, 28, 26, 64}, 64, {1, 1});   // many tiles
}

TEST_F(Winograd, DeclinesWhatItIsNotFor) {
  const auto why = [](Layout x, const Shape& kernel, Layout y, const ir::Attributes& a) {
    const std::vector<Layout> in{x, {x.dtype, kernel, ir::row_major(kernel)}}, out{y};
    const backend::Offer offer =
        backend::cpu::any_winograd({ops::get("convolution"), a, in, out, 2});
    EXPECT_EQ(offer.kernel, nullptr);
    return offer.declined;
  };
  const auto pictures = [](int64_t side, int64_t channels, Format f = Format::channels16,
                           DType type = f32) {
    const Shape s{2, side, side, channels};
    return Layout{type, s, ir::row_major(s), f};
  };
  const Shape k{3, 3, 16, 16};
  const auto in = pictures(8, 16);
  EXPECT_THAT(why(pictures(8, 16, Format::plain), k, pictures(8, 16), window({1, 1}, {1, 1})),
              HasSubstr("blocks of 16 channels"));
  EXPECT_THAT(why(pictures(8, 16, Format::channels16, bf16), k,
                  pictures(8, 16, Format::channels16, bf16), window({1, 1}, {1, 1})),
              HasSubstr("takes f32"));
  EXPECT_THAT(why(in, {5, 5, 16, 16}, pictures(8, 16), window({2, 2}, {2, 2})), HasSubstr("3x3"));
  EXPECT_THAT(why(in, k, pictures(4, 16), window({1, 1}, {1, 1}, 2)),
              HasSubstr("strides and dilation of 1"));
  EXPECT_THAT(why(pictures(8, 32), {3, 3, 16, 32}, pictures(8, 32), window({1, 1}, {1, 1}, 1, 2)),
              HasSubstr("one group"));
  EXPECT_THAT(why(in, k, pictures(7, 16), window({0, 0}, {1, 1})), HasSubstr("same on both sides"));
  EXPECT_THAT(why(in, k, pictures(10, 16), window({2, 2}, {2, 2})), HasSubstr("0 or 1"));
  // The transformed kernel of each thread would be 151 MB.
  const Layout wide = pictures(7, 1024), filter{f32, {3, 3, 1024, 1024}, {}};
  ir::Attributes gradient = window({1, 1}, {1, 1});
  gradient.set("size", ir::Ints{3, 3});
  const std::vector<Layout> both{wide, wide}, out{laid(filter, Format::plain)};
  EXPECT_THAT(
      backend::cpu::any_winograd({ops::get("convolution_filter_gradient"), gradient, both, out, 2})
          .declined,
      HasSubstr("MiB of scratch"));
}

/// Of the kernel that runs a convolution in blocks.
std::string chosen(const Shape& x, int64_t out) {
  const std::vector<Layout> in{laid({f32, x, {}}, Format::channels16),
                               laid({f32, {3, 3, x[3], out}, {}}, Format::plain)};
  const std::vector<Layout> y{laid({f32, {x[0], x[1], x[2], out}, {}}, Format::channels16)};
  return first_kernel({ops::get("convolution"), window({1, 1}, {1, 1}), in, y, 2}).name;
}

TEST_F(Winograd, IsTakenWhereTheTableSaysItIsFasterAndWhereItIsAllowed) {
  using namespace backend::cpu;
  int taken = 0;
  for (const Shape& x : {Shape{8, 56, 56, 64}, Shape{128, 32, 32, 16}, Shape{8, 28, 28, 128}}) {
    const ConvolutionShape shape{x[0], x[1] * x[2], x[3], x[3], 9};  // of whole tiles
    const auto seconds = [&](ConvolutionWay way) {
      return convolution_seconds(ConvolutionPass::forward, shape, way, 2);
    };
    const bool faster = seconds(ConvolutionWay::winograd) < seconds(ConvolutionWay::blocks);
    const std::vector<TestOperand> operands{make_operand(f32, x, 1),
                                            make_operand(f32, {3, 3, x[3], x[3]}, 2)};
    const auto predicted = [&] {
      const auto ways = candidates("convolution", operands, window({1, 1}, {1, 1}));
      return ways.size() == 2 ? ways[1].seconds : 0;
    };
    {
      const WinogradRule allowed(true);
      EXPECT_EQ(chosen(x, x[3]), faster ? "onednn winograd" : "onednn convolution")
          << x.to_string();
      EXPECT_EQ(predicted(),
                std::min(seconds(ConvolutionWay::winograd), seconds(ConvolutionWay::blocks)));
    }
    taken += faster;
    const WinogradRule forbidden(false);
    EXPECT_EQ(chosen(x, x[3]), "onednn convolution");
    EXPECT_EQ(predicted(), seconds(ConvolutionWay::blocks));
  }
  EXPECT_GE(taken, 1);
  EXPECT_LE(taken, 2);
}

}  // namespace
}  // namespace varve
