// Targets of classification losses.
#pragma once
#include "nn/targets.h"

namespace varve::nn {

/// Classes, or a distribution over them. Throws ShapeError for predictions of one number.
TargetKind categorical(const char* what, const Tensor& prediction, const Tensor& target);
/// The target as a distribution over the prediction's last axis.
Tensor distribution(const char* what, const Tensor& prediction, const Tensor& target);

}  // namespace varve::nn
