// Batch and layer normalization.
#include "nn/affine.h"
#include "varve/nn/core_layers.h"
#include "varve/ops/normalization.h"
#include "varve/ops/pointwise.h"

namespace varve::nn {

Tensor BatchNorm::call(const Tensor& input, Scope& s) const {
  require_rank(input, 2, kAnyRank, "[batch, ..., channels]");
  const Tensor x = real(input);
  const DType dtype = weight_type(x);
  const Shape shape{x.shape()[axis]};
  BatchNormOptions options{.axis = axis, .epsilon = epsilon};
  affine(*this, shape, x, s, options);
  const Tensor mean =
      fitted(s, "moving_mean", shape, 0, 1,
             {.initializer = moving_mean_initializer, .trainable = false, .dtype = dtype});
  const Tensor variance =
      fitted(s, "moving_variance", shape, 0, 1,
             {.initializer = moving_variance_initializer, .trainable = false, .dtype = dtype});
  // One value a channel has no variance: the last batch of an epoch may be that short.
  const bool statistics = x.size() > x.shape()[axis];
  if (!s.training() || s.frozen() || !statistics)
    return batch_norm_inference(x, mean, variance, options);
  const varve::BatchNorm normalized = batch_norm(x, options);
  // m + (b - m) * (1 - momentum): exact where batch and moving value agree.
  const double step = 1 - momentum;
  s.update("moving_mean", mean + (cast(normalized.mean, dtype) - mean) * step);
  s.update("moving_variance", variance + (cast(normalized.variance, dtype) - variance) * step);
  return normalized.output;
}
Tensor BatchNorm::operator()(const Tensor& x, CallOptions options, Where where) && {
  return once(std::move(*this), x, options, where);
}
void BatchNorm::fields(Fields& f) {
  f("axis", axis, "The axis of the channels.");
  f("momentum", momentum, "Share of the running statistics that stays.", {.min = 0, .max = 1});
  affine_fields(*this, f);
  f("moving_mean_initializer", moving_mean_initializer, "How the running mean begins.");
  f("moving_variance_initializer", moving_variance_initializer, "How the running variance begins.");
  affine_rules(*this, f);
}

Tensor LayerNorm::call(const Tensor& input, Scope& s) const {
  require_rank(input, 2, kAnyRank, "[batch, ..., features]");
  const Tensor x = real(input);
  LayerNormOptions options{.axes = {-1}, .epsilon = epsilon};
  affine(*this, {x.shape()[-1]}, x, s, options);
  return layer_norm(x, options);
}
Tensor LayerNorm::operator()(const Tensor& x, CallOptions options, Where where) && {
  return once(std::move(*this), x, options, where);
}
void LayerNorm::fields(Fields& f) {
  affine_fields(*this, f);
  affine_rules(*this, f);
}

}  // namespace varve::nn
