#include "formats/file.h"

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstring>
#include <utility>

#include "base/error.h"

namespace varve::formats {
namespace {

int64_t change_time_ns(const struct stat& info) {
  return int64_t{info.st_mtim.tv_sec} * 1'000'000'000 + info.st_mtim.tv_nsec;
}

const char* kind_of(mode_t mode) {
  if (S_ISDIR(mode)) return "directory";
  if (S_ISFIFO(mode)) return "fifo";
  if (S_ISSOCK(mode)) return "socket";
  return "device";
}

}  // namespace

std::string shown(const std::string& path) {
  // Longer than any path that can be opened, so a real one is never cut.
  constexpr size_t kPathLimit = 4096;
  return escaped(path, kPathLimit);
}

Descriptor& Descriptor::operator=(Descriptor&& other) noexcept {
  if (this != &other) {
    close();
    fd_ = other.release();
  }
  return *this;
}

int Descriptor::release() { return std::exchange(fd_, -1); }

void Descriptor::close() {
  if (fd_ >= 0) ::close(std::exchange(fd_, -1));
}

Source Source::open(const std::string& path) {
  Source source;
  source.name_ = shown(path);
  if (path.find('\0') != path.npos) throw IoError(source.name_ + ": path holds a NUL byte");
  // O_NONBLOCK: opening a fifo must not wait for a writer.
  int fd;
  do {
    fd = ::open(path.c_str(), O_RDONLY | O_CLOEXEC | O_NONBLOCK | O_NOCTTY);
  } while (fd < 0 && errno == EINTR);
  if (fd < 0) throw IoError(source.name_ + ": cannot open: " + std::strerror(errno));
  source.file_ = Descriptor(fd);
  struct stat info {};
  if (::fstat(fd, &info) != 0) {
    throw IoError(source.name_ + ": cannot read: " + std::strerror(errno));
  }
  if (!S_ISREG(info.st_mode)) {
    throw IoError(source.name_ + ": is a " + kind_of(info.st_mode) + "; expected a regular file");
  }
  source.size_ = info.st_size;
  source.changed_ns_ = change_time_ns(info);
  return source;
}

Source Source::memory(std::string name, std::span<const std::byte> bytes) {
  Source source;
  source.name_ = shown(name);
  source.memory_ = bytes;
  source.size_ = static_cast<int64_t>(bytes.size());
  return source;
}

void Source::read(int64_t offset, std::span<std::byte> out) const {
  check(offset >= 0 && offset <= size_ - static_cast<int64_t>(out.size()),
        "the range lies within the file");
  if (file_.get() < 0) {
    std::copy_n(memory_.begin() + offset, out.size(), out.begin());
    return;
  }
  while (!out.empty()) {
    const ssize_t n = ::pread(file_.get(), out.data(), out.size(), offset);
    if (n < 0 && errno == EINTR) continue;
    if (n < 0) throw IoError(name_ + ": cannot read: " + std::strerror(errno));
    if (n == 0) throw IoError(name_ + ": file changed while reading");
    out = out.subspan(static_cast<size_t>(n));
    offset += n;
  }
}

Buffer Source::read(int64_t offset, int64_t size) const {
  Buffer out(size, name_);
  read(offset, out.span());
  return out;
}

void Source::check_unchanged() const {
  if (file_.get() < 0) return;
  struct stat info {};
  if (::fstat(file_.get(), &info) != 0) {
    throw IoError(name_ + ": cannot read: " + std::strerror(errno));
  }
  if (info.st_size != size_ || change_time_ns(info) != changed_ns_) {
    throw IoError(name_ + ": file changed while reading");
  }
}

void Source::fail(const std::string& what, std::string hint) const {
  throw FormatError(name_ + ": " + what, std::move(hint));
}

Buffer read_file(const std::string& path, int64_t limit) {
  Source source = Source::open(path);
  if (source.size() > limit) {
    source.fail("file too long: expected at most " + std::to_string(limit) + " bytes, got " +
                std::to_string(source.size()));
  }
  Buffer bytes = source.read(0, source.size());
  source.check_unchanged();
  return bytes;
}

bool file_exists(const std::string& path) {
  struct stat info {};
  return ::stat(path.c_str(), &info) == 0;
}

}  // namespace varve::formats
