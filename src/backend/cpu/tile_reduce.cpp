// Reductions of dense tiles. The order of the operations is fixed by the sizes alone, not by the
// width of the vectors.
#include <algorithm>
#include <limits>
#include <type_traits>

#include "backend/cpu/simd_targets.h"
#include "backend/cpu/tile_loops.h"
#undef HWY_TARGET_INCLUDE
#define HWY_TARGET_INCLUDE "backend/cpu/tile_reduce.cpp"
#include "hwy/foreach_target.h"
// Comes after foreach_target.
#include "hwy/highway.h"

#ifndef VARVE_BACKEND_CPU_TILE_REDUCE_ONCE
#define VARVE_BACKEND_CPU_TILE_REDUCE_ONCE
namespace varve::cpu {
struct Reductions {
  ReduceRows rows[4][tile::kTypeCount];
  ReduceColumns columns[4][tile::kTypeCount];
};
}  // namespace varve::cpu
#endif

HWY_BEFORE_NAMESPACE();
namespace varve::cpu::HWY_NAMESPACE {
namespace {

template <class T>
using Wrapping = std::conditional_t<std::is_same_v<T, int32_t>, uint32_t,
                                    std::conditional_t<std::is_same_v<T, int64_t>, uint64_t, T>>;
struct Sum {
  template <class T>
  static T neutral() {
    return 0;
  }
  template <class T>
  static T combine(T a, T b) {
    return static_cast<T>(static_cast<Wrapping<T>>(a) + static_cast<Wrapping<T>>(b));
  }
};
struct Product {
  template <class T>
  static T neutral() {
    return 1;
  }
  template <class T>
  static T combine(T a, T b) {
    return static_cast<T>(static_cast<Wrapping<T>>(a) * static_cast<Wrapping<T>>(b));
  }
};
struct Max {
  template <class T>
  static T neutral() {
    using Limits = std::numeric_limits<T>;
    return Limits::has_infinity ? -Limits::infinity() : Limits::min();
  }
  template <class T>
  static T combine(T a, T b) {
    return ((a >= b) | (a != a)) ? a : b;
  }
};
struct Min {
  template <class T>
  static T neutral() {
    using Limits = std::numeric_limits<T>;
    return Limits::has_infinity ? Limits::infinity() : Limits::max();
  }
  template <class T>
  static T combine(T a, T b) {
    return ((a <= b) | (a != a)) ? a : b;
  }
};

/// Elements taken side by side: two of the widest vectors.
template <class T>
constexpr size_t kWidth = 2 * kVectorBytes / sizeof(T);

/// What is left of a row, fewer than 2 * width elements, into the first lanes.
template <class Op, size_t width, class T>
inline void reduce_rest(const T* x, size_t n, T* lanes) {
  if (n >= width) {
    for (size_t j = 0; j < width; ++j) lanes[j] = Op::combine(lanes[j], x[j]);
    x += width;
    n -= width;
  }
  if constexpr (width > 1) reduce_rest<Op, width / 2>(x, n, lanes);
}
template <class Op, size_t width, class T>
inline T reduce_row(const T* x, size_t n) {
  T lanes[width];
  for (size_t j = 0; j < width; ++j) lanes[j] = Op::template neutral<T>();
  size_t i = 0;
  for (; i + width <= n; i += width) {
    for (size_t j = 0; j < width; ++j) lanes[j] = Op::combine(lanes[j], x[i + j]);
  }
  if constexpr (width > 1) reduce_rest<Op, width / 2>(x + i, n - i, lanes);
  for (size_t half = width / 2; half > 0; half /= 2) {
    for (size_t j = 0; j < half; ++j) lanes[j] = Op::combine(lanes[j], lanes[j + half]);
  }
  return lanes[0];
}
template <class Op, class T>
inline T reduce_row(const T* x, size_t n) {
  if (n >= kWidth<T>) return reduce_row<Op, kWidth<T>>(x, n);
  return n >= 16 ? reduce_row<Op, 8>(x, n) : reduce_row<Op, 1>(x, n);
}

template <class Op, class T>
[[gnu::flatten]] void rows(const void* source, size_t rows, size_t columns,
                           Accumulator* accumulators, int64_t step) {
  const T* x = static_cast<const T*>(source);
  for (size_t r = 0; r < rows; ++r, x += columns, accumulators += step) {
    const T value = reduce_row<Op>(x, columns);
    if constexpr (std::is_floating_point_v<T>) {
      accumulators->f = Op::combine(accumulators->f, static_cast<double>(value));
    } else {
      accumulators->i = Op::combine(accumulators->i, static_cast<int64_t>(value));
    }
  }
}

template <class Op, size_t width, class T>
inline void reduce_block(const T* x, size_t rows, size_t columns, T* accumulators) {
  T sums[width];
  for (size_t j = 0; j < width; ++j) sums[j] = Op::template neutral<T>();
  for (size_t r = 0; r < rows; ++r) {
    for (size_t j = 0; j < width; ++j) sums[j] = Op::combine(sums[j], x[r * columns + j]);
  }
  for (size_t j = 0; j < width; ++j) accumulators[j] = Op::combine(accumulators[j], sums[j]);
}
/// Columns `c` and on, in blocks of `width`, then of half of it, and so on.
template <class Op, size_t width, class T>
inline void reduce_blocks(const T* x, size_t rows, size_t columns, T* accumulators, size_t c) {
  for (; c + width <= columns; c += width) {
    reduce_block<Op, width>(x + c, rows, columns, accumulators + c);
  }
  if constexpr (width > 1) {
    if (c < columns) reduce_blocks<Op, width / 2>(x, rows, columns, accumulators, c);
  }
}

template <class Op, class T>
[[gnu::flatten]] void columns(const void* source, size_t rows, size_t columns, void* accumulators) {
  reduce_blocks<Op, kWidth<T>>(static_cast<const T*>(source), rows, columns,
                               static_cast<T*>(accumulators), 0);
}

constexpr Reductions kReductions = {
    {{rows<Sum, float>, rows<Sum, double>, rows<Sum, int32_t>, rows<Sum, int64_t>},
     {rows<Product, float>, rows<Product, double>, rows<Product, int32_t>, rows<Product, int64_t>},
     {rows<Max, float>, rows<Max, double>, rows<Max, int32_t>, rows<Max, int64_t>},
     {rows<Min, float>, rows<Min, double>, rows<Min, int32_t>, rows<Min, int64_t>}},
    {{columns<Sum, float>, columns<Sum, double>, columns<Sum, int32_t>, columns<Sum, int64_t>},
     {columns<Product, float>, columns<Product, double>, columns<Product, int32_t>,
      columns<Product, int64_t>},
     {columns<Max, float>, columns<Max, double>, columns<Max, int32_t>, columns<Max, int64_t>},
     {columns<Min, float>, columns<Min, double>, columns<Min, int32_t>, columns<Min, int64_t>}}};

}  // namespace

const Reductions* reductions() { return &kReductions; }

}  // namespace varve::cpu::HWY_NAMESPACE
HWY_AFTER_NAMESPACE();

#if HWY_ONCE
namespace varve::cpu {
HWY_EXPORT(reductions);

ReduceRows reduce_rows(tile::Reduce reduce, tile::Type type) {
  return HWY_DYNAMIC_DISPATCH(reductions)()
      ->rows[static_cast<int>(reduce) - 1][static_cast<int>(type)];
}
ReduceColumns reduce_columns(tile::Reduce reduce, tile::Type type) {
  return HWY_DYNAMIC_DISPATCH(reductions)()
      ->columns[static_cast<int>(reduce) - 1][static_cast<int>(type)];
}

}  // namespace varve::cpu
#endif
