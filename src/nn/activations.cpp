#include <algorithm>

#include "base/error.h"
#include "nn/config.h"
#include "nn/names.h"
#include "varve/nn/activation_layers.h"
#include "varve/nn/choices.h"
#include "varve/ops/activation.h"
#include "varve/ops/normalization.h"
#include "varve/ops/pointwise.h"

namespace varve {
namespace {

struct Named {
  const char* name;
  Tensor (*function)(const Tensor&);
  nn::Masks masks = nn::Masks::elementwise;
};

constexpr Named kNamed[] = {
    {"celu", [](const Tensor& x) { return celu(x); }},
    {"elu", [](const Tensor& x) { return elu(x); }},
    {"exponential", [](const Tensor& x) { return exp(x); }},
    {"geglu", [](const Tensor& x) { return geglu(x); }, nn::Masks::by_step},
    {"gelu", [](const Tensor& x) { return gelu(x); }},
    {"gelu_tanh", [](const Tensor& x) { return gelu_tanh(x); }},
    {"glu", [](const Tensor& x) { return glu(x); }, nn::Masks::by_step},
    {"hard_shrink", [](const Tensor& x) { return hard_shrink(x); }},
    {"hard_sigmoid", [](const Tensor& x) { return hard_sigmoid(x); }},
    {"hard_silu", [](const Tensor& x) { return hard_swish(x); }},
    {"hard_swish", [](const Tensor& x) { return hard_swish(x); }},
    {"hard_tanh", [](const Tensor& x) { return hard_tanh(x); }},
    {"leaky_relu", [](const Tensor& x) { return leaky_relu(x, 0.2); }},  // Keras' slope
    {"linear", nullptr},
    {"log_sigmoid", [](const Tensor& x) { return log_sigmoid(x); }},
    {"log_softmax", [](const Tensor& x) { return log_softmax(x); }, nn::Masks::by_step},
    {"mish", [](const Tensor& x) { return mish(x); }},
    {"quick_gelu", [](const Tensor& x) { return quick_gelu(x); }},
    {"relu", [](const Tensor& x) { return relu(x); }},
    {"relu6", [](const Tensor& x) { return relu6(x); }},
    {"selu", [](const Tensor& x) { return selu(x); }},
    {"sigmoid", [](const Tensor& x) { return sigmoid(x); }},
    {"silu", [](const Tensor& x) { return silu(x); }},
    {"soft_shrink", [](const Tensor& x) { return soft_shrink(x); }},
    {"softmax", [](const Tensor& x) { return softmax(x); }, nn::Masks::by_step},
    {"softmin", [](const Tensor& x) { return softmin(x); }, nn::Masks::by_step},
    {"softplus", [](const Tensor& x) { return softplus(x); }},
    {"softsign", [](const Tensor& x) { return softsign(x); }},
    {"sparse_plus", [](const Tensor& x) { return sparse_plus(x); }},
    {"sparse_sigmoid", [](const Tensor& x) { return sparse_sigmoid(x); }},
    {"sparsemax", [](const Tensor& x) { return sparsemax(x); }, nn::Masks::by_step},
    {"squareplus", [](const Tensor& x) { return squareplus(x); }},
    {"step", [](const Tensor& x) { return step(x); }},
    {"swiglu", [](const Tensor& x) { return swiglu(x); }, nn::Masks::by_step},
    {"swish", [](const Tensor& x) { return silu(x); }},
    {"tanh", [](const Tensor& x) { return tanh(x); }},
    {"tanh_shrink", [](const Tensor& x) { return tanh_shrink(x); }},
    {"thresholded_relu", [](const Tensor& x) { return thresholded_relu(x); }},
};

struct Type {
  const char* name;
  std::shared_ptr<detail::ActivationRule> (*make)();
};
template <class S>
std::shared_ptr<detail::ActivationRule> made() {
  return std::make_shared<detail::ActivationOf<S>>(S{});
}
constexpr Type kTypes[] = {{"celu", made<nn::CELU>},
                           {"elu", made<nn::ELU>},
                           {"glu", made<nn::GLU>},
                           {"hard_shrink", made<nn::HardShrink>},
                           {"hard_sigmoid", made<nn::HardSigmoid>},
                           {"hard_tanh", made<nn::HardTanh>},
                           {"leaky_relu", made<nn::LeakyReLU>},
                           {"relu", made<nn::ReLU>},
                           {"soft_shrink", made<nn::SoftShrink>},
                           {"softmax", made<nn::Softmax>},
                           {"softplus", made<nn::Softplus>},
                           {"step", made<nn::Step>},
                           {"swish", made<nn::Swish>},
                           {"thresholded_relu", made<nn::ThresholdedReLU>}};

}  // namespace

std::vector<std::string> nn::activation_names() {
  std::vector<std::string> names;
  for (const Named& n : kNamed) names.push_back(n.name);
  return names;
}

Activation::Activation(const std::string& name, Where where) : name_(name) {
  for (const Named& n : kNamed) {
    if (n.name != name) continue;
    if (n.function) function_ = n.function;
    masks_ = n.masks;
    return;
  }
  throw ValueError("activation: unknown name \"" + escaped(name) + "\"",
                   did_you_mean(name, nn::activation_names()), where.to_string());
}

Activation::Activation(const char* name, Where where) : Activation(std::string(name), where) {}

Activation::Activation(std::shared_ptr<detail::ActivationRule> spec, Where where)
    : name_(nn::type_of_spelling(spec->spelling())),
      spec_(std::move(spec)),
      function_([rule = spec_](const Tensor& x) { return rule->apply(x); }),
      masks_(spec_->masks()) {
  config::validate(
      name_, [&](Fields& f) { spec_->fields(f); }, where);
}

std::string Activation::config() const {
  if (spec_) return config::choice_text(name_, [&](Fields& f) { spec_->fields(f); });
  if (function_ && name_.empty()) {
    throw UnsupportedError("the activation is a function of your own and has no text form",
                           "use a named activation, or a layer struct of your own");
  }
  return config::Json(name_.empty() ? "linear" : name_).dump();
}

Activation Activation::from_config(std::string_view json) {
  const config::Json value = config::parse(json, "activation");
  if (value.is_null()) return {};
  const std::string type = config::choice_type(value, "activation");
  if (value.is_string()) return Activation(type, Where{});
  std::vector<std::string> known;
  for (const Type& t : kTypes) {
    known.push_back(t.name);
    if (t.name != type) continue;
    auto rule = t.make();
    config::read(value, "activation", [&](Fields& f) { rule->fields(f); }, {"type"});
    return Activation(std::move(rule), Where{});
  }
  throw ConfigError("activation: unknown type \"" + escaped(type) + "\"",
                    did_you_mean(type, known));
}

}  // namespace varve
