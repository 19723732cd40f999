// What the numbers are that a classifier gives, so that one rule tells classes of them everywhere:
// in metrics, reports and predictions.
#pragma once
#include "varve/losses.h"
#include "varve/nn/layer.h"

namespace varve::train {

enum class OutputKind {
  probabilities,  ///< class 1 is above 0.5
  logits,         ///< softmax makes probabilities of them, of one number the sigmoid: above 0
  yes_no_logits,  ///< the sigmoid of each is a probability: above 0
  margins,        ///< of hinge losses, and no probabilities: above 0
  numbers,        ///< of other losses, which lead them to 0 and 1, and no probabilities: above 0.5
};

/// A last layer that ends in softmax or sigmoid gives probabilities; else the loss says.
OutputKind output_kind(const Layer& model, const Loss& loss);

inline bool is_above_zero(OutputKind kind) {
  return kind == OutputKind::logits || kind == OutputKind::yes_no_logits ||
         kind == OutputKind::margins;
}
inline bool has_probabilities(OutputKind kind) {
  return kind != OutputKind::margins && kind != OutputKind::numbers;
}

}  // namespace varve::train
