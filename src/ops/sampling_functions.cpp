// grid_sample, affine_grid and deformable convolution: weighted sums of the elements around points.
#include <cmath>

#include "base/count.h"
#include "base/error.h"
#include "ops/build.h"
#include "ops/call.h"
#include "ops/shape.h"
#include "ops/window.h"
#include "varve/ops/indexing.h"
#include "varve/ops/matmul.h"
#include "varve/ops/pointwise.h"
#include "varve/ops/sampling.h"
#include "varve/ops/shape.h"

namespace varve {

Border Border::parse(std::string_view name) {
  Border b;
  b.kind = read(name);
  if (b.to_string() != name) {
    throw ValueError(
        "border: expected \"zeros\", \"border\" or \"reflection\", got \"" + escaped(name) + "\"",
        did_you_mean(name, {"zeros", "border", "reflection"}));
  }
  return b;
}

namespace {

using ops::Call;
using Kind = Interpolation::Kind;

/// The elements of one axis around points, in a new last axis: where they stand, with which weight,
/// and whether they are there at all.
struct AxisTaps {
  Tensor index, weight, inside;  // i64, floating, bool; inside may be empty: all are
};

/// Coordinates mirrored at `low` and low + span until they lie between.
Tensor reflected(const Tensor& u, double low, double span) {
  if (!(span > 0)) return zeros_like(u);
  const Tensor away = abs(u - low), turns = floor(away / span);
  const Tensor rest = away - turns * span;
  return where(turns % 2 == 0, rest, span - rest) + low;
}

Tensor into_image(const Tensor& u, int64_t n, const Border& border, bool align_corners) {
  const auto most = static_cast<double>(n - 1);
  if (border.kind == Border::Kind::zeros) return u;
  if (border.kind == Border::Kind::border) return clip(u, 0, most);
  return clip(align_corners ? reflected(u, 0, most) : reflected(u, -0.5, most + 1), 0, most);
}

/// Keys' cubic convolution, a = -0.75, for |x| <= 1 and for 1 <= |x| <= 2.
Tensor cubic_near(const Tensor& x) { return (x * 1.25 - 2.25) * x * x + 1; }
Tensor cubic_far(const Tensor& x) { return ((x - 5) * x + 8) * x * -0.75 + 3; }

AxisTaps taps_at(const Tensor& points, int64_t n, const GridSampleOptions& o) {
  const Kind kind = o.interpolation.kind;
  const auto most = static_cast<double>(n - 1);
  const Tensor u = kind == Kind::cubic ? points : into_image(points, n, o.border, o.align_corners);
  Tensor place, weight;
  if (kind == Kind::nearest) {
    place = expand_dims(round(u), -1);
    weight = ones_like(place);
  } else {
    const Tensor low = floor(u), f = u - low;
    if (kind == Kind::linear) {
      place = stack({low, low + 1}, -1);
      weight = stack({1 - f, f}, -1);
    } else {
      place = stack({low - 1, low, low + 1, low + 2}, -1);
      weight = stack({cubic_far(f + 1), cubic_near(f), cubic_near(1 - f), cubic_far(2 - f)}, -1);
    }
  }
  if (kind == Kind::cubic) place = into_image(place, n, o.border, o.align_corners);
  const Tensor inside = (place >= 0) & (place <= most);
  return {cast(clip(place, 0, most), i64), weight, inside};
}

/// Taps of several axes together: every combination, in a new last axis. The first axis is the
/// outermost; `sizes` are the image's.
AxisTaps combined(const std::vector<AxisTaps>& axes, const std::vector<int64_t>& sizes) {
  AxisTaps all = axes[0];
  for (size_t d = 1; d < axes.size(); ++d) {
    const auto outer = [&](const Tensor& a) { return expand_dims(a, -1); };
    const auto inner = [&](const Tensor& b) { return expand_dims(b, -2); };
    const AxisTaps& next = axes[d];
    all.index = flatten(outer(all.index * sizes[d]) + inner(next.index), all.index.rank() - 1);
    all.weight = flatten(outer(all.weight) * inner(next.weight), all.weight.rank() - 1);
    all.inside = flatten(outer(all.inside) & inner(next.inside), all.inside.rank() - 1);
  }
  return all;
}

/// Points have the type in which they are computed: f32 for halves.
DType point_type(DType d) { return d == f64 ? f64 : f32; }

/// The sums of the taps: rows x [n, channels], taps [..., k] -> [.., channels] as a matrix.
Tensor summed(const Tensor& rows, const AxisTaps& taps) {
  const int64_t k = taps.index.shape()[-1], points = taps.weight.size() / k;
  const Tensor index = where(taps.inside, taps.index, -1);
  return gather_sum(rows, reshape(index, {points, k}),
                    reshape(cast(taps.weight, rows.dtype()), {points, k}));
}

void require_elements(const Call& call, const std::vector<int64_t>& sizes) {
  for (int64_t n : sizes) {
    if (n < 1) call.shape_error("the image has no element");
  }
}

}  // namespace

Tensor grid_sample(const Operand& operand, const Operand& grid_operand,
                   const GridSampleOptions& o) {
  const Call call{"grid_sample", operand.where()};
  const ir::CallerScope caller(operand.where());
  Tensor x = ops::floating(operand), grid = ops::floating(grid_operand);
  const int axes = x.rank() - 2;
  if (axes < 1 || axes > 3 || grid.rank() < 2 || grid.shape()[-1] != axes ||
      grid.shape()[0] != x.shape()[0]) {
    call.shape_error(
        "expected an image batch of one to three spatial axes and a grid [batch, "
        "points..., axes], got " +
        x.shape().to_string() + " and " + grid.shape().to_string());
  }
  if (o.interpolation.kind == Kind::area)
    call.value_error("interpolation: expected \"nearest\", \"linear\" or \"cubic\", got \"area\"");
  if (o.data_format.channels_first) x = ops::channels_last(x, call.where);
  const std::vector<int64_t> sizes = ops::spatial_of(x.shape());
  require_elements(call, sizes);
  const int64_t batch = x.shape()[0], channels = x.shape()[-1], image = Shape(sizes).size();
  const Shape points(std::vector<int64_t>(grid.shape().begin() + 1, grid.shape().end() - 1));
  grid = reshape(cast(grid, point_type(grid.dtype())), {batch, points.size(), axes});
  std::vector<AxisTaps> taps;
  for (int d = 0; d < axes; ++d) {
    const int64_t n = sizes[static_cast<size_t>(d)], place = axes - 1 - d;
    const Tensor at = squeeze(slice(grid, {{}, {}, {place, place + 1}}), {2});
    const auto size = static_cast<double>(n);
    const Tensor u = o.align_corners ? (at + 1) * ((size - 1) / 2) : ((at + 1) * size - 1) * 0.5;
    taps.push_back(taps_at(u, n, o));
  }
  AxisTaps all = combined(taps, sizes);
  all.index = all.index + ops::counted_along(batch, 0, 3, 0, image, i64);
  std::vector<int64_t> dims{batch};
  dims.insert(dims.end(), points.begin(), points.end());
  dims.push_back(channels);
  const Tensor y = reshape(summed(reshape(x, {batch * image, channels}), all), Shape(dims));
  return o.data_format.channels_first ? move_axis(y, -1, 1) : y;
}

Tensor affine_grid(const Operand& operand, const std::vector<int64_t>& size,
                   const AffineGridOptions& o) {
  const Call call{"affine_grid", operand.where()};
  const ir::CallerScope caller(operand.where());
  const Tensor theta = ops::floating(operand);
  const int axes = static_cast<int>(size.size());
  if (axes < 1 || axes > 3 || theta.rank() != 3 || theta.shape()[1] != axes ||
      theta.shape()[2] != axes + 1) {
    call.shape_error("expected maps [batch, " + std::to_string(axes) + ", " +
                     std::to_string(axes + 1) + "] for " + count_of(axes, "axis", "axes") +
                     ", got " + theta.shape().to_string());
  }
  require_elements(call, size);
  const DType d = point_type(theta.dtype());
  const Shape points(size);
  std::vector<Tensor> columns;
  for (int k = axes - 1; k >= 0; --k) {
    const auto n = static_cast<double>(size[static_cast<size_t>(k)]);
    const Tensor i = ops::counted_along(size[static_cast<size_t>(k)], k, axes, 0, 1, d);
    const Tensor at = !o.align_corners ? (i * 2 + 1) / n - 1 : n == 1 ? i : i * (2 / (n - 1)) - 1;
    columns.push_back(broadcast_to(at, points));
  }
  columns.push_back(ones(points, d));
  const Tensor base = reshape(stack(Tensors(columns), -1), {points.size(), axes + 1});
  const Tensor grid = matmul(base, transpose(cast(theta, d), {0, 2, 1}));
  std::vector<int64_t> dims{theta.shape()[0]};
  dims.insert(dims.end(), size.begin(), size.end());
  dims.push_back(axes);
  return cast(reshape(grid, Shape(std::move(dims))), theta.dtype());
}

namespace {

/// Sizes of a deformable convolution.
struct Deformed {
  std::vector<int64_t> sizes, taps, positions;
  ops::Window window;
  int64_t batch, channels, out, groups, offset_groups;
  int axes() const { return static_cast<int>(sizes.size()); }
  int64_t count() const { return Shape(taps).size(); }
  int64_t points() const { return Shape(positions).size(); }
};

Deformed sizes_of(const Call& call, const Tensor& x, const Tensor& kernel,
                  const DeformConvOptions& o) {
  const int axes = x.rank() - 2;
  if (axes < 1 || axes > 3 || kernel.rank() != x.rank()) {
    call.shape_error(
        "expected an image batch of one to three spatial axes and a kernel of its "
        "rank, got " +
        x.shape().to_string() + " and " + kernel.shape().to_string());
  }
  Deformed s{ops::spatial_of(x.shape()),
             {kernel.shape().begin(), kernel.shape().end() - 2},
             {},
             {},
             x.shape()[0],
             x.shape()[-1],
             kernel.shape()[-1],
             o.groups,
             o.offset_groups};
  if (s.groups < 1 || s.offset_groups < 1 || s.channels % s.groups != 0 || s.out % s.groups != 0 ||
      s.channels % s.offset_groups != 0 || kernel.shape()[-2] * s.groups != s.channels) {
    call.shape_error("groups " + std::to_string(s.groups) + " and offset_groups " +
                     std::to_string(s.offset_groups) + " do not fit " +
                     count_of(s.channels, "channel") + " and a kernel of " +
                     std::to_string(kernel.shape()[-2]) + " to " + std::to_string(s.out));
  }
  require_elements(call, s.sizes);
  const auto each = [&](const char* name, const std::vector<int64_t>& given) {
    if (given.empty()) return ir::Ints(static_cast<size_t>(axes), 1);
    if (given.size() != static_cast<size_t>(axes)) {
      call.value_error(std::string(name) + ": expected " + count_of(axes, "number") + ", got " +
                       std::to_string(given.size()));
    }
    return given;
  };
  s.window = {s.taps, each("strides", o.strides), each("dilation", o.dilation), {}, {}};
  ops::settle(call.name, "kernel", o.padding, s.sizes, s.window, call.where);
  for (size_t i = 0; i < s.sizes.size(); ++i)
    s.positions.push_back(s.window.positions(i, s.sizes[i]));
  return s;
}

/// Offsets or factors as [batch, positions..., taps..., offset groups, last...].
Tensor by_tap(const Call& call, const char* what, const Tensor& given, const Deformed& s,
              bool first, int64_t last) {
  std::vector<int64_t> dims{s.batch};
  const int64_t columns = s.offset_groups * s.count() * last;
  std::vector<int64_t> want = s.positions;
  want.insert(first ? want.begin() : want.end(), columns);
  want.insert(want.begin(), s.batch);
  if (given.shape() != Shape(want)) {
    call.shape_error(std::string(what) + ": expected " + Shape(want).to_string() + ", got " +
                     given.shape().to_string());
  }
  const Tensor t = reshape(first ? move_axis(given, 1, -1) : given,
                           {s.batch, s.points(), s.offset_groups, s.count(), last});
  dims.insert(dims.end(), s.positions.begin(), s.positions.end());
  dims.insert(dims.end(), s.taps.begin(), s.taps.end());
  dims.insert(dims.end(), {s.offset_groups, last});
  return reshape(transpose(t, {0, 1, 3, 2, 4}), Shape(std::move(dims)));
}

/// The image at every tap of every position: [batch * points, taps * channels].
Tensor deformed_columns(const Call& call, const Tensor& x, const Tensor& offset,
                        const DeformConvOptions& o, const Deformed& s) {
  const bool first = o.data_format.channels_first;
  const DType d = point_type(offset.dtype());
  const Tensor moved = by_tap(call, "offset", cast(offset, d), s, first, s.axes());
  const int rank = moved.rank() - 1;
  std::vector<AxisTaps> taps;
  for (int k = 0; k < s.axes(); ++k) {
    const auto i = static_cast<size_t>(k);
    std::vector<Slice> component(static_cast<size_t>(rank) + 1);
    component.back() = {k, k + 1};
    const Tensor at =
        squeeze(slice(moved, component), {rank}) +
        ops::counted_along(s.positions[i], 1 + k, rank, -s.window.low[i], s.window.strides[i], d) +
        ops::counted_along(s.taps[i], 1 + s.axes() + k, rank, 0, s.window.dilation[i], d);
    taps.push_back(taps_at(at, s.sizes[i], {}));
  }
  AxisTaps all = combined(taps, s.sizes);
  const int64_t image = Shape(s.sizes).size(), g = s.offset_groups;
  all.index = (all.index + ops::counted_along(s.batch, 0, rank + 1, 0, image, i64)) * g +
              ops::counted_along(g, rank - 1, rank + 1, 0, 1, i64);
  if (o.mask.defined()) {
    const Tensor factor = by_tap(call, "mask", cast(o.mask, d), s, first, 1);
    all.weight = all.weight * factor;
  }
  const Tensor rows = reshape(x, {s.batch * image * g, s.channels / g});
  return reshape(summed(rows, all), {s.batch * s.points(), s.count() * s.channels});
}

}  // namespace

Tensor deform_conv(const Operand& x_operand, const Operand& kernel_operand,
                   const Operand& offset_operand, const DeformConvOptions& o) {
  const Call call{"deform_conv", x_operand.where()};
  const ir::CallerScope caller(x_operand.where());
  const DType given = ops::common_type({&x_operand, &kernel_operand});
  const DType d = is_floating(given) ? given : f32;
  Tensor x = cast(x_operand.as(d), d), kernel = cast(kernel_operand.as(d), d);
  const bool first = o.data_format.channels_first;
  if (first && x.rank() >= 3 && kernel.rank() == x.rank()) {
    x = ops::channels_last(x, call.where);
    std::vector<int> order;
    for (int i = 2; i < kernel.rank(); ++i) order.push_back(i);
    order.insert(order.end(), {1, 0});
    kernel = transpose(kernel, order);
  }
  const Deformed s = sizes_of(call, x, kernel, o);
  const Tensor columns = deformed_columns(call, x, ops::floating(offset_operand), o, s);
  const int64_t rows = s.batch * s.points(), in = s.channels / s.groups, out = s.out / s.groups;
  Tensor y;
  if (s.groups == 1) {
    y = matmul(columns, reshape(kernel, {s.count() * in, out}));
  } else {
    const Tensor shares =
        transpose(reshape(columns, {rows, s.count(), s.groups, in}), {2, 0, 1, 3});
    const Tensor kernels = transpose(reshape(kernel, {s.count() * in, s.groups, out}), {1, 0, 2});
    y = transpose(matmul(reshape(shares, {s.groups, rows, s.count() * in}), kernels), {1, 0, 2});
  }
  if (o.bias.defined()) {
    if (o.bias.shape() != Shape{s.out}) {
      call.shape_error("bias: expected shape [" + std::to_string(s.out) + "], got " +
                       o.bias.shape().to_string());
    }
    y = reshape(y, {rows, s.out}) + cast(o.bias, d);
  }
  std::vector<int64_t> dims{s.batch};
  dims.insert(dims.end(), s.positions.begin(), s.positions.end());
  dims.push_back(s.out);
  y = reshape(y, Shape(std::move(dims)));
  return first ? move_axis(y, -1, 1) : y;
}

}  // namespace varve
