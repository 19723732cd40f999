// Means and variances of f32 and bf16 over the last axes (rows) or the first ones (columns), summed
// in double: equal numbers have exactly that mean, and no variance.
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
template <class T>
class OfRows final : public Kernel {
 public:
  OfRows(int64_t rows, int64_t columns, bool squares, int threads)
      : rows_(rows), columns_(columns), squares_(squares), threads_(threads) {}
  int64_t scratch_bytes() const override {
    return parts() == 1 ? 0 : rows_ * parts() * static_cast<int64_t>(sizeof(Moments));
  }
  void run(const Arguments& a) const noexcept override {
    const auto* x = static_cast<const T*>(a.inputs[0]);
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
  Moments part(const T* x, int64_t n) const {
    if (squares_) return varve::cpu::run_moments(x, n);
    return {static_cast<double>(n), varve::cpu::run_sum(x, n), 0};
  }
  int64_t rows_, columns_;
  bool squares_;
  int threads_;
};

/// A tensor's axes in runs that are kept or reduced together: [outer, rows, kept, inner].
struct Runs {
  int64_t outer = 1, rows = 1, kept = 1, inner = 1;
  int64_t columns() const { return kept * inner; }
};

/// Over the rows and the inner axis: columns are added up over the rows, and of their moments
/// those of an inner axis are put together.
template <class T>
class OfColumns final : public Kernel {
 public:
  OfColumns(const Runs& runs, bool squares, int threads)
      : runs_(runs),
        part_(std::min(runs.rows, round_up(ceil_div(kRun, runs.columns()), int64_t{64}))),
        squares_(squares),
        threads_(threads) {}
  int64_t scratch_bytes() const override {
    return (squares_ ? 2 : 1) * columns_of_parts() * static_cast<int64_t>(sizeof(double));
  }
  void run(const Arguments& a) const noexcept override {
    const auto* x = static_cast<const T*>(a.inputs[0]);
    auto* sums = reinterpret_cast<double*>(a.scratch);
    auto* squares = squares_ ? sums + columns_of_parts() : nullptr;
    const int64_t columns = runs_.columns(), panels = ceil_div(columns, kColumns);
    const int64_t piece = part_ * std::min(columns, kColumns);
    parallel_for(
        runs_.outer * parts() * panels, std::max<int64_t>(1, kGrain / piece), threads_,
        [&](int64_t begin, int64_t end) {
          for (int64_t i = begin; i < end; ++i) {
            const int64_t at = i / panels, c = i % panels * kColumns;  // at: of a part
            const int64_t p = at % parts(), row = at / parts() * runs_.rows + p * part_;
            varve::cpu::column_moments<T>(
                {x + row * columns, rows_of(p), columns, c, std::min(columns, c + kColumns)},
                sums + at * columns, squares_ ? squares + at * columns : nullptr);
          }
        });
    const Results results{static_cast<float*>(a.outputs[0]),
                          squares_ ? static_cast<float*>(a.outputs[1]) : nullptr};
    const int64_t least = std::max<int64_t>(64, kGrain / 8 / (parts() * runs_.inner));
    parallel_for(runs_.outer * runs_.kept, least, threads_, [&](int64_t begin, int64_t end) {
      for (int64_t i = begin; i < end; ++i) results.set(i, together(i, sums, squares));
    });
  }

 private:
  int64_t parts() const { return ceil_div(runs_.rows, part_); }
  int64_t rows_of(int64_t part) const { return std::min(part_, runs_.rows - part * part_); }
  int64_t columns_of_parts() const { return runs_.outer * parts() * runs_.columns(); }
  /// What the parts have of result i.
  Moments together(int64_t i, const double* sums, const double* squares) const {
    Moments all;
    for (int64_t p = 0; p < parts(); ++p) {
      const int64_t part = i / runs_.kept * parts() + p;
      const int64_t first = part * runs_.columns() + i % runs_.kept * runs_.inner;
      for (int64_t at = first; at < first + runs_.inner; ++at) {
        all = merged(all, {static_cast<double>(rows_of(p)), sums[at], squares_ ? squares[at] : 0});
      }
    }
    return all;
  }
  Runs runs_;
  int64_t part_;
  bool squares_;
  int threads_;
};

/// Nothing where kept and reduced axes take more turns; axes of size 1 belong to any run.
std::optional<Runs> runs_of(const Shape& shape, const ir::Ints& axes) {
  Runs runs;
  int64_t* const in_order[] = {&runs.outer, &runs.rows, &runs.kept, &runs.inner};
  size_t run = 0;
  for (int i = 0; i < shape.rank(); ++i) {
    if (shape[i] == 1) continue;
    const size_t reduced = std::find(axes.begin(), axes.end(), i) == axes.end() ? 0 : 1;
    if (run % 2 != reduced) ++run;
    if (run == std::size(in_order)) return std::nullopt;
    *in_order[run] *= shape[i];
  }
  return runs;
}

template <class T>
Offer prepare_of(const Request& r) {
  const ir::Ints& axes = r.attributes.ints("axes");
  if (axes.empty()) return Offer::decline("nothing to reduce");
  const auto runs = runs_of(r.inputs[0].shape, axes);
  if (!runs) return Offer::decline("kept axes behind, between and before reduced ones");
  const bool squares = r.outputs.size() > 1;
  if (runs->columns() == 1) {
    return Offer(std::make_unique<OfRows<T>>(runs->outer, runs->rows, squares, r.threads));
  }
  return Offer(std::make_unique<OfColumns<T>>(*runs, squares, r.threads));
}

Offer prepare(const Request& r) {
  if (std::string why = not_packed_or_empty(r); !why.empty()) return Offer::decline(why);
  if (r.outputs[0].dtype != f32) return Offer::decline("makes f32");
  if (r.inputs[0].dtype == f32) return prepare_of<float>(r);
  return r.inputs[0].dtype == bf16 ? prepare_of<BFloat16>(r) : Offer::decline("takes f32 and bf16");
}

}  // namespace

std::vector<KernelRow> moment_kernels() {
  return {{"mean", "cpu mean", prepare}, {"moments", "cpu moments", prepare}};
}

}  // namespace varve::backend::cpu
