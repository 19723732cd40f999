// room: base
// How many threads computations use.
#pragma once

namespace varve {

/// Threads that parallel work uses: OpenMP's number (OMP_NUM_THREADS, or one a processor) unless it
/// was set.
int thread_count();
/// From now on, for all callers. Plans that were made for another number are made anew. Throws
/// ValueError outside 1..1024.
void set_thread_count(int n);

}  // namespace varve
