// room: ops
// Pooling: extremes and means over sliding windows of one to three spatial axes.
#pragma once
#include "varve/ops/padding.h"
#include "varve/tensor.h"

namespace varve {

template <int N>
struct MaxPoolOptions {
  Extents<N> window = 2;
  Extents<N> strides = 0;  ///< 0: the window's size
  Padding padding = "valid";
  DataFormat data_format = "channels_last";
  Extents<N> dilation = 1;  ///< steps between the window's elements
};

/// The largest element of each window: y[b, p, c] = max over t of x[b, p * stride + t * dilation -
/// padding, c]. Padding is never the largest; NaN goes through. The gradient goes to the first of
/// equal elements, in row-major order.
/// Shapes, channels last: x [batch, spatial..., channels] -> [batch, positions..., channels],
/// positions = (size + padding - dilation (window - 1) - 1) / stride + 1. Any type but bool.
/// Throws ShapeError ("max_pool2d: window 7x7 larger than input 5x5 (+ padding 0)"; a position on
/// padding alone), ValueError (a window, stride or dilation below 1; padding as large as the
/// window), DTypeError.
/// Example: max_pool2d(x, {.window = 3, .strides = 2, .padding = "same"})
Tensor max_pool1d(const Operand& x, const MaxPoolOptions<1>& options = {});
Tensor max_pool2d(const Operand& x, const MaxPoolOptions<2>& options = {});
Tensor max_pool3d(const Operand& x, const MaxPoolOptions<3>& options = {});

template <int N>
struct AveragePoolOptions {
  Extents<N> window = 2;
  Extents<N> strides = 0;  ///< 0: the window's size
  Padding padding = "valid";
  DataFormat data_format = "channels_last";
  bool count_include_pad = false;  ///< divides by the whole window at the borders too (PyTorch)
};

/// The mean of each window. Elements in the padding do not count (as in Keras and TensorFlow), or
/// count as zeros with count_include_pad (PyTorch's default). Floating types; integers become f32.
/// Shapes and errors as max_pool.
Tensor average_pool1d(const Operand& x, const AveragePoolOptions<1>& options = {});
Tensor average_pool2d(const Operand& x, const AveragePoolOptions<2>& options = {});
Tensor average_pool3d(const Operand& x, const AveragePoolOptions<3>& options = {});

struct GlobalPoolOptions {
  DataFormat data_format = "channels_last";
  bool keep_dims = false;  ///< keep the spatial axes with size 1
};

/// The mean, or the largest, over all spatial axes: [batch, spatial..., channels] -> [batch,
/// channels]. Throws ShapeError below rank 3, ValueError for the largest of no elements.
Tensor global_average_pool(const Operand& x, const GlobalPoolOptions& options = {});
Tensor global_max_pool(const Operand& x, const GlobalPoolOptions& options = {});  ///< as above

}  // namespace varve
