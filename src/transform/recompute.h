// Recomputation: what a unit wrote only for later units to read is computed again by those, from
// what is in memory anyway. A training step keeps the input of its activations and normalizations,
// and the backward pass makes of it what it needs: a pass over memory costs as much as dozens of
// additions. (The selective form of Chen et al. 2016, arXiv:1604.06174, for fused kernels.)
#pragma once
#include "transform/units.h"

namespace varve::transform {

/// Needs: units as grouping leaves them. Keeps: the values of all results, bit for bit, and what
/// memory the graph needs, roughly: nothing large is kept longer than what need not be kept.
void recompute(Units& units);

}  // namespace varve::transform
