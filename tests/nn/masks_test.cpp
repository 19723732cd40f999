// Masks: how they go from layer to layer, who reads them, who refuses them.
#include <fstream>
#include <limits>
#include <nlohmann/json.hpp>

#include "nn/helpers.h"
#include "varve/derivatives.h"
#include "varve/jit.h"
#include "varve/losses.h"
#include "varve/metrics.h"
#include "varve/nn/mask.h"
#include "varve/ops/matmul.h"
#include "varve/ops/normalization.h"
#include "varve/ops/reduction.h"
#include "varve/ops/shape.h"

namespace varve {
namespace {

using test::distance;
using test::expect_near;
using test::message_of;
using test::noise;

const Tensor kMask = tensor({true, true, false, true, false, false}, Shape{2, 3});

/// x [2, 3, features] with kMask.
Tensor masked(int64_t features = 4, int seed = 1) {
  return nn::with_mask(noise({2, 3, features}, seed, f32), kMask);
}
Layer table() { return nn::Embedding{.input_dim = 9, .output_dim = 4, .mask_zero = true}; }
Tensor padded() { return tensor({int64_t{4}, int64_t{7}, int64_t{0}, int64_t{0}}, {1, 4}); }
Tensor alone() { return tensor({int64_t{4}, int64_t{7}}, {1, 2}); }

/// A batch of padded sequences gives what each gives without padding.
void expect_padding_ignored(const Layer& model) {
  model(padded());
  EXPECT_LT(distance(model(padded()), model(alone())), 1e-6) << model.config();
}

TEST(Masks, GoWithATensorUntilTheyAreTakenOff) {
  const Tensor x = noise({2, 3, 4}, 1, f32);
  EXPECT_FALSE(nn::mask_of(x).defined());
  const Tensor y = nn::with_mask(x, kMask);
  EXPECT_EQ(nn::mask_of(y).to_doubles(), kMask.to_doubles());
  EXPECT_EQ(distance(y, x), 0);
  EXPECT_FALSE(nn::mask_of(x).defined()) << "x itself stays as it was";
  EXPECT_FALSE(nn::mask_of(nn::with_mask(y, {})).defined());
  // Operations leave masks behind, also those that give back what they got.
  const Tensor same[] = {y + 1,
                         cast(y, f32),
                         reshape(y, {2, 3, 4}),
                         broadcast_to(y, {2, 3, 4}),
                         concat({y}, 0),
                         transpose(y, {0, 1, 2}),
                         slice(y, {}),
                         flip(y, {})};
  for (const Tensor& t : same) EXPECT_FALSE(nn::mask_of(t).defined());
  Variable v(y);
  EXPECT_FALSE(nn::mask_of(v.value()).defined());
  v.assign(y);
  EXPECT_FALSE(nn::mask_of(v.value()).defined());
  EXPECT_EQ(message_of<DTypeError>([&] {
              nn::with_mask(x, ones({2, 3}));
            }),
            "with_mask: expected a bool mask, got f32[2, 3]");
  EXPECT_EQ(message_of<ShapeError>([&] {
              nn::with_mask(x, ones({3, 2}, DType::bool_));
            }),
            "with_mask: expected a mask of the first axes of [2, 3, 4], got [3, 2]");
}

TEST(Masks, GoThroughLayersThatWorkOnEachStep) {
  for (const Layer& layer :
       {Layer(nn::Dense{.units = 5}),
        Layer(nn::Dropout{.rate = 0.5}),
        Layer(nn::LayerNorm{}),
        Layer(nn::RMSNorm{}),
        Layer(nn::Activation{"relu"}),
        Layer(nn::Softmax{}),
        Layer(nn::ReLU{}),
        Layer(nn::PReLU{}),
        Layer(nn::SpatialDropout1D{}),
        Layer(nn::GaussianNoise{}),
        Layer(nn::Rescaling{.scale = 2}),
        Layer(nn::BatchNorm{}),
        Layer(nn::Reshape{.target_shape = {3, 2, 2}}),
        Layer(nn::SinusoidalPositions{}),
        Layer(nn::TimeDistributed{nn::Dense{.units = 2}}),
        Layer(nn::UnitNorm{}),
        Layer(nn::LSTM{.units = 2, .return_sequences = true}),
        Layer(nn::MultiHeadAttention{.num_heads = 2, .key_dim = 2}),
        Layer(nn::TransformerEncoder{.intermediate_dim = 3, .num_heads = 2}),
        Layer(nn::TransformerDecoder{.intermediate_dim = 3, .num_heads = 2})}) {
    for (bool training : {false, true}) {
      const Tensor mask = nn::mask_of(layer(masked(), {.training = training}));
      ASSERT_TRUE(mask.defined()) << layer.to_string();
      EXPECT_EQ(mask.to_doubles(), kMask.to_doubles()) << layer.to_string();
      EXPECT_FALSE(nn::mask_of(layer(noise({2, 3, 4}, 1, f32))).defined()) << layer.to_string();
    }
  }
  EXPECT_FALSE(nn::mask_of(Layer(nn::LSTM{.units = 2})(masked())).defined());
  const Layer back = nn::GRU{.units = 2, .return_sequences = true, .go_backwards = true};
  EXPECT_EQ(nn::mask_of(back(masked())).to_doubles(), flip(kMask, {1}).to_doubles());
}

TEST(Masks, AreRefusedByLayersThatMixSteps) {
  const auto refusal = [](const Layer& layer, const Tensor& x) {
    return message_of<ValueError>([&] { layer(x); });
  };
  const std::string text = "its input has a mask [2, 3], which the layer does not take";
  for (const Layer& layer :
       {Layer(nn::Flatten{}), Layer(nn::Conv1D{.filters = 2, .kernel_size = 2}),
        Layer(nn::MaxPool1D{}), Layer(nn::GroupNorm{.groups = 1}), Layer(nn::Permute{{2, 1}}),
        Layer(nn::ZeroPadding1D{})}) {
    EXPECT_EQ(refusal(layer, masked()), text) << layer.to_string();
    EXPECT_NO_THROW(nn::sequential({nn::DropMask{}, layer})(masked()));
  }
  EXPECT_EQ(refusal(nn::Softmax{.axis = 1}, masked()),
            "axis 1 of [2, 3, 4] is one of its mask's [2, 3]");
  EXPECT_EQ(refusal(nn::Reshape{.target_shape = {12}}, masked()),
            "its input has a mask [2, 3], which has no place in its result [2, 12]");
  const Tensor numbers = nn::with_mask(noise({2, 3}, 1, f32), kMask);
  EXPECT_EQ(refusal(nn::Activation{"softmax"}, numbers),
            "axis -1 of [2, 3] is one of its mask's [2, 3]");
  EXPECT_EQ(refusal(nn::Activation{nn::Softmax{.axis = 1}}, masked()),
            "axis 1 of [2, 3, 4] is one of its mask's [2, 3]");
  for (const Layer& layer :
       {Layer(nn::Activation{"relu"}), Layer(nn::Activation{"elu"}),
        Layer(nn::Activation{nn::HardTanh{}}), Layer(nn::Activation{}), Layer(nn::Reshape{{3, 1}}),
        Layer::from_config(R"({"type": "activation", "activation": {"type": "elu", "alpha": 2}})")})
    EXPECT_EQ(nn::mask_of(layer(numbers)).to_doubles(), kMask.to_doubles());
  EXPECT_EQ(refusal(nn::Dense{.units = 3}, nn::with_mask(noise({2, 3}, 1, f32), kMask)),
            "its input [2, 3] has a mask [2, 3], and the layer mixes what it masks");
  try {
    nn::sequential({table(), nn::Flatten{}})(padded());
    FAIL();
  } catch (const ValueError& e) {
    EXPECT_NE(e.at().find("flatten_1"), std::string::npos) << e.at();
    EXPECT_EQ(e.hint(), "take it off before: nn::DropMask{}, or nn::with_mask(x, {})");
  }
}

struct Doubled {
  static constexpr nn::Masks masks = nn::Masks::elementwise;
  Tensor call(const Tensor& x, Scope&) const { return x * 2; }
};
struct Residual {
  Tensor call(const Tensor& x, Scope& s) const { return x + s("inner", nn::Dense{.units = 4}, x); }
};

TEST(Masks, LayersOfOnesOwnSayWhatBecomesOfThem) {
  EXPECT_TRUE(nn::mask_of(Layer(Doubled{})(masked())).defined());
  try {
    Layer(Residual{})(masked());
    FAIL();
  } catch (const ValueError& e) {
    EXPECT_NE(e.hint().find("static constexpr nn::Masks masks"), std::string::npos) << e.hint();
  }
  const Layer own = nn::Lambda{[](const Tensor& x) { return nn::with_mask(-x, nn::mask_of(x)); }};
  EXPECT_TRUE(nn::mask_of(own(masked())).defined());
}

TEST(Masks, LetPaddingHaveNoInfluence) {
  const Layer units = nn::LSTM{.units = 5, .return_sequences = true};
  expect_padding_ignored(nn::sequential(
      {table(), nn::Dropout{.rate = 0.5}, units.clone(), nn::LayerNorm{}, nn::GRU{.units = 3}}));
  expect_padding_ignored(nn::sequential(
      {table(), nn::TimeDistributed{nn::Dense{.units = 3}}, nn::GlobalAveragePool1D{}}));
  expect_padding_ignored(
      nn::sequential({table(), units.clone(), nn::GlobalMaxPool1D{.keep_dims = true}}));
  expect_padding_ignored(nn::sequential(
      {table(), nn::Bidirectional{units.clone()}, nn::Dense{.units = 2}, nn::GlobalMaxPool1D{}}));
  expect_padding_ignored(nn::sequential(
      {table(), nn::MultiHeadAttention{.num_heads = 2, .key_dim = 3}, nn::GlobalAveragePool1D{}}));
  for (bool first : {false, true}) {
    expect_padding_ignored(nn::sequential(
        {table(),
         nn::TransformerEncoder{.intermediate_dim = 8, .num_heads = 2, .norm_first = first},
         nn::TransformerDecoder{.intermediate_dim = 8, .num_heads = 2, .norm_first = first},
         nn::GlobalAveragePool1D{}}));
  }
  const Layer cells = nn::ConvLSTM2D{.filters = 2, .kernel_size = 3, .padding = "same"};
  const Tensor x = noise({1, 4, 5, 5, 2}, 3, f32);
  const Tensor there = tensor({true, true, false, false}, {1, 4});
  EXPECT_LT(distance(cells(nn::with_mask(x, there)), cells(slice(x, {{}, {0, 2}}))), 1e-6);
}

TEST(Masks, OfAllStepsGiveZerosWherePooled) {
  const Tensor none = nn::with_mask(noise({2, 3, 4}, 1, f32), zeros({2, 3}, DType::bool_));
  expect_near(Layer(nn::GlobalAveragePool1D{})(none), std::vector<double>(8, 0));
  expect_near(Layer(nn::GlobalMaxPool1D{})(none), std::vector<double>(8, 0));
  const auto g = grad([](const Tensor& x) {
    return sum(Layer(nn::GlobalMaxPool1D{})(nn::with_mask(x, zeros({2, 3}, DType::bool_))));
  })(noise({2, 3, 4}, 1, f32));
  expect_near(g, std::vector<double>(24, 0));
}

TEST(Masks, MeetWhereTensorsAreMerged) {
  const Tensor other = tensor({true, false, true, true, true, false}, Shape{2, 3});
  const Tensor a = masked(), b = nn::with_mask(noise({2, 3, 4}, 2, f32), other);
  const std::vector<double> either{1, 1, 1, 1, 1, 0};
  for (const Layer& layer :
       {Layer(nn::Add{}), Layer(nn::Multiply{}), Layer(nn::Subtract{}), Layer(nn::Average{}),
        Layer(nn::Maximum{}), Layer(nn::Concatenate{})}) {
    EXPECT_EQ(nn::mask_of(layer({a, b})[0]).to_doubles(), either) << layer.to_string();
    EXPECT_EQ(nn::mask_of(layer({nn::with_mask(a, {}), b})[0]).to_doubles(), other.to_doubles());
  }
  const Layer along = nn::Concatenate{.axis = 1};
  EXPECT_EQ(nn::mask_of(along({a, b})[0]).to_doubles(), concat({kMask, other}, 1).to_doubles());
  EXPECT_EQ(nn::mask_of(along({a, nn::with_mask(b, {})})[0]).to_doubles(),
            concat({kMask, ones({2, 3}, DType::bool_)}, 1).to_doubles());
  EXPECT_THROW(Layer(nn::Dot{.axes = {2}})({a, b}), ValueError);
}

TEST(Masks, OfWhatIsWithinAStepReachTheLayerOfEachStep) {
  // Sentences of words: [batch, sentences, words].
  const Tensor ids = tensor({int64_t{4}, int64_t{7}, int64_t{0}, int64_t{0},  //
                             int64_t{3}, int64_t{0}, int64_t{0}, int64_t{0},  //
                             int64_t{0}, int64_t{0}, int64_t{0}, int64_t{0}},
                            {1, 3, 4});
  for (int64_t units : {4, 5}) {  // as many as words, and not
    const Layer words = nn::LSTM{.units = units}, rows = table();
    const Tensor y = nn::TimeDistributed{words}(rows(ids));
    EXPECT_EQ(nn::mask_of(y).to_doubles(), (std::vector<double>{1, 1, 0}));
    EXPECT_LT(distance(slice(y, {{}, {0, 1}}), expand_dims(words(rows(alone())), 0)), 1e-6);
    expect_near(slice(y, {{}, {2, 3}}), std::vector<double>(static_cast<size_t>(units), 0));
  }
  const Layer deep = nn::TimeDistributed{table()};
  EXPECT_EQ(nn::mask_of(deep(ids)).to_doubles(), cast(ids != 0, f32).to_doubles());
}

TEST(Masks, TurnAroundWithASequence) {
  const Layer layer = nn::SimpleRNN{.units = 3, .return_sequences = true, .go_backwards = true};
  const Tensor x = noise({1, 4, 2}, 3, f32), there = tensor({true, true, false, false}, {1, 4});
  const Layer both = nn::Bidirectional{layer};
  const Tensor y = both(nn::with_mask(x, there));
  EXPECT_EQ(nn::mask_of(y).to_doubles(), (std::vector<double>{0, 0, 1, 1}));
  const Tensor alone = both(slice(x, {{}, {0, 2}}));
  EXPECT_LT(distance(slice(y, {{}, {2, 4}}), alone), 1e-6);
  expect_near(slice(y, {{}, {0, 2}}), std::vector<double>(12, 0));
}

TEST(Masks, GoThroughJitAndDerivatives) {
  const Layer pool = nn::GlobalAveragePool1D{};
  const Tensor x = masked(), y = pool(x);
  auto compiled = jit([&](const Tensor& t) -> Tensor { return pool(t); });
  EXPECT_LT(distance(compiled(x), y), 1e-6);
  EXPECT_GT(distance(compiled(nn::with_mask(x, {})), y), 1e-3) << "another trace";
  const Tensor other = tensor({true, true, true, true, true, false}, {2, 3});
  EXPECT_LT(distance(compiled(nn::with_mask(x, other)), pool(nn::with_mask(x, other))), 1e-6);
  EXPECT_EQ(compiled.info().traces(), 2) << "another mask is no other type";

  const Layer model = nn::sequential({table(), nn::Dense{.units = 3}});
  model(padded());
  auto run = jit([&](const Tensor& t) -> std::pair<Tensor, Tensor> { return {t * 2, model(t)}; });
  for (int i = 0; i < 3; ++i) {
    const auto [twice, z] = run(padded());
    EXPECT_FALSE(nn::mask_of(twice).defined());
    EXPECT_EQ(nn::mask_of(z).to_doubles(), (std::vector<double>{1, 1, 0, 0}));
    EXPECT_LT(distance(z, model(padded())), 1e-6);
  }

  const auto f = [&](const Tensor& t) -> Tensor { return sum(Tensor(pool(t))); };
  const auto [value, g] = value_and_grad(f)(x);
  EXPECT_NEAR(value.to_double(), f(x).to_double(), 1e-6);
  const auto d = g[0].to_doubles();
  for (size_t i = 0; i < 4; ++i) {
    EXPECT_NEAR(d[i], 0.5, 1e-6);
    EXPECT_EQ(d[8 + i], 0);
    EXPECT_NEAR(d[12 + i], 1, 1e-6);
  }
}

TEST(Masks, KeepWhatIsNotThereFromSpreading) {
  const Tensor x = noise({2, 3, 4}, 1, f32);
  const double nan = std::numeric_limits<double>::quiet_NaN();
  const Tensor bad = where(expand_dims(kMask, 2), x, nan);
  const Tensor with = nn::with_mask(bad, kMask), without = nn::with_mask(x, kMask);
  for (const Layer& layer : {Layer(nn::GlobalAveragePool1D{}), Layer(nn::GlobalMaxPool1D{}),
                             Layer(nn::LSTM{.units = 2})})
    EXPECT_EQ(distance(layer(with), layer(without)), 0) << layer.to_string();
  const Layer norm = nn::BatchNorm{};
  norm(with, {.training = true});
  const auto mean = norm.variable("moving_mean").value().to_doubles();
  // Three steps are there.
  const Tensor three = concat({slice(x, {{0, 1}, {0, 2}}), slice(x, {{1, 2}, {0, 1}})}, 1);
  const auto expected = varve::mean(three, {.axes = {0, 1}}).to_doubles();
  for (size_t i = 0; i < 4; ++i) EXPECT_NEAR(mean[i], 0.01 * expected[i], 1e-7);
  const Tensor y = noise({2, 3, 4}, 2, f32);
  EXPECT_EQ(Loss("mse")(with, y).to_double(), Loss("mse")(without, y).to_double());
}

TEST(Masks, OfIntegersAndOfBlocksAreThoseOfTheFloats) {
  const Tensor counts = tensor({int64_t{1}, int64_t{2}, int64_t{9}, int64_t{9}}, {1, 2, 2});
  const Tensor there = tensor({true, false}, {1, 2});
  const Layer block = nn::TransformerEncoder{.intermediate_dim = 3, .num_heads = 1};
  const Tensor y = block(nn::with_mask(counts, there));
  EXPECT_EQ(distance(y, block(nn::with_mask(cast(counts, f32), there))), 0);
  EXPECT_LT(distance(slice(y, {{}, {0, 1}}), block(slice(counts, {{}, {0, 1}}))), 1e-6);
  EXPECT_EQ(message_of<DTypeError>([&] {
              block({masked(2), noise({2, 3, 2}, 1, f32)});
            }),
            "mask: expected bool, got f32[2, 3, 2]");
}

TEST(Masks, OfTheValuesHideThemFromAttention) {
  const Tensor q = noise({2, 2, 4}, 5, f32);
  const Tensor there = tensor({true, true, false, true, true, false}, Shape{2, 3});
  const Tensor v = noise({2, 3, 4}, 6, f32), seen = slice(v, {{}, {0, 2}});
  for (const Layer& layer : {Layer(nn::Attention{}), Layer(nn::Attention{.score = "additive"}),
                             Layer(nn::AdditiveAttention{}),
                             Layer(nn::MultiHeadAttention{.num_heads = 2, .key_dim = 2})}) {
    const Tensor y = layer({q, nn::with_mask(v, there)});
    EXPECT_LT(distance(y, layer({q, seen})), 1e-6) << layer.to_string();
    EXPECT_EQ(distance(y, layer({q, v, there})), 0) << layer.to_string();
    // A mask that is given, too: both hold.
    const Tensor first = tensor({true, false, true}, {3});
    const Tensor pairs = broadcast_to(first, {2, 2, 3});
    EXPECT_LT(
        distance(layer({q, nn::with_mask(v, there), pairs}), layer({q, slice(v, {{}, {0, 1}})})),
        1e-6);
    EXPECT_FALSE(nn::mask_of(y).defined()) << "the query has none";
  }
}

TEST(Masks, AreRecordedInFunctionalModels) {
  const Tensor ids = nn::Input{.shape = {4}, .dtype = i64, .name = "ids"};
  const Tensor rows = nn::Embedding{.input_dim = 9, .output_dim = 4, .mask_zero = true}(ids);
  ASSERT_TRUE(nn::mask_of(rows).defined());
  EXPECT_EQ(nn::mask_of(rows).dtype(), DType::bool_);
  const Tensor h = nn::Dense{.units = 5}(rows);
  const Tensor other = nn::GRU{.units = 5, .return_sequences = true}(h);
  const Tensor sum = nn::Add{}({h, other});
  const Layer model = nn::functional(ids, nn::GlobalAveragePool1D{}(sum));
  const Tensor two = tensor({int64_t{4}, int64_t{7}, int64_t{0}, int64_t{0},  //
                             int64_t{4}, int64_t{7}, int64_t{8}, int64_t{0}},
                            {2, 4});
  const Tensor y = model(two);
  // By hand, with what the mask says.
  const auto expected = [&](int64_t row, int64_t length) {
    const Tensor x = slice(two, {{row, row + 1}, {0, length}});
    const Tensor e = model["dense_1"](model["embedding_1"](x));
    return mean(Tensor(model["gru_1"](e)) + e, {.axes = {1}});
  };
  EXPECT_LT(distance(y, concat({expected(0, 2), expected(1, 3)}, 0)), 1e-6);
  const Layer again = Layer::from_config(model.config());
  for (const auto& v : model.named_variables()) again.variable(v.path).assign(v.variable.value());
  EXPECT_EQ(distance(again(two), y), 0);
  EXPECT_EQ(message_of<ValueError>([&] { nn::Flatten{}(h); }),
            "its input has a mask [2, 4], which the layer does not take");
  EXPECT_EQ(message_of<ValueError>([&] { nn::functional(h, sum); }),
            "Model: input 0 has a mask, which the batches of a model do not bring");
}

TEST(Masks, AreValuesOfFunctionalModelsToo) {
  const Tensor ids = nn::Input{.shape = {4}, .dtype = i64};
  const Tensor rows = nn::Embedding{.input_dim = 9, .output_dim = 4}(ids);
  // A mask of one's own, put on, read, and taken off.
  const Tensor given = nn::with_mask(rows, nn::PaddingMask{}(ids));
  const Tensor count = cast(nn::mask_of(nn::Dropout{}(given)), f32);
  const Tensor last = nn::LSTM{.units = 3}(given);
  const Tensor flat = nn::Flatten{}(nn::with_mask(given, {}));
  const Layer model = nn::functional(ids, {last, count, flat});
  const Layer again = Layer::from_config(model.config());
  for (const auto& v : model.named_variables()) again.variable(v.path).assign(v.variable.value());
  for (const Layer& m : {model, again}) {
    const Outputs y = m(Tensors(padded()));
    expect_near(y[1], {1, 1, 0, 0});
    const Tensor e = m["embedding_1"](padded());
    EXPECT_LT(distance(y[0], m["lstm_1"](slice(e, {{}, {0, 2}}))), 1e-6);
    EXPECT_EQ(distance(y[2], reshape(e, {1, 16})), 0);
  }
}

TEST(Masks, LeaveStepsOutOfLosses) {
  const Tensor x = masked(2), y = noise({2, 3, 2}, 7, f32);
  const double all = Loss("mse")(x, y).to_double();
  const Tensor d = square(x - y);
  const double expected =
      (sum(slice(d, {{0, 1}, {0, 2}})).to_double() + sum(slice(d, {{1, 2}, {0, 1}})).to_double()) /
      6;
  EXPECT_NEAR(all, expected, 1e-6);
  const auto g = grad([&](const Tensor& p) { return Loss("mse")(nn::with_mask(p, kMask), y); })(x)
                     .to_doubles();
  for (size_t i : {4, 5, 8, 9, 10, 11}) EXPECT_EQ(g[i], 0) << i;
  EXPECT_EQ(message_of<ShapeError>([&] {
              Loss([](const Tensor& p, const Tensor&) { return sum(p, {.axes = {1, 2}}); })(x, y);
            }),
            "loss: the prediction has a mask [2, 3], which its result [2] has no place for");
  const Loss own = [](const Tensor& p, const Tensor& t) { return Loss("mse")(p, t) * 2; };
  EXPECT_NEAR(own(x, y).to_double(), 2 * expected, 1e-6);
  const Tensor nothing = nn::with_mask(x, zeros({2, 3}, DType::bool_));
  EXPECT_EQ(Loss("mse")(nothing, y).to_double(), 0);
}

Tensor array_of(const nlohmann::json& j) {
  return tensor(j.at("values").get<std::vector<float>>(),
                Shape(j.at("shape").get<std::vector<int64_t>>()));
}

TEST(Masks, GiveWhatKerasGives) {
  std::ifstream file(VARVE_SOURCE_DIR "/tests/golden/masks/keras.json");
  const auto golden = nlohmann::json::parse(file);
  const auto& cases = golden.at("cases");
  EXPECT_EQ(cases.size(), 6u);
  const Tensor ids = tensor(golden.at("ids").get<std::vector<int64_t>>(), Shape{4, 5});
  for (const auto& c : cases) {
    SCOPED_TRACE(c.at("name").get<std::string>());
    std::vector<Layer> layers;
    for (const auto& l : c.at("layers")) layers.push_back(Layer::from_config(l.dump()));
    const Layer model = nn::sequential(layers);
    model(ids);
    const Variables variables = model.variables();
    ASSERT_EQ(variables.size(), c.at("weights").size());
    for (size_t i = 0; i < variables.size(); ++i) {
      Variable v = variables[i];
      v.assign(reshape(array_of(c.at("weights")[i]), v.shape()));
    }
    Tensor y = model(ids, {.training = c.at("training").get<bool>()});
    const Tensor kept = nn::mask_of(y);
    const Tensor expected = array_of(c.at("output"));
    if (c.at("valid_only").get<bool>()) y = where(expand_dims(ids != 0, 2), y, 0);
    EXPECT_LT(distance(y, expected), 2e-6);
    if (!c.contains("loss")) continue;
    const Tensor prediction = nn::with_mask(y, kept), classes = array_of(c.at("targets"));
    const Loss loss = "cross_entropy";
    EXPECT_NEAR(loss(prediction, cast(classes, i64)).to_double(), c.at("loss").get<double>(), 1e-5);
    EXPECT_NEAR(loss(prediction, cast(classes, i64), array_of(c.at("sample_weights"))).to_double(),
                c.at("weighted_loss").get<double>(), 1e-5);
    Metric accuracy = "accuracy";
    accuracy.update(prediction, cast(classes, i64));
    EXPECT_NEAR(accuracy.result(), c.at("accuracy").get<double>(), 1e-6);
  }
}

}  // namespace
}  // namespace varve
