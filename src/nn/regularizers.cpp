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
  std::shared_ptr<detail::RegularizerRule> (*make)();
};
template <class S>
std::shared_ptr<detail::RegularizerRule> made() {
  return std::make_shared<detail::RegularizerOf<S>>(S{});
}
constexpr Type kTypes[] = {{"l1", made<nn::L1>}, {"l1_l2", made<nn::L1L2>}, {"l2", made<nn::L2>}};

std::shared_ptr<detail::RegularizerRule> make_type(const std::string& name) {
  for (const Type& t : kTypes) {
    if (t.name == name) return t.make();
  }
  return nullptr;
}

}  // namespace

namespace nn {

std::vector<std::string> regularizer_names() {
  std::vector<std::string> names;
  for (const Type& t : kTypes) names.push_back(t.name);
  return names;
}

Tensor L1::penalty(const Tensor& x) const { return sum(abs(x)) * rate; }
void L1::fields(Fields& f) { f("rate", rate, "Factor of the sum of magnitudes.", {.min = 0}); }

Tensor L2::penalty(const Tensor& x) const { return sum(square(x)) * rate; }
void L2::fields(Fields& f) { f("rate", rate, "Factor of the sum of squares.", {.min = 0}); }

Tensor L1L2::penalty(const Tensor& x) const {
  return sum(abs(x)) * l1.value + sum(square(x)) * l2.value;
}
void L1L2::fields(Fields& f) {
  f("l1", l1, "Factor of the sum of magnitudes.", {.min = 0});
  f("l2", l2, "Factor of the sum of squares.", {.min = 0});
}

}  // namespace nn

Regularizer::Regularizer(const std::string& name, Where where) {
  auto rule = make_type(name);
  if (!rule) {
    throw ValueError("regularizer: unknown name \"" + escaped(name) + "\"",
                     did_you_mean(name, nn::regularizer_names()), where.to_string());
  }
  *this = Regularizer(std::move(rule), where);
}

Regularizer::Regularizer(const char* name, Where where) : Regularizer(std::string(name), where) {}

Regularizer::Regularizer(std::shared_ptr<detail::RegularizerRule> spec, Where where)
    : name_(nn::type_of_spelling(spec->spelling())),
      spec_(std::move(spec)),
      function_([rule = spec_](const Tensor& x) { return rule->apply(x); }) {
  if (name_ == "l1l2") name_ = "l1_l2";
  config::validate(
      name_, [&](Fields& f) { spec_->fields(f); }, where);
}

std::string Regularizer::config() const {
  if (!function_) return "null";
  if (!spec_) {
    throw UnsupportedError("the regularizer is a function of your own and has no text form",
                           "use nn::L1, nn::L2 or nn::L1L2");
  }
  return config::choice_text(name_, [&](Fields& f) { spec_->fields(f); });
}

Regularizer Regularizer::from_config(std::string_view json) {
  const config::Json value = config::parse(json, "regularizer");
  if (value.is_null()) return {};
  const std::string type = config::choice_type(value, "regularizer");
  if (value.is_string()) return Regularizer(type, Where{});
  auto rule = make_type(type);
  if (!rule) {
    throw ConfigError("regularizer: unknown type \"" + escaped(type) + "\"",
                      did_you_mean(type, nn::regularizer_names()));
  }
  config::read(value, "regularizer", [&](Fields& f) { rule->fields(f); }, {"type"});
  return Regularizer(std::move(rule), Where{});
}

}  // namespace varve
