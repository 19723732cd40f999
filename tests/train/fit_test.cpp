#include <gtest/gtest.h>

#include <limits>

#include "helpers.h"
#include "support/folder.h"
#include "varve/derivatives.h"
#include "varve/ops/pointwise.h"
#include "varve/ops/reduction.h"
#include "varve/ops/shape.h"

namespace varve {
namespace {

using namespace test;

TEST(Fit, LearnsALineByGradientDescent) {
  Sequential model{nn::Dense{.units = 1}};
  model.compile({.optimizer = optim::SGD{.learning_rate = 0.3, .momentum = 0.9}, .loss = "mse"});
  const History h = model.fit(line(200), {.batch_size = 20, .epochs = 30, .progress = false});
  EXPECT_EQ(h.epochs(), 30);
  EXPECT_LT(h["loss"].back(), 1e-6);
  EXPECT_LT(h["loss"].back(), h["loss"].front());
  const std::vector<double> kernel = model.variable("dense_1.kernel").value().to_doubles();
  EXPECT_NEAR(kernel[0], 2, 1e-2);
  EXPECT_NEAR(kernel[1], -3, 1e-2);
  EXPECT_NEAR(model.variable("dense_1.bias").value().to_doubles()[0], 1, 1e-2);
}

TEST(Fit, CompiledAndEagerStepsGiveTheSameNumbers) {
  std::vector<History> histories;
  std::vector<std::vector<std::vector<double>>> weights;
  for (bool eager : {false, true}) {
    Sequential model = classifier();
    CompileOptions o = for_classes();
    o.run_eagerly = eager;
    model.compile(o);
    histories.push_back(model.fit(
        two_classes(50),
        {.batch_size = 16, .epochs = 2, .validation_split = 0.2, .seed = 3, .progress = false}));
    weights.push_back(weights_of(model));
  }
  for (const char* name : {"loss", "accuracy", "val_loss", "val_accuracy"}) {
    for (size_t e = 0; e < 2; ++e) {
      EXPECT_NEAR(histories[0][name][e], histories[1][name][e], 1e-5) << name;
    }
  }
  for (size_t i = 0; i < weights[0].size(); ++i) {
    for (size_t k = 0; k < weights[0][i].size(); ++k) {
      EXPECT_NEAR(weights[0][i][k], weights[1][i][k], 1e-4);
    }
  }
}

TEST(Fit, TheSameSeedGivesTheSameBitsAndAnotherSeedOthers) {
  std::vector<std::vector<std::vector<double>>> weights;
  for (uint64_t seed : {5, 5, 6}) {
    Sequential model = classifier();
    model.compile(for_classes());
    model.fit(two_classes(50), {.batch_size = 16, .epochs = 2, .seed = seed, .progress = false});
    weights.push_back(weights_of(model));
  }
  EXPECT_EQ(weights[0], weights[1]);
  EXPECT_NE(weights[0], weights[2]);
}

TEST(Fit, ReportsTheMeanOverSamplesWhateverTheLastBatch) {
  // Without updates every batch size must report the loss of the whole.
  std::vector<double> losses;
  for (int batch : {7, 50, 64}) {
    Sequential model = classifier();
    CompileOptions o = for_classes();
    o.optimizer = optim::SGD{.learning_rate = 0};
    o.loss = losses::CrossEntropy{.from_logits = true};
    model.compile(o);
    EXPECT_NEAR(model.evaluate(two_classes(50), {.batch_size = batch})["loss"],
                model.evaluate(two_classes(50))["loss"], 1e-6);
    losses.push_back(model.evaluate(two_classes(50), {.batch_size = batch})["loss"]);
  }
  EXPECT_NEAR(losses[0], losses[1], 1e-6);
  EXPECT_NEAR(losses[0], losses[2], 1e-6);
}

TEST(Fit, ValidationSplitKeepsTheLastSamplesBack) {
  Sequential model = classifier();
  model.compile(for_classes());
  const Dataset data = two_classes(40);
  CompileOptions o = for_classes();
  o.optimizer = optim::SGD{.learning_rate = 0};
  model.compile(o);
  const History h =
      model.fit(data, {.batch_size = 8, .epochs = 1, .validation_split = 0.25, .progress = false});
  EXPECT_EQ(h.params.at("samples"), "30");
  EXPECT_NEAR(h["val_loss"][0], model.evaluate(data.skip(30))["loss"], 1e-6);
}

TEST(Fit, WeightsOfClassesAndSamplesScaleTheLoss) {
  const Dataset data = two_classes(30);
  const auto loss = [&](FitOptions fit) {
    Sequential model{nn::Dense{.units = 2, .kernel_initializer = 0.5}};
    model.compile({.optimizer = optim::SGD{.learning_rate = 0},
                   .loss = losses::CrossEntropy{.from_logits = true}});
    fit.progress = false;
    fit.batch_size = 30;
    return model.fit(data, fit)["loss"][0];
  };
  const double plain = loss({});
  EXPECT_NEAR(plain, std::log(2), 1e-6);  // equal scores
  EXPECT_NEAR(loss({.sample_weight = tensor(std::vector<float>(30, 3.f), {30})}), 3 * plain, 1e-5);
  EXPECT_NEAR(loss({.class_weight = "balanced"}), plain, 1e-6);
  double ones = 0;
  for (int64_t c : data.classes()) ones += static_cast<double>(c);
  EXPECT_NEAR(loss({.class_weight = {{1, 4.0}}}), plain * (30 + 3 * ones) / 30, 1e-5);
}

TEST(Fit, TakesALossOfOnesOwn) {
  Sequential model{nn::Dense{.units = 1, .activation = "sigmoid"}};
  const auto focal = [](const Tensor& prediction, const Tensor& target) {
    const Tensor t = cast(target, f32);
    const Tensor p = clip(where(t == 1, prediction, 1 - prediction), 1e-7, 1);
    return -square(1 - p) * log(p);
  };
  const Dataset data = two_classes(60);
  const Dataset column(data.stored_inputs(), Tensors(reshape(data.stored_targets()[0], {60, 1})));
  model.compile({.optimizer = optim::Adam{.learning_rate = 0.3}, .loss = focal});
  const History h = model.fit(column, {.batch_size = 20, .epochs = 100, .progress = false});
  EXPECT_LT(h["loss"].back(), h["loss"].front() / 3);
  EXPECT_THROW(model.compile({.loss = "focall"}), ValueError);
}

TEST(Fit, RunsATrainingStepOfOnesOwn) {
  Sequential model{nn::Dense{.units = 1}};
  model.build({2});
  Optimizer sgd = optim::SGD{.learning_rate = 0.3, .momentum = 0.9};
  model.compile({.train_step = [&](const Batch& b) -> StepLogs {
    auto [loss, grads] =
        value_and_grad([&] { return mean(square(model(b.x(), {.training = true}) - b.y())); },
                       model.trainable())();
    sgd.update(grads);
    return {{"squared", loss}, {"twice", loss * 2}};
  }});
  const History h = model.fit(line(200), {.batch_size = 20, .epochs = 20, .progress = false});
  EXPECT_LT(h["squared"].back(), 1e-4);
  EXPECT_NEAR(h["twice"][3], 2 * h["squared"][3], 1e-7);
  EXPECT_FALSE(h.has("loss"));
}

TEST(Fit, TrainsSeveralOutputsWithLossesByName) {
  Tensor x = nn::Input{.shape = {2}};
  Tensor h = nn::Dense{.units = 8, .activation = "tanh"}(x);
  Model model(
      x, {nn::Dense{.units = 2, .name = "kind"}(h), nn::Dense{.units = 1, .name = "value"}(h)});
  model.compile({.optimizer = optim::Adam{.learning_rate = 0.02},
                 .loss = {{"kind", losses::CrossEntropy{.from_logits = true}}, {"value", "mse"}},
                 .loss_weights = {{"value", 0.5}},
                 .output_metrics = {{"kind", {"accuracy"}}, {"value", {"mae"}}}});
  const Dataset data(two_classes(100).stored_inputs(),
                     {two_classes(100).stored_targets()[0], line(100).stored_targets()[0]});
  const History history = model.fit(data, {.batch_size = 10, .epochs = 30, .progress = false});
  EXPECT_EQ(history.names(),
            (std::vector<std::string>{"loss", "kind_loss", "value_loss", "kind_accuracy",
                                      "value_mae", "learning_rate"}));
  const Scores s = model.evaluate(data);
  EXPECT_NEAR(s["loss"], s["kind_loss"] + 0.5 * s["value_loss"], 1e-5);
  EXPECT_GT(s["kind_accuracy"], 0.9);
  const Outputs out = model.predict(data.without_targets());
  EXPECT_EQ(out.size(), 2u);
  EXPECT_EQ(out[1].shape(), (Shape{100, 1}));
  EXPECT_EQ(message_of([&] {
              model.compile({.loss = {{"kinds", "mse"}}});
              model.fit(data, {.progress = false});
            }),
            "compile: loss: there is no output \"kinds\"");
}

TEST(Fit, TrainsSeveralInputsASharedLayerAndASkipConnection) {
  std::vector<History> histories;
  for (bool eager : {false, true}) {
    Tensor a = nn::Input{.shape = {2}, .name = "a"}, b = nn::Input{.shape = {2}, .name = "b"};
    Layer shared = nn::Dense{.units = 6, .activation = "tanh", .kernel_initializer = 0.3};
    Tensor h = shared(a) + shared(b);
    h = h + nn::Dense{.units = 6, .activation = "relu", .kernel_initializer = 0.1}(h);
    Model model({a, b}, nn::Dense{.units = 2, .kernel_initializer = 0.2, .name = "out"}(
                            nn::Concatenate{}({h, a})));
    EXPECT_EQ(model.parameter_count(), (2 * 6 + 6) + (6 * 6 + 6) + (8 * 2 + 2));
    CompileOptions o = for_classes();
    o.run_eagerly = eager;
    model.compile(o);
    const Tensor x = two_classes(60).stored_inputs()[0];
    const Dataset data({x, x * 2}, two_classes(60).stored_targets());
    histories.push_back(
        model.fit(data, {.batch_size = 8, .epochs = 20, .seed = 1, .progress = false}));
    EXPECT_GT(model.evaluate(data)["accuracy"], 0.9);
    // Lists in braces, as in Keras.
    const Tensor y = two_classes(60).stored_targets()[0];
    EXPECT_EQ(model.evaluate({x, x * 2}, y).to_string(), model.evaluate(data).to_string());
    EXPECT_EQ(Tensor(model({x, x * 2})).shape(), (Shape{60, 2}));
    EXPECT_NO_THROW(model.fit({x, x * 2}, y, {.epochs = 0, .progress = false}));
    const Folder folder;
    const std::string path = folder / "two_inputs.safetensors";
    model.save(path);
    EXPECT_EQ(Tensor(Model::load(path).predict({x, x * 2})).to_doubles(),
              Tensor(model.predict({x, x * 2})).to_doubles());
    EXPECT_THROW(model.fit(x, two_classes(60).stored_targets(), {.progress = false}), Error);
  }
  for (size_t e = 0; e < 20; ++e) {
    EXPECT_NEAR(histories[0]["loss"][e], histories[1]["loss"][e], 1e-4);
  }
}

TEST(Fit, ANaNStopsBeforeAnythingChanges) {
  for (bool eager : {false, true}) {
    Sequential model = classifier();
    const auto options = [&] {
      CompileOptions o = for_classes();
      o.run_eagerly = eager;
      return o;
    };
    model.compile(options());
    Dataset data = two_classes(40);
    model.fit(data, {.batch_size = 10, .shuffle = false, .seed = 1, .progress = false});
    std::vector<float> x(data.stored_inputs()[0].span<float>().begin(),
                         data.stored_inputs()[0].span<float>().end());
    x[2 * 25] = std::numeric_limits<float>::quiet_NaN();  // in the third batch
    const Dataset bad(tensor(x, Shape{40, 2}), data.stored_targets());
    // The first two steps alone, for comparison.
    const Model twin = [&] {
      Sequential other = classifier();
      other.compile(options());
      other.fit(data, {.batch_size = 10, .shuffle = false, .seed = 1, .progress = false});
      other.fit(data.take(20), {.batch_size = 10, .shuffle = false, .seed = 1, .progress = false});
      return other;
    }();
    const std::string message = message_of([&] {
      model.fit(bad, {.batch_size = 10, .shuffle = false, .seed = 1, .progress = false});
    });
    EXPECT_EQ(message.substr(0, 17), "epoch 1, step 3: ") << message;
    EXPECT_NE(message.find(" is not finite"), std::string::npos) << message;
    EXPECT_EQ(weights_of(model), weights_of(twin));
    EXPECT_EQ(model.optimizer().step().value().item<int64_t>(), 4 + 2);
  }
}

TEST(Fit, SaysWhatIsMissing) {
  Sequential model{nn::Dense{.units = 2}};
  EXPECT_EQ(message_of([&] { model.fit(two_classes(4)); }),
            "fit: model \"sequential\" is not compiled");
  model.compile({});
  EXPECT_EQ(message_of([&] { model.fit(two_classes(4), {.progress = false}); }),
            "fit: there is no loss");
  model.compile(for_classes());
  EXPECT_EQ(message_of([&] { model.fit(two_classes(4), {.batch_size = 0}); }),
            "fit: batch_size: expected at least 1, got 0");
  EXPECT_EQ(message_of([&] { model.fit(two_classes(4).without_targets(), {.progress = false}); }),
            "the dataset has 0 targets, the model 1 output with losses");
  EXPECT_EQ(message_of([&] { model.fit(two_classes(4).take(0), {.progress = false}); }),
            "fit: the training set is empty");
  EXPECT_EQ(message_of([&] { model.fit(two_classes(4), {.validation_split = 1}); }),
            "fit: validation_split: expected 0 <= share < 1, got 1.000000");
}

TEST(Predict, GivesTheSameRowsWhateverTheBatch) {
  Sequential model = classifier();
  const Tensor x = two_classes(37).stored_inputs()[0];
  const std::vector<double> whole = Tensor(model.predict(x)).to_doubles();
  EXPECT_EQ(whole.size(), 74u);
  for (int batch : {1, 5, 36, 37}) {
    const std::vector<double> parts = Tensor(model.predict(x, {.batch_size = batch})).to_doubles();
    for (size_t i = 0; i < whole.size(); ++i) EXPECT_NEAR(parts[i], whole[i], 1e-6);
  }
  // Dropout is off, and eager calls agree.
  const std::vector<double> direct = model(x).to_doubles();
  for (size_t i = 0; i < whole.size(); ++i) EXPECT_NEAR(direct[i], whole[i], 1e-6);
}

TEST(Clone, TrainsWithoutItsOriginal) {
  Sequential model = classifier();
  model.compile(for_classes());
  const auto before = weights_of(model);
  Model copy = model.clone();
  copy.fit(two_classes(20), {.progress = false});
  EXPECT_EQ(weights_of(model), before);
  EXPECT_NE(weights_of(copy), before);
}

}  // namespace
}  // namespace varve
