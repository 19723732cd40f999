#include "varve/nn/other_layers.h"

#include <cmath>

#include "nn/weights.h"
#include "varve/generative_losses.h"
#include "varve/ops/pointwise.h"
#include "varve/ops/random.h"
#include "varve/ops/reduction.h"

namespace varve::nn {

Tensor Bias::call(const Tensor& x, Scope& s) const {
  require_rank(x, 2, kAnyRank, "[batch, ..., size]");
  return real(x) +
         fitted(s, "bias", {x.shape()[-1]}, 0, 1,
                weight(bias_initializer, weight_type(x), bias_regularizer, bias_constraint));
}
Tensor Bias::operator()(const Tensor& x, CallOptions options, Where where) && {
  return once(std::move(*this), x, options, where);
}
void Bias::fields(Fields& f) {
  f("bias_initializer", bias_initializer, "How the bias begins.");
  f("bias_regularizer", bias_regularizer, "Penalty on the bias.");
  f("bias_constraint", bias_constraint, "What the bias is brought back to.");
  f("name", name, kLayerName);
}

Tensor GaussianDropout::call(const Tensor& x, Scope& s) const {
  if (!s.training() || rate == 0) return x;
  return x *
         random::normal(
             s.key(), x.shape(),
             {.mean = 1, .standard_deviation = std::sqrt(rate / (1 - rate)), .dtype = x.dtype()});
}
Tensor GaussianDropout::operator()(const Tensor& x, CallOptions options, Where where) && {
  return once(std::move(*this), x, options, where);
}
void GaussianDropout::fields(Fields& f) {
  f("rate", rate, "The noise's variance is rate / (1 - rate).", {.min = 0, .below = 1});
  f("name", name, kLayerName);
}

Tensor AlphaDropout::call(const Tensor& x, Scope& s) const {
  if (!s.training() || rate == 0) return x;
  constexpr double kLimit = -1.0507009873554804934 * 1.6732632423543772848;  // selu(-infinity)
  const double keep = 1 - rate;
  const double scale = 1 / std::sqrt(keep * (1 + rate * kLimit * kLimit));
  const Tensor kept = random::bernoulli(s.key(), keep, x.shape());
  return where(kept, x, kLimit) * scale - scale * kLimit * rate.value;
}
Tensor AlphaDropout::operator()(const Tensor& x, CallOptions options, Where where) && {
  return once(std::move(*this), x, options, where);
}
void AlphaDropout::fields(Fields& f) {
  f("rate", rate, "Share of the elements that is dropped.", {.min = 0, .below = 1});
  f("name", name, kLayerName);
}

Tensor ActivityRegularization::call(const Tensor& x, Scope& s) const {
  if (x.rank() == 0 || x.shape()[0] == 0) return x;
  const double each = 1 / static_cast<double>(x.shape()[0]);
  if (l1 > 0) s.add_loss(sum(abs(x)) * (l1 * each));
  if (l2 > 0) s.add_loss(sum(square(x)) * (l2 * each));
  return x;
}
Tensor ActivityRegularization::operator()(const Tensor& x, CallOptions options, Where where) && {
  return once(std::move(*this), x, options, where);
}
void ActivityRegularization::fields(Fields& f) {
  f("l1", l1, "Factor of the sum of magnitudes.", {.min = 0});
  f("l2", l2, "Factor of the sum of squares.", {.min = 0});
  f("name", name, kLayerName);
}

Tensor Reparameterize::call(const Tensors& x, Scope& s) const {
  if (x.size() != 2 || x[0].shape() != x[1].shape()) {
    throw ShapeError("reparameterize: expected a mean and a log variance of one shape");
  }
  const Tensor mean = real(x[0]), log_variance = real(x[1]);
  if (kl_weight > 0) {
    s.add_loss(kl_weight.value * varve::mean(losses::gaussian_kl(mean, log_variance)));
  }
  if (!s.training()) return mean;
  const Tensor noise = random::normal(s.key(), mean.shape(), {.dtype = mean.dtype()});
  return mean + exp(0.5 * log_variance) * noise;
}
Tensor Reparameterize::operator()(const Tensors& x, CallOptions options, Where where) && {
  return once(std::move(*this), x, options, where);
}
void Reparameterize::fields(Fields& f) {
  f("kl_weight", kl_weight, "Of the divergence from the unit Gaussian.", {.min = 0});
  f("name", name, kLayerName);
}

}  // namespace varve::nn
