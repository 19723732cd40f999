// Messages in Protocol Buffers' wire format, field by field. Errors name the byte and the field:
// `byte 812: field graph.node[3] length 500, only 120 left`.
#pragma once
#include <cstdint>
#include <memory>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "formats/array.h"

namespace varve::formats {

/// Messages inside messages are refused below this depth, as by protobuf itself.
inline constexpr int kMaxMessageDepth = 100;

/// One message: a cursor over its fields.
///     while (m.next()) {
///       if (m.field() == 1) name = m.text("name");
///       else m.skip();
///     }
class ProtoMessage {
 public:
  /// The outermost one. `name` is the file's, for messages.
  ProtoMessage(std::string name, std::span<const std::byte> bytes);

  /// Goes to the next field; false at the end.
  bool next();
  uint32_t field() const { return field_; }

  /// The field's value; FormatError where it is encoded as another type. `name` is the field's.
  int64_t integer(const char* name);
  float real32(const char* name);
  double real64(const char* name);
  std::string_view bytes(const char* name);
  std::string text(const char* name) { return std::string(bytes(name)); }
  /// A message inside. `index`: the how manieth of a repeated field; -1 where it is none.
  ProtoMessage message(const char* name, int64_t index = -1);
  /// Appends the values of a repeated field, packed or one at a time.
  void integers(const char* name, std::vector<int64_t>& values);
  void reals32(const char* name, std::vector<float>& values);
  void reals64(const char* name, std::vector<double>& values);
  void skip();

  /// Where the field that was read last begins, in bytes from the file's start.
  int64_t position() const { return start_; }
  /// "graph.node[3]", or empty for the outermost message.
  std::string path() const;
  const std::string& file() const { return *file_; }
  /// Throws FormatError "<file>: byte <position>: <what>".
  [[noreturn]] void fail(const std::string& what, std::string hint = {}) const;

 private:
  ProtoMessage() = default;
  std::string path_of(const char* name) const;
  void require(int wire, const char* name);
  uint64_t varint(const char* name);
  std::string_view span(const char* name);
  template <class T>
  T fixed(const char* name);

  std::shared_ptr<const std::string> file_;
  const ProtoMessage* parent_ = nullptr;
  const char* name_ = "";
  int64_t index_ = -1;
  int depth_ = 0;
  const char *base_ = nullptr, *at_ = nullptr, *end_ = nullptr;
  uint32_t field_ = 0;
  int wire_ = 0;
  int64_t start_ = 0;
};

}  // namespace varve::formats
