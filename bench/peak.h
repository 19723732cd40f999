// What the processor allows.
#pragma once

namespace varve::bench {

/// Prints a JSON line: {"threads", "instruction_set", "gflops", "bandwidth"}. "gflops" is the rate
/// of independent multiply-adds of floats in registers, "bandwidth" a list of {"bytes",
/// "gb_per_s"}: of a triad a + s b into a third array, by the bytes of the three together, at sizes
/// for L2, L3 and memory. Each figure is the best of many short rounds.
void print_peak(int threads);

}  // namespace varve::bench
