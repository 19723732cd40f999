// Tiles of pictures on their way through Winograd's transforms and the 36 products of what they
// become: what the convolution and the gradient of its kernel share.
#if defined(VARVE_BACKEND_CPU_SIMD_WINOGRAD_TILES_INL_H_) == defined(HWY_TARGET_TOGGLE)
#ifdef VARVE_BACKEND_CPU_SIMD_WINOGRAD_TILES_INL_H_
#undef VARVE_BACKEND_CPU_SIMD_WINOGRAD_TILES_INL_H_
#else
#define VARVE_BACKEND_CPU_SIMD_WINOGRAD_TILES_INL_H_
#endif

#include <algorithm>
#include <atomic>

#include "backend/cpu/simd_tile-inl.h"
#include "backend/cpu/simd_winograd-inl.h"
#include "backend/cpu/simd_winograd.h"
#include "base/math.h"
#include "base/threads.h"

HWY_BEFORE_NAMESPACE();
namespace varve::cpu::HWY_NAMESPACE {

constexpr int kSquare = kPoints * kPoints;
constexpr int64_t kWidth = kLanes;
// Squares lie one after another in 36 arrays, which begin in different sets of the cache.
constexpr int64_t kApart = 16;
// Floats that the transformed tiles of one worker may take.
constexpr int64_t kCached = 160 * 1024;
// Channels of a piece of the kernel, and pieces that are enough for all workers.
constexpr int64_t kDepth = 64, kEnough = 4;

inline int64_t padded(int64_t channels) { return round_up(channels, kWidth); }

template <class T>
struct Pictures {
  const T* p;
  int64_t rows, columns, channels;
};

/// Tiles of 4x4 outputs, in the order of the pictures, their rows and columns.
struct Tiles {
  int64_t down, across, count;

  explicit Tiles(const WinogradShape& s)
      : down(ceil_div(s.made_rows, kOutputs)),
        across(ceil_div(s.made_columns, kOutputs)),
        count(s.batch * down * across) {}
};
struct Tile {
  int64_t picture, row, column;  // the first of its outputs

  Tile(const Tiles& t, int64_t i)
      : picture(i / (t.down * t.across)),
        row(i / t.across % t.down * kOutputs),
        column(i % t.across * kOutputs) {}
  void advance(const Tiles& t) {
    column += kOutputs;
    if (column < t.across * kOutputs) return;
    column = 0, row += kOutputs;
    if (row < t.down * kOutputs) return;
    row = 0, ++picture;
  }
};

/// f(worker, job) for all jobs, each worker taking the next one.
template <class F>
void each_job(int64_t jobs, int threads, const F& f) {
  std::atomic<int64_t> next{0};
  const int64_t workers = std::min<int64_t>(jobs, threads);
  parallel_for(workers, 1, threads, [&](int64_t begin, int64_t end) {
    for (int64_t worker = begin; worker < end; ++worker) {
      for (int64_t job = next++; job < jobs; job = next++) f(worker, job);
    }
  });
}

/// Where the positions of a square lie, `zeros` for those outside of the picture.
template <int n, class T>
HWY_INLINE void find(const Pictures<T>& x, int64_t picture, int64_t row, int64_t column,
                     const T* zeros, const T* (&at)[n][n]) {
  int64_t line = ((picture * x.rows + row) * x.columns + column) * x.channels;
  for (int64_t i = 0; i < n; ++i, line += x.columns * x.channels) {
    const bool there = row + i >= 0 && row + i < x.rows;
    int64_t place = line;
#pragma GCC unroll 6
    for (int64_t j = 0; j < n; ++j, place += x.channels) {
      const bool inside = there & (column + j >= 0) & (column + j < x.columns);
      at[i][j] = inside ? x.p + place : zeros;
    }
  }
}

/// Transforms the squares that begin `above` and `left` of tiles. Those of tile t go to
/// place(t, channel) and what follows it, `step` apart.
template <class Transform, class T, class Place>
HWY_INLINE void transform_tiles(const Pictures<T>& x, const Tiles& tiles, int64_t first,
                                int64_t count, int64_t above, int64_t left, const float* zeros,
                                int64_t step, const Place& place) {
  constexpr int n = Transform::kFrom;
  Tile tile(tiles, first);
  for (int64_t t = 0; t < count; ++t, tile.advance(tiles)) {
    const T* at[n][n];
    // Zeros have the same bits in every type.
    find(x, tile.picture, tile.row - above, tile.column - left, reinterpret_cast<const T*>(zeros),
         at);
    const auto channels = [&](int64_t c, size_t lanes) HWY_ATTR __attribute__((always_inline)) {
      transform_square<Transform>(
          [&](int i, VF(&row)[n]) HWY_ATTR __attribute__((always_inline)) {
#pragma GCC unroll 6
            for (int j = 0; j < n; ++j) {
              row[j] = load_part(at[i][j] + c, lanes);
              // What the next tile has beyond these: too short runs for the processor to foresee.
              if (j >= n - kOutputs) __builtin_prefetch(at[i][j] + c + kOutputs * x.channels);
            }
          },
          StoreSquare<kPoints>{{place(t, c), step}});
    };
    int64_t c = 0;
    for (; c + kWidth <= x.channels; c += kWidth) channels(c, kLanes);
    if (c < x.channels) channels(c, lanes_left(c, x.channels));
  }
}

/// Where a vector of columns begins in a row of a matrix of so many rows whose columns are cut into
/// panels of `width`, one behind another.
inline int64_t place_in_panels(int64_t columns, int64_t rows, int64_t width, int64_t column,
                               int64_t row) {
  const int64_t panel = column / width * width;
  return panel * rows + row * std::min(width, padded(columns) - panel) + column - panel;
}
/// The same in one that is packed for products.
inline int64_t packed_place(int64_t columns, int64_t rows, int64_t column, int64_t row) {
  return place_in_panels(columns, rows, kPanel, column, row);
}

/// Rows of tiles, in panels of `width` channels: the left matrices of products, of `rows` each,
/// from row `row` on.
template <class T>
void transform_inputs(const Pictures<T>& x, const WinogradShape& s, const Tiles& tiles,
                      int64_t first, int64_t count, int64_t rows, int64_t row, int64_t width,
                      const float* zeros, float* to, int64_t step) {
  transform_tiles<InputTransform>(
      x, tiles, first, count, s.above, s.left, zeros, step, [&](int64_t t, int64_t c) {
        return to + place_in_panels(x.channels, rows, width, c, row + t);
      });
}

/// Tiles that one worker transforms together.
inline int64_t block_of(int64_t floats_each, int64_t tiles) {
  constexpr int64_t kTilesAtOnce = 24, kMost = 4 * kTilesAtOnce;
  const int64_t fit = kCached / (kSquare * floats_each) / kTilesAtOnce * kTilesAtOnce;
  return std::min(std::clamp(fit, kTilesAtOnce, kMost), tiles);
}

/// One of the 36 products, rows of the result `width` apart: made (`first`), or added to what is
/// there. A function of its own, so that the compiler finds registers for all sums.
inline HWY_NOINLINE void multiply(const Rows& a, int64_t rows, int64_t depth, const Panels& b,
                                  int64_t width, bool first, float* to) {
  if (first) {
    product(
        a, rows, depth,
        b, [&](int64_t r, int64_t c, size_t, VF v) HWY_ATTR __attribute__((always_inline)) {
          hn::Store(v, F32(), to + r * width + c);
        });
  } else {
    product(
        a, rows, depth,
        b, [&](int64_t r, int64_t c, size_t, VF v) HWY_ATTR __attribute__((always_inline)) {
          float* sum = to + r * width + c;
          hn::Store(hn::Add(hn::Load(F32(), sum), v), F32(), sum);
        });
  }
}

/// A range of rows (channels that are read) and columns (those that are written) of a kernel,
/// transformed and packed: 36 matrices, `step` apart, of `rows` each.
struct KernelPart {
  int64_t first_row, rows, first_column, columns;
};

}  // namespace varve::cpu::HWY_NAMESPACE
HWY_AFTER_NAMESPACE();

#endif  // include guard
