// Outputs, targets, losses and metrics: that they pair, and that what does not is said.
#include <gtest/gtest.h>

#include "helpers.h"
#include "support/folder.h"
#include "varve/ops/indexing.h"
#include "varve/ops/pointwise.h"
#include "varve/ops/reduction.h"
#include "varve/ops/shape.h"
#include "varve/warnings.h"

namespace varve {
namespace {

using namespace test;

TEST(Predict, RefusesAnOutputThatHasNotARowForEachSample) {
  const Tensor x = ones({200, 3});
  Sequential twice{nn::Lambda{[](const Tensor& x) { return concat({x, x}, 0); }}};
  EXPECT_EQ(message_of([&] { twice.predict(x); }),
            "predict: output 0: expected 128 rows for 128 samples, got f32[256, 3]");
  EXPECT_EQ(message_of([&] {
              twice.predict(ones({5, 3}));
            }),
            "predict: output 0: expected 5 rows for 5 samples, got f32[10, 3]");
  Sequential once{
      nn::Lambda{[](const Tensor& x) { return sum(x, {.axes = {0}, .keep_dims = true}); }}};
  EXPECT_EQ(message_of([&] { once.predict(x, {.batch_size = 7}); }),
            "predict: output 0: expected 7 rows for 7 samples, got f32[1, 3]");
  Sequential none{nn::Lambda{[](const Tensor& x) { return sum(x); }}};
  EXPECT_EQ(message_of([&] { none.predict(x); }),
            "predict: output 0: expected 128 rows for 128 samples, got f32[]");
  // The last batch is one sample.
  EXPECT_EQ(message_of([&] { once.predict(ones({1, 3})); }), "no error");
}

TEST(Predict, SeesLayersThatWereAddedSince) {
  const Tensor x = two_classes(6).stored_inputs()[0];
  Sequential model{nn::Dense{.units = 3}};
  EXPECT_EQ(Tensor(model.predict(x)).shape(), (Shape{6, 3}));
  model.add(nn::Dense{.units = 2});
  EXPECT_EQ(Tensor(model.predict(x)).shape(), (Shape{6, 2}));
  EXPECT_EQ(Tensor(model.predict(x)).to_doubles(), Tensor(model(x)).to_doubles());
  // Also where they were added to a part.
  Sequential inner{nn::Dense{.units = 3}};
  Sequential outer{inner, nn::Lambda{[](const Tensor& x) { return x * 2; }}};
  EXPECT_EQ(Tensor(outer.predict(x)).shape(), (Shape{6, 3}));
  inner.add(nn::Dense{.units = 4});
  EXPECT_EQ(Tensor(outer.predict(x)).shape(), (Shape{6, 4}));
}

// x times a weight, and a penalty for it.
struct Penalized {
  Tensor call(const Tensor& x, Scope& s) const {
    const Tensor w = s.variable("w", {}, {.initializer = 3.0});
    s.add_loss(square(w - 1));
    return x * w;
  }
  void fields(Fields&) {}
};

TEST(Loss, MayBeOfPenaltiesAlone) {
  for (bool eager : {false, true}) {
    Sequential model{Penalized{}};
    model.compile({.optimizer = optim::SGD{.learning_rate = 0.1}, .run_eagerly = eager});
    const Dataset data = two_classes(20).without_targets();
    const History h = model.fit(
        data, {.batch_size = 8, .epochs = 30, .validation_split = 0.2, .progress = false});
    // w - 1 becomes 0.8 of itself in each of 2 steps an epoch.
    EXPECT_NEAR(h["loss"][0], (4 + 4 * 0.64) / 2, 1e-5);
    EXPECT_NEAR(h["val_loss"][0], 4 * 0.64 * 0.64, 1e-5);
    EXPECT_NEAR(model.variable("penalized_1.w").value().to_double(), 1, 1e-3);
    EXPECT_NEAR(model.evaluate(data)["loss"], 0, 1e-5);
  }
  Sequential regular{nn::Dense{.units = 1, .kernel_regularizer = nn::L2{.rate = 0.5}}};
  regular.build({2});
  regular.compile({.metrics = {"mae"}});
  const double norm = sum(square(regular.variable("dense_1.kernel"))).to_double();
  EXPECT_NEAR(regular.evaluate(line(10))["loss"], norm / 2, 1e-5);
  EXPECT_TRUE(regular.evaluate(line(10))["mae"] > 0);
}

TEST(Loss, OfPenaltiesIsValidatedBesideAStepOfOnesOwn) {
  Sequential model{Penalized{}};
  model.compile({.train_step = [&](const Batch& b) -> StepLogs {
    return {{"seen", mean(b.x())}};
  }});
  const History h = model.fit(
      two_classes(20),
      {.epochs = 1, .validation_data = two_classes(9).without_targets(), .progress = false});
  EXPECT_TRUE(h.has("seen"));
  EXPECT_NEAR(h["val_loss"][0], 4, 1e-6);
}

Model two_outputs() {
  Tensor x = nn::Input{.shape = {2}};
  return Model(x, {nn::Dense{.units = 1, .name = "a"}(x), nn::Dense{.units = 1, .name = "b"}(x)});
}

TEST(Targets, PairWithOutputs) {
  const Tensor x = line(12).stored_inputs()[0], y = line(12).stored_targets()[0];
  const auto fit = [](Model model, const Dataset& data, CompileOptions o) {
    return message_of([&] {
      model.compile(std::move(o));
      model.fit(data, {.progress = false});
      model.evaluate(data);
    });
  };
  const Dataset one(x, y), two(x, Tensors{y, y}), none(x);
  EXPECT_EQ(fit(two_outputs(), one, {.loss = "mse"}),
            "the dataset has 1 target, the model 2 outputs with losses");
  EXPECT_EQ(fit(two_outputs(), two, {.loss = "mse"}), "no error");
  EXPECT_EQ(fit(two_outputs(), one, {.loss = {{"a", "mse"}}}), "no error");
  EXPECT_EQ(fit(two_outputs(), one, {.loss = {{"b", "mse"}}}),
            "the dataset has 1 target, the model 2 outputs with losses");
  EXPECT_EQ(fit(Sequential{nn::Dense{.units = 1}}, two, {.loss = "mse"}),
            "the dataset has 2 targets, the model 1 output");
  EXPECT_EQ(fit(Sequential{Penalized{}}, none, {.metrics = {"mae"}}),
            "the dataset has 0 targets, the model 1 output with metrics");
  // A step of one's own does with targets what it likes.
  EXPECT_EQ(
      fit(Sequential{nn::Dense{.units = 1}}, two, {.train_step = [](const Batch& b) -> StepLogs {
            return {{"n", mean(b.targets[1])}};
          }}),
      "no error");
}

TEST(Inputs, HaveEachTheirOwnType) {
  struct Both {
    Tensor call(const Tensors& in, Scope& s) const {
      return s(
          "mix", nn::Dense{.units = 1},
          concat({s("embed", nn::Embedding{.input_dim = 5, .output_dim = 3}, squeeze(in[1], {1})),
                  in[0]},
                 -1));
    }
    void fields(Fields&) {}
  };
  Model model{Both{}};
  model.compile({.loss = "mse"});
  std::vector<int64_t> ids(12);
  for (size_t i = 0; i < 12; ++i) ids[i] = static_cast<int64_t>(i % 5);
  const Dataset data(Tensors{line(12).stored_inputs()[0], tensor(ids, {12, 1})},
                     line(12).stored_targets());
  EXPECT_EQ(message_of([&] { model.fit(data, {.progress = false}); }), "no error");
}

TEST(Metrics, OfOneNameAreRefused) {
  const auto compile = [](CompileOptions o) {
    return message_of([&] { Sequential{nn::Dense{.units = 1}}.compile(std::move(o)); });
  };
  const std::string text = "compile: metrics: two numbers of the logs are called ";
  EXPECT_EQ(compile({.loss = "mse", .metrics = {"mae", "mae"}}), text + "\"mae\"");
  EXPECT_EQ(compile({.loss = "mse", .metrics = {metrics::F1{.name = "loss"}}}), text + "\"loss\"");
  EXPECT_EQ(compile({.loss = "mse", .output_metrics = {{"a", {"r2", "r2"}}}}), text + "\"a_r2\"");
  EXPECT_EQ(compile({.loss = "mse", .metrics = {"mae", metrics::MeanAbsoluteError{}}}), "no error");
  Model model = two_outputs();
  model.compile({.loss = "mse", .output_metrics = {{"a", {metrics::R2{.name = "loss"}}}}});
  const Tensor y = line(4).stored_targets()[0];
  EXPECT_EQ(message_of([&] {
              model.evaluate(line(4).stored_inputs()[0], {y, y});
            }),
            text + "\"a_loss\"");
}

TEST(Weights, OfClassesAreOfTrainingAndThoseOfSamplesOfBoth) {
  const Dataset data = two_classes(40);
  const auto validation = [&](FitOptions o) {
    Sequential model = classifier();
    CompileOptions c = for_classes();
    c.optimizer = optim::SGD{.learning_rate = 0};
    model.compile(c);
    o.validation_split = 0.25;
    o.progress = false;
    o.seed = 1;
    return model.fit(data, o)["val_loss"][0];
  };
  const double plain = validation({});
  EXPECT_EQ(validation({.class_weight = {{0, 5.0}, {1, 9.0}}}), plain);
  EXPECT_EQ(validation({.class_weight = "balanced"}), plain);
  EXPECT_NEAR(validation({.sample_weight = full({40}, 2.f)}), 2 * plain, 1e-5);
}

TEST(Weights, OfAnExampleThatStandsTwiceAreTwo) {
  const Dataset data = line(6).subset({0, 1, 1, 5}).weighted(tensor({1.f, 2.f, 7.f, 0.f}));
  Sequential model{nn::Dense{.units = 1}};
  model.build({2});
  model.compile({.loss = "mse"});
  const std::vector<double> p = Tensor(model.predict(data)).to_doubles();
  const std::vector<double> y = data.all().y().to_doubles();
  const double expected = (std::pow(p[0] - y[0], 2) + 9 * std::pow(p[1] - y[1], 2)) / 4;
  EXPECT_NEAR(model.evaluate(data)["loss"], expected, 1e-5 * (1 + expected));
}

TEST(Checks, TargetsThatALossCannotMeanAreNamed) {
  const auto fit = [](const Loss& loss, const Tensor& y) {
    return message_of([&] {
      Sequential model{nn::Dense{.units = 1, .activation = "sigmoid"}};
      model.compile({.loss = loss});
      const Tensor x = two_classes(y.shape()[0]).stored_inputs()[0];
      model.fit(x, y, {.shuffle = false, .progress = false});
    });
  };
  const std::string fine = "no error";
  EXPECT_EQ(fit("binary_cross_entropy", tensor<int64_t>({0, 1, 2})),
            "binary_cross_entropy: target[2] = 2, expected 0..1");
  EXPECT_EQ(fit("binary_cross_entropy", tensor({1.f, -0.25f}, {2, 1})),
            "binary_cross_entropy: target[1] = -0.25, expected 0..1");
  EXPECT_EQ(fit("binary_cross_entropy", tensor({0.f, 0.3f, 1.f})), fine);
  EXPECT_EQ(fit("hinge", tensor({-1.f, 0.5f})), "hinge: target[1] = 0.5, expected -1, 0 or 1");
  EXPECT_EQ(fit("hinge", tensor({-1.f, 0.f, 1.f})), fine);
  EXPECT_EQ(fit("mse", tensor({-1.f, 7.f})), fine);
}

TEST(Checks, ClassesOfAnOutputWithAnAxisOfOneAreCountedByItsLast) {
  Sequential model{nn::Dense{.units = 4}, nn::Reshape{.target_shape = {1, 4}}};
  model.compile({.loss = losses::CrossEntropy{.from_logits = true}});
  const Tensor x = two_classes(4).stored_inputs()[0];
  take_warnings();
  EXPECT_EQ(message_of([&] {
              model.fit(x, tensor<int64_t>({0, 1, 2, 3}, {4, 1}), {.progress = false});
            }),
            "no error");
  EXPECT_TRUE(take_warnings().empty());
  EXPECT_EQ(message_of([&] {
              model.fit(x, tensor<int64_t>({0, 1, 2, 4}, {4, 1}), {.progress = false});
            }),
            "cross_entropy: target[3] = 4, expected 0..3");
}

TEST(Better, GoesByWordsAndALossIsSmaller) {
  const callbacks::Better mode = "auto";
  for (const char* name : {"accuracy", "val_accuracy", "val_digit_acc", "f1", "top_5", "val_r2",
                           "auc", "val_macro_recall", "precision"}) {
    EXPECT_TRUE(mode.larger(name)) << name;
  }
  for (const char* name : {"loss", "val_loss", "val_decoder2_loss", "accuracy_loss", "decoder2",
                           "mae", "val_f10_error", "faucet", "stop_time"}) {
    EXPECT_FALSE(mode.larger(name)) << name;
  }
}

TEST(ModelFile, KeepsWhatIsFrozen) {
  const Folder folder;
  const std::string path = folder / "m.safetensors";
  Sequential model{nn::Dense{.units = 3, .name = "one"}, nn::BatchNorm{.name = "norm"},
                   nn::Dense{.units = 2, .name = "two"}, nn::Dense{.units = 2, .name = "three"}};
  model.build({2});
  model.freeze("norm");
  model.freeze("one.kernel");
  model.freeze("two");
  model.unfreeze("two.bias");
  model.save(path);
  Model loaded = Model::load(path);
  const auto names = [](const Model& m) {
    std::vector<std::string> out;
    for (const Variable& v : m.trainable()) out.push_back(v.name());
    return out;
  };
  EXPECT_EQ(names(loaded),
            (std::vector<std::string>{"one.bias", "two.bias", "three.kernel", "three.bias"}));
  EXPECT_EQ(names(loaded), names(model));
  // A frozen norm goes on with its statistics.
  const auto before = loaded.variable("norm.moving_mean").value().to_doubles();
  loaded.compile(for_classes());
  loaded.fit(two_classes(20), {.progress = false});
  EXPECT_EQ(loaded.variable("norm.moving_mean").value().to_doubles(), before);
  loaded.unfreeze();
  EXPECT_EQ(loaded.trainable().size(), 8u);
}

}  // namespace
}  // namespace varve
