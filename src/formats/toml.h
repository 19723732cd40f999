// TOML files as a tree in which every value knows its line and column.
#pragma once
#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "formats/file.h"

namespace varve::formats {

struct TomlPosition {
  int line = 0, column = 0;  // from 1
};

struct TomlMember;

/// A value; which of the members below counts is told by `kind`.
struct TomlValue {
  enum class Kind : uint8_t { table, array, string, integer, real, boolean, date_time };
  Kind kind = Kind::table;
  TomlPosition position;
  bool boolean = false;
  int64_t integer = 0;
  double real = 0;
  std::string text;                 // string; a date or time as it is written
  std::vector<TomlValue> items;     // array
  std::vector<TomlMember> members;  // table, in the order of the file

  /// The member of a table with that name, or null.
  const TomlValue* find(std::string_view key) const;
};

struct TomlMember {
  std::string key;
  TomlPosition position;  // of the key
  TomlValue value;
};

/// "table" ... "date".
const char* name_of(TomlValue::Kind kind);

/// A file of at most 1 MiB. Throws IoError; FormatError where it is too long; ConfigError
/// `config.toml:12:5: expected value` for faults of syntax, keys defined twice and nesting deeper
/// than 64.
TomlValue read_toml(const std::string& path);
TomlValue parse_toml(std::string_view text, const std::string& name);

}  // namespace varve::formats
