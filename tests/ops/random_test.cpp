#include "varve/ops/random.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <map>
#include <numeric>
#include <set>

#include "base/philox.h"
#include "support/errors.h"
#include "varve/ops/pointwise.h"
#include "varve/ops/shape.h"

namespace varve {
namespace {

struct Moments {
  double mean, variance, skewness, kurtosis;
};
Moments moments(const Tensor& x) {
  const std::vector<double> v = x.to_doubles();
  const double n = static_cast<double>(v.size());
  const double mean = std::accumulate(v.begin(), v.end(), 0.) / n;
  double m2 = 0, m3 = 0, m4 = 0;
  for (double a : v) {
    const double d = a - mean;
    m2 += d * d / n;
    m3 += d * d * d / n;
    m4 += d * d * d * d / n;
  }
  return {mean, m2, m3 / std::pow(m2, 1.5), m4 / (m2 * m2)};
}
constexpr int kMany = 200000;

TEST(Philox, GivesThePublishedVectors) {  // kat_vectors of the Random123 distribution
  EXPECT_EQ(philox::block(0, 0, 0),
            (philox::Block{0x6627e8d5, 0xe169c58d, 0xbc57ac4c, 0x9b00dbd8}));
  EXPECT_EQ(philox::block(~0ull, ~0ull, ~0ull),
            (philox::Block{0x408f276d, 0x41c83b0e, 0xa20bc7c6, 0x6d5451fd}));
  EXPECT_EQ(philox::block(0x299f31d0a4093822, 0x85a308d3243f6a88, 0x0370734413198a2e),
            (philox::Block{0xd16cfe09, 0x94fdcceb, 0x5001e420, 0x24126ea1}));
}

TEST(RandomBits, AreTheWordsOfTheKey) {
  const Tensor x = random::bits(Key(7, 9), {3, 5});
  const auto v = x.span<uint32_t>();
  for (size_t i = 0; i < v.size(); ++i) EXPECT_EQ(v[i], philox::word(7, 9, i));
}

TEST(RandomBits, DependOnNeitherShapeNorLayout) {
  const Key k(1);
  EXPECT_EQ(reshape(random::bits(k, {4, 6}), {24}).to_doubles(),
            random::bits(k, {24}).to_doubles());
}

TEST(Keys, FoldIntoDifferentKeys) {
  std::set<std::vector<double>> seen;
  const Key k(5);
  for (uint64_t i = 0; i < 100; ++i) {
    seen.insert(k.fold_in(i).bits().to_doubles());
    seen.insert(k.fold_in("layer_" + std::to_string(i)).bits().to_doubles());
  }
  EXPECT_EQ(seen.size(), 200u);
  EXPECT_EQ(k.fold_in(3).bits().to_doubles(), Key(5).fold_in(3).bits().to_doubles());
}

TEST(Keys, OfTheRootComeAgainAfterSeeding) {
  random::seed(42);
  const auto a = random::key().bits().to_doubles(), b = random::key().bits().to_doubles();
  EXPECT_NE(a, b);
  random::seed(42);
  EXPECT_EQ(random::key().bits().to_doubles(), a);
  random::seed(43);
  EXPECT_NE(random::key().bits().to_doubles(), a);
  random::seed(0);
}

TEST(Uniform, FillsItsRangeEvenly) {
  for (DType d : {f16, bf16, f32, f64}) {
    const Tensor x = random::uniform(Key(1), {kMany}, {.low = -1, .high = 3, .dtype = d});
    ASSERT_EQ(x.dtype(), d);
    const std::vector<double> v = x.to_doubles();
    EXPECT_GE(*std::min_element(v.begin(), v.end()), -1);
    EXPECT_LT(*std::max_element(v.begin(), v.end()), 3);
    const Moments m = moments(x);
    // 5 standard errors; bf16 has 256 steps, of which each lies half a step low.
    const double step = d == bf16 ? 4. / 256 : d == f16 ? 4. / 2048 : 0;
    EXPECT_NEAR(m.mean, 1, 5 * std::sqrt(16. / 12 / kMany) + step);
    EXPECT_NEAR(m.variance, 16. / 12, 0.02);
  }
}

TEST(Uniform, NeverReachesItsUpperEnd) {
  // 1 - 2^-24 is the largest number below 1: low + u would round to 2^24 + 1 or to 1.
  const Tensor x = random::uniform(Key(1), {1000}, {.low = 16777215, .high = 16777216});
  for (float v : x.span<float>()) EXPECT_EQ(v, 16777215);
  const Tensor y = random::uniform(Key(1), {10}, {.low = 2, .high = 2});
  for (float v : y.span<float>()) EXPECT_EQ(v, 2);
}

TEST(Uniform, OfDoublesHasFiftyThreeBits) {
  const std::vector<double> v = random::uniform(Key(3), {1000}, {.dtype = f64}).to_doubles();
  int fine = 0;
  for (double u : v) fine += std::ldexp(u, 32) != std::floor(std::ldexp(u, 32));
  EXPECT_GT(fine, 990);
}

TEST(Normal, HasTheMomentsOfANormal) {
  for (DType d : {f32, f64, bf16}) {
    const Moments m =
        moments(random::normal(Key(11), {kMany}, {.mean = 2, .standard_deviation = 3, .dtype = d}));
    EXPECT_NEAR(m.mean, 2, 5 * 3 / std::sqrt(kMany));
    EXPECT_NEAR(m.variance, 9, 5 * 9 * std::sqrt(2. / kMany) + (d == bf16 ? 0.01 : 0));
    EXPECT_NEAR(m.skewness, 0, 5 * std::sqrt(6. / kMany));
    EXPECT_NEAR(m.kurtosis, 3, 5 * std::sqrt(24. / kMany));
  }
}

TEST(TruncatedNormal, StaysWithinTwoDeviations) {
  for (DType d : {f32, f64}) {
    const Tensor x = random::truncated_normal(Key(11), {kMany},
                                              {.mean = 1, .standard_deviation = 0.5, .dtype = d});
    const std::vector<double> v = x.to_doubles();
    EXPECT_GE(*std::min_element(v.begin(), v.end()), 0);
    EXPECT_LE(*std::max_element(v.begin(), v.end()), 2);
    const Moments m = moments(x);
    EXPECT_NEAR(m.mean, 1, 5 * 0.5 / std::sqrt(kMany));
    // The deviation that initializers divide by: 0.87962566103423978.
    EXPECT_NEAR(std::sqrt(m.variance), 0.5 * 0.87962566103423978, 0.003);
  }
}

TEST(TruncatedNormal, InvertsTheDistributionFunction) {
  const Tensor u = random::uniform(Key(2), {1000}, {.dtype = f64});
  const Tensor x = random::truncated_normal(Key(2), {1000}, {.dtype = f64});
  const Tensor back = (erf(x / std::sqrt(2.)) / std::erf(std::sqrt(2.)) + 1) / 2;
  for (double d : (back - u).to_doubles()) EXPECT_NEAR(d, 0, 1e-14);
}

TEST(Bernoulli, IsTrueAsOftenAsAsked) {
  double count = 0;
  for (double b : random::bernoulli(Key(1), 0.3, {kMany}).to_doubles()) count += b;
  EXPECT_NEAR(count / kMany, 0.3, 5 * std::sqrt(0.21 / kMany));
  const Tensor p = tensor({0.f, 1.f, 0.5f});
  const Tensor x = random::bernoulli(Key(1), p, {100, 3});
  ASSERT_EQ(x.dtype(), DType::bool_);
  const auto v = x.span<bool>();
  for (size_t i = 0; i < 100; ++i) {
    EXPECT_FALSE(v[i * 3]);
    EXPECT_TRUE(v[i * 3 + 1]);
  }
  EXPECT_THROW(random::bernoulli(Key(1), p, {100}), ShapeError);
}

TEST(Integers, AreUniform) {
  std::vector<int> seen(7);
  for (double v : random::integers(Key(4), -2, 5, {kMany}).to_doubles())
    ++seen.at(static_cast<size_t>(v + 2));
  for (int n : seen) EXPECT_NEAR(n, kMany / 7., 5 * std::sqrt(kMany / 7.));
  EXPECT_EQ(random::integers(Key(4), 0, 5, {2}, u8).dtype(), u8);
  EXPECT_THROW(random::integers(Key(4), 5, 5, {1}), ValueError);
  EXPECT_THROW(random::integers(Key(4), 0, int64_t{1} << 40, {1}), ValueError);
}

TEST(Permutation, HasEveryNumberOnce) {
  for (int n : {0, 1, 2, 17, 1000}) {
    const Tensor p = random::permutation(Key(8), n);
    std::vector<double> v = p.to_doubles();
    ASSERT_EQ(v.size(), static_cast<size_t>(n));
    std::sort(v.begin(), v.end());
    for (int i = 0; i < n; ++i) EXPECT_EQ(v[static_cast<size_t>(i)], i);
  }
  EXPECT_THROW(random::permutation(Key(8), -1), ValueError);
}

TEST(Permutation, GivesEachOrderEquallyOften) {
  std::map<std::vector<double>, int> seen;
  for (uint64_t i = 0; i < 6000; ++i)
    ++seen[random::permutation(Key(1).fold_in(i), 3).to_doubles()];
  ASSERT_EQ(seen.size(), 6u);
  for (auto& [order, count] : seen) EXPECT_NEAR(count, 1000, 5 * std::sqrt(1000.));
}

TEST(Random, RefusesBadShapesAndTypes) {
  EXPECT_THROW(random::uniform(Key(1), {-1}), ShapeError);
  EXPECT_THROW(random::uniform(Key(1), {2}, {.dtype = i32}), DTypeError);
  EXPECT_THROW(random::normal(Key(1), {2}, {.dtype = i32}), DTypeError);
  EXPECT_THROW(random::normal(Key(1), {2}, {.standard_deviation = -1}), ValueError);
  EXPECT_THROW(random::uniform(Key(1), {2}, {.low = 1, .high = 0}), ValueError);
  EXPECT_THROW(random::uniform(Key(1), {2}, {.low = -1e5, .high = 1, .dtype = f16}), ValueError);
  EXPECT_THROW(random::uniform(Key(1), {2}, {.low = 0, .high = INFINITY}), ValueError);
  EXPECT_EQ(test::message_of<ValueError>([] { random::integers(Key(1), 0, 1000, {2}, u8); }),
            "random::integers: 0..999 are not all of u8");
  EXPECT_THROW(random::integers(Key(1), -1, 5, {2}, u32), ValueError);
  EXPECT_NO_THROW(random::integers(Key(1), 0, 256, {2}, u8));
}

TEST(Uniform, FillsRangesWiderThanItsType) {
  const struct {
    DType dtype;
    double end;
  } cases[] = {{f32, 3e38}, {f64, 1.7e308}, {f16, 60000}, {bf16, 3e38}};
  for (const auto& [dtype, end] : cases) {
    SCOPED_TRACE(name_of(dtype));
    const std::vector<double> x =
        random::uniform(Key(3), {4000}, {.low = -end, .high = end, .dtype = dtype}).to_doubles();
    double mean = 0, square = 0;
    for (double v : x) {
      EXPECT_TRUE(v >= -end * 1.01 && v < end) << v;
      mean += v / end / 4000;
      square += v / end * (v / end) / 4000;
    }
    EXPECT_NEAR(mean, 0, 0.05);  // 5 deviations of a mean of 4000
    EXPECT_NEAR(square, 1. / 3, 0.03);
  }
}

}  // namespace
}  // namespace varve
