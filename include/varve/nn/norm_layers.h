// room: nn
// Normalization layers beside batch and layer normalization (core_layers.h).
#pragma once
#include <string>
#include <vector>

#include "varve/nn/layer.h"
#include "varve/nn/wrapped.h"

namespace varve::nn {

/// (x - mean) / sqrt(variance + epsilon) * gamma + beta, mean and variance over all axes of each
/// sample, for each of `groups` groups of channels; groups = -1: one a channel. Variables: gamma,
/// beta [channels]. Wu & He 2018.
struct GroupNorm {
  Dim groups = 32;
  int axis = -1;  ///< of the channels
  Real epsilon = 1e-3;
  bool center = true, scale = true;
  Initializer beta_initializer = "zeros", gamma_initializer = "ones";
  Regularizer beta_regularizer = {}, gamma_regularizer = {};
  Constraint beta_constraint = {}, gamma_constraint = {};
  std::string name = {};
  Tensor call(const Tensor& x, Scope& s) const;
  Tensor operator()(const Tensor& x, CallOptions options = {}, Where where = Where::here()) &&;
  void fields(Fields& f);
};

/// Group normalization with a group for each channel: statistics over the spatial axes. Variables:
/// gamma, beta [channels]. Ulyanov et al. 2016.
struct InstanceNorm {
  int axis = -1;  ///< of the channels
  Real epsilon = 1e-3;
  bool center = true, scale = true;
  Initializer beta_initializer = "zeros", gamma_initializer = "ones";
  Regularizer beta_regularizer = {}, gamma_regularizer = {};
  Constraint beta_constraint = {}, gamma_constraint = {};
  std::string name = {};
  Tensor call(const Tensor& x, Scope& s) const;
  Tensor operator()(const Tensor& x, CallOptions options = {}, Where where = Where::here()) &&;
  void fields(Fields& f);
};

/// x / sqrt(mean(x^2) + epsilon) * scale, the mean over one axis. Variable: scale [features]. Zhang
/// & Sennrich 2019.
struct RMSNorm {
  int axis = -1;
  Real epsilon = 1e-6;
  std::string name = {};
  static constexpr Masks masks = Masks::by_step;
  Tensor call(const Tensor& x, Scope& s) const;
  Tensor operator()(const Tensor& x, CallOptions options = {}, Where where = Where::here()) &&;
  void fields(Fields& f);
};

/// x / (bias + alpha / size * sum of squares over `size` neighbouring channels)^beta. Of an even
/// size the odd neighbour is the next channel, as in ONNX; in PyTorch it is the one before.
/// AlexNet: size 5, alpha 5e-4, beta 0.75, bias 2. No variables. Krizhevsky et al. 2012.
struct LocalResponseNorm {
  Dim size = 5;
  Real alpha = 1e-4, beta = 0.75, bias = 1;
  int axis = -1;  ///< of the channels
  std::string name = {};
  static constexpr Masks masks = Masks::by_step;
  Tensor call(const Tensor& x, Scope& s) const;
  Tensor operator()(const Tensor& x, CallOptions options = {}, Where where = Where::here()) &&;
  void fields(Fields& f);
};

/// x / max(sqrt(sum(x^2)), 1e-12) over the axes: every sample has length 1.
struct UnitNorm {
  std::vector<int> axis = {-1};
  std::string name = {};
  static constexpr Masks masks = Masks::by_step;
  Tensor call(const Tensor& x, Scope& s) const;
  Tensor operator()(const Tensor& x, CallOptions options = {}, Where where = Where::here()) &&;
  void fields(Fields& f);
};

/// The part's weights as length times direction: kernel = g * v / |v| for each output, g trained
/// beside v. The part is any layer with a kernel (of a recurrent layer the one on x), or an
/// embedding. Outputs are the last axis; of a transposed convolution the filters; of a depthwise
/// one channels and depth_multiplier together; of EinsumDense the kernel's axes that the result
/// has. Inputs and results are the part's, masks and states too. Variables: g [outputs], which
/// begins as the length of the first kernel, for a separable convolution depthwise_g and
/// pointwise_g; those of the part, which is called layer, hold v. Salimans & Kingma 2016.
struct WeightNorm {
  Wrapped layer = {};
  std::string name = {};
  static constexpr Masks masks = Masks::own;
  Tensors call(const Tensors& x, Scope& s) const;
  Outputs operator()(const Tensors& x, CallOptions options = {}, Where where = Where::here()) &&;
  void fields(Fields& f);
};

/// The part's weights divided by their largest singular value, as a matrix [.., outputs], which
/// power iteration follows while training. Parts, outputs and results as WeightNorm. Variables:
/// vector_u [outputs], not trained, which begins with 15 steps on the first kernel (for a separable
/// convolution depthwise_vector_u and pointwise_vector_u); those of the part, which is called
/// layer. Miyato et al. 2018.
struct SpectralNorm {
  Wrapped layer = {};
  Dim power_iterations = 1;
  std::string name = {};
  static constexpr Masks masks = Masks::own;
  Tensors call(const Tensors& x, Scope& s) const;
  Outputs operator()(const Tensors& x, CallOptions options = {}, Where where = Where::here()) &&;
  void fields(Fields& f);
};

}  // namespace varve::nn
