// Windows over spatial axes: extremes, means, norms, and their reversal.
#include "varve/ops/pooling.h"

#include <algorithm>

#include "io/onnx/helpers.h"
#include "io/onnx/window.h"
#include "varve/ops/reduction.h"
#include "varve/ops/shape.h"
#include "varve/ops/windows.h"

namespace varve::io::onnx {
namespace {

Window pool_window(const Call& c, const Tensor& x) {
  return window_of(c, x, c.integers("kernel_shape"));
}
/// The same where it goes over x itself.
Window window_over(const Call& c, const Tensor& x) {
  Window w = pool_window(c, x);
  limit_padding(c, x, w, x.shape()[1]);
  return w;
}

template <class Options, int N>
Options pool_options(const Call& c, const Window& w) {
  Options o;
  o.window = extents<N>(w.size);
  o.strides = extents<N>(w.strides);
  o.padding = padding_of(w);
  o.data_format = "channels_first";
  o.dilation = extents<N>(w.dilations);
  o.ceil_mode = c.integer("ceil_mode", 0) != 0;
  return o;
}

Values max_pool(Call& c) {
  const Tensor& x = c.tensor(0);
  const Window w = window_over(c, x);
  const PlaceOptions places{.column_major = c.integer("storage_order", 0) != 0, .whole = true};
  return by_axes(c, w.size.size(), [&]<int N>(std::integral_constant<int, N>) -> Values {
    const auto o = pool_options<MaxPoolOptions<N>, N>(c, w);
    const bool indices = c.wants(1);
    const auto both = [](const MaxPoolResult& r) -> Values { return {r.values, r.indices}; };
    if constexpr (N == 1) {
      if (indices) return both(max_pool1d_with_indices(x, o, places));
      return {max_pool1d(x, o)};
    } else if constexpr (N == 2) {
      if (indices) return both(max_pool2d_with_indices(x, o, places));
      return {max_pool2d(x, o)};
    } else {
      if (indices) return both(max_pool3d_with_indices(x, o, places));
      return {max_pool3d(x, o)};
    }
  });
}

Values average_pool(Call& c) {
  const Tensor& x = c.tensor(0);
  const Window w = window_over(c, x);
  return by_axes(c, w.size.size(), [&]<int N>(std::integral_constant<int, N>) -> Values {
    auto o = pool_options<AveragePoolOptions<N>, N>(c, w);
    o.count_include_pad = c.integer("count_include_pad", 0) != 0;
    if constexpr (N == 1) return {average_pool1d(x, o)};
    if constexpr (N == 2) return {average_pool2d(x, o)};
    if constexpr (N == 3) return {average_pool3d(x, o)};
  });
}

int64_t power_of(const Call& c) {
  const int64_t p = c.integer("p", 2);
  if (p < 1) c.fail("p: expected >= 1, got " + std::to_string(p));
  return p;
}

Values lp_pool(Call& c) {
  const Tensor& x = c.tensor(0);
  const Window w = window_over(c, x);
  return by_axes(c, w.size.size(), [&]<int N>(std::integral_constant<int, N>) -> Values {
    auto o = pool_options<LpPoolOptions<N>, N>(c, w);
    o.order = power_of(c);
    if constexpr (N == 1) return {lp_pool1d(x, o)};
    if constexpr (N == 2) return {lp_pool2d(x, o)};
    if constexpr (N == 3) return {lp_pool3d(x, o)};
  });
}

std::vector<int> spatial_axes(const Call& c, const Tensor& x) {
  std::vector<int> axes;
  for (size_t i = 0; i < spatial_of(c, x).size(); ++i) axes.push_back(static_cast<int>(i) + 2);
  return axes;
}

Values global_average_pool_(Call& c) {
  const Tensor& x = c.tensor(0);
  return {mean(x, {.axes = spatial_axes(c, x), .keep_dims = true})};
}
Values global_max_pool_(Call& c) {
  const Tensor& x = c.tensor(0);
  return {max(x, {.axes = spatial_axes(c, x), .keep_dims = true})};
}
Values global_lp_pool(Call& c) {
  const Tensor& x = c.tensor(0);
  return {norm(x, {.order = power_of(c), .axes = spatial_axes(c, x), .keep_dims = true})};
}

// Indices count in the tensor that was pooled, as the window makes it out; a larger output_shape
// adds zeros behind.
Values max_unpool_(Call& c) {
  const Tensor& x = c.tensor(0);
  const std::vector<int64_t> input = spatial_of(c, x);
  const Window w = pool_window(c, x);
  std::vector<int64_t> size(input.size());
  for (size_t i = 0; i < size.size(); ++i) {
    c.limit(Shape({input[i], w.strides[i]}), "strides");
    size[i] = (input[i] - 1) * w.strides[i] + w.size[i] - w.low[i] - w.high[i];
    if (size[i] < 1) c.fail("pads are larger than what is unpooled");
  }
  std::vector<int64_t> all = x.shape().dims();
  std::copy(size.begin(), size.end(), all.begin() + 2);
  c.limit(Shape(all), "kernel_shape and strides");
  const Tensor y = max_unpool(x, c.tensor(1), size,
                              {.data_format = "channels_first", .places = {.whole = true}});
  if (!c.has(2)) return {y};
  const std::vector<int64_t> wanted = c.ints(2);
  c.limit(Shape(wanted), "output_shape");
  bool fits = wanted.size() == all.size();
  for (size_t i = 0; fits && i < wanted.size(); ++i) {
    fits = i < 2 ? wanted[i] == all[i] : wanted[i] >= all[i];
  }
  if (!fits) {
    c.fail("output_shape: expected " + Shape(all).to_string() + " or more positions, got " +
           Shape(wanted).to_string());
  }
  std::vector<PadWidth> widths(wanted.size());
  for (size_t i = 2; i < wanted.size(); ++i) widths[i].after = wanted[i] - all[i];
  return {pad(y, widths)};
}

// Overlapping blocks added into an image.
Values col2im(Call& c) {
  const std::vector<int64_t> image = c.ints(1), block = c.ints(2);
  const Shape& shape = c.shape(0);
  const size_t n = image.size();
  if (block.size() != n) c.fail("image_shape and block_shape: expected as many sizes of each");
  if (shape.rank() != 3) c.fail("expected [batch, channels, blocks], got " + shape.to_string());
  c.limit(Shape(image), "image_shape");
  c.limit(Shape(block), "block_shape");
  const std::vector<int64_t> pads = c.sizes("pads", 2 * n, 0, 0);
  UnfoldOptions options{.strides = c.sizes("strides", n, 1),
                        .dilation = c.sizes("dilations", n, 1),
                        .padding = {},
                        .data_format = "channels_first"};
  // With its padding, of as many channels as the blocks leave.
  std::vector<int64_t> all{shape[0], shape[1] / std::max<int64_t>(Shape(block).size(), 1)};
  for (size_t i = 0; i < n; ++i) {
    options.padding.push_back({pads[i], pads[i + n]});
    all.push_back(image[i] + pads[i] + pads[i + n]);
  }
  c.limit(Shape(all), "image_shape and pads");
  return {fold(c.tensor(0), block, image, options)};
}

constexpr Row kRows[] = {
    {"AveragePool", 7, average_pool},
    {"Col2Im", 18, col2im, input_bit(1) | input_bit(2)},
    {"GlobalAveragePool", 1, global_average_pool_},
    {"GlobalLpPool", 2, global_lp_pool},
    {"GlobalMaxPool", 1, global_max_pool_},
    {"LpPool", 2, lp_pool},
    {"MaxPool", 1, max_pool},
    {"MaxUnpool", 9, max_unpool_, input_bit(2)},
};

}  // namespace

std::span<const Row> pooling_rows() { return kRows; }

}  // namespace varve::io::onnx
