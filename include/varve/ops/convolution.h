// room: ops
// Convolution over one to three spatial axes, and its transpose.
#pragma once
#include <optional>

#include "varve/ops/padding.h"
#include "varve/tensor.h"

namespace varve {

/// Options of conv1d, conv2d and conv3d (N spatial axes).
template <int N>
struct ConvOptions {
  Extents<N> strides = 1;
  Padding padding = "valid";
  DataFormat data_format = "channels_last";
  Extents<N> dilation = 1;  ///< steps between the kernel's taps
  Dim groups = 1;           ///< channels are split into so many, each with kernels of its own
  Tensor bias = {};         ///< of shape [out] (or empty): added to every position
};

/// Convolution (cross-correlation, as everywhere in deep learning):
///   y[b, p, o] = bias[o] + sum over taps t and channels c of
///                x[b, p * stride + t * dilation - padding, c] * kernel[t, c, o].
/// Shapes, channels last: x [batch, spatial..., in], kernel [spatial..., in / groups, out] -> y
/// [batch, positions..., out]; positions = (size + padding - dilation (taps - 1) - 1) / stride + 1.
/// Channels first: x [batch, in, spatial...], kernel [out, in / groups, spatial...] -> y [batch,
/// out, positions...]. Group g reads the g-th share of the input channels and makes the g-th share
/// of the outputs; groups = in is depthwise. Floating types; they promote.
/// Throws ShapeError ("conv2d: kernel 7x7 larger than input 5x5 (+ padding 0)", channels that do
/// not fit), ValueError (a stride, a dilation or groups below 1, negative padding), DTypeError.
/// Example: conv2d(x, kernel, {.strides = 2, .padding = "same"})
/// Source: Dumoulin and Visin 2016, "A guide to convolution arithmetic for deep learning".
Tensor conv1d(const Operand& x, const Operand& kernel, const ConvOptions<1>& options = {});
Tensor conv2d(const Operand& x, const Operand& kernel, const ConvOptions<2>& options = {});
Tensor conv3d(const Operand& x, const Operand& kernel, const ConvOptions<3>& options = {});

/// Options of depthwise and separable convolutions (N spatial axes).
template <int N>
struct DepthwiseConvOptions {
  Extents<N> strides = 1;
  Padding padding = "valid";
  DataFormat data_format = "channels_last";
  Extents<N> dilation = 1;
  Tensor bias = {};  ///< of shape [out] (or empty)
};
/// Each channel by kernels of its own. The kernel is [spatial..., channels, multiplier] in either
/// format, as Keras has it; output channel c * multiplier + m is channel c by its kernel m.
/// Throws as conv2d. Source: Chollet 2017, "Xception".
Tensor depthwise_conv1d(const Operand& x, const Operand& kernel,
                        const DepthwiseConvOptions<1>& options = {});
Tensor depthwise_conv2d(const Operand& x, const Operand& kernel,
                        const DepthwiseConvOptions<2>& options = {});
/// A depthwise convolution, then one of single elements that mixes its channels: `pointwise` is
/// [1..., channels * multiplier, out] in either format. The bias is the second one's.
Tensor separable_conv1d(const Operand& x, const Operand& depthwise, const Operand& pointwise,
                        const DepthwiseConvOptions<1>& options = {});
Tensor separable_conv2d(const Operand& x, const Operand& depthwise, const Operand& pointwise,
                        const DepthwiseConvOptions<2>& options = {});

/// Options of conv_transpose1d, 2d and 3d.
template <int N>
struct ConvTransposeOptions {
  Extents<N> strides = 1;
  Padding padding = "valid";
  /// Positions added at the end, below the stride or the dilation.
  std::optional<Extents<N>> output_padding = {};
  DataFormat data_format = "channels_last";
  Extents<N> dilation = 1;
  Dim groups = 1;
  Tensor bias = {};  ///< of shape [out] (or empty)
};

/// Transposed convolution: the gradient of a convolution by its input, as a layer of its own. Each
/// input position adds its value times the kernel to the output, `stride` apart.
/// Shapes, channels last: x [batch, spatial..., in], kernel [spatial..., out / groups, in] (that of
/// the convolution it transposes, as in Keras); channels first: x [batch, in, spatial...], kernel
/// [in, out / groups, spatial...] (as in PyTorch).
/// Output size, with k = dilation (taps - 1) + 1: "same": size * stride; "valid": (size - 1) *
/// stride + max(k, stride); sides: (size - 1) * stride + k - low - high. Where output_padding is
/// given, (size - 1) * stride + k - low - high + output_padding, with 2 floor(k / 2) for low + high
/// under "same"; what it adds beyond the kernel's last place is the bias alone.
/// Throws as conv2d; ValueError where output_padding is not below the larger of stride and dilation
/// (as in PyTorch).
Tensor conv_transpose1d(const Operand& x, const Operand& kernel,
                        const ConvTransposeOptions<1>& options = {});
Tensor conv_transpose2d(const Operand& x, const Operand& kernel,
                        const ConvTransposeOptions<2>& options = {});
Tensor conv_transpose3d(const Operand& x, const Operand& kernel,
                        const ConvTransposeOptions<3>& options = {});

}  // namespace varve
