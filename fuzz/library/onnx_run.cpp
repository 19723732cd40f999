// ONNX models are read and run: a file may ask for anything, and gets its outputs or an error.
#include "io/onnx/program.h"
#include "support/harness.h"
#include "varve/ops/shape.h"

using namespace varve;

namespace {

// Small, so that what takes long or much is refused at once.
constexpr int64_t kElements = 1 << 14, kIterations = 1 << 13, kSize = 3, kInput = 1 << 8;

/// An input as the model says, where that is small; open sizes are 3.
io::onnx::Value input_of(const formats::onnx::ValueType& type) {
  if (type.kind != formats::onnx::ValueType::Kind::tensor || !type.has_shape) return {};
  if (type.element == formats::onnx::Type::string || formats::onnx::is_complex(type.element)) {
    return {};
  }
  std::vector<int64_t> sizes;
  int64_t count = 1;
  for (const auto& d : type.dims) {
    sizes.push_back(d.value < 0 ? kSize : d.value);
    if (sizes.back() > kInput || (count *= sizes.back()) > kInput) return {};
  }
  return {ones(Shape(sizes), formats::onnx::held_as(type.element)), type.element};
}

void evaluate(const io::onnx::Value& v) {
  if (v.kind == io::onnx::Value::Kind::tensor) v.tensor.evaluate();
  if (v.kind != io::onnx::Value::Kind::sequence) return;
  for (const io::onnx::Value& item : *v.items) evaluate(item);
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  fuzz::reads_or_refuses([&] {
    const io::onnx::Program program(
        formats::onnx::parse_model("input", fuzz::bytes_of(data, size)));
    std::map<std::string, io::onnx::Value> inputs;
    for (const auto* port : program.inputs()) inputs[port->name] = input_of(port->type);
    io::onnx::Program::Options options;
    options.elements = kElements;
    options.iterations = kIterations;
    for (const io::onnx::Value& v : program.run(inputs, options)) evaluate(v);
  });
  return 0;
}
