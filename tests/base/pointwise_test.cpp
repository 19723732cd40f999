#include "base/pointwise.h"

#include <gtest/gtest.h>

#include <cmath>
#include <limits>

#include "base/convert.h"
#include "support/errors.h"
#include "varve/error.h"

namespace varve {
namespace {

template <class T>
T eval(Pointwise f, T x, T y = T{}, T z = T{}) {
  return plain_pointwise<T>(f)(x, y, z);
}
constexpr int32_t kLeast = std::numeric_limits<int32_t>::min();
constexpr double kInf = std::numeric_limits<double>::infinity();
const double kNan = std::nan("");

TEST(Pointwise, NamesGoThereAndBack) {
  for (int i = 0; i < kPointwiseCount; ++i) {
    const auto f = static_cast<Pointwise>(i);
    EXPECT_EQ(parse_pointwise(name_of(f)), f);
  }
  const ValueError e = test::error_of<ValueError>([&] { parse_pointwise("sigmoyd"); });
  EXPECT_STREQ(e.what(),
               "pointwise function \"sigmoyd\" is unknown\n  hint: did you mean \"sigmoid\"?");
}

TEST(Pointwise, IntegerArithmeticIsDefinedEverywhere) {
  EXPECT_EQ(eval(Pointwise::divide, 7, 0), 0);
  EXPECT_EQ(eval(Pointwise::divide, -7, 2), -3);
  EXPECT_EQ(eval(Pointwise::divide, kLeast, -1), kLeast);
  EXPECT_EQ(eval(Pointwise::floor_divide, -7, 2), -4);
  EXPECT_EQ(eval(Pointwise::floor_divide, 7, 0), 0);
  EXPECT_EQ(eval(Pointwise::floor_divide, kLeast, -1), kLeast);
  EXPECT_EQ(eval(Pointwise::remainder, -7, 3), 2);
  EXPECT_EQ(eval(Pointwise::remainder, 7, -3), -2);
  EXPECT_EQ(eval(Pointwise::remainder, 7, 0), 0);
  EXPECT_EQ(eval(Pointwise::remainder, kLeast, -1), 0);
  EXPECT_EQ(eval(Pointwise::add, std::numeric_limits<int32_t>::max(), 1), kLeast);
  EXPECT_EQ(eval(Pointwise::negative, kLeast), kLeast);
  EXPECT_EQ(eval(Pointwise::absolute, kLeast), kLeast);
  EXPECT_EQ(eval(Pointwise::multiply, 65536, 65536), 0);
  EXPECT_EQ(eval(Pointwise::left_shift, 1, 31), kLeast);
  EXPECT_EQ(eval(Pointwise::left_shift, 1, 32), 0);
  EXPECT_EQ(eval(Pointwise::left_shift, 1, -1), 0);
  EXPECT_EQ(eval(Pointwise::right_shift, -8, 1), -4);
  EXPECT_EQ(eval(Pointwise::right_shift, -8, 40), -1);
  EXPECT_EQ(eval(Pointwise::right_shift, 8, 40), 0);
  EXPECT_EQ(eval(Pointwise::power, 3, 4), 81);
  EXPECT_EQ(eval(Pointwise::power, -2, 31), kLeast);
  EXPECT_EQ(eval(Pointwise::power, 0, 0), 1);
  EXPECT_EQ(eval(Pointwise::power, 2, -1), 0);
  EXPECT_EQ(eval(Pointwise::power, -1, -3), -1);
  EXPECT_EQ(eval(Pointwise::power, 0, -3), 0);
  EXPECT_EQ(eval<uint64_t>(Pointwise::subtract, 0, 1), ~uint64_t{0});
  EXPECT_EQ(plain_pointwise<int32_t>(Pointwise::exp), nullptr);
  EXPECT_EQ(plain_pointwise<double>(Pointwise::bitwise_and), nullptr);
}

TEST(Pointwise, FloatDivisionWithRemainderFollowsPython) {
  EXPECT_EQ(eval(Pointwise::remainder, -7.5, 2.0), 0.5);
  EXPECT_EQ(eval(Pointwise::remainder, 7.5, -2.0), -0.5);
  EXPECT_EQ(eval(Pointwise::remainder, -1.0, kInf), kInf);
  EXPECT_TRUE(std::isnan(eval(Pointwise::remainder, 1.0, 0.0)));
  EXPECT_TRUE(std::signbit(eval(Pointwise::remainder, 4.0, -2.0)));
  EXPECT_EQ(eval(Pointwise::floor_divide, -7.5, 2.0), -4.0);
  EXPECT_EQ(eval(Pointwise::floor_divide, 1.0, 0.1), 9.0);  // 0.1 is a little more than 1/10
  EXPECT_EQ(eval(Pointwise::floor_divide, 1.0, 0.0), kInf);
}

TEST(Pointwise, SpecialValuesAreAsDocumented) {
  EXPECT_TRUE(std::isnan(eval(Pointwise::relu, kNan)));
  EXPECT_TRUE(std::isnan(eval(Pointwise::maximum, kNan, 1.0)));
  EXPECT_TRUE(std::isnan(eval(Pointwise::maximum, 1.0, kNan)));
  EXPECT_TRUE(std::isnan(eval(Pointwise::minimum, 1.0, kNan)));
  EXPECT_TRUE(std::isnan(eval(Pointwise::clip, kNan, 0.0, 1.0)));
  EXPECT_TRUE(std::isnan(eval(Pointwise::sign, kNan)));
  EXPECT_EQ(eval(Pointwise::sign, -0.0), 0.0);
  EXPECT_EQ(eval(Pointwise::logical_not, kNan), 0.0);
  EXPECT_EQ(eval(Pointwise::is_nan, kNan), 1.0);
  EXPECT_EQ(eval(Pointwise::is_inf, -kInf), 1.0);
  EXPECT_EQ(eval(Pointwise::is_finite, kInf), 0.0);
  EXPECT_EQ(eval(Pointwise::is_finite, kNan), 0.0);
  EXPECT_EQ(eval(Pointwise::round, 2.5), 2.0);
  EXPECT_EQ(eval(Pointwise::round, -3.5), -4.0);
  EXPECT_EQ(eval(Pointwise::softsign, -kInf), -1.0);
  EXPECT_EQ(eval(Pointwise::silu, -kInf), 0.0);
  EXPECT_EQ(eval(Pointwise::silu, kInf), kInf);
  EXPECT_EQ(eval(Pointwise::softplus, -kInf), 0.0);
  EXPECT_EQ(eval(Pointwise::softplus, 1e4), 1e4);
  EXPECT_EQ(eval(Pointwise::log_sigmoid, -1e4), -1e4);
  EXPECT_EQ(eval(Pointwise::sigmoid, -1e4), 0.0);
  EXPECT_EQ(eval(Pointwise::sigmoid, kInf), 1.0);
  EXPECT_NEAR(eval(Pointwise::sigmoid, -700.0) / std::exp(-700.0), 1.0, 1e-15);
}

TEST(Convert, FloatToIntegerSaturatesAndNanIsZero) {
  EXPECT_EQ((convert<int32_t>(1e20f)), std::numeric_limits<int32_t>::max());
  EXPECT_EQ((convert<int32_t>(-1e20f)), kLeast);
  EXPECT_EQ((convert<int32_t>(2147483648.f)), std::numeric_limits<int32_t>::max());
  EXPECT_EQ((convert<int64_t>(9223372036854775808.0)), std::numeric_limits<int64_t>::max());
  EXPECT_EQ((convert<uint8_t>(-1.f)), 0);
  EXPECT_EQ((convert<uint8_t>(255.9f)), 255);
  EXPECT_EQ((convert<uint64_t>(kInf)), std::numeric_limits<uint64_t>::max());
  EXPECT_EQ((convert<int16_t>(std::nanf(""))), 0);
  EXPECT_EQ((convert<int8_t>(-128.9)), -128);
  EXPECT_EQ((convert<int8_t>(int32_t{200})), -56);
  EXPECT_EQ((convert<bool>(kNan)), true);
  EXPECT_EQ((convert<bool>(-0.0)), false);
  EXPECT_EQ((convert<uint64_t>(int64_t{-1})), ~uint64_t{0});
}

TEST(Convert, DoubleToHalfRoundsOnce) {
  // Just above a tie of f16, but exactly the tie once rounded to float.
  EXPECT_EQ(convert<Float16>(1 + 0x1p-11 + 0x1p-40).bits, 0x3c01);
  EXPECT_EQ(convert<Float16>(1 + 0x1p-11).bits, 0x3c00);
  EXPECT_EQ(convert<Float16>(-(1 + 0x1p-11 + 0x1p-40)).bits, 0xbc01);
  EXPECT_EQ(convert<BFloat16>(1 + 0x1p-8 - 0x1p-50).bits, 0x3f80);
  EXPECT_EQ(convert<BFloat16>(1 + 3 * 0x1p-8 - 0x1p-50).bits, 0x3f81);
  EXPECT_EQ(convert<Float16>(1e300).bits, 0x7c00);
}

}  // namespace
}  // namespace varve
