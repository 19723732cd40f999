// The size that stands for "any batch" while a model is put together from nn::Input.
#pragma once
#include <cstdint>

namespace varve {

/// A prime that no real size has and no round number is near to: its multiples in shapes and
/// attributes are the batch's doing.
/// Small enough that the elements of a batch of large samples can be counted in 63 bits.
inline constexpr int64_t kAnyBatch = 94'906'297;

/// How many batches a size holds; 0: it has nothing to do with the batch.
constexpr int64_t batches_in(int64_t size) {
  return size > 0 && size % kAnyBatch == 0 ? size / kAnyBatch : 0;
}

}  // namespace varve
