// room: optim
// Learning-rate schedules: functions of the number of updates made so far.
#pragma once
#include <concepts>
#include <functional>
#include <memory>
#include <string>
#include <string_view>
#include <type_traits>
#include <vector>

#include "varve/fields.h"
#include "varve/nn/choices.h"

namespace varve {

namespace detail {
using ScheduleRule = Rule<double, int64_t>;
template <class S>
struct ScheduleOf final : ScheduleRule {
  S spec;
  explicit ScheduleOf(S s) : spec(std::move(s)) {}
  double apply(int64_t step) const override { return spec(step); }
  void fields(Fields& f) override { visit_fields(spec, f); }
  std::string_view spelling() const override { return spelled<S>(); }
};
}  // namespace detail

class Schedule;
/// Anything but a number that is called with the step and gives a rate.
template <class F>
concept ScheduleFunction =
    !Number<F> && !std::same_as<F, Schedule> && std::is_invocable_r_v<double, const F&, int64_t>;

/// A learning rate: a number, one of `schedules`, or a function of your own of the step (0 at the
/// first update).
class Schedule {
 public:
  Schedule(Number auto constant) : Schedule(static_cast<double>(constant), Constant{}) {}
  template <ScheduleFunction F>
  Schedule(F f, Where where = Where::here())
      : Schedule(std::make_shared<detail::ScheduleOf<F>>(std::move(f)), where) {}

  double operator()(int64_t step) const { return rule_ ? rule_->apply(step) : constant_; }
  bool is_constant() const { return rule_ == nullptr; }  ///< made of a number
  /// JSON: `0.001`, `{"type": "cosine", "initial": 0.1, "steps": 1000}`. Throws UnsupportedError
  /// for a function of your own.
  std::string config() const;
  static Schedule from_config(std::string_view json);

 private:
  struct Constant {};
  Schedule(double constant, Constant);
  Schedule(std::shared_ptr<detail::ScheduleRule> rule, Where where);
  double constant_ = 0;
  std::shared_ptr<detail::ScheduleRule> rule_;
};

namespace schedules {

/// After a linear warm-up from 0 over `warmup_steps`: from initial down to minimum along half a
/// cosine over `steps`, then minimum (Loshchilov & Hutter 2017).
struct Cosine {
  Real initial = 1e-3;
  Dim steps = 1000;
  Real minimum = 0;
  Dim warmup_steps = 0;
  double operator()(int64_t step) const;
  void fields(Fields& f);
};
/// initial * factor^floor(step / every).
struct StepDecay {
  Real initial = 1e-2;
  Dim every = 1000;
  Real factor = 0.5;
  double operator()(int64_t step) const;
  void fields(Fields& f);
};
/// initial * rate^(step / steps); with `staircase` the exponent is rounded down.
struct Exponential {
  Real initial = 1e-2;
  Dim steps = 1000;
  Real rate = 0.9;
  bool staircase = false;
  double operator()(int64_t step) const;
  void fields(Fields& f);
};
/// initial / (1 + decay * step / steps).
struct InverseTime {
  Real initial = 1e-2;
  Dim steps = 1000;
  Real decay = 1;
  double operator()(int64_t step) const;
  void fields(Fields& f);
};
/// Linear from start * after(0) to after(0) over `steps`, then `after`, counted from there.
struct Warmup {
  Dim steps = 1000;
  Schedule after = 1e-3;
  Real start = 0;
  double operator()(int64_t step) const;
  void fields(Fields& f);
};
/// Up from maximum / divisor to maximum over the first `up` share of the steps, down to maximum /
/// (divisor * final_divisor) over the rest, both along half a cosine (Smith & Topin 2018; defaults
/// of PyTorch's OneCycleLR).
struct OneCycle {
  Real maximum = 1e-2;
  Dim steps = 1000;
  Real up = 0.3;
  Real divisor = 25, final_divisor = 1e4;
  double operator()(int64_t step) const;
  void fields(Fields& f);
};

/// The types that files may name.
std::vector<std::string> names();

}  // namespace schedules
}  // namespace varve
