// Tile programs on the CPU.
#pragma once
#include <cstddef>
#include <cstdint>
#include <span>
#include <vector>

#include "backend/cpu/tile_schedule.h"
#include "transform/tile_program.h"

namespace varve::cpu {

/// One tile program, or several that do not read each other's outputs, made ready: what they need
/// is worked out once, and a run allocates nothing. It is immutable and may run in several threads
/// at once, each with scratch of its own. Its results depend on the instruction set, but not on the
/// number of threads.
class TileKernel {
 public:
  /// Throws InternalError where a program is not well formed.
  explicit TileKernel(std::span<const tiling::TileProgram> programs);
  explicit TileKernel(const tiling::TileProgram& program) : TileKernel(std::span(&program, 1)) {}

  /// Bytes of scratch that a run with up to `threads` threads needs, aligned to 64.
  size_t scratch_bytes(int threads) const;
  /// Pointers are to element [0, 0, 0] of each operand and output, program after program.
  void run(const void* const* operands, void* const* outputs, void* scratch,
           int threads) const noexcept;

  const Schedule& schedule(size_t program = 0) const { return parts_[program].schedule; }

 private:
  struct Part {
    Schedule schedule;
    size_t operands = 0, outputs = 0;  // where its pointers begin
    int64_t scratch = 0;               // where its shared scratch begins
    double begin = 0, end = 0;         // nanoseconds of the parts before it, and with it
  };
  int useful_threads(int threads) const;
  int64_t first_unit(const Part& part, int64_t thread, int64_t team) const;

  std::vector<Part> parts_;
  int64_t units_ = 0, shared_scratch_ = 0, thread_scratch_ = 0;
};

}  // namespace varve::cpu
