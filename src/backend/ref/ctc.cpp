// Connectionist temporal classification by the forward and backward recursions in doubles. What the
// names mean stands in ops/ctc.cpp.
#include <algorithm>
#include <cmath>

#include "backend/ref/families.h"
#include "backend/ref/loops.h"

namespace varve::backend::ref {
namespace {

constexpr double kNever = -INFINITY;

double log_add(double a, double b) {
  const double top = std::max(a, b);
  return top == kNever ? kNever : top + std::log1p(std::exp(std::min(a, b) - top));
}

struct Problem {
  int64_t batch, steps, classes, labels, blank;
  ir::Strides x, y, steps_of, labels_of;
  int64_t places() const { return 2 * labels + 1; }
  int64_t cells() const { return steps * places(); }
};

Problem problem_of(const Request& r) {
  const Layout &x = r.inputs[0], &y = r.inputs[1];
  return {x.shape[0],
          x.shape[1],
          x.shape[2],
          y.shape[1],
          r.attributes.integer("blank"),
          x.strides,
          y.strides,
          r.inputs[2].strides,
          r.inputs[3].strides};
}

/// One sample's steps, places and what they read.
template <class T>
struct Sample {
  const T* x;
  const int64_t* y;
  const Problem& p;
  int64_t steps, labels;

  int64_t places() const { return 2 * labels + 1; }
  int64_t class_of(int64_t place) const { return place % 2 == 0 ? p.blank : y[place / 2 * p.y[1]]; }
  double emission(int64_t t, int64_t place) const {
    return static_cast<double>(x[t * p.x[1] + class_of(place) * p.x[2]]);
  }
  /// Whether `place` may follow the place two before it.
  bool may_skip(int64_t place) const {
    return place % 2 == 1 && place >= 3 && class_of(place) != class_of(place - 2) &&
           class_of(place) != p.blank;
  }

  /// Fills alpha [steps, places]; the log probability of all ways.
  double forwards(double* alpha) const {
    const int64_t n = places();
    if (steps == 0) return labels == 0 ? 0 : kNever;
    for (int64_t t = 0; t < steps; ++t) {
      double* now = alpha + t * n;
      const double* before = now - n;
      for (int64_t l = 0; l < n; ++l) {
        double ways = t == 0 ? (l < 2 ? 0 : kNever) : before[l];
        if (t > 0 && l >= 1) ways = log_add(ways, before[l - 1]);
        if (t > 0 && may_skip(l)) ways = log_add(ways, before[l - 2]);
        now[l] = ways == kNever ? kNever : ways + emission(t, l);
      }
    }
    const double* last = alpha + (steps - 1) * n;
    return n == 1 ? last[0] : log_add(last[n - 1], last[n - 2]);
  }
};

/// Calls f(sample number, Sample) for each whose lengths and labels are in range; notes the others.
template <class T, class F>
void each_sample(const Problem& p, const Arguments& a, F f) {
  const int64_t *steps = in<int64_t>(a, 2), *labels = in<int64_t>(a, 3);
  for (int64_t b = 0; b < p.batch; ++b) {
    Sample<T> s{in<T>(a, 0) + b * p.x[0], in<int64_t>(a, 1) + b * p.y[0], p,
                steps[b * p.steps_of[0]], labels[b * p.labels_of[0]]};
    bool fits = true;
    const auto check = [&](int input, int64_t at, int64_t value, int64_t most) {
      if (!fits || (value >= 0 && value <= most)) return;
      a.fault->note(input, at, value, 0, most);
      fits = false;
    };
    check(2, b, s.steps, p.steps);
    check(3, b, s.labels, p.labels);
    for (int64_t i = 0; fits && i < s.labels; ++i)
      check(1, b * p.labels + i, s.y[i * p.y[1]], p.classes - 1);
    f(b, s, fits);
  }
}

template <class T>
void loss(const Problem& p, int64_t stride, const Arguments& a) {
  auto* alpha = reinterpret_cast<double*>(a.scratch);
  each_sample<T>(p, a, [&](int64_t b, const Sample<T>& s, bool fits) {
    out<T>(a)[b * stride] = fits ? static_cast<T>(-s.forwards(alpha)) : T{};
  });
}

template <class T>
void gradient(const Problem& p, int64_t stride, const ir::Strides& to, const Arguments& a) {
  auto* alpha = reinterpret_cast<double*>(a.scratch);
  double *onwards = alpha + p.cells(), *after = onwards + p.places(),
         *by_class = after + p.places();
  each_sample<T>(p, a, [&](int64_t b, const Sample<T>& s, bool fits) {
    const auto scale = static_cast<double>(in<T>(a, 4)[b * stride]);
    T* dx = out<T>(a) + b * to[0];
    const int64_t n = s.places();
    const double sum = fits ? s.forwards(alpha) : kNever;
    for (int64_t t = p.steps - 1; t >= 0; --t) {
      std::fill(by_class, by_class + p.classes, 0.);
      const bool counts = fits && t < s.steps && sum != kNever;
      for (int64_t l = 0; counts && l < n; ++l) {
        if (t == s.steps - 1) {
          onwards[l] = l >= n - 2 ? 0 : kNever;
        } else {
          onwards[l] = after[l];
          if (l + 1 < n) onwards[l] = log_add(onwards[l], after[l + 1]);
          if (l + 2 < n && s.may_skip(l + 2)) onwards[l] = log_add(onwards[l], after[l + 2]);
        }
        const double ways = alpha[t * n + l] + onwards[l];
        if (ways != kNever) by_class[s.class_of(l)] += std::exp(ways - sum);
      }
      for (int64_t l = 0; counts && l < n; ++l)
        after[l] = onwards[l] == kNever ? kNever : onwards[l] + s.emission(t, l);
      for (int64_t c = 0; c < p.classes; ++c)
        dx[t * to[1] + c * to[2]] = static_cast<T>(-by_class[c] * scale);
    }
  });
}

class Ctc final : public Kernel {
 public:
  Ctc(const Request& r, bool gradient)
      : p_(problem_of(r)),
        dtype_(r.inputs[0].dtype),
        gradient_(gradient),
        stride_((gradient ? r.inputs[4] : r.outputs[0]).strides[0]),
        to_(r.outputs[0].strides) {}
  void run(const Arguments& a) const noexcept override {
    dtype_ == DType::f64 ? typed<double>(a) : typed<float>(a);
  }
  int64_t scratch_bytes() const override {
    return static_cast<int64_t>(sizeof(double)) *
           (p_.cells() + (gradient_ ? 2 * p_.places() + p_.classes : 0));
  }

 private:
  template <class T>
  void typed(const Arguments& a) const {
    gradient_ ? gradient<T>(p_, stride_, to_, a) : loss<T>(p_, stride_, a);
  }
  Problem p_;
  DType dtype_;
  bool gradient_;
  int64_t stride_;
  ir::Strides to_;
};

template <bool gradient>
Offer prepare(const Request& r) {
  return Offer(std::make_unique<Ctc>(r, gradient));
}

}  // namespace

std::vector<KernelRow> ctc_kernels() {
  return {{"ctc_loss", "ref ctc_loss", prepare<false>},
          {"ctc_loss_gradient", "ref ctc_loss_gradient", prepare<true>}};
}

}  // namespace varve::backend::ref
