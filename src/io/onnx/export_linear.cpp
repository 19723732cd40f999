// Resampling, transforms, windows and sparse products as ONNX operators: linear maps of an axis
// become products with the matrix that the op makes of unit vectors.
#include <algorithm>

#include "io/onnx/emit.h"
#include "ops/table.h"
#include "varve/ops/indexing.h"
#include "varve/ops/pointwise.h"
#include "varve/ops/shape.h"

namespace varve::io::onnx {
namespace {

std::vector<int64_t> axes_without(int rank, std::vector<int64_t> taken) {
  std::vector<int64_t> order;
  for (int64_t i = 0; i < rank; ++i) {
    if (std::find(taken.begin(), taken.end(), i) == taken.end()) order.push_back(i);
  }
  order.insert(order.end(), taken.begin(), taken.end());
  return order;
}

/// The axes in which `order` is undone.
std::vector<int64_t> undone(const std::vector<int64_t>& order) {
  std::vector<int64_t> back(order.size());
  for (size_t i = 0; i < order.size(); ++i)
    back[static_cast<size_t>(order[i])] = static_cast<int64_t>(i);
  return back;
}

Tensor identity(int64_t n) { return one_hot(arange(n), n, {.dtype = f64}); }

std::string matrix(const Exported& e, const Tensor& m) {
  const Tensor t = cast(m, e.type(0).dtype);
  return e.to.literal({t.dtype(), t.shape(), ir::contiguous_array(t)}, "matrix");
}

std::string places(const Exported& e, const Tensor& t) {
  const Tensor whole = cast(t, i64);
  return e.to.literal({i64, whole.shape(), ir::contiguous_array(whole)}, "places");
}

void resample(const Exported& e) {
  const int64_t axis = e.integer("axis"), rank = e.type(0).shape.rank();
  const int64_t n = e.type(0).shape[static_cast<int>(axis)];
  ir::Attributes along = e.node.attributes;
  along.set("axis", int64_t{0});
  if (along.get<std::string>("method") == "nearest" &&
      along.get<std::string>("coordinates") != "tf_crop_and_resize") {
    const Tensor from = ir::apply(*e.node.op, std::vector{cast(arange(n), f64)}, along)[0];
    e.give(e.to.add("Gather", {e.plain(0), places(e, from)}, {integer("axis", axis)}));
    return;
  }
  if (along.get<std::string>("coordinates") == "tf_crop_and_resize")
    e.refuse("a region of the picture is resampled");
  // Row i of the matrix: what the unit vector of old element i gives.
  ir::Attributes behind = along;
  behind.set("axis", int64_t{1});
  const Tensor m = ir::apply(*e.node.op, std::vector{identity(n)}, behind)[0];
  const std::vector<int64_t> order = axes_without(static_cast<int>(rank), {axis});
  const std::string y = e.to.add("MatMul", {e.to.transpose(e.plain(0), order), matrix(e, m)});
  e.give(e.to.transpose(y, undone(order)));
}

void fft(const Exported& e) {
  const int64_t axis = e.integer("axis"), n = e.type(0).shape[static_cast<int>(axis)];
  const bool inverse = e.node.attributes.flag("inverse");
  const std::string y =
      e.to.add("DFT", {e.plain(0)}, {integer("axis", axis), integer("inverse", inverse)});
  const double scale = static_cast<double>(n);  // ONNX divides by it
  e.give(inverse ? e.to.add("Mul", {y, e.to.number(scale, e.type(0).dtype)}) : y);
}

void rfft(const Exported& e) {
  std::vector<int64_t> shape = e.type(0).shape.dims();
  shape.push_back(1);
  e.give(e.to.add("DFT", {e.to.reshape(e.plain(0), shape)},
                  {integer("axis", e.integer("axis")), integer("onesided", 1)}));
}

/// Both parts of every frequency beside each other, by the matrix of unit vectors.
void irfft(const Exported& e) {
  const int64_t axis = e.integer("axis");
  const Shape& shape = e.type(0).shape;
  const int64_t parts = 2 * shape[static_cast<int>(axis)];
  const Tensor units = reshape(identity(parts), {parts, parts / 2, 2});
  ir::Attributes along = e.node.attributes;
  along.set("axis", int64_t{1});
  const Tensor m = ir::apply(*e.node.op, std::vector{units}, along)[0];
  const std::vector<int64_t> order = axes_without(shape.rank(), {axis, shape.rank() - 1});
  std::vector<int64_t> flat;
  for (size_t i = 0; i + 2 < order.size(); ++i) flat.push_back(shape[static_cast<int>(order[i])]);
  flat.push_back(parts);
  const std::string x = e.to.reshape(e.to.transpose(e.plain(0), order), flat);
  const std::vector<int64_t> back = axes_without(shape.rank() - 1, {axis});
  e.give(e.to.transpose(e.to.add("MatMul", {x, matrix(e, m)}), undone(back)));
}

/// Element p * strides + t * dilation along an axis, by position p and tap t.
Tensor window_places(const Exported& e, size_t i, int64_t positions) {
  const Tensor p = arange(positions) * e.ints("strides")[i];
  const Tensor t = arange(e.ints("window")[i]) * e.ints("dilation")[i];
  return expand_dims(p, 1) + expand_dims(t, 0);
}

void windows(const Exported& e) {
  const ir::Ints& axes = e.ints("axes");
  const Shape& out = e.node.outputs[0].shape;
  std::string x = e.plain(0);
  // From the last axis on, so that those before keep their numbers; each leaves its taps behind it.
  std::vector<int64_t> taken(axes), order;
  std::vector<size_t> by_axis(axes.size());
  for (size_t i = 0; i < axes.size(); ++i) by_axis[i] = i;
  std::sort(by_axis.begin(), by_axis.end(), [&](size_t a, size_t b) { return axes[a] > axes[b]; });
  for (size_t i : by_axis) {
    const Tensor from = window_places(e, i, out[static_cast<int>(axes[i])]);
    x = e.to.add("Gather", {x, places(e, from)}, {integer("axis", axes[i])});
  }
  const auto before = [&](int64_t axis) {
    return std::count_if(axes.begin(), axes.end(), [&](int64_t a) { return a < axis; });
  };
  for (int64_t a = 0; a < e.type(0).shape.rank(); ++a) order.push_back(a + before(a));
  for (int64_t a : axes) order.push_back(a + before(a) + 1);
  e.give(e.to.transpose(x, order));
}

/// An axis after the other: its positions and taps by the matrix that puts them in their places.
void overlap_add(const Exported& e) {
  const ir::Ints &axes = e.ints("axes"), &size = e.ints("size");
  std::vector<int64_t> shape = e.type(0).shape.dims();
  const auto rank = static_cast<int64_t>(shape.size() - axes.size());
  std::string x = e.plain(0);
  for (size_t i = axes.size(); i-- > 0;) {
    const int64_t taps = rank + static_cast<int64_t>(i),
                  positions = shape[static_cast<size_t>(axes[i])];
    const std::vector<int64_t> order =
        axes_without(static_cast<int>(shape.size()), {axes[i], taps});
    std::vector<int64_t> flat;
    for (size_t k = 0; k + 2 < order.size(); ++k)
      flat.push_back(shape[static_cast<size_t>(order[k])]);
    flat.push_back(positions * e.ints("window")[i]);
    x = e.to.reshape(e.to.transpose(x, order), flat);
    const Tensor to = reshape(window_places(e, i, positions), {-1});
    x = e.to.add("MatMul", {x, matrix(e, one_hot(to, size[i], {.dtype = f64}))});
    shape.erase(shape.begin() + taps);
    shape[static_cast<size_t>(axes[i])] = size[i];
    x = e.to.transpose(x, undone(axes_without(static_cast<int>(shape.size()), {axes[i]})));
  }
  e.give(x);
}

void gather_sum(const Exported& e) {
  const DType d = e.type(0).dtype, at_type = e.type(1).dtype;
  const std::string &at = e.plain(1), none = e.to.number(0, at_type);
  const std::string inside = e.to.add("GreaterOrEqual", {at, none});
  const std::string rows =
      e.to.add("Gather", {e.plain(0), e.to.add("Max", {at, none})}, {integer("axis", 0)});
  std::vector<int64_t> column = e.type(1).shape.dims();
  column.push_back(1);
  // What is left out must not be multiplied: 0 times an infinite row is NaN.
  const std::string terms = e.to.add("Mul", {rows, e.to.reshape(e.plain(2), column)});
  const std::string kept =
      e.to.add("Where", {e.to.reshape(inside, column), terms, e.to.number(0, d)});
  e.give(e.to.add("ReduceSum", {kept, e.to.ints({1})}, {integer("keepdims", 0)}));
}

/// Entries by entry: the row of each is how many rows ended before it.
void sparse_matmul(const Exported& e) {
  const int64_t entries = e.type(0).shape[0], rows = e.type(3).shape[0] - 1;
  const int64_t columns = e.type(1).shape[1];
  const DType d = e.type(0).dtype;
  const Tensor none = cast(arange(entries + 1) * 0, i64);
  const std::string ends = e.to.add(
      "Cast",
      {e.to.add("Slice", {e.plain(3), e.to.ints({1}), e.to.ints({rows + 1}), e.to.ints({0})})},
      {integer("to", static_cast<int64_t>(formats::onnx::Type::int64))});
  const std::string ones = e.to.add("Expand", {e.to.number(1, i64), e.to.ints({rows})});
  const std::string ended =
      e.to.add("ScatterElements", {places(e, none), ends, ones}, {text("reduction", "add")});
  const std::string row = e.to.add("Slice", {e.to.add("CumSum", {ended, e.to.number(0, i64)}),
                                             e.to.ints({0}), e.to.ints({entries}), e.to.ints({0})});
  const bool transposed = e.node.attributes.flag("transpose");
  const std::string &from = transposed ? row : e.plain(2), &to = transposed ? e.plain(2) : row;
  const std::string terms =
      e.to.add("Mul", {e.to.add("Gather", {e.plain(1), from}, {integer("axis", 0)}),
                       e.to.reshape(e.plain(0), std::vector<int64_t>{entries, 1})});
  const std::string zeros = e.to.add(
      "Expand", {e.to.number(0, d), e.to.ints({transposed ? e.integer("width") : rows, columns})});
  const std::string at =
      e.to.add("Cast", {e.to.reshape(to, std::vector<int64_t>{entries, 1})},
               {integer("to", static_cast<int64_t>(formats::onnx::Type::int64))});
  e.give(e.to.add("ScatterND", {zeros, at, terms}, {text("reduction", "add")}));
}

void det(const Exported& e) { e.give(e.to.add("Det", {e.plain(0)})); }

void roi_align(const Exported& e) {
  const DType d = e.type(0).dtype;
  const auto to = static_cast<int64_t>(formats::onnx::type_of(d));
  const bool half = e.node.attributes.flag("half_pixel");
  const std::string regions = e.to.add("Cast", {e.plain(1)}, {integer("to", to)});
  const std::string batches = e.to.add(
      "Cast", {e.plain(2)}, {integer("to", static_cast<int64_t>(formats::onnx::Type::int64))});
  e.outputs[0].channels_first =
      e.to.add("RoiAlign", {e.to.first(*e.inputs[0]), regions, batches},
               {text("coordinate_transformation_mode", half ? "half_pixel" : "output_half_pixel"),
                text("mode", "avg"), integer("output_height", e.ints("size")[0]),
                integer("output_width", e.ints("size")[1]),
                integer("sampling_ratio", e.integer("sampling_ratio")),
                real("spatial_scale", e.node.attributes.real("scale"))});
}

}  // namespace

std::span<const ExportRow> linear_exports() {
  static constexpr ExportRow rows[] = {
      {"resample", resample},
      {"fft", fft},
      {"rfft", rfft},
      {"irfft", irfft},
      {"windows", windows},
      {"overlap_add", overlap_add},
      {"gather_sum", gather_sum},
      {"sparse_matmul", sparse_matmul},
      {"det", det},
      {"roi_align", roi_align},
  };
  return rows;
}

}  // namespace varve::io::onnx
