// How the CPU goes through a tile program: the cut of the iteration space into units and tiles, the
// buffer of each slot, and the list of steps. Depends on the program alone, never on the number of
// threads, and so does every order of summation.
#pragma once
#include <array>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <vector>

#include "backend/cpu/tile_chain.h"
#include "backend/cpu/tile_loops.h"
#include "transform/tile_program.h"

namespace varve::cpu {

/// Where the values of a slot lie while a tile is computed.
struct SlotPlace {
  bool splat = false;    // one value for the whole tile, repeated over a vector
  bool hoisted = false;  // the same for every tile with the same outer index: computed once for it
  bool constant = false;
  bool halves = false;  // bf16 as it lies in memory; chains alone read it
  int64_t offset = -1;  // in a thread's scratch; constants: in Schedule::constants
  int64_t element = 4;  // bytes
};

enum class StepKind : uint8_t { load, call, cast, random, expand, store, reduce, chain };

struct Step {
  StepKind kind = StepKind::load;
  uint8_t arity = 0;
  /// load: may be read in place. call, cast: may write output `index` in place.
  bool in_place = false;
  /// The elements of a tile lie one after another in the operand or output, `step` apart.
  bool dense = false;
  bool unit_words = false;  // random
  int32_t slot = -1;        // written, or stored, or reduced
  std::array<int32_t, 3> arguments{-1, -1, -1};
  int32_t index = -1;         // operand, output, reduction or chain
  tiling::Strides strides{};  // of the operand or output, or of the random index
  int64_t element = 0;        // bytes of the operand's or output's elements
  Loop loop = nullptr;        // call, expand
  LoadLoop load = nullptr;    // load, cast
  StoreLoop store = nullptr;  // store, cast: before `load`
};

/// Several calls as one step.
struct ChainStep {
  Chain chain;
  std::shared_ptr<const ChainCode> code;
  std::vector<int32_t> inputs;  // slots
  std::vector<Step> outputs;    // the calls whose results are stored, and stores in bf16
  int cost = 0;                 // of the calls, as loops of their own
};
/// More inputs and outputs than this and calls stay apart.
inline constexpr size_t kMostChainArrays = 48;

struct Reduction {
  tiling::Reduce reduce = tiling::Reduce::sum;
  bool rows = false;       // the inner axis is reduced
  bool immediate = false;  // each row lies in one tile: no partial results
  int32_t output = -1;
  tiling::Axes axes{};
  std::array<int64_t, 3> kept{};  // extents of the result, 1 along reduced axes
  int64_t results = 1;            // their product
  int64_t parts = 1;              // blocks of the reduced axes
  int64_t offset = 0;             // of the partial results in shared scratch; immediate: a thread's
  int64_t element = 8;            // bytes of a partial result
  tiling::Type type = tiling::Type::f32;     // of the slot
  tiling::Type partial = tiling::Type::f64;  // of a partial result
  ReduceRows reduce_rows = nullptr;
  ReduceColumns reduce_columns = nullptr;
  ReduceColumns combine = nullptr;
  StoreLoop store = nullptr;
  tiling::Strides strides{};
  int64_t output_element = 4;
};

struct Schedule {
  std::array<int64_t, 3> extents{};
  /// A tile is `rows` of the middle axis by `columns` of the inner one; more than one row only
  /// where a row is whole.
  int64_t rows = 1, columns = 1;
  bool columns_outermost = false;  // strips of columns are gone down before going across
  std::array<int64_t, 3> block{};  // extents of a unit, whole tiles
  std::array<int64_t, 3> blocks{};
  int64_t units = 0;

  std::vector<SlotPlace> slots;
  std::vector<Step> prologue, body;
  std::vector<ChainStep> chains;
  std::vector<Reduction> reductions;
  std::vector<int64_t> constants;  // 8 words of 64 bits each: repeated over a vector
  int64_t row_buffer = 0;          // a thread's buffer for what a step makes on its way
  int64_t pointers = 0;            // a thread's addresses of the slots
  int64_t thread_scratch = 0, shared_scratch = 0;  // bytes
  double nanoseconds = 0;                          // estimate of the time on one thread
};

Schedule make_schedule(const tiling::TileProgram& program);

/// Puts calls of the body on floats together in chains. Needs: slots classified, steps in order.
/// Steps may change places with calls, but none passes another one that writes what it reads, or
/// reads what it writes.
void join_chains(const tiling::TileProgram& program, Schedule& schedule);

/// The slots that a step reads, and those that it writes.
std::vector<int32_t> slots_read(const Schedule& schedule, const Step& step);
std::vector<int32_t> slots_written(const Schedule& schedule, const Step& step);

}  // namespace varve::cpu
