// Model files: weights, architecture, and text that goes with them.
#pragma once
#include <map>
#include <string>

#include "varve/nn/layer.h"
#include "varve/weights.h"

namespace varve::io {

/// What a file holds besides weights; keys of `texts` are free.
struct ModelFile {
  Layer layer;
  std::map<std::string, std::string> texts;
};

/// Throws IoError; UnsupportedError, naming the layer, for functions of the user's own; ValueError
/// where the model was not built.
void write_model(const std::string& path, const Layer& layer,
                 const std::map<std::string, std::string>& texts);
/// The model built and with its weights. Throws IoError, FormatError.
ModelFile read_model(const std::string& path, LoadOptions options);

}  // namespace varve::io
