// Batch and layer normalization.
#include "nn/affine.h"
#include "nn/masks.h"
#include "varve/nn/core_layers.h"
#include "varve/ops/normalization.h"
#include "varve/ops/pointwise.h"
#include "varve/ops/reduction.h"
#include "varve/ops/shape.h"

namespace varve::nn {
namespace {

/// batch_norm where some steps do not count: Keras' masked moments.
varve::BatchNorm masked_batch_norm(const Tensor& x, const Tensor& mask,
                                   const BatchNormOptions& options) {
  std::vector<int> others;
  for (int a = 0; a < x.rank(); ++a) {
    if (a != (options.axis < 0 ? options.axis + x.rank() : options.axis)) others.push_back(a);
  }
  const Tensor there = broadcast_to(mask_beside(mask, x.rank()), x.shape());
  const Tensor count = maximum(sum(cast(there, x.dtype()), {.axes = others}), 1);
  const auto mean_of = [&](const Tensor& t) {
    return sum(where(there, t, 0), {.axes = others}) / count;
  };
  std::vector<int64_t> dims(static_cast<size_t>(x.rank()), 1);
  dims[static_cast<size_t>(options.axis < 0 ? options.axis + x.rank() : options.axis)] = -1;
  const Tensor mean = mean_of(x);
  const Tensor variance = mean_of(square(x - reshape(mean, Shape(dims))));
  return {batch_norm_inference(x, mean, variance, options), mean, variance};
}

}  // namespace

Tensor BatchNorm::call(const Tensor& input, Scope& s) const {
  require_rank(input, 2, kAnyRank, "[batch, ..., channels]");
  require_within_step(input, axis);
  const Tensor x = real(input), mask = mask_of(input);
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
    return with_mask(batch_norm_inference(x, mean, variance, options), mask);
  const varve::BatchNorm normalized =
      mask.defined() ? masked_batch_norm(x, mask, options) : batch_norm(x, options);
  // m + (b - m) * (1 - momentum): exact where batch and moving value agree.
  const double step = 1 - momentum;
  s.update("moving_mean", mean + (cast(normalized.mean, dtype) - mean) * step);
  s.update("moving_variance", variance + (cast(normalized.variance, dtype) - variance) * step);
  return with_mask(normalized.output, mask);
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
