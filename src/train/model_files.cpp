// Model files as models see them, and compile settings as text.
#include "base/error.h"
#include "io/model_file.h"
#include "nn/config.h"
#include "train/training.h"
#include "varve/warnings.h"

namespace varve {
namespace train {

using config::Json;

std::string compile_config(const Training& t) {
  if (!t.compiled || t.options.train_step) return {};
  try {
    const CompileOptions& o = t.options;
    Json object{{"optimizer", Json::parse(t.optimizer.config())}};
    if (o.loss.one()) object["loss"] = Json::parse(o.loss.one().config());
    for (const auto& [name, loss] : o.loss.by_output()) {
      object["losses"][name] = Json::parse(loss.config());
    }
    for (const auto& [name, weight] : o.loss_weights) object["loss_weights"][name] = weight;
    for (const Metric& m : o.metrics) object["metrics"].push_back(Json::parse(m.config()));
    for (const auto& [name, metrics] : o.output_metrics) {
      for (const Metric& m : metrics) {
        object["output_metrics"][name].push_back(Json::parse(m.config()));
      }
    }
    if (o.run_eagerly) object["run_eagerly"] = true;
    if (o.precision != Precision::f32) object["precision"] = o.precision.to_string();
    return object.dump();
  } catch (const UnsupportedError&) {
    return {};  // it must be compiled again after loading
  }
}

namespace {

CompileOptions read_compile_options(std::string_view json) {
  const Json object = config::parse(json, "compile");
  CompileOptions o;
  const auto each = [&](const char* key, auto f) {
    if (const auto at = object.find(key); at != object.end()) {
      for (const auto& [name, value] : at->items()) f(name, value);
    }
  };
  o.optimizer = Optimizer::from_config(object.at("optimizer").dump());
  o.run_eagerly = object.value("run_eagerly", false);
  o.precision = Precision::parse(object.value("precision", "f32"));
  if (object.contains("loss")) o.loss = Loss::from_config(object["loss"].dump());
  std::vector<std::pair<std::string, Loss>> by_output;
  each("losses", [&](const std::string& name, const Json& value) {
    by_output.push_back({name, Loss::from_config(value.dump())});
  });
  if (!by_output.empty()) o.loss = Losses(std::move(by_output));
  each("loss_weights", [&](const std::string& name, const Json& value) {
    o.loss_weights[name] = value.get<double>();
  });
  each("metrics", [&](const std::string&, const Json& value) {
    o.metrics.push_back(Metric::from_config(value.dump()));
  });
  each("output_metrics", [&](const std::string& name, const Json& list) {
    for (const Json& value : list) {
      o.output_metrics[name].push_back(Metric::from_config(value.dump()));
    }
  });
  return o;
}

}  // namespace

CompileOptions compile_options_from(std::string_view json) {
  try {
    return read_compile_options(json);
  } catch (const Json::exception& e) {
    throw FormatError("compile: " + escaped(e.what()));
  }
}

}  // namespace train

namespace {
constexpr const char* kCompileText = "compile";
}

void Model::save(std::string_view path) const {
  const train::Training& t = train::training_of(*this);
  std::map<std::string, std::string> texts = t.metadata;
  if (const std::string compile = train::compile_config(t); !compile.empty()) {
    texts[kCompileText] = compile;
  }
  io::write_model(std::string(path), *this, texts);
}

Model Model::load(std::string_view path, LoadOptions options) {
  io::ModelFile file = io::read_model(std::string(path), options);
  Model model(std::move(file.layer));
  for (const auto& [key, text] : file.texts) {
    if (key != kCompileText) {
      model.set_metadata(key, text);
      continue;
    }
    try {
      model.compile(train::compile_options_from(text));
    } catch (const Error& e) {
      warn(std::string(path) + ": the model is not compiled: " + e.message());
    }
  }
  return model;
}

void Model::save_weights(std::string_view path) const {
  varve::save_weights(path, named_variables());
}

LoadReport Model::load_weights(std::string_view path, LoadOptions options) {
  return varve::load_weights(path, named_variables(), options);
}

}  // namespace varve
