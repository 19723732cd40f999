// Fitting preprocessing to a table's training rows.
#include <algorithm>
#include <charconv>
#include <cmath>
#include <map>
#include <numeric>
#include <set>

#include "base/error.h"
#include "data/table_state.h"
#include "varve/warnings.h"

namespace varve::data {
namespace {

using detail::FittedColumn;
using formats::CsvTable;

// More than this is an identifier rather than a category.
constexpr size_t kMostCategories = 1000;
constexpr size_t kMostNumberClasses = 20;

std::string column_text(const CsvTable& csv, int column) {
  return csv.name() + ": column \"" + escaped(csv.names()[static_cast<size_t>(column)]) + "\"";
}

double median(std::vector<double> v) {
  const size_t half = v.size() / 2;
  std::nth_element(v.begin(), v.begin() + static_cast<int64_t>(half), v.end());
  const double upper = v[half];
  if (v.size() % 2 == 1) return upper;
  return (upper + *std::max_element(v.begin(), v.begin() + static_cast<int64_t>(half))) / 2;
}

FittedColumn fit_number(const CsvTable& csv, int column, const Column& options,
                        std::span<const int64_t> rows) {
  csv.require_number(column);
  FittedColumn out;
  out.name = csv.names()[static_cast<size_t>(column)];
  std::vector<double> known;
  for (int64_t row : rows) {
    const double v = csv.number(row, column);
    if (!std::isnan(v)) {
      known.push_back(v);
    } else if (options.missing == "error") {
      refuse_missing(csv, row, column);
    }
  }
  if (known.empty()) {
    throw FormatError(column_text(csv, column) + ": every value is missing",
                      "set it to \"ignore\"");
  }
  const auto n = static_cast<double>(known.size());
  const double mean = std::accumulate(known.begin(), known.end(), 0.0) / n;
  out.refuse_missing = options.missing == "error";
  out.fill = options.missing == "mean" ? mean : options.missing == "zero" ? 0 : median(known);
  const auto [least, greatest] = std::minmax_element(known.begin(), known.end());
  if (*least == *greatest) {
    warn(column_text(csv, column) + " is constant in the training rows; it tells nothing");
    out.shift = options.scale == "none" ? 0 : *least;
  } else if (options.scale == "unit") {
    out.shift = *least;
    out.scale = *greatest - *least;
  } else if (options.scale != "none") {
    double squares = 0;
    for (double v : known) squares += (v - mean) * (v - mean);
    out.shift = mean;
    out.scale = std::sqrt(squares / n);
  }
  return out;
}

FittedColumn fit_category(const CsvTable& csv, int column, const Column& options,
                          std::span<const int64_t> rows) {
  FittedColumn out;
  out.name = csv.names()[static_cast<size_t>(column)];
  out.is_number = false;
  std::map<std::string, int64_t> counts;
  bool any_missing = false;
  for (int64_t row : rows) {
    if (csv.is_missing(row, column)) {
      if (options.missing == "error") refuse_missing(csv, row, column);
      any_missing = true;
    } else {
      ++counts[csv.cell(row, column)];
    }
  }
  if (counts.empty()) {
    throw FormatError(column_text(csv, column) + ": every value is missing",
                      "set it to \"ignore\"");
  }
  if (counts.size() > kMostCategories) {
    throw FormatError(column_text(csv, column) + ": " + std::to_string(counts.size()) +
                          " different values are no categories (at most " +
                          std::to_string(kMostCategories) + ")",
                      "set it to \"ignore\"");
  }
  if (counts.size() == 1 && !any_missing) {
    warn(column_text(csv, column) + " is constant in the training rows; it tells nothing");
  }
  int64_t most = 0;
  for (const auto& [value, count] : counts) {
    if (count > most) {
      most = count;
      out.missing_as = static_cast<int64_t>(out.categories.size());
    }
    out.categories.push_back(value);
  }
  out.refuse_missing = options.missing == "error";
  if (options.missing != "most_frequent") {
    out.missing_as = -1;
    if (any_missing) {
      out.missing_as = static_cast<int64_t>(out.categories.size());
      out.categories.push_back(kMissingCategory);
    }
  }
  return out;
}

// A column of text holds text in every later table, though all its cells there might be numbers.
void keep_text(const CsvTable& csv, int column, TableReadOptions& reading) {
  const std::string& name = csv.names()[static_cast<size_t>(column)];
  std::vector<std::string>& text = reading.text;
  if (!csv.is_number(column) && std::find(text.begin(), text.end(), name) == text.end()) {
    text.push_back(name);
  }
}

}  // namespace

void refuse_missing(const CsvTable& csv, int64_t row, int column) {
  throw FormatError(csv.name() + ": line " + std::to_string(csv.line(row)) + " column \"" +
                        escaped(csv.names()[static_cast<size_t>(column)]) +
                        "\": the value is missing",
                    "set what stands for it by the column's \"missing\"");
}

bool target_is_class(const CsvTable& csv, int column, const std::string& kind,
                     std::span<const int64_t> rows) {
  if (kind != "auto") return kind == "class";
  if (!csv.is_number(column)) return true;
  std::set<double> values;
  for (int64_t row : rows) {
    const double v = csv.number(row, column);
    if (std::isnan(v)) continue;
    if (v != std::floor(v)) return false;
    values.insert(v);
    if (values.size() > kMostNumberClasses) return false;
  }
  return true;
}

std::vector<std::string> class_names_of(const CsvTable& csv, int column,
                                        std::span<const int64_t> rows) {
  std::set<std::string> names;
  for (int64_t row : rows) {
    if (!csv.is_missing(row, column)) names.insert(csv.cell(row, column));
  }
  std::vector<std::string> sorted(names.begin(), names.end());
  if (csv.is_number(column)) {
    const auto value = [](const std::string& s) {
      double v = 0;
      std::from_chars(s.data(), s.data() + s.size(), v);
      return v;
    };
    std::sort(sorted.begin(), sorted.end(),
              [&](const std::string& a, const std::string& b) { return value(a) < value(b); });
  }
  return sorted;
}

detail::TablePreprocessingState fit_table(const Table& table, const TableOptions& options,
                                          std::span<const int64_t> rows) {
  const CsvTable& csv = table.state()->csv;
  detail::TablePreprocessingState out;
  out.reading = table.state()->reading;
  for (const auto& [name, column] : options.columns) csv.column(name);  // throws where unknown
  if (!options.target.empty()) {
    const int column = csv.column(options.target);
    out.target = options.target;
    out.classification = target_is_class(csv, column, options.target_kind, rows);
    if (out.classification) {
      keep_text(csv, column, out.reading);
      out.classes = class_names_of(csv, column, rows);
      if (out.classes.size() < 2) {
        warn(column_text(csv, column) + ": all training rows are of the same class");
      }
    } else {
      csv.require_number(column);
    }
  }
  for (int i = 0; i < csv.columns(); ++i) {
    const std::string& name = csv.names()[static_cast<size_t>(i)];
    if (name == options.target) continue;
    const auto given = options.columns.find(name);
    const Column column = given == options.columns.end() ? Column() : given->second;
    if (column.kind == "ignore") continue;
    const bool number = column.kind == "number" || (column.kind == "auto" && csv.is_number(i));
    if (!number) keep_text(csv, i, out.reading);
    out.columns.push_back(number ? fit_number(csv, i, column, rows)
                                 : fit_category(csv, i, column, rows));
  }
  if (out.columns.empty()) throw ValueError(csv.name() + ": no column is left for the inputs");
  return out;
}

}  // namespace varve::data
