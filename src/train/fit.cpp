#include <algorithm>
#include <cmath>

#include "base/count.h"
#include "base/error.h"
#include "data/state.h"
#include "formats/file.h"
#include "train/fit_run.h"
#include "varve/ops/shape.h"
#include "varve/warnings.h"

namespace varve {
namespace detail {

using train::Program;

namespace {

void check_options(const FitOptions& o, int64_t samples) {
  const auto at_least = [](const char* name, int64_t value, int64_t least) {
    if (value >= least) return;
    throw ValueError(std::string("fit: ") + name + ": expected at least " + std::to_string(least) +
                     ", got " + std::to_string(value));
  };
  at_least("batch_size", o.batch_size, 1);
  at_least("epochs", o.epochs, 0);
  at_least("initial_epoch", o.initial_epoch, 0);
  at_least("validation_batch_size", o.validation_batch_size, 0);
  const double share = o.validation_split;
  if (!(share >= 0 && share < 1)) {
    throw ValueError("fit: validation_split: expected 0 <= share < 1, got " +
                     std::to_string(share));
  }
  if (share > 0 && o.validation_data) {
    throw ValueError("fit: validation_split and validation_data are both given");
  }
  if (o.sample_weight.defined() && o.sample_weight.shape() != Shape{samples}) {
    throw ShapeError("fit: sample_weight: expected [" + std::to_string(samples) + "], got " +
                     o.sample_weight.shape().to_string());
  }
}

// The dataset with its examples' weights multiplied by these.
template <class F>
Dataset weighted_by(const Dataset& data, const F& factor) {
  const auto n = static_cast<size_t>(data.size());
  std::vector<float> weights(n, 1.f);
  if (data.weights().defined()) {
    const std::span<const float> own = data.weights().span<float>();
    weights.assign(own.begin(), own.end());
  }
  for (size_t i = 0; i < n; ++i) weights[i] *= static_cast<float>(factor(i));
  return data.weighted(tensor(weights, Shape{n}));
}

Dataset with_sample_weight(const Dataset& data, const Tensor& weight) {
  if (!weight.defined()) return data;
  const std::vector<double> given = weight.to_doubles();
  return weighted_by(data, [&](size_t i) { return given[i]; });
}

Dataset with_class_weight(const Dataset& data, const ClassWeight& weight) {
  if (!weight) return data;
  const std::vector<int64_t> classes = data.classes();
  const std::map<int64_t, double> of_class = weight.of(classes);
  return weighted_by(data, [&](size_t i) { return of_class.at(classes[i]); });
}

}  // namespace

FitRun::FitRun(Model& model, const Dataset& data, FitOptions options)
    : model_(model),
      training_(train::compiled_training(model, "fit")),
      options_(std::move(options)) {
  if (data.size() == 0) throw ValueError("fit: the training set is empty");
  check_options(options_, data.size());
  // As in Keras, classes are weighed in training alone.
  split_off_validation(with_sample_weight(data, options_.sample_weight));
  train_ = with_class_weight(train_, options_.class_weight);
  train::make_ready(model_, train_, true);
  take_seed();
  take_texts(data);
  if (options_.check_data) train::require_finite_inputs(train_);
  train::require_known_labels(model_, train_);
  if (validation_) train::require_known_labels(model_, *validation_);
  train::warn_of_labels(model_, train_);
  train::warn_of_activation(model_);
  meter_ = train::Meter(training_.plan, static_cast<bool>(training_.options.train_step));
  validation_meter_ = train::Meter(training_.plan);
  step_program_ = train::training_step(model_, train_, meter_, step_assigns_);
  if (validation_) {
    validation_program_ = train::evaluation_step(model_, *validation_, validation_meter_);
  }
  if (options_.progress) {
    options_.callbacks.insert(options_.callbacks.begin(), callbacks::Progress{});
  }
  std::stable_partition(options_.callbacks.begin(), options_.callbacks.end(),
                        [](const CallbackRef& c) { return !c->runs_last(); });
}

void FitRun::split_off_validation(Dataset data) {
  train_ = std::move(data);
  validation_ = options_.validation_data;
  const double share = options_.validation_split;
  if (validation_ && validation_->size() == 0) {
    throw ValueError("fit: validation_data is empty");
  }
  if (share == 0) return;
  if (options_.stratify) {
    TrainTest parts = split(train_, share, {.seed = options_.seed.value_or(0), .stratify = true});
    train_ = parts.train;
    validation_ = parts.test;
    return;
  }
  // Keras' rule: the first int(n (1 - share)) samples train.
  const int64_t n = train_.size();
  const auto kept = static_cast<int64_t>(std::floor(static_cast<double>(n) * (1 - share)));
  if (kept == 0 || kept == n) {
    throw ValueError("fit: validation_split: " + count_of(n, "sample") + " cannot be split by " +
                     std::to_string(share));
  }
  validation_ = train_.skip(kept);
  train_ = train_.take(kept);
}

void FitRun::take_texts(const Dataset& data) {
  if (model_.class_names().empty() && !data.class_names().empty()) {
    model_.set_class_names(data.class_names());
  }
  if (model_.metadata("preprocessing").empty() && !data.preprocessing().empty()) {
    model_.set_metadata("preprocessing", data.preprocessing());
  }
}

void FitRun::take_seed() {
  Variable random = model_.random_state();
  if (options_.seed) {
    shuffle_seed_ = *options_.seed;
    random.assign(tensor({*options_.seed, uint64_t{0}}));
    return;
  }
  // Drawn from the model's own state, which is counted up so that the next fit shuffles anew.
  const Tensor now = random.value();
  const std::span<const uint64_t> s = now.span<uint64_t>();
  shuffle_seed_ = Key(s[0], s[1]).fold_in("shuffle").bits().span<uint64_t>()[0];
  random.assign(tensor({s[0], s[1] + 1}));
}

double FitRun::seconds() const {
  return std::chrono::duration<double>(std::chrono::steady_clock::now() - epoch_began_).count();
}

Logs FitRun::logs() const {
  if (!epoch_end_.empty()) return epoch_end_;
  Logs out;
  // Before the first batch there is nothing to tell.
  if (samples_ > 0) out = meter_.results();
  out.push_back({"learning_rate", training_.optimizer.learning_rate().value().to_double()});
  return out;
}

void FitRun::require_log(std::string_view name) const {
  if (training_.options.train_step) return;
  std::vector<std::string> names{"loss"};
  for (const train::OutputPlan& p : training_.plan) {
    if (p.loss && training_.plan.size() > 1) names.push_back(p.prefix + "loss");
    for (const Metric& m : p.metrics) names.push_back(p.prefix + m.name());
  }
  if (validation_) {
    for (size_t i = 0, n = names.size(); i < n; ++i) names.push_back("val_" + names[i]);
  }
  names.push_back("learning_rate");
  if (std::find(names.begin(), names.end(), name) != names.end()) return;
  throw ValueError("fit: monitor: there is no \"" + escaped(name) + "\" to watch",
                   !validation_ && name.starts_with("val_")
                       ? "nothing is validated: give fit validation_data or validation_split"
                       : did_you_mean(name, names));
}

void FitRun::stop(std::string why) {
  stopped_ = true;
  why_ = std::move(why);
}

void FitRun::call(void (Callback::*hook)(TrainState&)) {
  size_t told = 0;
  call_rest(hook, told);
}

// A checkpoint may be made within the hook: it tells who comes after the one that makes it.
void FitRun::call_rest(void (Callback::*hook)(TrainState&), size_t& told) {
  TrainState state(*this);
  while (told < options_.callbacks.size()) {
    Callback& next = *options_.callbacks[told++];
    (next.*hook)(state);
  }
}

std::vector<int64_t> FitRun::order() const {
  return data::positions_of(train_.size(), options_.shuffle, shuffle_seed_,
                            static_cast<uint64_t>(epoch_));
}

void FitRun::run_step(std::span<const int64_t> positions) {
  const auto place = [&](const Error& e) {
    return "epoch " + std::to_string(epoch_ + 1) + ", step " + std::to_string(batch_ + 1) + ": " +
           e.message();
  };
  try {
    step_program_(train::arguments_of(train_, positions));
  } catch (const NumericError& e) {
    std::string message = place(e), hint = e.hint();
    // The likeliest cause is looked for first.
    if (const std::string bad = train::first_not_finite(train_, positions); !bad.empty()) {
      message += "; " + bad;
    } else if (const std::string name = train::first_not_finite(model_);
               !name.empty() && message.find("\"" + name + "\"") == std::string::npos) {
      message += "; variable \"" + name + "\" already was not";
    }
    if (!last_checkpoint_.empty()) {
      hint += "; the last checkpoint is " + last_checkpoint_ + " of step " +
              std::to_string(last_checkpoint_step_);
    }
    throw NumericError(message, hint, e.at());
  } catch (const IndexError& e) {
    throw IndexError(place(e), e.hint(), e.at());  // an element of the data: an embedding's id
  }
}

void FitRun::run_epoch() {
  epoch_end_.clear();
  train_seconds_ = 0;
  epoch_began_ = std::chrono::steady_clock::now();
  if (batch_ == 0) {  // else resumed within an epoch
    meter_.reset();
    samples_ = 0;
  }
  call_rest(&Callback::on_epoch_begin, told_of_epoch_);
  const std::vector<int64_t> positions = order();
  const int64_t size = options_.batch_size;
  for (; batch_ < batches() && !stopped_; ++batch_) {
    call_rest(&Callback::on_batch_begin, told_of_batch_);
    const int64_t first = batch_ * size, count = std::min(size, train_.size() - first);
    run_step(std::span(positions).subspan(static_cast<size_t>(first), static_cast<size_t>(count)));
    ++step_;
    samples_ += count;
    next_batch_ = batch_ + 1;
    told_of_batch_ = 0;
    call(&Callback::on_batch_end);
  }
  // An epoch that was broken off has an end, too, but goes on where it stopped.
  if (batch_ < batches()) {
    at_end_ = snapshot();
  } else {
    next_epoch_ = epoch_ + 1;
    next_batch_ = 0;
    told_of_epoch_ = 0;
  }
  train_seconds_ = seconds();
  Logs logs = this->logs();
  if (validation_) {
    const int64_t batch = options_.validation_batch_size > 0 ? options_.validation_batch_size.value
                                                             : options_.batch_size.value;
    Logs found = train::evaluate(validation_program_, validation_meter_, *validation_, batch);
    const Logs::value_type rate = logs.back();
    logs.pop_back();
    for (auto& [name, value] : found) logs.push_back({"val_" + name, value});
    logs.push_back(rate);
  }
  epoch_end_ = std::move(logs);
  history_.append(epoch_end_);
}

History FitRun::run() {
  const auto began = std::chrono::steady_clock::now();
  epoch_ = next_epoch_ = options_.initial_epoch;
  if (!options_.resume.empty()) {
    resume(options_.resume);
    if (epoch_ >= options_.epochs) {
      warn("resume: " + formats::shown(options_.resume) + " is at epoch " + std::to_string(epoch_) +
           " of " + std::to_string(options_.epochs.value) + ": nothing to train");
    }
  }
  call(&Callback::on_train_begin);
  while (epoch_ < options_.epochs && !stopped_) {
    run_epoch();
    call(&Callback::on_epoch_end);
    ++epoch_;
    batch_ = 0;
  }
  const double seconds =
      std::chrono::duration<double>(std::chrono::steady_clock::now() - began).count();
  history_.params = {{"epochs", std::to_string(options_.epochs.value)},
                     {"batch_size", std::to_string(options_.batch_size.value)},
                     {"steps", std::to_string(step_)},
                     {"samples", std::to_string(train_.size())},
                     {"seconds", std::to_string(seconds)},
                     {"optimizer", training_.optimizer.name()},
                     {"stopped", why_}};
  if (!at_end_ && !step_assigns_.empty()) at_end_ = snapshot();
  call(&Callback::on_train_end);
  return history_;
}

}  // namespace detail

double TrainState::log(std::string_view name) const {
  std::vector<std::string> names;
  for (const auto& [n, value] : run_->logs()) {
    if (n == name) return value;
    names.push_back(n);
  }
  throw IndexError("log: there is no \"" + escaped(name) + "\"", did_you_mean(name, names));
}
bool TrainState::has_log(std::string_view name) const {
  for (const auto& [n, value] : run_->logs()) {
    if (n == name) return true;
  }
  return false;
}
void TrainState::require_log(std::string_view name) const { run_->require_log(name); }
Logs TrainState::logs() const { return run_->logs(); }
int64_t TrainState::epoch() const { return run_->epoch(); }
int64_t TrainState::epochs() const { return run_->options().epochs; }
int64_t TrainState::step() const { return run_->step(); }
int64_t TrainState::batch() const { return run_->batch(); }
int64_t TrainState::batches() const { return run_->batches(); }
int64_t TrainState::samples() const { return run_->samples(); }
double TrainState::seconds() const { return run_->seconds(); }
double TrainState::samples_per_second() const {
  const double s = run_->train_seconds();
  return s > 0 ? static_cast<double>(run_->samples()) / s : 0;
}
Model& TrainState::model() const { return run_->model(); }
Optimizer& TrainState::optimizer() const { return run_->training().optimizer; }
const History& TrainState::history() const { return run_->history(); }
void TrainState::stop(std::string why) { run_->stop(std::move(why)); }
bool TrainState::stopped() const { return run_->stopped(); }
const std::string& TrainState::why_stopped() const { return run_->why_stopped(); }
void TrainState::save_checkpoint(const std::string& path) const { run_->save_checkpoint(path); }

History Model::fit(const Dataset& data, FitOptions options) {
  return detail::FitRun(*this, data, std::move(options)).run();
}
History Model::fit(const Tensors& x, const Tensors& y, FitOptions options) {
  return fit(Dataset(x, y), std::move(options));
}

}  // namespace varve
