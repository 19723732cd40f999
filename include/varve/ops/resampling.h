// room: ops
// Resampling: other sizes of an axis by nearest, linear, cubic or area rules.
#pragma once
#include <string>
#include <string_view>
#include <vector>

#include "varve/ops/padding.h"
#include "varve/tensor.h"

namespace varve {

namespace detail {
void interpolation_must_be_nearest_linear_cubic_or_area();  // never defined, as in padding.h
void not_a_convention_of_coordinates();
void not_a_way_of_rounding();
}  // namespace detail

/// How new elements are made of old ones: "nearest" copies one of them (it never averages),
/// "linear" weighs the two nearest by distance, "cubic" is cubic convolution over four (Keys 1981),
/// "area" is the plain mean of those that an element covers (adaptive average pooling). "bilinear",
/// "trilinear" and "bicubic" are "linear" and "cubic" by other names: axes are resampled one after
/// the other.
struct Interpolation {
  enum class Kind : uint8_t { nearest, linear, cubic, area };
  Kind kind = Kind::linear;
  constexpr Interpolation() = default;
  consteval Interpolation(const char* name) : kind(read(name)) {
    if (!known(name)) detail::interpolation_must_be_nearest_linear_cubic_or_area();
  }
  /// Throws ValueError with the nearest name.
  static Interpolation parse(std::string_view name);
  const char* to_string() const;  ///< "nearest", "linear", "cubic" or "area"
  /// The name as JSON, for files. Throws ValueError.
  std::string config() const { return std::string("\"") + to_string() + "\""; }
  static Interpolation from_config(std::string_view json);  ///< see config
  bool operator==(const Interpolation&) const = default;

 private:
  static constexpr bool known(std::string_view n) {
    return read(n) != Kind::linear || n == "linear" || n == "bilinear" || n == "trilinear";
  }
  static constexpr Kind read(std::string_view n) {
    return n == "nearest"                   ? Kind::nearest
           : n == "cubic" || n == "bicubic" ? Kind::cubic
           : n == "area"                    ? Kind::area
                                            : Kind::linear;
  }
};

/// Where output element i of an axis lies in the input (scale: output by input size), by ONNX's
/// names:
///   "half_pixel"            (i + 0.5) / scale - 0.5: Keras, TensorFlow 2, PyTorch
///   "align_corners"         i (input - 1) / (output - 1): the outermost centres stay where they
///   are "asymmetric"            i / scale: TensorFlow 1, PyTorch's "nearest" "pytorch_half_pixel"
///   half_pixel, but -0.5 where the output has one element "half_pixel_symmetric"  half_pixel,
///   centred where scale * input is no whole number "tf_crop_and_resize"    align_corners within
///   the region [start, end] of the axis, given as
///                           shares of it; what lies outside of the input is `extrapolation`
struct Coordinates {
  enum class Kind : uint8_t {
    half_pixel,
    align_corners,
    asymmetric,
    pytorch_half_pixel,
    half_pixel_symmetric,
    tf_crop_and_resize
  };
  Kind kind = Kind::half_pixel;
  constexpr Coordinates() = default;
  consteval Coordinates(const char* name) : kind(read(name)) {
    if (kNames[static_cast<size_t>(kind)] != std::string_view(name))
      detail::not_a_convention_of_coordinates();
  }
  /// Throws ValueError with the nearest name.
  static Coordinates parse(std::string_view name);
  const char* to_string() const { return kNames[static_cast<size_t>(kind)]; }
  bool operator==(const Coordinates&) const = default;

 private:
  static constexpr const char* kNames[] = {"half_pixel",           "align_corners",
                                           "asymmetric",           "pytorch_half_pixel",
                                           "half_pixel_symmetric", "tf_crop_and_resize"};
  static constexpr Kind read(std::string_view n) {
    for (size_t i = 0; i < 6; ++i) {
      if (n == kNames[i]) return static_cast<Kind>(i);
    }
    return Kind::half_pixel;
  }
};

/// Which element is the nearest: "round_prefer_floor" (of two equally near ones the lower),
/// "round_prefer_ceil", "floor", "ceil".
struct NearestRounding {
  enum class Kind : uint8_t { round_prefer_floor, round_prefer_ceil, floor, ceil };
  Kind kind = Kind::round_prefer_floor;
  constexpr NearestRounding() = default;
  consteval NearestRounding(const char* name) : kind(read(name)) {
    if (kNames[static_cast<size_t>(kind)] != std::string_view(name))
      detail::not_a_way_of_rounding();
  }
  /// Throws ValueError with the nearest name.
  static NearestRounding parse(std::string_view name);
  const char* to_string() const { return kNames[static_cast<size_t>(kind)]; }
  bool operator==(const NearestRounding&) const = default;

 private:
  static constexpr const char* kNames[] = {"round_prefer_floor", "round_prefer_ceil", "floor",
                                           "ceil"};
  static constexpr Kind read(std::string_view n) {
    for (size_t i = 0; i < 4; ++i) {
      if (n == kNames[i]) return static_cast<Kind>(i);
    }
    return Kind::round_prefer_floor;
  }
};

struct ResizeOptions {
  std::vector<int64_t> size = {};  ///< of the resampled axes; empty: floor(input * scale)
  std::vector<double> scale = {};  ///< output by input; empty: by the sizes
  Interpolation interpolation = "linear";
  std::vector<int> axes = {};  ///< which are resampled; empty: the spatial ones
  DataFormat data_format = "channels_last";
  Coordinates coordinates = "half_pixel";
  NearestRounding rounding = "round_prefer_floor";
  Real cubic_coefficient = -0.75;  ///< a of cubic: -0.75 in PyTorch and OpenCV, -0.5 in Keras, PIL
  bool antialias = false;  ///< linear and cubic: kernels stretched where the axis gets shorter
  bool exclude_outside = false;  ///< weights beyond the border are left out, the others rescaled
  std::vector<double> start = {}, end = {};  ///< of "tf_crop_and_resize": shares, one an axis
  Real extrapolation = 0;                    ///< of "tf_crop_and_resize"
};
/// x with other sizes of its axes, each resampled on its own. Beyond the border the outermost
/// element goes on. With size and scale both given, size says how many and scale where they lie.
/// Any type for "nearest"; else floating, integers become f32. The gradient is the transpose.
/// Throws ValueError (sizes and scales that do not fit the axes, a scale of 0 or below), ShapeError
/// (an axis of size 0), IndexError for the axes.
/// Example: resize(images, {.size = {224, 224}, .antialias = true})
/// Source: ONNX's Resize; Keys 1981, "Cubic convolution interpolation for digital image
/// processing".
Tensor resize(const Operand& x, const ResizeOptions& options = {});

struct PixelOptions {
  DataFormat data_format = "channels_last";
};
/// How channels become blocks of pixels: "DCR" takes them as [block row, block column, channel] (as
/// TensorFlow), "CRD" as [channel, block row, block column] (as PyTorch's pixel shuffle).
struct DepthOptions {
  bool column_row_depth = false;  ///< CRD
  DataFormat data_format = "channels_last";
};
/// Channels to pixels: [batch, height, width, channels b b] -> [batch, height b, width b,
/// channels]. Throws ShapeError where the channels do not fit or the rank is not 4.
Tensor depth_to_space(const Operand& x, Dim block, const DepthOptions& options = {});
/// The inverse: [batch, height b, width b, channels] -> [batch, height, width, channels b b].
Tensor space_to_depth(const Operand& x, Dim block, const DepthOptions& options = {});
/// PyTorch's pixel_shuffle: depth_to_space of CRD (Shi et al. 2016, "sub-pixel convolution").
Tensor pixel_shuffle(const Operand& x, Dim factor, const PixelOptions& options = {});
/// The inverse of pixel_shuffle.
Tensor pixel_unshuffle(const Operand& x, Dim factor, const PixelOptions& options = {});

struct CropPadOptions {
  std::vector<int> axes = {};  ///< empty: all
};
/// x cut or padded with zeros around its centre to the sizes of the axes; the odd element is cut
/// from, or added to, the end (as ONNX' CenterCropPad).
Tensor center_crop_pad(const Operand& x, const std::vector<int64_t>& sizes,
                       const CropPadOptions& options = {});

struct BlurPoolOptions {
  Dim size = 3;  ///< of the binomial kernel: 3 is [1 2 1] / 4
  Dim stride = 2;
  DataFormat data_format = "channels_last";
};
/// Blurs each channel by a binomial kernel over the borders reflected, then takes every stride-th
/// element: shifts by one pixel change little. [batch, height, width, channels] -> [batch,
/// ceil(height / stride), ceil(width / stride), channels].
/// Throws ValueError for a size or stride below 1, ShapeError where the rank is not 4.
/// Source: Zhang 2019, "Making convolutional networks shift-invariant again".
Tensor blur_pool(const Operand& x, const BlurPoolOptions& options = {});

}  // namespace varve
