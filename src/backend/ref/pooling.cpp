// Pooling as plain loops over windows.
#include <cmath>
#include <limits>

#include "backend/ref/families.h"
#include "backend/ref/loops.h"
#include "backend/ref/windows.h"

namespace varve::backend::ref {
namespace {

struct Problem {
  Windows windows;
  int64_t batch, channels;
  Spatial x, y, places;  // places: of the u8 or i32 operand, where there is one
  bool whole = false;    // average: divide by the whole window everywhere

  /// Calls f(x offset without its spatial part, y offset likewise, places offset likewise).
  template <class F>
  void each_channel(F f) const {
    for (int64_t b = 0; b < batch; ++b) {
      for (int64_t c = 0; c < channels; ++c) {
        f(b * x.first + c * x.last, b * y.first + c * y.last, b * places.first + c * places.last);
      }
    }
  }
  int64_t taps() const { return windows.taps[0] * windows.taps[1] * windows.taps[2]; }
  Three tap(int64_t place) const {
    const Three& t = windows.taps;
    return {place / (t[1] * t[2]), place / t[2] % t[1], place % t[2]};
  }
};

Problem problem(const Request& r, const Layout& x, const Layout& y, const Layout* places) {
  Problem p;
  p.windows =
      windows_of(ops::window_of(r.attributes, r.attributes.ints("window")), x.shape, y.shape);
  p.batch = x.shape[0];
  p.channels = x.shape[-1];
  p.x = spatial_of(x.strides);
  p.y = spatial_of(y.strides);
  if (places) p.places = spatial_of(places->strides);
  p.whole = r.attributes.get_or("count_include_pad", false);
  return p;
}

template <class T>
T least() {
  if constexpr (std::is_same_v<T, Float16> || std::is_same_v<T, BFloat16>) {
    return T(-std::numeric_limits<float>::infinity());
  } else if constexpr (std::is_floating_point_v<T>) {
    return -std::numeric_limits<T>::infinity();
  } else {
    return std::numeric_limits<T>::min();
  }
}

/// NaN beats everything, the first of equal ones wins.
template <class T>
bool beats(T v, T best) {
  if constexpr (ir::is_float_element<T>) {
    const auto a = static_cast<double>(v), b = static_cast<double>(best);
    return a > b || (std::isnan(a) && !std::isnan(b));
  } else {
    return v > best;
  }
}

template <class T, class Place>
void max_pool(const Problem& p, const T* x, T* y, Place* places) {
  p.each_channel([&](int64_t from, int64_t to, int64_t place_at) {
    for_each(p.windows.y_size, [&](const Three& position) {
      T best = least<T>();
      int64_t where = 0, place = 0;
      bool any = false;
      for_each(p.windows.taps, [&](const Three& t) {
        Three at;
        if (p.windows.input_at(position, t, at)) {
          const T v = x[from + p.x.at(at)];
          if (!any || beats(v, best)) {
            best = v;
            where = place;
          }
          any = true;
        }
        ++place;
      });
      y[to + p.y.at(position)] = best;
      places[place_at + p.places.at(position)] = static_cast<Place>(where);
    });
  });
}

template <class T, class Place>
void max_pool_gradient(const Problem& p, const T* dy, const Place* places, T* dx) {
  p.each_channel([&](int64_t from, int64_t to, int64_t place_at) {
    for_each(p.windows.x_size, [&](const Three& at) {
      double sum = 0;
      int64_t place = 0;
      for_each(p.windows.taps, [&](const Three& t) {
        Three position;
        if (p.windows.output_at(at, t, position) &&
            places[place_at + p.places.at(position)] == place) {
          sum += static_cast<double>(dy[to + p.y.at(position)]);
        }
        ++place;
      });
      dx[from + p.x.at(at)] = convert<T>(sum);
    });
  });
}

template <class T, class Place>
void max_pool_gather(const Problem& p, const T* x, const Place* places, T* y) {
  p.each_channel([&](int64_t from, int64_t to, int64_t place_at) {
    for_each(p.windows.y_size, [&](const Three& position) {
      Three at;
      const Three t = p.tap(places[place_at + p.places.at(position)]);
      y[to + p.y.at(position)] = p.windows.input_at(position, t, at) ? x[from + p.x.at(at)] : T{};
    });
  });
}

/// How many elements a window's mean divides by.
double divisor(const Problem& p, const Three& position) {
  if (p.whole) return static_cast<double>(p.taps());
  double count = 0;
  for_each(p.windows.taps, [&](const Three& t) {
    Three at;
    count += p.windows.input_at(position, t, at);
  });
  return count;
}

template <class T>
void average_pool(const Problem& p, const T* x, T* y) {
  p.each_channel([&](int64_t from, int64_t to, int64_t) {
    for_each(p.windows.y_size, [&](const Three& position) {
      double sum = 0;
      for_each(p.windows.taps, [&](const Three& t) {
        Three at;
        if (p.windows.input_at(position, t, at)) sum += static_cast<double>(x[from + p.x.at(at)]);
      });
      y[to + p.y.at(position)] = convert<T>(sum / divisor(p, position));
    });
  });
}

template <class T>
void average_pool_gradient(const Problem& p, const T* dy, T* dx) {
  p.each_channel([&](int64_t from, int64_t to, int64_t) {
    for_each(p.windows.x_size, [&](const Three& at) {
      double sum = 0;
      for_each(p.windows.taps, [&](const Three& t) {
        Three position;
        if (p.windows.output_at(at, t, position))
          sum += static_cast<double>(dy[to + p.y.at(position)]) / divisor(p, position);
      });
      dx[from + p.x.at(at)] = convert<T>(sum);
    });
  });
}

/// Calls f(T{}, Place{}) for an element type and the type of places.
template <class F>
void dispatch_places(DType d, DType places, F f) {
  ir::dispatch(d, [&]<class T>(T v) {
    if constexpr (!std::is_same_v<T, bool>) {
      if (places == u8) {
        f(v, uint8_t{});
      } else {
        f(v, int32_t{});
      }
    }
  });
}

Offer prepare_max_pool(const Request& r) {
  const Problem p = problem(r, r.inputs[0], r.outputs[0], &r.outputs[1]);
  return kernel([p, d = r.inputs[0].dtype, q = r.outputs[1].dtype](const Arguments& a) {
    dispatch_places(d, q, [&]<class T, class Place>(T, Place) {
      max_pool<T, Place>(p, in<T>(a, 0), out<T>(a), out<Place>(a, 1));
    });
  });
}
Offer prepare_max_pool_gradient(const Request& r) {
  const Problem p = problem(r, r.outputs[0], r.inputs[0], &r.inputs[1]);
  return kernel([p, d = r.inputs[0].dtype, q = r.inputs[1].dtype](const Arguments& a) {
    dispatch_places(d, q, [&]<class T, class Place>(T, Place) {
      max_pool_gradient<T, Place>(p, in<T>(a, 0), in<Place>(a, 1), out<T>(a));
    });
  });
}
Offer prepare_max_pool_gather(const Request& r) {
  const Problem p = problem(r, r.inputs[0], r.outputs[0], &r.inputs[1]);
  return kernel([p, d = r.inputs[0].dtype, q = r.inputs[1].dtype](const Arguments& a) {
    dispatch_places(d, q, [&]<class T, class Place>(T, Place) {
      max_pool_gather<T, Place>(p, in<T>(a, 0), in<Place>(a, 1), out<T>(a));
    });
  });
}
Offer prepare_average_pool(const Request& r) {
  const Problem p = problem(r, r.inputs[0], r.outputs[0], nullptr);
  return kernel([p, d = r.inputs[0].dtype](const Arguments& a) {
    ir::dispatch(d, [&]<class T>(T) { average_pool<T>(p, in<T>(a, 0), out<T>(a)); });
  });
}
Offer prepare_average_pool_gradient(const Request& r) {
  const Problem p = problem(r, r.outputs[0], r.inputs[0], nullptr);
  return kernel([p, d = r.inputs[0].dtype](const Arguments& a) {
    ir::dispatch(d, [&]<class T>(T) { average_pool_gradient<T>(p, in<T>(a, 0), out<T>(a)); });
  });
}

}  // namespace

std::vector<KernelRow> pooling_kernels() {
  return {{"max_pool", "ref max_pool", prepare_max_pool},
          {"max_pool_gradient", "ref max_pool_gradient", prepare_max_pool_gradient},
          {"max_pool_gather", "ref max_pool_gather", prepare_max_pool_gather},
          {"average_pool", "ref average_pool", prepare_average_pool},
          {"average_pool_gradient", "ref average_pool_gradient", prepare_average_pool_gradient}};
}

}  // namespace varve::backend::ref
