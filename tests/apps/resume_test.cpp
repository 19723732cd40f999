// Trainings that are broken off, and what begins with the files of others.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <csignal>
#include <cstdio>
#include <filesystem>

#include "apps/jobs.h"
#include "apps/program.h"

namespace varve::app {
namespace {

using ::testing::HasSubstr;

TEST(Train, ABrokenOffTrainingGoesOnToTheSameBits) {
  const Folder folder;
  write_line(folder, 60);
  const std::vector<std::string> keep{"--set", "train.callbacks=[\"checkpoint\"]", "--threads",
                                      "1"};
  const auto train = [&](std::vector<std::string> arguments) {
    arguments.insert(arguments.begin(), {"train", folder / "line.toml"});
    arguments.insert(arguments.end(), keep.begin(), keep.end());
    return varve(arguments);
  };
  expect_ok(train({"--epochs", "6", "--out", folder / "whole"}));
  expect_ok(train({"--epochs", "3", "--out", folder / "part"}));
  expect_ok(train({"--epochs", "6", "--out", folder / "part", "--resume",
                   folder / "part/checkpoint.safetensors"}));
  // 36 rows, three epochs of which took their time here.
  const nlohmann::json result = json_of(folder / "part/result.json");
  EXPECT_EQ(result["epochs"], 6);
  EXPECT_NEAR(result["samples_per_second"].get<double>() * result["seconds"].get<double>(), 108,
              0.1);
  EXPECT_EQ(read_text(folder / "part/model.safetensors"),
            read_text(folder / "whole/model.safetensors"));
  // And from the weights alone.
  EXPECT_EQ(train({"--epochs", "1", "--out", folder / "next", "--init-from",
                   folder / "whole/model.safetensors"})
                .code,
            0);
}

TEST(Train, AModelIsNoCheckpointAndATrainingThatIsDoneSaysSo) {
  const Folder folder;
  write_line(folder, 60);
  const std::string checkpoint = folder / "out/checkpoint.safetensors";
  const auto train = [&](std::vector<std::string> arguments) {
    arguments.insert(arguments.begin(), {"train", folder / "line.toml", "--epochs", "2", "--set",
                                         "train.callbacks=[\"checkpoint\"]"});
    return varve(arguments);
  };
  expect_ok(train({}));
  const Ran model =
      train({"--out", folder / "other", "--resume", folder / "out/model.safetensors"});
  EXPECT_EQ(model.code, 1);
  // What stood in the folder is there still.
  EXPECT_EQ(train({"--resume", folder / "out/model.safetensors"}).code, 1);
  for (const char* name : {"out/result.json", "out/report.html"})
    EXPECT_TRUE(std::filesystem::exists(folder / name)) << name;
  EXPECT_THAT(model.err, HasSubstr("model.safetensors: expected a Varve checkpoint, the file is a "
                                   "model\n  hint: load_weights and varve train --init-from begin "
                                   "with its weights"));
  const Ran done = train({"--resume", checkpoint});
  expect_ok(done);
  EXPECT_THAT(done.err, HasSubstr("checkpoint.safetensors is at epoch 2 of 2: nothing to train"));
}

TEST(Train, WeightsOfAnotherNetworkAreRefused) {
  const Folder folder;
  write_line(folder, 60);
  expect_ok(varve({"train", folder / "line.toml", "--epochs", "1"}));
  const Ran ran = varve({"train", folder / "line.toml", "--out", folder / "other", "--init-from",
                         folder / "out/model.safetensors", "--set",
                         "model.layers=[{type=\"dense\",units=4},{type=\"dense\",units=1}]"});
  EXPECT_EQ(ran.code, 1);
  EXPECT_THAT(ran.err, HasSubstr("out/model.safetensors: the weights do not fit the model of the "
                                 "job:"));
  EXPECT_THAT(ran.err, HasSubstr("dense_2.kernel"));
  EXPECT_THAT(ran.err, HasSubstr("hint: it must be a model of the same layers"));
}

void wait_for(const std::string& file) {
  for (int i = 0; i < 3000 && !std::filesystem::exists(file); ++i) usleep(10000);
}

TEST(Train, InterruptedItLeavesWhatThereIs) {
  const Folder folder;
  write_line(folder, 60);
  const std::string checkpoint = folder / "out/checkpoint.safetensors";
  const auto press = [&](pid_t program) {
    wait_for(checkpoint);
    kill(program, SIGINT);
  };
  const std::vector<std::string> train{"train", folder / "line.toml", "--set",
                                       "train.callbacks=[\"checkpoint\"]", "--epochs"};
  const auto with = [&](std::vector<std::string> more) {
    more.insert(more.begin(), train.begin(), train.end());
    return more;
  };
  const Ran ran = varve(with({"1000000"}), {.meanwhile = press});
  EXPECT_EQ(ran.code, 130) << ran.err;
  int64_t epoch = 0;
  const size_t said = ran.out.find("\ninterrupted in epoch ");
  ASSERT_NE(said, std::string::npos) << ran.out;
  EXPECT_EQ(std::sscanf(ran.out.c_str() + said, "\ninterrupted in epoch %ld of 1000000", &epoch),
            1);
  EXPECT_THAT(ran.out, HasSubstr("; the same command with --resume " + checkpoint + " goes on\n"));
  EXPECT_EQ(json_of(folder / "out/result.json")["epochs"], epoch);
  EXPECT_THAT(read_text(folder / "out/report.html"), HasSubstr("interrupted"));
  // It goes on where it stopped, to what it would have been.
  const std::string last = std::to_string(epoch + 1);
  expect_ok(varve(with({last, "--resume", checkpoint, "--threads", "1"})));
  EXPECT_EQ(json_of(folder / "out/result.json")["epochs"], epoch + 1);
}

TEST(Train, ASecondInterruptEndsItAtOnce) {
  const Folder folder;
  write_line(folder, 20000);  // whose evaluation takes longer than the second one
  const auto press = [&](pid_t program) {
    wait_for(folder / "out/checkpoint.safetensors");
    for (int i = 0; i < 50; ++i) {
      kill(program, SIGINT);
      usleep(1000);
    }
  };
  const Ran ran = varve({"train", folder / "line.toml", "--epochs", "1000000", "--set",
                         "train.callbacks=[\"checkpoint\"]"},
                        {.meanwhile = press});
  EXPECT_EQ(ran.code, -SIGINT);
  EXPECT_FALSE(std::filesystem::exists(folder / "out/result.json"));
}

}  // namespace
}  // namespace varve::app
