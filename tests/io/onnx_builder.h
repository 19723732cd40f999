// Small ONNX models, put together and taken apart in memory.
#pragma once
#include <cstring>
#include <string>
#include <vector>

#include "formats/onnx.h"
#include "io/onnx/program.h"

namespace varve::test {

using formats::onnx::Attribute;
using formats::onnx::Node;
using formats::onnx::TensorData;
using formats::onnx::Type;
using formats::onnx::ValueInfo;

inline Attribute ints(const std::string& name, std::vector<int64_t> values) {
  Attribute a;
  a.name = name;
  a.kind = Attribute::Kind::integers;
  a.integers = std::move(values);
  return a;
}
inline Attribute integer(const std::string& name, int64_t value) {
  Attribute a;
  a.name = name;
  a.kind = Attribute::Kind::integer;
  a.integer = value;
  return a;
}
inline Attribute real(const std::string& name, float value) {
  Attribute a;
  a.name = name;
  a.kind = Attribute::Kind::real;
  a.real = value;
  return a;
}
inline Attribute text(const std::string& name, const std::string& value) {
  Attribute a;
  a.name = name;
  a.kind = Attribute::Kind::string;
  a.string = value;
  return a;
}
inline Attribute body(const std::string& name, formats::onnx::Graph graph) {
  Attribute a;
  a.name = name;
  a.kind = Attribute::Kind::graph;
  a.graphs.push_back(std::make_shared<formats::onnx::Graph>(std::move(graph)));
  return a;
}

inline Node node(const std::string& op, std::vector<std::string> inputs,
                 std::vector<std::string> outputs, std::vector<Attribute> attributes = {},
                 const std::string& name = "") {
  Node n;
  n.op = op;
  n.name = name;
  n.inputs = std::move(inputs);
  n.outputs = std::move(outputs);
  n.attributes = std::move(attributes);
  return n;
}

/// A tensor of that type; sizes of -1 are open ("batch").
inline ValueInfo port(const std::string& name, const std::vector<int64_t>& sizes,
                      Type type = Type::float32) {
  ValueInfo v;
  v.name = name;
  v.type.kind = formats::onnx::ValueType::Kind::tensor;
  v.type.element = type;
  v.type.has_shape = true;
  for (const int64_t d : sizes) {
    v.type.dims.push_back({d, d < 0 ? "batch" : ""});
  }
  return v;
}

template <class T>
TensorData weights(const std::string& name, Type type, const Shape& shape,
                   const std::vector<T>& values) {
  TensorData t;
  t.name = name;
  t.type = type;
  t.shape = shape;
  t.array = formats::Array(formats::onnx::held_as(type), shape);
  if (!values.empty()) {
    std::memcpy(t.array.bytes.data(), values.data(), values.size() * sizeof(T));
  }
  return t;
}
inline TensorData floats(const std::string& name, const Shape& shape,
                         const std::vector<float>& values) {
  return weights(name, Type::float32, shape, values);
}
inline TensorData int64s(const std::string& name, const std::vector<int64_t>& values) {
  return weights(name, Type::int64, Shape{values.size()}, values);
}

/// One input "x" and one output "y".
inline formats::onnx::Model model(std::vector<Node> nodes,
                                  std::vector<TensorData> initializers = {}, int64_t opset = 17) {
  formats::onnx::Model m;
  m.file = "m.onnx";
  m.ir_version = 8;
  m.opsets[""] = opset;
  m.graph.name = "g";
  m.graph.nodes = std::move(nodes);
  m.graph.initializers = std::move(initializers);
  m.graph.inputs = {port("x", {-1, 2})};
  m.graph.outputs = {port("y", {-1, -1})};
  return m;
}

inline formats::onnx::Model parsed(const std::string& bytes, const std::string& folder = "") {
  return formats::onnx::parse_model("m.onnx", formats::as_bytes(bytes), folder);
}
inline formats::onnx::Model reread(const formats::onnx::Model& m) {
  return parsed(formats::onnx::serialize(m));
}

/// What the model makes of x, [rows, 2] of 1, 2, 3 ...
inline Tensor run(const formats::onnx::Model& m, int64_t rows = 2) {
  const io::onnx::Program program{formats::onnx::Model(m)};
  std::vector<float> x(static_cast<size_t>(rows) * 2);
  for (size_t i = 0; i < x.size(); ++i) x[i] = static_cast<float>(i + 1);
  return program.run({{"x", varve::tensor(x, {rows, 2})}}).at(0).tensor;
}

}  // namespace varve::test
