#include <algorithm>
#include <cmath>
#include <cstdio>
#include <limits>

#include "base/error.h"
#include "nn/config.h"
#include "varve/model.h"

namespace varve {

const std::vector<double>& History::operator[](std::string_view name) const {
  const auto at = values_.find(name);
  if (at != values_.end()) return at->second;
  throw IndexError("history: there is no \"" + escaped(name) + "\"", did_you_mean(name, names_));
}
bool History::has(std::string_view name) const { return values_.find(name) != values_.end(); }
int64_t History::epochs() const { return epochs_; }

void History::append(const Logs& logs) {
  for (const auto& [name, value] : logs) {
    auto [at, added] = values_.try_emplace(name);
    if (added) {
      names_.push_back(name);
      // A number that was not logged from the first epoch on.
      at->second.resize(static_cast<size_t>(epochs_), std::numeric_limits<double>::quiet_NaN());
    }
    at->second.push_back(value);
  }
  ++epochs_;
  for (auto& [name, values] : values_) {
    values.resize(static_cast<size_t>(epochs_), std::numeric_limits<double>::quiet_NaN());
  }
}

std::string History::to_json() const {
  config::Json object = config::Json::object();
  for (const std::string& name : names_) {
    config::Json list = config::Json::array();
    for (double v : (*this)[name])
      list.push_back(std::isfinite(v) ? config::Json(v) : config::Json());
    object[name] = std::move(list);
  }
  return object.dump();
}

double Scores::operator[](std::string_view name) const {
  std::vector<std::string> names;
  for (const auto& [n, value] : values_) {
    if (n == name) return value;
    names.push_back(n);
  }
  throw IndexError("scores: there is no \"" + escaped(name) + "\"", did_you_mean(name, names));
}

std::string Scores::to_string() const {
  std::string out;
  for (const auto& [name, value] : values_) {
    char text[32];
    std::snprintf(text, sizeof text, " %.4f", value);
    out += (out.empty() ? "" : ", ") + name + text;
  }
  return out;
}

void Scores::print() const { std::printf("%s\n", to_string().c_str()); }

ClassWeight::ClassWeight(const std::string& name, Where where) : balanced_(true) {
  if (name != "balanced") {
    throw ValueError(
        "class_weight: expected \"balanced\" or weights, got \"" + escaped(name) + "\"", "",
        where.to_string());
  }
}
ClassWeight::ClassWeight(const char* name, Where where) : ClassWeight(std::string(name), where) {}

std::map<int64_t, double> ClassWeight::of(const std::vector<int64_t>& classes) const {
  std::map<int64_t, double> out;
  for (int64_t c : classes) ++out[c];
  const auto n = static_cast<double>(classes.size());
  const auto kinds = static_cast<double>(out.size());
  for (auto& [label, value] : out) {
    if (balanced_) {
      value = n / (kinds * value);
    } else {
      const auto at = given_.find(label);
      value = at == given_.end() ? 1 : at->second;
    }
  }
  return out;
}

}  // namespace varve
