// The programs in examples/ do what the documents say of them.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <filesystem>
#include <limits>

#include "apps/program.h"

namespace varve {
namespace {

namespace fs = std::filesystem;
using ::testing::HasSubstr;

/// What a program printed and the files it left, run in a folder of its own.
struct Ran {
  std::string out, err;
  std::vector<std::string> files;
};

Ran run(const std::string& name) {
  const test::Folder folder;
  const std::string command =
      "cd '" + folder.path() + "' && '" VARVE_EXAMPLES "/" + name + "' >out.txt 2>err.txt";
  const int status = std::system(command.c_str());
  Ran ran{test::read_text(folder / "out.txt"), test::read_text(folder / "err.txt"), {}};
  for (const auto& entry : fs::directory_iterator(folder.path()))
    ran.files.push_back(entry.path().filename());
  EXPECT_EQ(status, 0) << ran.out << ran.err;
  return ran;
}

void expect_says(const std::string& text, const std::vector<std::string>& parts) {
  for (const std::string& part : parts) EXPECT_THAT(text, HasSubstr(part));
}

/// The number behind a text, where it occurs for the last time.
double number_after(const std::string& text, const std::string& before) {
  const size_t at = text.rfind(before);
  if (at == text.npos) {
    ADD_FAILURE() << "\"" << before << "\" is not in:\n" << text;
    return std::numeric_limits<double>::quiet_NaN();
  }
  return std::strtod(text.c_str() + at + before.size(), nullptr);
}

TEST(Examples, TheFirstProgramReadsDigits) {
  const Ran ran = run("first");
  EXPECT_THAT(ran.out, HasSubstr("parameters    27,210, all of them trained"));
  EXPECT_GT(number_after(ran.out, "val_accuracy "), 0.96);
  EXPECT_GT(number_after(ran.out, "accuracy "), 0.96);
  EXPECT_THAT(ran.out, HasSubstr("the first test picture is a 7"));
  EXPECT_THAT(ran.files, testing::Contains("digits.safetensors"));
}

TEST(Examples, LayersShareWeightsAndAreFoundByName) {
  const Ran ran = run("layers");
  expect_says(ran.out,
              {"scores.kernel    [64, 10]", "4 of 6 variables are trained", "the same weights: yes",
               "zeros: 0 without training, about half with it: yes"});
}

TEST(Examples, TwoInputsWithASkipConnectionLearnWhatNeedsBoth) {
  const Ran ran = run("functional");
  EXPECT_THAT(ran.out, HasSubstr("concatenate"));
  EXPECT_GT(number_after(ran.out, "validation accuracy: "), 0.95);
}

TEST(Examples, ALayerOfYourOwnIsSavedAndLoaded) {
  const Ran ran = run("custom_layer");
  expect_says(ran.out, {"residual_1.up.kernel         [32, 128]", "Residual(units=128)",
                        "the loaded model gives the same bits: yes",
                        "residual: units: expected integer >= 1, got 0"});
}

TEST(Examples, ALossAMetricAndAnOptimizerOfYourOwnTrain) {
  const Ran ran = run("custom_loss");
  EXPECT_GT(number_after(ran.out, "accuracy "), 0.97);
  EXPECT_LT(number_after(ran.out, "distance "), 0.2);
  EXPECT_GT(number_after(ran.out, "matthews "), 0.9);
}

TEST(Examples, ACallbackOfYourOwnStopsTraining) {
  const Ran ran = run("callback");
  EXPECT_THAT(ran.out, HasSubstr(": target reached"));
  EXPECT_THAT(ran.files, testing::IsSupersetOf({"training.csv", "best.safetensors"}));
}

TEST(Examples, ATrainingLoopOfYourOwnIsCompiledOnce) {
  const Ran ran = run("training_loop");
  EXPECT_THAT(ran.out, HasSubstr("traced 1 time(s), 300 updates"));
  EXPECT_GT(number_after(ran.out, "test accuracy: "), 0.9);
}

TEST(Examples, DerivativesAreThoseOfTheFormulas) {
  const Ran ran = run("derivatives");
  expect_says(ran.out, {"after 1000 steps the gradient is about zero",
                        "sin''(1) = -0.841471, -sin(1) = -0.841471",
                        "d/da: 0.479426 forward, 0.479426 reverse; d/db: 1.755165",
                        "-2*t*exp(-t^2)", "-0.778801 -0.778801 -0.778801",
                        "passed straight through: 4", "gradcheck: 4 entries agree"});
}

TEST(Examples, DataAreSplitLoadedAndPrepared) {
  const Ran ran = run("data");
  expect_says(ran.out, {"800 for training, 200 for testing",
                        "[128, 4] [128, 4] [128, 4] [128, 4] [128, 4] [128, 4] [32, 4]",
                        "800 + 200  800 + 200  800 + 200  800 + 200  800 + 200",
                        "[2, 28, 28, 1], u8 stored", "plan=basic", "4 rows for training"});
}

TEST(Examples, ModelsAreSavedLoadedAndResumed) {
  const Ran ran = run("files");
  expect_says(ran.out, {"the same bits: yes; class 1 is \"above\"",
                        "\"head.kernel\": model F32[16,5], file F32[16,2]", "left as they were: 2",
                        "a resumed training ends with the same bits: yes"});
}

TEST(Examples, MistakesAreNamed) {
  const Ran ran = run("debugging");
  expect_says(ran.out,
              {"matmul: inner dimensions differ", "hint: did you mean \"relu\"?", "w is still"});
  EXPECT_THAT(ran.err, HasSubstr("h: f32[2]\n[2, 4]"));
  expect_says(ran.out, {"predictions: mean", "by differences"});
}

TEST(Examples, AFunctionIsTracedOnceAShape) {
  const Ran ran = run("performance");
  EXPECT_THAT(ran.out, HasSubstr("traced 2 times"));
}

TEST(Examples, AnOperationOfYourOwnDifferentiates) {
  const Ran ran = run("custom_op");
  EXPECT_THAT(ran.out, HasSubstr("sum of cubes 36, gradient f32[3]\n[3, 12, 27]"));
}

TEST(Examples, TwoModelsLearnInOneStep) {
  const Ran ran = run("two_models");
  EXPECT_NEAR(number_after(ran.out, "made: mean "), 3, 0.5);
  EXPECT_NEAR(number_after(ran.out, "standard deviation "), 0.5, 0.4);
}

TEST(Examples, EveryProgramIsTested) {
  const std::string text = test::read_text(VARVE_SOURCE_DIR "/tests/examples/examples_test.cpp");
  int programs = 0;
  for (const auto& entry : fs::directory_iterator(VARVE_SOURCE_DIR "/examples")) {
    if (entry.path().extension() != ".cpp") continue;
    ++programs;
    EXPECT_THAT(text, HasSubstr("run(\"" + entry.path().stem().string() + "\")"));
  }
  EXPECT_GE(programs, 14);
}

TEST(ExampleJobs, TheTableTrainsAndPredictsRawRows) {
  const test::Folder folder;
  const std::string job = VARVE_SOURCE_DIR "/examples/jobs/churn.toml", out = folder / "churn";
  const app::Ran train = app::varve({"train", job, "--out", out});
  ASSERT_EQ(train.code, 0) << train.err;
  const app::Ran evaluate = app::varve({"evaluate", out + "/model.safetensors", job});
  ASSERT_EQ(evaluate.code, 0) << evaluate.err;
  EXPECT_THAT(evaluate.out, HasSubstr("accuracy"));
  test::write_text(folder / "new.csv",
                   "customer_id,plan,age,months,calls\n1,basic,,2,9\n2,pro,40,58,0\n");
  const app::Ran predict = app::varve({"predict", out + "/model.safetensors", folder / "new.csv"});
  ASSERT_EQ(predict.code, 0) << predict.err;
  const size_t yes = predict.out.find("yes"), no = predict.out.find("no");
  ASSERT_NE(no, std::string::npos) << predict.out;
  EXPECT_LT(yes, no) << predict.out;
}

TEST(ExampleJobs, ATargetOfYesAndNoIsOneNumberWithAnAreaUnderItsCurve) {
  const test::Folder folder;
  const std::string job = VARVE_SOURCE_DIR "/examples/jobs/churn_yes_no.toml", out = folder / "o";
  const app::Ran train = app::varve({"train", job, "--out", out});
  ASSERT_EQ(train.code, 0) << train.err;
  const app::Ran evaluate = app::varve({"evaluate", out + "/model.safetensors", job});
  EXPECT_GT(number_after(evaluate.out, "auc "), 0.9) << evaluate.out;
  test::write_text(folder / "new.csv", "customer_id,plan,age,months,calls\n0071,basic,,2,9\n");
  const app::Ran predict = app::varve(
      {"predict", out + "/model.safetensors", folder / "new.csv", "--keep", "customer_id"});
  EXPECT_THAT(predict.out, HasSubstr("1,0071,yes,0.")) << predict.err;
}

TEST(ExampleJobs, TheDigitsAreInOrder) {
  const app::Ran check =
      app::varve({"train", VARVE_SOURCE_DIR "/examples/jobs/digits.toml", "--check"});
  ASSERT_EQ(check.code, 0) << check.err;
  EXPECT_THAT(check.out, HasSubstr("34,826"));
}

}  // namespace
}  // namespace varve
