#include "base/threads.h"

#include <omp.h>

#include <algorithm>
#include <atomic>

#include "base/error.h"
#include "base/math.h"

namespace varve {
namespace {
std::atomic<int> count{0};  // 0: not set, OpenMP's own number
}

int thread_count() {
  const int n = count.load(std::memory_order_relaxed);
  return n > 0 ? n : omp_get_max_threads();
}

void set_thread_count(int n) {
  if (n < 1 || n > 1024) {
    throw ValueError("thread count: expected 1..1024, got " + std::to_string(n));
  }
  count.store(n, std::memory_order_relaxed);
  omp_set_num_threads(n);
}

void parallel_for(int64_t n, int64_t grain, FunctionRef<void(int64_t, int64_t)> body) {
  parallel_for(n, grain, thread_count(), body);
}

void parallel_for(int64_t n, int64_t grain, int most, FunctionRef<void(int64_t, int64_t)> body) {
  if (n <= 0) return;
  grain = std::max<int64_t>(grain, 1);
  const int64_t blocks = ceil_div(n, grain);
  const int threads = static_cast<int>(std::min<int64_t>(most, blocks));
  if (threads <= 1 || omp_in_parallel()) {
    body(0, n);
    return;
  }
#pragma omp parallel num_threads(threads)
  {
    const int64_t t = omp_get_thread_num(), team = omp_get_num_threads();
    const int64_t begin = blocks * t / team * grain;
    const int64_t end = std::min(n, blocks * (t + 1) / team * grain);
    if (begin < end) body(begin, end);
  }
}

}  // namespace varve
