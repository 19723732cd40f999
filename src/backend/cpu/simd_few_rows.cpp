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

HWY_BEFORE_NAMESPACE();
namespace varve::cpu::HWY_NAMESPACE {
namespace {

using F32 = hn::ScalableTag<float>;
using VF = hn::Vec<F32>;
constexpr int64_t kLanes = hn::MaxLanes(F32());

/// So many rows of b are read side by side.
constexpr int64_t kDepth = 16;

/// Adds what rows [first, last) of b contribute to kVectors vectors of kRows rows of y, from column
/// c on; the first ones start from the bias.
template <int kRows, int kVectors, class Load, class Store>
HWY_INLINE void add(const FewRows& p, int64_t first, int64_t last, int64_t c, Load load,
                    Store store) {
  const F32 d;
  VF sums[kRows][kVectors], row[kVectors];
  for (int m = 0; m < kRows; ++m) {
    for (int v = 0; v < kVectors; ++v) {
      const int64_t at = c + v * kLanes;
      sums[m][v] = first == 0 && p.bias ? load(p.bias + at) : hn::Zero(d);
    }
  }
  for (int64_t k = first; k < last; ++k) {
    for (int v = 0; v < kVectors; ++v) row[v] = load(p.b + k * p.b_pitch + c + v * kLanes);
    for (int m = 0; m < kRows; ++m) {
      const VF a = hn::Set(d, p.a[m * p.a_row + k * p.a_column]);
      for (int v = 0; v < kVectors; ++v) sums[m][v] = hn::MulAdd(a, row[v], sums[m][v]);
    }
  }
  for (int m = 0; m < kRows; ++m) {
    for (int v = 0; v < kVectors; ++v) {
      float* y = p.y + m * p.y_row + c + v * kLanes;
      store(first > 0 ? hn::Add(load(y), sums[m][v]) : sums[m][v], y);
    }
  }
}

template <int kRows>
void columns_of(const FewRows& p, int64_t begin, int64_t end) {
  const F32 d;
  // As many sums as there are registers for.
  constexpr int kVectors = std::clamp((HWY_TARGET <= HWY_AVX3   ? 24
                                       : HWY_TARGET <= HWY_AVX2 ? 10
                                                                : 8) /
                                          kRows,
                                      1, 8);
  constexpr int64_t kBlock = 4096 / kRows / kLanes * kLanes;  // 16 KiB of y
  const auto load = [&](const float* x) HWY_ATTR __attribute__((always_inline)) {
    return hn::LoadU(d, x);
  };
  const auto store = [&](VF v, float* x) HWY_ATTR __attribute__((always_inline)) {
    hn::StoreU(v, d, x);
  };
  for (int64_t block = begin; block < end; block += kBlock) {
    const int64_t stop = std::min(end, block + kBlock);
    for (int64_t k = 0; k < p.depth; k += kDepth) {
      const int64_t last = std::min(p.depth, k + kDepth);
      int64_t c = block;
      for (; c + kVectors * kLanes <= stop; c += kVectors * kLanes)
        add<kRows, kVectors>(p, k, last, c, load, store);
      for (; c + kLanes <= stop; c += kLanes) add<kRows, 1>(p, k, last, c, load, store);
      if (c == stop) continue;
      const auto some = static_cast<size_t>(stop - c);
      add<kRows, 1>(
          p, k, last, c,
          [&](const float* x) HWY_ATTR
          __attribute__((always_inline)) { return load_some(d, x, some, 0.F); },
          [&](VF v, float* x) HWY_ATTR
          __attribute__((always_inline)) { store_some(d, v, x, some); });
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
