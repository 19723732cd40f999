// Recurrent layers and attention layers, against Keras' outputs and against what must hold of them.
#include <fstream>
#include <nlohmann/json.hpp>

#include "nn/helpers.h"
#include "varve/derivatives.h"
#include "varve/jit.h"
#include "varve/ops/attention.h"
#include "varve/ops/matmul.h"
#include "varve/ops/normalization.h"
#include "varve/ops/recurrent.h"
#include "varve/ops/reduction.h"
#include "varve/ops/shape.h"

namespace varve {
namespace {

using test::distance;
using test::expect_near;
using test::message_of;
using test::noise;

Tensor array_of(const nlohmann::json& j) {
  const Shape shape(j.at("shape").get<std::vector<int64_t>>());
  const Tensor t = tensor(j.at("values").get<std::vector<float>>(), shape);
  return j.at("dtype") == "bool" ? cast(t, DType::bool_) : t;
}
Tensors arrays_of(const nlohmann::json& j) {
  std::vector<Tensor> list;
  for (const auto& a : j) list.push_back(array_of(a));
  return list;
}

TEST(SequenceLayers, GiveWhatKerasGives) {
  std::ifstream file(VARVE_SOURCE_DIR "/tests/golden/sequence_layers/keras.json");
  const auto cases = nlohmann::json::parse(file).at("cases");
  EXPECT_GT(cases.size(), 25u);
  for (const auto& c : cases) {
    SCOPED_TRACE(c.at("name").get<std::string>());
    Layer layer = Layer::from_config(c.at("layer").dump());
    Tensors x = arrays_of(c.at("inputs"));
    // Of attention it is an input of its own.
    if (x.size() == 2 && x[1].dtype() == DType::bool_) x = nn::with_mask(x[0], x[1]);
    const Tensors weights = arrays_of(c.at("weights")), expected = arrays_of(c.at("outputs"));
    layer(x);
    const Variables variables = layer.variables();
    ASSERT_EQ(variables.size(), weights.size());
    int64_t parameters = 0;
    for (size_t i = 0; i < weights.size(); ++i) {
      Variable v = variables[i];
      parameters += weights[i].size();
      ASSERT_EQ(v.shape().size(), weights[i].size()) << v.name();
      v.assign(reshape(weights[i], v.shape()));
    }
    EXPECT_EQ(layer.parameter_count(), parameters);
    const Outputs y = layer(x);
    ASSERT_EQ(y.size(), expected.size());
    for (size_t i = 0; i < y.size(); ++i) {
      EXPECT_LT(distance(y[i], expected[i]), 3e-6) << "output " << i;
    }
  }
}

int64_t count(Layer layer, const Shape& sample) {
  layer.build(sample);
  return layer.parameter_count();
}

TEST(SequenceLayers, HaveAsManyParametersAsKeras) {
  EXPECT_EQ(count(nn::LSTM{.units = 128}, {5, 12}), 72192);
  EXPECT_EQ(count(nn::LSTM{.units = 128}, {5, 128}), 131584);
  EXPECT_EQ(count(nn::SimpleRNN{.units = 7}, {5, 3}), 77);
  EXPECT_EQ(count(nn::GRU{.units = 7}, {5, 3}), 252);
  EXPECT_EQ(count(nn::GRU{.units = 7, .reset_after = false}, {5, 3}), 231);
  EXPECT_EQ(count(nn::ConvLSTM2D{.filters = 4}, {5, 8, 8, 2}), 880);
  EXPECT_EQ(count(nn::Bidirectional{nn::LSTM{.units = 7}}, {5, 3}), 616);
  EXPECT_EQ(count(nn::MultiHeadAttention{.num_heads = 4, .key_dim = 6, .value_dim = 5}, {5, 16}),
            1492);
  // The addition net of Keras' examples.
  EXPECT_EQ(
      count(nn::sequential({nn::Input{.shape = {7, 12}}, nn::LSTM{.units = 128},
                            nn::RepeatVector{4}, nn::LSTM{.units = 128, .return_sequences = true},
                            nn::Dense{.units = 12, .activation = "softmax"}}),
            {7, 12}),
      205324);
}

TEST(LSTM, BeginsWithAnOpenForgetGate) {
  Layer layer = nn::LSTM{.units = 2};
  layer.build({3, 1});
  expect_near(layer.variable("bias").value(), {0, 0, 1, 1, 0, 0, 0, 0});
}

TEST(RecurrentLayers, OfUnequalLengthsEqualRunsOfEachByItself) {
  const Tensor x = noise({3, 6, 2}, 1, f32);
  const std::vector<int64_t> lengths{6, 2, 4};
  const Tensor mask = arange(6) < tensor(lengths, Shape{3, 1});
  for (Layer layer : {Layer(nn::SimpleRNN{.units = 5}), Layer(nn::LSTM{.units = 5}),
                      Layer(nn::GRU{.units = 5}), Layer(nn::GRU{.units = 5, .go_backwards = true}),
                      Layer(nn::Bidirectional{nn::LSTM{.units = 5}})}) {
    SCOPED_TRACE(layer.to_string());
    const Tensor y = layer(nn::with_mask(x, mask));
    for (int64_t i = 0; i < 3; ++i) {
      const Tensor alone = slice(x, {{i, i + 1}, {0, lengths[static_cast<size_t>(i)]}});
      EXPECT_LT(distance(slice(y, {{i, i + 1}}), layer(alone)), 1e-6) << "sample " << i;
    }
  }
}

TEST(RecurrentLayers, MaskedStepsHaveNoInfluence) {
  Layer layer = nn::LSTM{.units = 4, .return_sequences = true};
  const Tensor mask = tensor({true, true, false, true}, Shape{1, 4});
  const Tensor x = noise({1, 4, 3}, 2, f32);
  layer(nn::with_mask(x, mask));
  const auto dx = grad([&](const Tensor& v) { return sum(layer(nn::with_mask(v, mask))); })(x);
  const auto g = dx.to_doubles();
  for (size_t i = 0; i < 3; ++i) EXPECT_EQ(g[6 + i], 0);
  EXPECT_NE(g[0], 0);
  EXPECT_NE(g[9], 0);
}

TEST(RecurrentLayers, ThatAreStatefulGoOnWhereTheyEnded) {
  const Tensor x = noise({2, 9, 3}, 3, f32);
  for (Layer whole : {Layer(nn::SimpleRNN{.units = 4, .return_sequences = true}),
                      Layer(nn::LSTM{.units = 4, .return_sequences = true}),
                      Layer(nn::GRU{.units = 4, .return_sequences = true})}) {
    const Tensor y = whole(x);
    nlohmann::json config = nlohmann::json::parse(whole.config());
    config["stateful"] = true;
    config["batch_size"] = 2;
    Layer parts = Layer::from_config(config.dump());
    parts.build({3, 3});
    for (const char* name : {"kernel", "recurrent_kernel", "bias"})
      parts.variable(name).assign(whole.variable(name).value());
    for (int round = 0; round < 2; ++round) {
      const Tensor joined = concat({parts(slice(x, {{}, {0, 2}})), parts(slice(x, {{}, {2, 7}})),
                                    parts(slice(x, {{}, {7, 9}}))},
                                   1);
      EXPECT_LT(distance(joined, y), 1e-6) << whole.to_string();
      nn::reset_states(parts);
    }
    EXPECT_EQ(message_of<ShapeError>([&] {
                parts(slice(x, {{0, 1}}));
              }),
              "a stateful layer goes on with 2 sequences (batch_size), got a batch of 1");
  }
}

TEST(RecurrentLayers, HandMasksOnInASequence) {
  Layer model = nn::sequential({nn::Embedding{.input_dim = 10, .output_dim = 4, .mask_zero = true},
                                nn::LSTM{.units = 5, .return_sequences = true}, nn::GRU{.units = 3},
                                nn::Dense{.units = 2}});
  const Tensor padded = tensor({int64_t{4}, int64_t{7}, int64_t{0}, int64_t{0}}, Shape{1, 4});
  const Tensor alone = tensor({int64_t{4}, int64_t{7}}, Shape{1, 2});
  EXPECT_LT(distance(model(padded), model(alone)), 1e-6);
}

TEST(Masking, ClearsTheStepsThatItMasks) {
  // Keras: outputs = inputs * mask.
  const Tensor x = tensor({-1.f, -1.f, 0.f, -1.f, 3.f, 4.f, -1.f, -1.f}, Shape{1, 4, 2});
  Layer masking = nn::Masking{.mask_value = -1};
  const Tensor y = masking(x), mask = nn::mask_of(y);
  expect_near(y, {0, 0, 0, -1, 3, 4, 0, 0});
  expect_near(cast(mask, f32), {0, 1, 1, 0});
  EXPECT_EQ(mask.shape(), (Shape{1, 4}));
  // What stands in masked steps has no gradient.
  const auto g = vjp([&](const Tensors& v) -> Tensors { return masking(v); }, Tensors{x},
                     Tensors{ones({1, 4, 2})});
  expect_near(g.cotangents[0], {0, 0, 1, 1, 1, 1, 0, 0});
}

TEST(RecurrentLayers, DropTheSameUnitsAtEveryStep) {
  Layer layer =
      nn::SimpleRNN{.units = 64,
                    .activation = "linear",
                    .use_bias = false,
                    .kernel_initializer = 0,
                    .recurrent_initializer = [](const Key&, const Shape& s) { return eye(s[0]); },
                    .recurrent_dropout = 0.5,
                    .return_sequences = true};
  const Tensor ones_state = ones({1, 64});
  const auto y = layer(Tensors{zeros({1, 3, 1}), ones_state}, {.training = true})[0].to_doubles();
  int kept = 0;
  for (size_t i = 0; i < 64; ++i) {
    EXPECT_TRUE(y[i] == 0 || y[i] == 2);
    EXPECT_EQ(y[128 + i], y[i] == 0 ? 0 : 8) << "three times the same factor";
    kept += y[i] != 0;
  }
  EXPECT_GT(kept, 16);
  EXPECT_LT(kept, 48);
  expect_near(layer(Tensors{zeros({1, 3, 1}), ones_state})[0], std::vector<double>(192, 1));
}

TEST(Bidirectional, IsTwoLayersOneOfThemOnTheSequenceTurnedAround) {
  const Tensor x = noise({2, 5, 3}, 4, f32);
  Layer both = nn::Bidirectional{nn::GRU{.units = 4, .return_sequences = true}};
  const Tensor y = both(x);
  const Tensor a = both["forward"](x), b = flip(both["backward"](flip(x, {1})), {1});
  EXPECT_EQ(distance(y, concat({a, b}, -1)), 0);
  Layer copy = both.clone();
  EXPECT_EQ(distance(copy(x), y), 0);
  Layer loaded = Layer::from_config(both.config());
  EXPECT_EQ(loaded(x).shape(), y.shape());
}

TEST(TimeDistributed, IsTheLayerOnEachStep) {
  const Tensor x = noise({2, 3, 5, 5, 1}, 5, f32);
  Layer layer = nn::TimeDistributed{nn::Conv2D{.filters = 2}};
  const Tensor y = layer(x);
  EXPECT_EQ(y.shape(), (Shape{2, 3, 3, 3, 2}));
  const Tensor one = reshape(slice(x, {{}, {1, 2}}), {2, 5, 5, 1});
  EXPECT_LT(distance(reshape(slice(y, {{}, {1, 2}}), {2, 3, 3, 2}), layer["layer"](one)), 1e-6);
}

// --- attention -----------------------------------------------------------------------------------

TEST(Attention, OfTheNotesWeighs14And12) {  // P4-34: 112 and 96, divided by sqrt(64)
  // A query and two keys of size 64 whose products are 112 and 96.
  std::vector<float> key(128, 0);
  key[0] = 112;
  key[64] = 96;
  std::vector<float> query(64, 0);
  query[0] = 1;
  const Tensors in{tensor(query, Shape{1, 1, 64}), eye(2, 2, 0), tensor(key, Shape{1, 2, 64})};
  const Tensors batched{in[0], reshape(in[1], {1, 2, 2}), in[2]};
  Layer layer = nn::Attention{.return_attention_scores = true};
  const Outputs y = layer(batched);
  expect_near(y[1], {0.880797, 0.119203}, 1e-6);
  expect_near(y[0], {0.880797, 0.119203}, 1e-6);
  expect_near(Layer(nn::Attention{})(batched)[0], {0.880797, 0.119203}, 1e-6);
}

TEST(Attention, WeightsOfEachScoreSumToOne) {  // P4-54
  const Tensor q = noise({2, 3, 4}, 6, f32), v = noise({2, 5, 4}, 7, f32);
  const Tensor mask =
      tensor({true, true, false, true, true, true, false, false, true, true}, Shape{2, 5});
  for (const char* score : {"dot", "scaled_dot", "general", "content", "additive", "location"}) {
    SCOPED_TRACE(score);
    Layer layer = nn::Attention{.score = score, .return_attention_scores = true};
    const Outputs y = layer(Tensors{q, v, mask});
    for (double s : sum(y[1], {.axes = {-1}}).to_doubles()) EXPECT_NEAR(s, 1, 1e-6);
    for (double w : slice(y[1], {{0, 1}, {}, {2, 3}}).to_doubles()) EXPECT_EQ(w, 0);
    EXPECT_LT(distance(y[0], matmul(y[1], v)), 1e-5);
  }
  // Dot products of the scaled queries are the scaled ones.
  Layer dot = nn::Attention{.score = "dot"}, scaled = nn::Attention{};
  EXPECT_LT(distance(dot(Tensors{q * 0.5, v}), scaled(Tensors{q, v})), 1e-6);
  EXPECT_EQ(message_of<ValueError>([&] {
              Layer(nn::Attention{.score = "dott"})(Tensors{q, v});
            }),
            "score: unknown score \"dott\"");
}

TEST(Attention, OfTheContentIsTheCosine) {
  const Tensor q = noise({1, 2, 3}, 8, f64), k = noise({1, 4, 3}, 9, f64);
  Layer layer = nn::Attention{.score = "content", .return_attention_scores = true};
  const auto w = layer(Tensors{q, k})[1].to_doubles();
  const auto a = q.to_doubles(), b = k.to_doubles();
  for (size_t i = 0; i < 2; ++i) {
    std::vector<double> e(4);
    double total = 0;
    for (size_t j = 0; j < 4; ++j) {
      double ab = 0, aa = 0, bb = 0;
      for (size_t d = 0; d < 3; ++d) {
        ab += a[i * 3 + d] * b[j * 3 + d];
        aa += a[i * 3 + d] * a[i * 3 + d];
        bb += b[j * 3 + d] * b[j * 3 + d];
      }
      total += e[j] = std::exp(ab / std::sqrt(aa * bb));
    }
    for (size_t j = 0; j < 4; ++j) EXPECT_NEAR(w[i * 4 + j], e[j] / total, 1e-12);
  }
}

TEST(MultiHeadAttention, DecodesStepByStepWhatItGivesAtOnce) {
  const Tensor x = noise({2, 7, 8}, 10, f32);
  for (bool rotary : {false, true}) {
    Layer whole = nn::MultiHeadAttention{
        .num_heads = 4, .key_dim = 6, .causal = true, .num_key_heads = 2, .rotary = rotary};
    const Tensor y = whole(x);
    Layer decoder = nn::MultiHeadAttention{.num_heads = 4,
                                           .key_dim = 6,
                                           .num_key_heads = 2,
                                           .rotary = rotary,
                                           .cache_length = 7,
                                           .batch_size = 2};
    decoder.build({1, 8});
    for (const auto& [path, v] : whole.named_variables()) decoder.variable(path).assign(v.value());
    auto step = jit([&](const Tensor& t) { return decoder(t); });
    for (int round = 0; round < 2; ++round) {
      std::vector<Tensor> steps{decoder(slice(x, {{}, {0, 3}}))};
      for (int64_t t = 3; t < 7; ++t) steps.push_back(step(slice(x, {{}, {t, t + 1}})));
      EXPECT_LT(distance(concat(Tensors(steps), 1), y), 1e-5);
      EXPECT_THROW(decoder(slice(x, {{}, {0, 1}})).evaluate(), IndexError);
      nn::reset_states(decoder);
    }
  }
}

TEST(MultiHeadAttention, GivesItsWeights) {
  const Tensor x = noise({2, 5, 6}, 11, f32);
  Layer layer = nn::MultiHeadAttention{.num_heads = 2, .key_dim = 3, .causal = true};
  const Tensor y = layer(x);
  nlohmann::json config = nlohmann::json::parse(layer.config());
  config["return_attention_scores"] = true;
  Layer telling = Layer::from_config(config.dump());
  telling.build({5, 6});
  for (const auto& [path, v] : layer.named_variables()) telling.variable(path).assign(v.value());
  const Outputs told = telling(Tensors(x));
  EXPECT_LT(distance(told[0], y), 1e-6);
  EXPECT_EQ(told[1].shape(), (Shape{2, 2, 5, 5}));
  for (double s : sum(told[1], {.axes = {-1}}).to_doubles()) EXPECT_NEAR(s, 1, 1e-6);
}

TEST(Transformers, NeverLookAheadWhereCausal) {
  const Tensor x = noise({1, 4, 8}, 12, f32);
  for (bool first : {false, true}) {
    Layer block =
        nn::TransformerDecoder{.intermediate_dim = 16, .num_heads = 2, .norm_first = first};
    block(Tensors(x));
    const auto f = [&](const Tensor& v) {
      return sum(square(slice(block(Tensors(v))[0], {{}, {1, 2}})));
    };
    const auto g = grad(f)(x).to_doubles();
    for (size_t i = 16; i < 32; ++i) EXPECT_EQ(g[i], 0) << "element " << i;
    double early = 0;
    for (size_t i = 0; i < 16; ++i) early += std::abs(g[i]);
    EXPECT_GT(early, 0);
  }
}

TEST(Transformers, EncoderIsItsFormula) {
  const Tensor x = noise({2, 3, 4}, 13, f32);
  Layer block = nn::TransformerEncoder{.intermediate_dim = 6, .num_heads = 2};
  const Tensor y = block(Tensors(x));
  const Tensor a = block["attention_norm"](x + Tensor(block["attention"](x)));
  const Tensor z = block["inner_norm"](a + block["outer"](block["inner"](a)));
  EXPECT_LT(distance(y, z), 1e-6);
  // 4 (8 8 + 8) + 2 norms + 8 16 + 16 + 16 8 + 8, at size 8 and width 16.
  Layer wide = nn::TransformerEncoder{.intermediate_dim = 16, .num_heads = 2};
  EXPECT_EQ(count(wide, {5, 8}), 4 * 72 + 2 * 16 + 8 * 16 + 16 + 16 * 8 + 8);
}

TEST(Positions, AreAdded) {
  const Tensor x = noise({2, 3, 4}, 14, f32);
  EXPECT_LT(distance(Layer(nn::SinusoidalPositions{})(x), x + sinusoidal_positions(3, 4)), 1e-6);
  Layer learned = nn::PositionEmbedding{.sequence_length = 5};
  const Tensor y = learned(x);
  EXPECT_LT(distance(y, x + slice(learned.variable("embeddings").value(), {{0, 3}})), 1e-6);
  EXPECT_EQ(message_of<ShapeError>([&] {
              learned(noise({1, 6, 4}, 1, f32));
            }),
            "expected at most sequence_length 5 steps, got 6");
}

}  // namespace
}  // namespace varve
