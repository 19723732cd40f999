// What the vectors are that our own kernels use.
#pragma once

namespace varve::cpu {

/// Whether kernels are chosen for AVX-512: the machine has it, and it is not switched off.
bool has_avx512();

}  // namespace varve::cpu
