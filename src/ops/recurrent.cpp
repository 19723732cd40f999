// Rows of recurrent networks over whole sequences. The usual cells have kernels and backward nodes
// of their own, which give the gradients of the sums that go into the gates; what these mean for
// weights and inputs are matrix products. Cells with other functions are one composite.
#include "ops/recurrent.h"

#include <cmath>

#include "base/error.h"
#include "base/math.h"
#include "ops/checks.h"
#include "ops/shape.h"
#include "varve/ops/matmul.h"
#include "varve/ops/recurrent.h"
#include "varve/ops/reduction.h"
#include "varve/ops/shape.h"

namespace varve::ops {
namespace {

// --- shape rules ---------------------------------------------------------------------------------

void expect_type(const InferArguments& a, size_t i, const char* what, const TensorType& want) {
  if (a[i] == want) return;
  const std::string text = text_of(a.op.name, std::string(what) + ": expected " + want.to_string() +
                                                  ", got " + a[i].to_string());
  if (a[i].dtype != want.dtype) throw DTypeError(text);
  throw ShapeError(text);
}

void expect_floating(const InferArguments& a) {
  if (!is_floating(a[0].dtype)) {
    throw DTypeError(
        text_of(a.op.name, std::string("expected a floating type, got ") + name_of(a[0].dtype)));
  }
}

void expect_rank(const InferArguments& a, size_t i, int rank, const char* form) {
  if (a[i].shape.rank() != rank) {
    throw ShapeError(
        text_of(a.op.name, std::string("expected ") + form + ", got " + a[i].shape.to_string()));
  }
}

/// `times` units, which must be a size.
int64_t gates_of(const InferArguments& a, int64_t units, int64_t times) {
  int64_t n = 0;
  if (!checked_multiply(units, times, n))
    throw ShapeError(text_of(a.op.name, std::to_string(units) + " units are too many"));
  return n;
}

/// Sizes of a forward node, whose first inputs are x, kernel, recurrent kernel, bias, state.
struct Sizes {
  DType dtype;
  int64_t batch, steps, features, units;

  TensorType states(int64_t width) const { return {dtype, Shape{batch, steps, width}}; }
  TensorType state() const { return {dtype, Shape{batch, units}}; }
  TensorType mask() const { return {DType::bool_, Shape{batch, steps}}; }
};

Sizes forward_sizes(const InferArguments& a, int64_t gates, bool two_biases) {
  expect_floating(a);
  require_flags(a, {"reverse"});
  expect_rank(a, 0, 3, "an input [batch, time, features]");
  expect_rank(a, 2, 2, "a recurrent kernel [units, gates]");
  const Shape& x = a[0].shape;
  const Sizes s{a[0].dtype, x[0], x[1], x[2], a[2].shape[0]};
  const int64_t width = gates_of(a, s.units, gates);
  expect_type(a, 1, "kernel", {s.dtype, Shape{s.features, width}});
  expect_type(a, 2, "recurrent kernel", {s.dtype, Shape{s.units, width}});
  expect_type(a, 3, "bias", {s.dtype, two_biases ? Shape{2, width} : Shape{width}});
  expect_type(a, 4, "state", s.state());
  return s;
}

void expect_mask(const InferArguments& a, size_t i, const Sizes& s) {
  if (a.inputs.size() > i) expect_type(a, i, "mask", s.mask());
}

const std::string& simple_activation(const InferArguments& a) {
  const auto& name = a.attributes.get<std::string>("activation");
  if (name != "tanh" && name != "relu") {
    throw ValueError(text_of(
        a.op.name, "activation: expected \"tanh\" or \"relu\", got \"" + escaped(name) + "\""));
  }
  return name;
}

Types simple_type(const InferArguments& a) {
  const Sizes s = forward_sizes(a, 1, false);
  simple_activation(a);
  expect_mask(a, 5, s);
  return {s.states(s.units)};
}
Types lstm_type(const InferArguments& a) {
  const Sizes s = forward_sizes(a, 4, false);
  expect_type(a, 5, "cell", s.state());
  expect_mask(a, 6, s);
  return {s.states(s.units), s.states(s.units), s.states(gates_of(a, s.units, 4))};
}
Types gru_type(const InferArguments& a) {
  const Sizes s = forward_sizes(a, 3, true);
  expect_mask(a, 5, s);
  return {s.states(s.units), s.states(gates_of(a, s.units, 4))};
}

/// Sizes of a backward node by its states, input `i`, and its recurrent kernel, input 0.
Sizes backward_sizes(const InferArguments& a, size_t i, int64_t gates) {
  expect_floating(a);
  require_flags(a, {"reverse"});
  expect_rank(a, i, 3, "states [batch, time, units]");
  const Shape& y = a[i].shape;
  const Sizes s{a[0].dtype, y[0], y[1], 0, y[2]};
  expect_type(a, 0, "recurrent kernel", {s.dtype, Shape{s.units, gates_of(a, s.units, gates)}});
  expect_type(a, i, "states", s.states(s.units));
  return s;
}

Types simple_gradient_type(const InferArguments& a) {
  const Sizes s = backward_sizes(a, 1, 1);
  simple_activation(a);
  expect_type(a, 2, "gradient", a[1]);
  expect_mask(a, 3, s);
  return {a[1], s.state()};
}
Types lstm_gradient_type(const InferArguments& a) {
  const Sizes s = backward_sizes(a, 2, 4);
  expect_type(a, 1, "cell", s.state());
  expect_type(a, 3, "gates", s.states(gates_of(a, s.units, 4)));
  expect_type(a, 4, "gradient", a[2]);
  expect_type(a, 5, "gradient of the cells", a[2]);
  expect_mask(a, 6, s);
  return {a[3], s.state(), s.state()};
}
Types gru_gradient_type(const InferArguments& a) {
  const Sizes s = backward_sizes(a, 2, 3);
  expect_type(a, 1, "state", s.state());
  expect_type(a, 3, "gates", s.states(gates_of(a, s.units, 4)));
  expect_type(a, 4, "gradient", a[2]);
  expect_mask(a, 5, s);
  const TensorType sums = s.states(gates_of(a, s.units, 3));
  return {sums, sums, s.state()};
}

/// The cell of a node with functions of its own, by its attributes.
RecurrentCell cell_of(const Attributes& a, const char* op) {
  const auto& alphas = a.get<ir::Doubles>("alphas");
  const auto& betas = a.get<ir::Doubles>("betas");
  if (alphas.size() != 3 || betas.size() != 3)
    throw ShapeError(text_of(op, "alphas and betas: expected 3 numbers each"));
  const auto function = [&](const char* name, size_t i) {
    const auto& value = a.get<std::string>(name);
    GateFunction f = gate_function(value, alphas[i], betas[i]);
    if (!f) throw ValueError(text_of(op, "unknown function \"" + escaped(value) + "\""));
    return f;
  };
  RecurrentCell c;
  c.gate = function("gate", 0);
  c.candidate = function("candidate", 1);
  c.output = function("output", 2);
  c.clip = a.real("clip");
  c.input_forget = a.flag("input_forget");
  c.reset_after = a.flag("reset_after");
  if (!(c.clip >= 0)) throw ValueError(text_of(op, "clip: expected at least 0"));
  return c;
}

enum class Kind { simple, lstm, gru };
Kind kind_of(const Attributes& a, const char* op) {
  const auto& name = a.get<std::string>("cell");
  if (name == "rnn") return Kind::simple;
  if (name == "lstm") return Kind::lstm;
  if (name == "gru") return Kind::gru;
  throw ValueError(
      text_of(op, "cell: expected \"rnn\", \"lstm\" or \"gru\", got \"" + escaped(name) + "\""));
}

Types general_type(const InferArguments& a) {
  const Kind kind = kind_of(a.attributes, a.op.name);
  cell_of(a.attributes, a.op.name);
  const Sizes s = forward_sizes(a,
                                kind == Kind::lstm  ? 4
                                : kind == Kind::gru ? 3
                                                    : 1,
                                kind == Kind::gru);
  size_t next = 5;
  const auto expect_next = [&](const char* what, const TensorType& want) {
    if (a.inputs.size() <= next)
      throw ShapeError(text_of(a.op.name, std::string(what) + " is missing"));
    expect_type(a, next++, what, want);
  };
  Types out{s.states(s.units)};
  if (kind == Kind::lstm) {
    expect_next("cell", s.state());
    out.push_back(s.states(s.units));
  }
  if (a.attributes.flag("peepholes")) {
    if (kind != Kind::lstm) throw ValueError(text_of(a.op.name, "peepholes are of an LSTM"));
    expect_next("peepholes", {s.dtype, Shape{3, s.units}});
  }
  if (a.attributes.flag("masked")) expect_next("mask", s.mask());
  if (a.inputs.size() != next) throw ShapeError(text_of(a.op.name, "there are too many inputs"));
  return out;
}

// --- decompositions ------------------------------------------------------------------------------

Recurrence recurrence_of(std::span<const Tensor> in, const Attributes& a, size_t mask,
                         bool with_cell = false) {
  Recurrence r{in[0], in[1], in[2], in[3], in[4]};
  if (with_cell) r.cell = in[5];
  if (in.size() > mask) r.mask = in[mask];
  r.reverse = a.flag("reverse");
  return r;
}

std::vector<Tensor> simple_parts(std::span<const Tensor> in, const Attributes& a) {
  RecurrentCell cell = RecurrentCell::standard();
  cell.candidate = gate_function(a.get<std::string>("activation"), 0, 0);
  return simple_recurrence(cell, recurrence_of(in, a, 5));
}
std::vector<Tensor> lstm_parts(std::span<const Tensor> in, const Attributes& a) {
  return lstm_recurrence(RecurrentCell::standard(), recurrence_of(in, a, 6, true));
}
std::vector<Tensor> gru_parts(std::span<const Tensor> in, const Attributes& a) {
  return gru_recurrence(RecurrentCell::standard(), recurrence_of(in, a, 5));
}
std::vector<Tensor> general_parts(std::span<const Tensor> in, const Attributes& a) {
  const Kind kind = kind_of(a, "recurrent");
  RecurrentCell cell = cell_of(a, "recurrent");
  size_t mask = kind == Kind::lstm ? 6 : 5;
  if (a.flag("peepholes")) cell.peepholes = in[mask++];
  const Recurrence r = recurrence_of(in, a, mask, kind == Kind::lstm);
  std::vector<Tensor> out = kind == Kind::lstm  ? lstm_recurrence(cell, r)
                            : kind == Kind::gru ? gru_recurrence(cell, r)
                                                : simple_recurrence(cell, r);
  out.resize(kind == Kind::lstm ? 2 : 1);
  return out;
}

// --- derivatives ---------------------------------------------------------------------------------

/// [batch, time, n] as [batch time, n].
Tensor rows_of(const Tensor& x) {
  const Shape& s = x.shape();
  return reshaped(x, Shape{s[0] * s[1], s[2]});
}

/// The states before each step.
Tensor states_before(const Tensor& y, const Tensor& first, bool reverse) {
  const int64_t steps = y.shape()[1];
  const Tensor head = expand_dims(first, 1);
  if (steps == 0) return y;
  if (steps == 1) return head;
  return reverse ? concat({narrow(y, 1, 1, steps - 1), head}, 1)
                 : concat({head, narrow(y, 1, 0, steps - 1)}, 1);
}

Tensor product_of_rows(const Tensor& a, const Tensor& b) {
  return matmul(rows_of(a), rows_of(b), {.transpose_a = true});
}
Tensor over_samples(const Tensor& x) { return sum(x, {.axes = {0, 1}}); }

/// Slots of x, kernel, recurrent kernel from the gradients of the sums that x and h bring.
void weight_slots(const Local& at, const Tensor& with_x, const Tensor& with_h, Slots& slots) {
  const bool reverse = at.attributes.flag("reverse");
  if (at.wanted[0]) slots[0] = matmul(with_x, at.x(1), {.transpose_b = true});
  if (at.wanted[1]) slots[1] = product_of_rows(at.x(0), with_x);
  if (at.wanted[2]) slots[2] = product_of_rows(states_before(at.y(), at.x(4), reverse), with_h);
}

std::vector<Tensor> backward(const char* op, std::vector<Tensor> inputs, const Local& at,
                             size_t mask) {
  if (at.inputs.size() > mask) inputs.push_back(at.x(mask));
  return ir::apply(get(op), inputs, at.attributes);
}

Slots simple_vjp(const Local& at, std::span<const Tensor> ct) {
  const auto g = backward("rnn_gradient", {at.x(2), at.y(), ct[0]}, at, 5);
  Slots slots(at.inputs.size());
  weight_slots(at, g[0], g[0], slots);
  if (at.wanted[3]) slots[3] = over_samples(g[0]);
  slots[4] = g[1];
  return slots;
}
Slots lstm_vjp(const Local& at, std::span<const Tensor> ct) {
  const auto g =
      backward("lstm_gradient", {at.x(2), at.x(5), at.y(1), at.y(2), ct[0], ct[1]}, at, 6);
  Slots slots(at.inputs.size());
  weight_slots(at, g[0], g[0], slots);
  if (at.wanted[3]) slots[3] = over_samples(g[0]);
  slots[4] = g[1];
  slots[5] = g[2];
  return slots;
}
Slots gru_vjp(const Local& at, std::span<const Tensor> ct) {
  const auto g = backward("gru_gradient", {at.x(2), at.x(4), at.y(), at.y(1), ct[0]}, at, 5);
  Slots slots(at.inputs.size());
  weight_slots(at, g[0], g[1], slots);
  if (at.wanted[3]) slots[3] = stack({over_samples(g[0]), over_samples(g[1])}, 0);
  slots[4] = g[2];
  return slots;
}

/// Two a weight and a step.
double flops_of(const InferArguments& a, const Types&) {
  const Shape& x = a[0].shape;
  return 2. * static_cast<double>(x[0]) * static_cast<double>(x[1]) *
         static_cast<double>(a[1].shape.size() + a[2].shape.size());
}
double backward_flops(const InferArguments& a, const Types& out) {
  const Shape& sums = out[0].shape;
  return 2. * static_cast<double>(sums[0]) * static_cast<double>(sums[1]) *
         static_cast<double>(a[0].shape.size());
}

constexpr ir::Traits kFloat{.precision = ir::PrecisionTrait::f32};
constexpr ir::Traits kWithResidual{.residuals = 1, .precision = ir::PrecisionTrait::f32};

std::vector<ir::OpDef> forward_rows() {
  return {
      {.name = "rnn",
       .doc = "States h_t = f(x_t kernel + h_t-1 recurrent_kernel + bias) of a whole sequence, "
              "[batch, time, units], f by attribute activation (tanh, relu); from the last step to "
              "the first with attribute reverse. Inputs x [batch, time, features], kernel, "
              "recurrent kernel, bias, first state, and maybe a mask [batch, time]: where it is "
              "false the state stays. Elman 1990.",
       .min_inputs = 5,
       .max_inputs = 6,
       .infer = simple_type,
       .derivative = ir::Custom{simple_vjp, nullptr},
       .decompose = simple_parts,
       .traits = kFloat,
       .flops = flops_of},
      {.name = "lstm",
       .doc =
           "Long short-term memory over a whole sequence: i, f, o = sigmoid, g = tanh of the "
           "parts of x_t kernel + h_t-1 recurrent_kernel + bias (in the order i, f, g, o); c_t = "
           "f c_t-1 + i g; h_t = o tanh(c_t). Inputs as rnn, with the first cell after the "
           "first state; outputs states, cells and, for the derivative, gates. Hochreiter & "
           "Schmidhuber 1997, Gers et al. 2000.",
       .min_inputs = 6,
       .max_inputs = 7,
       .infer = lstm_type,
       .derivative = ir::Custom{lstm_vjp, nullptr},
       .decompose = lstm_parts,
       .traits = kWithResidual,
       .flops = flops_of},
      {.name = "gru",
       .doc = "Gated recurrent unit over a whole sequence: z, r = sigmoid of the parts of x_t "
              "kernel + h_t-1 recurrent_kernel + biases, n = tanh(x part + r (h part)); h_t = z "
              "h_t-1 + (1 - z) n. Parts in the order z, r, n. Inputs as rnn, bias [2, 3 units]: "
              "added to what x and to what h brings. Outputs states and, for the derivative, z, r, "
              "n and the h part of n. Cho et al. 2014, reset after the product.",
       .min_inputs = 5,
       .max_inputs = 6,
       .infer = gru_type,
       .derivative = ir::Custom{gru_vjp, nullptr},
       .decompose = gru_parts,
       .traits = kWithResidual,
       .flops = flops_of},
      {.name = "recurrent",
       .doc = "A recurrent network with functions of its own: attribute cell (rnn, lstm, gru), "
              "functions gate, candidate and output with alphas and betas, clip (0: none; else "
              "what goes into a function is cut to it), input_forget (an LSTM's forget gate is 1 - "
              "its input gate), reset_after (of a GRU). Inputs as of that cell, then peepholes "
              "[3, units] (of input, forget and output gate) and mask, as attributes peepholes and "
              "masked say.",
       .min_inputs = 5,
       .max_inputs = 8,
       .infer = general_type,
       .derivative = ir::FromDecomposition{},
       .decompose = general_parts,
       .traits = kFloat,
       .flops = flops_of},
  };
}

std::vector<ir::OpDef> backward_rows() {
  return {
      {.name = "rnn_gradient",
       .doc = "The gradients of rnn by the sums that go into its function, and by its first state. "
              "Inputs recurrent kernel, states, gradient of the states, maybe the mask.",
       .min_inputs = 3,
       .max_inputs = 4,
       .infer = simple_gradient_type,
       .derivative = ir::FromDecomposition{},
       .decompose = simple_recurrence_gradient,
       .traits = kFloat,
       .flops = backward_flops},
      {.name = "lstm_gradient",
       .doc = "The gradients of lstm by the sums that go into its gates, by its first state and by "
              "its first cell. Inputs recurrent kernel, first cell, cells, gates, gradients of "
              "states and of cells, maybe the mask.",
       .min_inputs = 6,
       .max_inputs = 7,
       .infer = lstm_gradient_type,
       .derivative = ir::FromDecomposition{},
       .decompose = lstm_gradient,
       .traits = kFloat,
       .flops = backward_flops},
      {.name = "gru_gradient",
       .doc = "The gradients of gru by what x and by what h brings to its gates, and by its first "
              "state. Inputs recurrent kernel, first state, states, gates, gradient of the states, "
              "maybe the mask.",
       .min_inputs = 5,
       .max_inputs = 6,
       .infer = gru_gradient_type,
       .derivative = ir::FromDecomposition{},
       .decompose = gru_gradient,
       .traits = kFloat,
       .flops = backward_flops},
  };
}

}  // namespace

std::span<const ir::OpDef> recurrent_rows() {
  static const std::vector<ir::OpDef> rows = [] {
    std::vector<ir::OpDef> all = forward_rows();
    for (ir::OpDef& row : backward_rows()) all.push_back(row);
    return all;
  }();
  return rows;
}

}  // namespace varve::ops
