// Positions and the blocks of transformers.
#include "base/count.h"
#include "base/error.h"
#include "ir/node.h"
#include "nn/recurrent.h"
#include "nn/weights.h"
#include "ops/shape.h"
#include "varve/nn/attention_layers.h"
#include "varve/nn/core_layers.h"
#include "varve/ops/attention.h"
#include "varve/ops/pointwise.h"
#include "varve/ops/shape.h"

namespace varve::nn {
namespace {

constexpr const char* kAxes = "[batch, time, size]";
constexpr RealRule kShare{.min = 0, .below = 1};

}  // namespace

Tensor PositionEmbedding::call(const Tensor& input, Scope& s) const {
  require_rank(input, 3, 3, kAxes);
  const Tensor x = real(input);
  const int64_t steps = x.shape()[1];
  if (steps > sequence_length) {
    throw ShapeError("expected at most sequence_length " + std::to_string(sequence_length.value) +
                     " steps, got " + std::to_string(steps));
  }
  const Tensor table = s.variable("embeddings", {sequence_length, x.shape()[2]},
                                  weight(initializer, weight_type(x)));
  return x + ops::narrow(table, 0, 0, steps);
}
Tensor PositionEmbedding::operator()(const Tensor& x, CallOptions options, Where where) && {
  return once(std::move(*this), x, options, where);
}
void PositionEmbedding::fields(Fields& f) {
  f("sequence_length", sequence_length, "How many positions there are.", {.min = 1});
  f("initializer", initializer, "How the rows begin.");
  f("name", name, kLayerName);
}

Tensor SinusoidalPositions::call(const Tensor& input, Scope&) const {
  require_rank(input, 3, 3, kAxes);
  const Tensor x = real(input);
  return x + sinusoidal_positions(x.shape()[1], x.shape()[2],
                                  {.base = base, .interleaved = interleaved, .dtype = x.dtype()});
}
Tensor SinusoidalPositions::operator()(const Tensor& x, CallOptions options, Where where) && {
  return once(std::move(*this), x, options, where);
}
void SinusoidalPositions::fields(Fields& f) {
  f("base", base, "How much longer the longest wave is than the shortest.", {.above = 0});
  f("interleaved", interleaved, "Whether sines and cosines take turns.");
  f("name", name, kLayerName);
}

Tensor RotaryEmbedding::call(const Tensor& x, Scope&) const {
  require_rank(x, 3, 4, "[batch, time, heads, size] or [batch, time, size]");
  return rotary_embedding(x,
                          {.rotary_size = rotary_size, .interleaved = interleaved, .base = base});
}
Tensor RotaryEmbedding::operator()(const Tensor& x, CallOptions options, Where where) && {
  return once(std::move(*this), x, options, where);
}
void RotaryEmbedding::fields(Fields& f) {
  f("base", base, "How much slower the slowest pair turns than the fastest.", {.above = 0});
  f("rotary_size", rotary_size, "How many elements turn; 0: all.", {.min = 0});
  f("interleaved", interleaved, "Whether pairs are neighbours.");
  f("name", name, kLayerName);
}

namespace {

void require_mask(const Tensor& mask) {
  if (mask.dtype() == DType::bool_) return;
  throw DTypeError("mask: expected bool, got " + ir::type_of(mask).to_string());
}

/// What both blocks are made of.
template <class L>
struct Block {
  const L& layer;
  Scope& s;

  Tensor dropped(const std::string& of, const Tensor& x) const {
    return layer.dropout > 0 ? s(of + "_dropout", Dropout{.rate = layer.dropout}, x) : x;
  }
  Tensor normed(const std::string& of, const Tensor& x) const {
    return s(of + "_norm", LayerNorm{.epsilon = layer.layer_norm_epsilon}, x);
  }
  /// A residual around f, normalized behind or before.
  template <class F>
  Tensor around(const std::string& of, const Tensor& x, F f) const {
    if (layer.norm_first) return x + dropped(of, f(normed(of, x)));
    return normed(of, x + dropped(of, f(x)));
  }
  Tensor attended(const std::string& of, const Tensors& inputs, bool causal) const {
    const int64_t size = inputs[0].shape()[2];
    if (size % layer.num_heads != 0) {
      throw ValueError("num_heads " + std::to_string(layer.num_heads.value) +
                       " does not divide the size " + std::to_string(size));
    }
    return s(of,
             MultiHeadAttention{.num_heads = layer.num_heads,
                                .key_dim = size / layer.num_heads,
                                .dropout = layer.attention_dropout.value_or(layer.dropout),
                                .kernel_initializer = layer.kernel_initializer,
                                .causal = causal},
             inputs)
        .only();
  }
  Tensor inner(const Tensor& x) const {
    const Tensor wide = s("inner",
                          Dense{.units = layer.intermediate_dim,
                                .activation = layer.activation,
                                .kernel_initializer = layer.kernel_initializer},
                          x);
    return s("outer", Dense{.units = x.shape()[2], .kernel_initializer = layer.kernel_initializer},
             wide);
  }
};

template <class L>
void block_fields(L& l, Fields& f) {
  f("intermediate_dim", l.intermediate_dim, "Width of the inner net.", {.min = 1});
  f("num_heads", l.num_heads, "Heads of attention.", {.min = 1});
  f("dropout", l.dropout, "Share that is dropped of weights and of what is added.", kShare);
  f("attention_dropout", l.attention_dropout,
    "Share that is dropped of the weights; none: dropout.", kShare);
  f("activation", l.activation, "Function of the inner net.");
  f("layer_norm_epsilon", l.layer_norm_epsilon, "Added to the variance.");
  f("norm_first", l.norm_first, "Whether each part is normalized before, not behind.");
}

}  // namespace

Tensor TransformerEncoder::call(const Tensors& inputs, Scope& s) const {
  if (inputs.size() == 0 || inputs.size() > 2)
    throw ValueError("expected {x} or {x, mask}, got " + count_of(inputs.size(), "tensor"));
  if (inputs.size() > 1) require_mask(inputs[1]);
  require_rank(inputs[0], 3, 3, kAxes);
  const Block<TransformerEncoder> block{*this, s};
  const Tensor x = block.around("attention", real(inputs[0]), [&](const Tensor& t) {
    return block.attended("attention", inputs.size() > 1 ? Tensors{t, inputs[1]} : Tensors(t),
                          causal);
  });
  return with_mask(block.around("inner", x, [&](const Tensor& t) { return block.inner(t); }),
                   mask_of(inputs[0]));
}
Tensor TransformerEncoder::operator()(const Tensors& x, CallOptions options, Where where) && {
  return once(std::move(*this), x, options, where);
}
void TransformerEncoder::fields(Fields& f) {
  block_fields(*this, f);
  f("causal", causal, "Whether a step sees earlier ones alone.");
  f("kernel_initializer", kernel_initializer, "How the kernels begin.");
  f("name", name, kLayerName);
}

Tensor TransformerDecoder::call(const Tensors& inputs, Scope& s) const {
  if (inputs.size() == 0 || inputs.size() > 3)
    throw ValueError("expected {x}, {x, memory} or {x, memory, mask of the memory}, got " +
                     std::to_string(inputs.size()) + " tensors");
  for (size_t i = 0; i < std::min<size_t>(inputs.size(), 2); ++i)
    require_rank(inputs[i], 3, 3, kAxes);
  if (inputs.size() > 2) require_mask(inputs[2]);
  const Block<TransformerDecoder> block{*this, s};
  Tensor x = block.around("attention", real(inputs[0]),
                          [&](const Tensor& t) { return block.attended("attention", t, true); });
  if (inputs.size() > 1) {
    x = block.around("cross_attention", x, [&](const Tensor& t) {
      const Tensors in =
          inputs.size() > 2 ? Tensors{t, real(inputs[1]), inputs[2]} : Tensors{t, real(inputs[1])};
      return block.attended("cross_attention", in, false);
    });
  }
  return with_mask(block.around("inner", x, [&](const Tensor& t) { return block.inner(t); }),
                   mask_of(inputs[0]));
}
Tensor TransformerDecoder::operator()(const Tensors& x, CallOptions options, Where where) && {
  return once(std::move(*this), x, options, where);
}
void TransformerDecoder::fields(Fields& f) {
  block_fields(*this, f);
  f("kernel_initializer", kernel_initializer, "How the kernels begin.");
  f("name", name, kLayerName);
}

}  // namespace varve::nn
