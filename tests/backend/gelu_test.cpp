// The gelu kernel against long doubles on every instruction set.
#include <gtest/gtest.h>

#include <cmath>
#include <limits>
#include <vector>

#include "backend/cpu/simd_gelu.h"
#include "backend/targets.h"

namespace varve::cpu {
namespace {

constexpr float kInfinity = std::numeric_limits<float>::infinity();

double exact(double x) {
  return static_cast<double>(0.5L * static_cast<long double>(x) *
                             std::erfc(-static_cast<long double>(x) / std::sqrt(2.0L)));
}

TEST(Gelu, IsAccurateToFourUnitsFromMinusOneOn) {
  for_each_target([] {
    double worst = 0, worst_below = 0;
    for (double at = -14; at < 12; at += 1.7e-4) {
      const auto x = static_cast<float>(at);
      float y = 0;
      gelu(&x, &y, 1);
      const double want = exact(static_cast<double>(x)), error = std::fabs(double{y} - want);
      if (x >= -1) {
        const double unit = std::ldexp(1, std::ilogb(want == 0 ? 1 : want) - 23);
        worst = std::max(worst, error / unit);
      } else {
        worst_below = std::max(worst_below, error - 2e-6 * std::fabs(want));
      }
    }
    EXPECT_LE(worst, 4);
    EXPECT_LE(worst_below, 1e-9);
  });
}

TEST(Gelu, HasTheLimitsAndKeepsWhatIsBesideIt) {
  for_each_target([] {
    for (const int64_t n : {1, 5, 16, 31, 32, 33, 100}) {
      std::vector<float> x(static_cast<size_t>(n), -0.f), y(static_cast<size_t>(n) + 1, 7);
      gelu(x.data(), y.data(), n);
      EXPECT_EQ(y[0], 0);
      EXPECT_TRUE(std::signbit(y[0]));
      EXPECT_EQ(y[static_cast<size_t>(n)], 7);
    }
    const std::vector<float> x{kInfinity, -kInfinity, std::nanf(""), -1e30f, 1e30f, 1e-40f, -50};
    std::vector<float> y(x.size());
    gelu(x.data(), y.data(), static_cast<int64_t>(x.size()));
    EXPECT_EQ(y[0], kInfinity);
    EXPECT_TRUE(std::isnan(y[1]));  // -inf times 0, as the formula has it
    EXPECT_TRUE(std::isnan(y[2]));
    EXPECT_EQ(y[3], 0);
    EXPECT_EQ(y[4], 1e30f);
    EXPECT_NEAR(y[5], 0.5e-40f, 1e-45f);
    EXPECT_EQ(y[6], 0);
  });
}

}  // namespace
}  // namespace varve::cpu
