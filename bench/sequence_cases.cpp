// Networks of sequences of ids.
#include "cases.h"
#include "varve/model.h"
#include "varve/ops/random.h"
#include "varve/ops/shape.h"
#include "varve/zoo_text.h"

namespace varve::bench {
namespace {

/// The next id is to be foretold, the first one behind the last.
Bench language(const Layer& network, int64_t vocabulary, const Shape& ids,
               const Optimizer& optimizer) {
  const Tensor x = labels(vocabulary, ids);
  return supervised(
      {.network = network, .x = x, .y = roll(x, -1, 1).evaluate(), .optimizer = optimizer});
}

/// Dropout where something is added to the stream alone, as PyTorch users write their own blocks.
Bench translation(const CaseOptions& o) {
  constexpr int64_t kVocabulary = 8000;
  const zoo::Transformer net{.source_vocabulary = kVocabulary,
                             .target_vocabulary = kVocabulary,
                             .shared = false,
                             .layers = 3,
                             .heads = 4,
                             .units = 256,
                             .hidden = 1024,
                             .dropout = o.deterministic ? 0 : 0.1,
                             .attention_dropout = 0,
                             .embedding_dropout = 0,
                             .norm_first = true,
                             .scale_embedding = false,
                             .learned_positions = 32,
                             .shared_positions = true};
  const Tensor target = random::integers(Key(3), 0, kVocabulary, {32, 32}).evaluate();
  return supervised({.network = net,
                     .x = Tensors{labels(kVocabulary, {32, 32}), target},
                     .y = roll(target, -1, 1).evaluate()});
}

}  // namespace

std::vector<Case> sequence_cases() {
  using O = const CaseOptions&;
  return {
      {"char_lstm",
       [](O) {
         const Model net = zoo::LanguageLSTM{
             .vocabulary = 65, .embedding = 256, .units = 256, .time = 64, .dropout = 0};
         return language(net, 65, {32, 64}, adam(5));
       }},
      {"ptb_lstm",
       [](O o) {
         const Model net = zoo::LanguageLSTM{.dropout = o.deterministic ? 0 : 0.5};
         return language(net, 10000, {20, 35}, descent(5));
       }},
      {"transformer_char",
       [](O) {
         const zoo::GPT net{.vocabulary = 65,
                            .context = 128,
                            .layers = 4,
                            .heads = 4,
                            .units = 128,
                            .dropout = 0,
                            .activation = "gelu",
                            .tied = false};
         return language(net, 65, {16, 128}, adam_w());
       }},
      {"transformer_seq2seq", translation},
  };
}

}  // namespace varve::bench
