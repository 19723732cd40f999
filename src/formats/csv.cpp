#include "formats/csv.h"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>
#include <limits>

#include "base/error.h"
#include "formats/csv_parser.h"
#include "formats/gzip.h"
#include "formats/text.h"

namespace varve::formats {
namespace {

std::string cell_text(double value) { return fmt::format("{}", value); }

}  // namespace

int CsvTable::column(std::string_view name) const {
  const auto found = std::find(names_.begin(), names_.end(), name);
  if (found == names_.end()) {
    constexpr size_t kShown = 30;
    std::string list;
    for (size_t i = 0; i < std::min(names_.size(), kShown); ++i) {
      list += (i ? ", " : "") + escaped(names_[i]);
    }
    if (names_.size() > kShown) list += fmt::format(" and {} more", names_.size() - kShown);
    const std::string near = closest(name, names_);
    throw FormatError(
        fmt::format("{}: column {} not found; columns: {}", name_, in_quotes(name), list),
        near.empty() ? "" : "did you mean " + in_quotes(near) + "?");
  }
  return static_cast<int>(found - names_.begin());
}

bool CsvTable::has_column(std::string_view name) const {
  return std::find(names_.begin(), names_.end(), name) != names_.end();
}

const CsvTable::Column& CsvTable::at(int column) const {
  check(column >= 0 && column < columns(), "the column exists");
  return columns_[static_cast<size_t>(column)];
}

bool CsvTable::is_missing(int64_t row, int column) const {
  const Column& c = at(column);
  const auto i = static_cast<size_t>(row);
  switch (c.kind) {
    case Kind::integer:
      return c.integers.at(i) == CsvParser::kMissingInteger;
    case Kind::real:
      return std::isnan(c.reals.at(i));
    case Kind::text:
      return c.texts.at(i) == CsvParser::kMissingText;
  }
  return false;
}

void CsvTable::require_number(int column) const {
  const Column& c = at(column);
  if (c.kind != Kind::text) return;
  const std::string& name = names_[static_cast<size_t>(column)];
  if (c.text_line == 0) {
    throw FormatError(
        fmt::format("{}: column {}: expected numbers, read as text", name_, in_quotes(name)));
  }
  throw FormatError(fmt::format("{}: line {} column {}: expected number, got {}", name_,
                                c.text_line, in_quotes(name), in_quotes(c.first_text)));
}

double CsvTable::number(int64_t row, int column) const {
  require_number(column);
  const Column& c = at(column);
  const auto i = static_cast<size_t>(row);
  if (c.kind == Kind::real) return c.reals.at(i);
  const int32_t value = c.integers.at(i);
  return value == CsvParser::kMissingInteger ? std::numeric_limits<double>::quiet_NaN() : value;
}

std::string_view CsvTable::text(int64_t row, int column) const {
  const Column& c = at(column);
  check(c.kind == Kind::text, "text() is asked of a text column");
  const uint64_t packed = c.texts.at(static_cast<size_t>(row));
  if (packed == CsvParser::kMissingText) return {};
  const auto part = CsvParser::unpack(packed);
  return (part.unescaped ? std::string_view(unescaped_) : bytes_.text())
      .substr(part.offset, part.size);
}

std::string CsvTable::cell(int64_t row, int column) const {
  if (!is_number(column)) return std::string(text(row, column));
  return is_missing(row, column) ? "" : cell_text(number(row, column));
}

CsvTable read_csv(const std::string& path, const CsvOptions& options) {
  return CsvParser(shown(path), read_maybe_gzip(path, options.limit), options).run();
}

CsvTable parse_csv(const std::string& name, std::string_view text, const CsvOptions& options) {
  Buffer bytes(static_cast<int64_t>(text.size()), name);
  std::copy_n(as_bytes(text).begin(), text.size(), bytes.data());
  return CsvParser(shown(name), bytes, options).run();
}

std::string csv_cell(std::string_view text, char separator) {
  const auto needs_quotes = [&](char c) {
    return c == separator || c == '"' || c == '\n' || c == '\r';
  };
  const bool blank = !text.empty() && (text.front() == ' ' || text.back() == ' ' ||
                                       text.front() == '\t' || text.back() == '\t');
  if (!blank && std::none_of(text.begin(), text.end(), needs_quotes)) return std::string(text);
  std::string out = "\"";
  for (char c : text) {
    if (c == '"') out += '"';
    out += c;
  }
  return out + '"';
}

}  // namespace varve::formats
