#include "formats/csv_parser.h"

#include <fmt/format.h>

#include <algorithm>
#include <charconv>
#include <cmath>
#include <cstring>
#include <unordered_set>

#include "base/error.h"
#include "formats/kind.h"
#include "formats/text.h"

namespace varve::formats {
namespace {

bool is_blank(char c) { return c == ' ' || c == '\t'; }

std::string_view trimmed(std::string_view text) {
  while (!text.empty() && is_blank(text.front())) text.remove_prefix(1);
  while (!text.empty() && is_blank(text.back())) text.remove_suffix(1);
  return text;
}

// Up to nine digits with a sign: most cells of most tables.
bool parse_small(std::string_view text, int32_t& out) {
  const bool negative = !text.empty() && text[0] == '-';
  if (negative) text.remove_prefix(1);
  if (text.empty() || text.size() > 9) return false;
  int32_t value = 0;
  for (char c : text) {
    if (c < '0' || c > '9') return false;
    value = value * 10 + (c - '0');
  }
  // -0 is a number of its own, which no integer can hold.
  if (negative && value == 0) return false;
  out = negative ? -value : value;
  return true;
}

// Decimal numbers only: no nan, inf or hex, nothing beyond double.
bool parse_real(std::string_view text, double& out) {
  if (text.size() > 1 && text[0] == '+' && text[1] != '-') text.remove_prefix(1);
  const char first = text.empty() ? 0 : text[0] == '-' && text.size() > 1 ? text[1] : text[0];
  if (!(first >= '0' && first <= '9') && first != '.') return false;
  const char* end = text.data() + text.size();
  const auto result = std::from_chars(text.data(), end, out);
  if (result.ptr != end) return false;
  if (result.ec == std::errc::result_out_of_range) {
    out = std::strtod(std::string(text).c_str(), nullptr);  // what is too small is 0
    return std::isfinite(out);
  }
  return result.ec == std::errc();
}

}  // namespace

CsvParser::CsvParser(std::string name, Buffer bytes, const CsvOptions& options)
    : options_(options), only_empty_missing_(options.missing == std::vector<std::string>{""}) {
  table_.name_ = std::move(name);
  table_.bytes_ = std::move(bytes);
  text_ = table_.bytes_.text();
}

void CsvParser::fail(const std::string& what, std::string hint) const {
  throw FormatError(table_.name_ + ": " + what, std::move(hint));
}

void CsvParser::fail_at(int64_t line, const std::string& what, std::string hint) const {
  fail(fmt::format("line {}: {}", line, what), std::move(hint));
}

void CsvParser::check_encoding() {
  const FileKind kind = kind_of(table_.bytes_.span());
  const bool json = kind == FileKind::json && options_.quote != '"';
  if (kind != FileKind::toml && kind != FileKind::empty && kind != FileKind::markup && !json) {
    const std::string other = other_kind(table_.bytes_.span(), "a table", {FileKind::text}, "");
    if (!other.empty()) fail(other, "a table is CSV: lines of text, cells between commas");
  }
  if (text_.starts_with("\xff\xfe") || text_.starts_with("\xfe\xff")) {
    fail("UTF-16 is not supported; expected UTF-8", "convert it: iconv -f UTF-16 -t UTF-8");
  }
  const auto line_of = [&](size_t at) {
    return 1 + std::count(text_.begin(), text_.begin() + static_cast<ptrdiff_t>(at), '\n');
  };
  if (const size_t nul = text_.find('\0'); nul != text_.npos) {
    fail_at(line_of(nul), fmt::format("NUL byte (byte {})", nul));
  }
  if (const int64_t bad = first_invalid_utf8(text_); bad >= 0) {
    fail_at(line_of(static_cast<size_t>(bad)), fmt::format("invalid UTF-8 (byte {})", bad),
            "convert it: iconv -f LATIN1 -t UTF-8");
  }
  if (text_.starts_with("\xef\xbb\xbf")) start_ = 3;
}

bool CsvParser::begin_record() {
  for (;;) {
    size_t end = at_;
    while (end < text_.size() && is_blank(text_[end]) && text_[end] != options_.separator) ++end;
    if (options_.separator == ' ') skip_blanks(), end = at_;
    if (end == text_.size()) return false;
    const bool carriage = text_[end] == '\r' && end + 1 < text_.size() && text_[end + 1] == '\n';
    if (text_[end] != '\n' && !carriage) break;
    at_ = end + (carriage ? 2 : 1);
    ++line_;
  }
  record_line_ = line_;
  return true;
}

void CsvParser::skip_blanks() {
  while (at_ < text_.size() && is_blank(text_[at_])) ++at_;
}

// At a separator or a line end, or at the end of the text.
CsvParser::After CsvParser::finish_cell() {
  if (options_.separator == ' ') skip_blanks();
  if (at_ == text_.size()) return After::record;
  const char c = text_[at_];
  if (c == '\n') {
    ++at_, ++line_;
    return After::record;
  }
  if (c == '\r') {
    if (at_ + 1 == text_.size() || text_[at_ + 1] != '\n') {
      fail_at(line_, "carriage return without line feed");
    }
    at_ += 2, ++line_;
    return After::record;
  }
  // Of a run of blanks none is left, and what follows is the next cell.
  if (options_.separator != ' ') ++at_;
  return After::cell;
}

CsvParser::After CsvParser::read_cell(Cell& cell) {
  const char separator = options_.separator, quote = options_.quote;
  const size_t begin = at_;
  if (options_.trim && separator != '\t') skip_blanks();
  if (quote != 0 && at_ < text_.size() && text_[at_] == quote) return read_quoted(cell);
  at_ = begin;
  while (at_ < text_.size()) {
    const char c = text_[at_];
    if (c == separator || c == '\n' || c == '\r' || (separator == ' ' && c == '\t')) break;
    if (c == quote && quote != 0) {
      fail_at(line_, "quote inside a field that does not begin with one",
              "double the quotes and put the field into quotes, or set quote to none");
    }
    ++at_;
  }
  if (at_ - begin > static_cast<size_t>(kMaxField)) {
    fail_at(record_line_, fmt::format("field longer than {} bytes", kMaxField));
  }
  cell.text = text_.substr(begin, at_ - begin);
  if (options_.trim) cell.text = trimmed(cell.text);
  cell.unescaped = false;
  return finish_cell();
}

CsvParser::After CsvParser::read_quoted(Cell& cell) {
  const int64_t opened = line_;
  const size_t begin = ++at_;
  bool doubled = false;
  for (;; ++at_) {
    const size_t next = text_.find(options_.quote, at_);
    const size_t end = std::min(next, text_.size());
    line_ += std::count(text_.begin() + static_cast<ptrdiff_t>(at_),
                        text_.begin() + static_cast<ptrdiff_t>(end), '\n');
    if (next == text_.npos) {
      const bool final_newline = text_.back() == '\n';
      fail_at(opened, fmt::format("quote not closed before line {}", line_ - final_newline));
    }
    at_ = next + 1;
    if (at_ == text_.size() || text_[at_] != options_.quote) break;
    doubled = true;
  }
  const size_t end = at_ - 1;
  if (end - begin > static_cast<size_t>(kMaxField)) {
    fail_at(opened, fmt::format("field longer than {} bytes", kMaxField));
  }
  cell.text = text_.substr(begin, end - begin);
  cell.unescaped = doubled;
  if (doubled) keep_doubled(cell, begin, end);
  if (options_.trim && options_.separator != '\t') skip_blanks();
  const bool after_run = options_.separator == ' ' && is_blank(text_[at_ - 1]);
  if (at_ < text_.size() && text_[at_] != options_.separator && text_[at_] != '\n' &&
      text_[at_] != '\r' && !after_run) {
    fail_at(line_, "text after a closing quote");
  }
  return finish_cell();
}

// The cell without every second quote, kept beside the file's bytes.
void CsvParser::keep_doubled(Cell& cell, size_t begin, size_t end) {
  std::string& store = table_.unescaped_;
  const size_t offset = store.size();
  for (size_t i = begin; i < end; ++i) {
    store += text_[i];
    if (text_[i] == options_.quote) ++i;
  }
  cell.text = std::string_view(store).substr(offset);
}

bool CsvParser::is_missing(std::string_view text) const {
  if (only_empty_missing_) return text.empty();
  return std::find(options_.missing.begin(), options_.missing.end(), text) !=
         options_.missing.end();
}

void CsvParser::add_missing(Column& column) {
  switch (column.kind) {
    case Kind::integer:
      column.integers.push_back(kMissingInteger);
      break;
    case Kind::real:
      column.reals.push_back(std::numeric_limits<double>::quiet_NaN());
      break;
    case Kind::text:
      column.texts.push_back(kMissingText);
      break;
  }
}

void CsvParser::add_text(Column& column, const Cell& cell) {
  const char* base = cell.unescaped ? table_.unescaped_.data() : text_.data();
  const auto offset = static_cast<size_t>(cell.text.data() - base);
  column.texts.push_back(pack({offset, cell.text.size(), cell.unescaped}));
}

void CsvParser::become_text(Column& column, const Cell& cell) {
  const size_t rows = column.kind == Kind::real ? column.reals.size() : column.integers.size();
  column.text_line = record_line_;
  column.first_text = cell.text.substr(0, 200);
  // What was a number must be looked up again; what was missing stays so.
  column.again = column.values > 0;
  column.kind = Kind::text;
  column.integers = {};
  column.reals = {};
  column.texts.assign(rows, kMissingText);
}

// The short way for what large tables are made of: an integer of up to nine digits between
// separators, in a column that has only such. False where the cell is anything else.
bool CsvParser::add_digits(Column& column) {
  constexpr size_t kDigits = 9;
  if (column.kind != Kind::integer || text_.size() - at_ <= kDigits) return false;
  const char* const begin = text_.data() + at_;
  const char* p = begin;
  int32_t value = 0;
  for (; p < begin + kDigits && *p >= '0' && *p <= '9'; ++p) value = value * 10 + (*p - '0');
  if (p == begin || *p != options_.separator) return false;
  column.integers.push_back(value);
  ++column.values;
  at_ += static_cast<size_t>(p - begin) + 1;
  return true;
}

void CsvParser::add(Column& column, const Cell& cell) {
  if (is_missing(cell.text)) return add_missing(column);
  const std::string_view text = trimmed(cell.text);
  double real = 0;
  if (column.kind != Kind::text) {
    int32_t small = 0;
    if (parse_small(text, small)) {
      if (column.kind == Kind::integer) {
        column.integers.push_back(small);
      } else {
        column.reals.push_back(small);
      }
    } else if (parse_real(text, real)) {
      if (column.kind == Kind::integer) {
        column.kind = Kind::real;
        column.reals.reserve(column.integers.capacity());
        for (int32_t v : column.integers) {
          column.reals.push_back(v == kMissingInteger ? std::numeric_limits<double>::quiet_NaN()
                                                      : v);
        }
        column.integers = {};
      }
      column.reals.push_back(real);
    } else {
      become_text(column, cell);
    }
  }
  if (column.kind == Kind::text) add_text(column, cell);
  ++column.values;
}

void CsvParser::set_names(std::vector<std::string> names) {
  std::unordered_set<std::string_view> seen;
  for (size_t i = 0; i < names.size(); ++i) {
    if (names[i].empty()) names[i] = fmt::format("column_{}", i + 1);
  }
  for (const std::string& name : names) {
    if (!seen.insert(name).second) {
      fail_at(record_line_, "column " + in_quotes(name) + " appears twice");
    }
  }
  table_.columns_.resize(names.size());
  table_.names_ = std::move(names);
  for (const std::string& name : options_.text) {
    if (!options_.text_must_exist && !table_.has_column(name)) continue;
    table_.columns_[static_cast<size_t>(table_.column(name))].kind = Kind::text;
  }
}

void CsvParser::skip_lines() {
  for (int64_t i = 0; i < options_.skip_lines; ++i) {
    const size_t end = text_.find('\n', at_);
    if (end == text_.npos) fail("no data rows");
    at_ = end + 1;
    ++line_;
  }
}

void CsvParser::read_header() {
  if (!begin_record()) fail("no data rows");
  std::vector<std::string> names;
  const size_t before = at_;
  const int64_t line = line_;
  Cell cell;
  After after = After::cell;
  while (after == After::cell) {
    after = read_cell(cell);
    names.emplace_back(options_.header ? cell.text : "");
    if (names.size() > static_cast<size_t>(kMaxColumns)) {
      fail_at(record_line_, fmt::format("expected at most {} columns", kMaxColumns));
    }
  }
  set_names(std::move(names));
  if (!options_.header) at_ = before, line_ = line;
}

// `again`: the second time, for the columns that turned out to be text after they began as numbers.
void CsvParser::read_records(bool again) {
  std::vector<Column>& columns = table_.columns_;
  Cell cell;
  const bool fast = !again && only_empty_missing_ && options_.separator != ' ';
  while (begin_record()) {
    size_t count = 0;
    After after = After::cell;
    while (after == After::cell) {
      if (fast && count < columns.size() && add_digits(columns[count])) {
        ++count;
        continue;
      }
      after = read_cell(cell);
      if (count < columns.size()) {
        Column& column = columns[count];
        if (!again) {
          add(column, cell);
        } else if (column.again) {
          is_missing(cell.text) ? add_missing(column) : add_text(column, cell);
        }
      }
      ++count;
    }
    if (count != columns.size()) {
      fail_at(record_line_, fmt::format("expected {} fields, got {}", columns.size(), count));
    }
    if (!again) table_.lines_.push_back(record_line_);
  }
}

CsvTable CsvParser::run() {
  check_encoding();
  at_ = start_;
  skip_lines();
  read_header();
  const size_t data = at_;
  const int64_t data_line = line_;
  read_records(false);
  if (table_.lines_.empty()) fail("no data rows");
  bool again = false;
  for (Column& column : table_.columns_) {
    again |= column.again;
    if (column.again) column.texts.clear();
  }
  if (again) {
    at_ = data;
    line_ = data_line;
    read_records(true);
  }
  return std::move(table_);
}

}  // namespace varve::formats
