// What a name of an ONNX graph stands for while the graph is replayed.
#pragma once
#include <memory>
#include <string>
#include <vector>

#include "formats/onnx.h"
#include "varve/tensor.h"

namespace varve::io::onnx {

using formats::onnx::Attribute;
using formats::onnx::Graph;
using formats::onnx::Node;
using formats::onnx::TensorData;
using formats::onnx::Type;
using formats::onnx::ValueType;

class Value;
using Values = std::vector<Value>;

/// A tensor of texts.
struct Strings {
  Shape shape;
  std::vector<std::string> elements;
};

/// A tensor with its ONNX type, texts, or a sequence of values; or nothing: an input that is left
/// out, an optional that is empty. An optional that is not empty is its element.
class Value {
 public:
  enum class Kind : uint8_t { none, tensor, strings, sequence };

  Value() = default;
  Value(const Tensor& tensor);
  /// `type` where Varve has none of its own for it (float8, int4): `tensor` is of held_as(type).
  Value(const Tensor& tensor, Type type) : kind(Kind::tensor), type(type), tensor(tensor) {}
  explicit Value(Strings strings);
  /// `element` is the type of the sequence's tensors.
  static Value sequence(Values items, Type element);

  bool none() const { return kind == Kind::none; }
  Shape shape() const;  ///< Needs: a tensor of numbers or texts.

  Kind kind = Kind::none;
  Type type = Type::undefined;  ///< of a sequence: of its elements
  /// Whether it depends on neither inputs nor weights: then it may be read while a trace records,
  /// and what is computed of it is computed at once.
  bool known = false;
  /// Whether it depends on an input that has the batch in front.
  bool batched = false;
  /// The weight that it is, as it stands in the file; null for what was computed.
  const TensorData* weight = nullptr;
  Tensor tensor;
  std::shared_ptr<const Strings> strings;
  std::shared_ptr<const Values> items;
};

/// A tensor of a file; shares its memory. Needs: not absent. Throws FormatError where it has no
/// elements and yet a size beyond kMaxElements.
Value value_of(const TensorData& data);
/// The dense tensor of a sparse one. Throws FormatError, and where it would be beyond kMaxElements.
Value value_of(const formats::onnx::SparseTensor& data);
/// The other way round.
TensorData data_of(const Value& value, std::string name = {});
/// A datum of the conformance suite.
Value value_of(const formats::onnx::Datum& datum);

/// More elements than this no node makes, as long as a caller does not bring many himself.
inline constexpr int64_t kMaxElements = int64_t{1} << 30;

/// Why a tensor of that shape is none to make: "needs 5 elements, limit 4"; empty where nothing
/// speaks against it. One without elements is held to the limit size by size: what adds sizes up,
/// or goes through them on the host, must not meet 2^60.
std::string too_large(const Shape& shape, int64_t limit);

}  // namespace varve::io::onnx
