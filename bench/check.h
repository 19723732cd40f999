// Whether Varve computes what a peer computed: same weights, same data, dropout off.
#pragma once
#include <string>

#include "cases.h"

namespace varve::bench {

/// The file (written by bench/make_check.py) holds `x`, `y`, `parameter.N`, `gradient.N` in the
/// order of the network's variables and in Varve's layouts, `losses` (20 steps of Adam in f32) and
/// `losses_f64` (the same in f64). Compares the gradients of step 1 (1e-4 relative to the largest)
/// and the losses (within twice the peer's own distance between f32 and f64, 1e-6 at least). Throws
/// NumericError, naming what differs; prints one line.
void check_against(const Case& c, const std::string& file);

}  // namespace varve::bench
