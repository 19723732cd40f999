// An imported model as a layer: what the file of a model holds of it, and how it is called.
#pragma once
#include <map>
#include <memory>
#include <string>

#include "io/onnx/program.h"
#include "varve/nn/layer.h"

namespace varve::io::onnx {

/// The layer type "onnx". `graph` is the ONNX model without its weights, in base64: the weights are
/// variables.
struct Onnx {
  std::string graph = {};
  bool channels_last = false;
  std::string name = {};

  Tensors call(const Tensors& x, Scope& s) const;
  void fields(Fields& f);

  /// Made from `graph` when first needed, or given with the weights' values by the importer.
  mutable std::shared_ptr<const Program> program = {};
  std::shared_ptr<const std::map<std::string, Tensor>> values = {};
};

/// The layer of a program; its weights begin as the file has them.
Layer make_layer(std::shared_ptr<const Program> program, bool channels_last, std::string name);
/// Makes files that hold such a layer loadable.
void register_layer();

}  // namespace varve::io::onnx
