// room: train
// Callbacks: what is done at the beginning and end of training, epochs and batches.
#pragma once
#include <concepts>
#include <functional>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "varve/fields.h"
#include "varve/optim.h"
#include "varve/tensor.h"

namespace varve {

class Model;
class History;

namespace detail {
class FitRun;
}

/// Names and numbers, in the order in which they are shown.
using Logs = std::vector<std::pair<std::string, double>>;
/// Tensors by name.
using NamedTensors = std::vector<std::pair<std::string, Tensor>>;

/// Training as callbacks see it.
class TrainState {
 public:
  /// A number by name: "loss" and metrics so far in this epoch; at its end "val_loss" and so on,
  /// and "learning_rate". Throws IndexError with the names that there are.
  double log(std::string_view name) const;
  bool has_log(std::string_view name) const;  ///< whether `log` knows it
  /// For on_train_begin: throws ValueError, with the names that there will be, where `log` will not
  /// know the name at an epoch's end. What a training step of the user's logs is not known before,
  /// so then every name passes.
  void require_log(std::string_view name) const;
  Logs logs() const;  ///< all of them
  /// Counted from 0.
  int64_t epoch() const;
  int64_t epochs() const;  ///< asked for
  /// Updates made in this training before the current batch; at the end of a batch, with it.
  int64_t step() const;
  /// The batch within the epoch, from 0, and how many there are.
  int64_t batch() const;
  int64_t batches() const;  ///< in an epoch
  /// Samples trained on in this epoch so far, and each second.
  int64_t samples() const;
  double samples_per_second() const;  ///< in this epoch
  /// Seconds since the epoch began.
  double seconds() const;
  Model& model() const;            ///< that is trained
  Optimizer& optimizer() const;    ///< that trains it
  const History& history() const;  ///< of the epochs that ended
  /// Ends training after this batch (epoch, where an epoch ends).
  void stop(std::string why);
  bool stopped() const;                    ///< whether `stop` was called
  const std::string& why_stopped() const;  ///< what it was given
  /// Writes a checkpoint from which `fit` with FitOptions::resume goes on to the same bits, from
  /// any hook; what callbacks that come later do at the end of a batch or an epoch is not in it
  /// (see Callback::runs_last). When training has ended, it is what was when its last epoch had.
  /// Throws IoError.
  void save_checkpoint(const std::string& path) const;

  explicit TrainState(detail::FitRun& run) : run_(&run) {}

 private:
  detail::FitRun* run_;
};

/// What you derive from. Numbers read in a hook are computed then; a compiled step never waits for
/// them otherwise.
///     struct StopAt : Callback {
///       void on_epoch_end(TrainState& s) override {
///         if (s.log("val_accuracy") >= 0.99) s.stop("target reached");
///       }
///     };
class Callback {
 public:
  Callback() = default;
  Callback(Callback&&) = default;
  Callback(const Callback&) = delete;
  virtual ~Callback() = default;
  virtual void on_train_begin(TrainState&) {}  ///< once, before the first epoch
  virtual void on_train_end(TrainState&) {}    ///< once, also where training was stopped
  virtual void on_epoch_begin(TrainState&) {}  ///< before its first batch
  virtual void on_epoch_end(TrainState&) {}    ///< after validation
  virtual void on_batch_begin(TrainState&) {}  ///< before a step
  virtual void on_batch_end(TrainState&) {}    ///< after a step
  /// What a checkpoint keeps of the callback; given back when training is resumed. A callback with
  /// a memory of its own (a patience that runs out) must keep it here.
  virtual std::string state() const { return {}; }
  virtual void set_state(std::string_view) {}
  /// The same for tensors (the best weights so far).
  virtual NamedTensors tensors() const { return {}; }
  virtual void set_tensors(const NamedTensors&) {}  ///< see tensors
  /// Whether its hooks run after those of all callbacks that do not say so, wherever it stands
  /// among them: it writes down what they did.
  virtual bool runs_last() const { return false; }
};

/// What options take: a Callback moved in, a shared one, `std::ref(one)`, or a spec below.
class CallbackRef {
 public:
  template <std::derived_from<Callback> C>
  CallbackRef(C callback) : callback_(std::make_shared<C>(std::move(callback))) {}
  template <std::derived_from<Callback> C>
  CallbackRef(std::shared_ptr<C> callback) : callback_(std::move(callback)) {}
  template <std::derived_from<Callback> C>
  CallbackRef(std::reference_wrapper<C> callback)
      : callback_(std::shared_ptr<Callback>(), &callback.get()) {}
  template <class S>
  requires requires(const S& s) {
    { s.make() } -> std::convertible_to<std::shared_ptr<Callback>>;
  }
  CallbackRef(const S& spec) : callback_(spec.make()) {}

  Callback& operator*() const { return *callback_; }
  Callback* operator->() const { return callback_.get(); }

 private:
  std::shared_ptr<Callback> callback_;
};

namespace callbacks {

/// Whether a larger or a smaller number is better. "auto" goes by the name's words between "_": one
/// of acc, accuracy, f1, auc, precision, recall, r2, top: larger; else smaller, and always where
/// the name ends in "loss". A literal is checked while compiling.
struct Better {
  enum class Kind { by_name, smaller, larger };
  Kind kind = Kind::by_name;
  consteval Better(const char* name) : kind(kind_of(name)) {}
  /// Whether larger numbers of that name are better.
  bool larger(std::string_view monitored) const;
  std::string config() const;
  /// Throws ConfigError with the choices.
  static Better from_config(std::string_view json);

 private:
  explicit constexpr Better(Kind k) : kind(k) {}
  static void mode_must_be_auto_min_or_max();
  static constexpr Kind kind_of(std::string_view name) {
    if (name == "min") return Kind::smaller;
    if (name == "max") return Kind::larger;
    if (name != "auto") mode_must_be_auto_min_or_max();
    return Kind::by_name;
  }
};

/// Stops after `patience` epochs without an improvement by more than min_delta (0 and 1: after the
/// first such epoch, as in Keras). Never monitor the test set: its score would no longer tell
/// anything. restore_best_weights: the model ends with the weights of the best epoch.
struct EarlyStopping {
  std::string monitor = "val_loss";
  Real min_delta = 0;
  Dim patience = 0;
  Better mode = "auto";
  bool restore_best_weights = false;
  Dim start_from_epoch = 0;
  std::shared_ptr<Callback> make() const;
  void fields(Fields& f);
};
/// Saves the model at the end of epochs; "{epoch}" in the path becomes the epoch, counted from 1.
struct ModelCheckpoint {
  std::string path = "model.safetensors";
  std::string monitor = "val_loss";
  bool save_best_only = false;
  Better mode = "auto";
  Dim every = 1;            ///< epochs
  bool keep_going = false;  ///< as in Checkpoint
  std::shared_ptr<Callback> make() const;
  void fields(Fields& f);
};
/// Saves all that is needed to go on (`FitOptions::resume`), every so many epochs and, where
/// `every_steps` is set, steps; and before it the last one as "<path>.old".
struct Checkpoint {
  std::string path = "checkpoint.safetensors";
  Dim every = 1;
  Dim every_steps = 0;
  /// A file that cannot be written (a full disk) is a warning and training goes on, instead of
  /// IoError.
  bool keep_going = false;
  std::shared_ptr<Callback> make() const;
  void fields(Fields& f);
};
/// A row of numbers an epoch. The file is whole after each.
struct CSVLogger {
  std::string path = "training.csv";
  bool append = false;  ///< keep the rows that are there; a resumed run, those up to its checkpoint
  std::shared_ptr<Callback> make() const;
  void fields(Fields& f);
};
/// Sets the learning rate before each epoch: `rate(epoch, rate_so_far)`.
struct LearningRateScheduler {
  std::function<double(int64_t epoch, double rate)> rate = {};
  std::shared_ptr<Callback> make() const;
  void fields(Fields& f);
};
/// Multiplies the learning rate by `factor` after `patience` epochs without improvement.
struct ReduceLROnPlateau {
  std::string monitor = "val_loss";
  Real factor = 0.1;
  Dim patience = 10;
  Real min_delta = 1e-4;
  Better mode = "auto";
  Dim cooldown = 0;
  Real minimum = 0;
  std::shared_ptr<Callback> make() const;
  void fields(Fields& f);
};
/// Functions for hooks; those that are empty do nothing.
struct Hooks {
  std::function<void(TrainState&)> on_train_begin = {}, on_train_end = {}, on_epoch_begin = {},
                                   on_epoch_end = {}, on_batch_begin = {}, on_batch_end = {};
  std::shared_ptr<Callback> make() const;
};
/// A function at the end of every epoch.
struct OnEpochEnd {
  std::function<void(TrainState&)> call = {};
  std::shared_ptr<Callback> make() const;
};
/// What `fit` shows on standard output unless it is told not to: a bar with step, samples a second,
/// time left, loss and metrics where that is a terminal; else one line an epoch.
struct Progress {
  std::shared_ptr<Callback> make() const;
};

/// A callback by its text form: `"early_stopping"`, `{"type": "early_stopping", "patience": 3}`.
/// Types: checkpoint, csv_logger, early_stopping, model_checkpoint, reduce_lr_on_plateau. Throws
/// ConfigError.
CallbackRef from_config(std::string_view json);
/// The types that `from_config` knows, sorted.
std::vector<std::string> names();

}  // namespace callbacks
}  // namespace varve
