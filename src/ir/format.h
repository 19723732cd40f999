// How the elements of a value lie in memory inside a plan.
#pragma once
#include <cstdint>

#include "varve/types.h"

namespace varve::ir {

/// `plain`: by strides, row-major wherever a plan's inputs and outputs are concerned. The others
/// hold [batch, spatial..., channels] as [batch, channels / N, spatial..., N], without padding.
enum class Format : uint8_t { plain, channels8, channels16 };

/// Channels that lie side by side; 1 for plain.
inline int64_t block_of(Format f) {
  return f == Format::channels16 ? 16 : f == Format::channels8 ? 8 : 1;
}
/// Whether values of that shape can lie so.
inline bool fits(Format f, const Shape& s) {
  return f == Format::plain || (s.rank() >= 3 && s.size() > 0 && s[-1] % block_of(f) == 0);
}
inline const char* name_of(Format f) {
  return f == Format::channels16 ? "channels16" : f == Format::channels8 ? "channels8" : "plain";
}

}  // namespace varve::ir
