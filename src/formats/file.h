// Reading files: whole or in ranges, always with pread, never mapped (a mapped file that shrinks is
// a signal; a short read is an error).
#pragma once
#include <span>
#include <string>

#include "formats/array.h"

namespace varve::formats {

/// A path made safe to print.
std::string shown(const std::string& path);

/// An open file descriptor.
class Descriptor {
 public:
  explicit Descriptor(int fd = -1) : fd_(fd) {}
  Descriptor(Descriptor&& other) noexcept : fd_(other.release()) {}
  Descriptor& operator=(Descriptor&& other) noexcept;
  ~Descriptor() { close(); }
  int get() const { return fd_; }
  int release();
  void close();

 private:
  int fd_;
};

/// Bytes at known offsets: a regular file, or memory that the caller keeps.
class Source {
 public:
  /// Throws IoError with the path and errno's text; also for folders, fifos, devices and sockets.
  static Source open(const std::string& path);
  static Source memory(std::string name, std::span<const std::byte> bytes);

  /// The path as messages show it.
  const std::string& name() const { return name_; }
  int64_t size() const { return size_; }
  /// Fills `out` from `offset`; the range must lie in [0, size()). Throws IoError where the file
  /// has become shorter.
  void read(int64_t offset, std::span<std::byte> out) const;
  /// Bytes [offset, offset + size) as a buffer.
  Buffer read(int64_t offset, int64_t size) const;
  /// Throws IoError where length or time of change differ from those when the file was opened.
  void check_unchanged() const;
  /// Throws FormatError "<name>: <what>".
  [[noreturn]] void fail(const std::string& what, std::string hint = {}) const;

 private:
  Source() = default;
  std::string name_;
  Descriptor file_;
  std::span<const std::byte> memory_;
  int64_t size_ = 0;
  int64_t changed_ns_ = 0;
};

/// Default cap on what a whole-file read or an inflate may give.
inline constexpr int64_t kDefaultLimit = int64_t{1} << 30;

/// The whole file. Throws IoError; FormatError where it is longer than `limit`.
Buffer read_file(const std::string& path, int64_t limit = kDefaultLimit);
/// True where something exists at `path` (a dangling link does not).
bool file_exists(const std::string& path);

}  // namespace varve::formats
