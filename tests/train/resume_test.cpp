// A run that was broken off goes on to the bits of the whole one, and the same run gives the same
// bits.
#include <gtest/gtest.h>

#include <functional>

#include "convnet.h"
#include "support/folder.h"
#include "varve/ops/pointwise.h"

namespace varve {
namespace {

using namespace test;

struct KilledAt : Callback {
  int64_t step;
  explicit KilledAt(int64_t s) : step(s) {}
  void on_batch_end(TrainState& s) override {
    if (s.step() == step) throw std::runtime_error("killed");
  }
  bool runs_last() const override { return true; }  // after the checkpoint of that step
};

TEST(Resume, AnyOptimizerGoesOnToTheSameBitsFromAnyStep) {
  const Folder folder;
  const std::string path = folder / "c.safetensors";
  const Dataset data = pictures(50);
  const std::vector<std::function<Optimizer()>> optimizers = {
      [] {
        return Optimizer(optim::SGD{.learning_rate = 0.05, .momentum = 0.9, .nesterov = true});
      },
      [] {
        return Optimizer(
            optim::RMSProp{.learning_rate = schedules::StepDecay{.initial = 0.01, .every = 3},
                           .momentum = 0.5,
                           .centered = true});
      },
      [] {
        return Optimizer(optim::Adam{
            .learning_rate = schedules::Cosine{.initial = 0.02, .steps = 15, .warmup_steps = 4}});
      },
      [] { return Optimizer(optim::AdamW{.learning_rate = 0.01, .clip_norm = 0.5}); }};
  for (size_t o = 0; o < optimizers.size(); ++o) {
    for (bool eager : {false, true}) {
      // 40 to train in batches of 9: five steps an epoch, the last of 4 samples.
      const auto fit = [&](Sequential& model, int64_t killed, int64_t every,
                           const std::string& resume) {
        model.compile(with(optimizers[o](), eager));
        return model.fit(data,
                         {.batch_size = 9,
                          .epochs = 3,
                          .callbacks = {callbacks::Checkpoint{.path = path, .every_steps = every},
                                        callbacks::EarlyStopping{.patience = 9}, KilledAt(killed)},
                          .validation_split = 0.2,
                          .stratify = true,
                          .class_weight = "balanced",
                          .seed = 4,
                          .progress = false,
                          .resume = resume});
      };
      Sequential whole = convnet();
      const History expected = fit(whole, -1, 0, "");
      // Right after a checkpoint, at the end of an epoch, and some steps after one.
      for (const auto& [killed, every] : {std::pair(1, 1), {4, 4}, {5, 3}, {7, 7}, {14, 4}}) {
        SCOPED_TRACE(std::to_string(o) + (eager ? " eager" : " compiled") + " killed at " +
                     std::to_string(killed));
        Sequential broken = convnet();
        EXPECT_THROW(fit(broken, killed, every, ""), std::runtime_error);
        Sequential again = convnet(99);
        const History got = fit(again, -1, 0, path);
        EXPECT_EQ(weights_of(again), weights_of(whole));
        EXPECT_EQ(got.to_json(), expected.to_json());
      }
    }
  }
}

TEST(Resume, AnEpochThatWasStoppedGoesOnWhereItStopped) {
  const Folder folder;
  const std::string path = folder / "c.safetensors", log = folder / "log.csv";
  struct StopAt : Callback {
    int64_t step;
    explicit StopAt(int64_t s) : step(s) {}
    void on_batch_end(TrainState& s) override {
      if (s.step() == step) s.stop("asked to");
    }
  };
  const auto fit = [&](int64_t stop, const std::string& resume, std::string* rows) {
    Sequential model = convnet(resume.empty() ? 1 : 99);
    model.compile(with("adam"));
    const History h =
        model.fit(pictures(40), {.batch_size = 8,
                                 .epochs = 3,
                                 .callbacks = {callbacks::CSVLogger{.path = log},
                                               callbacks::Checkpoint{.path = path}, StopAt(stop)},
                                 .validation_split = 0.2,
                                 .seed = 2,
                                 .progress = false,
                                 .resume = resume});
    *rows = read_text(log);
    return std::pair(weights_of(model), h.to_json());
  };
  std::string rows, whole_rows;
  const auto whole = fit(-1, "", &whole_rows);
  for (int64_t stop : {1, 3, 4, 6, 8}) {  // four steps an epoch
    fit(stop, "", &rows);
    EXPECT_NE(rows, whole_rows);
    EXPECT_EQ(fit(-1, path, &rows), whole) << stop;
    EXPECT_EQ(rows, whole_rows) << stop;
  }
}

TEST(Resume, AnotherOptimizerIsRefused) {  // B129
  const Folder folder;
  const std::string path = folder / "c.safetensors";
  const auto fit = [&](Optimizer optimizer, const std::string& resume) {
    Sequential model = convnet();
    model.compile(with(std::move(optimizer)));
    model.fit(
        pictures(20),
        {.callbacks = {callbacks::Checkpoint{.path = path}}, .progress = false, .resume = resume});
  };
  fit("adam", "");
  EXPECT_NE(
      message_of([&] { fit("sgd", path); }).find("optimizer: checkpoint \"adam\", fit \"sgd\""),
      std::string::npos);
}

TEST(Determinism, TheSameSeedGivesTheSameBits) {
  const auto mlp = [] { return Model(classifier()); };
  const auto conv = [] { return Model(convnet()); };
  const auto words = [] {
    Sequential m{nn::Embedding{.input_dim = 20, .output_dim = 4}, nn::Flatten{},
                 nn::Dropout{.rate = 0.2}, nn::Dense{.units = 2}};
    m.build({6}, DType::i64);
    set_weights(m, 3);
    return Model(m);
  };
  const auto skip = [] {
    Tensor x = nn::Input{.shape = {2}};
    Tensor h = nn::Dense{.units = 8, .activation = "tanh"}(x);
    Model m(x, nn::Dense{.units = 2}(nn::Concatenate{}({h + nn::Dense{.units = 8}(h), x})));
    set_weights(m, 5);
    return m;
  };
  std::vector<int64_t> ids(60 * 6);
  for (size_t i = 0; i < ids.size(); ++i) ids[i] = static_cast<int64_t>(i * i % 19);
  const Dataset text(tensor(ids, {60, 6}), two_classes(60).stored_targets());
  const std::vector<std::pair<std::function<Model()>, Dataset>> cases = {
      {mlp, two_classes(60)}, {conv, pictures(60)}, {words, text}, {skip, two_classes(60)}};
  for (size_t c = 0; c < cases.size(); ++c) {
    std::vector<std::vector<double>> first;
    std::string log;
    for (int run = 0; run < 5; ++run) {
      Model model = cases[c].first();
      model.compile(with(optim::Adam{.learning_rate = 0.01}));
      const History h =
          model.fit(cases[c].second, {.batch_size = 7, .epochs = 22, .seed = 8, .progress = false});
      if (run == 0) {
        first = weights_of(model);
        log = h.to_json();
      }
      EXPECT_EQ(weights_of(model), first) << "model " << c;
      EXPECT_EQ(h.to_json(), log) << "model " << c;
    }
  }
}

}  // namespace
}  // namespace varve
