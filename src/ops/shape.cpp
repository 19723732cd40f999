// Ops that rearrange elements: views by strides.
#include "varve/ops/shape.h"

#include <numeric>

#include "base/error.h"
#include "base/math.h"
#include "ops/build.h"

namespace varve::ops {
namespace {

Types reshape_type(const InferArguments& a) {
  return {{a[0].dtype, Shape(a.attributes.ints("shape"))}};
}

std::optional<ir::View> reshape_view(const InferArguments& a, const TensorType& output,
                                     const ir::Strides& input) {
  if (!ir::is_contiguous(a[0].shape, input)) return std::nullopt;
  return ir::View{0, ir::row_major(output.shape)};
}

Types broadcast_type(const InferArguments& a) {
  return {{a[0].dtype, Shape(a.attributes.ints("shape"))}};
}

std::optional<ir::View> broadcast_view(const InferArguments& a, const TensorType& output,
                                       const ir::Strides& input) {
  ir::Strides strides(static_cast<size_t>(output.shape.rank()), 0);
  const Shape& from = a[0].shape;
  for (int i = 1; i <= from.rank(); ++i) {
    if (from[-i] != 1 || output.shape[-i] == 1) {
      strides[strides.size() - static_cast<size_t>(i)] =
          input[input.size() - static_cast<size_t>(i)];
    }
  }
  return ir::View{0, strides};
}

Types transpose_type(const InferArguments& a) {
  std::vector<int64_t> dims;
  for (int64_t axis : a.attributes.ints("axes")) dims.push_back(a[0].shape[static_cast<int>(axis)]);
  return {{a[0].dtype, Shape(std::move(dims))}};
}

std::optional<ir::View> transpose_view(const InferArguments& a, const TensorType&,
                                       const ir::Strides& input) {
  ir::View v;
  for (int64_t axis : a.attributes.ints("axes"))
    v.strides.push_back(input[static_cast<size_t>(axis)]);
  return v;
}

}  // namespace

std::span<const ir::OpDef> shape_rows() {
  static const std::vector<ir::OpDef> rows = {
      {.name = "reshape",
       .doc = "The same elements in row-major order under attribute shape.",
       .min_inputs = 1,
       .max_inputs = 1,
       .infer = reshape_type,
       .derivative = ir::Linear{[](const Local& at, std::span<const Tensor> ct) -> Slots {
         return {make("reshape", {ct[0]}, {{"shape", at.x().shape().dims()}})};
       }},
       .view = reshape_view},
      {.name = "broadcast_to",
       .doc = "Repeats along new leading axes and axes of size 1, to attribute shape.",
       .min_inputs = 1,
       .max_inputs = 1,
       .infer = broadcast_type,
       .derivative = ir::Linear{[](const Local& at, std::span<const Tensor> ct) -> Slots {
         return {sum_to(ct[0], at.x().shape())};
       }},
       .view = broadcast_view},
      {.name = "transpose",
       .doc = "Axes in another order: output axis i is input axis axes[i].",
       .min_inputs = 1,
       .max_inputs = 1,
       .infer = transpose_type,
       .derivative = ir::Linear{[](const Local& at, std::span<const Tensor> ct) -> Slots {
         const ir::Ints& axes = at.attributes.ints("axes");
         ir::Ints back(axes.size());
         for (size_t i = 0; i < axes.size(); ++i)
           back[static_cast<size_t>(axes[i])] = static_cast<int64_t>(i);
         return {make("transpose", {ct[0]}, {{"axes", back}})};
       }},
       .view = transpose_view},
  };
  return rows;
}

}  // namespace varve::ops

namespace varve {

Tensor reshape(const Operand& x, const Shape& shape) {
  const Tensor t = x.tensor();
  std::vector<int64_t> dims = shape.dims();
  int64_t known = 1, unknown = -1;
  for (size_t i = 0; i < dims.size(); ++i) {
    if (dims[i] == -1 && unknown < 0) {
      unknown = static_cast<int64_t>(i);
    } else if (dims[i] < 0) {
      throw ShapeError("reshape: shape " + shape.to_string() +
                           ": one size may be -1, the others must not be negative",
                       "", x.where().to_string());
    } else if (!checked_multiply(known, dims[i], known)) {
      throw ShapeError("reshape: shape " + shape.to_string() + ": element count passes 2^63", "",
                       x.where().to_string());
    }
  }
  const int64_t count = t.size();
  if (unknown >= 0 && known > 0 && count % known == 0)
    dims[static_cast<size_t>(unknown)] = count / known;
  const Shape full(std::move(dims));
  if ((unknown >= 0 && full.dims()[static_cast<size_t>(unknown)] < 0) || full.size() != count) {
    throw ShapeError("reshape: " + std::to_string(count) + " elements into " + shape.to_string(),
                     "the input is " + t.shape().to_string(), x.where().to_string());
  }
  return full == t.shape() ? t : ops::make("reshape", {t}, {{"shape", full.dims()}}, x.where());
}

Tensor transpose(const Operand& x, const std::vector<int>& axes) {
  const Tensor t = x.tensor();
  ir::Ints order;
  if (axes.empty()) {
    for (int i = t.rank(); i-- > 0;) order.push_back(i);
  } else {
    for (int a : axes) order.push_back(ops::normalize_axis("transpose", a, t.rank()));
  }
  std::vector<bool> seen(static_cast<size_t>(t.rank()));
  for (int64_t a : order) {
    if (seen[static_cast<size_t>(a)]) {
      throw ValueError("transpose: axis " + std::to_string(a) + " is given twice", "",
                       x.where().to_string());
    }
    seen[static_cast<size_t>(a)] = true;
  }
  if (static_cast<int>(order.size()) != t.rank()) {
    throw ShapeError("transpose: expected " + std::to_string(t.rank()) + " axes, got " +
                         std::to_string(order.size()),
                     "", x.where().to_string());
  }
  return ops::make("transpose", {t}, {{"axes", order}}, x.where());
}

Tensor broadcast_to(const Operand& x, const Shape& shape) {
  const Tensor t = x.tensor();
  if (ops::broadcast_shapes("broadcast_to", t.shape(), shape) != shape) {
    throw ShapeError(
        "broadcast_to: " + t.shape().to_string() + " does not stretch to " + shape.to_string(), "",
        x.where().to_string());
  }
  return t.shape() == shape ? t
                            : ops::make("broadcast_to", {t}, {{"shape", shape.dims()}}, x.where());
}

}  // namespace varve
