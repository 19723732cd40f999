// 1x1 convolutions as products of matrices.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "backend/cpu/convolution_ways.h"
#include "backend/relaid.h"

namespace varve {
namespace {

using backend::Format;
using backend::Layout;
using ::testing::HasSubstr;

backend::Choice product(const backend::Request& r) {
  backend::Offer offer = backend::cpu::any_pixel_product(r);
  return {std::move(offer.kernel), "product", {offer.declined}};
}

ir::Attributes window(size_t axes, int64_t stride = 1, int64_t padding = 0, int64_t groups = 1) {
  return {{"strides", ir::Ints(axes, stride)},
          {"dilation", ir::Ints(axes, 1)},
          {"padding_low", ir::Ints(axes, padding)},
          {"padding_high", ir::Ints(axes, padding)},
          {"groups", groups}};
}

TEST(PixelProduct, AgreesWithTheReferenceForwardAndBackward) {
  for (const Shape& xs : {Shape{2, 9, 5}, Shape{3, 4, 5, 24}, Shape{2, 3, 2, 4, 7}}) {
    const auto axes = static_cast<size_t>(xs.rank()) - 2;
    std::vector<int64_t> kernel(axes, 1), made = xs.dims();
    kernel.insert(kernel.end(), {xs[-1], 10});
    made.back() = 10;
    const ir::Ints size(xs.dims().begin() + 1, xs.dims().end() - 1);
    const TestOperand x = make_operand(f32, xs, 1), k = make_operand(f32, Shape(kernel), 2),
                      bias = make_operand(f32, {10}, 3), dy = make_operand(f32, Shape(made), 4);
    ir::Attributes a = window(axes), of_input = a, of_filter = a;
    of_input.set("size", size);
    of_filter.set("size", ir::Ints(axes, 1));
    const auto check = [](const char* op, std::vector<TestOperand> in, const ir::Attributes& with,
                          int64_t terms) {
      const transform::Candidate plain{std::vector<Format>(in.size(), Format::plain),
                                       {Format::plain}};
      expect_sums(run_candidate(plain, op, in, with, product), op, in, with, "product", terms);
    };
    check("convolution", {x, k}, a, xs[-1]);
    check("convolution", {x, k, bias}, a, xs[-1] + 1);
    check("convolution_input_gradient", {dy, k}, of_input, 10);
    check("convolution_filter_gradient", {x, dy}, of_filter, xs.size() / xs[-1]);
  }
}

TEST(PixelProduct, DeclinesWhatIsNoProduct) {
  const auto why = [](const Layout& x, const Shape& kernel, const Layout& y,
                      const ir::Attributes& a) {
    const std::vector<Layout> in{x, {x.dtype, kernel, ir::row_major(kernel)}}, out{y};
    const auto offer = backend::cpu::any_pixel_product({ops::get("convolution"), a, in, out, 2});
    EXPECT_EQ(offer.kernel, nullptr);
    return offer.declined;
  };
  const auto pictures = [](int64_t side, DType type = f32) {
    return backend::packed({type, {2, side, side, 8}});
  };
  const Shape k{1, 1, 8, 8};
  EXPECT_THAT(why(pictures(6), {3, 3, 8, 8}, pictures(4), window(2)), HasSubstr("1x1"));
  EXPECT_THAT(why(pictures(6), k, pictures(3), window(2, 2)), HasSubstr("strides of 1"));
  EXPECT_THAT(why(pictures(6), k, pictures(8), window(2, 1, 1)), HasSubstr("without padding"));
  EXPECT_THAT(why(pictures(6), {1, 1, 4, 8}, pictures(6), window(2, 1, 0, 2)),
              HasSubstr("one group"));
  EXPECT_THAT(why(pictures(6, bf16), k, pictures(6, bf16), window(2)), HasSubstr("takes f32"));
  EXPECT_THAT(
      why(make_operand(f32, {2, 6, 6, 8}, 1, {0, 2, 1, 3}).layout, k, pictures(6), window(2)),
      HasSubstr("packed"));
}

TEST(PixelProduct, IsTakenWhereTheTableSaysItIsFaster) {
  using namespace backend::cpu;
  int taken = 0, cases = 0;
  for (const char* op :
       {"convolution", "convolution_input_gradient", "convolution_filter_gradient"}) {
    for (const Shape& x : {Shape{16, 3, 3, 960}, Shape{16, 24, 24, 24}, Shape{32, 28, 28, 64}}) {
      const Shape y{x[0], x[1], x[2], 160}, k{1, 1, x[3], 160};
      const bool of_input = op == std::string("convolution_input_gradient"),
                 of_filter = op == std::string("convolution_filter_gradient");
      ir::Attributes a = window(2);
      if (of_input) a.set("size", ir::Ints{x[1], x[2]});
      if (of_filter) a.set("size", ir::Ints{1, 1});
      const std::vector<Layout> in{backend::packed({f32, of_input ? y : x}),
                                   backend::packed({f32, of_filter ? y : k})},
          out{backend::packed({f32, of_input    ? x
                                    : of_filter ? k
                                                : y})};
      const backend::Request r{ops::get(op), a, in, out, 2};
      const bool faster = predicted_seconds(r, ConvolutionWay::product) <
                          predicted_seconds(r, ConvolutionWay::plain);
      EXPECT_EQ(first_kernel(r).name, std::string(faster ? "pixel product" : "onednn convolution"));
      taken += faster, ++cases;
    }
  }
  EXPECT_GT(taken, 0);
  EXPECT_LT(taken, cases);
}

}  // namespace
}  // namespace varve
