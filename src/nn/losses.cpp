#include "varve/losses.h"

#include <numbers>

#include "nn/loss_targets.h"
#include "varve/ops/cross_entropy.h"
#include "varve/ops/indexing.h"
#include "varve/ops/normalization.h"
#include "varve/ops/pointwise.h"
#include "varve/ops/reduction.h"

namespace varve::losses {
namespace {

// Keras' epsilon: probabilities nearer to 0 or 1 count as that near.
constexpr double kNearest = 1e-7;

void label_smoothing_field(Fields& f, Real& value) {
  f("label_smoothing", value, "Share of the target spread over all classes.", {.min = 0, .max = 1});
}

void class_weights_field(Fields& f, std::vector<double>& value) {
  f("class_weights", value, "How much each class counts; none: all alike.", {.min = 0});
}

// y (1 - s) + s / n.
Tensor smoothed(const Tensor& y, double s, double n) { return s > 0 ? y * (1 - s) + s / n : y; }

// Weights of the classes along the last axis; not defined where there are none.
Tensor weights_of(const char* what, const std::vector<double>& weights, const Tensor& prediction) {
  if (weights.empty()) return {};
  if (prediction.rank() == 0 || static_cast<int64_t>(weights.size()) != prediction.shape()[-1]) {
    throw ShapeError(std::string(what) + ": class_weights: " + std::to_string(weights.size()) +
                     " for predictions " + prediction.shape().to_string());
  }
  return cast(tensor(weights, {static_cast<int64_t>(weights.size())}), prediction.dtype());
}

// Losses of labels, where some are ignored, such that the mean is that of the others.
Tensor mean_of_others(const Tensor& loss, const Tensor& labels,
                      const std::optional<int64_t>& ignored) {
  if (!ignored) return loss;
  const Tensor counts = cast(labels != *ignored, loss.dtype());
  return loss * (static_cast<double>(loss.shape().size()) / maximum(sum(counts), 1));
}

// Halves as f32: in them 1 - kNearest is 1, and quotients of probabilities overflow.
Tensor widened(const Tensor& x) { return x.dtype() == f16 || x.dtype() == bf16 ? cast(x, f32) : x; }
// What came of such, in the type that the prediction had.
Tensor as_given(const Tensor& loss, const Tensor& prediction) {
  return loss.dtype() == prediction.dtype() ? loss : cast(loss, prediction.dtype());
}

// Probabilities along the last axis: divided by their sum, away from 0 and 1.
Tensor clipped_rows(const Tensor& p) {
  return clip(p / sum(p, {.axes = {-1}, .keep_dims = true}), kNearest, 1 - kNearest);
}

}  // namespace

Tensor CrossEntropy::operator()(const Tensor& prediction, const Tensor& target) const {
  constexpr const char* kName = "cross_entropy";
  const bool classes = nn::categorical(kName, prediction, target) == nn::TargetKind::classes;
  const Tensor y =
      classes ? nn::class_indices(prediction, target) : nn::align(kName, prediction, target);
  if (ignore_index && !classes) {
    throw ValueError("cross_entropy: ignore_index needs classes, the targets are rows " +
                     target.shape().to_string());
  }
  const Tensor weights = weights_of(kName, class_weights, prediction);
  if (from_logits) {
    const Tensor loss = cross_entropy(prediction, y,
                                      {.label_smoothing = label_smoothing,
                                       .ignore_index = ignore_index,
                                       .class_weights = weights});
    return mean_of_others(loss, y, ignore_index);
  }
  const int64_t count = prediction.shape()[-1];
  Tensor q = y;
  if (classes) {
    q = one_hot(ignore_index ? where(y == *ignore_index, 0, y) : y, count,
                {.dtype = prediction.dtype()});
  }
  q = smoothed(widened(q), label_smoothing, static_cast<double>(count));
  if (weights.defined()) q = q * weights;
  const Tensor loss =
      as_given(-sum(q * log(clipped_rows(widened(prediction))), {.axes = {-1}}), prediction);
  if (!ignore_index) return loss;
  return mean_of_others(where(y == *ignore_index, 0, loss), y, ignore_index);
}
void CrossEntropy::fields(Fields& f) {
  f("from_logits", from_logits, "Predictions are scores before the softmax.");
  label_smoothing_field(f, label_smoothing);
  f("ignore_index", ignore_index, "A class whose samples do not count.");
  class_weights_field(f, class_weights);
}

Tensor NegativeLogLikelihood::operator()(const Tensor& prediction, const Tensor& target) const {
  constexpr const char* kName = "negative_log_likelihood";
  if (nn::categorical(kName, prediction, target) != nn::TargetKind::classes) {
    throw ShapeError("negative_log_likelihood: expected targets that are classes, got rows " +
                     target.shape().to_string());
  }
  const Tensor y = nn::class_indices(prediction, target);
  const Tensor loss =
      negative_log_likelihood(prediction, y,
                              {.ignore_index = ignore_index,
                               .class_weights = weights_of(kName, class_weights, prediction)});
  return mean_of_others(loss, y, ignore_index);
}
void NegativeLogLikelihood::fields(Fields& f) {
  f("ignore_index", ignore_index, "A class whose samples do not count.");
  class_weights_field(f, class_weights);
}

Tensor BinaryCrossEntropy::operator()(const Tensor& prediction, const Tensor& target) const {
  constexpr const char* kName = "binary_cross_entropy";
  const double w = positive_weight;
  if (from_logits) {
    const Tensor y = smoothed(nn::align(kName, prediction, target), label_smoothing, 2);
    if (w == 1) return sigmoid_cross_entropy(prediction, y);
    return (1 - y) * prediction + (1 + (w - 1) * y) * softplus(-prediction);
  }
  const Tensor given = widened(prediction), p = clip(given, kNearest, 1 - kNearest);
  const Tensor y = smoothed(nn::align(kName, given, target), label_smoothing, 2);
  return as_given(-(w * y * log(p) + (1 - y) * log(1 - p)), prediction);
}
void BinaryCrossEntropy::fields(Fields& f) {
  f("from_logits", from_logits, "Predictions are scores before the sigmoid.");
  label_smoothing_field(f, label_smoothing);
  f("positive_weight", positive_weight, "How much positives count.", {.min = 0});
}

Tensor BinaryFocal::operator()(const Tensor& prediction, const Tensor& target) const {
  const Tensor given = widened(prediction);
  const Tensor y = smoothed(nn::align("binary_focal", given, target), label_smoothing, 2);
  const Tensor p = clip(from_logits ? sigmoid(given) : given, kNearest, 1 - kNearest);
  const Tensor bce =
      from_logits ? sigmoid_cross_entropy(given, y) : -(y * log(p) + (1 - y) * log(1 - p));
  const Tensor missed = 1 - (y * p + (1 - y) * (1 - p));
  Tensor loss = power(missed, gamma.value) * bce;
  if (alpha) loss = loss * (y * *alpha + (1 - y) * (1 - *alpha));
  return as_given(loss, prediction);
}
void BinaryFocal::fields(Fields& f) {
  f("from_logits", from_logits, "Predictions are scores before the sigmoid.");
  f("gamma", gamma, "How much less easy examples count.", {.min = 0});
  f("alpha", alpha, "How much positives count, 0 to 1; none: all alike.", {.min = 0, .max = 1});
  label_smoothing_field(f, label_smoothing);
}

Tensor CategoricalFocal::operator()(const Tensor& prediction, const Tensor& target) const {
  constexpr const char* kName = "categorical_focal";
  const Tensor y = smoothed(nn::distribution(kName, prediction, target), label_smoothing,
                            static_cast<double>(prediction.shape()[-1]));
  const Tensor given = widened(prediction);
  const Tensor log_p = from_logits ? log_softmax(given) : log(clipped_rows(given));
  const Tensor p = from_logits ? clip(exp(log_p), kNearest, 1 - kNearest) : exp(log_p);
  // A class of probability 0 says nothing, even where its logit is -inf.
  Tensor terms = where(y == 0, 0, y * log_p) * power(1 - p, gamma.value);
  const Tensor weights = weights_of(kName, class_weights, prediction);
  if (weights.defined()) terms = terms * weights;
  return as_given(-alpha.value * sum(terms, {.axes = {-1}}), prediction);
}
void CategoricalFocal::fields(Fields& f) {
  f("from_logits", from_logits, "Predictions are scores before the softmax.");
  f("gamma", gamma, "How much less easy examples count.", {.min = 0});
  f("alpha", alpha, "Factor of all.", {.min = 0});
  label_smoothing_field(f, label_smoothing);
  class_weights_field(f, class_weights);
}

Tensor KLDivergence::operator()(const Tensor& prediction, const Tensor& target) const {
  const Tensor y = nn::align("kl_divergence", prediction, target);
  if (log_prediction) {
    const Tensor safe = where(y > 0, y, 1);
    return sum(where(y > 0, y * (log(safe) - prediction), 0), {.axes = {-1}});
  }
  const Tensor q = clip(widened(y), kNearest, 1), p = clip(widened(prediction), kNearest, 1);
  return as_given(sum(q * log(q / p), {.axes = {-1}}), prediction);
}
void KLDivergence::fields(Fields& f) {
  f("log_prediction", log_prediction, "Predictions are log-probabilities.");
}

Tensor Poisson::operator()(const Tensor& prediction, const Tensor& target) const {
  const Tensor y = nn::align("poisson", prediction, target);
  const Tensor loss =
      log_input ? exp(prediction) - y * prediction : prediction - y * log(prediction + kNearest);
  if (!full) return loss;
  const Tensor safe = where(y > 1, y, 1);
  const Tensor stirling = safe * log(safe) - safe + 0.5 * log(2 * std::numbers::pi * safe);
  return loss + where(y > 1, stirling, 0);
}
void Poisson::fields(Fields& f) {
  f("log_input", log_input, "Predictions are logarithms.");
  f("full", full, "With Stirling's approximation of the constant.");
}

Tensor MeanSquaredError::operator()(const Tensor& prediction, const Tensor& target) const {
  return square(prediction - nn::align("mean_squared_error", prediction, target));
}

Tensor MeanAbsoluteError::operator()(const Tensor& prediction, const Tensor& target) const {
  return abs(prediction - nn::align("mean_absolute_error", prediction, target));
}

Tensor MeanAbsolutePercentageError::operator()(const Tensor& prediction,
                                               const Tensor& target) const {
  const Tensor y = nn::align("mean_absolute_percentage_error", prediction, target);
  return 100 * abs(prediction - y) / maximum(abs(y), kNearest);
}

Tensor MeanSquaredLogarithmicError::operator()(const Tensor& prediction,
                                               const Tensor& target) const {
  const Tensor y = nn::align("mean_squared_logarithmic_error", prediction, target);
  return square(log1p(maximum(prediction, kNearest)) - log1p(maximum(y, kNearest)));
}

Tensor LogCosh::operator()(const Tensor& prediction, const Tensor& target) const {
  const Tensor d = prediction - nn::align("log_cosh", prediction, target);
  return d + softplus(-2 * d) - std::numbers::ln2;
}

Tensor Huber::operator()(const Tensor& prediction, const Tensor& target) const {
  const Tensor d = abs(prediction - nn::align("huber", prediction, target));
  return where(d <= delta, square(d) / 2, delta * d - delta * delta / 2);
}
void Huber::fields(Fields& f) {
  f("delta", delta, "Where the parabola turns into a line.", {.above = 0});
}

Tensor SmoothL1::operator()(const Tensor& prediction, const Tensor& target) const {
  const Tensor d = abs(prediction - nn::align("smooth_l1", prediction, target));
  return where(d < beta, square(d) / (2 * beta), d - beta / 2);
}
void SmoothL1::fields(Fields& f) {
  f("beta", beta, "Where the parabola turns into a line.", {.above = 0});
}

Tensor Quantile::operator()(const Tensor& prediction, const Tensor& target) const {
  const Tensor d = nn::align("quantile", prediction, target) - prediction;
  return maximum(quantile * d, (quantile - 1) * d);
}
void Quantile::fields(Fields& f) {
  f("quantile", quantile, "Which quantile, 0 to 1.", {.above = 0, .below = 1});
}

Tensor CosineSimilarity::operator()(const Tensor& prediction, const Tensor& target) const {
  constexpr const char* kName = "cosine_similarity";
  const Tensor given = widened(prediction), y = nn::align(kName, given, target);
  if (prediction.rank() < 2) {
    throw ShapeError("cosine_similarity: expected vectors [batch, ..., n], got " +
                     prediction.shape().to_string());
  }
  const auto unit = [](const Tensor& x) {
    // Keras' least squared length.
    return x * rsqrt(maximum(sum(square(x), {.axes = {-1}, .keep_dims = true}), 1e-12));
  };
  return as_given(-sum(unit(given) * unit(y), {.axes = {-1}}), prediction);
}

}  // namespace varve::losses
