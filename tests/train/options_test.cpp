// What fit can be asked for, compiled and step by step; what it shows and what it keeps quiet.
#include <gtest/gtest.h>

#include <fstream>

#include "helpers.h"
#include "support/folder.h"
#include "varve/custom_op.h"
#include "varve/ops/pointwise.h"
#include "varve/ops/reduction.h"
#include "varve/warnings.h"

namespace varve {
namespace {

using namespace test;

CompileOptions options(bool eager, double rate = 0.03) {
  CompileOptions o = for_classes();
  o.optimizer = optim::Adam{.learning_rate = rate};
  o.run_eagerly = eager;
  return o;
}

TEST(Compile, RefusesTheOptimizerOfAnotherModel) {
  const CompileOptions shared = options(false);
  Sequential first = classifier(), second = classifier();
  first.compile(shared);
  first.compile(shared);  // its own
  try {
    second.compile(shared);
    FAIL() << "nothing was thrown";
  } catch (const ValueError& e) {
    EXPECT_EQ(e.message(), "compile: this adam optimizer is another model's already");
    EXPECT_EQ(e.hint(), "optimizer.fresh() is one of the same settings");
  }
  EXPECT_FALSE(second.compiled());
  CompileOptions own = shared;
  own.optimizer = shared.optimizer.fresh();
  second.compile(own);
  // One that was trained with stays another's when its model is gone; one that was not is free.
  CompileOptions passed_on = options(false);
  { classifier().compile(passed_on); }
  {
    Sequential third = classifier();
    third.compile(passed_on);
    third.fit(two_classes(10), {.progress = false});
  }
  EXPECT_THROW(second.compile(passed_on), ValueError);
  // Updates of one's own before that do no harm.
  CompileOptions used = options(false);
  used.optimizer.build(first.trainable());
  EXPECT_NO_THROW(first.compile(used));
}

TEST(Options, FrozenWeightsStayAndThawedOnesMoveAgain) {
  for (bool eager : {false, true}) {
    Sequential model = classifier();
    model.compile(options(eager));
    model.freeze("dense_1*");
    const auto before = weights_of(model);
    const FitOptions fit{.epochs = 2, .progress = false};
    model.fit(two_classes(40), fit);
    const auto frozen = weights_of(model);
    EXPECT_EQ(frozen[0], before[0]);
    EXPECT_EQ(frozen[1], before[1]);
    EXPECT_NE(frozen[2], before[2]);
    model.unfreeze();
    model.fit(two_classes(40), fit);
    EXPECT_NE(weights_of(model)[0], before[0]);
  }
}

TEST(Options, AStratifiedSplitKeepsTheShareOfEachClass) {
  // 12 of 60 are of class 1, all of them at the end: a plain split would take only those.
  std::vector<float> x(60), y(60);
  std::vector<int64_t> labels;
  for (size_t i = 0; i < 60; ++i) {
    x[i] = static_cast<float>(i);
    labels.push_back(i >= 48);
  }
  const Dataset data(tensor(x, {60, 1}), tensor(labels, {60}));
  for (bool eager : {false, true}) {
    Sequential model{nn::Dense{.units = 2}};
    CompileOptions o = options(eager, 0);
    const auto share = [](const Tensor&, const Tensor& target) { return cast(target, f32); };
    o.metrics = {Metric("share", share)};
    model.compile(o);
    const auto shares = [&](bool stratify) {
      const History h = model.fit(data, {.batch_size = 7,
                                         .validation_split = 0.25,
                                         .stratify = stratify,
                                         .seed = 3,
                                         .progress = false});
      return std::pair(h["share"][0], h["val_share"][0]);
    };
    EXPECT_NEAR(shares(true).first, 0.2, 1e-6);
    EXPECT_NEAR(shares(true).second, 0.2, 1e-6);
    EXPECT_NEAR(shares(false).second, 12. / 15, 1e-6);
  }
}

TEST(Options, WeightsCountAlikeCompiledAndEagerInLossAndMetrics) {
  const Dataset data = two_classes(30);
  std::vector<float> w;
  for (int i = 0; i < 30; ++i) w.push_back(static_cast<float>(i % 4));
  std::vector<std::vector<double>> seen;
  for (bool eager : {false, true}) {
    Sequential model = classifier();
    model.compile(options(eager, 0));
    const History h = model.fit(data, {.batch_size = 8,
                                       .class_weight = {{0, 0.5}, {1, 2.0}},
                                       .sample_weight = tensor(w, {30}),
                                       .seed = 4,
                                       .progress = false});
    seen.push_back({h["loss"][0], h["accuracy"][0]});
    // The loss divides by the number of samples, a metric by the sum of the weights.
    const Scores s = model.evaluate(data, {.sample_weight = tensor(w, {30})});
    const std::vector<double> p = Tensor(model.predict(data.stored_inputs())).to_doubles();
    double loss = 0, right = 0, all = 0;
    for (size_t i = 0; i < 30; ++i) {
      const auto c = static_cast<size_t>(data.classes()[i]);
      const double m = p[2 * i + c], other = p[2 * i + 1 - c];
      loss += w[i] * std::log1p(std::exp(other - m));
      right += m > other ? w[i] : 0;
      all += w[i];
    }
    EXPECT_NEAR(s["loss"], loss / 30, 1e-5);
    EXPECT_NEAR(s["accuracy"], right / all, 1e-6);
  }
  EXPECT_NEAR(seen[0][0], seen[1][0], 1e-6);
  EXPECT_NEAR(seen[0][1], seen[1][1], 1e-6);
}

TEST(Options, BalancedClassesAreThoseOfScikitLearn) {
  // compute_class_weight("balanced", classes=[0, 1, 2], y=[0, 0, 0, 0, 1, 1, 2, 2])
  const std::map<int64_t, double> w = ClassWeight("balanced").of({0, 0, 0, 0, 1, 1, 2, 2});
  EXPECT_NEAR(w.at(0), 2. / 3, 1e-12);
  EXPECT_NEAR(w.at(1), 4. / 3, 1e-12);
  EXPECT_THROW(ClassWeight("balance"), ValueError);
}

TEST(Options, EpochsCanBeginLaterAndValidationHasItsOwnBatches) {
  Sequential model = classifier();
  model.compile(options(false, 0));
  std::string epochs;
  const auto fit = [&](int64_t batch) {
    epochs.clear();
    return model.fit(two_classes(40), {.epochs = 5,
                                       .callbacks = {callbacks::OnEpochEnd{[&](TrainState& s) {
                                         epochs += std::to_string(s.epoch());
                                       }}},
                                       .validation_data = two_classes(21),
                                       .seed = 1,
                                       .initial_epoch = 3,
                                       .validation_batch_size = batch,
                                       .progress = false});
  };
  const History h = fit(4);
  EXPECT_EQ(epochs, "34");
  EXPECT_EQ(h.epochs(), 2);
  EXPECT_NEAR(h["val_loss"][1], fit(21)["val_loss"][1], 1e-6);
  EXPECT_NEAR(h["val_accuracy"][1], model.evaluate(two_classes(21))["accuracy"], 1e-9);
}

TEST(Options, DebugPrintShowsAValueOfEachStep) {
  for (bool eager : {false, true}) {
    Sequential model{nn::Dense{.units = 1, .use_bias = false, .kernel_initializer = 1}};
    model.compile(
        {.optimizer = optim::SGD{.learning_rate = 0},
         .loss = [](const Tensor& p, const Tensor& t) { return square(debug::print(p, "p") - t); },
         .run_eagerly = eager});
    testing::internal::CaptureStderr();
    model.fit(tensor({1.f, 2.f}, {2, 1}), tensor({0.f, 0.f}, {2, 1}),
              {.batch_size = 1, .shuffle = false, .progress = false});
    const std::string shown = testing::internal::GetCapturedStderr();
    const size_t first = shown.find("[[1]]"), second = shown.find("[[2]]");
    EXPECT_NE(first, std::string::npos) << shown;
    EXPECT_LT(first, second) << shown;
    EXPECT_NE(second, std::string::npos) << shown;
  }
}

TEST(Quiet, NothingIsPrintedUnlessAskedFor) {
  const auto printed = [](bool progress, bool eager) {
    Sequential model = classifier();
    model.compile(options(eager));
    testing::internal::CaptureStdout();
    testing::internal::CaptureStderr();
    // One class alone: a warning.
    const Dataset one(two_classes(9).stored_inputs(), tensor(std::vector<int64_t>(9, 1), {9}));
    model.fit(one, {.epochs = 2, .progress = progress});
    model.evaluate(one);
    EXPECT_EQ(testing::internal::GetCapturedStderr(), "");
    return testing::internal::GetCapturedStdout();
  };
  EXPECT_EQ(printed(false, false), "");
  EXPECT_EQ(printed(false, true), "");
  // No terminal: one line an epoch.
  const std::string lines = printed(true, false);
  EXPECT_EQ(std::count(lines.begin(), lines.end(), '\n'), 2) << lines;
  EXPECT_EQ(lines.substr(0, 9), "Epoch 1/2");
  EXPECT_NE(lines.find("loss "), std::string::npos);
  EXPECT_NE(lines.find("accuracy "), std::string::npos);
  EXPECT_NE(lines.find("samples/s"), std::string::npos);
}

TEST(Quiet, WarningsGoToTheHandler) {
  std::vector<std::string> heard;
  take_warnings();
  const WarningHandler before =
      set_warning_handler([&](const std::string& text) { heard.push_back(text); });
  warn("one");
  set_warning_handler(before);
  warn("two");
  EXPECT_EQ(heard, (std::vector<std::string>{"one"}));
  EXPECT_EQ(take_warnings(), (std::vector<std::string>{"two"}));
  testing::internal::CaptureStderr();
  for (int i = 0; i < 103; ++i) warn(std::to_string(i));
  testing::internal::GetCapturedStderr();
  const std::vector<std::string> kept = take_warnings();
  EXPECT_EQ(kept.size(), 100u);
  EXPECT_EQ(kept.front(), "3");
  EXPECT_TRUE(take_warnings().empty());
}

TEST(Quiet, WithoutAHandlerAWarningIsWrittenToStandardErrorOnce) {
  set_warning_handler({});  // forgets what other tests said
  testing::internal::CaptureStderr();
  for (const char* text : {"the first", "the first", "of\nlines", "the first"}) warn(text);
  EXPECT_EQ(testing::internal::GetCapturedStderr(),
            "varve: warning: the first\nvarve: warning: of\\x0alines\n");
  EXPECT_EQ(take_warnings().size(), 4u);

  const WarningHandler before = set_warning_handler([](const std::string&) {});
  testing::internal::CaptureStderr();
  warn("the second");
  EXPECT_EQ(testing::internal::GetCapturedStderr(), "");
  set_warning_handler(before);
  EXPECT_TRUE(take_warnings().empty());
}

TEST(ModelCheckpoint, SavesTheBestOrEveryEpoch) {
  const Folder folder;
  const auto path = [&](int epoch) { return folder / (std::to_string(epoch) + ".safetensors"); };
  // The weight is the prediction, so the loss is its square.
  Sequential model{nn::Dense{.units = 1, .use_bias = false, .kernel_initializer = 0}};
  const Dataset data(tensor({1.f}, {1, 1}), tensor({0.f}, {1, 1}));
  const std::vector<float> weights{3, 1, 2, 0.5};
  const auto fit = [&](callbacks::ModelCheckpoint saving) {
    model.compile({.optimizer = optim::SGD{.learning_rate = 0}, .loss = "mse"});
    const callbacks::Hooks set{.on_epoch_begin = [&](TrainState& s) {
      model.variable("dense_1.kernel")
          .assign(tensor({weights[static_cast<size_t>(s.epoch())]}, {1, 1}));
    }};
    model.fit(
        data,
        {.epochs = 4, .callbacks = {set, saving}, .validation_data = data, .progress = false});
  };
  const auto there = [&] {
    std::string out;
    for (int e = 1; e <= 4; ++e) {
      if (std::ifstream(path(e)).good()) out += std::to_string(e);
      std::remove(path(e).c_str());
    }
    return out;
  };
  const std::string pattern = folder / "{epoch}.safetensors";
  fit({.path = pattern});
  EXPECT_EQ(there(), "1234");
  fit({.path = pattern, .every = 2});
  EXPECT_EQ(there(), "24");
  fit({.path = pattern, .save_best_only = true, .mode = "max"});
  EXPECT_EQ(there(), "1");
  fit({.path = folder / "2.safetensors", .save_best_only = true});
  Model best = Model::load(path(2));
  EXPECT_EQ(best.variable("dense_1.kernel").value().to_double(), 0.5);
  EXPECT_EQ(there(), "2");
}

TEST(Clone, KeepsSettingsMetadataAndNames) {
  Sequential model = classifier();
  model.compile(options(false));
  model.set_class_names({"no", "yes"});
  model.set_metadata("note", "text");
  model.freeze("dense_1.bias");
  Model copy = model.clone();
  EXPECT_EQ(copy.class_names(), model.class_names());
  EXPECT_EQ(copy.metadata("note"), "text");
  EXPECT_EQ(copy.trainable().size(), 3u);
  EXPECT_EQ(weights_of(copy), weights_of(model));
  EXPECT_EQ(copy.evaluate(two_classes(10)).to_string(),
            model.evaluate(two_classes(10)).to_string());
  copy.set_metadata("note", "other");
  EXPECT_EQ(model.metadata("note"), "text");
}

TEST(Scores, AndHistoryNameWhatThereIs) {
  Sequential model = classifier();
  model.compile(options(false));
  const History h = model.fit(two_classes(10), {.epochs = 2, .progress = false});
  EXPECT_EQ(message_of([&] { h["acuracy"]; }), "history: there is no \"acuracy\"");
  const Scores s = model.evaluate(two_classes(10));
  EXPECT_EQ(message_of([&] { s["lss"]; }), "scores: there is no \"lss\"");
  EXPECT_EQ(h.params.at("epochs"), "2");
  EXPECT_EQ(h.to_json().substr(0, 9), "{\"loss\":[");
}

}  // namespace
}  // namespace varve
