// Ops that move elements, in plain loops over words of their size.
#include <algorithm>

#include "backend/ref/families.h"
#include "backend/ref/loops.h"
#include "base/math.h"

namespace varve::backend::ref {
namespace {

template <class T>
void fill(const Shape& shape, const ir::Strides& strides, T* y, T value) {
  for_each_element(shape, {&strides}, [&](const int64_t* at) { y[at[0]] = value; });
}

/// Copies shape's elements between two strided places.
template <class T>
void copy(const Shape& shape, const ir::Strides& from, const T* x, const ir::Strides& to, T* y) {
  for_each_element(shape, {&from, &to}, [&](const int64_t* at) { y[at[1]] = x[at[0]]; });
}

Offer prepare_pad(const Request& r) {
  const ir::Ints &low = r.attributes.ints("low"), &interior = r.attributes.ints("interior");
  const Layout &x = r.inputs[0], &y = r.outputs[0];
  const size_t rank = low.size();
  // The elements that are not cut off: first .. first + kept - 1 of each axis.
  ir::Strides to(rank);
  std::vector<int64_t> kept(rank);
  int64_t from_offset = 0, to_offset = 0;
  for (size_t i = 0; i < rank; ++i) {
    const int64_t step = interior[i] + 1, n = x.shape.dims()[i], room = y.shape.dims()[i];
    const int64_t first = low[i] < 0 ? ceil_div(-low[i], step) : 0;
    const int64_t last = room - 1 - low[i] < 0 ? -1 : std::min(n - 1, (room - 1 - low[i]) / step);
    kept[i] = std::max<int64_t>(0, last - first + 1);
    from_offset += first * x.strides[i];
    to_offset += (low[i] + first * step) * y.strides[i];
    to[i] = step * y.strides[i];
  }
  const Shape inside(std::move(kept)), whole = y.shape;
  const ir::Strides from = x.strides, all = y.strides;
  return kernel([=, dtype = x.dtype](const Arguments& a) {
    dispatch_word(dtype, [&]<class T>(T) {
      fill(whole, all, out<T>(a), *in<T>(a, 1));
      if (inside.size()) copy(inside, from, in<T>(a, 0) + from_offset, to, out<T>(a) + to_offset);
    });
  });
}

Offer prepare_concat(const Request& r) {
  const auto axis = static_cast<size_t>(r.attributes.integer("axis"));
  std::vector<Layout> parts(r.inputs.begin(), r.inputs.end());
  const ir::Strides to = r.outputs[0].strides;
  return kernel([=, dtype = r.outputs[0].dtype](const Arguments& a) {
    dispatch_word(dtype, [&]<class T>(T) {
      T* y = out<T>(a);
      for (size_t k = 0; k < parts.size(); ++k) {
        copy(parts[k].shape, parts[k].strides, in<T>(a, k), to, y);
        y += parts[k].shape.dims()[axis] * to[axis];
      }
    });
  });
}

Offer prepare_arange(const Request& r) {
  const int64_t start = r.attributes.integer("start"), step = r.attributes.integer("step");
  const int64_t size = r.outputs[0].shape.size();
  const int64_t stride = r.outputs[0].strides[0];
  return kernel([=, dtype = r.outputs[0].dtype](const Arguments& a) {
    ir::dispatch(dtype, [&]<class T>(T) {
      for (int64_t i = 0; i < size; ++i) out<T>(a)[i * stride] = convert<T>(start + i * step);
    });
  });
}

}  // namespace

std::vector<KernelRow> shape_kernels() {
  return {{"pad", "ref pad", prepare_pad},
          {"concat", "ref concat", prepare_concat},
          {"arange", "ref arange", prepare_arange}};
}

}  // namespace varve::backend::ref
