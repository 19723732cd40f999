#include "varve/numerics.h"

#include <atomic>
#include <string>

#include "base/environment.h"
#include "base/error.h"

namespace varve {
namespace {

enum class Rule : int { of_environment, forbidden, allowed };
std::atomic<Rule> rule{Rule::of_environment};

bool allowed_by_environment() {
  static const bool allowed = [] {
    const std::string value = environment("VARVE_WINOGRAD");
    if (!value.empty() && value != "0" && value != "1") {
      throw ConfigError("VARVE_WINOGRAD: expected 0 or 1, got \"" + escaped(value) + "\"",
                        "1 is what stands where it is not set");
    }
    return value != "0";
  }();
  return allowed;
}

}  // namespace

bool winograd_allowed() {
  const Rule now = rule.load(std::memory_order_relaxed);
  return now == Rule::of_environment ? allowed_by_environment() : now == Rule::allowed;
}

void allow_winograd(bool allowed) {
  rule.store(allowed ? Rule::allowed : Rule::forbidden, std::memory_order_relaxed);
}

}  // namespace varve
