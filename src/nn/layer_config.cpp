// The architecture of layers as JSON.
#include <algorithm>
#include <set>

#include "base/error.h"
#include "nn/config.h"
#include "nn/json.h"
#include "nn/layer_state.h"
#include "nn/network.h"
#include "nn/registry.h"
#include "varve/nn/network.h"

namespace varve {

using config::Json;

namespace nn {

Json config_of(const Layer& layer) {
  const detail::LayerState& state = *layer.state();
  Json object{{"type", state.type}};
  if (!state.assigned.empty() || !state.given.empty()) object["name"] = state.name();
  if (const NetworkSpec* network = network_of(state)) {
    network->write(state, object);
  } else {
    const Json fields =
        config::write("layer \"" + state.name() + "\"", [&](Fields& f) { state.spec->fields(f); });
    for (const auto& [key, value] : fields.items()) {
      if (key != "name") object[key] = value;
    }
  }
  return object;
}

Layer layer_from(const Json& object, const std::string& path) {
  const std::string type = config::choice_type(object, path);
  if (object.is_string()) return layer_from(Json{{"type", type}}, path);
  if (type == "sequential" || type == "model") {
    Layer network = type == "model" ? functional_from(object, path) : sequential_from(object, path);
    if (const auto name = object.find("name"); name != object.end() && name->is_string())
      network.state()->given = name->get<std::string>();
    return network;
  }
  auto spec = make_spec(type);
  if (!spec) {
    throw ConfigError(path + ": unknown layer type \"" + escaped(type) + "\"",
                      did_you_mean(type, layer_types()) +
                          "; types of your own: nn::register_layer<T>(\"" + escaped(type) + "\")");
  }
  config::read(object, path, [&](Fields& f) { spec->fields(f); }, {"type", "name"});
  std::string given;
  if (const auto name = object.find("name"); name != object.end()) {
    if (!name->is_string())
      throw ConfigError(path + ".name: expected string, got " + escaped(name->dump()));
    given = name->get<std::string>();
  }
  try {
    Layer layer(std::move(spec), Where{});
    layer.state()->given = given;
    return layer;
  } catch (const ValueError& e) {
    // A field that must be given was not.
    throw ConfigError(path + ": " + e.message(), e.hint());
  }
}

void SequentialSpec::write(const detail::LayerState& layer, Json& object) const {
  Json list = Json::array();
  for (const detail::Part& p : layer.parts) {
    list.push_back(config_of(p.layer));
    list.back()["name"] = p.name;
  }
  object["layers"] = std::move(list);
  if (!layer.samples.empty()) {
    // What it was built for, so that a loaded one has its variables described.
    Json samples = Json::array();
    for (const ir::TensorType& t : layer.samples) samples.push_back(type_to_json(t));
    object["samples"] = std::move(samples);
  }
}

Layer sequential_from(const Json& object, const std::string& path) {
  for (const auto& [key, value] : object.items()) {
    const std::vector<std::string> known = {"type", "name", "layers", "samples"};
    if (std::find(known.begin(), known.end(), key) == known.end())
      throw ConfigError(path + "." + escaped(key) + ": unknown key", did_you_mean(key, known));
  }
  const auto list = object.find("layers");
  if (list == object.end() || !list->is_array())
    throw ConfigError(path + ".layers: expected a list of layers");
  std::vector<Layer> layers;
  for (size_t i = 0; i < list->size(); ++i)
    layers.push_back(layer_from((*list)[i], path + ".layers[" + std::to_string(i) + "]"));
  Layer sequence = sequential(std::move(layers), Where{});
  if (const auto samples = object.find("samples"); samples != object.end()) {
    if (!samples->is_array()) throw ConfigError(path + ".samples: expected a list");
    ir::Types types;
    for (size_t i = 0; i < samples->size(); ++i)
      types.push_back(type_from((*samples)[i], path + ".samples[" + std::to_string(i) + "]"));
    build(*sequence.state(), types);
  }
  return sequence;
}

Json frozen_to_json(const Layer& layer) {
  Json layers = Json::array(), variables = Json::array();
  detail::walk(*layer.state(), [&](const std::string& path, detail::LayerState& part) {
    if (part.frozen) layers.push_back(path);
    for (const detail::Owned& v : part.variables) {
      if (v.trainable && !v.variable.trainable()) variables.push_back(detail::join(path, v.name));
    }
  });
  if (layers.empty() && variables.empty()) return {};
  return {{"layers", std::move(layers)}, {"variables", std::move(variables)}};
}

void freeze_from(const Json& object, const Layer& layer, const std::string& path) {
  const auto paths = [&](const char* name) {
    const Json& list = member(object, name, path);
    if (!list.is_array()) throw ConfigError(path + "." + name + ": expected a list");
    std::set<std::string> out;
    for (const Json& p : list) {
      if (!p.is_string()) throw ConfigError(path + "." + name + ": expected names");
      out.insert(p.get<std::string>());
    }
    return out;
  };
  std::set<std::string> layers = paths("layers"), variables = paths("variables");
  detail::walk(*layer.state(), [&](const std::string& at, detail::LayerState& part) {
    if (layers.erase(at) > 0) part.frozen = true;
    for (detail::Owned& v : part.variables) {
      if (variables.erase(detail::join(at, v.name)) > 0) v.variable.set_trainable(false);
    }
  });
  layers.merge(variables);
  if (!layers.empty()) {
    throw ConfigError(path + ": the model has no \"" + escaped(*layers.begin()) + "\"");
  }
}

}  // namespace nn

std::string Layer::config() const { return nn::config_of(*this).dump(); }

Layer Layer::from_config(std::string_view json) {
  return nn::layer_from(config::parse(json, "layer"), "layer");
}

}  // namespace varve
