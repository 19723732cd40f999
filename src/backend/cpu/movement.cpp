// Ops that move elements: copies, concat and pad by strided copies; gather and scatter over packed
// tensors by whole slices.
#include <algorithm>
#include <cstring>
#include <string_view>

#include "backend/cpu/kernels.h"
#include "backend/cpu/simd_indices.h"
#include "backend/cpu/strided_copy.h"
#include "backend/cpu/words.h"
#include "base/math.h"
#include "base/threads.h"
#include "ir/dispatch.h"

namespace varve::backend::cpu {
namespace {

using varve::cpu::dispatch_word;
using varve::cpu::StridedCopy;

std::byte* at(void* p, int64_t elements, int64_t width) {
  return static_cast<std::byte*>(p) + elements * width;
}

/// A copy between strides: packing, and what reshapes when there is no view.
Offer prepare_copy(const Request& r) {
  const Layout &x = r.inputs[0], &y = r.outputs[0];
  if (x.dtype != y.dtype) return Offer::decline("converts");
  ir::Strides to = y.strides;
  if (x.shape != y.shape) {
    if (!y.contiguous()) return Offer::decline("writes row-major elements");
    to = ir::row_major(x.shape);
  }
  return kernel([copy = StridedCopy(size_of(x.dtype), x.shape, x.strides, to), threads = r.threads](
                    const Arguments& a) { copy.run(a.inputs[0], a.outputs[0], threads); });
}

Offer prepare_concat(const Request& r) {
  const auto axis = static_cast<size_t>(r.attributes.integer("axis"));
  const Layout& y = r.outputs[0];
  struct Part {
    StridedCopy copy;
    int64_t offset;
  };
  std::vector<Part> parts;
  int64_t start = 0;
  for (const Layout& x : r.inputs) {
    parts.push_back(
        {StridedCopy(size_of(x.dtype), x.shape, x.strides, y.strides), start * y.strides[axis]});
    start += x.shape.dims()[axis];
  }
  return kernel([parts, width = size_of(y.dtype), threads = r.threads](const Arguments& a) {
    for (size_t k = 0; k < parts.size(); ++k)
      parts[k].copy.run(a.inputs[k], at(a.outputs[0], parts[k].offset, width), threads);
  });
}

Offer prepare_pad(const Request& r) {
  const ir::Ints &low = r.attributes.ints("low"), &interior = r.attributes.ints("interior");
  const Layout &x = r.inputs[0], &y = r.outputs[0];
  const size_t rank = low.size();
  ir::Strides to(rank);
  std::vector<int64_t> kept(rank);
  int64_t from_offset = 0, to_offset = 0;
  for (size_t i = 0; i < rank; ++i) {
    const int64_t step = interior[i] + 1, n = x.shape.dims()[i], room = y.shape.dims()[i] - low[i];
    const int64_t first = low[i] < 0 ? ceil_div(-low[i], step) : 0;
    const int64_t last = room <= 0 ? -1 : std::min(n - 1, (room - 1) / step);
    kept[i] = std::max<int64_t>(0, last - first + 1);
    from_offset += first * x.strides[i];
    to_offset += (low[i] + first * step) * y.strides[i];
    to[i] = step * y.strides[i];
  }
  const int64_t width = size_of(x.dtype);
  const Shape inside(kept);
  const bool something = inside.size() > 0;
  // What is filled: all of it, or only what lies before and behind along one axis after another.
  struct Part {
    StridedCopy fill;
    int64_t offset;
  };
  std::vector<Part> parts;
  const auto add = [&](const std::vector<int64_t>& extents, int64_t offset) {
    parts.push_back({StridedCopy(width, Shape(extents), ir::Strides(rank, 0), y.strides), offset});
  };
  std::vector<int64_t> extents(y.shape.begin(), y.shape.end());
  const bool gaps = std::any_of(interior.begin(), interior.end(), [](int64_t n) { return n > 0; });
  if (gaps || !something) {
    add(extents, 0);
  } else {
    int64_t offset = 0;
    for (size_t i = 0; i < rank; ++i) {
      const int64_t start = std::max<int64_t>(0, low[i]), end = start + kept[i],
                    room = y.shape.dims()[i];
      for (const auto& [from, to] : {std::pair{int64_t{0}, start}, std::pair{end, room}}) {
        extents[i] = to - from;
        if (to > from) add(extents, offset + from * y.strides[i]);
      }
      extents[i] = kept[i];
      offset += start * y.strides[i];
    }
  }
  return kernel([=, copy = StridedCopy(width, inside, x.strides, to),
                 threads = r.threads](const Arguments& a) {
    for (const Part& p : parts) p.fill.run(a.inputs[1], at(a.outputs[0], p.offset, width), threads);
    if (!something) return;
    copy.run(at(a.inputs[0], from_offset, width), at(a.outputs[0], to_offset, width), threads);
  });
}

/// An index as i64: u64 beyond it is as far out of range as i64 goes.
template <class I>
int64_t plain_index(I index) {
  const bool beyond = std::is_same_v<I, uint64_t> && index > static_cast<I>(INT64_MAX);
  return beyond ? INT64_MAX : static_cast<int64_t>(index);
}
/// The position in 0..n-1 that an index means; -1 where it is out of range.
inline int64_t position_of(int64_t index, int64_t n, bool negative) {
  const int64_t p = index < 0 && negative ? index + n : index;
  return static_cast<uint64_t>(p) < static_cast<uint64_t>(n) ? p : -1;
}
void note_index(Fault* fault, int which, int64_t at, int64_t index, int64_t n, bool negative) {
  fault->note(which, at, index, index < 0 && negative ? -n : 0, n - 1);
}

/// A packed tensor [outer, bound, block] read or written at packed indices: element [o, i, b] of
/// the gathered tensor is x[o, index(o, i), b]. Tuples of indices are one index into the axes that
/// they name; along an axis, every (o, i, b) has an index of its own.
struct Slices {
  DType index_type = i64;
  bool negative = true, along = false;
  int64_t outer = 1, bound = 1, block = 1, count = 0;  ///< count: indices (tuples) of one outer
  std::vector<int64_t> tuple;                          ///< sizes of the axes that a tuple names

  /// How many positions the indices mean.
  int64_t positions() const { return along ? outer * count * block : count; }
  /// The position in 0..bound-1 that one index means; -1 where it is out of range.
  template <class I>
  int64_t position(I index) const {
    return position_of(plain_index(index), bound, negative);
  }
  int64_t position_bytes() const { return positions() * static_cast<int64_t>(sizeof(int64_t)); }
};

Slices slices_of(const ir::Attributes& how, const Layout& x, const Layout& indices) {
  const std::string& form = how.get<std::string>("form");
  const std::vector<int64_t>& dims = x.shape.dims();
  Slices s;
  s.index_type = indices.dtype;
  s.negative = how.flag("negative");
  s.along = form == "along";
  size_t first = static_cast<size_t>(how.integer("axis")), last = first + 1;
  if (form == "nd") last = static_cast<size_t>(indices.shape[-1]);
  for (size_t i = 0; i < dims.size(); ++i) {
    if (i < first) {
      s.outer *= dims[i];
    } else if (i < last) {
      s.tuple.push_back(dims[i]);
      s.bound *= dims[i];
    } else {
      s.block *= dims[i];
    }
  }
  s.count = form == "take" ? indices.shape.size()
            : s.along      ? indices.shape.dims()[first]
                           : indices.shape.size() / std::max<int64_t>(indices.shape[-1], 1);
  return s;
}

/// Writes the positions in 0..bound-1 that indices mean; false after a fault, the first of which is
/// noted.
template <class T>
bool find_positions(const Slices& s, const T* indices, int64_t* out, Fault* fault, int which) {
  const int64_t k = static_cast<int64_t>(s.tuple.size()), count = s.positions();
  for (int64_t i = 0; i < count; ++i) {
    int64_t position = 0;
    for (int64_t c = 0; c < k; ++c) {
      const int64_t n = s.tuple[static_cast<size_t>(c)], at = i * k + c;
      const int64_t p = plain_index(indices[at]), q = position_of(p, n, s.negative);
      if (q < 0) {
        note_index(fault, which, at, p, n, s.negative);
        return false;
      }
      position = position * n + q;
    }
    out[i] = position;
  }
  return true;
}

/// The same for indices of any type, into scratch memory, or the indices themselves where they are
/// positions; null after a fault.
const int64_t* positions(const Slices& s, const Arguments& a, int which) {
  if (s.index_type == i64 && s.tuple.size() == 1 && s.bound > 0) {
    const auto* indices = static_cast<const int64_t*>(a.inputs[which]);
    if (varve::cpu::all_below(indices, s.positions(), s.bound)) return indices;
  }
  auto* out = reinterpret_cast<int64_t*>(a.scratch);
  const bool found = ir::dispatch(s.index_type, [&]<class T>(T) {
    return find_positions(s, static_cast<const T*>(a.inputs[which]), out, a.fault, which);
  });
  return found ? out : nullptr;
}

/// Calls body(begin, end) on ranges of work that `bytes` each unit moves.
template <class F>
void split(int64_t units, int64_t bytes, int threads, F body) {
  constexpr int64_t kGrainBytes = 128 << 10;
  parallel_for(units, ceil_div(kGrainBytes, std::max<int64_t>(bytes, 1)), threads, body);
}

/// Copies the slices that indices name, each an index of its own or a position made of a tuple.
template <class T, class I>
void gather(const Slices& s, const T* x, const I* indices, T* y, Fault* fault, int threads) {
  const auto bytes = static_cast<size_t>(s.block) * sizeof(T);
  split(s.outer * s.count, static_cast<int64_t>(bytes), threads, [&](int64_t begin, int64_t end) {
    const T* slice = x + begin / s.count * s.bound * s.block;
    int64_t i = begin % s.count;
    for (int64_t row = begin; row < end; ++row) {
      const int64_t p = s.position(indices[i]);
      if (p < 0) {
        note_index(fault, 1, i, plain_index(indices[i]), s.bound, s.negative);
      } else if (s.block == 1) {
        y[row] = slice[p];
      } else {
        std::memcpy(y + row * s.block, slice + p * s.block, bytes);
      }
      if (++i == s.count) i = 0, slice += s.bound * s.block;
    }
  });
}

/// Notes the first index in a range that is out of range.
template <class I>
void note_first(const Slices& s, const I* indices, int64_t begin, int64_t end, Fault* fault) {
  for (int64_t e = begin; e < end; ++e) {
    if (s.position(indices[e]) >= 0) continue;
    return note_index(fault, 1, e, plain_index(indices[e]), s.bound, s.negative);
  }
}

/// y[e] = the element of its own row that indices[e] names; `rows` rows of `block` elements. All
/// indices are known to be in range.
template <class T, class I>
void pick(const T* __restrict slice, const I* indices, T* __restrict y, int64_t rows,
          int64_t block) {
  if (block == 1) {
    int64_t e = 0;
    // Eight that do not wait for each other's stores. (Gather instructions are no faster: they take
    // as many loads, and on many processors more steps.)
    for (; e + 8 <= rows; e += 8) {
      T v[8];
      for (int64_t j = 0; j < 8; ++j) v[j] = slice[indices[e + j]];
      for (int64_t j = 0; j < 8; ++j) y[e + j] = v[j];
    }
    for (; e < rows; ++e) y[e] = slice[indices[e]];
    return;
  }
  for (int64_t row = 0; row < rows; ++row, indices += block, y += block) {
    for (int64_t b = 0; b < block; ++b) y[b] = slice[static_cast<int64_t>(indices[b]) * block + b];
  }
}

/// The same for any indices. Returns whether all are in range.
template <class T, class I>
bool pick_checked(const Slices& s, const T* slice, const I* indices, T* y, int64_t rows) {
  bool good = true;
  for (int64_t row = 0; row < rows; ++row) {
    for (int64_t b = 0; b < s.block; ++b) {
      const int64_t e = row * s.block + b, p = s.position(indices[e]);
      good &= p >= 0;
      y[e] = slice[std::max<int64_t>(p, 0) * s.block + b];
    }
  }
  return good;
}

/// Whether all indices are in range and none is negative; false where that takes too long to find
/// out.
template <class I>
bool all_plain(const I* indices, int64_t n, int64_t bound) {
  // Unsigned indices beyond the signed range look negative.
  if constexpr (sizeof(I) == 8)
    return varve::cpu::all_below(reinterpret_cast<const int64_t*>(indices), n, bound);
  if constexpr (sizeof(I) == 4)
    return varve::cpu::all_below(reinterpret_cast<const int32_t*>(indices), n, bound);
  return false;
}

/// Along an axis every element has an index of its own.
template <class T, class I>
void gather_along(const Slices& s, const T* x, const I* indices, T* y, Fault* fault, int threads) {
  // So many indices are looked at before they are used that they are still in the first cache.
  const int64_t some = std::max<int64_t>(1, 2048 / std::max<int64_t>(s.block, 1));
  split(s.outer * s.count, s.block * 2 * static_cast<int64_t>(sizeof(T)), threads,
        [&](int64_t begin, int64_t end) {
          bool plain = false;
          int64_t o = begin / s.count;
          for (int64_t row = begin, seen = begin; row < end;) {
            if (row == seen) {
              seen = std::min(end, row + some);
              plain = all_plain(indices + row * s.block, (seen - row) * s.block, s.bound);
            }
            const int64_t next = (o + 1) * s.count, last = std::min(seen, next);
            const T* slice = x + o * s.bound * s.block;
            const int64_t e = row * s.block;
            if (last == next) ++o;
            if (plain) {
              pick(slice, indices + e, y + e, last - row, s.block);
            } else if (!pick_checked(s, slice, indices + e, y + e, last - row)) {
              note_first(s, indices, e, last * s.block, fault);
            }
            row = last;
          }
        });
}

class Gather final : public Kernel {
 public:
  Gather(Slices slices, int64_t width, int threads)
      : slices_(std::move(slices)), width_(width), threads_(threads) {}

  int64_t scratch_bytes() const override { return of_tuples() ? slices_.position_bytes() : 0; }

  void run(const Arguments& a) const noexcept override {
    if (of_tuples()) {
      if (const int64_t* p = positions(slices_, a, 1)) run(a, p);
      return;
    }
    ir::dispatch(slices_.index_type, [&]<class I>(I) {
      if constexpr (std::is_integral_v<I>) run(a, static_cast<const I*>(a.inputs[1]));
    });
  }

 private:
  bool of_tuples() const { return slices_.tuple.size() > 1; }

  template <class I>
  void run(const Arguments& a, const I* indices) const {
    dispatch_word(width_, [&]<class T>(T) {
      const auto* x = static_cast<const T*>(a.inputs[0]);
      auto* y = static_cast<T*>(a.outputs[0]);
      if (slices_.along) {
        gather_along(slices_, x, indices, y, a.fault, threads_);
      } else {
        gather(slices_, x, indices, y, a.fault, threads_);
      }
    });
  }

  Slices slices_;
  int64_t width_;
  int threads_;
};

Offer prepare_gather(const Request& r) {
  if (std::string why = not_packed(r); !why.empty()) return Offer::decline(why);
  const Slices s = slices_of(r.attributes, r.inputs[0], r.inputs[1]);
  if (s.tuple.empty()) return Offer::decline("tuples of no indices");
  if (s.bound == 0) return Offer::decline("nothing to read from");
  return Offer(std::make_unique<Gather>(s, size_of(r.inputs[0].dtype), r.threads));
}

/// Combines every update with its element, in the order of the updates. Threads share outer
/// elements or columns of the block, so no two write the same element.
template <class T, class F>
void scatter(const Slices& s, T* y, const int64_t* p, const T* u, int threads, F put) {
  auto rows = [&](int64_t o, int64_t from, int64_t to) {
    T* slice = y + o * s.bound * s.block;
    for (int64_t i = 0; i < s.count; ++i) {
      const int64_t row = o * s.count + i;
      const T* update = u + row * s.block;
      if (s.along) {
        for (int64_t b = from; b < to; ++b)
          put(slice[p[row * s.block + b] * s.block + b], update[b]);
      } else {
        T* __restrict target = slice + p[i] * s.block + from;
        const T* __restrict added = update + from;
        const int64_t width = to - from;
        for (int64_t b = 0; b < width; ++b) put(target[b], added[b]);
      }
    }
  };
  if (s.outer != 1) {
    split(s.outer, s.count * s.block * static_cast<int64_t>(sizeof(T)), threads,
          [&](int64_t begin, int64_t end) {
            for (int64_t o = begin; o < end; ++o) rows(o, 0, s.block);
          });
    return;
  }
  // A cache line of columns at least.
  const int64_t width = s.count * static_cast<int64_t>(sizeof(T));
  if (threads > 1 && s.block * width > (256 << 10)) {
    parallel_for(s.block, round_up(ceil_div(s.block, threads), 16),
                 [&](int64_t begin, int64_t end) { rows(0, begin, end); });
  } else {
    rows(0, 0, s.block);
  }
}

class Scatter final : public Kernel {
 public:
  Scatter(const Request& r, bool add)
      : slices_(slices_of(r.attributes, r.outputs[0], r.inputs[2])),
        base_(size_of(r.outputs[0].dtype), r.outputs[0].shape, r.inputs[0].strides,
              r.outputs[0].strides),
        dtype_(r.outputs[0].dtype),
        add_(add),
        in_place_(r.inputs[0].contiguous()),
        threads_(r.threads) {}

  bool in_place(int input, int) const override { return input == 0 && in_place_; }
  int64_t scratch_bytes() const override { return slices_.position_bytes(); }

  void run(const Arguments& a) const noexcept override {
    if (a.inputs[0] != a.outputs[0]) base_.run(a.inputs[0], a.outputs[0], threads_);
    const int64_t* p = positions(slices_, a, 2);
    if (!p) return;
    if (add_ && dtype_ == f32) return add<float>(a, p);
    if (add_) return add<double>(a, p);
    dispatch_word(size_of(dtype_), [&]<class T>(T) {
      scatter(slices_, static_cast<T*>(a.outputs[0]), p, static_cast<const T*>(a.inputs[1]),
              threads_, [](T& y, T u) { y = u; });
    });
  }

 private:
  template <class T>
  void add(const Arguments& a, const int64_t* p) const {
    scatter(slices_, static_cast<T*>(a.outputs[0]), p, static_cast<const T*>(a.inputs[1]), threads_,
            [](T& y, T u) { y += u; });
  }

  Slices slices_;
  StridedCopy base_;
  DType dtype_;
  bool add_, in_place_;
  int threads_;
};

Offer prepare_scatter(const Request& r, bool add) {
  if (!r.inputs[1].contiguous() || !r.inputs[2].contiguous() || !r.outputs[0].contiguous())
    return Offer::decline("takes packed updates and indices");
  if (add && r.outputs[0].dtype != f32 && r.outputs[0].dtype != f64)
    return Offer::decline("adds f32 and f64");
  if (slices_of(r.attributes, r.outputs[0], r.inputs[2]).tuple.empty())
    return Offer::decline("tuples of no indices");
  return Offer(std::make_unique<Scatter>(r, add));
}
Offer prepare_scatter_add(const Request& r) { return prepare_scatter(r, true); }
Offer prepare_scatter_set(const Request& r) { return prepare_scatter(r, false); }

}  // namespace

std::vector<KernelRow> movement_kernels() {
  return {{"identity", "cpu copy", prepare_copy},
          {"cast", "cpu copy", prepare_copy},
          {"reshape", "cpu copy", prepare_copy},
          {"concat", "cpu concat", prepare_concat},
          {"pad", "cpu pad", prepare_pad},
          {"take", "cpu gather", prepare_gather},
          {"take_along_axis", "cpu gather", prepare_gather},
          {"gather_nd", "cpu gather", prepare_gather},
          {"scatter_add", "cpu scatter", prepare_scatter_add},
          {"scatter_set", "cpu scatter", prepare_scatter_set}};
}

}  // namespace varve::backend::cpu
