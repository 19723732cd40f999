// room: zoo
// Networks of sequences: transformers and recurrent ones. Transformers are layers with parts; a
// Model is made of them by building it:
//     Model model = zoo::GPT{.vocabulary = 65, .context = 256, .layers = 6, .heads = 6, .units =
//     384}; model.build({256}, i64);
// `register_layers()` makes them known to Model::load. Counts are trainable parameters.
#pragma once
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "varve/fields.h"
#include "varve/model.h"

namespace varve::zoo {

/// GPT-2 (Radford et al. 2019): ids [batch, time] -> logits [batch, time, vocabulary], of causal
/// blocks that normalize first; positions are learned; the inner net's activation is gelu by tanh
/// unless another is given. tied: the table of tokens is
/// the last layer's matrix, too. 124,439,808; medium (24 layers, 16 heads, 1024 units) 354,823,168;
/// large (36, 20, 1280) 774,030,080; xl (48, 25, 1600) 1,557,611,200. bias = false leaves out every
/// bias (nanoGPT).
struct GPT {
  Dim vocabulary = 50257, context = 1024, layers = 12, heads = 12, units = 768;
  Real dropout = 0.1;
  Activation activation = "gelu_tanh";
  bool bias = true, tied = true;
  std::string name = {};
  Tensor call(const Tensor& ids, Scope& s) const;
  void fields(Fields& f);
};

/// The transformer of Vaswani et al. 2017: {source, target} ids -> logits [batch, target time,
/// target vocabulary]. Body and 37,000 shared tokens: 63,082,496; big (1024 units, 4096 hidden, 16
/// heads): 214,245,376. 8,000 tokens of a table a language, 3 layers, 256 units, 1024 hidden,
/// norm_first, 32 learned positions in one table: 11,690,816.
struct Transformer {
  Dim source_vocabulary = 37000, target_vocabulary = 37000;
  /// One table for both languages and the last layer (the vocabularies are then one).
  bool shared = true;
  Dim layers = 6, heads = 8, units = 512, hidden = 2048;
  Real dropout = 0.1;
  std::optional<double> attention_dropout = {};  ///< of attention's weights; empty: dropout
  std::optional<double> embedding_dropout = {};  ///< behind the positions; empty: dropout
  /// Normalize before each part, not behind; encoder and decoder then end in norms of their own.
  bool norm_first = false;
  bool scale_embedding = true;    ///< tokens' rows times sqrt(units)
  Dim learned_positions = 0;      ///< above 0: that many learned ones in the place of waves
  bool shared_positions = false;  ///< one table of learned positions for both languages
  int padding = -1;               ///< an id that is not attended to in the source; -1: none
  std::string name = {};
  Tensor call(const Tensors& x, Scope& s) const;
  void fields(Fields& f);
};

/// Llama (Touvron et al. 2023): ids [batch, time] -> logits [batch, time, vocabulary]. RMS norm,
/// rotary positions, grouped-query attention, SwiGLU, no biases; tied as in GPT.
struct Llama {
  Dim vocabulary = 32000, context = 2048, layers = 32, heads = 32, key_heads = 32, units = 4096,
      hidden = 11008;
  Real epsilon = 1e-5;
  bool tied = false;
  std::string name = {};
  Tensor call(const Tensor& ids, Scope& s) const;
  void fields(Fields& f);
};
/// Reads a model of llama2.c (its first format: seven numbers, then f32 weights): a network and its
/// weights. Throws IoError, FormatError.
Model load_llama2c(std::string_view path);

/// Vision transformer (Dosovitskiy et al. 2021), as torchvision's: images -> logits. B/16
/// 86,567,656; B/32 88,224,232; L/16 (24 layers, 16 heads, 1024 units, 4096 hidden) 304,326,632.
struct ViT {
  Dim patch = 16, layers = 12, heads = 12, units = 768, hidden = 3072;
  Dim classes = 1000;
  Shape input = {224, 224, 3};
  Real dropout = 0;
  operator Model() const;
  void fields(Fields& f);
};

/// A language model of LSTM layers: ids [batch, time] -> logits [batch, time, vocabulary].
/// embedding 0: one-hot vectors. Dropout between layers (Zaremba et al. 2014). The defaults are its
/// medium one of Penn Treebank: 19,775,200.
struct LanguageLSTM {
  Dim vocabulary = 10000, embedding = 650, units = 650, layers = 2, time = 35;
  Real dropout = 0.5;
  operator Model() const;
  void fields(Fields& f);
};

/// LSTM encoder and decoder (Sutskever et al. 2014): {source, target} ids -> logits; the decoder
/// begins with the encoder's states and reads the target so far (teacher forcing).
struct Seq2SeqLSTM {
  Dim source_vocabulary = 7853, target_vocabulary = 5893, embedding = 256, units = 512, layers = 2;
  Dim source_time = 20, target_time = 20;
  Real dropout = 0.5;
  operator Model() const;
  void fields(Fields& f);
};
/// GRU encoder and decoder (Cho et al. 2014): the encoder's last state is seen at every step and by
/// the output, which also sees the embedding. 14,219,781.
struct Seq2SeqGRU {
  Dim source_vocabulary = 7853, target_vocabulary = 5893, embedding = 256, units = 512;
  Dim source_time = 20, target_time = 20;
  Real dropout = 0.5;
  operator Model() const;
  void fields(Fields& f);
};
/// Keras' network that adds numbers written in digits: one-hot [batch, time, characters] -> logits
/// [batch, answer, characters]. 205,324.
struct AdditionLSTM {
  Dim time = 7, answer = 4, characters = 12, units = 128;
  operator Model() const;
  void fields(Fields& f);
};

/// Makes GPT, Transformer and Llama loadable from model files, as "gpt", "transformer", "llama".
void register_layers();

}  // namespace varve::zoo
