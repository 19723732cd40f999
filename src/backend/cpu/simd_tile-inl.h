// Products of matrices of which one is packed in panels of columns: a tile of sums stays in
// registers, and what follows happens there.
#if defined(VARVE_BACKEND_CPU_SIMD_TILE_INL_H_) == defined(HWY_TARGET_TOGGLE)
#ifdef VARVE_BACKEND_CPU_SIMD_TILE_INL_H_
#undef VARVE_BACKEND_CPU_SIMD_TILE_INL_H_
#else
#define VARVE_BACKEND_CPU_SIMD_TILE_INL_H_
#endif

#include <algorithm>

#include "backend/cpu/simd_math-inl.h"
#include "backend/cpu/simd_partial-inl.h"

HWY_BEFORE_NAMESPACE();
namespace varve::cpu::HWY_NAMESPACE {

constexpr size_t kLanes = hn::MaxLanes(F32());
// Vectors of a panel and rows of a tile: with 32 registers 24 sums, with 16 registers 12.
constexpr int kVectors = 4;
constexpr int kRows = kLanes == 16 ? 6 : 3;
constexpr int64_t kPanel = kVectors * static_cast<int64_t>(kLanes);
// Rows of a tile that is only so many vectors wide.
constexpr int rows_for(int vectors) { return std::min(8, kVectors * kRows / vectors); }

/// Rows of the left matrix: element k of row r is p[r step + k depth_step].
struct Rows {
  const float* p;
  int64_t step, depth_step;
};

/// n elements from p on: whole vectors but for the last ones of a row.
HWY_INLINE VF load_part(const float* p, size_t n) {
  return n == kLanes ? hn::LoadU(F32(), p) : load_some(F32(), p, n, 0.f);
}
HWY_INLINE VF load_part(const BFloat16* p, size_t n) {
  return n == kLanes ? load_wide(p) : load_wide(p, n);
}
HWY_INLINE void store_part(VF v, float* p, size_t n) {
  if (n == kLanes) {
    hn::StoreU(v, F32(), p);
  } else {
    store_some(F32(), v, p, n);
  }
}
HWY_INLINE void store_part(VF v, BFloat16* p, size_t n) {
  const hn::Rebind<uint16_t, F32> d;
  auto* to = reinterpret_cast<uint16_t*>(p);
  if (n == kLanes) {
    hn::StoreU(narrowed(v), d, to);
  } else {
    store_some(d, narrowed(v), to, n);
  }
}
/// How many of `count` elements lie in the vector that begins at `first`.
HWY_INLINE size_t lanes_left(int64_t first, int64_t count) {
  return static_cast<size_t>(std::clamp<int64_t>(count - first, 0, static_cast<int64_t>(kLanes)));
}

/// sums[r][v] = sum over k of a[r, k] panel[k][v].
template <int V, int R>
HWY_INLINE void tile_product(const Rows& a, int64_t depth, const float* panel, VF (&sums)[R][V]) {
  const F32 d;
  VF kept[R][V];  // never leaves the function, so that it stays in registers
#pragma GCC unroll 8
  for (int r = 0; r < R; ++r) {
#pragma GCC unroll 8
    for (int v = 0; v < V; ++v) kept[r][v] = hn::Zero(d);
  }
  const float* column = a.p;
  for (int64_t k = 0; k < depth; ++k, column += a.depth_step) {
    VF b[V];
#pragma GCC unroll 8
    for (int v = 0; v < V; ++v) b[v] = hn::Load(d, panel + static_cast<size_t>(v) * kLanes);
    panel += static_cast<size_t>(V) * kLanes;
#pragma GCC unroll 8
    for (int r = 0; r < R; ++r) {
      const VF x = hn::Set(d, column[r * a.step]);
#pragma GCC unroll 8
      for (int v = 0; v < V; ++v) kept[r][v] = hn::MulAdd(x, b[v], kept[r][v]);
    }
  }
#pragma GCC unroll 8
  for (int r = 0; r < R; ++r) {
#pragma GCC unroll 8
    for (int v = 0; v < V; ++v) sums[r][v] = kept[r][v];
  }
}

/// finish(row, sums of that row) for all rows.
template <int V, class Finish>
HWY_INLINE void rows_of_panel(Rows a, int64_t rows, int64_t depth, const float* panel,
                              const Finish& finish) {
  int64_t row = 0;
  const auto some = [&]<int R>() HWY_ATTR {
    for (; row + R <= rows; row += R, a.p += R * a.step) {
      VF sums[R][V];
      tile_product<V, R>(a, depth, panel, sums);
#pragma GCC unroll 8
      for (int r = 0; r < R; ++r) finish(row + r, sums[r]);
    }
  };
  constexpr int kMost = rows_for(V);
  some.template operator()<kMost>();
  if constexpr (kMost > 4) some.template operator()<4>();
  if constexpr (kMost > 3) some.template operator()<3>();
  some.template operator()<2>();
  some.template operator()<1>();
}

/// A right matrix of `columns`, packed: panels of kPanel columns, the last one of as many vectors
/// as it needs. Rows of a panel lie one behind another; `rows` of them are there, and the product
/// begins at row `first`.
struct Panels {
  const float* p;
  int64_t columns, rows, first = 0;

  static int64_t vectors(int64_t columns) {
    return (columns + static_cast<int64_t>(kLanes) - 1) / static_cast<int64_t>(kLanes);
  }
  static int64_t floats(int64_t columns, int64_t rows) {
    return vectors(columns) * static_cast<int64_t>(kLanes) * rows;
  }
};

/// finish(row, column, n, sums of these n columns) for the whole product; finish is to be inlined.
template <class Finish>
HWY_INLINE void product(const Rows& a, int64_t rows, int64_t depth, const Panels& b,
                        const Finish& finish) {
  for (int64_t column = 0; column < b.columns; column += kPanel) {
    const int64_t vectors = std::min<int64_t>(kVectors, Panels::vectors(b.columns - column));
    const float* panel = b.p + column * b.rows + b.first * vectors * static_cast<int64_t>(kLanes);
    const auto each = [&]<int V>() HWY_ATTR {
      const int64_t last = column + (V - 1) * static_cast<int64_t>(kLanes);
      const size_t left = lanes_left(last, b.columns);
      // Inlined, so that the sums need not leave their registers.
      rows_of_panel<V>(
          a, rows, depth,
          panel, [&](int64_t row, VF * sums) HWY_ATTR __attribute__((always_inline)) {
#pragma GCC unroll 8
            for (int v = 0; v < V - 1; ++v)
              finish(row, column + v * static_cast<int64_t>(kLanes), kLanes, sums[v]);
            finish(row, last, left, sums[V - 1]);
          });
    };
    if (vectors == 4) {
      each.template operator()<4>();
    } else if (vectors == 3) {
      each.template operator()<3>();
    } else if (vectors == 2) {
      each.template operator()<2>();
    } else {
      each.template operator()<1>();
    }
  }
}

/// Four elements each of rows first, first + 4, first + 8 ... of those that lie `step` apart; the
/// last row there is stands for those beyond.
template <int kWidth>
HWY_INLINE auto every_fourth(const float* from, int64_t step, int64_t first, int64_t last) {
  const hn::FixedTag<float, kWidth> d;
  if constexpr (kWidth == 4) {
    return hn::LoadU(d, from + std::min(first, last) * step);
  } else {
    return hn::Combine(d, every_fourth<kWidth / 2>(from, step, first + kWidth / 2, last),
                       every_fourth<kWidth / 2>(from, step, first, last));
  }
}

/// to[c][r] = factor * from[r][c] for 4 columns and a vector of rows, of which n are there.
HWY_INLINE void turn_block(const float* from, int64_t from_step, size_t n, float factor, float* to,
                           int64_t to_step) {
  const F32 d;
  const F64 pairs;
  const VF f = hn::Set(d, factor);
  const int64_t last = static_cast<int64_t>(n) - 1;
  constexpr int kWidth = static_cast<int>(kLanes);
  const VF a = every_fourth<kWidth>(from, from_step, 0, last),
           b = every_fourth<kWidth>(from, from_step, 1, last),
           c = every_fourth<kWidth>(from, from_step, 2, last),
           e = every_fourth<kWidth>(from, from_step, 3, last);
  // Four times four elements are turned in each block of 128 bits.
  const VD ab = hn::BitCast(pairs, hn::InterleaveLower(d, a, b)),
           ce = hn::BitCast(pairs, hn::InterleaveLower(d, c, e)),
           ab_high = hn::BitCast(pairs, hn::InterleaveUpper(d, a, b)),
           ce_high = hn::BitCast(pairs, hn::InterleaveUpper(d, c, e));
  const auto there = hn::FirstN(d, n);
  const auto put = [&](VD v, int64_t row) HWY_ATTR __attribute__((always_inline)) {
    hn::Store(hn::IfThenElseZero(there, hn::Mul(f, hn::BitCast(d, v))), d, to + row * to_step);
  };
  put(hn::InterleaveLower(pairs, ab, ce), 0);
  put(hn::InterleaveUpper(pairs, ab, ce), 1);
  put(hn::InterleaveLower(pairs, ab_high, ce_high), 2);
  put(hn::InterleaveUpper(pairs, ab_high, ce_high), 3);
}

/// Packs `factor` times a matrix whose rows are `step` apart; zeros fill the last vectors.
inline void pack_panels(const float* from, int64_t step, int64_t rows, int64_t columns, float* to,
                        float factor = 1) {
  const F32 d;
  const VF f = hn::Set(d, factor);
  for (int64_t column = 0; column < columns; column += kPanel) {
    const int64_t width = std::min(columns - column, kPanel);
    for (int64_t r = 0; r < rows; ++r) {
      const float* row = from + r * step + column;
      for (int64_t c = 0; c < width; c += static_cast<int64_t>(kLanes), to += kLanes)
        hn::Store(hn::Mul(f, load_part(row + c, lanes_left(c, width))), d, to);
    }
  }
}

/// Packs `factor` times the transpose of a matrix whose rows, `columns` of them here, are `step`
/// apart.
inline void pack_turned(const float* from, int64_t step, int64_t rows, int64_t columns, float* to,
                        float factor = 1) {
  for (int64_t column = 0; column < columns; column += kPanel) {
    const int64_t width = std::min(columns - column, kPanel);
    const int64_t padded = Panels::vectors(width) * static_cast<int64_t>(kLanes);
    for (int64_t c = 0; c < width; c += static_cast<int64_t>(kLanes)) {
      const float* block = from + (column + c) * step;
      const size_t n = lanes_left(c, width);
      int64_t r = 0;
      for (; r + 4 <= rows; r += 4)
        turn_block(block + r, step, n, factor, to + r * padded + c, padded);
      for (; r < rows; ++r) {
        for (size_t i = 0; i < kLanes; ++i) {
          to[r * padded + c + static_cast<int64_t>(i)] =
              i < n ? factor * block[static_cast<int64_t>(i) * step + r] : 0.f;
        }
      }
    }
    to += rows * padded;
  }
}

}  // namespace varve::cpu::HWY_NAMESPACE
HWY_AFTER_NAMESPACE();

#endif  // include guard
