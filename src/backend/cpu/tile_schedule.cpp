#include "backend/cpu/tile_schedule.h"

#include <algorithm>
#include <bit>
#include <cstring>
#include <numeric>

#include "base/convert.h"
#include "base/error.h"
#include "base/math.h"

namespace varve::cpu {
namespace {

using tiling::Instruction;
using tiling::Opcode;
using tiling::Output;
using tiling::Reduce;
using tiling::Strides;
using tiling::TileProgram;
using tiling::Type;

// 4 KiB a buffer: half a dozen of them beside the operands' strips stay within an L1 of 32 KiB.
constexpr int64_t kBufferBytes = 4096;
// Loops read whole blocks, and random_words writes up to 64 words beyond its end.
constexpr int64_t kSlack = 320;
// Enough units for the threads of a large machine to share evenly; fewer where each costs a partial
// result of a reduction.
constexpr int64_t kMostUnits = 256, kMostReducedUnits = 64;
// Tiles a unit should have, so that what is hoisted pays.
constexpr int64_t kTilesPerUnit = 8;

constexpr int64_t bytes_of(Type type) { return type == Type::f32 || type == Type::i32 ? 4 : 8; }
constexpr DType stored_as(Type type) {
  constexpr DType kTypes[] = {DType::f32, DType::f64, DType::i32, DType::i64};
  return kTypes[static_cast<int>(type)];
}

class Scheduler {
 public:
  explicit Scheduler(const TileProgram& p) : p_(p), count_(p.instructions.size()) {}

  Schedule run() {
    s_.extents = p_.extents;
    cut_tiles();
    cut_units();
    s_.slots.resize(count_);
    for (size_t i = 0; i < count_; ++i) classify(i);
    make_reductions();
    make_steps();
    join_chains(p_, s_);
    place_slots();
    estimate();
    return std::move(s_);
  }

 private:
  const Instruction& instruction(int32_t slot) const {
    return p_.instructions[static_cast<size_t>(slot)];
  }
  SlotPlace& place(int32_t slot) { return s_.slots[static_cast<size_t>(slot)]; }
  int64_t outer() const { return s_.extents[0]; }
  int64_t middle() const { return s_.extents[1]; }
  int64_t inner() const { return s_.extents[2]; }
  bool whole_rows() const { return s_.columns == inner(); }

  /// Chains need few buffers, and of what is hoisted one row.
  bool all_in_chains() const {
    return std::all_of(p_.instructions.begin(), p_.instructions.end(), [](const Instruction& in) {
      return in.type == Type::f32 && (in.opcode != Opcode::call || chains(in.function));
    });
  }

  void cut_tiles() {
    int64_t widest = 4;
    for (const Instruction& in : p_.instructions) widest = std::max(widest, bytes_of(in.type));
    capacity_ = (all_in_chains() ? 2 : 1) * kBufferBytes / widest;
    const int64_t n = std::max<int64_t>(inner(), 1);
    if (n > capacity_) {
      s_.columns = round_up(ceil_div(n, ceil_div(n, capacity_)), static_cast<int64_t>(kBlock));
      return;
    }
    s_.columns = inner();
    int64_t rows = capacity_ / n;
    // Whole blocks, so that arrays are read and written in place.
    const int64_t step = static_cast<int64_t>(kBlock) / std::gcd(n, static_cast<int64_t>(kBlock));
    if (rows > step) rows -= rows % step;
    s_.rows = std::max<int64_t>(1, std::min(rows, middle()));
  }

  void cut_units() {
    tiling::Axes reduced{};
    bool any = false;
    for (const Output& out : p_.outputs) {
      any = any || out.reduce != Reduce::none;
      for (size_t a = 0; a < 3; ++a) reduced[a] = reduced[a] || out.axes[a];
      s_.columns_outermost = s_.columns_outermost || (out.axes[1] && !out.axes[2]);
    }
    const int64_t tile_size = std::max<int64_t>(1, s_.rows * s_.columns);
    const int64_t tiles = ceil_div(std::max<int64_t>(p_.size(), 1), tile_size);
    const int64_t wanted = std::clamp<int64_t>(ceil_div(tiles, kTilesPerUnit), 1,
                                               any ? kMostReducedUnits : kMostUnits);
    const std::array<int64_t, 3> least{1, s_.rows, s_.columns};
    s_.block = s_.extents;
    int64_t units = 1;
    // Axes that no reduction runs along first: cutting those makes no partial results.
    for (const bool cut_reduced : {false, true}) {
      for (size_t a = 0; a < 3; ++a) {
        if (reduced[a] != cut_reduced || s_.extents[a] <= least[a] || units >= wanted) continue;
        const int64_t cuts = std::min(ceil_div(wanted, units), ceil_div(s_.extents[a], least[a]));
        s_.block[a] = round_up(ceil_div(s_.extents[a], cuts), least[a]);
        units *= ceil_div(s_.extents[a], s_.block[a]);
      }
    }
    s_.units = 1;
    for (size_t a = 0; a < 3; ++a) {
      s_.blocks[a] = s_.extents[a] == 0 ? 0 : ceil_div(s_.extents[a], s_.block[a]);
      s_.units *= s_.blocks[a];
    }
    may_hoist_ = middle() > s_.rows || inner() > s_.columns;
  }

  /// What an array with these steps is within a tile and from tile to tile.
  void classify_memory(SlotPlace& slot, const Strides& strides) const {
    const bool by_row = strides[1] != 0 && middle() > 1;
    const bool by_column = strides[2] != 0 && inner() > 1;
    slot.splat = !by_column && (!by_row || s_.rows == 1);
    slot.hoisted = may_hoist_ && !by_row && (!by_column || whole_rows());
  }

  void classify(size_t i) {
    const Instruction& in = p_.instructions[i];
    SlotPlace& slot = s_.slots[i];
    slot.element = bytes_of(in.type);
    switch (in.opcode) {
      case Opcode::load:
        return classify_memory(slot, p_.operands[static_cast<size_t>(in.operand)].strides);
      case Opcode::random_bits:
      case Opcode::random_unit:
        return classify_memory(slot, in.index_strides);
      case Opcode::constant:
        slot.splat = slot.hoisted = slot.constant = true;
        slot.offset = static_cast<int64_t>(s_.constants.size()) * 8;
        return add_constant(in);
      case Opcode::cast:
      case Opcode::call:
        break;
    }
    slot.splat = slot.hoisted = true;
    for (int k = 0; k < arity(in); ++k) {
      const SlotPlace& argument = place(in.arguments[static_cast<size_t>(k)]);
      slot.splat = slot.splat && argument.splat;
      slot.hoisted = slot.hoisted && argument.hoisted;
    }
    // Of constants alone: still once an outer index, but where nothing is hoisted once a tile.
    slot.hoisted = slot.hoisted && may_hoist_;
  }

  static int arity(const Instruction& in) {
    if (in.opcode == Opcode::cast) return 1;
    return in.opcode == Opcode::call ? info(in.function).arity : 0;
  }

  void add_constant(const Instruction& in) {
    int64_t word = 0;
    if (in.type == Type::f64) {
      word = std::bit_cast<int64_t>(in.number);
    } else if (in.type == Type::i64) {
      word = in.integer;
    } else {
      const uint32_t half = in.type == Type::f32
                                ? std::bit_cast<uint32_t>(static_cast<float>(in.number))
                                : static_cast<uint32_t>(in.integer);
      word = static_cast<int64_t>(uint64_t{half} << 32 | half);
    }
    s_.constants.insert(s_.constants.end(), kVectorBytes / 8, word);
  }

  /// Do the elements of each tile lie one after another?
  bool dense(const Strides& strides) const {
    return (inner() <= 1 || strides[2] == 1) && (s_.rows == 1 || strides[1] == inner());
  }

  void make_reductions() {
    for (size_t o = 0; o < p_.outputs.size(); ++o) {
      const Output& out = p_.outputs[o];
      if (out.reduce == Reduce::none) continue;
      Reduction r;
      r.reduce = out.reduce;
      r.output = static_cast<int32_t>(o);
      r.axes = out.axes;
      r.type = instruction(out.slot).type;
      r.rows = out.axes[2];
      r.immediate = r.rows && !out.axes[0] && !out.axes[1] && whole_rows();
      r.partial = !r.rows ? r.type : is_floating(r.type) ? Type::f64 : Type::i64;
      r.element = bytes_of(r.partial);
      for (size_t a = 0; a < 3; ++a) {
        r.kept[a] = out.axes[a] ? 1 : s_.extents[a];
        r.results *= r.kept[a];
        if (out.axes[a]) r.parts *= std::max<int64_t>(s_.blocks[a], 1);
      }
      r.reduce_rows = reduce_rows(r.reduce, r.type);
      r.reduce_columns = reduce_columns(r.reduce, r.type);
      r.combine = reduce_columns(r.reduce, r.partial);
      r.store = store_loop(r.partial, out.dtype);
      r.strides = out.strides;
      r.output_element = size_of(out.dtype);
      s_.reductions.push_back(r);
    }
  }

  // ---- steps ----

  std::vector<Step>& steps_of(int32_t slot) { return place(slot).hoisted ? s_.prologue : s_.body; }

  void make_steps() {
    for (size_t i = 0; i < count_; ++i) {
      const auto slot = static_cast<int32_t>(i);
      const Instruction& in = p_.instructions[i];
      if (in.opcode != Opcode::constant) steps_of(slot).push_back(compute_step(slot, in));
      add_sinks(slot, false);
    }
    for (size_t i = 0; i < count_; ++i) add_sinks(static_cast<int32_t>(i), true);
  }

  Step compute_step(int32_t slot, const Instruction& in) {
    Step step{.slot = slot, .arguments = in.arguments, .index = in.operand};
    step.arity = static_cast<uint8_t>(arity(in));
    switch (in.opcode) {
      case Opcode::load: {
        const tiling::Operand& operand = p_.operands[static_cast<size_t>(in.operand)];
        step.kind = StepKind::load;
        step.strides = operand.strides;
        step.element = size_of(operand.dtype);
        step.dense = dense(operand.strides);
        step.in_place = step.dense && !place(slot).hoisted && !place(slot).splat &&
                        operand.dtype == stored_as(in.type) && !stored_beside_others(slot);
        step.load = load_loop(operand.dtype, in.type);
        break;
      }
      case Opcode::random_bits:
      case Opcode::random_unit:
        step.kind = StepKind::random;
        step.unit_words = in.opcode == Opcode::random_unit;
        step.strides = in.index_strides;
        step.dense = dense(in.index_strides);
        break;
      case Opcode::cast:
        step.kind = StepKind::cast;
        make_cast(step, in);
        break;
      default:
        step.kind = StepKind::call;
        step.loop = loop_table(in.type).loops[static_cast<int>(in.function)];
        check(step.loop != nullptr, "a validated call has a loop");
    }
    return step;
  }

  /// A load that is stored as it is must be copied where another output may overwrite it first.
  bool stored_beside_others(int32_t slot) const {
    return p_.outputs.size() > 1 &&
           std::any_of(p_.outputs.begin(), p_.outputs.end(),
                       [slot](const Output& out) { return out.slot == slot; });
  }

  void make_cast(Step& step, const Instruction& in) const {
    const Type from = instruction(in.arguments[0]).type;
    // The half of the way that changes nothing is left out, but one of them is taken.
    const bool skip_load = in.through == stored_as(in.type);
    const bool skip_store = in.through == stored_as(from) && !skip_load;
    if (!skip_store) step.store = store_loop(from, in.through);
    if (!skip_load) step.load = load_loop(in.through, in.type);
  }

  /// Stores and reductions of a slot: right after it where nothing that follows could still read
  /// what a store overwrites, else at the end.
  void add_sinks(int32_t slot, bool at_end) {
    for (size_t o = 0; o < p_.outputs.size(); ++o) {
      const Output& out = p_.outputs[o];
      if (out.slot != slot) continue;
      const bool reduces = out.reduce != Reduce::none;
      if ((reduces || safe_at_once(slot, out)) == at_end) continue;
      const int32_t source = place(slot).splat ? expanded(slot) : slot;
      Step step{.slot = source};
      if (reduces) {
        step.kind = StepKind::reduce;
        step.index = reduction_of(static_cast<int32_t>(o));
      } else {
        step.kind = StepKind::store;
        step.index = static_cast<int32_t>(o);
        step.strides = out.strides;
        step.element = size_of(out.dtype);
        step.dense = dense(out.strides);
        step.store = store_loop(instruction(slot).type, out.dtype);
        if (write_in_place(slot, out, at_end)) continue;
      }
      s_.body.push_back(step);
    }
  }

  int32_t reduction_of(int32_t output) const {
    int32_t r = 0;
    while (s_.reductions[static_cast<size_t>(r)].output != output) ++r;
    return r;
  }

  bool safe_at_once(int32_t slot, const Output& out) const {
    const auto may_be_same = [&](int32_t load) {
      const Instruction& in = instruction(load);
      if (in.opcode != Opcode::load) return false;
      const tiling::Operand& operand = p_.operands[static_cast<size_t>(in.operand)];
      return size_of(operand.dtype) == size_of(out.dtype) && operand.strides == out.strides;
    };
    for (size_t j = static_cast<size_t>(slot) + 1; j < count_; ++j) {
      const Instruction& in = p_.instructions[j];
      if (may_be_same(static_cast<int32_t>(j))) return false;
      for (int k = 0; k < arity(in); ++k) {
        if (may_be_same(in.arguments[static_cast<size_t>(k)])) return false;
      }
    }
    // Other stores may still read such a load as their source.
    for (const Output& other : p_.outputs) {
      if (&other != &out && may_be_same(other.slot)) return false;
    }
    return true;
  }

  /// The last step wrote this slot, and may as well write the output.
  bool write_in_place(int32_t slot, const Output& out, bool at_end) {
    if (at_end || s_.body.empty()) return false;
    Step& last = s_.body.back();
    const bool computes = last.kind == StepKind::call || last.kind == StepKind::cast;
    const bool fits = computes && last.slot == slot && !last.in_place && !place(slot).splat &&
                      out.dtype == stored_as(instruction(slot).type) && dense(out.strides);
    if (!fits) return false;
    last.in_place = true;
    last.index = static_cast<int32_t>(&out - p_.outputs.data());
    last.strides = out.strides;
    last.element = size_of(out.dtype);
    return true;
  }

  /// A dense slot with the value of a splat one.
  int32_t expanded(int32_t slot) {
    for (const Step& step : s_.body) {
      if (step.kind == StepKind::expand && step.arguments[0] == slot) return step.slot;
    }
    const Type type = instruction(slot).type;
    const auto fresh = static_cast<int32_t>(s_.slots.size());
    s_.slots.push_back({.element = bytes_of(type)});
    s_.body.push_back({.kind = StepKind::expand,
                       .arity = 1,
                       .slot = fresh,
                       .arguments = {slot, -1, -1},
                       .loop = loop_table(type).loops[static_cast<int>(Pointwise::identity)]});
    return fresh;
  }

  // ---- memory ----

  int64_t allocate(int64_t bytes) {
    const int64_t offset = s_.thread_scratch;
    s_.thread_scratch += round_up(bytes, static_cast<int64_t>(kVectorBytes));
    return offset;
  }
  int64_t buffer_bytes() const {
    int64_t widest = 4;
    for (const SlotPlace& slot : s_.slots) widest = std::max(widest, slot.element);
    return round_up(s_.rows * s_.columns, static_cast<int64_t>(kBlock)) * widest + kSlack;
  }

  void place_slots() {
    const int64_t buffer = buffer_bytes();
    s_.row_buffer = allocate(8 * round_up(s_.rows * s_.columns, 16) + kSlack);
    s_.pointers = allocate(8 * static_cast<int64_t>(s_.slots.size()));
    for (Reduction& r : s_.reductions) {
      if (r.immediate) {
        r.offset = allocate(s_.rows * r.element);
      } else {
        r.offset = s_.shared_scratch;
        s_.shared_scratch += round_up(r.parts * r.results * r.element, 64);
      }
    }
    for (SlotPlace& slot : s_.slots) {
      if (slot.offset < 0 && (slot.splat || slot.hoisted)) {
        slot.offset = allocate(slot.splat ? static_cast<int64_t>(kVectorBytes) : buffer);
      }
    }
    place_by_liveness(buffer);
    // An odd number of cache lines between threads' areas, and none shared.
    s_.thread_scratch += 64;
  }

  /// A buffer is free again after the last step of a tile that reads it.
  void place_by_liveness(int64_t buffer) {
    std::vector<size_t> last_use(s_.slots.size(), 0);
    for (size_t i = 0; i < s_.body.size(); ++i) {
      for (int32_t slot : slots_written(s_, s_.body[i])) last_use[static_cast<size_t>(slot)] = i;
      for (int32_t slot : slots_read(s_, s_.body[i])) last_use[static_cast<size_t>(slot)] = i;
    }
    std::vector<int64_t> free;
    const auto ends = [&](int32_t slot, size_t i) {
      const SlotPlace& p = place(slot);
      return !p.splat && !p.hoisted && p.offset >= 0 && last_use[static_cast<size_t>(slot)] == i;
    };
    for (size_t i = 0; i < s_.body.size(); ++i) {
      const Step& step = s_.body[i];
      std::vector<int32_t> ending;
      for (int32_t slot : slots_read(s_, step)) {
        const bool known = std::find(ending.begin(), ending.end(), slot) != ending.end();
        if (ends(slot, i) && !known) ending.push_back(slot);
      }
      // A call may write where it reads; a conversion may not, the widths differ.
      const bool calls = step.kind == StepKind::call || step.kind == StepKind::chain;
      const auto release = [&](bool early) {
        for (int32_t slot : ending) {
          if (early == (calls && !place(slot).halves)) free.push_back(place(slot).offset);
        }
      };
      const std::vector<int32_t> written = slots_written(s_, step);
      release(true);
      for (int32_t slot : written) {
        if (place(slot).offset >= 0) continue;
        if (free.empty()) free.push_back(allocate(buffer));
        place(slot).offset = free.back();
        free.pop_back();
      }
      release(false);
      for (int32_t slot : written) {
        if (ends(slot, i)) free.push_back(place(slot).offset);
      }
    }
  }

  void estimate() {
    // One f32 addition in L1 takes 0.03 ns an element; memory gives about 10 bytes a nanosecond.
    double work = 0, bytes = 0;
    for (const Step& step : s_.body) {
      if (step.kind == StepKind::chain) {
        // Calls of a chain take a third of what they would alone, and its arrays are read once.
        const ChainStep& chain = s_.chains[static_cast<size_t>(step.index)];
        work += 0.3 * chain.cost + static_cast<double>(chain.inputs.size());
        for (const Step& out : chain.outputs) {
          work += 1;
          if (out.in_place) bytes += static_cast<double>(out.element);
        }
        continue;
      }
      const double width = static_cast<double>(place(step.slot).element) / 4;
      if (step.kind == StepKind::call && step.slot < static_cast<int32_t>(count_)) {
        const Instruction& in = instruction(step.slot);
        const int cost = info(in.function).cost;
        // In f64 the elementary functions are the C library's.
        work += in.type == Type::f64 && cost >= 5 ? std::max(cost, 150) : cost * width;
      } else {
        work += step.kind == StepKind::random ? 10 : 2 * width;
      }
      if (step.kind == StepKind::load || step.kind == StepKind::store || step.in_place) {
        bytes += static_cast<double>(step.element);
      }
    }
    s_.nanoseconds = static_cast<double>(p_.size()) * (0.03 * work + 0.1 * bytes);
  }

  const TileProgram& p_;
  size_t count_;
  Schedule s_;
  int64_t capacity_ = 0;
  bool may_hoist_ = false;
};

}  // namespace

Schedule make_schedule(const tiling::TileProgram& program) { return Scheduler(program).run(); }

std::vector<int32_t> slots_read(const Schedule& schedule, const Step& step) {
  if (step.kind == StepKind::chain) return schedule.chains[static_cast<size_t>(step.index)].inputs;
  if (step.kind == StepKind::store || step.kind == StepKind::reduce) return {step.slot};
  return {step.arguments.begin(), step.arguments.begin() + step.arity};
}

std::vector<int32_t> slots_written(const Schedule& schedule, const Step& step) {
  if (step.kind == StepKind::store || step.kind == StepKind::reduce) return {};
  if (step.kind != StepKind::chain) return {step.slot};
  std::vector<int32_t> slots;
  for (const Step& out : schedule.chains[static_cast<size_t>(step.index)].outputs) {
    slots.push_back(out.slot);
  }
  return slots;
}

}  // namespace varve::cpu
