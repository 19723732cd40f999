#include "formats/toml.h"

#include <fmt/format.h>
#include <toml++/toml.h>

#include <algorithm>
#include <array>
#include <sstream>

#include "base/error.h"

namespace varve::formats {
namespace {

constexpr int64_t kMaxFile = 1 << 20;
constexpr int kMaxDepth = 64;

[[noreturn]] void fail(const std::string& name, TomlPosition at, const std::string& what) {
  throw ConfigError(fmt::format("{}:{}:{}: {}", shown(name), at.line, at.column, what));
}

// toml++ recurses over what is nested and over every part of a dotted key, also when it destroys
// the tree, so depth is bounded before it sees the text. Strings and comments are passed over;
// where one is not closed the parser will say so.
class DepthCheck {
 public:
  DepthCheck(const std::string& name, std::string_view text) : name_(name), text_(text) {}

  void run() {
    int brackets = 0, dots = 0;
    while (at_ < text_.size()) {
      const char c = text_[at_];
      if (c == '"' || c == '\'') {
        skip_string(c);
        continue;
      }
      if (c == '#') {
        at_ = std::min(text_.find('\n', at_), text_.size());
        continue;
      }
      if (c == '[' || c == '{') ++brackets;
      if (c == ']' || c == '}') --brackets;
      if (c == '.') ++dots;
      if (std::string_view("\n,=[]{}").find(c) != std::string_view::npos) dots = 0;
      if (brackets > kMaxDepth || dots >= kMaxDepth) {
        fail(name_, position(), fmt::format("nesting deeper than {}", kMaxDepth));
      }
      ++at_;
    }
  }

 private:
  void skip_string(char quote) {
    const std::string three(3, quote);
    const bool multiline = text_.substr(at_, 3) == three;
    at_ += multiline ? 3 : 1;
    while (at_ < text_.size()) {
      if (quote == '"' && text_[at_] == '\\') {
        at_ += 2;
      } else if (multiline ? text_.substr(at_, 3) == three : text_[at_] == quote) {
        at_ += multiline ? 3 : 1;
        return;
      } else if (!multiline && text_[at_] == '\n') {
        return;
      } else {
        ++at_;
      }
    }
  }

  TomlPosition position() const {
    const std::string_view before = text_.substr(0, at_);
    const size_t line = before.rfind('\n');
    return {static_cast<int>(1 + std::count(before.begin(), before.end(), '\n')),
            static_cast<int>(line == before.npos ? at_ + 1 : at_ - line)};
  }

  const std::string& name_;
  std::string_view text_;
  size_t at_ = 0;
};

TomlPosition position_of(const toml::source_region& region) {
  return {static_cast<int>(region.begin.line), static_cast<int>(region.begin.column)};
}

TomlValue convert(const std::string& name, const toml::node& node, int depth) {
  using Kind = TomlValue::Kind;
  TomlValue value;
  value.position = position_of(node.source());
  if (depth > kMaxDepth) {
    fail(name, value.position, fmt::format("nesting deeper than {}", kMaxDepth));
  }
  if (const toml::table* table = node.as_table()) {
    for (const auto& [key, item] : *table) {
      value.members.push_back(
          {std::string(key.str()), position_of(key.source()), convert(name, item, depth + 1)});
    }
    std::stable_sort(value.members.begin(), value.members.end(),
                     [](const TomlMember& a, const TomlMember& b) {
                       return std::pair(a.position.line, a.position.column) <
                              std::pair(b.position.line, b.position.column);
                     });
  } else if (const toml::array* array = node.as_array()) {
    value.kind = Kind::array;
    for (const auto& item : *array) value.items.push_back(convert(name, item, depth + 1));
  } else if (const auto* text = node.as_string()) {
    value.kind = Kind::string;
    value.text = text->get();
  } else if (const auto* integer = node.as_integer()) {
    value.kind = Kind::integer;
    value.integer = integer->get();
  } else if (const auto* real = node.as_floating_point()) {
    value.kind = Kind::real;
    value.real = real->get();
  } else if (const auto* boolean = node.as_boolean()) {
    value.kind = Kind::boolean;
    value.boolean = boolean->get();
  } else {
    value.kind = Kind::date_time;
    std::ostringstream out;
    node.visit([&](const auto& n) {
      if constexpr (toml::is_chronological<decltype(n)>) out << n.get();
    });
    value.text = out.str();
  }
  return value;
}

// "Error while parsing floating-point: expected x, saw y" in the words of our other messages.
std::string reworded(std::string_view text) {
  constexpr std::string_view kPreamble = "Error while parsing ";
  const size_t colon = text.find(": ");
  if (text.starts_with(kPreamble) && colon != text.npos) text.remove_prefix(colon + 2);
  std::string out = escaped(text);
  constexpr std::string_view kNoValue = " could not be interpreted as a value";
  if (out.ends_with(kNoValue)) {
    return "expected a value, got " + out.substr(0, out.size() - kNoValue.size());
  }
  if (const size_t saw = out.find(", saw "); saw != out.npos) out.replace(saw, 6, ", got ");
  return out;
}

}  // namespace

const TomlValue* TomlValue::find(std::string_view key) const {
  for (const TomlMember& member : members) {
    if (member.key == key) return &member.value;
  }
  return nullptr;
}

const char* name_of(TomlValue::Kind kind) {
  constexpr std::array kNames{"table", "array", "string", "integer", "real", "boolean", "date"};
  return kNames[static_cast<size_t>(kind)];
}

TomlValue parse_toml(std::string_view text, const std::string& name) {
  DepthCheck(name, text).run();
  try {
    return convert(name, toml::parse(text), 0);
  } catch (const toml::parse_error& error) {
    fail(name, position_of(error.source()), reworded(error.description()));
  }
}

TomlValue read_toml(const std::string& path) {
  const Buffer bytes = read_file(path, kMaxFile);
  return parse_toml(bytes.text(), path);
}

}  // namespace varve::formats
