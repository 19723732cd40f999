// Whether Varve computes what a peer computed: same weights, same data, dropout off.
#pragma once
#include <string>

#include "cases.h"

namespace varve::bench {

/// The file (written by bench/make_check.py) holds, for each network, `weights.NETWORK.*`, and for
/// the first one `gradients.NETWORK.*` of step 1 and the same in f64, named as load_pytorch_weights
/// wants them; `data.*` of every step or `steps.N.*` of step N; `losses` (20 steps in f32) and
/// `losses_f64`. Compares the gradients of step 1 (each within 1e-4 of its largest element, or
/// within twice the peer's own distance between f32 and f64 where that is more; these are named)
/// and the losses (within twice that distance, 1e-6 at least). Throws NumericError, naming what
/// differs; prints a line, or two.
void check_against(const Case& c, const std::string& file);

}  // namespace varve::bench
