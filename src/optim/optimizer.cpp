#include <algorithm>
#include <set>

#include "base/count.h"
#include "base/error.h"
#include "ir/frame.h"
#include "ir/node.h"
#include "nn/choice_table.h"
#include "varve/ops/pointwise.h"
#include "varve/optim.h"

namespace varve {

namespace detail {

struct OptimizerState {
  struct Parameter {
    Variable variable;
    std::vector<Variable> slots;
  };
  std::shared_ptr<OptimizerRule> rule;
  Variable learning_rate, step;
  std::vector<Parameter> parameters;
  std::set<std::string> paths;  // of slots, to keep them distinct
  std::weak_ptr<void> model;    // that was compiled with it, where `claimed`
  bool claimed = false;

  const Parameter* find(const Variable& v) const {
    const auto at = std::find_if(parameters.begin(), parameters.end(),
                                 [&](const Parameter& p) { return p.variable == v; });
    return at == parameters.end() ? nullptr : &*at;
  }
};

}  // namespace detail

namespace {

using detail::OptimizerRule;

template <class S>
std::shared_ptr<OptimizerRule> made() {
  return std::make_shared<detail::OptimizerOf<S>>(S{});
}

const nn::ChoiceTable<OptimizerRule>& table() {
  static const nn::ChoiceTable<OptimizerRule> t("optimizer", {{"adam", made<optim::Adam>},
                                                              {"adamw", made<optim::AdamW>},
                                                              {"rmsprop", made<optim::RMSProp>},
                                                              {"sgd", made<optim::SGD>}});
  return t;
}

// The learning rate as a variable that is worked out anew whenever the step has changed.
Variable scheduled_rate(const Schedule& schedule, const Variable& step) {
  Variable rate(scalar(schedule(0), f32), {.name = "learning_rate", .trainable = false});
  if (schedule.is_constant()) return rate;
  rate.state()->follow = [schedule, step, last = int64_t{0}]() mutable -> Tensor {
    const auto now = step.value().item<int64_t>();
    if (now == last) return {};
    last = now;
    return scalar(schedule(now), f32);
  };
  return rate;
}

std::vector<Tensor> clipped(const Grads& gradients, const OptimizerRule& rule) {
  std::vector<Tensor> g = gradients.gradients();
  if (const std::optional<double> most = rule.clip_value()) {
    for (Tensor& x : g) x = clip(x, -*most, *most);
  }
  if (const std::optional<double> most = rule.clip_norm()) {
    const Tensor norm = Grads(gradients.variables(), g).global_norm();
    const Tensor factor = *most / maximum(norm, *most);
    for (Tensor& x : g) x = x * cast(factor, x.dtype());
  }
  return g;
}

void check_updated(const std::string& name, const optim::Updated& u,
                   const optim::UpdateArguments& a) {
  const auto check_one = [&](const Tensor& got, const Tensor& before, const std::string& what) {
    if (ir::type_of(got) == ir::type_of(before)) return;
    throw ShapeError(name + ": update gives " + ir::type_of(got).to_string() + " for " + what +
                     ", expected " + ir::type_of(before).to_string());
  };
  check_one(u.parameter, a.parameter, "a parameter");
  if (u.slots.size() != a.slots.size()) {
    throw ValueError(name + ": update gives " + count_of(u.slots.size(), "slot") + ", expected " +
                     std::to_string(a.slots.size()));
  }
  for (size_t i = 0; i < u.slots.size(); ++i) check_one(u.slots[i], a.slots[i], "a slot");
}

/// As the variable's constraint wants it.
Tensor constrained(const Variable& v, const Tensor& value) {
  const auto& constraint = v.state()->constraint;
  if (!constraint) return value;
  const Tensor y = constraint(value);
  if (ir::type_of(y) == ir::type_of(value)) return y;
  throw ShapeError("the constraint of " + v.name() + " gives " + ir::type_of(y).to_string() +
                   ", expected " + ir::type_of(value).to_string());
}

}  // namespace

std::vector<std::string> optim::names() { return table().names(); }

Optimizer::Optimizer(std::shared_ptr<OptimizerRule> rule, Where where)
    : state_(std::make_shared<detail::OptimizerState>()) {
  table().validate(*rule, where);
  state_->rule = std::move(rule);
  state_->step = Variable(scalar(0, i64), {.name = "step", .trainable = false});
  state_->learning_rate = scheduled_rate(state_->rule->learning_rate(), state_->step);
}
Optimizer::Optimizer(const std::string& name, Where where)
    : Optimizer(table().make(name, where), where) {}
Optimizer::Optimizer(const char* name, Where where) : Optimizer(std::string(name), where) {}

void Optimizer::build(const Variables& parameters) {
  const std::vector<std::string> names = state_->rule->slots();
  for (const Variable& p : parameters) {
    if (state_->find(p)) continue;
    detail::OptimizerState::Parameter entry{p, {}};
    std::string base = p.name().empty() ? "parameter" : p.name();
    // Two models may share an optimizer, and names.
    for (int n = 2; !state_->paths.insert(base).second; ++n) {
      base = (p.name().empty() ? "parameter" : p.name()) + "_" + std::to_string(n);
    }
    for (const std::string& slot : names) {
      entry.slots.push_back(Variable(p.shape(), p.dtype(),
                                     [shape = p.shape(), dtype = p.dtype()] {
                                       const std::vector<std::byte> zeros(
                                           static_cast<size_t>(shape.size() * size_of(dtype)));
                                       return tensor_from_bytes(zeros.data(), dtype, shape);
                                     },
                                     {.name = slot + "." + base, .trainable = false}));
    }
    state_->parameters.push_back(std::move(entry));
  }
}

// Two models would count their steps together: schedules and Adam's corrections would go wrong
// without a word.
void Optimizer::claim(const std::shared_ptr<void>& model) {
  const std::shared_ptr<void> before = state_->model.lock();
  const bool trained = state_->claimed && !state_->parameters.empty();
  if (before ? before != model : trained) {
    throw ValueError("compile: this " + name() + " optimizer is another model's already",
                     "optimizer.fresh() is one of the same settings");
  }
  state_->model = model;
  state_->claimed = true;
}

void Optimizer::update(const Grads& gradients) {
  build(gradients.variables());
  for (size_t i = 0; i < gradients.size(); ++i) {
    ir::guard(gradients.gradients()[i], "gradient of " + gradients.variables()[i].name());
  }
  const std::vector<Tensor> g = clipped(gradients, *state_->rule);
  const Tensor count = state_->step.value() + 1;
  const Tensor t = cast(count, f64);
  const Tensor rate = cast(state_->learning_rate.value(), f64);
  std::vector<Variable> changed{state_->step};
  std::vector<Tensor> values{count};
  for (size_t i = 0; i < g.size(); ++i) {
    const auto& entry = *state_->find(gradients.variables()[i]);
    const Tensor parameter = entry.variable.value();
    std::vector<Tensor> slots;
    for (const Variable& s : entry.slots) slots.push_back(s.value());
    const optim::UpdateArguments arguments{parameter, g[i], slots, rate, t};
    const optim::Updated u = state_->rule->apply(arguments);
    check_updated(name(), u, arguments);
    changed.push_back(entry.variable);
    values.push_back(constrained(entry.variable, u.parameter));
    changed.insert(changed.end(), entry.slots.begin(), entry.slots.end());
    values.insert(values.end(), u.slots.begin(), u.slots.end());
  }
  // Nothing is assigned before everything is known.
  if (!ir::tracing()) ir::evaluate(values);
  for (size_t i = 0; i < changed.size(); ++i) changed[i].assign(values[i]);
}

Variable Optimizer::learning_rate() const { return state_->learning_rate; }
Variable Optimizer::step() const { return state_->step; }
std::string Optimizer::name() const { return table().name_of(*state_->rule); }
const Schedule& Optimizer::schedule() const { return state_->rule->learning_rate(); }

std::vector<Optimizer::NamedState> Optimizer::state() const {
  std::vector<NamedState> out{{"step", state_->step}};
  if (!state_->learning_rate.state()->follow) {
    out.push_back({"learning_rate", state_->learning_rate});
  }
  for (const auto& p : state_->parameters) {
    for (const Variable& s : p.slots) out.push_back({s.name(), s});
  }
  return out;
}

Optimizer Optimizer::fresh() const { return Optimizer(state_->rule, Where{}); }

std::string Optimizer::config() const { return table().config(*state_->rule); }

Optimizer Optimizer::from_config(std::string_view json) {
  return Optimizer(table().from_config(json), Where{});
}

}  // namespace varve
