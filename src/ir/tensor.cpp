#include "varve/tensor.h"

#include <cmath>
#include <cstring>

#include "base/count.h"
#include "base/error.h"
#include "base/integers.h"
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

template <class T>
std::string element_text(T v) {
  if constexpr (std::is_same_v<T, bool>) {
    return v ? "true" : "false";
  } else if constexpr (std::is_integral_v<T>) {
    return std::to_string(v);
  } else {
    char text[32];
    std::snprintf(text, sizeof text, "%.6g", static_cast<double>(v));
    return text;
  }
}

template <class T>
void append_elements(std::string& out, const T* v, const Shape& shape, int axis, size_t at,
                     size_t step) {
  if (axis == shape.rank()) {
    out += element_text(v[at]);
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
    append_elements(out, v, shape, axis + 1, at + static_cast<size_t>(i) * inner, inner);
  }
  out += ']';
}

}  // namespace

std::string Tensor::to_string() const {
  if (!defined()) return "Tensor()";
  const ir::Array& a = ir::contiguous_array(*this);
  std::string out = ir::type_of(*this).to_string() + "\n";
  ir::dispatch(dtype(), [&]<class T>(T) {
    append_elements(out, reinterpret_cast<const T*>(a.data()), shape(), 0, 0,
                    static_cast<size_t>(size()));
  });
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
  auto storage = std::make_shared<ir::Storage>(std::move(owner), bytes, ir::bytes_of(dtype, shape));
  return ir::computed(dtype, shape, {std::move(storage), 0, ir::row_major(shape)});
}

Tensor detail::stacked(const std::vector<Tensor>& rows) {
  if (rows.empty()) throw ShapeError("tensor: expected a row, got none");
  std::vector<int64_t> dims = rows[0].shape().dims();
  for (size_t i = 1; i < rows.size(); ++i) {
    if (rows[i].shape() == rows[0].shape()) continue;
    throw ShapeError("tensor: row " + std::to_string(i) + " has shape " +
                     rows[i].shape().to_string() + ", row 0 has " + rows[0].shape().to_string());
  }
  dims.insert(dims.begin(), static_cast<int64_t>(rows.size()));
  const Shape shape(std::move(dims));
  ir::Array all = ir::allocate(rows[0].dtype(), shape);
  std::byte* to = all.data();
  for (const Tensor& row : rows) {
    const auto bytes = static_cast<size_t>(row.size() * size_of(row.dtype()));
    if (bytes) std::memcpy(to, ir::contiguous_array(row).data(), bytes);
    to += bytes;
  }
  return ir::computed(rows[0].dtype(), shape, std::move(all));
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

namespace {

/// Whether a real number, cut towards zero, is one of the integer type.
bool fits(double v, DType integer) {
  const IntegerRange range = range_of(integer);
  const double whole = std::trunc(v);
  if (!(whole >= -0x1p63 && whole < 0x1p64)) return false;
  return whole < 0 ? range.holds(static_cast<int64_t>(whole))
                   : range.holds(static_cast<uint64_t>(whole));
}

[[noreturn]] void out_of_range(const std::string& number, DType dtype, const Where& where) {
  const IntegerRange range = range_of(dtype);
  throw ValueError("the number " + number + " is not one of " + name_of(dtype) + " (" +
                       std::to_string(range.low) + ".." + std::to_string(range.high) + ")",
                   "cast the tensor that it meets to a wider type first", where.to_string());
}

}  // namespace

DType Operand::dtype() const {
  switch (value_.index()) {
    case 0:
      return std::get<Tensor>(value_).dtype();
    case 1:
      return DType::bool_;
    case 2:
      return i64;
    case 4:
      return u64;
    default:
      return f32;
  }
}

Tensor Operand::tensor() const { return as(dtype()); }

int Operand::beyond(DType integer) const {
  const IntegerRange range = range_of(integer);
  if (auto* i = std::get_if<int64_t>(&value_)) return range.holds(*i) ? 0 : *i < 0 ? -1 : 1;
  if (auto* u = std::get_if<uint64_t>(&value_)) return range.holds(*u) ? 0 : 1;
  return 0;
}

Tensor Operand::as(DType dtype) const {
  if (auto* t = std::get_if<Tensor>(&value_)) return *t;
  if (auto* b = std::get_if<bool>(&value_)) return scalar(*b, dtype);
  if (auto* d = std::get_if<double>(&value_)) {
    if (is_integer(dtype) && !fits(*d, dtype)) out_of_range(element_text(*d), dtype, where_);
    return scalar(*d, dtype);
  }
  auto* u = std::get_if<uint64_t>(&value_);
  if (is_integer(dtype)) {
    const uint64_t bits = u ? *u : static_cast<uint64_t>(std::get<int64_t>(value_));
    if (beyond(dtype)) {
      out_of_range(u ? std::to_string(*u) : std::to_string(std::get<int64_t>(value_)), dtype,
                   where_);
    }
    return tensor_from_bytes(&bits, dtype, {});  // the low bytes of it; exact beyond 2^53
  }
  return scalar(u ? static_cast<double>(*u) : static_cast<double>(std::get<int64_t>(value_)),
                dtype);
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
  if (!cell.packed()) {
    const std::lock_guard lock(values_mutex());
    cell.pack();
  }
  return cell.array;
}

}  // namespace ir
}  // namespace varve
