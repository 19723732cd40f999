#include "varve/nn/norm_layers.h"

#include "nn/affine.h"
#include "nn/masks.h"
#include "varve/ops/normalization.h"
#include "varve/ops/pointwise.h"
#include "varve/ops/reduction.h"

namespace varve::nn {

Tensor GroupNorm::call(const Tensor& input, Scope& s) const {
  require_rank(input, 2, kAnyRank, "[batch, ..., channels]");
  const Tensor x = real(input);
  GroupNormOptions options{.axis = axis, .epsilon = epsilon};
  options.groups = groups == -1 ? x.shape()[axis] : groups.value;
  affine(*this, {x.shape()[axis]}, x, s, options);
  return group_norm(x, options);
}
Tensor GroupNorm::operator()(const Tensor& x, CallOptions options, Where where) && {
  return once(std::move(*this), x, options, where);
}
void GroupNorm::fields(Fields& f) {
  f("groups", groups, "Groups of channels with statistics of their own; -1: one a channel.",
    {.min = -1});
  f("axis", axis, "The axis of the channels.");
  affine_fields(*this, f);
  affine_rules(*this, f);
}

Tensor InstanceNorm::call(const Tensor& input, Scope& s) const {
  require_rank(input, 3, kAnyRank, "[batch, spatial..., channels]");
  const Tensor x = real(input);
  InstanceNormOptions options{.axis = axis, .epsilon = epsilon};
  affine(*this, {x.shape()[axis]}, x, s, options);
  return instance_norm(x, options);
}
Tensor InstanceNorm::operator()(const Tensor& x, CallOptions options, Where where) && {
  return once(std::move(*this), x, options, where);
}
void InstanceNorm::fields(Fields& f) {
  f("axis", axis, "The axis of the channels.");
  affine_fields(*this, f);
  affine_rules(*this, f);
}

Tensor RMSNorm::call(const Tensor& input, Scope& s) const {
  require_rank(input, 2, kAnyRank, "[batch, ..., features]");
  require_within_step(input, axis);
  const Tensor x = real(input);
  const Tensor scale =
      fitted(s, "scale", Shape{x.shape()[axis]}, 0, 1, weight("ones", weight_type(x)));
  return rms_norm(x, {.axes = {axis}, .scale = scale, .epsilon = epsilon});
}
Tensor RMSNorm::operator()(const Tensor& x, CallOptions options, Where where) && {
  return once(std::move(*this), x, options, where);
}
void RMSNorm::fields(Fields& f) {
  f("axis", axis, "The axis that is normalized.");
  f("epsilon", epsilon, "Added to the mean of squares.", {.above = 0});
  f("name", name, kLayerName);
}

Tensor LocalResponseNorm::call(const Tensor& x, Scope&) const {
  require_within_step(x, axis);
  return local_response_norm(
      real(x), {.size = size, .alpha = alpha, .beta = beta, .bias = bias, .axis = axis});
}
Tensor LocalResponseNorm::operator()(const Tensor& x, CallOptions options, Where where) && {
  return once(std::move(*this), x, options, where);
}
void LocalResponseNorm::fields(Fields& f) {
  f("size", size, "Channels of a window.", {.min = 1});
  f("alpha", alpha, "Factor of the mean of squares.");
  f("beta", beta, "Exponent of the divisor.");
  f("bias", bias, "Added to the divisor.");
  f("axis", axis, "The axis of the channels.");
  f("name", name, kLayerName);
}

Tensor UnitNorm::call(const Tensor& input, Scope&) const {
  for (int a : axis) require_within_step(input, a);
  const Tensor x = real(input);
  const Tensor length = norm(x, {.axes = axis, .keep_dims = true});
  return x / maximum(length, 1e-12);
}
Tensor UnitNorm::operator()(const Tensor& x, CallOptions options, Where where) && {
  return once(std::move(*this), x, options, where);
}
void UnitNorm::fields(Fields& f) {
  f("axis", axis, "The axes over which a length is 1.");
  f("name", name, kLayerName);
}

}  // namespace varve::nn
