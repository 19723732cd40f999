#include "base/error.h"
#include "nn/config.h"
#include "nn/names.h"
#include "varve/nn/choices.h"
#include "varve/ops/pointwise.h"
#include "varve/ops/reduction.h"

namespace varve {
namespace {

struct Type {
  const char* name;
  std::shared_ptr<detail::ConstraintRule> (*make)();
};
template <class S>
std::shared_ptr<detail::ConstraintRule> made() {
  return std::make_shared<detail::ConstraintOf<S>>(S{});
}
constexpr Type kTypes[] = {{"max_norm", made<nn::MaxNorm>},
                           {"min_max_norm", made<nn::MinMaxNorm>},
                           {"non_negative", made<nn::NonNegative>},
                           {"unit_norm", made<nn::UnitLength>}};

std::shared_ptr<detail::ConstraintRule> make_type(const std::string& name) {
  for (const Type& t : kTypes) {
    if (t.name == name) return t.make();
  }
  return nullptr;
}

/// Lengths along axes, [.., 1, ..].
Tensor lengths(const Tensor& x, const std::vector<int>& axes) {
  return norm(x, {.axes = axes, .keep_dims = true});
}
// Keras' epsilon, so that weights of 0 stay.
constexpr double kLeast = 1e-7;

}  // namespace

namespace nn {

std::vector<std::string> constraint_names() {
  std::vector<std::string> names;
  for (const Type& t : kTypes) names.push_back(t.name);
  return names;
}

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

Constraint::Constraint(const std::string& name, Where where) {
  auto rule = make_type(name);
  if (!rule) {
    throw ValueError("constraint: unknown name \"" + escaped(name) + "\"",
                     did_you_mean(name, nn::constraint_names()), where.to_string());
  }
  *this = Constraint(std::move(rule), where);
}

Constraint::Constraint(const char* name, Where where) : Constraint(std::string(name), where) {}

Constraint::Constraint(std::shared_ptr<detail::ConstraintRule> spec, Where where)
    : name_(nn::type_of_spelling(spec->spelling())),
      spec_(std::move(spec)),
      function_([rule = spec_](const Tensor& x) { return rule->apply(x); }) {
  config::validate(
      name_, [&](Fields& f) { spec_->fields(f); }, where);
}

std::string Constraint::config() const {
  if (!function_) return "null";
  if (!spec_) {
    throw UnsupportedError("the constraint is a function of your own and has no text form",
                           "use nn::MaxNorm or another of its kind");
  }
  return config::choice_text(name_, [&](Fields& f) { spec_->fields(f); });
}

Constraint Constraint::from_config(std::string_view json) {
  const config::Json value = config::parse(json, "constraint");
  if (value.is_null()) return {};
  const std::string type = config::choice_type(value, "constraint");
  if (value.is_string()) return Constraint(type, Where{});
  auto rule = make_type(type);
  if (!rule) {
    throw ConfigError("constraint: unknown type \"" + escaped(type) + "\"",
                      did_you_mean(type, nn::constraint_names()));
  }
  config::read(value, "constraint", [&](Fields& f) { rule->fields(f); }, {"type"});
  return Constraint(std::move(rule), Where{});
}

}  // namespace varve
