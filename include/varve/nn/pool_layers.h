// room: nn
// Pooling layers.
#pragma once
#include <string>

#include "varve/nn/layer.h"
#include "varve/ops/padding.h"

namespace varve::nn {

/// The largest of each window over one spatial axis. Strides of 0 are the window's size.
struct MaxPool1D {
  Extents<1> pool_size = 2, strides = 0;
  Padding padding = "valid";
  DataFormat data_format = "channels_last";
  std::string name = {};
  Tensor call(const Tensor& x, Scope& s) const;
  Tensor operator()(const Tensor& x, CallOptions options = {}, Where where = Where::here()) &&;
  void fields(Fields& f);
};
/// The largest of each window over two spatial axes. Strides of 0 are the window's size.
struct MaxPool2D {
  Extents<2> pool_size = 2, strides = 0;
  Padding padding = "valid";
  DataFormat data_format = "channels_last";
  std::string name = {};
  Tensor call(const Tensor& x, Scope& s) const;
  Tensor operator()(const Tensor& x, CallOptions options = {}, Where where = Where::here()) &&;
  void fields(Fields& f);
};
/// The largest of each window over three spatial axes. Strides of 0 are the window's size.
struct MaxPool3D {
  Extents<3> pool_size = 2, strides = 0;
  Padding padding = "valid";
  DataFormat data_format = "channels_last";
  std::string name = {};
  Tensor call(const Tensor& x, Scope& s) const;
  Tensor operator()(const Tensor& x, CallOptions options = {}, Where where = Where::here()) &&;
  void fields(Fields& f);
};
/// The mean of each window over one spatial axis; padding does not count.
struct AveragePool1D {
  Extents<1> pool_size = 2, strides = 0;
  Padding padding = "valid";
  DataFormat data_format = "channels_last";
  std::string name = {};
  Tensor call(const Tensor& x, Scope& s) const;
  Tensor operator()(const Tensor& x, CallOptions options = {}, Where where = Where::here()) &&;
  void fields(Fields& f);
};
/// The mean of each window over two spatial axes; padding does not count.
struct AveragePool2D {
  Extents<2> pool_size = 2, strides = 0;
  Padding padding = "valid";
  DataFormat data_format = "channels_last";
  std::string name = {};
  Tensor call(const Tensor& x, Scope& s) const;
  Tensor operator()(const Tensor& x, CallOptions options = {}, Where where = Where::here()) &&;
  void fields(Fields& f);
};
/// The mean of each window over three spatial axes; padding does not count.
struct AveragePool3D {
  Extents<3> pool_size = 2, strides = 0;
  Padding padding = "valid";
  DataFormat data_format = "channels_last";
  std::string name = {};
  Tensor call(const Tensor& x, Scope& s) const;
  Tensor operator()(const Tensor& x, CallOptions options = {}, Where where = Where::here()) &&;
  void fields(Fields& f);
};
/// The mean over the spatial axis: [batch, channels], or with keep_dims sizes of 1 between. Masked
/// steps do not count; where all are, the mean is 0.
struct GlobalAveragePool1D {
  DataFormat data_format = "channels_last";
  bool keep_dims = false;
  std::string name = {};
  static constexpr Masks masks = Masks::own;
  Tensor call(const Tensor& x, Scope& s) const;
  Tensor operator()(const Tensor& x, CallOptions options = {}, Where where = Where::here()) &&;
  void fields(Fields& f);
};
/// The mean over both spatial axes: [batch, channels], or with keep_dims sizes of 1 between.
struct GlobalAveragePool2D {
  DataFormat data_format = "channels_last";
  bool keep_dims = false;
  std::string name = {};
  Tensor call(const Tensor& x, Scope& s) const;
  Tensor operator()(const Tensor& x, CallOptions options = {}, Where where = Where::here()) &&;
  void fields(Fields& f);
};
/// The mean over all three spatial axes: [batch, channels], or with keep_dims sizes of 1 between.
struct GlobalAveragePool3D {
  DataFormat data_format = "channels_last";
  bool keep_dims = false;
  std::string name = {};
  Tensor call(const Tensor& x, Scope& s) const;
  Tensor operator()(const Tensor& x, CallOptions options = {}, Where where = Where::here()) &&;
  void fields(Fields& f);
};
/// The largest over the spatial axis: [batch, channels], or with keep_dims sizes of 1 between.
/// Masked steps do not count; where all are, the result is 0.
struct GlobalMaxPool1D {
  DataFormat data_format = "channels_last";
  bool keep_dims = false;
  std::string name = {};
  static constexpr Masks masks = Masks::own;
  Tensor call(const Tensor& x, Scope& s) const;
  Tensor operator()(const Tensor& x, CallOptions options = {}, Where where = Where::here()) &&;
  void fields(Fields& f);
};
/// The largest over both spatial axes: [batch, channels], or with keep_dims sizes of 1 between.
struct GlobalMaxPool2D {
  DataFormat data_format = "channels_last";
  bool keep_dims = false;
  std::string name = {};
  Tensor call(const Tensor& x, Scope& s) const;
  Tensor operator()(const Tensor& x, CallOptions options = {}, Where where = Where::here()) &&;
  void fields(Fields& f);
};
/// The largest over all three spatial axes: [batch, channels], or with keep_dims sizes of 1
/// between.
struct GlobalMaxPool3D {
  DataFormat data_format = "channels_last";
  bool keep_dims = false;
  std::string name = {};
  Tensor call(const Tensor& x, Scope& s) const;
  Tensor operator()(const Tensor& x, CallOptions options = {}, Where where = Where::here()) &&;
  void fields(Fields& f);
};
/// The mean of each of output_size parts of the spatial axis, whatever the input's size.
struct AdaptiveAveragePool1D {
  Extents<1> output_size = 1;
  DataFormat data_format = "channels_last";
  std::string name = {};
  Tensor call(const Tensor& x, Scope& s) const;
  Tensor operator()(const Tensor& x, CallOptions options = {}, Where where = Where::here()) &&;
  void fields(Fields& f);
};
/// The mean of each of output_size parts of two spatial axes, whatever the input's size.
struct AdaptiveAveragePool2D {
  Extents<2> output_size = 1;
  DataFormat data_format = "channels_last";
  std::string name = {};
  Tensor call(const Tensor& x, Scope& s) const;
  Tensor operator()(const Tensor& x, CallOptions options = {}, Where where = Where::here()) &&;
  void fields(Fields& f);
};
/// The mean of each of output_size parts of three spatial axes, whatever the input's size.
struct AdaptiveAveragePool3D {
  Extents<3> output_size = 1;
  DataFormat data_format = "channels_last";
  std::string name = {};
  Tensor call(const Tensor& x, Scope& s) const;
  Tensor operator()(const Tensor& x, CallOptions options = {}, Where where = Where::here()) &&;
  void fields(Fields& f);
};
/// The largest of each of output_size parts of the spatial axis, whatever the input's size.
struct AdaptiveMaxPool1D {
  Extents<1> output_size = 1;
  DataFormat data_format = "channels_last";
  std::string name = {};
  Tensor call(const Tensor& x, Scope& s) const;
  Tensor operator()(const Tensor& x, CallOptions options = {}, Where where = Where::here()) &&;
  void fields(Fields& f);
};
/// The largest of each of output_size parts of two spatial axes, whatever the input's size.
struct AdaptiveMaxPool2D {
  Extents<2> output_size = 1;
  DataFormat data_format = "channels_last";
  std::string name = {};
  Tensor call(const Tensor& x, Scope& s) const;
  Tensor operator()(const Tensor& x, CallOptions options = {}, Where where = Where::here()) &&;
  void fields(Fields& f);
};
/// The largest of each of output_size parts of three spatial axes, whatever the input's size.
struct AdaptiveMaxPool3D {
  Extents<3> output_size = 1;
  DataFormat data_format = "channels_last";
  std::string name = {};
  Tensor call(const Tensor& x, Scope& s) const;
  Tensor operator()(const Tensor& x, CallOptions options = {}, Where where = Where::here()) &&;
  void fields(Fields& f);
};
/// Blurs each channel by a binomial kernel, borders reflected, and takes every strides-th pixel: so
/// that shifts of the image change little. Zhang 2019.
struct BlurPool2D {
  Dim pool_size = 3, strides = 2;
  DataFormat data_format = "channels_last";
  std::string name = {};
  Tensor call(const Tensor& x, Scope& s) const;
  Tensor operator()(const Tensor& x, CallOptions options = {}, Where where = Where::here()) &&;
  void fields(Fields& f);
};

}  // namespace varve::nn
