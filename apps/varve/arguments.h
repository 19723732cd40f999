// What a command takes on its command line, declared once: parsing, checks and help come from it.
#pragma once
#include <cstdint>
#include <functional>
#include <memory>
#include <span>
#include <string>
#include <vector>

#include "varve/error.h"

namespace varve::app {

/// A command line that cannot be meant so: exit code 2.
struct UsageError : ConfigError {
  using ConfigError::ConfigError;
};

class Arguments {
 public:
  explicit Arguments(std::string command);
  ~Arguments();

  /// Arguments without a flag, in order. `what` is how help and messages call them: "JOB".
  void positional(const char* what, std::string& value, const char* help, bool required = true);
  /// All that are left; at least one where `required`.
  void positionals(const char* what, std::vector<std::string>& values, const char* help,
                   bool required = true);

  /// `flags`: "--out,-o". `what` names the value: "DIR".
  void text(const char* flags, const char* what, std::string& value, const char* help);
  void integer(const char* flags, const char* what, int64_t& value, int64_t min, int64_t max,
               const char* help);
  void real(const char* flags, const char* what, double& value, double above, const char* help);
  /// May be given several times.
  void texts(const char* flags, const char* what, std::vector<std::string>& values,
             const char* help);
  void flag(const char* flags, bool& value, const char* help);
  /// Two flags that exclude each other.
  void conflict(const char* one, const char* other);

  /// Throws UsageError. Fills the values that were bound.
  void parse(const std::vector<std::string>& arguments);
  /// "varve run [OPTIONS] NAME".
  std::string usage() const;
  /// A line an argument and option.
  std::string options_help() const;
  bool given(const char* flag) const;

 private:
  struct Row {
    std::string flags, what, help;
    std::function<void()> settle;  // checks what was given and stores it
    bool required = false, many = false;
  };
  void add(Row row);
  void take_positionals(const std::vector<std::string>& arguments);
  [[noreturn]] void refuse_option(const std::string& extra) const;
  struct Parser;
  std::unique_ptr<Parser> parser_;
  std::string command_;
  std::vector<Row> rows_;
  std::vector<std::pair<std::string, std::string>> conflicts_;
};

/// A whole number in decimal digits, nothing else: no exponent, no 0x, no blanks. Throws UsageError
/// `--epochs: expected integer 1..2147483647, got "abc"`.
int64_t parse_integer(const std::string& flag, const std::string& text, int64_t min, int64_t max);
/// A finite number above `above`.
double parse_real(const std::string& flag, const std::string& text, double above);

}  // namespace varve::app
