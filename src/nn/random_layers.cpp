// Layers that draw random numbers while training.
#include "nn/weights.h"
#include "varve/nn/core_layers.h"
#include "varve/ops/pointwise.h"
#include "varve/ops/random.h"

namespace varve::nn {
namespace {

constexpr RealRule kShare{.min = 0, .max = 1};

/// Inverted dropout whose mask has the given shape and is broadcast.
Tensor dropped(const Tensor& x, double rate, const Shape& mask, Scope& s) {
  if (!s.training() || rate == 0) return x;
  if (rate == 1) return x * 0;
  const Tensor keep = random::bernoulli(s.key(), 1 - rate, mask);
  return where(keep, x * (1 / (1 - rate)), 0);
}

/// One draw a sample and channel.
Tensor channels_dropped(const Tensor& x, double rate, int spatial, bool channels_first, Scope& s) {
  require_rank(x, spatial + 2, spatial + 2,
               spatial == 1   ? "[batch, steps, channels]"
               : spatial == 2 ? "[batch, height, width, channels]"
                              : "[batch, depth, height, width, channels]");
  std::vector<int64_t> mask(static_cast<size_t>(spatial) + 2, 1);
  mask.front() = x.shape()[0];
  const int channels = channels_first ? 1 : spatial + 1;
  mask[static_cast<size_t>(channels)] = x.shape()[channels];
  return dropped(x, rate, Shape(std::move(mask)), s);
}

}  // namespace

Tensor Dropout::call(const Tensor& x, Scope& s) const { return dropped(x, rate, x.shape(), s); }
Tensor Dropout::operator()(const Tensor& x, CallOptions options, Where where) && {
  return once(std::move(*this), x, options, where);
}
void Dropout::fields(Fields& f) {
  f("rate", rate, "Share of the elements that is dropped.", kShare);
  f("name", name, kLayerName);
}

Tensor SpatialDropout1D::call(const Tensor& x, Scope& s) const {
  return channels_dropped(x, rate, 1, false, s);
}
Tensor SpatialDropout1D::operator()(const Tensor& x, CallOptions options, Where where) && {
  return once(std::move(*this), x, options, where);
}
void SpatialDropout1D::fields(Fields& f) {
  f("rate", rate, "Share of the channels that is dropped.", kShare);
  f("name", name, kLayerName);
}

Tensor SpatialDropout2D::call(const Tensor& x, Scope& s) const {
  return channels_dropped(x, rate, 2, data_format.channels_first, s);
}
Tensor SpatialDropout2D::operator()(const Tensor& x, CallOptions options, Where where) && {
  return once(std::move(*this), x, options, where);
}
void SpatialDropout2D::fields(Fields& f) {
  f("rate", rate, "Share of the channels that is dropped.", kShare);
  f("data_format", data_format, "Where the channels lie.");
  f("name", name, kLayerName);
}

Tensor SpatialDropout3D::call(const Tensor& x, Scope& s) const {
  return channels_dropped(x, rate, 3, data_format.channels_first, s);
}
Tensor SpatialDropout3D::operator()(const Tensor& x, CallOptions options, Where where) && {
  return once(std::move(*this), x, options, where);
}
void SpatialDropout3D::fields(Fields& f) {
  f("rate", rate, "Share of the channels that is dropped.", kShare);
  f("data_format", data_format, "Where the channels lie.");
  f("name", name, kLayerName);
}

Tensor GaussianNoise::call(const Tensor& x, Scope& s) const {
  if (!s.training() || stddev == 0) return x;
  return x + random::normal(s.key(), x.shape(), {.standard_deviation = stddev, .dtype = x.dtype()});
}
Tensor GaussianNoise::operator()(const Tensor& x, CallOptions options, Where where) && {
  return once(std::move(*this), x, options, where);
}
void GaussianNoise::fields(Fields& f) {
  f("stddev", stddev, "Standard deviation of the noise.", {.min = 0});
  f("name", name, kLayerName);
}

}  // namespace varve::nn
