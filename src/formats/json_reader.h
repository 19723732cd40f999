// A strict JSON reader (RFC 8259) that is asked for one value after the other: no tree is built, so
// a header of 100,000 tensors costs little, and every error knows its byte.
#pragma once
#include <array>
#include <string>
#include <string_view>

#include "formats/file.h"

namespace varve::formats {

enum class JsonKind { object, array, string, number, boolean, null };
/// "object" ... "null".
const char* name_of(JsonKind kind);

class JsonReader {
 public:
  static constexpr int kMaxDepth = 64;

  /// Checks that all of `text` is UTF-8. Errors are `<source>: <where>...`; positions count from
  /// the start of `text`. Both must outlive the reader.
  JsonReader(const Source& source, std::string where, std::string_view text);

  /// The kind of the value that comes next.
  JsonKind peek();
  int64_t position() const { return static_cast<int64_t>(at_); }

  void begin_object();
  /// False at the end of the object; else the next member's key, and where it stands.
  bool next_member(std::string& key, int64_t& position);
  void begin_array();
  bool next_element();
  std::string string();
  /// The number as written.
  std::string_view number();
  bool boolean();
  void null();
  /// Passes over a value of any kind, checking it; what was written.
  std::string_view skip();
  /// Nothing but white space may follow.
  void end();

  /// Throws FormatError `<source>: <where>JSON error at byte <n>: <what>`.
  [[noreturn]] void fail(const std::string& what) const;
  [[noreturn]] void fail_twice(const std::string& what, int64_t first, int64_t second) const;

 private:
  void skip_space();
  bool at_end() const { return at_ == text_.size(); }
  void open(char bracket);
  bool close_or_comma(char bracket);
  void literal(std::string_view word);
  uint32_t hex4();
  void escape(std::string& out);

  const Source& source_;
  std::string where_;
  std::string_view text_;
  size_t at_ = 0;
  int depth_ = 0;
  std::array<bool, kMaxDepth + 1> first_{};
};

}  // namespace varve::formats
