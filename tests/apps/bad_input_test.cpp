// Bad input through the program: one line that names file, field, expected and got; exit code 1, or
// 2 for usage; and nothing that was there before is lost.
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <sys/resource.h>

#include <algorithm>
#include <limits>
#include <map>

#include "apps/jobs.h"
#include "apps/program.h"
#include "formats/npy.h"
#include "varve/model.h"
#include "varve/nn/layers.h"

namespace varve::app {
namespace {

using ::testing::HasSubstr;
using ::testing::IsEmpty;
using ::testing::StartsWith;

// Every file below a folder with its bytes.
std::map<std::string, std::string> contents(const std::string& folder) {
  std::map<std::string, std::string> out;
  for (const auto& entry : std::filesystem::recursive_directory_iterator(folder)) {
    if (entry.is_regular_file()) out[entry.path()] = read_text(entry.path());
  }
  return out;
}

// One error line and perhaps a hint; no control characters, no stack trace.
void expect_error(const Ran& ran, int code) {
  EXPECT_EQ(ran.code, code) << ran.err << ran.out;
  const size_t at = ran.err.find("error: ");
  ASSERT_NE(at, ran.err.npos) << ran.err;
  const std::string told = ran.err.substr(at);
  EXPECT_LE(std::count(told.begin(), told.end(), '\n'), 2) << told;
  EXPECT_TRUE(std::none_of(told.begin(), told.end(), [](char c) {
    return static_cast<unsigned char>(c) < 0x20 && c != '\n';
  })) << told;
  EXPECT_LT(told.size(), 3000u);
}

// A folder with trained models of both kinds, made once: tests copy what they change.
class Trained : public ::testing::Test {
 protected:
  static void SetUpTestSuite() {
    base_ = new Folder();
    copy_job("idx", *base_ / "idx.toml");
    write_pictures(*base_, 60, 12);
    write_line(*base_, 60);
    ASSERT_EQ(varve({"train", *base_ / "idx.toml", "--epochs", "1"}).code, 0);
    ASSERT_EQ(varve({"train", *base_ / "line.toml", "--epochs", "1"}).code, 0);
  }
  static void TearDownTestSuite() {
    delete base_;
    base_ = nullptr;
  }
  static std::string in(const std::string& name) { return *base_ / name; }
  static std::string pictures() { return in("runs/digits/model.safetensors"); }
  static std::string line() { return in("out/model.safetensors"); }
  static std::string png() { return in("runs/digits/samples/sample_0.png"); }

  // Runs the program and checks that no file was changed or added.
  static Ran refused(const std::vector<std::string>& arguments, int code) {
    const auto before = contents(base_->path());
    const Ran ran = varve(arguments);
    expect_error(ran, code);
    EXPECT_EQ(contents(base_->path()), before);
    return ran;
  }

  static Folder* base_;
};
Folder* Trained::base_ = nullptr;

TEST_F(Trained, JobFilesThatCannotBeMeantSo) {  // B079 to B081, B128
  struct Row {
    const char *set, *says;
  };
  for (const auto& [set, says] :
       {Row{"train.epochs=0", "--set train.epochs: expected integer >= 1, got 0"},
        Row{"train.batch_size=\"8\"", "--set train.batch_size: expected integer >= 1, got \"8\""},
        Row{"train.optimizer.learning_rate=-1",
            "--set train.optimizer.learning_rate: expected a number >= 0, got -1"},
        Row{"train.lerning_rate=1", "--set train.lerning_rate: unknown key"},
        Row{"format_version=9", "format_version: this Varve reads up to 1, got 9"},
        Row{"train.loss=\"msee\"", "--set train.loss: unknown type \"msee\""},
        Row{"data.target=\"z\"", "column \"z\" not found in"},
        Row{"model.layers[0].units=\"classes\"",
            "train.loss is one for numbers, which have no classes"},
        Row{"model.layers[0].type=\"dens\"", "unknown layer type \"dens\""}}) {
    const Ran ran = refused({"train", in("line.toml"), "--set", set}, 1);
    EXPECT_THAT(ran.err, HasSubstr("line.toml"));
    EXPECT_THAT(ran.err, HasSubstr(says));
  }
  const Folder other;
  write_text(other / "job.toml", "[data]\nkind = \n");
  EXPECT_EQ(varve({"train", other / "job.toml"}).err,
            "error: " + (other / "job.toml") + ":2:8: expected value, got '\\n'\n");
  write_text(other / "job.toml", "x = " + std::string(10000, '['));
  EXPECT_THAT(varve({"train", other / "job.toml"}).err, HasSubstr("nesting deeper than 64"));
  write_text(other / "job.toml", std::string(size_t{2} << 20, '#'));  // B082
  EXPECT_THAT(varve({"train", other / "job.toml"}).err,
              HasSubstr("file too long: expected at most 1048576 bytes, got 2097152"));
}

TEST_F(Trained, UsageThatCannotBeMeantSo) {  // B084 to B086, B092 to B094
  struct Row {
    std::vector<std::string> arguments;
    std::string says;
  };
  const std::string job = in("line.toml");
  for (const Row& row : std::vector<Row>{
           {{"trian", job}, "unknown command \"trian\""},
           {{"trian", job}, "did you mean \"train\"?"},
           {{"train"}, "JOB: missing"},
           {{"train", ""}, "JOB: expected a value, got an empty text"},
           {{"train", job, "more"}, "unexpected argument \"more\""},
           {{"train", job, "--epcohs", "3"}, "did you mean --epochs?"},
           {{"train", job, "--epochs"}, "--epochs: expected a value, got none"},
           {{"train", job, "--epochs", "3", "--epochs", "4"}, "given twice, \"3\" and \"4\""},
           {{"train", job, "--epochs", "abc"}, "--epochs: expected integer 1..2147483647, got"},
           {{"train", job, "--epochs", "-5"}, "got \"-5\""},
           {{"train", job, "--epochs", "99999999999999999999"}, "got \"99999999999999999999\""},
           {{"train", job, "--epochs", "1e3"}, "got \"1e3\""},
           {{"train", job, "--epochs", "0x10"}, "got \"0x10\""},
           {{"train", job, "--lr", "nan"}, "expected number > 0, got \"nan\""},
           {{"train", job, "--lr", "0"}, "expected number > 0, got \"0\""},
           {{"train", job, "--set", "epochs"}, "--set: expected KEY=VALUE, got \"epochs\""},
           {{"train", job, "--resume", "a", "--init-from", "b"},
            "--resume and --init-from exclude each other"},
           {{"train", job, "--threads", "0"}, "--threads: expected integer 1..1024, got \"0\""},
           {{"train", job, "--threads", "100000"}, "got \"100000\""},
           {{"run"}, "NAME: missing"},
           {{"run", "mnist_convnt"}, "did you mean \"mnist_convnet\"?"},
           {{"run", "xor", "--seed", "-1"}, "--seed: expected integer"},
           {{"predict", line()}, "FILE: missing"},
           {{"predict", line(), in("line.csv"), "--invert"}, "--invert: is for pictures"},
           {{"predict", pictures(), png(), in("line.csv")}, "cannot be given together"},
           {{"predict", pictures(), png(), "--keep", "x"}, "--keep: is for tables"},
           {{"predict", line(), in("line.csv"), "--keep", "x", "-o", "x.npy"},
            "--keep: is for .csv"},
           {{"predict", pictures(), png(), "-o", "x.txt"}, "ends in .csv or .npy, got \"x.txt\""},
           {{"plot", line(), "-o", "x.png"}, "ends in .svg, got \"x.png\""},
           {{"evaluate", line()}, "DATA: missing"},
           {{"profile", line(), "--batch", "0"}, "--batch: expected integer"}}) {
    EXPECT_THAT(refused(row.arguments, 2).err, HasSubstr(row.says));
  }
  // After "--" nothing is an option, so a file may be called like one.
  EXPECT_THAT(refused({"train", "--", "--check"}, 1).err, HasSubstr("--check: cannot open"));
  EXPECT_THAT(refused({"train", std::string(100000, 'x')}, 1).err, HasSubstr("File name too long"));
  EXPECT_THAT(refused({"train", "\xff\x1b[31m.toml"}, 1).err, HasSubstr("\\x1b[31m.toml"));
}

TEST_F(Trained, InputsThatAreMissingFoldersOrForbidden) {  // B088
  const Folder other;
  write_text(other / "secret", "x");
  std::filesystem::permissions(other / "secret", std::filesystem::perms::none);
  const auto each = [&](const std::string& bad, const std::string& says) {
    for (const std::vector<std::string>& arguments : std::vector<std::vector<std::string>>{
             {"train", bad},
             {"summary", bad},
             {"predict", bad, png()},
             {"predict", line(), bad},
             {"evaluate", bad, in("line.csv")},
             {"train", in("line.toml"), "--init-from", bad, "--out", other / "o"}}) {
      const Ran ran = varve(arguments);
      expect_error(ran, 1);
      EXPECT_THAT(ran.err, HasSubstr(bad));
      EXPECT_THAT(ran.err, HasSubstr(says)) << arguments[0];
    }
  };
  each(other / "nothing", "No such file or directory");
  each(other.path(), "is a directory");
  if (geteuid() != 0) each(other / "secret", "Permission denied");
}

TEST_F(Trained, FilesThatAreNotWhatTheModelTakes) {
  const Folder other;
  formats::Array wrong(f32, Shape{2, 5});
  std::fill(wrong.span<float>().begin(), wrong.span<float>().end(), 1.f);
  formats::write_npy(other / "wrong.npy", wrong);
  write_text(other / "hello.png", "Hello");
  std::string cut = read_text(png());
  write_text(other / "cut.png", cut.substr(0, cut.size() - 30));
  write_text(other / "no_x.csv", "z\n1\n");
  write_text(other / "text.csv", "x\n1\nabc\n");
  write_text(other / "no_target.csv", "x\n1\n");
  struct Row {
    std::vector<std::string> arguments;
    std::string says;
  };
  for (const Row& row : std::vector<Row>{
           {{"predict", line(), png()}, "a picture, and"},
           {{"predict", pictures(), in("line.csv")}, "takes pictures"},
           {{"predict", pictures(), other / "hello.png"}, "taken for a table"},
           {{"predict", pictures(), other / "cut.png"}, "cut.png"},
           {{"predict", pictures(), other / "wrong.npy"}, "expected samples [12, 12, 1], got [5]"},
           {{"predict", line(), other / "no_x.csv"}, "column \"x\" not found; columns: z"},
           {{"predict", line(), other / "text.csv"},
            "line 3 column \"x\": expected number, got \"abc\""},
           {{"evaluate", line(), other / "no_target.csv"}, "column \"y\" not found"},
           {{"evaluate", pictures(), png()}, "there are no targets to evaluate with"},
           {{"predict", in("line.csv"), in("line.csv")},
            "line.csv: not a safetensors file (it begins like text)"},
           {{"summary", png()}, ".png: not a safetensors file (it begins like a PNG image)"},
           {{"train", png()}, ".png: not a job file (it begins like a PNG image)"},
           {{"train", in("line.toml"), "--check", "--set", "data.path=" + png()},
            ".png: not a table (it begins like a PNG image)"},
           {{"onnx", "run", line()}, ".safetensors: not an ONNX model (it begins like a safet"},
           {{"onnx", "import", in("line.toml"), "-o", other / "m.safetensors"},
            "line.toml: not an ONNX model (it begins like TOML)"},
           {{"predict", pictures(), in("line.toml")}, "it is TOML, and"}}) {
    const Ran ran = refused(row.arguments, 1);
    EXPECT_THAT(ran.err, HasSubstr(row.says));
  }
}

TEST_F(Trained, ModelsOfSeveralInputsAreNamed) {
  const Folder other;
  const Tensor a = nn::Input{.shape = {3}, .name = "left"},
               b = nn::Input{.shape = {3}, .name = "right"};
  Model({a, b}, nn::Add{}({a, b})).save(other / "two.safetensors");
  const Ran ran = refused({"predict", other / "two.safetensors", in("line.csv")}, 1);
  EXPECT_THAT(ran.err, HasSubstr("two.safetensors: takes 2 inputs: left, right"));
  EXPECT_EQ(varve({"profile", other / "two.safetensors", "--steps", "1"}).code, 0);
}

TEST_F(Trained, OutputsThatExistOrAreInputs) {  // B089, B090
  const Folder other;
  write_text(other / "net.svg", "mine");
  EXPECT_THAT(refused({"plot", line(), "-o", other / "net.svg"}, 1).err,
              HasSubstr("net.svg: exists"));
  EXPECT_EQ(read_text(other / "net.svg"), "mine");
  EXPECT_EQ(varve({"plot", line(), "-o", other / "net.svg", "--force"}).code, 0);
  EXPECT_THAT(read_text(other / "net.svg"), StartsWith("<svg"));

  // A folder that holds somebody else's results.
  write_text(other / "model.safetensors", "mine");
  const Ran taken = refused({"train", in("line.toml"), "--out", other.path()}, 1);
  EXPECT_THAT(taken.err, HasSubstr("model.safetensors: exists, and is not of an earlier run of job "
                                   "line"));
  EXPECT_EQ(read_text(other / "model.safetensors"), "mine");
  // A run of the same job replaces its own.
  EXPECT_EQ(varve({"train", in("line.toml"), "--epochs", "1", "--out", other / "own"}).code, 0);
  EXPECT_EQ(varve({"train", in("line.toml"), "--epochs", "1", "--out", other / "own"}).code, 0);

  // A model that is read cannot be the one that is written.
  const Ran own = varve({"train", in("line.toml"), "--epochs", "1", "--out", other / "own",
                         "--init-from", other / "own/model.safetensors"});
  expect_error(own, 1);
  EXPECT_THAT(own.err, HasSubstr("own/model.safetensors: is the input"));

  // Folders that are not there.
  const std::string nowhere = other / "no/such/folder/";
  EXPECT_THAT(refused({"plot", line(), "-o", nowhere + "x.svg"}, 1).err,
              HasSubstr("save to " + nowhere + "x.svg: No such file or directory"));
  EXPECT_THAT(refused({"predict", line(), in("line.csv"), "-o", nowhere + "x.csv"}, 1).err,
              HasSubstr("x.csv: No such file or directory"));
  std::filesystem::create_directory(other / "x.svg");
  EXPECT_THAT(refused({"plot", line(), "-o", other / "x.svg", "--force"}, 1).err,
              HasSubstr("x.svg: is a directory"));

  // The input under another name.
  write_text(other / "in.csv", "x\n1\n");
  std::filesystem::create_symlink(other / "in.csv", other / "link.csv");
  const Ran same =
      varve({"predict", line(), other / "in.csv", "-o", other / "link.csv", "--force"});
  expect_error(same, 1);
  EXPECT_THAT(same.err, HasSubstr("link.csv: is the input"));
  EXPECT_EQ(read_text(other / "in.csv"), "x\n1\n");
}

TEST_F(Trained, AReaderThatGoesAwayEndsTheProgramQuietly) {  // B091
  const Folder other;
  for (const std::vector<std::string>& arguments :
       std::vector<std::vector<std::string>>{{"summary", pictures()},
                                             {"predict", line(), in("line.csv")},
                                             {"train", in("line.toml"), "--out", other / "o"}}) {
    const Ran ran = varve(arguments, {.prepare = close_reader});
    EXPECT_EQ(ran.code, 0) << ran.err;
    EXPECT_THAT(ran.err, IsEmpty());
  }
  // What a command was called for is done, whether or not anybody listens.
  EXPECT_TRUE(std::filesystem::exists(other / "o/model.safetensors"));
  EXPECT_TRUE(std::filesystem::exists(other / "o/result.json"));
}

TEST_F(Trained, NeitherHomeNorLanguageNorStreamsAreNeededToPredict) {  // B095
  const auto bare = [] {
    unsetenv("HOME");
    setenv("LC_ALL", "xx", 1);
    close(STDIN_FILENO);
  };
  EXPECT_EQ(varve({"predict", pictures(), png()}, {.prepare = bare}).code, 0);
  const auto few_files = [] {
    const rlimit limit{8, 8};
    setrlimit(RLIMIT_NOFILE, &limit);
  };
  EXPECT_EQ(varve({"predict", pictures(), png()}, {.prepare = few_files}).code, 0);
  const auto streamless = [] {
    for (int fd : {0, 1, 2}) close(fd);
  };
  const Folder other;
  EXPECT_EQ(
      varve({"predict", pictures(), png(), "-o", other / "a.npy"}, {.prepare = streamless}).code,
      0);
  EXPECT_EQ(formats::read_npy(other / "a.npy").shape, (Shape{1, 3}));
}

// The damaged copy of a model, and what is said of it.
std::string said_of(const Folder& folder, const std::string& bytes) {
  write_text(folder / "bad.safetensors", bytes);
  const Ran ran = varve({"summary", folder / "bad.safetensors"});
  expect_error(ran, 1);
  EXPECT_THAT(ran.err, HasSubstr("bad.safetensors: "));
  return ran.err;
}

TEST_F(Trained, ModelsThatAreDamagedOrOfANewerVarve) {  // B126, B128
  const Folder other;
  const std::string whole = read_text(pictures());
  EXPECT_THAT(said_of(other, whole.substr(0, whole.size() / 2)), HasSubstr("truncated"));
  std::string flipped = whole;
  flipped[flipped.size() - 10] ^= 1;
  EXPECT_THAT(said_of(other, flipped), HasSubstr("checksum"));
  std::string zeros = whole;
  std::fill(zeros.end() - 1000, zeros.end(), '\0');
  EXPECT_THAT(said_of(other, zeros), HasSubstr("checksum"));
  std::string newer = whole;
  const std::string version = "\"varve.format_version\":\"1\"";
  ASSERT_NE(newer.find(version), newer.npos);
  newer[newer.find(version) + version.size() - 2] = '9';
  EXPECT_THAT(said_of(other, newer), HasSubstr("format version: this Varve reads up to 1"));
  EXPECT_THAT(said_of(other, ""), HasSubstr("too short"));
}

TEST_F(Trained, WeightsThatAreNoNumbersAreToldAndRefusedWhereAsked) {  // B026
  const Folder other;
  Model model = Model::load(line());
  model.variable("dense_1.bias").assign(tensor({std::numeric_limits<float>::quiet_NaN()}));
  model.save(other / "nan.safetensors");
  const Ran ran = varve({"predict", other / "nan.safetensors", in("line.csv")});
  EXPECT_EQ(ran.code, 0);
  EXPECT_THAT(ran.err, HasSubstr("warning: "));
  const Ran strict =
      varve({"predict", other / "nan.safetensors", in("line.csv"), "--require-finite"});
  expect_error(strict, 1);
  EXPECT_THAT(strict.err, HasSubstr("tensor \"dense_1.bias\": nan at [0]"));
}

TEST_F(Trained, CheckpointsThatAreDamagedOrOfSomethingElse) {  // B126, B128
  const Folder other;
  write_line(other, 60);
  const auto train = [&](std::vector<std::string> more) {
    more.insert(more.begin(),
                {"train", other / "line.toml", "--set", "train.callbacks=[\"checkpoint\"]"});
    return varve(more);
  };
  ASSERT_EQ(train({"--epochs", "3"}).code, 0);
  const std::string checkpoint = other / "out/checkpoint.safetensors";
  const std::string model = read_text(other / "out/model.safetensors");

  const Ran foreign = train({"--resume", checkpoint, "--set",
                             "model.layers=[{type=\"dense\", "
                             "units=2},{type=\"dense\", units=1}]"});
  expect_error(foreign, 1);
  EXPECT_THAT(foreign.err, HasSubstr("checkpoint.safetensors"));
  write_line(other, 61);
  const Ran data = train({"--resume", checkpoint});
  expect_error(data, 1);
  EXPECT_THAT(data.err, HasSubstr("data"));
  write_line(other, 60);

  std::string bytes = read_text(checkpoint);
  bytes[bytes.size() - 3] ^= 4;
  write_text(checkpoint, bytes);
  const Ran damaged = train({"--epochs", "4", "--resume", checkpoint});
  expect_error(damaged, 1);
  EXPECT_THAT(damaged.err, HasSubstr("checksum"));
  EXPECT_EQ(read_text(other / "out/model.safetensors"), model);
  const Ran older = train({"--epochs", "4", "--resume", checkpoint, "--allow-older"});
  EXPECT_EQ(older.code, 0) << older.err;
  EXPECT_THAT(older.err, HasSubstr("warning: "));
}

TEST_F(Trained, ATrainingThatDivergesKeepsTheModelThatWasThereButNoResult) {  // B116, B117
  const Folder copy;
  std::filesystem::copy(in("out"), copy / "out", std::filesystem::copy_options::recursive);
  auto before = contents(copy / "out");
  const Ran ran = varve({"train", in("line.toml"), "--lr", "1e30", "--out", copy / "out"});
  expect_error(ran, 1);
  EXPECT_THAT(ran.err, HasSubstr("line.toml: training stopped: epoch 1, step "));
  EXPECT_THAT(ran.err, HasSubstr("not finite"));
  EXPECT_THAT(ran.err, HasSubstr("lower the learning rate"));
  // An earlier result would pass for that of this run.
  for (const char* file : {"out/result.json", "out/report.html"})
    EXPECT_EQ(before.erase(copy / file), 1u) << file;
  EXPECT_TRUE(contents(copy / "out") == before);

  // NaN among the data is found before.
  const Folder other;
  write_line(other, 60);
  formats::Array x(f32, Shape{8, 2}), y(f32, Shape{8});
  std::fill(x.span<float>().begin(), x.span<float>().end(), 1.f);
  std::fill(y.span<float>().begin(), y.span<float>().end(), 1.f);
  x.span<float>()[5] = std::numeric_limits<float>::quiet_NaN();
  formats::write_npz(other / "d.npz", {{"x_train", x}, {"y_train", y}});
  const Ran nan =
      varve({"train", other / "line.toml", "--set", "data={kind=\"npz\", path=\"d.npz\"}"});
  expect_error(nan, 1);
  EXPECT_THAT(nan.err, HasSubstr("sample 2 feature 1 is nan"));  // B115
}

TEST_F(Trained, SamplesWithoutAnyNumbersAreRefused) {  // B123
  const Folder other;
  formats::write_npy(other / "none.npy", formats::Array(u8, Shape{0, 12, 12}));
  EXPECT_THAT(refused({"predict", pictures(), other / "none.npy"}, 1).err,
              HasSubstr("no samples in [0, 12, 12]"));
}

TEST_F(Trained, MoreMemoryThanThereIsIsAnErrorOfTheLayer) {  // B103
  const Folder other;
  const Ran ran = varve({"train", in("line.toml"), "--out", other / "o", "--set",
                         "model.layers=[{type=\"dense\", units=100000000000000}, "
                         "{type=\"dense\", units=1}]"},
                        {.environment = {{"ASAN_OPTIONS", "allocator_may_return_null=1"}}});
  expect_error(ran, 1);
  EXPECT_THAT(ran.err, HasSubstr("line.toml:8:2: model: out of memory: a tensor needs "));
  EXPECT_FALSE(std::filesystem::exists(other / "o"));
}

}  // namespace
}  // namespace varve::app
