// Transformers.
#include <cmath>

#include "base/error.h"
#include "varve/nn/layers.h"
#include "varve/ops/attention.h"
#include "varve/ops/indexing.h"
#include "varve/ops/matmul.h"
#include "varve/ops/reduction.h"
#include "varve/ops/shape.h"
#include "varve/zoo_generative.h"
#include "varve/zoo_text.h"
#include "zoo/build.h"

namespace varve::zoo {
namespace {

constexpr RealRule kShare{.min = 0, .below = 1};

void require_ids(const Tensor& ids) {
  if (ids.rank() == 2 && is_integer(ids.dtype())) return;
  throw ShapeError("expected integer ids [batch, time], got " + std::string(name_of(ids.dtype())) +
                   ids.shape().to_string());
}

Tensor dropped_in(Scope& s, const std::string& name, const Tensor& x, double rate) {
  return rate > 0 ? s(name, nn::Dropout{.rate = rate}, x) : x;
}

const nn::RandomNormal kSmall{.stddev = 0.02};

}  // namespace

// ---- GPT ----

Tensor GPT::call(const Tensor& ids, Scope& s) const {
  require_ids(ids);
  if (ids.shape()[1] > context) {
    throw ShapeError("gpt: context of " + std::to_string(context.value) + ", got " +
                     std::to_string(ids.shape()[1]) + " steps");
  }
  const auto dense = [&](int64_t n, const Activation& function = "linear") {
    return nn::Dense{
        .units = n, .activation = function, .use_bias = bias, .kernel_initializer = kSmall};
  };
  const auto norm = [&](const std::string& name, const Tensor& x) {
    return s(name, nn::LayerNorm{.epsilon = 1e-5, .center = bias}, x);
  };
  Tensor x = s(
      "wte",
      nn::Embedding{.input_dim = vocabulary, .output_dim = units, .embeddings_initializer = kSmall},
      ids);
  x = s("wpe", nn::PositionEmbedding{.sequence_length = context, .initializer = kSmall}, x);
  x = dropped_in(s, "dropout", x, dropout);
  for (int64_t i = 0; i < layers; ++i) {
    const std::string h = "h" + std::to_string(i) + "_";
    const nn::MultiHeadAttention attention{.num_heads = heads,
                                           .key_dim = units / heads,
                                           .dropout = dropout,
                                           .use_bias = bias,
                                           .kernel_initializer = kSmall,
                                           .causal = true};
    const Tensor y = s(h + "attn", attention, norm(h + "ln_1", x));
    x = x + dropped_in(s, h + "attn_dropout", y, dropout);
    Tensor m = s(h + "mlp_fc", dense(4 * units, activation), norm(h + "ln_2", x));
    m = s(h + "mlp_proj", dense(units), m);
    x = x + dropped_in(s, h + "mlp_dropout", m, dropout);
  }
  x = norm("ln_f", x);
  if (tied) return matmul(x, s.part_variable("wte", "embeddings"), {.transpose_b = true});
  return s("head", nn::Dense{.units = vocabulary, .use_bias = false, .kernel_initializer = kSmall},
           x);
}
void GPT::fields(Fields& f) {
  f("vocabulary", vocabulary, "How many ids there are.", {.min = 1});
  f("context", context, "The longest sequence.", {.min = 1});
  f("layers", layers, "Blocks.", {.min = 1});
  f("heads", heads, "Heads of attention, which divide the units.", {.min = 1});
  f("units", units, "Numbers a token.", {.min = 1});
  f("dropout", dropout, "Share dropped behind embeddings, attention and inner net.", kShare);
  f("activation", activation, "Function of the inner net.");
  f("bias", bias, "Whether layers have biases.");
  f("tied", tied, "Whether the last layer's matrix is the table of tokens.");
  f("name", name, "The layer's name.");
}

// ---- Transformer ----

namespace {

template <class Block>
Layer block_of(const Transformer& t) {
  return Block{.intermediate_dim = t.hidden,
               .num_heads = t.heads,
               .dropout = t.dropout,
               .attention_dropout = t.attention_dropout,
               .norm_first = t.norm_first};
}

/// Ids of one side as the blocks take them.
Tensor embedded(const Transformer& t, const Tensor& ids, const std::string& side,
                int64_t vocabulary, Scope& s) {
  require_ids(ids);
  const double scale = std::sqrt(static_cast<double>(t.units.value));
  // Of variance 1 when they are added to positions; a table that is the last layer's, too, begins
  // small in any case, for logits of variance 1.
  const double stddev = t.scale_embedding || t.shared ? 1 / scale : 1;
  const nn::Embedding table{.input_dim = vocabulary,
                            .output_dim = t.units,
                            .embeddings_initializer = nn::RandomNormal{.stddev = stddev}};
  Tensor x = s(t.shared ? "tokens" : side + "_tokens", table, ids);
  if (t.scale_embedding) x = x * scale;
  if (t.learned_positions > 0) {
    const nn::PositionEmbedding positions{.sequence_length = t.learned_positions};
    x = s(t.shared_positions ? "positions" : side + "_positions", positions, x);
  } else {
    x = s(side + "_positions", nn::SinusoidalPositions{}, x);
  }
  return dropped_in(s, side + "_dropout", x, t.embedding_dropout.value_or(t.dropout));
}

}  // namespace

Tensor Transformer::call(const Tensors& x, Scope& s) const {
  if (x.size() != 2) throw ValueError("transformer: expected {source, target}");
  if (shared && source_vocabulary != target_vocabulary) {
    throw ValueError("transformer: a shared table needs one vocabulary, got " +
                     std::to_string(source_vocabulary.value) + " and " +
                     std::to_string(target_vocabulary.value));
  }
  const auto ended = [&](const char* name, const Tensor& t) -> Tensor {
    return norm_first ? s(name, nn::LayerNorm{.epsilon = 1e-5}, t) : t;
  };
  const bool masked = padding >= 0;
  const Tensor mask = masked ? x[0] != padding : Tensor();
  Tensor memory = embedded(*this, x[0], "source", source_vocabulary, s);
  for (int64_t i = 0; i < layers; ++i) {
    const Tensors inputs = masked ? Tensors{memory, mask} : Tensors(memory);
    memory = s("encoder" + std::to_string(i), block_of<nn::TransformerEncoder>(*this), inputs);
  }
  memory = ended("encoder_norm", memory);
  Tensor y = embedded(*this, x[1], "target", target_vocabulary, s);
  for (int64_t i = 0; i < layers; ++i) {
    const Tensors inputs = masked ? Tensors{y, memory, mask} : Tensors{y, memory};
    y = s("decoder" + std::to_string(i), block_of<nn::TransformerDecoder>(*this), inputs);
  }
  y = ended("decoder_norm", y);
  if (shared) return matmul(y, s.part_variable("tokens", "embeddings"), {.transpose_b = true});
  return s("out", nn::Dense{.units = target_vocabulary}, y);
}
void Transformer::fields(Fields& f) {
  f("source_vocabulary", source_vocabulary, "Ids of the source.", {.min = 1});
  f("target_vocabulary", target_vocabulary, "Ids of the target.", {.min = 1});
  f("shared", shared, "One table for source, target and output.");
  f("layers", layers, "Blocks of encoder and decoder each.", {.min = 1});
  f("heads", heads, "Heads of attention, which divide the units.", {.min = 1});
  f("units", units, "Numbers a token.", {.min = 1});
  f("hidden", hidden, "Width of the inner nets.", {.min = 1});
  f("dropout", dropout, "Share that is dropped.", kShare);
  f("attention_dropout", attention_dropout, "Share dropped of attention's weights; none: dropout.",
    kShare);
  f("embedding_dropout", embedding_dropout, "Share dropped behind the positions; none: dropout.",
    kShare);
  f("norm_first", norm_first, "Whether parts are normalized before, and both stacks at their end.");
  f("scale_embedding", scale_embedding, "Whether tokens' rows are taken times sqrt(units).");
  f("learned_positions", learned_positions, "How many learned positions; 0: waves.", {.min = 0});
  f("shared_positions", shared_positions, "One table of learned positions for both sides.");
  f("padding", padding, "An id that is not attended to; -1: none.", {.min = -1});
  f("name", name, "The layer's name.");
}

// ---- Llama ----

Tensor Llama::call(const Tensor& ids, Scope& s) const {
  require_ids(ids);
  const auto dense = [](int64_t n) {
    return nn::Dense{.units = n, .use_bias = false, .kernel_initializer = kSmall};
  };
  const nn::RMSNorm norm{.epsilon = epsilon};
  Tensor x = s(
      "tokens",
      nn::Embedding{.input_dim = vocabulary, .output_dim = units, .embeddings_initializer = kSmall},
      ids);
  for (int64_t i = 0; i < layers; ++i) {
    const std::string h = "layer" + std::to_string(i) + "_";
    const int64_t batch = x.shape()[0], time = x.shape()[1], size = units / heads;
    const Tensor a = s(h + "attention_norm", norm, x);
    const auto split_heads = [&](const char* part, int64_t count) -> Tensor {
      return reshape(s(h + part, dense(count * size), a), {batch, time, count, size});
    };
    const RotaryOptions turn{.interleaved = true};
    const Tensor q = rotary_embedding(split_heads("wq", heads), turn),
                 k = rotary_embedding(split_heads("wk", key_heads), turn),
                 v = split_heads("wv", key_heads);
    const Tensor seen = attention(q, k, v, {.causal = true});
    x = x + s(h + "wo", dense(units), reshape(seen, {batch, time, units}));
    const Tensor m = s(h + "ffn_norm", norm, x);
    const Tensor gated = silu(s(h + "w1", dense(hidden), m)) * s(h + "w3", dense(hidden), m);
    x = x + s(h + "w2", dense(units), gated);
  }
  x = s("norm", norm, x);
  if (tied) return matmul(x, s.part_variable("tokens", "embeddings"), {.transpose_b = true});
  return s("output", dense(vocabulary), x);
}
void Llama::fields(Fields& f) {
  f("vocabulary", vocabulary, "How many ids there are.", {.min = 1});
  f("context", context, "The longest sequence it was trained on.", {.min = 1});
  f("layers", layers, "Blocks.", {.min = 1});
  f("heads", heads, "Heads of the queries, which divide the units.", {.min = 1});
  f("key_heads", key_heads, "Heads of keys and values, which divide the heads.", {.min = 1});
  f("units", units, "Numbers a token.", {.min = 1});
  f("hidden", hidden, "Width of the inner nets.", {.min = 1});
  f("epsilon", epsilon, "Added to the mean square.", {.above = 0});
  f("tied", tied, "Whether the last layer's matrix is the table of tokens.");
  f("name", name, "The layer's name.");
}

void register_layers() {
  nn::register_layer<GPT>("gpt");
  nn::register_layer<Transformer>("transformer");
  nn::register_layer<Llama>("llama");
  nn::register_layer<DiffusionUNet>("diffusion_unet");
  nn::register_layer<SparseGCN>("sparse_gcn");
}

// ---- ViT ----

ViT::operator Model() const {
  const Tensor image = nn::Input{.shape = input, .name = "image"};
  Tensor x = nn::Conv2D{.filters = units,
                        .kernel_size = patch.value,
                        .strides = patch.value,
                        .name = "patches"}(image);
  const int64_t places = x.shape()[1] * x.shape()[2];
  x = reshape(x, {-1, places, units.value});
  // The class's token is the only row of a table, looked up once a sample: at index 0, whatever the
  // image holds (0 times infinity or NaN would be none).
  const Tensor pixel = slice(x, {{}, {0, 1}, {0, 1}}), first = cast(pixel < pixel, i64);
  const Tensor token = nn::Embedding{.input_dim = 1,
                                     .output_dim = units,
                                     .embeddings_initializer = "zeros",
                                     .name = "class_token"}(reshape(first, {-1, 1}));
  x = nn::Concatenate{.axis = 1, .name = "tokens"}({token, x});
  x = nn::PositionEmbedding{
      .sequence_length = places + 1, .initializer = kSmall, .name = "positions"}(x);
  x = dropped(x, dropout);
  for (int64_t i = 0; i < layers; ++i) {
    x = nn::TransformerEncoder{.intermediate_dim = hidden,
                               .num_heads = heads,
                               .dropout = dropout,
                               .activation = "gelu",
                               .layer_norm_epsilon = 1e-6,
                               .norm_first = true,
                               .name = "encoder" + std::to_string(i)}(x);
  }
  x = nn::LayerNorm{.epsilon = 1e-6, .name = "norm"}(x);
  const Tensor seen = reshape(slice(x, {{}, {0, 1}}), {-1, units.value});
  return Model(image, nn::Dense{.units = classes, .name = "head"}(seen));
}
void ViT::fields(Fields& f) {
  f("patch", patch, "Side of a patch.", {.min = 1});
  f("layers", layers, "Blocks.", {.min = 1});
  f("heads", heads, "Heads of attention, which divide the units.", {.min = 1});
  f("units", units, "Numbers a patch.", {.min = 1});
  f("hidden", hidden, "Width of the inner nets.", {.min = 1});
  f("classes", classes, "Numbers that the network gives.", {.min = 1});
  f("input", input, "Height, width and channels of an image.", {.min = 1});
  f("dropout", dropout, "Share that is dropped.", kShare);
}

}  // namespace varve::zoo
