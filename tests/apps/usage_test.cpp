// What the program answers to command lines, good and bad.
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <sys/resource.h>

#include <algorithm>

#include "apps/program.h"

namespace varve::app {
namespace {

using ::testing::HasSubstr;
using ::testing::IsEmpty;
using ::testing::StartsWith;

struct Bad {
  const char* id;
  std::vector<std::string> arguments;
  int code;
  std::vector<std::string> says;
};

class BadUsage : public ::testing::TestWithParam<Bad> {};

TEST_P(BadUsage, IsOneErrorAndPerhapsAHint) {
  const Bad& bad = GetParam();
  const Ran ran = varve(bad.arguments);
  EXPECT_EQ(ran.code, bad.code) << ran.err;
  EXPECT_THAT(ran.err, StartsWith("error: "));
  EXPECT_THAT(ran.out, IsEmpty());
  EXPECT_LE(std::count(ran.err.begin(), ran.err.end(), '\n'), 2) << ran.err;
  EXPECT_EQ(std::count_if(ran.err.begin(), ran.err.end(),
                          [](char c) { return static_cast<unsigned char>(c) < 0x20 && c != '\n'; }),
            0)
      << ran.err;
  EXPECT_LT(ran.err.size(), 3000u);
  for (const std::string& text : bad.says) EXPECT_THAT(ran.err, HasSubstr(text));
}

INSTANTIATE_TEST_SUITE_P(
    CommandLines, BadUsage,
    ::testing::Values(
        Bad{"B084", {}, 2, {"no command given", "usage: varve COMMAND"}},
        Bad{"B084",
            {"rnu"},
            2,
            {"unknown command \"rnu\"", "did you mean \"run\"?", "usage: varve"}},
        Bad{"B084", {"xyzzy"}, 2, {"unknown command \"xyzzy\"", "varve help"}},
        Bad{"B084", {"help", "doctr"}, 2, {"did you mean \"doctor\"?"}},
        Bad{"B084", {"help", "doctor", "run"}, 2, {"unexpected argument \"run\""}},
        Bad{"B085", {"doctor", "--jsn"}, 2, {"unknown option \"--jsn\"", "did you mean --json?"}},
        Bad{"B085",
            {"doctor", "--qwertz=7"},
            2,
            {"unknown option \"--qwertz\"", "varve help doctor"}},
        Bad{"B085", {"doctor", "--threads"}, 2, {"--threads: expected a value, got none"}},
        Bad{"B085",
            {"doctor", "--threads", "1", "--threads", "2"},
            2,
            {"--threads: given twice, \"1\" and \"2\""}},
        Bad{"B085",
            {"doctor", "extra"},
            2,
            {"unexpected argument \"extra\"", "usage: varve doctor"}},
        Bad{"B086",
            {"doctor", "--threads", "abc"},
            2,
            {"--threads: expected integer 1..1024, got \"abc\""}},
        Bad{"B086",
            {"doctor", "--threads", "-5"},
            2,
            {"--threads: expected integer 1..1024, got \"-5\""}},
        Bad{"B086",
            {"doctor", "--threads", "99999999999999999999"},
            2,
            {"expected integer 1..1024, got \"99999999999999999999\""}},
        Bad{"B086", {"doctor", "--threads", "1e3"}, 2, {"got \"1e3\""}},
        Bad{"B086", {"doctor", "--threads", "0x10"}, 2, {"got \"0x10\""}},
        Bad{"B086", {"doctor", "--threads", " 2"}, 2, {"got \" 2\""}},
        Bad{"B086", {"doctor", "--threads", "2.0"}, 2, {"got \"2.0\""}},
        Bad{"B092",
            {"doctor", "--threads", ""},
            2,
            {"--threads: expected integer 1..1024, got \"\""}},
        Bad{"B092", {""}, 2, {"unknown command \"\""}},
        Bad{"B092", {"\xff\xfe\x1b[31m"}, 2, {"unknown command"}},
        Bad{"B092", {"doctor", "--", "--json"}, 2, {"unexpected argument"}},
        Bad{"B092", {std::string(100000, 'x')}, 2, {"unknown command \"xxx"}},
        Bad{"B092", {"doctor", "--" + std::string(100000, 'y')}, 2, {"unknown option \"--yyy"}},
        Bad{"B094",
            {"doctor", "--threads", "0"},
            2,
            {"--threads: expected integer 1..1024, got \"0\""}},
        Bad{"B094",
            {"doctor", "--threads", "100000"},
            2,
            {"expected integer 1..1024, got \"100000\""}}),
    [](const auto& info) { return std::string(info.param.id) + "_" + std::to_string(info.index); });

TEST(Usage, TheSameValueTwiceIsNoContradiction) {
  EXPECT_EQ(varve({"doctor", "--threads", "1", "--threads", "1"}).code, 0);
}

TEST(Usage, HelpTeachesEveryCommand) {
  const Ran overview = varve({"help"});
  EXPECT_EQ(overview.code, 0);
  EXPECT_EQ(varve({"--help"}).out, overview.out);
  std::istringstream lines(overview.out);
  std::string line;
  std::vector<std::string> commands;
  while (std::getline(lines, line) && line != "First steps:") {
    if (!line.starts_with("  ") || line.starts_with("  help")) continue;
    // Names of one word or two, then blanks.
    const std::string name = line.substr(2, line.find("  ", 2) - 2);
    const size_t space = name.find(' ');
    std::vector<std::string> words = {name.substr(0, space)};
    if (space != name.npos) words.push_back(name.substr(space + 1));
    std::vector<std::string> asked = {"help"}, flagged = words;
    asked.insert(asked.end(), words.begin(), words.end());
    flagged.push_back("--help");
    const Ran help = varve(asked);
    EXPECT_EQ(help.code, 0) << name;
    EXPECT_THAT(help.out, HasSubstr("usage: varve " + name)) << name;
    EXPECT_THAT(help.out, HasSubstr("Example")) << name;
    EXPECT_EQ(varve(flagged).out, help.out) << name;
    commands.push_back(name);
  }
  EXPECT_THAT(commands, ::testing::UnorderedElementsAre(
                            "run", "train", "evaluate", "predict", "summary", "plot", "profile",
                            "onnx test", "onnx run", "onnx import", "onnx export", "doctor"));
}

TEST(Usage, HelpOnCommandsOfOneBeginningListsThem) {
  const Ran help = varve({"help", "onnx"});
  EXPECT_EQ(help.code, 0) << help.err;
  for (const char* name : {"onnx test", "onnx run", "onnx import", "onnx export"})
    EXPECT_THAT(help.out, HasSubstr(name));
  EXPECT_EQ(varve({"onnx", "--help"}).out, help.out);
  EXPECT_EQ(varve({"help", "help"}).out, varve({"help"}).out);
}

TEST(Usage, TheFirstWordOfACommandAloneIsAQuestion) {
  const Ran ran = varve({"onnx"});
  EXPECT_EQ(ran.code, 2);
  EXPECT_THAT(ran.err, HasSubstr("unknown command \"onnx\""));
  EXPECT_THAT(ran.err, HasSubstr("onnx test, onnx run, onnx import"));
}

TEST(Usage, TheVersionIsALine) {
  const Ran ran = varve({"--version"});
  EXPECT_EQ(ran.code, 0);
  EXPECT_THAT(ran.out, StartsWith("varve "));
}

TEST(Doctor, NamesLibrariesAndThreads) {
  const Ran ran = varve({"doctor", "--threads", "1"});
  EXPECT_EQ(ran.code, 0) << ran.err;
  for (const char* text : {"oneDNN", "OpenBLAS", "OpenMP", "processor", "threads            1\n"}) {
    EXPECT_THAT(ran.out, HasSubstr(text));
  }
}

TEST(Doctor, NamesAFolderOfDataThatIsNotThere) {
  const Ran ran = varve({"doctor"}, {.environment = {{"VARVE_DATA", "/nonexist"}}});
  EXPECT_THAT(ran.out, HasSubstr("note: VARVE_DATA=/nonexist: there is no such folder"));
}

TEST(Environment, NeitherHomeNorLanguageNorStreamsAreNeeded) {  // B095
  const auto drop = [] {
    unsetenv("HOME");
    setenv("LANG", "xx", 1);
    setenv("LC_ALL", "xx", 1);
  };
  EXPECT_EQ(varve({"doctor"}, {.prepare = drop}).code, 0);
  const auto close_all = [] {
    for (int fd : {0, 1, 2}) close(fd);
  };
  EXPECT_EQ(varve({"doctor"}, {.prepare = close_all}).code, 0);
  const auto few_files = [] {
    const rlimit limit{8, 8};
    setrlimit(RLIMIT_NOFILE, &limit);
  };
  EXPECT_EQ(varve({"doctor"}, {.prepare = few_files}).code, 0);
}

TEST(Environment, AReaderThatGoesAwayIsNoError) {  // B091
  const Ran ran = varve({"help"}, {.prepare = close_reader});
  EXPECT_EQ(ran.code, 0);
  EXPECT_THAT(ran.err, IsEmpty());
}

TEST(Environment, AFullDiskBehindStandardOutputIsAnError) {
  const auto full = [] { dup2(open("/dev/full", O_WRONLY), STDOUT_FILENO); };
  const Ran ran = varve({"help"}, {.prepare = full});
  EXPECT_EQ(ran.code, 1);
  EXPECT_EQ(ran.err, "error: standard output: No space left on device\n");
}

}  // namespace
}  // namespace varve::app
