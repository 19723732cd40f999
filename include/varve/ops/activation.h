// room: ops
// Activations beyond those of pointwise.h: with parameters, with kinks, over an axis, random.
// Elementwise ones take integers as f32; what is not said of an argument is its default there.
#pragma once
#include <limits>

#include "varve/tensor.h"

namespace varve {

struct SoftplusOptions {
  Real beta = 1;
  /// Where beta x is above it the result is x itself, with slope 1 (PyTorch: 20).
  Real threshold = std::numeric_limits<double>::infinity();
};
/// log(1 + exp(beta x)) / beta. Throws ValueError unless beta > 0.
Tensor softplus(const Operand& x, const SoftplusOptions& options);
/// x sigmoid(beta x), beta a number or a tensor (it may be learned): beta 0 gives x / 2, beta to
/// infinity relu(x). With beta 1 the minimum is -0.27846 at -1.278. Ramachandran et al. 2017.
Tensor swish(const Operand& x, const Operand& beta);
/// x sigmoid(1.702 x), an approximation of gelu (Hendrycks & Gimpel 2016).
Tensor quick_gelu(const Operand& x);
/// max(0, x) + min(0, alpha (exp(x / alpha) - 1)), of slope 1 at 0 whatever alpha (Barron 2017).
/// Throws ValueError unless alpha > 0.
Tensor celu(const Operand& x, Real alpha = 1);
/// x where x >= 0, else slope * x; the slope broadcasts and may be learned (He et al. 2015).
Tensor prelu(const Operand& x, const Operand& slope);
/// x where x > threshold, else 0 (Konda et al. 2014).
Tensor thresholded_relu(const Operand& x, Real threshold = 1);

struct HardSigmoidOptions {
  Real alpha = 1. / 6, beta = 0.5;  ///< ONNX: 0.2 and 0.5
};
/// clip(alpha x + beta, 0, 1).
Tensor hard_sigmoid(const Operand& x, const HardSigmoidOptions& options);
/// x hard_sigmoid(x), also called hard SiLU (Howard et al. 2019).
Tensor hard_swish(const Operand& x);
/// clip(x, low, high).
Tensor hard_tanh(const Operand& x, Real low = -1, Real high = 1);
/// x where |x| > lambda, else 0. Throws ValueError where lambda is negative.
Tensor hard_shrink(const Operand& x, Real lambda = 0.5);
/// x moved by lambda towards 0, which it does not pass. Throws ValueError where lambda is negative.
Tensor soft_shrink(const Operand& x, Real lambda = 0.5);
/// x - tanh(x).
Tensor tanh_shrink(const Operand& x);
/// (x + sqrt(x^2 + b)) / 2. Throws ValueError unless b > 0. Barron 2021.
Tensor squareplus(const Operand& x, Real b = 4);
/// 0 up to -1, (x + 1)^2 / 4 between, x from 1 on (Keras).
Tensor sparse_plus(const Operand& x);
/// clip((x + 1) / 2, 0, 1) (Keras).
Tensor sparse_sigmoid(const Operand& x);
/// 0 below 0, 1 above, `at_zero` at 0: 1 for the step that starts there, 0 for the perceptron's
/// strict x > 0, 1/2 for Heaviside's. NaN stays. Slope 0.
Tensor step(const Operand& x, const Operand& at_zero = 1);

/// softmax(-x).
Tensor softmin(const Operand& x, int axis = -1);
/// The point of the probability simplex nearest to x, along an axis: max(x - t, 0) with t such that
/// they sum to 1. Many elements are exactly 0. Martins & Astudillo 2016.
Tensor sparsemax(const Operand& x, int axis = -1);
/// The largest of each `pieces` neighbours along an axis: [..., units * pieces] -> [..., units].
/// Throws ShapeError where the size is no multiple. Goodfellow et al. 2013.
Tensor maxout(const Operand& x, Dim pieces, int axis = -1);
/// a sigmoid(b), with a and b the halves of an axis. Throws ShapeError for an odd size. Dauphin et
/// al. 2017.
Tensor glu(const Operand& x, int axis = -1);
/// silu(a) b, with a and b the halves of an axis: the first one is the gate. Shazeer 2020.
Tensor swiglu(const Operand& x, int axis = -1);
/// gelu(a) b, as swiglu.
Tensor geglu(const Operand& x, int axis = -1);

struct RandomReluOptions {
  Real lower = 1. / 8, upper = 1. / 3;
};
/// x where x >= 0, else slope * x with a slope drawn uniformly from [lower, upper) for each
/// element. When not training use leaky_relu with their mean. Throws ValueError unless
/// lower <= upper. Xu et al. 2015.
Tensor random_relu(const Operand& x, const Key& key, const RandomReluOptions& options = {});

}  // namespace varve
