// Pooling to given sizes, and pooling after a blur.
#include "nn/weights.h"
#include "varve/nn/pool_layers.h"
#include "varve/ops/pooling.h"
#include "varve/ops/resampling.h"

namespace varve::nn {
namespace {

constexpr const char* kName = "The layer's name; empty: its type and number.";

template <class L>
void adaptive_fields(L& layer, Fields& f) {
  f("output_size", layer.output_size, "Sizes of the result.", {.min = 1});
  f("data_format", layer.data_format, "Where the channels lie.");
  f("name", layer.name, kName);
}

constexpr const char* kAxes[] = {"", "[batch, steps, channels]", "[batch, height, width, channels]",
                                 "[batch, depth, height, width, channels]"};

}  // namespace

Tensor AdaptiveAveragePool1D::call(const Tensor& x, Scope&) const {
  require_rank(x, 3, 3, kAxes[1]);
  return adaptive_average_pool(x, output_size.list(), {.data_format = data_format});
}
Tensor AdaptiveAveragePool1D::operator()(const Tensor& x, CallOptions options, Where where) && {
  return once(std::move(*this), x, options, where);
}
void AdaptiveAveragePool1D::fields(Fields& f) { adaptive_fields(*this, f); }

Tensor AdaptiveAveragePool2D::call(const Tensor& x, Scope&) const {
  require_rank(x, 4, 4, kAxes[2]);
  return adaptive_average_pool(x, output_size.list(), {.data_format = data_format});
}
Tensor AdaptiveAveragePool2D::operator()(const Tensor& x, CallOptions options, Where where) && {
  return once(std::move(*this), x, options, where);
}
void AdaptiveAveragePool2D::fields(Fields& f) { adaptive_fields(*this, f); }

Tensor AdaptiveAveragePool3D::call(const Tensor& x, Scope&) const {
  require_rank(x, 5, 5, kAxes[3]);
  return adaptive_average_pool(x, output_size.list(), {.data_format = data_format});
}
Tensor AdaptiveAveragePool3D::operator()(const Tensor& x, CallOptions options, Where where) && {
  return once(std::move(*this), x, options, where);
}
void AdaptiveAveragePool3D::fields(Fields& f) { adaptive_fields(*this, f); }

Tensor AdaptiveMaxPool1D::call(const Tensor& x, Scope&) const {
  require_rank(x, 3, 3, kAxes[1]);
  return adaptive_max_pool(x, output_size.list(), {.data_format = data_format});
}
Tensor AdaptiveMaxPool1D::operator()(const Tensor& x, CallOptions options, Where where) && {
  return once(std::move(*this), x, options, where);
}
void AdaptiveMaxPool1D::fields(Fields& f) { adaptive_fields(*this, f); }

Tensor AdaptiveMaxPool2D::call(const Tensor& x, Scope&) const {
  require_rank(x, 4, 4, kAxes[2]);
  return adaptive_max_pool(x, output_size.list(), {.data_format = data_format});
}
Tensor AdaptiveMaxPool2D::operator()(const Tensor& x, CallOptions options, Where where) && {
  return once(std::move(*this), x, options, where);
}
void AdaptiveMaxPool2D::fields(Fields& f) { adaptive_fields(*this, f); }

Tensor AdaptiveMaxPool3D::call(const Tensor& x, Scope&) const {
  require_rank(x, 5, 5, kAxes[3]);
  return adaptive_max_pool(x, output_size.list(), {.data_format = data_format});
}
Tensor AdaptiveMaxPool3D::operator()(const Tensor& x, CallOptions options, Where where) && {
  return once(std::move(*this), x, options, where);
}
void AdaptiveMaxPool3D::fields(Fields& f) { adaptive_fields(*this, f); }

Tensor BlurPool2D::call(const Tensor& x, Scope&) const {
  require_rank(x, 4, 4, kAxes[2]);
  return blur_pool(real(x), {.size = pool_size, .stride = strides, .data_format = data_format});
}
Tensor BlurPool2D::operator()(const Tensor& x, CallOptions options, Where where) && {
  return once(std::move(*this), x, options, where);
}
void BlurPool2D::fields(Fields& f) {
  f("pool_size", pool_size, "Size of the blur.", {.min = 1, .max = 64});
  f("strides", strides, "Steps between pixels that stay.", {.min = 1});
  f("data_format", data_format, "Where the channels lie.");
  f("name", name, kName);
}

}  // namespace varve::nn
