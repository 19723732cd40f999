#include "formats/json_reader.h"

#include <fmt/format.h>

#include <algorithm>

#include "base/error.h"
#include "formats/text.h"

namespace varve::formats {

const char* name_of(JsonKind kind) {
  constexpr std::array kNames{"object", "array", "string", "number", "boolean", "null"};
  return kNames[static_cast<size_t>(kind)];
}

JsonReader::JsonReader(const Source& source, std::string where, std::string_view text)
    : source_(source), where_(std::move(where)), text_(text) {
  if (const int64_t bad = first_invalid_utf8(text); bad >= 0) {
    source_.fail(fmt::format("{}invalid UTF-8 at byte {}", where_, bad));
  }
}

void JsonReader::fail(const std::string& what) const {
  source_.fail(fmt::format("{}JSON error at byte {}: {}", where_, at_, what));
}

void JsonReader::fail_twice(const std::string& what, int64_t first, int64_t second) const {
  source_.fail(fmt::format("{}{}: defined twice (bytes {} and {})", where_, what, first, second));
}

void JsonReader::skip_space() {
  while (!at_end() &&
         (text_[at_] == ' ' || text_[at_] == '\n' || text_[at_] == '\r' || text_[at_] == '\t')) {
    ++at_;
  }
}

JsonKind JsonReader::peek() {
  skip_space();
  switch (at_end() ? '\0' : text_[at_]) {
    case '{':
      return JsonKind::object;
    case '[':
      return JsonKind::array;
    case '"':
      return JsonKind::string;
    case 't':
    case 'f':
      return JsonKind::boolean;
    case 'n':
      return JsonKind::null;
    case '-':
      return JsonKind::number;
    default:
      if (!at_end() && text_[at_] >= '0' && text_[at_] <= '9') return JsonKind::number;
      fail("expected a value");
  }
}

void JsonReader::open(char bracket) {
  skip_space();
  if (at_end() || text_[at_] != bracket) fail(std::string("expected '") + bracket + "'");
  if (depth_ == kMaxDepth) {
    source_.fail(fmt::format("{}nesting deeper than {} at byte {}", where_, kMaxDepth, at_));
  }
  ++at_;
  first_[static_cast<size_t>(++depth_)] = true;
}

// True where another member or element follows; consumes the comma or the bracket.
bool JsonReader::close_or_comma(char bracket) {
  skip_space();
  bool& first = first_[static_cast<size_t>(depth_)];
  if (!at_end() && text_[at_] == bracket) {
    ++at_;
    --depth_;
    return false;
  }
  if (at_end()) fail(std::string("expected '") + bracket + "'");
  if (!first) {
    if (text_[at_] != ',') fail(std::string("expected ',' or '") + bracket + "'");
    ++at_;
  }
  first = false;
  return true;
}

void JsonReader::begin_object() { open('{'); }

void JsonReader::begin_array() { open('['); }

bool JsonReader::next_element() { return close_or_comma(']'); }

bool JsonReader::next_member(std::string& key, int64_t& position) {
  if (!close_or_comma('}')) return false;
  skip_space();
  if (at_end() || text_[at_] != '"') fail("expected '\"'");
  position = this->position();
  key = string();
  skip_space();
  if (at_end() || text_[at_] != ':') fail("expected ':'");
  ++at_;
  return true;
}

uint32_t JsonReader::hex4() {
  uint32_t value = 0;
  for (int i = 0; i < 4; ++i, ++at_) {
    const char c = at_end() ? '\0' : text_[at_];
    const int digit = c >= '0' && c <= '9'   ? c - '0'
                      : c >= 'a' && c <= 'f' ? c - 'a' + 10
                      : c >= 'A' && c <= 'F' ? c - 'A' + 10
                                             : -1;
    if (digit < 0) fail("expected a hex digit");
    value = value * 16 + static_cast<uint32_t>(digit);
  }
  return value;
}

void JsonReader::escape(std::string& out) {
  constexpr std::string_view kLetters = "\"\\/bfnrt", kMeanings = "\"\\/\b\f\n\r\t";
  const char c = at_end() ? '\0' : text_[at_];
  if (const size_t i = c ? kLetters.find(c) : kLetters.npos; i != kLetters.npos) {
    out += kMeanings[i];
    ++at_;
    return;
  }
  if (c != 'u') fail("expected one of \" \\ / b f n r t u");
  ++at_;
  uint32_t code = hex4();
  if (code >= 0xd800 && code < 0xdc00) {
    if (text_.substr(at_, 2) != "\\u") fail("expected the second half of a surrogate pair");
    at_ += 2;
    const uint32_t low = hex4();
    if (low < 0xdc00 || low > 0xdfff) fail("expected the second half of a surrogate pair");
    code = 0x10000 + ((code - 0xd800) << 10) + (low - 0xdc00);
  } else if (code >= 0xdc00 && code < 0xe000) {
    fail("lone second half of a surrogate pair");
  }
  append_utf8(out, code);
}

std::string JsonReader::string() {
  skip_space();
  if (at_end() || text_[at_] != '"') fail("expected '\"'");
  ++at_;
  std::string out;
  for (;;) {
    const size_t begin = at_;
    while (!at_end() && text_[at_] != '"' && text_[at_] != '\\' &&
           static_cast<unsigned char>(text_[at_]) >= 0x20) {
      ++at_;
    }
    out.append(text_, begin, at_ - begin);
    if (at_end()) fail("string not closed");
    if (text_[at_] == '"') break;
    if (text_[at_] != '\\') fail("control character in a string");
    ++at_;
    escape(out);
  }
  ++at_;
  return out;
}

std::string_view JsonReader::number() {
  skip_space();
  const size_t begin = at_;
  const auto digits = [&] {
    const size_t from = at_;
    while (!at_end() && text_[at_] >= '0' && text_[at_] <= '9') ++at_;
    if (at_ == from) fail("expected a digit");
  };
  if (!at_end() && text_[at_] == '-') ++at_;
  if (!at_end() && text_[at_] == '0') {
    ++at_;
  } else {
    digits();
  }
  if (!at_end() && text_[at_] == '.') {
    ++at_;
    digits();
  }
  if (!at_end() && (text_[at_] == 'e' || text_[at_] == 'E')) {
    ++at_;
    if (!at_end() && (text_[at_] == '+' || text_[at_] == '-')) ++at_;
    digits();
  }
  return text_.substr(begin, at_ - begin);
}

void JsonReader::literal(std::string_view word) {
  if (text_.substr(at_, word.size()) != word) fail("expected a value");
  at_ += word.size();
}

bool JsonReader::boolean() {
  skip_space();
  const bool value = !at_end() && text_[at_] == 't';
  literal(value ? "true" : "false");
  return value;
}

void JsonReader::null() {
  skip_space();
  literal("null");
}

std::string_view JsonReader::skip() {
  const JsonKind kind = peek();
  const size_t begin = at_;
  std::string key;
  int64_t position = 0;
  switch (kind) {
    case JsonKind::object:
      begin_object();
      while (next_member(key, position)) skip();
      break;
    case JsonKind::array:
      begin_array();
      while (next_element()) skip();
      break;
    case JsonKind::string:
      string();
      break;
    case JsonKind::number:
      number();
      break;
    case JsonKind::boolean:
      boolean();
      break;
    case JsonKind::null:
      null();
      break;
  }
  return text_.substr(begin, at_ - begin);
}

void JsonReader::end() {
  skip_space();
  if (!at_end()) fail("expected the end");
}

}  // namespace varve::formats
