// What tables and their preprocessing hold.
#pragma once
#include <string>
#include <vector>

#include "formats/csv.h"
#include "varve/table.h"

namespace varve::detail {

struct TableState {
  formats::CsvTable csv;
  TableReadOptions reading;
};

/// One column of the inputs as it was fitted.
struct FittedColumn {
  std::string name;
  bool is_number = true;
  // Numbers: (x - shift) / scale, `fill` for missing ones.
  double fill = 0, shift = 0, scale = 1;
  // Categories: one feature each; what a missing cell counts as (an index, or -1: none of them).
  std::vector<std::string> categories;
  int64_t missing_as = -1;
  bool refuse_missing = false;
};

struct TablePreprocessingState {
  std::vector<FittedColumn> columns;
  std::string target;
  bool classification = false;
  std::vector<std::string> classes;
  TableReadOptions reading;

  int64_t features() const {
    int64_t n = 0;
    for (const FittedColumn& c : columns) {
      n += c.is_number ? 1 : static_cast<int64_t>(c.categories.size());
    }
    return n;
  }
};

}  // namespace varve::detail

namespace varve::data {

/// The name of the category that stands for missing cells.
inline constexpr const char* kMissingCategory = "(missing)";

/// Rows of a table.
struct TableRows {
  std::vector<int64_t> train, validation, test;
};
/// Which rows each part has. Throws as split.
TableRows split_rows(const Table& table, const TableOptions& options, const TableSplit& parts);

/// Throws FormatError that names line and column of a missing cell.
[[noreturn]] void refuse_missing(const formats::CsvTable& csv, int64_t row, int column);

/// Fits columns and target to the rows of a table.
detail::TablePreprocessingState fit_table(const Table& table, const TableOptions& options,
                                          std::span<const int64_t> rows);
/// Integer classes of a target as they are fitted: names sorted, numbers by value.
std::vector<std::string> class_names_of(const formats::CsvTable& csv, int column,
                                        std::span<const int64_t> rows);
/// Whether a target of that kind ("auto", "class", "number") is one of classes.
bool target_is_class(const formats::CsvTable& csv, int column, const std::string& kind,
                     std::span<const int64_t> rows);

}  // namespace varve::data
