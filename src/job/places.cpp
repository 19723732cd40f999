// Finding the line of a job file that a message is about, and changing values from the command
// line.
#include <algorithm>
#include <cctype>
#include <cmath>

#include "base/error.h"
#include "formats/file.h"
#include "formats/toml.h"
#include "job/job.h"
#include "job/tree.h"

namespace varve::job {

using config::Json;
using formats::TomlMember;
using formats::TomlValue;

namespace {

// "layers[2]" as "layers" and 2; -1 where there is no index. False where it is no such word.
bool split_index(const std::string& word, std::string& key, int64_t& index) {
  const size_t open = word.find('[');
  key = word.substr(0, open);
  index = -1;
  if (open == word.npos) return !key.empty();
  if (word.back() != ']') return false;
  const std::string digits = word.substr(open + 1, word.size() - open - 2);
  if (digits.empty() || digits.size() > 6) return false;
  if (!std::all_of(digits.begin(), digits.end(), [](unsigned char c) { return std::isdigit(c); }))
    return false;
  index = std::stoll(digits);
  return !key.empty();
}

std::vector<std::string> words_of(const std::string& path) {
  std::vector<std::string> out;
  size_t at = 0;
  for (size_t dot = 0; dot != path.npos; at = dot + 1) {
    dot = path.find('.', at);
    out.push_back(path.substr(at, dot == path.npos ? dot : dot - at));
  }
  return out;
}

// The path of a value that a message begins with.
std::string path_of(const std::string& message) {
  return message.substr(0, message.find_first_of(": "));
}

formats::TomlPosition position(const TomlValue& root, const std::string& path) {
  const TomlValue* v = &root;
  formats::TomlPosition found{};
  for (const std::string& word : words_of(path)) {
    std::string key;
    int64_t index = -1;
    if (!split_index(word, key, index) || v->kind != TomlValue::Kind::table) break;
    const auto member = std::find_if(v->members.begin(), v->members.end(),
                                     [&](const TomlMember& m) { return m.key == key; });
    if (member == v->members.end()) break;
    v = &member->value;
    found = member->position;
    if (index < 0) continue;
    if (v->kind != TomlValue::Kind::array || index >= static_cast<int64_t>(v->items.size())) break;
    v = &v->items[static_cast<size_t>(index)];
    found = v->position;
  }
  return found;
}

// The value of --set: TOML, or a text without its quotes.
Json set_value(const std::string& text) {
  try {
    const TomlValue table = formats::parse_toml("x = " + text, "--set");
    if (table.members.size() == 1) return to_json(table.members[0].value, "--set");
  } catch (const Error&) {
  }
  return text;
}

[[noreturn]] void refuse_set(const std::string& set, const char* why, const char* hint = "") {
  throw ConfigError("--set: \"" + escaped(set) + "\": " + why, hint);
}

}  // namespace

struct Places::Tree {
  std::string file;
  TomlValue root;
  std::vector<std::string> sets;  // their keys
};

Places::Places(const std::string& file, std::string_view text,
               const std::vector<std::string>& sets) {
  auto tree = std::make_shared<Tree>();
  tree->file = file;
  tree->root = formats::parse_toml(text, file);
  for (const std::string& set : sets) tree->sets.push_back(set.substr(0, set.find('=')));
  tree_ = std::move(tree);
}

std::string Places::of(const std::string& message) const {
  if (!tree_) return message;
  const std::string path = path_of(message);
  for (const std::string& set : tree_->sets) {
    if (path == set || path.starts_with(set + ".") || path.starts_with(set + "[")) {
      return tree_->file + ": --set " + message;
    }
  }
  const formats::TomlPosition at = position(tree_->root, path);
  std::string out = tree_->file;
  if (at.line > 0) out += ":" + std::to_string(at.line) + ":" + std::to_string(at.column);
  return out + ": " + message;
}

Json to_json(const TomlValue& v, const std::string& file) {
  switch (v.kind) {
    case TomlValue::Kind::boolean:
      return v.boolean;
    case TomlValue::Kind::integer:
      return v.integer;
    case TomlValue::Kind::string:
      return v.text;
    case TomlValue::Kind::real:
      // JSON has no infinity; as a text it is refused wherever a number is asked for.
      if (std::isfinite(v.real)) return v.real;
      return std::isnan(v.real) ? "nan" : v.real > 0 ? "inf" : "-inf";
    case TomlValue::Kind::date_time:
      throw ConfigError(file + ":" + std::to_string(v.position.line) + ":" +
                        std::to_string(v.position.column) + ": " + escaped(v.text) +
                        " is a date, and no key takes one");
    case TomlValue::Kind::array: {
      Json out = Json::array();
      for (const TomlValue& item : v.items) out.push_back(to_json(item, file));
      return out;
    }
    case TomlValue::Kind::table:
      break;
  }
  Json out = Json::object();
  for (const TomlMember& m : v.members) out[m.key] = to_json(m.value, file);
  return out;
}

void apply_set(Json& root, const std::string& set) {
  const size_t equals = set.find('=');
  if (equals == set.npos || equals == 0) {
    refuse_set(set, "expected KEY=VALUE", "for example --set train.epochs=3");
  }
  Json* at = &root;
  for (const std::string& word : words_of(set.substr(0, equals))) {
    std::string key;
    int64_t index = -1;
    if (!split_index(word, key, index)) refuse_set(set, "this is no key");
    if (at->is_null()) *at = Json::object();
    // `optimizer = "adam"` is short for a table, to which the learning rate can be added.
    if (at->is_string()) *at = Json{{"type", *at}};
    if (!at->is_object()) refuse_set(set, "there is no such key");
    at = &(*at)[key];
    if (index < 0) continue;
    if (!at->is_array() || index >= static_cast<int64_t>(at->size())) {
      refuse_set(set, "there is no such item");
    }
    at = &(*at)[static_cast<size_t>(index)];
  }
  *at = set_value(set.substr(equals + 1));
}

}  // namespace varve::job
