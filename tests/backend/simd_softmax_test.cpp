#include "backend/cpu/simd_softmax.h"

#include <gtest/gtest.h>

#include <cmath>
#include <limits>
#include <random>
#include <vector>

#include "backend/targets.h"
#include "base/threads.h"

namespace varve::cpu {
namespace {

constexpr float kInf = std::numeric_limits<float>::infinity();
const std::vector<int64_t> kColumns = {1, 2, 3, 7, 10, 15, 16, 17, 31, 32, 33, 64, 100, 1000, 1031};

/// Rows of logits, with a margin of NaN after them.
struct Rows {
  int64_t rows, columns;
  std::vector<float> x;
  Rows(int64_t r, int64_t c, double scale, uint32_t seed) : rows(r), columns(c) {
    std::mt19937 random(seed);
    std::normal_distribution<double> normal(0, scale);
    for (int64_t i = 0; i < r * c; ++i) x.push_back(static_cast<float>(normal(random)));
    for (int i = 0; i < 16; ++i) x.push_back(std::nanf(""));
  }
  const float* row(int64_t r) const { return x.data() + r * columns; }
  std::vector<float> output() const { return std::vector<float>(x.size(), -7.f); }
};

double exact_logsumexp(const float* x, int64_t n) {
  double top = -INFINITY, sum = 0;
  for (int64_t i = 0; i < n; ++i) top = std::max(top, static_cast<double>(x[i]));
  if (std::isinf(top)) return top;
  for (int64_t i = 0; i < n; ++i) sum += std::exp(x[i] - top);
  return top + std::log(sum);
}
void expect_margin(const std::vector<float>& y) {
  for (size_t i = y.size() - 16; i < y.size(); ++i) ASSERT_EQ(y[i], -7.f);
}
/// The relative rounding of a sum of n parts of one sign, an exponential and a division.
double bound(int64_t n) { return (2 * std::sqrt(static_cast<double>(n)) + 6) * 0x1p-24; }

TEST(SimdSoftmax, RowsAreWithinRoundingOfDouble) {
  for_each_target([] {
    for (const int64_t n : kColumns) {
      for (const double scale : {1.0, 30.0}) {
        const Rows in(5, n, scale, static_cast<uint32_t>(n));
        std::vector<float> y = in.output(), log_y = in.output(), norm(5);
        softmax_rows(in.x.data(), y.data(), 5, n);
        log_softmax_rows(in.x.data(), log_y.data(), 5, n);
        logsumexp_rows(in.x.data(), norm.data(), 5, n);
        expect_margin(y);
        expect_margin(log_y);
        for (int64_t r = 0; r < 5; ++r) {
          const double exact = exact_logsumexp(in.row(r), n);
          ASSERT_NEAR(norm[static_cast<size_t>(r)], exact, bound(n) + std::fabs(exact) * 0x1p-24);
          for (int64_t c = 0; c < n; ++c) {
            const double log_p = in.row(r)[c] - exact, p = std::exp(log_p);
            // The argument of exp is rounded: its size times half a unit, relative.
            const double argument = (std::fabs(log_p) + 1) * 0x1p-24;
            const auto at = static_cast<size_t>(r * n + c);
            ASSERT_NEAR(y[at], p, p * (bound(n) + argument) + 0x1p-140) << n;
            ASSERT_NEAR(log_y[at], log_p, bound(n) + 2 * argument) << n;
          }
        }
      }
    }
  });
}

TEST(SimdSoftmax, WorksInPlaceAndInThreads) {
  const Rows in(3001, 33, 3, 1);
  std::vector<float> y = in.output();
  set_thread_count(1);
  softmax_rows(in.x.data(), y.data(), 3001, 33);
  set_thread_count(3);
  std::vector<float> z = in.x;
  softmax_rows(z.data(), z.data(), 3001, 33);
  set_thread_count(2);
  for (size_t i = 0; i < 3001 * 33; ++i) ASSERT_EQ(y[i], z[i]);
}

TEST(SimdSoftmax, InfinitiesAndNan) {
  for_each_target([] {
    for (const int64_t n : {3, 16, 40}) {
      std::vector<float> x(static_cast<size_t>(n), -kInf), y(x.size()), l(x.size());
      float norm = 0;
      softmax_rows(x.data(), y.data(), 1, n);
      log_softmax_rows(x.data(), l.data(), 1, n);
      logsumexp_rows(x.data(), &norm, 1, n);
      EXPECT_EQ(y, std::vector<float>(x.size(), 0.f));
      EXPECT_EQ(l, x);
      EXPECT_EQ(norm, -kInf);
      x.back() = 5;  // one finite among -inf: it takes all
      softmax_rows(x.data(), y.data(), 1, n);
      EXPECT_EQ(y.back(), 1);
      EXPECT_EQ(y[0], 0);
      x.back() = kInf;
      softmax_rows(x.data(), y.data(), 1, n);
      logsumexp_rows(x.data(), &norm, 1, n);
      EXPECT_TRUE(std::isnan(y.back()));
      EXPECT_EQ(norm, kInf);
      x[1] = std::nanf("");
      softmax_rows(x.data(), y.data(), 1, n);
      logsumexp_rows(x.data(), &norm, 1, n);
      EXPECT_TRUE(std::isnan(y[0]) && std::isnan(norm));
    }
    float norm = 0;
    logsumexp_rows(nullptr, &norm, 1, 0);
    EXPECT_EQ(norm, -kInf);
  });
}

template <class Label>
void check_cross_entropy(DType type, double smoothing) {
  for (const int64_t n : kColumns) {
    const Rows in(9, n, 4, static_cast<uint32_t>(n) + 1);
    std::vector<Label> labels;
    for (int64_t r = 0; r < 9; ++r) labels.push_back(static_cast<Label>((r * 5) % n));
    labels[3] = 111;  // ignored
    const CrossEntropyRows p{in.x.data(), labels.data(), type, 9, n, smoothing, true, 111};
    std::vector<float> upstream;
    for (int r = 0; r < 9; ++r) upstream.push_back(0.25f * static_cast<float>(r) - 1);
    std::vector<float> losses(9), norms(9), d = in.output();
    ASSERT_EQ(cross_entropy_rows(p, losses.data(), norms.data()), -1);
    cross_entropy_gradient_rows(p, norms.data(), {upstream.data(), 1}, d.data());
    expect_margin(d);
    std::vector<float> losses_2(9), norms_2(9), d_2 = in.output();
    ASSERT_EQ(cross_entropy_with_gradient_rows(p, {upstream.data(), 1}, losses_2.data(),
                                               norms_2.data(), d_2.data()),
              -1);
    ASSERT_EQ(losses, losses_2);
    ASSERT_EQ(norms, norms_2);
    for (size_t r = 0; r < 9; ++r) {
      const float* x = in.row(static_cast<int64_t>(r));
      const double norm = exact_logsumexp(x, n);
      double said = 0, size = std::fabs(norm);
      for (int64_t c = 0; c < n; ++c) {
        const double q = (c == static_cast<int64_t>(labels[r]) ? 1 - smoothing : 0) +
                         smoothing / static_cast<double>(n);
        said += q * x[c];
        size += q * std::fabs(x[c]);
        const double want = r == 3 ? 0 : (std::exp(x[c] - norm) - q) * upstream[r];
        const double tolerance = (bound(n) + size * 0x1p-23) * std::fabs(upstream[r]);
        const auto at = r * static_cast<size_t>(n) + static_cast<size_t>(c);
        ASSERT_NEAR(d[at], want, tolerance);
        ASSERT_NEAR(d_2[at], want, tolerance);
      }
      ASSERT_NEAR(losses[r], r == 3 ? 0 : norm - said, bound(n) * (1 + size));
    }
  }
}

TEST(SimdSoftmax, CrossEntropyAndItsGradientFollowTheFormula) {
  for_each_target([] {
    check_cross_entropy<int32_t>(DType::i32, 0);
    check_cross_entropy<uint8_t>(DType::u8, 0.1);
    check_cross_entropy<int64_t>(DType::i64, 1);
  });
}

TEST(SimdSoftmax, SmallLossesKeepTheirDigits) {
  // log(1 + exp(-15)) = 3e-7: lost if the logsumexp were rounded first.
  const float x[] = {15, 0};
  const int32_t label = 0;
  float loss = 0;
  cross_entropy_rows({x, &label, DType::i32, 1, 2}, &loss, nullptr);
  EXPECT_NEAR(loss, std::log1p(std::exp(-15.)), 1e-7);
}

TEST(SimdSoftmax, TheFirstLabelOutOfRangeIsReported) {
  const Rows in(500, 10, 1, 1);
  std::vector<int32_t> labels(500, 3);
  labels[77] = 10;
  labels[400] = -1;
  std::vector<float> losses(500), d = in.output();
  const float one = 1;
  const CrossEntropyRows p{in.x.data(), labels.data(), DType::i32, 500, 10};
  EXPECT_EQ(cross_entropy_rows(p, losses.data(), nullptr), 77);
  EXPECT_EQ(losses[77], 0);
  EXPECT_EQ(cross_entropy_with_gradient_rows(p, {&one, 0}, nullptr, nullptr, d.data()), 77);
}

}  // namespace
}  // namespace varve::cpu
