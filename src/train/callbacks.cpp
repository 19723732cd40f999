#include "varve/callbacks.h"

#include <algorithm>
#include <array>
#include <cmath>
#include <utility>

#include "base/error.h"
#include "formats/atomic_file.h"
#include "formats/csv.h"
#include "formats/file.h"
#include "nn/config.h"
#include "varve/model.h"
#include "varve/warnings.h"

namespace varve::callbacks {
namespace {

using config::Json;

// Watches one number for improvements.
class Watch {
 public:
  Watch(std::string name, Better mode, double min_delta)
      : name_(std::move(name)), larger_(mode.larger(name_)), min_delta_(min_delta) {}

  /// Whether the number has improved by more than min_delta. NaN never has.
  bool improved(const TrainState& s) {
    const double v = s.log(name_);
    if (std::isnan(v)) return false;
    const bool better = !seen_ || (larger_ ? v - min_delta_ > best_ : v + min_delta_ < best_);
    if (better) best_ = v;
    seen_ = true;
    return better;
  }
  Json state() const { return seen_ ? Json(best_) : Json(); }
  void set_state(const Json& value) {
    seen_ = value.is_number();
    if (seen_) best_ = value.get<double>();
  }

 private:
  std::string name_;
  bool larger_;
  double min_delta_;
  double best_ = 0;
  bool seen_ = false;
};

class EarlyStop final : public Callback {
 public:
  explicit EarlyStop(EarlyStopping spec)
      : spec_(std::move(spec)), watch_(spec_.monitor, spec_.mode, spec_.min_delta) {}

  void on_train_begin(TrainState& s) override { s.require_log(spec_.monitor); }
  void on_epoch_end(TrainState& s) override {
    if (s.epoch() < spec_.start_from_epoch) return;
    if (watch_.improved(s)) {
      waited_ = 0;
      best_epoch_ = s.epoch();
      if (spec_.restore_best_weights) keep(s.model());
      return;
    }
    ++waited_;
    if (waited_ >= std::max<int64_t>(spec_.patience, 1)) {
      s.stop("early stopping: " + spec_.monitor + " has not improved for " +
             std::to_string(waited_) + (waited_ == 1 ? " epoch" : " epochs"));
    }
  }
  void on_train_end(TrainState& s) override {
    if (best_.empty()) return;
    for (const NamedVariable& v : s.model().named_variables()) {
      const auto at = std::find_if(best_.begin(), best_.end(),
                                   [&](const auto& kept) { return kept.first == v.path; });
      if (at != best_.end()) Variable(v.variable).assign(at->second);
    }
  }
  std::string state() const override {
    return Json{{"best", watch_.state()}, {"waited", waited_}, {"epoch", best_epoch_}}.dump();
  }
  void set_state(std::string_view text) override {
    const Json j = config::parse(text, "early_stopping");
    watch_.set_state(j.at("best"));
    waited_ = j.at("waited").get<int64_t>();
    best_epoch_ = j.at("epoch").get<int64_t>();
  }
  NamedTensors tensors() const override { return best_; }
  void set_tensors(const NamedTensors& best) override { best_ = best; }

 private:
  void keep(Model& model) {
    best_.clear();
    for (const NamedVariable& v : model.named_variables()) {
      best_.push_back({v.path, v.variable.value()});
    }
  }

  EarlyStopping spec_;
  Watch watch_;
  int64_t waited_ = 0, best_epoch_ = -1;
  NamedTensors best_;  // by the variables' paths
};

std::string with_epoch(std::string path, int64_t epoch) {
  constexpr std::string_view kMark = "{epoch}";
  if (const size_t at = path.find(kMark); at != std::string::npos) {
    path.replace(at, kMark.size(), std::to_string(epoch + 1));
  }
  return path;
}

// Writes a file; where that fails and training is to go on, warns.
template <class F>
void save(bool keep_going, const F& write) {
  try {
    write();
  } catch (const IoError& e) {
    if (!keep_going) throw;
    warn(e.message() + "; training goes on");
  }
}

class SaveModel final : public Callback {
 public:
  explicit SaveModel(ModelCheckpoint spec)
      : spec_(std::move(spec)), watch_(spec_.monitor, spec_.mode, 0) {}
  void on_train_begin(TrainState& s) override {
    if (spec_.save_best_only) s.require_log(spec_.monitor);
  }
  void on_epoch_end(TrainState& s) override {
    if ((s.epoch() + 1) % spec_.every != 0) return;
    if (spec_.save_best_only && !watch_.improved(s)) return;
    save(spec_.keep_going, [&] { s.model().save(with_epoch(spec_.path, s.epoch())); });
  }
  std::string state() const override { return watch_.state().dump(); }
  void set_state(std::string_view text) override {
    watch_.set_state(config::parse(text, "model_checkpoint"));
  }

 private:
  ModelCheckpoint spec_;
  Watch watch_;
};

class SaveState final : public Callback {
 public:
  explicit SaveState(Checkpoint spec) : spec_(std::move(spec)) {}
  void on_batch_end(TrainState& s) override {
    // The last batch of an epoch is saved with the epoch.
    if (spec_.every_steps > 0 && s.step() % spec_.every_steps == 0 && s.batch() + 1 < s.batches()) {
      save(spec_.keep_going, [&] { s.save_checkpoint(spec_.path); });
    }
  }
  void on_epoch_end(TrainState& s) override {
    if ((s.epoch() + 1) % spec_.every == 0 || s.stopped()) {
      save(spec_.keep_going, [&] { s.save_checkpoint(spec_.path); });
    }
  }
  bool runs_last() const override { return true; }

 private:
  Checkpoint spec_;
};

std::string number_text(double v) { return std::isfinite(v) ? Json(v).dump() : "nan"; }

class WriteRows final : public Callback {
 public:
  explicit WriteRows(CSVLogger spec) : spec_(std::move(spec)) {}
  void on_train_begin(TrainState&) override {
    // A run that goes on knows its rows; the file may hold some of epochs that come again.
    if (std::exchange(resumed_, false)) return;
    if (spec_.append && formats::file_exists(spec_.path)) {
      text_ = std::string(formats::read_file(spec_.path).text());
    }
  }
  void on_epoch_end(TrainState& s) override {
    const Logs logs = s.logs();
    if (text_.empty()) {
      text_ = "epoch";
      for (const auto& [name, value] : logs) text_ += "," + formats::csv_cell(name);
      text_ += "\n";
    }
    text_ += std::to_string(s.epoch() + 1);
    for (const auto& [name, value] : logs) text_ += "," + number_text(value);
    text_ += "\n";
    formats::write_file(spec_.path, text_);
  }
  std::string state() const override { return Json(text_).dump(); }
  void set_state(std::string_view text) override {
    text_ = config::parse(text, "csv_logger").get<std::string>();
    resumed_ = true;
  }

 private:
  CSVLogger spec_;
  std::string text_;
  bool resumed_ = false;
};

class SetRate final : public Callback {
 public:
  explicit SetRate(LearningRateScheduler spec) : spec_(std::move(spec)) {}
  void on_epoch_begin(TrainState& s) override {
    Variable rate = s.optimizer().learning_rate();
    rate.assign(scalar(spec_.rate(s.epoch(), rate.value().to_double()), f32));
  }

 private:
  LearningRateScheduler spec_;
};

class ReduceRate final : public Callback {
 public:
  explicit ReduceRate(ReduceLROnPlateau spec)
      : spec_(std::move(spec)), watch_(spec_.monitor, spec_.mode, spec_.min_delta) {}
  void on_train_begin(TrainState& s) override { s.require_log(spec_.monitor); }
  void on_epoch_end(TrainState& s) override {
    const bool better = watch_.improved(s);
    if (cooling_ > 0) {
      --cooling_;
      waited_ = 0;
      return;
    }
    waited_ = better ? 0 : waited_ + 1;
    if (waited_ < std::max<int64_t>(spec_.patience, 1)) return;
    Variable rate = s.optimizer().learning_rate();
    const double now = rate.value().to_double();
    rate.assign(scalar(std::max(now * spec_.factor, spec_.minimum.value), f32));
    waited_ = 0;
    cooling_ = spec_.cooldown;
  }
  std::string state() const override {
    return Json{{"best", watch_.state()}, {"waited", waited_}, {"cooling", cooling_}}.dump();
  }
  void set_state(std::string_view text) override {
    const Json j = config::parse(text, "reduce_lr_on_plateau");
    watch_.set_state(j.at("best"));
    waited_ = j.at("waited").get<int64_t>();
    cooling_ = j.at("cooling").get<int64_t>();
  }

 private:
  ReduceLROnPlateau spec_;
  Watch watch_;
  int64_t waited_ = 0, cooling_ = 0;
};

class CallHooks final : public Callback {
 public:
  explicit CallHooks(Hooks hooks) : h_(std::move(hooks)) {}
  void on_train_begin(TrainState& s) override { call(h_.on_train_begin, s); }
  void on_train_end(TrainState& s) override { call(h_.on_train_end, s); }
  void on_epoch_begin(TrainState& s) override { call(h_.on_epoch_begin, s); }
  void on_epoch_end(TrainState& s) override { call(h_.on_epoch_end, s); }
  void on_batch_begin(TrainState& s) override { call(h_.on_batch_begin, s); }
  void on_batch_end(TrainState& s) override { call(h_.on_batch_end, s); }

 private:
  static void call(const std::function<void(TrainState&)>& f, TrainState& s) {
    if (f) f(s);
  }
  Hooks h_;
};

template <class C, class S>
std::shared_ptr<Callback> checked(const char* type, S spec) {
  config::validate(
      type, [&](Fields& f) { spec.fields(f); }, Where{});
  return std::make_shared<C>(std::move(spec));
}

void monitor_fields(Fields& f, std::string& monitor, Better& mode) {
  f("monitor", monitor, "Which number is watched.");
  f("mode", mode, "Which is better: auto, min or max.");
}

template <class S>
CallbackRef read_spec(const Json& value) {
  S spec;
  if (value.is_object()) {
    config::read(value, "callback", [&](Fields& f) { spec.fields(f); }, {"type"});
  }
  return spec;
}

struct Type {
  const char* name;
  CallbackRef (*read)(const Json&);
};
constexpr std::array<Type, 5> kTypes{{{"checkpoint", read_spec<Checkpoint>},
                                      {"csv_logger", read_spec<CSVLogger>},
                                      {"early_stopping", read_spec<EarlyStopping>},
                                      {"model_checkpoint", read_spec<ModelCheckpoint>},
                                      {"reduce_lr_on_plateau", read_spec<ReduceLROnPlateau>}}};

}  // namespace

bool Better::larger(std::string_view monitored) const {
  if (kind != Kind::by_name) return kind == Kind::larger;
  if (monitored.ends_with("loss")) return false;
  constexpr std::array<std::string_view, 8> kLarger = {"acc",       "accuracy", "f1", "auc",
                                                       "precision", "recall",   "r2", "top"};
  while (!monitored.empty()) {
    const std::string_view word = monitored.substr(0, monitored.find('_'));
    if (std::find(kLarger.begin(), kLarger.end(), word) != kLarger.end()) return true;
    monitored.remove_prefix(std::min(word.size() + 1, monitored.size()));
  }
  return false;
}
std::string Better::config() const {
  return kind == Kind::by_name ? "\"auto\"" : kind == Kind::smaller ? "\"min\"" : "\"max\"";
}
Better Better::from_config(std::string_view json) {
  for (Kind k : {Kind::by_name, Kind::smaller, Kind::larger}) {
    if (Better(k).config() == json) return Better(k);
  }
  throw ConfigError("expected \"auto\", \"min\" or \"max\", got " + escaped(json));
}

std::shared_ptr<Callback> EarlyStopping::make() const {
  return checked<EarlyStop>("early_stopping", *this);
}
void EarlyStopping::fields(Fields& f) {
  monitor_fields(f, monitor, mode);
  f("min_delta", min_delta, "What counts as an improvement.", {.min = 0});
  f("patience", patience, "Epochs without improvement before training stops.", {.min = 0});
  f("restore_best_weights", restore_best_weights, "End with the weights of the best epoch.");
  f("start_from_epoch", start_from_epoch, "Epochs before it are not watched.", {.min = 0});
}

std::shared_ptr<Callback> ModelCheckpoint::make() const {
  return checked<SaveModel>("model_checkpoint", *this);
}
void ModelCheckpoint::fields(Fields& f) {
  f("path", path, "File; {epoch} becomes the epoch.");
  monitor_fields(f, monitor, mode);
  f("save_best_only", save_best_only, "Save only where the monitored number improved.");
  f("every", every, "Epochs between two files.", {.min = 1});
  f("keep_going", keep_going, "Go on training where a file cannot be written.");
}

std::shared_ptr<Callback> Checkpoint::make() const {
  return checked<SaveState>("checkpoint", *this);
}
void Checkpoint::fields(Fields& f) {
  f("path", path, "File.");
  f("every", every, "Epochs between two checkpoints.", {.min = 1});
  f("every_steps", every_steps, "Steps between two checkpoints within an epoch; 0: none.",
    {.min = 0});
  f("keep_going", keep_going, "Go on training where it cannot be written.");
}

std::shared_ptr<Callback> CSVLogger::make() const {
  return checked<WriteRows>("csv_logger", *this);
}
void CSVLogger::fields(Fields& f) {
  f("path", path, "File.");
  f("append", append, "Keep the rows that are there.");
}

std::shared_ptr<Callback> LearningRateScheduler::make() const {
  if (!rate) throw ValueError("learning_rate_scheduler: rate: the function is empty");
  return std::make_shared<SetRate>(*this);
}
void LearningRateScheduler::fields(Fields& f) {
  f.function("rate", static_cast<bool>(rate), "Rate of an epoch.");
}

std::shared_ptr<Callback> ReduceLROnPlateau::make() const {
  return checked<ReduceRate>("reduce_lr_on_plateau", *this);
}
void ReduceLROnPlateau::fields(Fields& f) {
  monitor_fields(f, monitor, mode);
  f("factor", factor, "What the rate is multiplied by.", {.above = 0, .below = 1});
  f("patience", patience, "Epochs without improvement before that.", {.min = 0});
  f("min_delta", min_delta, "What counts as an improvement.", {.min = 0});
  f("cooldown", cooldown, "Epochs after it that are not counted.", {.min = 0});
  f("minimum", minimum, "The rate never falls below.", {.min = 0});
}

std::shared_ptr<Callback> Hooks::make() const { return std::make_shared<CallHooks>(*this); }
std::shared_ptr<Callback> OnEpochEnd::make() const { return Hooks{.on_epoch_end = call}.make(); }

std::vector<std::string> names() {
  std::vector<std::string> out;
  for (const Type& t : kTypes) out.push_back(t.name);
  return out;
}

CallbackRef from_config(std::string_view json) {
  const Json value = config::parse(json, "callback");
  const std::string type = config::choice_type(value, "callback");
  for (const Type& t : kTypes) {
    if (t.name == type) return t.read(value);
  }
  throw ConfigError("callback: unknown type \"" + escaped(type) + "\"",
                    did_you_mean(type, names()));
}

}  // namespace varve::callbacks
