#include "io/model_file.h"

#include "base/error.h"
#include "io/onnx/layer.h"
#include "io/tensor_file.h"
#include "nn/json.h"
#include "nn/layer_state.h"
#include "nn/network.h"

namespace varve::io {
namespace {

constexpr const char* kModelKey = "varve.model";
constexpr const char* kSamplesKey = "varve.samples";
constexpr const char* kFrozenKey = "varve.frozen";
constexpr const char* kTextPrefix = "varve.text.";

}  // namespace

void write_model(const std::string& path, const Layer& layer,
                 const std::map<std::string, std::string>& texts) {
  const detail::LayerState& state = *layer.state();
  if (!layer.built()) {
    throw ValueError("save: model \"" + layer.name() + "\" was not built",
                     "train it, or call build(sample_shape)");
  }
  std::map<std::string, std::string> metadata;
  metadata[kModelKey] = layer.config();
  config::Json samples = config::Json::array();
  for (const ir::TensorType& t : state.samples) samples.push_back(nn::type_to_json(t));
  metadata[kSamplesKey] = samples.dump();
  const config::Json frozen = nn::frozen_to_json(layer);
  if (!frozen.is_null()) metadata[kFrozenKey] = frozen.dump();
  for (const auto& [key, text] : texts) metadata[kTextPrefix + key] = text;
  std::vector<NamedTensor> tensors;
  for (const NamedVariable& v : layer.named_variables()) {
    tensors.push_back({v.path, v.variable.value()});
  }
  write_tensors(path, "model", tensors, std::move(metadata));
}

ModelFile read_model(const std::string& path, LoadOptions options) {
  const TensorFile file(path);
  file.require_kind("model");
  onnx::register_layer();
  ModelFile out{[&] {
                  try {
                    return Layer::from_config(file.json(kModelKey).dump());
                  } catch (const Error& e) {
                    file.fail(e.message(), e.hint());
                  }
                }(),
                {}};
  if (!out.layer.built()) {
    ir::Types samples;
    for (const config::Json& s : file.json(kSamplesKey)) {
      samples.push_back(nn::type_from(s, kSamplesKey));
    }
    if (samples.empty()) file.fail("the shape of a sample is not in the file");
    nn::build(*out.layer.state(), samples);
  }
  if (!file.metadata(kFrozenKey).empty()) {
    try {
      nn::freeze_from(file.json(kFrozenKey), out.layer, kFrozenKey);
    } catch (const ConfigError& e) {
      file.fail(e.message(), e.hint());
    }
  }
  options.partial = false;
  load_variables(file, "", out.layer.named_variables(), options);
  const std::string prefix = kTextPrefix;
  for (const auto& [key, text] : file.file().metadata()) {
    if (key.compare(0, prefix.size(), prefix) == 0) out.texts[key.substr(prefix.size())] = text;
  }
  return out;
}

}  // namespace varve::io
