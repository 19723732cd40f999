// Going on from a checkpoint: from every hook, with what callbacks remember, with all that a step
// of one's own changes, and never as another run.
#include <gtest/gtest.h>

#include <algorithm>

#include "helpers.h"
#include "support/folder.h"
#include "varve/derivatives.h"
#include "varve/ops/pointwise.h"
#include "varve/ops/random.h"
#include "varve/ops/shape.h"

namespace varve {
namespace {

using namespace test;

// Saves once, in one hook, from that step on.
struct SaveIn : Callback {
  enum Where { train_begin, epoch_begin, batch_begin, batch_end, epoch_end, train_end };
  std::string path;
  Where where;
  int64_t step;
  bool saved = false;
  SaveIn(std::string p, Where w, int64_t s) : path(std::move(p)), where(w), step(s) {}
  void save(Where here, TrainState& s) {
    if (here != where || saved || s.step() < step) return;
    saved = true;
    s.save_checkpoint(path);
  }
  void on_train_begin(TrainState& s) override { save(train_begin, s); }
  void on_epoch_begin(TrainState& s) override { save(epoch_begin, s); }
  void on_batch_begin(TrainState& s) override { save(batch_begin, s); }
  void on_batch_end(TrainState& s) override { save(batch_end, s); }
  void on_epoch_end(TrainState& s) override { save(epoch_end, s); }
  void on_train_end(TrainState& s) override { save(train_end, s); }
};

// Makes the rate smaller in hooks that come before a step: none may be called twice.
struct Slower : Callback {
  void on_epoch_begin(TrainState& s) override { slower(s, 0.5); }
  void on_batch_begin(TrainState& s) override { slower(s, 0.9); }
  static void slower(TrainState& s, double factor) {
    Variable rate = s.optimizer().learning_rate();
    rate.assign(scalar(rate.value().to_double() * factor, f32));
  }
};

TEST(Resume, FromACheckpointOfAnyHookGivesTheSameBits) {
  const Folder folder;
  const std::string path = folder / "hooks.safetensors";
  const auto fit = [&](int64_t epochs, SaveIn::Where where, int64_t step,
                       const std::string& resume) {
    Sequential model = classifier(resume.empty() ? 1 : 99);
    model.compile(for_classes());
    const History h =
        model.fit(two_classes(40), {.batch_size = 9,  // five steps an epoch
                                    .epochs = epochs,
                                    .callbacks = {Slower{}, SaveIn(path, where, step)},
                                    .validation_split = 0.1,
                                    .seed = 4,
                                    .progress = false,
                                    .resume = resume});
    return std::pair(weights_of(model), h.to_json());
  };
  constexpr int64_t kNever = 1000;
  const auto whole = fit(4, SaveIn::train_end, kNever, "");
  const std::vector<std::pair<SaveIn::Where, int64_t>> cases = {
      {SaveIn::train_begin, 0}, {SaveIn::epoch_begin, 0}, {SaveIn::epoch_begin, 5},
      {SaveIn::batch_begin, 0}, {SaveIn::batch_begin, 4}, {SaveIn::batch_begin, 7},
      {SaveIn::batch_end, 3},   {SaveIn::batch_end, 4},   {SaveIn::batch_end, 8},
      {SaveIn::epoch_end, 0},   {SaveIn::epoch_end, 6},   {SaveIn::train_end, 0}};
  for (const auto& [where, step] : cases) {
    SCOPED_TRACE(std::to_string(where) + " from step " + std::to_string(step));
    // What ends after two epochs goes on for two more.
    fit(2, where, step, "");
    EXPECT_EQ(fit(4, where, kNever, path), whole);
  }
}

TEST(Resume, TheBestWeightsAreRestoredAlsoWhereTheyAreFromBefore) {
  const Folder folder;
  const std::string path = folder / "best.safetensors";
  // The rate grows until training gets worse: the best epoch is an early one.
  const auto fit = [&](int64_t epochs, bool checkpoint_first, const std::string& resume) {
    Sequential model = classifier(resume.empty() ? 3 : 99);
    CompileOptions o = for_classes();
    o.optimizer = optim::SGD{.learning_rate = 0.5};
    model.compile(o);
    std::vector<CallbackRef> list = {
        callbacks::EarlyStopping{.patience = 100, .restore_best_weights = true},
        callbacks::Checkpoint{.path = path},
        callbacks::LearningRateScheduler{
            .rate = [](int64_t epoch, double) { return epoch < 2 ? 0.5 : 40.0; }}};
    if (checkpoint_first) std::swap(list[0], list[1]);
    const History h = model.fit(two_classes(60), {.batch_size = 8,
                                                  .epochs = epochs,
                                                  .callbacks = list,
                                                  .validation_split = 0.2,
                                                  .seed = 2,
                                                  .progress = false,
                                                  .resume = resume});
    return std::pair(weights_of(model), h["val_loss"]);
  };
  for (bool checkpoint_first : {false, true}) {
    const auto whole = fit(6, checkpoint_first, "");
    const auto best = std::min_element(whole.second.begin(), whole.second.end());
    ASSERT_LT(best - whole.second.begin(), 2);
    for (int64_t epochs : {2, 3, 5}) {
      fit(epochs, checkpoint_first, "");
      EXPECT_EQ(fit(6, checkpoint_first, path), whole) << epochs << checkpoint_first;
    }
  }
}

TEST(Resume, CallbacksAreRememberedWhereverTheCheckpointStandsAmongThem) {
  const Folder folder;
  const std::string path = folder / "order.safetensors", log = folder / "order.csv";
  const auto fit = [&](int64_t epochs, const std::string& resume) {
    Sequential model = classifier(resume.empty() ? 1 : 99);
    model.compile(for_classes());
    model.fit(two_classes(40),
              {.batch_size = 10,
               .epochs = epochs,
               .callbacks = {callbacks::Checkpoint{.path = path},
                             callbacks::ReduceLROnPlateau{.patience = 1, .min_delta = 10},
                             callbacks::CSVLogger{.path = log}},
               .validation_split = 0.2,
               .seed = 2,
               .progress = false,
               .resume = resume});
    return std::pair(weights_of(model), read_text(log));
  };
  const auto whole = fit(5, "");
  fit(2, "");
  EXPECT_EQ(fit(5, path), whole);
}

TEST(Resume, AnAppendedLogHasEachEpochOnce) {
  const Folder folder;
  const std::string path = folder / "rows.safetensors", log = folder / "rows.csv";
  const auto fit = [&](int64_t epochs, int64_t every, const std::string& resume) {
    Sequential model = classifier();
    model.compile(for_classes());
    model.fit(two_classes(20), {.epochs = epochs,
                                .callbacks = {callbacks::CSVLogger{.path = log, .append = true},
                                              callbacks::Checkpoint{.path = path, .every = every}},
                                .seed = 1,
                                .progress = false,
                                .resume = resume});
    return read_text(log);
  };
  const std::string rows = fit(5, 2, "");  // the checkpoint is of epoch 4
  EXPECT_EQ(fit(5, 2, path), rows);
  // A run that is not resumed appends.
  EXPECT_EQ(fit(1, 2, "").find(rows), 0u);
  EXPECT_EQ(read_text(log).size(), rows.size() + (rows.size() - rows.find('\n') - 1) / 5);
}

// A generator and a critic, each with an optimizer, and a key that counts up.
struct TwoModels {
  Sequential generator{nn::Dense{.units = 4, .activation = "tanh"}, nn::Dense{.units = 2}};
  Sequential critic{nn::Dense{.units = 6, .activation = "relu"}, nn::Dropout{.rate = 0.2},
                    nn::Dense{.units = 1}};
  Optimizer g = optim::Adam{.learning_rate = 0.01};
  Optimizer c = optim::RMSProp{.learning_rate = schedules::StepDecay{.initial = 0.02, .every = 3}};
  Variable noise_key{tensor<uint64_t>({7, 0}), {.name = "noise_key", .trainable = false}};

  TwoModels(uint64_t seed, bool eager) {
    generator.build({2});
    critic.build({2});
    uint64_t i = seed;
    for (Sequential* m : {&generator, &critic}) {
      m->random_state().assign(tensor({seed, uint64_t{0}}));
      for (Variable v : m->trainable()) {
        std::vector<float> w;
        for (int64_t k = 0; k < v.shape().size(); ++k) {
          w.push_back(std::sin(static_cast<float>(++i) * 2.3f) / 2);
        }
        v.assign(tensor(w, v.shape()));
      }
    }
    generator.compile(
        {.train_step = [this](const Batch& b) { return step(b); }, .run_eagerly = eager});
  }

  StepLogs step(const Batch& b) {
    const Loss loss = losses::BinaryCrossEntropy{.from_logits = true};
    const Tensor z = random::normal(Key(noise_key.value()), b.x().shape());
    noise_key.assign(noise_key + tensor<uint64_t>({0, 1}));
    const Tensor real = ones({b.size(), 1}), fake = zeros({b.size(), 1});
    const auto judged = [&](const Tensor& x) { return critic(x, {.training = true}); };
    auto [critic_loss, critic_grads] =
        value_and_grad([&] { return loss(judged(b.x()), real) + loss(judged(generator(z)), fake); },
                       critic.trainable())();
    c.update(critic_grads);
    auto [generator_loss, generator_grads] =
        value_and_grad([&] { return loss(judged(generator(z)), real); }, generator.trainable())();
    g.update(generator_grads);
    return {{"critic", critic_loss}, {"generator", generator_loss}};
  }
  History fit(int64_t epochs, const std::string& path, const std::string& resume) {
    return generator.fit(two_classes(20).without_targets(),
                         {.batch_size = 8,
                          .epochs = epochs,
                          .callbacks = {callbacks::Checkpoint{.path = path, .every_steps = 2}},
                          .seed = 1,
                          .progress = false,
                          .resume = resume});
  }
  std::vector<std::vector<double>> all() const {
    auto out = weights_of(generator);
    for (auto& w : weights_of(critic)) out.push_back(w);
    for (const Optimizer* o : {&g, &c}) {
      for (const auto& s : o->state()) out.push_back(s.variable.value().to_doubles());
    }
    out.push_back(noise_key.value().to_doubles());
    out.push_back(critic.random_state().value().to_doubles());
    return out;
  }
};

TEST(Resume, AStepOverSeveralModelsGoesOnWithAllOfThem) {
  const Folder folder;
  const std::string path = folder / "models.safetensors";
  for (bool eager : {false, true}) {
    TwoModels whole(1, eager);
    const std::string expected = whole.fit(4, path, "").to_json();
    TwoModels two(1, eager);
    two.fit(2, path, "");
    TwoModels again(50, eager);
    EXPECT_EQ(again.fit(4, path, path).to_json(), expected);
    EXPECT_EQ(again.all(), whole.all());
    // Within an epoch: its logs go on, too.
    TwoModels broken(1, eager);
    broken.generator.fit(two_classes(20).without_targets(),
                         {.batch_size = 8,
                          .epochs = 4,
                          .callbacks = {callbacks::Hooks{.on_batch_end =
                                                             [&](TrainState& s) {
                                                               if (s.step() == 5)
                                                                 s.save_checkpoint(path);
                                                             }}},
                          .seed = 1,
                          .progress = false});
    TwoModels within(50, eager);
    EXPECT_EQ(within.fit(4, folder / "other.safetensors", path).to_json(), expected);
    EXPECT_EQ(within.all(), whole.all());
  }
}

TEST(Resume, ACheckpointBeforeTheFirstStepHoldsAllModels) {
  const Folder folder;
  const std::string path = folder / "first.safetensors";
  TwoModels first(1, false);
  first.generator.fit(two_classes(20).without_targets(),
                      {.batch_size = 8,
                       .callbacks = {callbacks::Hooks{
                           .on_train_begin = [&](TrainState& s) { s.save_checkpoint(path); }}},
                       .seed = 1,
                       .progress = false});
  TwoModels again(50, false);
  again.fit(1, folder / "unused.safetensors", path);
  EXPECT_EQ(again.all(), first.all());
}

TEST(Resume, WithAnotherLossOrOtherMetricsIsRefused) {
  const Folder folder;
  const std::string path = folder / "judged.safetensors";
  const auto fit = [&](const Loss& loss, std::vector<Metric> metrics, const std::string& resume) {
    return message_of([&] {
      Sequential model{nn::Dense{.units = 1}};
      model.build({2});
      model.compile({.loss = loss, .metrics = std::move(metrics)});
      model.fit(line(20), {.batch_size = 8,
                           .epochs = 2,
                           .callbacks = {callbacks::Checkpoint{.path = path, .every_steps = 1}},
                           .progress = false,
                           .resume = resume});
    });
  };
  ASSERT_EQ(fit("mse", {"mae", "r2"}, ""), "no error");
  const std::string begin = path + ": the checkpoint is of another run: ";
  EXPECT_EQ(fit("mae", {"mae", "r2"}, path),
            begin + "loss: checkpoint \"mean_squared_error\", fit \"mean_absolute_error\"");
  EXPECT_EQ(fit("mse", {"mae"}, path).find(begin + "metrics: checkpoint "), 0u);
  const auto own = [](const Tensor& p, const Tensor& t) { return abs(p - t); };
  EXPECT_EQ(fit(own, {"mae", "r2"}, path).find(begin + "loss: checkpoint "), 0u);
  EXPECT_EQ(fit("mse", {"mae", Metric("r2", own)}, path).find(begin + "metrics: checkpoint "), 0u);
  EXPECT_EQ(fit("mse", {"mae", "r2"}, path), "no error");
}

}  // namespace
}  // namespace varve
