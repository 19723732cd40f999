// One more value into a hash.
#pragma once
#include <cstddef>

namespace varve {

inline size_t mix(size_t seed, size_t value) {
  return seed ^ (value + 0x9e3779b97f4a7c15ull + (seed << 6) + (seed >> 2));
}

}  // namespace varve
