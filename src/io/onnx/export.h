// Models as ONNX files: a trace of the model with any batch, each node written as ONNX operators.
#pragma once
#include <span>
#include <string>
#include <vector>

#include "formats/onnx.h"
#include "ir/graph.h"
#include "varve/nn/layer.h"

namespace varve::io::onnx {

/// The opset and IR version that are written: ONNX 1.12.
inline constexpr int64_t kExportOpset = 17, kExportIr = 8;

/// A graph whose inputs and outputs get these names (made different where they are not).
/// Throws UnsupportedError, naming the operation and its place, for what ONNX cannot say.
formats::onnx::Model to_onnx(const ir::Graph& graph, std::span<const std::string> inputs,
                             std::span<const std::string> outputs);
/// A built model in inference mode. Its first axis, the batch, is the dimension "batch".
/// Throws ValueError where the model was not built; UnsupportedError, naming the operation and its
/// place, for what ONNX cannot say.
formats::onnx::Model to_onnx(const Layer& model);

}  // namespace varve::io::onnx
