#include "nn/loss_targets.h"

#include "varve/error.h"
#include "varve/ops/indexing.h"

namespace varve::nn {

TargetKind categorical(const char* what, const Tensor& prediction, const Tensor& target) {
  const TargetKind kind = kind_of(what, prediction, target);
  if (kind != TargetKind::binary) return kind;
  throw ShapeError(std::string(what) + ": prediction " + prediction.shape().to_string() +
                       ": expected 2 or more classes along the last axis",
                   "for one output use binary_cross_entropy or hinge");
}

Tensor distribution(const char* what, const Tensor& prediction, const Tensor& target) {
  if (categorical(what, prediction, target) == TargetKind::distribution) {
    return align(what, prediction, target);
  }
  return one_hot(class_indices(prediction, target), prediction.shape()[-1],
                 {.dtype = prediction.dtype()});
}

}  // namespace varve::nn
