// Networks of sequences: published counts, training when small, and a trained one's own words.
#include <gtest/gtest.h>

#include <cmath>
#include <cstdlib>
#include <cstring>
#include <limits>

#include "support/data.h"
#include "support/errors.h"
#include "support/folder.h"
#include "varve/nn/network.h"
#include "varve/ops/indexing.h"
#include "varve/ops/reduction.h"
#include "varve/zoo_text.h"
#include "zoo/helpers.h"

namespace varve {
namespace {

using test::classes;
using test::expect_counts;
using test::expect_overfits;
using test::images;

template <class S>
std::function<Model()> net(S spec) {
  return [spec] { return Model(spec); };
}
std::function<Model()> gpt(zoo::GPT spec) {
  return [spec] {
    Model m = spec;
    m.build({spec.context}, i64);
    return m;
  };
}
std::function<Model()> translator(zoo::Transformer spec) {
  return [spec] {
    Model m = spec;
    m.build_many({{8}, {8}}, i64);
    return m;
  };
}

TEST(TextCounts, OfTransformers) {
  const zoo::GPT medium{.layers = 24, .heads = 16, .units = 1024},
      large{.layers = 36, .heads = 20, .units = 1280}, xl{.layers = 48, .heads = 25, .units = 1600},
      baby{.vocabulary = 65, .context = 256, .layers = 6, .heads = 6, .units = 384, .bias = false},
      cpu{.vocabulary = 65, .context = 64, .layers = 4, .heads = 4, .units = 128, .bias = false};
  expect_counts({
      {"GPT-2", gpt({}), 124439808},
      {"GPT-2 medium", gpt(medium), 354823168},
      {"GPT-2 large", gpt(large), 774030080},
      {"GPT-2 xl", gpt(xl), 1557611200},
      {"nanoGPT baby", gpt(baby), 10745088},
      {"nanoGPT on a CPU", gpt(cpu), 804096},
      {"Transformer base", translator({}), 63082496},
      {"Transformer big", translator({.heads = 16, .units = 1024, .hidden = 4096}), 214245376},
      {"Multi30k Transformer",
       translator({.source_vocabulary = 7853,
                   .target_vocabulary = 5893,
                   .shared = false,
                   .layers = 3,
                   .units = 256,
                   .hidden = 512,
                   .learned_positions = 100}),
       9038341},
      // As the peers' suite of the benchmark counts its own.
      {"Transformer of norms before",
       translator({.source_vocabulary = 8000,
                   .target_vocabulary = 8000,
                   .shared = false,
                   .layers = 3,
                   .heads = 4,
                   .units = 256,
                   .hidden = 1024,
                   .norm_first = true,
                   .scale_embedding = false,
                   .learned_positions = 32,
                   .shared_positions = true}),
       11690816},
      {"ViT-B/16", net(zoo::ViT{}), 86567656},
      {"ViT-B/32", net(zoo::ViT{.patch = 32}), 88224232},
      {"ViT-L/16", net(zoo::ViT{.layers = 24, .heads = 16, .units = 1024, .hidden = 4096}),
       304326632},
      {"ViT-S/16", net(zoo::ViT{.heads = 6, .units = 384, .hidden = 1536}), 22050664},
      {"ViT-Ti/16", net(zoo::ViT{.heads = 3, .units = 192, .hidden = 768}), 5717416},
      {"ViT-CIFAR",
       net(zoo::ViT{.patch = 4,
                    .layers = 7,
                    .units = 384,
                    .hidden = 384,
                    .classes = 10,
                    .input = {32, 32, 3}}),
       6268810},
  });
  // Without the table of positions, as nanoGPT prints it.
  const Model m = gpt(baby)();
  EXPECT_EQ(test::trainable_count(m) - m.variable("wpe.embeddings").shape().size(), 10646784);
  const Model n = gpt(cpu)();
  EXPECT_EQ(test::trainable_count(n) - n.variable("wpe.embeddings").shape().size(), 795904);
}

TEST(TextCounts, OfRecurrentNetworks) {
  // PyTorch's LSTM has two vectors of biases, which are one here.
  const auto second_bias = [](int64_t units, int64_t layers) { return 4 * units * layers; };
  expect_counts({
      {"Multi30k LSTM", net(zoo::Seq2SeqLSTM{}), 13898501 - second_bias(512, 4)},
      {"Multi30k GRU", net(zoo::Seq2SeqGRU{}), 14219781},
      {"addition", net(zoo::AdditionLSTM{}), 205324},
      {"PTB small", net(zoo::LanguageLSTM{.embedding = 200, .units = 200}), 4651600},
      {"PTB medium", net(zoo::LanguageLSTM{}), 19775200},
      {"PTB large", net(zoo::LanguageLSTM{.embedding = 1500, .units = 1500}), 66022000},
      {"char-rnn", net(zoo::LanguageLSTM{.vocabulary = 65, .embedding = 0, .units = 128}),
       240321 - second_bias(128, 2)},
  });
  const Model m = zoo::AdditionLSTM{};
  EXPECT_EQ(m["encoder"].parameter_count(), 72192);
  EXPECT_EQ(m["decoder"].parameter_count(), 131584);
}

/// A small one for two languages, without dropout.
zoo::Transformer small_transformer() {
  return {.source_vocabulary = 11,
          .target_vocabulary = 12,
          .shared = false,
          .layers = 2,
          .heads = 2,
          .units = 8,
          .hidden = 6,
          .dropout = 0,
          .learned_positions = 9};
}

/// Eight rows of ids below n.
Tensor ids(int64_t time, int64_t n, uint64_t seed) {
  return random::integers(Key(seed), 1, n, {8, time});
}

TEST(Text, SmallOnesLearnEightSamplesByHeart) {
  const Tensor x = ids(6, 11, 1), y = ids(6, 11, 2);
  const auto learns = [](const char* name, const Model& m, const Tensors& in, const Tensor& out,
                         double rate = 1e-2) {
    SCOPED_TRACE(name);
    expect_overfits(m, in, out, "cross_entropy", rate);
  };
  const auto translates = [&]<class S>(const char* name, S) {
    learns(name,
           S{.source_vocabulary = 11,
             .target_vocabulary = 11,
             .embedding = 8,
             .units = 16,
             .source_time = 6,
             .target_time = 6,
             .dropout = 0},
           {x, y}, y, 3e-2);
  };
  learns(
      "gpt",
      zoo::GPT{.vocabulary = 11, .context = 8, .layers = 2, .heads = 2, .units = 16, .dropout = 0},
      x, y);
  learns("gpt without biases, not tied",
         zoo::GPT{.vocabulary = 11,
                  .context = 8,
                  .layers = 2,
                  .heads = 2,
                  .units = 16,
                  .dropout = 0,
                  .bias = false,
                  .tied = false},
         x, y);
  learns("llama",
         zoo::Llama{.vocabulary = 11,
                    .context = 8,
                    .layers = 2,
                    .heads = 4,
                    .key_heads = 2,
                    .units = 16,
                    .hidden = 32},
         x, y);
  learns("transformer",
         zoo::Transformer{.source_vocabulary = 11,
                          .target_vocabulary = 11,
                          .layers = 2,
                          .heads = 2,
                          .units = 16,
                          .hidden = 32,
                          .dropout = 0,
                          .padding = 0},
         {x, y}, y, 1e-2);
  learns("translation",
         zoo::Transformer{.source_vocabulary = 11,
                          .target_vocabulary = 12,
                          .shared = false,
                          .layers = 1,
                          .heads = 2,
                          .units = 16,
                          .hidden = 32,
                          .dropout = 0,
                          .learned_positions = 9},
         {x, y}, y);
  zoo::Transformer first = small_transformer();
  first.norm_first = first.shared_positions = true;
  first.scale_embedding = false;
  learns("norms before", first, {x, y}, y);
  learns("lstm",
         zoo::LanguageLSTM{.vocabulary = 11, .embedding = 16, .units = 32, .time = 6, .dropout = 0},
         x, y, 3e-2);
  translates("lstm seq2seq", zoo::Seq2SeqLSTM{});
  translates("gru seq2seq", zoo::Seq2SeqGRU{});
  learns("addition", zoo::AdditionLSTM{.characters = 5, .units = 32}, images({7, 5}), ids(4, 5, 3),
         3e-2);
  learns("vit",
         zoo::ViT{.patch = 4,
                  .layers = 2,
                  .heads = 2,
                  .units = 16,
                  .hidden = 32,
                  .classes = 4,
                  .input = {8, 8, 3}},
         images({8, 8, 3}), classes(4));
}

TEST(Text, AClassTokenIsThereWhateverTheImageHolds) {
  const Model m = zoo::ViT{.patch = 4,
                           .layers = 1,
                           .heads = 2,
                           .units = 8,
                           .hidden = 8,
                           .classes = 3,
                           .input = {8, 8, 1}};
  const Tensor sound = images({8, 8, 1});
  constexpr double kNaN = std::numeric_limits<double>::quiet_NaN();
  // The second image begins with no number: it has no result, the others theirs.
  const Tensor hurt = where(reshape(arange(8) == 1, {8, 1, 1, 1}), kNaN, sound);
  const auto y = Tensor(m(hurt)).to_doubles(), expected = Tensor(m(sound)).to_doubles();
  for (size_t i = 0; i < y.size(); ++i) {
    if (i / 3 == 1) {
      EXPECT_TRUE(std::isnan(y[i]));
    } else {
      EXPECT_NEAR(y[i], expected[i], 1e-6);
    }
  }
}

TEST(Text, TransformersAreCausalAndHeedPadding) {
  const Model m = zoo::GPT{.vocabulary = 11, .context = 8, .layers = 2, .heads = 2, .units = 16};
  const Tensor a = tensor({int64_t{1}, int64_t{2}, int64_t{3}, int64_t{4}}, {1, 4}),
               b = tensor({int64_t{1}, int64_t{2}, int64_t{3}, int64_t{9}}, {1, 4});
  const auto first = [](const Tensor& x) { return slice(x, {{}, {0, 3}}); };
  EXPECT_LT(test::largest(first(m(a)) - first(m(b))), 1e-6);
  EXPECT_GT(test::largest(Tensor(m(a)) - Tensor(m(b))), 1e-6);
  const Model t = zoo::Transformer{.source_vocabulary = 11,
                                   .target_vocabulary = 11,
                                   .layers = 1,
                                   .heads = 2,
                                   .units = 16,
                                   .hidden = 16,
                                   .padding = 0};
  const Tensor padded = tensor({int64_t{1}, int64_t{2}, int64_t{0}}, {1, 3}),
               plain = tensor({int64_t{1}, int64_t{2}}, {1, 2});
  EXPECT_LT(test::largest(Tensor(t({padded, a})) - Tensor(t({plain, a}))), 1e-5);
  EXPECT_EQ(test::message_of<ShapeError>([&] {
              m(tensor({1.f}, {1, 1}));
            }).find("integer ids") == std::string::npos,
            false);
}

TEST(Text, ATransformerIsTheFormulaOfItsParts) {
  const Tensor source = ids(6, 11, 5), target = ids(5, 12, 6);
  for (int setting = 0; setting < 8; ++setting) {
    SCOPED_TRACE(setting);
    zoo::Transformer spec = small_transformer();
    spec.norm_first = setting & 1;
    spec.scale_embedding = setting & 2;
    spec.shared_positions = setting & 4;
    const Model m = translator(spec)();
    const auto part = [&](const std::string& path, const Tensors& x) { return m[path](x).only(); };
    const auto around = [&](const std::string& of, const Tensor& x, const auto& f) -> Tensor {
      const std::string norm = of + "_norm";
      return spec.norm_first ? x + f(part(norm, x)) : part(norm, x + f(x));
    };
    const auto attended = [&](const std::string& of, const Tensor& x, const Tensor& memory = {}) {
      return around(of, x, [&](const Tensor& t) {
        return part(of, memory.defined() ? Tensors{t, memory} : Tensors(t));
      });
    };
    const auto inner = [&](const std::string& block, const Tensor& x) {
      return around(block + "inner", x, [&](const Tensor& t) {
        return part(block + "outer", part(block + "inner", t));
      });
    };
    const auto entered = [&](const std::string& side, const Tensor& t) {
      const Tensor rows = part(side + "_tokens", t) * (spec.scale_embedding ? std::sqrt(8.0) : 1.0);
      return part(spec.shared_positions ? "positions" : side + "_positions", rows);
    };
    const auto ended = [&](const std::string& norm, const Tensor& x) {
      return spec.norm_first ? part(norm, x) : x;
    };
    Tensor memory = entered("source", source), y = entered("target", target);
    for (const std::string block : {"encoder0.", "encoder1."})
      memory = inner(block, attended(block + "attention", memory));
    memory = ended("encoder_norm", memory);
    for (const std::string block : {"decoder0.", "decoder1."}) {
      y = attended(block + "attention", y);
      y = inner(block, attended(block + "cross_attention", y, memory));
    }
    const Tensor expected = part("out", ended("decoder_norm", y));
    EXPECT_LT(test::largest(Tensor(m({source, target})) - expected), 1e-5);
    // One table fewer; two norms of a gain and a bias each more.
    EXPECT_EQ(test::trainable_count(m) - test::trainable_count(translator(small_transformer())()),
              (spec.norm_first ? 4 * 8 : 0) - (spec.shared_positions ? 9 * 8 : 0));
  }
}

TEST(Text, TokensOfATransformerBeginAsLargeAsTheirScaleWants) {
  const auto deviation = [](bool shared, bool scaled) {
    zoo::Transformer spec = small_transformer();
    spec.source_vocabulary = spec.target_vocabulary = 2000;
    spec.shared = shared;
    spec.scale_embedding = scaled;
    const Model m = translator(spec)();
    const Variable v = m.variable(shared ? "tokens.embeddings" : "source_tokens.embeddings");
    return std::sqrt(mean(square(v.value())).to_double());
  };
  // 16,000 numbers: a standard error of 0.6%.
  EXPECT_NEAR(deviation(false, false), 1, 0.03);
  EXPECT_NEAR(deviation(false, true), 1 / std::sqrt(8.0), 0.01);
  EXPECT_NEAR(deviation(true, false), 1 / std::sqrt(8.0), 0.01);
}

TEST(Text, DropoutOfATransformerIsWhereItIsAskedFor) {
  const Tensor source = ids(6, 11, 5), target = ids(5, 12, 6), x = images({5, 8});
  const CallOptions training{.training = true};
  const auto changes = [&](const Layer& layer, const Tensors& in) {
    return test::largest(layer(in, training).only() - layer(in).only()) > 1e-4;
  };
  struct Rates {
    double all;
    std::optional<double> attention, embeddings;
  };
  const std::vector<Rates> list{
      {0, 0.5, {}}, {0, {}, 0.5}, {0.5, 0, {}}, {0.5, {}, 0}, {0.5, {}, {}}};
  for (const Rates& r : list) {
    SCOPED_TRACE(&r - list.data());
    zoo::Transformer spec = small_transformer();
    spec.dropout = r.all;
    spec.attention_dropout = r.attention;
    spec.embedding_dropout = r.embeddings;
    const Model m = translator(spec)();
    EXPECT_TRUE(changes(m, {source, target}));
    const bool weights = r.attention.value_or(r.all) > 0;
    EXPECT_EQ(changes(m["encoder1.attention"], x), weights);
    EXPECT_EQ(changes(m["decoder1.attention"], x), weights);
    EXPECT_EQ(changes(m["decoder1.cross_attention"], {x, x}), weights);
    // With nothing added in the blocks, what is dropped are embeddings alone.
    for (NamedVariable v : m.named_variables()) {
      if (v.path.ends_with("output_kernel") || v.path.ends_with("outer.kernel"))
        v.variable.assign(zeros(v.variable.shape()));
    }
    EXPECT_EQ(changes(m, {source, target}), r.embeddings.value_or(r.all) > 0);
  }
}

TEST(Text, ModelsOfOnesOwnLayersAreSavedAndLoaded) {
  zoo::register_layers();
  const test::Folder folder;
  Model m = zoo::GPT{.vocabulary = 11, .context = 8, .layers = 1, .heads = 2, .units = 8};
  m.build({8}, i64);
  const std::string path = std::string(folder.path()) + "/gpt.safetensors";
  m.save(path);
  const Model again = Model::load(path);
  const Tensor x = ids(8, 11, 4);
  EXPECT_EQ(test::largest(Tensor(m(x)) - Tensor(again(x))), 0);
}

/// The tokens of tok512.bin: their longest length, then score, length and bytes of each.
std::vector<std::string> tokens_of(const std::string& bytes) {
  std::vector<std::string> list;
  for (size_t at = 4; at + 8 <= bytes.size();) {
    int32_t length = 0;
    std::memcpy(&length, bytes.data() + at + 4, 4);
    list.push_back(bytes.substr(at + 8, static_cast<size_t>(length)));
    at += 8 + static_cast<size_t>(length);
  }
  return list;
}

TEST(Llama, TellsTheReferencesStoryByteForByte) {
  const std::string data = test::further_data();
  if (data.empty()) GTEST_SKIP() << "no VARVE_DATA";
  const std::string folder = data + "/weights/";
  Model model = zoo::load_llama2c(folder + "stories260K.bin");
  const std::vector<std::string> pieces = tokens_of(test::read_text(folder + "tok512.bin"));
  ASSERT_EQ(pieces.size(), 512u);
  constexpr int64_t kSteps = 200;
  std::vector<int64_t> said(kSteps, 0);
  said[0] = 1;  // the beginning
  std::string text;
  for (int64_t t = 0; t < kSteps; ++t) {
    // All steps at once, of which those after t are not looked at: one plan for all.
    const Tensor logits = model.predict(tensor(said, {1, kSteps}));
    const int64_t next = argmax(slice(logits, {{}, {t, t + 1}})).item<int64_t>();
    if (next == 1) break;
    std::string piece = pieces[static_cast<size_t>(next)];
    if (t == 0 && piece.starts_with(" ")) piece.erase(0, 1);
    unsigned byte = 0;
    if (std::sscanf(piece.c_str(), "<0x%02X>", &byte) == 1) piece = static_cast<char>(byte);
    text += piece;
    if (t + 1 < kSteps) said[static_cast<size_t>(t) + 1] = next;
  }
  EXPECT_EQ(text, test::read_text(folder + "stories260K.greedy200.txt"));
}

TEST(Llama, DamagedFilesAreRefused) {
  const test::Folder folder;
  const std::string path = std::string(folder.path()) + "/model.bin";
  const auto refused = [&](const std::string& bytes) {
    test::write_text(path, bytes);
    return test::message_of<FormatError>([&] { zoo::load_llama2c(path); });
  };
  EXPECT_NE(refused("short").find("shorter than its header"), std::string::npos);
  const auto header = [](std::array<int32_t, 7> n) {
    return std::string(reinterpret_cast<const char*>(n.data()), sizeof n);
  };
  EXPECT_NE(refused(header({64, 172, 5, 0, 4, 512, 512})).find("a size of 0"), std::string::npos);
  EXPECT_NE(refused(header({64, 172, 5, 7, 4, 512, 512})).find("heads"), std::string::npos);
  EXPECT_NE(refused(header({64, 172, 5, 8, 4, 512, 512})).find("bytes"), std::string::npos);
  EXPECT_NE(refused(header({1 << 24, 1 << 24, 900, 8, 4, 1 << 24, 512})).find("bytes"),
            std::string::npos);
}

}  // namespace
}  // namespace varve
