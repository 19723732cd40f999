// Order and running sums, lane by lane along an axis.
#include <algorithm>
#include <cmath>
#include <numeric>

#include "backend/ref/families.h"
#include "backend/ref/loops.h"

namespace varve::backend::ref {
namespace {

/// a before b in ascending order, NaN after everything.
template <class T>
bool before(T a, T b) {
  if constexpr (ir::is_float_element<T>) {
    const double x = static_cast<double>(a), y = static_cast<double>(b);
    return std::isnan(y) ? !std::isnan(x) : x < y;
  } else {
    return a < b;
  }
}

/// Calls f(start in input, start in output) for every lane along the axis.
template <class F>
void for_each_lane(const Layout& x, const Layout& y, size_t axis, F f) {
  std::vector<int64_t> dims = x.shape.dims();
  dims[axis] = y.shape.dims()[axis] == 0 ? 0 : 1;
  for_each_element(Shape(std::move(dims)), {&x.strides, &y.strides},
                   [&](const int64_t* at) { f(at[0], at[1]); });
}

/// The first `k` positions in order; equal elements stay in theirs.
Offer order(const Request& r, int64_t k, bool descending) {
  const Layout x = r.inputs[0], y = r.outputs[0];
  const auto axis = static_cast<size_t>(r.attributes.integer("axis"));
  return kernel([=](const Arguments& a) {
    ir::dispatch(x.dtype, [&]<class T>(T) {
      const int64_t n = x.shape.dims()[axis], step = x.strides[axis], to = y.strides[axis];
      std::vector<int64_t> places(static_cast<size_t>(n));
      for_each_lane(x, y, axis, [&](int64_t from, int64_t at) {
        const T* lane = in<T>(a, 0) + from;
        std::iota(places.begin(), places.end(), 0);
        auto earlier = [&](int64_t i, int64_t j) {
          const T p = lane[i * step], q = lane[j * step];
          if (descending ? before(q, p) : before(p, q)) return true;
          if (descending ? before(p, q) : before(q, p)) return false;
          return i < j;
        };
        if (k < n) {
          std::partial_sort(places.begin(), places.begin() + k, places.end(), earlier);
        } else {
          std::sort(places.begin(), places.end(), earlier);
        }
        int64_t* row = out<int64_t>(a) + at;
        for (int64_t i = 0; i < k; ++i) row[i * to] = places[static_cast<size_t>(i)];
      });
    });
  });
}

Offer prepare_argsort(const Request& r) {
  const int64_t n = r.inputs[0].shape[static_cast<int>(r.attributes.integer("axis"))];
  return order(r, n, r.attributes.flag("descending"));
}
Offer prepare_argsort_rows(const Request& r) {
  const Layout x = r.inputs[0];
  const int64_t to = r.outputs[0].strides[0];
  return kernel([=](const Arguments& a) {
    ir::dispatch(x.dtype, [&]<class T>(T) {
      const int64_t n = x.shape[0], m = x.shape[1], row = x.strides[0], column = x.strides[1];
      std::vector<int64_t> places(static_cast<size_t>(n));
      std::iota(places.begin(), places.end(), 0);
      std::sort(places.begin(), places.end(), [&](int64_t i, int64_t j) {
        const T *p = in<T>(a, 0) + i * row, *q = in<T>(a, 0) + j * row;
        for (int64_t c = 0; c < m; ++c) {
          if (before(p[c * column], q[c * column])) return true;
          if (before(q[c * column], p[c * column])) return false;
        }
        return i < j;
      });
      for (int64_t i = 0; i < n; ++i) out<int64_t>(a)[i * to] = places[static_cast<size_t>(i)];
    });
  });
}
Offer prepare_top_k(const Request& r) { return order(r, r.attributes.integer("k"), true); }

template <class T, bool kProduct>
struct Running {
  using Wide = std::conditional_t<ir::is_float_element<T>, double, uint64_t>;
  Wide total = kProduct ? 1 : 0;
  void add(T v) {
    if constexpr (kProduct) {
      total *= static_cast<Wide>(v);
    } else {
      total += static_cast<Wide>(v);
    }
  }
};

template <bool kProduct>
Offer prepare_cumulative(const Request& r) {
  const Layout x = r.inputs[0], y = r.outputs[0];
  const auto axis = static_cast<size_t>(r.attributes.integer("axis"));
  const bool reverse = r.attributes.flag("reverse"), exclusive = r.attributes.flag("exclusive");
  return kernel([=](const Arguments& a) {
    ir::dispatch(x.dtype, [&]<class T>(T) {
      using Out =
          std::conditional_t<ir::is_float_element<T>, T,
                             std::conditional_t<std::is_same_v<T, uint64_t>, uint64_t, int64_t>>;
      const int64_t n = x.shape.dims()[axis], step = x.strides[axis], to = y.strides[axis];
      for_each_lane(x, y, axis, [&](int64_t from, int64_t at) {
        Running<T, kProduct> running;
        for (int64_t k = 0; k < n; ++k) {
          const int64_t i = reverse ? n - 1 - k : k;
          const T v = in<T>(a, 0)[from + i * step];
          if (!exclusive) running.add(v);
          out<Out>(a)[at + i * to] = convert<Out>(running.total);
          if (exclusive) running.add(v);
        }
      });
    });
  });
}

Offer prepare_searchsorted(const Request& r) {
  const Layout sorted = r.inputs[0], values = r.inputs[1], y = r.outputs[0];
  const bool right = r.attributes.flag("right");
  return kernel([=](const Arguments& a) {
    ir::dispatch(sorted.dtype, [&]<class T>(T) {
      const T *s = in<T>(a, 0), *v = in<T>(a, 1);
      for_each_element(values.shape, {&values.strides, &y.strides}, [&](const int64_t* at) {
        int64_t low = 0, high = sorted.shape[0];
        while (low < high) {
          const int64_t middle = low + (high - low) / 2;
          const T m = s[middle * sorted.strides[0]];
          const bool below = right ? !before(v[at[0]], m) : before(m, v[at[0]]);
          if (below) {
            low = middle + 1;
          } else {
            high = middle;
          }
        }
        out<int64_t>(a)[at[1]] = low;
      });
    });
  });
}

Offer prepare_nonzero(const Request& r) {
  const Layout x = r.inputs[0], y = r.outputs[0];
  return kernel([=](const Arguments& a) {
    ir::dispatch(x.dtype, [&]<class T>(T) {
      const int64_t room = y.shape[0], row = y.strides[0], column = y.strides[1];
      const size_t rank = x.strides.size();
      int64_t* to = out<int64_t>(a);
      for_each_element(y.shape, {&y.strides}, [&](const int64_t* at) { to[at[0]] = 0; });
      int64_t found = 0, position = 0;
      for_each_element(x.shape, {&x.strides}, [&](const int64_t* at) {
        if (convert<bool>(in<T>(a, 0)[at[0]])) {
          int64_t rest = position;
          for (size_t k = rank; found < room && k-- > 0;) {
            to[found * row + static_cast<int64_t>(k) * column] = rest % x.shape.dims()[k];
            rest /= x.shape.dims()[k];
          }
          ++found;
        }
        ++position;
      });
      *out<int64_t>(a, 1) = std::min(found, room);
    });
  });
}

template <class T>
void run_unique(const Layout& x, std::span<const Layout> y, const Arguments& a) {
  std::vector<std::pair<T, int64_t>> elements;  // with their row-major position
  for_each_element(x.shape, {&x.strides}, [&](const int64_t* at) {
    elements.emplace_back(in<T>(a, 0)[at[0]], static_cast<int64_t>(elements.size()));
  });
  std::stable_sort(elements.begin(), elements.end(),
                   [](const auto& p, const auto& q) { return before(p.first, q.first); });
  const int64_t room = y[0].shape[0];
  T* values = out<T>(a);
  int64_t* counts = out<int64_t>(a, 2);
  for (int64_t i = 0; i < room; ++i) {
    values[i * y[0].strides[0]] = T{};
    counts[i * y[2].strides[0]] = 0;
  }
  std::vector<int64_t> which(elements.size());
  int64_t n = -1;
  for (size_t i = 0; i < elements.size(); ++i) {
    if (i == 0 || before(elements[i - 1].first, elements[i].first)) {
      if (++n < room) values[n * y[0].strides[0]] = elements[i].first;
    }
    if (n < room) ++counts[n * y[2].strides[0]];
    which[static_cast<size_t>(elements[i].second)] = std::min(n, room);
  }
  size_t next = 0;
  for_each_element(y[1].shape, {&y[1].strides},
                   [&](const int64_t* at) { out<int64_t>(a, 1)[at[0]] = which[next++]; });
  *out<int64_t>(a, 3) = std::min(n + 1, room);
}

Offer prepare_unique(const Request& r) {
  const Layout x = r.inputs[0];
  const std::vector<Layout> y(r.outputs.begin(), r.outputs.end());
  return kernel([=](const Arguments& a) {
    ir::dispatch(x.dtype, [&]<class T>(T) { run_unique<T>(x, y, a); });
  });
}

}  // namespace

std::vector<KernelRow> order_kernels() {
  return {{"argsort_rows", "ref argsort_rows", prepare_argsort_rows},
          {"argsort", "ref argsort", prepare_argsort},
          {"top_k", "ref top_k", prepare_top_k},
          {"cumsum", "ref cumsum", prepare_cumulative<false>},
          {"cumprod", "ref cumprod", prepare_cumulative<true>},
          {"searchsorted", "ref searchsorted", prepare_searchsorted},
          {"nonzero", "ref nonzero", prepare_nonzero},
          {"unique", "ref unique", prepare_unique}};
}

}  // namespace varve::backend::ref
