// External data: opened below the model's folder only, part by part, following no link.
#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>
#include <cstring>

#include "base/error.h"
#include "formats/file.h"
#include "formats/onnx_read.h"

namespace varve::formats::onnx {
namespace {

// "a%2e%2e" as what a browser would make of it: nobody writes that but to get out.
std::string percent_decoded(const std::string& text) {
  std::string out;
  for (size_t i = 0; i < text.size(); ++i) {
    const auto digit = [&](size_t at) {
      const char c = at < text.size() ? text[at] : '?';
      return c >= '0' && c <= '9'                 ? c - '0'
             : (c | 32) >= 'a' && (c | 32) <= 'f' ? (c | 32) - 'a' + 10
                                                  : -1;
    };
    if (text[i] == '%' && digit(i + 1) >= 0 && digit(i + 2) >= 0) {
      out += static_cast<char>(digit(i + 1) * 16 + digit(i + 2));
      i += 2;
    } else {
      out += text[i];
    }
  }
  return out;
}

std::vector<std::string> parts_of(const std::string& path) {
  std::vector<std::string> parts(1);
  for (const char c : path) {
    if (c == '/' || c == '\\') {
      parts.emplace_back();
    } else {
      parts.back() += c;
    }
  }
  std::vector<std::string> out;
  for (std::string& p : parts) {
    if (!p.empty() && p != ".") out.push_back(std::move(p));
  }
  return out;
}

bool leaves(const std::string& location) {
  const std::string decoded = percent_decoded(location);
  if (decoded.starts_with('/') || decoded.starts_with('\\')) return true;
  if (decoded.size() > 1 && decoded[1] == ':') return true;  // another system's absolute path
  if (decoded.find('\0') != decoded.npos) return true;
  for (const std::string& p : parts_of(decoded)) {
    if (p == "..") return true;
  }
  return false;
}

Descriptor open_part(int folder, const std::string& name, int flags) {
  int fd;
  do {
    fd = ::openat(folder, name.c_str(), flags | O_RDONLY | O_CLOEXEC | O_NOFOLLOW);
  } while (fd < 0 && errno == EINTR);
  return Descriptor(fd);
}

const char* kind_of(mode_t mode) {
  if (S_ISDIR(mode)) return "a directory";
  if (S_ISFIFO(mode)) return "a fifo";
  if (S_ISSOCK(mode)) return "a socket";
  return "a device";
}

}  // namespace

Buffer read_external(const std::string& folder, const std::string& location, int64_t offset,
                     int64_t length, const std::function<void(const std::string&)>& fail) {
  const std::string shown_as = "external data \"" + escaped(location) + "\": ";
  const auto refuse = [&](const std::string& why) { fail(shown_as + why); };
  if (folder.empty()) refuse("the model was not read from a folder");
  const std::vector<std::string> parts = parts_of(location);
  if (leaves(location)) refuse("path leaves the model directory");
  if (parts.empty()) refuse("expected the name of a file");
  Descriptor at(::open(folder.c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC));
  if (at.get() < 0) refuse("the model's folder: " + std::string(std::strerror(errno)));
  for (size_t i = 0; i < parts.size(); ++i) {
    const bool last = i + 1 == parts.size();
    // O_NONBLOCK: opening a fifo must not wait for a writer.
    at = open_part(at.get(), parts[i], last ? O_NONBLOCK | O_NOCTTY : O_DIRECTORY);
    if (at.get() >= 0) continue;
    const std::string what = "\"" + escaped(parts[i]) + "\" ";
    // O_NOFOLLOW: ELOOP for a link; with O_DIRECTORY it may say ENOTDIR.
    if (errno == ELOOP) refuse(what + "is a symbolic link");
    if (errno == ENOTDIR) refuse(what + "is no directory, or a symbolic link");
    refuse("cannot open: " + std::string(std::strerror(errno)));
  }
  struct stat info {};
  if (::fstat(at.get(), &info) != 0) refuse("cannot read: " + std::string(std::strerror(errno)));
  if (!S_ISREG(info.st_mode)) {
    refuse(std::string("is ") + kind_of(info.st_mode) + "; expected a regular file");
  }
  if (info.st_nlink > 1) refuse("is a hard link: it may be a file from elsewhere");
  if (offset > info.st_size || length > info.st_size - offset) {
    refuse("offset " + std::to_string(offset) + " + length " + std::to_string(length) +
           " > file size " + std::to_string(info.st_size));
  }
  Buffer out(length, "external data");
  for (int64_t done = 0; done < length;) {
    const ssize_t n = ::pread(at.get(), out.data() + done, static_cast<size_t>(length - done),
                              static_cast<off_t>(offset + done));
    if (n < 0 && errno == EINTR) continue;
    if (n < 0) refuse("cannot read: " + std::string(std::strerror(errno)));
    if (n == 0) refuse("file changed while reading");
    done += n;
  }
  return out;
}

}  // namespace varve::formats::onnx
