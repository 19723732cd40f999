#include "io/onnx/value.h"

#include <algorithm>
#include <cstring>

#include "base/error.h"
#include "ir/node.h"
#include "varve/ops/indexing.h"
#include "varve/ops/pointwise.h"
#include "varve/ops/shape.h"

namespace varve::io::onnx {

Value::Value(const Tensor& t)
    : kind(Kind::tensor), type(formats::onnx::type_of(t.dtype())), tensor(t) {}

Value::Value(Strings s)
    : kind(Kind::strings),
      type(Type::string),
      strings(std::make_shared<const Strings>(std::move(s))) {}

Value Value::sequence(Values items, Type element) {
  Value out;
  out.kind = Kind::sequence;
  out.type = element;
  out.known = true;
  for (const Value& v : items) out.known = out.known && v.known;
  out.items = std::make_shared<const Values>(std::move(items));
  return out;
}

Shape Value::shape() const {
  if (kind == Kind::strings) return strings->shape;
  varve::check(kind == Kind::tensor, "a tensor");
  return tensor.shape();
}

std::string too_large(const Shape& shape, int64_t limit) {
  const std::string bound = ", limit " + std::to_string(limit);
  int64_t count = 0, most = 0;
  for (const int64_t d : shape) {
    if (d < 0) return "shape " + shape.to_string() + ": expected sizes >= 0";
    most = std::max(most, d);
  }
  if (!formats::byte_count(1, shape.dims(), count)) count = INT64_MAX;
  if (count > limit) return "needs " + std::to_string(count) + " elements" + bound;
  if (count == 0 && most > limit) return "a size of " + std::to_string(most) + bound;
  return {};
}

Value value_of(const TensorData& data) {
  varve::check(!data.absent, "the elements are there");
  if (data.shape.size() == 0) {
    const std::string reason = too_large(data.shape, kMaxElements);
    if (!reason.empty()) throw FormatError("tensor \"" + escaped(data.name) + "\": " + reason);
  }
  Value out;
  if (data.type == Type::string) {
    out = Value(Strings{data.shape, data.strings});
  } else {
    const formats::Array& a = data.array;
    out = Value(tensor_from_shared(a.bytes.shared(), a.bytes.data(), a.dtype, a.shape), data.type);
  }
  out.known = true;
  return out;
}

Value value_of(const formats::onnx::SparseTensor& data) {
  const auto fail = [&](const std::string& what) {
    throw FormatError("sparse tensor \"" + escaped(data.values.name) + "\": " + what);
  };
  int64_t bytes = 0;
  if (!formats::byte_count(1, data.dims, bytes) || bytes > kMaxElements) {
    fail("dims " + Shape(data.dims).to_string() + ": needs " + std::to_string(bytes) +
         " elements, limit " + std::to_string(kMaxElements));
  }
  for (const int64_t d : data.dims) {
    if (d < 0) fail("dims " + Shape(data.dims).to_string() + ": expected integers >= 0");
  }
  if (data.values.type == Type::string) fail("strings are not read");
  if (data.indices.type != Type::int64) fail("indices: expected int64");
  const Value values = value_of(data.values), indices = value_of(data.indices);
  const int64_t n = data.values.shape.size();
  if (data.values.shape.rank() != 1) fail("values: expected one axis");
  // [n] counts in row-major order, [n, rank] are tuples.
  const Tensor zeros_ = zeros(Shape({bytes}), values.tensor.dtype());
  const int rank = static_cast<int>(data.dims.size());
  Tensor at = indices.tensor;
  if (at.rank() == 2 && at.shape()[0] == n && at.shape()[1] == rank) {
    const auto tuples = at.span<int64_t>();
    std::vector<int64_t> flat(static_cast<size_t>(n));
    for (int64_t i = 0; i < n; ++i) {
      int64_t f = 0;
      for (int a = 0; a < rank; ++a) {
        const int64_t p = tuples[static_cast<size_t>(i * rank + a)];
        const int64_t d = data.dims[static_cast<size_t>(a)];
        if (p < 0 || p >= d)
          fail("indices: " + std::to_string(p) + " is outside 0.." + std::to_string(d - 1));
        f = f * d + p;
      }
      flat[static_cast<size_t>(i)] = f;
    }
    at = varve::tensor(flat, Shape({n}));
  } else if (at.rank() != 1 || at.shape()[0] != n) {
    fail("indices: expected [" + std::to_string(n) + "] or [" + std::to_string(n) + ", " +
         std::to_string(rank) + "], got " + at.shape().to_string());
  }
  Value out(reshape(scatter_set(zeros_, at, values.tensor, 0), Shape(data.dims)), data.values.type);
  out.tensor.evaluate();
  out.known = true;
  return out;
}

TensorData data_of(const Value& value, std::string name) {
  TensorData out;
  out.name = std::move(name);
  out.type = value.type;
  if (value.kind == Value::Kind::strings) {
    out.shape = value.strings->shape;
    out.strings = value.strings->elements;
    return out;
  }
  varve::check(value.kind == Value::Kind::tensor, "a tensor");
  const Tensor& t = value.tensor;
  std::vector<int64_t> dims = t.shape().dims();
  if (formats::onnx::is_complex(value.type)) dims.pop_back();
  out.shape = Shape(std::move(dims));
  out.array = formats::Array(t.dtype(), t.shape());
  const auto bytes = static_cast<size_t>(out.array.bytes.size());
  if (bytes) std::memcpy(out.array.bytes.data(), ir::contiguous_array(t).data(), bytes);
  return out;
}

Value value_of(const formats::onnx::Datum& datum) {
  if (datum.kind == ValueType::Kind::none) return {};
  if (datum.kind == ValueType::Kind::tensor) return value_of(datum.tensor);
  if (datum.kind == ValueType::Kind::optional) {
    return datum.items.empty() ? Value() : value_of(datum.items[0]);
  }
  Values items;
  for (const auto& item : datum.items) items.push_back(value_of(item));
  const Type element = items.empty() ? Type::undefined : items[0].type;
  return Value::sequence(std::move(items), element);
}

}  // namespace varve::io::onnx
