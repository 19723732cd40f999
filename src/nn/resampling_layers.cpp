#include "varve/nn/resampling_layers.h"

#include <algorithm>

#include "nn/weights.h"
#include "varve/ops/pointwise.h"
#include "varve/ops/shape.h"

namespace varve::nn {
namespace {

constexpr const char* kFormat = "Where the channels lie.";
constexpr const char* kInterpolation =
    "nearest, linear (bilinear), cubic (bicubic) or area (the mean of what is covered).";
constexpr const char* kTimes = "How many times as long the spatial axes get.";
constexpr const char* kMirrored = "Mirrored elements on each side.";

/// The first spatial axis.
int first_axis(bool channels_first) { return channels_first ? 2 : 1; }

template <int N>
Tensor upsampled(const Tensor& x, const Extents<N>& size, bool channels_first,
                 Interpolation interpolation) {
  require_rank(x, N + 2, N + 2, kSpatialAxes[N]);
  const int first = first_axis(channels_first);
  Tensor y = x;
  if (interpolation.kind == Interpolation::Kind::nearest) {
    for (int i = 0; i < N; ++i) {
      if (size[i] != 1) y = repeat(y, size[i], first + i);
    }
    return y;
  }
  ResizeOptions o{
      .interpolation = interpolation, .cubic_coefficient = -0.5, .exclude_outside = true};
  for (int i = 0; i < N; ++i) {
    o.axes.push_back(first + i);
    o.size.push_back(x.shape()[first + i] * size[i]);
  }
  return resize(x, o);
}

/// Elements at both ends of each spatial axis; "cropping" takes them away.
template <int N>
Tensor padded(const Tensor& x, const char* what, const Padding& sides, bool channels_first,
              int sign, PadMode mode) {
  require_rank(x, N + 2, N + 2, kSpatialAxes[N]);
  // Of one axis two numbers are its ends.
  const auto& [first, second, third] = sides.sides;
  const bool ends =
      N == 1 && sides.count == 2 && first.low == first.high && second.low == second.high;
  if (sides.kind != Padding::Kind::sides || (sides.count != 1 && sides.count != N && !ends)) {
    throw ValueError(std::string(what) + ": expected a number or " +
                     (N == 1 ? "a pair" : "one an axis") + ", got \"" + sides.to_string() + "\"");
  }
  std::vector<PadWidth> widths(N + 2);
  for (size_t i = 0; i < N; ++i) {
    const Padding::Side side =
        ends ? Padding::Side(first.low, second.low) : sides.sides[sides.count == 1 ? 0 : i];
    if (side.low < 0 || side.high < 0)
      throw ValueError(std::string(what) + ": expected 0 or more, got " + sides.to_string());
    widths[i + static_cast<size_t>(first_axis(channels_first))] = {sign * side.low,
                                                                   sign * side.high};
  }
  return pad(x, widths, {.mode = mode});
}

}  // namespace

Tensor UpSampling1D::call(const Tensor& x, Scope&) const {
  return upsampled<1>(x, size, false, interpolation);
}
Tensor UpSampling1D::operator()(const Tensor& x, CallOptions options, Where where) && {
  return once(std::move(*this), x, options, where);
}
void UpSampling1D::fields(Fields& f) {
  f("size", size, kTimes, {.min = 1});
  f("interpolation", interpolation, kInterpolation);
  f("name", name, kLayerName);
}

Tensor UpSampling2D::call(const Tensor& x, Scope&) const {
  return upsampled<2>(x, size, data_format.channels_first, interpolation);
}
Tensor UpSampling2D::operator()(const Tensor& x, CallOptions options, Where where) && {
  return once(std::move(*this), x, options, where);
}
void UpSampling2D::fields(Fields& f) {
  f("size", size, kTimes, {.min = 1});
  f("data_format", data_format, kFormat);
  f("interpolation", interpolation, kInterpolation);
  f("name", name, kLayerName);
}

Tensor UpSampling3D::call(const Tensor& x, Scope&) const {
  return upsampled<3>(x, size, data_format.channels_first, interpolation);
}
Tensor UpSampling3D::operator()(const Tensor& x, CallOptions options, Where where) && {
  return once(std::move(*this), x, options, where);
}
void UpSampling3D::fields(Fields& f) {
  f("size", size, kTimes, {.min = 1});
  f("data_format", data_format, kFormat);
  f("interpolation", interpolation, kInterpolation);
  f("name", name, kLayerName);
}

Tensor Resizing::call(const Tensor& input, Scope&) const {
  require_rank(input, 4, 4, kSpatialAxes[2]);
  if (crop_to_aspect_ratio && pad_to_aspect_ratio) {
    throw ValueError("crop_to_aspect_ratio and pad_to_aspect_ratio: expected one of them");
  }
  const int first = first_axis(data_format.channels_first);
  const int64_t h = input.shape()[first], w = input.shape()[first + 1];
  // Rows for these columns at the wanted ratio, and columns for these rows.
  const int64_t rows = w * height / width, columns = h * width / height;
  Tensor x = input;
  if (crop_to_aspect_ratio) {
    const int64_t y = std::clamp<int64_t>(rows, 1, h), z = std::clamp<int64_t>(columns, 1, w);
    std::vector<Slice> part(4);
    part[static_cast<size_t>(first)] = {(h - y) / 2, (h - y) / 2 + y};
    part[static_cast<size_t>(first) + 1] = {(w - z) / 2, (w - z) / 2 + z};
    x = slice(x, part);
  } else if (pad_to_aspect_ratio) {
    const int64_t y = std::max(rows, h) - h, z = std::max(columns, w) - w;
    std::vector<PadWidth> widths(4);
    // As many on both sides, as in Keras, though one may be missing to the ratio.
    widths[static_cast<size_t>(first)] = {y / 2, y / 2};
    widths[static_cast<size_t>(first) + 1] = {z / 2, z / 2};
    x = pad(x, widths, {.value = fill_value});
  }
  return resize(x, {.size = {height, width},
                    .interpolation = interpolation,
                    .data_format = data_format,
                    .rounding = "round_prefer_ceil",
                    .cubic_coefficient = -0.5,
                    .antialias = antialias,
                    .exclude_outside = true});
}
Tensor Resizing::operator()(const Tensor& x, CallOptions options, Where where) && {
  return once(std::move(*this), x, options, where);
}
void Resizing::fields(Fields& f) {
  f("height", height, "Rows of the result.", {.min = 1});
  f("width", width, "Columns of the result.", {.min = 1});
  f("interpolation", interpolation, kInterpolation);
  f("crop_to_aspect_ratio", crop_to_aspect_ratio, "Whether a centred part of the ratio is taken.");
  f("pad_to_aspect_ratio", pad_to_aspect_ratio, "Whether the image is padded to the ratio.");
  f("fill_value", fill_value, "What it is padded with.");
  f("antialias", antialias, "Whether smaller images are smoothed.");
  f("data_format", data_format, kFormat);
  f("name", name, kLayerName);
}

Tensor ZeroPadding1D::call(const Tensor& x, Scope&) const {
  return padded<1>(x, "padding", padding, data_format.channels_first, 1, "constant");
}
Tensor ZeroPadding1D::operator()(const Tensor& x, CallOptions options, Where where) && {
  return once(std::move(*this), x, options, where);
}
void ZeroPadding1D::fields(Fields& f) {
  f("padding", padding, "Zeros on each side.");
  f("data_format", data_format, kFormat);
  f("name", name, kLayerName);
}

Tensor ZeroPadding2D::call(const Tensor& x, Scope&) const {
  return padded<2>(x, "padding", padding, data_format.channels_first, 1, "constant");
}
Tensor ZeroPadding2D::operator()(const Tensor& x, CallOptions options, Where where) && {
  return once(std::move(*this), x, options, where);
}
void ZeroPadding2D::fields(Fields& f) {
  f("padding", padding, "Zeros on each side.");
  f("data_format", data_format, kFormat);
  f("name", name, kLayerName);
}

Tensor ZeroPadding3D::call(const Tensor& x, Scope&) const {
  return padded<3>(x, "padding", padding, data_format.channels_first, 1, "constant");
}
Tensor ZeroPadding3D::operator()(const Tensor& x, CallOptions options, Where where) && {
  return once(std::move(*this), x, options, where);
}
void ZeroPadding3D::fields(Fields& f) {
  f("padding", padding, "Zeros on each side.");
  f("data_format", data_format, kFormat);
  f("name", name, kLayerName);
}

Tensor ReflectionPadding1D::call(const Tensor& x, Scope&) const {
  return padded<1>(x, "padding", padding, data_format.channels_first, 1, "reflect");
}
Tensor ReflectionPadding1D::operator()(const Tensor& x, CallOptions options, Where where) && {
  return once(std::move(*this), x, options, where);
}
void ReflectionPadding1D::fields(Fields& f) {
  f("padding", padding, kMirrored);
  f("data_format", data_format, kFormat);
  f("name", name, kLayerName);
}

Tensor ReflectionPadding2D::call(const Tensor& x, Scope&) const {
  return padded<2>(x, "padding", padding, data_format.channels_first, 1, "reflect");
}
Tensor ReflectionPadding2D::operator()(const Tensor& x, CallOptions options, Where where) && {
  return once(std::move(*this), x, options, where);
}
void ReflectionPadding2D::fields(Fields& f) {
  f("padding", padding, kMirrored);
  f("data_format", data_format, kFormat);
  f("name", name, kLayerName);
}

Tensor ReflectionPadding3D::call(const Tensor& x, Scope&) const {
  return padded<3>(x, "padding", padding, data_format.channels_first, 1, "reflect");
}
Tensor ReflectionPadding3D::operator()(const Tensor& x, CallOptions options, Where where) && {
  return once(std::move(*this), x, options, where);
}
void ReflectionPadding3D::fields(Fields& f) {
  f("padding", padding, kMirrored);
  f("data_format", data_format, kFormat);
  f("name", name, kLayerName);
}

Tensor Cropping1D::call(const Tensor& x, Scope&) const {
  return padded<1>(x, "cropping", cropping, data_format.channels_first, -1, "constant");
}
Tensor Cropping1D::operator()(const Tensor& x, CallOptions options, Where where) && {
  return once(std::move(*this), x, options, where);
}
void Cropping1D::fields(Fields& f) {
  f("cropping", cropping, "Elements that each side loses.");
  f("data_format", data_format, kFormat);
  f("name", name, kLayerName);
}

Tensor Cropping2D::call(const Tensor& x, Scope&) const {
  return padded<2>(x, "cropping", cropping, data_format.channels_first, -1, "constant");
}
Tensor Cropping2D::operator()(const Tensor& x, CallOptions options, Where where) && {
  return once(std::move(*this), x, options, where);
}
void Cropping2D::fields(Fields& f) {
  f("cropping", cropping, "Elements that each side loses.");
  f("data_format", data_format, kFormat);
  f("name", name, kLayerName);
}

Tensor Cropping3D::call(const Tensor& x, Scope&) const {
  return padded<3>(x, "cropping", cropping, data_format.channels_first, -1, "constant");
}
Tensor Cropping3D::operator()(const Tensor& x, CallOptions options, Where where) && {
  return once(std::move(*this), x, options, where);
}
void Cropping3D::fields(Fields& f) {
  f("cropping", cropping, "Elements that each side loses.");
  f("data_format", data_format, kFormat);
  f("name", name, kLayerName);
}

Tensor PixelShuffle::call(const Tensor& x, Scope&) const {
  return pixel_shuffle(x, factor, {.data_format = data_format});
}
Tensor PixelShuffle::operator()(const Tensor& x, CallOptions options, Where where) && {
  return once(std::move(*this), x, options, where);
}
void PixelShuffle::fields(Fields& f) {
  f("factor", factor, "Rows and columns that a pixel becomes.", {.min = 1});
  f("data_format", data_format, kFormat);
  f("name", name, kLayerName);
}

}  // namespace varve::nn
