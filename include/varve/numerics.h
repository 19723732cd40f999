// room: base
// Which kernels may trade a little exactness for speed.
#pragma once

namespace varve {

/// Whether 3x3 convolutions may run by Winograd's minimal filtering (Lavin and Gray, Fast
/// Algorithms for Convolutional Neural Networks, 2016): F(4x4, 3x3), faster where
/// docs/performance.md says so, computed in f32 (of f32 or bf16), with results further from the
/// exact ones. An infinity or NaN spreads over a tile of 4x4 outputs, infinities become NaN, and
/// sums of zeros beside other numbers are rounding errors, not zeros. They may unless the
/// environment says VARVE_WINOGRAD=0 or `allow_winograd(false)` was called. Throws ConfigError
/// where VARVE_WINOGRAD is neither 0 nor 1, as every call, compiled or not, does then. Example:
/// VARVE_WINOGRAD=0 varve train job.toml
bool winograd_allowed();
/// From now on, for all callers, compiled or not, whatever the environment says. Compiled functions
/// keep a plan for either rule.
void allow_winograd(bool allowed);

}  // namespace varve
