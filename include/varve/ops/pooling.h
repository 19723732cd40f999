// room: ops
// Pooling: extremes and means over sliding windows of one to three spatial axes.
#pragma once
#include <vector>

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
  bool ceil_mode = false;   ///< a last window that begins inside may reach over the end
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
  Extents<N> dilation = 1;         ///< steps between the window's elements
  bool ceil_mode = false;  ///< as in MaxPoolOptions; what is beyond the padding never counts
};

/// The mean of each window. Elements in the padding do not count (as in Keras and TensorFlow), or
/// count as zeros with count_include_pad (PyTorch's default). Floating types; integers become f32.
/// Shapes and errors as max_pool.
Tensor average_pool1d(const Operand& x, const AveragePoolOptions<1>& options = {});
Tensor average_pool2d(const Operand& x, const AveragePoolOptions<2>& options = {});
Tensor average_pool3d(const Operand& x, const AveragePoolOptions<3>& options = {});

/// What max pooling with places gives.
struct MaxPoolResult {
  Tensor values;
  Tensor indices;  ///< i64, where each value stands in the input
};
/// How places are counted.
struct PlaceOptions {
  bool column_major = false;  ///< the first spatial axis runs fastest (ONNX' storage_order 1)
  /// From the tensor's first element, as [batch, channels, spatial...] (ONNX); else from the first
  /// of the sample's channel (PyTorch).
  bool whole = false;
};
/// max_pool, and for each value its row-major place among the spatial elements of its channel (the
/// first of equal ones). The values' gradient is that of max_pool.
MaxPoolResult max_pool1d_with_indices(const Operand& x, const MaxPoolOptions<1>& options = {},
                                      const PlaceOptions& places = {});
MaxPoolResult max_pool2d_with_indices(const Operand& x, const MaxPoolOptions<2>& options = {},
                                      const PlaceOptions& places = {});
MaxPoolResult max_pool3d_with_indices(const Operand& x, const MaxPoolOptions<3>& options = {},
                                      const PlaceOptions& places = {});

struct UnpoolOptions {
  DataFormat data_format = "channels_last";
  PlaceOptions places = {};  ///< as they were counted
};
/// Max unpooling: zeros of the spatial sizes `size`, and each element of x at its place (as
/// max_pool*_with_indices gives them). Where windows overlap, the last of equal places stays.
/// Shapes: x and indices [batch, positions..., channels] -> [batch, size..., channels].
/// Throws ShapeError; an index outside is an IndexError when computed.
/// Source: Zeiler and Fergus 2014, "Visualizing and understanding convolutional networks".
Tensor max_unpool(const Operand& x, const Operand& indices, const std::vector<int64_t>& size,
                  const UnpoolOptions& options = {});

template <int N>
struct LpPoolOptions {
  Real order = 2;  ///< p, above 0
  Extents<N> window = 2;
  Extents<N> strides = 0;  ///< 0: the window's size
  Padding padding = "valid";
  DataFormat data_format = "channels_last";
  Extents<N> dilation = 1;
  bool ceil_mode = false;
};
/// The p-norm of each window: (sum |x|^p)^(1/p). Padding adds nothing. At 0 the gradient is 0.
/// Shapes and errors as max_pool; ValueError for an order of 0 or below.
Tensor lp_pool1d(const Operand& x, const LpPoolOptions<1>& options = {});
Tensor lp_pool2d(const Operand& x, const LpPoolOptions<2>& options = {});
Tensor lp_pool3d(const Operand& x, const LpPoolOptions<3>& options = {});

struct AdaptivePoolOptions {
  DataFormat data_format = "channels_last";
};
/// Pooling to given spatial sizes: position i of n covers the elements from floor(i size / n) to
/// ceil((i + 1) size / n). Where n divides the size that is pooling without overlap.
/// Throws ShapeError (one size a spatial axis), ValueError for sizes below 1.
/// Example: adaptive_average_pool(x, {7, 7})
Tensor adaptive_average_pool(const Operand& x, const std::vector<int64_t>& size,
                             const AdaptivePoolOptions& options = {});
Tensor adaptive_max_pool(const Operand& x, const std::vector<int64_t>& size,
                         const AdaptivePoolOptions& options = {});  ///< as above
/// adaptive_max_pool, and for each value its place among the spatial elements of its channel, as
/// max_pool*_with_indices gives it (the first of equal ones in row-major order, NaN before all).
/// The values' gradient goes to that element. max_unpool puts the values back.
MaxPoolResult adaptive_max_pool_with_indices(const Operand& x, const std::vector<int64_t>& size,
                                             const AdaptivePoolOptions& options = {},
                                             const PlaceOptions& places = {});

struct GlobalPoolOptions {
  DataFormat data_format = "channels_last";
  bool keep_dims = false;  ///< keep the spatial axes with size 1
};

/// The mean, or the largest, over all spatial axes: [batch, spatial..., channels] -> [batch,
/// channels]. Throws ShapeError below rank 3, ValueError for the largest of no elements.
Tensor global_average_pool(const Operand& x, const GlobalPoolOptions& options = {});
Tensor global_max_pool(const Operand& x, const GlobalPoolOptions& options = {});  ///< as above

}  // namespace varve
