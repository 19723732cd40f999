// What job files say, and what is said of those that cannot be meant so.
#include "job/job.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <map>
#include <regex>
#include <sstream>

#include "base/error.h"
#include "formats/file.h"
#include "job/reference.h"
#include "nn/registry.h"
#include "support/errors.h"
#include "varve/nn/choices.h"
#include "varve/ops/shape.h"
#include "varve/zoo.h"

namespace varve::job {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::MatchesRegex;

constexpr const char* kJob = R"(name = "small"
seed = 3
[data]
kind = "csv"
path = "t.csv"
target = "y"
[model]
layers = [
  { type = "dense", units = 4, activation = "relu" },
  { type = "dense", units = "classes" },
]
[train]
optimizer = { type = "adam", learning_rate = 1e-3 }
loss = { type = "cross_entropy", from_logits = true }
metrics = ["accuracy"]
batch_size = 16
epochs = 2
[output]
directory = "out"
)";

std::string changed(const std::string& from, const std::string& to) {
  std::string text = kJob;
  const size_t at = text.find(from);
  EXPECT_NE(at, text.npos) << from;
  return text.replace(at, from.size(), to);
}

TEST(Job, IsReadWithPathsOfItsOwnFolder) {
  const Job job = parse_job(kJob, "jobs/small.toml");
  EXPECT_EQ(job.name, "small");
  EXPECT_EQ(job.seed, 3u);
  EXPECT_EQ(job.directory, "jobs/out");
  EXPECT_EQ(job.resolve(job.data.csv.path), "jobs/t.csv");
  EXPECT_EQ(job.resolve("/data/t.csv"), "/data/t.csv");
  EXPECT_EQ(job.train.batch_size.value, 16);
  EXPECT_EQ(job.train.optimizer.name(), "adam");
  EXPECT_TRUE(job.classification());
  EXPECT_EQ(parse_job(kJob, "small.toml").directory, "out");
}

TEST(Job, WithoutANameIsCalledLikeItsFile) {
  EXPECT_EQ(parse_job(changed("name = \"small\"", ""), "a/iris.v2.toml").name, "iris.v2");
}

TEST(Job, TheNumberOfClassesIsFilledInWhereverItIsAskedFor) {
  const Job job = parse_job(kJob, "small.toml");
  Model model = make_model(job.model, 7);
  model.build({5});
  EXPECT_EQ(model.variable("dense_2.kernel").shape(), (Shape{4, 7}));
  const Job zoo =
      parse_job(changed("layers = [\n  { type = \"dense\", units = 4, activation = \"relu\" },\n"
                        "  { type = \"dense\", units = \"classes\" },\n]",
                        "zoo = { type = \"mlp\", units = [8], classes = \"classes\" }"),
                "small.toml");
  Model mlp = make_model(zoo.model, 3);
  mlp.build({5});
  EXPECT_EQ(mlp.parameter_count(), 5 * 8 + 8 + 8 * 3 + 3);
}

// The job above with a network of the zoo.
Job with_network(const std::string& zoo) {
  return parse_job(changed("layers = [\n  { type = \"dense\", units = 4, activation = \"relu\" },\n"
                           "  { type = \"dense\", units = \"classes\" },\n]",
                           "zoo = " + zoo),
                   "small.toml");
}

TEST(Job, NamesEveryNetworkOfTheZoo) {
  EXPECT_GE(zoo::names().size(), 41u);
  const auto refused = [](const std::string& zoo) {
    return test::message_of<ConfigError>([&] { with_network(zoo); });
  };
  for (const std::string& name : zoo::names()) {
    SCOPED_TRACE(name);
    make_model(with_network("\"" + name + "\"").model, 3);
    EXPECT_THAT(refused("{ type = \"" + name + "\", nonsense = 1 }"),
                MatchesRegex("small.toml:8:[0-9]+: model.zoo.nonsense: unknown key"));
  }
  const Model resnet = make_model(with_network("{ type = \"cifar_resnet\", depth = 8, classes = "
                                               "\"classes\", input = [16, 16, 1], width = 0.5 }")
                                      .model,
                                  3);
  EXPECT_EQ(resnet(zeros({2, 16, 16, 1})).shape(), (Shape{2, 3}));
  EXPECT_EQ(refused("{ type = \"vgg\", depth = 12 }"),
            "small.toml:8:1: model.zoo: vgg: depth: expected 11, 13, 16 or 19, got 12");
  EXPECT_EQ(refused("{ type = \"unet\", levels = 0 }"),
            "small.toml:8:24: model.zoo.levels: expected integer 1..8, got 0");
}

TEST(Job, SetChangesWhatTheFileSays) {
  const Job job = parse_job(kJob, "small.toml",
                            {"train.epochs=9", "model.layers[0].units=2", "name=other",
                             "train.optimizer.learning_rate=0.5", "data.missing=[\"-\"]"});
  EXPECT_EQ(job.train.epochs.value, 9);
  EXPECT_EQ(job.model["layers"][0]["units"], 2);
  EXPECT_EQ(job.name, "other");
  EXPECT_DOUBLE_EQ(job.train.optimizer.schedule()(0), 0.5);
  EXPECT_THAT(job.data.csv.read.missing, ElementsAre("-"));
  // A name alone is short for a table.
  const Job named = parse_job(changed("{ type = \"adam\", learning_rate = 1e-3 }", "\"sgd\""),
                              "small.toml", {"train.optimizer.learning_rate=0.5"});
  EXPECT_EQ(named.train.optimizer.name(), "sgd");
  EXPECT_DOUBLE_EQ(named.train.optimizer.schedule()(0), 0.5);
}

TEST(Job, EveryCallbackMayBeGivenByItsNameAlone) {
  const std::string split = "target = \"y\"\nsplit = { validation = 0.1 }";
  for (const std::string& name : callbacks::names()) {
    const Job job = parse_job(changed("target = \"y\"", split), "small.toml",
                              {"train.callbacks=[\"" + name + "\"]"});
    EXPECT_EQ(job.train.callbacks.at(0).at("type"), name);
    EXPECT_EQ(job.callbacks().size(), 1u) << name;
  }
}

TEST(Job, ExamplesAreInOrder) {
  for (const char* name : {"churn", "churn_yes_no", "digits"}) {
    const std::string path = std::string(VARVE_SOURCE_DIR) + "/examples/jobs/" + name + ".toml";
    const Job job = read_job(path);
    EXPECT_EQ(job.seed, 7u) << path;
    // What one copies leaves the best weights behind, not the last.
    EXPECT_TRUE(std::any_of(job.train.callbacks.begin(), job.train.callbacks.end(),
                            [](const config::Json& c) {
                              return c.value("restore_best_weights", false) ||
                                     c.value("save_best_only", false);
                            }))
        << path;
  }
}

TEST(Reference, NamesEverythingThatAJobMaySay) {
  const std::string text = reference();
  const auto named = [&](const std::string& name) {
    return text.find("\n  " + name + " ") != text.npos ||
           text.find("\n  " + name + "\n") != text.npos;
  };
  for (const auto& names : {callbacks::names(), zoo::names(), optim::names(), schedules::names(),
                            nn::regularizer_names(), nn::constraint_names()}) {
    EXPECT_FALSE(names.empty());
    for (const std::string& name : names) EXPECT_TRUE(named(name)) << name;
  }
  // Other names for the same stand in its row.
  const std::string measures = text.substr(text.find("\nLosses\n"));
  for (const auto& names : {losses::names(), metrics::names()}) {
    for (const std::string& name : names) {
      const bool row = std::regex_search(measures, std::regex("\n  " + name + "[ \n]"));
      const bool also = std::regex_search(
          measures, std::regex("\\(also called [a-z0-9_, ]*\\b" + name + "\\b[a-z0-9_, ]*\\)"));
      EXPECT_NE(row, also) << name;
    }
  }
  for (const char* name :
       {"dense", "conv2d", "batch_size", "test_path", "stratify", "on_bad_sample", "separator"}) {
    EXPECT_TRUE(named(name)) << name;
  }
  EXPECT_THAT(text, HasSubstr("dense                   units, activation = \"linear\""));
  size_t widest = 0;
  std::istringstream lines(text);
  for (std::string line; std::getline(lines, line);) widest = std::max(widest, line.size());
  EXPECT_LE(widest, 110u);
}

TEST(Reference, ListsEachLayerThatAListTakes) {
  const std::string text = reference();
  const std::string layers = text.substr(0, text.find("\nActivations"));
  const auto listed = [&](const std::string& type) {
    return layers.find("\n  " + type + " ") != layers.npos ||
           layers.find("\n  " + type + "\n") != layers.npos;
  };
  // Those of several tensors that take one as well, with what they need.
  const std::map<std::string, std::string> needs{
      {"bidirectional", R"("layer": {"type": "lstm", "units": 3})"},
      {"conv_lstm2d", R"("filters": 3)"},
      {"gru", R"("units": 3)"},
      {"lstm", R"("units": 3)"},
      {"multi_head_attention", R"("num_heads": 2, "key_dim": 2)"},
      {"sequential", R"("layers": [{"type": "dense", "units": 3}])"},
      {"simple_rnn", R"("units": 3)"},
      {"spectral_norm", R"("layer": {"type": "dense", "units": 3})"},
      {"transformer_encoder", R"("intermediate_dim": 4, "num_heads": 2)"},
      {"weight_norm", R"("layer": {"type": "dense", "units": 3})"}};
  for (const auto& [type, settings] : needs) {
    EXPECT_TRUE(listed(type)) << type;
    Model model = make_model(
        config::Json::parse(R"({"layers": [{"type": ")" + type + "\", " + settings + "}]}"), -1);
    model.build(type == "conv_lstm2d" ? Shape{5, 8, 8, 3} : Shape{6, 4});
  }
  // What is left out takes no single tensor, or a list that names it is refused.
  for (const std::string& type : nn::layer_types()) {
    if (listed(type) || type == "concatenate") continue;
    EXPECT_THROW(make_model(config::Json::parse(R"({"layers": [{"type": ")" + type + "\"}]}"), -1)
                     .build(Shape{6, 4}),
                 Error)
        << type;
  }
  EXPECT_NE(layers.find("\n  bidirectional           layer, "), layers.npos);
}

struct BadJob {
  const char* id;
  std::string from, to;  // what is changed in the job above
  std::string message;
  std::string hint = "";
};
void PrintTo(const BadJob& bad, std::ostream* out) { *out << bad.message; }
class BadJobs : public ::testing::TestWithParam<BadJob> {};

TEST_P(BadJobs, AreRefusedByLineFieldExpectedAndGot) {
  const BadJob& bad = GetParam();
  const Error e = test::error_of([&] { parse_job(changed(bad.from, bad.to), "job.toml"); });
  EXPECT_EQ(e.message(), bad.message);
  EXPECT_THAT(e.hint(), HasSubstr(bad.hint));
}

std::string nested(int depth) {
  return "epochs = " + std::string(static_cast<size_t>(depth), '[') + "1";
}

INSTANTIATE_TEST_SUITE_P(
    Rows, BadJobs,
    ::testing::Values(
        BadJob{"B079", "epochs = 2", "epochs = ", "job.toml:17:10: expected value, got '\\n'"},
        BadJob{"B079", "epochs = 2", "epochs = 2\nepochs = 3",
               "job.toml:18:10: cannot redefine existing integer 'epochs'"},
        BadJob{"B079", "epochs = 2", nested(10000), "job.toml:17:74: nesting deeper than 64"},
        BadJob{"B080", "epochs = 2", "epcohs = 2", "job.toml:17:1: train.epcohs: unknown key",
               "did you mean \"epochs\"?"},
        BadJob{"B080", "epochs = 2", "lerning_rate = 0.1",
               "job.toml:17:1: train.lerning_rate: unknown key", "learning_rate = 0.1"},
        BadJob{"B080", "learning_rate = 1e-3", "lerning_rate = 1e-3",
               "job.toml:13:30: train.optimizer.lerning_rate: unknown key",
               "did you mean \"learning_rate\"?"},
        BadJob{"B080", "units = 4", "unit = 4", "job.toml:9:21: model.layers[0].unit: unknown key",
               "did you mean \"units\"?"},
        BadJob{"B080", "seed = 3", "sed = 3", "job.toml:2:1: sed: unknown key",
               "did you mean \"seed\"?"},
        BadJob{"B080", "[output]", "[outptu]", "job.toml:18:2: outptu: unknown key",
               "did you mean \"output\"?"},
        BadJob{"B080", "\"adam\"", "\"adma\"",
               "job.toml:13:1: train.optimizer: unknown type \"adma\"", "did you mean \"adam\"?"},
        BadJob{"B080", "\"accuracy\"", "\"acuracy\"",
               "job.toml:15:12: train.metrics[0]: unknown type \"acuracy\"",
               "did you mean \"accuracy\"?"},
        BadJob{"B080", "type = \"dense\", units = 4", "type = \"dens\", units = 4",
               "job.toml:9:3: model.layers[0]: unknown layer type \"dens\"",
               "did you mean \"dense\"?"},
        BadJob{"B080", "kind = \"csv\"", "kind = \"cvs\"",
               "job.toml:4:1: data.kind: unknown choice \"cvs\"", "did you mean \"csv\"?"},
        BadJob{"B081", "batch_size = 16", "batch_size = 0",
               "job.toml:16:1: train.batch_size: expected integer >= 1, got 0"},
        BadJob{"B081", "batch_size = 16", "batch_size = \"16\"",
               "job.toml:16:1: train.batch_size: expected integer >= 1, got \"16\""},
        BadJob{"B081", "batch_size = 16", "batch_size = 16.5",
               "job.toml:16:1: train.batch_size: expected integer >= 1, got 16.5"},
        BadJob{"B081", "learning_rate = 1e-3", "learning_rate = \"0.1\"",
               "job.toml:13:30: train.optimizer.learning_rate: expected a number >= 0 or a "
               "schedule, got \"0.1\""},
        BadJob{"B081", "learning_rate = 1e-3", "learning_rate = -1",
               "job.toml:13:30: train.optimizer.learning_rate: expected a number >= 0, got -1"},
        BadJob{"B081", "learning_rate = 1e-3", "learning_rate = 1e400",
               "job.toml:13:51: expected a value, got '1e400'"},
        BadJob{"B081", "learning_rate = 1e-3", "learning_rate = nan",
               "job.toml:13:30: train.optimizer.learning_rate: expected a number >= 0 or a "
               "schedule, got \"nan\""},
        BadJob{"B081", "seed = 3", "seed = -3",
               "job.toml:2:1: seed: expected integer >= 0, got -3"},
        BadJob{"B081", "seed = 3", "seed = 1979-05-27",
               "job.toml:2:8: 1979-05-27 is a date, and no key takes one"},
        BadJob{"B081", "target = \"y\"", "target = \"y\"\nsplit = { validation = 1.5 }",
               "job.toml:7:11: data.split.validation: expected number >= 0 and < 1, got 1.5"},
        BadJob{"B081", "target = \"y\"", "target = \"y\"\nsplit = { validation = 0.5, test = 0.5 }",
               "job.toml:7:1: data.split: expected validation + test < 1, or nothing is left to "
               "train on"},
        BadJob{"B081", "target = \"y\"", "target = \"y\"\ncolumns = { a = \"numbr\" }",
               "job.toml:7:13: data.columns.a.kind: expected one of \"auto\", \"number\", "
               "\"category\", \"ignore\", got \"numbr\"",
               "did you mean \"number\"?"},
        BadJob{"B081", "path = \"t.csv\"", "", "job.toml:3:2: data.path: missing"},
        BadJob{"B081", "loss = { type = \"cross_entropy\", from_logits = true }", "",
               "job.toml:12:2: train.loss: missing", "cross_entropy"},
        BadJob{"B081", "units = \"classes\"", "units = 0",
               "job.toml:10:21: model.layers[1].units: expected integer >= 1, got 0"},
        BadJob{"B081", "units = \"classes\"", "units = \"many\"",
               "job.toml:10:21: model.layers[1].units: expected integer >= 1, got \"many\"",
               "\"classes\": as many as the data have classes"},
        BadJob{"B081", "{ type = \"cross_entropy\", from_logits = true }", "\"mse\"",
               "job.toml:10:21: model.layers[1].units: train.loss is one for numbers, which "
               "have no classes",
               "cross_entropy"},
        BadJob{"B081", "epochs = 2",
               "epochs = 2\ncallbacks = [{ type = \"early_stopping\", monitor = \"val_loss\" }]",
               "job.toml:18:41: train.callbacks[0].monitor: \"val_loss\" is not measured",
               "data.split.validation"},
        BadJob{"B081", "epochs = 2",
               "epochs = 2\ncallbacks = [{ type = \"early_stopping\", monitor = \"acuracy\" }]",
               "job.toml:18:41: train.callbacks[0].monitor: \"acuracy\" is not measured",
               "did you mean \"accuracy\"?"},
        BadJob{"B081", "epochs = 2", "epochs = 2\ncallbacks = [\"early_stopping\"]",
               "job.toml:18:14: train.callbacks[0].monitor: \"val_loss\" is not measured",
               "data.split.validation"},
        BadJob{"B081", "kind = \"csv\"\npath = \"t.csv\"\ntarget = \"y\"",
               "kind = \"image_folder\"\npath = \"p\"", "job.toml:3:2: data.image_size: missing",
               "image_size = [96, 96]"},
        BadJob{
            "B081", "kind = \"csv\"\npath = \"t.csv\"\ntarget = \"y\"",
            "kind = \"image_folder\"\npath = \"p\"\nimage_size = [9, 0]",
            "job.toml:6:1: data.image_size: expected integer 1..16384 or a list of 2, got [9,0]"},
        BadJob{"B128", "seed = 3", "format_version = 2",
               "job.toml:2:1: format_version: this Varve reads up to 1, got 2", "newer Varve"}),
    [](const auto& info) { return std::string(info.param.id) + "_" + std::to_string(info.index); });

TEST(BadJobFiles, TooLongOnesFoldersAndMissingOnesAreNamed) {  // B082, B088
  const auto message = [](const std::string& path) {
    return test::message_of([&] { read_job(path); });
  };
  EXPECT_THAT(message("/nowhere/job.toml"),
              HasSubstr("/nowhere/job.toml: cannot open: No such file or directory"));
  EXPECT_THAT(message(VARVE_SOURCE_DIR), HasSubstr("is a directory"));
}

TEST(BadSets, AreRefused) {
  const auto message = [](const std::string& set) {
    return test::message_of([&] { parse_job(kJob, "job.toml", {set}); });
  };
  EXPECT_EQ(message("train.epochs"), "--set: \"train.epochs\": expected KEY=VALUE");
  EXPECT_EQ(message("=3"), "--set: \"=3\": expected KEY=VALUE");
  EXPECT_EQ(message("model.layers[7].units=3"),
            "--set: \"model.layers[7].units=3\": there is no such item");
  EXPECT_EQ(message("seed.x=3"), "--set: \"seed.x=3\": there is no such key");
  EXPECT_EQ(message("train.batch_size=0"),
            "job.toml: --set train.batch_size: expected integer >= 1, got 0");
}

}  // namespace
}  // namespace varve::job
