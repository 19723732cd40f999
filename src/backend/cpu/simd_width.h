// What vectors our own kernels use.
#pragma once
#include <cstdint>

namespace varve::cpu {

enum class VectorSet : uint8_t { sse4, avx2, avx512 };

/// What kernels are chosen for: the most that the machine has and that is not switched off.
VectorSet vector_set();

}  // namespace varve::cpu
