// room: train
// Metrics: what is reported of predictions, summed up over batches.
#pragma once
#include <concepts>
#include <initializer_list>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "varve/fields.h"
#include "varve/losses.h"
#include "varve/tensor.h"

namespace varve {

/// What a metric sees of a batch.
struct MetricInput {
  const Tensor& prediction;
  const Tensor& target;
  const Tensor& weights;     ///< f32 [batch]; ones where samples are not weighted
  bool from_logits = false;  ///< predictions are scores before the sigmoid or softmax
};

namespace detail {

struct MetricRule {
  virtual ~MetricRule() = default;
  virtual Tensor statistics(const MetricInput& in) const = 0;
  virtual double result(std::span<const double> totals) const = 0;
  virtual void fields(Fields&) = 0;
  virtual std::string_view spelling() const = 0;
  virtual std::string given_name() const = 0;
};
template <class S>
struct MetricOf final : MetricRule {
  S spec;
  explicit MetricOf(S s) : spec(std::move(s)) {}
  Tensor statistics(const MetricInput& in) const override { return spec.statistics(in); }
  double result(std::span<const double> totals) const override { return spec.result(totals); }
  void fields(Fields& f) override { visit_fields(spec, f); }
  std::string_view spelling() const override { return spelled<S>(); }
  std::string given_name() const override {
    if constexpr (requires { std::string(spec.name); }) {
      return spec.name;
    } else {
      return {};
    }
  }
};
struct MetricState;

}  // namespace detail

/// A metric spec: a copyable struct that reduces a batch to a few sums and, at the end, makes one
/// number of the totals:
///     Tensor statistics(const MetricInput&) const;               // any shape, the same each time
///     double result(std::span<const double> totals) const;       // row-major
/// A member `std::string name` names it in logs.
template <class S>
concept MetricSpec = requires(const S& s, const MetricInput& in, std::span<const double> totals) {
  { s.statistics(in) } -> std::convertible_to<Tensor>;
  { s.result(totals) } -> std::convertible_to<double>;
};

/// A metric with its totals; copies share them. Names: accuracy, top_k, f1, precision, recall,
/// mean_squared_error (mse), mean_absolute_error (mae), root_mean_squared_error (rmse), r2, auc,
/// cross_entropy, binary_cross_entropy. A name with a function of (prediction, target) that gives
/// one number a sample is its weighted mean:
///     Metric("distance", [](const Tensor& p, const Tensor& t) { return norm(p - t, {.axes =
///     {-1}}); })
class Metric {
 public:
  /// Throws ValueError for an unknown name, "did you mean".
  Metric(const char* name, Where where = Where::here());
  Metric(const std::string& name, Where where = Where::here());
  template <LossFunction F>
  Metric(std::string name, F per_sample)
      : Metric(std::move(name), Loss(std::move(per_sample)), PerSample{}) {}
  template <MetricSpec S>
  Metric(S spec, Where where = Where::here())
      : Metric(std::make_shared<detail::MetricOf<S>>(std::move(spec)), where) {}

  const std::string& name() const;
  /// Adds a batch. Weights are f32 [batch], or hold nothing. Where the prediction has a mask (see
  /// nn/mask.h), each of its steps is a sample, and those that are not there count 0; ShapeError
  /// where the target has no such axes. Works at once or in a compiled step.
  void update(const Tensor& prediction, const Tensor& target, const Tensor& weights = {});
  /// The number for all batches since `reset`; NaN where there were none.
  double result() const;
  void reset();  ///< forgets all batches
  /// The totals, f64; not defined before the first update.
  Variable totals() const;
  /// Goes on from totals that were kept.
  void set_totals(const Tensor& totals);
  /// Says that predictions are scores before the sigmoid or softmax, where the spec does not.
  void set_from_logits(bool from_logits);
  /// The same settings with totals of its own.
  Metric fresh() const;
  /// Throws UnsupportedError for functions of your own.
  std::string config() const;
  static Metric from_config(std::string_view json);

 private:
  struct PerSample {};
  Metric(std::shared_ptr<detail::MetricRule> rule, Where where);
  Metric(std::string name, Loss per_sample, PerSample);
  std::shared_ptr<detail::MetricState> state_;
};

namespace metrics {

/// How the numbers of several classes are put together: "macro", the plain mean over the classes
/// that occur in targets or predictions; "weighted", by how often each occurs in the targets;
/// "micro", from the counts of all. A literal is checked while compiling.
struct Average {
  enum class Kind { macro, weighted, micro };
  Kind kind = Kind::macro;
  consteval Average(const char* name) : kind(kind_of(name)) {}
  std::string config() const;
  /// Throws ConfigError with the choices.
  static Average from_config(std::string_view json);

 private:
  explicit constexpr Average(Kind k) : kind(k) {}
  static void average_must_be_macro_weighted_or_micro();
  static constexpr Kind kind_of(std::string_view name) {
    if (name == "weighted") return Kind::weighted;
    if (name == "micro") return Kind::micro;
    if (name != "macro") average_must_be_macro_weighted_or_micro();
    return Kind::macro;
  }
};

/// Share of samples that are classified rightly. Predictions with two or more numbers along the
/// last axis: the largest is the class (the first of equal ones); targets are classes or one-hot
/// rows. Predictions of one number: above the threshold is class 1; the threshold is 0.5, or 0 for
/// logits.
struct Accuracy {
  std::optional<double> threshold = {};
  std::string name = {};
  Tensor statistics(const MetricInput& in) const;
  double result(std::span<const double> totals) const;
  void fields(Fields& f);
};
/// Share of samples whose class is among the k largest; a class ties with those before it only.
struct TopK {
  Dim k = 5;
  std::string name = {};
  Tensor statistics(const MetricInput& in) const;
  double result(std::span<const double> totals) const;
  void fields(Fields& f);
};
/// Share of what was said to be a class that is: TP / (TP + FP). Predictions of one number: class 1
/// alone counts, with the threshold of Accuracy. A ratio without cases (0 / 0) is 0, as in
/// scikit-learn.
struct Precision {
  Average average = "macro";
  std::optional<double> threshold = {};
  std::string name = {};
  Tensor statistics(const MetricInput& in) const;
  double result(std::span<const double> totals) const;
  void fields(Fields& f);
};
/// Share of the cases of a class that were found: TP / (TP + FN); see Precision.
struct Recall {
  Average average = "macro";
  std::optional<double> threshold = {};
  std::string name = {};
  Tensor statistics(const MetricInput& in) const;
  double result(std::span<const double> totals) const;
  void fields(Fields& f);
};
/// 2 precision recall / (precision + recall) = 2 TP / (2 TP + FP + FN); see Precision.
struct F1 {
  Average average = "macro";
  std::optional<double> threshold = {};
  std::string name = {};
  Tensor statistics(const MetricInput& in) const;
  double result(std::span<const double> totals) const;
  void fields(Fields& f);
};
/// Weighted mean of the predictions themselves.
struct Mean {
  std::string name = {};
  Tensor statistics(const MetricInput& in) const;
  double result(std::span<const double> totals) const;
  void fields(Fields& f);
};
/// Weighted mean of a loss, one number a sample.
template <class L>
struct MeanOf {
  L loss = {};
  std::string name = {};
  Tensor statistics(const MetricInput& in) const;
  double result(std::span<const double> totals) const;
  void fields(Fields& f);
};
using MeanSquaredError = MeanOf<losses::MeanSquaredError>;    ///< mean of (p - y)^2
using MeanAbsoluteError = MeanOf<losses::MeanAbsoluteError>;  ///< mean of |p - y|
using Huber = MeanOf<losses::Huber>;                          ///< mean of losses::Huber
/// These take logits where the spec or the model's loss says so.
using CrossEntropy = MeanOf<losses::CrossEntropy>;
using BinaryCrossEntropy = MeanOf<losses::BinaryCrossEntropy>;  ///< as CrossEntropy
/// sqrt(mean (p - y)^2), over all elements together.
struct RootMeanSquaredError {
  std::string name = {};
  Tensor statistics(const MetricInput& in) const;
  double result(std::span<const double> totals) const;
  void fields(Fields& f);
};
/// 1 - sum (p - y)^2 / sum (y - mean y)^2, over all elements together.
struct R2 {
  std::string name = {};
  Tensor statistics(const MetricInput& in) const;
  double result(std::span<const double> totals) const;
  void fields(Fields& f);
};
/// Area under the ROC curve of predictions of one number, by a histogram of `bins` probabilities:
/// off by the ties within a bin at most.
struct AUC {
  Dim bins = 1000;
  std::string name = {};
  Tensor statistics(const MetricInput& in) const;
  double result(std::span<const double> totals) const;
  void fields(Fields& f);
};

/// The names that `Metric` knows.
std::vector<std::string> names();

}  // namespace metrics
}  // namespace varve
