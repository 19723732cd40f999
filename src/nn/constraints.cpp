#include "nn/choice_table.h"
#include "varve/nn/choices.h"
#include "varve/ops/pointwise.h"
#include "varve/ops/reduction.h"

namespace varve {
namespace {

using detail::ConstraintRule;

template <class S>
std::shared_ptr<ConstraintRule> made() {
  return std::make_shared<detail::ConstraintOf<S>>(S{});
}

const nn::ChoiceTable<ConstraintRule>& table() {
  static const nn::ChoiceTable<ConstraintRule> t("constraint",
                                                 {{"max_norm", made<nn::MaxNorm>},
                                                  {"min_max_norm", made<nn::MinMaxNorm>},
                                                  {"non_negative", made<nn::NonNegative>},
                                                  {"unit_norm", made<nn::UnitLength>}});
  return t;
}

/// Lengths along axes, [.., 1, ..].
Tensor lengths(const Tensor& x, const std::vector<int>& axes) {
  return norm(x, {.axes = axes, .keep_dims = true});
}
// Keras' epsilon, so that weights of 0 stay.
constexpr double kLeast = 1e-7;

}  // namespace

namespace nn {

std::vector<std::string> constraint_names() { return table().names(); }

Tensor MaxNorm::project(const Tensor& x) const {
  const Tensor length = lengths(x, axes);
  return x * (clip(length, 0, max_value) / (length + kLeast));
}
void MaxNorm::fields(Fields& f) {
  f("max_value", max_value, "The greatest length.", {.min = 0});
  f("axes", axes, "Over which a length is taken.");
}

Tensor MinMaxNorm::project(const Tensor& x) const {
  const Tensor length = lengths(x, axes);
  const Tensor wanted = rate.value * clip(length, min_value, max_value) + (1 - rate.value) * length;
  return x * (wanted / (length + kLeast));
}
void MinMaxNorm::fields(Fields& f) {
  f("min_value", min_value, "The least length.", {.min = 0});
  f("max_value", max_value, "The greatest length.", {.min = 0});
  f("rate", rate, "Share of the way that is gone.", {.min = 0, .max = 1});
  f("axes", axes, "Over which a length is taken.");
}

Tensor UnitLength::project(const Tensor& x) const { return x / (lengths(x, axes) + kLeast); }
void UnitLength::fields(Fields& f) { f("axes", axes, "Over which a length is taken."); }

Tensor NonNegative::project(const Tensor& x) const { return relu(x); }

}  // namespace nn

Constraint::Constraint(const std::string& name, Where where)
    : Constraint(table().make(name, where), where) {}

Constraint::Constraint(const char* name, Where where) : Constraint(std::string(name), where) {}

Constraint::Constraint(std::shared_ptr<ConstraintRule> spec, Where where)
    : spec_(std::move(spec)),
      function_([rule = spec_](const Tensor& x) { return rule->apply(x); }) {
  table().validate(*spec_, where);
}

std::string Constraint::config() const {
  if (!function_) return "null";
  if (!spec_) {
    throw UnsupportedError("the constraint is a function of your own and has no text form",
                           "use nn::MaxNorm or another of its kind");
  }
  return table().config(*spec_);
}

Constraint Constraint::from_config(std::string_view json) {
  if (config::parse(json, "constraint").is_null()) return {};
  return Constraint(table().from_config(json), Where{});
}

}  // namespace varve
