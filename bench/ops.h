// Times single ops at sizes from 1e2 to 1e7 elements.
#pragma once
#include <string>

namespace varve::bench {

/// Prints a JSON line for each op and size: {"op", "size", "planned_us", "eager_us"}, the least of
/// several rounds; `only` names one op, empty: all. bench/ops.py times a peer on the same inputs.
void print_op_times(const std::string& only, double max_size);

}  // namespace varve::bench
