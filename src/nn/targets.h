// How targets are meant, by their shape and the prediction's; shared by losses and metrics.
#pragma once
#include <string>

#include "varve/tensor.h"

namespace varve::nn {

enum class TargetKind {
  binary,       ///< one number an element, as many as the prediction has
  classes,      ///< integer classes along the prediction's last axis
  distribution  ///< the prediction's shape: one-hot rows, or probabilities
};

/// Throws ShapeError or DTypeError where they do not belong together; `what` begins the text.
TargetKind kind_of(const char* what, const Tensor& prediction, const Tensor& target);
/// The target in the prediction's shape where they differ by a last axis of 1 alone, else as it is:
/// [n] and [n, 1] would broadcast to [n, n], which nobody means.
Tensor beside(const Tensor& prediction, const Tensor& target);
/// The target in the prediction's type and, as beside it, in its shape; nothing else is stretched.
Tensor align(const char* what, const Tensor& prediction, const Tensor& target);
/// Integer classes in the prediction's shape without its last axis. Needs: kind classes.
Tensor class_indices(const Tensor& prediction, const Tensor& target);

}  // namespace varve::nn
