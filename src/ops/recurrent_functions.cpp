// What users call of recurrent networks: arguments checked and brought into one form, results put
// where they were asked for.
#include <cmath>

#include "base/error.h"
#include "ops/recurrent.h"
#include "ops/shape.h"
#include "varve/ops/pointwise.h"
#include "varve/ops/recurrent.h"
#include "varve/ops/shape.h"

namespace varve::ops {
namespace {

/// One call of rnn, lstm or gru.
struct Call {
  const char* name;
  Where where;
  int64_t gates;
  DType dtype = f32;
  Tensor x = {}, kernel = {}, recurrent_kernel = {}, mask = {};
  bool reverse = false, time_major = false, zero_masked = true;

  int64_t batch() const { return x.shape()[0]; }
  int64_t steps() const { return x.shape()[1]; }
  int64_t units() const { return recurrent_kernel.shape()[0]; }

  [[noreturn]] void shape_error(const std::string& what, const std::string& hint = "") const {
    throw ShapeError(text_of(name, what), hint, where.to_string());
  }
  Operand operand(const Tensor& t) const { return {t, where}; }
  Tensor typed(const Tensor& t) const { return cast(operand(t), dtype); }

  void take(const Operand& xs, const Operand& k, const Operand& r) {
    dtype = common_type({&xs, &k, &r});
    if (!is_floating(dtype)) dtype = f32;
    x = typed(xs.as(dtype));
    kernel = typed(k.as(dtype));
    recurrent_kernel = typed(r.as(dtype));
    if (x.rank() != 3) {
      shape_error(std::string("x: expected ") +
                  (time_major ? "[time, batch, features]" : "[batch, time, features]") + ", got " +
                  x.shape().to_string());
    }
    if (time_major) x = permuted(x, {1, 0, 2}, where);
    check_kernels();
  }
  void check_kernels() const {
    const Shape &k = kernel.shape(), &r = recurrent_kernel.shape();
    if (r.rank() != 2 || r[1] != gates * r[0]) {
      shape_error("recurrent kernel: expected [units, " +
                  (gates == 1 ? "" : std::to_string(gates) + " ") + "units], got " + r.to_string());
    }
    if (k != Shape{x.shape()[2], r[1]}) {
      shape_error("kernel: expected " + Shape{x.shape()[2], r[1]}.to_string() + " for " +
                      std::to_string(x.shape()[2]) + " features and " + std::to_string(r[0]) +
                      " units, got " + k.to_string(),
                  k == Shape{r[1], x.shape()[2]} ? "did you mean transpose(kernel)?" : "");
    }
  }
  Tensor state(const char* what, const Tensor& given) const {
    const Shape want{batch(), units()};
    if (!given.defined()) return full(0, dtype, want);
    if (given.shape() != want) {
      shape_error(std::string(what) + ": expected " + want.to_string() + ", got " +
                  given.shape().to_string());
    }
    return typed(given);
  }
  /// The rows of a bias [2, n], or of [n] and zeros.
  Tensor two_biases(const Tensor& given) const {
    const int64_t n = recurrent_kernel.shape()[1];
    if (!given.defined()) return full(0, dtype, Shape{2, n});
    if (given.shape() == Shape{2, n}) return typed(given);
    if (given.shape() != Shape{n}) {
      shape_error("bias: expected " + Shape{n}.to_string() + " or " + Shape{2, n}.to_string() +
                  ", got " + given.shape().to_string());
    }
    return stack({typed(given), full(0, dtype, Shape{n})}, 0, where);
  }
  Tensor one_bias(const Tensor& given) const {
    const int64_t n = recurrent_kernel.shape()[1];
    if (given.defined() && given.shape() == Shape{n}) return typed(given);
    if (!given.defined()) return full(0, dtype, Shape{n});
    const Tensor two = two_biases(given);
    return operand(row(two, 0)) + operand(row(two, 1));
  }
  Tensor row(const Tensor& two, int64_t i) const { return squeezed(narrow(two, 0, i, 1), {0}); }

  void take_mask(const Tensor& lengths, const Tensor& given) {
    const Shape want{batch(), steps()};
    if (lengths.defined()) {
      if (!is_integer(lengths.dtype())) {
        throw DTypeError(text_of(name, std::string("lengths: expected integers, got ") +
                                           name_of(lengths.dtype())),
                         "", where.to_string());
      }
      if (lengths.shape() != Shape{batch()}) {
        shape_error("lengths: expected " + Shape{batch()}.to_string() + ", got " +
                    lengths.shape().to_string());
      }
      const Tensor each = expand_dims(operand(cast(operand(lengths), i64)), 1);
      mask = operand(counted(steps(), i64, 0, 1, where)) < operand(each);
    }
    if (!given.defined()) return;
    if (given.shape() != want) {
      shape_error("mask: expected [batch, time] " + want.to_string() + ", got " +
                  given.shape().to_string());
    }
    const Tensor truth = cast(operand(given), DType::bool_);
    mask = mask.defined() ? operand(mask) & operand(truth) : truth;
  }

  /// States after the last step, of states after each step.
  Tensor last(const Tensor& states, const Tensor& first) const {
    if (steps() == 0) return first;
    return step_of(states, reverse ? 0 : steps() - 1);
  }
  Tensor output(const Tensor& states) const {
    Tensor y = states;
    if (mask.defined() && zero_masked)
      y = varve::where(operand(expand_dims(operand(mask), 2)), operand(y), 0);
    return time_major ? permuted(y, {1, 0, 2}, where) : y;
  }
};

template <class Options>
Call call_of(const char* name, int64_t gates, const Operand& x, const Operand& kernel,
             const Operand& recurrent_kernel, const Options& o) {
  Call c{name, x.where(), gates};
  c.reverse = o.reverse;
  c.time_major = o.time_major;
  c.zero_masked = o.zero_masked;
  c.take(x, kernel, recurrent_kernel);
  c.take_mask(o.lengths, o.mask);
  if (!(o.clip >= 0) || std::isinf(o.clip.value)) {
    throw ValueError(
        text_of(name, "clip: expected a number of at least 0, got " + std::to_string(o.clip.value)),
        "", c.where.to_string());
  }
  return c;
}

struct Numbers {
  double alpha = 0, beta = 0;
};
Numbers defaults_of(const std::string& function) {
  if (function == "affine") return {1, 0};
  if (function == "leaky_relu") return {0.01, 0};
  if (function == "thresholded_relu" || function == "elu") return {1, 0};
  if (function == "scaled_tanh") return {1, 1};
  if (function == "hard_sigmoid") return {1. / 6, 0.5};
  return {};
}

/// Attributes of a cell with functions of its own.
Attributes general(const Call& c, const char* cell, const CellFunction& gate,
                   const CellFunction& candidate, const CellFunction& output) {
  ir::Doubles alphas, betas;
  for (const CellFunction* f : {&gate, &candidate, &output}) {
    if (!gate_function(f->name, 0, 0)) {
      throw ValueError(text_of(c.name, "unknown function \"" + escaped(f->name) + "\""), "",
                       c.where.to_string());
    }
    const Numbers n = defaults_of(f->name);
    alphas.push_back(f->alpha.value_or(n.alpha));
    betas.push_back(f->beta.value_or(n.beta));
  }
  return {{"cell", std::string(cell)},
          {"gate", gate.name},
          {"candidate", candidate.name},
          {"output", output.name},
          {"alphas", alphas},
          {"betas", betas},
          {"clip", 0.},
          {"input_forget", false},
          {"reset_after", true},
          {"peepholes", false},
          {"masked", c.mask.defined()},
          {"reverse", c.reverse}};
}

std::vector<Tensor> run(const char* op, const Call& c, std::vector<Tensor> inputs,
                        const Attributes& attributes) {
  if (c.mask.defined()) inputs.push_back(c.mask);
  return ir::apply(get(op), inputs, attributes, c.where);
}

Tensor reordered(const char* name, const Operand& weights, const std::vector<int64_t>& from,
                 const std::vector<int64_t>& to, int axis) {
  const Tensor x = weights.tensor();
  const auto gates = static_cast<int64_t>(from.size());
  const int at = axis_at(name, axis, x, weights.where());
  if (x.shape()[at] % gates != 0) {
    throw ShapeError(text_of(name, std::to_string(gates) + " gates do not divide axis " +
                                       std::to_string(at) + " of " + x.shape().to_string()),
                     "", weights.where().to_string());
  }
  if (from == to) return x;
  const int64_t units = x.shape()[at] / gates;
  std::vector<Tensor> parts;
  for (int64_t gate : to) {
    const auto place = std::find(from.begin(), from.end(), gate) - from.begin();
    parts.push_back(narrow(x, at, place * units, units));
  }
  return concat(Tensors(parts), at, weights.where());
}

}  // namespace
}  // namespace varve::ops

namespace varve {

RnnResult rnn(const Operand& x, const Operand& kernel, const Operand& recurrent_kernel,
              const RnnOptions& o) {
  const ir::CallerScope caller(x.where());
  const ops::Call c = ops::call_of("rnn", 1, x, kernel, recurrent_kernel, o);
  const Tensor first = c.state("initial_state", o.initial_state);
  const std::vector<Tensor> inputs{c.x, c.kernel, c.recurrent_kernel, c.one_bias(o.bias), first};
  const std::string& f = o.activation.name;
  Tensor y;
  if ((f == "tanh" || f == "relu") && o.clip == 0) {
    y = ops::run("rnn", c, inputs, {{"activation", f}, {"reverse", c.reverse}})[0];
  } else {
    ir::Attributes a = ops::general(c, "rnn", "sigmoid", o.activation, "tanh");
    a.set("clip", o.clip.value);
    y = ops::run("recurrent", c, inputs, a)[0];
  }
  return {c.output(y), c.last(y, first)};
}

LstmResult lstm(const Operand& x, const Operand& kernel, const Operand& recurrent_kernel,
                const LstmOptions& o) {
  const ir::CallerScope caller(x.where());
  const ops::Call c = ops::call_of("lstm", 4, x, kernel, recurrent_kernel, o);
  const Tensor first = c.state("initial_state", o.initial_state),
               cell = c.state("initial_cell", o.initial_cell);
  std::vector<Tensor> inputs{c.x, c.kernel, c.recurrent_kernel, c.one_bias(o.bias), first, cell};
  const bool usual = o.activation.name == "tanh" && o.recurrent_activation.name == "sigmoid" &&
                     o.output_activation.name == "tanh" && !o.peepholes.defined() &&
                     !o.input_forget && o.clip == 0;
  std::vector<Tensor> y;
  if (usual) {
    y = ops::run("lstm", c, inputs, {{"reverse", c.reverse}});
  } else {
    ir::Attributes a =
        ops::general(c, "lstm", o.recurrent_activation, o.activation, o.output_activation);
    a.set("clip", o.clip.value);
    a.set("input_forget", o.input_forget);
    if (o.peepholes.defined()) {
      if (o.peepholes.shape() != Shape{3, c.units()}) {
        c.shape_error("peepholes: expected " + Shape{3, c.units()}.to_string() + ", got " +
                      o.peepholes.shape().to_string());
      }
      a.set("peepholes", true);
      inputs.push_back(c.typed(o.peepholes));
    }
    y = ops::run("recurrent", c, inputs, a);
  }
  return {c.output(y[0]), c.last(y[0], first), c.last(y[1], cell)};
}

RnnResult gru(const Operand& x, const Operand& kernel, const Operand& recurrent_kernel,
              const GruOptions& o) {
  const ir::CallerScope caller(x.where());
  const ops::Call c = ops::call_of("gru", 3, x, kernel, recurrent_kernel, o);
  const Tensor first = c.state("initial_state", o.initial_state);
  const std::vector<Tensor> inputs{c.x, c.kernel, c.recurrent_kernel, c.two_biases(o.bias), first};
  const bool usual = o.activation.name == "tanh" && o.recurrent_activation.name == "sigmoid" &&
                     o.reset_after && o.clip == 0;
  Tensor y;
  if (usual) {
    y = ops::run("gru", c, inputs, {{"reverse", c.reverse}})[0];
  } else {
    ir::Attributes a = ops::general(c, "gru", o.recurrent_activation, o.activation, "tanh");
    a.set("clip", o.clip.value);
    a.set("reset_after", o.reset_after);
    y = ops::run("recurrent", c, inputs, a)[0];
  }
  return {c.output(y), c.last(y, first)};
}

Tensor lstm_gates(const Operand& weights, GateOrder from, GateOrder to, int axis) {
  const ir::CallerScope caller(weights.where());
  const auto order = [](GateOrder o) -> std::vector<int64_t> {
    if (o.library == GateOrder::Library::onnx) return {0, 3, 1, 2};
    return {0, 1, 2, 3};
  };
  return ops::reordered("lstm_gates", weights, order(from), order(to), axis);
}

Tensor gru_gates(const Operand& weights, GateOrder from, GateOrder to, int axis) {
  const ir::CallerScope caller(weights.where());
  const auto order = [](GateOrder o) -> std::vector<int64_t> {
    const bool reset_first =
        o.library == GateOrder::Library::pytorch || o.library == GateOrder::Library::cudnn;
    if (reset_first) return {1, 0, 2};
    return {0, 1, 2};
  };
  return ops::reordered("gru_gates", weights, order(from), order(to), axis);
}

}  // namespace varve
