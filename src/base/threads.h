// Worker threads: one pool, OpenMP's; work is split into fixed parts so that results do not depend
// on the number of threads.
#pragma once
#include <cstdint>

#include "base/function_ref.h"
#include "varve/threads.h"

namespace varve {

/// Calls body(begin, end) on disjoint ranges that cover [0, n), in parallel where n > grain.
/// Ranges are multiples of `grain` long (but the last). `body` must not throw.
void parallel_for(int64_t n, int64_t grain, FunctionRef<void(int64_t, int64_t)> body);
/// The same with at most so many threads.
void parallel_for(int64_t n, int64_t grain, int threads, FunctionRef<void(int64_t, int64_t)> body);

}  // namespace varve
