// What convolution and pooling share: sizes of sliding windows, paddings worked out, channels-first
// operands as views.
#pragma once
#include <string>
#include <vector>

#include "base/error.h"
#include "ops/build.h"
#include "varve/ops/padding.h"

namespace varve::ops {

/// Spatial sizes as they stand in attributes: strides, dilation, padding_low, padding_high, one a
/// spatial axis.
struct Window {
  ir::Ints size, strides, dilation, low, high;

  int axes() const { return static_cast<int>(size.size()); }
  /// Input elements from the first to the last tap. ShapeError where they pass 2^63.
  int64_t reach(size_t axis) const;
  /// Positions of the window on an input; 0 where it does not fit. ShapeError as above.
  int64_t positions(size_t axis, int64_t input) const;
  void put(Attributes& attributes) const;
};
/// The attributes of a window's gradient, which names the input's spatial sizes, from those of the
/// op itself; and back.
Attributes sized(const Attributes& window, const ir::Ints& size);
Attributes unsized(const Attributes& window);
/// Reads back what `put` wrote; `size` is given by the caller (a kernel's shape, an attribute).
Window window_of(const Attributes& attributes, ir::Ints size);

/// The sizes between batch and channels of [batch, spatial..., channels].
ir::Ints spatial_of(const Shape& x);

/// "7x7".
std::string sizes_text(const ir::Ints& sizes);

/// Calls f; a size that passes 2^63 in it (a bare ShapeError) is told of this operation.
template <class F>
void named(const char* operation, const std::string& at, F f) {
  try {
    f();
  } catch (const ShapeError& e) {
    throw ShapeError(text_of(operation, e.message()), e.hint(), at);
  }
}

/// Size, strides and dilation are at least 1 (ValueError naming the argument). `what` names the
/// window ("kernel", "window").
void check_window(const char* operation, const char* what, const Window& window,
                  const Where& where);
/// Checks a window and works out its padding on an input of
/// these spatial sizes. Throws ShapeError where it does not fit: "conv2d: kernel 7x7 larger than
/// input 5x5 (+ padding 0)".
void settle(const char* operation, const char* what, const Padding& padding, const ir::Ints& input,
            Window& window, const Where& where);
/// Throws ShapeError where the window at some position lies on padding alone.
void require_taps(const char* operation, const Window& window, const ir::Ints& input,
                  const std::string& at = "");
/// The two sides of the padding of one axis, "same" on an input of that size included.
Padding::Side sides_of(const char* operation, const Padding& padding, const Window& window,
                       size_t axis, int64_t input, const Where& where);

/// The shape rule's part: one number an axis of everything, and everything is in range.
std::vector<int64_t> checked_positions(const char* operation, const Window& window, const Shape& x);

/// [batch, channels, spatial...] <-> [batch, spatial..., channels]: views.
Tensor channels_last(const Tensor& x, const Where& where);
Tensor channels_first(const Tensor& x, const Where& where);

}  // namespace varve::ops
