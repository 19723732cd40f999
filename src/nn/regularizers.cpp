#include "nn/choice_table.h"
#include "varve/nn/choices.h"
#include "varve/ops/pointwise.h"
#include "varve/ops/reduction.h"

namespace varve {
namespace {

using detail::RegularizerRule;

template <class S>
std::shared_ptr<RegularizerRule> made() {
  return std::make_shared<detail::RegularizerOf<S>>(S{});
}

const nn::ChoiceTable<RegularizerRule>& table() {
  static const nn::ChoiceTable<RegularizerRule> t(
      "regularizer", {{"l1", made<nn::L1>}, {"l1_l2", made<nn::L1L2>}, {"l2", made<nn::L2>}});
  return t;
}

}  // namespace

namespace nn {

std::vector<std::string> regularizer_names() { return table().names(); }

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

Regularizer::Regularizer(const std::string& name, Where where)
    : Regularizer(table().make(name, where), where) {}

Regularizer::Regularizer(const char* name, Where where) : Regularizer(std::string(name), where) {}

Regularizer::Regularizer(std::shared_ptr<RegularizerRule> spec, Where where)
    : spec_(std::move(spec)),
      function_([rule = spec_](const Tensor& x) { return rule->apply(x); }) {
  table().validate(*spec_, where);
}

std::string Regularizer::config() const {
  if (!function_) return "null";
  if (!spec_) {
    throw UnsupportedError("the regularizer is a function of your own and has no text form",
                           "use nn::L1, nn::L2 or nn::L1L2");
  }
  return table().config(*spec_);
}

Regularizer Regularizer::from_config(std::string_view json) {
  if (config::parse(json, "regularizer").is_null()) return {};
  return Regularizer(table().from_config(json), Where{});
}

}  // namespace varve
