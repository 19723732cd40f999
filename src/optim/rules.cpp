// The update rules, each one function from parameter, gradient and slots to their new values.
#include "varve/ops/pointwise.h"
#include "varve/optim.h"

namespace varve::optim {
namespace {

// A scalar computed in f64 (1 - 0.999^t loses half its digits in f32), in the parameter's type.
Tensor in_type_of(const Tensor& x, const Tensor& scalar) { return cast(scalar, x.dtype()); }

Tensor decayed(const UpdateArguments& a, double weight_decay) {
  return weight_decay == 0 ? a.gradient : a.gradient + a.parameter * weight_decay;
}

struct Moments {
  double beta_1, beta_2, epsilon;
};

// Adam's new slots, and what is taken from the parameter.
Updated adam_step(const UpdateArguments& a, const Tensor& g, const Moments& k) {
  const Tensor m = a.slots[0] * k.beta_1 + g * (1 - k.beta_1);
  const Tensor v = a.slots[1] * k.beta_2 + square(g) * (1 - k.beta_2);
  const Tensor correction_1 = 1 - power(scalar(k.beta_1, f64), a.step);
  const Tensor correction_2 = sqrt(1 - power(scalar(k.beta_2, f64), a.step));
  const Tensor size = in_type_of(m, a.learning_rate / correction_1);
  const Tensor root = sqrt(v) / in_type_of(v, correction_2) + k.epsilon;
  return {size * m / root, {m, v}};
}

void common_fields(Fields& f, Schedule& learning_rate) {
  f("learning_rate", learning_rate, "Size of a step, or a schedule.");
}
void clip_fields(Fields& f, std::optional<double>& norm, std::optional<double>& value) {
  f("clip_norm", norm, "Largest norm of all gradients together.", {.above = 0});
  f("clip_value", value, "Largest magnitude of a gradient's element.", {.above = 0});
}
void moment_fields(Fields& f, Real& beta_1, Real& beta_2, Real& epsilon) {
  f("beta_1", beta_1, "Decay of the running mean.", {.min = 0, .below = 1});
  f("beta_2", beta_2, "Decay of the running mean of squares.", {.min = 0, .below = 1});
  f("epsilon", epsilon, "Added to the root.", {.min = 0});
}
void weight_decay_field(Fields& f, Real& value) {
  f("weight_decay", value, "Pull of the parameters towards 0.", {.min = 0});
}

}  // namespace

std::vector<std::string> SGD::slots() const {
  return momentum > 0 ? std::vector<std::string>{"v"} : std::vector<std::string>{};
}
Updated SGD::update(const UpdateArguments& a) const {
  const Tensor step = decayed(a, weight_decay) * in_type_of(a.parameter, a.learning_rate);
  if (momentum == 0) return {a.parameter - step, {}};
  const Tensor v = a.slots[0] * momentum.value - step;
  if (nesterov) return {a.parameter + v * momentum.value - step, {v}};
  return {a.parameter + v, {v}};
}
void SGD::fields(Fields& f) {
  common_fields(f, learning_rate);
  f("momentum", momentum, "Share of the last step that is kept.", {.min = 0});
  f("nesterov", nesterov, "Look ahead along the momentum.");
  weight_decay_field(f, weight_decay);
  clip_fields(f, clip_norm, clip_value);
}

std::vector<std::string> RMSProp::slots() const {
  std::vector<std::string> names{"s"};
  if (centered) names.push_back("mean");
  if (momentum > 0) names.push_back("b");
  return names;
}
Updated RMSProp::update(const UpdateArguments& a) const {
  const Tensor g = decayed(a, weight_decay);
  const Tensor rate = in_type_of(a.parameter, a.learning_rate);
  Updated out;
  out.slots.push_back(a.slots[0] * rho.value + square(g) * (1 - rho));
  Tensor s = out.slots[0];
  if (centered) {
    out.slots.push_back(a.slots[1] * rho.value + g * (1 - rho));
    // A variance; rounding takes it below 0 where all gradients are alike.
    s = maximum(s - square(out.slots[1]), 0);
  }
  Tensor change = g / (sqrt(s) + epsilon.value);
  if (momentum > 0) {
    change = a.slots.back() * momentum.value + change;
    out.slots.push_back(change);
  }
  out.parameter = a.parameter - change * rate;
  return out;
}
void RMSProp::fields(Fields& f) {
  common_fields(f, learning_rate);
  f("rho", rho, "Decay of the running mean of squares.", {.min = 0, .below = 1});
  f("momentum", momentum, "Share of the last step that is kept.", {.min = 0});
  f("epsilon", epsilon, "Added to the root.", {.min = 0});
  f("centered", centered, "Divide by the standard deviation rather than the root mean square.");
  weight_decay_field(f, weight_decay);
  clip_fields(f, clip_norm, clip_value);
}

std::vector<std::string> Adam::slots() const { return {"m", "v"}; }
Updated Adam::update(const UpdateArguments& a) const {
  Updated u = adam_step(a, decayed(a, weight_decay), {beta_1, beta_2, epsilon});
  u.parameter = a.parameter - u.parameter;
  return u;
}
void Adam::fields(Fields& f) {
  common_fields(f, learning_rate);
  moment_fields(f, beta_1, beta_2, epsilon);
  weight_decay_field(f, weight_decay);
  clip_fields(f, clip_norm, clip_value);
}

std::vector<std::string> AdamW::slots() const { return {"m", "v"}; }
Updated AdamW::update(const UpdateArguments& a) const {
  Updated u = adam_step(a, a.gradient, {beta_1, beta_2, epsilon});
  const Tensor kept = in_type_of(a.parameter, 1 - a.learning_rate * weight_decay.value);
  u.parameter = a.parameter * kept - u.parameter;
  return u;
}
void AdamW::fields(Fields& f) {
  common_fields(f, learning_rate);
  weight_decay_field(f, weight_decay);
  moment_fields(f, beta_1, beta_2, epsilon);
  clip_fields(f, clip_norm, clip_value);
}

}  // namespace varve::optim
