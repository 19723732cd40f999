// room: optim
// Optimizers: how gradients change parameters.
#pragma once
#include <concepts>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "varve/derivatives.h"
#include "varve/fields.h"
#include "varve/schedules.h"
#include "varve/tensor.h"

namespace varve {

namespace optim {

/// What an update rule sees of one parameter.
struct UpdateArguments {
  const Tensor& parameter;
  const Tensor& gradient;  ///< after clipping, of the parameter's type
  /// The rule's slots for this parameter, in the order of `slots()`, of the parameter's type; zeros
  /// at first.
  std::span<const Tensor> slots;
  const Tensor& learning_rate;  ///< f64 scalar
  const Tensor& step;           ///< f64 scalar: 1 at the first update
};
/// What it gives.
struct Updated {
  Tensor parameter;
  std::vector<Tensor> slots;
};

}  // namespace optim

namespace detail {

struct OptimizerRule {
  virtual ~OptimizerRule() = default;
  virtual std::vector<std::string> slots() const = 0;
  virtual optim::Updated apply(const optim::UpdateArguments& a) const = 0;
  virtual void fields(Fields&) = 0;
  virtual std::string_view spelling() const = 0;
  virtual const Schedule& learning_rate() const = 0;
  virtual std::optional<double> clip_norm() const = 0;
  virtual std::optional<double> clip_value() const = 0;
};
template <class S>
struct OptimizerOf final : OptimizerRule {
  S spec;
  explicit OptimizerOf(S s) : spec(std::move(s)) {}
  std::vector<std::string> slots() const override {
    if constexpr (requires { spec.slots(); }) {
      return spec.slots();
    } else {
      return {};
    }
  }
  optim::Updated apply(const optim::UpdateArguments& a) const override { return spec.update(a); }
  void fields(Fields& f) override { visit_fields(spec, f); }
  std::string_view spelling() const override { return spelled<S>(); }
  const Schedule& learning_rate() const override { return spec.learning_rate; }
  std::optional<double> clip_norm() const override {
    if constexpr (requires { spec.clip_norm; }) {
      return spec.clip_norm;
    } else {
      return {};
    }
  }
  std::optional<double> clip_value() const override {
    if constexpr (requires { spec.clip_value; }) {
      return spec.clip_value;
    } else {
      return {};
    }
  }
};
struct OptimizerState;

}  // namespace detail

/// An optimizer spec: a copyable struct with a member `learning_rate` and
/// `optim::Updated update(const optim::UpdateArguments&) const`; where it keeps tensors a
/// parameter, `std::vector<std::string> slots() const` names them. Members `clip_norm` and
/// `clip_value` are honoured where it has them.
template <class S>
concept OptimizerSpec = requires(const S& s, const optim::UpdateArguments& a) {
  { s.update(a) } -> std::convertible_to<optim::Updated>;
  { s.learning_rate } -> std::convertible_to<Schedule>;
};

class Model;

/// An optimizer with its state; copies share it, so one belongs to one model (`fresh` gives another
/// of the same settings). Names: sgd, rmsprop, adam, adamw.
class Optimizer {
 public:
  /// Throws ValueError for an unknown name, "did you mean".
  Optimizer(const char* name, Where where = Where::here());
  Optimizer(const std::string& name, Where where = Where::here());
  template <OptimizerSpec S>
  Optimizer(S spec, Where where = Where::here())
      : Optimizer(std::make_shared<detail::OptimizerOf<S>>(std::move(spec)), where) {}

  /// One update of the variables by their gradients. Gradients are clipped first: by value, each
  /// element to [-clip_value, clip_value]; by norm, all by min(1, clip_norm / global norm) (Pascanu
  /// et al. 2013). Works at once or as part of a compiled step. Throws NumericError, naming the
  /// parameter, where a gradient is not finite; then nothing has changed.
  void update(const Grads& gradients);

  /// f32 scalar; follows the schedule until it is assigned, then keeps what it was given.
  Variable learning_rate() const;
  /// i64 scalar: updates made so far, on which the schedule depends.
  Variable step() const;
  /// "adam".
  std::string name() const;
  const Schedule& schedule() const;  ///< of the learning rate

  /// A variable of the optimizer's own.
  struct NamedState {
    std::string path;  ///< "step", "learning_rate", "m.conv2d_1.kernel"
    Variable variable;
  };
  /// Makes the slots of these parameters, as their first update would.
  void build(const Variables& parameters);
  /// All that is needed to go on, for checkpoints; the learning rate where it no longer follows the
  /// schedule.
  std::vector<NamedState> state() const;
  /// The same settings with no updates made.
  Optimizer fresh() const;
  /// JSON: `{"type": "adam", "learning_rate": 0.001, ...}`. Throws UnsupportedError where the
  /// schedule is a function of your own.
  std::string config() const;
  static Optimizer from_config(std::string_view json);

 private:
  friend class Model;
  Optimizer(std::shared_ptr<detail::OptimizerRule> rule, Where where);
  // Throws ValueError where it is another model's.
  void claim(const std::shared_ptr<void>& model);
  std::shared_ptr<detail::OptimizerState> state_;
};

namespace optim {

/// Gradient descent, with momentum m (Polyak 1964; Sutskever et al. 2013), in Keras' form:
///     v <- m v - a g;   p <- p + v           nesterov: p <- p + m v - a g
/// weight_decay w adds w p to g before, as in PyTorch. m = 0 keeps no slot.
struct SGD {
  Schedule learning_rate = 0.01;
  Real momentum = 0;
  bool nesterov = false;
  Real weight_decay = 0;
  std::optional<double> clip_norm = {}, clip_value = {};
  std::vector<std::string> slots() const;
  Updated update(const UpdateArguments& a) const;
  void fields(Fields& f);
};
/// Divides by a running root mean square (Tieleman & Hinton 2012):
///     s <- rho s + (1 - rho) g^2;   p <- p - a g / (sqrt(s) + epsilon)
/// epsilon stands outside the root, as in PyTorch. centered: s less the square of the running mean
/// of g. momentum m: b <- m b + g / (...); p <- p - a b. weight_decay w adds w p to g before.
struct RMSProp {
  Schedule learning_rate = 0.001;
  Real rho = 0.9, momentum = 0, epsilon = 1e-7;
  bool centered = false;
  Real weight_decay = 0;
  std::optional<double> clip_norm = {}, clip_value = {};
  std::vector<std::string> slots() const;
  Updated update(const UpdateArguments& a) const;
  void fields(Fields& f);
};
/// Adaptive moment estimation (Kingma & Ba 2015, algorithm 1):
///     m <- b1 m + (1 - b1) g;   v <- b2 v + (1 - b2) g^2
///     p <- p - a (m / (1 - b1^t)) / (sqrt(v / (1 - b2^t)) + epsilon)
/// epsilon is added to the corrected root, as in the paper and PyTorch (Keras adds it to the
/// uncorrected one). weight_decay w adds w p to g before (AdamW does not).
struct Adam {
  Schedule learning_rate = 0.001;
  Real beta_1 = 0.9, beta_2 = 0.999, epsilon = 1e-7;
  Real weight_decay = 0;
  std::optional<double> clip_norm = {}, clip_value = {};
  std::vector<std::string> slots() const;
  Updated update(const UpdateArguments& a) const;
  void fields(Fields& f);
};
/// Adam with decoupled weight decay: p <- p - a w p, then Adam's step (Loshchilov & Hutter 2019).
struct AdamW {
  Schedule learning_rate = 0.001;
  Real weight_decay = 0.004;
  Real beta_1 = 0.9, beta_2 = 0.999, epsilon = 1e-7;
  std::optional<double> clip_norm = {}, clip_value = {};
  std::vector<std::string> slots() const;
  Updated update(const UpdateArguments& a) const;
  void fields(Fields& f);
};

/// The names that `Optimizer` knows.
std::vector<std::string> names();

}  // namespace optim
}  // namespace varve
