// Resampling of one axis, and its transpose: each row of the one's weights is a column of the
// other's.
#include <algorithm>
#include <array>
#include <cmath>
#include <string_view>

#include "base/error.h"
#include "ops/build.h"
#include "ops/checks.h"

namespace varve::ops {
namespace {

void require_name(const InferArguments& a, const char* name,
                  std::initializer_list<std::string_view> names) {
  const auto& got = a.attributes.get<std::string>(name);
  if (std::find(names.begin(), names.end(), got) == names.end())
    throw ValueError(text_of(a.op.name, std::string(name) + ": got \"" + escaped(got) + "\""));
}

/// The axis; checks all other attributes, for an input of `from` and an output of `size` elements.
int require_resampling(const InferArguments& a, int64_t from) {
  const int axis = require_axis(a, a.attributes.integer("axis"), a[0].shape.rank());
  require_name(a, "method", {"nearest", "linear", "cubic", "area"});
  require_name(a, "coordinates",
               {"half_pixel", "align_corners", "asymmetric", "pytorch_half_pixel",
                "half_pixel_symmetric", "tf_crop_and_resize"});
  require_name(a, "rounding", {"round_prefer_floor", "round_prefer_ceil", "floor", "ceil"});
  require_flags(a, {"antialias", "exclude_outside"});
  for (const char* name : {"cubic_coefficient", "start", "end"}) require_real(a, name);
  const double scale = a.attributes.real("scale");
  const int64_t size = a.attributes.integer("size");
  if (from < 1 || size < 1) {
    throw ShapeError(text_of(a.op.name, "from " + std::to_string(from) + " elements to " +
                                            std::to_string(size) + ": expected 1 or more"));
  }
  // Scale and sizes that have nothing to do with each other would make kernels of any width.
  const double expected = scale * static_cast<double>(from), n = static_cast<double>(size);
  if (!(scale > 0) || !(std::abs(expected - n) <= 1 + 1e-6 * n)) {
    throw ValueError(text_of(a.op.name, "scale " + std::to_string(scale) + " does not make " +
                                            std::to_string(size) + " elements of " +
                                            std::to_string(from)));
  }
  return axis;
}

Types sized(const TensorType& x, int axis, int64_t size) {
  std::vector<int64_t> dims = x.shape.dims();
  dims[static_cast<size_t>(axis)] = size;
  return {{x.dtype, Shape(std::move(dims))}};
}

Types resample_type(const InferArguments& a) {
  const int rank = a[0].shape.rank();
  const int at = require_axis(a, a.attributes.integer("axis"), rank);
  const int axis = require_resampling(a, a[0].shape[at]);
  if (!is_floating(a[0].dtype) && a.attributes.get<std::string>("method") != "nearest") {
    throw DTypeError(
        text_of(a.op.name, std::string("expected a floating type, got ") + name_of(a[0].dtype)));
  }
  return sized(a[0], axis, a.attributes.integer("size"));
}

Types transpose_type(const InferArguments& a) {
  const int64_t from = a.attributes.integer("from");
  const int axis = require_resampling(a, from);
  if (!is_floating(a[0].dtype)) {
    throw DTypeError(
        text_of(a.op.name, std::string("expected a floating type, got ") + name_of(a[0].dtype)));
  }
  if (a[0].shape[axis] != a.attributes.integer("size")) {
    throw ShapeError(text_of(a.op.name, "size " + std::to_string(a.attributes.integer("size")) +
                                            " is not that of axis " + std::to_string(axis) +
                                            " of " + a[0].shape.to_string()));
  }
  return sized(a[0], axis, from);
}

Slots resample_back(const Local& at, std::span<const Tensor> ct) {
  Attributes back = at.attributes;
  back.set("from", at.x().shape()[static_cast<int>(at.attributes.integer("axis"))]);
  return {make("resample_transpose", {ct[0]}, back)};
}

Slots transpose_back(const Local& at, std::span<const Tensor> ct) {
  Attributes forward;
  for (const auto& [name, value] : at.attributes) {
    if (name != "from") forward.set(name, value);
  }
  return {make("resample", {ct[0]}, forward)};
}

/// Two a tap: about two (linear) or four taps an element of the longer side.
double flops(const InferArguments& a, const Types& y) {
  const double longer = static_cast<double>(std::max(a[0].shape.size(), y[0].shape.size()));
  return (a.attributes.get<std::string>("method") == "cubic" ? 8 : 4) * longer;
}

}  // namespace

std::span<const ir::OpDef> resampling_rows() {
  static const std::vector<ir::OpDef> rows = {
      {.name = "resample",
       .doc =
           "x with attribute size elements along attribute axis, each a weighted sum of some of "
           "the old ones. Attributes method (nearest, linear, cubic, area), coordinates and "
           "rounding (ONNX's names), scale (output by input size), cubic_coefficient, antialias, "
           "exclude_outside, start and end (the region of tf_crop_and_resize; 0 beyond it).",
       .min_inputs = 1,
       .max_inputs = 1,
       .infer = resample_type,
       .derivative = ir::Linear{resample_back},
       .flops = flops},
      {.name = "resample_transpose",
       .doc = "The gradient of resample: gives each element's share back to the attribute `from` "
              "elements that it was made of. Further attributes as resample.",
       .min_inputs = 1,
       .max_inputs = 1,
       .infer = transpose_type,
       .derivative = ir::Linear{transpose_back},
       .flops = flops},
  };
  return rows;
}

}  // namespace varve::ops
