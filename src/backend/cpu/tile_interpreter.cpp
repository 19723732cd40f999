#include "backend/cpu/tile_interpreter.h"

#include <algorithm>
#include <cstring>
#include <limits>

#include "base/math.h"
#include "base/philox.h"
#include "base/threads.h"

namespace varve::cpu {
namespace {

using tiling::Reduce;
using tiling::Strides;
using tiling::Type;

// An empty parallel region of two threads costs 2 microseconds.
constexpr double kNanosecondsPerThread = 10000;

template <class T>
void fill_neutral(Reduce reduce, void* out, int64_t n) {
  using Limits = std::numeric_limits<T>;
  const T least = Limits::has_infinity ? -Limits::infinity() : Limits::min();
  const T greatest = Limits::has_infinity ? Limits::infinity() : Limits::max();
  const T value = reduce == Reduce::sum    ? T{0}
                  : reduce == Reduce::prod ? T{1}
                  : reduce == Reduce::max  ? least
                                           : greatest;
  std::fill_n(static_cast<T*>(out), n, value);
}
/// In partial results of type `partial`, the neutral value of a reduction of `type`.
void fill_neutral(const Reduction& r, void* out, int64_t n) {
  switch (r.partial) {
    case Type::f32:
      return fill_neutral<float>(r.reduce, out, n);
    case Type::f64:
      return fill_neutral<double>(r.reduce, out, n);
    case Type::i32:
      return fill_neutral<int32_t>(r.reduce, out, n);
    case Type::i64:
      break;
  }
  if (r.type == Type::i32 && r.reduce != Reduce::sum && r.reduce != Reduce::prod) {
    const int64_t value = r.reduce == Reduce::max ? std::numeric_limits<int32_t>::min()
                                                  : std::numeric_limits<int32_t>::max();
    std::fill_n(static_cast<int64_t*>(out), n, value);
  } else {
    fill_neutral<int64_t>(r.reduce, out, n);
  }
}

/// Each of n elements repeated `times` times.
template <class T>
void repeat_each(const void* source, size_t n, size_t times, void* out) {
  T* o = static_cast<T*>(out);
  for (size_t i = 0; i < n; ++i) o = std::fill_n(o, times, static_cast<const T*>(source)[i]);
}
void repeat_each(int64_t element, const void* source, size_t n, size_t times, void* out) {
  if (element == 4) {
    repeat_each<uint32_t>(source, n, times, out);
  } else {
    repeat_each<uint64_t>(source, n, times, out);
  }
}

/// The tile at hand: rows [m, m + rows) and columns [c, c + columns) at outer index o.
struct Tile {
  int64_t o = 0, m = 0, c = 0;
  size_t rows = 0, columns = 0;
  size_t n = 0;       // rows * columns
  size_t padded = 0;  // in whole blocks
};

/// What one thread does in one run.
class Worker {
 public:
  Worker(const Schedule& s, const void* const* operands, void* const* outputs, std::byte* own,
         std::byte* shared)
      : s_(s), operands_(operands), outputs_(outputs), own_(own), shared_(shared) {
    slots_ = reinterpret_cast<void**>(own + s.pointers);
    for (size_t i = 0; i < s.slots.size(); ++i) slots_[i] = home(i);
  }

  void run_unit(int64_t unit) {
    std::array<int64_t, 3> begin{}, end{};
    for (size_t a = 3; a-- > 0; unit /= s_.blocks[a]) {
      at_[a] = unit % s_.blocks[a];
      begin[a] = at_[a] * s_.block[a];
      end[a] = std::min(begin[a] + s_.block[a], s_.extents[a]);
    }
    for (const Reduction& r : s_.reductions) {
      if (!r.immediate) clear(r, begin, end);
    }
    for (int64_t o = begin[0]; o < end[0]; ++o) {
      if (!s_.prologue.empty()) {
        set_tile(o, 0, 0, std::min(s_.rows, s_.extents[1]), std::min(s_.columns, s_.extents[2]));
        for (const Step& step : s_.prologue) execute(step);
      }
      run_outer(o, begin, end);
    }
  }

 private:
  void* home(size_t slot) const {
    const int64_t offset = s_.slots[slot].offset;
    // Constants are never written.
    return is_constant(slot) ? const_cast<int64_t*>(s_.constants.data() + offset / 8)
                             : static_cast<void*>(own_ + offset);
  }
  bool is_constant(size_t slot) const { return s_.slots[slot].constant; }

  void set_tile(int64_t o, int64_t m, int64_t c, int64_t rows, int64_t columns) {
    const auto n = static_cast<size_t>(rows * columns);
    t_ = {o,
          m,
          c,
          static_cast<size_t>(rows),
          static_cast<size_t>(columns),
          n,
          (n + kBlock - 1) / kBlock * kBlock};
  }

  void run_outer(int64_t o, const std::array<int64_t, 3>& begin,
                 const std::array<int64_t, 3>& end) {
    const auto tile = [&](int64_t m, int64_t c) {
      set_tile(o, m, c, std::min(s_.rows, end[1] - m), std::min(s_.columns, end[2] - c));
      for (const Step& step : s_.body) execute(step);
    };
    if (s_.columns_outermost) {
      for (int64_t c = begin[2]; c < end[2]; c += s_.columns) {
        for (int64_t m = begin[1]; m < end[1]; m += s_.rows) tile(m, c);
      }
    } else {
      for (int64_t m = begin[1]; m < end[1]; m += s_.rows) {
        for (int64_t c = begin[2]; c < end[2]; c += s_.columns) tile(m, c);
      }
    }
  }

  const SlotPlace& place(int32_t slot) const { return s_.slots[static_cast<size_t>(slot)]; }
  void* data(int32_t slot) const { return slots_[static_cast<size_t>(slot)]; }
  std::byte* row_buffer() const { return own_ + s_.row_buffer; }
  int64_t offset_of(const Strides& s) const { return t_.o * s[0] + t_.m * s[1] + t_.c * s[2]; }
  int64_t row_step(const Step& step) const { return s_.extents[1] > 1 ? step.strides[1] : 0; }
  int64_t column_step(const Step& step) const { return s_.extents[2] > 1 ? step.strides[2] : 0; }

  void execute(const Step& step) {
    switch (step.kind) {
      case StepKind::load:
        return load(step);
      case StepKind::call:
      case StepKind::expand:
        return call(step);
      case StepKind::chain:
        return chain(s_.chains[static_cast<size_t>(step.index)]);
      case StepKind::cast:
        return cast(step);
      case StepKind::random:
        return random(step);
      case StepKind::store:
        return store(step, data(step.slot));
      case StepKind::reduce:
        return reduce(s_.reductions[static_cast<size_t>(step.index)], data(step.slot));
    }
  }

  void splat(int32_t slot, const void* value) {
    const int64_t element = place(slot).element;
    repeat_each(element, value, 1, kVectorBytes / static_cast<size_t>(element), data(slot));
  }
  void pad(const Step& step) {
    const auto element = static_cast<size_t>(place(step.slot).element);
    std::memset(static_cast<std::byte*>(data(step.slot)) + t_.n * element, 0,
                (t_.padded - t_.n) * element);
  }
  /// The first row, which is there, over the others.
  void repeat_first_row(const Step& step) {
    auto* out = static_cast<std::byte*>(data(step.slot));
    const size_t bytes = t_.columns * static_cast<size_t>(place(step.slot).element);
    for (size_t r = 1; r < t_.rows; ++r) std::memcpy(out + r * bytes, out, bytes);
  }

  void load(const Step& step) {
    const auto* source = static_cast<const std::byte*>(operands_[step.index]) +
                         offset_of(step.strides) * step.element;
    const SlotPlace& slot = place(step.slot);
    if (slot.splat) {
      step.load(source, 1, row_buffer(), 1);
      return splat(step.slot, row_buffer());
    }
    if (step.in_place && t_.n == t_.padded) {
      // Read only: no step writes the slot of a load.
      slots_[static_cast<size_t>(step.slot)] = const_cast<std::byte*>(source);
      return;
    }
    void* out = slots_[static_cast<size_t>(step.slot)] = home(static_cast<size_t>(step.slot));
    const int64_t down = row_step(step), across = column_step(step);
    if (slot.halves) {
      std::memcpy(out, source, t_.n * static_cast<size_t>(step.element));
    } else if (step.dense) {
      step.load(source, 1, out, t_.n);
    } else if (down == 0) {
      step.load(source, across, out, t_.columns);
      repeat_first_row(step);
    } else if (across == 0) {
      step.load(source, down, row_buffer(), t_.rows);
      repeat_each(slot.element, row_buffer(), t_.rows, t_.columns, out);
    } else {
      const size_t bytes = t_.columns * static_cast<size_t>(slot.element);
      for (size_t r = 0; r < t_.rows; ++r) {
        step.load(source + static_cast<int64_t>(r) * down * step.element, across,
                  static_cast<std::byte*>(out) + r * bytes, t_.columns);
      }
    }
    pad(step);
  }

  void call(const Step& step) {
    LoopArguments a{};
    for (size_t k = 0; k < step.arity; ++k) {
      a.in[k] = data(step.arguments[k]);
      a.mask[k] = place(step.arguments[k]).splat ? 0 : ~size_t{0};
    }
    const SlotPlace& slot = place(step.slot);
    void*& out = slots_[static_cast<size_t>(step.slot)];
    const bool direct = step.in_place && t_.n == t_.padded;
    out = direct ? output(step) : home(static_cast<size_t>(step.slot));
    a.out = out;
    a.n = slot.splat ? kVectorBytes / static_cast<size_t>(slot.element) : t_.padded;
    step.loop(a);
    if (step.in_place && !direct) copy_out(step);
  }
  void chain(const ChainStep& c) {
    const void* in[kMostChainArrays];
    void* out[kMostChainArrays];
    for (size_t k = 0; k < c.inputs.size(); ++k) in[k] = data(c.inputs[k]);
    for (size_t k = 0; k < c.outputs.size(); ++k) {
      const auto slot = static_cast<size_t>(c.outputs[k].slot);
      const bool direct = c.outputs[k].in_place && t_.n == t_.padded;
      out[k] = slots_[slot] = direct ? output(c.outputs[k]) : home(slot);
    }
    c.code->run(in, out, t_.padded, t_.columns);
    for (const Step& step : c.outputs) {
      if (step.in_place && t_.n != t_.padded) copy_out(step);
    }
  }
  /// To the output that a whole tile would have been written into.
  void copy_out(const Step& step) const {
    std::memcpy(output(step), data(step.slot), t_.n * static_cast<size_t>(step.element));
  }

  void cast(const Step& step) {
    const void* source = data(step.arguments[0]);
    const bool direct = step.in_place && t_.n == t_.padded;
    void*& out = slots_[static_cast<size_t>(step.slot)];
    out = direct ? output(step) : home(static_cast<size_t>(step.slot));
    const bool one = place(step.slot).splat;
    const size_t n = one ? 1 : t_.padded;
    if (step.store == nullptr) {
      step.load(source, 1, out, n);
    } else if (step.load == nullptr) {
      step.store(source, out, 1, n);
    } else {
      step.store(source, row_buffer(), 1, n);
      step.load(row_buffer(), 1, out, n);
    }
    if (one) {
      std::memcpy(row_buffer(), out, static_cast<size_t>(place(step.slot).element));
      splat(step.slot, row_buffer());
    }
    if (step.in_place && !direct) copy_out(step);
  }

  void random(const Step& step) {
    const auto* key = static_cast<const uint64_t*>(operands_[step.index]);
    const auto words = [&](int64_t first, size_t n, void* out) {
      random_words(step.unit_words, key[0], key[1], static_cast<uint64_t>(first), n, out);
    };
    const int64_t first = offset_of(step.strides);
    auto* out = static_cast<uint32_t*>(data(step.slot));
    const int64_t down = row_step(step), across = column_step(step);
    if (place(step.slot).splat) {
      words(first, 1, row_buffer());
      return splat(step.slot, row_buffer());
    }
    if (step.dense) return words(first, t_.padded, out);
    const size_t rows = down == 0 ? 1 : t_.rows;
    for (size_t r = 0; r < rows; ++r) {
      const int64_t start = first + static_cast<int64_t>(r) * down;
      if (across == 1) {
        words(start, t_.columns, out + r * t_.columns);
      } else {
        for (size_t c = 0; c < (across == 0 ? 1 : t_.columns); ++c) {
          const uint32_t bits = philox::word(
              key[0], key[1], static_cast<uint64_t>(start + static_cast<int64_t>(c) * across));
          const float unit = philox::unit_float(bits);
          std::memcpy(out + r * t_.columns + c,
                      step.unit_words ? static_cast<const void*>(&unit) : &bits, 4);
        }
        if (across == 0) std::fill_n(out + r * t_.columns, t_.columns, out[r * t_.columns]);
      }
    }
    if (rows < t_.rows) repeat_first_row(step);
    pad(step);
  }

  void* output(const Step& step) const {
    return static_cast<std::byte*>(outputs_[step.index]) + offset_of(step.strides) * step.element;
  }

  void store(const Step& step, const void* source) {
    auto* out = static_cast<std::byte*>(output(step));
    if (step.dense) return step.store(source, out, 1, t_.n);
    const int64_t down = row_step(step), across = column_step(step);
    if (t_.columns == 1) return step.store(source, out, down, t_.rows);
    const size_t bytes = t_.columns * static_cast<size_t>(place(step.slot).element);
    for (size_t r = 0; r < t_.rows; ++r) {
      step.store(static_cast<const std::byte*>(source) + r * bytes,
                 out + static_cast<int64_t>(r) * down * step.element, across, t_.columns);
    }
  }

  // ---- reductions ----

  /// Where the partial result of (o, m, c) lies in this unit's part.
  std::byte* partial(const Reduction& r, int64_t o, int64_t m, int64_t c) const {
    int64_t part = 0;
    for (size_t a = 0; a < 3; ++a) {
      if (r.axes[a]) part = part * s_.blocks[a] + at_[a];
    }
    const int64_t row = (r.axes[0] ? 0 : o) * r.kept[1] + (r.axes[1] ? 0 : m);
    const int64_t index = part * r.results + row * r.kept[2] + (r.axes[2] ? 0 : c);
    return shared_ + r.offset + index * r.element;
  }

  void clear(const Reduction& r, const std::array<int64_t, 3>& begin,
             const std::array<int64_t, 3>& end) const {
    for (int64_t o = begin[0]; o < (r.axes[0] ? begin[0] + 1 : end[0]); ++o) {
      for (int64_t m = begin[1]; m < (r.axes[1] ? begin[1] + 1 : end[1]); ++m) {
        fill_neutral(r, partial(r, o, m, begin[2]), r.axes[2] ? 1 : end[2] - begin[2]);
      }
    }
  }

  void reduce(const Reduction& r, const void* source) {
    if (r.immediate) {
      std::byte* own = own_ + r.offset;
      fill_neutral(r, own, static_cast<int64_t>(t_.rows));
      r.reduce_rows(source, t_.rows, t_.columns, reinterpret_cast<Accumulator*>(own), 1);
      auto* out = static_cast<std::byte*>(outputs_[r.output]);
      return r.store(own, out + (t_.o * r.strides[0] + t_.m * r.strides[1]) * r.output_element,
                     r.strides[1], t_.rows);
    }
    std::byte* part = partial(r, t_.o, t_.m, t_.c);
    if (r.rows) {
      return r.reduce_rows(source, t_.rows, t_.columns, reinterpret_cast<Accumulator*>(part),
                           r.axes[1] ? 0 : 1);
    }
    if (r.axes[1]) return r.reduce_columns(source, t_.rows, t_.columns, part);
    // The outer axis alone: nothing within the tile is reduced, and its rows are whole or one.
    r.reduce_columns(source, 1, t_.n, part);
  }

  const Schedule& s_;
  const void* const* operands_;
  void* const* outputs_;
  std::byte *own_, *shared_;
  void** slots_;
  std::array<int64_t, 3> at_{};  // the unit
  Tile t_;
};

/// The parts of a reduction together, in their order, and into the output.
void finish(const Schedule& s, const Reduction& r, std::byte* shared, void* output) {
  std::byte* first = shared + r.offset;
  if (s.units == 0) fill_neutral(r, first, r.parts * r.results);
  const int64_t bytes = r.results * r.element;
  if (r.parts > 1) {
    r.combine(first + bytes, static_cast<size_t>(r.parts - 1), static_cast<size_t>(r.results),
              first);
  }
  auto* out = static_cast<std::byte*>(output);
  for (int64_t o = 0; o < r.kept[0]; ++o) {
    const auto at = [&](int64_t m) {
      return out + (o * r.strides[0] + m * r.strides[1]) * r.output_element;
    };
    const std::byte* row = first + o * r.kept[1] * r.kept[2] * r.element;
    if (r.kept[2] == 1) {
      r.store(row, at(0), r.strides[1], static_cast<size_t>(r.kept[1]));
      continue;
    }
    for (int64_t m = 0; m < r.kept[1]; ++m) {
      r.store(row + m * r.kept[2] * r.element, at(m), r.strides[2], static_cast<size_t>(r.kept[2]));
    }
  }
}

}  // namespace

TileKernel::TileKernel(std::span<const tiling::TileProgram> programs) {
  size_t operands = 0, outputs = 0;
  double work = 0;
  for (const tiling::TileProgram& program : programs) {
    tiling::validate(program);
    Part part{make_schedule(program), operands, outputs, shared_scratch_, work, 0};
    const Schedule& s = part.schedule;
    operands += program.operands.size(), outputs += program.outputs.size();
    work = part.end = work + s.nanoseconds;
    units_ += s.units;
    shared_scratch_ += s.shared_scratch;
    thread_scratch_ = std::max<int64_t>(thread_scratch_, s.thread_scratch);
    parts_.push_back(std::move(part));
  }
}

int TileKernel::useful_threads(int threads) const {
  const double by_work = parts_.back().end / kNanosecondsPerThread;
  const int64_t most = std::min<int64_t>(threads, units_);
  return static_cast<int>(std::clamp<int64_t>(static_cast<int64_t>(std::min(by_work, 1e6)), 1,
                                              std::max<int64_t>(most, 1)));
}

size_t TileKernel::scratch_bytes(int threads) const {
  return static_cast<size_t>(shared_scratch_ + useful_threads(threads) * thread_scratch_);
}

/// Threads get equal shares of the work, whole units of it.
int64_t TileKernel::first_unit(const Part& part, int64_t thread, int64_t team) const {
  const int64_t units = part.schedule.units;
  const double at = parts_.back().end * static_cast<double>(thread) / static_cast<double>(team);
  if (thread == team || at >= part.end) return units;
  if (at <= part.begin) return 0;
  return static_cast<int64_t>(static_cast<double>(units) * (at - part.begin) /
                              (part.end - part.begin));
}

void TileKernel::run(const void* const* operands, void* const* outputs, void* scratch,
                     int threads) const noexcept {
  auto* shared = static_cast<std::byte*>(scratch);
  const int64_t team = useful_threads(threads);
  parallel_for(team, 1, [&](int64_t begin, int64_t end) {
    for (int64_t t = begin; t < end; ++t) {
      std::byte* own = shared + shared_scratch_ + t * thread_scratch_;
      for (const Part& p : parts_) {
        const int64_t first = first_unit(p, t, team), last = first_unit(p, t + 1, team);
        if (first == last) continue;
        Worker worker(p.schedule, operands + p.operands, outputs + p.outputs, own,
                      shared + p.scratch);
        for (int64_t u = first; u < last; ++u) worker.run_unit(u);
      }
    }
  });
  for (const Part& p : parts_) {
    for (const Reduction& r : p.schedule.reductions) {
      if (!r.immediate)
        finish(p.schedule, r, shared + p.scratch,
               outputs[p.outputs + static_cast<size_t>(r.output)]);
    }
  }
}

}  // namespace varve::cpu
