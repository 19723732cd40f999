// The matrix product as three loops.
#include "backend/ref/families.h"
#include "backend/ref/loops.h"

namespace varve::backend::ref {
namespace {

/// Sums of products: floats in double; integers modulo 2^64, which wraps as their own width does.
template <class T>
using Sum = std::conditional_t<ir::is_float_element<T>, double, uint64_t>;

template <class S, class T>
S widened(T v) {
  if constexpr (ir::is_float_element<T>) {
    return static_cast<S>(v);
  } else {
    return static_cast<S>(static_cast<int64_t>(v));
  }
}
template <class T, class S>
T narrowed(S v) {
  if constexpr (ir::is_float_element<T>) {
    return convert<T>(v);
  } else {
    return static_cast<T>(v);
  }
}

/// Steps of an operand along the row and the column of its matrix, the transpose settled.
struct Steps {
  int64_t row, column;
};
Steps steps(const Layout& l, bool transpose) {
  const size_t n = l.strides.size();
  const int64_t row = l.strides[n - 2], column = l.strides[n - 1];
  return transpose ? Steps{column, row} : Steps{row, column};
}

struct Problem {
  Shape lead;  // the stack of products
  std::vector<ir::Strides> lead_strides;
  int64_t m, k, n;
  Steps a, b, y;
  int64_t bias_step;
  bool has_bias;
};

template <class T>
void run(const Problem& p, const Arguments& args) {
  using S = Sum<T>;
  const T *a = in<T>(args, 0), *b = in<T>(args, 1);
  const T* bias = p.has_bias ? in<T>(args, 2) : nullptr;
  T* y = out<T>(args);
  for_each_element(p.lead, p.lead_strides, [&](const int64_t* at) {
    for (int64_t i = 0; i < p.m; ++i) {
      for (int64_t j = 0; j < p.n; ++j) {
        S sum = bias ? widened<S>(bias[j * p.bias_step]) : S{};
        for (int64_t k = 0; k < p.k; ++k) {
          sum += widened<S>(a[at[0] + i * p.a.row + k * p.a.column]) *
                 widened<S>(b[at[1] + k * p.b.row + j * p.b.column]);
        }
        y[at[2] + i * p.y.row + j * p.y.column] = narrowed<T>(sum);
      }
    }
  });
}

ir::Strides without_matrix(const ir::Strides& s) { return {s.begin(), s.end() - 2}; }

Offer prepare(const Request& r) {
  const bool ta = r.attributes.flag("transpose_a"), tb = r.attributes.flag("transpose_b");
  const Layout &a = r.inputs[0], &b = r.inputs[1], &y = r.outputs[0];
  Problem p;
  p.lead = Shape(std::vector<int64_t>(y.shape.begin(), y.shape.end() - 2));
  p.lead_strides = {without_matrix(a.strides), without_matrix(b.strides),
                    without_matrix(y.strides)};
  p.m = y.shape[-2];
  p.n = y.shape[-1];
  p.k = a.shape[ta ? -2 : -1];
  p.a = steps(a, ta);
  p.b = steps(b, tb);
  p.y = steps(y, false);
  p.has_bias = r.inputs.size() == 3;
  p.bias_step = p.has_bias ? r.inputs[2].strides[0] : 0;
  return kernel([p, d = y.dtype](const Arguments& args) {
    ir::dispatch(d, [&]<class T>(T) { run<T>(p, args); });
  });
}

}  // namespace

std::vector<KernelRow> matmul_kernels() { return {{"matmul", "ref matmul", prepare}}; }

}  // namespace varve::backend::ref
