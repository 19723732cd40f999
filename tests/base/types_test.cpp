#include "varve/types.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <vector>

#include "base/philox.h"
#include "base/threads.h"
#include "support/errors.h"
#include "varve/error.h"

namespace varve {
namespace {

TEST(Types, EveryHalfPrecisionValueSurvivesTheWayThroughFloat) {
  for (uint32_t b = 0; b < 0x10000; ++b) {
    Float16 h;
    h.bits = static_cast<uint16_t>(b);
    const float f = h;
    if (std::isnan(f)) {
      EXPECT_TRUE(std::isnan(float(Float16(f))));
    } else {
      ASSERT_EQ(Float16(f).bits, b);
    }
    BFloat16 g;
    g.bits = static_cast<uint16_t>(b);
    if (!std::isnan(float(g))) {
      ASSERT_EQ(BFloat16(float(g)).bits, b);
    }
  }
}

TEST(Types, HalfPrecisionRoundsToNearestEven) {
  EXPECT_EQ(Float16(65504.f).bits, 0x7bff);
  EXPECT_EQ(Float16(65519.f).bits, 0x7bff);
  EXPECT_EQ(Float16(65520.f).bits, 0x7c00);
  EXPECT_EQ(Float16(1.f + 0x1p-11f).bits, 0x3c00);
  EXPECT_EQ(Float16(1.f + 3 * 0x1p-11f).bits, 0x3c02);
  EXPECT_EQ(Float16(0x1p-25f).bits, 0);
  EXPECT_EQ(Float16(0x1.8p-25f).bits, 1);
  EXPECT_EQ(BFloat16(1.f + 0x1p-8f).bits, 0x3f80);
  EXPECT_EQ(BFloat16(1.f + 3 * 0x1p-8f).bits, 0x3f82);
}

TEST(Types, PromotionFollowsNumPy) {
  EXPECT_EQ(promote(u8, i8), i16);
  EXPECT_EQ(promote(u64, i64), f64);
  EXPECT_EQ(promote(i32, f32), f64);
  EXPECT_EQ(promote(i16, f32), f32);
  EXPECT_EQ(promote(u8, f16), f16);
  EXPECT_EQ(promote(f16, bf16), f32);
  EXPECT_EQ(promote(DType::bool_, u8), u8);
}

TEST(Types, AShapeWhoseProductWrapsIsRefused) {
  EXPECT_THROW(Shape({int64_t{1} << 40, int64_t{1} << 40}).size(), ShapeError);
  EXPECT_EQ(Shape({int64_t{1} << 40, int64_t{1} << 40, 0}).size(), 0);
  const IndexError e = test::error_of<IndexError>([&] { Shape({2, 3})[3]; });
  EXPECT_STREQ(e.what(), "shape [2, 3]: axis 3 out of range for rank 2 (-2..1)");
}

TEST(Philox, GivesThePublishedVectors) {
  // Random123's known-answer file kat_vectors, philox4x32 10.
  EXPECT_EQ(philox::block(0, 0, 0),
            (philox::Block{0x6627e8d5, 0xe169c58d, 0xbc57ac4c, 0x9b00dbd8}));
  EXPECT_EQ(philox::block(~uint64_t{0}, ~uint64_t{0}, ~uint64_t{0}),
            (philox::Block{0x408f276d, 0x41c83b0e, 0xa20bc7c6, 0x6d5451fd}));
}

TEST(Threads, ParallelForCoversEachIndexOnce) {
  for (int64_t n : {0, 1, 7, 64, 1000, 4099}) {
    std::vector<int> seen(static_cast<size_t>(n));
    parallel_for(n, 64, [&](int64_t begin, int64_t end) {
      for (int64_t i = begin; i < end; ++i) ++seen[static_cast<size_t>(i)];
    });
    EXPECT_EQ(std::count(seen.begin(), seen.end(), 1), n);
  }
}

}  // namespace
}  // namespace varve
