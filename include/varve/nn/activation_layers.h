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
  Tensor call(const Tensor& x, Scope& s) const;
  Tensor operator()(const Tensor& x, CallOptions options = {}, Where where = Where::here()) &&;
  void fields(Fields& f);
};

/// x where x >= 0, else negative_slope * x. Maas et al. 2013; Keras' slope of 0.3.
struct LeakyReLU {
  Real negative_slope = 0.3;
  std::string name = {};
  Tensor activate(const Tensor& x) const;
  Tensor call(const Tensor& x, Scope& s) const;
  Tensor operator()(const Tensor& x, CallOptions options = {}, Where where = Where::here()) &&;
  void fields(Fields& f);
};

/// x where x >= 0, else alpha * x, alpha a weight: one an element of a sample, or shared along
/// `shared_axes` (1 is the first axis after the batch). He et al. 2015.
struct PReLU {
  Initializer alpha_initializer = "zeros";
  Regularizer alpha_regularizer = {};
  std::vector<int> shared_axes = {};
  std::string name = {};
  Tensor call(const Tensor& x, Scope& s) const;
  Tensor operator()(const Tensor& x, CallOptions options = {}, Where where = Where::here()) &&;
  void fields(Fields& f);
};

/// x where x > 0, else alpha (exp(x) - 1). Clevert et al. 2016.
struct ELU {
  Real alpha = 1;
  std::string name = {};
  Tensor activate(const Tensor& x) const;
  Tensor call(const Tensor& x, Scope& s) const;
  Tensor operator()(const Tensor& x, CallOptions options = {}, Where where = Where::here()) &&;
  void fields(Fields& f);
};

/// exp(x) / sum exp(x) along an axis.
struct Softmax {
  int axis = -1;
  std::string name = {};
  Tensor activate(const Tensor& x) const;
  Tensor call(const Tensor& x, Scope& s) const;
  Tensor operator()(const Tensor& x, CallOptions options = {}, Where where = Where::here()) &&;
  void fields(Fields& f);
};

}  // namespace varve::nn
