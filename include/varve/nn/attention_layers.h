// room: nn
// Attention layers, positions, and the blocks of transformers.
//
// The mask of the values (and keys) says what may be seen (see mask.h); the result has the query's.
// A mask may also be given behind the inputs, as a bool tensor, true where something may be seen:
// [batch, keys] (which keys there are, as PaddingMask makes it) or [batch, queries, keys].
#pragma once
#include <optional>
#include <string>

#include "varve/nn/layer.h"

namespace varve::nn {

/// Attention of queries [batch, queries, size] over values [batch, values, value size], by one of
/// six scores of a query q and a key k:
///   "dot"         q k                                              (Luong 2015)
///   "scaled_dot"  q k / sqrt(size)                                 (Vaswani 2017)
///   "general"     q W k                                            (Luong 2015)
///   "content"     cosine of the angle between q and k              (Graves 2014)
///   "additive"    v tanh(W [q; k]), of `units` (0: size of q)      (Bahdanau 2015)
///   "location"    q W: by the place alone, as many as there are    (Luong 2015)
/// The weights are their softmax over the values. Inputs {query, value}, {query, value, key} and a
/// mask behind them. Outputs: the weighted sums [batch, queries, value size] and, with
/// return_attention_scores, the weights [batch, queries, values]; masked queries give 0. Variables:
/// kernel (general, additive, location), scale [units] (additive).
struct Attention {
  std::string score = "scaled_dot";
  Dim units = 0;
  Real dropout = 0;
  bool causal = false, return_attention_scores = false;
  Initializer kernel_initializer = "glorot_uniform";
  std::string name = {};
  static constexpr Masks masks = Masks::own;
  Tensors call(const Tensors& x, Scope& s) const;
  Outputs operator()(const Tensors& x, CallOptions options = {}, Where where = Where::here()) &&;
  void fields(Fields& f);
};

/// Keras' AdditiveAttention: the score is sum(scale * tanh(query + key)). Inputs and outputs as
/// Attention. Variable, with use_scale: scale [size].
struct AdditiveAttention {
  bool use_scale = true;
  Real dropout = 0;
  bool causal = false, return_attention_scores = false;
  std::string name = {};
  static constexpr Masks masks = Masks::own;
  Tensors call(const Tensors& x, Scope& s) const;
  Outputs operator()(const Tensors& x, CallOptions options = {}, Where where = Where::here()) &&;
  void fields(Fields& f);
};

/// Multi-head attention: queries, keys and values projected to num_heads heads of key_dim (values:
/// value_dim), attention in each (see varve::attention), the heads joined and projected to
/// output_size (0: that of the query). Inputs {query} (self-attention), {query, value}, {query,
/// value, key}, and a mask behind them; [batch, time, size] each. Outputs: [batch, queries,
/// output_size] and, with return_attention_scores, the weights [batch, heads, queries, keys].
/// num_key_heads below num_heads shares keys and values among heads (0: as many). rotary turns
/// queries and keys by their positions first.
/// With cache_length (and batch_size) the layer decodes: it keeps keys and values of calls before,
/// and each call goes on where the last one ended; see reset_states. Sequences of more than
/// cache_length steps are then an IndexError. Variables: query_kernel [size, heads key_dim],
/// key_kernel, value_kernel, output_kernel, and their biases. Vaswani et al. 2017.
struct MultiHeadAttention {
  Dim num_heads = 0, key_dim = 0, value_dim = 0;
  Real dropout = 0;
  bool use_bias = true;
  Dim output_size = 0;
  Initializer kernel_initializer = "glorot_uniform", bias_initializer = "zeros";
  Regularizer kernel_regularizer = {}, bias_regularizer = {};
  Constraint kernel_constraint = {}, bias_constraint = {};
  bool causal = false, return_attention_scores = false;
  Dim num_key_heads = 0;
  bool rotary = false;
  Dim cache_length = 0, batch_size = 0;
  std::string name = {};
  static constexpr Masks masks = Masks::own;
  Tensors call(const Tensors& x, Scope& s) const;
  Outputs operator()(const Tensors& x, CallOptions options = {}, Where where = Where::here()) &&;
  void fields(Fields& f);
};

/// Adds a learned row for each position: [batch, time, size] with time up to sequence_length.
/// Variable: embeddings [sequence_length, size].
struct PositionEmbedding {
  Dim sequence_length = 0;
  Initializer initializer = "glorot_uniform";
  std::string name = {};
  static constexpr Masks masks = Masks::by_step;
  Tensor call(const Tensor& x, Scope& s) const;
  Tensor operator()(const Tensor& x, CallOptions options = {}, Where where = Where::here()) &&;
  void fields(Fields& f);
};

/// Adds waves of the position (see varve::sinusoidal_positions) to [batch, time, size].
struct SinusoidalPositions {
  Real base = 10000;
  bool interleaved = true;
  std::string name = {};
  static constexpr Masks masks = Masks::by_step;
  Tensor call(const Tensor& x, Scope& s) const;
  Tensor operator()(const Tensor& x, CallOptions options = {}, Where where = Where::here()) &&;
  void fields(Fields& f);
};

/// Turns pairs of elements by their position (see varve::rotary_embedding): [batch, time, heads,
/// size] or [batch, time, size].
struct RotaryEmbedding {
  Real base = 10000;
  Dim rotary_size = 0;
  bool interleaved = false;
  std::string name = {};
  static constexpr Masks masks = Masks::by_step;
  Tensor call(const Tensor& x, Scope& s) const;
  Tensor operator()(const Tensor& x, CallOptions options = {}, Where where = Where::here()) &&;
  void fields(Fields& f);
};

/// A transformer's encoder block: self-attention and a two-layer net, each with dropout, a residual
/// and layer normalization (behind it; with norm_first before it). Inputs {x}, {x, mask}; [batch,
/// time, size] comes out. Parts: attention, attention_norm, inner, outer, inner_norm. Vaswani et
/// al. 2017; norm_first Xiong et al. 2020.
struct TransformerEncoder {
  Dim intermediate_dim = 0, num_heads = 0;
  Real dropout = 0;
  std::optional<double> attention_dropout = {};  ///< of the weights; empty: dropout
  varve::Activation activation = "relu";
  Real layer_norm_epsilon = 1e-5;
  bool norm_first = false, causal = false;
  Initializer kernel_initializer = "glorot_uniform";
  std::string name = {};
  static constexpr Masks masks = Masks::own;
  Tensor call(const Tensors& x, Scope& s) const;
  Tensor operator()(const Tensors& x, CallOptions options = {}, Where where = Where::here()) &&;
  void fields(Fields& f);
};

/// A transformer's decoder block: causal self-attention, attention over an encoder's results, and a
/// two-layer net. Inputs {x, memory}, {x, memory, mask of the memory}; with {x} alone there is no
/// second attention. Parts as TransformerEncoder, with cross_attention and cross_attention_norm.
struct TransformerDecoder {
  Dim intermediate_dim = 0, num_heads = 0;
  Real dropout = 0;
  std::optional<double> attention_dropout = {};  ///< of the weights; empty: dropout
  varve::Activation activation = "relu";
  Real layer_norm_epsilon = 1e-5;
  bool norm_first = false;
  Initializer kernel_initializer = "glorot_uniform";
  std::string name = {};
  static constexpr Masks masks = Masks::own;
  Tensor call(const Tensors& x, Scope& s) const;
  Tensor operator()(const Tensors& x, CallOptions options = {}, Where where = Where::here()) &&;
  void fields(Fields& f);
};

}  // namespace varve::nn
