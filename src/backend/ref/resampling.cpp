// Resampling along one axis by the plain sums of its taps.
#include <memory>
#include <string_view>

#include "backend/ref/families.h"
#include "backend/ref/loops.h"
#include "ops/resampling_taps.h"

namespace varve::backend::ref {
namespace {

template <class T>
void resample(const ops::Taps& taps, const Layout& y, const ir::Strides& x, int64_t step,
              const ir::Strides& row, const T* from, T* to) {
  for_each_element(y.shape, {&y.strides, &x, &row}, [&](const int64_t* at) {
    const auto r = static_cast<size_t>(at[2]);
    double sum = 0;
    for (int64_t t = taps.begin[r]; t < taps.begin[r + 1]; ++t) {
      const auto k = static_cast<size_t>(t);
      sum += taps.weight[k] * static_cast<double>(from[at[1] + taps.index[k] * step]);
    }
    to[at[0]] = convert<T>(sum);
  });
}

/// Rows that copy one element, of any type; none where there is no tap.
template <class T>
void choose(const ops::Taps& taps, const Layout& y, const ir::Strides& x, int64_t step,
            const ir::Strides& row, const T* from, T* to) {
  for_each_element(y.shape, {&y.strides, &x, &row}, [&](const int64_t* at) {
    const auto r = static_cast<size_t>(at[2]);
    const int64_t t = taps.begin[r];
    to[at[0]] =
        t == taps.begin[r + 1] ? T{} : from[at[1] + taps.index[static_cast<size_t>(t)] * step];
  });
}

Offer prepare(const Request& r) {
  const Layout x = r.inputs[0], y = r.outputs[0];
  if (y.shape.size() == 0) return kernel([](const Arguments&) {});
  const auto axis = static_cast<size_t>(r.attributes.integer("axis"));
  const bool back = r.op.name == std::string_view("resample_transpose");
  ops::Taps taps =
      ops::resampling_taps(r.attributes, back ? y.shape.dims()[axis] : x.shape.dims()[axis]);
  if (back) taps = ops::transposed(taps, y.shape.dims()[axis]);
  ir::Strides beside = x.strides, row(x.strides.size(), 0);
  beside[axis] = 0;
  row[axis] = 1;
  const bool copies = !back && r.attributes.get<std::string>("method") == "nearest";
  return kernel([=, step = x.strides[axis]](const Arguments& a) {
    if (copies) {
      dispatch_word(
          x.dtype, [&]<class T>(T) { choose(taps, y, beside, step, row, in<T>(a, 0), out<T>(a)); });
      return;
    }
    ir::dispatch(x.dtype,
                 [&]<class T>(T) { resample(taps, y, beside, step, row, in<T>(a, 0), out<T>(a)); });
  });
}

}  // namespace

std::vector<KernelRow> resampling_kernels() {
  return {{"resample", "ref resample", prepare},
          {"resample_transpose", "ref resample_transpose", prepare}};
}

}  // namespace varve::backend::ref
