// Which calls of a compiled function share a plan.
#include <gtest/gtest.h>

#include "base/threads.h"
#include "runtime/evaluate.h"
#include "varve/varve.h"

namespace varve {
namespace {

using Doubles = std::vector<double>;

/// Sets the number of threads for its life.
struct Threads {
  explicit Threads(int n) : before(thread_count()) { set_thread_count(n); }
  ~Threads() { set_thread_count(before); }
  int before;
};

TEST(PlanCache, KeepsOnePlanForFullBatchesAndOneForTheShortLastOne) {
  Variable sum_so_far(scalar(0, f64), {.name = "sum"});
  auto step = jit([&](const Tensor& x) {
    const Tensor s = sum(cast(x, f64));
    sum_so_far.assign(sum_so_far + s);
    return s / x.shape()[0];
  });
  double expected = 0;
  for (int epoch = 0; epoch < 4; ++epoch) {
    for (int64_t n : {8, 8, 3}) {
      EXPECT_EQ(step(full({n, 2}, epoch + 1)).to_double(), 2 * (epoch + 1));
      expected += static_cast<double>(2 * n * (epoch + 1));
      EXPECT_EQ(sum_so_far.value().to_double(), expected);
    }
  }
  EXPECT_EQ(step.info().traces(), 2);
}

TEST(PlanCache, TracesAnewForAnotherTypeRankOrCountOfElements) {
  auto f = jit([](const Tensor& x) { return x * 2; });
  int traces = 0;
  for (const Tensor& x : {ones({2, 3}), ones({3, 2}), ones({6}), ones({2, 3, 1}), ones({0, 3}),
                          ones({2, 3}, f64), ones({2, 3}, i32), ones({2, 3}, u8)}) {
    EXPECT_EQ(f(x).dtype(), x.dtype());
    EXPECT_EQ(f.info().traces(), ++traces);
    EXPECT_EQ(f(x).to_doubles(), Doubles(static_cast<size_t>(x.size()), 2));
    EXPECT_EQ(f.info().traces(), traces);
  }
}

TEST(PlanCache, PlansAnewForOtherThreadsAndKernels) {
  auto f = jit([](const Tensor& x) { return exp(x) + 1; });
  const Tensor x = random::normal(Key(1), {40, 50});
  const Doubles before = f(x).to_doubles();
  {
    const Threads three(3);
    EXPECT_EQ(f(x).to_doubles(), before);
    EXPECT_EQ(f.info().traces(), 2);
  }
  {
    const runtime::ExecuteScope scope({.kernels = backend::KernelSet::ref});
    f(x);
    EXPECT_EQ(f.info().traces(), 3);
    EXPECT_NE(f.info().plan().find("ref pointwise"), std::string::npos);
  }
  f(x);
  EXPECT_EQ(f.info().traces(), 3);
  EXPECT_EQ(f.info().plan().find("ref pointwise"), std::string::npos);
}

TEST(PlanCache, PlansAnewWhereWinogradIsAllowedOrForbidden) {
  auto f = jit([](const Tensor& x) { return x + 1; });
  const Tensor x = ones({3});
  const bool before = winograd_allowed();
  allow_winograd(true);
  f(x);
  allow_winograd(false);
  f(x);
  EXPECT_EQ(f.info().traces(), 2);
  allow_winograd(true);
  f(x);
  EXPECT_EQ(f.info().traces(), 2);
  allow_winograd(before);
}

TEST(PlanCache, KernelsOfSingleOpsAreMadeAnewWhereWinogradIsForbidden) {
  const Tensor x = random::normal(Key(1), {8, 32, 32, 64}),
               k = random::normal(Key(2), {3, 3, 64, 64});
  const auto made = [&] { return conv2d(x, k, {.padding = "same"}).evaluate(); };
  const bool before = winograd_allowed();
  allow_winograd(true);
  const Tensor by_winograd = made();
  EXPECT_EQ(max(abs(made() - by_winograd)).item<float>(), 0);
  allow_winograd(false);
  const float off = max(abs(made() - by_winograd)).item<float>();
  allow_winograd(before);
  EXPECT_GT(off, 0);
  EXPECT_LT(off, 1e-2);
}

TEST(PlanCache, PicturesThatLieChannelsFirstArePackedForWinograd) {
  const Tensor k = random::normal(Key(2), {64, 64, 3, 3});
  auto f = jit([&](const Tensor& x) {
    return conv2d(x, k, {.padding = "same", .data_format = "channels_first"});
  });
  const bool before = winograd_allowed();
  allow_winograd(true);
  f(random::normal(Key(1), {8, 64, 32, 32}));
  allow_winograd(before);
  EXPECT_NE(f.info().plan().find(" winograd: "), std::string::npos) << f.info().plan();
}

TEST(PlanCache, DropsThePlanThatWasUsedLongestAgo) {
  auto f = jit([](const Tensor& x) { return sum(x); });
  const auto call = [&](int64_t n) {
    EXPECT_EQ(f(ones({n})).to_double(), n);
    return f.info().traces();
  };
  for (int64_t n = 1; n <= 16; ++n) EXPECT_EQ(call(n), n);
  EXPECT_EQ(call(1), 16);   // 2 is now the oldest
  EXPECT_EQ(call(17), 17);  // and gives way
  EXPECT_EQ(call(1), 17);
  EXPECT_EQ(call(3), 17);
  EXPECT_EQ(call(2), 18);
  EXPECT_EQ(call(4), 19);  // dropped for 2
}

TEST(PlanCache, ResultsOfADroppedPlanLiveOn) {
  auto f = jit([](const Tensor& x) { return x + 1; });
  const Tensor first = f(ones({5}));
  for (int64_t n = 6; n < 30; ++n) f(ones({n}));
  EXPECT_EQ(first.to_doubles(), Doubles(5, 2));
}

TEST(PlanCache, WarnsOnceThatAFunctionIsTracedAgainAndAgain) {
  std::vector<std::string> texts;
  set_warning_handler([&](const std::string& text) { texts.push_back(text); });
  auto f = jit([](const Tensor& x) { return x + 1; });
  for (int64_t n = 1; n < 20; ++n) f(ones({n}));
  set_warning_handler(nullptr);
  ASSERT_EQ(texts.size(), 1u);
  EXPECT_EQ(texts[0],
            "jit: traced for the 8th time; each new combination of argument shapes is traced and "
            "planned anew");
}

TEST(PlanCache, CopiesOfACompiledFunctionShareItsPlans) {
  auto f = jit([](const Tensor& x) { return x + 1; });
  auto g = f;
  f(ones({3}));
  g(ones({3}));
  EXPECT_EQ(f.info().traces(), 1);
  EXPECT_EQ(g.info().traces(), 1);
}

}  // namespace
}  // namespace varve
