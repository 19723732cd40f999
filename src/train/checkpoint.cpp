// Checkpoints: writing all that a run needs to go on, and going on.
#include <fmt/format.h>
#include <unistd.h>

#include <cmath>
#include <cstdio>
#include <limits>

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

Json states_of(const std::vector<CallbackRef>& callbacks) {
  Json states = Json::array();
  for (const CallbackRef& c : callbacks) states.push_back(c->state());
  return states;
}

// A checkpoint is a good one: a run that has gone wrong does not overwrite it.
void require_finite(const std::string& path, const std::string& kept, const char* what,
                    const std::string& name, const Variable& variable) {
  if (!is_floating(variable.dtype())) return;
  for (double x : variable.value().to_doubles()) {
    if (std::isfinite(x)) continue;
    throw NumericError("save to " + formats::shown(path) + ": " + what + " \"" + escaped(name) +
                       "\" is not finite; " + kept + " kept");
  }
}

// Keeps the file before as "<path>.old"; `path` itself is there at every instant.
void keep_older(const std::string& path) {
  if (!formats::file_exists(path)) return;
  const std::string aside = path + ".old.new";
  ::unlink(aside.c_str());
  if (::link(path.c_str(), aside.c_str()) != 0) return;  // a file system without links keeps one
  std::rename(aside.c_str(), (path + ".old").c_str());
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
  if (train_.stored_weights().defined()) add(train_.stored_weights());
  crc = formats::crc32(std::as_bytes(train_.rows()), crc);
  fingerprint_ = fmt::format("{} samples, {:08x}", train_.size(), crc);
  return fingerprint_;
}

void FitRun::note_broken_off() { states_when_broken_off_ = states_of(options_.callbacks); }

void FitRun::save_checkpoint(const std::string& path) {
  // At the end of an epoch the next one's first batch comes; within one, the batch after this. An
  // epoch that was broken off has an end, too, but goes on where it stopped.
  const bool broken_off = !states_when_broken_off_.empty();
  const bool ended = !epoch_end_.empty() && !broken_off;
  const Json run{{"epoch", ended ? epoch_ + 1 : epoch_},
                 {"batch", ended        ? 0
                           : broken_off ? batch_
                                        : batch_ + 1},
                 {"step", step_},
                 {"samples", ended ? 0 : samples_},
                 {"shuffle", options_.shuffle},
                 {"shuffle_seed", shuffle_seed_},
                 {"batch_size", options_.batch_size.value},
                 {"optimizer", training_.optimizer.name()},
                 {"data", fingerprint()}};
  const Json states = broken_off ? states_when_broken_off_ : states_of(options_.callbacks);
  const std::string kept = last_checkpoint_.empty() ? "previous file"
                                                    : "previous checkpoint step " +
                                                          std::to_string(last_checkpoint_step_);
  std::vector<io::NamedTensor> tensors;
  for (const NamedVariable& v : model_.named_variables()) {
    // What nobody trains may hold infinity on purpose (a mask).
    if (v.variable.trainable()) require_finite(path, kept, "variable", v.path, v.variable);
    tensors.push_back({"model." + v.path, v.variable.value()});
  }
  for (const auto& s : training_.optimizer.state()) {
    require_finite(path, kept, "optimizer state", s.path, s.variable);
    tensors.push_back({"optimizer." + s.path, s.variable.value()});
  }
  tensors.push_back({"random_state", model_.random_state().value()});
  if (!ended) {
    for (const auto& [name, totals] : meter_.totals()) {
      tensors.push_back({"meter." + name, totals.value()});
    }
  }
  keep_older(path);
  io::write_tensors(
      path, "checkpoint", tensors,
      {{kRunKey, run.dump()},
       {kModelKey, described(model_)},
       {kHistoryKey, written(history_, history_.epochs() - (broken_off ? 1 : 0)).dump()},
       {kCallbacksKey, states.dump()}},
      kept);
  last_checkpoint_ = path;
  last_checkpoint_step_ = step_;
}

namespace {

// Reads a run's member and holds it against what fit was given.
template <class T>
void require_same(const io::TensorFile& file, const Json& run, const char* key, const T& here) {
  const T there = run.at(key).get<T>();
  if (there == here) return;
  file.fail(std::string("the checkpoint is of another run: ") + key + ": checkpoint " +
            Json(there).dump() + ", fit " + Json(here).dump());
}

}  // namespace

void FitRun::restore(const std::string& path) {
  const io::TensorFile file(path);
  try {
    file.require_kind("checkpoint");
    if (file.metadata(kModelKey) != described(model_)) {
      file.fail("the checkpoint is of another model: checkpoint " +
                escaped(file.metadata(kModelKey)) + ", fit " + escaped(described(model_)));
    }
    const Json run = file.json(kRunKey);
    require_same(file, run, "batch_size", options_.batch_size.value);
    require_same(file, run, "shuffle", options_.shuffle);
    require_same(file, run, "optimizer", training_.optimizer.name());
    require_same(file, run, "data", fingerprint());
    const Json states = file.json(kCallbacksKey);
    if (states.size() != options_.callbacks.size()) {
      file.fail("the checkpoint is of another run: callbacks: checkpoint " +
                std::to_string(states.size()) + ", fit " +
                std::to_string(options_.callbacks.size()));
    }
    // All is read before anything is changed.
    Optimizer& optimizer = training_.optimizer;
    optimizer.build(model_.trainable());
    std::vector<NamedVariable> variables;
    for (const NamedVariable& v : model_.named_variables()) {
      variables.push_back({"model." + v.path, v.variable});
    }
    for (const auto& s : optimizer.state()) {
      if (s.path != "learning_rate") variables.push_back({"optimizer." + s.path, s.variable});
    }
    // A rate that follows its schedule is not in the file: it is worked out of the step.
    if (file.has("optimizer.learning_rate")) {
      variables.push_back({"optimizer.learning_rate", optimizer.learning_rate()});
    }
    variables.push_back({"random_state", model_.random_state()});
    const std::string prefix = "meter.";
    std::vector<io::NamedTensor> totals;
    for (const auto& entry : file.file().tensors()) {
      if (entry.name.compare(0, prefix.size(), prefix) != 0) continue;
      totals.push_back({entry.name.substr(prefix.size()), file.read(entry.name)});
    }
    epoch_ = run.at("epoch").get<int64_t>();
    batch_ = run.at("batch").get<int64_t>();
    step_ = run.at("step").get<int64_t>();
    samples_ = run.at("samples").get<int64_t>();
    shuffle_seed_ = run.at("shuffle_seed").get<uint64_t>();
    history_ = read_history(file.json(kHistoryKey));
    io::load_variables(file, "", variables, {.ignore_unexpected = true});
    for (const io::NamedTensor& t : totals) meter_.set_totals(t.name, t.tensor);
    last_checkpoint_ = path;
    last_checkpoint_step_ = step_;
    for (size_t i = 0; i < states.size(); ++i) {
      const auto text = states[i].get<std::string>();
      if (!text.empty()) options_.callbacks[i]->set_state(text);
    }
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
