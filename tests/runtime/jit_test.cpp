#include "varve/jit.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cmath>
#include <string_view>

#include "backend/cpu/instruction_set.h"
#include "ir/frame.h"
#include "support/errors.h"
#include "varve/ops/convolution.h"
#include "varve/ops/indexing.h"
#include "varve/ops/matmul.h"
#include "varve/ops/pointwise.h"
#include "varve/ops/random.h"
#include "varve/ops/reduction.h"
#include "varve/ops/shape.h"

namespace varve {
namespace {

using ::testing::DoubleNear;
using ::testing::HasSubstr;
using ::testing::Pointwise;
using Doubles = std::vector<double>;

TEST(Jit, GivesWhatTheFunctionGives) {
  auto f = jit([](const Tensor& x, const Tensor& y) { return transpose(exp(x) * y + 1); });
  const Tensor x = tensor({0.f, 1.f, 2.f, 3.f}, {2, 2}), y = tensor({1.f, 2.f});
  for (int i = 0; i < 3; ++i) {
    const Doubles v = f(x, y).to_doubles();
    EXPECT_NEAR(v[0], 2, 1e-6);
    EXPECT_NEAR(v[1], std::exp(2.) + 1, 1e-5);
    EXPECT_NEAR(v[2], 2 * std::exp(1.) + 1, 1e-5);
  }
  EXPECT_EQ(f.info().traces(), 1);
  f(y, y);
  EXPECT_EQ(f.info().traces(), 2);
}

TEST(Jit, ResultsThatAreHeldAreNotOverwritten) {
  auto f = jit([](const Tensor& x) { return x + 1; });
  const Tensor a = f(scalar(1, f32)), b = f(scalar(2, f32)), c = f(scalar(3, f32));
  EXPECT_EQ(a.to_double(), 2);
  EXPECT_EQ(b.to_double(), 3);
  EXPECT_EQ(c.to_double(), 4);
}

TEST(Jit, WhatACastReturnsMayBeReadOn) {
  auto f = jit([](const Tensor& x) {
    const Tensor wide = cast(x, f64), whole = cast(x * 100, i32);
    return std::array{wide, wide * 2 + 1, whole, cast(whole, f32) + x};
  });
  for (int64_t n : {1, 15, 16, 1000, 4096, 5001}) {
    const Tensor x = random::normal(Key(1), {n});
    const auto [wide, twice, whole, sum] = f(x);
    for (size_t i = 0; i < static_cast<size_t>(n); ++i) {
      const float v = x.span<float>()[i];
      ASSERT_EQ(wide.span<double>()[i], static_cast<double>(v));
      ASSERT_EQ(twice.span<double>()[i], static_cast<double>(v) * 2 + 1);
      ASSERT_EQ(whole.span<int32_t>()[i], static_cast<int32_t>(v * 100));
      ASSERT_EQ(sum.span<float>()[i], static_cast<float>(whole.span<int32_t>()[i]) + v);
    }
  }
}

// Steps whose inputs are variables that are not assigned, counted by the plan's text.
size_t steady_steps(const std::string& plan) {
  size_t count = 0;
  for (size_t at = plan.find(" steady "); at != std::string::npos;
       at = plan.find(" steady ", at + 1))
    ++count;
  return count;
}

TEST(Jit, WhatVariablesAloneDecideIsKeptUntilOneChanges) {
  Variable w(tensor({1.f, 2.f, 3.f, 4.f}, {2, 2})), scale(scalar(2, f32));
  auto infer = jit([&](const Tensor& x) { return matmul(x, w * scale) + sum(w); });
  auto step = jit([&](const Tensor& x) {
    w.assign(w + x);
    return sum(w * scale);
  });
  const Tensor x = tensor({1.f, 0.f}, {1, 2});
  EXPECT_EQ(infer(x).to_doubles(), (Doubles{12, 14}));
  EXPECT_EQ(steady_steps(infer.info().plan()), 2) << infer.info().plan();
  EXPECT_EQ(infer(x).to_doubles(), (Doubles{12, 14}));
  // By a plan, which writes in place.
  step(ones({2, 2}));
  EXPECT_EQ(steady_steps(step.info().plan()), 0) << step.info().plan();
  EXPECT_EQ(infer(x).to_doubles(), (Doubles{18, 20}));
  scale.assign(scalar(1, f32));
  EXPECT_EQ(infer(x).to_doubles(), (Doubles{16, 17}));
}

TEST(Jit, KernelsOfConvolutionsAreLaidOutWhenTheyChange) {
  // One by Winograd's filtering, one by a direct kernel, one transposed.
  const Tensor x = random::normal(Key(1), {2, 16, 16, 32});
  for (const Shape& shape : {Shape{3, 3, 32, 32}, Shape{5, 5, 32, 32}}) {
    for (const bool transposed : {false, true}) {
      Variable w(random::normal(Key(2), shape));
      const auto apply = [&](const Tensor& t) {
        return transposed ? conv_transpose2d(t, w) : conv2d(t, w);
      };
      auto infer = jit(apply);
      for (int round = 0; round < 3; ++round) {
        const std::vector<double> expected = apply(x).to_doubles();
        for (int again = 0; again < 2; ++again)
          EXPECT_THAT(infer(x).to_doubles(), Pointwise(DoubleNear(2e-3), expected));
        w.assign(w * 0.5F + 1.F);
      }
      if (varve::cpu::instruction_set() == std::string_view("sse4")) continue;
      EXPECT_THAT(infer.info().plan(), HasSubstr("steady packing"));
    }
  }
}

TEST(Jit, EveryPlanOfAFunctionFollowsItsVariables) {
  Variable w(ones({2, 2}));
  auto f = jit([&](const Tensor& x) { return sum(matmul(x, exp(w))); });
  const auto expect = [&](float v) {
    for (int64_t rows : {1, 3}) {
      EXPECT_NEAR(f(ones({rows, 2})).to_double(), static_cast<double>(4 * rows) * std::exp(v),
                  1e-4);
    }
  };
  for (float v : {1.F, 2.F, 2.F, 0.F}) {
    w.assign(full({2, 2}, v));
    expect(v);
  }
  EXPECT_EQ(f.info().traces(), 2);
}

TEST(Jit, WhatFailedWasNotComputedBeforehand) {
  Variable table(tensor({1.f, 2.f, 3.f})), index(tensor({int64_t{7}}));
  auto f = jit([&](const Tensor& x) { return x * sum(exp(take(table, index, 0))); });
  for (int i = 0; i < 2; ++i) EXPECT_THROW(f(ones({2})), IndexError);
  index.assign(tensor({int64_t{1}}));
  for (int i = 0; i < 2; ++i) EXPECT_NEAR(f(ones({2})).to_doubles()[1], std::exp(2.), 1e-5);
  index.assign(tensor({int64_t{-4}}));
  for (int i = 0; i < 2; ++i) EXPECT_THROW(f(ones({2})), IndexError);
}

TEST(Jit, AKeptValueMayBeAResultToo) {
  Variable w(ones({3}));
  auto f = jit([&](const Tensor& x) {
    const Tensor twice = w + w;
    return std::array{x * sum(twice), twice, transpose(reshape(exp(w), {3, 1}))};
  });
  for (float v : {1.F, 1.F, 2.F, 2.F}) {
    w.assign(full({3}, v));
    const auto [a, b, c] = f(ones({2}));
    EXPECT_EQ(a.to_doubles(), (Doubles{6 * v, 6 * v}));
    EXPECT_EQ(b.to_doubles(), (Doubles{2 * v, 2 * v, 2 * v}));
    EXPECT_NEAR(c.to_doubles()[0], std::exp(v), 1e-5);
    EXPECT_EQ(f(zeros({2}))[0].to_doubles(), (Doubles{0, 0}));
  }
}

TEST(Jit, WhatWasPendingBeforeTheTraceIsComputedOnce) {
  const Tensor w = exp(tensor({1.f, 2.f}));
  auto f = jit([&](const Tensor& x) { return x + w; });
  EXPECT_NEAR(f(scalar(1, f32)).to_doubles()[1], 1 + std::exp(2.), 1e-5);
  EXPECT_EQ(f.info().plan().find("exp"), std::string::npos) << f.info().plan();
}

TEST(Jit, UpdatesRunTogetherAndReadOldValues) {
  // Each new value depends on the other's old one, so neither may be overwritten too early.
  Variable a(tensor({1.f, 2.f, 3.f})), b(tensor({10.f, 20.f, 30.f})), c(scalar(1, f32));
  auto step = jit([&](const Tensor& x) {
    const Tensor old = a.value();
    a.assign(b.value() * 2 + x);
    b.assign(old * 3 - b.value());
    c.assign(c.value() * 2 + 1);
    return x;
  });
  double want_a = 2, want_b = 20, want_c = 1;
  for (int i = 0; i < 4; ++i) {
    step(scalar(1, f32));
    const double old = want_a;
    want_a = want_b * 2 + 1;
    want_b = old * 3 - want_b;
    want_c = want_c * 2 + 1;
    EXPECT_EQ(a.value().to_doubles()[1], want_a);
    EXPECT_EQ(b.value().to_doubles()[1], want_b);
    EXPECT_EQ(c.value().to_double(), want_c);
  }
  EXPECT_NE(step.info().plan().find(" tiles: "), std::string::npos) << step.info().plan();
}

TEST(Jit, ReturnsTreesAndArguments) {
  auto f = jit([](const Tensor& x) {
    return std::tuple{x, std::pair{x * 2, Tensors{x * 3, x}}, std::array{x, x}};
  });
  const auto [x, p, a] = f(scalar(5, f32));
  EXPECT_EQ(x.to_double(), 5);
  EXPECT_EQ(p.first.to_double(), 10);
  EXPECT_EQ(p.second[0].to_double(), 15);
  EXPECT_EQ(p.second[1].to_double(), 5);
  EXPECT_EQ(a[1].to_double(), 5);
}

TEST(Jit, ComposesWithDerivatives) {
  auto f = [](const Tensor& x, const Tensor& y) { return sin(x) * y; };
  const Tensor x = scalar(0.5, f64), y = scalar(3, f64);
  auto [value, grads] = jit(value_and_grad(f))(x, y);
  EXPECT_NEAR(value.to_double(), 3 * std::sin(0.5), 1e-15);
  EXPECT_NEAR(grads[0].to_double(), 3 * std::cos(0.5), 1e-15);
  auto inner = jit(f);
  EXPECT_NEAR(grad([&](const Tensor& t) { return inner(t, t); })(x).to_double(),
              std::cos(0.5) * 0.5 + std::sin(0.5), 1e-15);
  EXPECT_NEAR(jit(grad(grad([](const Tensor& t) { return sin(t); })))(x).to_double(),
              -std::sin(0.5), 1e-15);
}

TEST(Jit, ReadsAndAssignsVariables) {
  Variable v(tensor({1.f, 2.f}), {.name = "v"}), count(scalar(0, i64), {.name = "count"});
  auto step = jit([&](const Tensor& x) {
    v.assign(v.value() * 2 + x);
    count.assign(count.value() + 1);
    return v.value();
  });
  const Tensor before = v.value();
  Tensor r;
  for (int i = 0; i < 5; ++i) r = step(scalar(1, f32));
  EXPECT_EQ(v.value().to_doubles(), (Doubles{63, 95}));
  EXPECT_EQ(r.to_doubles(), (Doubles{63, 95}));
  EXPECT_EQ(before.to_doubles(), (Doubles{1, 2}));
  EXPECT_EQ(count.value().item<int64_t>(), 5);
  EXPECT_EQ(v.version(), 5u);
  v.assign(tensor({0.f, 0.f}));
  EXPECT_EQ(step(scalar(1, f32)).to_doubles(), (Doubles{1, 1}));
}

TEST(Jit, SwapsVariablesThroughEachOther) {
  Variable a(scalar(1, f32), {.name = "a"}), b(scalar(2, f32), {.name = "b"});
  auto swap = jit([&] {
    const Tensor t = a.value();
    a.assign(b.value());
    b.assign(t);
  });
  swap();
  EXPECT_EQ(a.value().to_double(), 2);
  EXPECT_EQ(b.value().to_double(), 1);
  swap();
  EXPECT_EQ(a.value().to_double(), 1);
}

TEST(Jit, AFailedStepLeavesEveryStateAsItWasAndNamesTheMaker) {
  Variable w(scalar(2, f32), {.name = "w"}), steps(scalar(0, i64), {.name = "steps"});
  auto step = jit([&](const Tensor& x) {
    const Tensor loss = log(x) * w;
    ir::guard(loss, "loss");
    w.assign(w - 0.5 * loss);
    steps.assign(steps + 1);
    return loss;
  });
  step(scalar(1, f32));
  EXPECT_EQ(steps.value().item<int64_t>(), 1);
  const NumericError e = test::error_of<NumericError>([&] { step(scalar(-1, f32)); });
  EXPECT_EQ(e.message(), "loss is not finite: log made it so (f32[])");
  EXPECT_NE(e.at().find("jit_test.cpp:"), std::string::npos);
  EXPECT_EQ(w.value().to_double(), 2);
  EXPECT_EQ(steps.value().item<int64_t>(), 1);
  step(scalar(1, f32));
  EXPECT_EQ(steps.value().item<int64_t>(), 2);
}

TEST(Jit, ReadingInsideIsAnError) {
  auto f = jit([](const Tensor& x) { return x.to_double() > 0 ? x : -x; });
  EXPECT_THROW(f(scalar(1, f32)), ValueError);
}

TEST(Jit, TwoResultsOfOneGroupDoNotShareTheirInputsMemory) {
  auto f = [](const Tensor& a, const Tensor& b) {
    const Tensor d = matmul(a, b);
    return Tensors{sum(square(d)), matmul(a, d * 2)};
  };
  std::vector<float> v(400);
  for (size_t i = 0; i < v.size(); ++i) v[i] = static_cast<float>(i % 7);
  const Tensor a = tensor(v, Shape{20, 20}), b = tensor(v, Shape{20, 20});
  const Tensors expected = f(a, b), got = jit(f)(a, b);
  EXPECT_EQ(got[0].to_doubles(), expected[0].to_doubles());
  EXPECT_EQ(got[1].to_doubles(), expected[1].to_doubles());
}

TEST(Jit, KeepsTheSixteenPlansLastUsedAndWarnsOfManyTraces) {
  auto f = jit([](const Tensor& x) { return x + 1; });
  for (int64_t n = 1; n <= 20; ++n) f(reshape(broadcast_to(scalar(1, f32), Shape{n}), Shape{n}));
  EXPECT_EQ(f.info().traces(), 20);
  f(broadcast_to(scalar(1, f32), Shape{20}));
  EXPECT_EQ(f.info().traces(), 20);
  f(broadcast_to(scalar(1, f32), Shape{1}));
  EXPECT_EQ(f.info().traces(), 21);
}

}  // namespace
}  // namespace varve
