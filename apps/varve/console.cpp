#include "console.h"

#include <fcntl.h>
#include <unistd.h>

#include <cerrno>
#include <csignal>
#include <cstdio>
#include <cstring>

#include "base/error.h"

namespace varve::app {
namespace {

// A message may quote a checksum list or name several places; what a terminal shows is one line.
// Of a longer one (a path of 100,000 bytes) both ends are kept: the second says what is wrong.
constexpr size_t kLimit = 2000, kEnd = 500;

std::string one_line(std::string_view all) {
  std::string text(all.substr(0, kLimit));
  if (all.size() > kLimit) {
    text.resize(kLimit - kEnd);
    text += " ... " + std::string(all.substr(all.size() - kEnd));
  }
  std::string out;
  bool gap = false;
  for (char c : text) {
    const bool blank = c == '\n' || c == '\r' || c == ' ';
    if (blank) {
      gap = !out.empty();
      continue;
    }
    if (gap) out += ' ';
    gap = false;
    out += c;
  }
  return escaped(out, 2 * kLimit);
}

void write_error(std::string_view text) {
  while (!text.empty()) {
    const ssize_t n = ::write(STDERR_FILENO, text.data(), text.size());
    if (n < 0 && errno == EINTR) continue;
    if (n <= 0) return;  // nowhere is left to say it
    text.remove_prefix(static_cast<size_t>(n));
  }
}

}  // namespace

void say(std::string_view text) {
  while (!text.empty()) {
    const ssize_t n = ::write(STDOUT_FILENO, text.data(), text.size());
    if (n < 0 && errno == EINTR) continue;
    if (n < 0 && (errno == EPIPE || errno == ECONNRESET)) throw OutputClosed();
    if (n < 0) throw IoError(std::string("standard output: ") + std::strerror(errno));
    text.remove_prefix(static_cast<size_t>(n));
  }
}

void say_if_read(std::string_view text) {
  try {
    say(text);
  } catch (const OutputClosed&) {
    // The files are what the command was called for.
  }
}

void say_error(std::string_view message, std::string_view hint) {
  std::string text = "error: " + one_line(message) + "\n";
  if (!hint.empty()) text += "  hint: " + one_line(hint) + "\n";
  write_error(text);
}

void say_error(const Error& error) {
  std::string message = error.message();
  const std::string& at = error.at();
  if (!at.empty()) message += at[0] == '(' ? " " + at : " (at " + at + ")";
  say_error(message, error.hint());
}

void say_warning(std::string_view text) { write_error("warning: " + one_line(text) + "\n"); }

void settle_streams() {
  for (int fd : {STDIN_FILENO, STDOUT_FILENO, STDERR_FILENO}) {
    if (fcntl(fd, F_GETFD) < 0 && errno == EBADF) {
      // The lowest free number is this one, for those below it are open.
      if (::open("/dev/null", fd == STDIN_FILENO ? O_RDONLY : O_WRONLY) < 0) return;
    }
  }
  std::signal(SIGPIPE, SIG_IGN);
  std::signal(SIGXFSZ, SIG_IGN);  // a file that may grow no more is an error of write too
}

bool is_terminal() { return isatty(STDOUT_FILENO) != 0; }

}  // namespace varve::app
