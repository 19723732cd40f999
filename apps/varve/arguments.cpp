#include "arguments.h"

#include <CLI/CLI.hpp>
#include <algorithm>
#include <charconv>
#include <cmath>
#include <map>

#include "base/error.h"

namespace varve::app {
namespace {

std::string in_quotes(const std::string& text) { return "\"" + escaped(text) + "\""; }

// "--out" of "--out,-o".
std::string first_flag(const std::string& flags) { return flags.substr(0, flags.find(',')); }

}  // namespace

struct Arguments::Parser {
  CLI::App app;
  // What was given for each row, as text; stable addresses for CLI11.
  std::map<std::string, std::vector<std::string>> given;
  std::map<std::string, CLI::Option*> options;
  std::map<std::string, bool> set;
};

Arguments::Arguments(std::string command)
    : parser_(std::make_unique<Parser>()), command_(std::move(command)) {
  parser_->app.set_help_flag();
  parser_->app.allow_extras();
}

Arguments::~Arguments() = default;

void Arguments::add(Row row) {
  // Arguments without a flag are left over by the parser and taken one after the other.
  if (!row.flags.empty()) {
    const std::string key = first_flag(row.flags);
    CLI::App& app = parser_->app;
    CLI::Option*& option = parser_->options[key];
    if (row.what.empty()) {
      option = app.add_flag(row.flags, parser_->set[key]);
    } else {
      option = app.add_option(row.flags, parser_->given[key])->expected(1);
      option->multi_option_policy(CLI::MultiOptionPolicy::TakeAll);
    }
  }
  rows_.push_back(std::move(row));
}

void Arguments::positional(const char* what, std::string& value, const char* help, bool required) {
  add({"", what, help,
       [this, what, &value] {
         if (!parser_->given[what].empty()) value = parser_->given[what][0];
       },
       required});
}

void Arguments::positionals(const char* what, std::vector<std::string>& values, const char* help,
                            bool required) {
  add({"", what, help, [this, what, &values] { values = parser_->given[what]; }, required, true});
}

void Arguments::text(const char* flags, const char* what, std::string& value, const char* help) {
  const std::string key = first_flag(flags);
  add({flags, what, help, [this, key, &value] {
         const std::vector<std::string>& given = parser_->given[key];
         if (given.empty()) return;
         if (given[0].empty()) throw UsageError(key + ": expected a value, got an empty text");
         value = given[0];
       }});
}

void Arguments::integer(const char* flags, const char* what, int64_t& value, int64_t min,
                        int64_t max, const char* help) {
  const std::string key = first_flag(flags);
  add({flags, what, help, [this, key, &value, min, max] {
         const std::vector<std::string>& given = parser_->given[key];
         if (!given.empty()) value = parse_integer(key, given[0], min, max);
       }});
}

void Arguments::real(const char* flags, const char* what, double& value, double above,
                     const char* help) {
  const std::string key = first_flag(flags);
  add({flags, what, help, [this, key, &value, above] {
         const std::vector<std::string>& given = parser_->given[key];
         if (!given.empty()) value = parse_real(key, given[0], above);
       }});
}

void Arguments::texts(const char* flags, const char* what, std::vector<std::string>& values,
                      const char* help) {
  const std::string key = first_flag(flags);
  add({flags, what, help, [this, key, &values] { values = parser_->given[key]; }, false, true});
}

void Arguments::flag(const char* flags, bool& value, const char* help) {
  const std::string key = first_flag(flags);
  add({flags, "", help, [this, key, &value] { value = parser_->set[key]; }});
}

void Arguments::conflict(const char* one, const char* other) {
  conflicts_.emplace_back(one, other);
}

bool Arguments::given(const char* flag) const {
  const auto found = parser_->options.find(flag);
  return found != parser_->options.end() && found->second->count() > 0;
}

void Arguments::parse(const std::vector<std::string>& arguments) {
  // CLI11 takes the last one first.
  std::vector<std::string> reversed(arguments.rbegin(), arguments.rend());
  try {
    parser_->app.parse(reversed);
  } catch (const CLI::ArgumentMismatch& e) {
    const std::string text = e.what();
    throw UsageError(text.substr(0, text.find(':')) + ": expected a value, got none",
                     "usage: " + usage());
  } catch (const CLI::ParseError& e) {
    throw UsageError(escaped(e.what()), "usage: " + usage());
  }
  take_positionals(arguments);
  for (const Row& row : rows_) {
    if (row.flags.empty() || row.many || row.what.empty()) continue;
    const std::vector<std::string>& given = parser_->given[first_flag(row.flags)];
    for (const std::string& value : given) {
      if (value != given[0]) {
        throw UsageError(first_flag(row.flags) + ": given twice, " + in_quotes(given[0]) + " and " +
                         in_quotes(value));
      }
    }
  }
  for (const auto& [one, other] : conflicts_) {
    if (given(one.c_str()) && given(other.c_str())) {
      throw UsageError(one + " and " + other + " exclude each other");
    }
  }
  for (const Row& row : rows_) row.settle();
}

void Arguments::take_positionals(const std::vector<std::string>& arguments) {
  const auto mark = std::find(arguments.begin(), arguments.end(), "--");
  std::vector<std::string> left;
  for (const std::string& extra : parser_->app.remaining()) {
    if (extra == "--") continue;
    const bool after_mark = std::find(mark, arguments.end(), extra) != arguments.end();
    if (extra.starts_with("-") && !after_mark) refuse_option(extra);
    left.push_back(extra);
  }
  auto next = left.begin();
  for (const Row& row : rows_) {
    if (!row.flags.empty()) continue;
    if (row.required && next == left.end())
      throw UsageError(row.what + ": missing", "usage: " + usage());
    while (next != left.end()) {
      if (next->empty()) throw UsageError(row.what + ": expected a value, got an empty text");
      parser_->given[row.what].push_back(*next++);
      if (!row.many) break;
    }
  }
  if (next != left.end())
    throw UsageError("unexpected argument " + in_quotes(*next), "usage: " + usage());
}

void Arguments::refuse_option(const std::string& extra) const {
  std::vector<std::string> flags{"--help"};
  for (const Row& row : rows_) {
    if (!row.flags.empty()) flags.push_back(first_flag(row.flags));
  }
  const std::string flag = extra.substr(0, extra.find('='));
  const std::string near = closest(flag, flags);
  throw UsageError("unknown option " + in_quotes(flag),
                   near.empty() ? "varve help " + command_ + " lists the options"
                                : "did you mean " + near + "?");
}

std::string Arguments::usage() const {
  std::string out = "varve " + command_;
  bool options = false;
  for (const Row& row : rows_) options = options || !row.flags.empty();
  if (options) out += " [OPTIONS]";
  for (const Row& row : rows_) {
    if (!row.flags.empty()) continue;
    const std::string what = row.what + (row.many ? "..." : "");
    out += row.required ? " " + what : " [" + what + "]";
  }
  return out;
}

std::string Arguments::options_help() const {
  std::vector<std::pair<std::string, std::string>> lines;
  for (const Row& row : rows_) {
    std::string left = row.flags.empty() ? row.what : row.flags;
    if (const size_t comma = left.find(','); comma != left.npos) left.replace(comma, 1, ", ");
    if (!row.flags.empty() && !row.what.empty()) left += " " + row.what;
    lines.emplace_back(left, row.help);
  }
  lines.emplace_back("--help, -h", "This text.");
  size_t width = 0;
  for (const auto& [left, right] : lines) width = std::max(width, left.size());
  std::string out;
  for (const auto& [left, right] : lines) {
    out += "  " + left + std::string(width - left.size() + 3, ' ') + right + "\n";
  }
  return out;
}

int64_t parse_integer(const std::string& flag, const std::string& text, int64_t min, int64_t max) {
  int64_t value = 0;
  const char* end = text.data() + text.size();
  const auto [stopped, error] = std::from_chars(text.data(), end, value);
  if (error != std::errc() || stopped != end || text.empty() || value < min || value > max) {
    throw UsageError(flag + ": expected integer " + std::to_string(min) + ".." +
                     std::to_string(max) + ", got " + in_quotes(text));
  }
  return value;
}

double parse_real(const std::string& flag, const std::string& text, double above) {
  double value = 0;
  const char* end = text.data() + text.size();
  const auto [stopped, error] = std::from_chars(text.data(), end, value);
  if (error != std::errc() || stopped != end || text.empty() || !std::isfinite(value) ||
      !(value > above)) {
    std::string limit = std::to_string(above);
    limit.erase(limit.find_last_not_of('0') + 1);
    if (limit.back() == '.') limit.pop_back();
    throw UsageError(flag + ": expected number > " + limit + ", got " + in_quotes(text));
  }
  return value;
}

}  // namespace varve::app
