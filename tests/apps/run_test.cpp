// Recipes through the program, on data small enough for a test; and threads.
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <sched.h>
#include <sys/sysinfo.h>

#include <nlohmann/json.hpp>

#include "apps/jobs.h"
#include "apps/program.h"

namespace varve::app {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::IsEmpty;
using ::testing::Not;

// Four files by MNIST's names that nobody could learn: noise with random labels.
void write_noise(const Folder& folder) {
  Dice dice;
  const auto part = [&](const std::string& stem, int64_t n) {
    formats::Array images(u8, Shape{n, 28, 28}), labels(u8, Shape{n});
    for (uint8_t& v : images.span<uint8_t>()) v = static_cast<uint8_t>(dice(256));
    for (uint8_t& v : labels.span<uint8_t>()) v = static_cast<uint8_t>(dice(10));
    formats::write_idx(folder / (stem + "-images-idx3-ubyte"), images);
    formats::write_idx(folder / (stem + "-labels-idx1-ubyte"), labels);
  };
  part("train", 100);
  part("t10k", 50);
}

std::vector<std::string> keys(const nlohmann::ordered_json& object) {
  std::vector<std::string> out;
  for (const auto& [key, value] : object.items()) out.push_back(key);
  return out;
}

TEST(Run, XorReachesItsGateAndSaysSo) {
  const Folder folder;
  const Ran ran = varve({"run", "xor", "--seed", "5", "--threads", "1", "--out", folder / "out"});
  ASSERT_EQ(ran.code, 0) << ran.err;
  const auto result = nlohmann::ordered_json::parse(read_text(folder / "out/result.json"));
  EXPECT_THAT(keys(result),
              ElementsAre("name", "target", "metric", "value", "published", "gate", "better",
                          "passed", "seed", "seconds", "samples_per_second", "parameters", "also"));
  EXPECT_EQ(result["name"], "xor");
  EXPECT_EQ(result["target"], "X11");
  EXPECT_GE(result["value"], 0.8);
  EXPECT_EQ(result["gate"], 0.8);
  EXPECT_EQ(result["better"], "higher");
  EXPECT_TRUE(result["published"].is_null());
  EXPECT_EQ(result["passed"], true);
  EXPECT_EQ(result["seed"], 5);
  EXPECT_EQ(result["parameters"], 9);
  EXPECT_TRUE(result["also"].empty());
  // The same seed solves the same networks in the same steps.
  const Ran again = varve({"run", "xor", "--seed", "5", "--threads", "1", "--out", folder / "out"});
  EXPECT_EQ(again.out.substr(0, again.out.find("\n\n")), ran.out.substr(0, ran.out.find("\n\n")));
}

TEST(Run, AMissedGateIsExitCodeOneWithEverythingWritten) {
  const Folder folder;
  write_noise(folder);
  const Ran ran = varve(
      {"run", "mnist_convnet", "--data", folder.path(), "--out", folder / "out", "--seed", "3"});
  EXPECT_EQ(ran.code, 1);
  EXPECT_THAT(ran.err, IsEmpty());
  EXPECT_THAT(ran.out, HasSubstr("gate 99.00 % MISSED"));
  const auto result = nlohmann::ordered_json::parse(read_text(folder / "out/result.json"));
  EXPECT_EQ(result["passed"], false);
  EXPECT_EQ(result["parameters"], 34826);
  EXPECT_EQ(result["published"], 0.9922);
  ASSERT_EQ(result["also"].size(), 1u);
  EXPECT_THAT(keys(result["also"][0]), ElementsAre("metric", "value", "gate", "better", "passed"));
  for (const char* file : {"model.safetensors", "history.csv", "curves.svg", "model.svg",
                           "mistakes.png", "report.html", "confusion.csv"}) {
    EXPECT_FALSE(read_text(folder / "out/" + file).empty()) << file;
  }
  const std::string report = read_text(folder / "out/report.html");
  EXPECT_THAT(report, HasSubstr("The 25 worst mistakes"));
  EXPECT_THAT(report, HasSubstr("Confusion matrix"));
  EXPECT_EQ(report.find("src=\"http"), report.npos);  // it opens offline
  // What it left can be used at once.
  const Ran said =
      varve({"predict", folder / "out/model.safetensors", folder / "out/digits/digit_7.png"});
  EXPECT_EQ(said.code, 0) << said.err;
  EXPECT_THAT(varve({"evaluate", folder / "out/model.safetensors", folder.path()}).out,
              HasSubstr("samples             50"));
}

TEST(Run, InterruptedItLeavesWhatThereIs) {
  const Folder folder;
  write_noise(folder);
  const Ran ran = varve({"run", "mnist_mlp", "--data", folder.path(), "--out", folder / "out"},
                        {.meanwhile = interrupt});
  EXPECT_EQ(ran.code, 130) << ran.err;
  EXPECT_THAT(ran.out, HasSubstr("Stopped: interrupted\n"));
  for (const char* file : {"model.safetensors", "history.csv", "report.html", "result.json"})
    EXPECT_FALSE(read_text(folder / "out/" + file).empty()) << file;
}

TEST(Run, MissingDataAreNamedWithSourceFormatAndChecksum) {
  const Folder folder;
  const Ran ran = varve({"run", "lenet5", "--data", folder.path(), "--out", folder / "out"});
  EXPECT_EQ(ran.code, 1);
  EXPECT_THAT(ran.err, HasSubstr("mnist: train-images-idx3-ubyte: not found in " + folder.path()));
  EXPECT_THAT(ran.err, HasSubstr("https://"));
  EXPECT_THAT(ran.err, HasSubstr("IDX files, gzip"));
  EXPECT_THAT(ran.err, HasSubstr("SHA-256: 0b367032e93c5d0c"));
  EXPECT_FALSE(std::filesystem::exists(folder / "out"));
}

TEST(Run, TheListNamesEveryRecipe) {
  const Ran ran = varve({"run", "--list"});
  EXPECT_EQ(ran.code, 0);
  for (const char* name : {"softmax_regression", "xor", "mnist_mlp", "mnist_convnet",
                           "mnist_convnet_bf16", "lenet5", "lenet5_bf16"})
    EXPECT_THAT(ran.out, HasSubstr(name));
}

nlohmann::json doctor(const std::vector<std::string>& arguments, const RunSettings& settings) {
  std::vector<std::string> all{"doctor", "--json"};
  all.insert(all.end(), arguments.begin(), arguments.end());
  return nlohmann::json::parse(varve(all, settings).out);
}

TEST(Doctor, SaysWhetherTheProcessorsAreBusy) {
  const nlohmann::json report = doctor({}, {});
  const double load = std::stod(report["load"].get<std::string>());
  const double processors = get_nprocs();
  const bool said = report.dump().find("the processors are busy") != std::string::npos;
  if (load > processors + 0.1) {
    EXPECT_TRUE(said) << report.dump(2);
  }
  if (load < processors - 0.1) {
    EXPECT_FALSE(said) << report.dump(2);
  }
}

TEST(Doctor, SaysThatWinogradIsForbidden) {
  const auto set_to = [](const char* value) {
    return RunSettings{.prepare = [value] { setenv("VARVE_WINOGRAD", value, 1); }};
  };
  EXPECT_THAT(varve({"doctor"}, set_to("0")).out, HasSubstr("note: VARVE_WINOGRAD=0"));
  EXPECT_THAT(varve({"doctor"}, set_to("1")).out, Not(HasSubstr("note: VARVE_WINOGRAD")));
  const Ran refused = varve({"doctor"}, set_to("perhaps"));
  EXPECT_NE(refused.code, 0);
  EXPECT_THAT(refused.err, HasSubstr("VARVE_WINOGRAD: expected 0 or 1, got \"perhaps\""));
}

TEST(Threads, AreThoseAskedForOrThoseThatMayBeUsed) {
  const auto unset = [] {
    for (const char* name : {"OMP_NUM_THREADS", "OMP_PROC_BIND", "GOMP_SPINCOUNT"}) unsetenv(name);
  };
  const auto one_processor = [&] {
    unset();
    cpu_set_t set;
    sched_getaffinity(0, sizeof set, &set);
    for (int i = 0, left = 1; i < CPU_SETSIZE; ++i) {
      if (CPU_ISSET(i, &set) && left-- <= 0) CPU_CLR(i, &set);
    }
    sched_setaffinity(0, sizeof set, &set);
  };
  EXPECT_EQ(doctor({"--threads", "1"}, {.prepare = unset})["threads"], "1");
  EXPECT_EQ(doctor({"--threads", "3"}, {.prepare = unset})["threads"], "3");
  EXPECT_EQ(doctor({}, {.prepare = one_processor})["threads"], "1");
  EXPECT_EQ(doctor({}, {.prepare = one_processor})["OMP_PROC_BIND"], "true");
  EXPECT_EQ(doctor({}, {.prepare = one_processor})["processors"], "1 usable");
  // What the user has set stays, but for what stands on the command line.
  const auto own = [&] {
    unset();
    setenv("OMP_NUM_THREADS", "3", 1);
    setenv("OMP_PROC_BIND", "close", 1);
    setenv("GOMP_SPINCOUNT", "7", 1);
  };
  const nlohmann::json mine = doctor({}, {.prepare = own});
  EXPECT_EQ(mine["threads"], "3");
  EXPECT_EQ(mine["OMP_PROC_BIND"], "close");
  EXPECT_EQ(mine["GOMP_SPINCOUNT"], "7");
  EXPECT_EQ(doctor({"--threads", "2"}, {.prepare = own})["threads"], "2");
}

}  // namespace
}  // namespace varve::app
