// room: nn
// Small layers: biases, noise, penalties, draws.
#pragma once
#include <string>

#include "varve/nn/layer.h"

namespace varve::nn {

/// x + bias, one number for each index of the last axis. Variable: bias [size].
struct Bias {
  Initializer bias_initializer = "zeros";
  Regularizer bias_regularizer = {};
  Constraint bias_constraint = {};
  std::string name = {};
  static constexpr Masks masks = Masks::elementwise;
  Tensor call(const Tensor& x, Scope& s) const;
  Tensor operator()(const Tensor& x, CallOptions options = {}, Where where = Where::here()) &&;
  void fields(Fields& f);
};

/// While training, x times normal numbers of mean 1 and variance rate / (1 - rate). Srivastava et
/// al. 2014.
struct GaussianDropout {
  Real rate = 0.5;
  std::string name = {};
  static constexpr Masks masks = Masks::elementwise;
  Tensor call(const Tensor& x, Scope& s) const;
  Tensor operator()(const Tensor& x, CallOptions options = {}, Where where = Where::here()) &&;
  void fields(Fields& f);
};

/// Dropout that keeps mean 0 and variance 1 of what comes after selu: dropped elements become
/// selu's limit, and all are scaled and moved back. Klambauer et al. 2017.
struct AlphaDropout {
  Real rate = 0.5;
  std::string name = {};
  static constexpr Masks masks = Masks::elementwise;
  Tensor call(const Tensor& x, Scope& s) const;
  Tensor operator()(const Tensor& x, CallOptions options = {}, Where where = Where::here()) &&;
  void fields(Fields& f);
};

/// x as it is; l1 sum |x| + l2 sum x^2, divided by the batch, is added to the loss.
struct ActivityRegularization {
  Real l1 = 0, l2 = 0;
  std::string name = {};
  static constexpr Masks masks = Masks::elementwise;
  Tensor call(const Tensor& x, Scope& s) const;
  Tensor operator()(const Tensor& x, CallOptions options = {}, Where where = Where::here()) &&;
  void fields(Fields& f);
};

/// Of a mean and a logarithm of variances: while training a draw mean + sqrt(variance) * noise,
/// through which gradients flow; else the mean. kl_weight times the mean divergence from the unit
/// Gaussian (losses::gaussian_kl) is added to the loss. Kingma & Welling 2014.
struct Reparameterize {
  Real kl_weight = 0;
  std::string name = {};
  Tensor call(const Tensors& x, Scope& s) const;
  Tensor operator()(const Tensors& x, CallOptions options = {}, Where where = Where::here()) &&;
  void fields(Fields& f);
};

}  // namespace varve::nn
