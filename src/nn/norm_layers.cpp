#include "nn/weights.h"
#include "varve/nn/core_layers.h"
#include "varve/ops/normalization.h"
#include "varve/ops/pointwise.h"

namespace varve::nn {
namespace {

constexpr const char* kName = "The layer's name; empty: its type and number.";
constexpr int kAnyRank = 1 << 20;

}  // namespace

Tensor BatchNorm::call(const Tensor& input, Scope& s) const {
  require_rank(input, 2, kAnyRank, "[batch, ..., channels]");
  const Tensor x = real(input);
  const DType dtype = weight_type(x);
  const Shape shape{x.shape()[axis]};
  BatchNormOptions options{.axis = axis, .epsilon = epsilon};
  if (scale) {
    options.scale = fitted(s, "gamma", shape, 0, 1,
                           {.initializer = gamma_initializer,
                            .dtype = dtype,
                            .regularizer = gamma_regularizer,
                            .constraint = gamma_constraint});
  }
  if (center) {
    options.offset = fitted(s, "beta", shape, 0, 1,
                            {.initializer = beta_initializer,
                             .dtype = dtype,
                             .regularizer = beta_regularizer,
                             .constraint = beta_constraint});
  }
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
  f("epsilon", epsilon, "Added to the variance.", {.above = 0});
  f("center", center, "Whether beta is added.");
  f("scale", scale, "Whether gamma multiplies.");
  f("beta_initializer", beta_initializer, "How beta begins.");
  f("gamma_initializer", gamma_initializer, "How gamma begins.");
  f("moving_mean_initializer", moving_mean_initializer, "How the running mean begins.");
  f("moving_variance_initializer", moving_variance_initializer, "How the running variance begins.");
  f("beta_regularizer", beta_regularizer, "Penalty on beta.");
  f("gamma_regularizer", gamma_regularizer, "Penalty on gamma.");
  f("beta_constraint", beta_constraint, "What beta is brought back to.");
  f("gamma_constraint", gamma_constraint, "What gamma is brought back to.");
  f("name", name, kName);
}

Tensor LayerNorm::call(const Tensor& input, Scope& s) const {
  require_rank(input, 2, kAnyRank, "[batch, ..., features]");
  const Tensor x = real(input);
  const DType dtype = weight_type(x);
  const Shape shape{x.shape()[-1]};
  LayerNormOptions options{.axes = {-1}, .epsilon = epsilon};
  if (scale) {
    options.scale = fitted(s, "gamma", shape, 0, 1,
                           {.initializer = gamma_initializer,
                            .dtype = dtype,
                            .regularizer = gamma_regularizer,
                            .constraint = gamma_constraint});
  }
  if (center) {
    options.offset = fitted(s, "beta", shape, 0, 1,
                            {.initializer = beta_initializer,
                             .dtype = dtype,
                             .regularizer = beta_regularizer,
                             .constraint = beta_constraint});
  }
  return layer_norm(x, options);
}
Tensor LayerNorm::operator()(const Tensor& x, CallOptions options, Where where) && {
  return once(std::move(*this), x, options, where);
}
void LayerNorm::fields(Fields& f) {
  f("epsilon", epsilon, "Added to the variance.", {.above = 0});
  f("center", center, "Whether beta is added.");
  f("scale", scale, "Whether gamma multiplies.");
  f("beta_initializer", beta_initializer, "How beta begins.");
  f("gamma_initializer", gamma_initializer, "How gamma begins.");
  f("beta_regularizer", beta_regularizer, "Penalty on beta.");
  f("gamma_regularizer", gamma_regularizer, "Penalty on gamma.");
  f("beta_constraint", beta_constraint, "What beta is brought back to.");
  f("gamma_constraint", gamma_constraint, "What gamma is brought back to.");
  f("name", name, kName);
}

}  // namespace varve::nn
