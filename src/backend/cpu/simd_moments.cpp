#include "backend/cpu/simd_moments.h"

#include <algorithm>
#include <cmath>
#include <cstring>
#include <type_traits>

#include "backend/cpu/simd_targets.h"
#include "base/convert.h"
#undef HWY_TARGET_INCLUDE
#define HWY_TARGET_INCLUDE "backend/cpu/simd_moments.cpp"
#include "hwy/foreach_target.h"
// Comes after foreach_target.
#include "backend/cpu/simd_math-inl.h"
#include "backend/cpu/simd_partial-inl.h"

// Numbers are taken in blocks that fit in L1. A block is shifted by its own mean, roughly, so that
// its sums of differences and of their squares need no more than floats; blocks are put together in
// double. So equal numbers have exactly that mean and no variance, and a large mean costs no
// digits.

#ifndef VARVE_BACKEND_CPU_SIMD_MOMENTS_ONCE
#define VARVE_BACKEND_CPU_SIMD_MOMENTS_ONCE
namespace varve::cpu {
namespace {
/// In double throughout, where squares of floats are too large.
template <class T>
Moments slow_moments(const T* x, int64_t n, int64_t step) {
  double sum = 0, squares = 0;
  for (int64_t i = 0; i < n; ++i) sum += convert<double>(x[i * step]);
  const double mean = sum / static_cast<double>(n);
  for (int64_t i = 0; i < n; ++i) {
    const double d = convert<double>(x[i * step]) - mean;
    squares += d * d;
  }
  return {static_cast<double>(n), sum, squares};
}

/// What is made for each instruction set.
template <class T>
struct MomentFunctions {
  double (*run_sum)(const T* x, int64_t n);
  Moments (*run_moments)(const T* x, int64_t n);
  void (*column_moments)(const ColumnBlock<T>& b, double* sums, double* squares);
};
}  // namespace
}  // namespace varve::cpu
#endif

HWY_BEFORE_NAMESPACE();
namespace varve::cpu::HWY_NAMESPACE {
namespace {

/// A vector of elements as floats; of fewer of them, with `rest` behind.
HWY_INLINE VF load(const float* x) { return hn::LoadU(F32(), x); }
HWY_INLINE VF load(const float* x, size_t n, float rest) { return load_some(F32(), x, n, rest); }
HWY_INLINE VF load(const BFloat16* x) { return load_wide(x); }
HWY_INLINE VF load(const BFloat16* x, size_t n, float rest) {
  return hn::IfThenElse(hn::FirstN(F32(), n), load_wide(x, n), hn::Set(F32(), rest));
}

/// Halves of a vector of floats as doubles.
struct Doubles {
  VD low, high;
};
HWY_INLINE Doubles doubles(VF v) {
  const hn::Half<F32> half;
  return {hn::PromoteTo(F64(), hn::LowerHalf(half, v)),
          hn::PromoteTo(F64(), hn::UpperHalf(half, v))};
}
HWY_INLINE double total(VF v) {
  const Doubles d = doubles(v);
  return hn::GetLane(hn::SumOfLanes(F64(), hn::Add(d.low, d.high)));
}

// --- runs ----------------------------------------------------------------------------------------

constexpr int64_t kRun = 1024;
/// Vectors that are summed side by side.
constexpr int64_t kChains = 4;

/// Calls f(chain, vector) for each vector of x[0..n), with `rest` behind the end.
template <class T, class F>
HWY_INLINE void for_vectors(const T* x, int64_t n, float rest, F f) {
  const F32 d;
  const auto lanes = static_cast<int64_t>(hn::Lanes(d));
  int64_t i = 0;
  for (; i + kChains * lanes <= n; i += kChains * lanes) {
    for (int64_t k = 0; k < kChains; ++k) f(k, load(x + i + k * lanes));
  }
  int64_t k = 0;
  for (; i + lanes <= n; i += lanes, ++k) f(k, load(x + i));
  if (i < n) f(k, load(x + i, static_cast<size_t>(n - i), rest));
}

HWY_INLINE VF joined(const VF (&v)[kChains]) {
  return hn::Add(hn::Add(v[0], v[1]), hn::Add(v[2], v[3]));
}

template <class T>
HWY_INLINE double sum_in_double(const T* x, int64_t n) {
  const VD zero = hn::Zero(F64());
  VD low[kChains] = {zero, zero, zero, zero}, high[kChains] = {zero, zero, zero, zero};
  for_vectors(x, n, 0, [&](int64_t k, VF v) HWY_ATTR {
    const Doubles d = doubles(v);
    low[k] = hn::Add(low[k], d.low);
    high[k] = hn::Add(high[k], d.high);
  });
  VD all = hn::Zero(F64());
  for (int64_t k = 0; k < kChains; ++k) all = hn::Add(all, hn::Add(low[k], high[k]));
  return hn::GetLane(hn::SumOfLanes(F64(), all));
}

/// Of at most kRun numbers.
template <class T>
HWY_INLINE Moments block_moments(const T* x, int64_t n) {
  const auto count = static_cast<double>(n);
  const double sum = sum_in_double(x, n);
  const auto shift = static_cast<float>(sum / count);
  const VF zero = constant(0), s = constant(shift);
  VF first[kChains] = {zero, zero, zero, zero}, second[kChains] = {zero, zero, zero, zero};
  for_vectors(x, n, shift, [&](int64_t k, VF v) HWY_ATTR {
    const VF d = hn::Sub(v, s);
    first[k] = hn::Add(first[k], d);
    second[k] = hn::MulAdd(d, d, second[k]);
  });
  const double d = total(joined(first)), squares = total(joined(second)) - d * d / count;
  if (!std::isfinite(squares)) return slow_moments(x, n, 1);
  return {count, sum, squares < 0 ? 0 : squares};
}

// --- columns -------------------------------------------------------------------------------------

/// Rows of a block of columns.
constexpr int64_t kRows = 64;

/// Calls f(chain, v, vector) for the vectors v < `vectors` of each row; fewer vectors take more
/// chains. `some`: elements of the only vector, all where it is 0.
template <int64_t vectors, class T, class F>
HWY_INLINE void for_rows(const T* x, int64_t rows, int64_t stride, size_t some, F f) {
  constexpr int64_t kSideBySide = kChains / vectors;
  const F32 d;
  const auto vector = [&](int64_t r, int64_t v) HWY_ATTR {
    const T* at = x + r * stride + v * static_cast<int64_t>(hn::Lanes(d));
    return some == 0 ? load(at) : load(at, some, 0);
  };
  int64_t r = 0;
  for (; r + kSideBySide <= rows; r += kSideBySide) {
    for (int64_t k = 0; k < kSideBySide; ++k) {
      for (int64_t v = 0; v < vectors; ++v) f(k * vectors + v, v, vector(r + k, v));
    }
  }
  for (; r < rows; ++r) {
    for (int64_t v = 0; v < vectors; ++v) f(v, v, vector(r, v));
  }
}

/// The chains of vector v together.
template <int64_t vectors>
HWY_INLINE VF of_vector(const VF (&chains)[kChains], int64_t v) {
  if constexpr (vectors == 1) return joined(chains);
  return chains[v];
}

/// Sums of the columns, in doubles: halves of vector v at 2v and 2v + 1.
template <int64_t vectors, class T>
HWY_INLINE void panel_sums(const T* x, int64_t rows, int64_t stride, size_t some,
                           VD (&sums)[2 * vectors]) {
  const VD zero = hn::Zero(F64());
  VD low[kChains] = {zero, zero, zero, zero}, high[kChains] = {zero, zero, zero, zero};
  for_rows<vectors>(x, rows, stride, some, [&](int64_t k, int64_t, VF v) HWY_ATTR {
    const Doubles d = doubles(v);
    low[k] = hn::Add(low[k], d.low);
    high[k] = hn::Add(high[k], d.high);
  });
  for (int64_t v = 0; v < vectors; ++v) {
    VD a = low[v], b = high[v];
    for (int64_t k = v + vectors; k < kChains; k += vectors) {
      a = hn::Add(a, low[k]);
      b = hn::Add(b, high[k]);
    }
    sums[2 * v] = a;
    sums[2 * v + 1] = b;
  }
}

/// Adds half a vector of columns of a block to what `before` rows had. False, and nothing added,
/// where a square is not finite.
HWY_INLINE bool add_block(VD sum, VD first, VD second, double rows, double before, double* sums,
                          double* squares) {
  const F64 d;
  const VD count = hn::Set(d, rows), zero = hn::Zero(d);
  VD square = hn::Max(zero, hn::NegMulAdd(first, hn::Div(first, count), second));
  if (!hn::AllTrue(d, hn::Eq(hn::Sub(second, second), zero))) return false;
  if (before > 0) {
    const VD so_far = hn::LoadU(d, sums);
    const VD apart = hn::Sub(hn::Div(sum, count), hn::Div(so_far, hn::Set(d, before)));
    const VD weight = hn::Set(d, before * rows / (before + rows));
    square = hn::MulAdd(hn::Mul(apart, apart), weight, hn::Add(hn::LoadU(d, squares), square));
    sum = hn::Add(so_far, sum);
  }
  hn::StoreU(sum, d, sums);
  hn::StoreU(square, d, squares);
  return true;
}
/// The same, column by column.
template <class T>
HWY_INLINE void add_slowly(const T* x, int64_t rows, int64_t stride, int64_t columns, double before,
                           double* sums, double* squares) {
  for (int64_t c = 0; c < columns; ++c) {
    const Moments all = merged({before, sums[c], squares[c]}, slow_moments(x + c, rows, stride));
    sums[c] = all.sum;
    squares[c] = all.squares;
  }
}

/// `vectors` vectors of columns; the results have whole vectors.
template <int64_t vectors, class T>
HWY_INLINE void panel_moments(const T* x, int64_t rows, int64_t stride, size_t some, double* sums,
                              double* squares) {
  const auto half = static_cast<int64_t>(hn::Lanes(F64()));
  const hn::Rebind<float, F64> narrow;
  const VF zero = constant(0);
  for (int64_t r0 = 0; r0 < rows; r0 += kRows) {
    const int64_t n = std::min(kRows, rows - r0);
    const auto count = static_cast<double>(n), before = static_cast<double>(r0);
    const T* block = x + r0 * stride;
    VD total[2 * vectors];
    panel_sums<vectors>(block, n, stride, some, total);
    VF shift[vectors];
    for (int64_t v = 0; v < vectors; ++v) {
      const VD share = hn::Set(F64(), 1 / count);
      shift[v] = hn::Combine(F32(), hn::DemoteTo(narrow, hn::Mul(total[2 * v + 1], share)),
                             hn::DemoteTo(narrow, hn::Mul(total[2 * v], share)));
    }
    VF first[kChains] = {zero, zero, zero, zero}, second[kChains] = {zero, zero, zero, zero};
    for_rows<vectors>(block, n, stride, some, [&](int64_t k, int64_t v, VF value) HWY_ATTR {
      const VF d = hn::Sub(value, shift[v]);
      first[k] = hn::Add(first[k], d);
      second[k] = hn::MulAdd(d, d, second[k]);
    });
    for (int64_t h = 0; h < 2 * vectors; ++h) {
      const Doubles a = doubles(of_vector<vectors>(first, h / 2)),
                    b = doubles(of_vector<vectors>(second, h / 2));
      double *at = sums + h * half, *to = squares + h * half;
      const bool upper = h % 2 != 0;
      if (add_block(total[h], upper ? a.high : a.low, upper ? b.high : b.low, count, before, at,
                    to)) {
        continue;
      }
      if (r0 == 0) std::fill_n(at, half, 0.0), std::fill_n(to, half, 0.0);
      const int64_t left = some == 0 ? half : static_cast<int64_t>(some) - h * half;
      add_slowly(block + h * half, n, stride, std::clamp<int64_t>(left, 0, half), before, at, to);
    }
  }
}

template <int64_t vectors, class T>
HWY_INLINE void panel(const ColumnBlock<T>& b, int64_t column, size_t some, double* sums,
                      double* squares) {
  const T* x = b.x + column;
  if (squares != nullptr) {
    return panel_moments<vectors>(x, b.rows, b.stride, some, sums, squares);
  }
  VD total[2 * vectors];
  panel_sums<vectors>(x, b.rows, b.stride, some, total);
  for (int64_t h = 0; h < 2 * vectors; ++h) {
    hn::StoreU(total[h], F64(), sums + h * static_cast<int64_t>(hn::Lanes(F64())));
  }
}

}  // namespace

template <class T>
double run_sum_of(const T* x, int64_t n) {
  return sum_in_double(x, n);
}

template <class T>
Moments run_moments_of(const T* x, int64_t n) {
  Moments all;
  for (int64_t i = 0; i < n; i += kRun) {
    all = merged(all, block_moments(x + i, std::min(kRun, n - i)));
  }
  return all;
}

template <class T>
void column_moments_of(const ColumnBlock<T>& b, double* sums, double* squares) {
  const auto lanes = static_cast<int64_t>(hn::Lanes(F32()));
  int64_t c = b.first;
  const auto squares_at = [&] { return squares == nullptr ? nullptr : squares + c; };
  for (; c + kChains * lanes <= b.last; c += kChains * lanes) {
    panel<kChains>(b, c, 0, sums + c, squares_at());
  }
  for (; c + lanes <= b.last; c += lanes) panel<1>(b, c, 0, sums + c, squares_at());
  if (c == b.last) return;
  HWY_ALIGN double some_sums[hn::MaxLanes(F32())], some_squares[hn::MaxLanes(F32())];
  const auto rest = static_cast<size_t>(b.last - c);
  panel<1>(b, c, rest, some_sums, squares == nullptr ? nullptr : some_squares);
  std::copy_n(some_sums, rest, sums + c);
  if (squares != nullptr) std::copy_n(some_squares, rest, squares + c);
}

template <class T>
MomentFunctions<T> functions() {
  return {run_sum_of<T>, run_moments_of<T>, column_moments_of<T>};
}
MomentFunctions<float> functions_of_floats() { return functions<float>(); }
MomentFunctions<BFloat16> functions_of_halves() { return functions<BFloat16>(); }

}  // namespace varve::cpu::HWY_NAMESPACE
HWY_AFTER_NAMESPACE();

#if HWY_ONCE
namespace varve::cpu {
namespace {
HWY_EXPORT(functions_of_floats);
HWY_EXPORT(functions_of_halves);

template <class T>
MomentFunctions<T> functions() {
  if constexpr (std::is_same_v<T, float>)
    return HWY_DYNAMIC_DISPATCH(functions_of_floats)();
  else
    return HWY_DYNAMIC_DISPATCH(functions_of_halves)();
}
}  // namespace

Moments merged(const Moments& a, const Moments& b) {
  if (a.count == 0) return b;
  if (b.count == 0) return a;
  const double apart = b.sum / b.count - a.sum / a.count, count = a.count + b.count;
  return {count, a.sum + b.sum,
          a.squares + b.squares + apart * apart * (a.count * b.count / count)};
}

template <class T>
double run_sum(const T* x, int64_t n) {
  return functions<T>().run_sum(x, n);
}
template <class T>
Moments run_moments(const T* x, int64_t n) {
  return functions<T>().run_moments(x, n);
}
template <class T>
void column_moments(const ColumnBlock<T>& b, double* sums, double* squares) {
  functions<T>().column_moments(b, sums, squares);
}

template double run_sum(const float*, int64_t);
template double run_sum(const BFloat16*, int64_t);
template Moments run_moments(const float*, int64_t);
template Moments run_moments(const BFloat16*, int64_t);
template void column_moments(const ColumnBlock<float>&, double*, double*);
template void column_moments(const ColumnBlock<BFloat16>&, double*, double*);

}  // namespace varve::cpu
#endif
