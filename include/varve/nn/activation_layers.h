// room: nn
// Activations as layers, and with arguments of their own.
#pragma once
#include <optional>
#include <string>

#include "varve/nn/layer.h"

namespace varve::nn {

/// Any activation as a layer: nn::Activation{"relu"}.
struct Activation {
  varve::Activation activation = {};
  std::string name = {};
  static constexpr Masks masks = Masks::elementwise;
  Tensor call(const Tensor& x, Scope& s) const;
  Tensor operator()(const Tensor& x, CallOptions options = {}, Where where = Where::here()) &&;
  void fields(Fields& f);
};

/// min(max_value, x) where x >= threshold, else negative_slope * (x - threshold) (Keras). Nair &
/// Hinton 2010.
struct ReLU {
  std::optional<double> max_value = {};
  Real negative_slope = 0, threshold = 0;
  std::string name = {};
  Tensor activate(const Tensor& x) const;
  static constexpr Masks masks = Masks::elementwise;
  Tensor call(const Tensor& x, Scope& s) const;
  Tensor operator()(const Tensor& x, CallOptions options = {}, Where where = Where::here()) &&;
  void fields(Fields& f);
};

/// x where x >= 0, else negative_slope * x. Maas et al. 2013; Keras' slope of 0.3.
struct LeakyReLU {
  Real negative_slope = 0.3;
  std::string name = {};
  Tensor activate(const Tensor& x) const;
  static constexpr Masks masks = Masks::elementwise;
  Tensor call(const Tensor& x, Scope& s) const;
  Tensor operator()(const Tensor& x, CallOptions options = {}, Where where = Where::here()) &&;
  void fields(Fields& f);
};

/// x where x >= 0, else alpha * x, alpha a weight: one an element of a sample, or shared along
/// `shared_axes` (1 is the first axis after the batch). He et al. 2015.
struct PReLU {
  Initializer alpha_initializer = "zeros";
  Regularizer alpha_regularizer = {};
  Constraint alpha_constraint = {};
  std::vector<int> shared_axes = {};
  std::string name = {};
  static constexpr Masks masks = Masks::elementwise;
  Tensor call(const Tensor& x, Scope& s) const;
  Tensor operator()(const Tensor& x, CallOptions options = {}, Where where = Where::here()) &&;
  void fields(Fields& f);
};

/// x where x > 0, else alpha (exp(x) - 1). Clevert et al. 2016.
struct ELU {
  Real alpha = 1;
  std::string name = {};
  Tensor activate(const Tensor& x) const;
  static constexpr Masks masks = Masks::elementwise;
  Tensor call(const Tensor& x, Scope& s) const;
  Tensor operator()(const Tensor& x, CallOptions options = {}, Where where = Where::here()) &&;
  void fields(Fields& f);
};

/// exp(x) / sum exp(x) along an axis.
struct Softmax {
  int axis = -1;
  std::string name = {};
  Tensor activate(const Tensor& x) const;
  static constexpr Masks masks = Masks::by_step;
  Tensor call(const Tensor& x, Scope& s) const;
  Tensor operator()(const Tensor& x, CallOptions options = {}, Where where = Where::here()) &&;
  void fields(Fields& f);
};

/// celu(x, alpha) (varve/ops/activation.h).
struct CELU {
  Real alpha = 1;
  std::string name = {};
  Tensor activate(const Tensor& x) const;
  static constexpr Masks masks = Masks::elementwise;
  Tensor call(const Tensor& x, Scope& s) const;
  Tensor operator()(const Tensor& x, CallOptions options = {}, Where where = Where::here()) &&;
  void fields(Fields& f);
};

/// x sigmoid(beta x). Ramachandran et al. 2017.
struct Swish {
  Real beta = 1;
  std::string name = {};
  Tensor activate(const Tensor& x) const;
  static constexpr Masks masks = Masks::elementwise;
  Tensor call(const Tensor& x, Scope& s) const;
  Tensor operator()(const Tensor& x, CallOptions options = {}, Where where = Where::here()) &&;
  void fields(Fields& f);
};

/// log(1 + exp(beta x)) / beta, and x where beta x is above the threshold (none: nowhere).
struct Softplus {
  Real beta = 1;
  std::optional<double> threshold = {};
  std::string name = {};
  Tensor activate(const Tensor& x) const;
  static constexpr Masks masks = Masks::elementwise;
  Tensor call(const Tensor& x, Scope& s) const;
  Tensor operator()(const Tensor& x, CallOptions options = {}, Where where = Where::here()) &&;
  void fields(Fields& f);
};

/// clip(alpha x + beta, 0, 1).
struct HardSigmoid {
  Real alpha = 1. / 6, beta = 0.5;
  std::string name = {};
  Tensor activate(const Tensor& x) const;
  static constexpr Masks masks = Masks::elementwise;
  Tensor call(const Tensor& x, Scope& s) const;
  Tensor operator()(const Tensor& x, CallOptions options = {}, Where where = Where::here()) &&;
  void fields(Fields& f);
};

/// clip(x, low, high).
struct HardTanh {
  Real low = -1, high = 1;
  std::string name = {};
  Tensor activate(const Tensor& x) const;
  static constexpr Masks masks = Masks::elementwise;
  Tensor call(const Tensor& x, Scope& s) const;
  Tensor operator()(const Tensor& x, CallOptions options = {}, Where where = Where::here()) &&;
  void fields(Fields& f);
};

/// x where |x| > lambda, else 0.
struct HardShrink {
  Real lambda = 0.5;
  std::string name = {};
  Tensor activate(const Tensor& x) const;
  static constexpr Masks masks = Masks::elementwise;
  Tensor call(const Tensor& x, Scope& s) const;
  Tensor operator()(const Tensor& x, CallOptions options = {}, Where where = Where::here()) &&;
  void fields(Fields& f);
};

/// x moved by lambda towards 0, which it does not pass.
struct SoftShrink {
  Real lambda = 0.5;
  std::string name = {};
  Tensor activate(const Tensor& x) const;
  static constexpr Masks masks = Masks::elementwise;
  Tensor call(const Tensor& x, Scope& s) const;
  Tensor operator()(const Tensor& x, CallOptions options = {}, Where where = Where::here()) &&;
  void fields(Fields& f);
};

/// x where x > threshold, else 0. Konda et al. 2014.
struct ThresholdedReLU {
  Real threshold = 1;
  std::string name = {};
  Tensor activate(const Tensor& x) const;
  static constexpr Masks masks = Masks::elementwise;
  Tensor call(const Tensor& x, Scope& s) const;
  Tensor operator()(const Tensor& x, CallOptions options = {}, Where where = Where::here()) &&;
  void fields(Fields& f);
};

/// 0 below 0, 1 above, at_zero at 0 (1: the step starts there; 0: the perceptron's x > 0).
struct Step {
  Real at_zero = 1;
  std::string name = {};
  Tensor activate(const Tensor& x) const;
  static constexpr Masks masks = Masks::elementwise;
  Tensor call(const Tensor& x, Scope& s) const;
  Tensor operator()(const Tensor& x, CallOptions options = {}, Where where = Where::here()) &&;
  void fields(Fields& f);
};

/// a activation(b), with a and b the halves of an axis: with sigmoid the gated linear unit (Dauphin
/// et al. 2017), with silu SwiGLU, with gelu GEGLU (Shazeer 2020).
struct GLU {
  varve::Activation activation = "sigmoid";
  int axis = -1;
  std::string name = {};
  Tensor activate(const Tensor& x) const;
  static constexpr Masks masks = Masks::by_step;
  Tensor call(const Tensor& x, Scope& s) const;
  Tensor operator()(const Tensor& x, CallOptions options = {}, Where where = Where::here()) &&;
  void fields(Fields& f);
};

/// x where x >= 0, else slope * x: while training the slope of each element is drawn from
/// [lower, upper), else it is their mean. Xu et al. 2015.
struct RReLU {
  Real lower = 1. / 8, upper = 1. / 3;
  std::string name = {};
  static constexpr Masks masks = Masks::elementwise;
  Tensor call(const Tensor& x, Scope& s) const;
  Tensor operator()(const Tensor& x, CallOptions options = {}, Where where = Where::here()) &&;
  void fields(Fields& f);
};

/// The largest of `pieces` affine maps, for each unit: [batch, ..., features] ->
/// [batch, ..., units]. Variables: kernel [features, units * pieces], bias [units * pieces]; the
/// pieces of a unit are neighbours. Goodfellow et al. 2013.
struct Maxout {
  Dim units = 0, pieces = 2;
  bool use_bias = true;
  Initializer kernel_initializer = "glorot_uniform", bias_initializer = "zeros";
  Regularizer kernel_regularizer = {}, bias_regularizer = {};
  Constraint kernel_constraint = {}, bias_constraint = {};
  std::string name = {};
  static constexpr Masks masks = Masks::by_step;
  Tensor call(const Tensor& x, Scope& s) const;
  Tensor operator()(const Tensor& x, CallOptions options = {}, Where where = Where::here()) &&;
  void fields(Fields& f);
};

}  // namespace varve::nn
