// 3x3 convolutions by Winograd's minimal filtering.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "backend/cpu/convolution_ways.h"
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

/// A convolution of x by [3, 3, channels of x, out], padded on each side of each axis.
struct Problem {
  Shape x;
  int64_t out;
  ir::Ints low{1, 1}, high{1, 1};

  Shape y() const { return {x[0], x[1] + low[0] + high[0] - 2, x[2] + low[1] + high[1] - 2, out}; }
};

struct Pass {
  const char* op;
  std::vector<TestOperand> inputs;
  ir::Attributes attributes;
  int64_t terms;  // of each sum
};

/// Forward, with and without a bias, and both gradients.
std::vector<Pass> passes(const Problem& p, DType type = f32) {
  const TestOperand x = make_operand(type, p.x, 1),
                    k = make_operand(type, {3, 3, p.x[3], p.out}, 2),
                    bias = make_operand(type, {p.out}, 3), dy = make_operand(type, p.y(), 4);
  const ir::Attributes a = window(p.low, p.high);
  ir::Attributes of_input = a, of_filter = a;
  of_input.set("size", ir::Ints{p.x[1], p.x[2]});
  of_filter.set("size", ir::Ints{3, 3});
  return {{"convolution", {x, k}, a, 9 * p.x[3]},
          {"convolution", {x, k, bias}, a, 9 * p.x[3] + 1},
          {"convolution_input_gradient", {dy, k}, of_input, 9 * p.out},
          {"convolution_filter_gradient", {x, dy}, of_filter, p.y().size() / p.out}};
}

/// Every pass on plain operands against double precision.
void check_all(const Problem& p, DType type = f32) {
  SCOPED_TRACE("x " + p.x.to_string() + ", " + std::to_string(p.out) + " out, padding before " +
               std::to_string(p.low[0]) + ", " + std::to_string(p.low[1]));
  for (Pass& pass : passes(p, type)) {
    const transform::Candidate plain{std::vector<Format>(pass.inputs.size(), Format::plain),
                                     {Format::plain}};
    expect_sums(run_candidate(plain, pass.op, pass.inputs, pass.attributes, winograd), pass.op,
                pass.inputs, pass.attributes, "winograd", pass.terms, kGrowth);
  }
}

TEST(Winograd, ComputesTheSameSums) {
  check_all({{2, 8, 8, 16}, 16});
  check_all({{1, 6, 6, 32}, 48, {0, 0}, {0, 0}});  // one whole tile
  check_all({{3, 5, 7, 16}, 32});                  // tiles that reach beyond the picture
  check_all({{2, 1, 9, 32}, 16});                  // one row
  check_all({{2, 9, 10, 16}, 16, {1, 0}, {1, 0}});
  check_all({{2, 10, 9, 16}, 16, {0, 2}, {2, 1}});  // uneven padding
  check_all({{1, 2, 3, 16}, 16, {2, 2}, {2, 2}});   // outputs that read one element each
  check_all({{16, 28, 28, 32}, 32});                // in parts, by several threads
  check_all({{1, 28, 26, 64}, 64});                 // many tiles
}

TEST(Winograd, TakesAnyNumberOfChannels) {
  check_all({{2, 8, 8, 1}, 1});
  check_all({{2, 9, 9, 3}, 5});
  check_all({{1, 12, 12, 17}, 70});  // a panel and a part of a vector
  check_all({{2, 8, 8, 70}, 33});
}

TEST(Winograd, SharesChannelsWhereTilesAreFew) {
  check_all({{1, 4, 4, 150}, 200});  // parts of the kernel in both directions
  check_all({{2, 7, 7, 130}, 67});
}

TEST(Winograd, ReadsAndWritesBf16) {
  check_all({{2, 8, 8, 16}, 16}, bf16);
  check_all({{3, 5, 7, 16}, 32}, bf16);
  check_all({{2, 9, 9, 3}, 5}, bf16);
  check_all({{1, 4, 4, 150}, 200}, bf16);
  check_all({{16, 28, 28, 32}, 32, {0, 2}, {2, 1}}, bf16);
}

TEST(Winograd, GivesTheSameBitsWithAnyNumberOfThreads) {
  for (const Problem& p :
       {Problem{{4, 30, 30, 24}, 40}, Problem{{1, 6, 6, 140}, 300}, Problem{{1, 8, 8, 64}, 64}}) {
    for (Pass& pass : passes(p)) {
      const auto run = [&](int threads) {
        std::vector<Layout> in;
        std::vector<void*> from;
        ir::Types types;
        for (TestOperand& t : pass.inputs) {
          in.push_back(t.layout);
          types.push_back({f32, t.layout.shape});
          from.push_back(t.data());
        }
        const ir::OpDef& op = ops::get(pass.op);
        const Layout out = backend::packed(op.infer({op, types, pass.attributes})[0]);
        const auto offer =
            backend::cpu::any_winograd({op, pass.attributes, in, std::span(&out, 1), threads});
        std::vector<float> made(static_cast<size_t>(out.shape.size()));
        void* to = made.data();
        const int64_t bytes = offer.kernel->scratch_bytes();
        constexpr int64_t kBehind = 4096;
        const ir::Storage scratch(bytes + kBehind);
        std::memset(scratch.data(), 0x5a, static_cast<size_t>(bytes + kBehind));
        backend::Fault fault;
        offer.kernel->run({from.data(), &to, scratch.data(), &fault});
        EXPECT_EQ(
            std::count(scratch.data() + bytes, scratch.data() + bytes + kBehind, std::byte{0x5a}),
            kBehind);
        return made;
      };
      const std::vector<float> one = run(1);
      EXPECT_EQ(run(2), one) << pass.op;
      EXPECT_EQ(run(5), one) << pass.op;
    }
  }
}

TEST(Winograd, TransformsAKernelOnceForManyRuns) {
  for (const DType type : {f32, bf16}) {
    for (const Pass& pass : passes({{2, 8, 8, 16}, 16}, type)) {
      std::vector<Layout> in;
      ir::Types types;
      for (const TestOperand& t : pass.inputs) {
        in.push_back(t.layout);
        types.push_back({type, t.layout.shape});
      }
      const ir::OpDef& op = ops::get(pass.op);
      const Layout out = backend::packed(op.infer({op, types, pass.attributes})[0]);
      const auto offer =
          backend::cpu::any_winograd({op, pass.attributes, in, std::span(&out, 1), 2});
      const int64_t before = offer.kernel->scratch_bytes();
      EXPECT_EQ(offer.kernel->take_packing(0).kernel, nullptr);
      const bool reads = pass.op != std::string_view("convolution_filter_gradient");
      EXPECT_EQ(offer.kernel->take_packing(1).kernel != nullptr, reads) << pass.op;
      EXPECT_EQ(offer.kernel->take_packing(1).kernel, nullptr) << "a second time";
      EXPECT_EQ(offer.kernel->scratch_bytes() < before, reads) << pass.op;
    }
  }
}

TEST(Winograd, DeclinesWhatItIsNotFor) {
  const auto why = [](Layout x, const Shape& kernel, Layout y, const ir::Attributes& a) {
    const std::vector<Layout> in{x, {x.dtype, kernel, ir::row_major(kernel)}}, out{y};
    const backend::Offer offer =
        backend::cpu::any_winograd({ops::get("convolution"), a, in, out, 2});
    EXPECT_EQ(offer.kernel, nullptr);
    return offer.declined;
  };
  const auto pictures = [](int64_t side, int64_t channels, Format f = Format::plain,
                           DType type = f32) {
    const Shape s{2, side, side, channels};
    return Layout{type, s, ir::row_major(s), f};
  };
  const Shape k{3, 3, 16, 16};
  const auto in = pictures(8, 16);
  const ir::Attributes by_1 = window({1, 1}, {1, 1});
  EXPECT_THAT(why(pictures(8, 16, Format::channels16), k, pictures(8, 16), by_1),
              HasSubstr("plain pictures"));
  EXPECT_THAT(why(make_operand(f32, {2, 8, 8, 16}, 1, {0, 2, 1, 3}).layout, k, in, by_1),
              HasSubstr("packed"));
  EXPECT_THAT(
      why(pictures(8, 16, Format::plain, f64), k, pictures(8, 16, Format::plain, f64), by_1),
      HasSubstr("takes f32"));
  EXPECT_THAT(why(in, {5, 5, 16, 16}, pictures(8, 16), window({2, 2}, {2, 2})), HasSubstr("3x3"));
  EXPECT_THAT(why(in, k, pictures(4, 16), window({1, 1}, {1, 1}, 2)), HasSubstr("strides of 1"));
  ir::Attributes dilated = window({2, 2}, {2, 2});
  dilated.set("dilation", ir::Ints{2, 2});
  EXPECT_THAT(why(in, k, in, dilated), HasSubstr("without dilation"));
  EXPECT_THAT(why(pictures(8, 32), {3, 3, 16, 32}, pictures(8, 32), window({1, 1}, {1, 1}, 1, 2)),
              HasSubstr("one group"));
  EXPECT_THAT(why({f32, {0, 8, 8, 16}, ir::row_major({0, 8, 8, 16})}, k,
                  {f32, {0, 8, 8, 16}, ir::row_major({0, 8, 8, 16})}, by_1),
              HasSubstr("empty"));
  // The transformed kernel would be 600 MB.
  EXPECT_THAT(why(pictures(200, 2048), {3, 3, 2048, 2048}, pictures(200, 2048), by_1),
              HasSubstr("MiB of scratch"));
}

/// The name of the kernel that runs a convolution of plain pictures.
std::string chosen(const Shape& x, int64_t out) {
  const std::vector<Layout> in{backend::packed({f32, x}),
                               backend::packed({f32, {3, 3, x[3], out}})};
  const std::vector<Layout> y{backend::packed({f32, {x[0], x[1], x[2], out}})};
  return first_kernel({ops::get("convolution"), window({1, 1}, {1, 1}), in, y, 2}).name;
}

TEST(Winograd, IsTakenWhereTheTableSaysItIsFasterAndWhereItIsAllowed) {
  using namespace backend::cpu;
  int taken = 0;
  for (const Shape& x : {Shape{8, 56, 56, 64}, Shape{128, 28, 28, 1}, Shape{8, 28, 28, 128}}) {
    const ConvolutionShape shape{x[0], x[1] * x[2], x[3], x[3], 9};  // of whole tiles
    const auto seconds = [&](ConvolutionWay way) {
      return convolution_seconds(ConvolutionPass::forward, shape, way, 2);
    };
    const bool faster = seconds(ConvolutionWay::winograd) < seconds(ConvolutionWay::plain);
    const std::vector<TestOperand> operands{make_operand(f32, x, 1),
                                            make_operand(f32, {3, 3, x[3], x[3]}, 2)};
    const auto predicted = [&] {
      return candidates("convolution", operands, window({1, 1}, {1, 1}))[0].seconds;
    };
    {
      const WinogradRule allowed(true);
      EXPECT_EQ(chosen(x, x[3]), faster ? "winograd" : "onednn convolution") << x.to_string();
      EXPECT_EQ(predicted(),
                std::min(seconds(ConvolutionWay::winograd), seconds(ConvolutionWay::plain)));
    }
    taken += faster;
    const WinogradRule forbidden(false);
    EXPECT_EQ(chosen(x, x[3]), "onednn convolution");
    EXPECT_EQ(predicted(), seconds(ConvolutionWay::plain));
  }
  EXPECT_EQ(taken, 2);
}

}  // namespace
}  // namespace varve
