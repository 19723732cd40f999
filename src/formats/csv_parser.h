// The scanner behind read_csv; private to csv*.cpp.
#pragma once
#include <limits>

#include "formats/csv.h"

namespace varve::formats {

class CsvParser {
 public:
  static constexpr int32_t kMissingInteger = std::numeric_limits<int32_t>::min();
  static constexpr uint64_t kMissingText = std::numeric_limits<uint64_t>::max();
  static constexpr int64_t kMaxField = 1 << 20, kMaxColumns = 100'000;

  struct Part {
    size_t offset, size;
    bool unescaped;
  };
  // 42 bits of offset, 21 of size, one that tells where the bytes lie.
  static uint64_t pack(Part p) {
    return uint64_t{p.offset} << 22 | uint64_t{p.size} << 1 | uint64_t{p.unescaped};
  }
  static Part unpack(uint64_t v) { return {v >> 22, v >> 1 & 0x1fffff, (v & 1) != 0}; }

  CsvParser(std::string name, Buffer bytes, const CsvOptions& options);
  CsvTable run();

 private:
  using Column = CsvTable::Column;
  using Kind = CsvTable::Kind;
  struct Cell {
    std::string_view text;
    bool unescaped = false;
  };
  enum class After { cell, record };

  void check_encoding();
  [[noreturn]] void fail(const std::string& what, std::string hint = {}) const;
  [[noreturn]] void fail_at(int64_t line, const std::string& what, std::string hint = {}) const;

  /// Passes over blank lines; false at the end of the text.
  bool begin_record();
  After read_cell(Cell& cell);
  After read_quoted(Cell& cell);
  After finish_cell();
  void keep_doubled(Cell& cell, size_t begin, size_t end);
  void skip_blanks();
  bool add_digits(Column& column);
  void skip_lines();

  void read_header();
  void read_records(bool again);
  void set_names(std::vector<std::string> names);
  bool is_missing(std::string_view text) const;
  void add(Column& column, const Cell& cell);
  void add_missing(Column& column);
  void add_text(Column& column, const Cell& cell);
  void become_text(Column& column, const Cell& cell);

  const CsvOptions& options_;
  CsvTable table_;
  std::string_view text_;
  size_t at_ = 0, start_ = 0;
  int64_t line_ = 1, record_line_ = 1;
  bool only_empty_missing_;
};

}  // namespace varve::formats
