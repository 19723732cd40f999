// Windows that slide over spatial axes, as ONNX's attributes describe them.
#pragma once
#include <string>
#include <vector>

#include "io/onnx/call.h"
#include "varve/ops/padding.h"
#include "varve/types.h"

namespace varve::io::onnx {

struct Window {
  std::vector<int64_t> size, strides, dilations, low, high;
};

/// Reads strides, dilations, pads and auto_pad for an input [batch, channels, spatial...] and a
/// window of `size`; auto_pad is worked out as pads.
Window window_of(const Call& c, const Tensor& x, std::vector<int64_t> size);
/// Refuses padding by which x itself, or a window over x with that many channels of results, is
/// larger than the run allows.
void limit_padding(const Call& c, const Tensor& x, const Window& w, int64_t channels);
/// The spatial sizes of [batch, channels, spatial...]; FormatError below one.
std::vector<int64_t> spatial_of(const Call& c, const Tensor& x);

/// Calls f(std::integral_constant<int, N>) for 1, 2 or 3 spatial axes; UnsupportedError for more.
template <class F>
auto by_axes(const Call& c, size_t axes, F&& f) {
  switch (axes) {
    case 1:
      return f(std::integral_constant<int, 1>{});
    case 2:
      return f(std::integral_constant<int, 2>{});
    case 3:
      return f(std::integral_constant<int, 3>{});
    default:
      c.unsupported(std::to_string(axes) + " spatial axes (1 to 3 are read)");
  }
}

template <int N>
Extents<N> extents(const std::vector<int64_t>& sizes) {
  Extents<N> out;
  for (size_t i = 0; i < N; ++i) out.v[i] = sizes[i];
  return out;
}

inline Padding padding_of(const Window& w) {
  Padding p;
  p.kind = Padding::Kind::sides;
  p.count = static_cast<int>(w.low.size());
  for (size_t i = 0; i < w.low.size() && i < 3; ++i) p.sides[i] = {w.low[i], w.high[i]};
  return p;
}

}  // namespace varve::io::onnx
