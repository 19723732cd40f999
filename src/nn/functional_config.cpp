// Functional models as JSON: the layers, and the values made of them in order.
#include <map>
#include <utility>

#include "base/any_batch.h"
#include "base/error.h"
#include "ir/infer.h"
#include "nn/batch.h"
#include "nn/json.h"
#include "nn/network.h"
#include "ops/table.h"
#include "varve/nn/network.h"

namespace varve::nn {

using config::Json;

namespace {

Json value_to_json(ir::ValueId v) { return v.output ? Json{v.node, v.output} : Json(v.node); }

Json values_to_json(const std::vector<ir::ValueId>& values) {
  Json list = Json::array();
  for (ir::ValueId v : values) list.push_back(value_to_json(v));
  return list;
}

/// A value among those before step `before`.
ir::ValueId value_from(const Json& json, const std::vector<FunctionalStep>& before,
                       const std::string& path) {
  ir::ValueId v;
  const bool pair = json.is_array() && json.size() == 2;
  const Json& node = pair ? json[0] : json;
  if (!node.is_number_integer() || (pair && !json[1].is_number_integer()))
    throw ConfigError(path + ": expected the number of a step, got " + escaped(json.dump()));
  const int64_t n = node.get<int64_t>(), output = pair ? json[1].get<int64_t>() : 0;
  if (n < 0 || n >= static_cast<int64_t>(before.size()) || output < 0 ||
      output >= static_cast<int64_t>(before[static_cast<size_t>(n)].outputs.size())) {
    throw ConfigError(path + ": there is no value " + escaped(json.dump()) + " before it");
  }
  v.node = static_cast<int32_t>(n);
  v.output = static_cast<int32_t>(output);
  return v;
}

std::vector<ir::ValueId> values_from(const Json& list, const std::vector<FunctionalStep>& before,
                                     const std::string& path) {
  if (!list.is_array()) throw ConfigError(path + ": expected a list");
  std::vector<ir::ValueId> values;
  for (const Json& v : list) values.push_back(value_from(v, before, path));
  return values;
}

ir::Types types_of(const std::vector<FunctionalStep>& steps,
                   const std::vector<ir::ValueId>& values) {
  ir::Types types;
  for (ir::ValueId v : values)
    types.push_back(steps[static_cast<size_t>(v.node)].outputs[static_cast<size_t>(v.output)]);
  return types;
}

Json step_to_json(const FunctionalStep& s, const detail::LayerState& layer) {
  switch (s.kind) {
    case FunctionalStep::Kind::input: {
      Json object{{"input", s.name}};
      object.update(type_to_json(s.outputs[0]));
      return object;
    }
    case FunctionalStep::Kind::constant: {
      const ir::Array& a = ir::contiguous_array(s.value);
      return {{"constant", literal_to_json({s.value.dtype(), s.value.shape(), a})}};
    }
    case FunctionalStep::Kind::layer: {
      Json object{{"layer", layer.parts[s.part].name}, {"inputs", values_to_json(s.inputs)}};
      if (s.training) object["training"] = *s.training;
      return object;
    }
    default: {
      Json object{{"op", s.op->name}, {"inputs", values_to_json(s.inputs)}};
      if (!s.attributes.empty())
        object["attributes"] = attributes_to_json(s.attributes, "layer \"" + layer.name() + "\"");
      return object;
    }
  }
}

/// Reads the steps of one model.
class Reader {
 public:
  Reader(const Json& object, const std::string& path, FunctionalSpec& spec,
         detail::LayerState& model)
      : object_(object), path_(path), spec_(spec), model_(model) {}

  void read() {
    const Json& layers = list("layers");
    for (size_t i = 0; i < layers.size(); ++i) {
      const Layer part = layer_from(layers[i], at("layers", i));
      detail::adopt(model_, part);
    }
    const Json& steps = list("steps");
    for (size_t i = 0; i < steps.size(); ++i) spec_.steps.push_back(step(steps[i], at("steps", i)));
    spec_.outputs = values_from(list("outputs"), spec_.steps, path_ + ".outputs");
    if (spec_.outputs.empty()) throw ConfigError(path_ + ".outputs: expected an output");
  }

 private:
  std::string at(const char* name, size_t i) const {
    return path_ + "." + name + "[" + std::to_string(i) + "]";
  }
  const Json& list(const char* name) const {
    const Json& j = member(object_, name, path_);
    if (!j.is_array()) throw ConfigError(path_ + "." + name + ": expected a list");
    return j;
  }

  FunctionalStep step(const Json& j, const std::string& path) {
    FunctionalStep s;
    if (j.contains("input")) {
      s.kind = FunctionalStep::Kind::input;
      s.name = text(j, "input", path);
      s.outputs = {type_from(j, path)};
      spec_.inputs.push_back(static_cast<int32_t>(spec_.steps.size()));
      model_.samples.push_back(s.outputs[0]);
    } else if (j.contains("constant")) {
      const ir::Literal v = literal_from(j["constant"], path + ".constant");
      s.kind = FunctionalStep::Kind::constant;
      s.value = ir::computed(v.dtype, v.shape, v.array);
      s.outputs = {ir::type_of(s.value)};
    } else if (j.contains("layer")) {
      read_layer(s, j, path);
    } else {
      read_op(s, j, path);
    }
    return s;
  }

  static std::string text(const Json& j, const char* name, const std::string& path) {
    const Json& v = member(j, name, path);
    if (!v.is_string())
      throw ConfigError(path + "." + name + ": expected string, got " + escaped(v.dump()));
    return v.get<std::string>();
  }

  void read_layer(FunctionalStep& s, const Json& j, const std::string& path) {
    s.kind = FunctionalStep::Kind::layer;
    const std::string name = text(j, "layer", path);
    std::vector<std::string> known;
    s.part = model_.parts.size();
    for (size_t i = 0; i < model_.parts.size(); ++i) {
      known.push_back(model_.parts[i].name);
      if (known.back() == name) s.part = i;
    }
    if (s.part == model_.parts.size()) {
      throw ConfigError(path + ".layer: there is no layer \"" + escaped(name) + "\"",
                        did_you_mean(name, known));
    }
    s.inputs = values_from(member(j, "inputs", path), spec_.steps, path + ".inputs");
    if (const auto mode = j.find("training"); mode != j.end()) {
      if (!mode->is_boolean()) throw ConfigError(path + ".training: expected true or false");
      s.training = mode->get<bool>();
    }
    detail::LayerState& part = *model_.parts[s.part].layer.state();
    MaskedTypes types{types_of(spec_.steps, s.inputs)};
    for (ir::ValueId v : s.inputs) {
      const auto mask = masks_.find({v.node, v.output});
      types.masks.push_back(mask == masks_.end() ? std::nullopt : std::optional(mask->second));
    }
    const MaskedTypes outputs = detail::probe_any_batch(part, types, s.training);
    s.outputs = values_and_masks(outputs);
    s.masked = masked_places(outputs);
    const auto n = static_cast<int32_t>(spec_.steps.size());
    for (size_t i = 0; i < outputs.masks.size(); ++i) {
      if (outputs.masks[i]) masks_[{n, static_cast<int32_t>(i)}] = *outputs.masks[i];
    }
    if (part.samples.empty()) part.samples = types.types;
  }

  void read_op(FunctionalStep& s, const Json& j, const std::string& path) {
    const std::string name = text(j, "op", path);
    s.op = ops::find(name);
    if (!s.op) throw ConfigError(path + ".op: unknown operation \"" + escaped(name) + "\"");
    // Bodies are made by compiling, or hold functions of the user's own: no model is saved with
    // one.
    if (s.op->traits.body) {
      throw ConfigError(path + ".op: \"" + escaped(name) + "\" is not an operation of a model");
    }
    s.inputs = values_from(member(j, "inputs", path), spec_.steps, path + ".inputs");
    const int count = static_cast<int>(s.inputs.size());
    if (count < s.op->min_inputs || count > s.op->max_inputs) {
      throw ConfigError(path + ".inputs: expected " + std::to_string(s.op->min_inputs) + ".." +
                        std::to_string(s.op->max_inputs) + " values, got " + std::to_string(count));
    }
    if (const auto a = j.find("attributes"); a != j.end())
      s.attributes = attributes_from(*a, path + ".attributes");
    try {
      const ir::Types types = types_of(spec_.steps, s.inputs);
      s.outputs = ir::infer(*s.op, types, s.attributes);
    } catch (const Error& e) {
      throw ConfigError(path + ": " + e.message(), e.hint());
    }
  }

  const Json& object_;
  const std::string& path_;
  FunctionalSpec& spec_;
  detail::LayerState& model_;
  std::map<std::pair<int32_t, int32_t>, ir::TensorType> masks_;  // that values carry
};

}  // namespace

void FunctionalSpec::write(const detail::LayerState& layer, Json& object) const {
  Json layers = Json::array();
  for (const detail::Part& p : layer.parts) {
    layers.push_back(config_of(p.layer));
    layers.back()["name"] = p.name;
  }
  Json list = Json::array();
  for (const FunctionalStep& s : steps) list.push_back(step_to_json(s, layer));
  object["layers"] = std::move(layers);
  object["steps"] = std::move(list);
  object["outputs"] = values_to_json(outputs);
}

Layer functional_from(const Json& object, const std::string& path) {
  auto spec = std::make_unique<FunctionalSpec>();
  FunctionalSpec& f = *spec;
  Layer model(std::move(spec), Where{});
  Reader(object, path, f, *model.state()).read();
  check_batches(f);
  model.state()->built = true;
  detail::name_variables(*model.state());
  return model;
}

}  // namespace varve::nn
