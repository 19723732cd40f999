#include "varve/metrics.h"

#include <algorithm>
#include <cmath>

#include "nn/choice_table.h"
#include "nn/targets.h"
#include "varve/ops/indexing.h"
#include "varve/ops/pointwise.h"
#include "varve/ops/reduction.h"
#include "varve/ops/shape.h"

namespace varve::metrics {
namespace {

void name_field(Fields& f, std::string& name) { f("name", name, "What logs call it."); }
void threshold_field(Fields& f, std::optional<double>& value) {
  f("threshold", value, "Above it is class 1; without it 0.5, or 0 for logits.");
}
void average_fields(Fields& f, Average& average, std::optional<double>& threshold,
                    std::string& name) {
  f("average", average, "How several classes are put together: macro, weighted or micro.");
  threshold_field(f, threshold);
  name_field(f, name);
}

double ratio(double a, double b) { return b == 0 ? 0 : a / b; }

// Weights as a tensor that broadcasts along the trailing axes of x.
Tensor weights_along(const Tensor& weights, const Tensor& x) {
  std::vector<int64_t> dims(static_cast<size_t>(x.rank()), 1);
  dims[0] = weights.shape()[0];
  return reshape(weights, Shape(dims));
}

// The statistics of a weighted mean over samples; other axes are averaged first.
Tensor mean_statistics(const Tensor& x, const Tensor& weights) {
  std::vector<int> axes;
  for (int i = 1; i < x.rank(); ++i) axes.push_back(i);
  const Tensor value = cast(x, f32);
  const Tensor per_sample = axes.empty() ? value : mean(value, {.axes = axes});
  return stack({sum(per_sample * weights), sum(weights)});
}

// Sums over all elements of weighted f64 terms, and of the weights.
Tensor element_sums(const MetricInput& in, const std::vector<Tensor>& terms) {
  const Tensor w = broadcast_to(cast(weights_along(in.weights, terms[0]), f64), terms[0].shape());
  std::vector<Tensor> sums;
  for (const Tensor& t : terms) sums.push_back(sum(t * w));
  sums.push_back(sum(w));
  return stack(Tensors(sums));
}

double threshold_of(const std::optional<double>& given, const MetricInput& in) {
  return given.value_or(in.from_logits ? 0.0 : 0.5);
}

// Right classes as integers, of the prediction's shape without its last axis.
Tensor right_classes(const char* what, const MetricInput& in) {
  switch (nn::kind_of(what, in.prediction, in.target)) {
    case nn::TargetKind::classes:
      return cast(nn::class_indices(in.prediction, in.target), i64);
    case nn::TargetKind::distribution:
      return argmax(in.target, {.axis = -1});
    default:
      throw ShapeError(std::string(what) + ": expected 2 or more classes, prediction is " +
                       in.prediction.shape().to_string());
  }
}

// [3, classes]: hits, predictions and cases of each class, weighted.
Tensor confusion(const char* what, const MetricInput& in, const std::optional<double>& threshold) {
  Tensor said, is;
  if (nn::kind_of(what, in.prediction, in.target) == nn::TargetKind::binary) {
    said = cast(in.prediction > threshold_of(threshold, in), f32);
    is = cast(cast(nn::align(what, in.prediction, in.target), f32) > 0.5, f32);
    if (said.rank() == 1) {
      said = expand_dims(said, 1);
      is = expand_dims(is, 1);
    }
  } else {
    const int64_t classes = in.prediction.shape()[-1];
    said = one_hot(argmax(in.prediction, {.axis = -1}), classes);
    is = one_hot(right_classes(what, in), classes);
  }
  const Tensor w = weights_along(in.weights, said);
  std::vector<int> axes;
  for (int i = 0; i + 1 < said.rank(); ++i) axes.push_back(i);
  return stack({sum(said * is * w, {.axes = axes}), sum(said * w, {.axes = axes}),
                sum(is * w, {.axes = axes})});
}

// Puts together one number a class: value(hits, predictions, cases).
template <class F>
double averaged(std::span<const double> totals, Average average, F value) {
  const size_t n = totals.size() / 3;
  const auto hits = totals.subspan(0, n), said = totals.subspan(n, n), is = totals.subspan(2 * n);
  if (average.kind == Average::Kind::micro) {
    double h = 0, s = 0, c = 0;
    for (size_t i = 0; i < n; ++i) h += hits[i], s += said[i], c += is[i];
    return value(h, s, c);
  }
  const bool weighted = average.kind == Average::Kind::weighted && n > 1;
  double result = 0, weight = 0;
  for (size_t i = 0; i < n; ++i) {
    if (said[i] + is[i] == 0 && n > 1) continue;
    const double w = weighted ? is[i] : 1;
    result += w * value(hits[i], said[i], is[i]);
    weight += w;
  }
  return ratio(result, weight);
}

double mean_of(std::span<const double> totals) {
  return totals[1] == 0 ? std::nan("") : totals[0] / totals[1];
}

}  // namespace

std::string Average::config() const {
  return kind == Kind::macro ? "\"macro\"" : kind == Kind::micro ? "\"micro\"" : "\"weighted\"";
}
Average Average::from_config(std::string_view json) {
  for (Kind k : {Kind::macro, Kind::weighted, Kind::micro}) {
    if (Average(k).config() == json) return Average(k);
  }
  throw ConfigError("expected \"macro\", \"weighted\" or \"micro\", got " + escaped(json));
}

Tensor Accuracy::statistics(const MetricInput& in) const {
  if (nn::kind_of("accuracy", in.prediction, in.target) == nn::TargetKind::binary) {
    const Tensor y = cast(nn::align("accuracy", in.prediction, in.target), f32);
    return mean_statistics((in.prediction > threshold_of(threshold, in)) == (y > 0.5), in.weights);
  }
  return mean_statistics(argmax(in.prediction, {.axis = -1}) == right_classes("accuracy", in),
                         in.weights);
}
double Accuracy::result(std::span<const double> totals) const { return mean_of(totals); }
void Accuracy::fields(Fields& f) {
  threshold_field(f, threshold);
  name_field(f, name);
}

Tensor TopK::statistics(const MetricInput& in) const {
  const Tensor y = expand_dims(right_classes("top_k", in), -1);
  const Tensor score = take_along_axis(in.prediction, y, -1);
  const Tensor before =
      logical_or(in.prediction > score,
                 logical_and(in.prediction == score, arange(in.prediction.shape()[-1]) < y));
  return mean_statistics(count_nonzero(before, {.axes = {-1}}) < k.value, in.weights);
}
double TopK::result(std::span<const double> totals) const { return mean_of(totals); }
void TopK::fields(Fields& f) {
  f("k", k, "How many of the largest count.", {.min = 1});
  name_field(f, name);
}

Tensor Precision::statistics(const MetricInput& in) const {
  return confusion("precision", in, threshold);
}
double Precision::result(std::span<const double> totals) const {
  return averaged(totals, average, [](double h, double said, double) { return ratio(h, said); });
}
void Precision::fields(Fields& f) { average_fields(f, average, threshold, name); }

Tensor Recall::statistics(const MetricInput& in) const {
  return confusion("recall", in, threshold);
}
double Recall::result(std::span<const double> totals) const {
  return averaged(totals, average, [](double h, double, double is) { return ratio(h, is); });
}
void Recall::fields(Fields& f) { average_fields(f, average, threshold, name); }

Tensor F1::statistics(const MetricInput& in) const { return confusion("f1", in, threshold); }
double F1::result(std::span<const double> totals) const {
  return averaged(totals, average,
                  [](double h, double said, double is) { return ratio(2 * h, said + is); });
}
void F1::fields(Fields& f) { average_fields(f, average, threshold, name); }

Tensor Mean::statistics(const MetricInput& in) const {
  return mean_statistics(in.prediction, in.weights);
}
double Mean::result(std::span<const double> totals) const { return mean_of(totals); }
void Mean::fields(Fields& f) { name_field(f, name); }

template <class L>
Tensor MeanOf<L>::statistics(const MetricInput& in) const {
  L l = loss;
  if constexpr (requires { l.from_logits; }) l.from_logits |= in.from_logits;
  return mean_statistics(l(in.prediction, in.target), in.weights);
}
template <class L>
double MeanOf<L>::result(std::span<const double> totals) const {
  return mean_of(totals);
}
template <class L>
void MeanOf<L>::fields(Fields& f) {
  varve::detail::visit_fields(loss, f);
  name_field(f, name);
}
template struct MeanOf<losses::MeanSquaredError>;
template struct MeanOf<losses::MeanAbsoluteError>;
template struct MeanOf<losses::Huber>;
template struct MeanOf<losses::CrossEntropy>;
template struct MeanOf<losses::BinaryCrossEntropy>;

Tensor RootMeanSquaredError::statistics(const MetricInput& in) const {
  const Tensor y = nn::align("root_mean_squared_error", in.prediction, in.target);
  return element_sums(in, {square(cast(in.prediction - y, f64))});
}
double RootMeanSquaredError::result(std::span<const double> totals) const {
  return std::sqrt(mean_of(totals));
}
void RootMeanSquaredError::fields(Fields& f) { name_field(f, name); }

Tensor R2::statistics(const MetricInput& in) const {
  const Tensor y = cast(nn::align("r2", in.prediction, in.target), f64);
  return element_sums(in, {square(cast(in.prediction, f64) - y), y, square(y)});
}
double R2::result(std::span<const double> totals) const {
  const double spread = totals[2] - totals[1] * totals[1] / totals[3];
  return spread > 0 ? 1 - totals[0] / spread : std::nan("");
}
void R2::fields(Fields& f) { name_field(f, name); }

Tensor AUC::statistics(const MetricInput& in) const {
  if (nn::kind_of("auc", in.prediction, in.target) != nn::TargetKind::binary) {
    throw ShapeError(
        "auc: expected predictions of one number, got " + in.prediction.shape().to_string(),
        "one unit and binary_cross_entropy give one number: that for class 1");
  }
  const Tensor y = flatten(cast(nn::align("auc", in.prediction, in.target), f32), 0);
  const Tensor p = flatten(in.from_logits ? sigmoid(in.prediction) : in.prediction, 0);
  const Tensor bin = cast(clip(floor(p * static_cast<double>(bins)), 0, bins.value - 1), i64);
  const Tensor w =
      flatten(broadcast_to(weights_along(in.weights, in.prediction), in.prediction.shape()), 0);
  return stack({segment_sum(w * y, bin, bins), segment_sum(w * (1 - y), bin, bins)});
}
double AUC::result(std::span<const double> totals) const {
  const size_t n = totals.size() / 2;
  double positives = 0, negatives = 0, pairs = 0;
  for (size_t i = 0; i < n; ++i) {
    pairs += totals[i] * (negatives + totals[n + i] / 2);
    positives += totals[i];
    negatives += totals[n + i];
  }
  return positives * negatives > 0 ? pairs / (positives * negatives) : std::nan("");
}
void AUC::fields(Fields& f) {
  f("bins", bins, "Of the histogram of probabilities.", {.min = 2});
  name_field(f, name);
}

}  // namespace varve::metrics
