#include "runtime/memory.h"

#include <algorithm>
#include <numeric>

#include "base/math.h"

namespace varve::runtime {

int64_t place_blocks(std::vector<Block>& blocks) {
  std::vector<size_t> order(blocks.size());
  std::iota(order.begin(), order.end(), size_t{0});
  std::stable_sort(order.begin(), order.end(),
                   [&](size_t a, size_t b) { return blocks[a].bytes > blocks[b].bytes; });
  std::vector<const Block*> placed;  // by offset
  int64_t total = 0;
  for (size_t i : order) {
    Block& b = blocks[i];
    int64_t at = 0;
    for (const Block* other : placed) {
      if (other->last < b.first || b.last < other->first) continue;
      if (at + b.bytes <= other->offset) break;
      at = std::max(at, round_up(other->offset + other->bytes, 64));
    }
    b.offset = at;
    auto where =
        std::upper_bound(placed.begin(), placed.end(), &b,
                         [](const Block* x, const Block* y) { return x->offset < y->offset; });
    placed.insert(where, &b);
    total = std::max(total, at + b.bytes);
  }
  return round_up(total, 64);
}

}  // namespace varve::runtime
