// Checkpoints: writing all that a run needs to go on, and going on.
#include <fmt/format.h>
#include <unistd.h>

#include <algorithm>
#include <cmath>
#include <cstdio>
#include <limits>
#include <numeric>

#include "base/error.h"
#include "formats/file.h"
#include "formats/gzip.h"
#include "io/tensor_file.h"
#include "ir/node.h"
#include "train/fit_run.h"
#include "varve/warnings.h"

namespace varve::detail {
namespace {

using config::Json;

constexpr const char* kRunKey = "varve.run";
constexpr const char* kModelKey = "varve.model";
constexpr const char* kHistoryKey = "varve.history";
constexpr const char* kCallbacksKey = "varve.callbacks";

// The architecture, or what can be said of it where it holds functions of the user's own.
std::string described(const Model& model) {
  try {
    return model.config();
  } catch (const UnsupportedError&) {
    std::string text = "variables:";
    for (const NamedVariable& v : model.named_variables()) {
      text += " " + v.path + v.variable.shape().to_string();
    }
    return text;
  }
}

// [["loss", [0.5, 0.4]], ...]: in the order of the names.
Json written(const History& history, int64_t epochs) {
  Json list = Json::array();
  for (const std::string& name : history.names()) {
    Json values = Json::array();
    for (int64_t e = 0; e < epochs; ++e) {
      const double v = history[name][static_cast<size_t>(e)];
      values.push_back(std::isfinite(v) ? Json(v) : Json());
    }
    list.push_back(Json::array({name, std::move(values)}));
  }
  return list;
}

History read_history(const Json& list) {
  History history;
  const size_t epochs = list.empty() ? 0 : list.at(0).at(1).size();
  for (size_t i = 0; i < epochs; ++i) {
    Logs logs;
    for (const Json& entry : list) {
      const Json& v = entry.at(1).at(i);
      logs.push_back({entry.at(0).get<std::string>(),
                      v.is_number() ? v.get<double>() : std::numeric_limits<double>::quiet_NaN()});
    }
    history.append(logs);
  }
  return history;
}

// The text form; for functions of the user's own what they are called.
template <class C>
Json text_of(const C& choice) {
  try {
    return Json::parse(choice.config());
  } catch (const UnsupportedError&) {
    return Json{{"function", choice.name()}};
  }
}

// What training goes by: a run that is resumed with another would log and learn something else.
Json losses_of(const train::Training& t) {
  if (t.options.train_step) return "train_step";
  Json list = Json::array();
  for (const train::OutputPlan& p : t.plan) {
    list.push_back(p.loss ? text_of(p.loss) : Json());
    if (p.weight != 1) list.back() = Json{{"loss", list.back()}, {"weight", p.weight}};
  }
  return list.size() == 1 ? list[0] : list;
}

Json metrics_of(const train::Training& t) {
  Json list = Json::array();
  for (const train::OutputPlan& p : t.plan) {
    Json of_output = Json::array();
    for (const Metric& m : p.metrics) of_output.push_back(text_of(m));
    list.push_back(std::move(of_output));
  }
  return list.size() == 1 ? list[0] : list;
}

bool all_finite(const Tensor& x) {
  if (!is_floating(x.dtype())) return true;
  const std::vector<double> v = x.to_doubles();
  return std::all_of(v.begin(), v.end(), [](double e) { return std::isfinite(e); });
}

// Keeps the file that is about to be replaced, as "<path>.old" once that has happened: until then
// the older one is still wanted. `path` itself is there at every instant.
class Older {
 public:
  explicit Older(const std::string& path) : path_(path), aside_(path + ".old.new") {
    ::unlink(aside_.c_str());  // of a run that was killed
    // A file system without links keeps one file.
    linked_ = formats::file_exists(path) && ::link(path.c_str(), aside_.c_str()) == 0;
  }
  ~Older() {
    if (linked_) ::unlink(aside_.c_str());
  }
  Older(const Older&) = delete;
  Older& operator=(const Older&) = delete;

  void keep() {
    if (linked_ && std::rename(aside_.c_str(), (path_ + ".old").c_str()) == 0) linked_ = false;
  }

 private:
  std::string path_, aside_;
  bool linked_ = false;
};

std::string callback_prefix(size_t i) { return "callback." + std::to_string(i) + "."; }

// The tensors of the file with that prefix, without it.
NamedTensors read_all(const io::TensorFile& file, const std::string& prefix) {
  NamedTensors out;
  for (const auto& entry : file.file().tensors()) {
    if (entry.name.compare(0, prefix.size(), prefix) != 0) continue;
    out.push_back({entry.name.substr(prefix.size()), file.read(entry.name)});
  }
  return out;
}

}  // namespace

std::string FitRun::fingerprint() const {
  if (!fingerprint_.empty()) return fingerprint_;
  uint32_t crc = 0;
  const auto add = [&](const Tensor& x) {
    const auto bytes = static_cast<size_t>(x.size() * size_of(x.dtype()));
    crc = formats::crc32({ir::contiguous_array(x).data(), bytes}, crc);
  };
  for (const Tensor& x : train_.stored_inputs()) add(x);
  for (const Tensor& y : train_.stored_targets()) add(y);
  if (train_.weights().defined()) add(train_.weights());
  crc = formats::crc32(std::as_bytes(train_.rows()), crc);
  fingerprint_ = fmt::format("{} samples, {:08x}", train_.size(), crc);
  return fingerprint_;
}

// What the step assigns beside the model, its optimizer and what is logged: other models, their
// optimizers, variables of the user's own.
std::vector<NamedVariable> FitRun::state_of_step() {
  if (step_assigns_.empty()) {
    std::vector<int64_t> first(
        static_cast<size_t>(std::min<int64_t>(options_.batch_size, train_.size())));
    std::iota(first.begin(), first.end(), 0);
    step_program_.rehearse(train::arguments_of(train_, first));
  }
  Variables known = model_.variables();
  known.push_back(model_.random_state());
  for (const auto& s : training_.optimizer.state()) known.push_back(s.variable);
  for (const auto& [name, totals] : meter_.totals()) known.push_back(totals);
  std::vector<NamedVariable> out;
  for (const Variable& v : step_assigns_) {
    if (std::find(known.begin(), known.end(), v) != known.end()) continue;
    out.push_back({"step." + std::to_string(out.size()) + "." + v.name(), v});
  }
  return out;
}

RunSnapshot FitRun::snapshot() {
  const std::vector<NamedVariable> of_step = state_of_step();
  const bool within = next_batch_ > 0;  // an epoch
  RunSnapshot out;
  out.run = Json{{"epoch", next_epoch_},
                 {"batch", next_batch_},
                 {"told_of_epoch", told_of_epoch_},
                 {"told_of_batch", told_of_batch_},
                 {"step", step_},
                 {"samples", within ? samples_ : 0},
                 {"shuffle", options_.shuffle},
                 {"shuffle_seed", shuffle_seed_},
                 {"batch_size", options_.batch_size.value},
                 {"optimizer", training_.optimizer.name()},
                 {"loss", losses_of(training_)},
                 {"metrics", metrics_of(training_)},
                 {"step_variables", of_step.size()}};
  out.history = written(history_, history_.epochs());
  const auto add = [&](const std::string& name, const Tensor& value) {
    out.tensors.push_back({name, value});
  };
  const auto add_finite = [&](const std::string& name, const Variable& v, const std::string& what) {
    out.must_be_finite.push_back({out.tensors.size(), what});
    add(name, v.value());
  };
  // What nobody trains may hold infinity on purpose (a mask).
  const auto add_variable = [&](const std::string& name, const Variable& v,
                                const std::string& path) {
    if (!v.trainable()) return add(name, v.value());
    add_finite(name, v, "variable \"" + escaped(path) + "\"");
  };
  for (const NamedVariable& v : model_.named_variables()) {
    add_variable("model." + v.path, v.variable, v.path);
  }
  for (const NamedVariable& v : of_step) add_variable(v.path, v.variable, v.path);
  for (const auto& s : training_.optimizer.state()) {
    add_finite("optimizer." + s.path, s.variable, "optimizer state \"" + escaped(s.path) + "\"");
  }
  add("random_state", model_.random_state().value());
  if (within) {
    for (const auto& [name, totals] : meter_.totals()) add("meter." + name, totals.value());
  }
  out.callbacks = Json::array();
  for (size_t i = 0; i < options_.callbacks.size(); ++i) {
    out.callbacks.push_back(options_.callbacks[i]->state());
    for (const auto& [name, x] : options_.callbacks[i]->tensors()) {
      add(callback_prefix(i) + name, x);
    }
  }
  return out;
}

void FitRun::save_checkpoint(const std::string& path) {
  RunSnapshot now = at_end_ ? *at_end_ : snapshot();
  const std::string kept = last_checkpoint_.empty() ? "previous file"
                                                    : "previous checkpoint step " +
                                                          std::to_string(last_checkpoint_step_);
  // A checkpoint is a good one: a run that has gone wrong does not overwrite it.
  for (const auto& [i, what] : now.must_be_finite) {
    if (all_finite(now.tensors[i].tensor)) continue;
    throw NumericError("save to " + formats::shown(path) + ": " + what + " is not finite; " + kept +
                       " kept");
  }
  now.run["data"] = fingerprint();
  Older older(path);
  io::write_tensors(path, "checkpoint", now.tensors,
                    {{kRunKey, now.run.dump()},
                     {kModelKey, described(model_)},
                     {kHistoryKey, now.history.dump()},
                     {kCallbacksKey, now.callbacks.dump()}},
                    kept);
  older.keep();
  last_checkpoint_ = path;
  last_checkpoint_step_ = step_;
}

namespace {

// Reads a run's member and holds it against what fit was given.
template <class T>
void require_same(const io::TensorFile& file, const Json& run, const char* key, const T& here) {
  // Whatever the order of members: a file's are sorted.
  const auto sorted = [](const Json& value) { return nlohmann::json::parse(value.dump()); };
  const auto there = sorted(run.at(key)), expected = sorted(Json(here));
  if (there == expected) return;
  file.fail(std::string("the checkpoint is of another run: ") + key + ": checkpoint " +
            there.dump() + ", fit " + expected.dump());
}

}  // namespace

void FitRun::require_same_run(const io::TensorFile& file, const Json& run) const {
  if (file.metadata(kModelKey) != described(model_)) {
    file.fail("the checkpoint is of another model: checkpoint " +
              escaped(file.metadata(kModelKey)) + ", fit " + escaped(described(model_)));
  }
  require_same(file, run, "batch_size", options_.batch_size.value);
  require_same(file, run, "shuffle", options_.shuffle);
  require_same(file, run, "optimizer", training_.optimizer.name());
  require_same(file, run, "loss", losses_of(training_));
  require_same(file, run, "metrics", metrics_of(training_));
  require_same(file, run, "data", fingerprint());
  const size_t callbacks = file.json(kCallbacksKey).size();
  if (callbacks != options_.callbacks.size()) {
    file.fail("the checkpoint is of another run: callbacks: checkpoint " +
              std::to_string(callbacks) + ", fit " + std::to_string(options_.callbacks.size()));
  }
  const auto batch = run.at("batch").get<int64_t>();
  if (batch < 0 || batch > batches()) {
    file.fail("the checkpoint is of batch " + std::to_string(batch) + " of " +
              std::to_string(batches()));
  }
}

std::vector<NamedVariable> FitRun::variables_to_restore(const io::TensorFile& file,
                                                        const Json& run) {
  Optimizer& optimizer = training_.optimizer;
  // A step of the user's own may do without it; where it does not, running through it builds it.
  if (!training_.options.train_step) optimizer.build(model_.trainable());
  std::vector<NamedVariable> variables;
  for (const NamedVariable& v : model_.named_variables()) {
    variables.push_back({"model." + v.path, v.variable});
  }
  const auto count = run.at("step_variables").get<size_t>();
  // Only a step that has been run through tells what else it assigns, and what it logs.
  if (count > 0 || training_.options.train_step) {
    const std::vector<NamedVariable> own = state_of_step();
    require_same(file, run, "step_variables", own.size());
    variables.insert(variables.end(), own.begin(), own.end());
  }
  for (const auto& s : optimizer.state()) {
    if (s.path != "learning_rate") variables.push_back({"optimizer." + s.path, s.variable});
  }
  // A rate that follows its schedule is not in the file: it is worked out of the step.
  if (file.has("optimizer.learning_rate")) {
    variables.push_back({"optimizer.learning_rate", optimizer.learning_rate()});
  }
  variables.push_back({"random_state", model_.random_state()});
  return variables;
}

void FitRun::restore_callbacks(const io::TensorFile& file) {
  const Json texts = file.json(kCallbacksKey);
  for (size_t i = 0; i < options_.callbacks.size(); ++i) {
    const auto text = texts.at(i).get<std::string>();
    if (!text.empty()) options_.callbacks[i]->set_state(text);
    options_.callbacks[i]->set_tensors(read_all(file, callback_prefix(i)));
  }
}

void FitRun::restore(const std::string& path) {
  const io::TensorFile file(path);
  try {
    // All is read before anything is changed.
    file.require_kind("checkpoint");
    const Json run = file.json(kRunKey);
    require_same_run(file, run);
    const std::vector<NamedVariable> variables = variables_to_restore(file, run);
    const NamedTensors totals = read_all(file, "meter.");
    epoch_ = next_epoch_ = run.at("epoch").get<int64_t>();
    batch_ = next_batch_ = run.at("batch").get<int64_t>();
    told_of_epoch_ = run.at("told_of_epoch").get<size_t>();
    told_of_batch_ = run.at("told_of_batch").get<size_t>();
    step_ = run.at("step").get<int64_t>();
    samples_ = run.at("samples").get<int64_t>();
    shuffle_seed_ = run.at("shuffle_seed").get<uint64_t>();
    history_ = read_history(file.json(kHistoryKey));
    io::load_variables(file, "", variables, {.ignore_unexpected = true});
    for (const auto& [name, x] : totals) {
      if (!meter_.set_totals(name, x)) {
        file.fail("the checkpoint is of another run: \"" + escaped(name) + "\" is not logged");
      }
    }
    last_checkpoint_ = path;
    last_checkpoint_step_ = step_;
    restore_callbacks(file);
  } catch (const config::Json::exception& e) {
    file.fail("it does not hold what a checkpoint does: " + escaped(e.what()));
  }
}

void FitRun::resume(const std::string& path) {
  try {
    restore(path);
  } catch (const FormatError& e) {
    const bool older =
        options_.resume_older && path == options_.resume && formats::file_exists(path + ".old");
    if (!older) throw;
    warn("resume: " + e.message() + "; going on from " + formats::shown(path + ".old"));
    resume(path + ".old");
  }
}

}  // namespace varve::detail
