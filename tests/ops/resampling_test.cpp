#include "varve/ops/resampling.h"

#include <gtest/gtest.h>

#include "varve/ops/shape.h"

namespace varve {
namespace {

// The place of output 8 of 17 in 14 elements is 6.5 exactly, and (8 + 0.5) / (17. / 14) - 0.5 is
// 6.500000000000001; of output 4 of 9 likewise, below.
TEST(Resize, ToTheNearestKnowsTheMiddleBetweenTwo) {
  const Tensor x = reshape(arange(14, {.dtype = f64}), {1, 14, 1});
  const auto at = [&](int64_t size, const char* rounding, size_t i) {
    ResizeOptions o{.size = {size}, .interpolation = "nearest"};
    o.rounding = NearestRounding::parse(rounding);
    return resize(x, o).to_doubles()[i];
  };
  EXPECT_EQ(at(17, "round_prefer_floor", 8), 6);
  EXPECT_EQ(at(17, "round_prefer_ceil", 8), 7);
  EXPECT_EQ(at(9, "round_prefer_floor", 4), 6);
  EXPECT_EQ(at(9, "round_prefer_ceil", 4), 7);
  EXPECT_EQ(at(9, "floor", 4), 6);
  EXPECT_EQ(at(9, "ceil", 4), 7);
}

}  // namespace
}  // namespace varve
