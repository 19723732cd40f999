// CSV (RFC 4180) read into columns, whose types are inferred: numbers or text.
#pragma once
#include <string>
#include <string_view>
#include <vector>

#include "formats/file.h"

namespace varve::formats {

struct CsvOptions {
  /// ' ' stands for any run of blanks.
  char separator = ',';
  /// '\0' where quotes mean nothing.
  char quote = '"';
  /// The first line names the columns; where false they are column_1, column_2 ...
  bool header = true;
  /// Lines passed over before anything else.
  int64_t skip_lines = 0;
  /// Blanks around cells that are not quoted are dropped.
  bool trim = true;
  /// Cells that count as missing, compared as they stand.
  std::vector<std::string> missing{""};
  /// Columns kept as they are written, whatever they look like (postcodes, categories 01 and 1).
  std::vector<std::string> text{};
  /// Whether a name in `text` that is no column's is an error.
  bool text_must_exist = true;
  /// Of the file, unpacked where it is gzip.
  int64_t limit = int64_t{4} << 30;
};

/// A table in memory. Numbers take 4 bytes a cell as long as a column holds integers only, else 8;
/// text is a view of the file's bytes.
class CsvTable {
 public:
  int64_t rows() const { return static_cast<int64_t>(lines_.size()); }
  int columns() const { return static_cast<int>(columns_.size()); }
  const std::vector<std::string>& names() const { return names_; }
  /// The file as messages show it.
  const std::string& name() const { return name_; }
  /// Throws FormatError `column "label" not found; columns: a, b, c`.
  int column(std::string_view name) const;
  bool has_column(std::string_view name) const;

  /// True where every cell that is not missing is a number.
  bool is_number(int column) const { return at(column).kind != Kind::text; }
  bool is_missing(int64_t row, int column) const;
  /// The line of the file on which a row begins, from 1.
  int64_t line(int64_t row) const { return lines_.at(static_cast<size_t>(row)); }

  /// Throws FormatError `line 9 column "age": expected number, got "abc"` for a column of text.
  void require_number(int column) const;
  /// A number; NaN where missing.
  double number(int64_t row, int column) const;
  /// A cell of a text column; empty where missing.
  std::string_view text(int64_t row, int column) const;
  /// A cell of any column as text; a number in its shortest form.
  std::string cell(int64_t row, int column) const;

 private:
  friend class CsvParser;
  enum class Kind : uint8_t { integer, real, text };
  struct Column {
    Kind kind = Kind::integer;
    std::vector<int32_t> integers;
    std::vector<double> reals;
    std::vector<uint64_t> texts;
    int64_t values = 0;     // cells that are not missing
    int64_t text_line = 0;  // where the first cell stands that is no number
    std::string first_text;
    bool again = false;  // numbers came before that cell: read it once more as text
  };
  const Column& at(int column) const;

  std::string name_;
  Buffer bytes_;
  std::string unescaped_;  // cells whose quotes were doubled
  std::vector<std::string> names_;
  std::vector<Column> columns_;
  std::vector<int64_t> lines_;
};

/// Plain or gzip. Blank lines are passed over; a UTF-8 mark at the start and CRLF are accepted.
/// Throws IoError; FormatError naming line and column for ragged rows, open quotes, UTF-16, NUL
/// bytes, bytes that are no UTF-8, repeated names, and for tables without rows.
CsvTable read_csv(const std::string& path, const CsvOptions& options = {});
CsvTable parse_csv(const std::string& name, std::string_view text, const CsvOptions& options = {});

/// A cell as it must be written: quoted where it holds a separator, a quote, a line end or blanks
/// at its ends.
std::string csv_cell(std::string_view text, char separator = ',');

}  // namespace varve::formats
