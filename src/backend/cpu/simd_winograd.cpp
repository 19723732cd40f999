// Transformed tiles of a few dozen positions, their products and what is made of them stay in the
// second-level cache: of the 36 numbers for each tile and channel none goes to memory. Where there
// are fewer tiles than channels it is the kernel that is cut in pieces instead.
#include "backend/cpu/simd_winograd.h"

#include <algorithm>
#include <atomic>

#include "backend/cpu/simd_targets.h"
#include "base/math.h"
#include "base/threads.h"
#undef HWY_TARGET_INCLUDE
#define HWY_TARGET_INCLUDE "backend/cpu/simd_winograd.cpp"
#include "hwy/foreach_target.h"
// Comes after foreach_target.
#include "backend/cpu/simd_tile-inl.h"
#include "backend/cpu/simd_winograd-inl.h"

HWY_BEFORE_NAMESPACE();
namespace varve::cpu::HWY_NAMESPACE {
namespace {

constexpr int kSquare = kPoints * kPoints;
constexpr int64_t kWidth = kLanes;
// Squares lie one after another in 36 arrays, which begin in different sets of the cache.
constexpr int64_t kApart = 16;
// Floats that the transformed tiles of one worker may take.
constexpr int64_t kCached = 160 * 1024;
// Channels of a piece of the kernel, and pieces that are enough for all workers.
constexpr int64_t kDepth = 64, kEnough = 4;
// Sums that workers make for themselves before they are added.
constexpr int64_t kShares = 8;

int64_t padded(int64_t channels) { return round_up(channels, kWidth); }

struct Pictures {
  const float* p;
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

// --- from pictures -------------------------------------------------------------------------------

/// Where the positions of a square lie, `zeros` for those outside of the picture.
template <int n>
HWY_INLINE void find(const Pictures& x, int64_t picture, int64_t row, int64_t column,
                     const float* zeros, const float* (&at)[n][n]) {
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
template <class Transform, class Place>
HWY_INLINE void transform_tiles(const Pictures& x, const Tiles& tiles, int64_t first, int64_t count,
                                int64_t above, int64_t left, const float* zeros, int64_t step,
                                const Place& place) {
  constexpr int n = Transform::kFrom;
  Tile tile(tiles, first);
  for (int64_t t = 0; t < count; ++t, tile.advance(tiles)) {
    const float* at[n][n];
    find(x, tile.picture, tile.row - above, tile.column - left, zeros, at);
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
int64_t place_in_panels(int64_t columns, int64_t rows, int64_t width, int64_t column, int64_t row) {
  const int64_t panel = column / width * width;
  return panel * rows + row * std::min(width, padded(columns) - panel) + column - panel;
}
/// The same in one that is packed for products.
int64_t packed_place(int64_t columns, int64_t rows, int64_t column, int64_t row) {
  return place_in_panels(columns, rows, kPanel, column, row);
}

/// Rows of tiles, in panels of `width` channels: the left matrices of products, of `rows` each,
/// from row `row` on.
void transform_inputs(const Pictures& x, const WinogradShape& s, const Tiles& tiles, int64_t first,
                      int64_t count, int64_t rows, int64_t row, int64_t width, const float* zeros,
                      float* to, int64_t step) {
  transform_tiles<InputTransform>(
      x, tiles, first, count, s.above, s.left, zeros, step, [&](int64_t t, int64_t c) {
        return to + place_in_panels(x.channels, rows, width, c, row + t);
      });
}

/// Rows of tiles, packed: the right matrices of products, of `rows` each, from row `row` on.
void transform_gradients(const Pictures& y, const Tiles& tiles, int64_t first, int64_t count,
                         int64_t rows, int64_t row, const float* zeros, float* to, int64_t step) {
  transform_tiles<OutputGradientTransform>(
      y, tiles, first, count, 0, 0, zeros, step,
      [&](int64_t t, int64_t c) { return to + packed_place(y.channels, rows, c, row + t); });
}

// --- kernels -------------------------------------------------------------------------------------

/// A range of rows (channels that are read) and columns (those that are written) of a kernel,
/// transformed and packed: 36 matrices, `step` apart, of `rows` each.
struct KernelPart {
  int64_t first_row, rows, first_column, columns;
};

void transform_straight(const float* kernel, int64_t in, int64_t out, const KernelPart& part,
                        int64_t begin, int64_t end, float* to, int64_t step) {
  for (int64_t r = begin; r < end; ++r) {
    for (int64_t c = 0; c < part.columns; c += kWidth) {
      const float* from = kernel + (part.first_row + r) * out + part.first_column + c;
      const size_t lanes = lanes_left(c, part.columns);
      transform_square<FilterTransform>(
          [&](int i, VF(&row)[kTaps]) HWY_ATTR __attribute__((always_inline)) {
            for (int j = 0; j < kTaps; ++j)
              row[j] = load_part(from + (i * kTaps + j) * in * out, lanes);
          },
          StoreSquare<kPoints>{{to + packed_place(part.columns, part.rows, c, r), step}});
    }
  }
}

/// The kernel is [3, 3, out, in], read backwards: four of its columns are turned at a time.
void transform_turned(const float* kernel, int64_t in, int64_t out, const KernelPart& part,
                      int64_t begin, int64_t end, float* to, int64_t step) {
  constexpr int64_t kRowsTurned = 4;
  for (int64_t r = begin; r < end; r += kRowsTurned) {
    const int64_t row = part.first_row + r, rows = std::min(kRowsTurned, end - r);
    for (int64_t c = 0; c < part.columns; c += kWidth) {
      const size_t lanes = lanes_left(c, part.columns);
      HWY_ALIGN float taps[kTaps * kTaps][kRowsTurned][kLanes];
      for (int64_t k = 0; k < kTaps * kTaps; ++k) {
        const float* from =
            kernel + ((kTaps * kTaps - 1 - k) * out + part.first_column + c) * in + row;
        if (rows == kRowsTurned) {
          turn_block(from, in, lanes, 1.F, taps[k][0], kWidth);
          continue;
        }
        for (int64_t i = 0; i < rows; ++i) {
          for (size_t l = 0; l < kLanes; ++l)
            taps[k][i][l] = l < lanes ? from[static_cast<int64_t>(l) * in + i] : 0.F;
        }
      }
      for (int64_t i = 0; i < rows; ++i) {
        transform_square<FilterTransform>(
            LoadSquare<kTaps>{{taps[0][i], kRowsTurned * kWidth}},
            StoreSquare<kPoints>{{to + packed_place(part.columns, part.rows, c, r + i), step}});
      }
    }
  }
}

/// Rows begin to end of a part.
void transform_kernel(const WinogradShape& s, const WinogradForward& f, const KernelPart& part,
                      int64_t begin, int64_t end, float* to, int64_t step) {
  (f.turned ? transform_turned : transform_straight)(f.kernel, s.in, s.out, part, begin, end, to,
                                                     step);
}

// --- forward -------------------------------------------------------------------------------------

/// Tiles that one worker transforms together.
int64_t block_of(int64_t floats_each, int64_t tiles) {
  constexpr int64_t kTilesAtOnce = 24, kMost = 4 * kTilesAtOnce;
  const int64_t fit = kCached / (kSquare * floats_each) / kTilesAtOnce * kTilesAtOnce;
  return std::min(std::clamp(fit, kTilesAtOnce, kMost), tiles);
}
/// Somewhat fewer, where workers would not have the same number of blocks otherwise.
int64_t even_block_of(int64_t floats_each, int64_t tiles, int threads) {
  const int64_t blocks = round_up(ceil_div(tiles, block_of(floats_each, tiles)), threads);
  return std::min(round_up(ceil_div(tiles, blocks), kRows), tiles);
}

struct ForwardPlan {
  Tiles tiles;
  bool by_columns;  // workers share the kernel's columns, not the tiles
  int64_t block;    // tiles of a job
  int64_t panels;
  // Floats of the 36 transformed inputs, kernels (where they are kept), products.
  int64_t input_step, kernel_step, product_step;
  int64_t workers;

  ForwardPlan(const WinogradShape& s, int threads) : tiles(s) {
    panels = ceil_div(s.out, kPanel);
    by_columns = tiles.count < s.out && panels >= kEnough;
    const int64_t width = std::min(padded(s.out), kPanel);
    block = by_columns ? tiles.count : even_block_of(padded(s.in) + width, tiles.count, threads);
    input_step = block * padded(s.in) + kApart;
    kernel_step =
        by_columns ? width * std::min(kDepth, s.in) + kApart : padded(s.out) * s.in + kApart;
    product_step = block * width + kApart;
    workers = std::min<int64_t>(threads, jobs());
  }
  int64_t jobs() const { return by_columns ? panels : ceil_div(tiles.count, block); }

  // What is shared, then what each worker has.
  int64_t shared_floats(const WinogradShape& s) const {
    return padded(s.in) + kSquare * (by_columns ? input_step : kernel_step);
  }
  int64_t worker_floats() const {
    return kSquare * (product_step + (by_columns ? kernel_step : input_step));
  }
};

/// Makes outputs `first_column` and following ones of tiles from the products.
void transform_outputs(const WinogradShape& s, const WinogradForward& f, const Tiles& tiles,
                       int64_t first, int64_t count, int64_t first_column, int64_t columns,
                       const float* products, int64_t step) {
  const int64_t width = padded(columns);
  Tile tile(tiles, first);
  for (int64_t t = 0; t < count; ++t, tile.advance(tiles)) {
    const int64_t rows = std::min<int64_t>(kOutputs, s.made_rows - tile.row),
                  across = std::min<int64_t>(kOutputs, s.made_columns - tile.column);
    float* y = f.y +
               ((tile.picture * s.made_rows + tile.row) * s.made_columns + tile.column) * s.out +
               first_column;
    for (int64_t c = 0; c < columns; c += kWidth) {
      const size_t lanes = lanes_left(c, columns);
      const VF bias =
          f.bias == nullptr ? hn::Zero(F32()) : load_part(f.bias + first_column + c, lanes);
      transform_square<OutputTransform>(
          LoadSquare<kPoints>{{products + t * width + c, step}}, [&](int j,
                                                                     const VF(&column)[kOutputs])
                                                                     HWY_ATTR
          __attribute__((always_inline)) {
            if (j >= across) return;
            float* to = y + j * s.out + c;
#pragma GCC unroll 4
            for (int i = 0; i < kOutputs; ++i, to += s.made_columns * s.out) {
              if (i < rows) store_part(hn::Add(column[i], bias), to, lanes);
              __builtin_prefetch(to + kOutputs * s.out, 1);
            }
          });
    }
  }
}

/// One of the 36 products for a panel of columns, or what a few more rows of the kernel add to it.
/// A function of its own, so that the compiler finds registers for all sums.
HWY_NOINLINE void multiply(const float* inputs, int64_t row, int64_t count, int64_t depth,
                           const float* kernel, int64_t columns, bool first, float* to) {
  const int64_t width = padded(columns);
  const Panels panel{kernel, columns, depth};
  if (first) {
    product(
        {inputs, row, 1}, count, depth,
        panel, [&](int64_t r, int64_t c, size_t, VF v) HWY_ATTR __attribute__((always_inline)) {
          hn::Store(v, F32(), to + r * width + c);
        });
  } else {
    product(
        {inputs, row, 1}, count, depth,
        panel, [&](int64_t r, int64_t c, size_t, VF v) HWY_ATTR __attribute__((always_inline)) {
          float* sum = to + r * width + c;
          hn::Store(hn::Add(hn::Load(F32(), sum), v), F32(), sum);
        });
  }
}

void forward(const WinogradShape& s, const WinogradForward& f, int threads) {
  const ForwardPlan p(s, threads);
  float* zeros = f.scratch;
  std::fill_n(zeros, padded(s.in), 0.F);
  float* shared = zeros + padded(s.in);
  float* own = f.scratch + p.shared_floats(s);
  const Pictures x{f.x, s.rows, s.columns, s.in};
  const int64_t row = padded(s.in);
  const auto columns_of = [&](int64_t panel) { return std::min(kPanel, s.out - panel * kPanel); };
  if (!p.by_columns) {
    constexpr int64_t kRowsAtOnce = 8;
    const KernelPart all{0, s.in, 0, s.out};
    each_job(ceil_div(s.in, kRowsAtOnce), threads, [&](int64_t, int64_t job) {
      const int64_t begin = job * kRowsAtOnce, end = std::min(begin + kRowsAtOnce, s.in);
      transform_kernel(s, f, all, begin, end, shared, p.kernel_step);
    });
    each_job(p.jobs(), threads, [&](int64_t worker, int64_t job) {
      float* inputs = own + worker * p.worker_floats();
      float* products = inputs + kSquare * p.input_step;
      const int64_t first = job * p.block, count = std::min(p.block, p.tiles.count - first);
      transform_inputs(x, s, p.tiles, first, count, count, 0, row, zeros, inputs, p.input_step);
      for (int64_t panel = 0; panel < p.panels; ++panel) {
        const int64_t columns = columns_of(panel);
        for (int e = 0; e < kSquare; ++e) {
          multiply(inputs + e * p.input_step, row, count, s.in,
                   shared + e * p.kernel_step + panel * kPanel * s.in, columns, true,
                   products + e * p.product_step);
        }
        transform_outputs(s, f, p.tiles, first, count, panel * kPanel, columns, products,
                          p.product_step);
      }
    });
    return;
  }
  constexpr int64_t kTilesAtOnce = 8;
  each_job(ceil_div(p.tiles.count, kTilesAtOnce), threads, [&](int64_t, int64_t job) {
    const int64_t first = job * kTilesAtOnce;
    transform_inputs(x, s, p.tiles, first, std::min(kTilesAtOnce, p.tiles.count - first),
                     p.tiles.count, first, kDepth, zeros, shared, p.input_step);
  });
  each_job(p.jobs(), threads, [&](int64_t worker, int64_t panel) {
    float* kernel = own + worker * p.worker_floats();
    float* products = kernel + kSquare * p.kernel_step;
    const int64_t columns = columns_of(panel);
    for (int64_t first = 0; first < s.in; first += kDepth) {
      const int64_t depth = std::min(kDepth, s.in - first);
      transform_kernel(s, f, {first, depth, panel * kPanel, columns}, 0, depth, kernel,
                       p.kernel_step);
      for (int e = 0; e < kSquare; ++e) {
        multiply(shared + e * p.input_step + first * p.tiles.count, std::min(kDepth, row - first),
                 p.tiles.count, depth, kernel + e * p.kernel_step, columns, first == 0,
                 products + e * p.product_step);
      }
    }
    transform_outputs(s, f, p.tiles, 0, p.tiles.count, panel * kPanel, columns, products,
                      p.product_step);
  });
}

int64_t forward_floats(const WinogradShape& s, int threads) {
  const ForwardPlan p(s, threads);
  return p.shared_floats(s) + p.workers * p.worker_floats();
}

// --- gradient of the kernel ----------------------------------------------------------------------

struct GradientPlan {
  Tiles tiles;
  bool by_columns;  // workers share the kernel's gradient, not the tiles
  int64_t block;    // tiles that are transformed together
  int64_t depth;    // channels of a piece of it
  int64_t shares;   // sums over a part of the tiles each
  int64_t input_step, output_step, sum_step;

  explicit GradientPlan(const WinogradShape& s) : tiles(s) {
    const int64_t in = padded(s.in), out = padded(s.out);
    block = block_of(in + out, tiles.count);
    shares = std::min(kShares, ceil_div(tiles.count, block));
    by_columns = shares * s.in * out > tiles.count * (in + out);
    if (by_columns) block = tiles.count;
    depth = kDepth;
    while (ceil_div(s.in, depth) * ceil_div(s.out, kPanel) < kEnough && depth > kWidth) depth /= 2;
    input_step = block * in + kApart;
    output_step = block * out + kApart;
    sum_step =
        by_columns ? std::min(depth, s.in) * std::min(out, kPanel) + kApart : s.in * out + kApart;
  }
  int64_t jobs(const WinogradShape& s) const {
    return by_columns ? ceil_div(s.in, depth) * ceil_div(s.out, kPanel) : shares;
  }
  int64_t tiles_floats() const { return kSquare * (input_step + output_step); }
  int64_t sum_floats() const { return kSquare * sum_step; }
  int64_t zeros(const WinogradShape& s) const { return padded(std::max(s.in, s.out)); }
};

/// From sums of `rows` by `columns`, their rows `width` apart, to the gradient of the kernel there.
void transform_sums(const WinogradShape& s, const float* sums, int64_t step, int64_t width,
                    const KernelPart& part, float* kernel) {
  for (int64_t r = 0; r < part.rows; ++r) {
    for (int64_t c = 0; c < part.columns; c += kWidth) {
      float* to = kernel + (part.first_row + r) * s.out + part.first_column + c;
      const size_t lanes = lanes_left(c, part.columns);
      transform_square<FilterGradientTransform>(
          LoadSquare<kPoints>{{sums + r * width + c, step}}, [&](int j, const VF(&column)[kTaps])
                                                                 HWY_ATTR
          __attribute__((always_inline)) {
            for (int i = 0; i < kTaps; ++i)
              store_part(column[i], to + (i * kTaps + j) * s.in * s.out, lanes);
          });
    }
  }
}

/// sums[c][k] (+)= sum over tiles of inputs[tile][c] gradients[tile][k].
HWY_NOINLINE void multiply_tiles(const float* inputs, int64_t row, int64_t rows, int64_t count,
                                 const float* gradients, int64_t columns, int64_t width, bool first,
                                 float* sums) {
  const Panels panels{gradients, columns, count};
  if (first) {
    product(
        {inputs, 1, row}, rows, count,
        panels, [&](int64_t r, int64_t c, size_t, VF v) HWY_ATTR __attribute__((always_inline)) {
          hn::Store(v, F32(), sums + r * width + c);
        });
  } else {
    product(
        {inputs, 1, row}, rows, count,
        panels, [&](int64_t r, int64_t c, size_t, VF v) HWY_ATTR __attribute__((always_inline)) {
          float* sum = sums + r * width + c;
          hn::Store(hn::Add(hn::Load(F32(), sum), v), F32(), sum);
        });
  }
}

void filter_gradient(const WinogradShape& s, const WinogradFilterGradient& g, int threads) {
  const GradientPlan p(s);
  const int64_t in = padded(s.in), out = padded(s.out);
  float* zeros = g.scratch;
  std::fill_n(zeros, p.zeros(s), 0.F);
  float* rest = zeros + p.zeros(s);
  const Pictures x{g.x, s.rows, s.columns, s.in}, y{g.gradient, s.made_rows, s.made_columns, s.out};
  if (!p.by_columns) {
    float* own = rest + p.shares * p.sum_floats();
    each_job(p.shares, threads, [&](int64_t worker, int64_t share) {
      float* inputs = own + worker * p.tiles_floats();
      float* gradients = inputs + kSquare * p.input_step;
      float* sums = rest + share * p.sum_floats();
      const int64_t blocks = ceil_div(p.tiles.count, p.block);
      const int64_t begin = blocks * share / p.shares, end = blocks * (share + 1) / p.shares;
      for (int64_t b = begin; b < end; ++b) {
        const int64_t first = b * p.block, count = std::min(p.block, p.tiles.count - first);
        transform_inputs(x, s, p.tiles, first, count, count, 0, in, zeros, inputs, p.input_step);
        transform_gradients(y, p.tiles, first, count, count, 0, zeros, gradients, p.output_step);
        for (int e = 0; e < kSquare; ++e) {
          multiply_tiles(inputs + e * p.input_step, in, s.in, count, gradients + e * p.output_step,
                         s.out, out, b == begin, sums + e * p.sum_step);
        }
      }
    });
    each_job(s.in, threads, [&](int64_t, int64_t r) {
      for (int e = 0; e < kSquare; ++e) {
        float* sum = rest + e * p.sum_step + r * out;
        for (int64_t c = 0; c < out; c += kWidth) {
          VF all = hn::Load(F32(), sum + c);
          for (int64_t share = 1; share < p.shares; ++share)
            all = hn::Add(all, hn::Load(F32(), sum + share * p.sum_floats() + c));
          hn::Store(all, F32(), sum + c);
        }
      }
      transform_sums(s, rest + r * out, p.sum_step, out, {r, 1, 0, s.out}, g.kernel);
    });
    return;
  }
  float* inputs = rest;
  float* gradients = inputs + kSquare * p.input_step;
  float* own = rest + p.tiles_floats();
  constexpr int64_t kTilesAtOnce = 8;
  each_job(ceil_div(p.tiles.count, kTilesAtOnce), threads, [&](int64_t, int64_t job) {
    const int64_t first = job * kTilesAtOnce, count = std::min(kTilesAtOnce, p.tiles.count - first);
    transform_inputs(x, s, p.tiles, first, count, p.tiles.count, first, p.depth, zeros, inputs,
                     p.input_step);
    transform_gradients(y, p.tiles, first, count, p.tiles.count, first, zeros, gradients,
                        p.output_step);
  });
  const int64_t panels = ceil_div(s.out, kPanel);
  each_job(p.jobs(s), threads, [&](int64_t worker, int64_t job) {
    float* sums = own + worker * p.sum_floats();
    const int64_t row = job / panels * p.depth, column = job % panels * kPanel;
    const int64_t rows = std::min(p.depth, s.in - row), columns = std::min(kPanel, s.out - column);
    for (int e = 0; e < kSquare; ++e) {
      multiply_tiles(inputs + e * p.input_step + row * p.tiles.count, std::min(p.depth, in - row),
                     rows, p.tiles.count, gradients + e * p.output_step + column * p.tiles.count,
                     columns, padded(columns), true, sums + e * p.sum_step);
    }
    transform_sums(s, sums, p.sum_step, padded(columns), {row, rows, column, columns}, g.kernel);
  });
}

int64_t filter_gradient_floats(const WinogradShape& s, int threads) {
  const GradientPlan p(s);
  const int64_t workers = std::min<int64_t>(threads, p.jobs(s));
  return p.zeros(s) + (p.by_columns ? p.tiles_floats() + workers * p.sum_floats()
                                    : p.shares * p.sum_floats() + workers * p.tiles_floats());
}

}  // namespace
}  // namespace varve::cpu::HWY_NAMESPACE
HWY_AFTER_NAMESPACE();

#if HWY_ONCE
namespace varve::cpu {
namespace {
HWY_EXPORT(forward);
HWY_EXPORT(forward_floats);
HWY_EXPORT(filter_gradient);
HWY_EXPORT(filter_gradient_floats);
}  // namespace

int64_t winograd_forward_floats(const WinogradShape& s, int threads) {
  return HWY_DYNAMIC_DISPATCH(forward_floats)(s, threads);
}
void winograd_forward(const WinogradShape& s, const WinogradForward& f, int threads) noexcept {
  HWY_DYNAMIC_DISPATCH(forward)(s, f, threads);
}
int64_t winograd_filter_gradient_floats(const WinogradShape& s, int threads) {
  return HWY_DYNAMIC_DISPATCH(filter_gradient_floats)(s, threads);
}
void winograd_filter_gradient(const WinogradShape& s, const WinogradFilterGradient& g,
                              int threads) noexcept {
  HWY_DYNAMIC_DISPATCH(filter_gradient)(s, g, threads);
}

}  // namespace varve::cpu
#endif
