// From a job file to predictions, through the program alone.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cstdio>
#include <cstring>
#include <nlohmann/json.hpp>
#include <sstream>

#include "apps/jobs.h"
#include "apps/program.h"
#include "formats/npy.h"
#include "formats/png.h"
#include "varve/model.h"
#include "varve/ops/pointwise.h"

namespace varve::app {
namespace {

using ::testing::HasSubstr;
using ::testing::IsEmpty;
using ::testing::StartsWith;

bool same_bits(const std::span<const float> a, const std::span<const float> b) {
  return a.size() == b.size() && std::memcmp(a.data(), b.data(), a.size_bytes()) == 0;
}

TEST(Train, TheJobForATableRunsAsItStands) {
  const Folder folder;
  copy_job("csv", folder / "csv.toml");
  write_customers(folder / "churn.csv", 600);
  // Relative paths are those of the job's folder, wherever the program is started.
  expect_ok(varve({"train", folder / "csv.toml"}));
  const std::string out = folder / "runs/churn";
  const nlohmann::json result = json_of(out + "/result.json");
  EXPECT_EQ(result["name"], "churn");
  EXPECT_EQ(result["seed"], 7);
  EXPECT_GT(result["scores"]["test"]["accuracy"], 0.8);
  for (const char* file :
       {"history.csv", "curves.svg", "model.svg", "report.html", "confusion.csv"})
    EXPECT_FALSE(read_text(out + "/" + file).empty()) << file;
  // What was taken for what is a table too, and the page names it.
  int64_t yes_yes = 0, yes_no = 0, no_yes = 0, no_no = 0;
  const std::string confused = read_text(out + "/confusion.csv");
  ASSERT_EQ(std::sscanf(confused.c_str(), "true \\ predicted,no,yes\nno,%ld,%ld\nyes,%ld,%ld\n",
                        &no_no, &no_yes, &yes_no, &yes_yes),
            4)
      << confused;
  const auto rows = static_cast<double>(no_no + no_yes + yes_no + yes_yes);
  EXPECT_NEAR(static_cast<double>(no_no + yes_yes) / rows, result["scores"]["test"]["accuracy"],
              1e-6);
  EXPECT_THAT(read_text(out + "/report.html"), HasSubstr("confusion.csv beside this page"));

  // Raw rows are enough to predict: what was fitted to the training rows is in the model.
  const std::string model = out + "/model.safetensors";
  write_text(folder / "new.csv",
             "visits,plan,age,customer_id\n0,free,20,x\n40,gold,60,y\n3,platinum,,z\n");
  const Ran first = varve({"predict", model, folder / "new.csv"});
  expect_ok(first);
  EXPECT_THAT(first.out, StartsWith("row,prediction,probability\n1,yes,0."));
  EXPECT_THAT(first.out, HasSubstr("\n2,no,0."));
  EXPECT_THAT(first.err, HasSubstr("\"platinum\""));  // a category that training did not have
  EXPECT_EQ(varve({"predict", model, folder / "new.csv"}).out, first.out);
  // Columns that say which row is which go along as they are written.
  write_text(folder / "ids.csv",
             "visits,plan,age,customer_id,note\n0,free,20,0071,NA\n40,gold,60,72,\"a, b\"\n");
  const Ran kept =
      varve({"predict", model, folder / "ids.csv", "--keep", "customer_id", "--keep", "note"});
  expect_ok(kept);
  EXPECT_THAT(kept.out,
              StartsWith("row,customer_id,note,prediction,probability\n1,0071,NA,yes,0."));
  EXPECT_THAT(kept.out, HasSubstr("\n2,72,\"a, b\",no,0."));
  EXPECT_THAT(varve({"predict", model, folder / "ids.csv", "--keep", "custmer_id"}).err,
              HasSubstr("ids.csv: column \"custmer_id\" not found; columns: visits, plan, age"));
  const Ran summary = varve({"summary", model});
  EXPECT_THAT(summary.out, HasSubstr("rows of a table: age, plan=basic, plan=free, plan=gold"));
  EXPECT_THAT(summary.out, HasSubstr("classes       no, yes"));
  EXPECT_THAT(summary.out, HasSubstr("optimizer     Adam(learning_rate="));
  EXPECT_THAT(summary.out, HasSubstr("loss          CrossEntropy(from_logits=true"));
  EXPECT_THAT(summary.out, HasSubstr("metrics       accuracy"));

  // The job names its own test part.
  const Ran scores = varve({"evaluate", model, folder / "csv.toml", "--json"});
  expect_ok(scores);
  const nlohmann::json found = nlohmann::json::parse(scores.out);
  EXPECT_EQ(found["samples"], 120);
  EXPECT_EQ(found["accuracy"], result["scores"]["test"]["accuracy"]);
}

TEST(Train, EvaluationTakesTheRowsThatTrainingKeptOutWhateverTheFileSaysByNow) {
  const Folder folder;
  copy_job("csv", folder / "csv.toml");
  write_customers(folder / "churn.csv", 600);
  const std::string model = folder / "runs/churn/model.safetensors";
  for (const char* split : {"{validation=0.2,test=0.3,stratify=true}", "{validation=0.2}"}) {
    expect_ok(varve({"train", folder / "csv.toml", "--seed", "99", "--epochs", "2", "--set",
                     std::string("data.split=") + split}));
    const nlohmann::json scores = json_of(folder / "runs/churn/result.json")["scores"];
    const Ran ran = varve({"evaluate", model, folder / "csv.toml", "--json"});
    expect_ok(ran);
    const nlohmann::json found = nlohmann::json::parse(ran.out);
    EXPECT_EQ(found["samples"], scores.contains("test") ? 180 : 120);
    const nlohmann::json& part = scores[scores.contains("test") ? "test" : "validation"];
    for (const char* name : {"loss", "accuracy"}) {
      EXPECT_NEAR(found[name].get<double>(), part[name].get<double>(), 1e-6) << name;
    }
  }
  // Where the data are others, nobody knows which of them were seen.
  write_text(folder / "churn.csv", read_text(folder / "churn.csv") + "C600,30,gold,3,no\n");
  const Ran other = varve({"evaluate", model, folder / "csv.toml"});
  EXPECT_EQ(other.code, 1);
  EXPECT_THAT(other.err, HasSubstr("csv.toml: its data are not those that the model was trained"));
  EXPECT_EQ(varve({"evaluate", model, folder / "churn.csv"}).code, 0);
  // And where nothing was kept out, there is nothing to take.
  expect_ok(varve({"train", folder / "csv.toml", "--epochs", "1", "--set",
                   "data.split={stratify=false}", "--set", "train.callbacks=[]"}));
  EXPECT_THAT(varve({"evaluate", model, folder / "csv.toml"}).err,
              HasSubstr("the model was trained on all its rows"));
}

TEST(Train, NamesAndFiguresOfLongMetricsStandApart) {
  const Folder folder;
  write_line(folder, 60);
  const Ran ran = varve({"train", folder / "line.toml", "--epochs", "1", "--set",
                         "train.metrics=[\"root_mean_squared_error\"]"});
  EXPECT_THAT(ran.out, HasSubstr("\nroot_mean_squared_error "));
  const Ran scores = varve({"evaluate", folder / "out/model.safetensors", folder / "line.toml"});
  EXPECT_THAT(scores.out, HasSubstr("\nroot_mean_squared_error  "));
}

TEST(Train, EvaluationSplitsArraysAsTrainingDid) {
  const Folder folder;
  Dice dice;
  formats::Array x(u8, Shape{100, 6}), y(i64, Shape{100});
  for (size_t i = 0; i < 100; ++i) {
    y.span<int64_t>()[i] = dice(3);
    for (size_t k = 0; k < 6; ++k) {
      x.span<uint8_t>()[i * 6 + k] =
          static_cast<uint8_t>(dice(100) + 50 * y.span<int64_t>()[i] * static_cast<int64_t>(k % 2));
    }
  }
  formats::write_npz(folder / "d.npz", {{"x_train", x}, {"y_train", y}});
  write_text(folder / "job.toml", R"(
[data]
kind = "npz"
path = "d.npz"
scale = "none"
split = { test = 0.5 }
[model]
layers = [{ type = "dense", units = "classes" }]
[train]
loss = { type = "cross_entropy", from_logits = true }
metrics = ["accuracy"]
epochs = 5
[output]
directory = "out"
)");
  expect_ok(varve({"train", folder / "job.toml", "--seed", "5", "--set", "data.scale=unit", "--set",
                   "data.split={test=0.3,stratify=true}"}));
  const std::string model = folder / "out/model.safetensors";
  const Ran ran = varve({"evaluate", model, folder / "job.toml", "--json"});
  expect_ok(ran);
  const nlohmann::json found = nlohmann::json::parse(ran.out),
                       scores = json_of(folder / "out/result.json")["scores"]["test"];
  EXPECT_EQ(found["samples"], 30);
  EXPECT_NEAR(found["loss"].get<double>(), scores["loss"].get<double>(), 1e-6);
  // Bytes are divided as they were in training, too, where they come by themselves.
  formats::write_npz(folder / "all.npz", {{"x", x}, {"y", y}});
  const Ran all = varve({"evaluate", model, folder / "all.npz", "--json"});
  expect_ok(all);
  EXPECT_LT(nlohmann::json::parse(all.out)["loss"], 3);
  EXPECT_THAT(varve({"summary", model}).out, HasSubstr("takes         bytes, divided by 255"));
}

TEST(Train, PredictionsTellClassesAsTheMetricsOfTrainingDo) {
  const Folder folder;
  copy_job("csv", folder / "csv.toml");
  write_customers(folder / "churn.csv", 300);
  const std::string model = folder / "runs/churn/model.safetensors";
  struct Row {
    const char *units, *activation, *loss;
    bool percent;
  };
  for (const Row& row :
       {Row{"1", "linear", "\"hinge\"", false},
        Row{"1", "sigmoid", "{type=\"binary_cross_entropy\"}", true},
        Row{"1", "linear", "{type=\"binary_cross_entropy\",from_logits=true}", true},
        Row{"2", "softmax", "{type=\"cross_entropy\",from_logits=true}", true},
        Row{"2", "linear", "\"categorical_hinge\"", false}}) {
    expect_ok(varve({"train", folder / "csv.toml", "--epochs", "2", "--set",
                     std::string("model.layers[2].units=") + row.units, "--set",
                     std::string("model.layers[2].activation=") + row.activation, "--set",
                     std::string("train.loss=") + row.loss, "--set", "train.callbacks=[]", "--set",
                     "data.split={}", "--set", "train.metrics=[\"accuracy\"]"}));
    const Ran said = varve({"predict", model, folder / "churn.csv"});
    expect_ok(said);
    EXPECT_THAT(said.out,
                StartsWith(row.percent ? "row,prediction,probability\n" : "row,prediction\n1,"));
    std::istringstream answers(said.out), truth(read_text(folder / "churn.csv"));
    std::string answer, right;
    int hits = 0, n = 0;
    while (std::getline(answers, answer) && std::getline(truth, right)) {
      if (n++ == 0) continue;
      hits += (answer.find(",yes") != answer.npos) == right.ends_with(",yes");
    }
    EXPECT_EQ(n, 301);
    EXPECT_NEAR(hits / 300.0,
                json_of(folder / "runs/churn/result.json")["scores"]["training"]["accuracy"], 1e-6)
        << row.loss << row.activation;
    // Probabilities of the softmax are shown as they are.
    if (*row.units != '2' || !row.percent) continue;
    expect_ok(varve({"predict", model, folder / "churn.csv", "-o", folder / "p.npy", "--force"}));
    const formats::Array p = formats::read_npy(folder / "p.npy");
    const double first = std::max(p.span<float>()[0], p.span<float>()[1]);
    char text[20];
    std::snprintf(text, sizeof text, ",%.6f\n2,", first);
    EXPECT_THAT(said.out, HasSubstr(text));
  }
}

TEST(Train, ClassesThatLookLikeNumbersAreNoneInLaterTables) {
  const Folder folder;
  std::string text = "x;kind\n";
  for (int i = 0; i < 60; ++i) {
    text += (i % 7 == 0 ? "-" : std::to_string(i % 3 * 10 + i % 5)) + ";" +
            (i % 3 == 0   ? "01"
             : i % 3 == 1 ? "02"
                          : "x") +
            "\n";
  }
  write_text(folder / "t.csv", text);
  write_text(folder / "job.toml", R"(
[data]
kind = "csv"
path = "t.csv"
target = "kind"
separator = ";"
missing = ["-"]
[model]
layers = [{ type = "dense", units = "classes" }]
[train]
loss = { type = "cross_entropy", from_logits = true }
metrics = ["accuracy"]
[output]
directory = "out"
)");
  expect_ok(varve({"train", folder / "job.toml"}));
  const std::string model = folder / "out/model.safetensors";
  write_text(folder / "two.csv", "kind;x\n01;1\n02;-\n");
  const Ran ran = varve({"evaluate", model, folder / "two.csv", "--json"});
  expect_ok(ran);
  EXPECT_EQ(nlohmann::json::parse(ran.out)["samples"], 2);
  write_text(folder / "new.csv", "x\n1\n-\n");
  expect_ok(varve({"predict", model, folder / "new.csv"}));
}

TEST(Train, TheJobForPicturesRunsAsItStandsAndPredictsTheSameBitsInAnyProcess) {
  const Folder folder;
  copy_job("idx", folder / "idx.toml");
  write_pictures(folder, 600, 90);
  expect_ok(varve({"train", folder / "idx.toml"}));
  const std::string out = folder / "runs/digits", model = out + "/model.safetensors";
  EXPECT_GT(json_of(out + "/result.json")["scores"]["test"]["accuracy"], 0.9);

  // The same pictures as a PNG, and as an array.
  const std::string png = out + "/samples/sample_1.png";
  const Ran named = varve({"predict", model, png});
  expect_ok(named);
  EXPECT_THAT(named.out, StartsWith(png + ": 1 ("));
  expect_ok(varve({"predict", model, png, "--out", folder / "a.npy"}));
  expect_ok(varve({"predict", model, png, "--out", folder / "b.npy"}));
  const formats::Array a = formats::read_npy(folder / "a.npy"),
                       b = formats::read_npy(folder / "b.npy");
  EXPECT_TRUE(same_bits(a.span<float>(), b.span<float>()));

  formats::Array pixels = formats::read_png(png);
  pixels.shape = Shape{1, 12, 12, 1};
  formats::write_npy(folder / "x.npy", pixels);
  expect_ok(varve({"predict", model, folder / "x.npy", "--out", folder / "c.npy"}));
  EXPECT_TRUE(same_bits(a.span<float>(), formats::read_npy(folder / "c.npy").span<float>()));

  // And by the library, in this process.
  Model loaded = Model::load(model);
  const Tensor x = tensor_from_bytes(pixels.bytes.data(), u8, pixels.shape);
  const Dataset samples(
      x, {}, {.prepare = [](const Tensors& t) { return Tensors(cast(t.only(), f32) / 255); }});
  const Tensor said = loaded.predict(samples);
  EXPECT_TRUE(same_bits(a.span<float>(), said.span<float>()));

  // Never inverted unless that is asked for.
  EXPECT_NE(varve({"predict", model, png, "--invert"}).out, named.out);
  // Evaluation finds what training found.
  const Ran scores = varve({"evaluate", model, folder / "t10k-images-idx3-ubyte.gz", "--labels",
                            folder / "t10k-labels-idx1-ubyte.gz", "--json"});
  expect_ok(scores);
  EXPECT_EQ(nlohmann::json::parse(scores.out)["accuracy"],
            json_of(out + "/result.json")["scores"]["test"]["accuracy"]);
}

TEST(Train, ColourAndSizeOfAPictureDoNotMatter) {
  const Folder folder;
  copy_job("idx", folder / "idx.toml");
  write_pictures(folder, 300, 30);
  expect_ok(varve({"train", folder / "idx.toml", "--epochs", "8"}));
  const std::string model = folder / "runs/digits/model.safetensors";
  // A white bar down a black picture, in colour and twice as large.
  formats::Array big(u8, Shape{24, 24, 3});
  std::fill(big.span<uint8_t>().begin(), big.span<uint8_t>().end(), uint8_t{0});
  for (size_t y = 0; y < 24; ++y) {
    for (size_t x = 6; x < 8; ++x) {
      for (size_t c = 0; c < 3; ++c) big.span<uint8_t>()[(y * 24 + x) * 3 + c] = 255;
    }
  }
  formats::write_png(folder / "bar.png", big);
  EXPECT_THAT(varve({"predict", model, folder / "bar.png", "--top", "3"}).out,
              StartsWith(folder / "bar.png" + ": 0 ("));
}

// A folder stands for its pictures, in the order of their names; other files in it do not matter.
void ExpectFoldersArePredicted(const Folder& folder, const std::string& model) {
  std::filesystem::create_directory(folder / "mixed");
  for (const char* name : {"b.png", "a.PNG", "no_ending"})
    std::filesystem::copy_file(folder / "bars/down/3.png", folder / (std::string("mixed/") + name));
  std::filesystem::copy_file(folder / "bars/across/3.png", folder / "mixed/c.png");
  write_text(folder / "mixed/notes.txt", "not a picture");
  write_text(folder / "mixed/.hidden.png", "not a picture");
  const Ran ran = varve({"predict", model, folder / "mixed"});
  expect_ok(ran);
  std::string expected;
  for (const char* name : {"a.PNG", "b.png", "c.png", "no_ending"})
    expected += varve({"predict", model, folder / (std::string("mixed/") + name)}).out;
  EXPECT_EQ(ran.out, expected);
  // In a table each picture has its name.
  expect_ok(varve({"predict", model, folder / "mixed", "--out", folder / "said.csv"}));
  EXPECT_THAT(read_text(folder / "said.csv"), StartsWith("row,file,prediction,probability\n1," +
                                                         (folder / "mixed/a.PNG") + ",down,"));

  const Ran none = varve({"predict", model, folder / "bars"});
  EXPECT_EQ(none.code, 1);
  EXPECT_THAT(none.err, HasSubstr("bars: is a directory without PNG or JPEG pictures"));
  write_text(folder / "mixed/broken.png", "Hello");
  EXPECT_THAT(varve({"predict", model, folder / "mixed"}).err,
              HasSubstr("broken.png: is no picture"));
}

TEST(Train, PicturesInFoldersOfTheirClasses) {
  const Folder folder;
  Dice dice;
  for (const char* name : {"across", "down"}) {
    std::filesystem::create_directories(folder / "bars" + std::string("/") + name);
    for (int64_t i = 0; i < 20; ++i) {
      formats::Array picture(u8, Shape{9, 9, 3});
      std::fill(picture.span<uint8_t>().begin(), picture.span<uint8_t>().end(), uint8_t{20});
      const int64_t at = dice(9);
      for (int64_t k = 0; k < 9; ++k) {
        const int64_t pixel = *name == 'a' ? at * 9 + k : k * 9 + at;
        for (int64_t c = 0; c < 3; ++c)
          picture.span<uint8_t>()[static_cast<size_t>(pixel * 3 + c)] = 240;
      }
      formats::write_png(folder / "bars/" + name + "/" + std::to_string(i) + ".png", picture);
    }
  }
  write_text(folder / "bars.toml", R"(
[data]
kind = "image_folder"
path = "bars"
image_size = 9
channels = 1
split = { test = 0.25, stratify = true }
[model]
layers = [
  { type = "conv2d", filters = 4, kernel_size = 3, activation = "relu" },
  { type = "global_max_pool2d" },
  { type = "dense", units = "classes" },
]
[train]
optimizer = { type = "adam", learning_rate = 0.05 }
loss = { type = "cross_entropy", from_logits = true }
metrics = ["accuracy"]
batch_size = 10
epochs = 30
[output]
directory = "out"
)");
  expect_ok(varve({"train", folder / "bars.toml"}));
  const std::string model = folder / "out/model.safetensors";
  EXPECT_THAT(varve({"predict", model, folder / "bars/down/3.png"}).out,
              HasSubstr("3.png: down ("));
  ExpectFoldersArePredicted(folder, model);
  const Ran scores = varve({"evaluate", model, folder / "bars", "--json"});
  expect_ok(scores);
  EXPECT_EQ(nlohmann::json::parse(scores.out)["samples"], 40);
  EXPECT_GT(nlohmann::json::parse(scores.out)["accuracy"], 0.9);
  std::filesystem::rename(folder / "bars/down", folder / "bars/up");
  EXPECT_THAT(varve({"evaluate", model, folder / "bars"}).err,
              HasSubstr("expected folders for the classes across, down, got across, up"));
}

TEST(Train, NumbersAreLearnedToo) {
  const Folder folder;
  write_line(folder, 200);
  expect_ok(varve({"train", folder / "line.toml"}));
  EXPECT_LT(json_of(folder / "out/result.json")["scores"]["test"]["loss"], 0.05);
  write_text(folder / "new.csv", "x\n0\n10\n");
  const Ran said = varve({"predict", folder / "out/model.safetensors", folder / "new.csv"});
  expect_ok(said);
  double at_0 = 0, at_10 = 0;
  ASSERT_EQ(std::sscanf(said.out.c_str(), "row,prediction\n1,%lf\n2,%lf", &at_0, &at_10), 2)
      << said.out;
  EXPECT_NEAR(at_0, 3, 0.5);
  EXPECT_NEAR(at_10, 23, 0.5);
}

TEST(Train, TheSameSeedGivesTheSameFileAndAnotherOneAnother) {
  const Folder folder;
  write_line(folder, 60);
  const auto weights = [&](const char* out, const char* seed) {
    expect_ok(varve({"train", folder / "line.toml", "--epochs", "2", "--out", folder / out,
                     "--seed", seed, "--threads", "1"}));
    return read_text(folder / out + "/model.safetensors");
  };
  const std::string a = weights("a", "3");
  EXPECT_EQ(weights("b", "3"), a);
  EXPECT_NE(weights("c", "4"), a);
}

TEST(Train, CheckReadsEverythingAndWritesNothing) {
  const Folder folder;
  write_line(folder, 60);
  const Ran ran = varve({"train", folder / "line.toml", "--check"});
  expect_ok(ran);
  EXPECT_THAT(ran.out, HasSubstr("dense_1"));
  EXPECT_THAT(ran.out, HasSubstr("The job is in order: 36 examples"));
  // Loss and metrics are tried too.
  const Ran bad =
      varve({"train", folder / "line.toml", "--check", "--set", "train.metrics=[\"f1\"]", "--set",
             "model.layers[0].units=2", "--set", "train.loss=\"huber\""});
  EXPECT_EQ(bad.code, 1);
  EXPECT_THAT(bad.err, HasSubstr("line.toml: --set train.loss: huber: prediction is f32[20, 2]"));
  EXPECT_FALSE(std::filesystem::exists(folder / "out"));
}

TEST(Look, PlotAndProfileSayWhatAModelIs) {
  const Folder folder;
  write_line(folder, 60);
  expect_ok(varve({"train", folder / "line.toml", "--epochs", "1"}));
  const std::string model = folder / "out/model.safetensors";
  expect_ok(varve({"plot", model, "-o", folder / "net.svg"}));
  EXPECT_THAT(read_text(folder / "net.svg"), HasSubstr("dense_1"));
  const Ran forward = varve({"profile", model, "--steps", "2"});
  expect_ok(forward);
  EXPECT_THAT(forward.out, HasSubstr("us/run    share  kernel"));
  EXPECT_THAT(forward.out, HasSubstr("samples a second"));
  const Ran training = varve({"profile", model, "--steps", "2", "--train", "--plan"});
  expect_ok(training);
  EXPECT_THAT(training.out, HasSubstr("ms a step of 32 samples"));
  EXPECT_THAT(training.err, IsEmpty());
}

}  // namespace
}  // namespace varve::app
