#include "ops/build.h"

#include <algorithm>

#include "base/error.h"
#include "base/math.h"

namespace varve::ops {

std::string text_of(const char* operation, const std::string& message) {
  return std::string(operation) + ": " + message;
}

Shape broadcast_shapes(const char* operation, const Shape& a, const Shape& b) {
  const int rank = std::max(a.rank(), b.rank());
  std::vector<int64_t> dims(static_cast<size_t>(rank));
  for (int i = 1; i <= rank; ++i) {
    const int64_t p = i <= a.rank() ? a[-i] : 1, q = i <= b.rank() ? b[-i] : 1;
    if (p != q && p != 1 && q != 1) {
      throw ShapeError(text_of(operation, "shapes do not broadcast: " + a.to_string() + " and " +
                                              b.to_string() + " differ in axis " +
                                              std::to_string(-i) + " (" + std::to_string(p) +
                                              " and " + std::to_string(q) + ")"));
    }
    dims[static_cast<size_t>(rank - i)] = p == 1 ? q : p;
  }
  return Shape(std::move(dims));
}

DType common_type(std::initializer_list<const Operand*> operands) {
  bool any_tensor = false, real = false, integer = false, large = false;
  DType strong = DType::bool_;
  for (const Operand* o : operands) {
    const DType d = o->dtype();
    if (o->is_tensor()) {
      strong = any_tensor ? promote(strong, d) : d;
      any_tensor = true;
    } else {
      real |= is_floating(d);
      integer |= is_integer(d);
      large |= d == u64;
    }
  }
  if (real && (!any_tensor || !is_floating(strong))) return f32;
  if (integer && (!any_tensor || strong == DType::bool_)) return large ? u64 : i64;
  return strong;
}

std::vector<Tensor> meet_in(const char* operation, DType dtype,
                            std::initializer_list<const Operand*> operands) {
  std::vector<Tensor> tensors;
  Shape shape;
  for (const Operand* o : operands) {
    Tensor t = o->as(dtype);
    if (t.dtype() != dtype) t = make("cast", {t}, {{"dtype", dtype}}, o->where());
    try {
      shape = broadcast_shapes(operation, shape, t.shape());
    } catch (const ShapeError& e) {
      throw ShapeError(e.message(), e.hint(), o->where().to_string());
    }
    tensors.push_back(std::move(t));
  }
  for (Tensor& t : tensors) {
    if (t.shape() != shape) t = make("broadcast_to", {t}, {{"shape", shape.dims()}});
  }
  return tensors;
}

std::vector<Tensor> meet(const char* operation, std::initializer_list<const Operand*> operands) {
  return meet_in(operation, common_type(operands), operands);
}

Tensor floating(const Operand& x) {
  const Tensor t = x.tensor();
  return is_floating(t.dtype()) ? t : make("cast", {t}, {{"dtype", f32}}, x.where());
}

int normalize_axis(const char* operation, int64_t axis, int rank) {
  if (axis < -rank || axis >= rank) throw IndexError(text_of(operation, axis_range(axis, rank)));
  return static_cast<int>(axis < 0 ? axis + rank : axis);
}

std::vector<int64_t> normalize_axes(const char* operation, const std::vector<int>& axes, int rank) {
  std::vector<int64_t> out;
  if (axes.empty()) {
    for (int i = 0; i < rank; ++i) out.push_back(i);
    return out;
  }
  for (int a : axes) out.push_back(normalize_axis(operation, a, rank));
  std::sort(out.begin(), out.end());
  if (auto twice = std::adjacent_find(out.begin(), out.end()); twice != out.end()) {
    throw ValueError(text_of(operation, "axis " + std::to_string(*twice) + " is given twice"));
  }
  return out;
}

namespace {
void require_equal(const InferArguments& a) {
  for (const TensorType& t : a.inputs) {
    if (t.dtype != a[0].dtype) {
      throw DTypeError(text_of(a.op.name, "inputs are of different types: " + a[0].to_string() +
                                              " and " + t.to_string()));
    }
    if (t.shape != a[0].shape) {
      throw ShapeError(text_of(a.op.name, "inputs are of different shapes: " + a[0].to_string() +
                                              " and " + t.to_string()));
    }
  }
}
}  // namespace

Types same_type(const InferArguments& a) {
  require_equal(a);
  return {a[0]};
}

Types same_type_floating(const InferArguments& a) {
  if (!is_floating(a[0].dtype)) {
    throw DTypeError(
        text_of(a.op.name, std::string("expected a floating type, got ") + name_of(a[0].dtype)));
  }
  return same_type(a);
}

Types same_shape_bool(const InferArguments& a) {
  require_equal(a);
  return {{DType::bool_, a[0].shape}};
}

Tensor make(const char* op, std::initializer_list<Tensor> inputs, Attributes attributes,
            Where where) {
  return ir::apply_one(get(op), inputs, std::move(attributes), where);
}

Tensor full(double value, DType dtype, const Shape& shape) {
  Tensor s = scalar(value, dtype);
  return shape.rank() ? make("broadcast_to", {s}, {{"shape", shape.dims()}}) : s;
}

Tensor full_like(const Tensor& x, double value) { return full(value, x.dtype(), x.shape()); }

Tensor sum_to(const Tensor& x, const Shape& shape) {
  if (x.shape() == shape) return x;
  ir::Ints axes;
  const int extra = x.rank() - shape.rank();
  for (int i = 0; i < x.rank(); ++i) {
    if (i < extra || (shape[i - extra] == 1 && x.shape()[i] != 1)) axes.push_back(i);
  }
  Tensor s = axes.empty() ? x : make("sum", {x}, {{"axes", axes}, {"keep_dims", false}});
  return s.shape() == shape ? s : make("reshape", {s}, {{"shape", shape.dims()}});
}

}  // namespace varve::ops
