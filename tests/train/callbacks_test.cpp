#include "varve/callbacks.h"

#include <gtest/gtest.h>

#include <fstream>
#include <sstream>

#include "helpers.h"
#include "support/folder.h"

namespace varve {
namespace {

using namespace test;

// A model whose validation loss is what a callback makes of it: the only weight is the prediction,
// and the target is 0, so the loss is its square.
struct Scripted {
  Sequential model{nn::Dense{.units = 1, .use_bias = false, .kernel_initializer = 0}};
  Dataset data{tensor({1.f}, {1, 1}), tensor({0.f}, {1, 1})};

  History run(const std::vector<double>& losses, std::vector<CallbackRef> callbacks) {
    model.compile({.optimizer = optim::SGD{.learning_rate = 0}, .loss = "mse"});
    const auto set = [this, losses](TrainState& s) {
      const auto e = std::min(static_cast<size_t>(s.epoch()), losses.size() - 1);
      model.variable("dense_1.kernel")
          .assign(tensor({static_cast<float>(std::sqrt(losses[e]))}, {1, 1}));
    };
    callbacks.insert(callbacks.begin(), callbacks::Hooks{.on_epoch_begin = set});
    return model.fit(
        data, {.epochs = 20, .callbacks = callbacks, .validation_data = data, .progress = false});
  }
};

TEST(EarlyStopping, StopsAtTheFirstRise) {
  Scripted s;
  EXPECT_EQ(s.run({5, 4, 3, 3.5, 1}, {callbacks::EarlyStopping{}}).epochs(), 4);
}

TEST(EarlyStopping, WithPatienceThreeStopsAfterThree) {
  Scripted s;
  EXPECT_EQ(s.run({5, 4, 3, 3.5, 3.2, 3.1, 1}, {callbacks::EarlyStopping{.patience = 3}}).epochs(),
            6);
  // An improvement begins the count anew.
  EXPECT_EQ(s.run({5, 4, 4.5, 4.6, 3, 4, 4, 4}, {callbacks::EarlyStopping{.patience = 3}}).epochs(),
            8);
}

TEST(EarlyStopping, SmallImprovementsDoNotCount) {
  Scripted s;
  EXPECT_EQ(s.run({5, 4.95, 4.9}, {callbacks::EarlyStopping{.min_delta = 0.2}}).epochs(), 2);
}

TEST(EarlyStopping, RestoresTheBestWeights) {
  Scripted s;
  const History h =
      s.run({5, 4, 9, 16}, {callbacks::EarlyStopping{.patience = 2, .restore_best_weights = true}});
  EXPECT_EQ(h.epochs(), 4);
  EXPECT_NEAR(s.model.variable("dense_1.kernel").value().to_double(), 2, 1e-6);
  EXPECT_EQ(h.params.at("stopped"), "early stopping: val_loss has not improved for 2 epochs");
}

TEST(EarlyStopping, AMistypedMonitorIsNamed) {
  Scripted s;
  EXPECT_EQ(message_of([&] { s.run({1}, {callbacks::EarlyStopping{.monitor = "val_los"}}); }),
            "fit: monitor: there is no \"val_los\" to watch");
  EXPECT_EQ(message_of([&] { CallbackRef(callbacks::EarlyStopping{.patience = -1}); }),
            "early_stopping: patience: expected integer >= 0, got -1");
}

TEST(Monitor, ThatNothingLogsIsRefusedBeforeTheFirstStep) {
  const std::vector<CallbackRef> watching{
      callbacks::EarlyStopping{.monitor = "val_maee"},
      callbacks::ReduceLROnPlateau{.monitor = "val_maee"},
      callbacks::ModelCheckpoint{
          .path = "never.safetensors", .monitor = "val_maee", .save_best_only = true}};
  for (const CallbackRef& callback : watching) {
    Scripted s;
    int64_t begun = 0;
    const auto count = [&](TrainState&) { ++begun; };
    const Error e = test::error_of<ValueError>([&] {
      s.model.compile({.optimizer = "sgd", .loss = "mse", .metrics = {"mae"}});
      s.model.fit(s.data, {.callbacks = {callbacks::Hooks{.on_epoch_begin = count}, callback},
                           .validation_data = s.data,
                           .progress = false});
    });
    EXPECT_EQ(e.message(), "fit: monitor: there is no \"val_maee\" to watch");
    EXPECT_EQ(e.hint(), "did you mean \"val_mae\"?");
    EXPECT_EQ(begun, 0);
  }
  // Without a validation part the usual name is none.
  Scripted s;
  s.model.compile({.optimizer = "sgd", .loss = "mse"});
  const Error none = test::error_of<ValueError>(
      [&] { s.model.fit(s.data, {.callbacks = {callbacks::EarlyStopping{}}, .progress = false}); });
  EXPECT_EQ(none.hint(), "nothing is validated: give fit validation_data or validation_split");
  // Every name that is logged can be watched; all of a model of several outputs, too.
  const Tensor x = nn::Input{.shape = {1}};
  Model two(x,
            {nn::Dense{.units = 1, .name = "left"}(x), nn::Dense{.units = 1, .name = "right"}(x)});
  two.compile({.optimizer = "sgd", .loss = "mse", .output_metrics = {{"right", {"mae"}}}});
  const Dataset pairs{tensor({1.f}, {1, 1}), Tensors{tensor({0.f}, {1, 1}), tensor({0.f}, {1, 1})}};
  const auto watch = [&](const std::string& name) {
    return two.fit(pairs, {.callbacks = {callbacks::EarlyStopping{.monitor = name}},
                           .validation_data = pairs,
                           .progress = false});
  };
  const History logged = watch("loss");
  EXPECT_EQ(logged.names().size(), 9u);
  for (const std::string& name : logged.names()) EXPECT_NO_THROW(watch(name)) << name;
}

TEST(ReduceLROnPlateau, MultipliesTheRate) {
  Scripted s;
  s.model.compile({.optimizer = optim::SGD{.learning_rate = 1}, .loss = "mse"});
  // The target is reached: the loss stays 0 and never improves after the first epoch.
  s.model.build({1});
  const History h = s.model.fit(
      s.data, {.epochs = 6,
               .callbacks = {callbacks::ReduceLROnPlateau{.factor = 0.5, .patience = 2}},
               .validation_data = s.data,
               .progress = false});
  EXPECT_EQ(h["learning_rate"], (std::vector<double>{1, 1, 1, 0.5, 0.5, 0.25}));
}

TEST(LearningRateScheduler, SetsTheRateOfAnEpoch) {
  Scripted s;
  s.model.compile({.optimizer = optim::SGD{.learning_rate = 1}, .loss = "mse"});
  const History h = s.model.fit(
      s.data, {.epochs = 3,
               .callbacks = {callbacks::LearningRateScheduler{
                   [](int64_t epoch, double rate) { return epoch == 0 ? rate : rate / 2; }}},
               .progress = false});
  EXPECT_EQ(h["learning_rate"], (std::vector<double>{1, 0.5, 0.25}));
}

TEST(Callback, HooksComeInTheirOrder) {
  struct Recorder : Callback {
    std::string seen;
    void on_train_begin(TrainState&) override { seen += "("; }
    void on_train_end(TrainState&) override { seen += ")"; }
    void on_epoch_begin(TrainState& s) override { seen += "[" + std::to_string(s.epoch()); }
    void on_epoch_end(TrainState& s) override { seen += "]" + std::to_string(s.step()); }
    void on_batch_begin(TrainState&) override { seen += "<"; }
    void on_batch_end(TrainState& s) override { seen += std::to_string(s.batch()) + ">"; }
  };
  Recorder r;
  Sequential model = classifier();
  model.compile(for_classes());
  model.fit(two_classes(10),
            {.batch_size = 5, .epochs = 2, .callbacks = {std::ref(r)}, .progress = false});
  EXPECT_EQ(r.seen, "([0<0><1>]2[1<0><1>]4)");
}

TEST(Callback, StopsInTheMiddleOfAnEpoch) {
  struct StopAt : Callback {
    void on_batch_end(TrainState& s) override {
      EXPECT_TRUE(std::isfinite(s.log("loss")));
      if (s.step() == 3) s.stop("enough");
    }
  };
  Sequential model = classifier();
  model.compile(for_classes());
  const History h = model.fit(
      two_classes(50), {.batch_size = 5, .epochs = 4, .callbacks = {StopAt{}}, .progress = false});
  EXPECT_EQ(h.epochs(), 1);
  EXPECT_EQ(h.params.at("steps"), "3");
  EXPECT_EQ(h.params.at("stopped"), "enough");
}

TEST(CSVLogger, WritesARowAnEpoch) {
  const Folder folder;
  const std::string path = folder / "log.csv";
  Sequential model = classifier();
  model.compile(for_classes());
  const History h = model.fit(
      two_classes(20),
      {.epochs = 2, .callbacks = {callbacks::CSVLogger{.path = path}}, .progress = false});
  std::ifstream in(path);
  std::string header, row;
  std::getline(in, header);
  EXPECT_EQ(header, "epoch,loss,accuracy,learning_rate");
  std::getline(in, row);
  EXPECT_EQ(row.substr(0, 2), "1,");
  EXPECT_EQ(std::stod(row.substr(2)), h["loss"][0]);
  std::getline(in, row);
  EXPECT_EQ(row.substr(0, 2), "2,");
  EXPECT_FALSE(std::getline(in, row));
}

TEST(Callbacks, AreReadFromText) {
  EXPECT_NO_THROW(callbacks::from_config(R"({"type": "early_stopping", "patience": 3})"));
  EXPECT_EQ(message_of([] { callbacks::from_config(R"("early_stoping")"); }),
            "callback: unknown type \"early_stoping\"");
  EXPECT_EQ(
      message_of([] { callbacks::from_config(R"({"type": "early_stopping", "mode": "least"})"); }),
      "callback.mode: expected \"auto\", \"min\" or \"max\", got \"least\"");
}

}  // namespace
}  // namespace varve
