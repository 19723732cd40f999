// Transformed tiles of a few dozen positions, their products and what is made of them stay in the
// second-level cache: of the 36 numbers for each tile and channel none goes to memory. Where there
// are fewer tiles than channels it is the kernel that is cut in pieces instead.
#include "backend/cpu/simd_targets.h"
#undef HWY_TARGET_INCLUDE
#define HWY_TARGET_INCLUDE "backend/cpu/simd_winograd.cpp"
#include "hwy/foreach_target.h"
// Comes after foreach_target.
#include "backend/cpu/simd_winograd_tiles-inl.h"

HWY_BEFORE_NAMESPACE();
namespace varve::cpu::HWY_NAMESPACE {
namespace {

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

/// Of a whole transformed kernel.
int64_t kernel_step(const WinogradShape& s) { return padded(s.out) * s.in + kApart; }

void transform_kernel(const WinogradShape& s, const float* kernel, bool turned, float* to,
                      int threads) {
  constexpr int64_t kRowsAtOnce = 8;
  each_job(ceil_div(s.in, kRowsAtOnce), threads, [&](int64_t, int64_t job) {
    const int64_t begin = job * kRowsAtOnce, end = std::min(begin + kRowsAtOnce, s.in);
    (turned ? transform_turned : transform_straight)(kernel, s.in, s.out, {0, s.in, 0, s.out},
                                                     begin, end, to, kernel_step(s));
  });
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
  // Floats of the 36 transformed inputs, pieces of the kernel (none where it is whole), products.
  int64_t input_step, piece_step, product_step;
  int64_t whole;  // floats of a kernel that is transformed as a whole at every run
  int64_t workers;

  ForwardPlan(const WinogradShape& s, bool packed, int threads) : tiles(s) {
    panels = ceil_div(s.out, kPanel);
    by_columns = tiles.count < s.out && panels >= kEnough;
    const int64_t width = std::min(padded(s.out), kPanel);
    block = by_columns ? tiles.count : even_block_of(padded(s.in) + width, tiles.count, threads);
    input_step = block * padded(s.in) + kApart;
    piece_step = by_columns && !packed ? width * std::min(kDepth, s.in) + kApart : 0;
    whole = by_columns || packed ? 0 : kSquare * kernel_step(s);
    product_step = block * width + kApart;
    workers = std::min<int64_t>(threads, jobs());
  }
  int64_t jobs() const { return by_columns ? panels : ceil_div(tiles.count, block); }

  // What is shared, then what each worker has.
  int64_t shared_floats(const WinogradShape& s) const {
    return padded(s.in) + (by_columns ? kSquare * input_step : whole);
  }
  int64_t worker_floats() const {
    return kSquare * (product_step + (by_columns ? piece_step : input_step));
  }
};

/// Makes outputs `first_column` and following ones of tiles from the products.
template <class T>
void transform_outputs(const WinogradShape& s, const WinogradForward<T>& f, const Tiles& tiles,
                       int64_t first, int64_t count, int64_t first_column, int64_t columns,
                       const float* products, int64_t step) {
  const int64_t width = padded(columns);
  Tile tile(tiles, first);
  for (int64_t t = 0; t < count; ++t, tile.advance(tiles)) {
    const int64_t rows = std::min<int64_t>(kOutputs, s.made_rows - tile.row),
                  across = std::min<int64_t>(kOutputs, s.made_columns - tile.column);
    T* y = f.y + ((tile.picture * s.made_rows + tile.row) * s.made_columns + tile.column) * s.out +
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
            T* to = y + j * s.out + c;
#pragma GCC unroll 4
            for (int i = 0; i < kOutputs; ++i, to += s.made_columns * s.out) {
              if (i < rows) store_part(hn::Add(column[i], bias), to, lanes);
              __builtin_prefetch(to + kOutputs * s.out, 1);
            }
          });
    }
  }
}

int64_t columns_of(const WinogradShape& s, int64_t panel) {
  return std::min(kPanel, s.out - panel * kPanel);
}

/// The kernel is transformed first, where it is not yet, then each job has its tiles.
template <class T>
void forward_by_tiles(const WinogradShape& s, const WinogradForward<T>& f, const ForwardPlan& p,
                      int threads) {
  const Pictures<T> x{f.x, s.rows, s.columns, s.in};
  const int64_t row = padded(s.in);
  const float* zeros = f.scratch;
  float* own = f.scratch + p.shared_floats(s);
  if (!f.packed) transform_kernel(s, f.kernel, f.turned, f.scratch + row, threads);
  const float* kernel = f.packed ? f.kernel : f.scratch + row;
  each_job(p.jobs(), threads, [&](int64_t worker, int64_t job) {
    float* inputs = own + worker * p.worker_floats();
    float* products = inputs + kSquare * p.input_step;
    const int64_t first = job * p.block, count = std::min(p.block, p.tiles.count - first);
    transform_inputs(x, s, p.tiles, first, count, count, 0, row, zeros, inputs, p.input_step);
    for (int64_t panel = 0; panel < p.panels; ++panel) {
      const int64_t columns = columns_of(s, panel);
      for (int e = 0; e < kSquare; ++e) {
        multiply({inputs + e * p.input_step, row, 1}, count, s.in,
                 {kernel + e * kernel_step(s) + panel * kPanel * s.in, columns, s.in},
                 padded(columns), true, products + e * p.product_step);
      }
      transform_outputs(s, f, p.tiles, first, count, panel * kPanel, columns, products,
                        p.product_step);
    }
  });
}

/// All tiles are transformed first, then each job has its panel of the kernel.
template <class T>
void forward_by_columns(const WinogradShape& s, const WinogradForward<T>& f, const ForwardPlan& p,
                        int threads) {
  const Pictures<T> x{f.x, s.rows, s.columns, s.in};
  const int64_t row = padded(s.in), tiles = p.tiles.count;
  const float* zeros = f.scratch;
  float* inputs = f.scratch + row;
  float* own = f.scratch + p.shared_floats(s);
  constexpr int64_t kTilesAtOnce = 8;
  each_job(ceil_div(tiles, kTilesAtOnce), threads, [&](int64_t, int64_t job) {
    const int64_t first = job * kTilesAtOnce;
    transform_inputs(x, s, p.tiles, first, std::min(kTilesAtOnce, tiles - first), tiles, first,
                     kDepth, zeros, inputs, p.input_step);
  });
  each_job(p.jobs(), threads, [&](int64_t worker, int64_t panel) {
    float* piece = own + worker * p.worker_floats();
    float* products = piece + kSquare * p.piece_step;
    const int64_t columns = columns_of(s, panel);
    for (int64_t first = 0; first < s.in; first += kDepth) {
      const int64_t depth = std::min(kDepth, s.in - first);
      // Rows of a panel lie one behind another: those of a depth of it are a piece.
      const float* kernel = f.kernel + panel * kPanel * s.in + first * padded(columns);
      int64_t step = kernel_step(s);
      if (!f.packed) {
        kernel = piece, step = p.piece_step;
        (f.turned ? transform_turned : transform_straight)(
            f.kernel, s.in, s.out, {first, depth, panel * kPanel, columns}, 0, depth, piece, step);
      }
      for (int e = 0; e < kSquare; ++e) {
        multiply({inputs + e * p.input_step + first * tiles, std::min(kDepth, row - first), 1},
                 tiles, depth, {kernel + e * step, columns, depth}, padded(columns), first == 0,
                 products + e * p.product_step);
      }
    }
    transform_outputs(s, f, p.tiles, 0, tiles, panel * kPanel, columns, products, p.product_step);
  });
}

template <class T>
void forward(const WinogradShape& s, const WinogradForward<T>& f, int threads) {
  const ForwardPlan p(s, f.packed, threads);
  std::fill_n(f.scratch, padded(s.in), 0.F);  // stands for what lies outside of a picture
  (p.by_columns ? forward_by_columns<T> : forward_by_tiles<T>)(s, f, p, threads);
}
void forward_floats(const WinogradShape& s, const WinogradForward<float>& f, int threads) {
  forward(s, f, threads);
}
void forward_halves(const WinogradShape& s, const WinogradForward<BFloat16>& f, int threads) {
  forward(s, f, threads);
}

int64_t scratch_floats(const WinogradShape& s, bool packed, int threads) {
  const ForwardPlan p(s, packed, threads);
  return p.shared_floats(s) + p.workers * p.worker_floats();
}
int64_t packed_floats(const WinogradShape& s) { return kSquare * kernel_step(s); }

}  // namespace
}  // namespace varve::cpu::HWY_NAMESPACE
HWY_AFTER_NAMESPACE();

#if HWY_ONCE
namespace varve::cpu {
namespace {
HWY_EXPORT(forward_floats);
HWY_EXPORT(forward_halves);
HWY_EXPORT(scratch_floats);
HWY_EXPORT(packed_floats);
HWY_EXPORT(transform_kernel);
}  // namespace

int64_t winograd_forward_floats(const WinogradShape& s, bool packed, int threads) {
  return HWY_DYNAMIC_DISPATCH(scratch_floats)(s, packed, threads);
}
int64_t winograd_packed_floats(const WinogradShape& s) {
  return HWY_DYNAMIC_DISPATCH(packed_floats)(s);
}
void winograd_pack(const WinogradShape& s, const float* kernel, bool turned, float* to,
                   int threads) noexcept {
  HWY_DYNAMIC_DISPATCH(transform_kernel)(s, kernel, turned, to, threads);
}
template <>
void winograd_forward(const WinogradShape& s, const WinogradForward<float>& f,
                      int threads) noexcept {
  HWY_DYNAMIC_DISPATCH(forward_floats)(s, f, threads);
}
template <>
void winograd_forward(const WinogradShape& s, const WinogradForward<BFloat16>& f,
                      int threads) noexcept {
  HWY_DYNAMIC_DISPATCH(forward_halves)(s, f, threads);
}

}  // namespace varve::cpu
#endif
