// Tile programs on the CPU.
#pragma once
#include <cstddef>
#include <cstdint>

#include "backend/cpu/tile_schedule.h"
#include "transform/tile_program.h"

namespace varve::cpu {

/// A tile program made ready: what it needs is worked out once, and a run allocates nothing. It is
/// immutable and may run in several threads at once, each with scratch of its own. Its results
/// depend on the instruction set, but not on the number of threads.
class TileKernel {
 public:
  /// Throws InternalError where the program is not well formed.
  explicit TileKernel(const tiling::TileProgram& program);

  /// Bytes of scratch that a run with up to `threads` threads needs, aligned to 64.
  size_t scratch_bytes(int threads) const;
  /// Pointers are to element [0, 0, 0] of each operand and output.
  void run(const void* const* operands, void* const* outputs, void* scratch,
           int threads) const noexcept;

  const Schedule& schedule() const { return schedule_; }

 private:
  int useful_threads(int threads) const;

  Schedule schedule_;
};

}  // namespace varve::cpu
