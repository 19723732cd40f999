// The pooling functions that users call.
#include <algorithm>
#include <cmath>

#include "base/count.h"
#include "base/error.h"
#include "base/math.h"
#include "ops/call.h"
#include "ops/shape.h"
#include "ops/window.h"
#include "varve/ops/indexing.h"
#include "varve/ops/pointwise.h"
#include "varve/ops/pooling.h"
#include "varve/ops/reduction.h"
#include "varve/ops/resampling.h"
#include "varve/ops/shape.h"

namespace varve::ops {
namespace {

struct Pool {
  Tensor x;  // channels last
  Window window;
  ir::Ints beyond;  ///< how much of the padding at the end is there for ceil_mode alone
  Attributes attributes;
};

/// What the last window of ceil_mode reaches over the end: it begins within the input or the
/// padding before it. A bare ShapeError where that passes 2^63.
int64_t beyond_end(const Window& w, size_t axis, int64_t input) {
  const int64_t step = w.strides[axis];
  int64_t before = 0, room = 0, steps = 0;
  if (!checked_add(input, w.low[axis], before) || !checked_add(before, w.high[axis], room) ||
      !checked_add(room - w.reach(axis), step - 1, steps)) {
    throw ShapeError("stride " + std::to_string(step) + " and padding " +
                     std::to_string(w.low[axis]) + " and " + std::to_string(w.high[axis]) + " of " +
                     count_of(input, "element") + " pass 2^63");
  }
  if (steps < 0) return 0;
  int64_t last = steps / step * step;
  if (last >= before) last -= step;
  return std::max<int64_t>(0, last + w.reach(axis) - room);
}

template <int N, class Options>
Pool prepare(const char* name, const Tensor& operand, const Options& o, const Where& where) {
  if (operand.rank() != N + 2) {
    throw ShapeError(
        text_of(name, "expected rank " + std::to_string(N + 2) +
                          (o.data_format.channels_first ? " [batch, channels, spatial...], got "
                                                        : " [batch, spatial..., channels], got ") +
                          operand.shape().to_string()),
        "", where.to_string());
  }
  Pool p;
  p.x = o.data_format.channels_first ? channels_last(operand, where) : operand;
  const ir::Ints input = spatial_of(p.x.shape());
  Window& w = p.window;
  w = {o.window.list(), o.strides.list(), o.dilation.list(), {}, {}};
  for (size_t i = 0; i < w.strides.size(); ++i) {
    if (w.strides[i] == 0) w.strides[i] = w.size[i];
  }
  Padding padding = o.padding;
  p.beyond.assign(w.size.size(), 0);
  if (o.ceil_mode) {
    check_window(name, "window", w, where);
    padding = {};
    padding.kind = Padding::Kind::sides;
    padding.count = N;
    for (size_t i = 0; i < w.size.size(); ++i) {
      Padding::Side& side = padding.sides[i];
      side = sides_of(name, o.padding, w, i, input[i], where);
      w.low.assign(N, side.low);
      w.high.assign(N, side.high);
      named(name, where.to_string(), [&] { p.beyond[i] = beyond_end(w, i, input[i]); });
      side.high += p.beyond[i];
    }
  }
  settle(name, "window", padding, input, w, where);
  for (size_t i = 0; i < w.size.size(); ++i) {
    if (std::max(w.low[i], w.high[i]) >= w.reach(i)) {
      throw ValueError(text_of(name, "padding " + o.padding.to_string() +
                                         " is not smaller than the window " + sizes_text(w.size)),
                       "", where.to_string());
    }
  }
  p.attributes = {{"window", w.size}};
  w.put(p.attributes);
  return p;
}

/// The largest elements and their places within the windows, channels last.
template <int N>
std::vector<Tensor> largest(const char* name, const Operand& x, const Pool& p) {
  require_taps(name, p.window, spatial_of(p.x.shape()), x.where().to_string());
  return ir::apply(get("max_pool"), std::vector{p.x}, p.attributes, x.where());
}

template <int N>
Tensor max_pool(const char* name, const Operand& x, const MaxPoolOptions<N>& o) {
  const Tensor y = largest<N>(name, x, prepare<N>(name, x.tensor(), o, x.where()))[0];
  return o.data_format.channels_first ? channels_first(y, x.where()) : y;
}

/// Where the tensor's elements of each channel begin, counted as [batch, channels, spatial...], for
/// values [batch, spatial..., channels].
Tensor channel_origins(int64_t batch, int64_t channels, int64_t image, int rank) {
  return (counted_along(batch, 0, rank, 0, 1, i64) * channels +
          counted_along(channels, rank - 1, rank, 0, 1, i64)) *
         image;
}

/// What one place along a spatial axis counts in an index: the product of the sizes of axes that
/// run faster.
int64_t place_step(const ir::Ints& input, size_t axis, const PlaceOptions& places) {
  int64_t step = 1;
  for (size_t k = 0; k < input.size(); ++k) {
    if (places.column_major ? k < axis : k > axis) step *= input[k];
  }
  return step;
}

template <int N>
MaxPoolResult max_pool_with_indices(const char* name, const Operand& x, const MaxPoolOptions<N>& o,
                                    const PlaceOptions& places) {
  const Pool p = prepare<N>(name, x.tensor(), o, x.where());
  const auto y = largest<N>(name, x, p);
  const ir::CallerScope caller(x.where());
  const Tensor tap = cast(y[1], i64);
  const ir::Ints input = spatial_of(p.x.shape());
  const Window& w = p.window;
  Tensor index;
  int64_t taps = 1, image = 1;
  // From the axis that runs fastest among the taps to the slowest.
  for (size_t i = w.size.size(); i-- > 0;) {
    const int axis = static_cast<int>(i) + 1;
    const Tensor at = floor_divide(tap, taps) % w.size[i] * w.dilation[i] +
                      counted_along(y[0].shape()[axis], axis, N + 2, -w.low[i], w.strides[i], i64);
    const int64_t step = place_step(input, i, places);
    index = index.defined() ? index + at * step : at * step;
    taps *= w.size[i];
    image *= input[i];
  }
  if (places.whole) index = index + channel_origins(p.x.shape()[0], p.x.shape()[-1], image, N + 2);
  if (!o.data_format.channels_first) return {y[0], index};
  return {channels_first(y[0], x.where()), channels_first(index, x.where())};
}

template <int N>
Tensor average_pool(const char* name, const Operand& x, const AveragePoolOptions<N>& o) {
  Pool p = prepare<N>(name, floating(x), o, x.where());
  bool whole = o.count_include_pad;
  if (whole && std::any_of(p.beyond.begin(), p.beyond.end(), [](int64_t n) { return n > 0; })) {
    // Zeros that count become elements; what is beyond them does not count.
    ir::Ints low(N + 2, 0), high(N + 2, 0);
    for (size_t i = 0; i < N; ++i) {
      low[i + 1] = p.window.low[i];
      high[i + 1] = p.window.high[i] - p.beyond[i];
    }
    const ir::CallerScope caller(x.where());
    p.x = padded(p.x, low, high, ir::Ints(N + 2, 0));
    p.window.low.assign(N, 0);
    p.window.high = p.beyond;
    p.window.put(p.attributes);
    whole = false;
  }
  p.attributes.set("count_include_pad", whole);
  const Tensor y = make("average_pool", {p.x}, p.attributes, x.where());
  return o.data_format.channels_first ? channels_first(y, x.where()) : y;
}

template <int N>
Tensor lp_pool(const char* name, const Operand& x, const LpPoolOptions<N>& o) {
  const double order = o.order;
  if (!(order > 0) || !std::isfinite(order)) {
    throw ValueError(
        text_of(name, "order: expected a finite number above 0, got " + std::to_string(order)), "",
        x.where().to_string());
  }
  Pool p = prepare<N>(name, floating(x), o, x.where());
  const ir::CallerScope caller(x.where());
  p.attributes.set("count_include_pad", true);
  const Tensor powers = order == 1 ? abs(p.x) : order == 2 ? square(p.x) : power(abs(p.x), order);
  const auto taps = static_cast<double>(Shape(p.window.size).size());
  const Tensor total = make("average_pool", {powers}, p.attributes, x.where()) * taps;
  const Tensor zero = total == 0;
  const Tensor y = order == 1 ? total : where(zero, 0, power(where(zero, 1, total), 1 / order));
  return o.data_format.channels_first ? channels_first(y, x.where()) : y;
}

ReduceOptions over_space(const char* name, const Operand& x, const GlobalPoolOptions& o) {
  const int rank = x.tensor().rank();
  if (rank < 3) {
    throw ShapeError(text_of(name, "expected batch, channels and spatial axes, got " +
                                       x.tensor().shape().to_string()),
                     "", x.where().to_string());
  }
  ReduceOptions r{.keep_dims = o.keep_dims};
  const int first = o.data_format.channels_first ? 2 : 1;
  for (int i = 0; i < rank - 2; ++i) r.axes.push_back(first + i);
  return r;
}

/// Checks the sizes of adaptive pooling; the first spatial axis.
int adaptive_axis(const char* name, const Operand& x, const Tensor& t,
                  const std::vector<int64_t>& size, const AdaptivePoolOptions& o) {
  if (t.rank() < 3 || size.size() != static_cast<size_t>(t.rank()) - 2) {
    throw ShapeError(text_of(name,
                             "expected one size a spatial axis of [batch, spatial..., "
                             "channels], got " +
                                 count_of(static_cast<int64_t>(size.size()), "size") + " and " +
                                 t.shape().to_string()),
                     "", x.where().to_string());
  }
  const int first = o.data_format.channels_first ? 2 : 1;
  for (size_t i = 0; i < size.size(); ++i) {
    if (size[i] < 1) {
      throw ValueError(text_of(name, "size: expected at least 1, got " + std::to_string(size[i])),
                       "", x.where().to_string());
    }
    if (t.shape()[first + static_cast<int>(i)] < 1) {
      throw ShapeError(text_of(name, "no element to pool in " + t.shape().to_string()), "",
                       x.where().to_string());
    }
  }
  return first;
}

/// The parts of an axis that adaptive pooling covers, brought to one length: part i of n elements
/// goes from floor(i n / parts) to ceil((i + 1) n / parts).
struct Parts {
  int axis;
  int64_t n, parts, length;

  /// Throws ShapeError where the places cannot be counted.
  Parts(const Call& call, int at, int64_t elements, int64_t count)
      : axis(at), n(elements), parts(count), length(0) {
    int64_t last = 0;
    if (!checked_multiply(parts, n, last) || !checked_add(last, parts - 1, last)) {
      call.shape_error("size " + std::to_string(parts) + " of " + count_of(n, "element") +
                       " passes 2^63");
    }
    length = ceil_div(n, parts) + (n % parts != 0);
  }
  /// [.., n, ..] -> [.., parts, length, ..].
  Tensor of(const Tensor& x) const {
    const Tensor end = floor_divide(counted_along(parts, 0, 2, 1, 1, i64) * n + (parts - 1), parts);
    // Shorter parts read their last element again.
    const Tensor from = minimum(begin(0, 2) + counted_along(length, 1, 2, 0, 1, i64), end - 1);
    return take(x, from, axis);
  }
  /// Of each part of x, the element that `which` [.., parts, 1, ..] names.
  Tensor chosen(const Tensor& x, const Tensor& which) const {
    return squeezed(take_along_axis(of(x), which, axis + 1), {axis + 1});
  }
  /// Where parts begin, along their axis of a tensor of that rank.
  Tensor begin(int rank) const { return begin(axis, rank); }

 private:
  Tensor begin(int along, int rank) const {
    return floor_divide(counted_along(parts, along, rank, 0, 1, i64) * n, parts);
  }
};

}  // namespace
}  // namespace varve::ops

namespace varve {

Tensor max_pool1d(const Operand& x, const MaxPoolOptions<1>& options) {
  return ops::max_pool("max_pool1d", x, options);
}
Tensor max_pool2d(const Operand& x, const MaxPoolOptions<2>& options) {
  return ops::max_pool("max_pool2d", x, options);
}
Tensor max_pool3d(const Operand& x, const MaxPoolOptions<3>& options) {
  return ops::max_pool("max_pool3d", x, options);
}
Tensor average_pool1d(const Operand& x, const AveragePoolOptions<1>& options) {
  return ops::average_pool("average_pool1d", x, options);
}
Tensor average_pool2d(const Operand& x, const AveragePoolOptions<2>& options) {
  return ops::average_pool("average_pool2d", x, options);
}
Tensor average_pool3d(const Operand& x, const AveragePoolOptions<3>& options) {
  return ops::average_pool("average_pool3d", x, options);
}
MaxPoolResult max_pool1d_with_indices(const Operand& x, const MaxPoolOptions<1>& o,
                                      const PlaceOptions& places) {
  return ops::max_pool_with_indices("max_pool1d_with_indices", x, o, places);
}
MaxPoolResult max_pool2d_with_indices(const Operand& x, const MaxPoolOptions<2>& o,
                                      const PlaceOptions& places) {
  return ops::max_pool_with_indices("max_pool2d_with_indices", x, o, places);
}
MaxPoolResult max_pool3d_with_indices(const Operand& x, const MaxPoolOptions<3>& o,
                                      const PlaceOptions& places) {
  return ops::max_pool_with_indices("max_pool3d_with_indices", x, o, places);
}
Tensor lp_pool1d(const Operand& x, const LpPoolOptions<1>& options) {
  return ops::lp_pool("lp_pool1d", x, options);
}
Tensor lp_pool2d(const Operand& x, const LpPoolOptions<2>& options) {
  return ops::lp_pool("lp_pool2d", x, options);
}
Tensor lp_pool3d(const Operand& x, const LpPoolOptions<3>& options) {
  return ops::lp_pool("lp_pool3d", x, options);
}

Tensor max_unpool(const Operand& x, const Operand& indices, const std::vector<int64_t>& size,
                  const UnpoolOptions& o) {
  const ir::CallerScope caller(x.where());
  Tensor t = x.tensor(), at = indices.tensor();
  const auto refuse = [&](const std::string& what) {
    throw ShapeError("max_unpool: " + what, "", x.where().to_string());
  };
  if (t.rank() < 3 || size.size() != static_cast<size_t>(t.rank()) - 2 || at.shape() != t.shape()) {
    refuse(
        "expected x [batch, spatial..., channels], indices of its shape and one size a spatial "
        "axis, got " +
        t.shape().to_string() + ", " + at.shape().to_string() + " and " +
        count_of(static_cast<int64_t>(size.size()), "size"));
  }
  if (!is_integer(at.dtype())) {
    throw DTypeError(
        std::string("max_unpool: indices: expected integers, got ") + name_of(at.dtype()), "",
        x.where().to_string());
  }
  if (std::any_of(size.begin(), size.end(), [](int64_t n) { return n < 1; }))
    refuse("size: expected at least 1");
  if (o.data_format.channels_first) {
    t = ops::channels_last(t, x.where());
    at = ops::channels_last(at, x.where());
  }
  at = cast(at, i64);
  const int64_t image = Shape(size).size(), batch = t.shape()[0], channels = t.shape()[-1];
  if (o.places.whole) at = at - ops::channel_origins(batch, channels, image, t.rank());
  if (o.places.column_major) {
    Tensor row_major;
    int64_t before = 1, after = image;
    for (int64_t n : size) {
      after /= n;
      const Tensor part = floor_divide(at, before) % n * after;
      row_major = row_major.defined() ? row_major + part : part;
      before *= n;
    }
    at = row_major;
  }
  const int64_t points = t.size() / std::max<int64_t>(batch * channels, 1);
  const Tensor spread = scatter_set_along_axis(zeros({batch, image, channels}, t.dtype()),
                                               reshape(at, {batch, points, channels}),
                                               reshape(t, {batch, points, channels}), 1);
  std::vector<int64_t> dims{batch};
  dims.insert(dims.end(), size.begin(), size.end());
  dims.push_back(channels);
  const Tensor y = reshape(spread, Shape(std::move(dims)));
  return o.data_format.channels_first ? ops::channels_first(y, x.where()) : y;
}

Tensor adaptive_average_pool(const Operand& x, const std::vector<int64_t>& size,
                             const AdaptivePoolOptions& o) {
  ops::adaptive_axis("adaptive_average_pool", x, x.tensor(), size, o);
  return resize(x, {.size = size, .interpolation = "area", .data_format = o.data_format});
}

Tensor adaptive_max_pool(const Operand& x, const std::vector<int64_t>& size,
                         const AdaptivePoolOptions& o) {
  Tensor t = x.tensor();
  const ops::Call call{"adaptive_max_pool", x.where()};
  const int first = ops::adaptive_axis(call.name, x, t, size, o);
  const ir::CallerScope caller(x.where());
  for (size_t i = 0; i < size.size(); ++i) {
    const int axis = first + static_cast<int>(i);
    if (t.shape()[axis] == size[i]) continue;
    t = varve::max(ops::Parts(call, axis, t.shape()[axis], size[i]).of(t), {.axes = {axis + 1}});
  }
  return t;
}

MaxPoolResult adaptive_max_pool_with_indices(const Operand& x, const std::vector<int64_t>& size,
                                             const AdaptivePoolOptions& o,
                                             const PlaceOptions& places) {
  Tensor t = x.tensor();
  const ops::Call call{"adaptive_max_pool_with_indices", x.where()};
  ops::adaptive_axis(call.name, x, t, size, o);
  const ir::CallerScope caller(x.where());
  if (o.data_format.channels_first) t = ops::channels_last(t, x.where());
  const ir::Ints input = ops::spatial_of(t.shape());
  Tensor index;
  // The first of equal ones in row-major order: the axis that runs fastest comes first.
  for (size_t i = size.size(); i-- > 0;) {
    const int axis = static_cast<int>(i) + 1;
    const ops::Parts parts(call, axis, input[i], size[i]);
    const Tensor which = argmax(parts.of(t), {.axis = axis + 1, .keep_dims = true});
    t = parts.chosen(t, which);
    const Tensor place = (ops::squeezed(which, {axis + 1}) + parts.begin(t.rank())) *
                         ops::place_step(input, i, places);
    index = index.defined() ? parts.chosen(index, which) + place : place;
  }
  if (places.whole) {
    index =
        index + ops::channel_origins(t.shape()[0], t.shape()[-1], Shape(input).size(), t.rank());
  }
  if (!o.data_format.channels_first) return {t, index};
  return {ops::channels_first(t, x.where()), ops::channels_first(index, x.where())};
}

Tensor global_average_pool(const Operand& x, const GlobalPoolOptions& options) {
  return mean(x, ops::over_space("global_average_pool", x, options));
}
Tensor global_max_pool(const Operand& x, const GlobalPoolOptions& options) {
  return max(x, ops::over_space("global_max_pool", x, options));
}

}  // namespace varve
