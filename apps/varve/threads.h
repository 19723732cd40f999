// Threads bound to processors.
#pragma once
#include <cstdint>

namespace varve::app {

/// The OpenMP library reads its settings when it is loaded, so the program sets them and starts
/// itself once more: OMP_NUM_THREADS (`threads`, or what the environment says, or all processors),
/// OMP_PROC_BIND, GOMP_SPINCOUNT. What the user has set stays, but for a number of threads given on
/// the command line. Returns where that was done already, or cannot be done.
void settle_threads(int64_t threads, char** argv);

/// The processors that this process may use.
int available_processors();

}  // namespace varve::app
