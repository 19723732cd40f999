// Recurrent networks of sequences.
#include <string>
#include <vector>

#include "varve/nn/layers.h"
#include "varve/ops/indexing.h"
#include "varve/ops/shape.h"
#include "varve/zoo_text.h"
#include "zoo/build.h"

namespace varve::zoo {
namespace {

constexpr RealRule kShare{.min = 0, .below = 1};

Tensor ids_of(int64_t time, const char* name) {
  return nn::Input{.shape = {time}, .dtype = i64, .name = name};
}
Tensor embedded(const Tensor& ids, int64_t vocabulary, int64_t size, const char* name) {
  return nn::Embedding{.input_dim = vocabulary, .output_dim = size, .name = name}(ids);
}

template <class N>
void translation_fields(N& n, Fields& f) {
  f("source_vocabulary", n.source_vocabulary, "Ids of the source.", {.min = 1});
  f("target_vocabulary", n.target_vocabulary, "Ids of the target.", {.min = 1});
  f("embedding", n.embedding, "Numbers a token.", {.min = 1});
  f("units", n.units, "Units of a recurrent layer.", {.min = 1});
  f("source_time", n.source_time, "Tokens of the source.", {.min = 1});
  f("target_time", n.target_time, "Tokens of the target.", {.min = 1});
  f("dropout", n.dropout, "Share dropped of embeddings.", kShare);
}

}  // namespace

LanguageLSTM::operator Model() const {
  const Tensor ids = ids_of(time, "ids");
  Tensor x =
      embedding > 0 ? embedded(ids, vocabulary, embedding, "tokens") : one_hot(ids, vocabulary);
  for (int64_t i = 1; i <= layers; ++i) {
    x = dropped(x, dropout);
    x = nn::LSTM{
        .units = units, .return_sequences = true, .name = "lstm_l" + std::to_string(i - 1)}(x);
  }
  return Model(ids, nn::Dense{.units = vocabulary, .name = "out"}(dropped(x, dropout)));
}
void LanguageLSTM::fields(Fields& f) {
  f("vocabulary", vocabulary, "How many ids there are.", {.min = 1});
  f("embedding", embedding, "Numbers a token; 0: one-hot.", {.min = 0});
  f("units", units, "Units of a layer.", {.min = 1});
  f("layers", layers, "LSTM layers.", {.min = 1});
  f("time", time, "Tokens of a sample.", {.min = 1});
  f("dropout", dropout, "Share dropped before each layer.", kShare);
}

Seq2SeqLSTM::operator Model() const {
  const Tensor source = ids_of(source_time, "source"), target = ids_of(target_time, "target");
  Tensor x = dropped(embedded(source, source_vocabulary, embedding, "source_tokens"), dropout);
  Tensor y = dropped(embedded(target, target_vocabulary, embedding, "target_tokens"), dropout);
  for (int64_t i = 0; i < layers; ++i) {
    const std::string place = "_l" + std::to_string(i);
    const Outputs read = nn::LSTM{.units = units,
                                  .return_sequences = true,
                                  .return_state = true,
                                  .name = "encoder" + place}(x);
    const Tensor said = nn::LSTM{
        .units = units, .return_sequences = true, .name = "decoder" + place}({y, read[1], read[2]});
    x = i + 1 < layers ? dropped(read[0], dropout) : read[0];
    y = i + 1 < layers ? dropped(said, dropout) : said;
  }
  return Model({source, target}, nn::Dense{.units = target_vocabulary, .name = "out"}(y));
}
void Seq2SeqLSTM::fields(Fields& f) {
  translation_fields(*this, f);
  f("layers", layers, "LSTM layers of encoder and decoder each.", {.min = 1});
}

Seq2SeqGRU::operator Model() const {
  const Tensor source = ids_of(source_time, "source"), target = ids_of(target_time, "target");
  const Tensor x =
      dropped(embedded(source, source_vocabulary, embedding, "source_tokens"), dropout);
  const Tensor y =
      dropped(embedded(target, target_vocabulary, embedding, "target_tokens"), dropout);
  const Tensor context = nn::GRU{.units = units, .name = "encoder"}(x);
  const Tensor each = nn::RepeatVector{.n = target_time}(context);
  const Tensor seen = nn::Concatenate{.name = "seen"}({y, each});
  const Tensor said =
      nn::GRU{.units = units, .return_sequences = true, .name = "decoder"}({seen, context});
  const Tensor all = nn::Concatenate{.name = "all"}({y, said, each});
  return Model({source, target}, nn::Dense{.units = target_vocabulary, .name = "out"}(all));
}
void Seq2SeqGRU::fields(Fields& f) { translation_fields(*this, f); }

AdditionLSTM::operator Model() const {
  const Tensor x = nn::Input{.shape = {time, characters}, .name = "question"};
  const Tensor read = nn::LSTM{.units = units, .name = "encoder"}(x);
  const Tensor said = nn::LSTM{.units = units, .return_sequences = true, .name = "decoder"}(
      nn::RepeatVector{.n = answer}(read));
  return Model(x, nn::Dense{.units = characters, .name = "out"}(said));
}
void AdditionLSTM::fields(Fields& f) {
  f("time", time, "Characters of a question.", {.min = 1});
  f("answer", answer, "Characters of an answer.", {.min = 1});
  f("characters", characters, "How many there are.", {.min = 1});
  f("units", units, "Units of the layers.", {.min = 1});
}

}  // namespace varve::zoo
