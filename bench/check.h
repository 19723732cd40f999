// Whether Varve computes what a peer computed: same weights, same data, dropout off.
#pragma once
#include <string>

#include "cases.h"
#include "varve/precision.h"

namespace varve::bench {

/// The file (written by bench/make_check.py) holds, for each network, `weights.NETWORK.*`, and for
/// the first one `gradients.NETWORK.*` of step 1 and the same in f64, named as load_pytorch_weights
/// wants them; `data.*` of every step or `steps.N.*` of step N; `losses` of 20 steps, the same in
/// f64 and in bf16; gradients and losses in f32 also with channels last and on one thread, and the
/// peer's distance is the furthest of the three from f64. Compares the gradients of step 1 (each
/// within 1e-4 of its largest element, or within twice the peer's distance where that is more;
/// these are named) and the losses (within twice that distance, 1e-6 at least). In mixed precision
/// the losses alone are bound (within 2e-2 of f64, or twice the distance of the peer's bf16 where
/// that is more), and the distance of the whole gradient is printed. Throws NumericError, naming
/// what differs; prints a line, or two.
void check_against(const Case& c, const std::string& file, Precision precision);

}  // namespace varve::bench
