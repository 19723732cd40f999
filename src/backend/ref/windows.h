// Windows sliding over up to three spatial axes (missing ones have size 1): what the reference
// kernels of convolution and pooling walk.
#pragma once
#include <array>

#include "backend/kernel.h"
#include "ops/window.h"

namespace varve::backend::ref {

using Three = std::array<int64_t, 3>;

struct Windows {
  Three x_size{1, 1, 1}, y_size{1, 1, 1}, taps{1, 1, 1};
  Three stride{1, 1, 1}, dilation{1, 1, 1}, low{};

  /// The input position that tap t sees from output position p; false in the padding.
  bool input_at(const Three& p, const Three& t, Three& x) const {
    for (size_t i = 0; i < 3; ++i) {
      x[i] = p[i] * stride[i] + t[i] * dilation[i] - low[i];
      if (x[i] < 0 || x[i] >= x_size[i]) return false;
    }
    return true;
  }
  /// The output position from which tap t sees input position x; false where there is none.
  bool output_at(const Three& x, const Three& t, Three& p) const {
    for (size_t i = 0; i < 3; ++i) {
      const int64_t start = x[i] + low[i] - t[i] * dilation[i];
      p[i] = start / stride[i];
      if (start < 0 || start % stride[i] != 0 || p[i] >= y_size[i]) return false;
    }
    return true;
  }
};

/// Puts the sizes of one to three axes at the end.
inline void fill(Three& to, const int64_t* from, size_t axes) {
  for (size_t i = 0; i < axes; ++i) to[3 - axes + i] = from[i];
}

/// Of an input and an output [batch, spatial..., channels].
inline Windows windows_of(const ops::Window& w, const Shape& x, const Shape& y) {
  const size_t axes = w.size.size();
  Windows out;
  fill(out.x_size, x.dims().data() + 1, axes);
  fill(out.y_size, y.dims().data() + 1, axes);
  fill(out.taps, w.size.data(), axes);
  fill(out.stride, w.strides.data(), axes);
  fill(out.dilation, w.dilation.data(), axes);
  fill(out.low, w.low.data(), axes);
  return out;
}

/// Calls f at every position of a box, row-major.
template <class F>
void for_each(const Three& size, F f) {
  for (int64_t i = 0; i < size[0]; ++i) {
    for (int64_t j = 0; j < size[1]; ++j) {
      for (int64_t k = 0; k < size[2]; ++k) f(Three{i, j, k});
    }
  }
}

/// Steps of an operand: `first` and `last` of its axes beside the spatial ones.
struct Spatial {
  int64_t first = 0, last = 0;
  Three space{};

  int64_t at(const Three& p) const { return p[0] * space[0] + p[1] * space[1] + p[2] * space[2]; }
};
/// Of an operand [batch, spatial..., channels].
inline Spatial spatial_of(const ir::Strides& strides) {
  Spatial s{strides.front(), strides.back(), {}};
  fill(s.space, strides.data() + 1, strides.size() - 2);
  return s;
}

}  // namespace varve::backend::ref
