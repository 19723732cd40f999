#include "varve/nn/recurrent_layers.h"

#include "base/count.h"
#include "base/error.h"
#include "nn/recurrent.h"
#include "nn/weights.h"
#include "ops/recurrent.h"
#include "varve/ops/pointwise.h"
#include "varve/ops/recurrent.h"
#include "varve/ops/reduction.h"
#include "varve/ops/shape.h"

namespace varve::nn {
namespace {

constexpr const char* kAxes = "[batch, time, features]";
constexpr RealRule kShare{.min = 0, .below = 1};

/// What the three layers have in common.
struct Weights {
  Tensor kernel, recurrent_kernel, bias;
};

template <class L>
Weights weights_of(const L& layer, const Tensor& x, int64_t gates, const Shape& bias,
                   const Initializer& bias_initializer, Scope& s) {
  const DType dtype = weight_type(x);
  const int64_t features = x.shape()[2], n = gates * layer.units;
  Weights w;
  w.kernel = fitted(
      s, "kernel", {features, n}, 0, 1,
      weight(layer.kernel_initializer, dtype, layer.kernel_regularizer, layer.kernel_constraint));
  w.recurrent_kernel = s.variable("recurrent_kernel", {layer.units, n},
                                  weight(layer.recurrent_initializer, dtype,
                                         layer.recurrent_regularizer, layer.recurrent_constraint));
  if (layer.use_bias) {
    w.bias =
        s.variable("bias", bias,
                   weight(bias_initializer, dtype, layer.bias_regularizer, layer.bias_constraint));
  }
  return w;
}

/// One call of a recurrent layer: what goes in, and how results are given.
template <class L>
struct Run {
  const L& layer;
  Scope& s;
  SequenceInputs in;
  KeptStates kept;
  DType dtype;
  Tensor state_scale = {};

  Run(const L& l, const Tensors& x, size_t states, Scope& scope)
      : layer(l),
        s(scope),
        in(sequence_inputs(x, 3, states, kAxes)),
        kept(l.stateful, l.batch_size, in.x, scope),
        dtype(weight_type(in.x)) {
    in.x = dropped_alike(in.x, l.dropout, s);
    state_scale = dropout_factor(state_shape(), dtype, l.recurrent_dropout, s);
  }

  Shape state_shape() const { return {in.x.shape()[0], layer.units}; }
  /// State number i: as given, as kept, or zeros.
  Tensor first(size_t i, const char* name) {
    const Tensor left = kept.read(name, state_shape(), dtype);
    if (i < in.states.size()) return cast(in.states[i], dtype);
    return left.defined() ? left : zeros(state_shape(), dtype);
  }
  /// Whether one of the fused operations does it.
  bool fused() const { return !state_scale.defined(); }
  ops::Recurrence recurrence(const Weights& w, const Tensor& state, const Shape& bias) const {
    ops::Recurrence r{cast(in.x, dtype), w.kernel, w.recurrent_kernel,
                      w.bias.defined() ? w.bias : zeros(bias, dtype), state};
    r.state_scale = state_scale;
    r.reverse = layer.go_backwards;
    r.mask = in.mask;
    return r;
  }
  /// The state after the last step.
  Tensor last(const Tensor& states, const Tensor& before) const {
    const int64_t steps = states.shape()[1];
    if (steps == 0) return before;
    return ops::step_of(states, layer.go_backwards ? 0 : steps - 1);
  }

  Tensors results(const Tensor& states, const std::vector<Tensor>& last_states) {
    std::vector<Tensor> out;
    if (layer.return_sequences) {
      Tensor y = states;
      if (layer.zero_output_for_mask && in.mask.defined()) y = where(expand_dims(in.mask, 2), y, 0);
      Tensor mask = in.mask;
      if (layer.go_backwards) {
        y = flip(y, {1});
        if (mask.defined()) mask = flip(mask, {1});
      }
      out.push_back(with_mask(y, mask));
    } else {
      out.push_back(last_states[0]);
    }
    if (layer.return_state) out.insert(out.end(), last_states.begin(), last_states.end());
    return Tensors(std::move(out));
  }
};

ops::GateFunction function_of(const varve::Activation& a) {
  return [a](const Tensor& x) { return a(x); };
}

template <class L>
void sequence_fields(L& l, Fields& f) {
  f("return_sequences", l.return_sequences, "Whether every state is given, not the last alone.");
  f("return_state", l.return_state, "Whether the last states are given, too.");
  f("go_backwards", l.go_backwards, "From the last step to the first.");
}
template <class L>
void kept_fields(L& l, Fields& f) {
  f("stateful", l.stateful, "Whether a batch begins where the one before ended.");
}
template <class L>
void mask_fields(L& l, Fields& f) {
  f("zero_output_for_mask", l.zero_output_for_mask,
    "Whether the output is 0 where masked; else the state that stayed.");
  f("batch_size", l.batch_size, "Of a stateful layer: how many sequences go on side by side.",
    {.min = 0});
  f("name", l.name, kLayerName);
}
template <class L>
void weight_fields(L& l, Fields& f) {
  f("kernel_initializer", l.kernel_initializer, "How the kernel begins.");
  f("recurrent_initializer", l.recurrent_initializer, "How the recurrent kernel begins.");
  f("bias_initializer", l.bias_initializer, "How the bias begins.");
}
template <class L>
void penalty_fields(L& l, Fields& f) {
  f("kernel_regularizer", l.kernel_regularizer, "Penalty on the kernel.");
  f("recurrent_regularizer", l.recurrent_regularizer, "Penalty on the recurrent kernel.");
  f("bias_regularizer", l.bias_regularizer, "Penalty on the bias.");
  f("kernel_constraint", l.kernel_constraint, "What the kernel is brought back to.");
  f("recurrent_constraint", l.recurrent_constraint,
    "What the recurrent kernel is brought back to.");
  f("bias_constraint", l.bias_constraint, "What the bias is brought back to.");
  f("dropout", l.dropout, "Share of the features that is dropped.", kShare);
  f("recurrent_dropout", l.recurrent_dropout, "Share of the state's units that is dropped.",
    kShare);
}

}  // namespace

// ---- SimpleRNN ----

Tensors SimpleRNN::call(const Tensors& x, Scope& s) const {
  Run run(*this, x, 1, s);
  const Shape bias{units};
  const Weights w = weights_of(*this, run.in.x, 1, bias, bias_initializer, s);
  const Tensor first = run.first(0, "state_h");
  const ops::Recurrence r = run.recurrence(w, first, bias);
  const std::string f = fused_name(activation);
  Tensor states;
  if (run.fused() && (f == "tanh" || f == "relu")) {
    states = rnn(r.x, r.kernel, r.recurrent_kernel,
                 {.bias = r.bias,
                  .initial_state = first,
                  .mask = r.mask,
                  .reverse = r.reverse,
                  .zero_masked = false,
                  .activation = f})
                 .output;
  } else {
    ops::RecurrentCell cell;
    cell.candidate = function_of(activation);
    states = ops::simple_recurrence(cell, r)[0];
  }
  const Tensor last = run.last(states, first);
  run.kept.write("state_h", last);
  return run.results(states, {last});
}
Outputs SimpleRNN::operator()(const Tensors& x, CallOptions options, Where where) && {
  return once(std::move(*this), x, options, where);
}
void SimpleRNN::fields(Fields& f) {
  f("units", units, "Size of the state.", {.min = 1});
  f("activation", activation, "Function of the state.");
  f("use_bias", use_bias, "Whether a bias is added.");
  weight_fields(*this, f);
  penalty_fields(*this, f);
  sequence_fields(*this, f);
  kept_fields(*this, f);
  mask_fields(*this, f);
}

// ---- LSTM ----

Tensors LSTM::call(const Tensors& x, Scope& s) const {
  Run run(*this, x, 2, s);
  const Shape bias{4 * units};
  const Weights w =
      weights_of(*this, run.in.x, 4, bias,
                 unit_forget_bias ? with_ones(bias_initializer, 4, 1) : bias_initializer, s);
  const Tensor first = run.first(0, "state_h"), first_cell = run.first(1, "state_c");
  ops::Recurrence r = run.recurrence(w, first, bias);
  r.cell = first_cell;
  Tensor states, last, last_cell;
  if (run.fused() && fused_name(activation) == "tanh" &&
      fused_name(recurrent_activation) == "sigmoid") {
    const LstmResult y = lstm(r.x, r.kernel, r.recurrent_kernel,
                              {.bias = r.bias,
                               .initial_state = first,
                               .initial_cell = first_cell,
                               .mask = r.mask,
                               .reverse = r.reverse,
                               .zero_masked = false});
    states = y.output;
    last_cell = y.cell;
  } else {
    ops::RecurrentCell cell;
    cell.gate = function_of(recurrent_activation);
    cell.candidate = cell.output = function_of(activation);
    const auto y = ops::lstm_recurrence(cell, r);
    states = y[0];
    last_cell = run.last(y[1], first_cell);
  }
  last = run.last(states, first);
  run.kept.write("state_h", last);
  run.kept.write("state_c", last_cell);
  return run.results(states, {last, last_cell});
}
Outputs LSTM::operator()(const Tensors& x, CallOptions options, Where where) && {
  return once(std::move(*this), x, options, where);
}
void LSTM::fields(Fields& f) {
  f("units", units, "Size of the state.", {.min = 1});
  f("activation", activation, "Function of the candidate and of the cell.");
  f("recurrent_activation", recurrent_activation, "Function of the gates.");
  f("use_bias", use_bias, "Whether a bias is added.");
  weight_fields(*this, f);
  f("unit_forget_bias", unit_forget_bias, "Whether the forget gate's bias begins at 1.");
  penalty_fields(*this, f);
  sequence_fields(*this, f);
  kept_fields(*this, f);
  mask_fields(*this, f);
}

// ---- GRU ----

Tensors GRU::call(const Tensors& x, Scope& s) const {
  Run run(*this, x, 1, s);
  const Shape one{3 * units}, two{2, 3 * units};
  const Weights w = weights_of(*this, run.in.x, 3, reset_after ? two : one, bias_initializer, s);
  const Tensor first = run.first(0, "state_h");
  ops::Recurrence r = run.recurrence(w, first, two);
  Tensor states;
  const std::string f = fused_name(activation), gate = fused_name(recurrent_activation);
  if (run.fused() && !f.empty() && !gate.empty()) {
    states = gru(r.x, r.kernel, r.recurrent_kernel,
                 {.bias = r.bias,
                  .initial_state = first,
                  .mask = r.mask,
                  .reverse = r.reverse,
                  .zero_masked = false,
                  .activation = f,
                  .recurrent_activation = gate,
                  .reset_after = reset_after})
                 .output;
  } else {
    if (r.bias.rank() == 1) r.bias = stack({r.bias, zeros_like(r.bias)}, 0);
    ops::RecurrentCell cell;
    cell.gate = function_of(recurrent_activation);
    cell.candidate = function_of(activation);
    cell.reset_after = reset_after;
    states = ops::gru_recurrence(cell, r)[0];
  }
  const Tensor last = run.last(states, first);
  run.kept.write("state_h", last);
  return run.results(states, {last});
}
Outputs GRU::operator()(const Tensors& x, CallOptions options, Where where) && {
  return once(std::move(*this), x, options, where);
}
void GRU::fields(Fields& f) {
  f("units", units, "Size of the state.", {.min = 1});
  f("activation", activation, "Function of the candidate.");
  f("recurrent_activation", recurrent_activation, "Function of the gates.");
  f("use_bias", use_bias, "Whether biases are added.");
  weight_fields(*this, f);
  penalty_fields(*this, f);
  sequence_fields(*this, f);
  kept_fields(*this, f);
  f("reset_after", reset_after, "Whether the reset gate follows the product.");
  mask_fields(*this, f);
}

// ---- masks ----

Tensor Masking::call(const Tensor& x, Scope&) const {
  require_rank(x, 3, 3, kAxes);
  const Tensor there = any(x != mask_value.value, {.axes = {2}, .keep_dims = true});
  return with_mask(where(there, x, 0), squeeze(there, {2}));
}
Tensor Masking::operator()(const Tensor& x, CallOptions options, Where where) && {
  return once(std::move(*this), x, options, where);
}
void Masking::fields(Fields& f) {
  f("mask_value", mask_value, "What all features of a step are where there is none.");
  f("name", name, kLayerName);
}

Tensor ApplyMask::call(const Tensors& x, Scope&) const {
  if (x.size() != 2) throw ValueError("expected {x, mask}, got " + count_of(x.size(), "tensor"));
  return with_mask(x[0], x[1]);
}
Tensor ApplyMask::operator()(const Tensors& x, CallOptions options, Where where) && {
  return once(std::move(*this), x, options, where);
}
void ApplyMask::fields(Fields& f) { f("name", name, kLayerName); }

Tensor DropMask::call(const Tensor& x, Scope&) const { return with_mask(x, {}); }
Tensor DropMask::operator()(const Tensor& x, CallOptions options, Where where) && {
  return once(std::move(*this), x, options, where);
}
void DropMask::fields(Fields& f) { f("name", name, kLayerName); }

Tensor PaddingMask::call(const Tensor& x, Scope&) const { return x != padding.value; }
Tensor PaddingMask::operator()(const Tensor& x, CallOptions options, Where where) && {
  return once(std::move(*this), x, options, where);
}
void PaddingMask::fields(Fields& f) {
  f("padding", padding, "The index that stands for nothing.");
  f("name", name, kLayerName);
}

}  // namespace varve::nn
