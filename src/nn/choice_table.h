// Choices by name: what a loss, a metric, a schedule or an optimizer is called in code and in
// files.
#pragma once
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "base/error.h"
#include "nn/config.h"
#include "nn/names.h"

namespace varve::nn {

/// The known types of one kind of choice. `Rule` is a detail::Rule or derives from one.
template <class Rule>
class ChoiceTable {
 public:
  struct Entry {
    const char* name;
    std::shared_ptr<Rule> (*make)();
  };
  /// `what` begins error texts. Where a type stands several times, the first name is its own and
  /// the others are other names for it.
  ChoiceTable(const char* what, std::vector<Entry> entries)
      : what_(what), entries_(std::move(entries)) {}

  std::vector<std::string> names() const {
    std::vector<std::string> out;
    for (const Entry& e : entries_) out.push_back(e.name);
    return out;
  }
  /// Throws ValueError for an unknown name.
  std::shared_ptr<Rule> make(const std::string& name, Where where) const {
    for (const Entry& e : entries_) {
      if (e.name == name) return e.make();
    }
    throw ValueError(std::string(what_) + ": unknown name \"" + escaped(name) + "\"",
                     did_you_mean(name, names()), where.to_string());
  }
  /// The name of a rule's type; empty for a lambda.
  std::string name_of(const Rule& rule) const {
    for (const Entry& e : entries_) {
      if (e.make()->spelling() == rule.spelling()) return e.name;
    }
    return type_of_spelling(rule.spelling());
  }
  /// The rule's text form. Throws UnsupportedError for a function.
  std::string config(Rule& rule) const {
    const std::string name = name_of(rule);
    if (name.empty()) {
      throw UnsupportedError(
          std::string("the ") + what_ + " is a function of your own and has no text form",
          "write it as a struct, or set it again after loading");
    }
    return config::choice_text(name, [&](Fields& f) { rule.fields(f); });
  }
  /// Throws ConfigError.
  std::shared_ptr<Rule> from_config(std::string_view json) const {
    const config::Json value = config::parse(json, what_);
    const std::string type = config::choice_type(value, what_);
    for (const Entry& e : entries_) {
      if (e.name != type) continue;
      std::shared_ptr<Rule> rule = e.make();
      if (value.is_object()) {
        config::read(value, what_, [&](Fields& f) { rule->fields(f); }, {"type"});
      }
      return rule;
    }
    throw ConfigError(std::string(what_) + ": unknown type \"" + escaped(type) + "\"",
                      did_you_mean(type, names()));
  }
  /// Throws ValueError for the first member that breaks its rule.
  void validate(Rule& rule, Where where) const {
    const std::string name = name_of(rule);
    config::validate(
        name.empty() ? what_ : name, [&](Fields& f) { rule.fields(f); }, where);
  }

 private:
  const char* what_;
  std::vector<Entry> entries_;
};

}  // namespace varve::nn
