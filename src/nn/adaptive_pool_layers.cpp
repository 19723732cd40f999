// Pooling to given sizes, and pooling after a blur.
#include "nn/weights.h"
#include "varve/nn/pool_layers.h"
#include "varve/ops/pooling.h"
#include "varve/ops/resampling.h"

namespace varve::nn {
namespace {

template <int N, class L, class F>
Tensor adaptive(const L& layer, const Tensor& x, F pool) {
  require_rank(x, N + 2, N + 2, kSpatialAxes[N]);
  return pool(x, layer.output_size.list(), {.data_format = layer.data_format});
}

template <class L>
void adaptive_fields(L& layer, Fields& f) {
  f("output_size", layer.output_size, "Sizes of the result.", {.min = 1});
  f("data_format", layer.data_format, "Where the channels lie.");
  f("name", layer.name, kLayerName);
}

}  // namespace

Tensor AdaptiveAveragePool1D::call(const Tensor& x, Scope&) const {
  return adaptive<1>(*this, x, adaptive_average_pool);
}
Tensor AdaptiveAveragePool1D::operator()(const Tensor& x, CallOptions options, Where where) && {
  return once(std::move(*this), x, options, where);
}
void AdaptiveAveragePool1D::fields(Fields& f) { adaptive_fields(*this, f); }

Tensor AdaptiveAveragePool2D::call(const Tensor& x, Scope&) const {
  return adaptive<2>(*this, x, adaptive_average_pool);
}
Tensor AdaptiveAveragePool2D::operator()(const Tensor& x, CallOptions options, Where where) && {
  return once(std::move(*this), x, options, where);
}
void AdaptiveAveragePool2D::fields(Fields& f) { adaptive_fields(*this, f); }

Tensor AdaptiveAveragePool3D::call(const Tensor& x, Scope&) const {
  return adaptive<3>(*this, x, adaptive_average_pool);
}
Tensor AdaptiveAveragePool3D::operator()(const Tensor& x, CallOptions options, Where where) && {
  return once(std::move(*this), x, options, where);
}
void AdaptiveAveragePool3D::fields(Fields& f) { adaptive_fields(*this, f); }

Tensor AdaptiveMaxPool1D::call(const Tensor& x, Scope&) const {
  return adaptive<1>(*this, x, adaptive_max_pool);
}
Tensor AdaptiveMaxPool1D::operator()(const Tensor& x, CallOptions options, Where where) && {
  return once(std::move(*this), x, options, where);
}
void AdaptiveMaxPool1D::fields(Fields& f) { adaptive_fields(*this, f); }

Tensor AdaptiveMaxPool2D::call(const Tensor& x, Scope&) const {
  return adaptive<2>(*this, x, adaptive_max_pool);
}
Tensor AdaptiveMaxPool2D::operator()(const Tensor& x, CallOptions options, Where where) && {
  return once(std::move(*this), x, options, where);
}
void AdaptiveMaxPool2D::fields(Fields& f) { adaptive_fields(*this, f); }

Tensor AdaptiveMaxPool3D::call(const Tensor& x, Scope&) const {
  return adaptive<3>(*this, x, adaptive_max_pool);
}
Tensor AdaptiveMaxPool3D::operator()(const Tensor& x, CallOptions options, Where where) && {
  return once(std::move(*this), x, options, where);
}
void AdaptiveMaxPool3D::fields(Fields& f) { adaptive_fields(*this, f); }

Tensor BlurPool2D::call(const Tensor& x, Scope&) const {
  require_rank(x, 4, 4, kSpatialAxes[2]);
  return blur_pool(real(x), {.size = pool_size, .stride = strides, .data_format = data_format});
}
Tensor BlurPool2D::operator()(const Tensor& x, CallOptions options, Where where) && {
  return once(std::move(*this), x, options, where);
}
void BlurPool2D::fields(Fields& f) {
  f("pool_size", pool_size, "Size of the blur.", {.min = 1, .max = 64});
  f("strides", strides, "Steps between pixels that stay.", {.min = 1});
  f("data_format", data_format, "Where the channels lie.");
  f("name", name, kLayerName);
}

}  // namespace varve::nn
