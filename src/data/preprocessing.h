// How raw pictures and rows of tables become what a network takes. Fitted on the training part
// only; travels in the model file, so that raw data can be given to a trained model.
#pragma once
#include <cstdint>
#include <span>
#include <string>
#include <variant>
#include <vector>

#include "formats/csv.h"

namespace varve::data {

/// What is asked for a column; empty texts mean the default.
struct ColumnRule {
  std::string kind =
      {};  // number, category, ignore; default: number where all its cells are numbers
  std::string missing = {};  // of numbers: mean (default), median, zero, error
  std::string scale =
      {};  // of numbers: standard (default: mean 0, deviation 1), min_max (0..1), none
};

/// A column as fitted.
struct FittedColumn {
  std::string name;
  bool category = false;
  // Numbers: (x - shift) * factor, where missing ones are `fill`.
  double fill = 0, shift = 0, factor = 1;
  bool must_be_there = false;
  // Categories: one input each, 1 for the cell's own; all 0 for missing and unknown ones.
  std::vector<std::string> categories = {};

  int64_t width() const { return category ? static_cast<int64_t>(categories.size()) : 1; }
};

struct TablePreparation {
  std::vector<FittedColumn> columns;
  std::string target;
  /// Names of the classes, or none: the target is a number.
  std::vector<std::string> classes = {};
  char separator = ',';
  bool header = true;
  std::vector<std::string> missing{""};

  int64_t width() const;
  formats::CsvOptions csv() const;
  /// f32 [rows, width]. Throws FormatError naming line and column; warns once where categories are
  /// unknown.
  formats::Array inputs(const formats::CsvTable& table, std::span<const int64_t> rows) const;
  /// u32 [rows] with classes, f32 [rows] without. Throws FormatError for unknown classes and
  /// missing cells.
  formats::Array targets(const formats::CsvTable& table, std::span<const int64_t> rows) const;
};

struct ImagePreparation {
  int64_t height = 0, width = 0, channels = 1;
  /// Values 0..255 become 0..1.
  bool unit = true;
  std::vector<std::string> classes = {};
};

using Preprocessing = std::variant<std::monostate, TablePreparation, ImagePreparation>;

/// Names of the classes; none where there are none.
const std::vector<std::string>& class_names(const Preprocessing& p);

struct NamedRule {
  std::string column;
  ColumnRule rule;
};
struct TableFit {
  std::string target;
  bool classification = true;
  std::vector<NamedRule> rules = {};
};
/// Reads the columns' statistics off the given rows. Throws FormatError where a column does not
/// hold what its rule says, ConfigError for rules of columns that are not there and for text
/// columns that look like names rather than categories (told by `path`, e.g. "data.columns").
TablePreparation fit_table(const formats::CsvTable& table, std::span<const int64_t> rows,
                           const TableFit& fit, const std::string& path);

/// The classes of a column over the whole table: numbers by value, texts by their bytes.
std::vector<std::string> classes_of(const formats::CsvTable& table, int column);

/// JSON, for the metadata of model files.
std::string to_json(const Preprocessing& p);
/// `name` begins the FormatErrors.
Preprocessing preprocessing_from_json(std::string_view text, const std::string& name);

}  // namespace varve::data
