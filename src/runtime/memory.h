// The memory planner: blocks with lifetimes packed into one arena.
#pragma once
#include <cstdint>
#include <vector>

namespace varve::runtime {

struct Block {
  int64_t bytes = 0;
  int first = 0, last = 0;  ///< steps between which it must keep its contents, both included
  int64_t offset = 0;       ///< set by the planner, a multiple of 64
};

/// Gives each block an offset so that blocks whose lifetimes meet do not overlap; returns the size
/// of the arena. Greedy by size, each at the lowest offset that fits (Pisarchyk & Lee 2020).
int64_t place_blocks(std::vector<Block>& blocks);

}  // namespace varve::runtime
