#include "job/job.h"

#include <algorithm>
#include <array>
#include <filesystem>

#include "base/error.h"
#include "formats/file.h"
#include "formats/kind.h"
#include "formats/text.h"
#include "formats/toml.h"
#include "job/tree.h"
#include "nn/json.h"
#include "varve/nn/network.h"
#include "varve/zoo.h"

namespace varve::job {
namespace {

using config::Json;

constexpr int64_t kLongestFile = int64_t{1} << 20;

void require_table(const Json& value, const std::string& path) {
  if (value.is_object()) return;
  throw ConfigError(path + ": expected a table, got " + escaped(value.dump()));
}

const Json& section(const Json& root, const char* name) {
  const auto at = root.find(name);
  if (at == root.end()) {
    throw ConfigError(std::string(name) + ": section missing",
                      "a job has [data], [model], [train] and [output]");
  }
  require_table(*at, name);
  return *at;
}

void require(const std::string& value, const char* path) {
  if (value.empty()) throw ConfigError(std::string(path) + ": missing");
}

void check_choice(const std::string& value, const std::string& path,
                  const std::vector<std::string>& choices) {
  if (std::find(choices.begin(), choices.end(), value) != choices.end()) return;
  throw ConfigError(path + ": unknown choice " + formats::in_quotes(value),
                    did_you_mean(value, choices));
}

// Messages of a choice begin with what it is ("loss.delta: ..."); here they get its place in the
// file.
template <class F>
auto at_place(const std::string& what, const std::string& place, F&& make) {
  try {
    return make();
  } catch (const Error& e) {
    const std::string& m = e.message();
    throw ConfigError(place + (m.starts_with(what) ? m.substr(what.size()) : ": " + m), e.hint());
  }
}

std::map<std::string, Column> read_columns(const Json& object) {
  require_table(object, "data.columns");
  std::map<std::string, Column> out;
  for (const auto& [name, value] : object.items()) {
    out[name] = at_place("column", "data.columns." + name,
                         [text = value.dump()] { return Column::from_config(text); });
  }
  return out;
}

CsvData read_csv(const Json& object) {
  CsvData out;
  config::read(object, "data", [&](Fields& f) { out.fields(f); }, {"kind", "split", "columns"});
  require(out.path, "data.path");
  require(out.target, "data.target");
  if (out.read.separator.size() != 1) {
    throw ConfigError("data.separator: expected one character, got " +
                      formats::in_quotes(out.read.separator));
  }
  if (const auto columns = object.find("columns"); columns != object.end())
    out.columns = read_columns(*columns);
  if (out.columns.contains(out.target)) {
    throw ConfigError("data.columns." + out.target + ": is the target, which takes no rule");
  }
  return out;
}

ImageFolderData read_image_folder(const Json& object) {
  ImageFolderData out;
  config::read(object, "data", [&](Fields& f) { out.fields(f); }, {"kind", "split"});
  require(out.path, "data.path");
  if (out.image_size[0] == 0)
    throw ConfigError("data.image_size: missing", "for example image_size = [96, 96]");
  if (out.channels == 2) throw ConfigError("data.channels: expected 1 (grey) or 3 (colour), got 2");
  check_choice(out.on_bad_sample, "data.on_bad_sample", {"error", "skip"});
  return out;
}

void require_both(const std::string& one, const char* one_path, const std::string& other,
                  const char* other_path) {
  if (one.empty() == other.empty()) return;
  throw ConfigError(std::string(one.empty() ? one_path : other_path) + ": missing, and " +
                    (one.empty() ? other_path : one_path) + " is given");
}

DataSection read_data(const Json& object) {
  DataSection out;
  const auto kind = object.find("kind");
  if (kind == object.end())
    throw ConfigError("data.kind: missing", "choices: csv, idx, image_folder, npz");
  if (!kind->is_string())
    throw ConfigError("data.kind: expected string, got " + escaped(kind->dump()));
  out.kind = kind->get<std::string>();
  check_choice(out.kind, "data.kind", {"csv", "idx", "image_folder", "npz"});
  if (out.kind == "csv") {
    out.csv = read_csv(object);
  } else if (out.kind == "idx") {
    config::read(object, "data", [&](Fields& f) { out.idx.fields(f); }, {"kind", "split"});
    require(out.idx.images, "data.images");
    require(out.idx.labels, "data.labels");
    check_choice(out.idx.scale, "data.scale", {"unit", "none"});
    require_both(out.idx.test_images, "data.test_images", out.idx.test_labels, "data.test_labels");
  } else if (out.kind == "image_folder") {
    out.image_folder = read_image_folder(object);
  } else {
    config::read(object, "data", [&](Fields& f) { out.npz.fields(f); }, {"kind", "split"});
    require(out.npz.path, "data.path");
    check_choice(out.npz.scale, "data.scale", {"unit", "none"});
    require_both(out.npz.test_inputs, "data.test_inputs", out.npz.test_targets,
                 "data.test_targets");
  }
  if (const auto split = object.find("split"); split != object.end()) {
    config::read(*split, "data.split", [&](Fields& f) { out.split.fields(f); });
  }
  if (out.own_test() && out.split.test > 0)
    throw ConfigError("data.split.test: the test data are given by themselves");
  if (out.split.validation + out.split.test >= 1)
    throw ConfigError("data.split: expected validation + test < 1, or nothing is left to train on");
  return out;
}

const Json& list_of(const Json& object, const char* name) {
  static const Json none = Json::array();
  const auto at = object.find(name);
  if (at == object.end()) return none;
  if (!at->is_array()) {
    throw ConfigError(std::string("train.") + name + ": expected a list, got " +
                      escaped(at->dump()));
  }
  return *at;
}

// A callback that watches a number which is never logged would only say so after the first epoch.
void check_monitor(const Json& callback, const std::string& path, const TrainSection& train,
                   bool validation) {
  const std::string type = config::choice_type(callback, path);
  if (type == "checkpoint" || type == "csv_logger") return;
  if (type == "model_checkpoint" && !callback.value("save_best_only", false)) return;
  const std::string name = callback.value("monitor", "val_loss");
  std::vector<std::string> logged{"loss"};
  for (const Metric& m : train.metrics) logged.push_back(m.name());
  if (validation) {
    for (size_t i = 0, n = logged.size(); i < n; ++i) logged.push_back("val_" + logged[i]);
  }
  if (std::find(logged.begin(), logged.end(), name) != logged.end()) return;
  const bool needs_split = !validation && name.starts_with("val_");
  throw ConfigError(path + ".monitor: " + formats::in_quotes(name) + " is not measured",
                    needs_split ? "there is no validation part: set data.split.validation"
                                : did_you_mean(name, logged));
}

// With the file that it writes moved into the output's folder.
Json in_folder(const Json& callback, const std::string& directory) {
  static constexpr std::array<std::pair<const char*, const char*>, 3> kFiles{
      {{"checkpoint", "checkpoint.safetensors"},
       {"csv_logger", "training.csv"},
       {"model_checkpoint", "model-{epoch}.safetensors"}}};
  const std::string type = config::choice_type(callback, "callback");
  Json out = callback;
  for (const auto& [name, file] : kFiles) {
    if (type != name) continue;
    const auto given = out.find("path");
    if (given == out.end()) out["path"] = file;
    if (!out["path"].is_string()) break;
    const std::string path = out["path"].get<std::string>();
    if (!path.starts_with("/")) out["path"] = directory + "/" + path;
  }
  return out;
}

// What belongs to the optimizer is looked for here by those who know other tools.
void point_to_optimizer(const Json& train) {
  for (const auto& [key, value] : train.items()) {
    if (key != "lr" && closest(key, {"learning_rate"}).empty()) continue;
    throw ConfigError("train." + escaped(key) + ": unknown key",
                      "did you mean optimizer = { type = \"adam\", learning_rate = " +
                          escaped(value.dump()) + " }?");
  }
}

TrainSection read_train(const Json& object, bool validation) {
  TrainSection out;
  point_to_optimizer(object);
  config::read(object, "train", [&](Fields& f) { out.fields(f); },
               {"optimizer", "loss", "metrics", "callbacks"});
  if (const auto at = object.find("optimizer"); at != object.end()) {
    out.optimizer = at_place("optimizer", "train.optimizer",
                             [&] { return Optimizer::from_config(at->dump()); });
  }
  const auto loss = object.find("loss");
  if (loss == object.end())
    throw ConfigError("train.loss: missing", did_you_mean("", losses::names()));
  out.loss = at_place("loss", "train.loss", [&] { return Loss::from_config(loss->dump()); });
  if (!out.class_weight.empty()) check_choice(out.class_weight, "train.class_weight", {"balanced"});
  check_choice(out.precision, "train.precision", {"f32", "mixed_bf16"});
  for (const Json& metric : list_of(object, "metrics")) {
    const std::string place = "train.metrics[" + std::to_string(out.metrics.size()) + "]";
    out.metrics.push_back(
        at_place("metric", place, [&] { return Metric::from_config(metric.dump()); }));
  }
  for (const Json& callback : list_of(object, "callbacks")) {
    const std::string place = "train.callbacks[" + std::to_string(out.callbacks.size()) + "]";
    at_place("callback", place, [&] { return callbacks::from_config(callback.dump()); });
    // A name alone is short for a table.
    const Json table = callback.is_string() ? Json{{"type", callback}} : callback;
    check_monitor(table, place, out, validation);
    out.callbacks.push_back(table);
  }
  return out;
}

// "classes" by the number. Throws ConfigError where there are none.
Json with_classes(const Json& model, const std::string& path, int64_t classes) {
  Json out = model;
  if (model.is_object()) {
    for (auto& [key, item] : out.items()) item = with_classes(item, path + "." + key, classes);
  } else if (model.is_array()) {
    for (size_t i = 0; i < out.size(); ++i)
      out[i] = with_classes(model[i], path + "[" + std::to_string(i) + "]", classes);
  } else if (model == "classes") {
    if (classes < 0) {
      throw ConfigError(path + ": train.loss is one for numbers, which have no classes",
                        "losses for classes: cross_entropy, binary_cross_entropy, hinge, "
                        "categorical_hinge; for a target that is a number, one unit gives it");
    }
    return classes;
  }
  return out;
}

void check_model(const Json& model) {
  const std::vector<std::string> known{"layers", "zoo", "file"};
  for (const auto& [key, value] : model.items()) {
    if (std::find(known.begin(), known.end(), key) == known.end())
      throw ConfigError("model." + escaped(key) + ": unknown key", did_you_mean(key, known));
  }
  if (model.size() != 1) throw ConfigError("model: expected one of layers, zoo and file");
  if (const auto file = model.find("file"); file != model.end() && !file->is_string())
    throw ConfigError("model.file: expected a path, got " + escaped(file->dump()));
  if (const auto layers = model.find("layers"); layers != model.end()) {
    if (!layers->is_array())
      throw ConfigError("model.layers: expected a list of tables, got " + escaped(layers->dump()));
    if (layers->empty()) throw ConfigError("model.layers: expected at least one layer, got none");
  }
}

std::string stem_of(const std::string& path) {
  std::string name = path.substr(path.rfind('/') + 1);
  if (const size_t dot = name.rfind('.'); dot != name.npos && dot > 0) name.resize(dot);
  return name;
}

void read_tree(Job& job, const Json& root, const std::string& path) {
  Dim seed = 0, version = kFormatVersion;
  config::read(root, "",
               [&](Fields& f) {
                 f("format_version", version, "Of the job file; 1.", {.min = 1});
                 f("name", job.name, "What the job is called.");
                 f("seed", seed, "All random numbers follow from it.", {.min = 0});
               },
               {"data", "model", "train", "output"});
  if (version > kFormatVersion) {
    throw ConfigError("format_version: this Varve reads up to " + std::to_string(kFormatVersion) +
                          ", got " + std::to_string(version),
                      "a newer Varve reads it");
  }
  job.seed = static_cast<uint64_t>(seed.value);
  if (job.name.empty()) job.name = stem_of(path);
  job.data = read_data(section(root, "data"));
  job.model = section(root, "model");
  check_model(job.model);
  if (const auto file = job.model.find("file"); file != job.model.end())
    *file = job.resolve(file->get<std::string>());
  job.train = read_train(section(root, "train"), job.data.split.validation > 0);
  std::string directory;
  config::read(section(root, "output"), "output", [&](Fields& f) {
    f("directory", directory, "Where model, history and report go.");
  });
  require(directory, "output.directory");
  job.directory = std::filesystem::path(job.resolve(directory)).lexically_normal();
  // Layers that do not exist and values out of range are found before any data are read.
  make_model(job.model, job.classification() ? 2 : -1);
}

}  // namespace

bool DataSection::own_test() const {
  return kind == "csv"   ? !csv.test_path.empty()
         : kind == "idx" ? !idx.test_images.empty()
                         : kind == "npz" && !npz.test_inputs.empty();
}

bool Job::classification() const {
  const std::string name = train.loss.name();
  return name.find("entropy") != name.npos || name.find("hinge") != name.npos;
}

std::string Job::resolve(const std::string& path) const {
  return path.starts_with("/") ? path : folder + path;
}

void Job::fail(const std::string& message, const std::string& hint) const {
  throw ConfigError(places.of(message), hint);
}

std::vector<CallbackRef> Job::callbacks() const {
  std::vector<CallbackRef> out;
  for (const Json& c : train.callbacks)
    out.push_back(callbacks::from_config(in_folder(c, directory).dump()));
  return out;
}

std::string Job::checkpoint() const {
  for (const Json& c : train.callbacks) {
    const Json placed = in_folder(c, directory);
    if (config::choice_type(placed, "callback") == "checkpoint") return placed["path"];
  }
  return {};
}

Job parse_job(std::string_view text, const std::string& path,
              const std::vector<std::string>& sets) {
  Job job;
  job.file = formats::shown(path);
  const size_t slash = path.rfind('/');
  job.folder = slash == path.npos ? "" : path.substr(0, slash + 1);
  job.places = Places(job.file, text, sets);
  Json tree = to_json(formats::parse_toml(text, job.file), job.file);
  for (const std::string& set : sets) apply_set(tree, set);
  try {
    read_tree(job, tree, path);
  } catch (const ConfigError& e) {
    job.fail(e.message(), e.hint());
  }
  return job;
}

Job read_job(const std::string& path, const std::vector<std::string>& sets) {
  using formats::FileKind;
  constexpr const char* kHint = "a job file is TOML: varve help train shows one";
  const FileKind kind = formats::kind_of(formats::Source::open(path));
  // What is text may be meant as TOML: where it stops being so is said by its line.
  if (kind != FileKind::toml && kind != FileKind::text && kind != FileKind::unknown) {
    throw FormatError(formats::shown(path) + ": " + formats::not_expected("a job file", kind),
                      kHint);
  }
  const formats::Buffer bytes = formats::read_file(path, kLongestFile);
  try {
    return parse_job(bytes.text(), path, sets);
  } catch (const FormatError& e) {
    if (kind == FileKind::toml || !e.hint().empty()) throw;
    throw FormatError(e.message(), kHint);
  }
}

Model make_model(const Json& model, int64_t classes) {
  try {
    if (const auto file = model.find("file"); file != model.end()) {
      // Its layers and weights alone: the job says how they are trained.
      const Model loaded = Model::load(file->get<std::string>());
      return Model(static_cast<const Layer&>(loaded).clone());
    }
    if (const auto zoo = model.find("zoo"); zoo != model.end()) {
      return zoo::from_config(with_classes(*zoo, "model.zoo", classes).dump(), "model.zoo");
    }
    const Json layers = with_classes(model.at("layers"), "model.layers", classes);
    return Model(nn::layer_from(Json{{"type", "sequential"}, {"layers", layers}}, "model"));
  } catch (const ConfigError& e) {
    // Layers know nothing of the one word that a job takes for a number.
    const bool word = e.message().find(": expected integer >= 1, got \"") != std::string::npos;
    throw ConfigError(
        e.message(),
        word ? "a number, or \"classes\": as many as the data have classes" : e.hint());
  }
}

}  // namespace varve::job
