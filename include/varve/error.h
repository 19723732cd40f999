// room: base
// Errors: every failure Varve reports is a varve::Error that says what happened, what was expected,
// what came, how to mend it and where the value was made.
#pragma once
#include <cstdint>
#include <stdexcept>
#include <string>
#include <string_view>

namespace varve {

/// A place in the user's source. Taken by default arguments, so it names the caller's line.
/// (std::source_location is missing in clang 14.)
struct Where {
  const char* file = "";
  int line = 0;

  /// The line that calls the function whose default argument this is.
  static constexpr Where here(const char* file = __builtin_FILE(), int line = __builtin_LINE()) {
    return {file, line};
  }
  /// "train.cpp:41", the file without its folders; empty where no place is known.
  std::string to_string() const;
};

/// Base of all errors. `what()` is the whole text: message, then an indented hint line and an
/// "at file:line" line where they are known.
class Error : public std::runtime_error {
 public:
  explicit Error(std::string message, std::string hint = {}, std::string at = {});

  const std::string& message() const { return message_; }  ///< what happened, expected, came
  const std::string& hint() const { return hint_; }        ///< how to mend it, or empty
  /// "train.cpp:41 (layer \"dense_1\")", or empty.
  const std::string& at() const { return at_; }

 private:
  std::string message_, hint_, at_;
};

/// Dimensions that do not fit together.
struct ShapeError : Error {
  using Error::Error;
};
/// A type that the operation does not take.
struct DTypeError : Error {
  using Error::Error;
};
/// An index, axis or name outside what exists.
struct IndexError : Error {
  using Error::Error;
};
/// An argument outside its allowed range.
struct ValueError : Error {
  using Error::Error;
};
/// A file that cannot be opened, read or written.
struct IoError : Error {
  using Error::Error;
};
/// Contents of a file that are not as its format says.
struct FormatError : Error {
  using Error::Error;
};
/// A job file, an option or a command line that cannot be meant so.
struct ConfigError : Error {
  using Error::Error;
};
/// NaN or infinity where training cannot go on.
struct NumericError : Error {
  using Error::Error;
};
/// A device that is missing or refuses.
struct DeviceError : Error {
  using Error::Error;
};
/// A fault between cooperating processes.
struct DistributedError : Error {
  using Error::Error;
};
/// Something that is legal but that Varve does not do.
struct UnsupportedError : Error {
  using Error::Error;
};
/// A bug of Varve itself.
struct InternalError : Error {
  using Error::Error;
};

}  // namespace varve
