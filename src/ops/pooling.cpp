// Pooling. The largest of a window comes with its place in the window, by which the gradient finds
// back; the gradient and the gather by that place are each other's transposes.
#include "varve/ops/pooling.h"

#include <limits>

#include "base/error.h"
#include "ops/checks.h"
#include "ops/window.h"

namespace varve::ops {
namespace {

Shape with_spatial(const Shape& x, const std::vector<int64_t>& middle) {
  std::vector<int64_t> dims = x.dims();
  std::copy(middle.begin(), middle.end(), dims.begin() + 1);
  return Shape(std::move(dims));
}

Window window_of(const InferArguments& a) {
  return ops::window_of(a.attributes, a.attributes.ints("window"));
}

void check_rank(const InferArguments& a) {
  const int rank = a[0].shape.rank();
  if (rank < 3 || rank > 5) {
    throw ShapeError(text_of(a.op.name, "expected rank 3 to 5, got " + a[0].shape.to_string()));
  }
}

/// Places within windows fit a byte for all but the largest windows.
DType place_type(const Window& w) {
  const int64_t taps = Shape(w.size).size();
  if (taps > std::numeric_limits<int32_t>::max())
    throw ShapeError("a window of " + Shape(w.size).to_string() + " has more than 2^31 elements");
  return taps <= 256 ? u8 : i32;
}

Shape pooled(const InferArguments& a, const Window& w, const Shape& x) {
  return with_spatial(x, checked_positions(a.op.name, w, x));
}

Types max_pool_type(const InferArguments& a) {
  check_rank(a);
  if (a[0].dtype == DType::bool_) throw DTypeError(text_of(a.op.name, "bool has no order"));
  const Window w = window_of(a);
  const Shape y = pooled(a, w, a[0].shape);
  require_taps(a.op.name, w, spatial_of(a[0].shape));
  return {{a[0].dtype, y}, {place_type(w), y}};
}

void check_floating(const InferArguments& a) {
  if (!is_floating(a[0].dtype)) {
    throw DTypeError(
        text_of(a.op.name, std::string("expected a floating type, got ") + name_of(a[0].dtype)));
  }
}

/// From gradients at positions back to an input whose spatial sizes are attribute size.
Types spread_type(const InferArguments& a) {
  check_rank(a);
  check_floating(a);
  const Window w = window_of(a);
  require_count(a, "size", w.size.size());
  checked_positions(a.op.name, w, a[0].shape);  // one number an axis of everything
  const Shape x = with_spatial(a[0].shape, a.attributes.ints("size"));
  if (pooled(a, w, x) != a[0].shape) {
    throw ShapeError(text_of(a.op.name, "positions " + a[0].shape.to_string() +
                                            " are not those of an input " + x.to_string()));
  }
  if (a.inputs.size() == 2 && a[1] != TensorType{place_type(w), a[0].shape})
    throw ShapeError(text_of(a.op.name, "places are not those of the window"));
  return {{a[0].dtype, x}};
}

Types average_gradient_type(const InferArguments& a) {
  require_flags(a, {"count_include_pad"});
  return spread_type(a);
}

Types gather_type(const InferArguments& a) {
  check_rank(a);
  check_floating(a);
  const Window w = window_of(a);
  const Shape y = pooled(a, w, a[0].shape);
  if (a[1] != TensorType{place_type(w), y})
    throw ShapeError(text_of(a.op.name, "places are not those of the window"));
  return {{a[0].dtype, y}};
}

Types average_type(const InferArguments& a) {
  check_rank(a);
  check_floating(a);
  const Window w = window_of(a);
  const Shape y = pooled(a, w, a[0].shape);
  if (!a.attributes.flag("count_include_pad")) require_taps(a.op.name, w, spatial_of(a[0].shape));
  return {{a[0].dtype, y}};
}

Attributes sized(const Attributes& window, const Tensor& x) {
  return ops::sized(window, spatial_of(x.shape()));
}

double taps_flops(const InferArguments& a, const Shape& y) {
  double taps = 1;
  for (int64_t n : a.attributes.ints("window")) taps *= static_cast<double>(n);
  return taps * static_cast<double>(y.size());
}
double pooled_flops(const InferArguments& a, const Types& y) { return taps_flops(a, y[0].shape); }
double spread_flops(const InferArguments& a, const Types&) { return taps_flops(a, a[0].shape); }

std::vector<ir::OpDef> max_rows() {
  return {
      {.name = "max_pool",
       .doc = "The largest element of each window, and its place in the window (row-major; the "
              "first of equal ones, NaN before all). Attributes window, strides, dilation, "
              "padding_low, padding_high, one a spatial axis. x [batch, spatial..., channels].",
       .min_inputs = 1,
       .max_inputs = 1,
       .infer = max_pool_type,
       .derivative = ir::Custom{
           [](const Local& at, std::span<const Tensor> ct) -> Slots {
             return {make("max_pool_gradient", {ct[0], at.y(1)}, sized(at.attributes, at.x()))};
           },
           [](const Local& at, std::span<const Tensor> t) -> Slots {
             return {make("max_pool_gather", {t[0], at.y(1)}, at.attributes), Tensor()};
           }},
       .traits = {.residuals = 1},
       .flops = pooled_flops},
      {.name = "max_pool_gradient",
       .doc = "The gradient of max_pool: adds each position's gradient to the element at its "
              "place. Inputs: gradient, places; attribute size is x's spatial sizes.",
       .min_inputs = 2,
       .max_inputs = 2,
       .infer = spread_type,
       .derivative = ir::Multilinear{1,
                                     [](const Local& at, std::span<const Tensor> ct) -> Slots {
                                       return {make("max_pool_gather", {ct[0], at.x(1)},
                                                    unsized(at.attributes)),
                                               Tensor()};
                                     }},
       .flops = spread_flops},
      {.name = "max_pool_gather",
       .doc = "The element of each window at a given place; 0 where that lies in the padding. "
              "Inputs: x, places.",
       .min_inputs = 2,
       .max_inputs = 2,
       .infer = gather_type,
       .derivative = ir::Multilinear{1,
                                     [](const Local& at, std::span<const Tensor> ct) -> Slots {
                                       return {make("max_pool_gradient", {ct[0], at.x(1)},
                                                    sized(at.attributes, at.x())),
                                               Tensor()};
                                     }}},
  };
}

std::vector<ir::OpDef> average_rows() {
  return {
      {.name = "average_pool",
       .doc = "The mean of each window; elements in the padding count as zeros with attribute "
              "count_include_pad, else not at all. Further attributes as max_pool.",
       .min_inputs = 1,
       .max_inputs = 1,
       .infer = average_type,
       .derivative = ir::Linear{[](const Local& at, std::span<const Tensor> ct) -> Slots {
         return {make("average_pool_gradient", {ct[0]}, sized(at.attributes, at.x()))};
       }},
       .flops = pooled_flops},
      {.name = "average_pool_gradient",
       .doc = "The gradient of average_pool: shares each position's gradient among the window's "
              "elements. Attribute size is x's spatial sizes.",
       .min_inputs = 1,
       .max_inputs = 1,
       .infer = average_gradient_type,
       .derivative = ir::Linear{[](const Local& at, std::span<const Tensor> ct) -> Slots {
         return {make("average_pool", {ct[0]}, unsized(at.attributes))};
       }},
       .flops = spread_flops},
  };
}

}  // namespace

std::span<const ir::OpDef> pooling_rows() {
  static const std::vector<ir::OpDef> rows = [] {
    std::vector<ir::OpDef> all = max_rows();
    for (ir::OpDef& row : average_rows()) all.push_back(std::move(row));
    return all;
  }();
  return rows;
}

}  // namespace varve::ops
