#include "data/preprocessing.h"

#include <algorithm>
#include <cmath>
#include <map>
#include <set>

#include "base/error.h"
#include "varve/warnings.h"

namespace varve::data {
namespace {

// Text columns with more different texts than this, most of them met once, are names or free text:
// one input each would learn nothing.
constexpr size_t kMaxNames = 50;

std::string place(const formats::CsvTable& table, int64_t row, const std::string& column) {
  return table.name() + ": line " + std::to_string(table.line(row)) + " column \"" +
         escaped(column) + "\"";
}

void check_choice(const std::string& value, const std::string& path,
                  const std::vector<std::string>& choices) {
  if (value.empty() || std::find(choices.begin(), choices.end(), value) != choices.end()) return;
  std::string list;
  for (const std::string& c : choices) list += (list.empty() ? "\"" : ", \"") + c + "\"";
  throw ConfigError(path + ": expected one of " + list + ", got \"" + escaped(value) + "\"");
}

double median(std::vector<double> values) {
  const auto middle = values.begin() + static_cast<ptrdiff_t>(values.size() / 2);
  std::nth_element(values.begin(), middle, values.end());
  if (values.size() % 2 == 1) return *middle;
  return (*middle + *std::max_element(values.begin(), middle)) / 2;
}

struct Moments {
  double mean = 0, deviation = 0, low = 0, high = 0;
};
// Population deviation, two passes.
Moments moments(const std::vector<double>& values) {
  Moments m{0, 0, values[0], values[0]};
  for (double v : values) {
    m.mean += v;
    m.low = std::min(m.low, v);
    m.high = std::max(m.high, v);
  }
  m.mean /= static_cast<double>(values.size());
  for (double v : values) m.deviation += (v - m.mean) * (v - m.mean);
  m.deviation = std::sqrt(m.deviation / static_cast<double>(values.size()));
  return m;
}

FittedColumn fit_number(const formats::CsvTable& table, int c, std::span<const int64_t> rows,
                        const ColumnRule& rule, const std::string& path) {
  FittedColumn out{.name = table.names()[static_cast<size_t>(c)]};
  table.require_number(c);
  std::vector<double> values;
  for (int64_t row : rows) {
    if (table.is_missing(row, c)) {
      if (rule.missing == "error") throw FormatError(place(table, row, out.name) + ": missing");
      continue;
    }
    const double v = table.number(row, c);
    if (!std::isfinite(v))
      throw FormatError(place(table, row, out.name) + ": expected a finite number");
    values.push_back(v);
  }
  out.must_be_there = rule.missing == "error";
  if (values.empty()) {
    throw FormatError(
        table.name() + ": column \"" + escaped(out.name) + "\": no value in the training part",
        path + ": " + out.name + " = \"ignore\" leaves it out");
  }
  const Moments m = moments(values);
  out.fill = rule.missing == "median" ? median(values) : rule.missing == "zero" ? 0 : m.mean;
  if (rule.scale == "none") return out;
  const bool constant = !(m.high > m.low);
  if (constant) {
    warn(table.name() + ": column \"" + escaped(out.name) + "\" is constant in the training part");
  }
  if (rule.scale == "min_max") {
    out.shift = m.low;
    out.factor = constant ? 1 : 1 / (m.high - m.low);
  } else {
    out.shift = m.mean;
    out.factor = constant ? 1 : 1 / m.deviation;
  }
  return out;
}

FittedColumn fit_category(const formats::CsvTable& table, int c, std::span<const int64_t> rows,
                          bool inferred, const std::string& path) {
  FittedColumn out{.name = table.names()[static_cast<size_t>(c)], .category = true};
  std::set<std::string> seen;
  for (int64_t row : rows) {
    if (!table.is_missing(row, c)) seen.insert(table.cell(row, c));
  }
  if (inferred && seen.size() > kMaxNames && seen.size() * 2 > rows.size()) {
    throw ConfigError(
        table.name() + ": column \"" + escaped(out.name) + "\": " + std::to_string(seen.size()) +
            " different texts in " + std::to_string(rows.size()) + " rows",
        path + ": " + out.name + " = \"ignore\" leaves it out, \"category\" takes it");
  }
  out.categories.assign(seen.begin(), seen.end());
  return out;
}

void check_rules(const formats::CsvTable& table, const TableFit& fit, const std::string& path) {
  for (const auto& [column, rule] : fit.rules) {
    if (!table.has_column(column)) {
      throw ConfigError(path + "." + escaped(column) + ": no such column",
                        did_you_mean(column, table.names()));
    }
    if (column == fit.target) {
      throw ConfigError(path + "." + escaped(column) + ": is the target, which takes no rule");
    }
    const std::string own = path + "." + column;
    check_choice(rule.kind, own + ".kind", {"number", "category", "ignore"});
    check_choice(rule.missing, own + ".missing", {"mean", "median", "zero", "error"});
    check_choice(rule.scale, own + ".scale", {"standard", "min_max", "none"});
    if (rule.kind != "number" && !rule.kind.empty() &&
        !(rule.missing.empty() && rule.scale.empty())) {
      throw ConfigError(own + ": missing and scale are for numbers, and kind is \"" + rule.kind +
                        "\"");
    }
  }
}

}  // namespace

int64_t TablePreparation::width() const {
  int64_t n = 0;
  for (const FittedColumn& c : columns) n += c.width();
  return n;
}

formats::CsvOptions TablePreparation::csv() const {
  formats::CsvOptions out;
  out.separator = separator;
  out.header = header;
  out.missing = missing;
  return out;
}

formats::Array TablePreparation::inputs(const formats::CsvTable& table,
                                        std::span<const int64_t> rows) const {
  const auto n = static_cast<int64_t>(rows.size()), total = width();
  formats::Array out(DType::f32, Shape{n, total});
  const std::span<float> x = out.span<float>();
  std::fill(x.begin(), x.end(), 0.f);
  int64_t at = 0;
  for (const FittedColumn& column : columns) {
    const int c = table.column(column.name);
    if (!column.category) table.require_number(c);
    std::map<std::string, int64_t> position;
    for (size_t k = 0; k < column.categories.size(); ++k)
      position[column.categories[k]] = static_cast<int64_t>(k);
    int64_t unknown = 0;
    std::string example;
    for (int64_t i = 0; i < n; ++i) {
      const int64_t row = rows[static_cast<size_t>(i)];
      const bool missing_cell = table.is_missing(row, c);
      if (column.category) {
        if (missing_cell) continue;
        const auto found = position.find(table.cell(row, c));
        if (found != position.end()) {
          x[static_cast<size_t>(i * total + at + found->second)] = 1;
        } else if (unknown++ == 0) {
          example = table.cell(row, c);
        }
        continue;
      }
      if (missing_cell && column.must_be_there)
        throw FormatError(place(table, row, column.name) + ": missing");
      const double v = missing_cell ? column.fill : table.number(row, c);
      x[static_cast<size_t>(i * total + at)] =
          static_cast<float>((v - column.shift) * column.factor);
    }
    if (unknown > 0) {
      warn(table.name() + ": column \"" + escaped(column.name) + "\": " + std::to_string(unknown) +
           " cells hold categories that the training part did not, such as \"" + escaped(example) +
           "\"");
    }
    at += column.width();
  }
  return out;
}

formats::Array TablePreparation::targets(const formats::CsvTable& table,
                                         std::span<const int64_t> rows) const {
  const int c = table.column(target);
  const auto n = static_cast<int64_t>(rows.size());
  formats::Array out(classes.empty() ? DType::f32 : DType::u32, Shape{n});
  if (classes.empty()) table.require_number(c);
  std::map<std::string, uint32_t> position;
  for (size_t k = 0; k < classes.size(); ++k) position[classes[k]] = static_cast<uint32_t>(k);
  for (int64_t i = 0; i < n; ++i) {
    const int64_t row = rows[static_cast<size_t>(i)];
    if (table.is_missing(row, c)) {
      throw FormatError(place(table, row, target) + ": expected a target, got an empty cell");
    }
    if (classes.empty()) {
      out.span<float>()[static_cast<size_t>(i)] = static_cast<float>(table.number(row, c));
      continue;
    }
    const std::string cell = table.cell(row, c);
    const auto found = position.find(cell);
    if (found == position.end()) {
      throw FormatError(place(table, row, target) + ": unknown class \"" + escaped(cell) + "\"",
                        did_you_mean(cell, classes));
    }
    out.span<uint32_t>()[static_cast<size_t>(i)] = found->second;
  }
  return out;
}

const std::vector<std::string>& class_names(const Preprocessing& p) {
  static const std::vector<std::string> none;
  if (const auto* table = std::get_if<TablePreparation>(&p)) return table->classes;
  if (const auto* image = std::get_if<ImagePreparation>(&p)) return image->classes;
  return none;
}

std::vector<std::string> classes_of(const formats::CsvTable& table, int column) {
  std::set<std::string> texts;
  std::map<double, std::string> numbers;
  for (int64_t row = 0; row < table.rows(); ++row) {
    if (table.is_missing(row, column)) continue;
    if (table.is_number(column)) {
      numbers.emplace(table.number(row, column), table.cell(row, column));
    } else {
      texts.insert(table.cell(row, column));
    }
  }
  std::vector<std::string> out(texts.begin(), texts.end());
  for (const auto& [value, name] : numbers) out.push_back(name);
  return out;
}

TablePreparation fit_table(const formats::CsvTable& table, std::span<const int64_t> rows,
                           const TableFit& fit, const std::string& path) {
  check_rules(table, fit, path);
  TablePreparation out;
  out.target = fit.target;
  const int target = table.column(fit.target);
  if (fit.classification) {
    out.classes = classes_of(table, target);
  } else {
    table.require_number(target);
  }
  for (int c = 0; c < table.columns(); ++c) {
    if (c == target) continue;
    const std::string& name = table.names()[static_cast<size_t>(c)];
    const auto given = std::find_if(fit.rules.begin(), fit.rules.end(),
                                    [&](const NamedRule& r) { return r.column == name; });
    const ColumnRule rule = given == fit.rules.end() ? ColumnRule{} : given->rule;
    if (rule.kind == "ignore") continue;
    const bool number = rule.kind == "number" || (rule.kind.empty() && table.is_number(c));
    out.columns.push_back(number ? fit_number(table, c, rows, rule, path)
                                 : fit_category(table, c, rows, rule.kind.empty(), path));
  }
  if (out.width() == 0) throw ConfigError(path + ": no column is left as an input");
  return out;
}

}  // namespace varve::data
