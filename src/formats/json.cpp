#include "formats/json.h"

#include <charconv>
#include <cmath>
#include <nlohmann/json.hpp>
#include <unordered_map>

#include "formats/json_reader.h"
#include "formats/text.h"

namespace varve::formats {
namespace {

template <class T>
bool convert(std::string_view token, T& value) {
  const auto result = std::from_chars(token.data(), token.data() + token.size(), value);
  return result.ec == std::errc() && result.ptr == token.data() + token.size();
}

nlohmann::json number(JsonReader& reader) {
  const std::string_view token = reader.number();
  if (int64_t value; convert(token, value)) return value;
  if (uint64_t value; convert(token, value)) return value;
  double value = 0;
  // from_chars also says "out of range" of what is too small: that is zero, as everywhere.
  if (!convert(token, value)) {
    value = std::strtod(std::string(token).c_str(), nullptr);
    if (std::isinf(value)) reader.fail("number too large: " + in_quotes(token));
  }
  return value;
}

// Recursion is safe: the reader stops at its depth limit.
nlohmann::json value(JsonReader& reader) {
  switch (reader.peek()) {
    case JsonKind::object: {
      nlohmann::json object = nlohmann::json::object();
      std::unordered_map<std::string, int64_t> positions;
      std::string key;
      int64_t position = 0;
      reader.begin_object();
      while (reader.next_member(key, position)) {
        const auto [first, added] = positions.emplace(key, position);
        if (!added) reader.fail_twice("key " + in_quotes(key), first->second, position);
        object[key] = value(reader);
      }
      return object;
    }
    case JsonKind::array: {
      nlohmann::json array = nlohmann::json::array();
      reader.begin_array();
      while (reader.next_element()) array.push_back(value(reader));
      return array;
    }
    case JsonKind::string:
      return reader.string();
    case JsonKind::number:
      return number(reader);
    case JsonKind::boolean:
      return reader.boolean();
    case JsonKind::null:
      reader.null();
      return nullptr;
  }
  reader.fail("expected a value");
}

}  // namespace

nlohmann::json parse_json(std::string_view text, const std::string& name) {
  const Source source = Source::memory(name, as_bytes(text));
  JsonReader reader(source, "", text);
  nlohmann::json tree = value(reader);
  reader.end();
  return tree;
}

nlohmann::json read_json(const std::string& path, int64_t limit) {
  const Buffer bytes = read_file(path, limit);
  return parse_json(bytes.text(), path);
}

}  // namespace varve::formats
