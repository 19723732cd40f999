#include "runtime/memory.h"

#include <gtest/gtest.h>

#include <random>

namespace varve::runtime {
namespace {

TEST(Memory, BlocksThatLiveTogetherNeverOverlap) {
  std::mt19937_64 r(1);
  for (int round = 0; round < 300; ++round) {
    std::vector<Block> blocks(1 + r() % 60);
    for (Block& b : blocks) {
      b.bytes = static_cast<int64_t>(1 + r() % (round % 2 ? 10000 : 200));
      b.first = static_cast<int>(r() % 40);
      b.last = b.first + static_cast<int>(r() % 12);
    }
    const int64_t arena = place_blocks(blocks);
    int64_t everything = 0, most = 0;
    for (const Block& b : blocks) {
      EXPECT_EQ(b.offset % 64, 0);
      EXPECT_GE(b.offset, 0);
      EXPECT_LE(b.offset + b.bytes, arena);
      everything += (b.bytes + 63) / 64 * 64;
      for (const Block& o : blocks) {
        if (&o == &b || o.last < b.first || b.last < o.first) continue;
        EXPECT_TRUE(o.offset + o.bytes <= b.offset || b.offset + b.bytes <= o.offset);
      }
    }
    for (int step = 0; step < 52; ++step) {
      int64_t alive = 0;
      for (const Block& b : blocks) alive += b.first <= step && step <= b.last ? b.bytes : 0;
      most = std::max(most, alive);
    }
    EXPECT_GE(arena, most);
    EXPECT_LE(arena, everything);
  }
}

TEST(Memory, AChainNeedsRoomForTwo) {
  std::vector<Block> chain;
  for (int i = 0; i < 100; ++i) chain.push_back({1000, i, i + 1, 0});
  EXPECT_EQ(place_blocks(chain), 2048);
}

TEST(Memory, NothingNeedsNoRoom) {
  std::vector<Block> none;
  EXPECT_EQ(place_blocks(none), 0);
}

}  // namespace
}  // namespace varve::runtime
