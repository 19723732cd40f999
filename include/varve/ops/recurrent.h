// room: ops
// Recurrent networks over whole sequences, each one operation; the orders in which libraries keep
// gates.
#pragma once
#include <optional>
#include <string>

#include "varve/tensor.h"

namespace varve {

/// A function inside a recurrent cell, by name: tanh, sigmoid, relu, relu6, softsign, softplus,
/// selu, silu, gelu, mish, exponential, linear; with numbers alpha and beta (and their defaults):
/// affine alpha x + beta (1, 0), leaky_relu (0.01), thresholded_relu x where x > alpha (1),
/// scaled_tanh alpha tanh(beta x) (1, 1), hard_sigmoid clip(alpha x + beta, 0, 1) (1/6, 1/2),
/// elu (1).
struct CellFunction {
  std::string name = "tanh";
  std::optional<double> alpha = {}, beta = {};

  CellFunction(const char* function) : name(function) {}
  CellFunction(std::string function, std::optional<double> a = {}, std::optional<double> b = {})
      : name(std::move(function)), alpha(a), beta(b) {}
};

struct RnnOptions {
  Tensor bias = {};           ///< [units], or [2, units] whose rows are added; empty: 0
  Tensor initial_state = {};  ///< [batch, units]; empty: 0
  Tensor lengths = {};        ///< integers [batch]: steps of each sample; empty: all
  Tensor mask = {};           ///< bool [batch, time]: where false, the state stays
  bool reverse = false;       ///< from the last step (of each sample) to the first
  bool time_major = false;    ///< x and the output are [time, batch, ...], the mask not
  bool zero_masked = true;    ///< the output is 0 where masked; else the state that stayed
  CellFunction activation = "tanh";
  Real clip = 0;  ///< above 0: what goes into a function is cut to -clip..clip
};
/// What rnn and gru give.
struct RnnResult {
  Tensor output;  ///< [batch, time, units]: the state after each step, at the step's place
  Tensor state;   ///< [batch, units]: after the last step that was run
};
/// h_t = activation(x_t kernel + h_t-1 recurrent_kernel + bias).
/// Shapes: x [batch, time, features], kernel [features, units], recurrent_kernel [units, units].
/// Floating types; integers become f32. Throws ShapeError, DTypeError, and ValueError for an
/// unknown function. Source: Elman 1990, "Finding structure in time".
/// Example: rnn(x, w, u, {.bias = b}).output
RnnResult rnn(const Operand& x, const Operand& kernel, const Operand& recurrent_kernel,
              const RnnOptions& options = {});

struct LstmOptions {
  Tensor bias = {};  ///< [4 units], or [2, 4 units] whose rows are added
  Tensor initial_state = {}, initial_cell = {};                  ///< [batch, units]; empty: 0
  Tensor lengths = {}, mask = {};                                ///< as of rnn
  bool reverse = false, time_major = false, zero_masked = true;  ///< as of rnn
  CellFunction activation = "tanh";                              ///< of the candidate
  CellFunction recurrent_activation = "sigmoid";                 ///< of the gates
  CellFunction output_activation = "tanh";                       ///< of the cell
  Tensor peepholes = {};      ///< [3, units]: weights of the cell in input, forget and output gate
  bool input_forget = false;  ///< the forget gate is 1 - the input gate
  Real clip = 0;              ///< as of rnn
};
struct LstmResult {
  Tensor output;       ///< [batch, time, units]
  Tensor state, cell;  ///< [batch, units]: after the last step that was run
};
/// Long short-term memory: i, f, o = recurrent_activation and g = activation of the parts of x_t
/// kernel + h_t-1 recurrent_kernel + bias; c_t = f c_t-1 + i g; h_t = o output_activation(c_t).
/// Parts lie in the order i, f, g, o, as in Keras, PyTorch and cuDNN (see lstm_gates).
/// Shapes: kernel [features, 4 units], recurrent_kernel [units, 4 units]; else as rnn. Sources:
/// Hochreiter and Schmidhuber 1997; forget gate Gers et al. 2000; peepholes Gers et al. 2002.
LstmResult lstm(const Operand& x, const Operand& kernel, const Operand& recurrent_kernel,
                const LstmOptions& options = {});

struct GruOptions {
  Tensor bias = {};  ///< [3 units], added to what x brings, or [2, 3 units]: and what h does
  Tensor initial_state = {};                                     ///< [batch, units]; empty: 0
  Tensor lengths = {}, mask = {};                                ///< as of rnn
  bool reverse = false, time_major = false, zero_masked = true;  ///< as of rnn
  CellFunction activation = "tanh";                              ///< of the candidate
  CellFunction recurrent_activation = "sigmoid";                 ///< of the gates
  bool reset_after = true;  ///< r (h u + b), as cuDNN, PyTorch, Keras; else (r h) u + b (Cho 2014)
  Real clip = 0;            ///< as of rnn
};
/// Gated recurrent unit: z, r = recurrent_activation of the parts of x_t kernel + h_t-1
/// recurrent_kernel + biases; n = activation(x part + r (h part)); h_t = z h_t-1 + (1 - z) n.
/// Parts lie in the order z, r, n, as in Keras and ONNX (see gru_gates).
/// Shapes: kernel [features, 3 units], recurrent_kernel [units, 3 units]; else as rnn. Source: Cho
/// et al. 2014, "Learning phrase representations using RNN encoder-decoder".
RnnResult gru(const Operand& x, const Operand& kernel, const Operand& recurrent_kernel,
              const GruOptions& options = {});

namespace detail {
void gate_order_must_be_keras_pytorch_cudnn_or_onnx();
}
/// In which order a library keeps the gates of a cell. LSTM: keras, pytorch and cudnn i, f, g, o;
/// onnx i, o, f, g. GRU: keras and onnx z, r, n; pytorch and cudnn r, z, n.
struct GateOrder {
  enum class Library { keras, pytorch, cudnn, onnx } library;  ///< whose order it is
  consteval GateOrder(const char* name) : library(read(name)) {}

 private:
  static constexpr Library read(std::string_view n) {
    if (n == "pytorch") return Library::pytorch;
    if (n == "cudnn") return Library::cudnn;
    if (n == "onnx") return Library::onnx;
    if (n != "keras") detail::gate_order_must_be_keras_pytorch_cudnn_or_onnx();
    return Library::keras;
  }
};
/// Weights or biases with the gates along an axis, from one library's order to another's; Varve's
/// own is keras. Throws ShapeError where 4 (GRU: 3) does not divide the axis.
/// Example: lstm(x, lstm_gates(transpose(weight), "onnx", "keras"), ...)
Tensor lstm_gates(const Operand& weights, GateOrder from, GateOrder to, int axis = -1);
Tensor gru_gates(const Operand& weights, GateOrder from, GateOrder to,
                 int axis = -1);  ///< see lstm_gates

}  // namespace varve
