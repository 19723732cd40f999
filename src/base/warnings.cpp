#include "varve/warnings.h"

#include <cstdio>
#include <mutex>
#include <set>
#include <utility>

#include "base/error.h"

namespace varve {
namespace {

constexpr size_t kKept = 100;
// A program that warns of ever new things for days must not grow; beyond that, old texts come anew.
constexpr size_t kRemembered = 1000;
// A line of a terminal, not a page: longer texts list names.
constexpr size_t kLongest = 2000;
std::mutex mutex;
WarningHandler handler;
std::vector<std::string> collected;
std::set<std::string> written;

void write_once(const std::string& text) {
  if (written.size() >= kRemembered) written.clear();
  if (!written.insert(text).second) return;
  // In one piece, so that lines of several processes do not mix.
  const std::string line = "varve: warning: " + escaped(text, kLongest) + "\n";
  std::fwrite(line.data(), 1, line.size(), stderr);
}

}  // namespace

WarningHandler set_warning_handler(WarningHandler h) {
  std::lock_guard lock(mutex);
  written.clear();
  return std::exchange(handler, std::move(h));
}

std::vector<std::string> take_warnings() {
  std::lock_guard lock(mutex);
  return std::exchange(collected, {});
}

void warn(const std::string& text) {
  WarningHandler now;
  {
    std::lock_guard lock(mutex);
    if (!handler) {
      if (collected.size() == kKept) collected.erase(collected.begin());
      collected.push_back(text);
      write_once(text);
      return;
    }
    now = handler;
  }
  now(text);
}

}  // namespace varve
