// room: nn
// Losses: how far predictions are from targets.
#pragma once
#include <concepts>
#include <initializer_list>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <type_traits>
#include <utility>
#include <vector>

#include "varve/fields.h"
#include "varve/nn/choices.h"
#include "varve/tensor.h"

namespace varve {

class Loss;

/// Anything that is called with (prediction, target) and gives a tensor: a spec below, a struct of
/// your own, a lambda.
template <class F>
concept LossFunction =
    !std::same_as<F, Loss> && std::is_invocable_r_v<Tensor, const F&, const Tensor&, const Tensor&>;

namespace detail {

struct LossRule : Rule<Tensor, const Tensor&, const Tensor&> {
  /// Whether it takes logits; empty where it does not say.
  virtual std::optional<bool> from_logits() const = 0;
};
template <class S>
struct LossOf final : LossRule {
  S spec;
  explicit LossOf(S s) : spec(std::move(s)) {}
  Tensor apply(const Tensor& prediction, const Tensor& target) const override {
    return spec(prediction, target);
  }
  void fields(Fields& f) override { visit_fields(spec, f); }
  std::string_view spelling() const override { return spelled<S>(); }
  std::optional<bool> from_logits() const override {
    if constexpr (requires { static_cast<bool>(spec.from_logits); }) {
      return spec.from_logits;
    } else {
      return {};
    }
  }
};

}  // namespace detail

/// A loss function. Names: cross_entropy, binary_cross_entropy, mean_squared_error (mse),
/// mean_absolute_error (mae, l1), huber, hinge, categorical_hinge. What the function gives may have
/// any shape whose first axis is the batch: the other axes are averaged for each sample; then
/// samples are weighted; then comes the mean over the batch (the sum divided by the number of
/// samples, as in Keras). A function that gives a scalar takes no weights. Where prediction and
/// target differ by a last axis of 1 alone, the function gets the target in the prediction's shape.
class Loss {
 public:
  /// None.
  Loss() = default;
  /// Throws ValueError for an unknown name, "did you mean".
  Loss(const char* name, Where where = Where::here());
  Loss(const std::string& name, Where where = Where::here());
  template <LossFunction F>
  Loss(F f, Where where = Where::here())
      : Loss(std::make_shared<detail::LossOf<F>>(std::move(f)), where) {}

  explicit operator bool() const { return rule_ != nullptr; }
  /// The mean over the batch, a scalar.
  Tensor operator()(const Tensor& prediction, const Tensor& target) const;
  /// The same with a weight a sample, [batch]. Throws ShapeError, also where the function gives a
  /// scalar.
  Tensor operator()(const Tensor& prediction, const Tensor& target, const Tensor& weights) const;
  /// One number a sample, [batch]. Throws ShapeError where the function gives a scalar.
  Tensor per_sample(const Tensor& prediction, const Tensor& target) const;
  /// "cross_entropy"; "loss" for a lambda.
  std::string name() const;
  /// Whether predictions are scores before the softmax; empty where the function does not say.
  std::optional<bool> from_logits() const;
  /// JSON: `"mse"`, `{"type": "huber", "delta": 2}`. Throws UnsupportedError for a lambda.
  std::string config() const;
  static Loss from_config(std::string_view json);

 private:
  Loss(std::shared_ptr<detail::LossRule> rule, Where where);
  Tensor apply(const Tensor& prediction, const Tensor& target) const;
  std::shared_ptr<detail::LossRule> rule_;
  std::string label_;  // what errors call it; empty: by its rule
  friend class Metric;
};

/// One loss, or one an output, by the outputs' names:
///     .loss = {{"digit", losses::CrossEntropy{}}, {"box", "huber"}}
class Losses {
 public:
  Losses() = default;
  Losses(const char* name, Where where = Where::here()) : one_(name, where) {}
  template <class L>
  requires(std::convertible_to<L, Loss> && !std::same_as<std::remove_cvref_t<L>, Losses>)
      Losses(L one)
      : one_(std::move(one)) {}
  Losses(std::initializer_list<std::pair<const std::string, Loss>> by_output)
      : by_output_(by_output.begin(), by_output.end()) {}
  explicit Losses(std::vector<std::pair<std::string, Loss>> by_output)
      : by_output_(std::move(by_output)) {}

  /// The only one; empty where they are given by output.
  const Loss& one() const { return one_; }
  /// By the names of the outputs; empty where there is one for all.
  const std::vector<std::pair<std::string, Loss>>& by_output() const { return by_output_; }
  explicit operator bool() const { return one_ || !by_output_.empty(); }

 private:
  Loss one_;
  std::vector<std::pair<std::string, Loss>> by_output_;
};

namespace losses {

/// Softmax cross-entropy over the last axis, -sum_k y_k log p_k. Targets are classes (integers, the
/// prediction's shape without the last axis, or with a last axis of 1) or distributions (the
/// prediction's shape: one-hot rows). From probabilities: rows are divided by their sum and clipped
/// to [1e-7, 1 - 1e-7], as in Keras. label_smoothing e: y becomes y (1 - e) + e / classes (Szegedy
/// et al. 2016). Gives the prediction's shape without the last axis. Throws ShapeError; a class
/// outside 0..classes-1 is an IndexError when evaluated.
struct CrossEntropy {
  bool from_logits = false;
  Real label_smoothing = 0;
  Tensor operator()(const Tensor& prediction, const Tensor& target) const;
  void fields(Fields& f);
};
/// -y log p - (1 - y) log(1 - p), elementwise. From logits x: softplus(x) - x y, which is stable.
/// From probabilities: clipped to [1e-7, 1 - 1e-7], as in Keras. label_smoothing e: y becomes
/// y (1 - e) + e / 2. A target [n] meets a prediction [n, 1].
struct BinaryCrossEntropy {
  bool from_logits = false;
  Real label_smoothing = 0;
  Tensor operator()(const Tensor& prediction, const Tensor& target) const;
  void fields(Fields& f);
};
/// (p - y)^2, elementwise; a target [n] meets a prediction [n, 1]. Optimum: the mean.
struct MeanSquaredError {
  Tensor operator()(const Tensor& prediction, const Tensor& target) const;
};
/// |p - y|, elementwise. Optimum: the median.
struct MeanAbsoluteError {
  Tensor operator()(const Tensor& prediction, const Tensor& target) const;
};
/// d^2 / 2 where |d| <= delta, else delta (|d| - delta / 2), with d = p - y (Huber 1964).
struct Huber {
  Real delta = 1;
  Tensor operator()(const Tensor& prediction, const Tensor& target) const;
  void fields(Fields& f);
};
/// max(0, margin - y s) for targets -1 and 1; 0 counts as -1.
struct Hinge {
  Real margin = 1;
  Tensor operator()(const Tensor& prediction, const Tensor& target) const;
  void fields(Fields& f);
};
/// sum over k != y of max(0, s_k - s_y + margin), over the last axis (Weston & Watkins 1999). It is
/// 0 only where the right class leads by the margin. Targets: classes or one-hot rows.
struct CategoricalHinge {
  Real margin = 1;
  Tensor operator()(const Tensor& prediction, const Tensor& target) const;
  void fields(Fields& f);
};

/// The names that `Loss` knows.
std::vector<std::string> names();

}  // namespace losses
}  // namespace varve
