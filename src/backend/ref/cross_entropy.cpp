// Softmax cross-entropy with labels: the kernel sees labels out of range, which its decomposition
// cannot.
#include <cmath>

#include "backend/ref/families.h"
#include "backend/ref/loops.h"

namespace varve::backend::ref {
namespace {

struct Problem {
  Shape samples;
  std::vector<ir::Strides> strides;  // logits, target, loss, logsumexp
  int64_t classes, step;
  double smoothing;
  bool ignores;
  int64_t ignored;
};

template <class T>
double log_sum_exp(const T* x, const Problem& p) {
  double top = -INFINITY, sum = 0;
  for (int64_t c = 0; c < p.classes; ++c) {
    const auto v = static_cast<double>(x[c * p.step]);
    if (std::isnan(v)) return v;
    top = std::max(top, v);
  }
  if (std::isinf(top)) return top;
  for (int64_t c = 0; c < p.classes; ++c) sum += std::exp(static_cast<double>(x[c * p.step]) - top);
  return top + std::log(sum);
}

/// sum_c q[c] x[c] for the smoothed one-hot q of a label.
template <class T>
double said(const T* x, int64_t label, const Problem& p) {
  double even = 0;
  if (p.smoothing != 0) {
    for (int64_t c = 0; c < p.classes; ++c) even += static_cast<double>(x[c * p.step]);
    even *= p.smoothing / static_cast<double>(p.classes);
  }
  const double own =
      p.smoothing == 1 ? 0 : (1 - p.smoothing) * static_cast<double>(x[label * p.step]);
  return own + even;
}

template <class T, class Label>
void run(const Problem& p, const Arguments& a) {
  const T* x = in<T>(a, 0);
  const Label* target = in<Label>(a, 1);
  T *loss = out<T>(a, 0), *norm = out<T>(a, 1);
  int64_t sample = 0;
  for_each_element(p.samples, p.strides, [&](const int64_t* at) {
    const auto label = static_cast<int64_t>(target[at[1]]);
    const double n = log_sum_exp(x + at[0], p);
    norm[at[3]] = convert<T>(n);
    if (p.ignores && label == p.ignored) {
      loss[at[2]] = T{};
    } else if (label < 0 || label >= p.classes) {
      a.fault->note(1, sample, label, 0, p.classes - 1);
      loss[at[2]] = T{};
    } else {
      loss[at[2]] = convert<T>(n - said(x + at[0], label, p));
    }
    ++sample;
  });
}

template <class F>
void dispatch_types(DType logits, DType labels, F f) {
  ir::dispatch(logits, [&]<class T>(T x) {
    if constexpr (ir::is_float_element<T>) {
      ir::dispatch(labels, [&]<class L>(L l) {
        if constexpr (std::is_integral_v<L> && !std::is_same_v<L, bool>) f(x, l);
      });
    }
  });
}

Offer prepare(const Request& r) {
  const Layout& x = r.inputs[0];
  Problem p;
  p.samples = r.inputs[1].shape;
  p.strides = {ir::Strides(x.strides.begin(), x.strides.end() - 1), r.inputs[1].strides,
               r.outputs[0].strides, r.outputs[1].strides};
  p.classes = x.shape[-1];
  p.step = x.strides.back();
  p.smoothing = r.attributes.real("label_smoothing");
  p.ignores = r.attributes.has("ignore_index");
  p.ignored = p.ignores ? r.attributes.integer("ignore_index") : 0;
  return kernel([p, d = x.dtype, l = r.inputs[1].dtype](const Arguments& a) {
    dispatch_types(d, l, [&]<class T, class L>(T, L) { run<T, L>(p, a); });
  });
}

}  // namespace

std::vector<KernelRow> cross_entropy_kernels() {
  return {{"cross_entropy", "ref cross_entropy", prepare}};
}

}  // namespace varve::backend::ref
