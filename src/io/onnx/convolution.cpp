// Convolutions and their transposes, those of integers included.
#include "varve/ops/convolution.h"

#include <algorithm>

#include "io/onnx/helpers.h"
#include "io/onnx/window.h"
#include "varve/ops/shape.h"

namespace varve::io::onnx {
namespace {

int64_t groups_of(const Call& c) {
  const int64_t groups = c.integer("group", 1);
  if (groups < 1) c.fail("group: expected >= 1, got " + std::to_string(groups));
  return groups;
}

std::vector<int64_t> kernel_of(const Call& c, const Tensor& w, size_t axes) {
  const std::vector<int64_t> taps = spatial_of(c, w);
  const std::vector<int64_t> given = c.integers("kernel_shape", taps);
  if (taps.size() != axes || given != taps) {
    c.fail("kernel_shape " + Shape(given).to_string() + " does not fit the kernel " +
           w.shape().to_string());
  }
  return taps;
}

Tensor convolve(const Call& c, const Tensor& x, const Tensor& kernel, const Tensor& bias) {
  const size_t axes = spatial_of(c, x).size();
  const Window w = window_of(c, x, kernel_of(c, kernel, axes));
  limit_padding(c, x, w, kernel.shape()[0]);
  return by_axes(c, axes, [&]<int N>(std::integral_constant<int, N>) {
    const ConvOptions<N> options{.strides = extents<N>(w.strides),
                                 .padding = padding_of(w),
                                 .data_format = "channels_first",
                                 .dilation = extents<N>(w.dilations),
                                 .groups = groups_of(c),
                                 .bias = bias};
    if constexpr (N == 1) return conv1d(x, kernel, options);
    if constexpr (N == 2) return conv2d(x, kernel, options);
    if constexpr (N == 3) return conv3d(x, kernel, options);
  });
}

Values conv(Call& c) {
  return {convolve(c, c.tensor(0), c.tensor(1), c.has(2) ? c.tensor(2) : Tensor())};
}

// Integers of 8 bits: f64 holds sums of 2^37 of their products exactly.
Values conv_integer(Call& c) {
  const auto shifted = [&](int i, int zero_point, bool by_output) {
    const Tensor x = as(c.tensor(i), f64);
    if (!c.has(zero_point)) return x;
    Tensor z = as(c.tensor(zero_point), f64);
    // A kernel may have one for each output channel.
    if (by_output && z.size() > 1) {
      std::vector<int64_t> sizes(static_cast<size_t>(x.rank()), 1);
      sizes[0] = z.size();
      z = reshape(z, Shape(std::move(sizes)));
    } else {
      z = reshape(z, {});
    }
    return subtract(x, z);
  };
  return {cast(convolve(c, shifted(0, 2, false), shifted(1, 3, true), {}), i32)};
}

// y = (x - x0) * (w - w0) sx sw / sy + y0, rounded and cut to the type of y0.
Values qlinear_conv(Call& c) {
  const int rank = c.tensor(0).rank();
  const auto first = [&](const Tensor& t) {
    std::vector<int64_t> sizes(static_cast<size_t>(rank), 1);
    sizes[0] = t.size();
    return reshape(as(t, f64), Shape(std::move(sizes)));
  };
  const Tensor x = subtract(as(c.tensor(0), f64), reshape(as(c.tensor(2), f64), {}));
  const Tensor w = subtract(as(c.tensor(3), f64), first(c.tensor(5)));
  Tensor sum = convolve(c, x, w, {});
  if (c.has(8)) sum = add(sum, along_channels(as(c.tensor(8), f64), rank));
  const Tensor scale =
      multiply(reshape(as(c.tensor(1), f64), {}), along_channels(as(c.tensor(4), f64), rank));
  const Tensor y = divide(multiply(sum, scale), reshape(as(c.tensor(6), f64), {}));
  const Tensor zero = c.tensor(7);
  return {cast(add(round(y), reshape(as(zero, f64), {})), zero.dtype())};
}

// The whole transposed convolution, cut and widened afterwards: pads and output_padding may be of
// any size.
Values conv_transpose(Call& c) {
  const Tensor &x = c.tensor(0), &kernel = c.tensor(1);
  const std::vector<int64_t> input = spatial_of(c, x);
  const size_t n = input.size();
  const std::vector<int64_t> size = kernel_of(c, kernel, n);
  const std::vector<int64_t> strides = c.sizes("strides", n, 1),
                             dilations = c.sizes("dilations", n, 1),
                             more = c.sizes("output_padding", n, 0, 0);
  std::vector<int64_t> pads = c.sizes("pads", 2 * n, 0, 0);
  const std::string automatic = c.text("auto_pad", "NOTSET");
  const bool same = automatic.starts_with("SAME_"), shaped = c.find("output_shape") != nullptr;
  std::vector<int64_t> wanted(n);
  if (shaped) {
    // Some exporters give batch and channels, too.
    const size_t more_sizes = c.integers("output_shape").size() == n + 2 ? 2 : 0;
    wanted = c.sizes("output_shape", n + more_sizes, 0);
    wanted.erase(wanted.begin(), wanted.begin() + static_cast<ptrdiff_t>(more_sizes));
  }
  const int64_t groups = groups_of(c);
  std::vector<PadWidth> widths(n + 2);
  std::vector<int64_t> whole{x.shape()[0], kernel.shape()[1], groups};
  std::vector<int64_t> last = whole;
  for (size_t i = 0; i < n; ++i) {
    c.limit(Shape({input[i], strides[i]}), "strides");
    c.limit(Shape({size[i], dilations[i]}), "dilations");
    const int64_t full = strides[i] * (input[i] - 1) + (size[i] - 1) * dilations[i] + 1;
    if (!shaped) wanted[i] = input[i] * strides[i];
    if (shaped || same) {
      const int64_t total = full + more[i] - wanted[i];
      const int64_t half = total >= 0 ? total / 2 : -((-total) / 2);
      pads[i] = automatic == "SAME_UPPER" ? half : total - half;
      pads[i + n] = total - pads[i];
      if (total < 0) pads[i] = 0, pads[i + n] = total;
    }
    widths[i + 2] = {-pads[i], more[i] - pads[i + n]};
    whole.push_back(std::max<int64_t>(full, 0));
    last.push_back(std::max<int64_t>(full + widths[i + 2].before + widths[i + 2].after, 0));
  }
  c.limit(Shape(whole), "strides and dilations");
  c.limit(Shape(last), shaped ? "output_shape" : "output_padding");
  const Tensor y = by_axes(c, n, [&]<int N>(std::integral_constant<int, N>) {
    const ConvTransposeOptions<N> options{.strides = extents<N>(strides),
                                          .padding = padding_of({.size = {},
                                                                 .strides = {},
                                                                 .dilations = {},
                                                                 .low = std::vector<int64_t>(n),
                                                                 .high = std::vector<int64_t>(n)}),
                                          .data_format = "channels_first",
                                          .dilation = extents<N>(dilations),
                                          .groups = groups};
    if constexpr (N == 1) return conv_transpose1d(x, kernel, options);
    if constexpr (N == 2) return conv_transpose2d(x, kernel, options);
    if constexpr (N == 3) return conv_transpose3d(x, kernel, options);
  });
  const bool cut = std::any_of(widths.begin(), widths.end(),
                               [](const PadWidth& p) { return p.before != 0 || p.after != 0; });
  const Tensor shaped_y = cut ? pad(y, widths) : y;
  if (!c.has(2)) return {shaped_y};
  return {add(shaped_y, along_channels(c.tensor(2), shaped_y.rank()))};
}

constexpr Row kRows[] = {
    {"Conv", 1, conv},
    {"ConvInteger", 10, conv_integer},
    {"ConvTranspose", 1, conv_transpose},
    {"QLinearConv", 10, qlinear_conv},
};

}  // namespace

std::span<const Row> convolution_rows() { return kRows; }

}  // namespace varve::io::onnx
