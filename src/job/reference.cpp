#include "job/reference.h"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <map>
#include <variant>

#include "job/job.h"
#include "nn/registry.h"
#include "varve/nn/choices.h"
#include "zoo/registry.h"

namespace varve::job {
namespace {

using config::Json;

constexpr size_t kWidth = 96;

// `units` where it must be given, else `rate = 0.5`.
class Settings final : public Fields {
 public:
  void visit(const Field& f) override {
    if (std::holds_alternative<FunctionField>(f.value)) return;
    list.push_back(required(f) ? f.name : f.name + std::string(" = ") + value(f));
  }
  std::vector<std::string> list;

 private:
  // A size below the least, and the layer in a layer.
  static bool required(const Field& f) {
    const auto* size = std::get_if<Dim*>(&f.value);
    return size ? (*size)->value < f.integers.min : f.name == std::string_view("layer");
  }
  static std::string value(const Field& f) {
    const Json one = config::write("", [&](Fields& fields) { fields.visit(f); });
    return one.empty() ? "none" : one.begin()->dump();
  }
};

class Docs final : public Fields {
 public:
  void visit(const Field& f) override { text += fmt::format("  {:<16}{}\n", f.name, f.doc); }
  std::string text;
};

template <class S>
std::vector<std::string> settings_of() {
  S spec;
  Settings settings;
  spec.fields(settings);
  return settings.list;
}

// Of a choice that shows itself as `{"type": "adam", "learning_rate": 0.001, ...}`.
std::vector<std::string> settings_of(const std::string& text) {
  const Json config = Json::parse(text);
  std::vector<std::string> out;
  if (!config.is_object()) return out;
  for (const auto& [key, value] : config.items()) {
    if (key != "type") out.push_back(key + " = " + value.dump());
  }
  return out;
}

// A name and what follows it, broken into lines.
std::string row(const std::string& name, const std::vector<std::string>& settings) {
  constexpr size_t kIndent = 26;
  std::string out = fmt::format("  {:<{}}", name, kIndent - 2);
  size_t column = kIndent;
  if (name.size() + 2 >= kIndent && !settings.empty()) out += "\n" + std::string(kIndent, ' ');
  for (size_t i = 0; i < settings.size(); ++i) {
    const std::string part = settings[i] + (i + 1 < settings.size() ? ", " : "");
    if (column > kIndent && column + part.size() > kWidth) {
      out.pop_back();
      out += "\n" + std::string(kIndent, ' ');
      column = kIndent;
    }
    out += part;
    column += part.size();
  }
  out.erase(out.find_last_not_of(' ') + 1);
  return out + "\n";
}

template <class S>
std::string docs() {
  S spec;
  Docs docs;
  spec.fields(docs);
  return docs.text;
}

std::string sections() {
  std::string out = "At the top\n";
  out += "  format_version  1; a job of a newer Varve is refused.\n";
  out += "  name            What the job is called; else like its file.\n";
  out += "  seed            All random numbers follow from it; 0.\n\n";
  out += "[data] with kind = \"csv\": a table\n" + docs<CsvData>();
  out += "  [data.columns]  For each column, by its name, a kind (number, category, ignore) or\n" +
         row("", settings_of<Column>());
  out += "\n[data] with kind = \"image_folder\"\n" + docs<ImageFolderData>();
  out += "\n[data] with kind = \"idx\": MNIST's format\n" + docs<IdxData>();
  out += "\n[data] with kind = \"npz\": NumPy's arrays\n" + docs<NpzData>();
  out += "\n[data] of all kinds: split = { ... }\n" + docs<Split>();
  out += "\n[model]\n  layers          A list of layers, the first to the last.\n";
  out += "  zoo             Or the name of a network, or { type = ..., settings }.\n";
  out += "  file            Or a model file, whose training goes on.\n";
  out += "\n[train]\n  optimizer, loss, metrics (a list), callbacks (a list); see below.\n" +
         docs<TrainSection>();
  out += "\n[output]\n  directory       Where model, history and report go.\n";
  return out;
}

// A list of layers hands one tensor on: those that merge several, and those that are functions of
// C++, have no place in it.
constexpr std::array<std::string_view, 15> kNotInLists{"add",
                                                       "additive_attention",
                                                       "attention",
                                                       "average",
                                                       "concatenate",
                                                       "dot",
                                                       "lambda",
                                                       "maximum",
                                                       "minimum",
                                                       "model",
                                                       "multiply",
                                                       "reparameterize",
                                                       "subtract",
                                                       "transformer",
                                                       "transformer_decoder"};

std::string layers() {
  std::string out;
  for (const std::string& type : nn::layer_types()) {
    if (std::find(kNotInLists.begin(), kNotInLists.end(), type) != kNotInLists.end()) continue;
    const auto spec = nn::make_spec(type);
    if (!spec) {
      out += row(type, {"layers"});  // a sequence
      continue;
    }
    Settings settings;
    spec->fields(settings);
    std::erase_if(settings.list, [](const std::string& s) { return s.starts_with("name = "); });
    out += row(type, settings.list);
  }
  return out;
}

// Each type once; other names for it stand in its row.
template <class Make>
std::string choices(const std::vector<std::string>& names, Make&& make) {
  const auto type_of = [](const std::string& config) {
    const Json json = Json::parse(config);
    return json.is_object() ? json.at("type").get<std::string>() : json.get<std::string>();
  };
  std::map<std::string, std::string> others;
  for (const std::string& name : names) {
    const std::string type = type_of(make(Json(name).dump()));
    std::string& list = others[type];
    if (type != name) list += (list.empty() ? "" : ", ") + name;
  }
  std::string out;
  for (const std::string& name : names) {
    const std::string config = make(Json(name).dump());
    if (type_of(config) != name) continue;
    const std::vector<std::string> settings = settings_of(config);
    const std::string also = "(also called " + others[name] + ")";
    const bool beside = settings.empty() && !others[name].empty();
    out += row(name, beside ? std::vector{also} : settings);
    if (!beside && !others[name].empty()) out += row("", {also});
  }
  return out;
}

// A metric keeps the name that it was given, for that stands in logs.
std::string metric_config(const std::string& text) {
  static const std::map<std::string, const char*> kOthers{{"mae", "mean_absolute_error"},
                                                          {"mse", "mean_squared_error"},
                                                          {"rmse", "root_mean_squared_error"}};
  const auto other = kOthers.find(Json::parse(text).get<std::string>());
  return Metric::from_config(other == kOthers.end() ? text : Json(other->second).dump()).config();
}

std::string listed(const std::vector<std::string>& names) { return row("", names); }

struct Named {
  const char* name;
  std::vector<std::string> (*settings)();
};
constexpr std::array<Named, 5> kCallbacks{
    {{"checkpoint", settings_of<callbacks::Checkpoint>},
     {"csv_logger", settings_of<callbacks::CSVLogger>},
     {"early_stopping", settings_of<callbacks::EarlyStopping>},
     {"model_checkpoint", settings_of<callbacks::ModelCheckpoint>},
     {"reduce_lr_on_plateau", settings_of<callbacks::ReduceLROnPlateau>}}};

constexpr std::array<Named, 6> kInitializers{
    {{"constant", settings_of<nn::Constant>},
     {"orthogonal", settings_of<nn::Orthogonal>},
     {"random_normal", settings_of<nn::RandomNormal>},
     {"random_uniform", settings_of<nn::RandomUniform>},
     {"truncated_normal", settings_of<nn::TruncatedNormal>},
     {"variance_scaling", settings_of<nn::VarianceScaling>}}};

template <size_t N>
std::string rows(const std::array<Named, N>& list) {
  std::string out;
  for (const Named& n : list) out += row(n.name, n.settings());
  return out;
}

std::string networks() {
  std::string out;
  for (const zoo::Network& n : zoo::networks()) {
    Settings settings;
    n.fields(settings);
    out += row(n.name, settings.list);
  }
  return out;
}

}  // namespace

std::string reference() {
  std::string out = sections();
  out += "\nA layer, optimizer, loss ... is its type alone, \"adam\", or its type with settings,\n";
  out += "{ type = \"adam\", learning_rate = 0.01 }. What stands without a value must be given;\n";
  out += "units = \"classes\" are as many as the data have.\n";
  out += "\nLayers\n" + layers();
  out += "\nActivations (swish is silu, hard_swish is hard_silu), and above those layers without\n";
  out += "weights that have settings: activation = { type = \"elu\", alpha = 0.5 }\n";
  out += listed(nn::activation_names());
  out +=
      "\nInitializers (kaiming_* are he_*, xavier_* are glorot_*), a number, or one of the types\n";
  out += listed(nn::initializer_names()) + rows(kInitializers);
  out += "\nRegularizers\n" + choices(nn::regularizer_names(),
                                      [](auto t) { return Regularizer::from_config(t).config(); });
  out += "\nConstraints\n" + choices(nn::constraint_names(),
                                     [](auto t) { return Constraint::from_config(t).config(); });
  out += "\nNetworks (zoo)\n" + networks();
  out += "\nOptimizers\n" +
         choices(optim::names(), [](auto t) { return Optimizer::from_config(t).config(); });
  out += row("all of them", {"clip_norm = none", "clip_value = none"});
  out += "\nLearning rates that change: learning_rate = { type = ... }\n" +
         choices(schedules::names(), [](auto t) { return Schedule::from_config(t).config(); });
  out +=
      "\nLosses\n" + choices(losses::names(), [](auto t) { return Loss::from_config(t).config(); });
  out += "\nMetrics\n" + choices(metrics::names(), metric_config);
  out += "\nCallbacks\n" + rows(kCallbacks);
  return out;
}

}  // namespace varve::job
