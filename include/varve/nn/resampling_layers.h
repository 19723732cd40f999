// room: nn
// Layers that change the spatial sizes without weights: resizing, padding, cropping, blocks of
// pixels. Images are [batch, spatial..., channels] unless data_format says "channels_first".
#pragma once
#include <string>

#include "varve/nn/layer.h"
#include "varve/ops/padding.h"
#include "varve/ops/resampling.h"

namespace varve::nn {

/// Every step repeated, or interpolated between.
struct UpSampling1D {
  Extents<1> size = 2;
  Interpolation interpolation = "nearest";
  std::string name = {};
  Tensor call(const Tensor& x, Scope& s) const;
  Tensor operator()(const Tensor& x, CallOptions options = {}, Where where = Where::here()) &&;
  void fields(Fields& f);
};

/// `size` times as many rows and columns: repeated ("nearest"), or interpolated between pixels'
/// centres ("bilinear"; "bicubic" with a = -0.5, as Keras).
struct UpSampling2D {
  Extents<2> size = 2;
  DataFormat data_format = "channels_last";
  Interpolation interpolation = "nearest";
  std::string name = {};
  Tensor call(const Tensor& x, Scope& s) const;
  Tensor operator()(const Tensor& x, CallOptions options = {}, Where where = Where::here()) &&;
  void fields(Fields& f);
};

/// UpSampling2D for three spatial axes.
struct UpSampling3D {
  Extents<3> size = 2;
  DataFormat data_format = "channels_last";
  Interpolation interpolation = "nearest";
  std::string name = {};
  Tensor call(const Tensor& x, Scope& s) const;
  Tensor operator()(const Tensor& x, CallOptions options = {}, Where where = Where::here()) &&;
  void fields(Fields& f);
};

/// Images of height x width, by interpolation between pixels' centres (bicubic: a = -0.5, as
/// Keras). Aspect ratios change, unless the largest centred part of the right ratio is taken
/// (crop_to_aspect_ratio), or the image is padded with fill_value to that ratio
/// (pad_to_aspect_ratio).
struct Resizing {
  Dim height = 0, width = 0;
  Interpolation interpolation = "bilinear";
  bool crop_to_aspect_ratio = false, pad_to_aspect_ratio = false;
  Real fill_value = 0;
  bool antialias = false;
  DataFormat data_format = "channels_last";
  std::string name = {};
  Tensor call(const Tensor& x, Scope& s) const;
  Tensor operator()(const Tensor& x, CallOptions options = {}, Where where = Where::here()) &&;
  void fields(Fields& f);
};

/// Zeros around the spatial axis: as many on both sides, or {low, high}.
struct ZeroPadding1D {
  Padding padding = 1;
  DataFormat data_format = "channels_last";
  std::string name = {};
  Tensor call(const Tensor& x, Scope& s) const;
  Tensor operator()(const Tensor& x, CallOptions options = {}, Where where = Where::here()) &&;
  void fields(Fields& f);
};

/// Zeros around the two spatial axes: as many on every side, {rows, columns}, or each
/// side alone.
struct ZeroPadding2D {
  Padding padding = 1;
  DataFormat data_format = "channels_last";
  std::string name = {};
  Tensor call(const Tensor& x, Scope& s) const;
  Tensor operator()(const Tensor& x, CallOptions options = {}, Where where = Where::here()) &&;
  void fields(Fields& f);
};

/// Zeros around the three spatial axes: as many on every side, one number an axis, or each
/// side alone.
struct ZeroPadding3D {
  Padding padding = 1;
  DataFormat data_format = "channels_last";
  std::string name = {};
  Tensor call(const Tensor& x, Scope& s) const;
  Tensor operator()(const Tensor& x, CallOptions options = {}, Where where = Where::here()) &&;
  void fields(Fields& f);
};

/// The elements beside the border mirrored, without the border itself, around the spatial axis: as
/// many on both sides, or {low, high}.
struct ReflectionPadding1D {
  Padding padding = 1;
  DataFormat data_format = "channels_last";
  std::string name = {};
  Tensor call(const Tensor& x, Scope& s) const;
  Tensor operator()(const Tensor& x, CallOptions options = {}, Where where = Where::here()) &&;
  void fields(Fields& f);
};

/// The elements beside the border mirrored, without the border itself, around the two spatial axes:
/// as many on every side, {rows, columns}, or each side alone.
struct ReflectionPadding2D {
  Padding padding = 1;
  DataFormat data_format = "channels_last";
  std::string name = {};
  Tensor call(const Tensor& x, Scope& s) const;
  Tensor operator()(const Tensor& x, CallOptions options = {}, Where where = Where::here()) &&;
  void fields(Fields& f);
};

/// The elements beside the border mirrored, without the border itself, around the three spatial
/// axes: as many on every side, one number an axis, or each side alone.
struct ReflectionPadding3D {
  Padding padding = 1;
  DataFormat data_format = "channels_last";
  std::string name = {};
  Tensor call(const Tensor& x, Scope& s) const;
  Tensor operator()(const Tensor& x, CallOptions options = {}, Where where = Where::here()) &&;
  void fields(Fields& f);
};

/// Cuts elements off both ends of the spatial axis, counted as in ZeroPadding1D.
struct Cropping1D {
  Padding cropping = 1;
  DataFormat data_format = "channels_last";
  std::string name = {};
  Tensor call(const Tensor& x, Scope& s) const;
  Tensor operator()(const Tensor& x, CallOptions options = {}, Where where = Where::here()) &&;
  void fields(Fields& f);
};

/// Cuts elements off both ends of the two spatial axes, counted as in ZeroPadding2D.
struct Cropping2D {
  Padding cropping = 0;
  DataFormat data_format = "channels_last";
  std::string name = {};
  Tensor call(const Tensor& x, Scope& s) const;
  Tensor operator()(const Tensor& x, CallOptions options = {}, Where where = Where::here()) &&;
  void fields(Fields& f);
};

/// Cuts elements off both ends of the three spatial axes, counted as in ZeroPadding3D.
struct Cropping3D {
  Padding cropping = 1;
  DataFormat data_format = "channels_last";
  std::string name = {};
  Tensor call(const Tensor& x, Scope& s) const;
  Tensor operator()(const Tensor& x, CallOptions options = {}, Where where = Where::here()) &&;
  void fields(Fields& f);
};

/// Channels to pixels: [batch, height, width, channels f f] -> [batch, height f, width f,
/// channels], channels in PyTorch's order. Shi et al. 2016.
struct PixelShuffle {
  Dim factor = 2;
  DataFormat data_format = "channels_last";
  std::string name = {};
  Tensor call(const Tensor& x, Scope& s) const;
  Tensor operator()(const Tensor& x, CallOptions options = {}, Where where = Where::here()) &&;
  void fields(Fields& f);
};

}  // namespace varve::nn
