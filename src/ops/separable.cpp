// Depthwise and separable convolution: convolutions of as many groups as channels.
#include <algorithm>

#include "base/error.h"
#include "ops/build.h"
#include "varve/ops/convolution.h"
#include "varve/ops/pointwise.h"
#include "varve/ops/shape.h"

namespace varve {
namespace {

/// [spatial..., a, b] as conv takes it in that format.
Tensor in_format(const Tensor& kernel, const DataFormat& format) {
  if (!format.channels_first) return kernel;
  const int rank = kernel.rank();
  std::vector<int> axes{rank - 1, rank - 2};
  for (int i = 0; i < rank - 2; ++i) axes.push_back(i);
  return transpose(kernel, axes);
}

void require_kernel(const char* name, const char* what, const Tensor& kernel, int rank,
                    int64_t channels, const Where& where) {
  if (kernel.rank() == rank && kernel.shape()[-2] == channels) return;
  throw ShapeError(
      ops::text_of(name, std::string(what) + ": expected [spatial..., " + std::to_string(channels) +
                             ", n] of rank " + std::to_string(rank) + ", got " +
                             kernel.shape().to_string()),
      "", where.to_string());
}

template <int N, class F>
Tensor depthwise(const char* name, const Operand& x, const Operand& kernel_operand,
                 const DepthwiseConvOptions<N>& o, F conv) {
  const ir::CallerScope caller(x.where());
  const Tensor t = x.tensor(), kernel = kernel_operand.tensor();
  if (t.rank() != N + 2) {
    throw ShapeError(ops::text_of(name, "expected rank " + std::to_string(N + 2) + ", got " +
                                            t.shape().to_string()),
                     "", x.where().to_string());
  }
  const int64_t channels = t.shape()[o.data_format.channels_first ? 1 : -1];
  require_kernel(name, "kernel", kernel, N + 2, channels, x.where());
  std::vector<int64_t> dims(kernel.shape().begin(), kernel.shape().end() - 2);
  dims.insert(dims.end(), {1, channels * kernel.shape()[-1]});
  return conv(Operand(t, x.where()),
              in_format(reshape(kernel, Shape(std::move(dims))), o.data_format),
              ConvOptions<N>{.strides = o.strides,
                             .padding = o.padding,
                             .data_format = o.data_format,
                             .dilation = o.dilation,
                             .groups = std::max<int64_t>(channels, 1),
                             .bias = o.bias});
}

template <int N, class F>
Tensor separable(const char* name, const Operand& x, const Operand& kernel,
                 const Operand& pointwise, const DepthwiseConvOptions<N>& o, F conv) {
  const ir::CallerScope caller(x.where());
  DepthwiseConvOptions<N> first = o;
  first.bias = {};
  const Tensor each = depthwise<N>(name, x, kernel, first, conv), mixing = pointwise.tensor();
  require_kernel(name, "pointwise", mixing, N + 2,
                 each.shape()[o.data_format.channels_first ? 1 : -1], x.where());
  return conv(each, in_format(mixing, o.data_format),
              ConvOptions<N>{.data_format = o.data_format, .bias = o.bias});
}

}  // namespace

Tensor depthwise_conv1d(const Operand& x, const Operand& kernel, const DepthwiseConvOptions<1>& o) {
  return depthwise<1>("depthwise_conv1d", x, kernel, o, conv1d);
}
Tensor depthwise_conv2d(const Operand& x, const Operand& kernel, const DepthwiseConvOptions<2>& o) {
  return depthwise<2>("depthwise_conv2d", x, kernel, o, conv2d);
}
Tensor separable_conv1d(const Operand& x, const Operand& kernel, const Operand& pointwise,
                        const DepthwiseConvOptions<1>& o) {
  return separable<1>("separable_conv1d", x, kernel, pointwise, o, conv1d);
}
Tensor separable_conv2d(const Operand& x, const Operand& kernel, const Operand& pointwise,
                        const DepthwiseConvOptions<2>& o) {
  return separable<2>("separable_conv2d", x, kernel, pointwise, o, conv2d);
}

}  // namespace varve
