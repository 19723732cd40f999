// Recipes: systems that others published, trained on real data to a figure of theirs.
#pragma once
#include <cstdint>
#include <functional>
#include <optional>
#include <span>
#include <string>
#include <utility>
#include <vector>

#include "varve/varve.h"

namespace varve::recipes {

struct Settings {
  uint64_t seed = 1;
  std::string out;        // the folder for what it leaves behind
  std::string data = {};  // where the data are; empty: $VARVE_DATA, or data/ of the source
  std::function<void(std::string_view)> say = [](std::string_view) {};
  /// Asked before the first step of a fit and after every one: whether training ends there.
  std::function<bool()> interrupted = [] { return false; };
};

/// A figure and what it has to reach.
struct Figure {
  std::string metric;
  double value = 0, gate = 0;
  bool higher_is_better = true;
  bool passed() const { return higher_is_better ? value >= gate : value <= gate; }
};

/// What a recipe reached, and what is needed to show it.
struct Outcome {
  Figure figure;
  std::optional<double> published = {};
  std::vector<Figure> also = {};
  double seconds = 0, samples_per_second = 0;
  int64_t parameters = 0;
  std::optional<Model> model = {};
  std::optional<History> history = {};
  /// A test part of pictures with classes; the report shows what the model made of it.
  std::optional<Dataset> test = {};
  /// Rows for the report's last table.
  std::vector<std::pair<std::string, std::string>> settings = {};

  bool passed() const;
};

struct Recipe {
  const char* name;
  const char* target;  // its number in the list of targets
  const char* help;    // one line
  Outcome (*run)(const Settings& settings);
};

std::span<const Recipe> table();
/// Null where there is none.
const Recipe* find(std::string_view name);

/// Runs a recipe and writes result.json, and where there is a model: model.safetensors,
/// history.csv, model.svg, curves.svg, digits/, mistakes.png, confusion.csv, report.html. Returns
/// whether all gates were reached.
bool run(const Recipe& recipe, const Settings& settings);

/// The files that a run writes, relative to its folder: those that are checked before it begins.
std::vector<std::string> output_files();

Outcome softmax_regression(const Settings& settings);
Outcome xor_problem(const Settings& settings);
Outcome mnist_mlp(const Settings& settings);
Outcome mnist_convnet(const Settings& settings);
Outcome mnist_convnet_bf16(const Settings& settings);
Outcome lenet5(const Settings& settings);
Outcome lenet5_bf16(const Settings& settings);

}  // namespace varve::recipes
