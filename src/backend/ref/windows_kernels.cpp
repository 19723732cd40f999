// Adding windows back: each element sums those of all windows that it lies in.
#include "backend/ref/families.h"
#include "backend/ref/loops.h"

namespace varve::backend::ref {
namespace {

struct Problem {
  Layout x, y;  // windows, sums
  ir::Ints axes, window, strides, dilation;

  /// The sum over the windows' elements from axis i on, where x is at offset `at`; index: of the
  /// element of y.
  template <class T>
  double sum(size_t i, const int64_t* index, const T* x_at) const {
    if (i == axes.size()) return static_cast<double>(*x_at);
    const auto axis = static_cast<size_t>(axes[i]);
    const size_t tap_axis = y.strides.size() + i;
    double total = 0;
    for (int64_t t = 0; t < window[i]; ++t) {
      const int64_t from = index[axis] - t * dilation[i];
      if (from < 0) break;
      const int64_t position = from / strides[i];
      if (from % strides[i] != 0 || position >= x.shape.dims()[axis]) continue;
      total += sum(i + 1, index, x_at + position * x.strides[axis] + t * x.strides[tap_axis]);
    }
    return total;
  }
};

Offer prepare_overlap_add(const Request& r) {
  const Problem p{r.inputs[0],
                  r.outputs[0],
                  r.attributes.ints("axes"),
                  r.attributes.ints("window"),
                  r.attributes.ints("strides"),
                  r.attributes.ints("dilation")};
  ir::Strides beside(r.inputs[0].strides.begin(), r.inputs[0].strides.begin() + p.y.shape.rank());
  for (int64_t axis : p.axes) beside[static_cast<size_t>(axis)] = 0;
  return kernel([p, beside](const Arguments& a) {
    ir::dispatch(p.x.dtype, [&]<class T>(T) {
      const size_t rank = p.y.strides.size();
      Counters index(rank);
      for_each_element(p.y.shape, {&p.y.strides, &beside}, [&](const int64_t* at) {
        out<T>(a)[at[0]] = convert<T>(p.sum(0, index.data(), in<T>(a, 0) + at[1]));
        for (size_t i = rank; i-- > 0;) {
          if (++index[i] < p.y.shape.dims()[i]) break;
          index[i] = 0;
        }
      });
    });
  });
}

}  // namespace

std::vector<KernelRow> windows_kernels() {
  return {{"overlap_add", "ref overlap_add", prepare_overlap_add}};
}

}  // namespace varve::backend::ref
