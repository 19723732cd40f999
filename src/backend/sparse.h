// Products with sparse matrices: entries of a row in order, sums in a type of the kernel's choice.
// Rows (transposed: columns of the dense matrix) are shared out among threads, so that no result
// depends on how many there are.
#pragma once
#include <algorithm>
#include <string_view>
#include <vector>

#include "backend/kernel.h"
#include "base/convert.h"
#include "base/math.h"
#include "base/threads.h"

namespace varve::backend {

/// Calls f(first, last) for the entries of a row; faults are noted, and what lies outside left out.
class SparsePattern {
 public:
  SparsePattern(const Layout& columns, const Layout& starts, int64_t width)
      : entries_(columns.shape.size()),
        rows_(starts.shape.size() - 1),
        width_(width),
        column_step_(columns.strides[0]),
        start_step_(starts.strides[0]) {}
  int64_t rows() const { return rows_; }
  int64_t entries() const { return entries_; }

  /// Whether everything is within its range; the first fault is noted.
  bool valid(const Arguments& a) const {
    const auto* c = static_cast<const int64_t*>(a.inputs[2]);
    const auto* s = static_cast<const int64_t*>(a.inputs[3]);
    int64_t least = 0;
    for (int64_t r = 0; r <= rows_; ++r) {
      const int64_t start = s[r * start_step_];
      if (start < least || start > entries_) {
        a.fault->note(3, r, start, least, entries_);
        return false;
      }
      least = start;
    }
    for (int64_t k = 0; k < entries_; ++k) {
      const int64_t column = c[k * column_step_];
      if (column < 0 || column >= width_) {
        a.fault->note(2, k, column, 0, width_ - 1);
        return false;
      }
    }
    return true;
  }
  int64_t start(const Arguments& a, int64_t row) const {
    return static_cast<const int64_t*>(a.inputs[3])[row * start_step_];
  }
  int64_t column(const Arguments& a, int64_t entry) const {
    return static_cast<const int64_t*>(a.inputs[2])[entry * column_step_];
  }

 private:
  int64_t entries_, rows_, width_, column_step_, start_step_;
};

/// E: elements; T: what is summed in.
template <class E, class T>
class SparseProduct final : public Kernel {
 public:
  explicit SparseProduct(const Request& r)
      : pattern_(r.inputs[2], r.inputs[3], r.attributes.integer("width")),
        transpose_(r.attributes.flag("transpose")),
        threads_(r.threads),
        features_(r.outputs[0].shape[1]),
        out_rows_(r.outputs[0].shape[0]),
        value_step_(r.inputs[0].strides[0]),
        from_(r.inputs[1].strides),
        to_(r.outputs[0].strides) {}

  void run(const Arguments& a) const noexcept override {
    if (!pattern_.valid(a)) return;
    const int64_t work = std::max<int64_t>(pattern_.entries() * features_, 1);
    constexpr int64_t kPart = 1 << 15;
    if (transpose_) {
      const int64_t grain = std::max<int64_t>(8, kPart * features_ / work);
      parallel_for(features_, grain, threads_,
                   [&](int64_t f, int64_t last) { scatter(a, f, last); });
    } else {
      const int64_t grain = std::max<int64_t>(1, kPart * pattern_.rows() / work);
      parallel_for(pattern_.rows(), grain, threads_,
                   [&](int64_t r, int64_t last) { gather(a, r, last); });
    }
  }

 private:
  T value(const Arguments& a, int64_t k) const {
    return static_cast<T>(static_cast<const E*>(a.inputs[0])[k * value_step_]);
  }
  void gather(const Arguments& a, int64_t row, int64_t last) const {
    const E* x = static_cast<const E*>(a.inputs[1]);
    E* y = static_cast<E*>(a.outputs[0]);
    constexpr int64_t kWidth = 64;
    T sums[kWidth];
    for (; row < last; ++row) {
      for (int64_t f = 0; f < features_; f += kWidth) {
        const int64_t n = std::min(kWidth, features_ - f);
        std::fill(sums, sums + n, T{0});
        for (int64_t k = pattern_.start(a, row); k < pattern_.start(a, row + 1); ++k) {
          const E* from = x + pattern_.column(a, k) * from_[0] + f * from_[1];
          const T v = value(a, k);
          for (int64_t i = 0; i < n; ++i) sums[i] += v * static_cast<T>(from[i * from_[1]]);
        }
        for (int64_t i = 0; i < n; ++i) y[row * to_[0] + (f + i) * to_[1]] = convert<E>(sums[i]);
      }
    }
  }
  void scatter(const Arguments& a, int64_t feature, int64_t last) const {
    const E* x = static_cast<const E*>(a.inputs[1]);
    E* y = static_cast<E*>(a.outputs[0]);
    const int64_t n = last - feature;
    std::vector<T> sums(static_cast<size_t>(out_rows_ * n), T{0});
    for (int64_t row = 0; row < pattern_.rows(); ++row) {
      const E* from = x + row * from_[0] + feature * from_[1];
      for (int64_t k = pattern_.start(a, row); k < pattern_.start(a, row + 1); ++k) {
        T* to = sums.data() + pattern_.column(a, k) * n;
        const T v = value(a, k);
        for (int64_t i = 0; i < n; ++i) to[i] += v * static_cast<T>(from[i * from_[1]]);
      }
    }
    for (int64_t r = 0; r < out_rows_; ++r) {
      for (int64_t i = 0; i < n; ++i)
        y[r * to_[0] + (feature + i) * to_[1]] = convert<E>(sums[static_cast<size_t>(r * n + i)]);
    }
  }

  SparsePattern pattern_;
  bool transpose_;
  int threads_;
  int64_t features_, out_rows_, value_step_;
  ir::Strides from_, to_;
};

template <class E, class T>
class SampledProduct final : public Kernel {
 public:
  explicit SampledProduct(const Request& r)
      : pattern_(r.inputs[2], r.inputs[3], r.inputs[1].shape[0]),
        threads_(r.threads),
        features_(r.inputs[0].shape[1]),
        p_(r.inputs[0].strides),
        q_(r.inputs[1].strides),
        to_(r.outputs[0].strides[0]) {}

  void run(const Arguments& a) const noexcept override {
    if (!pattern_.valid(a)) return;
    const E *p = static_cast<const E*>(a.inputs[0]), *q = static_cast<const E*>(a.inputs[1]);
    E* y = static_cast<E*>(a.outputs[0]);
    // Entries before the first row's and behind the last one's belong to none.
    const int64_t first = pattern_.start(a, 0), end = pattern_.start(a, pattern_.rows());
    for (int64_t k = 0; k < pattern_.entries(); ++k) {
      if (k < first || k >= end) y[k * to_] = convert<E>(T{0});
    }
    constexpr int64_t kPart = 1 << 15;
    const int64_t work = std::max<int64_t>(pattern_.entries() * features_, 1);
    const int64_t grain = std::max<int64_t>(1, kPart * pattern_.rows() / work);
    parallel_for(pattern_.rows(), grain, threads_, [&](int64_t row, int64_t last) {
      for (; row < last; ++row) {
        for (int64_t k = pattern_.start(a, row); k < pattern_.start(a, row + 1); ++k) {
          const E *x = p + row * p_[0], *z = q + pattern_.column(a, k) * q_[0];
          T sum = 0;
          for (int64_t f = 0; f < features_; ++f)
            sum += static_cast<T>(x[f * p_[1]]) * static_cast<T>(z[f * q_[1]]);
          y[k * to_] = convert<E>(sum);
        }
      }
    });
  }

 private:
  SparsePattern pattern_;
  int threads_;
  int64_t features_;
  ir::Strides p_, q_;
  int64_t to_;
};

}  // namespace varve::backend
