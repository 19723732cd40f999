// Means and variances of f32 over the last axes (rows) or the first ones (columns), summed in
// double: equal numbers have exactly that mean, and no variance.
#include <algorithm>

#include "backend/cpu/kernels.h"
#include "backend/cpu/simd_moments.h"
#include "base/math.h"
#include "base/threads.h"

namespace varve::backend::cpu {
namespace {

using varve::cpu::Moments;

// Parts have fixed sizes, whatever the threads: the same bits.
constexpr int64_t kRun = int64_t{1} << 16, kGrain = int64_t{1} << 15;
/// Columns that are a piece of work together.
constexpr int64_t kColumns = 1024;

struct Results {
  float *mean, *variance;  // variance: may be null
  void set(int64_t i, const Moments& m) const {
    mean[i] = static_cast<float>(m.sum / m.count);
    if (variance != nullptr) variance[i] = static_cast<float>(m.squares / m.count);
  }
};

/// [rows, columns] over the columns.
class OfRows final : public Kernel {
 public:
  OfRows(int64_t rows, int64_t columns, bool squares, int threads)
      : rows_(rows), columns_(columns), squares_(squares), threads_(threads) {}
  int64_t scratch_bytes() const override {
    return parts() == 1 ? 0 : rows_ * parts() * static_cast<int64_t>(sizeof(Moments));
  }
  void run(const Arguments& a) const noexcept override {
    const auto* x = static_cast<const float*>(a.inputs[0]);
    const Results results{static_cast<float*>(a.outputs[0]),
                          squares_ ? static_cast<float*>(a.outputs[1]) : nullptr};
    const int64_t n = parts(), least = std::max<int64_t>(1, kGrain / std::min(columns_, kRun));
    if (n == 1) {
      parallel_for(rows_, least, threads_, [&](int64_t begin, int64_t end) {
        for (int64_t r = begin; r < end; ++r) {
          results.set(r, part(x + r * columns_, columns_));
        }
      });
      return;
    }
    auto* moments = reinterpret_cast<Moments*>(a.scratch);
    parallel_for(rows_ * n, least, threads_, [&](int64_t begin, int64_t end) {
      for (int64_t p = begin; p < end; ++p) {
        const int64_t first = p % n * kRun;
        moments[p] = part(x + p / n * columns_ + first, std::min(kRun, columns_ - first));
      }
    });
    for (int64_t r = 0; r < rows_; ++r) {
      Moments all;
      for (int64_t p = 0; p < n; ++p) all = merged(all, moments[r * n + p]);
      results.set(r, all);
    }
  }

 private:
  int64_t parts() const { return ceil_div(columns_, kRun); }
  Moments part(const float* x, int64_t n) const {
    if (squares_) return varve::cpu::run_moments(x, n);
    return {static_cast<double>(n), varve::cpu::run_sum(x, n), 0};
  }
  int64_t rows_, columns_;
  bool squares_;
  int threads_;
};

/// [rows, columns] over the rows.
class OfColumns final : public Kernel {
 public:
  OfColumns(int64_t rows, int64_t columns, bool squares, int threads)
      : rows_(rows),
        columns_(columns),
        part_(std::min(rows, round_up(ceil_div(kRun, columns), int64_t{64}))),
        squares_(squares),
        threads_(threads) {}
  int64_t scratch_bytes() const override {
    return (squares_ ? 2 : 1) * parts() * columns_ * static_cast<int64_t>(sizeof(double));
  }
  void run(const Arguments& a) const noexcept override {
    const auto* x = static_cast<const float*>(a.inputs[0]);
    auto* sums = reinterpret_cast<double*>(a.scratch);
    auto* squares = squares_ ? sums + parts() * columns_ : nullptr;
    const int64_t panels = ceil_div(columns_, kColumns);
    const int64_t piece = part_ * std::min(columns_, kColumns);
    parallel_for(parts() * panels, kGrain / piece, threads_, [&](int64_t begin, int64_t end) {
      for (int64_t i = begin; i < end; ++i) {
        const int64_t p = i / panels, c = i % panels * kColumns;
        varve::cpu::column_moments(
            {x + p * part_ * columns_, rows_of(p), columns_, c, std::min(columns_, c + kColumns)},
            sums + p * columns_, squares_ ? squares + p * columns_ : nullptr);
      }
    });
    const Results results{static_cast<float*>(a.outputs[0]),
                          squares_ ? static_cast<float*>(a.outputs[1]) : nullptr};
    parallel_for(columns_, std::max<int64_t>(64, kGrain / 8 / parts()), threads_,
                 [&](int64_t begin, int64_t end) {
                   for (int64_t c = begin; c < end; ++c) {
                     Moments all;
                     for (int64_t p = 0; p < parts(); ++p) {
                       const int64_t at = p * columns_ + c;
                       all = merged(all, {static_cast<double>(rows_of(p)), sums[at],
                                          squares_ ? squares[at] : 0});
                     }
                     results.set(c, all);
                   }
                 });
  }

 private:
  int64_t parts() const { return ceil_div(rows_, part_); }
  int64_t rows_of(int64_t part) const { return std::min(part_, rows_ - part * part_); }
  int64_t rows_, columns_, part_;
  bool squares_;
  int threads_;
};

Offer prepare(const Request& r) {
  if (std::string why = not_packed_or_empty(r); !why.empty()) return Offer::decline(why);
  if (r.inputs[0].dtype != f32) return Offer::decline("takes f32");
  const Shape& shape = r.inputs[0].shape;
  const ir::Ints& axes = r.attributes.ints("axes");
  const auto reduced = static_cast<int>(axes.size());
  if (reduced == 0) return Offer::decline("nothing to reduce");
  // Axes are sorted: they are the last ones or the first ones where they begin or end so.
  const bool last = axes.front() == shape.rank() - reduced;
  if (!last && axes.back() != reduced - 1) return Offer::decline("axes in the middle");
  int64_t before = 1;
  for (int i = 0; i < (last ? shape.rank() - reduced : reduced); ++i) before *= shape[i];
  const int64_t behind = shape.size() / before;
  const bool squares = r.outputs.size() > 1;
  if (last) return Offer(std::make_unique<OfRows>(before, behind, squares, r.threads));
  if (behind == 1)
    return Offer(std::make_unique<OfRows>(1, before, squares, r.threads));  // lies in one run
  return Offer(std::make_unique<OfColumns>(before, behind, squares, r.threads));
}

}  // namespace

std::vector<KernelRow> moment_kernels() {
  return {{"mean", "cpu mean", prepare}, {"moments", "cpu moments", prepare}};
}

}  // namespace varve::backend::cpu
