#include "varve/schedules.h"

#include <algorithm>
#include <cmath>
#include <numbers>

#include "base/error.h"
#include "nn/choice_table.h"

namespace varve {
namespace {

using detail::ScheduleRule;

template <class S>
std::shared_ptr<ScheduleRule> made() {
  return std::make_shared<detail::ScheduleOf<S>>(S{});
}

const nn::ChoiceTable<ScheduleRule>& table() {
  static const nn::ChoiceTable<ScheduleRule> t("learning_rate",
                                               {{"cosine", made<schedules::Cosine>},
                                                {"exponential", made<schedules::Exponential>},
                                                {"inverse_time", made<schedules::InverseTime>},
                                                {"one_cycle", made<schedules::OneCycle>},
                                                {"step_decay", made<schedules::StepDecay>},
                                                {"warmup", made<schedules::Warmup>}});
  return t;
}

// From `from` to `to` along half a cosine as t goes from 0 to 1.
double half_cosine(double from, double to, double t) {
  return to + (from - to) * (1 + std::cos(std::numbers::pi * std::clamp(t, 0.0, 1.0))) / 2;
}

double ratio(int64_t a, int64_t b) { return static_cast<double>(a) / static_cast<double>(b); }

}  // namespace

Schedule::Schedule(double constant, Constant) : constant_(constant) {
  if (!std::isfinite(constant) || constant < 0) {
    throw ValueError("learning_rate: expected a number >= 0, got " + std::to_string(constant));
  }
}

Schedule::Schedule(std::shared_ptr<ScheduleRule> rule, Where where) : rule_(std::move(rule)) {
  table().validate(*rule_, where);
}

std::string Schedule::config() const {
  return rule_ ? table().config(*rule_) : config::Json(constant_).dump();
}

Schedule Schedule::from_config(std::string_view json) {
  const config::Json value = config::parse(json, "learning_rate");
  const std::vector<std::string> known = table().names();
  if (value.is_string() &&
      std::find(known.begin(), known.end(), value.get<std::string>()) == known.end()) {
    throw ConfigError(
        "learning_rate: expected a number >= 0 or a schedule, got " + escaped(value.dump()),
        did_you_mean(value.get<std::string>(), known));
  }
  if (!value.is_number()) return Schedule(table().from_config(json), Where{});
  const double v = value.get<double>();
  if (!(v >= 0)) throw ConfigError("learning_rate: expected a number >= 0, got " + value.dump());
  return Schedule(v);
}

namespace schedules {

std::vector<std::string> names() { return table().names(); }

double Cosine::operator()(int64_t step) const {
  if (step < warmup_steps) return initial * ratio(step, warmup_steps);
  return half_cosine(initial, minimum, ratio(step - warmup_steps, steps));
}
void Cosine::fields(Fields& f) {
  f("initial", initial, "Rate at the top.", {.min = 0});
  f("steps", steps, "Updates from top to bottom.", {.min = 1});
  f("minimum", minimum, "Rate at the bottom.", {.min = 0});
  f("warmup_steps", warmup_steps, "Updates of the rise before.", {.min = 0});
}

double StepDecay::operator()(int64_t step) const {
  return initial * std::pow(factor.value, static_cast<double>(step / every));
}
void StepDecay::fields(Fields& f) {
  f("initial", initial, "First rate.", {.min = 0});
  f("every", every, "Updates between two drops.", {.min = 1});
  f("factor", factor, "What remains after a drop.", {.min = 0});
}

double Exponential::operator()(int64_t step) const {
  const double exponent = ratio(step, steps);
  return initial * std::pow(rate.value, staircase ? std::floor(exponent) : exponent);
}
void Exponential::fields(Fields& f) {
  f("initial", initial, "First rate.", {.min = 0});
  f("steps", steps, "Updates for one factor.", {.min = 1});
  f("rate", rate, "The factor.", {.min = 0});
  f("staircase", staircase, "Drop at once rather than bit by bit.");
}

double InverseTime::operator()(int64_t step) const {
  return initial / (1 + decay * ratio(step, steps));
}
void InverseTime::fields(Fields& f) {
  f("initial", initial, "First rate.", {.min = 0});
  f("steps", steps, "Updates for one decay.", {.min = 1});
  f("decay", decay, "What is added to the divisor.", {.min = 0});
}

double Warmup::operator()(int64_t step) const {
  if (step >= steps) return after(step - steps);
  const double t = ratio(step, steps);
  return after(0) * (start + (1 - start) * t);
}
void Warmup::fields(Fields& f) {
  f("steps", steps, "Updates of the rise.", {.min = 1});
  f("after", after, "What follows.");
  f("start", start, "Share of the rate at the first update.", {.min = 0});
}

double OneCycle::operator()(int64_t step) const {
  // The peak and the end lie on whole steps, as in PyTorch: the last update has the least rate.
  const double peak = up * static_cast<double>(steps.value) - 1;
  const double last = static_cast<double>(steps.value) - 1;
  const auto at = static_cast<double>(step);
  const double low = maximum / divisor;
  if (at <= peak) return half_cosine(low, maximum, peak > 0 ? at / peak : 1);
  return half_cosine(maximum, low / final_divisor, last > peak ? (at - peak) / (last - peak) : 1);
}
void OneCycle::fields(Fields& f) {
  f("maximum", maximum, "Rate at the top.", {.min = 0});
  f("steps", steps, "Updates of the whole cycle.", {.min = 1});
  f("up", up, "Share of the steps that go up.", {.min = 0, .max = 1});
  f("divisor", divisor, "Maximum over the first rate.", {.above = 0});
  f("final_divisor", final_divisor, "First rate over the last.", {.above = 0});
}

}  // namespace schedules
}  // namespace varve
