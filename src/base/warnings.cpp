#include "varve/warnings.h"

#include <mutex>
#include <utility>

namespace varve {
namespace {

constexpr size_t kKept = 100;
std::mutex mutex;
WarningHandler handler;
std::vector<std::string> collected;

}  // namespace

WarningHandler set_warning_handler(WarningHandler h) {
  std::lock_guard lock(mutex);
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
      return;
    }
    now = handler;
  }
  now(text);
}

}  // namespace varve
