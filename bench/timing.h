// How long a step takes.
#pragma once
#include <functional>

namespace varve::bench {

/// Seconds.
struct Timing {
  double first = 0, median = 0, least = 0;
  double process_to_first = 0;  ///< from the start of the process to the end of the first step
};

/// Steps until `min_time` has passed, five at least, as bench/peers take them.
Timing time_steps(const std::function<void()>& step, double min_time);

}  // namespace varve::bench
