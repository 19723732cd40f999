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

/// A loss function. Names: those of the specs below in snake case, and Keras' (mse, mae, mape,
/// msle, binary_crossentropy ...); see losses::names(). What the function gives may have any shape
/// whose first axis is the batch: the other axes are averaged for each sample; then samples are
/// weighted; then comes the mean over the batch (the sum divided by the number of samples, as in
/// Keras). A function that gives a scalar takes no weights. Where prediction and target differ by a
/// last axis of 1 alone, the function gets the target in the prediction's shape. Where the
/// prediction has a mask (see nn/mask.h), what it masks counts 0, and the rest grows so that the
/// mean is that of the rest.
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
/// et al. 2016). class_weights, one a class: each term counts by its class's. ignore_index: a class
/// whose samples count 0; the others' losses grow so that the mean is the mean of theirs. Gives the
/// prediction's shape without the last axis. Throws ShapeError; a class outside 0..classes-1 is an
/// IndexError when evaluated.
struct CrossEntropy {
  bool from_logits = false;
  Real label_smoothing = 0;
  std::optional<int64_t> ignore_index = {};
  std::vector<double> class_weights = {};
  Tensor operator()(const Tensor& prediction, const Tensor& target) const;
  void fields(Fields& f);
};
/// -y log p - (1 - y) log(1 - p), elementwise. From logits x: softplus(x) - x y, which is stable.
/// From probabilities: clipped to [1e-7, 1 - 1e-7], as in Keras. label_smoothing e: y becomes
/// y (1 - e) + e / 2. positive_weight multiplies the first term. A target [n] meets a prediction
/// [n, 1].
struct BinaryCrossEntropy {
  bool from_logits = false;
  Real label_smoothing = 0, positive_weight = 1;
  Tensor operator()(const Tensor& prediction, const Tensor& target) const;
  void fields(Fields& f);
};
/// -log p of the class, from log-probabilities (log_softmax). Targets, ignore_index and
/// class_weights as in CrossEntropy; targets are classes.
struct NegativeLogLikelihood {
  std::optional<int64_t> ignore_index = {};
  std::vector<double> class_weights = {};
  Tensor operator()(const Tensor& prediction, const Tensor& target) const;
  void fields(Fields& f);
};
/// (1 - p_t)^gamma times the binary cross-entropy, elementwise, with p_t the probability of what is
/// true: easy examples count less. Where alpha is given, positives count alpha and negatives
/// 1 - alpha. Otherwise as BinaryCrossEntropy. Lin et al. 2017.
struct BinaryFocal {
  bool from_logits = false;
  Real gamma = 2;
  std::optional<double> alpha = 0.25;
  Real label_smoothing = 0;
  Tensor operator()(const Tensor& prediction, const Tensor& target) const;
  void fields(Fields& f);
};
/// -alpha sum_k (1 - p_k)^gamma y_k log p_k over the last axis; otherwise as CrossEntropy. Lin et
/// al. 2017.
struct CategoricalFocal {
  bool from_logits = false;
  Real gamma = 2, alpha = 0.25, label_smoothing = 0;
  std::vector<double> class_weights = {};
  Tensor operator()(const Tensor& prediction, const Tensor& target) const;
  void fields(Fields& f);
};
/// Kullback-Leibler divergence sum_k y_k log(y_k / p_k) over the last axis, of distributions.
/// Probabilities are clipped to [1e-7, 1], as in Keras; log_prediction: predictions are
/// log-probabilities, nothing is clipped, and 0 log 0 is 0.
struct KLDivergence {
  bool log_prediction = false;
  Tensor operator()(const Tensor& prediction, const Tensor& target) const;
  void fields(Fields& f);
};
/// p - y log p, elementwise, for counts y (up to a constant their negative log-likelihood; p is at
/// least 1e-7). log_input: the prediction is log p. full: with Stirling's y log y - y +
/// log(2 pi y) / 2 where y > 1.
struct Poisson {
  bool log_input = false, full = false;
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
/// 100 |p - y| / max(|y|, 1e-7), elementwise.
struct MeanAbsolutePercentageError {
  Tensor operator()(const Tensor& prediction, const Tensor& target) const;
};
/// (log(1 + p) - log(1 + y))^2, elementwise; both are at least 1e-7.
struct MeanSquaredLogarithmicError {
  Tensor operator()(const Tensor& prediction, const Tensor& target) const;
};
/// log(cosh(p - y)), elementwise: d^2 / 2 near 0, |d| - log 2 far from it.
struct LogCosh {
  Tensor operator()(const Tensor& prediction, const Tensor& target) const;
};
/// d^2 / 2 where |d| <= delta, else delta (|d| - delta / 2), with d = p - y (Huber 1964).
struct Huber {
  Real delta = 1;
  Tensor operator()(const Tensor& prediction, const Tensor& target) const;
  void fields(Fields& f);
};
/// d^2 / (2 beta) where |d| < beta, else |d| - beta / 2: Huber divided by its delta (Girshick
/// 2015).
struct SmoothL1 {
  Real beta = 1;
  Tensor operator()(const Tensor& prediction, const Tensor& target) const;
  void fields(Fields& f);
};
/// max(q (y - p), (q - 1) (y - p)), elementwise. Optimum: the q-quantile (Koenker & Bassett 1978).
struct Quantile {
  Real quantile = 0.5;
  Tensor operator()(const Tensor& prediction, const Tensor& target) const;
  void fields(Fields& f);
};
/// -cos of the angle of prediction and target over the last axis: -1 where they point the same way;
/// 0 where one is 0.
struct CosineSimilarity {
  Tensor operator()(const Tensor& prediction, const Tensor& target) const;
};

/// max(0, margin - y s) for targets -1 and 1; 0 counts as -1.
struct Hinge {
  Real margin = 1;
  Tensor operator()(const Tensor& prediction, const Tensor& target) const;
  void fields(Fields& f);
};
/// max(0, margin - y s)^2; see Hinge.
struct SquaredHinge {
  Real margin = 1;
  Tensor operator()(const Tensor& prediction, const Tensor& target) const;
  void fields(Fields& f);
};
/// How the classes' max(0, s_k - s_y + margin) for k != y are put together, over the last axis:
/// form "sum" (Weston & Watkins 1999) or "max" (Crammer & Singer 2001; Keras' CategoricalHinge
/// where scores are not negative).
/// It is 0 only where the right class leads by the margin. Each is raised to `power` first (2 gives
/// PyTorch's MultiMarginLoss with p = 2, times the classes). Targets: classes or one-hot rows.
struct CategoricalHinge {
  Real margin = 1;
  std::string form = "sum";
  Real power = 1;
  Tensor operator()(const Tensor& prediction, const Tensor& target) const;
  void fields(Fields& f);
};

/// y d^2 + (1 - y) max(0, margin - d)^2 for distances d: y = 1 pulls a pair together, y = 0 pushes
/// it apart up to the margin (Hadsell, Chopra & LeCun 2006).
struct Contrastive {
  Real margin = 1;
  Tensor operator()(const Tensor& prediction, const Tensor& target) const;
  void fields(Fields& f);
};
/// Triplets found in the batch: prediction [batch, n] embeddings, target [batch] classes. For each
/// pair of one class max(0, d(a, p) - d(a, n) + margin), with n of mining "semi_hard" the nearest
/// of another class that is farther than p (or, where there is none, the farthest; Schroff et al.
/// 2015), and of "hard" for each a the farthest p and the nearest n (Hermans et al. 2017). Gives
/// their mean, a scalar: 0 where there is no pair. squared: distances are squared.
struct TripletMining {
  Real margin = 1;
  std::string mining = "semi_hard";
  bool squared = true;
  Tensor operator()(const Tensor& prediction, const Tensor& target) const;
  void fields(Fields& f);
};

/// ctc_loss (varve/ops/ctc.h) of predictions [batch, steps, classes] and labels [batch, S], those
/// of a sample ending before its first negative one. from_logits: log_softmax first; else
/// predictions are log-probabilities. zero_infinity: samples that do not fit count 0. Gives
/// [batch].
struct CTC {
  bool from_logits = true;
  Dim blank = 0;
  bool zero_infinity = false;
  Tensor operator()(const Tensor& prediction, const Tensor& target) const;
  void fields(Fields& f);
};

/// 1 - (2 sum y p + smooth) / (sum y + sum p + smooth), one a sample, over all its elements;
/// per_class: over the places of each class (the last axis), then their mean. From logits: sigmoid
/// first. Milletari et al. 2016.
struct Dice {
  bool from_logits = false;
  Real smooth = 1e-7;
  bool per_class = false;
  Tensor operator()(const Tensor& prediction, const Tensor& target) const;
  void fields(Fields& f);
};
/// (1 - (I + smooth) / (I + alpha sum (1 - y) p + beta sum y (1 - p) + smooth))^gamma with
/// I = sum y p, otherwise as Dice, which is alpha = beta = 1/2; 1 and 1 give IoU. Salehi et al.
/// 2017; gamma: Abraham & Khan 2019.
struct Tversky {
  bool from_logits = false;
  Real alpha = 0.5, beta = 0.5, gamma = 1, smooth = 1e-7;
  bool per_class = false;
  Tensor operator()(const Tensor& prediction, const Tensor& target) const;
  void fields(Fields& f);
};
/// 1 - intersection over union (Jaccard), otherwise as Dice. Rahman & Wang 2016.
struct IoU {
  bool from_logits = false;
  Real smooth = 1e-7;
  bool per_class = false;
  Tensor operator()(const Tensor& prediction, const Tensor& target) const;
  void fields(Fields& f);
};

struct TripletOptions {
  Real margin = 1, order = 2;  ///< of the norm that is the distance
  bool swap = false;           ///< the negative's distance is the smaller one of those to a and p
};
/// max(0, d(a, p) - d(a, n) + margin), one a row: [batch, n] each -> [batch].
Tensor triplet(const Tensor& anchor, const Tensor& positive, const Tensor& negative,
               const TripletOptions& options = {});

/// The names that `Loss` knows.
std::vector<std::string> names();

}  // namespace losses
}  // namespace varve
