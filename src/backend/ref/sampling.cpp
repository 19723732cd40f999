// Weighted sums of rows as plain loops.
#include "backend/ref/families.h"
#include "backend/ref/loops.h"

namespace varve::backend::ref {
namespace {

struct Problem {
  Layout first, indices, last, y;

  /// Calls f(r, k, row) for every index that is not negative; false after a fault.
  template <class F>
  bool each(const Arguments& a, int64_t rows, F f) const {
    return ir::dispatch(indices.dtype, [&]<class I>(I) -> bool {
      if constexpr (std::is_integral_v<I> && !std::is_same_v<I, bool>) {
        const int64_t count = indices.shape[0], width = indices.shape[1];
        for (int64_t r = 0; r < count; ++r) {
          for (int64_t k = 0; k < width; ++k) {
            const I v = in<I>(a, 1)[r * indices.strides[0] + k * indices.strides[1]];
            if (v < I{}) continue;
            if (static_cast<uint64_t>(v) >= static_cast<uint64_t>(rows)) {
              a.fault->note(1, r * width + k, static_cast<int64_t>(v), 0, rows - 1);
              return false;
            }
            f(r, k, static_cast<int64_t>(v));
          }
        }
      }
      return true;
    });
  }
};

template <class T>
double value(const Arguments& a, size_t i, const Layout& l, int64_t row, int64_t column) {
  return static_cast<double>(in<T>(a, i)[row * l.strides[0] + column * l.strides[1]]);
}

template <class T>
void write(const Arguments& a, const Layout& y, const std::vector<double>& sums) {
  size_t n = 0;
  for_each_element(y.shape, {&y.strides},
                   [&](const int64_t* at) { out<T>(a)[at[0]] = convert<T>(sums[n++]); });
}

/// Sums into a whole float64 copy of the output: f(sums, r, k, row).
template <class F>
Offer summed(const Request& r, bool of_output, F f) {
  const Problem p{r.inputs[0], r.inputs[1], r.inputs[2], r.outputs[0]};
  return kernel([p, of_output, f](const Arguments& a) {
    ir::dispatch(p.y.dtype, [&]<class T>(T v) {
      std::vector<double> sums(static_cast<size_t>(p.y.shape.size()), 0);
      const int64_t rows = of_output ? p.y.shape[0] : p.first.shape[0];
      const bool fine =
          p.each(a, rows, [&](int64_t i, int64_t k, int64_t row) { f(v, p, a, sums, i, k, row); });
      if (fine) write<T>(a, p.y, sums);
    });
  });
}

Offer prepare_gather_sum(const Request& r) {
  return summed(r, false,
                []<class T>(T, const Problem& p, const Arguments& a, auto& sums, int64_t i,
                            int64_t k, int64_t row) {
                  const int64_t channels = p.y.shape[1];
                  const double w = value<T>(a, 2, p.last, i, k);
                  for (int64_t c = 0; c < channels; ++c)
                    sums[static_cast<size_t>(i * channels + c)] +=
                        w * value<T>(a, 0, p.first, row, c);
                });
}
Offer prepare_scatter_sum(const Request& r) {
  return summed(r, true,
                []<class T>(T, const Problem& p, const Arguments& a, auto& sums, int64_t i,
                            int64_t k, int64_t row) {
                  const int64_t channels = p.y.shape[1];
                  const double w = value<T>(a, 2, p.last, i, k);
                  for (int64_t c = 0; c < channels; ++c)
                    sums[static_cast<size_t>(row * channels + c)] +=
                        w * value<T>(a, 0, p.first, i, c);
                });
}
Offer prepare_gather_dot(const Request& r) {
  return summed(r, false,
                []<class T>(T, const Problem& p, const Arguments& a, auto& sums, int64_t i,
                            int64_t k, int64_t row) {
                  double& sum = sums[static_cast<size_t>(i * p.y.shape[1] + k)];
                  for (int64_t c = 0; c < p.first.shape[1]; ++c)
                    sum += value<T>(a, 0, p.first, row, c) * value<T>(a, 2, p.last, i, c);
                });
}

}  // namespace

std::vector<KernelRow> sampling_kernels() {
  return {{"gather_sum", "ref gather_sum", prepare_gather_sum},
          {"scatter_sum", "ref scatter_sum", prepare_scatter_sum},
          {"gather_dot", "ref gather_dot", prepare_gather_dot}};
}

}  // namespace varve::backend::ref
