// Numbers beside tensors: what an integer type does not hold is compared exactly and never rounded,
// cut or wrapped into it.
#include <gtest/gtest.h>

#include <cmath>
#include <cstdint>

#include "support/errors.h"
#include "varve/ops/indexing.h"
#include "varve/ops/pointwise.h"
#include "varve/ops/shape.h"

namespace varve {
namespace {

using Doubles = std::vector<double>;

TEST(NumberRanges, BeyondAnIntegerTypeCompareExactly) {  // NumPy 2: np.uint8([0, 255]) == -1
  const Tensor x = tensor<uint8_t>({0, 255});
  const Doubles none{0, 0}, all{1, 1};
  EXPECT_EQ((x == -1).to_doubles(), none);
  EXPECT_EQ((x != -1).to_doubles(), all);
  EXPECT_EQ((x > -1).to_doubles(), all);
  EXPECT_EQ((x >= -1).to_doubles(), all);
  EXPECT_EQ((x < -1).to_doubles(), none);
  EXPECT_EQ((x <= -1).to_doubles(), none);
  EXPECT_EQ((x == 256).to_doubles(), none);
  EXPECT_EQ((x != 256).to_doubles(), all);
  EXPECT_EQ((x < 256).to_doubles(), all);
  EXPECT_EQ((x <= 1000).to_doubles(), all);
  EXPECT_EQ((x > 256).to_doubles(), none);
  EXPECT_EQ((x >= 256).to_doubles(), none);
  EXPECT_EQ((-1 < x).to_doubles(), all);
  EXPECT_EQ((-1 > x).to_doubles(), none);
  EXPECT_EQ((256 > x).to_doubles(), all);
  EXPECT_EQ((256 <= x).to_doubles(), none);
  EXPECT_EQ((x == 255).to_doubles(), (Doubles{0, 1}));
  const Tensor wide = tensor<int64_t>({INT64_MAX, -1});
  EXPECT_EQ((wide == UINT64_MAX).to_doubles(), none);
  EXPECT_EQ((wide < UINT64_MAX).to_doubles(), all);
  EXPECT_EQ((x < 1000).shape(), Shape{2});
}

TEST(NumberRanges, BeyondAnIntegerTypeAreRefusedByArithmetic) {
  const Tensor x = tensor<uint8_t>({0, 255});
  const auto told = [](auto f) { return test::message_of<ValueError>(f); };
  EXPECT_EQ(told([&] { x + 300; }), "the number 300 is not one of u8 (0..255)");
  EXPECT_EQ(told([&] { x * -1; }), "the number -1 is not one of u8 (0..255)");
  EXPECT_EQ(told([&] { maximum(x, -5); }), "the number -5 is not one of u8 (0..255)");
  EXPECT_EQ(told([&] { where(x == 0, x, 256); }), "the number 256 is not one of u8 (0..255)");
  EXPECT_EQ(told([&] { full({2}, 1e10, i32); }),
            "the number 1e+10 is not one of i32 (-2147483648..2147483647)");
  EXPECT_EQ(told([&] { full({2}, NAN, i64); }).substr(0, 17), "the number nan is");
  EXPECT_EQ(told([&] { tensor<int64_t>({1}) + UINT64_MAX; }).substr(0, 31),
            "the number 18446744073709551615");
  EXPECT_EQ((x + 255).to_doubles(), (Doubles{255, 254}));  // sums of tensors wrap
  EXPECT_EQ(full({1}, 2.9, i32).to_doubles(), (Doubles{2}));
}

TEST(NumberRanges, BeyondTheSignedOnesKeepTheirValue) {
  EXPECT_EQ((ones({1}) * UINT64_MAX).to_doubles(), (Doubles{0x1p64}));
  EXPECT_EQ((tensor<uint64_t>({1}) * UINT64_MAX).span<uint64_t>()[0], UINT64_MAX);
  EXPECT_EQ(full({1}, UINT64_MAX, u64).span<uint64_t>()[0], UINT64_MAX);
  EXPECT_EQ(Operand(UINT64_MAX).dtype(), u64);
  EXPECT_EQ(Operand(uint64_t{5}).dtype(), i64);
}

TEST(NumberRanges, OfSixtyFourBitsDivideAsDoubles) {  // NumPy: np.int64 / np.int64 is float64
  const Tensor x = tensor<int64_t>({(int64_t{1} << 53) - 1});
  EXPECT_EQ((x / x).dtype(), f64);
  EXPECT_EQ((x / 1).to_doubles(), (Doubles{0x1p53 - 1}));
  EXPECT_EQ((tensor<uint64_t>({1}) / tensor<uint8_t>({3})).to_doubles(), (Doubles{1. / 3}));
  EXPECT_EQ(atan2(x, x).dtype(), f64);
  EXPECT_EQ((tensor<int32_t>({1}) / tensor<int32_t>({3})).dtype(), f32);
}

}  // namespace
}  // namespace varve
