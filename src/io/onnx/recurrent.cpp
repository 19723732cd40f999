// Recurrent networks: one direction or two, in ONNX's layout of weights.
#include "varve/ops/recurrent.h"

#include <algorithm>
#include <limits>

#include "io/onnx/helpers.h"
#include "varve/ops/shape.h"

namespace varve::io::onnx {
namespace {

struct FunctionRow {
  const char *onnx, *varve;
  double alpha, beta;  // ONNX's defaults; NaN: takes none
};
constexpr double kNone = std::numeric_limits<double>::quiet_NaN();
constexpr FunctionRow kFunctions[] = {
    {"Relu", "relu", kNone, kNone},
    {"Tanh", "tanh", kNone, kNone},
    {"Sigmoid", "sigmoid", kNone, kNone},
    {"Affine", "affine", 1, 0},
    {"LeakyRelu", "leaky_relu", 0.01, kNone},
    {"ThresholdedRelu", "thresholded_relu", 1, kNone},
    {"ScaledTanh", "scaled_tanh", 1, 1},
    {"HardSigmoid", "hard_sigmoid", 0.2, 0.5},
    {"Elu", "elu", 1, kNone},
    {"Softsign", "softsign", kNone, kNone},
    {"Softplus", "softplus", kNone, kNone},
};

// The cell's functions, direction after direction; alphas and betas go to those that take them.
std::vector<CellFunction> functions_of(const Call& c, std::vector<std::string> defaults,
                                       size_t directions) {
  std::vector<std::string> names;
  for (size_t d = 0; d < directions; ++d) {
    names.insert(names.end(), defaults.begin(), defaults.end());
  }
  names = c.texts("activations", names);
  if (names.size() != defaults.size() * directions) {
    c.fail("activations: expected " + std::to_string(defaults.size() * directions) + ", got " +
           std::to_string(names.size()));
  }
  const std::vector<float> alphas = c.reals("activation_alpha"), betas = c.reals("activation_beta");
  size_t a = 0, b = 0;
  std::vector<CellFunction> out;
  for (const std::string& name : names) {
    const FunctionRow* row = nullptr;
    for (const FunctionRow& r : kFunctions) {
      const auto same = [](char x, char y) { return (x | 32) == (y | 32); };
      const std::string_view n = r.onnx;
      if (std::equal(n.begin(), n.end(), name.begin(), name.end(), same)) row = &r;
    }
    if (!row) c.unsupported("activation \"" + name + "\"");
    CellFunction f(row->varve);
    if (row->alpha == row->alpha) f.alpha = a < alphas.size() ? alphas[a++] : row->alpha;
    if (row->beta == row->beta) f.beta = b < betas.size() ? betas[b++] : row->beta;
    out.push_back(f);
  }
  return out;
}

Tensor part(const Tensor& x, int64_t at, int axis = 0) {
  std::vector<Slice> slices(static_cast<size_t>(x.rank()));
  slices[static_cast<size_t>(axis)] = {.start = at, .stop = at + 1};
  return squeeze(slice(x, slices), {axis});
}

// What all three share. `run` gives output [time, batch, units] and the final states of a
// direction.
struct Direction {
  size_t number;
  bool reverse;
  Tensor kernel, recurrent_kernel, bias, state, cell, peepholes, lengths;
};
struct Result {
  Tensor output, state, cell;
};

class Network {
 public:
  Network(Call& c, int64_t gates) : c_(c), gates_(gates) {
    const std::string direction = c.text("direction", "forward");
    if (direction != "forward" && direction != "reverse" && direction != "bidirectional") {
      c.fail("attribute direction: expected forward, reverse or bidirectional, got \"" + direction +
             "\"");
    }
    reverse_ = direction == "reverse";
    count_ = direction == "bidirectional" ? 2 : 1;
    batch_first_ = c.integer("layout", 0) != 0;
    const Tensor &x = c.tensor(0), &w = c.tensor(1), &r = c.tensor(2);
    if (x.rank() != 3 || w.rank() != 3 || r.rank() != 3 || w.shape()[0] != directions() ||
        r.shape()[0] != directions()) {
      c.fail("X " + x.shape().to_string() + ", W " + w.shape().to_string() + " and R " +
             r.shape().to_string() + " do not fit " + direction);
    }
    units_ = r.shape()[2];
    if (c.integer("hidden_size", units_) != units_) {
      c.fail("hidden_size: expected " + std::to_string(units_) + ", got " +
             std::to_string(c.integer("hidden_size")));
    }
  }

  size_t count() const { return count_; }

  template <class F>
  Values run(F&& f) {
    const Tensor x = batch_first_ ? transpose(c_.tensor(0), {1, 0, 2}) : c_.tensor(0);
    std::vector<Tensor> outputs, states, cells;
    for (size_t d = 0; d < count_; ++d) {
      const Result r = f(x, direction(d));
      outputs.push_back(r.output);
      states.push_back(r.state);
      if (r.cell.defined()) cells.push_back(r.cell);
    }
    // [time, directions, batch, units], or with the batch in front.
    const Tensor y = stack(outputs, 1);
    Values out = {batch_first_ ? transpose(y, {2, 0, 1, 3}) : y,
                  stack(states, batch_first_ ? 1 : 0)};
    if (!cells.empty()) out.emplace_back(stack(cells, batch_first_ ? 1 : 0));
    return out;
  }

 private:
  int64_t directions() const { return static_cast<int64_t>(count_); }

  Direction direction(size_t d) const {
    const auto at = static_cast<int64_t>(d);
    Direction out{.number = d,
                  .reverse = reverse_ || d == 1,
                  .kernel = transpose(part(c_.tensor(1), at)),
                  .recurrent_kernel = transpose(part(c_.tensor(2), at)),
                  .bias = {},
                  .state = {},
                  .cell = {},
                  .peepholes = {},
                  .lengths = {}};
    if (c_.has(3)) out.bias = reshape(part(c_.tensor(3), at), {2, gates_ * units_});
    if (c_.has(4)) out.lengths = c_.tensor(4);
    const int axis = batch_first_ ? 1 : 0;
    if (c_.has(5)) out.state = part(c_.tensor(5), at, axis);
    if (c_.has(6)) out.cell = part(c_.tensor(6), at, axis);
    if (c_.has(7)) out.peepholes = reshape(part(c_.tensor(7), at), {3, units_});
    return out;
  }

  Call& c_;
  int64_t gates_, units_ = 0;
  size_t count_ = 1;
  bool reverse_ = false, batch_first_ = false;
};

Values rnn_(Call& c) {
  Network network(c, 1);
  const std::vector<CellFunction> f = functions_of(c, {"Tanh"}, network.count());
  return network.run([&](const Tensor& x, const Direction& d) {
    const RnnResult r = rnn(x, d.kernel, d.recurrent_kernel,
                            {.bias = d.bias,
                             .initial_state = d.state,
                             .lengths = d.lengths,
                             .reverse = d.reverse,
                             .time_major = true,
                             .activation = f[d.number],
                             .clip = c.real("clip", 0)});
    return Result{r.output, r.state, {}};
  });
}

Values gru_(Call& c) {
  Network network(c, 3);
  const std::vector<CellFunction> f = functions_of(c, {"Sigmoid", "Tanh"}, network.count());
  return network.run([&](const Tensor& x, const Direction& d) {
    const RnnResult r = gru(x, d.kernel, d.recurrent_kernel,
                            {.bias = d.bias,
                             .initial_state = d.state,
                             .lengths = d.lengths,
                             .reverse = d.reverse,
                             .time_major = true,
                             .activation = f[2 * d.number + 1],
                             .recurrent_activation = f[2 * d.number],
                             .reset_after = c.integer("linear_before_reset", 0) != 0,
                             .clip = c.real("clip", 0)});
    return Result{r.output, r.state, {}};
  });
}

Values lstm_(Call& c) {
  Network network(c, 4);
  const std::vector<CellFunction> f = functions_of(c, {"Sigmoid", "Tanh", "Tanh"}, network.count());
  const auto ordered = [](const Tensor& t) {
    return t.defined() ? lstm_gates(t, "onnx", "keras") : t;
  };
  return network.run([&](const Tensor& x, const Direction& d) {
    Tensor peepholes = d.peepholes;
    // Input, output, forget there; input, forget, output here.
    if (peepholes.defined()) {
      peepholes = stack({part(peepholes, 0), part(peepholes, 2), part(peepholes, 1)});
    }
    const LstmResult r = lstm(x, ordered(d.kernel), ordered(d.recurrent_kernel),
                              {.bias = ordered(d.bias),
                               .initial_state = d.state,
                               .initial_cell = d.cell,
                               .lengths = d.lengths,
                               .reverse = d.reverse,
                               .time_major = true,
                               .activation = f[3 * d.number + 1],
                               .recurrent_activation = f[3 * d.number],
                               .output_activation = f[3 * d.number + 2],
                               .peepholes = peepholes,
                               .input_forget = c.integer("input_forget", 0) != 0,
                               .clip = c.real("clip", 0)});
    return Result{r.output, r.state, r.cell};
  });
}

constexpr Row kRows[] = {
    {"GRU", 7, gru_},
    {"LSTM", 7, lstm_},
    {"RNN", 7, rnn_},
};

}  // namespace

std::span<const Row> recurrent_rows() { return kRows; }

}  // namespace varve::io::onnx
