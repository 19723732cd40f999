#include "timing.h"

#include <unistd.h>

#include <algorithm>
#include <chrono>
#include <fstream>
#include <iterator>
#include <sstream>
#include <string>
#include <vector>

namespace varve::bench {
namespace {

using Clock = std::chrono::steady_clock;

double seconds_since(Clock::time_point start) {
  return std::chrono::duration<double>(Clock::now() - start).count();
}

/// Since the kernel started this process, from /proc: what the first step costs a user who waits.
double process_age() {
  std::ifstream stat("/proc/self/stat"), uptime("/proc/uptime");
  std::string text((std::istreambuf_iterator<char>(stat)), {});
  std::istringstream fields(text.substr(text.rfind(')') + 1));
  std::string word;
  for (int i = 3; i <= 22; ++i) fields >> word;  // field 22: start time in clock ticks
  double up = 0;
  uptime >> up;
  return up - std::stod(word) / static_cast<double>(sysconf(_SC_CLK_TCK));
}

}  // namespace

Timing time_steps(const std::function<void()>& step, double min_time) {
  Timing t;
  auto start = Clock::now();
  step();
  t.first = seconds_since(start);
  t.process_to_first = process_age();
  for (int i = 0; i < 3; ++i) step();
  std::vector<double> each;
  const auto begin = Clock::now();
  while (seconds_since(begin) < min_time || each.size() < 5) {
    start = Clock::now();
    step();
    each.push_back(seconds_since(start));
  }
  std::sort(each.begin(), each.end());
  t.median = each[each.size() / 2];
  t.least = each.front();
  return t;
}

}  // namespace varve::bench
