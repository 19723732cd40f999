// Resampling, sampling between elements, regions and boxes.
#include <algorithm>
#include <cmath>
#include <numeric>

#include "formats/image.h"
#include "io/onnx/helpers.h"
#include "io/onnx/window.h"
#include "varve/ops/detection.h"
#include "varve/ops/resampling.h"
#include "varve/ops/sampling.h"
#include "varve/ops/shape.h"

namespace varve::io::onnx {
namespace {

// What of a Resize is known once the versions' ways to say it are settled; one entry an axis.
struct Resample {
  std::vector<int> axes;
  std::vector<int64_t> sizes;
  std::vector<double> scales;
};

// Axes that stay as they are need no resampling.
Tensor resampled(const Call& c, const Tensor& x, const Resample& r, ResizeOptions options,
                 const std::vector<double>& roi) {
  const size_t n = r.axes.size();
  const bool cropped = options.coordinates == Coordinates("tf_crop_and_resize");
  std::vector<int64_t> all = x.shape().dims();
  for (size_t i = 0; i < n; ++i) {
    const int64_t size = x.shape()[r.axes[i]];
    all[static_cast<size_t>(r.axes[i])] = r.sizes[i];
    // What is empty stays so, a batch of no samples above all.
    if (size == 0 && r.sizes[i] == 0) continue;
    if (!(r.scales[i] > 0) || r.sizes[i] < 1) c.fail("scales: expected numbers > 0");
    if (r.sizes[i] == size && r.scales[i] == 1 && !cropped) continue;
    options.axes.push_back(r.axes[i]);
    options.size.push_back(r.sizes[i]);
    options.scale.push_back(r.scales[i]);
    if (cropped) {
      options.start.push_back(roi[i]);
      options.end.push_back(roi[i + n]);
    }
  }
  c.limit(Shape(all));
  if (options.axes.empty()) return x;
  return as(resize(x, options), x.dtype());
}

// A size that was worked out; NaN and what no tensor has are refused.
int64_t whole(const Call& c, double size, const char* because) {
  if (!(size >= 0 && size <= static_cast<double>(kMaxElements))) {
    c.fail(std::string(because) + ": a size of " + std::to_string(size) + ", expected 0.." +
           std::to_string(kMaxElements));
  }
  return static_cast<int64_t>(size);
}

// Sizes as given, or kept in proportion and not larger, or not smaller, than given.
void set_sizes(const Call& c, const Shape& shape, std::vector<int64_t> sizes, Resample& r) {
  const std::string policy = c.text("keep_aspect_ratio_policy", "stretch");
  if (sizes.size() != r.axes.size()) {
    c.fail("sizes: expected " + std::to_string(r.axes.size()) + ", got " +
           std::to_string(sizes.size()));
  }
  std::vector<double> scales;
  for (size_t i = 0; i < sizes.size(); ++i) {
    const int64_t size = shape[r.axes[i]];
    if (size == 0 && sizes[i] != 0) {
      c.fail("sizes[" + std::to_string(i) + "]: expected 0 for an axis of no elements, got " +
             std::to_string(sizes[i]));
    }
    scales.push_back(size == 0 ? 1 : static_cast<double>(sizes[i]) / static_cast<double>(size));
  }
  if (policy != "stretch") {
    const bool larger = policy == "not_smaller";
    if (!larger && policy != "not_larger") {
      c.fail("attribute keep_aspect_ratio_policy: expected stretch, not_larger or not_smaller");
    }
    const double scale = larger ? *std::max_element(scales.begin(), scales.end())
                                : *std::min_element(scales.begin(), scales.end());
    for (size_t i = 0; i < sizes.size(); ++i) {
      scales[i] = scale;
      // To the nearest, halves up.
      sizes[i] = whole(c, std::floor(scale * static_cast<double>(shape[r.axes[i]]) + 0.5), "sizes");
    }
  }
  r.sizes = std::move(sizes);
  r.scales = std::move(scales);
}

void set_scales(const Call& c, const Shape& shape, std::vector<double> scales, Resample& r) {
  if (scales.size() != r.axes.size()) {
    c.fail("scales: expected " + std::to_string(r.axes.size()) + ", got " +
           std::to_string(scales.size()));
  }
  for (size_t i = 0; i < scales.size(); ++i) {
    const double size = std::floor(static_cast<double>(shape[r.axes[i]]) * scales[i]);
    r.sizes.push_back(whole(c, size, "scales"));
  }
  r.scales = std::move(scales);
}

std::vector<int> all_axes(const Tensor& x) {
  std::vector<int> axes(static_cast<size_t>(x.rank()));
  std::iota(axes.begin(), axes.end(), 0);
  return axes;
}

Values resize_(Call& c) {
  const Tensor& x = c.tensor(0);
  Resample r{.axes = c.find("axes") ? c.axes(c.integers("axes"), x.rank()) : all_axes(x),
             .sizes = {},
             .scales = {}};
  const auto given = [&](int i) { return c.has(i) && c.shape_of(i).size() > 0; };
  if (given(3)) {
    set_sizes(c, x.shape(), c.ints(3), r);
  } else if (given(2)) {
    set_scales(c, x.shape(), c.numbers(2), r);
  } else {
    c.fail("neither scales nor sizes are given");
  }
  std::string coordinates = c.text("coordinate_transformation_mode", "half_pixel"),
              rounding = c.text("nearest_mode", "round_prefer_floor");
  if (coordinates == "tf_half_pixel_for_nn") {
    // (i + 1/2) / scale, cut off: what half_pixel gives where halves go up.
    if (rounding != "floor" || c.text("mode", "nearest") != "nearest")
      c.unsupported("tf_half_pixel_for_nn beside nearest and floor");
    coordinates = "half_pixel";
    rounding = "round_prefer_ceil";
  }
  const ResizeOptions options{.interpolation = Interpolation::parse(c.text("mode", "nearest")),
                              .coordinates = Coordinates::parse(coordinates),
                              .rounding = NearestRounding::parse(rounding),
                              .cubic_coefficient = c.real("cubic_coeff_a", -0.75),
                              .antialias = c.integer("antialias", 0) != 0,
                              .exclude_outside = c.integer("exclude_outside", 0) != 0,
                              .extrapolation = c.real("extrapolation_value", 0)};
  std::vector<double> roi;
  if (coordinates == "tf_crop_and_resize") {
    roi = c.numbers(1);
    if (roi.size() != 2 * r.axes.size()) {
      c.fail("roi: expected " + std::to_string(2 * r.axes.size()) + " numbers, got " +
             std::to_string(roi.size()));
    }
  }
  return {resampled(c, x, r, options, roi)};
}

// Upsample, and Resize at opset 10: i / scale, the lower neighbour.
Values upsample(Call& c) {
  const Tensor& x = c.tensor(0);
  Resample r{.axes = all_axes(x), .sizes = {}, .scales = {}};
  std::vector<double> scales;
  if (c.version() < 9) {
    for (const float s : c.reals("scales")) scales.push_back(s);
  } else {
    scales = c.numbers(1);
  }
  set_scales(c, x.shape(), std::move(scales), r);
  return {resampled(c, x, r,
                    {.interpolation = Interpolation::parse(c.text("mode", "nearest")),
                     .coordinates = "asymmetric",
                     .rounding = "floor"},
                    {})};
}

Values grid_sample_(Call& c) {
  const std::string mode = c.text("mode", c.version() < 20 ? "bilinear" : "linear");
  return {grid_sample(c.tensor(0), c.tensor(1),
                      {.interpolation = Interpolation::parse(mode),
                       .border = Border::parse(c.text("padding_mode", "zeros")),
                       .align_corners = c.integer("align_corners", 0) != 0,
                       .data_format = "channels_first"})};
}

Values affine_grid_(Call& c) {
  std::vector<int64_t> size = c.ints(1);
  if (size.size() != 4 && size.size() != 5) {
    c.fail("size: expected 4 or 5 numbers, got " + std::to_string(size.size()));
  }
  size.erase(size.begin(), size.begin() + 2);
  c.limit(Shape(size), "size");
  return {affine_grid(c.tensor(0), size, {.align_corners = c.integer("align_corners", 0) != 0})};
}

Values roi_align_(Call& c) {
  const std::string mode = c.text("mode", "avg");
  if (mode != "avg" && mode != "max") c.fail("attribute mode: expected \"avg\" or \"max\"");
  const char* fallback = c.version() < 16 ? "output_half_pixel" : "half_pixel";
  const int64_t rows = c.integer("output_height", 1), columns = c.integer("output_width", 1);
  c.limit(Shape({rows, columns}), "output_height and output_width");
  return {
      roi_align(c.tensor(0), c.tensor(1), c.tensor(2),
                {.size = {rows, columns},
                 .sampling_ratio = c.integer("sampling_ratio", 0),
                 .spatial_scale = c.real("spatial_scale", 1),
                 .maximum = mode == "max",
                 .half_pixel = c.text("coordinate_transformation_mode", fallback) == "half_pixel",
                 .data_format = "channels_first"})};
}

Values non_max_suppression_(Call& c) {
  c.require_known(c.value(0), "the count of boxes");
  SuppressionOptions options{.max_output = c.has(2) ? c.integer(2) : 0,
                             .iou_threshold = c.has(3) ? c.number(3) : 0,
                             .center_point = c.integer("center_point_box", 0) != 0};
  if (c.has(4)) options.score_threshold = c.number(4);
  return {non_max_suppression(c.tensor(0), c.tensor(1), options).indices};
}

Values center_crop_pad_(Call& c) {
  const Tensor& x = c.tensor(0);
  const std::vector<int64_t> sizes = c.ints(1);
  CropPadOptions options;
  if (c.find("axes")) options.axes = c.axes(c.integers("axes"), x.rank());
  c.limit(Shape(sizes));
  return {center_crop_pad(x, sizes, options)};
}

Values deform_conv_(Call& c) {
  const Tensor &x = c.tensor(0), &kernel = c.tensor(1);
  const Window w = window_of(c, x, c.integers("kernel_shape", spatial_of(c, kernel)));
  limit_padding(c, x, w, kernel.shape()[0]);
  return {deform_conv(x, kernel, c.tensor(2),
                      {.strides = w.strides,
                       .padding = padding_of(w),
                       .dilation = w.dilations,
                       .groups = c.integer("group", 1),
                       .offset_groups = c.integer("offset_group", 1),
                       .mask = c.has(4) ? c.tensor(4) : Tensor(),
                       .bias = c.has(3) ? c.tensor(3) : Tensor(),
                       .data_format = "channels_first"})};
}

// A picture in a file's bytes, as [height, width, channels].
Values image_decoder(Call& c) {
  c.require_known(c.value(0), "the size of a picture");
  const Tensor& x = c.tensor(0);
  if (x.dtype() != u8) c.fail("expected the bytes of a file");
  const std::string format = c.text("pixel_format", "RGB");
  if (format != "RGB" && format != "BGR" && format != "Grayscale") {
    c.fail("attribute pixel_format: expected RGB, BGR or Grayscale, got \"" + format + "\"");
  }
  const auto bytes = std::as_bytes(x.span<uint8_t>());
  const std::string_view text = formats::as_text(bytes);
  if (!text.starts_with("\x89PNG") && !text.starts_with("\xff\xd8")) {
    c.unsupported("pictures other than PNG and JPEG");
  }
  const formats::Array picture =
      formats::read_image(formats::Source::memory("picture", bytes), format == "Grayscale" ? 1 : 3);
  const Tensor y = tensor_from_shared(picture.bytes.shared(), picture.bytes.data(), picture.dtype,
                                      picture.shape);
  return {format == "BGR" ? flip(y, {2}) : y};
}

constexpr Row kRows[] = {
    {"AffineGrid", 20, affine_grid_, input_bit(1)},
    {"CenterCropPad", 18, center_crop_pad_, input_bit(1)},
    {"DeformConv", 19, deform_conv_},
    {"GridSample", 16, grid_sample_},
    {"ImageDecoder", 20, image_decoder},
    {"NonMaxSuppression", 10, non_max_suppression_, ~3u},
    {"Resize", 10, upsample, ~1u},
    {"Resize", 11, resize_, ~1u},
    {"RoiAlign", 10, roi_align_},
    {"Upsample", 7, upsample, ~1u, false, 9},
};

}  // namespace

std::span<const Row> image_rows() { return kRows; }

}  // namespace varve::io::onnx
