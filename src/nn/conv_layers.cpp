#include "varve/nn/conv_layers.h"

#include "nn/weights.h"
#include "varve/ops/convolution.h"
#include "varve/ops/pointwise.h"
#include "varve/ops/shape.h"

namespace varve::nn {
namespace {

/// A kernel is kept as [spatial..., a, b]; channels-first ops take [b, a, spatial...].
Tensor in_format(const Tensor& kernel, DataFormat format) {
  if (!format.channels_first) return kernel;
  const int rank = kernel.rank();
  std::vector<int> axes{rank - 1, rank - 2};
  for (int i = 0; i < rank - 2; ++i) axes.push_back(i);
  return transpose(kernel, axes);
}

template <int N>
Shape kernel_shape(const Extents<N>& size, int64_t a, int64_t b) {
  std::vector<int64_t> dims = size.list();
  dims.insert(dims.end(), {a, b});
  return Shape(std::move(dims));
}

template <class L>
Tensor bias_of(const L& layer, const Tensor& x, int64_t size, Scope& s) {
  if (!layer.use_bias) return {};
  return s.variable("bias", {size},
                    weight(layer.bias_initializer, weight_type(x), layer.bias_regularizer,
                           layer.bias_constraint));
}

template <int N, class L, class F>
Tensor convolve(const L& layer, const Tensor& input, Scope& s, F conv) {
  require_rank(input, N + 2, N + 2, kSpatialAxes[N]);
  const Tensor x = real(input);
  const int64_t channels = x.shape()[layer.data_format.channels_first ? 1 : -1];
  const int64_t groups = layer.groups;
  if (channels % groups || layer.filters % groups) {
    throw ShapeError("groups: expected a divisor of " + std::to_string(channels) +
                     " channels and " + std::to_string(layer.filters.value) + " filters, got " +
                     std::to_string(groups));
  }
  const Tensor kernel = fitted(
      s, "kernel", kernel_shape(layer.kernel_size, channels / groups, layer.filters), N, groups,
      weight(layer.kernel_initializer, weight_type(x), layer.kernel_regularizer,
             layer.kernel_constraint));
  ConvOptions<N> options{.strides = layer.strides,
                         .padding = layer.padding,
                         .data_format = layer.data_format,
                         .dilation = layer.dilation_rate,
                         .groups = groups,
                         .bias = bias_of(layer, x, layer.filters, s)};
  return layer.activation(conv(x, in_format(kernel, layer.data_format), options));
}

template <int N, class L, class F>
Tensor convolve_transposed(const L& layer, const Tensor& input, Scope& s, F conv) {
  require_rank(input, N + 2, N + 2, kSpatialAxes[N]);
  const Tensor x = real(input);
  const int64_t channels = x.shape()[layer.data_format.channels_first ? 1 : -1];
  const Tensor kernel =
      fitted(s, "kernel", kernel_shape(layer.kernel_size, layer.filters, channels), N + 1, 1,
             weight(layer.kernel_initializer, weight_type(x), layer.kernel_regularizer,
                    layer.kernel_constraint));
  ConvTransposeOptions<N> options{.strides = layer.strides,
                                  .padding = layer.padding,
                                  .data_format = layer.data_format,
                                  .dilation = layer.dilation_rate,
                                  .bias = bias_of(layer, x, layer.filters, s)};
  if (layer.output_padding[0] >= 0) options.output_padding = layer.output_padding;
  return layer.activation(conv(x, in_format(kernel, layer.data_format), options));
}

/// The kernels of each channel: [spatial..., channels, depth_multiplier].
template <int N, class L>
Tensor depthwise_kernel(const L& layer, const Tensor& x, const char* name, Scope& s) {
  const int64_t channels = x.shape()[layer.data_format.channels_first ? 1 : -1];
  return fitted(s, name, kernel_shape(layer.kernel_size, channels, layer.depth_multiplier), N, 1,
                weight(layer.depthwise_initializer, weight_type(x), layer.depthwise_regularizer,
                       layer.depthwise_constraint));
}

template <int N, class L>
DepthwiseConvOptions<N> depthwise_options(const L& layer) {
  return {.strides = layer.strides,
          .padding = layer.padding,
          .data_format = layer.data_format,
          .dilation = layer.dilation_rate};
}

template <int N, class L, class F>
Tensor depthwise(const L& layer, const Tensor& input, Scope& s, F conv) {
  require_rank(input, N + 2, N + 2, kSpatialAxes[N]);
  const Tensor x = real(input), kernel = depthwise_kernel<N>(layer, x, "kernel", s);
  DepthwiseConvOptions<N> options = depthwise_options<N>(layer);
  options.bias = bias_of(layer, x, kernel.shape()[-2] * kernel.shape()[-1], s);
  return layer.activation(conv(x, kernel, options));
}

template <int N, class L, class F>
Tensor separable(const L& layer, const Tensor& input, Scope& s, F conv) {
  require_rank(input, N + 2, N + 2, kSpatialAxes[N]);
  const Tensor x = real(input), each = depthwise_kernel<N>(layer, x, "depthwise_kernel", s);
  const Tensor mixing =
      fitted(s, "pointwise_kernel",
             kernel_shape(Extents<N>(1), each.shape()[-2] * each.shape()[-1], layer.filters), N, 1,
             weight(layer.pointwise_initializer, weight_type(x), layer.pointwise_regularizer,
                    layer.pointwise_constraint));
  DepthwiseConvOptions<N> options = depthwise_options<N>(layer);
  options.bias = bias_of(layer, x, layer.filters, s);
  return layer.activation(conv(x, each, mixing, options));
}

template <class L>
void depthwise_fields(L& layer, Fields& f) {
  f("kernel_size", layer.kernel_size, "Sizes of a kernel.", {.min = 1});
  f("strides", layer.strides, "Steps between positions.", {.min = 1});
  f("padding", layer.padding, "What is added at the borders.");
  f("depth_multiplier", layer.depth_multiplier, "Kernels a channel.", {.min = 1});
  f("data_format", layer.data_format, "Where the channels lie.");
  f("dilation_rate", layer.dilation_rate, "Steps between a kernel's taps.", {.min = 1});
  f("activation", layer.activation, "Function of the result.");
  f("use_bias", layer.use_bias, "Whether a bias is added.");
  f("depthwise_initializer", layer.depthwise_initializer, "How the kernel begins.");
  f("bias_initializer", layer.bias_initializer, "How the bias begins.");
  f("depthwise_regularizer", layer.depthwise_regularizer, "Penalty on the kernel.");
  f("bias_regularizer", layer.bias_regularizer, "Penalty on the bias.");
  f("depthwise_constraint", layer.depthwise_constraint, "What the kernel is brought back to.");
  f("bias_constraint", layer.bias_constraint, "What the bias is brought back to.");
  f("name", layer.name, kLayerName);
}

template <class L>
void kernel_fields(L& layer, Fields& f) {
  f("filters", layer.filters, "How many kernels: channels of the result.", {.min = 1});
  f("kernel_size", layer.kernel_size, "Sizes of a kernel.", {.min = 1});
  f("strides", layer.strides, "Steps between positions.", {.min = 1});
  f("padding", layer.padding, "What is added at the borders.");
}
template <class L>
void weight_fields(L& layer, Fields& f) {
  f("activation", layer.activation, "Function of the result.");
  f("use_bias", layer.use_bias, "Whether a bias is added.");
  kernel_and_bias_fields(layer, f);
  f("name", layer.name, kLayerName);
}
template <class L>
void conv_fields(L& layer, Fields& f) {
  kernel_fields(layer, f);
  f("data_format", layer.data_format, "Where the channels lie.");
  f("dilation_rate", layer.dilation_rate, "Steps between a kernel's taps.", {.min = 1});
  f("groups", layer.groups, "Shares of the channels with kernels of their own.", {.min = 1});
  weight_fields(layer, f);
}
template <class L>
void transposed_fields(L& layer, Fields& f) {
  kernel_fields(layer, f);
  f("output_padding", layer.output_padding, "Positions added at the end; -1: as the padding says.",
    {.min = -1});
  f("data_format", layer.data_format, "Where the channels lie.");
  f("dilation_rate", layer.dilation_rate, "Steps between a kernel's taps.", {.min = 1});
  weight_fields(layer, f);
}

template <class L>
void separable_fields(L& layer, Fields& f) {
  kernel_fields(layer, f);
  f("data_format", layer.data_format, "Where the channels lie.");
  f("dilation_rate", layer.dilation_rate, "Steps between a kernel's taps.", {.min = 1});
  f("depth_multiplier", layer.depth_multiplier, "Depthwise kernels a channel.", {.min = 1});
  f("activation", layer.activation, "Function of the result.");
  f("use_bias", layer.use_bias, "Whether a bias is added.");
  f("depthwise_initializer", layer.depthwise_initializer, "How the depthwise kernel begins.");
  f("pointwise_initializer", layer.pointwise_initializer, "How the pointwise kernel begins.");
  f("bias_initializer", layer.bias_initializer, "How the bias begins.");
  f("depthwise_regularizer", layer.depthwise_regularizer, "Penalty on the depthwise kernel.");
  f("pointwise_regularizer", layer.pointwise_regularizer, "Penalty on the pointwise kernel.");
  f("bias_regularizer", layer.bias_regularizer, "Penalty on the bias.");
  f("depthwise_constraint", layer.depthwise_constraint,
    "What the depthwise kernel is brought back to.");
  f("pointwise_constraint", layer.pointwise_constraint,
    "What the pointwise kernel is brought back to.");
  f("bias_constraint", layer.bias_constraint, "What the bias is brought back to.");
  f("name", layer.name, kLayerName);
}

}  // namespace

Tensor Conv1D::call(const Tensor& x, Scope& s) const { return convolve<1>(*this, x, s, conv1d); }
Tensor Conv1D::operator()(const Tensor& x, CallOptions options, Where where) && {
  return once(std::move(*this), x, options, where);
}
void Conv1D::fields(Fields& f) { conv_fields(*this, f); }

Tensor Conv2D::call(const Tensor& x, Scope& s) const { return convolve<2>(*this, x, s, conv2d); }
Tensor Conv2D::operator()(const Tensor& x, CallOptions options, Where where) && {
  return once(std::move(*this), x, options, where);
}
void Conv2D::fields(Fields& f) { conv_fields(*this, f); }

Tensor Conv3D::call(const Tensor& x, Scope& s) const { return convolve<3>(*this, x, s, conv3d); }
Tensor Conv3D::operator()(const Tensor& x, CallOptions options, Where where) && {
  return once(std::move(*this), x, options, where);
}
void Conv3D::fields(Fields& f) { conv_fields(*this, f); }

Tensor Conv1DTranspose::call(const Tensor& x, Scope& s) const {
  return convolve_transposed<1>(*this, x, s, conv_transpose1d);
}
Tensor Conv1DTranspose::operator()(const Tensor& x, CallOptions options, Where where) && {
  return once(std::move(*this), x, options, where);
}
void Conv1DTranspose::fields(Fields& f) { transposed_fields(*this, f); }

Tensor Conv2DTranspose::call(const Tensor& x, Scope& s) const {
  return convolve_transposed<2>(*this, x, s, conv_transpose2d);
}
Tensor Conv2DTranspose::operator()(const Tensor& x, CallOptions options, Where where) && {
  return once(std::move(*this), x, options, where);
}
void Conv2DTranspose::fields(Fields& f) { transposed_fields(*this, f); }

Tensor Conv3DTranspose::call(const Tensor& x, Scope& s) const {
  return convolve_transposed<3>(*this, x, s, conv_transpose3d);
}
Tensor Conv3DTranspose::operator()(const Tensor& x, CallOptions options, Where where) && {
  return once(std::move(*this), x, options, where);
}
void Conv3DTranspose::fields(Fields& f) { transposed_fields(*this, f); }

Tensor DepthwiseConv2D::call(const Tensor& input, Scope& s) const {
  return depthwise<2>(*this, input, s, depthwise_conv2d);
}
Tensor DepthwiseConv2D::operator()(const Tensor& x, CallOptions options, Where where) && {
  return once(std::move(*this), x, options, where);
}
void DepthwiseConv2D::fields(Fields& f) { depthwise_fields(*this, f); }

Tensor DepthwiseConv1D::call(const Tensor& input, Scope& s) const {
  return depthwise<1>(*this, input, s, depthwise_conv1d);
}
Tensor DepthwiseConv1D::operator()(const Tensor& x, CallOptions options, Where where) && {
  return once(std::move(*this), x, options, where);
}
void DepthwiseConv1D::fields(Fields& f) { depthwise_fields(*this, f); }

Tensor SeparableConv1D::call(const Tensor& x, Scope& s) const {
  return separable<1>(*this, x, s, separable_conv1d);
}
Tensor SeparableConv1D::operator()(const Tensor& x, CallOptions options, Where where) && {
  return once(std::move(*this), x, options, where);
}
void SeparableConv1D::fields(Fields& f) { separable_fields(*this, f); }

Tensor SeparableConv2D::call(const Tensor& x, Scope& s) const {
  return separable<2>(*this, x, s, separable_conv2d);
}
Tensor SeparableConv2D::operator()(const Tensor& x, CallOptions options, Where where) && {
  return once(std::move(*this), x, options, where);
}
void SeparableConv2D::fields(Fields& f) { separable_fields(*this, f); }

}  // namespace varve::nn
