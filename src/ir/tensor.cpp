#include "varve/tensor.h"

#include <cmath>
#include <cstring>

#include "base/count.h"
#include "base/error.h"
#include "base/philox.h"
#include "ir/dispatch.h"
#include "ir/frame.h"
#include "ir/graph.h"
#include "ir/node.h"

namespace varve {

const Shape& Tensor::shape() const { return ir::type_of(*this).shape; }
DType Tensor::dtype() const { return ir::type_of(*this).dtype; }

const Tensor& Tensor::evaluate() const {
  ir::type_of(*this);
  if (!cell_->computed()) ir::evaluate(std::span<const Tensor>(this, 1));
  return *this;
}

void Tensor::require_one() const {
  if (size() != 1) {
    throw ShapeError("item: expected one element, got shape " + shape().to_string(),
                     "use span<T>() or reduce it first");
  }
}

namespace detail {

const void* read(const std::shared_ptr<Cell>& cell, DType expected, const char* operation) {
  const Tensor x(cell);
  if (x.dtype() != expected) {
    throw DTypeError(std::string(operation) + ": the tensor holds " + name_of(x.dtype()) +
                         ", asked for " + name_of(expected),
                     std::string("cast(x, ") + name_of(expected) + ") converts");
  }
  return ir::contiguous_array(x).data();
}

}  // namespace detail

std::vector<double> Tensor::to_doubles() const {
  const ir::Array& a = ir::contiguous_array(*this);
  std::vector<double> out(static_cast<size_t>(size()));
  ir::dispatch(dtype(), [&]<class T>(T) {
    const T* p = reinterpret_cast<const T*>(a.data());
    for (size_t i = 0; i < out.size(); ++i) out[i] = static_cast<double>(p[i]);
  });
  return out;
}

double Tensor::to_double() const {
  require_one();
  return to_doubles()[0];
}

namespace {

std::string number_text(double v, DType dtype) {
  if (!is_floating(dtype))
    return dtype == DType::bool_ ? (v != 0 ? "true" : "false")
                                 : std::to_string(static_cast<int64_t>(v));
  char text[32];
  std::snprintf(text, sizeof text, "%.6g", v);
  return text;
}

void append_elements(std::string& out, const std::vector<double>& v, const Shape& shape,
                     DType dtype, int axis, size_t& at, size_t step) {
  if (axis == shape.rank()) {
    out += number_text(v[at], dtype);
    return;
  }
  constexpr int64_t kEdge = 3;  // shown at each end of a long axis
  const int64_t n = shape[axis];
  const size_t inner = n ? step / static_cast<size_t>(n) : 0;
  out += '[';
  for (int64_t i = 0; i < n; ++i) {
    if (n > 2 * kEdge + 1 && i == kEdge) {
      out += ", ...";
      i = n - kEdge;
    }
    if (i)
      out +=
          axis + 1 == shape.rank() ? ", " : ",\n" + std::string(static_cast<size_t>(axis) + 1, ' ');
    size_t begin = at + static_cast<size_t>(i) * inner;
    append_elements(out, v, shape, dtype, axis + 1, begin, inner);
  }
  out += ']';
}

}  // namespace

std::string Tensor::to_string() const {
  if (!defined()) return "Tensor()";
  const std::vector<double> v = to_doubles();
  std::string out = ir::type_of(*this).to_string() + "\n";
  size_t at = 0;
  append_elements(out, v, shape(), dtype(), 0, at, v.size());
  return out;
}

Tensor tensor_from_bytes(const void* bytes, DType dtype, const Shape& shape) {
  ir::Array a = ir::allocate(dtype, shape);
  const auto count = static_cast<size_t>(shape.size() * size_of(dtype));
  if (count) std::memcpy(a.data(), bytes, count);
  return ir::computed(dtype, shape, std::move(a));
}

Tensor tensor_from_shared(std::shared_ptr<const void> owner, const void* bytes, DType dtype,
                          const Shape& shape) {
  auto storage =
      std::make_shared<ir::Storage>(std::move(owner), bytes, shape.size() * size_of(dtype));
  return ir::computed(dtype, shape, {std::move(storage), 0, ir::row_major(shape)});
}

template <Element T>
Tensor tensor(std::span<const T> elements, const Shape& shape) {
  if (static_cast<int64_t>(elements.size()) != shape.size()) {
    throw ShapeError("tensor: shape " + shape.to_string() + " has " +
                     count_of(shape.size(), "element") + ", got " +
                     std::to_string(elements.size()));
  }
  return tensor_from_bytes(elements.data(), dtype_of<T>, shape);
}
template Tensor tensor(std::span<const bool>, const Shape&);
template Tensor tensor(std::span<const uint8_t>, const Shape&);
template Tensor tensor(std::span<const int8_t>, const Shape&);
template Tensor tensor(std::span<const uint16_t>, const Shape&);
template Tensor tensor(std::span<const int16_t>, const Shape&);
template Tensor tensor(std::span<const uint32_t>, const Shape&);
template Tensor tensor(std::span<const int32_t>, const Shape&);
template Tensor tensor(std::span<const uint64_t>, const Shape&);
template Tensor tensor(std::span<const int64_t>, const Shape&);
template Tensor tensor(std::span<const Float16>, const Shape&);
template Tensor tensor(std::span<const BFloat16>, const Shape&);
template Tensor tensor(std::span<const float>, const Shape&);
template Tensor tensor(std::span<const double>, const Shape&);

Tensor scalar(double value, DType dtype) {
  ir::Array a = ir::allocate(dtype, {});
  ir::dispatch(dtype, [&]<class T>(T) { *reinterpret_cast<T*>(a.data()) = convert<T>(value); });
  return ir::computed(dtype, {}, std::move(a));
}

DType Operand::dtype() const {
  switch (value_.index()) {
    case 0:
      return std::get<Tensor>(value_).dtype();
    case 1:
      return DType::bool_;
    case 2:
      return i64;
    default:
      return f32;
  }
}

Tensor Operand::tensor() const { return as(dtype()); }

Tensor Operand::as(DType dtype) const {
  if (auto* t = std::get_if<Tensor>(&value_)) return *t;
  if (auto* i = std::get_if<int64_t>(&value_); i && (dtype == i64 || dtype == u64)) {
    return tensor_from_bytes(i, dtype, {});  // exact beyond 2^53
  }
  if (auto* i = std::get_if<int64_t>(&value_)) return scalar(static_cast<double>(*i), dtype);
  if (auto* b = std::get_if<bool>(&value_)) return scalar(*b, dtype);
  return scalar(std::get<double>(value_), dtype);
}

const Tensor& Tensors::operator[](size_t i) const {
  if (i >= list_.size()) {
    throw IndexError("tensors[" + std::to_string(i) + "]: there are " +
                     std::to_string(list_.size()));
  }
  return list_[i];
}

const Tensor& Tensors::only() const {
  if (list_.size() != 1) {
    throw ValueError("expected one tensor, got " + std::to_string(list_.size()));
  }
  return list_[0];
}

namespace ir {

std::string TensorType::to_string() const { return name_of(dtype) + shape.to_string(); }

const Array& contiguous_array(const Tensor& x) {
  x.evaluate();
  Value& cell = *x.cell();
  if (!is_contiguous(cell.type.shape, cell.array.strides)) {
    cell.array = contiguous_copy(cell.type, cell.array);
  }
  return cell.array;
}

}  // namespace ir
}  // namespace varve
