// Models of sequences, from end to end: trained, saved, loaded, told about.
#include <gtest/gtest.h>

#include <cmath>

#include "helpers.h"
#include "support/folder.h"
#include "support/tensors.h"
#include "varve/nn/recurrent_layers.h"
#include "varve/ops/pointwise.h"
#include "varve/ops/random.h"
#include "varve/ops/shape.h"

namespace varve {
namespace {

using namespace test;

/// Sequences of 3 to 6 tokens, zeros behind them; class 1 where the first token is above 5.
Dataset first_tokens(int64_t n) {
  std::vector<int64_t> x, y;
  for (int64_t i = 0; i < n; ++i) {
    const int64_t length = 3 + i % 4;
    for (int64_t t = 0; t < 6; ++t)
      x.push_back(t < length ? 1 + (i * 7 + t * t * 5 + i / 3) % 9 : 0);
    y.push_back(x[static_cast<size_t>(6 * i)] > 5);
  }
  return Dataset(tensor(x, Shape{n, 6}), tensor(y, Shape{n}));
}

TEST(SequenceModels, LearnWithMasksAndComeBackFromAFile) {
  random::seed(3);
  Sequential model{nn::Input{.shape = {6}, .dtype = i64},
                   nn::Embedding{.input_dim = 10, .output_dim = 6, .mask_zero = true},
                   nn::Bidirectional{nn::GRU{.units = 8, .return_sequences = true}},
                   nn::LSTM{.units = 8}, nn::Dense{.units = 2}};
  model.compile(for_classes());
  const Dataset data = first_tokens(120);
  model.fit(data, {.batch_size = 20, .epochs = 25, .progress = false});
  EXPECT_GT(model.evaluate(data)["accuracy"], 0.95);
  const Folder folder;
  model.save(folder / "sequences.safetensors");
  Model loaded = Model::load(folder / "sequences.safetensors");
  const Tensor x = data.stored_inputs()[0];
  EXPECT_EQ(distance(loaded.predict(x), model.predict(x)), 0);
}

TEST(SequenceModels, AreTrainedAndMeasuredWithoutTheirPadding) {
  random::seed(5);
  // The class of a step is whether its token is even; beside padding stand targets that no model
  // could learn.
  const Dataset first = first_tokens(80);
  const Tensor x = first.stored_inputs()[0];
  std::vector<int64_t> classes;
  int64_t there = 0, i = 0;
  for (double token : x.to_doubles()) {
    classes.push_back(token == 0 ? i % 2 : static_cast<int64_t>(token) % 2);
    there += token != 0;
    i += 1 + i / 7 % 3;
  }
  const Tensor y = tensor(classes, x.shape());
  Sequential model{nn::Input{.shape = {6}, .dtype = i64},
                   nn::Embedding{.input_dim = 10, .output_dim = 6, .mask_zero = true},
                   nn::GRU{.units = 8, .return_sequences = true}, nn::Dropout{.rate = 0.1},
                   nn::Dense{.units = 2, .activation = "softmax"}};
  model.compile({.optimizer = optim::Adam{.learning_rate = 0.02},
                 .loss = "cross_entropy",
                 .metrics = {"accuracy", metrics::CrossEntropy{}}});
  model.fit(x, y, {.batch_size = 20, .epochs = 60, .progress = false});
  const auto result = model.evaluate(Dataset(x, y));
  EXPECT_EQ(result["accuracy"], 1);
  EXPECT_LT(result["loss"], 0.1);
  EXPECT_NEAR(result["loss"], result["cross_entropy"], 1e-3);

  Metric accuracy("accuracy");
  const Tensor p = model.predict(x), mask = x != 0;
  EXPECT_FALSE(nn::mask_of(p).defined()) << "whether one batch holds all or not";
  accuracy.update(nn::with_mask(p, mask), y, ones({80}));
  EXPECT_EQ(accuracy.result(), 1);
  EXPECT_EQ(accuracy.totals().value().to_doubles()[1], static_cast<double>(there));
  accuracy.reset();
  accuracy.update(p, y);
  EXPECT_LT(accuracy.result(), 0.95) << "padding cannot be learnt";
  // A weight a sample holds for its steps.
  accuracy.reset();
  const Tensor wrong = where(expand_dims(arange(80) < 40, 1), y, 1 - y);
  accuracy.update(nn::with_mask(p, mask), wrong, cast(arange(80) < 40, f32));
  EXPECT_EQ(accuracy.result(), 1);
  EXPECT_THROW(accuracy.update(nn::with_mask(p, mask), ones({80})), ShapeError);
}

TEST(SequenceModels, AttendInAFunctionalModel) {
  random::seed(4);
  Tensor ids = nn::Input{.shape = {6}, .dtype = i64, .name = "ids"};
  Tensor mask = nn::PaddingMask{}(ids);
  Tensor h = nn::SinusoidalPositions{}(nn::Embedding{.input_dim = 10, .output_dim = 8}(ids));
  h = nn::TransformerEncoder{.intermediate_dim = 16, .num_heads = 2}({h, mask});
  Model model(ids, nn::Dense{.units = 2}(nn::GlobalAveragePool1D{}(h)));
  model.compile({.optimizer = optim::Adam{.learning_rate = 0.01},
                 .loss = losses::CrossEntropy{.from_logits = true},
                 .metrics = {metrics::Accuracy{}}});
  const Dataset data = first_tokens(120);
  model.fit(data, {.batch_size = 20, .epochs = 30, .progress = false});
  EXPECT_GT(model.evaluate(data)["accuracy"], 0.9);
  const Folder folder;
  model.save(folder / "attention.safetensors");
  const Tensor x = data.stored_inputs()[0];
  EXPECT_EQ(distance(Model::load(folder / "attention.safetensors").predict(x), model.predict(x)),
            0);
}

TEST(SequenceModels, GoOnWhereTheyEndedWhileTheyAreFitted) {
  Sequential model{nn::Input{.shape = {4, 2}},
                   nn::LSTM{.units = 3, .stateful = true, .batch_size = 5}, nn::Dense{.units = 1}};
  model.compile({.optimizer = "adam", .loss = "mse"});
  const Tensor x = test::noise({10, 4, 2}, 1, f32), y = test::noise({10, 1}, 2, f32);
  const Tensor before = model.variable("lstm_1.state_h").value();
  model.fit(x, y, {.batch_size = 5, .shuffle = false, .progress = false});
  EXPECT_GT(distance(model.variable("lstm_1.state_h").value(), before), 0);
  nn::reset_states(model);
  EXPECT_EQ(distance(model.variable("lstm_1.state_h").value(), before), 0);
}

}  // namespace
}  // namespace varve
