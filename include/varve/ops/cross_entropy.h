// room: ops
// Cross-entropy of unnormalized log-probabilities (logits) and targets.
#pragma once
#include <optional>
#include <string>

#include "varve/tensor.h"

namespace varve {

struct CrossEntropyOptions {
  int axis = -1;  ///< of the classes
  /// Share of every target that is spread evenly over all C classes: (1 - s) target + s / C.
  Real label_smoothing = 0;
  /// A label whose samples give loss 0 and gradient 0.
  std::optional<int64_t> ignore_index = {};
  /// [C]: the loss of a label counts by its class's weight (that of probabilities: each term by its
  /// own). Empty: all 1.
  Tensor class_weights = {};
  /// "none", "sum", or "mean": of labels the sum divided by the sum of the weights of the labels
  /// that are not ignored (PyTorch, ONNX), of probabilities divided by the number of samples.
  std::string reduction = "none";
};

/// Softmax cross-entropy, one loss a sample: -sum_c target[c] log softmax(logits)[c].
/// Shapes: logits [..., C] and integer labels [...] (or [..., 1]) -> [...]; or targets of the shape
/// of the logits, probabilities or one-hot, of any type -> [...]. Computed as logsumexp(logits) -
/// logits[label], so that nothing overflows. A label outside 0..C-1 is an IndexError when the loss
/// is computed: "cross_entropy: target[37] = 10, expected 0..9".
/// Throws ShapeError where the shapes do not fit, ValueError unless 0 <= label_smoothing <= 1,
/// where ignore_index meets probabilities or for another reduction. Example: cross_entropy(logits,
/// labels)  // the mean of it is the usual loss; at first about log
/// C
Tensor cross_entropy(const Operand& logits, const Operand& target,
                     const CrossEntropyOptions& options = {});

struct NegativeLogLikelihoodOptions {
  int axis = -1;                             ///< of the classes
  std::optional<int64_t> ignore_index = {};  ///< as in CrossEntropyOptions
  Tensor class_weights = {};                 ///< as in CrossEntropyOptions
  std::string reduction = "none";            ///< as in CrossEntropyOptions
};
/// -weight[label] log_probs[label], one a sample: cross_entropy of what went through log_softmax.
/// Shapes: log_probs [..., C] and integer labels [...] (or [..., 1]) -> [...]. A label outside
/// 0..C-1 is an IndexError when the loss is computed.
Tensor negative_log_likelihood(const Operand& log_probs, const Operand& target,
                               const NegativeLogLikelihoodOptions& options = {});

/// Binary cross-entropy of a logit and a target in [0, 1], elementwise: softplus(x) - x target
/// = -target log sigmoid(x) - (1 - target) log(1 - sigmoid(x)). Operands broadcast.
Tensor sigmoid_cross_entropy(const Operand& logits, const Operand& target);

}  // namespace varve
