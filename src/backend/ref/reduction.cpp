// Reductions in plain loops: floats accumulate in double, integers in 64 bits.
#include <algorithm>
#include <cmath>

#include "backend/ref/families.h"
#include "backend/ref/loops.h"

namespace varve::backend::ref {
namespace {

template <class T>
using Wide = std::conditional_t<ir::is_float_element<T>, double,
                                std::conditional_t<std::is_same_v<T, uint64_t>, uint64_t, int64_t>>;

/// The kept and the reduced axes of an input, and the output's strides over the kept ones.
struct Plan {
  Shape kept, reduced;
  ir::Strides kept_in, reduced_in, out;
};

Plan plan_of(const Request& r, const ir::Ints& axes, bool keep_dims) {
  std::vector<int64_t> kept, reduced;
  Plan p;
  const Layout& x = r.inputs[0];
  size_t next = 0, o = 0;
  for (int i = 0; i < x.shape.rank(); ++i) {
    const int64_t stride = x.strides[static_cast<size_t>(i)];
    if (next < axes.size() && axes[next] == i) {
      ++next;
      reduced.push_back(x.shape[i]);
      p.reduced_in.push_back(stride);
      if (keep_dims) ++o;
    } else {
      kept.push_back(x.shape[i]);
      p.kept_in.push_back(stride);
      p.out.push_back(r.outputs[0].strides[o++]);
    }
  }
  p.kept = Shape(std::move(kept));
  p.reduced = Shape(std::move(reduced));
  return p;
}

/// For each output element a fresh state, fed with its inputs in row-major order.
template <class T, class Out, class State>
void reduce(const Plan& p, const Arguments& a) {
  const T* x = in<T>(a, 0);
  Out* y = out<Out>(a);
  const int64_t count = p.reduced.size();
  const int64_t inner = p.reduced.rank() ? p.reduced[-1] : 1;
  const int64_t step = p.reduced.rank() ? p.reduced_in.back() : 0;
  const size_t outer_axes = p.reduced_in.empty() ? 0 : p.reduced_in.size() - 1;
  Counters index(outer_axes);
  for_each_element(p.kept, {&p.kept_in, &p.out}, [&](const int64_t* at) {
    State state{};
    int64_t row = at[0];
    for (int64_t done = 0; done < count; done += inner) {
      for (int64_t i = 0; i < inner; ++i) state.add(x[row + i * step]);
      for (size_t k = outer_axes; k-- > 0;) {
        row += p.reduced_in[k];
        if (++index[k] < p.reduced.dims()[k]) break;
        row -= p.reduced_in[k] * p.reduced.dims()[k];
        index[k] = 0;
      }
    }
    y[at[1]] = state.template result<Out>(count);
  });
}

template <class T>
struct Sum {
  Wide<T> total{};
  void add(T v) {
    // Integers wrap: as unsigned numbers, where that is defined.
    if constexpr (std::is_same_v<Wide<T>, int64_t>) {
      total = static_cast<int64_t>(static_cast<uint64_t>(total) +
                                   static_cast<uint64_t>(static_cast<int64_t>(v)));
    } else {
      total += static_cast<Wide<T>>(v);
    }
  }
  template <class Out>
  Out result(int64_t) const {
    return convert<Out>(total);
  }
};
template <class T>
struct Mean : Sum<T> {
  template <class Out>
  Out result(int64_t count) const {
    return convert<Out>(static_cast<double>(this->total) / static_cast<double>(count));
  }
};
template <class T>
struct Prod {
  Wide<T> total{1};
  void add(T v) {
    if constexpr (std::is_same_v<Wide<T>, int64_t>) {
      total = static_cast<int64_t>(static_cast<uint64_t>(total) *
                                   static_cast<uint64_t>(static_cast<int64_t>(v)));
    } else {
      total *= static_cast<Wide<T>>(v);
    }
  }
  template <class Out>
  Out result(int64_t) const {
    return convert<Out>(total);
  }
};

/// Whether `v` goes before `best`: NaN before everything, and the first of equal ones stays.
template <bool kLargest, class T>
bool beats(T v, T best) {
  if constexpr (ir::is_float_element<T>) {
    const double a = static_cast<double>(v), b = static_cast<double>(best);
    if (std::isnan(b)) return false;
    return std::isnan(a) || (kLargest ? a > b : a < b);
  } else {
    return kLargest ? v > best : v < best;
  }
}

template <class T, bool kLargest>
struct Extremum {
  T best{};
  int64_t place = -1, seen = 0;
  void add(T v) {
    if (place < 0 || beats<kLargest>(v, best)) best = v, place = seen;
    ++seen;
  }
  template <class Out>
  Out result(int64_t) const {
    return best;
  }
};
template <class T, bool kLargest>
struct Place : Extremum<T, kLargest> {
  template <class Out>
  Out result(int64_t) const {
    return this->place;
  }
};

template <class T, bool kAll>
struct Truth {
  bool value = kAll;
  void add(T v) {
    const bool t = convert<bool>(v);
    value = kAll ? value && t : value || t;
  }
  template <class Out>
  Out result(int64_t) const {
    return value;
  }
};

template <template <class> class State>
Offer prepare_sum(const Request& r) {
  const Plan p = plan_of(r, r.attributes.ints("axes"), r.attributes.flag("keep_dims"));
  const DType d = r.inputs[0].dtype;
  return kernel([=](const Arguments& a) {
    ir::dispatch(d, [&]<class T>(T) {
      if constexpr (ir::is_float_element<T>) {
        reduce<T, T, State<T>>(p, a);
      } else {
        reduce<T, Wide<T>, State<T>>(p, a);
      }
    });
  });
}

Offer prepare_mean(const Request& r) {
  const Plan p = plan_of(r, r.attributes.ints("axes"), r.attributes.flag("keep_dims"));
  const DType d = r.inputs[0].dtype;
  return kernel([=](const Arguments& a) {
    ir::dispatch(d, [&]<class T>(T) {
      if constexpr (ir::is_float_element<T>) reduce<T, T, Mean<T>>(p, a);
    });
  });
}

template <bool kLargest>
Offer prepare_extremum(const Request& r) {
  const Plan p = plan_of(r, r.attributes.ints("axes"), r.attributes.flag("keep_dims"));
  const DType d = r.inputs[0].dtype;
  return kernel([=](const Arguments& a) {
    ir::dispatch(d, [&]<class T>(T) { reduce<T, T, Extremum<T, kLargest>>(p, a); });
  });
}

template <bool kLargest>
Offer prepare_arg(const Request& r) {
  const Plan p = plan_of(r, {r.attributes.integer("axis")}, false);
  const DType d = r.inputs[0].dtype;
  return kernel([=](const Arguments& a) {
    ir::dispatch(d, [&]<class T>(T) { reduce<T, int64_t, Place<T, kLargest>>(p, a); });
  });
}

template <bool kAll>
Offer prepare_truth(const Request& r) {
  const Plan p = plan_of(r, r.attributes.ints("axes"), r.attributes.flag("keep_dims"));
  const DType d = r.inputs[0].dtype;
  return kernel([=](const Arguments& a) {
    ir::dispatch(d, [&]<class T>(T) { reduce<T, bool, Truth<T, kAll>>(p, a); });
  });
}

/// In one pass: what was summed is rescaled when a larger element comes.
template <class T>
struct LogSumExp {
  double top = -INFINITY, total = 0;  // sum of exp(x - top)
  void add(T value) {
    const double v = static_cast<double>(value);
    if (v > top) {
      total *= std::exp(top - v);
      top = v;
    }
    total += v == top ? 1 : std::exp(v - top);  // inf - inf would be NaN
  }
  template <class Out>
  Out result(int64_t) const {
    return convert<Out>(top + std::log(total));
  }
};

Offer prepare_logsumexp(const Request& r) {
  const Plan p = plan_of(r, r.attributes.ints("axes"), r.attributes.flag("keep_dims"));
  const DType d = r.inputs[0].dtype;
  return kernel([=](const Arguments& a) {
    ir::dispatch(d, [&]<class T>(T) {
      if constexpr (ir::is_float_element<T>) reduce<T, T, LogSumExp<T>>(p, a);
    });
  });
}

}  // namespace

std::vector<KernelRow> reduction_kernels() {
  return {{"sum", "ref sum", prepare_sum<Sum>},
          {"prod", "ref prod", prepare_sum<Prod>},
          {"mean", "ref mean", prepare_mean},
          {"max", "ref max", prepare_extremum<true>},
          {"min", "ref min", prepare_extremum<false>},
          {"argmax", "ref argmax", prepare_arg<true>},
          {"argmin", "ref argmin", prepare_arg<false>},
          {"any", "ref any", prepare_truth<false>},
          {"all", "ref all", prepare_truth<true>},
          {"logsumexp", "ref logsumexp", prepare_logsumexp}};
}

}  // namespace varve::backend::ref
