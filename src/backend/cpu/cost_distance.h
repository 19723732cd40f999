// How far apart sizes are, for tables of measurements that are looked up by the nearest row.
#pragma once
#include <algorithm>
#include <cmath>
#include <cstdint>

namespace varve::backend::cpu {

inline double square(double x) { return x * x; }
/// Nothing counts as one.
inline double ratio(int64_t a, int64_t b) {
  return static_cast<double>(std::max<int64_t>(a, 1)) /
         static_cast<double>(std::max<int64_t>(b, 1));
}
inline double octaves(int64_t a, int64_t b) { return std::log2(ratio(a, b)); }

}  // namespace varve::backend::cpu
