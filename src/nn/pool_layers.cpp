#include "varve/nn/pool_layers.h"

#include "nn/weights.h"
#include "varve/ops/pooling.h"

namespace varve::nn {
namespace {

constexpr const char* kName = "The layer's name; empty: its type and number.";

template <class L>
void window_fields(L& layer, Fields& f) {
  f("pool_size", layer.pool_size, "Size of the window.", {.min = 1});
  f("strides", layer.strides, "Steps between windows; 0: their size.", {.min = 0});
  f("padding", layer.padding, "What is added at the borders.");
  f("data_format", layer.data_format, "Where the channels lie.");
  f("name", layer.name, kName);
}

template <class L>
void global_fields(L& layer, Fields& f) {
  f("data_format", layer.data_format, "Where the channels lie.");
  f("keep_dims", layer.keep_dims, "Whether the spatial axes stay, with size 1.");
  f("name", layer.name, kName);
}

constexpr const char* kAxes[] = {"", "[batch, steps, channels]", "[batch, height, width, channels]",
                                 "[batch, depth, height, width, channels]"};

}  // namespace

Tensor MaxPool1D::call(const Tensor& x, Scope&) const {
  return max_pool1d(
      x, {.window = pool_size, .strides = strides, .padding = padding, .data_format = data_format});
}
Tensor MaxPool1D::operator()(const Tensor& x, CallOptions options, Where where) && {
  return once(std::move(*this), x, options, where);
}
void MaxPool1D::fields(Fields& f) { window_fields(*this, f); }

Tensor MaxPool2D::call(const Tensor& x, Scope&) const {
  return max_pool2d(
      x, {.window = pool_size, .strides = strides, .padding = padding, .data_format = data_format});
}
Tensor MaxPool2D::operator()(const Tensor& x, CallOptions options, Where where) && {
  return once(std::move(*this), x, options, where);
}
void MaxPool2D::fields(Fields& f) { window_fields(*this, f); }

Tensor MaxPool3D::call(const Tensor& x, Scope&) const {
  return max_pool3d(
      x, {.window = pool_size, .strides = strides, .padding = padding, .data_format = data_format});
}
Tensor MaxPool3D::operator()(const Tensor& x, CallOptions options, Where where) && {
  return once(std::move(*this), x, options, where);
}
void MaxPool3D::fields(Fields& f) { window_fields(*this, f); }

Tensor AveragePool1D::call(const Tensor& x, Scope&) const {
  return average_pool1d(
      x, {.window = pool_size, .strides = strides, .padding = padding, .data_format = data_format});
}
Tensor AveragePool1D::operator()(const Tensor& x, CallOptions options, Where where) && {
  return once(std::move(*this), x, options, where);
}
void AveragePool1D::fields(Fields& f) { window_fields(*this, f); }

Tensor AveragePool2D::call(const Tensor& x, Scope&) const {
  return average_pool2d(
      x, {.window = pool_size, .strides = strides, .padding = padding, .data_format = data_format});
}
Tensor AveragePool2D::operator()(const Tensor& x, CallOptions options, Where where) && {
  return once(std::move(*this), x, options, where);
}
void AveragePool2D::fields(Fields& f) { window_fields(*this, f); }

Tensor AveragePool3D::call(const Tensor& x, Scope&) const {
  return average_pool3d(
      x, {.window = pool_size, .strides = strides, .padding = padding, .data_format = data_format});
}
Tensor AveragePool3D::operator()(const Tensor& x, CallOptions options, Where where) && {
  return once(std::move(*this), x, options, where);
}
void AveragePool3D::fields(Fields& f) { window_fields(*this, f); }

Tensor GlobalAveragePool1D::call(const Tensor& x, Scope&) const {
  require_rank(x, 3, 3, kAxes[1]);
  return global_average_pool(x, {.data_format = data_format, .keep_dims = keep_dims});
}
Tensor GlobalAveragePool1D::operator()(const Tensor& x, CallOptions options, Where where) && {
  return once(std::move(*this), x, options, where);
}
void GlobalAveragePool1D::fields(Fields& f) { global_fields(*this, f); }

Tensor GlobalAveragePool2D::call(const Tensor& x, Scope&) const {
  require_rank(x, 4, 4, kAxes[2]);
  return global_average_pool(x, {.data_format = data_format, .keep_dims = keep_dims});
}
Tensor GlobalAveragePool2D::operator()(const Tensor& x, CallOptions options, Where where) && {
  return once(std::move(*this), x, options, where);
}
void GlobalAveragePool2D::fields(Fields& f) { global_fields(*this, f); }

Tensor GlobalAveragePool3D::call(const Tensor& x, Scope&) const {
  require_rank(x, 5, 5, kAxes[3]);
  return global_average_pool(x, {.data_format = data_format, .keep_dims = keep_dims});
}
Tensor GlobalAveragePool3D::operator()(const Tensor& x, CallOptions options, Where where) && {
  return once(std::move(*this), x, options, where);
}
void GlobalAveragePool3D::fields(Fields& f) { global_fields(*this, f); }

Tensor GlobalMaxPool1D::call(const Tensor& x, Scope&) const {
  require_rank(x, 3, 3, kAxes[1]);
  return global_max_pool(x, {.data_format = data_format, .keep_dims = keep_dims});
}
Tensor GlobalMaxPool1D::operator()(const Tensor& x, CallOptions options, Where where) && {
  return once(std::move(*this), x, options, where);
}
void GlobalMaxPool1D::fields(Fields& f) { global_fields(*this, f); }

Tensor GlobalMaxPool2D::call(const Tensor& x, Scope&) const {
  require_rank(x, 4, 4, kAxes[2]);
  return global_max_pool(x, {.data_format = data_format, .keep_dims = keep_dims});
}
Tensor GlobalMaxPool2D::operator()(const Tensor& x, CallOptions options, Where where) && {
  return once(std::move(*this), x, options, where);
}
void GlobalMaxPool2D::fields(Fields& f) { global_fields(*this, f); }

Tensor GlobalMaxPool3D::call(const Tensor& x, Scope&) const {
  require_rank(x, 5, 5, kAxes[3]);
  return global_max_pool(x, {.data_format = data_format, .keep_dims = keep_dims});
}
Tensor GlobalMaxPool3D::operator()(const Tensor& x, CallOptions options, Where where) && {
  return once(std::move(*this), x, options, where);
}
void GlobalMaxPool3D::fields(Fields& f) { global_fields(*this, f); }

}  // namespace varve::nn
