#include <gtest/gtest.h>

#include <cstdio>
#include <limits>

#include "formats/file.h"
#include "helpers.h"
#include "support/folder.h"
#include "varve/ops/pointwise.h"
#include "varve/warnings.h"

namespace varve {
namespace {

using namespace test;

TEST(ModelFile, ALoadedModelPredictsTheSameBits) {
  const Folder folder;
  const std::string path = folder / "model.safetensors";
  Sequential model = classifier();
  model.compile(for_classes());
  model.fit(two_classes(40), {.progress = false});
  model.set_class_names({"below", "above"});
  model.set_metadata("note", "a \"quoted\" text");
  model.save(path);
  Model loaded = Model::load(path);
  const Tensor x = two_classes(40).stored_inputs()[0];
  EXPECT_EQ(Tensor(loaded.predict(x)).to_doubles(), Tensor(model.predict(x)).to_doubles());
  EXPECT_EQ(loaded.class_names(), (std::vector<std::string>{"below", "above"}));
  EXPECT_EQ(loaded.metadata("note"), "a \"quoted\" text");
  // It is compiled as it was.
  EXPECT_EQ(loaded.evaluate(two_classes(40)).to_string(),
            model.evaluate(two_classes(40)).to_string());
  EXPECT_EQ(loaded.optimizer().config(), model.optimizer().config());
}

TEST(ModelFile, AFunctionalModelComesBackToo) {
  const Folder folder;
  const std::string path = folder / "functional.safetensors";
  Tensor x = nn::Input{.shape = {2}, .name = "point"};
  Tensor h = nn::Dense{.units = 4, .activation = "tanh"}(x);
  Model model(x, h + nn::Dense{.units = 4}(h));
  model.save(path);
  const Tensor points = two_classes(9).stored_inputs()[0];
  EXPECT_EQ(Tensor(Model::load(path).predict(points)).to_doubles(),
            Tensor(model.predict(points)).to_doubles());
}

TEST(ModelFile, DamageIsFoundAndNamed) {
  const Folder folder;
  const std::string path = folder / "damaged.safetensors";
  Sequential model = classifier();
  model.save(path);
  std::string text = read_text(path);
  text[text.size() - 3] ^= 1;
  write_text(path, text);
  const std::string message = message_of([&] { Model::load(path); });
  EXPECT_NE(message.find("checksum: expected"), std::string::npos) << message;
  write_text(path, text.substr(0, text.size() - 8));
  EXPECT_THROW(Model::load(path), FormatError);
  EXPECT_THROW(Model::load(path + ".none"), IoError);
  // Weights alone are no model.
  model.save_weights(path);
  EXPECT_NE(message_of([&] {
              Model::load(path);
            }).find("expected a Varve model, the file holds weights alone"),
            std::string::npos);
}

TEST(Weights, AMismatchListsEverythingAndChangesNothing) {
  const Folder folder;
  const std::string path = folder / "weights.safetensors";
  Sequential narrow{nn::Dense{.units = 3, .name = "a"}, nn::Dense{.units = 3, .name = "b"}};
  narrow.build({2});
  narrow.save_weights(path);
  Sequential wide{nn::Dense{.units = 3, .name = "a"}, nn::Dense{.units = 4, .name = "b"},
                  nn::Dense{.units = 1, .name = "c"}};
  wide.build({2});
  const auto before = weights_of(wide);
  const std::string message = message_of([&] { wide.load_weights(path); });
  for (const char* part :
       {"the weights do not fit the model:", "model expects \"c.kernel\" F32[4,1]: not in file",
        "\"b.kernel\": model F32[3,4], file F32[3,3]"}) {
    EXPECT_NE(message.find(part), std::string::npos) << message;
  }
  EXPECT_EQ(weights_of(wide), before);
  const LoadReport report = wide.load_weights(path, {.partial = true});
  EXPECT_EQ(report.missing.size(), 2u);
  EXPECT_EQ(report.different.size(), 2u);
  EXPECT_EQ(wide.variable("a.kernel").value().to_doubles(),
            narrow.variable("a.kernel").value().to_doubles());
  EXPECT_EQ(message_of([&] { narrow.load_weights(path); }), "no error");
  Sequential less{nn::Dense{.units = 3, .name = "a"}};
  less.build({2});
  EXPECT_NE(message_of([&] {
              less.load_weights(path);
            }).find("file has \"b.bias\" F32[3]: not in the model"),
            std::string::npos);
}

TEST(Weights, NaNIsCountedOrRefused) {
  const Folder folder;
  const std::string path = folder / "nan.safetensors";
  Sequential model{nn::Dense{.units = 2, .name = "a"}};
  model.build({2});
  model.variable("a.kernel")
      .assign(tensor({1.f, 2.f, std::numeric_limits<float>::quiet_NaN(), 4.f}, {2, 2}));
  model.save_weights(path);
  take_warnings();
  EXPECT_EQ(model.load_weights(path).not_finite.size(), 1u);
  ASSERT_EQ(take_warnings().size(), 1u);
  const std::string message =
      message_of([&] { model.load_weights(path, {.require_finite = true}); });
  EXPECT_NE(message.find("tensor \"a.kernel\": nan at [1, 0]"), std::string::npos) << message;
}

TEST(Weights, HalfPrecisionFilesLoadIntoSinglePrecision) {
  const Folder folder;
  const std::string path = folder / "half.safetensors";
  const Variable half(tensor({Float16(1.5f), Float16(-2.f)}), {.name = "w"});
  save_weights(path, {{"w", half}});
  Variable w(tensor({0.f, 0.f}), {.name = "w"});
  load_weights(path, {{"w", w}});
  EXPECT_EQ(w.value().to_doubles(), (std::vector<double>{1.5, -2}));
  Variable n(tensor({int64_t{0}, int64_t{0}}), {.name = "w"});
  EXPECT_THROW(load_weights(path, {{"w", n}}), FormatError);
}

// A variable of 1, 2 added, saved; whatever is done to it, it comes back as 3.
TEST(Weights, AVariableComesBackAsItWasSaved) {
  const Folder folder;
  const std::string path = folder / "counter.safetensors";
  Variable v(tensor({1.0}), {.name = "counter"});
  v.assign(v.value() + 2);
  save_weights(path, {{"counter", v}});
  v.assign(tensor({100.0}));
  load_weights(path, {{"counter", v}});
  EXPECT_EQ(v.value().to_double(), 3);
}

FitOptions run_options(int64_t epochs, std::vector<CallbackRef> callbacks) {
  return {.batch_size = 8,
          .epochs = epochs,
          .callbacks = std::move(callbacks),
          .validation_split = 0.2,
          .seed = 4,
          .progress = false};
}

struct StopAfter : Callback {
  int64_t steps;
  explicit StopAfter(int64_t n) : steps(n) {}
  void on_batch_end(TrainState& s) override {
    if (s.step() == steps) throw std::runtime_error("killed");
  }
  bool runs_last() const override { return true; }  // after the checkpoint of that step
};

CompileOptions scheduled() {
  CompileOptions o = for_classes();
  o.optimizer = optim::Adam{.learning_rate = schedules::Cosine{.initial = 0.05, .steps = 40}};
  return o;
}

TEST(Checkpoint, AResumedRunGivesTheSameBits) {
  const Folder folder;
  const std::string path = folder / "checkpoint.safetensors";
  const Dataset data = two_classes(60);  // 48 to train, 6 batches an epoch
  const callbacks::EarlyStopping patience{.patience = 50};
  const callbacks::Checkpoint saving{.path = path, .every_steps = 4};

  Sequential whole = classifier();
  whole.compile(scheduled());
  const History expected = whole.fit(data, run_options(4, {saving, patience}));

  // Killed within an epoch, and right after one.
  for (int64_t killed_at : {10, 13}) {
    std::remove(path.c_str());
    Sequential broken = classifier();
    broken.compile(scheduled());
    EXPECT_THROW(broken.fit(data, run_options(4, {saving, patience, StopAfter(killed_at)})),
                 std::runtime_error);
    Sequential again = classifier(99);  // other weights: all comes from the file
    again.compile(scheduled());
    FitOptions o = run_options(4, {saving, patience, StopAfter(-1)});
    o.seed = {};
    o.resume = path;
    const History got = again.fit(data, o);
    EXPECT_EQ(weights_of(again), weights_of(whole));
    EXPECT_EQ(got.to_json(), expected.to_json());
    for (size_t i = 0; i < whole.optimizer().state().size(); ++i) {
      EXPECT_EQ(again.optimizer().state()[i].variable.value().to_doubles(),
                whole.optimizer().state()[i].variable.value().to_doubles());
    }
  }
}

TEST(Checkpoint, OfAnotherRunIsRefused) {
  const Folder folder;
  const std::string path = folder / "other.safetensors";
  Sequential model = classifier();
  model.compile(for_classes());
  model.fit(two_classes(30), run_options(1, {callbacks::Checkpoint{.path = path}}));
  const auto message = [&](Model& m, const Dataset& data, FitOptions o) {
    o.resume = path;
    return message_of([&] { m.fit(data, o); });
  };
  const auto options = [&] { return run_options(2, {callbacks::Checkpoint{.path = path}}); };
  EXPECT_NE(message(model, two_classes(31), options()).find("another run: data"),
            std::string::npos);
  FitOptions other = options();
  other.batch_size = 5;
  EXPECT_NE(message(model, two_classes(30), other).find("batch_size: checkpoint 8, fit 5"),
            std::string::npos);
  Sequential small{nn::Dense{.units = 2}};
  small.compile(for_classes());
  EXPECT_NE(message(small, two_classes(30), options()).find("another model"), std::string::npos);
}

TEST(Checkpoint, ADamagedOneIsNamedAndTheOlderOneTakenWhereAllowed) {
  const Folder folder;
  const std::string path = folder / "flipped.safetensors";
  const Dataset data = two_classes(30);
  Sequential whole = classifier();
  whole.compile(for_classes());
  whole.fit(data, run_options(3, {callbacks::Checkpoint{.path = path}}));
  std::string text = read_text(path);
  text[text.size() - 5] ^= 4;
  write_text(path, text);
  ASSERT_TRUE(formats::file_exists(path + ".old"));
  FitOptions o = run_options(3, {callbacks::Checkpoint{.path = path}});
  o.resume = path;
  Sequential again = classifier(5);
  again.compile(for_classes());
  const std::string message = message_of([&] { again.fit(data, o); });
  EXPECT_NE(message.find("checksum"), std::string::npos) << message;
  EXPECT_EQ(weights_of(again), weights_of(classifier(5)));
  o.resume_older = true;
  take_warnings();
  again.fit(data, o);
  EXPECT_EQ(weights_of(again), weights_of(whole));
  bool told = false;
  for (const std::string& w : take_warnings()) told |= w.find("going on from") != std::string::npos;
  EXPECT_TRUE(told);
}

TEST(ModelFile, ANewerFormatIsRefusedWithBothVersions) {
  const Folder folder;
  const std::string path = folder / "newer.safetensors";
  Sequential model = classifier();
  model.save(path);
  std::string text = read_text(path);
  const std::string key = "\"varve.format_version\":\"1\"";
  const size_t at = text.find(key);
  ASSERT_NE(at, std::string::npos);
  text.replace(at, key.size(), "\"varve.format_version\":\"7\"");
  write_text(path, text);
  const std::string message = message_of([&] { Model::load(path); });
  EXPECT_NE(message.find("format version: this Varve reads up to 1, the file is 7"),
            std::string::npos)
      << message;
}

}  // namespace
}  // namespace varve
