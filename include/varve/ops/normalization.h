// room: ops
// Softmax, and normalization by the moments of a tensor's own elements.
#pragma once
#include <vector>

#include "varve/tensor.h"

namespace varve {

/// exp(x[i]) / sum_j exp(x[j]) along the axis, shifted by the largest so that nothing overflows.
/// A row of -inf alone (everything masked) gives zeros; a row with +inf or NaN gives NaN. bool and
/// integers give f32.   Example: softmax(tensor({1.f, 2.f, 3.f})).to_doubles()
Tensor softmax(const Operand& x, int axis = -1);
/// log(softmax(x)) = x[i] - log sum_j exp(x[j]), exact where softmax rounds to 0. A row of -inf
/// alone stays -inf.
Tensor log_softmax(const Operand& x, int axis = -1);
/// 1 at the first of the largest along the axis, 0 elsewhere, in x's type. No gradient flows.
Tensor hardmax(const Operand& x, int axis = -1);

struct L2NormalizeOptions {
  std::vector<int> axes = {-1};
  Real epsilon = 1e-12;  ///< norms below it count as it (PyTorch)
};
/// x / max(sqrt(sum x^2), epsilon) over the axes.
Tensor l2_normalize(const Operand& x, const L2NormalizeOptions& options = {});

struct LayerNormOptions {
  std::vector<int> axes = {-1};    ///< over which each sample is normalized
  Tensor scale = {}, offset = {};  ///< of the shape of these axes; empty: 1 and 0
  Real epsilon = 1e-3;
};
/// Layer normalization: (x - mean) / sqrt(variance + epsilon) * scale + offset, with the mean and
/// the variance (divided by the count) of every sample over the axes. bool and integers give f32.
/// Throws IndexError for an axis outside the rank, ShapeError for a scale or offset of another
/// shape. Source: Ba, Kiros and Hinton 2016, "Layer normalization".
Tensor layer_norm(const Operand& x, const LayerNormOptions& options = {});

struct GroupNormOptions {
  Dim groups = 32;
  int axis = -1;                   ///< of the channels
  Tensor scale = {}, offset = {};  ///< of shape [channels]; empty: 1 and 0
  Real epsilon = 1e-3;
};
/// Group normalization: every sample (axis 0) is normalized over its other axes, channels in
/// groups. groups = channels is instance normalization. Throws ValueError where the groups do not
/// divide the channels. Source: Wu and He 2018, "Group normalization".
Tensor group_norm(const Operand& x, const GroupNormOptions& options = {});

struct InstanceNormOptions {
  int axis = -1;                   ///< of the channels
  Tensor scale = {}, offset = {};  ///< of shape [channels]; empty: 1 and 0
  Real epsilon = 1e-5;
};
/// Instance normalization: every channel of every sample is normalized over the spatial axes.
/// Throws ShapeError below rank 3 or for a scale or offset of another shape, IndexError for the
/// axis. Source: Ulyanov, Vedaldi and Lempitsky 2016, "Instance normalization".
Tensor instance_norm(const Operand& x, const InstanceNormOptions& options = {});

struct RmsNormOptions {
  std::vector<int> axes = {-1};  ///< over which each sample is normalized
  Tensor scale = {};             ///< of the shape of these axes; empty: 1
  Real epsilon = 1e-6;
};
/// x / sqrt(mean(x^2) + epsilon) * scale over the axes; halves are computed in f32. Throws as
/// layer_norm. Source: Zhang and Sennrich 2019, "Root mean square layer normalization".
Tensor rms_norm(const Operand& x, const RmsNormOptions& options = {});

struct LocalResponseNormOptions {
  Dim size = 5;  ///< channels of a window
  Real alpha = 1e-4, beta = 0.75, bias = 1;
  int axis = -1;  ///< of the channels
};
/// x / (bias + alpha / size * sum of squares)^beta, summed over the channels from c - floor((size -
/// 1) / 2) to c + ceil((size - 1) / 2) (as ONNX, and PyTorch for odd sizes). AlexNet's alpha is not
/// divided: 5e-4 here, with bias 2. Throws ValueError for a size below 1.
/// Source: Krizhevsky, Sutskever and Hinton 2012, "ImageNet classification".
Tensor local_response_norm(const Operand& x, const LocalResponseNormOptions& options = {});

struct BatchNormOptions {
  int axis = -1;                   ///< of the channels: statistics are over all other axes
  Tensor scale = {}, offset = {};  ///< of shape [channels]; empty: 1 and 0
  Real epsilon = 1e-3;
};
/// What batch_norm gives.
struct BatchNorm {
  Tensor output;
  Tensor mean, variance;  ///< of the batch, of shape [channels]; the variance divided by the count
};
/// Batch normalization as in training, by the statistics of the batch itself: (x - mean) /
/// sqrt(variance + epsilon) * scale + offset for each channel.
/// Throws ValueError where a channel has fewer than two values (a batch of one has no variance),
/// IndexError for the axis, ShapeError for a scale or offset of another shape.
/// Source: Ioffe and Szegedy 2015, "Batch normalization".
BatchNorm batch_norm(const Operand& x, const BatchNormOptions& options = {});
/// Batch normalization as in inference, by given statistics of shape [channels].
Tensor batch_norm_inference(const Operand& x, const Operand& mean, const Operand& variance,
                            const BatchNormOptions& options = {});

}  // namespace varve
