// What training survives: kills, full disks, numbers that are not finite, damaged checkpoints.
#include <fcntl.h>
#include <gtest/gtest.h>
#include <spawn.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <unistd.h>

#include <chrono>
#include <csignal>
#include <filesystem>
#include <limits>
#include <optional>
#include <random>
#include <thread>

#include "convnet.h"
#include "support/folder.h"
#include "varve/warnings.h"

extern char** environ;

namespace varve {
namespace {

using namespace test;
namespace fs = std::filesystem;

// The run that the next test kills: twelve epochs of five steps, a checkpoint after each step.
Sequential killed_run(const std::string& path, bool resume) {
  Sequential model = convnet(resume ? 99 : 1);
  model.compile(with("adam"));
  model.fit(pictures(40), {.batch_size = 8,
                           .epochs = 12,
                           .callbacks = {callbacks::Checkpoint{.path = path, .every_steps = 1}},
                           .seed = 6,
                           .progress = false,
                           .resume = resume ? path : ""});
  return model;
}

// Not a test of its own: what the child process does. Disabled, so that it runs only when asked.
TEST(Killed, DISABLED_Child) {
  const std::string path = std::getenv("VARVE_TEST_CHECKPOINT");
  const Sequential model = killed_run(path, fs::exists(path));
  model.save_weights(path + ".done");
}

TEST(Killed, AtAnyMomentNoCheckpointIsLostAndTheEndIsTheSameBits) {
  const Folder folder;
  const std::string path = folder / "c.safetensors";
  Sequential whole = killed_run(folder / "whole.safetensors", false);
  ASSERT_EQ(::setenv("VARVE_TEST_CHECKPOINT", path.c_str(), 1), 0);
  std::mt19937 draw(20);
  int kills = 0, chains = 0;
  // A soak test raises the number.
  const char* asked = std::getenv("VARVE_TEST_KILLS");
  const int wanted = asked ? std::atoi(asked) : 25;
  while (chains == 0 || kills < wanted) {
    char program[] = "/proc/self/exe", filter[] = "--gtest_filter=Killed.DISABLED_Child",
         also[] = "--gtest_also_run_disabled_tests";
    char* arguments[] = {program, filter, also, nullptr};
    posix_spawn_file_actions_t actions;
    posix_spawn_file_actions_init(&actions);
    posix_spawn_file_actions_addopen(&actions, 1, "/dev/null", O_WRONLY, 0);
    posix_spawn_file_actions_addopen(&actions, 2, "/dev/null", O_WRONLY, 0);
    pid_t child = 0;
    ASSERT_EQ(::posix_spawn(&child, program, &actions, nullptr, arguments, environ), 0);
    posix_spawn_file_actions_destroy(&actions);
    std::this_thread::sleep_for(std::chrono::microseconds(draw() % 150'000));
    if (kills < wanted) ::kill(child, SIGKILL);  // the last one may end
    int status = 0;
    ASSERT_EQ(::waitpid(child, &status, 0), child);
    int strays = 0;
    for (const auto& entry : fs::directory_iterator(folder.path())) {
      strays += entry.path().extension() == ".tmp" || entry.path().extension() == ".new";
    }
    EXPECT_LE(strays, 2);
    if (WIFSIGNALED(status)) {
      ++kills;
      continue;  // the next child must find what it can go on from
    }
    ASSERT_EQ(WEXITSTATUS(status), 0) << "after " << kills << " kills";
    Sequential end = convnet(99);
    end.load_weights(path + ".done");
    EXPECT_EQ(weights_of(end), weights_of(whole));
    ++chains;
    for (const char* part : {"", ".old", ".done"}) fs::remove(path + part);
  }
  ::unsetenv("VARVE_TEST_CHECKPOINT");
}

// No file of this process may grow beyond `bytes`, as on a disk that is full.
struct FullDisk {
  rlimit before{};
  explicit FullDisk(rlim_t bytes) {
    ::getrlimit(RLIMIT_FSIZE, &before);
    const rlimit small{bytes, before.rlim_max};
    ::setrlimit(RLIMIT_FSIZE, &small);
  }
  ~FullDisk() { ::setrlimit(RLIMIT_FSIZE, &before); }
};

TEST(FullDisk, KeepsThePreviousCheckpointAndStopsOrGoesOnAsAsked) {  // B124
  const Folder folder;
  const std::string path = folder / "c.safetensors";
  Sequential whole = convnet();
  whole.compile(with("adam"));
  const auto options = [&](std::vector<CallbackRef> callbacks) {
    return FitOptions{.batch_size = 8,
                      .epochs = 3,
                      .callbacks = std::move(callbacks),
                      .seed = 6,
                      .progress = false};
  };
  whole.fit(pictures(40), options({}));

  for (const rlim_t room : {0, 100, 4000}) {
    for (bool keep_going : {false, true}) {
      SCOPED_TRACE(std::to_string(room) + (keep_going ? " going on" : ""));
      fs::remove(path);
      std::string before;
      std::optional<FullDisk> full;
      const callbacks::Checkpoint saving{.path = path, .every_steps = 1, .keep_going = keep_going};
      const callbacks::Hooks fill{.on_batch_end = [&](TrainState& s) {
        if (s.step() == 8) {  // before the checkpoint of that step
          before = read_text(path);
          full.emplace(room);
        }
        if (s.step() == 13) full.reset();
      }};
      Sequential model = convnet();
      model.compile(with("adam"));
      take_warnings();
      const std::string message = message_of([&] {
        model.fit(pictures(40), options({saving, fill}));
      });
      full.reset();
      const std::string expected =
          "save to " + path + ": File too large; previous checkpoint step 7 kept";
      if (keep_going) {
        EXPECT_EQ(message, "no error");
        const std::vector<std::string> warnings = take_warnings();
        ASSERT_EQ(warnings.size(), 5u);  // steps 8 to 12
        EXPECT_EQ(warnings[0], expected + "; training goes on");
        EXPECT_EQ(weights_of(model), weights_of(whole));
      } else {
        EXPECT_EQ(message, expected);
        EXPECT_EQ(read_text(path), before);
        EXPECT_FALSE(fs::equivalent(path, path + ".old"));  // the one before is still there, too
        Sequential again = convnet(99);
        again.compile(with("adam"));
        FitOptions o = options({saving, callbacks::Hooks{}});
        o.resume = path;
        again.fit(pictures(40), o);
        EXPECT_EQ(weights_of(again), weights_of(whole));
      }
      for (const auto& entry : fs::directory_iterator(folder.path())) {
        EXPECT_NE(entry.path().extension(), ".tmp");
      }
    }
  }
}

TEST(ReadOnly, AFolderThatGoesAwayIsNamed) {  // B125
  const Folder folder;
  const std::string inner = folder / "run", path = inner + "/c.safetensors";
  fs::create_directories(inner);
  Sequential model = convnet();
  model.compile(with("adam"));
  const callbacks::Hooks remove{.on_epoch_end = [&](TrainState&) { fs::remove_all(inner); }};
  EXPECT_EQ(message_of([&] {
              model.fit(pictures(20), {.epochs = 3,
                                       .callbacks = {callbacks::Checkpoint{.path = path}, remove},
                                       .progress = false});
            }),
            "save to " + path + ": No such file or directory");
}

TEST(NotFinite, IsFoundInTheStepWhereItComesAndNothingIsSpoilt) {
  std::mt19937 draw(3);
  for (int round = 0; round < 24; ++round) {
    const bool eager = round % 2 == 1;
    const auto step = static_cast<int64_t>(draw() % 10 + 1);
    Sequential model = convnet();
    model.compile(with("adam", eager));
    const Variables parameters = model.trainable();
    Variable spoilt = parameters[draw() % parameters.size()];
    // Before the relu infinity alone: oneDNN's own relu makes 0 of NaN.
    const bool infinite = round % 3 == 0 || spoilt.name().starts_with("conv2d");
    const float bad =
        infinite ? std::numeric_limits<float>::infinity() : std::numeric_limits<float>::quiet_NaN();
    const size_t element = draw() % static_cast<size_t>(spoilt.shape().size());
    std::vector<std::vector<double>> before;
    const callbacks::Hooks inject{.on_batch_begin = [&](TrainState& s) {
      if (s.step() + 1 != step) return;
      std::vector<float> w;
      for (double v : spoilt.value().to_doubles()) w.push_back(static_cast<float>(v));
      w[element] = bad;
      spoilt.assign(tensor(w, spoilt.shape()));
      before = weights_of(model);
    }};
    SCOPED_TRACE(spoilt.name() + " at step " + std::to_string(step) + (eager ? " eager" : ""));
    const std::string message = message_of([&] {
      model.fit(
          pictures(40),
          {.batch_size = 8, .epochs = 2, .callbacks = {inject}, .seed = 6, .progress = false});
    });
    const std::string place = "epoch " + std::to_string((step - 1) / 5 + 1) + ", step " +
                              std::to_string((step - 1) % 5 + 1) + ": ";
    EXPECT_TRUE(message.starts_with(place)) << message;
    EXPECT_NE(message.find(spoilt.name()), std::string::npos) << message;
    // What was there before the step is there after it.
    ASSERT_FALSE(before.empty());
    const auto after = weights_of(model);
    for (size_t i = 0; i < before.size(); ++i) {
      for (size_t k = 0; k < before[i].size(); ++k) {
        if (std::isnan(before[i][k])) continue;  // equal to nothing
        EXPECT_EQ(after[i][k], before[i][k]);
      }
    }
  }
}

TEST(NotFinite, InTheDataIsFoundBehindARelu) {
  std::mt19937 draw(5);
  for (int round = 0; round < 12; ++round) {
    const bool eager = round % 2 == 1;
    const auto sample = static_cast<int64_t>(draw() % 40),
               pixel = static_cast<int64_t>(draw() % 36);
    const Tensor clean = pictures(40).stored_inputs()[0];
    std::vector<float> x(clean.span<float>().begin(), clean.span<float>().end());
    x[static_cast<size_t>(sample * 36 + pixel)] = round % 3 == 0
                                                      ? -std::numeric_limits<float>::infinity()
                                                      : std::numeric_limits<float>::quiet_NaN();
    const Dataset bad(tensor(x, clean.shape()), pictures(40).stored_targets());
    Sequential model = convnet();
    model.compile(with("adam", eager));
    const auto before = weights_of(model);
    const std::string message = message_of(
        [&] { model.fit(bad, {.batch_size = 40, .shuffle = false, .progress = false}); });
    EXPECT_TRUE(message.starts_with("epoch 1, step 1: ")) << message;
    EXPECT_NE(message.find("; sample " + std::to_string(sample) + " feature " +
                           std::to_string(pixel) + " is "),
              std::string::npos)
        << message << (eager ? " eager" : " compiled");
    EXPECT_EQ(weights_of(model), before);
  }
}

TEST(NotFinite, WeightsAreNoCheckpoint) {
  const Folder folder;
  const std::string path = folder / "c.safetensors";
  Sequential model = convnet();
  model.compile(with("adam"));
  const callbacks::Hooks spoil{.on_epoch_end = [&](TrainState& s) {
    if (s.epoch() != 1) return;
    model.variable("dense_1.bias").assign(tensor({0.f, std::numeric_limits<float>::quiet_NaN()}));
  }};
  EXPECT_EQ(message_of([&] {
              model.fit(pictures(16), {.batch_size = 8,
                                       .epochs = 3,
                                       .callbacks = {spoil, callbacks::Checkpoint{.path = path}},
                                       .progress = false});
            }),
            "save to " + path +
                ": variable \"dense_1.bias\" is not finite; previous checkpoint step 2 kept");
}

TEST(BitRot, OfACheckpointIsAlwaysFound) {  // B126
  const Folder folder;
  const std::string path = folder / "c.safetensors", damaged = folder / "d.safetensors";
  const auto fit = [&](const std::string& resume) {
    Sequential model{nn::Dense{.units = 2}};
    model.compile(with("adam"));
    model.fit(two_classes(20), {.epochs = 2,
                                .callbacks = {callbacks::Checkpoint{.path = path}},
                                .seed = 1,
                                .progress = false,
                                .resume = resume});
  };
  fit("");
  const std::string whole = read_text(path);
  const auto refused = [&](const std::string& bytes) {
    write_text(damaged, bytes);
    try {
      fit(damaged);
      return false;
    } catch (const FormatError&) {
      return true;
    }
  };
  std::mt19937 draw(11);
  for (int i = 0; i < 600; ++i) {
    std::string bytes = whole;
    const size_t at = draw() % bytes.size();
    bytes[at] = static_cast<char>(bytes[at] ^ 1 << draw() % 8);
    EXPECT_TRUE(refused(bytes)) << "a bit of byte " << at << " of " << whole.size();
  }
  for (size_t n = 0; n < whole.size(); n += 37) {
    EXPECT_TRUE(refused(whole.substr(0, n))) << n << " bytes of " << whole.size();
    std::string zeros = whole;
    std::fill(zeros.begin() + static_cast<int64_t>(n), zeros.end(), '\0');
    EXPECT_TRUE(refused(zeros)) << "zeros from byte " << n;
  }
}

}  // namespace
}  // namespace varve
