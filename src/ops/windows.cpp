// Windows over any axes: a view that steps over its elements again and again, and the sum that goes
// back.
#include "varve/ops/windows.h"

#include <algorithm>

#include "base/count.h"
#include "base/error.h"
#include "base/math.h"
#include "ops/build.h"
#include "ops/call.h"
#include "ops/checks.h"
#include "ops/shape.h"
#include "ops/window.h"

namespace varve::ops {
namespace {

/// The window of a node: one size, stride and dilation for each of its axes, no padding.
Window window_of(const InferArguments& a, const ir::Ints& axes) {
  Window w{a.attributes.ints("window"), a.attributes.ints("strides"), a.attributes.ints("dilation"),
           ir::Ints(axes.size(), 0), ir::Ints(axes.size(), 0)};
  for (const ir::Ints* list : {&w.size, &w.strides, &w.dilation}) {
    if (list->size() != axes.size()) {
      throw ShapeError(text_of(a.op.name,
                               "window, strides and dilation: expected one number for "
                               "each of " +
                                   count_of(static_cast<int64_t>(axes.size()), "axis", "axes")));
    }
    for (int64_t n : *list) {
      if (n < 1) throw ValueError(text_of(a.op.name, "sizes are at least 1"));
    }
  }
  return w;
}

Types windows_type(const InferArguments& a) {
  const ir::Ints& axes = require_axes(a, "axes");
  const Window w = window_of(a, axes);
  std::vector<int64_t> dims = a[0].shape.dims();
  for (size_t i = 0; i < axes.size(); ++i) {
    int64_t& n = dims[static_cast<size_t>(axes[i])];
    n = w.positions(i, n);
  }
  dims.insert(dims.end(), w.size.begin(), w.size.end());
  return {{a[0].dtype, Shape(std::move(dims))}};
}

std::optional<ir::View> windows_view(const InferArguments& a, const TensorType&,
                                     const ir::Strides& input) {
  const ir::Ints& axes = a.attributes.ints("axes");
  const ir::Ints &strides = a.attributes.ints("strides"), &dilation = a.attributes.ints("dilation");
  ir::View v{0, input};
  for (size_t i = 0; i < axes.size(); ++i) {
    const auto axis = static_cast<size_t>(axes[i]);
    // Steps over axes of one element are never taken, and may be too long to be counted.
    int64_t step = 0;
    v.strides[axis] = checked_multiply(input[axis], strides[i], step) ? step : 0;
    v.strides.push_back(checked_multiply(input[axis], dilation[i], step) ? step : 0);
  }
  return v;
}

Types overlap_add_type(const InferArguments& a) {
  if (!is_floating(a[0].dtype)) {
    throw DTypeError(
        text_of(a.op.name, std::string("expected a floating type, got ") + name_of(a[0].dtype)));
  }
  const ir::Ints &axes = a.attributes.ints("axes"), &size = a.attributes.ints("size");
  const int rank = a[0].shape.rank() - static_cast<int>(axes.size());
  if (rank < 0 || size.size() != axes.size())
    throw ShapeError(text_of(a.op.name, "expected a size and a window's axis for each axis"));
  for (size_t i = 0; i < axes.size(); ++i) {
    require_axis(a, axes[i], rank);
    if (i > 0 && axes[i] <= axes[i - 1])
      throw IndexError(text_of(a.op.name, "axes are not ascending"));
  }
  const Window w = window_of(a, axes);
  std::vector<int64_t> dims(a[0].shape.begin(), a[0].shape.begin() + rank);
  bool fits = std::equal(w.size.begin(), w.size.end(), a[0].shape.begin() + rank);
  for (size_t i = 0; i < axes.size(); ++i) {
    if (size[i] < 0) throw ShapeError(text_of(a.op.name, "sizes are not negative"));
    int64_t& n = dims[static_cast<size_t>(axes[i])];
    fits &= w.positions(i, size[i]) == n;
    n = size[i];
  }
  if (!fits) {
    throw ShapeError(text_of(a.op.name, a[0].shape.to_string() + " are not windows " +
                                            sizes_text(w.size) + " over " + sizes_text(size)));
  }
  return {{a[0].dtype, Shape(std::move(dims))}};
}

Slots windows_back(const Local& at, std::span<const Tensor> ct) {
  ir::Ints size;
  for (int64_t axis : at.attributes.ints("axes"))
    size.push_back(at.x().shape()[static_cast<int>(axis)]);
  return {make("overlap_add", {ct[0]}, sized(at.attributes, size))};
}
Slots overlap_add_back(const Local& at, std::span<const Tensor> ct) {
  return {make("windows", {ct[0]}, unsized(at.attributes))};
}

}  // namespace

std::span<const ir::OpDef> windows_rows() {
  static const std::vector<ir::OpDef> rows = {
      {.name = "windows",
       .doc = "Every position of a window over attribute axes: these become positions, and the "
              "window's own axes stand at the end. Attributes window, strides, dilation, one an "
              "axis.",
       .min_inputs = 1,
       .max_inputs = 1,
       .infer = windows_type,
       .derivative = ir::Linear{windows_back},
       .view = windows_view},
      {.name = "overlap_add",
       .doc = "The transpose of windows: adds each window's elements where they were taken from. "
              "Attribute size is that of the axes; further ones as windows.",
       .min_inputs = 1,
       .max_inputs = 1,
       .infer = overlap_add_type,
       .derivative = ir::Linear{overlap_add_back},
       .flops = [](const InferArguments& a,
                   const Types&) { return static_cast<double>(a[0].shape.size()); }},
  };
  return rows;
}

namespace {

/// Numbers given one an axis, or `otherwise` where there are none.
ir::Ints each(const Call& call, const char* what, const std::vector<int64_t>& given, size_t axes,
              int64_t otherwise) {
  if (given.empty()) return ir::Ints(axes, otherwise);
  if (given.size() != axes) {
    call.value_error(std::string(what) + ": expected " +
                     count_of(static_cast<int64_t>(axes), "number") + ", got " +
                     std::to_string(given.size()));
  }
  return given;
}

/// The attributes of windows over `axes` of x, and the padding around all of its axes.
struct Prepared {
  Attributes attributes;
  std::vector<PadWidth> widths;
  bool pads = false;
};

Prepared prepare(const Call& call, int rank, const std::vector<int>& given,
                 const std::vector<int64_t>& window, const std::vector<int64_t>& strides,
                 const std::vector<int64_t>& dilation, const std::vector<PadWidth>& padding) {
  std::vector<int> axes = given;
  if (axes.empty()) {
    for (int i = 0; i < rank; ++i) axes.push_back(i);
  }
  const size_t n = axes.size();
  if (window.size() != n) {
    call.value_error("window: expected " + count_of(static_cast<int64_t>(n), "number") + ", got " +
                     std::to_string(window.size()));
  }
  const ir::Ints s = each(call, "strides", strides, n, 1),
                 d = each(call, "dilation", dilation, n, 1);
  if (!padding.empty() && padding.size() != n) {
    call.value_error("padding: expected " + count_of(static_cast<int64_t>(n), "pair") + ", got " +
                     std::to_string(padding.size()));
  }
  check_window(call.name, "window", {window, s, d, {}, {}}, call.where);
  // Ascending axes, and what belongs to them.
  std::vector<std::pair<int64_t, size_t>> order;
  for (size_t i = 0; i < n; ++i) {
    try {
      order.emplace_back(normalize_axis(call.name, axes[i], rank), i);
    } catch (const IndexError& e) {
      throw IndexError(e.message(), e.hint(), call.where.to_string());
    }
  }
  std::sort(order.begin(), order.end());
  Prepared p{{}, std::vector<PadWidth>(static_cast<size_t>(rank)), false};
  ir::Ints sorted, sizes, steps, apart;
  for (const auto& [axis, i] : order) {
    if (!sorted.empty() && sorted.back() == axis)
      call.value_error("axis " + std::to_string(axis) + " is given twice");
    if (i != sorted.size() && given.size() > 1)
      call.value_error("axes: expected ascending ones");  // the window's axes stand in their order
    sorted.push_back(axis);
    sizes.push_back(window[i]);
    steps.push_back(s[i]);
    apart.push_back(d[i]);
    if (padding.empty()) continue;
    const PadWidth& w = p.widths[static_cast<size_t>(axis)] = padding[i];
    if (w.before < 0 || w.after < 0) call.value_error("padding: expected 0 or more");
    p.pads |= w.before != 0 || w.after != 0;
  }
  p.attributes = {{"axes", sorted}, {"window", sizes}, {"strides", steps}, {"dilation", apart}};
  return p;
}

Tensor windows(const Call& call, const Tensor& operand, const Prepared& p) {
  const Tensor x = p.pads ? pad(Operand(operand, call.where), p.widths) : operand;
  const ir::Ints &axes = p.attributes.ints("axes"), &size = p.attributes.ints("window");
  const Window w{size, p.attributes.ints("strides"), p.attributes.ints("dilation"),
                 ir::Ints(axes.size(), 0), ir::Ints(axes.size(), 0)};
  for (size_t i = 0; i < axes.size(); ++i) {
    if (w.positions(i, x.shape()[static_cast<int>(axes[i])]) < 1) {
      call.shape_error("window " + sizes_text(size) + " is larger than axis " +
                       std::to_string(axes[i]) + " of " + x.shape().to_string());
    }
  }
  return make("windows", {x}, p.attributes, call.where);
}

/// Adds windows back to the axes of `size`, and cuts the padding off.
Tensor add_back(const Call& call, const Tensor& x, const std::vector<int64_t>& size,
                const Prepared& p) {
  const ir::Ints& axes = p.attributes.ints("axes");
  if (size.size() != axes.size()) {
    call.value_error("size: expected " + count_of(static_cast<int64_t>(axes.size()), "number") +
                     ", got " + std::to_string(size.size()));
  }
  ir::Ints padded = size;
  std::vector<PadWidth> cut(p.widths.size());
  for (size_t i = 0; i < axes.size(); ++i) {
    const PadWidth& w = p.widths[static_cast<size_t>(axes[i])];
    if (!checked_add(padded[i], w.before.value, padded[i]) ||
        !checked_add(padded[i], w.after.value, padded[i]))
      call.shape_error("size and padding pass 2^63");
    cut[static_cast<size_t>(axes[i])] = {-w.before.value, -w.after.value};
  }
  const Tensor y = make("overlap_add", {x}, sized(p.attributes, padded), call.where);
  return p.pads ? pad(Operand(y, call.where), cut) : y;
}

/// The spatial axes of a channels-last image.
std::vector<int> spatial_axes(const Call& call, int rank, size_t window) {
  if (rank < 3 || window != static_cast<size_t>(rank) - 2) {
    call.shape_error("expected batch, channels and " +
                     count_of(static_cast<int64_t>(window), "spatial axis", "spatial axes") +
                     ", got rank " + std::to_string(rank));
  }
  std::vector<int> axes;
  for (int i = 1; i + 1 < rank; ++i) axes.push_back(i);
  return axes;
}

int64_t product(const std::vector<int64_t>& sizes) { return Shape(sizes).size(); }

}  // namespace
}  // namespace varve::ops

namespace varve {

using ops::Call;

Tensor sliding_windows(const Operand& x, const std::vector<int64_t>& window,
                       const WindowsOptions& o) {
  const Call call{"sliding_windows", x.where()};
  const Tensor t = x.tensor();
  const ops::Prepared p =
      ops::prepare(call, t.rank(), o.axes, window, o.strides, o.dilation, o.padding);
  return ops::windows(call, t, p);
}

Tensor overlap_add(const Operand& x, const std::vector<int64_t>& size, const WindowsOptions& o) {
  const Call call{"overlap_add", x.where()};
  const Tensor t = ops::floating(x);
  const size_t n = size.size();
  if (t.rank() < static_cast<int>(2 * n)) {
    call.shape_error("expected an axis of positions and one of the window for each of " +
                     count_of(static_cast<int64_t>(n), "size") + ", got " + t.shape().to_string());
  }
  const std::vector<int64_t> window(t.shape().end() - static_cast<std::ptrdiff_t>(n),
                                    t.shape().end());
  return ops::add_back(call, t, size,
                       ops::prepare(call, t.rank() - static_cast<int>(n), o.axes, window, o.strides,
                                    o.dilation, o.padding));
}

Tensor unfold(const Operand& x, const std::vector<int64_t>& window, const UnfoldOptions& o) {
  const Call call{"unfold", x.where()};
  const ir::CallerScope caller(x.where());
  const bool first = o.data_format.channels_first;
  Tensor t = x.tensor();
  const std::vector<int> axes = ops::spatial_axes(call, t.rank(), window.size());
  if (first) t = ops::channels_last(t, call.where);
  const Tensor y = ops::windows(
      call, t, ops::prepare(call, t.rank(), axes, window, o.strides, o.dilation, o.padding));
  // [batch, positions..., channels, window...]
  const int n = static_cast<int>(window.size());
  const int64_t taps = ops::product(window), batch = y.shape()[0], channels = y.shape()[n + 1];
  const std::vector<int64_t> positions(y.shape().begin() + 1, y.shape().begin() + 1 + n);
  if (first) {
    const Tensor flat =
        reshape(y, {batch, ops::product(positions), ops::product({channels, taps})});
    return swap_axes(flat, 1, 2);
  }
  std::vector<int64_t> dims{batch};
  dims.insert(dims.end(), positions.begin(), positions.end());
  dims.push_back(ops::product({channels, taps}));
  return reshape(move_axis(y, n + 1, -1), Shape(std::move(dims)));
}

Tensor fold(const Operand& x, const std::vector<int64_t>& window, const std::vector<int64_t>& size,
            const UnfoldOptions& o) {
  const Call call{"fold", x.where()};
  const ir::CallerScope caller(x.where());
  const bool first = o.data_format.channels_first;
  const int n = static_cast<int>(window.size()), rank = n + 2;
  Tensor t = ops::floating(x);
  if (n < 1 || size.size() != window.size() || t.rank() != (first ? 3 : rank)) {
    call.shape_error("expected " +
                     std::string(first ? "[batch, channels * taps, positions]"
                                       : "[batch, positions..., taps * channels]") +
                     " and one size a spatial axis, got " + t.shape().to_string() + " and " +
                     count_of(static_cast<int64_t>(size.size()), "size"));
  }
  const std::vector<int> axes = ops::spatial_axes(call, rank, window.size());
  const ops::Prepared p = ops::prepare(call, rank, axes, window, o.strides, o.dilation, o.padding);
  const int64_t taps = ops::product(window), batch = t.shape()[0];
  const int64_t columns = t.shape()[first ? 1 : rank - 1];
  if (columns % taps != 0) {
    call.shape_error(std::to_string(columns) + " columns are no multiple of the window's " +
                     std::to_string(taps) + " elements");
  }
  ops::Window w{window, p.attributes.ints("strides"), p.attributes.ints("dilation"), {}, {}};
  std::vector<int64_t> dims{batch}, positions;
  for (size_t i = 0; i < window.size(); ++i) {
    const PadWidth& around = p.widths[i + 1];
    w.low.push_back(around.before);
    w.high.push_back(around.after);
    if (size[i] < 0) call.value_error("size: expected 0 or more, got " + std::to_string(size[i]));
    positions.push_back(w.positions(i, size[i]));
  }
  dims.insert(dims.end(), positions.begin(), positions.end());
  const int64_t channels = columns / taps;
  const bool fits = first ? t.shape()[2] == ops::product(positions)
                          : std::equal(positions.begin(), positions.end(), t.shape().begin() + 1);
  if (!fits) {
    call.shape_error(t.shape().to_string() + " has not the " + ops::sizes_text(positions) +
                     " positions of windows " + ops::sizes_text(window) + " over " +
                     ops::sizes_text(size));
  }
  if (first) {
    dims.push_back(channels);
    dims.insert(dims.end(), window.begin(), window.end());
    t = reshape(swap_axes(t, 1, 2), Shape(std::move(dims)));
  } else {
    dims.insert(dims.end(), window.begin(), window.end());
    dims.push_back(channels);
    t = move_axis(reshape(t, Shape(std::move(dims))), -1, n + 1);
  }
  const Tensor y = ops::add_back(call, t, size, p);
  return first ? ops::channels_first(y, call.where) : y;
}

int64_t receptive_field(const std::vector<WindowStep>& layers) {
  int64_t field = 1, step = 1;
  for (const WindowStep& l : layers) {
    if (l.size < 1 || l.stride < 1 || l.dilation < 1)
      throw ValueError("receptive_field: sizes, strides and dilations are at least 1");
    int64_t more = 0;
    if (!checked_multiply(l.dilation.value, l.size - 1, more) ||
        !checked_multiply(more, step, more) || !checked_add(field, more, field) ||
        !checked_multiply(step, l.stride.value, step))
      throw ValueError("receptive_field: it passes 2^63");
  }
  return field;
}

}  // namespace varve
