// The precompiled inner loops of tile programs: one a function and computing type, for each
// instruction set. What they read and write is dense and padded to whole blocks of 16 elements.
#pragma once
#include <cstddef>
#include <cstdint>

#include "base/pointwise.h"
#include "transform/tile_program.h"

namespace varve::cpu {

/// Bytes of the widest vector, and elements of a block: loops run over whole blocks, so that none
/// has a tail.
inline constexpr size_t kVectorBytes = 64;
inline constexpr size_t kBlock = 16;

struct LoopArguments {
  /// Element i of argument k is in[k][i & mask[k]]: all ones for an array, 0 for a value that is
  /// there for all i, repeated over a vector.
  const void* in[3];
  size_t mask[3];
  void* out;  // may be one of the arrays in `in`
  size_t n;   // elements, a whole number of blocks
};
using Loop = void (*)(const LoopArguments&);

/// The loops of one computing type; null where the function is not defined for it.
struct LoopTable {
  Loop loops[kPointwiseCount];
};
/// Each function below gives what is best for the instruction sets that the machine has and that
/// are not switched off (backend/cpu/instruction_set.h).
const LoopTable& loop_table(tiling::Type type);
const LoopTable& float_loop_table();
const LoopTable& double_loop_table();
const LoopTable& int32_loop_table();
const LoopTable& int64_loop_table();

/// Reads n elements `stride` elements apart and writes them dense in the computing type.
using LoadLoop = void (*)(const void* source, int64_t stride, void* out, size_t n);
LoadLoop load_loop(DType from, tiling::Type to);
/// Writes n elements of the computing type `stride` elements apart as another type.
using StoreLoop = void (*)(const void* source, void* out, int64_t stride, size_t n);
StoreLoop store_loop(tiling::Type from, DType to);

/// What single rows give, in the computing type, is combined in double; of integers in 64 bits.
union Accumulator {
  double f;
  int64_t i;
};
/// accumulators[r * step] = combine(accumulators[r * step], row r of `columns` elements); rows lie
/// dense, one after another.
using ReduceRows = void (*)(const void* source, size_t rows, size_t columns,
                            Accumulator* accumulators, int64_t step);
ReduceRows reduce_rows(tiling::Reduce reduce, tiling::Type type);
/// accumulators[c] = combine(accumulators[c], column c of the rows), in the computing type.
using ReduceColumns = void (*)(const void* source, size_t rows, size_t columns, void* accumulators);
ReduceColumns reduce_columns(tiling::Reduce reduce, tiling::Type type);

/// Philox words `first` .. `first` + n - 1 of (key, stream), as bits or as unit floats. `out` has
/// room for n + 64 words.
void random_words(bool unit, uint64_t key, uint64_t stream, uint64_t first, size_t n, void* out);

}  // namespace varve::cpu
