#include "backend/cpu/simd_softmax.h"

#include <algorithm>
#include <atomic>
#include <cmath>
#include <limits>
#include <type_traits>

#include "backend/cpu/simd_targets.h"
#include "base/threads.h"
#undef HWY_TARGET_INCLUDE
#define HWY_TARGET_INCLUDE "backend/cpu/simd_softmax.cpp"
#include "hwy/foreach_target.h"
// Comes after foreach_target.
#include "backend/cpu/simd_math-inl.h"
#include "backend/cpu/simd_partial-inl.h"

#ifndef VARVE_BACKEND_CPU_SIMD_SOFTMAX_ONCE
#define VARVE_BACKEND_CPU_SIMD_SOFTMAX_ONCE
namespace varve::cpu {
/// Of one row: its largest element, and the sum of exp(x - top).
struct RowSum {
  float top;
  double sum;
  double log_sum_exp() const { return std::isinf(top) ? top : top + std::log(sum); }
};
}  // namespace varve::cpu
#endif

HWY_BEFORE_NAMESPACE();
namespace varve::cpu::HWY_NAMESPACE {
namespace {

HWY_INLINE VF max_or_nan(VF a, VF b) { return hn::IfThenElse(hn::IsNaN(a), a, hn::Max(a, b)); }

/// The largest element; NaN where one is; -inf of nothing.
HWY_INLINE float row_max(const float* x, size_t n) {
  const F32 d;
  const size_t lanes = hn::Lanes(d);
  VF top = constant(-kInfinity), other = top;
  size_t i = 0;
  for (; i + 2 * lanes <= n; i += 2 * lanes) {
    top = max_or_nan(top, hn::LoadU(d, x + i));
    other = max_or_nan(other, hn::LoadU(d, x + i + lanes));
  }
  top = max_or_nan(top, other);
  for (; i + lanes <= n; i += lanes) top = max_or_nan(top, hn::LoadU(d, x + i));
  if (i < n) top = max_or_nan(top, load_some(d, x + i, n - i, -kInfinity));
  if (!hn::AllFalse(d, hn::IsNaN(top))) return std::numeric_limits<float>::quiet_NaN();
  return hn::GetLane(hn::MaxOfLanes(d, top));
}

/// e = exp(x - shift) of a row where `e` is not null; returns the sum. e may be x.
HWY_INLINE float row_exp(const float* x, size_t n, float shift, float* e) {
  const F32 d;
  const size_t lanes = hn::Lanes(d);
  const VF s = constant(shift);
  VF sum = hn::Zero(d), other = sum;
  const auto one = [&](size_t at, VF& total) HWY_ATTR {
    const VF y = simd_exp(hn::Sub(hn::LoadU(d, x + at), s));
    if (e != nullptr) hn::StoreU(y, d, e + at);
    total = hn::Add(total, y);
  };
  size_t i = 0;
  for (; i + 2 * lanes <= n; i += 2 * lanes) {
    one(i, sum);
    one(i + lanes, other);
  }
  for (; i + lanes <= n; i += lanes) one(i, sum);
  if (i < n) {
    const VF y = simd_exp(hn::Sub(load_some(d, x + i, n - i, -kInfinity), s));
    if (e != nullptr) store_some(d, y, e + i, n - i);
    other = hn::Add(other, y);
  }
  return hn::GetLane(hn::SumOfLanes(d, hn::Add(sum, other)));
}

/// y = x * factor + offset.
HWY_INLINE void row_affine(const float* x, size_t n, float factor, float offset, float* y) {
  const F32 d;
  const VF f = constant(factor), o = constant(offset);
  size_t i = 0;
  for (; i + hn::Lanes(d) <= n; i += hn::Lanes(d)) {
    hn::StoreU(hn::MulAdd(hn::LoadU(d, x + i), f, o), d, y + i);
  }
  if (i < n) store_some(d, hn::MulAdd(load_some(d, x + i, n - i, 0), f, o), y + i, n - i);
}

HWY_INLINE float row_total(const float* x, size_t n) {
  const F32 d;
  VF sum = hn::Zero(d);
  size_t i = 0;
  for (; i + hn::Lanes(d) <= n; i += hn::Lanes(d)) sum = hn::Add(sum, hn::LoadU(d, x + i));
  if (i < n) sum = hn::Add(sum, load_some(d, x + i, n - i, 0));
  return hn::GetLane(hn::SumOfLanes(d, sum));
}

/// Rows of -inf alone are shifted by nothing, so that they stay.
HWY_INLINE RowSum row_sum(const float* x, size_t n, float* e) {
  const float top = row_max(x, n);
  return {top, row_exp(x, n, top == -kInfinity ? 0 : top, e)};
}

/// Vectors that a short row fills at most: it is read once and stays in registers.
constexpr size_t kShort = 8;

/// Calls f with the number of vectors of a short row as a constant.
template <size_t vectors = 1, class F>
HWY_INLINE void with_vectors(size_t n, F f) {
  if constexpr (vectors == kShort) {
    f(std::integral_constant<size_t, vectors>());
  } else {
    if (n <= vectors * hn::Lanes(F32())) return f(std::integral_constant<size_t, vectors>());
    with_vectors<vectors + 1>(n, f);
  }
}

/// A row of `count` vectors, the last of which may have fewer elements.
template <size_t count>
struct ShortRow {
  VF v[count];
  size_t rest;  // elements of the last vector

  HWY_INLINE ShortRow(const float* x, size_t n) : rest(n - (count - 1) * hn::Lanes(F32())) {
    const F32 d;
    for (size_t k = 0; k + 1 < count; ++k) v[k] = hn::LoadU(d, x + k * hn::Lanes(d));
    v[count - 1] = load_some(d, x + n - rest, rest, -kInfinity);
  }
  HWY_INLINE void store(float* y) const {
    const F32 d;
    for (size_t k = 0; k + 1 < count; ++k) hn::StoreU(v[k], d, y + k * hn::Lanes(d));
    store_some(d, v[count - 1], y + (count - 1) * hn::Lanes(d), rest);
  }
  /// The largest element, where none is NaN.
  HWY_INLINE float top() const {
    VF m = v[0];
    for (size_t k = 1; k < count; ++k) m = hn::Max(m, v[k]);
    return hn::GetLane(hn::MaxOfLanes(F32(), m));
  }
  HWY_INLINE float total() const {
    VF s = v[0];
    for (size_t k = 1; k < count; ++k) s = hn::Add(s, v[k]);
    return hn::GetLane(hn::SumOfLanes(F32(), s));
  }
};

template <size_t count>
HWY_INLINE void short_softmax(const float* x, float* y, size_t n) {
  ShortRow<count> row(x, n);
  const float top = row.top();
  const VF shift = constant(top == -kInfinity ? 0 : top);
  for (VF& v : row.v) v = simd_exp(hn::Sub(v, shift));
  const float sum = row.total();  // NaN where an element is, and so then is all of the row
  const VF factor = constant(sum == 0 ? 1 : 1 / sum);
  for (VF& v : row.v) v = hn::Mul(v, factor);
  row.store(y);
}

template <size_t count>
HWY_INLINE void short_log_softmax(const float* x, float* y, size_t n) {
  ShortRow<count> row(x, n);
  const float top = row.top();
  if (top == -kInfinity && !std::isnan(row.total())) {
    row.store(y);
    return;
  }
  const VF shift = constant(top);
  ShortRow<count> exponentials = row;
  for (size_t k = 0; k < count; ++k) {
    row.v[k] = hn::Sub(row.v[k], shift);
    exponentials.v[k] = simd_exp(row.v[k]);
  }
  const VF log_sum = constant(std::log(exponentials.total()));
  for (VF& v : row.v) v = hn::Sub(v, log_sum);
  row.store(y);
}

}  // namespace

void softmax_row(const float* x, float* y, size_t n) {
  if (n <= kShort * hn::Lanes(F32())) {
    return with_vectors(n, [&](auto count) HWY_ATTR { short_softmax<count>(x, y, n); });
  }
  const RowSum r = row_sum(x, n, y);
  row_affine(y, n, r.sum == 0 ? 1 : static_cast<float>(1 / r.sum), 0, y);
}

void log_softmax_row(const float* x, float* y, size_t n) {
  if (n <= kShort * hn::Lanes(F32())) {
    return with_vectors(n, [&](auto count) HWY_ATTR { short_log_softmax<count>(x, y, n); });
  }
  const RowSum r = row_sum(x, n, nullptr);
  if (r.top == -kInfinity) {
    std::copy_n(x, n, y);
    return;
  }
  // In two steps: where top is large, adding the logarithm to it would lose digits.
  const F32 d;
  const VF top = constant(r.top), log_sum = constant(static_cast<float>(std::log(r.sum)));
  size_t i = 0;
  for (; i + hn::Lanes(d) <= n; i += hn::Lanes(d)) {
    hn::StoreU(hn::Sub(hn::Sub(hn::LoadU(d, x + i), top), log_sum), d, y + i);
  }
  if (i < n) {
    const VF v = load_some(d, x + i, n - i, 0);
    store_some(d, hn::Sub(hn::Sub(v, top), log_sum), y + i, n - i);
  }
}

RowSum exp_row(const float* x, float* e, size_t n) { return row_sum(x, n, e); }
void shifted_exp_row(const float* x, size_t n, float shift, float* e) { row_exp(x, n, shift, e); }
void affine_row(const float* x, size_t n, float factor, float offset, float* y) {
  row_affine(x, n, factor, offset, y);
}
float total_row(const float* x, size_t n) { return row_total(x, n); }

}  // namespace varve::cpu::HWY_NAMESPACE
HWY_AFTER_NAMESPACE();

#if HWY_ONCE
namespace varve::cpu {
HWY_EXPORT(softmax_row);
HWY_EXPORT(log_softmax_row);
HWY_EXPORT(exp_row);
HWY_EXPORT(shifted_exp_row);
HWY_EXPORT(affine_row);
HWY_EXPORT(total_row);

int64_t label_at(const CrossEntropyRows& p, int64_t row) {
  switch (p.label_type) {
    case DType::u8:
      return static_cast<const uint8_t*>(p.labels)[row];
    case DType::i8:
      return static_cast<const int8_t*>(p.labels)[row];
    case DType::u16:
      return static_cast<const uint16_t*>(p.labels)[row];
    case DType::i16:
      return static_cast<const int16_t*>(p.labels)[row];
    case DType::u32:
      return static_cast<const uint32_t*>(p.labels)[row];
    case DType::i32:
      return static_cast<const int32_t*>(p.labels)[row];
    default:  // u64 beyond 2^63 becomes negative, which is out of range as well
      return static_cast<const int64_t*>(p.labels)[row];
  }
}

namespace {

/// Rows that take about 10 microseconds together, at half a nanosecond an element.
int64_t grain(int64_t columns) { return std::max<int64_t>(1, 20000 / (columns + 20)); }

/// The least of the rows that several threads report.
class FirstRow {
 public:
  void report(int64_t row) {
    int64_t seen = first_.load(std::memory_order_relaxed);
    while ((seen < 0 || row < seen) && !first_.compare_exchange_weak(seen, row)) {
    }
  }
  int64_t get() const { return first_.load(); }

 private:
  std::atomic<int64_t> first_{-1};
};

struct Row {
  int64_t label;
  bool ignored, valid;
};
Row row_of(const CrossEntropyRows& p, int64_t row) {
  const int64_t label = label_at(p, row);
  const bool ignored = p.ignores && label == p.ignored;
  return {label, ignored, !ignored && label >= 0 && label < p.columns};
}

/// sum_c q[c] x[c].
double said(const CrossEntropyRows& p, const float* x, int64_t label) {
  double sum = p.smoothing == 1 ? 0 : (1 - p.smoothing) * static_cast<double>(x[label]);
  if (p.smoothing != 0) {
    const auto n = static_cast<size_t>(p.columns);
    sum += p.smoothing / static_cast<double>(p.columns) * HWY_DYNAMIC_DISPATCH(total_row)(x, n);
  }
  return sum;
}

/// gradient = (p - q) g, from `scale` * exponentials p; zeros for rows without a say.
void gradient_row(const CrossEntropyRows& p, const Row& row, float scale, float g,
                  float* gradient) {
  const auto n = static_cast<size_t>(p.columns);
  if (row.ignored) {
    std::fill_n(gradient, n, 0.f);
    return;
  }
  const auto even = static_cast<float>(p.smoothing / static_cast<double>(p.columns));
  HWY_DYNAMIC_DISPATCH(affine_row)(gradient, n, scale * g, -even * g, gradient);
  if (row.valid) gradient[row.label] -= static_cast<float>(1 - p.smoothing) * g;
}

}  // namespace

void softmax_rows(const float* x, float* y, int64_t rows, int64_t columns) noexcept {
  const auto row = HWY_DYNAMIC_DISPATCH(softmax_row);
  parallel_for(rows, grain(columns), [&](int64_t begin, int64_t end) {
    for (int64_t r = begin; r < end; ++r) {
      row(x + r * columns, y + r * columns, static_cast<size_t>(columns));
    }
  });
}

void log_softmax_rows(const float* x, float* y, int64_t rows, int64_t columns) noexcept {
  const auto row = HWY_DYNAMIC_DISPATCH(log_softmax_row);
  parallel_for(rows, grain(columns), [&](int64_t begin, int64_t end) {
    for (int64_t r = begin; r < end; ++r) {
      row(x + r * columns, y + r * columns, static_cast<size_t>(columns));
    }
  });
}

void logsumexp_rows(const float* x, float* result, int64_t rows, int64_t columns) noexcept {
  const auto row = HWY_DYNAMIC_DISPATCH(exp_row);
  parallel_for(rows, grain(columns), [&](int64_t begin, int64_t end) {
    for (int64_t r = begin; r < end; ++r) {
      const RowSum sum = row(x + r * columns, nullptr, static_cast<size_t>(columns));
      result[r] = static_cast<float>(sum.log_sum_exp());
    }
  });
}

int64_t cross_entropy_rows(const CrossEntropyRows& p, float* losses, float* logsumexp) noexcept {
  const auto exp_of = HWY_DYNAMIC_DISPATCH(exp_row);
  FirstRow wrong;
  parallel_for(p.rows, grain(p.columns), [&](int64_t begin, int64_t end) {
    for (int64_t r = begin; r < end; ++r) {
      const float* x = p.logits + r * p.columns;
      const Row row = row_of(p, r);
      const double norm = exp_of(x, nullptr, static_cast<size_t>(p.columns)).log_sum_exp();
      if (logsumexp != nullptr) logsumexp[r] = static_cast<float>(norm);
      if (!row.ignored && !row.valid) wrong.report(r);
      if (losses != nullptr) {
        losses[r] = row.valid ? static_cast<float>(norm - said(p, x, row.label)) : 0.f;
      }
    }
  });
  return wrong.get();
}

void cross_entropy_gradient_rows(const CrossEntropyRows& p, const float* logsumexp, RowGradients g,
                                 float* gradient) noexcept {
  const auto exp_of = HWY_DYNAMIC_DISPATCH(shifted_exp_row);
  parallel_for(p.rows, grain(p.columns), [&](int64_t begin, int64_t end) {
    for (int64_t r = begin; r < end; ++r) {
      float* out = gradient + r * p.columns;
      exp_of(p.logits + r * p.columns, static_cast<size_t>(p.columns), logsumexp[r], out);
      gradient_row(p, row_of(p, r), 1, g.values[r * g.step], out);
    }
  });
}

int64_t cross_entropy_with_gradient_rows(const CrossEntropyRows& p, RowGradients g, float* losses,
                                         float* logsumexp, float* gradient) noexcept {
  const auto exp_of = HWY_DYNAMIC_DISPATCH(exp_row);
  FirstRow wrong;
  parallel_for(p.rows, grain(p.columns), [&](int64_t begin, int64_t end) {
    for (int64_t r = begin; r < end; ++r) {
      const float* x = p.logits + r * p.columns;
      float* out = gradient + r * p.columns;
      const Row row = row_of(p, r);
      const double target = row.valid ? said(p, x, row.label) : 0;
      const RowSum sum = exp_of(x, out, static_cast<size_t>(p.columns));  // out may be x
      const double norm = sum.log_sum_exp();
      if (!row.ignored && !row.valid) wrong.report(r);
      if (losses != nullptr) losses[r] = row.valid ? static_cast<float>(norm - target) : 0.f;
      if (logsumexp != nullptr) logsumexp[r] = static_cast<float>(norm);
      gradient_row(p, row, static_cast<float>(1 / sum.sum), g.values[r * g.step], out);
    }
  });
  return wrong.get();
}

}  // namespace varve::cpu
#endif
