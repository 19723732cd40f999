// What a plan tells of itself.
#include <gtest/gtest.h>

#include <cstdlib>
#include <regex>
#include <sstream>

#include "runtime/evaluate.h"
#include "varve/varve.h"

namespace varve {
namespace {

/// Lines, without the places where nodes were made.
std::vector<std::string> lines_of(const std::string& text) {
  std::vector<std::string> lines;
  std::istringstream in(text);
  for (std::string line; std::getline(in, line);)
    lines.push_back(std::regex_replace(line, std::regex("  // [a-z_]+\\.cpp:[0-9]+"), ""));
  return lines;
}

TEST(PlanText, TellsKernelsNodesAndPlaces) {
  const runtime::ExecuteScope scope({.kernels = backend::KernelSet::ref});
  Variable w(ones({3, 4}), {.name = "w"});
  auto step = jit([&](const Tensor& x) {
    const Tensor y = matmul(x, w);
    w.assign(w + mean(y));
    return transpose(exp(y));
  });
  EXPECT_EQ(step.info().plan(), "not traced yet");
  step(ones({2, 3}));
  EXPECT_EQ(lines_of(step.info().plan()),
            (std::vector<std::string>{
                "plan: 5 kernels, arena 192 bytes",
                "   0        ref matmul: %2 = matmul %0, %1 {transpose_a = false, transpose_b = "
                "false} : f32[2, 4] -> arena+0",
                "   1        ref mean: %5 = mean %2 {axes = [0, 1], keep_dims = false} : f32[] -> "
                "arena+128",
                "   2        ref pointwise: %3 = exp %2 : f32[2, 4] -> arena+64",
                "   3 commit ref pointwise: %7 = add %1, %6 : f32[3, 4] -> output 1",
                "   4 commit copy -> output 0",
            }));
}

TEST(PlanText, SaysWhyKernelsDeclinedWhereTheEnvironmentAsks) {
  auto f = jit([](const Tensor& x) { return matmul(x, x); });
  const Tensor halves = ones({3, 3}, i32);
  testing::internal::CaptureStderr();
  f(halves);
  EXPECT_EQ(testing::internal::GetCapturedStderr(), "");
  setenv("VARVE_EXPLAIN", "kernels", 1);
  testing::internal::CaptureStderr();
  auto g = jit([](const Tensor& x) { return matmul(x, x); });
  g(halves);
  unsetenv("VARVE_EXPLAIN");
  const std::string text = testing::internal::GetCapturedStderr();
  EXPECT_EQ(text.find("plan: 1 kernel, "), 0u) << text;
  EXPECT_NE(text.find("ref matmul: %1 = matmul"), std::string::npos) << text;
  EXPECT_NE(text.find("\n              not onednn matmul: "), std::string::npos) << text;
  EXPECT_EQ(g.info().plan().find("not onednn"), std::string::npos);
}

TEST(PlanText, ShowsWhatWasPutTogether) {
  auto f = jit([](const Tensor& x, const Tensor& w) { return tanh(relu(matmul(x, w)) * 2 + 1); });
  f(ones({8, 16}), ones({16, 32}));
  const std::string text = f.info().plan();
  EXPECT_NE(text.find("= group "), std::string::npos) << text;
  EXPECT_EQ(text.find("plan: 2 kernels"), 0u) << text;
}

TEST(PlanText, TimesEachKernelOnceAskedTo) {
  auto f = jit([](const Tensor& x, const Tensor& w) { return softmax(matmul(x, w)); });
  EXPECT_EQ(f.info().profile(), "not traced yet");
  f.info().profile(true);
  const Tensor x = random::normal(Key(1), {64, 64});
  for (int i = 0; i < 10; ++i) f(x, x);
  const std::vector<std::string> lines = lines_of(f.info().profile());
  ASSERT_EQ(lines.size(), 3u);
  EXPECT_EQ(lines[0], "   us/run    share  kernel");
  double share = 0;
  for (size_t i = 1; i < lines.size(); ++i) {
    std::smatch found;
    ASSERT_TRUE(std::regex_match(lines[i], found,
                                 std::regex(" *([0-9.]+) +([0-9.]+)%  .* f32\\[64, 64\\]")))
        << lines[i];
    EXPECT_GT(std::stod(found[1]), 0);
    share += std::stod(found[2]);
  }
  EXPECT_NEAR(share, 100, 0.2);
  // Asked again, it begins anew.
  f.info().profile(true);
  EXPECT_NE(f.info().profile().find("      0.0     0.0%"), std::string::npos);
}

}  // namespace
}  // namespace varve
