#include "threads.h"

#include <sched.h>
#include <unistd.h>

#include <algorithm>
#include <cstdlib>
#include <string>

#include "base/environment.h"
#include "base/threads.h"

namespace varve::app {
namespace {

// Says that the settings are made: the process number, which exec keeps and no child shares, and
// the processors that there were; a bound thread sees only its own.
constexpr const char* kSettled = "VARVE_THREADS_SETTLED";
int found_processors = 0;

int count_processors() {
  cpu_set_t set;
  CPU_ZERO(&set);
  if (sched_getaffinity(0, sizeof set, &set) != 0) return 1;
  return std::max(CPU_COUNT(&set), 1);
}

}  // namespace

int available_processors() { return found_processors > 0 ? found_processors : count_processors(); }

void settle_threads(int64_t threads, char** argv) {
  const std::string self = std::to_string(getpid()) + "/";
  if (const std::string settled = environment(kSettled); settled.starts_with(self)) {
    found_processors = std::atoi(settled.c_str() + self.size());
    unsetenv(kSettled);
    return;
  }
  const int processors = count_processors();
  if (threads > 0) setenv("OMP_NUM_THREADS", std::to_string(threads).c_str(), 1);
  setenv("OMP_NUM_THREADS", std::to_string(processors).c_str(), 0);
  // Bound threads keep their caches. But where several programs share the machine, each with a part
  // of the processors, binding would put all of them on the same ones.
  const bool all = environment("OMP_NUM_THREADS") == std::to_string(processors);
  setenv("OMP_PROC_BIND", all ? "true" : "false", 0);
  // Waiting threads spin for about 40 microseconds, longer than what lies between two small kernels
  // of a step, and then sleep: an idle program takes no processor, and several that share the
  // machine do not wait for one another's spinning. (Spinning for two milliseconds made no
  // step faster, and each of two programs with two threads on two processors up to 18 times
  // slower.)
  setenv("GOMP_SPINCOUNT", "2000", 0);
  setenv(kSettled, (self + std::to_string(processors)).c_str(), 1);
  execv("/proc/self/exe", argv);
  unsetenv(kSettled);  // no /proc: go on unbound
  if (threads > 0) set_thread_count(static_cast<int>(threads));
}

}  // namespace varve::app
