#include "varve/nn/pool_layers.h"

#include <limits>

#include "nn/masks.h"
#include "nn/weights.h"
#include "varve/ops/pointwise.h"
#include "varve/ops/pooling.h"
#include "varve/ops/reduction.h"
#include "varve/ops/shape.h"

namespace varve::nn {
namespace {

template <class L, class F>
Tensor windowed(const L& layer, const Tensor& x, F pool) {
  return pool(x, {.window = layer.pool_size,
                  .strides = layer.strides,
                  .padding = layer.padding,
                  .data_format = layer.data_format});
}

template <class L>
void window_fields(L& layer, Fields& f) {
  f("pool_size", layer.pool_size, "Size of the window.", {.min = 1});
  f("strides", layer.strides, "Steps between windows; 0: their size.", {.min = 0});
  f("padding", layer.padding, "What is added at the borders.");
  f("data_format", layer.data_format, "Where the channels lie.");
  f("name", layer.name, kLayerName);
}

template <int N, class L, class F>
Tensor global(const L& layer, const Tensor& x, F pool) {
  require_rank(x, N + 2, N + 2, kSpatialAxes[N]);
  return pool(x, {.data_format = layer.data_format, .keep_dims = layer.keep_dims});
}

/// Steps of sequences, some of which are not there.
struct Steps {
  Tensor x, there;  // there: [batch, steps, 1]; empty: all are
  bool keep_dims;

  template <class L>
  Steps(const L& layer, const Tensor& input) : x(input), keep_dims(layer.keep_dims) {
    const Tensor mask = mask_of(input);
    if (!mask.defined()) return;
    require_rank(input, 3, 3, kSpatialAxes[1]);
    if (layer.data_format.channels_first) require_within_step(input, 1);
    const Shape expected{input.shape()[0], input.shape()[1]};
    if (mask.shape() != expected) {
      throw ShapeError("mask: expected [batch, steps] " + expected.to_string() + ", got " +
                       mask.shape().to_string());
    }
    x = real(input);
    there = expand_dims(mask, 2);
  }
  ReduceOptions reduction() const { return {.axes = {1}, .keep_dims = keep_dims}; }
};

template <class L>
void global_fields(L& layer, Fields& f) {
  f("data_format", layer.data_format, "Where the channels lie.");
  f("keep_dims", layer.keep_dims, "Whether the spatial axes stay, with size 1.");
  f("name", layer.name, kLayerName);
}

}  // namespace

Tensor MaxPool1D::call(const Tensor& x, Scope&) const { return windowed(*this, x, max_pool1d); }
Tensor MaxPool1D::operator()(const Tensor& x, CallOptions options, Where where) && {
  return once(std::move(*this), x, options, where);
}
void MaxPool1D::fields(Fields& f) { window_fields(*this, f); }

Tensor MaxPool2D::call(const Tensor& x, Scope&) const { return windowed(*this, x, max_pool2d); }
Tensor MaxPool2D::operator()(const Tensor& x, CallOptions options, Where where) && {
  return once(std::move(*this), x, options, where);
}
void MaxPool2D::fields(Fields& f) { window_fields(*this, f); }

Tensor MaxPool3D::call(const Tensor& x, Scope&) const { return windowed(*this, x, max_pool3d); }
Tensor MaxPool3D::operator()(const Tensor& x, CallOptions options, Where where) && {
  return once(std::move(*this), x, options, where);
}
void MaxPool3D::fields(Fields& f) { window_fields(*this, f); }

Tensor AveragePool1D::call(const Tensor& x, Scope&) const {
  return windowed(*this, x, average_pool1d);
}
Tensor AveragePool1D::operator()(const Tensor& x, CallOptions options, Where where) && {
  return once(std::move(*this), x, options, where);
}
void AveragePool1D::fields(Fields& f) { window_fields(*this, f); }

Tensor AveragePool2D::call(const Tensor& x, Scope&) const {
  return windowed(*this, x, average_pool2d);
}
Tensor AveragePool2D::operator()(const Tensor& x, CallOptions options, Where where) && {
  return once(std::move(*this), x, options, where);
}
void AveragePool2D::fields(Fields& f) { window_fields(*this, f); }

Tensor AveragePool3D::call(const Tensor& x, Scope&) const {
  return windowed(*this, x, average_pool3d);
}
Tensor AveragePool3D::operator()(const Tensor& x, CallOptions options, Where where) && {
  return once(std::move(*this), x, options, where);
}
void AveragePool3D::fields(Fields& f) { window_fields(*this, f); }

Tensor GlobalAveragePool1D::call(const Tensor& x, Scope&) const {
  const Steps steps(*this, x);
  if (!steps.there.defined()) return global<1>(*this, x, global_average_pool);
  const Tensor weights = cast(steps.there, steps.x.dtype());
  return sum(where(steps.there, steps.x, 0), steps.reduction()) /
         maximum(sum(weights, steps.reduction()), 1);
}
Tensor GlobalAveragePool1D::operator()(const Tensor& x, CallOptions options, Where where) && {
  return once(std::move(*this), x, options, where);
}
void GlobalAveragePool1D::fields(Fields& f) { global_fields(*this, f); }

Tensor GlobalAveragePool2D::call(const Tensor& x, Scope&) const {
  return global<2>(*this, x, global_average_pool);
}
Tensor GlobalAveragePool2D::operator()(const Tensor& x, CallOptions options, Where where) && {
  return once(std::move(*this), x, options, where);
}
void GlobalAveragePool2D::fields(Fields& f) { global_fields(*this, f); }

Tensor GlobalAveragePool3D::call(const Tensor& x, Scope&) const {
  return global<3>(*this, x, global_average_pool);
}
Tensor GlobalAveragePool3D::operator()(const Tensor& x, CallOptions options, Where where) && {
  return once(std::move(*this), x, options, where);
}
void GlobalAveragePool3D::fields(Fields& f) { global_fields(*this, f); }

Tensor GlobalMaxPool1D::call(const Tensor& x, Scope&) const {
  const Steps steps(*this, x);
  if (!steps.there.defined()) return global<1>(*this, x, global_max_pool);
  const Tensor any_there = any(steps.there, steps.reduction());
  constexpr double kLeast = -std::numeric_limits<double>::infinity();
  return where(any_there, max(where(steps.there, steps.x, kLeast), steps.reduction()), 0);
}
Tensor GlobalMaxPool1D::operator()(const Tensor& x, CallOptions options, Where where) && {
  return once(std::move(*this), x, options, where);
}
void GlobalMaxPool1D::fields(Fields& f) { global_fields(*this, f); }

Tensor GlobalMaxPool2D::call(const Tensor& x, Scope&) const {
  return global<2>(*this, x, global_max_pool);
}
Tensor GlobalMaxPool2D::operator()(const Tensor& x, CallOptions options, Where where) && {
  return once(std::move(*this), x, options, where);
}
void GlobalMaxPool2D::fields(Fields& f) { global_fields(*this, f); }

Tensor GlobalMaxPool3D::call(const Tensor& x, Scope&) const {
  return global<3>(*this, x, global_max_pool);
}
Tensor GlobalMaxPool3D::operator()(const Tensor& x, CallOptions options, Where where) && {
  return once(std::move(*this), x, options, where);
}
void GlobalMaxPool3D::fields(Fields& f) { global_fields(*this, f); }

}  // namespace varve::nn
