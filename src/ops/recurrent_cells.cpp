// Recurrent cells, unrolled over the steps of a sequence.
#include <cmath>

#include "base/error.h"
#include "ops/recurrent.h"
#include "ops/shape.h"
#include "varve/ops/matmul.h"
#include "varve/ops/pointwise.h"
#include "varve/ops/shape.h"

namespace varve::ops {

Tensor step_of(const Tensor& x, int64_t t) { return squeezed(narrow(x, 1, t, 1), {1}); }

Tensor steps_together(const std::vector<Tensor>& steps, const Shape& whole, DType dtype) {
  return steps.empty() ? full(0, dtype, whole) : stack(Tensors(steps), 1);
}

RecurrentCell RecurrentCell::standard() {
  RecurrentCell c;
  c.gate = [](const Tensor& x) { return sigmoid(x); };
  c.candidate = c.output = [](const Tensor& x) { return tanh(x); };
  return c;
}

GateFunction gate_function(const std::string& name, double alpha, double beta) {
  using F = Tensor (*)(const Operand&);
  constexpr std::pair<const char*, F> kPlain[] = {
      {"tanh", tanh},         {"sigmoid", sigmoid},   {"relu", relu},       {"relu6", relu6},
      {"softsign", softsign}, {"softplus", softplus}, {"selu", selu},       {"silu", silu},
      {"gelu", gelu},         {"mish", mish},         {"exponential", exp},
  };
  for (const auto& [known, f] : kPlain) {
    if (name == known) return [f = f](const Tensor& x) { return f(x); };
  }
  if (name == "linear") return [](const Tensor& x) { return x; };
  if (name == "affine") return [=](const Tensor& x) { return x * alpha + beta; };
  if (name == "leaky_relu") return [=](const Tensor& x) { return leaky_relu(x, alpha); };
  if (name == "thresholded_relu")
    return [=](const Tensor& x) { return where(x > alpha, x, full_like(x, 0)); };
  if (name == "scaled_tanh") return [=](const Tensor& x) { return tanh(x * beta) * alpha; };
  if (name == "hard_sigmoid") return [=](const Tensor& x) { return clip(x * alpha + beta, 0, 1); };
  if (name == "elu") return [=](const Tensor& x) { return elu(x, alpha); };
  return {};
}

namespace {

/// The walk over the steps, in order or back; what masked samples keep.
struct Walk {
  int64_t steps;
  bool reverse;
  Tensor mask;  // [batch, time], or empty

  int64_t at(int64_t i) const { return reverse ? steps - 1 - i : i; }
  /// The mask of a step, as wide as a state.
  Tensor live(int64_t t, const Shape& state) const {
    return stretched_to(narrow(mask, 1, t, 1), state);
  }
  Tensor kept(const Tensor& after, const Tensor& before, int64_t t) const {
    return mask.defined() ? where(live(t, after.shape()), after, before) : after;
  }
};

Tensor part(const Tensor& x, int64_t i, int64_t units) {
  return narrow(x, x.rank() - 1, i * units, units);
}

/// f of what the clip leaves.
Tensor applied(const GateFunction& f, const Tensor& x, const RecurrentCell& cell) {
  return f(cell.clip > 0 ? clip(x, -cell.clip, cell.clip) : x);
}

Tensor row(const Tensor& x, int64_t i) { return squeezed(narrow(x, 0, i, 1), {0}); }

/// The state as its product sees it.
Tensor seen_state(const Tensor& h, const Recurrence& r) {
  return r.state_scale.defined() ? h * r.state_scale : h;
}

struct States {
  std::vector<Tensor> list;
  explicit States(int64_t n) : list(static_cast<size_t>(n)) {}
  Tensor& operator[](int64_t t) { return list[static_cast<size_t>(t)]; }
  Tensor together(const Recurrence& r, int64_t width) const {
    return steps_together(list, Shape{r.batch(), r.steps(), width}, r.x.dtype());
  }
};

}  // namespace

std::vector<Tensor> simple_recurrence(const RecurrentCell& cell, const Recurrence& r) {
  const Tensor brought = matmul(r.x, r.kernel, {.bias = r.bias});
  const Walk walk{r.steps(), r.reverse, r.mask};
  States states(r.steps());
  Tensor h = r.state;
  for (int64_t i = 0; i < r.steps(); ++i) {
    const int64_t t = walk.at(i);
    const Tensor sum = step_of(brought, t) + matmul(seen_state(h, r), r.recurrent_kernel);
    h = walk.kept(applied(cell.candidate, sum, cell), h, t);
    states[t] = h;
  }
  return {states.together(r, r.units())};
}

std::vector<Tensor> lstm_recurrence(const RecurrentCell& cell, const Recurrence& r) {
  const int64_t n = r.units();
  const Tensor brought = matmul(r.x, r.kernel, {.bias = r.bias});
  const Walk walk{r.steps(), r.reverse, r.mask};
  States states(r.steps()), cells(r.steps()), gates(r.steps());
  Tensor h = r.state, c = r.cell;
  const auto seen = [&](const Tensor& sum, const Tensor& from, int64_t which) {
    return cell.peepholes.defined() ? sum + row(cell.peepholes, which) * from : sum;
  };
  for (int64_t i = 0; i < r.steps(); ++i) {
    const int64_t t = walk.at(i);
    const Tensor sum = step_of(brought, t) + matmul(seen_state(h, r), r.recurrent_kernel);
    const Tensor in = applied(cell.gate, seen(part(sum, 0, n), c, 0), cell);
    const Tensor forget =
        cell.input_forget ? 1 - in : applied(cell.gate, seen(part(sum, 1, n), c, 1), cell);
    const Tensor candidate = applied(cell.candidate, part(sum, 2, n), cell);
    const Tensor next = forget * c + in * candidate;
    const Tensor out = applied(cell.gate, seen(part(sum, 3, n), next, 2), cell);
    h = walk.kept(out * applied(cell.output, next, cell), h, t);
    c = walk.kept(next, c, t);
    states[t] = h;
    cells[t] = c;
    gates[t] = concat({in, forget, candidate, out}, -1);
  }
  return {states.together(r, n), cells.together(r, n), gates.together(r, 4 * n)};
}

std::vector<Tensor> gru_recurrence(const RecurrentCell& cell, const Recurrence& r) {
  const int64_t n = r.units();
  const Tensor brought = matmul(r.x, r.kernel, {.bias = row(r.bias, 0)});
  const Tensor bias = row(r.bias, 1);
  const Walk walk{r.steps(), r.reverse, r.mask};
  States states(r.steps()), gates(r.steps());
  Tensor h = r.state;
  for (int64_t i = 0; i < r.steps(); ++i) {
    const int64_t t = walk.at(i);
    const Tensor x = step_of(brought, t), seen = seen_state(h, r);
    Tensor update, reset, own, candidate;
    const auto gated = [&](const Tensor& recurrent) {
      update = applied(cell.gate, part(x, 0, n) + part(recurrent, 0, n), cell);
      reset = applied(cell.gate, part(x, 1, n) + part(recurrent, 1, n), cell);
    };
    if (cell.reset_after) {
      const Tensor recurrent = matmul(seen, r.recurrent_kernel, {.bias = bias});
      gated(recurrent);
      own = part(recurrent, 2, n);
      candidate = applied(cell.candidate, part(x, 2, n) + reset * own, cell);
    } else {
      const Tensor gates_kernel = narrow(r.recurrent_kernel, 1, 0, 2 * n);
      gated(matmul(seen, gates_kernel, {.bias = narrow(bias, 0, 0, 2 * n)}));
      own = matmul(reset * seen, part(r.recurrent_kernel, 2, n), {.bias = part(bias, 2, n)});
      candidate = applied(cell.candidate, part(x, 2, n) + own, cell);
    }
    h = walk.kept(update * h + (1 - update) * candidate, h, t);
    states[t] = h;
    gates[t] = concat({update, reset, candidate, own}, -1);
  }
  return {states.together(r, n), gates.together(r, 4 * n)};
}

// --- backwards -----------------------------------------------------------------------------------

namespace {

/// What flows back through a state from step to step; the share of masked samples goes past.
struct Flow {
  const Walk& walk;
  Tensor carried;  // [batch, units]; of the step before the one at hand

  /// What reaches the step from its own output and from the next one; `past` keeps what a masked
  /// sample hands on unchanged.
  Tensor into(const Tensor& own, int64_t t, Tensor& past) {
    const Tensor all = carried + own;
    past = {};
    if (!walk.mask.defined()) return all;
    const Tensor live = walk.live(t, all.shape()), none = full_like(all, 0);
    past = where(live, none, all);
    return where(live, all, none);
  }
  void out(const Tensor& flowing, const Tensor& past) {
    carried = past.defined() ? flowing + past : flowing;
  }
};

Tensor of_sigmoid(const Tensor& y) { return y * (1 - y); }
Tensor of_tanh(const Tensor& y) { return 1 - square(y); }

/// The states before each step, by the steps after them and the first one.
Tensor before(const Tensor& after, const Tensor& first, const Walk& walk, int64_t i) {
  return i == 0 ? first : step_of(after, walk.at(i - 1));
}

Tensor turned(const Tensor& matrix) { return permuted(matrix, {1, 0}); }

Tensor optional_at(std::span<const Tensor> in, size_t i) {
  return in.size() > i ? in[i] : Tensor();
}

}  // namespace

// recurrent kernel, states, gradient of these, mask.
std::vector<Tensor> simple_recurrence_gradient(std::span<const Tensor> in, const Attributes& a) {
  const Tensor &y = in[1], back = turned(in[0]);
  const Walk walk{y.shape()[1], a.flag("reverse"), optional_at(in, 3)};
  const bool relu = a.get<std::string>("activation") == "relu";
  const Shape state{y.shape()[0], y.shape()[2]};
  Flow flow{walk, full(0, y.dtype(), state)};
  std::vector<Tensor> sums(static_cast<size_t>(walk.steps));
  for (int64_t i = walk.steps; i-- > 0;) {
    const int64_t t = walk.at(i);
    Tensor past;
    const Tensor dh = flow.into(step_of(in[2], t), t, past), h = step_of(y, t);
    const Tensor sum = relu ? where(h > 0, dh, full_like(dh, 0)) : dh * of_tanh(h);
    flow.out(matmul(sum, back), past);
    sums[static_cast<size_t>(t)] = sum;
  }
  return {steps_together(sums, y.shape(), y.dtype()), flow.carried};
}

// recurrent kernel, first cell, cells, gates, gradients of states and of cells, mask.
std::vector<Tensor> lstm_gradient(std::span<const Tensor> in, const Attributes& a) {
  const Tensor &cells = in[2], &gates = in[3], back = turned(in[0]);
  const int64_t n = cells.shape()[2];
  const Walk walk{cells.shape()[1], a.flag("reverse"), optional_at(in, 6)};
  const Shape state{cells.shape()[0], n};
  const Tensor none = full(0, cells.dtype(), state);
  Flow flow{walk, none}, cell_flow{walk, none};
  std::vector<Tensor> sums(static_cast<size_t>(walk.steps));
  for (int64_t i = walk.steps; i-- > 0;) {
    const int64_t t = walk.at(i);
    const Tensor g = step_of(gates, t), c = tanh(step_of(cells, t));
    const Tensor enter = part(g, 0, n), forget = part(g, 1, n), candidate = part(g, 2, n),
                 out = part(g, 3, n);
    Tensor past, cell_past;
    const Tensor dh = flow.into(step_of(in[4], t), t, past);
    const Tensor dc = cell_flow.into(step_of(in[5], t), t, cell_past) + dh * out * of_tanh(c);
    const Tensor sum = concat({dc * candidate * of_sigmoid(enter),
                               dc * before(cells, in[1], walk, i) * of_sigmoid(forget),
                               dc * enter * of_tanh(candidate), dh * c * of_sigmoid(out)},
                              -1);
    flow.out(matmul(sum, back), past);
    cell_flow.out(dc * forget, cell_past);
    sums[static_cast<size_t>(t)] = sum;
  }
  return {steps_together(sums, gates.shape(), gates.dtype()), flow.carried, cell_flow.carried};
}

// recurrent kernel, first state, states, gates, gradient of states, mask.
std::vector<Tensor> gru_gradient(std::span<const Tensor> in, const Attributes& a) {
  const Tensor &y = in[2], &gates = in[3], back = turned(in[0]);
  const int64_t n = y.shape()[2];
  const Walk walk{y.shape()[1], a.flag("reverse"), optional_at(in, 5)};
  Flow flow{walk, full(0, y.dtype(), Shape{y.shape()[0], n})};
  std::vector<Tensor> with_x(static_cast<size_t>(walk.steps)), with_h(with_x);
  for (int64_t i = walk.steps; i-- > 0;) {
    const int64_t t = walk.at(i);
    const Tensor g = step_of(gates, t), h = before(y, in[1], walk, i);
    const Tensor update = part(g, 0, n), reset = part(g, 1, n), candidate = part(g, 2, n),
                 own = part(g, 3, n);
    Tensor past;
    const Tensor dh = flow.into(step_of(in[4], t), t, past);
    const Tensor dz = dh * (h - candidate) * of_sigmoid(update);
    const Tensor dn = dh * (1 - update) * of_tanh(candidate);
    const Tensor dr = dn * own * of_sigmoid(reset);
    const Tensor through = concat({dz, dr, dn * reset}, -1);
    flow.out(matmul(through, back) + dh * update, past);
    with_x[static_cast<size_t>(t)] = concat({dz, dr, dn}, -1);
    with_h[static_cast<size_t>(t)] = through;
  }
  const Shape whole{y.shape()[0], walk.steps, 3 * n};
  return {steps_together(with_x, whole, y.dtype()), steps_together(with_h, whole, y.dtype()),
          flow.carried};
}

}  // namespace varve::ops
