// Jobs and data for them, small and made on the spot.
#pragma once
#include <gtest/gtest.h>

#include <cstdint>
#include <filesystem>
#include <nlohmann/json.hpp>
#include <string>
#include <vector>

#include "apps/program.h"
#include "formats/idx.h"
#include "support/folder.h"

namespace varve::app {

inline nlohmann::json json_of(const std::string& path) {
  return nlohmann::json::parse(test::read_text(path));
}
inline void expect_ok(const Ran& ran) { ASSERT_EQ(ran.code, 0) << ran.err << ran.out; }

using test::Folder;
using test::read_text;
using test::write_text;

/// A plain generator: data are the same everywhere.
class Dice {
 public:
  /// 0..n-1.
  int64_t operator()(int64_t n) {
    state_ = state_ * 6364136223846793005u + 1442695040888963407u;
    return static_cast<int64_t>((state_ >> 33) % static_cast<uint64_t>(n));
  }

 private:
  uint64_t state_ = 1;
};

/// One of tests/apps/jobs, as it stands.
inline void copy_job(const std::string& name, const std::string& to) {
  std::filesystem::copy_file(std::string(VARVE_SOURCE_DIR) + "/tests/apps/jobs/" + name + ".toml",
                             to);
}

/// Customers who leave where they come seldom and pay nothing; some ages are missing.
inline void write_customers(const std::string& path, int64_t rows) {
  const char* plans[] = {"basic", "gold", "free"};
  std::string text = "customer_id,age,plan,visits,churned\n";
  Dice dice;
  for (int64_t i = 0; i < rows; ++i) {
    const int64_t age = 18 + dice(60), plan = dice(3), visits = dice(40);
    const bool leaves = visits - (plan == 2 ? 12 : 0) + dice(5) < 10;
    text += "C" + std::to_string(i) + "," + (dice(20) == 0 ? "" : std::to_string(age)) + "," +
            plans[plan] + "," + std::to_string(visits) + (leaves ? ",yes\n" : ",no\n");
  }
  write_text(path, text);
}

/// Pictures of 12 x 12 by the names that jobs/idx.toml expects: a bar down (class 0),
/// across (1), aslant (2), with specks.
inline void write_pictures(const Folder& folder, int64_t train, int64_t test) {
  Dice dice;
  const auto part = [&](const std::string& stem, int64_t n) {
    formats::Array images(u8, Shape{n, 12, 12}), labels(u8, Shape{n});
    const std::span<uint8_t> x = images.span<uint8_t>(), y = labels.span<uint8_t>();
    std::fill(x.begin(), x.end(), uint8_t{0});
    for (int64_t i = 0; i < n; ++i) {
      const int64_t c = i % 3;
      y[static_cast<size_t>(i)] = static_cast<uint8_t>(c);
      for (int64_t k = 0; k < 12; ++k) {
        const int64_t at = c == 0 ? k * 12 + 3 : c == 1 ? 36 + k : k * 13;
        x[static_cast<size_t>(i * 144 + at)] = static_cast<uint8_t>(200 + dice(56));
      }
      for (int64_t k = 0; k < 6; ++k)
        x[static_cast<size_t>(i * 144 + dice(144))] = static_cast<uint8_t>(dice(256));
    }
    formats::write_idx(folder / (stem + "-images-idx3-ubyte.gz"), images);
    formats::write_idx(folder / (stem + "-labels-idx1-ubyte.gz"), labels);
  };
  part("train", train);
  part("t10k", test);
}

/// line.toml and line.csv: y = 2 x + 3, learned by one unit, into out/.
inline void write_line(const Folder& folder, int64_t rows) {
  std::string text = "x,y\n";
  Dice dice;
  for (int64_t i = 0; i < rows; ++i) {
    const int64_t x = dice(100);
    text += std::to_string(static_cast<double>(x) / 10) + "," +
            std::to_string(static_cast<double>(x) / 5 + 3) + "\n";
  }
  write_text(folder / "line.csv", text);
  write_text(folder / "line.toml", R"(
seed = 1
[data]
kind = "csv"
path = "line.csv"
target = "y"
split = { validation = 0.2, test = 0.2 }
[model]
layers = [{ type = "dense", units = 1 }]
[train]
optimizer = { type = "adam", learning_rate = 0.2 }
loss = "mse"
batch_size = 20
epochs = 40
[output]
directory = "out"
)");
}

}  // namespace varve::app
