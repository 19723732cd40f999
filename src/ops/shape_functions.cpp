// The shape functions users call.
#include <algorithm>
#include <cmath>
#include <numeric>

#include "base/error.h"
#include "base/math.h"
#include "ops/shape.h"
#include "varve/ops/pointwise.h"
#include "varve/ops/shape.h"

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

Tensor concat(const Tensors& parts, int axis, Where where) {
  if (parts.size() == 0)
    throw ValueError("concat: expected at least one tensor", "", where.to_string());
  DType dtype = parts[0].dtype();
  for (const Tensor& t : parts) dtype = promote(dtype, t.dtype());
  std::vector<Tensor> cast_parts;
  for (const Tensor& t : parts) cast_parts.push_back(cast(Operand(t, where), dtype));
  int64_t along = 0;
  try {
    along = ops::normalize_axis("concat", axis, parts[0].rank());
  } catch (const IndexError& e) {
    throw IndexError(e.message(), "the first part is " + parts[0].shape().to_string(),
                     where.to_string());
  }
  if (parts.size() == 1) return cast_parts[0];
  return ir::apply(ops::get("concat"), cast_parts, {{"axis", along}}, where)[0];
}

}  // namespace varve
