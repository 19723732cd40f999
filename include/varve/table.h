// room: data
// Tables: CSV files whose columns become features, by preprocessing that is fitted on training rows
// and travels with the model.
#pragma once
#include <map>
#include <memory>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "varve/dataset.h"
#include "varve/fields.h"

namespace varve {

namespace detail {
struct TableState;
struct TablePreprocessingState;
}  // namespace detail

struct TableReadOptions {
  std::string separator = ",";  ///< one character; " " is any run of blanks
  bool header = true;           ///< the first line names the columns
  std::vector<std::string> missing = {"", "NA", "N/A", "nan", "NaN", "null", "?"};
  std::vector<std::string> text = {};  ///< columns kept as text, whatever they look like
  void fields(Fields& f);
};

/// A table in memory, read-only; copies share it.
class Table {
 public:
  /// Reads a CSV file, plain or gzip. Throws IoError, FormatError (line and column named).
  static Table read(std::string_view path, const TableReadOptions& options = {});
  /// The same from text.
  static Table parse(std::string_view text, const TableReadOptions& options = {});

  int64_t rows() const;                             ///< without the header
  const std::vector<std::string>& columns() const;  ///< their names, in order
  bool has(std::string_view column) const;
  /// A cell as text, empty where missing; in a column of numbers the number in its shortest form
  /// ("7" for 007 and 7.0), unless the column is read as text. Throws IndexError, FormatError.
  std::string cell(int64_t row, std::string_view column) const;

  const std::shared_ptr<const detail::TableState>& state() const { return state_; }

 private:
  friend class TablePreprocessing;
  explicit Table(std::shared_ptr<const detail::TableState> state) : state_(std::move(state)) {}
  std::shared_ptr<const detail::TableState> state_;
};

/// How a column becomes features. As text a kind alone, or an object:
/// `"ignore"`, `{"kind": "number", "missing": "median", "scale": "standard"}`.
struct Column {
  /// "auto" (numbers where every cell is one, else a category), "number", "category", "ignore".
  std::string kind = "auto";
  /// What stands for missing cells. Numbers: "median", "mean", "zero". Categories: "category" (one
  /// of its own), "most_frequent". Both: "error", and "auto" (the first of each).
  std::string missing = "auto";
  /// Numbers: "standard" ((x - mean) / standard deviation), "unit" (least 0, greatest 1), "none";
  /// "auto" is standard.
  std::string scale = "auto";

  Column() = default;
  /// The kind alone. Throws ValueError.
  Column(const char* kind);
  Column(std::string kind, std::string missing, std::string scale = "auto");
  void fields(Fields& f);
  std::string config() const;
  static Column from_config(std::string_view json);
};

struct TableOptions {
  std::string target = {};                     ///< what is predicted; empty: nothing
  std::map<std::string, Column> columns = {};  ///< those that are not named are "auto"
  /// "class", "number", or "auto": classes where cells are text or there are at most 20 different
  /// whole numbers.
  std::string target_kind = "auto";
};

/// What was learned of the training rows: medians, means, categories, classes. The same numbers are
/// used for every later table.
class TablePreprocessing {
 public:
  /// Fits to these rows of the table (all of them where none are given). Throws ValueError for
  /// options that cannot be meant, FormatError for cells that are not as they must be; warns of
  /// columns that are constant.
  static TablePreprocessing fit(const Table& table, const TableOptions& options,
                                std::span<const int64_t> rows = {});

  /// All rows: inputs f32 [rows, features]; targets i64 [rows] for classes, f32 [rows, 1] for
  /// numbers. Throws FormatError that names line and column where a target is missing or of an
  /// unknown class.
  Dataset dataset(const Table& table) const;
  /// The inputs alone; the table needs no target. Categories that were not there in training become
  /// none of the known ones, with a warning.
  Tensor inputs(const Table& table) const;

  int64_t features() const;  ///< numbers a row gives
  /// "age", "plan=basic", ...
  std::vector<std::string> feature_names() const;
  bool is_classification() const;                       ///< whether the target is classes
  const std::vector<std::string>& class_names() const;  ///< of classes 0, 1, ...
  const std::string& target() const;                    ///< the column that is predicted
  /// How later tables are read: as the one was that it was fitted to, columns that were text there
  /// being text whatever they look like.
  const TableReadOptions& reading() const;
  /// Reads a table so; of the columns of text it may lack some (the target). Throws as Table::read.
  Table read(std::string_view path) const;

  /// All that was learned, for model files.
  std::string to_json() const;
  /// Throws FormatError.
  static TablePreprocessing from_json(std::string_view json);

 private:
  explicit TablePreprocessing(std::shared_ptr<const detail::TablePreprocessingState> state)
      : state_(std::move(state)) {}
  std::shared_ptr<const detail::TablePreprocessingState> state_;
};

/// How a table is split; the rest is for training.
struct TableSplit {
  Real validation = 0, test = 0;  ///< shares of all rows
  bool stratify = false;
  uint64_t seed = 0;
};
/// A table split, fitted on the training rows alone, and turned into datasets.
struct TableData {
  Dataset train, validation, test;
  TablePreprocessing preprocessing;
};
/// Throws as split and TablePreprocessing do.
TableData prepare_table(const Table& table, const TableOptions& options, TableSplit split = {});

}  // namespace varve
