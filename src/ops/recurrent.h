// Recurrent cells step by step: what the nodes of whole sequences decompose into, and what layers
// with functions of the user's own are made of.
#pragma once
#include <functional>
#include <string>
#include <vector>

#include "ops/build.h"

namespace varve::ops {

using GateFunction = std::function<Tensor(const Tensor&)>;

/// What a cell computes with beside its weights.
struct RecurrentCell {
  GateFunction gate = {};       ///< of input, forget, output, update and reset gates
  GateFunction candidate = {};  ///< of what is added to the state
  GateFunction output = {};     ///< of an LSTM's cell, before the output gate
  double clip = 0;              ///< above 0: what goes into a function is cut to -clip..clip first
  bool input_forget = false;    ///< an LSTM's forget gate is 1 - its input gate
  bool reset_after = true;      ///< a GRU's reset gate multiplies h u, not h
  Tensor peepholes = {};        ///< [3, units]: how input, forget and output gate see the cell

  /// sigmoid and tanh.
  static RecurrentCell standard();
};

/// A whole sequence. Gates lie one after another along the last axis: LSTM input, forget,
/// candidate, output; GRU update, reset, candidate.
struct Recurrence {
  Tensor x;                 ///< [batch, time, features]
  Tensor kernel;            ///< [features, gates units]
  Tensor recurrent_kernel;  ///< [units, gates units]
  Tensor bias;              ///< [gates units]; of a GRU [2, gates units]: with x and with h
  Tensor state;             ///< [batch, units]
  Tensor cell = {};         ///< of an LSTM, [batch, units]
  Tensor mask = {};         ///< bool [batch, time], or empty; false: the state stays
  bool reverse = false;     ///< from the last step to the first
  Tensor state_scale = {};  ///< [batch, units], or empty: multiplies the state in its product

  int64_t batch() const { return x.shape()[0]; }
  int64_t steps() const { return x.shape()[1]; }
  int64_t units() const { return recurrent_kernel.shape()[0]; }
};

/// States after each step, [batch, time, units]; of an LSTM the cells too, then the gates as they
/// multiply [batch, time, 4 units]; of a GRU its gates and h u + bias of the candidate, likewise.
std::vector<Tensor> simple_recurrence(const RecurrentCell& cell, const Recurrence& r);
std::vector<Tensor> lstm_recurrence(const RecurrentCell& cell, const Recurrence& r);
std::vector<Tensor> gru_recurrence(const RecurrentCell& cell, const Recurrence& r);

/// Step t of [batch, time, ...]: [batch, ...].
Tensor step_of(const Tensor& x, int64_t t);
/// Steps in order, side by side: [batch, time, ...]; `like` gives type and sizes where there are
/// none.
Tensor steps_together(const std::vector<Tensor>& steps, const Shape& whole, DType dtype);

/// The function of a name; empty for an unknown name.
GateFunction gate_function(const std::string& name, double alpha, double beta);

/// What the backward nodes decompose into; their inputs in order.
std::vector<Tensor> simple_recurrence_gradient(std::span<const Tensor> in, const Attributes& a);
std::vector<Tensor> lstm_gradient(std::span<const Tensor> in, const Attributes& a);
std::vector<Tensor> gru_gradient(std::span<const Tensor> in, const Attributes& a);

}  // namespace varve::ops
