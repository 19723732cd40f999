// Every pointwise loop in every computing type and instruction set against double (or long double)
// arithmetic: within 4 units in the last place, special values included; gelu of floats below -1
// within 2e-6 of the value and 1e-9.
#include <gtest/gtest.h>

#include <bit>
#include <cmath>
#include <limits>
#include <random>
#include <vector>

#include "backend/cpu/tile_loops.h"
#include "backend/targets.h"
#include "base/pointwise_table.h"

namespace varve::cpu {
namespace {

constexpr double kMostUlps = 4;

/// Distance of `got` from the exact value in units of T's last place there.
template <class T, class Exact>
double ulps(T got, Exact exact) {
  using Limits = std::numeric_limits<T>;
  if (std::isnan(exact) || std::isnan(got)) return std::isnan(exact) == std::isnan(got) ? 0 : 1e9;
  if (std::isinf(got) || std::isinf(exact)) {
    if (static_cast<Exact>(got) == exact) return 0;
    // Rounded up to infinity, or not quite: fine within an ulp of the greatest number.
    const auto other = static_cast<T>(std::isinf(got) ? exact : static_cast<Exact>(got));
    return std::fabs(other) >= Limits::max() * (1 - 4 * Limits::epsilon()) &&
                   (other > 0) == (got > 0)
               ? 1
               : 1e9;
  }
  const Exact size = std::max(std::fabs(exact), static_cast<Exact>(Limits::min()));
  const Exact unit = std::ldexp(Exact{1}, std::ilogb(size) - (Limits::digits - 1));
  return static_cast<double>(std::fabs(static_cast<Exact>(got) - exact) / unit);
}

/// Special values, powers of ten around 1, then random bit patterns, then ordinary numbers.
template <class T>
std::vector<T> samples(size_t n, uint32_t seed) {
  using Limits = std::numeric_limits<T>;
  std::vector<T> x = {0,     T(-0.0), 1,       -1,       2,      -2,      T(0.5),   T(-0.5),
                      3,     T(1.5),  T(2.5),  T(-2.5),  10,     -10,     88,       -88,
                      89,    -104,    -87,     710,      -745,   T(1e-4), T(-1e-4), 1000,
                      -1000, T(1e4),  T(-1e4), T(1e-30), T(1e30)};
  for (const T v :
       {Limits::infinity(), Limits::quiet_NaN(), Limits::max(), Limits::min(), Limits::denorm_min(),
        Limits::epsilon(), T(1) - Limits::epsilon() / 2, T(1) + Limits::epsilon(), T(0.625),
        T(0.93), T(0.75), T(0x1p24), T(3.14159265), T(48000), T(1e6)}) {
    x.push_back(v);
    x.push_back(-v);
  }
  std::mt19937_64 random(seed);
  while (x.size() < n / 2) {
    if constexpr (sizeof(T) == 4) {
      x.push_back(std::bit_cast<float>(static_cast<uint32_t>(random())));
    } else {
      x.push_back(std::bit_cast<double>(random()));
    }
  }
  std::normal_distribution<double> normal(0, 3);
  while (x.size() < n) x.push_back(static_cast<T>(normal(random)));
  return x;
}
template <>
std::vector<int32_t> samples(size_t n, uint32_t seed) {
  std::vector<int32_t> x = {0, 1, -1, 2, -2, 31, 32, 33, 63, 64, INT32_MIN, INT32_MAX, 7, -7};
  std::mt19937 random(seed);
  while (x.size() < n / 2) x.push_back(static_cast<int32_t>(random()));
  while (x.size() < n) x.push_back(static_cast<int32_t>(random() % 40) - 20);
  return x;
}
template <>
std::vector<int64_t> samples(size_t n, uint32_t seed) {
  std::vector<int64_t> x = {0, 1, -1, 2, -2, 31, 32, 33, 63, 64, INT64_MIN, INT64_MAX, 7, -7};
  std::mt19937_64 random(seed);
  while (x.size() < n / 2) x.push_back(static_cast<int64_t>(random()));
  while (x.size() < n) x.push_back(static_cast<int64_t>(random() % 40) - 20);
  return x;
}

/// Pairs each special value with each other one, then goes on at random.
template <class T>
struct Inputs {
  std::vector<T> x, y, z;
  explicit Inputs(int arity) {
    const size_t n = 6144;
    x = samples<T>(n, 1), y = x, z = x;
    if (arity == 1) return;
    const std::vector<T> a = samples<T>(64, 2);
    for (size_t i = 0; i < 64 * 64; ++i) x[i] = a[i % 64], y[i] = a[i / 64];
    std::mt19937 random(3);
    for (T& v : z) v = x[random() % n];
    std::shuffle(y.begin() + 64 * 64, y.end(), random);
  }
  size_t size() const { return x.size(); }
};

template <class T>
std::vector<T> run_loop(tiling::Type type, const PointwiseInfo& row, const Inputs<T>& in) {
  std::vector<T> out(in.size());
  const LoopArguments a{{in.x.data(), in.y.data(), in.z.data()},
                        {~size_t{0}, ~size_t{0}, ~size_t{0}},
                        out.data(),
                        in.size()};
  loop_table(type).loops[static_cast<int>(row.function)](a);
  return out;
}

/// The exact value: long double for doubles, double for floats.
template <class T>
double error_of(const PointwiseInfo& row, T x, T y, T z, T got) {
  const double exact = plain_pointwise<double>(row.function)(x, y, z);
  return ulps<T, double>(got, exact);
}

class AccurateTo4Ulps : public testing::TestWithParam<int> {};

TEST_P(AccurateTo4Ulps, InFloat) {
  const PointwiseInfo row = kPointwiseTable[GetParam()];
  if (row.domain == PointwiseDomain::integer) {
    EXPECT_EQ(loop_table(tiling::Type::f32).loops[GetParam()], nullptr);
    return;
  }
  const Inputs<float> in(row.arity);
  for_each_target([&] {
    const std::vector<float> out = run_loop(tiling::Type::f32, row, in);
    for (size_t i = 0; i < in.size(); ++i) {
      const double error = error_of(row, in.x[i], in.y[i], in.z[i], out[i]);
      // A quotient that double rounds up to a whole number and float does not, or the other way
      // round, is another number of whole steps: there the plain lane decides.
      if (row.function == Pointwise::floor_divide || row.function == Pointwise::remainder) {
        const float plain = plain_pointwise<float>(row.function)(in.x[i], in.y[i], in.z[i]);
        ASSERT_EQ(ulps(out[i], static_cast<double>(plain)), 0);
        continue;
      }
      if (row.function == Pointwise::gelu && in.x[i] < -1 && std::isfinite(in.x[i])) {
        const double exact = plain_pointwise<double>(row.function)(in.x[i], 0, 0);
        ASSERT_NEAR(out[i], exact, 2e-6 * std::fabs(exact) + 1e-9) << in.x[i];
        continue;
      }
      ASSERT_LE(error, kMostUlps) << row.name << "(" << in.x[i] << ", " << in.y[i] << ", "
                                  << in.z[i] << ") = " << out[i];
    }
  });
}

TEST_P(AccurateTo4Ulps, InDouble) {
  const PointwiseInfo row = kPointwiseTable[GetParam()];
  if (row.domain == PointwiseDomain::integer) {
    EXPECT_EQ(loop_table(tiling::Type::f64).loops[GetParam()], nullptr);
    return;
  }
  const Inputs<double> in(row.arity);
  for_each_target([&] {
    const std::vector<double> out = run_loop(tiling::Type::f64, row, in);
    for (size_t i = 0; i < in.size(); ++i) {
      ASSERT_LE(error_of(row, in.x[i], in.y[i], in.z[i], out[i]), kMostUlps)
          << row.name << "(" << in.x[i] << ", " << in.y[i] << ", " << in.z[i] << ") = " << out[i];
    }
  });
}

template <class T>
void expect_same_as_plain(tiling::Type type, int function) {
  const PointwiseInfo row = kPointwiseTable[function];
  if (row.domain == PointwiseDomain::floating) {
    EXPECT_EQ(loop_table(type).loops[function], nullptr);
    return;
  }
  const Inputs<T> in(row.arity);
  for_each_target([&] {
    const std::vector<T> out = run_loop(type, row, in);
    for (size_t i = 0; i < in.size(); ++i) {
      ASSERT_EQ(out[i], plain_pointwise<T>(row.function)(in.x[i], in.y[i], in.z[i]))
          << row.name << "(" << in.x[i] << ", " << in.y[i] << ", " << in.z[i] << ")";
    }
  });
}
TEST_P(AccurateTo4Ulps, ExactInIntegers) {
  expect_same_as_plain<int32_t>(tiling::Type::i32, GetParam());
  expect_same_as_plain<int64_t>(tiling::Type::i64, GetParam());
}

INSTANTIATE_TEST_SUITE_P(Pointwise, AccurateTo4Ulps, testing::Range(0, kPointwiseCount),
                         [](const auto& info) { return kPointwiseTable[info.param].name; });

TEST(SimdMath, TheSignOfZeroIsKeptWhereCKeepsIt) {
  for_each_target([] {
    for (const Pointwise f :
         {Pointwise::expm1, Pointwise::log1p, Pointwise::sin, Pointwise::tan, Pointwise::tanh,
          Pointwise::erf, Pointwise::asin, Pointwise::atan, Pointwise::sinh, Pointwise::asinh,
          Pointwise::atanh, Pointwise::gelu, Pointwise::negative, Pointwise::ceil, Pointwise::round,
          Pointwise::relu}) {
      std::vector<float> x(kBlock, -0.f), y(kBlock);
      const LoopArguments a{{x.data()}, {~size_t{0}}, y.data(), kBlock};
      loop_table(tiling::Type::f32).loops[static_cast<int>(f)](a);
      EXPECT_EQ(y[3], 0.f);
      EXPECT_EQ(std::signbit(y[3]), f != Pointwise::negative) << name_of(f);
    }
  });
}

TEST(SimdMath, ALoopMayWriteWhereItReadsAndTakeOneValueForAll) {
  for_each_target([] {
    for (const tiling::Type type : {tiling::Type::f32, tiling::Type::i32}) {
      std::vector<float> x(3 * kBlock), one(kBlock);
      const bool floating = type == tiling::Type::f32;
      for (size_t i = 0; i < x.size(); ++i) {
        x[i] = floating ? static_cast<float>(i) : std::bit_cast<float>(static_cast<int32_t>(i));
      }
      std::fill(one.begin(), one.end(), floating ? 5.f : std::bit_cast<float>(int32_t{5}));
      const LoopArguments a{{one.data(), x.data()}, {0, ~size_t{0}}, x.data(), x.size()};
      loop_table(type).loops[static_cast<int>(Pointwise::subtract)](a);
      for (size_t i = 0; i < x.size(); ++i) {
        const double got = floating ? x[i] : std::bit_cast<int32_t>(x[i]);
        ASSERT_EQ(got, 5.0 - static_cast<double>(i));
      }
    }
  });
}

}  // namespace
}  // namespace varve::cpu
