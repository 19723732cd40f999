// room: ops
// Connectionist temporal classification: the loss of a sequence of labels whose places are unknown.
#pragma once
#include "varve/tensor.h"

namespace varve {

struct CtcOptions {
  int64_t blank = 0;          ///< the class that stands for no label
  Tensor input_lengths = {};  ///< integers [B]: how many steps count; empty: all
  Tensor label_lengths = {};  ///< integers [B]: how many labels count; empty: those before the
                              ///< first negative one
};

/// -log of the probability that a sequence of class draws, one a step, gives the labels once equal
/// neighbours are merged and blanks are left out; one loss a sample, by the forward recursion in
/// log space.
/// Shapes: log_probs [B, T, C] (log_softmax over C), labels [B, S] integers -> [B]. f16 and bf16
/// are computed in f32.
/// Labels that cannot be said in the steps there are (fewer steps than labels and repeats) give
/// infinity, with gradient 0. No labels at all mean blanks alone. A label or a length outside its
/// range is an IndexError when the loss is computed.
/// Throws ShapeError, DTypeError, IndexError for a blank outside the classes.
/// Source: Graves, Fernandez, Gomez and Schmidhuber 2006.
Tensor ctc_loss(const Operand& log_probs, const Operand& labels, const CtcOptions& options = {});

}  // namespace varve
