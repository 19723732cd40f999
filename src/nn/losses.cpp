#include "varve/losses.h"

#include "nn/targets.h"
#include "varve/ops/cross_entropy.h"
#include "varve/ops/indexing.h"
#include "varve/ops/pointwise.h"
#include "varve/ops/reduction.h"

namespace varve::losses {
namespace {

// Keras' epsilon: probabilities nearer to 0 or 1 count as that near.
constexpr double kNearest = 1e-7;

void label_smoothing_field(Fields& f, Real& value) {
  f("label_smoothing", value, "Share of the target spread over all classes.", {.min = 0, .max = 1});
}

// Classes, or a distribution over them. Throws ShapeError for predictions of one number.
nn::TargetKind categorical(const char* what, const Tensor& prediction, const Tensor& target) {
  const nn::TargetKind kind = nn::kind_of(what, prediction, target);
  if (kind != nn::TargetKind::binary) return kind;
  throw ShapeError(std::string(what) + ": prediction " + prediction.shape().to_string() +
                       ": expected 2 or more classes along the last axis",
                   "for one output use binary_cross_entropy or hinge");
}

// The target as a distribution over the prediction's last axis.
Tensor distribution(const char* what, const Tensor& prediction, const Tensor& target) {
  if (categorical(what, prediction, target) == nn::TargetKind::distribution) {
    return nn::align(what, prediction, target);
  }
  return one_hot(nn::class_indices(prediction, target), prediction.shape()[-1],
                 {.dtype = prediction.dtype()});
}

}  // namespace

Tensor CrossEntropy::operator()(const Tensor& prediction, const Tensor& target) const {
  constexpr const char* kName = "cross_entropy";
  if (from_logits) {
    const bool classes = categorical(kName, prediction, target) == nn::TargetKind::classes;
    return cross_entropy(
        prediction,
        classes ? nn::class_indices(prediction, target) : nn::align(kName, prediction, target),
        {.label_smoothing = label_smoothing});
  }
  Tensor y = distribution(kName, prediction, target);
  if (label_smoothing > 0) {
    y = y * (1 - label_smoothing) + label_smoothing / static_cast<double>(prediction.shape()[-1]);
  }
  const Tensor p = prediction / sum(prediction, {.axes = {-1}, .keep_dims = true});
  return -sum(y * log(clip(p, kNearest, 1 - kNearest)), {.axes = {-1}});
}
void CrossEntropy::fields(Fields& f) {
  f("from_logits", from_logits, "Predictions are scores before the softmax.");
  label_smoothing_field(f, label_smoothing);
}

Tensor BinaryCrossEntropy::operator()(const Tensor& prediction, const Tensor& target) const {
  Tensor y = nn::align("binary_cross_entropy", prediction, target);
  if (label_smoothing > 0) y = y * (1 - label_smoothing) + label_smoothing / 2.0;
  if (from_logits) return sigmoid_cross_entropy(prediction, y);
  const Tensor p = clip(prediction, kNearest, 1 - kNearest);
  return -(y * log(p) + (1 - y) * log(1 - p));
}
void BinaryCrossEntropy::fields(Fields& f) {
  f("from_logits", from_logits, "Predictions are scores before the sigmoid.");
  label_smoothing_field(f, label_smoothing);
}

Tensor MeanSquaredError::operator()(const Tensor& prediction, const Tensor& target) const {
  return square(prediction - nn::align("mean_squared_error", prediction, target));
}

Tensor MeanAbsoluteError::operator()(const Tensor& prediction, const Tensor& target) const {
  return abs(prediction - nn::align("mean_absolute_error", prediction, target));
}

Tensor Huber::operator()(const Tensor& prediction, const Tensor& target) const {
  const Tensor d = abs(prediction - nn::align("huber", prediction, target));
  return where(d <= delta, square(d) / 2, delta * d - delta * delta / 2);
}
void Huber::fields(Fields& f) {
  f("delta", delta, "Where the parabola turns into a line.", {.above = 0});
}

Tensor Hinge::operator()(const Tensor& prediction, const Tensor& target) const {
  const Tensor y = nn::align("hinge", prediction, target);
  return relu(margin - where(y == 0, -1, y) * prediction);
}
void Hinge::fields(Fields& f) {
  f("margin", margin, "By how much the right side must be reached.", {.min = 0});
}

Tensor CategoricalHinge::operator()(const Tensor& prediction, const Tensor& target) const {
  const Tensor y = distribution("categorical_hinge", prediction, target);
  const Tensor right = sum(y * prediction, {.axes = {-1}, .keep_dims = true});
  return sum((1 - y) * relu(prediction - right + margin), {.axes = {-1}});
}
void CategoricalHinge::fields(Fields& f) {
  f("margin", margin, "By how much the right class must lead.", {.min = 0});
}

}  // namespace varve::losses
