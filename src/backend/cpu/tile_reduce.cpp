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
  ReduceRows rows[4][tiling::kTypeCount];
  ReduceColumns columns[4][tiling::kTypeCount];
};
}  // namespace varve::cpu
#endif

HWY_BEFORE_NAMESPACE();
namespace varve::cpu::HWY_NAMESPACE {
namespace hn = hwy::HWY_NAMESPACE;
namespace {

template <class T>
constexpr T least() {
  using Limits = std::numeric_limits<T>;
  return Limits::has_infinity ? -Limits::infinity() : Limits::min();
}
template <class T>
constexpr T greatest() {
  using Limits = std::numeric_limits<T>;
  return Limits::has_infinity ? Limits::infinity() : Limits::max();
}
/// b where it is NaN, or where x86's max and min say so; a where that is NaN.
template <class V>
HWY_INLINE V unless_nan(V a, V b) {
  if constexpr (hwy::IsFloat<hn::TFromV<V>>()) return hn::IfThenElse(hn::IsNaN(a), a, b);
  return b;
}

struct Sum {
  template <class T>
  static constexpr T kNeutral = 0;
  template <class V>
  static HWY_INLINE V combine(V a, V b) {
    return hn::Add(a, b);
  }
};
struct Product {
  template <class T>
  static constexpr T kNeutral = 1;
  template <class V>
  static HWY_INLINE V combine(V a, V b) {
    return hn::Mul(a, b);
  }
};
struct Max {
  template <class T>
  static constexpr T kNeutral = least<T>();
  template <class V>
  static HWY_INLINE V combine(V a, V b) {
    return unless_nan(a, hn::Max(a, b));
  }
};
struct Min {
  template <class T>
  static constexpr T kNeutral = greatest<T>();
  template <class V>
  static HWY_INLINE V combine(V a, V b) {
    return unless_nan(a, hn::Min(a, b));
  }
};
template <class Op, class T>
HWY_INLINE T combine_scalars(T a, T b) {
  const hn::CappedTag<T, 1> d;
  return hn::GetLane(Op::combine(hn::Set(d, a), hn::Set(d, b)));
}

/// Elements of a row that are taken side by side, whatever the width of a vector.
template <class T>
constexpr size_t kWidth = 2 * kVectorBytes / sizeof(T);

/// The lanes of a vector together: its halves, the halves of that, and so on.
template <class Op, class D>
HWY_INLINE hn::TFromD<D> combine_lanes(D, hn::Vec<D> v) {
  if constexpr (hn::MaxLanes(D()) == 1) {
    return hn::GetLane(v);
  } else {
    const hn::Half<D> half;
    return combine_lanes<Op>(half, Op::combine(hn::LowerHalf(half, v), hn::UpperHalf(half, v)));
  }
}

/// Fewer than a vector's elements, and what changes nothing in the other lanes.
template <class Op, class D>
HWY_INLINE hn::Vec<D> load_some(D d, const hn::TFromD<D>* x, size_t n) {
  using T = hn::TFromD<D>;
#if HWY_TARGET == HWY_SSE4  // whose masked loads read everything
  HWY_ALIGN T lanes[hn::MaxLanes(D())];
  for (size_t j = 0; j < hn::MaxLanes(D()); ++j) lanes[j] = j < n ? x[j] : Op::template kNeutral<T>;
  return hn::Load(d, lanes);
#else
  const auto mask = hn::FirstN(d, n);
  return hn::IfThenElse(mask, hn::MaskedLoad(mask, d, x), hn::Set(d, Op::template kNeutral<T>));
#endif
}

template <class Op, class T>
HWY_INLINE T reduce_row(const T* x, size_t n) {
  if (n < 16) {
    T value = Op::template kNeutral<T>;
    for (size_t i = 0; i < n; ++i) value = combine_scalars<Op>(value, x[i]);
    return value;
  }
  const hn::ScalableTag<T> d;
  constexpr size_t kLanes = hn::MaxLanes(hn::ScalableTag<T>()), kVectors = kWidth<T> / kLanes;
  hn::Vec<decltype(d)> v[kVectors];
  for (auto& lanes : v) lanes = hn::Set(d, Op::template kNeutral<T>);
  for (; n >= kWidth<T>; n -= kWidth<T>, x += kWidth<T>) {
    for (size_t k = 0; k < kVectors; ++k) v[k] = Op::combine(v[k], hn::LoadU(d, x + k * kLanes));
  }
  for (size_t k = 0; k < kVectors && n > 0; ++k, x += kLanes) {
    const size_t some = std::min(n, kLanes);
    v[k] = Op::combine(v[k], load_some<Op>(d, x, some));
    n -= some;
  }
  for (size_t half = kVectors / 2; half > 0; half /= 2) {
    for (size_t k = 0; k < half; ++k) v[k] = Op::combine(v[k], v[k + half]);
  }
  return combine_lanes<Op>(d, v[0]);
}

template <class Op, class T>
void rows(const void* source, size_t rows, size_t columns, Accumulator* accumulators,
          int64_t step) {
  const T* x = static_cast<const T*>(source);
  for (size_t r = 0; r < rows; ++r, x += columns, accumulators += step) {
    const T value = reduce_row<Op>(x, columns);
    if constexpr (std::is_floating_point_v<T>) {
      accumulators->f = combine_scalars<Op>(accumulators->f, static_cast<double>(value));
    } else {
      accumulators->i = combine_scalars<Op>(accumulators->i, static_cast<int64_t>(value));
    }
  }
}

/// `vectors` vectors of columns, from the first row to the last.
template <class Op, size_t vectors, class D, class T>
HWY_INLINE void reduce_block(D d, const T* x, size_t rows, size_t columns, T* accumulators) {
  const size_t lanes = hn::Lanes(d);
  hn::Vec<D> v[vectors];
  for (auto& sum : v) sum = hn::Set(d, Op::template kNeutral<T>);
  for (size_t r = 0; r < rows; ++r, x += columns) {
    for (size_t k = 0; k < vectors; ++k) v[k] = Op::combine(v[k], hn::LoadU(d, x + k * lanes));
  }
  for (size_t k = 0; k < vectors; ++k) {
    T* const out = accumulators + k * lanes;
    hn::StoreU(Op::combine(hn::LoadU(d, out), v[k]), d, out);
  }
}
/// Fewer columns than a vector has lanes: half a vector, a quarter, and so on.
template <class Op, size_t lanes, class T>
HWY_INLINE void reduce_rest(const T* x, size_t rows, size_t columns, T* accumulators, size_t c) {
  const hn::CappedTag<T, lanes> d;
  if (columns - c >= lanes) {
    reduce_block<Op, 1>(d, x + c, rows, columns, accumulators + c);
    c += lanes;
  }
  if constexpr (lanes > 1) reduce_rest<Op, lanes / 2>(x, rows, columns, accumulators, c);
}
template <class Op, class T>
void columns(const void* source, size_t rows, size_t columns, void* accumulators) {
  const T* x = static_cast<const T*>(source);
  T* out = static_cast<T*>(accumulators);
  const hn::ScalableTag<T> d;
  const size_t lanes = hn::Lanes(d);
  size_t c = 0;
  for (; c + 4 * lanes <= columns; c += 4 * lanes) {
    reduce_block<Op, 4>(d, x + c, rows, columns, out + c);
  }
  for (; c + lanes <= columns; c += lanes) reduce_block<Op, 1>(d, x + c, rows, columns, out + c);
  reduce_rest<Op, hn::MaxLanes(hn::ScalableTag<T>()) / 2>(x, rows, columns, out, c);
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

ReduceRows reduce_rows(tiling::Reduce reduce, tiling::Type type) {
  return HWY_DYNAMIC_DISPATCH(reductions)()
      ->rows[static_cast<int>(reduce) - 1][static_cast<int>(type)];
}
ReduceColumns reduce_columns(tiling::Reduce reduce, tiling::Type type) {
  return HWY_DYNAMIC_DISPATCH(reductions)()
      ->columns[static_cast<int>(reduce) - 1][static_cast<int>(type)];
}

}  // namespace varve::cpu
#endif
