#include "formats/atomic_file.h"

#include <dirent.h>
#include <fcntl.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <sys/statvfs.h>
#include <unistd.h>

#include <atomic>
#include <cerrno>
#include <csignal>
#include <cstdlib>
#include <cstring>
#include <memory>

#include "base/error.h"

namespace varve::formats {
namespace {

std::string resolved(const std::string& path) {
  struct stat info {};
  if (::lstat(path.c_str(), &info) != 0 || !S_ISLNK(info.st_mode)) return path;
  std::unique_ptr<char, decltype(&std::free)> real(::realpath(path.c_str(), nullptr), &std::free);
  return real ? std::string(real.get()) : path;
}

int64_t free_bytes(int fd) {
  struct statvfs info {};
  // No blocks at all: a pseudo file system that does not count.
  if (::fstatvfs(fd, &info) != 0 || info.f_blocks == 0) return INT64_MAX;
  int64_t bytes = 0;
  return __builtin_mul_overflow(info.f_bavail, info.f_frsize, &bytes) ? INT64_MAX : bytes;
}

// A limit on the length of files is told by an error and by a signal that ends the process: while
// this lives, by the error alone.
class WithoutSizeSignal {
 public:
  WithoutSizeSignal() {
    sigemptyset(&signal_);
    sigaddset(&signal_, SIGXFSZ);
    sigset_t pending;
    sigpending(&pending);
    was_pending_ = sigismember(&pending, SIGXFSZ) == 1;
    pthread_sigmask(SIG_BLOCK, &signal_, &before_);
  }
  ~WithoutSizeSignal() {
    const int error = errno;
    const timespec none{};
    if (!was_pending_) sigtimedwait(&signal_, nullptr, &none);
    pthread_sigmask(SIG_SETMASK, &before_, nullptr);
    errno = error;
  }
  WithoutSizeSignal(const WithoutSizeSignal&) = delete;
  WithoutSizeSignal& operator=(const WithoutSizeSignal&) = delete;

 private:
  sigset_t signal_, before_;
  bool was_pending_ = false;
};

constexpr char kPrefix[] = ".varve-", kSuffix[] = ".tmp";

// All temporary files of one target share this stem; cut, because a name may have 255 bytes.
std::string stem_of(const std::string& name) { return kPrefix + name.substr(0, 180) + "-"; }

}  // namespace

AtomicFile::AtomicFile(const std::string& path, int64_t bytes, std::string kept)
    : path_(path), name_(shown(path)), kept_(std::move(kept)), reserved_(bytes) {
  check(bytes >= 0, "bytes >= 0");
  if (path_.empty() || path_.find('\0') != path_.npos) fail(EINVAL, 0);
  path_ = resolved(path_);
  const size_t slash = path_.rfind('/');
  folder_ = slash == path_.npos ? "." : slash == 0 ? "/" : path_.substr(0, slash);
  struct stat info {};
  if (::stat(path_.c_str(), &info) == 0) {
    if (S_ISDIR(info.st_mode)) throw IoError("save to " + name_ + ": is a directory");
    if (!S_ISREG(info.st_mode)) throw IoError("save to " + name_ + ": is not a regular file");
    replaces_ = true;
  } else if (errno != ENOENT) {
    fail(errno, 0);
  }
  directory_ = Descriptor(::open(folder_.c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC));
  if (directory_.get() < 0) fail(errno, 0);
  remove_strays();
  if (free_bytes(directory_.get()) < bytes) fail(ENOSPC, bytes);
  create();
  const WithoutSizeSignal quiet;
  try {
    if (replaces_ && ::fchmod(file_.get(), info.st_mode & 0777) != 0) fail(errno, 0);
    // KEEP_SIZE: the length is always what was written. A file system that cannot reserve says so.
    if (bytes > 0 && ::fallocate(file_.get(), FALLOC_FL_KEEP_SIZE, 0, bytes) != 0 &&
        errno != EOPNOTSUPP && errno != ENOSYS && errno != EINTR) {
      fail(errno, bytes);
    }
  } catch (...) {
    discard();
    throw;
  }
}

AtomicFile::~AtomicFile() { discard(); }

void AtomicFile::discard() {
  if (temporary_.empty()) return;
  ::unlinkat(directory_.get(), temporary_.c_str(), 0);
  temporary_.clear();
  file_.close();
}

void AtomicFile::fail(int error, int64_t needed) {
  std::string text = "save to " + name_ + ": ";
  if (error == ENOSPC && directory_.get() >= 0) {
    text += "needs " + std::to_string(needed) + " bytes, " +
            std::to_string(free_bytes(directory_.get())) + " free";
  } else {
    text += std::strerror(error);
  }
  if (replaces_) text += "; " + kept_ + " kept";
  throw IoError(text);
}

// The lock tells a file that is being written from one that a killed process left behind.
void AtomicFile::create() {
  static std::atomic<uint64_t> counter{0};
  const std::string stem = stem_of(path_.substr(path_.rfind('/') + 1));
  for (;;) {
    temporary_ = stem + std::to_string(::getpid()) + "-" + std::to_string(counter++) + kSuffix;
    file_ = Descriptor(::openat(directory_.get(), temporary_.c_str(),
                                O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0666));
    if (file_.get() < 0) {
      if (errno == EEXIST || errno == EINTR) continue;
      temporary_.clear();
      fail(errno, 0);
    }
    ::flock(file_.get(), LOCK_EX | LOCK_NB);
    struct stat info {};
    // Another process may have taken it for a stray before the lock was there.
    if (::fstat(file_.get(), &info) == 0 && info.st_nlink > 0) return;
  }
}

void AtomicFile::remove_strays() const {
  const std::string stem = stem_of(path_.substr(path_.rfind('/') + 1));
  struct Close {
    void operator()(DIR* listing) const { ::closedir(listing); }
  };
  const std::unique_ptr<DIR, Close> listing(::opendir(folder_.c_str()));
  if (!listing) return;
  while (const dirent* entry = ::readdir(listing.get())) {
    const std::string_view name = entry->d_name;
    if (!name.starts_with(stem) || !name.ends_with(kSuffix)) continue;
    // What stands between must be "<pid>-<counter>": another target may begin with our name.
    const std::string_view middle =
        name.substr(stem.size(), name.size() - stem.size() - (sizeof kSuffix - 1));
    if (middle.empty() || middle.find_first_not_of("0123456789-") != middle.npos) continue;
    Descriptor stray(
        ::openat(directory_.get(), entry->d_name, O_WRONLY | O_CLOEXEC | O_NONBLOCK | O_NOFOLLOW));
    if (stray.get() >= 0 && ::flock(stray.get(), LOCK_EX | LOCK_NB) == 0) {
      ::unlinkat(directory_.get(), entry->d_name, 0);
    }
  }
}

void AtomicFile::write(std::span<const std::byte> bytes) {
  check(!temporary_.empty(), "written before commit");
  const WithoutSizeSignal quiet;
  while (!bytes.empty()) {
    const ssize_t n = ::write(file_.get(), bytes.data(), bytes.size());
    if (n < 0 && errno == EINTR) continue;
    if (n < 0) {
      const int error = errno;
      fail(error, std::max(reserved_, written_ + static_cast<int64_t>(bytes.size())));
    }
    bytes = bytes.subspan(static_cast<size_t>(n));
    written_ += n;
  }
}

void AtomicFile::commit() {
  check(!temporary_.empty(), "committed once");
  // Give back what was reserved and not used.
  if (written_ < reserved_ && ::ftruncate(file_.get(), written_) != 0) fail(errno, 0);
  // A failed fsync is never tried again: the kernel may have dropped the pages and report success.
  if (::fsync(file_.get()) != 0) fail(errno, reserved_);
  if (::close(file_.release()) != 0 && errno != EINTR) fail(errno, reserved_);
  const std::string target = path_.substr(path_.rfind('/') + 1);
  if (::renameat(directory_.get(), temporary_.c_str(), directory_.get(), target.c_str()) != 0) {
    fail(errno, reserved_);
  }
  temporary_.clear();
  if (::fsync(directory_.get()) != 0 && errno != EINVAL) {
    throw IoError("save to " + name_ +
                  ": written, but the folder could not be synced: " + std::strerror(errno));
  }
}

void write_file(const std::string& path, std::span<const std::byte> bytes) {
  AtomicFile file(path, static_cast<int64_t>(bytes.size()));
  file.write(bytes);
  file.commit();
}

void write_file(const std::string& path, std::string_view text) {
  write_file(path, as_bytes(text));
}

}  // namespace varve::formats
