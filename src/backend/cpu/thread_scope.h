// How many threads a library call uses.
#pragma once
#include <omp.h>

namespace varve::backend::cpu {

/// Threads for work of that many operations: one where a second would cost more than it saves.
inline int useful_threads(double operations, int threads) {
  // 20 microseconds at 100 GFLOP/s; an empty region of two threads costs two.
  constexpr double kWorthAThread = 2e6;
  return operations < kWorthAThread ? 1 : threads;
}

/// OpenMP's thread count on this thread while it lives: what libraries prepared for a number of
/// threads must be run with it.
class ThreadScope {
 public:
  explicit ThreadScope(int threads) : before_(omp_get_max_threads()), changed_(threads != before_) {
    if (changed_) omp_set_num_threads(threads);
  }
  ~ThreadScope() {
    if (changed_) omp_set_num_threads(before_);
  }
  ThreadScope(const ThreadScope&) = delete;
  ThreadScope& operator=(const ThreadScope&) = delete;

 private:
  int before_;
  bool changed_;
};

}  // namespace varve::backend::cpu
