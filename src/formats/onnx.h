// ONNX files as plain structs: no Tensor, nothing is run.
// Source: onnx.proto of ONNX 1.22 (github.com/onnx/onnx), IR versions 3 to 13.
#pragma once
#include <cstdint>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "base/minifloat.h"
#include "formats/array.h"

namespace varve::formats::onnx {

/// Element types, numbered as in TensorProto.DataType.
enum class Type : int32_t {
  undefined = 0,
  float32 = 1,
  uint8 = 2,
  int8 = 3,
  uint16 = 4,
  int16 = 5,
  int32 = 6,
  int64 = 7,
  string = 8,
  boolean = 9,
  float16 = 10,
  float64 = 11,
  uint32 = 12,
  uint64 = 13,
  complex64 = 14,
  complex128 = 15,
  bfloat16 = 16,
  float8e4m3fn = 17,
  float8e4m3fnuz = 18,
  float8e5m2 = 19,
  float8e5m2fnuz = 20,
  uint4 = 21,
  int4 = 22,
  float4e2m1 = 23,
  float8e8m0 = 24,
  uint2 = 25,
  int2 = 26
};
inline constexpr int32_t kTypeCount = 27;

/// "float32", "int4" ...
const char* name_of(Type type);
/// The type in which elements are held: the same one where Varve has it; f32 for the small floats,
/// i8 and u8 for the small integers; complex numbers are a last axis of 2. Needs: not a string.
DType held_as(Type type);
/// The ONNX type of a Varve type.
Type type_of(DType dtype);
/// Bits that an element takes in raw data.
int bits_of(Type type);
bool is_complex(Type type);
/// The format of a small float; null for other types.
const MiniFloat* minifloat_of(Type type);
/// Lowest and highest number of an integer of 2 or 4 bits; empty for other types.
struct SmallRange {
  int low, high;
};
std::optional<SmallRange> small_range(Type type);

/// A TensorProto. Strings are in `strings`, all else in `array` (of held_as(type)).
struct TensorData {
  std::string name;
  Type type = Type::undefined;
  Shape shape;  ///< as in the file, without the axis of complex numbers
  Array array;
  std::vector<std::string> strings;
  /// The elements are kept elsewhere: type and shape alone are known.
  bool absent = false;
};

/// What a value is: a tensor of some type and shape, a sequence of them ...
struct ValueType {
  enum class Kind : uint8_t { none, tensor, sparse, sequence, optional, map };
  struct Dim {
    int64_t value = -1;     ///< -1: not known
    std::string parameter;  ///< "batch_size"; empty for none
  };
  Kind kind = Kind::none;
  Type element = Type::undefined;  ///< of tensors; of maps the key
  bool has_shape = false;
  std::vector<Dim> dims;
  std::shared_ptr<ValueType> inner;  ///< of sequences, optionals, maps
  /// "tensor(float32)[batch, 3, 224, 224]", "seq(tensor(int64))".
  std::string to_string() const;
};

struct ValueInfo {
  std::string name;
  ValueType type;
};

struct Graph;

struct SparseTensor {
  TensorData values, indices;
  std::vector<int64_t> dims;
};

/// An AttributeProto.
struct Attribute {
  enum class Kind : uint8_t {
    undefined = 0,
    real = 1,
    integer = 2,
    string = 3,
    tensor = 4,
    graph = 5,
    reals = 6,
    integers = 7,
    strings = 8,
    tensors = 9,
    graphs = 10,
    sparse = 11,
    sparse_list = 12,
    type = 13,
    types = 14
  };
  std::string name;
  Kind kind = Kind::undefined;
  std::string reference;  ///< in a function: the function's attribute that gives the value
  // One of these is set, as `kind` says.
  float real = 0;
  int64_t integer = 0;
  std::string string;
  std::vector<float> reals;
  std::vector<int64_t> integers;
  std::vector<std::string> strings;
  std::vector<TensorData> tensors;  ///< one, for kind `tensor`
  std::vector<std::shared_ptr<Graph>> graphs;
  std::vector<SparseTensor> sparse;
  std::vector<ValueType> types;
};
/// "int", "ints", "string" ...
const char* name_of(Attribute::Kind kind);

struct Node {
  std::string name, op, domain, overload;
  std::vector<std::string> inputs, outputs;  ///< "" for one that is left out
  std::vector<Attribute> attributes;
};

struct Graph {
  std::string name;
  std::vector<Node> nodes;
  std::vector<TensorData> initializers;
  std::vector<std::pair<std::string, SparseTensor>> sparse_initializers;
  std::vector<ValueInfo> inputs, outputs;
  std::vector<ValueInfo> values;  ///< types of what is between
};

/// Domain to version; the default domain is "".
using Opsets = std::map<std::string, int64_t>;

/// A function of the model's own: a name for a graph of nodes.
struct Function {
  std::string name, domain, overload;
  std::vector<std::string> inputs, outputs;
  std::vector<std::string> attributes;  ///< without a default
  std::vector<Attribute> defaults;
  std::vector<Node> nodes;
  Opsets opsets;
};

struct Model {
  std::string file;  ///< as messages name it
  int64_t ir_version = 0;
  std::string producer;
  Opsets opsets;
  Graph graph;
  std::vector<Function> functions;
  std::vector<std::pair<std::string, std::string>> metadata;
};

/// The opsets of the default domain that are read.
inline constexpr int64_t kMinOpset = 1, kMaxOpset = 27;
/// Repeated fields (nodes, names, attributes ...) that a model may have together: each costs far
/// more memory than bytes in the file.
inline constexpr int64_t kMaxEntries = int64_t{1} << 23;

/// Reads a model and its external data, and checks that names are defined before they are used.
/// Throws IoError; FormatError, naming byte or node.
Model read_model(const std::string& path);
/// The same from memory; external data are looked for in `folder` and refused where it is empty.
Model parse_model(std::string name, std::span<const std::byte> bytes,
                  const std::string& folder = {});
/// Reads what `serialize` made of a model with `absent` initializers.
Model parse_stripped(std::string name, std::span<const std::byte> bytes);
/// The bytes of a model; initializers that are `absent` get type and shape alone.
std::string serialize(const Model& model);
/// The bytes of a TensorProto.
std::string serialize(const TensorData& tensor);

/// The same bits as another type of as many bits an element.
TensorData reinterpreted(TensorData tensor, Type type);

/// The contents of a .pb file of the conformance suite: a tensor, or a tree of them.
struct Datum {
  ValueType::Kind kind = ValueType::Kind::none;  ///< none: an empty optional
  TensorData tensor;
  std::vector<Datum> items;  ///< of a sequence; the one of an optional
};
/// Reads a TensorProto, SequenceProto or OptionalProto, as `type` says.
Datum read_datum(const std::string& path, const ValueType& type);

/// Throws FormatError where a node reads what is not there before it, a name is given twice, the
/// opset is none that is read, or functions call themselves or are more than can be written out.
void check_model(const Model& model);
/// `node "conv1"`, or `node 7 (Conv)` where it has no name.
std::string label_of(const Node& node, int64_t index = -1);

}  // namespace varve::formats::onnx
