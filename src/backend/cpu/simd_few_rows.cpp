// A few rows of b at a time are added to what is known of y, which stays in the first-level cache:
// memory sees that many long runs of addresses, which processors foresee.
#include "backend/cpu/simd_few_rows.h"

#include <algorithm>

#include "backend/cpu/simd_targets.h"
#include "base/math.h"
#include "base/threads.h"
#undef HWY_TARGET_INCLUDE
#define HWY_TARGET_INCLUDE "backend/cpu/simd_few_rows.cpp"
#include "hwy/foreach_target.h"
// Comes after foreach_target.
#include "backend/cpu/simd_rows-inl.h"
#include "backend/cpu/simd_tile-inl.h"

HWY_BEFORE_NAMESPACE();
namespace varve::cpu::HWY_NAMESPACE {
namespace {

constexpr int64_t kWidth = kLanes;
/// So many rows of b are read side by side.
constexpr int64_t kDepth = 16;

/// Adds what rows [first, last) of b contribute to `vectors` vectors of `rows` rows of y, from
/// column c on, the last one of so many lanes; the first ones start from the bias.
template <int rows, int vectors>
HWY_INLINE void add(const FewRows& p, int64_t first, int64_t last, int64_t c, size_t lanes) {
  VF sums[rows][vectors], row[vectors];
  for (int m = 0; m < rows; ++m) {
    for (int v = 0; v < vectors; ++v) {
      sums[m][v] =
          first == 0 && p.bias ? load_part(p.bias + c + v * kWidth, lanes) : hn::Zero(F32());
    }
  }
  for (int64_t k = first; k < last; ++k) {
    for (int v = 0; v < vectors; ++v)
      row[v] = load_part(p.b + k * p.b_pitch + c + v * kWidth, lanes);
    for (int m = 0; m < rows; ++m) {
      const VF a = hn::Set(F32(), p.a[m * p.a_row + k * p.a_column]);
      for (int v = 0; v < vectors; ++v) sums[m][v] = hn::MulAdd(a, row[v], sums[m][v]);
    }
  }
  for (int m = 0; m < rows; ++m) {
    for (int v = 0; v < vectors; ++v) {
      float* y = p.y + m * p.y_row + c + v * kWidth;
      store_part(first > 0 ? hn::Add(load_part(y, lanes), sums[m][v]) : sums[m][v], y, lanes);
    }
  }
}

template <int rows>
void columns_of(const FewRows& p, int64_t begin, int64_t end) {
  // As many sums as there are registers for.
  constexpr int vectors = std::min(8, (kLanes == 16 ? 24 : 10) / rows);
  constexpr int64_t kBlock = 4096 / rows / kWidth * kWidth;  // 16 KiB of y
  for (int64_t block = begin; block < end; block += kBlock) {
    const int64_t stop = std::min(end, block + kBlock);
    for (int64_t k = 0; k < p.depth; k += kDepth) {
      const int64_t last = std::min(p.depth, k + kDepth);
      int64_t c = block;
      for (; c + vectors * kWidth <= stop; c += vectors * kWidth)
        add<rows, vectors>(p, k, last, c, kLanes);
      for (; c + kWidth <= stop; c += kWidth) add<rows, 1>(p, k, last, c, kLanes);
      if (c < stop) add<rows, 1>(p, k, last, c, lanes_left(c, stop));
    }
  }
}

void transposed_columns(const FewRows& p, int64_t begin, int64_t end) {
  for (int64_t c = begin; c < end; ++c) {
    for (int64_t m = 0; m < p.rows; ++m) {
      p.y[m * p.y_row + c] =
          row_product(p.a + m * p.a_row, p.b + c * p.b_pitch, p.depth) + (p.bias ? p.bias[c] : 0.F);
    }
  }
}

void multiply(const FewRows& p, int threads) {
  const auto columns = p.transposed  ? transposed_columns
                       : p.rows == 1 ? columns_of<1>
                                     : columns_of<2>;
  // 512 KiB of b are worth a thread.
  const int64_t grain = round_up(std::max<int64_t>(1, (128 << 10) / p.depth), int64_t{64});
  parallel_for(p.columns, grain, threads,
               [&](int64_t begin, int64_t end) { columns(p, begin, end); });
}

}  // namespace
}  // namespace varve::cpu::HWY_NAMESPACE
HWY_AFTER_NAMESPACE();

#if HWY_ONCE
namespace varve::cpu {
namespace {
HWY_EXPORT(multiply);
}  // namespace

void few_rows_product(const FewRows& p, int threads) noexcept {
  HWY_DYNAMIC_DISPATCH(multiply)(p, threads);
}

}  // namespace varve::cpu
#endif
