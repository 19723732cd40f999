// What a training leaves behind in a folder: the model, its history, pictures, and a page that
// shows it all.
#pragma once
#include <functional>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "report/judge.h"
#include "report/page.h"
#include "varve/model.h"

namespace varve::report {

/// The rows behind the test part, where it came from a table.
struct TableRows {
  std::vector<std::string> columns;
  /// The cells of a sample, as many as there are columns.
  std::function<std::vector<std::string>(int64_t sample)> cells;
};

struct TrainedModel {
  std::string title, subtitle;
  Model model;
  std::vector<Tile> tiles = {};
  std::optional<History> history = {};
  /// What the model is judged on: classes where `class_names` are given, else numbers.
  std::optional<Dataset> test = {};
  std::string part = "test";  ///< or "validation", where there is nothing else
  std::vector<std::string> class_names = {};
  std::optional<TableRows> rows = {};
  /// The first test picture of each class is written to `samples`/`sample`_<class>.png, as
  /// something to try `varve predict` on; no text: none are.
  std::string samples = {}, sample = {};
  /// Rows of the page's last table.
  std::vector<std::pair<std::string, std::string>> settings = {};
};

/// What an earlier training in the folder says of itself goes, report.html and result.json: it
/// would pass for what the one that begins says. Throws IoError.
void remove_results(const std::string& folder);

/// Writes model.safetensors first, then model.svg and report.html; with a history history.csv and
/// curves.svg; with a test part of classes confusion.csv, of pictures the samples and mistakes.png.
/// Each file is whole or the old one. Throws IoError.
void write_training(const std::string& folder, TrainedModel trained);

/// All that it may write, relative to the folder.
std::vector<std::string> training_files(const std::string& samples);

/// "35 ms", "12.4 s", "3 min 5 s".
std::string time_text(double seconds);
/// "99.12 %".
std::string percent_text(double share);

}  // namespace varve::report
