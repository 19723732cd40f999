// room: nn
// Recurrent layers, and what goes with sequences of unequal lengths.
//
// Recurrent layers take {x}, or {x, state ...}. Where x has a mask [batch, time] (see mask.h),
// masked steps change no state, and a sequence that comes out has the mask, too:
//     Sequential{nn::Masking{}, nn::LSTM{.units = 32}, nn::Dense{.units = 1}}
#pragma once
#include <memory>
#include <optional>
#include <string>
#include <string_view>

#include "varve/nn/layer.h"
#include "varve/nn/wrapped.h"
#include "varve/ops/padding.h"

namespace varve::nn {

/// Elman's network: h_t = activation(x_t kernel + h_t-1 recurrent_kernel + bias). [batch, time,
/// features] -> [batch, units], the last state, or with return_sequences [batch, time, units].
/// Outputs: that, and with return_state the last state. `dropout` drops
/// features of x, `recurrent_dropout` units of the state in the product, the same ones at every
/// step (Gal & Ghahramani 2016). A stateful layer begins where the batch before ended, row by row:
/// it needs batch_size; see reset_states. go_backwards runs from the last step to the first, and
/// gives the sequence in that order. Where masked the state stays, and the output repeats it or,
/// with zero_output_for_mask, is 0. Variables: kernel [features, units], recurrent_kernel [units,
/// units], bias [units].
struct SimpleRNN {
  Dim units = 0;
  varve::Activation activation = "tanh";
  bool use_bias = true;
  Initializer kernel_initializer = "glorot_uniform", recurrent_initializer = "orthogonal",
              bias_initializer = "zeros";
  Regularizer kernel_regularizer = {}, recurrent_regularizer = {}, bias_regularizer = {};
  Constraint kernel_constraint = {}, recurrent_constraint = {}, bias_constraint = {};
  Real dropout = 0, recurrent_dropout = 0;
  bool return_sequences = false, return_state = false, go_backwards = false, stateful = false;
  bool zero_output_for_mask = false;
  Dim batch_size = 0;
  std::string name = {};
  static constexpr Masks masks = Masks::own;
  Tensors call(const Tensors& x, Scope& s) const;
  Outputs operator()(const Tensors& x, CallOptions options = {}, Where where = Where::here()) &&;
  void fields(Fields& f);
};

/// Long short-term memory (see varve::lstm). Inputs, outputs and options as SimpleRNN; the states
/// are two: h and c. Variables: kernel [features, 4 units], recurrent_kernel [units, 4 units], bias
/// [4 units]; gates in the order i, f, c, o. unit_forget_bias begins the forget gate's bias at 1.
/// Hochreiter & Schmidhuber 1997.
struct LSTM {
  Dim units = 0;
  varve::Activation activation = "tanh", recurrent_activation = "sigmoid";
  bool use_bias = true;
  Initializer kernel_initializer = "glorot_uniform", recurrent_initializer = "orthogonal",
              bias_initializer = "zeros";
  bool unit_forget_bias = true;
  Regularizer kernel_regularizer = {}, recurrent_regularizer = {}, bias_regularizer = {};
  Constraint kernel_constraint = {}, recurrent_constraint = {}, bias_constraint = {};
  Real dropout = 0, recurrent_dropout = 0;
  bool return_sequences = false, return_state = false, go_backwards = false, stateful = false;
  bool zero_output_for_mask = false;
  Dim batch_size = 0;
  std::string name = {};
  static constexpr Masks masks = Masks::own;
  Tensors call(const Tensors& x, Scope& s) const;
  Outputs operator()(const Tensors& x, CallOptions options = {}, Where where = Where::here()) &&;
  void fields(Fields& f);
};

/// Gated recurrent unit (see varve::gru). Inputs, outputs and options as SimpleRNN. Variables:
/// kernel [features, 3 units], recurrent_kernel [units, 3 units], bias [2, 3 units], without
/// reset_after [3 units]; gates in the order z, r, h. Cho et al. 2014.
struct GRU {
  Dim units = 0;
  varve::Activation activation = "tanh", recurrent_activation = "sigmoid";
  bool use_bias = true;
  Initializer kernel_initializer = "glorot_uniform", recurrent_initializer = "orthogonal",
              bias_initializer = "zeros";
  Regularizer kernel_regularizer = {}, recurrent_regularizer = {}, bias_regularizer = {};
  Constraint kernel_constraint = {}, recurrent_constraint = {}, bias_constraint = {};
  Real dropout = 0, recurrent_dropout = 0;
  bool return_sequences = false, return_state = false, go_backwards = false, stateful = false;
  bool reset_after = true;
  bool zero_output_for_mask = false;
  Dim batch_size = 0;
  std::string name = {};
  static constexpr Masks masks = Masks::own;
  Tensors call(const Tensors& x, Scope& s) const;
  Outputs operator()(const Tensors& x, CallOptions options = {}, Where where = Where::here()) &&;
  void fields(Fields& f);
};

/// An LSTM whose products are convolutions: [batch, time, height, width, channels] -> [batch,
/// height, width, filters], or with return_sequences [batch, time, ...]. The state's convolution
/// keeps its sizes. Inputs {x}, {x, h, c}; masks as recurrent layers. Variables: kernel [height,
/// width, channels, 4 filters], recurrent_kernel [height, width, filters, 4 filters], bias [4
/// filters]; gates i, f, c, o. Shi et al. 2015, without peepholes, as Keras.
struct ConvLSTM2D {
  Dim filters = 0;
  Extents<2> kernel_size = 3, strides = 1;
  Padding padding = "valid";
  Extents<2> dilation_rate = 1;
  varve::Activation activation = "tanh", recurrent_activation = "sigmoid";
  bool use_bias = true;
  Initializer kernel_initializer = "glorot_uniform", recurrent_initializer = "orthogonal",
              bias_initializer = "zeros";
  bool unit_forget_bias = true;
  Regularizer kernel_regularizer = {}, recurrent_regularizer = {}, bias_regularizer = {};
  Constraint kernel_constraint = {}, recurrent_constraint = {}, bias_constraint = {};
  Real dropout = 0, recurrent_dropout = 0;
  bool return_sequences = false, return_state = false, go_backwards = false;
  std::string name = {};
  static constexpr Masks masks = Masks::own;
  Tensors call(const Tensors& x, Scope& s) const;
  Outputs operator()(const Tensors& x, CallOptions options = {}, Where where = Where::here()) &&;
  void fields(Fields& f);
};

/// A recurrent layer, and another of its kind on the sequence turned around. Outputs of the second
/// are turned back; merge_mode joins the two: concat (along features), sum, mul, ave, or none (both
/// are given). With return_state the states follow, the forward ones first; states that come in are
/// half for each. Where masked, sequences are 0. Parts: forward, backward.
/// Schuster & Paliwal 1997.
struct Bidirectional {
  Wrapped layer = {};
  std::string merge_mode = "concat";
  Wrapped backward_layer = {};  ///< none: another like `layer`, with weights of its own
  std::string name = {};
  static constexpr Masks masks = Masks::own;
  Tensors call(const Tensors& x, Scope& s) const;
  Outputs operator()(const Tensors& x, CallOptions options = {}, Where where = Where::here()) &&;
  void fields(Fields& f);
};

/// A layer on every step of [batch, time, ...] by itself, masked ones, too. Of a mask of more than
/// [batch, time] the layer gets what is within a step. Part: layer.
struct TimeDistributed {
  Wrapped layer = {};
  std::string name = {};
  static constexpr Masks masks = Masks::own;
  Tensor call(const Tensor& x, Scope& s) const;
  Tensor operator()(const Tensor& x, CallOptions options = {}, Where where = Where::here()) &&;
  void fields(Fields& f);
};

/// x [batch, time, features] with a mask [batch, time]: true where any feature is not mask_value.
/// Where it is false x becomes 0.
struct Masking {
  Real mask_value = 0;
  std::string name = {};
  static constexpr Masks masks = Masks::own;
  Tensor call(const Tensor& x, Scope& s) const;
  Tensor operator()(const Tensor& x, CallOptions options = {}, Where where = Where::here()) &&;
  void fields(Fields& f);
};

/// {x, mask} -> x with that mask, as with_mask: [batch, time].
struct ApplyMask {
  std::string name = {};
  static constexpr Masks masks = Masks::own;
  Tensor call(const Tensors& x, Scope& s) const;
  Tensor operator()(const Tensors& x, CallOptions options = {}, Where where = Where::here()) &&;
  void fields(Fields& f);
};

/// x without its mask, for layers that take none.
struct DropMask {
  std::string name = {};
  static constexpr Masks masks = Masks::own;
  Tensor call(const Tensor& x, Scope& s) const;
  Tensor operator()(const Tensor& x, CallOptions options = {}, Where where = Where::here()) &&;
  void fields(Fields& f);
};

/// Integers [batch, time] -> bool [batch, time]: true where they are not `padding`. For with_mask
/// and for attention.
struct PaddingMask {
  Dim padding = 0;
  std::string name = {};
  Tensor call(const Tensor& x, Scope& s) const;
  Tensor operator()(const Tensor& x, CallOptions options = {}, Where where = Where::here()) &&;
  void fields(Fields& f);
};

/// Sets the states of stateful layers, and the caches of attention, in a layer and everything in it
/// to their beginning.
void reset_states(const Layer& layer);

}  // namespace varve::nn
