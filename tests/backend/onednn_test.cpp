#include "backend/cpu/onednn.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <thread>

#include "backend/relaid.h"

namespace varve {
namespace {

ir::Attributes matmul_attributes(bool ta, bool tb) {
  return {{"transpose_a", ta}, {"transpose_b", tb}};
}

struct Product {
  int64_t m, k, n;
};
const std::vector<Product> kProducts{{6, 1, 1},    {5, 7, 1},    {5, 1, 5},   {15, 17, 16},
                                     {16, 16, 16}, {17, 15, 31}, {5, 64, 33}, {65, 1, 2},
                                     {37, 129, 5}, {64, 784, 10}};

void check_products(DType dtype, bool bias) {
  uint64_t seed = 1;
  for (const Product& p : kProducts) {
    for (bool ta : {false, true}) {
      for (bool tb : {false, true}) {
        std::vector<TestOperand> in{
            make_operand(dtype, ta ? Shape{p.k, p.m} : Shape{p.m, p.k}, ++seed),
            make_operand(dtype, tb ? Shape{p.n, p.k} : Shape{p.k, p.n}, ++seed)};
        if (bias) in.push_back(make_operand(dtype, {p.n}, ++seed));
        expect_sums("matmul", in, matmul_attributes(ta, tb), "onednn matmul", p.k + 1);
      }
    }
  }
}

TEST(OneDnnMatmul, AgreesWithTheReferenceOverManySizes) { check_products(f32, false); }
TEST(OneDnnMatmul, AddsABias) { check_products(f32, true); }

TEST(OneDnnMatmul, TakesStridedOperands) {
  // Gaps between rows, transposed in memory, no contiguous axis at all, one element repeated.
  const auto plain = matmul_attributes(false, false);
  auto b = make_operand(f32, {9, 11}, 2);
  expect_sums("matmul", {make_operand(f32, {7, 9}, 1, {}, 3), b}, plain, "onednn matmul", 9);
  expect_sums("matmul", {make_operand(f32, {7, 9}, 1, {1, 0}, 2), b}, plain, "onednn matmul", 9);
  auto sparse = make_operand(f32, {7, 18}, 1);
  sparse.layout.shape = Shape{7, 9};
  sparse.layout.strides = {18, 2};
  expect_sums("matmul", {sparse, b}, plain, "onednn matmul", 9);
  expect_sums("matmul", {repeated(f32, {7, 9}, 0.5), b}, plain, "onednn matmul", 9);
  auto backwards = make_operand(f32, {7, 9}, 1);
  backwards.first += 6 * 9;
  backwards.layout.strides = {-9, 1};
  expect_sums("matmul", {backwards, b}, plain, "onednn matmul", 9);
}

TEST(OneDnnMatmul, TakesStacks) {
  const auto plain = matmul_attributes(false, false);
  expect_sums("matmul", {make_operand(f32, {3, 4, 5, 6}, 1), make_operand(f32, {3, 4, 6, 7}, 2)},
              plain, "onednn matmul", 6);
  // Heads beside one another in memory, as attention has them: [batch, time, head, width].
  expect_sums("matmul",
              {make_operand(f32, {2, 3, 5, 8}, 1, {0, 2, 1, 3}),
               make_operand(f32, {2, 3, 5, 8}, 2, {0, 2, 1, 3})},
              matmul_attributes(false, true), "onednn matmul", 8);
  // One operand the same for all of a leading axis.
  auto same = make_operand(f32, {3, 6, 7}, 3);
  same.layout.shape = Shape{4, 3, 6, 7};
  same.layout.strides.insert(same.layout.strides.begin(), 0);
  expect_sums("matmul", {make_operand(f32, {4, 3, 5, 6}, 1), same}, plain, "onednn matmul", 6);
  expect_sums("matmul",
              {make_operand(f32, {2, 3, 4, 5}, 1), make_operand(f32, {2, 3, 5, 6}, 2),
               make_operand(f32, {6}, 3)},
              plain, "onednn matmul", 6);
}

TEST(OneDnnMatmul, DeclinesWhatItCannotDoAndSaysWhy) {
  std::vector<TestOperand> in{make_operand(f32, {3, 0}, 1), make_operand(f32, {0, 2}, 2)};
  Ran r = run_kernel("matmul", in, matmul_attributes(false, false), backend::KernelSet::all);
  EXPECT_EQ(r.kernel, "ref matmul");
  EXPECT_EQ(r.outputs[0], std::vector<double>(6, 0.));
  EXPECT_THAT(r.declined, ::testing::Contains("onednn matmul: the product is empty"));
}

TEST(OneDnnMatmul, RunsInSeveralThreadsAtOnce) {
  const ir::OpDef& op = ops::get("matmul");
  const auto attributes = matmul_attributes(false, false);
  auto a = make_operand(f32, {64, 70}, 1), b = make_operand(f32, {70, 33}, 2);
  const std::vector<backend::Layout> in{a.layout, b.layout},
      out{{f32, {64, 33}, ir::row_major({64, 33})}};
  auto choice = backend::choose_kernel({op, attributes, in, out, 2}, backend::KernelSet::all);
  ASSERT_STREQ(choice.name, "onednn matmul");
  std::vector<TestOperand> both{a, b};
  const auto want = run_kernel("matmul", both, attributes, backend::KernelSet::all).outputs[0];
  std::vector<std::thread> workers;
  std::vector<int> wrong(4, 0);
  for (size_t w = 0; w < wrong.size(); ++w) {
    workers.emplace_back([&, w] {
      std::vector<float> y(64 * 33);
      const ir::Storage scratch(choice.kernel->scratch_bytes());
      void *from[] = {a.data(), b.data()}, *to[] = {y.data()};
      backend::Fault fault;
      for (int round = 0; round < 50; ++round) {
        std::fill(y.begin(), y.end(), -1.f);
        choice.kernel->run({from, to, scratch.data(), &fault});
        for (size_t i = 0; i < y.size(); ++i) wrong[w] += static_cast<double>(y[i]) != want[i];
      }
    });
  }
  for (auto& t : workers) t.join();
  EXPECT_EQ(wrong, std::vector<int>(4, 0));
}

TEST(OneDnn, AppliesAnActivationToWhatItWrites) {
  auto check = [](const char* name, TestOperand a, TestOperand b, const ir::Attributes& attributes,
                  auto prepare) {
    const ir::OpDef& op = ops::get(name);
    std::vector<TestOperand> both{a, b};
    const Ran plain = run_kernel(name, both, attributes, backend::KernelSet::all);
    const ir::Types types{{f32, a.layout.shape}, {f32, b.layout.shape}};
    const Shape shape = op.infer({op, types, attributes})[0].shape;
    const std::vector<backend::Layout> in{a.layout, b.layout},
        out{{f32, shape, ir::row_major(shape)}};
    const backend::Offer offer = prepare({op, attributes, in, out, 2}, Pointwise::tanh);
    ASSERT_TRUE(offer.kernel) << offer.declined;
    std::vector<float> y(static_cast<size_t>(shape.size()), -1.f);
    const ir::Storage scratch(offer.kernel->scratch_bytes());
    void *from[] = {a.data(), b.data()}, *to[] = {y.data()};
    backend::Fault fault;
    offer.kernel->run({from, to, scratch.data(), &fault});
    for (size_t i = 0; i < y.size(); ++i) EXPECT_NEAR(y[i], std::tanh(plain.outputs[0][i]), 4e-7);
  };
  check("matmul", make_operand(f32, {7, 9}, 1), make_operand(f32, {9, 5}, 2),
        matmul_attributes(false, false), backend::cpu::onednn_matmul);
  check("convolution", make_operand(f32, {2, 8, 3}, 1), make_operand(f32, {3, 3, 4}, 2),
        {{"strides", ir::Ints{1}},
         {"dilation", ir::Ints{1}},
         {"padding_low", ir::Ints{1}},
         {"padding_high", ir::Ints{1}},
         {"groups", int64_t{1}}},
        backend::cpu::onednn_convolution);
}

struct Conv {
  Shape x, kernel;  // [batch, spatial..., in], [spatial..., in / groups, out]
  ir::Ints strides, dilation, low, high;
  int64_t groups = 1;
};

Shape output_of(const Conv& c) {
  std::vector<int64_t> dims{c.x[0]};
  for (size_t i = 0; i < c.strides.size(); ++i) {
    const int64_t reach = c.dilation[i] * (c.kernel.dims()[i] - 1) + 1;
    dims.push_back((c.x.dims()[i + 1] + c.low[i] + c.high[i] - reach) / c.strides[i] + 1);
  }
  dims.push_back(c.kernel[-1]);
  return Shape(dims);
}

ir::Ints middle(const Shape& s, int front, int back) { return {s.begin() + front, s.end() - back}; }

int64_t product(const ir::Ints& v) { return Shape(v).size(); }

void check_convolution(const Conv& c, DType d = f32) {
  SCOPED_TRACE("x " + c.x.to_string() + " kernel " + c.kernel.to_string());
  const ir::Attributes window{{"strides", c.strides},
                              {"dilation", c.dilation},
                              {"padding_low", c.low},
                              {"padding_high", c.high},
                              {"groups", c.groups}};
  const Shape y = output_of(c);
  const int64_t taps = product(middle(c.kernel, 0, 2));
  const auto x = make_operand(d, c.x, 1), k = make_operand(d, c.kernel, 2),
             dy = make_operand(d, y, 3), bias = make_operand(d, {c.kernel[-1]}, 4);
  // Whatever else there is.
  const auto direct = [](const backend::Request& r) {
    backend::Offer offer = backend::cpu::onednn_convolution(r);
    return backend::Choice{std::move(offer.kernel), "direct", {offer.declined}};
  };
  const auto check = [&](const char* op, std::vector<TestOperand> in, const ir::Attributes& with,
                         int64_t terms) {
    const transform::Candidate plain{
        std::vector<backend::Format>(in.size(), backend::Format::plain), {backend::Format::plain}};
    expect_sums(run_candidate(plain, op, in, with, direct), op, in, with, "direct", terms);
  };
  check("convolution", {x, k}, window, taps * c.kernel[-2]);
  check("convolution", {x, k, bias}, window, taps * c.kernel[-2] + 1);
  ir::Attributes sized = window;
  sized.set("size", middle(c.x, 1, 1));
  check("convolution_input_gradient", {dy, k}, sized, taps * c.kernel[-1] / c.groups);
  sized.set("size", middle(c.kernel, 0, 2));
  check("convolution_filter_gradient", {x, dy}, sized, y.size() / y[-1]);
}

const std::vector<Conv> kConvolutions{
    {{2, 9, 7, 3}, {3, 3, 3, 5}, {1, 1}, {1, 1}, {0, 0}, {0, 0}},
    {{1, 28, 28, 1}, {3, 3, 1, 32}, {1, 1}, {1, 1}, {1, 1}, {1, 1}},
    {{3, 13, 13, 32}, {3, 3, 32, 64}, {1, 1}, {1, 1}, {0, 0}, {0, 0}},
    {{2, 14, 15, 6}, {5, 5, 6, 16}, {2, 1}, {1, 1}, {2, 1}, {1, 2}},
    {{2, 11, 12, 17}, {2, 3, 17, 15}, {2, 3}, {1, 2}, {0, 1}, {1, 0}},
    {{1, 10, 10, 16}, {3, 3, 1, 16}, {1, 1}, {1, 1}, {1, 1}, {1, 1}, 16},
    {{2, 8, 8, 12}, {3, 3, 4, 6}, {1, 1}, {1, 1}, {1, 1}, {1, 1}, 3},
    {{2, 6, 6, 8}, {1, 1, 8, 9}, {1, 1}, {1, 1}, {0, 0}, {0, 0}},
    {{2, 20, 5}, {3, 5, 7}, {2}, {1}, {1}, {1}},
    {{1, 5, 6, 7, 3}, {2, 3, 2, 3, 4}, {1, 2, 1}, {1, 1, 1}, {1, 0, 0}, {0, 1, 0}},
    {{1, 1, 1, 1}, {1, 1, 1, 1}, {1, 1}, {1, 1}, {0, 0}, {0, 0}},
};

TEST(OneDnnConvolution, AgreesWithTheReferenceForwardAndBackward) {
  for (const Conv& c : kConvolutions) check_convolution(c);
}

TEST(OneDnnConvolution, TakesStridedOperands) {
  const WinogradRule direct(false);  // it declines what Winograd does faster once it is packed
  const ir::Attributes window{{"strides", ir::Ints{1, 1}},
                              {"dilation", ir::Ints{1, 1}},
                              {"padding_low", ir::Ints{1, 1}},
                              {"padding_high", ir::Ints{1, 1}},
                              {"groups", int64_t{1}}};
  // Channels first and kernels [out, in, spatial] in memory, as PyTorch's weights lie.
  const auto x = make_operand(f32, {2, 6, 7, 5}, 1, {0, 3, 1, 2});
  const auto k = make_operand(f32, {3, 3, 5, 4}, 2, {3, 2, 0, 1});
  const auto dy = make_operand(f32, {2, 6, 7, 4}, 3, {0, 3, 1, 2});
  expect_sums("convolution", {x, k}, window, "onednn convolution", 45);
  expect_sums("convolution", {repeated(f32, {2, 6, 7, 5}, 1), repeated(f32, {3, 3, 5, 4}, 0.5)},
              window, "onednn convolution", 45);
  ir::Attributes sized = window;
  sized.set("size", ir::Ints{6, 7});
  expect_sums("convolution_input_gradient", {dy, k}, sized, "onednn convolution", 36);
  expect_sums("convolution_input_gradient", {repeated(f32, {2, 6, 7, 4}, 1), k}, sized,
              "onednn convolution", 36);
  sized.set("size", ir::Ints{3, 3});
  expect_sums("convolution_filter_gradient", {x, dy}, sized, "onednn convolution", 84);
}

TEST(OneDnnConvolution, DeclinesEmptyOperands) {
  const ir::Attributes window{{"strides", ir::Ints{1}},
                              {"dilation", ir::Ints{1}},
                              {"padding_low", ir::Ints{0}},
                              {"padding_high", ir::Ints{0}},
                              {"groups", int64_t{1}}};
  std::vector<TestOperand> in{make_operand(f32, {0, 5, 2}, 1), make_operand(f32, {3, 2, 4}, 2)};
  const Ran r = run_kernel("convolution", in, window, backend::KernelSet::all);
  EXPECT_EQ(r.kernel, "ref convolution");
  EXPECT_THAT(r.declined, ::testing::Contains("onednn convolution: an operand is empty"));
}

TEST(OneDnnPooling, AveragesForwardAndBackward) {
  struct Case {
    Shape x, y;
    ir::Ints window, strides, low, high;
  };
  for (const Case& c :
       {Case{{2, 8, 9, 17}, {2, 4, 4, 17}, {2, 2}, {2, 2}, {0, 0}, {0, 0}},
        {{1, 7, 7, 3}, {1, 4, 4, 3}, {3, 3}, {2, 2}, {1, 1}, {1, 1}},
        {{1, 6, 5, 16}, {1, 6, 5, 16}, {3, 2}, {1, 1}, {1, 0}, {1, 1}},
        {{3, 10, 4}, {3, 5, 4}, {2}, {2}, {0}, {0}},
        {{1, 4, 5, 6, 8}, {1, 2, 2, 3, 8}, {2, 2, 2}, {2, 2, 2}, {0, 0, 0}, {0, 0, 0}}}) {
    for (bool whole : {false, true}) {
      SCOPED_TRACE(c.x.to_string());
      ir::Attributes a{{"window", c.window},
                       {"strides", c.strides},
                       {"dilation", ir::Ints(c.window.size(), 1)},
                       {"padding_low", c.low},
                       {"padding_high", c.high},
                       {"count_include_pad", whole}};
      expect_sums("average_pool", {make_operand(f32, c.x, 1)}, a, "onednn average pool", 9);
      a.set("size", middle(c.x, 1, 1));
      expect_sums("average_pool_gradient", {make_operand(f32, c.y, 2)}, a, "onednn average pool",
                  9);
      expect_sums("average_pool_gradient", {repeated(f32, c.y, 1)}, a, "onednn average pool", 9);
    }
  }
}

}  // namespace
}  // namespace varve
