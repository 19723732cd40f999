// room: nn
// Convolution layers. Images are [batch, height, width, channels] unless data_format says
// "channels_first"; kernels are stored as Keras stores them, whatever the format.
#pragma once
#include <optional>
#include <string>

#include "varve/nn/layer.h"
#include "varve/ops/padding.h"

namespace varve::nn {

/// Convolution over one spatial axis: sequences [batch, steps, channels].
/// activation(conv(x, kernel) + bias), [batch, positions..., filters]. Padding may be "causal".
/// Variables: kernel [kernel_size..., channels / groups, filters], bias [filters].
struct Conv1D {
  Dim filters = 0;
  Extents<1> kernel_size = 3, strides = 1;
  Padding padding = "valid";
  DataFormat data_format = "channels_last";
  Extents<1> dilation_rate = 1;
  Dim groups = 1;
  varve::Activation activation = {};
  bool use_bias = true;
  Initializer kernel_initializer = "glorot_uniform", bias_initializer = "zeros";
  Regularizer kernel_regularizer = {}, bias_regularizer = {};
  Constraint kernel_constraint = {}, bias_constraint = {};
  std::string name = {};
  Tensor call(const Tensor& x, Scope& s) const;
  Tensor operator()(const Tensor& x, CallOptions options = {}, Where where = Where::here()) &&;
  void fields(Fields& f);
};

/// Convolution over two spatial axes: images [batch, height, width, channels].
/// activation(conv(x, kernel) + bias), [batch, positions..., filters].
/// Variables: kernel [kernel_size..., channels / groups, filters], bias [filters].
struct Conv2D {
  Dim filters = 0;
  Extents<2> kernel_size = 3, strides = 1;
  Padding padding = "valid";
  DataFormat data_format = "channels_last";
  Extents<2> dilation_rate = 1;
  Dim groups = 1;
  varve::Activation activation = {};
  bool use_bias = true;
  Initializer kernel_initializer = "glorot_uniform", bias_initializer = "zeros";
  Regularizer kernel_regularizer = {}, bias_regularizer = {};
  Constraint kernel_constraint = {}, bias_constraint = {};
  std::string name = {};
  Tensor call(const Tensor& x, Scope& s) const;
  Tensor operator()(const Tensor& x, CallOptions options = {}, Where where = Where::here()) &&;
  void fields(Fields& f);
};

/// Convolution over three spatial axes: volumes [batch, depth, height, width, channels].
/// activation(conv(x, kernel) + bias), [batch, positions..., filters].
/// Variables: kernel [kernel_size..., channels / groups, filters], bias [filters].
struct Conv3D {
  Dim filters = 0;
  Extents<3> kernel_size = 3, strides = 1;
  Padding padding = "valid";
  DataFormat data_format = "channels_last";
  Extents<3> dilation_rate = 1;
  Dim groups = 1;
  varve::Activation activation = {};
  bool use_bias = true;
  Initializer kernel_initializer = "glorot_uniform", bias_initializer = "zeros";
  Regularizer kernel_regularizer = {}, bias_regularizer = {};
  Constraint kernel_constraint = {}, bias_constraint = {};
  std::string name = {};
  Tensor call(const Tensor& x, Scope& s) const;
  Tensor operator()(const Tensor& x, CallOptions options = {}, Where where = Where::here()) &&;
  void fields(Fields& f);
};

/// Transposed convolution over one spatial axis: each position adds its value times the kernel to
/// the output, `strides` apart; "same" gives size * stride positions. Variables: kernel
/// [kernel_size..., filters, channels], bias [filters].
struct Conv1DTranspose {
  Dim filters = 0;
  Extents<1> kernel_size = 3, strides = 1;
  Padding padding = "valid";
  Extents<1> output_padding = -1;  ///< -1: as the padding says
  DataFormat data_format = "channels_last";
  Extents<1> dilation_rate = 1;
  varve::Activation activation = {};
  bool use_bias = true;
  Initializer kernel_initializer = "glorot_uniform", bias_initializer = "zeros";
  Regularizer kernel_regularizer = {}, bias_regularizer = {};
  Constraint kernel_constraint = {}, bias_constraint = {};
  std::string name = {};
  Tensor call(const Tensor& x, Scope& s) const;
  Tensor operator()(const Tensor& x, CallOptions options = {}, Where where = Where::here()) &&;
  void fields(Fields& f);
};

/// Transposed convolution over two spatial axes: each position adds its value times the kernel to
/// the output, `strides` apart; "same" gives size * stride positions. Variables: kernel
/// [kernel_size..., filters, channels], bias [filters].
struct Conv2DTranspose {
  Dim filters = 0;
  Extents<2> kernel_size = 3, strides = 1;
  Padding padding = "valid";
  Extents<2> output_padding = -1;  ///< -1: as the padding says
  DataFormat data_format = "channels_last";
  Extents<2> dilation_rate = 1;
  varve::Activation activation = {};
  bool use_bias = true;
  Initializer kernel_initializer = "glorot_uniform", bias_initializer = "zeros";
  Regularizer kernel_regularizer = {}, bias_regularizer = {};
  Constraint kernel_constraint = {}, bias_constraint = {};
  std::string name = {};
  Tensor call(const Tensor& x, Scope& s) const;
  Tensor operator()(const Tensor& x, CallOptions options = {}, Where where = Where::here()) &&;
  void fields(Fields& f);
};

/// Transposed convolution over three spatial axes: each position adds its value times the kernel to
/// the output, `strides` apart; "same" gives size * stride positions. Variables: kernel
/// [kernel_size..., filters, channels], bias [filters].
struct Conv3DTranspose {
  Dim filters = 0;
  Extents<3> kernel_size = 3, strides = 1;
  Padding padding = "valid";
  Extents<3> output_padding = -1;  ///< -1: as the padding says
  DataFormat data_format = "channels_last";
  Extents<3> dilation_rate = 1;
  varve::Activation activation = {};
  bool use_bias = true;
  Initializer kernel_initializer = "glorot_uniform", bias_initializer = "zeros";
  Regularizer kernel_regularizer = {}, bias_regularizer = {};
  Constraint kernel_constraint = {}, bias_constraint = {};
  std::string name = {};
  Tensor call(const Tensor& x, Scope& s) const;
  Tensor operator()(const Tensor& x, CallOptions options = {}, Where where = Where::here()) &&;
  void fields(Fields& f);
};

/// One kernel or more for each channel alone: [.., channels] -> [.., channels * depth_multiplier].
/// Variables: kernel [height, width, channels, depth_multiplier], bias [channels *
/// depth_multiplier]. Chollet 2017.
struct DepthwiseConv2D {
  Extents<2> kernel_size = 3, strides = 1;
  Padding padding = "valid";
  Dim depth_multiplier = 1;
  DataFormat data_format = "channels_last";
  Extents<2> dilation_rate = 1;
  varve::Activation activation = {};
  bool use_bias = true;
  Initializer depthwise_initializer = "glorot_uniform", bias_initializer = "zeros";
  Regularizer depthwise_regularizer = {}, bias_regularizer = {};
  Constraint depthwise_constraint = {}, bias_constraint = {};
  std::string name = {};
  Tensor call(const Tensor& x, Scope& s) const;
  Tensor operator()(const Tensor& x, CallOptions options = {}, Where where = Where::here()) &&;
  void fields(Fields& f);
};

/// DepthwiseConv2D for one spatial axis. Variables: kernel [steps, channels, depth_multiplier],
/// bias [channels * depth_multiplier].
struct DepthwiseConv1D {
  Extents<1> kernel_size = 3, strides = 1;
  Padding padding = "valid";
  Dim depth_multiplier = 1;
  DataFormat data_format = "channels_last";
  Extents<1> dilation_rate = 1;
  varve::Activation activation = {};
  bool use_bias = true;
  Initializer depthwise_initializer = "glorot_uniform", bias_initializer = "zeros";
  Regularizer depthwise_regularizer = {}, bias_regularizer = {};
  Constraint depthwise_constraint = {}, bias_constraint = {};
  std::string name = {};
  Tensor call(const Tensor& x, Scope& s) const;
  Tensor operator()(const Tensor& x, CallOptions options = {}, Where where = Where::here()) &&;
  void fields(Fields& f);
};

/// A depthwise convolution, then one of single elements that mixes the channels. Variables:
/// depthwise_kernel [steps, channels, depth_multiplier], pointwise_kernel [1, channels *
/// depth_multiplier, filters], bias [filters]. Chollet 2017.
struct SeparableConv1D {
  Dim filters = 0;
  Extents<1> kernel_size = 3, strides = 1;
  Padding padding = "valid";
  DataFormat data_format = "channels_last";
  Extents<1> dilation_rate = 1;
  Dim depth_multiplier = 1;
  varve::Activation activation = {};
  bool use_bias = true;
  Initializer depthwise_initializer = "glorot_uniform", pointwise_initializer = "glorot_uniform",
              bias_initializer = "zeros";
  Regularizer depthwise_regularizer = {}, pointwise_regularizer = {}, bias_regularizer = {};
  Constraint depthwise_constraint = {}, pointwise_constraint = {}, bias_constraint = {};
  std::string name = {};
  Tensor call(const Tensor& x, Scope& s) const;
  Tensor operator()(const Tensor& x, CallOptions options = {}, Where where = Where::here()) &&;
  void fields(Fields& f);
};

/// SeparableConv1D for two spatial axes: about 1 / filters + 1 / (height width) of a convolution's
/// weights and operations. Variables: depthwise_kernel [height, width, channels, depth_multiplier],
/// pointwise_kernel [1, 1, channels * depth_multiplier, filters], bias [filters].
struct SeparableConv2D {
  Dim filters = 0;
  Extents<2> kernel_size = 3, strides = 1;
  Padding padding = "valid";
  DataFormat data_format = "channels_last";
  Extents<2> dilation_rate = 1;
  Dim depth_multiplier = 1;
  varve::Activation activation = {};
  bool use_bias = true;
  Initializer depthwise_initializer = "glorot_uniform", pointwise_initializer = "glorot_uniform",
              bias_initializer = "zeros";
  Regularizer depthwise_regularizer = {}, pointwise_regularizer = {}, bias_regularizer = {};
  Constraint depthwise_constraint = {}, pointwise_constraint = {}, bias_constraint = {};
  std::string name = {};
  Tensor call(const Tensor& x, Scope& s) const;
  Tensor operator()(const Tensor& x, CallOptions options = {}, Where where = Where::here()) &&;
  void fields(Fields& f);
};

}  // namespace varve::nn
