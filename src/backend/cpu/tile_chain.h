// Chains of calls on floats as machine code: each vector of elements is loaded once, goes through
// all calls in registers, and only what is read elsewhere is stored. The numbers are bit for bit
// those of the loops (tile_loops.h).
#pragma once
#include <array>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <vector>

#include "base/pointwise.h"

namespace varve::cpu {

/// How an input lies in memory: as elements in order, as such in bf16, as one row of them that is
/// read again for each row, or as one value, repeated over a vector.
enum class ChainInput : uint8_t { elements, halves, row, splat };

/// Calls in order. Values are numbered: the inputs, then the results of the calls.
struct Chain {
  struct Call {
    Pointwise function = Pointwise::identity;
    std::array<int32_t, 3> arguments{-1, -1, -1};
    bool rounded = false;  // identity alone: to what bf16 holds of it
  };
  /// A result that is stored, in bf16 where `halves`.
  struct Output {
    int32_t value = 0;
    bool halves = false;
  };
  std::vector<ChainInput> inputs;
  std::vector<Call> calls;
  std::vector<Output> outputs;
};

/// Machine code of a chain.
class ChainCode {
 public:
  virtual ~ChainCode() = default;
  /// n: elements, a whole number of blocks, and so are `columns`, those of a row, where an input is
  /// one. An output may be one of the arrays that are inputs.
  void run(const void* const* inputs, void* const* outputs, size_t n, size_t columns) const {
    entry_(inputs, outputs, n, columns);
  }

 protected:
  using Entry = void (*)(const void* const* inputs, void* const* outputs, size_t n, size_t columns);
  Entry entry_ = nullptr;
};

/// Whether code can be made for calls of the function: on x86 with AVX2 or AVX-512, where that is
/// not switched off, and of functions that take no more than a few instructions.
bool chains(Pointwise function);

/// Null where a chain takes more registers than there are, or the system forbids new code. Equal
/// chains share theirs.
std::shared_ptr<const ChainCode> compile(const Chain& chain);

}  // namespace varve::cpu
