// Elements that are only moved: words of their width.
#pragma once
#include <cstdint>

namespace varve::cpu {

/// Calls f(T{}) with the unsigned type of 1, 2, 4 or 8 bytes.
template <class F>
decltype(auto) dispatch_word(int64_t width, F&& f) {
  if (width == 1) return f(uint8_t{});
  if (width == 2) return f(uint16_t{});
  if (width == 4) return f(uint32_t{});
  return f(uint64_t{});
}

}  // namespace varve::cpu
