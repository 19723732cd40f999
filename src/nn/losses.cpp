#include "varve/losses.h"

#include "nn/targets.h"
#include "varve/ops/pointwise.h"
#include "varve/ops/reduction.h"

namespace varve::losses {
namespace {

// Keras' epsilon: probabilities nearer to 0 or 1 count as that near.
constexpr double kNearest = 1e-7;

void label_smoothing_field(Fields& f, Real& value) {
  f("label_smoothing", value, "Share of the target spread over all classes.", {.min = 0, .max = 1});
}

// The target as a distribution over the prediction's last axis.
Tensor distribution(const char* what, const Tensor& prediction, const Tensor& target) {
  switch (nn::kind_of(what, prediction, target)) {
    case nn::TargetKind::classes:
      return nn::one_hot_rows(nn::class_indices(prediction, target), prediction.shape()[-1],
                              prediction.dtype());
    case nn::TargetKind::distribution:
      return nn::align(what, prediction, target);
    default:
      throw ShapeError(std::string(what) + ": prediction " + prediction.shape().to_string() +
                           ": expected 2 or more classes along the last axis",
                       "for one output use binary_cross_entropy or hinge");
  }
}

}  // namespace

Tensor CrossEntropy::operator()(const Tensor& prediction, const Tensor& target) const {
  Tensor y = distribution("cross_entropy", prediction, target);
  if (label_smoothing > 0) {
    y = y * (1 - label_smoothing) + label_smoothing / static_cast<double>(prediction.shape()[-1]);
  }
  if (from_logits) {
    const Tensor lse = logsumexp(prediction, {.axes = {-1}, .keep_dims = true});
    return sum(y * (lse - prediction), {.axes = {-1}});
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
  if (from_logits) return softplus(prediction) - prediction * y;
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
  return where(d <= delta.value, square(d) / 2, d * delta.value - delta * delta / 2);
}
void Huber::fields(Fields& f) {
  f("delta", delta, "Where the parabola turns into a line.", {.above = 0});
}

Tensor Hinge::operator()(const Tensor& prediction, const Tensor& target) const {
  const Tensor y = nn::align("hinge", prediction, target);
  return relu(margin.value - where(y == 0, -1, y) * prediction);
}
void Hinge::fields(Fields& f) {
  f("margin", margin, "By how much the right side must be reached.", {.min = 0});
}

Tensor CategoricalHinge::operator()(const Tensor& prediction, const Tensor& target) const {
  const Tensor y = distribution("categorical_hinge", prediction, target);
  const Tensor right = sum(y * prediction, {.axes = {-1}, .keep_dims = true});
  return sum((1 - y) * relu(prediction - right + margin.value), {.axes = {-1}});
}
void CategoricalHinge::fields(Fields& f) {
  f("margin", margin, "By how much the right class must lead.", {.min = 0});
}

}  // namespace varve::losses
