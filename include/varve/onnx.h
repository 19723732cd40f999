// room: io
// ONNX files: models of other programs (opset 7 to 27) read, run, and made layers that train;
// models of Varve's written for other programs.
#pragma once
#include <map>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "varve/nn/layer.h"
#include "varve/tensor.h"

namespace varve::onnx {

/// An input or output of a model.
struct Port {
  std::string name;
  std::string type;  ///< "tensor(float32)[batch, 3, 224, 224]"
};

struct LayerOptions {
  /// Images come as Varve has them, [batch, height, width, channels], and are turned for a model
  /// that takes [batch, channels, height, width].
  bool channels_last = false;
  std::string name = {};
};

/// A model from an ONNX file. Copies share everything.
class Model {
 public:
  /// Throws IoError; FormatError, naming byte or node, for a damaged or hostile file (external data
  /// are read below the file's folder only); UnsupportedError that lists every node whose op is not
  /// read, with domain and opset.
  static Model load(std::string_view path);

  /// What a caller gives; inputs with a default in the file are left out.
  std::vector<Port> inputs() const;
