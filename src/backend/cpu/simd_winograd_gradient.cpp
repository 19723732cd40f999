// The gradient of the kernel of a 3x3 convolution: transformed tiles of both pictures are
// multiplied, summed over the tiles. Where the sums are small each job has a share of the tiles and
// sums of its own; where they are large, a piece of the sums and all tiles.
#include "backend/cpu/simd_targets.h"
#undef HWY_TARGET_INCLUDE
#define HWY_TARGET_INCLUDE "backend/cpu/simd_winograd_gradient.cpp"
#include "hwy/foreach_target.h"
// Comes after foreach_target.
#include "backend/cpu/simd_winograd_tiles-inl.h"

HWY_BEFORE_NAMESPACE();
namespace varve::cpu::HWY_NAMESPACE {
namespace {

// Sums that workers make for themselves before they are added.
constexpr int64_t kShares = 8;
// Tiles that are summed before their sum is added to that of others: fewer roundings add up.
constexpr int64_t kTerms = 64;

/// Rows of tiles, packed: the right matrices of products, of `rows` each, from row `row` on.
template <class T>
void transform_gradients(const Pictures<T>& y, const Tiles& tiles, int64_t first, int64_t count,
                         int64_t rows, int64_t row, const float* zeros, float* to, int64_t step) {
  transform_tiles<OutputGradientTransform>(
      y, tiles, first, count, 0, 0, zeros, step,
      [&](int64_t t, int64_t c) { return to + packed_place(y.channels, rows, c, row + t); });
}

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

template <class T>
struct Operands {
  Pictures<T> x, y;
  const float* zeros;
  float *kernel, *scratch;
};

template <class T>
void gradient_by_tiles(const WinogradShape& s, const Operands<T>& o, const GradientPlan& p,
                       int threads) {
  const int64_t in = padded(s.in), out = padded(s.out);
  float* own = o.scratch + p.shares * p.sum_floats();
  each_job(p.shares, threads, [&](int64_t worker, int64_t share) {
    float* inputs = own + worker * p.tiles_floats();
    float* gradients = inputs + kSquare * p.input_step;
    float* sums = o.scratch + share * p.sum_floats();
    const int64_t blocks = ceil_div(p.tiles.count, p.block);
    const int64_t begin = blocks * share / p.shares, end = blocks * (share + 1) / p.shares;
    for (int64_t b = begin; b < end; ++b) {
      const int64_t first = b * p.block, count = std::min(p.block, p.tiles.count - first);
      transform_inputs(o.x, s, p.tiles, first, count, count, 0, in, o.zeros, inputs, p.input_step);
      transform_gradients(o.y, p.tiles, first, count, count, 0, o.zeros, gradients, p.output_step);
      for (int e = 0; e < kSquare; ++e) {
        // sums[c][k] = sum over tiles of inputs[tile][c] gradients[tile][k].
        multiply({inputs + e * p.input_step, 1, in}, s.in, count,
                 {gradients + e * p.output_step, s.out, count}, out, b == begin,
                 sums + e * p.sum_step);
      }
    }
  });
  each_job(s.in, threads, [&](int64_t, int64_t r) {
    for (int e = 0; e < kSquare; ++e) {
      float* sum = o.scratch + e * p.sum_step + r * out;
      for (int64_t c = 0; c < out; c += kWidth) {
        VF all = hn::Load(F32(), sum + c);
        for (int64_t share = 1; share < p.shares; ++share)
          all = hn::Add(all, hn::Load(F32(), sum + share * p.sum_floats() + c));
        hn::Store(all, F32(), sum + c);
      }
    }
    transform_sums(s, o.scratch + r * out, p.sum_step, out, {r, 1, 0, s.out}, o.kernel);
  });
}

template <class T>
void gradient_by_columns(const WinogradShape& s, const Operands<T>& o, const GradientPlan& p,
                         int threads) {
  const int64_t in = padded(s.in), tiles = p.tiles.count;
  float* inputs = o.scratch;
  float* gradients = inputs + kSquare * p.input_step;
  float* own = o.scratch + p.tiles_floats();
  constexpr int64_t kTilesAtOnce = 8;
  each_job(ceil_div(tiles, kTilesAtOnce), threads, [&](int64_t, int64_t job) {
    const int64_t first = job * kTilesAtOnce, count = std::min(kTilesAtOnce, tiles - first);
    transform_inputs(o.x, s, p.tiles, first, count, tiles, first, p.depth, o.zeros, inputs,
                     p.input_step);
    transform_gradients(o.y, p.tiles, first, count, tiles, first, o.zeros, gradients,
                        p.output_step);
  });
  const int64_t panels = ceil_div(s.out, kPanel);
  each_job(p.jobs(s), threads, [&](int64_t worker, int64_t job) {
    float* sums = own + worker * p.sum_floats();
    const int64_t row = job / panels * p.depth, column = job % panels * kPanel;
    const int64_t rows = std::min(p.depth, s.in - row), columns = std::min(kPanel, s.out - column),
                  width = std::min(p.depth, in - row);
    for (int e = 0; e < kSquare; ++e) {
      for (int64_t first = 0; first < tiles; first += kTerms) {
        multiply({inputs + e * p.input_step + row * tiles + first * width, 1, width}, rows,
                 std::min(kTerms, tiles - first),
                 {gradients + e * p.output_step + column * tiles, columns, tiles, first},
                 padded(columns), first == 0, sums + e * p.sum_step);
      }
    }
    transform_sums(s, sums, p.sum_step, padded(columns), {row, rows, column, columns}, o.kernel);
  });
}

template <class T>
void filter_gradient(const WinogradShape& s, const WinogradFilterGradient<T>& g, int threads) {
  const GradientPlan p(s);
  std::fill_n(g.scratch, p.zeros(s), 0.F);  // stands for what lies outside of a picture
  const Operands<T> o{{g.x, s.rows, s.columns, s.in},
                      {g.gradient, s.made_rows, s.made_columns, s.out},
                      g.scratch,
                      g.kernel,
                      g.scratch + p.zeros(s)};
  (p.by_columns ? gradient_by_columns<T> : gradient_by_tiles<T>)(s, o, p, threads);
}
void gradient_of_floats(const WinogradShape& s, const WinogradFilterGradient<float>& g,
                        int threads) {
  filter_gradient(s, g, threads);
}
void gradient_of_halves(const WinogradShape& s, const WinogradFilterGradient<BFloat16>& g,
                        int threads) {
  filter_gradient(s, g, threads);
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
HWY_EXPORT(gradient_of_floats);
HWY_EXPORT(gradient_of_halves);
HWY_EXPORT(filter_gradient_floats);
}  // namespace

int64_t winograd_filter_gradient_floats(const WinogradShape& s, int threads) {
  return HWY_DYNAMIC_DISPATCH(filter_gradient_floats)(s, threads);
}
template <>
void winograd_filter_gradient(const WinogradShape& s, const WinogradFilterGradient<float>& g,
                              int threads) noexcept {
  HWY_DYNAMIC_DISPATCH(gradient_of_floats)(s, g, threads);
}
template <>
void winograd_filter_gradient(const WinogradShape& s, const WinogradFilterGradient<BFloat16>& g,
                              int threads) noexcept {
  HWY_DYNAMIC_DISPATCH(gradient_of_halves)(s, g, threads);
}

}  // namespace varve::cpu
#endif
