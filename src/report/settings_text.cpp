#include "report/settings_text.h"

#include <cctype>
#include <map>

#include "nn/config.h"

namespace varve::report {
namespace {

using config::Json;

// "early_stopping" as "EarlyStopping", the name of the type in code.
std::string class_name(const std::string& type) {
  static const std::map<std::string, std::string> known{
      {"adamw", "AdamW"},
      {"csv_logger", "CSVLogger"},
      {"reduce_lr_on_plateau", "ReduceLROnPlateau"},
      {"rmsprop", "RMSProp"},
      {"sgd", "SGD"}};
  if (const auto at = known.find(type); at != known.end()) return at->second;
  std::string out;
  bool first = true;
  for (char c : type) {
    if (c == '_') {
      first = true;
      continue;
    }
    out += first ? static_cast<char>(std::toupper(static_cast<unsigned char>(c))) : c;
    first = false;
  }
  return out;
}

std::string text_of(const Json& value) {
  if (!value.is_object() || !value.contains("type") || !value["type"].is_string())
    return value.dump();
  std::string members;
  for (const auto& [key, member] : value.items()) {
    if (key != "type") members += (members.empty() ? "" : ", ") + key + "=" + text_of(member);
  }
  return class_name(value["type"].get<std::string>()) + "(" + members + ")";
}

}  // namespace

std::string settings_text(const std::string& config) {
  const Json value = Json::parse(config, nullptr, false);
  if (value.is_discarded()) return config;
  return value.is_string() ? class_name(value.get<std::string>()) + "()" : text_of(value);
}

}  // namespace varve::report
