// Elementwise ops by their scalar functions; floats are computed in double and rounded once.
#include "base/pointwise.h"

#include <cmath>

#include "backend/ref/families.h"
#include "backend/ref/loops.h"

namespace varve::backend::ref {
namespace {

/// The type an element is computed in: floats in double, unsigned 64 bits in themselves, the other
/// integers in i64, where they wrap back to their width when stored.
template <class T>
using Compute =
    std::conditional_t<ir::is_float_element<T>, double,
                       std::conditional_t<std::is_same_v<T, uint64_t>, uint64_t, int64_t>>;

template <class In, class Out>
void run(Pointwise f, const Shape& shape, const std::vector<ir::Strides>& strides,
         const Arguments& a, size_t arity, size_t first) {
  using C = Compute<In>;
  const PointwiseFn<C> function = plain_pointwise<C>(f);
  const In* p[3] = {};
  for (size_t k = 0; k < arity; ++k) p[k] = in<In>(a, first + k);
  Out* y = out<Out>(a);
  for_each_element(shape, strides, [&](const int64_t* at) {
    C v[3] = {};
    for (size_t k = 0; k < arity; ++k) v[k] = static_cast<C>(p[k][at[k]]);
    y[at[arity]] = convert<Out>(function(v[0], v[1], v[2]));
  });
}

template <class T>
void run_select(const Shape& shape, const std::vector<ir::Strides>& strides, const Arguments& a) {
  const bool* c = in<bool>(a, 0);
  const T *p = in<T>(a, 1), *q = in<T>(a, 2);
  T* y = out<T>(a);
  for_each_element(shape, strides,
                   [&](const int64_t* at) { y[at[3]] = c[at[0]] ? p[at[1]] : q[at[2]]; });
}

template <class From, class To>
void run_cast(const Shape& shape, const std::vector<ir::Strides>& strides, const Arguments& a) {
  const From* x = in<From>(a, 0);
  To* y = out<To>(a);
  for_each_element(shape, strides, [&](const int64_t* at) { y[at[1]] = convert<To>(x[at[0]]); });
}

Offer prepare(const Request& r) {
  if (!r.op.traits.pointwise) return Offer::decline("not a pointwise op");
  const Pointwise f = *r.op.traits.pointwise;
  std::vector<ir::Strides> strides;
  for (const Layout& l : r.inputs) strides.push_back(l.strides);
  strides.push_back(r.outputs[0].strides);
  const Shape shape = r.outputs[0].shape;
  const DType from = r.inputs.back().dtype, to = r.outputs[0].dtype;
  if (f == Pointwise::select) {
    return kernel([=](const Arguments& a) {
      ir::dispatch(to, [&]<class T>(T) { run_select<T>(shape, strides, a); });
    });
  }
  if (f == Pointwise::identity) {
    return kernel([=](const Arguments& a) {
      ir::dispatch(from, [&]<class From>(From) {
        ir::dispatch(to, [&]<class To>(To) { run_cast<From, To>(shape, strides, a); });
      });
    });
  }
  const size_t arity = r.inputs.size();
  return kernel([=](const Arguments& a) {
    ir::dispatch(from, [&]<class T>(T) {
      if (to == from) {
        run<T, T>(f, shape, strides, a, arity, 0);
      } else {
        run<T, bool>(f, shape, strides, a, arity, 0);
      }
    });
  });
}

/// A view op whose input strides allow no view: copies through the view's index arithmetic.
Offer prepare_copy(const Request& r) {
  if (!r.op.view) return Offer::decline("not a view op");
  ir::Types types;
  for (const Layout& l : r.inputs) types.push_back({l.dtype, l.shape});
  const ir::TensorType output{r.outputs[0].dtype, r.outputs[0].shape};
  // A row-major copy of the input always has the view.
  const ir::TensorType input = types[0];
  const auto view = r.op.view({r.op, types, r.attributes}, output, ir::row_major(input.shape));
  if (!view) return Offer::decline("has no view of row-major elements");
  const ir::Strides from = r.inputs[0].strides, to = r.outputs[0].strides;
  return kernel([=, view = *view](const Arguments& a) {
    ir::dispatch(input.dtype, [&]<class T>(T) {
      size_t n = 0;
      const T* x = in<T>(a, 0);
      std::vector<std::conditional_t<std::is_same_v<T, bool>, uint8_t, T>> flat(
          static_cast<size_t>(input.shape.size()));
      for_each_element(input.shape, {&from}, [&](const int64_t* at) { flat[n++] = x[at[0]]; });
      T* y = out<T>(a);
      for_each_element(output.shape, {&view.strides, &to}, [&](const int64_t* at) {
        y[at[1]] = static_cast<T>(flat[static_cast<size_t>(view.offset + at[0])]);
      });
    });
  });
}

}  // namespace

std::vector<KernelRow> pointwise_kernels() {
  return {{"*", "ref pointwise", prepare}, {"*", "ref copy", prepare_copy}};
}

}  // namespace varve::backend::ref
