#include "varve/table.h"

#include <algorithm>
#include <cmath>
#include <nlohmann/json.hpp>
#include <numeric>

#include "base/error.h"
#include "data/table_state.h"
#include "formats/json.h"
#include "nn/config.h"
#include "varve/ops/shape.h"
#include "varve/warnings.h"

namespace varve {
namespace {

using detail::FittedColumn;
using detail::TablePreprocessingState;
using formats::CsvTable;

formats::CsvOptions csv_options(const TableReadOptions& o) {
  if (o.separator.size() != 1) {
    throw ValueError("table: separator: expected one character, got \"" + escaped(o.separator) +
                     "\"");
  }
  formats::CsvOptions c;
  c.separator = o.separator[0];
  c.header = o.header;
  c.missing = o.missing;
  c.text = o.text;
  return c;
}

void require_choice(const char* what, const std::string& value,
                    const std::vector<std::string>& choices) {
  if (std::find(choices.begin(), choices.end(), value) != choices.end()) return;
  std::string list;
  for (const std::string& c : choices) list += (list.empty() ? "\"" : ", \"") + c + "\"";
  throw ValueError(std::string("column: ") + what + ": expected one of " + list + ", got \"" +
                       escaped(value) + "\"",
                   did_you_mean(value, choices));
}

void check(const Column& c) {
  require_choice("kind", c.kind, {"auto", "number", "category", "ignore"});
  require_choice("missing", c.missing,
                 {"auto", "median", "mean", "zero", "category", "most_frequent", "error"});
  require_choice("scale", c.scale, {"auto", "standard", "unit", "none"});
  const bool for_categories = c.missing == "category" || c.missing == "most_frequent";
  const bool for_numbers = c.missing == "median" || c.missing == "mean" || c.missing == "zero";
  if ((c.kind == "number" && for_categories) || (c.kind == "category" && for_numbers)) {
    throw ValueError("column: missing: \"" + c.missing + "\" does not go with kind \"" + c.kind +
                     "\"");
  }
}

std::string cell_text(const CsvTable& csv, int64_t row, int column) {
  return csv.name() + ": line " + std::to_string(csv.line(row)) + " column \"" +
         escaped(csv.names()[static_cast<size_t>(column)]) + "\"";
}

void put_numbers(const CsvTable& csv, const FittedColumn& c, int column, float* out,
                 int64_t stride) {
  csv.require_number(column);
  for (int64_t row = 0; row < csv.rows(); ++row) {
    double v = csv.number(row, column);
    if (std::isnan(v)) {
      if (c.refuse_missing) data::refuse_missing(csv, row, column);
      v = c.fill;
    }
    out[row * stride] = static_cast<float>((v - c.shift) / c.scale);
  }
}

void put_categories(const CsvTable& csv, const FittedColumn& c, int column, float* out,
                    int64_t stride) {
  std::map<std::string, int64_t, std::less<>> index;
  for (size_t i = 0; i < c.categories.size(); ++i) index[c.categories[i]] = static_cast<int64_t>(i);
  int64_t unknown = 0;
  std::string example;
  for (int64_t row = 0; row < csv.rows(); ++row) {
    int64_t at = c.missing_as;
    if (!csv.is_missing(row, column)) {
      const std::string value = csv.cell(row, column);
      const auto found = index.find(value);
      at = found == index.end() ? -1 : found->second;
      if (at < 0) {
        ++unknown;
        example = value;
      }
    } else if (c.refuse_missing) {
      data::refuse_missing(csv, row, column);
    }
    if (at >= 0) out[row * stride + at] = 1;
  }
  if (unknown > 0) {
    warn(csv.name() + ": column \"" + escaped(c.name) + "\": " + std::to_string(unknown) +
         " cells hold values that were not there in training (\"" + escaped(example) +
         "\"); they count as none of the known ones");
  }
}

Tensor class_targets(const CsvTable& csv, const TablePreprocessingState& s, int column) {
  std::map<std::string, int64_t> index;
  for (size_t i = 0; i < s.classes.size(); ++i) index[s.classes[i]] = static_cast<int64_t>(i);
  std::vector<int64_t> y;
  for (int64_t row = 0; row < csv.rows(); ++row) {
    if (csv.is_missing(row, column)) {
      throw FormatError(cell_text(csv, row, column) + ": the target is missing");
    }
    const std::string value = csv.cell(row, column);
    const auto at = index.find(value);
    if (at == index.end()) {
      throw FormatError(cell_text(csv, row, column) + ": class \"" + escaped(value) +
                            "\" is not among those of the training rows",
                        did_you_mean(value, s.classes));
    }
    y.push_back(at->second);
  }
  return tensor(y, Shape{csv.rows()});
}

Tensor number_targets(const CsvTable& csv, int column) {
  csv.require_number(column);
  std::vector<float> y;
  for (int64_t row = 0; row < csv.rows(); ++row) {
    const double v = csv.number(row, column);
    if (std::isnan(v)) throw FormatError(cell_text(csv, row, column) + ": the target is missing");
    y.push_back(static_cast<float>(v));
  }
  return tensor(y, Shape{csv.rows(), 1});
}

}  // namespace

void TableReadOptions::fields(Fields& f) {
  f("separator", separator, "Between cells; a blank means any run of blanks.");
  f("header", header, "The first line names the columns.");
  f("missing", missing, "Cells that count as missing.");
  f("text", text, "Columns kept as text, whatever they look like.");
}

Table Table::read(std::string_view path, const TableReadOptions& options) {
  return Table(std::make_shared<detail::TableState>(
      detail::TableState{formats::read_csv(std::string(path), csv_options(options)), options}));
}
Table Table::parse(std::string_view text, const TableReadOptions& options) {
  return Table(std::make_shared<detail::TableState>(
      detail::TableState{formats::parse_csv("table", text, csv_options(options)), options}));
}
int64_t Table::rows() const { return state_->csv.rows(); }
const std::vector<std::string>& Table::columns() const { return state_->csv.names(); }
bool Table::has(std::string_view column) const { return state_->csv.has_column(column); }
std::string Table::cell(int64_t row, std::string_view column) const {
  if (row < 0 || row >= rows()) {
    throw IndexError("table: row " + std::to_string(row) + " of " + std::to_string(rows()));
  }
  const int c = state_->csv.column(column);
  return state_->csv.is_missing(row, c) ? "" : state_->csv.cell(row, c);
}

Column::Column(const char* k) : kind(k) { check(*this); }
Column::Column(std::string k, std::string m, std::string s)
    : kind(std::move(k)), missing(std::move(m)), scale(std::move(s)) {
  check(*this);
}
void Column::fields(Fields& f) {
  f("kind", kind, "auto, number, category or ignore.");
  f("missing", missing, "What stands for missing cells.");
  f("scale", scale, "Of numbers: standard, unit or none.");
}
std::string Column::config() const {
  Column copy = *this;
  return config::write("column", [&](Fields& f) { copy.fields(f); }).dump();
}
Column Column::from_config(std::string_view json) {
  const config::Json value = config::parse(json, "column");
  Column c;
  if (value.is_string()) {
    c.kind = value.get<std::string>();
  } else {
    config::read(value, "column", [&](Fields& f) { c.fields(f); });
  }
  try {
    check(c);
  } catch (const ValueError& e) {
    // "column: kind: expected ..." as the path of a field.
    throw ConfigError("column." + e.message().substr(std::string_view("column: ").size()),
                      e.hint());
  }
  return c;
}

TablePreprocessing TablePreprocessing::fit(const Table& table, const TableOptions& options,
                                           std::span<const int64_t> rows) {
  if (options.target_kind != "auto" && options.target_kind != "class" &&
      options.target_kind != "number") {
    throw ValueError("table: target_kind: expected \"auto\", \"class\" or \"number\", got \"" +
                     escaped(options.target_kind) + "\"");
  }
  for (const auto& [name, column] : options.columns) check(column);
  std::vector<int64_t> all;
  if (rows.empty()) {
    all.resize(static_cast<size_t>(table.rows()));
    std::iota(all.begin(), all.end(), 0);
    rows = all;
  }
  return TablePreprocessing(
      std::make_shared<TablePreprocessingState>(data::fit_table(table, options, rows)));
}

Tensor TablePreprocessing::inputs(const Table& table) const {
  const CsvTable& csv = table.state()->csv;
  const int64_t width = features();
  std::vector<float> x(static_cast<size_t>(csv.rows() * width), 0.f);
  int64_t at = 0;
  for (const FittedColumn& c : state_->columns) {
    const int column = csv.column(c.name);
    if (c.is_number) {
      put_numbers(csv, c, column, x.data() + at, width);
      ++at;
    } else {
      put_categories(csv, c, column, x.data() + at, width);
      at += static_cast<int64_t>(c.categories.size());
    }
  }
  return tensor(x, Shape{csv.rows(), width});
}

Dataset TablePreprocessing::dataset(const Table& table) const {
  const CsvTable& csv = table.state()->csv;
  if (state_->target.empty()) return Dataset(inputs(table), {}, {.preprocessing = to_json()});
  const int column = csv.column(state_->target);
  return Dataset(
      inputs(table),
      state_->classification ? class_targets(csv, *state_, column) : number_targets(csv, column),
      {.class_names = state_->classes, .preprocessing = to_json()});
}

int64_t TablePreprocessing::features() const { return state_->features(); }
std::vector<std::string> TablePreprocessing::feature_names() const {
  std::vector<std::string> names;
  for (const FittedColumn& c : state_->columns) {
    if (c.is_number) names.push_back(c.name);
    for (const std::string& value : c.categories) names.push_back(c.name + "=" + value);
  }
  return names;
}
bool TablePreprocessing::is_classification() const { return state_->classification; }
const std::vector<std::string>& TablePreprocessing::class_names() const { return state_->classes; }
const std::string& TablePreprocessing::target() const { return state_->target; }
const TableReadOptions& TablePreprocessing::reading() const { return state_->reading; }

Table TablePreprocessing::read(std::string_view path) const {
  formats::CsvOptions options = csv_options(reading());
  options.text_must_exist = false;
  return Table(std::make_shared<detail::TableState>(
      detail::TableState{formats::read_csv(std::string(path), options), reading()}));
}

std::string TablePreprocessing::to_json() const {
  config::Json columns = config::Json::array();
  for (const FittedColumn& c : state_->columns) {
    config::Json j{{"name", c.name}, {"kind", c.is_number ? "number" : "category"}};
    if (c.is_number) {
      j["fill"] = c.fill;
      j["shift"] = c.shift;
      j["scale"] = c.scale;
    } else {
      j["categories"] = c.categories;
      j["missing_as"] = c.missing_as;
    }
    j["refuse_missing"] = c.refuse_missing;
    columns.push_back(std::move(j));
  }
  TableReadOptions reading = state_->reading;
  return config::Json{{"type", "table"},
                      {"reading", config::write("table", [&](Fields& f) { reading.fields(f); })},
                      {"columns", std::move(columns)},
                      {"target", state_->target},
                      {"classification", state_->classification},
                      {"classes", state_->classes}}
      .dump();
}

TablePreprocessing TablePreprocessing::from_json(std::string_view json) {
  const nlohmann::json j = formats::parse_json(json, "preprocessing");
  TablePreprocessingState s;
  try {
    if (j.at("type") != "table") throw FormatError("preprocessing: it is not that of a table");
    config::read(config::Json(j.at("reading")), "reading", [&](Fields& f) { s.reading.fields(f); });
    s.target = j.at("target").get<std::string>();
    s.classification = j.at("classification").get<bool>();
    s.classes = j.at("classes").get<std::vector<std::string>>();
    for (const nlohmann::json& item : j.at("columns")) {
      FittedColumn c;
      c.name = item.at("name").get<std::string>();
      c.is_number = item.at("kind") == "number";
      c.refuse_missing = item.at("refuse_missing").get<bool>();
      if (c.is_number) {
        c.fill = item.at("fill").get<double>();
        c.shift = item.at("shift").get<double>();
        c.scale = item.at("scale").get<double>();
      } else {
        c.categories = item.at("categories").get<std::vector<std::string>>();
        c.missing_as = item.at("missing_as").get<int64_t>();
        if (c.missing_as < -1 || c.missing_as >= static_cast<int64_t>(c.categories.size())) {
          throw FormatError("preprocessing: columns: missing_as is out of range");
        }
      }
      s.columns.push_back(std::move(c));
    }
  } catch (const nlohmann::json::exception& e) {
    throw FormatError(std::string("preprocessing: ") + escaped(e.what()));
  } catch (const ConfigError& e) {
    throw FormatError("preprocessing: " + e.message(), e.hint());
  }
  return TablePreprocessing(std::make_shared<TablePreprocessingState>(std::move(s)));
}

namespace data {

TableRows split_rows(const Table& table, const TableOptions& options, const TableSplit& parts) {
  const CsvTable& csv = table.state()->csv;
  std::vector<int64_t> rows(static_cast<size_t>(table.rows()));
  std::iota(rows.begin(), rows.end(), 0);
  // Splitting needs positions and, where stratified, classes only.
  Tensor classes;
  if (parts.stratify) {
    if (options.target.empty()) throw ValueError("table: stratify: there is no target");
    const int column = csv.column(options.target);
    if (!target_is_class(csv, column, options.target_kind, rows)) {
      throw ValueError("table: stratify: target \"" + escaped(options.target) + "\" is no class");
    }
    TablePreprocessingState all;
    all.classes = class_names_of(csv, column, rows);
    classes = class_targets(csv, all, column);
  }
  Dataset train(tensor(rows, Shape{rows.size()}), classes.defined() ? Tensors(classes) : Tensors());
  const SplitOptions how{.seed = parts.seed, .stratify = parts.stratify};
  TableRows out;
  const auto split_off = [&](double share) {
    const TrainTest t = split(train, share, how);
    train = t.train;
    return std::vector<int64_t>(t.test.rows().begin(), t.test.rows().end());
  };
  if (parts.test > 0) out.test = split_off(parts.test);
  if (parts.validation > 0) out.validation = split_off(parts.validation / (1 - parts.test));
  out.train.assign(train.rows().begin(), train.rows().end());
  return out;
}

}  // namespace data

TableData prepare_table(const Table& table, const TableOptions& options, TableSplit parts) {
  const data::TableRows rows = data::split_rows(table, options, parts);
  TablePreprocessing fitted = TablePreprocessing::fit(table, options, rows.train);
  const Dataset all = fitted.dataset(table);
  return {all.subset(rows.train), all.subset(rows.validation), all.subset(rows.test), fitted};
}

}  // namespace varve
