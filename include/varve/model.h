// room: train
// Model and Sequential: layers with training, evaluation, prediction and files.
#pragma once
#include <functional>
#include <initializer_list>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "varve/callbacks.h"
#include "varve/dataset.h"
#include "varve/losses.h"
#include "varve/metrics.h"
#include "varve/nn/layer.h"
#include "varve/optim.h"
#include "varve/precision.h"
#include "varve/table.h"
#include "varve/weights.h"

namespace varve {

/// Named scalars of one step; their means over the epoch, weighted by batch sizes, are logged.
using StepLogs = std::vector<std::pair<std::string, Tensor>>;
/// A training step of your own: it computes gradients and updates optimizers itself, and may do so
/// for several models (GANs). It runs inside the compiled step.
///     .train_step = [&](const Batch& b) -> StepLogs {
///       auto [loss, grads] = value_and_grad([&] { return ...; }, generator.trainable())();
///       optimizer.update(grads);
///       return {{"loss", loss}};
///     }
using TrainStep = std::function<StepLogs(const Batch& batch)>;

struct CompileOptions {
  Optimizer optimizer = "rmsprop";
  Losses loss = {};
  std::map<std::string, double> loss_weights = {};  ///< by output; 1 where none is given
  std::vector<Metric> metrics = {};                 ///< of the only output
  std::map<std::string, std::vector<Metric>> output_metrics = {};
  TrainStep train_step = {};
  bool run_eagerly = false;     ///< step by step without compiling: values may be read and printed
  Precision precision = "f32";  ///< "mixed_bf16": of training, evaluation and prediction
};

/// How much each class counts: {{0, 1.0}, {1, 5.0}}, or "balanced": samples / (classes * samples of
/// the class), as in scikit-learn.
class ClassWeight {
 public:
  ClassWeight() = default;
  /// Throws ValueError for anything but "balanced".
  ClassWeight(const char* name, Where where = Where::here());
  ClassWeight(const std::string& name, Where where = Where::here());
  ClassWeight(std::initializer_list<std::pair<const int64_t, double>> weights) : given_(weights) {}
  ClassWeight(std::map<int64_t, double> weights) : given_(std::move(weights)) {}
  explicit operator bool() const { return balanced_ || !given_.empty(); }
  /// The weight of each class of the samples; classes that are not given weigh 1.
  std::map<int64_t, double> of(const std::vector<int64_t>& classes) const;

 private:
  bool balanced_ = false;
  std::map<int64_t, double> given_;
};

struct FitOptions {
  Dim batch_size = 32;
  Dim epochs = 1;
  std::vector<CallbackRef> callbacks = {};
  /// Share of the data that is kept back for validation: the last samples, before shuffling, as in
  /// Keras; with `stratify` the same share of each class, chosen by the seed.
  Real validation_split = 0;
  bool stratify = false;
  std::optional<Dataset> validation_data = {};
  bool shuffle = true;
  ClassWeight class_weight = {};  ///< in training; validation weighs all classes alike
  Tensor sample_weight = {};      ///< f32 [n]; the part that is split off keeps its weights
  /// Of shuffling and of the random numbers of steps; not given: drawn from the model's own state.
  std::optional<uint64_t> seed = {};
  Dim initial_epoch = 0;
  /// Look through all inputs for NaN and infinity first: ValueError "sample 812 feature 3 is nan".
  bool check_data = false;
  Dim validation_batch_size = 0;  ///< 0: as batch_size
  bool progress = true;           ///< show it on standard output
  /// A file of callbacks::Checkpoint to go on from; data and options must be the same. Then a run
  /// that was broken off ends with the same bits as one that was not. Throws FormatError where it
  /// is damaged, or of another model or dataset.
  std::string resume = {};
  bool resume_older = false;  ///< where that file is damaged, take "<path>.old", with a warning
};
struct EvaluateOptions {
  Dim batch_size = 128;
  Tensor sample_weight = {};
};
struct PredictOptions {
  Dim batch_size = 128;
};

/// What was logged, epoch by epoch.
class History {
 public:
  /// The numbers of one name. Throws IndexError with the names that there are.
  const std::vector<double>& operator[](std::string_view name) const;
  bool has(std::string_view name) const;
  const std::vector<std::string>& names() const { return names_; }
  /// Epochs trained.
  int64_t epochs() const;
  /// What training was asked for and how it went: "epochs", "batch_size", "steps", "samples",
  /// "seconds", "optimizer", "stopped".
  std::map<std::string, std::string> params;

  /// One epoch more; names that are new get NaN for the epochs before.
  void append(const Logs& logs);
  /// {"loss": [...], ...}; null for NaN.
  std::string to_json() const;

 private:
  std::vector<std::string> names_;
  std::map<std::string, std::vector<double>, std::less<>> values_;
  int64_t epochs_ = 0;
};

/// Loss and metrics by name, in order.
class Scores {
 public:
  Scores() = default;
  explicit Scores(Logs values) : values_(std::move(values)) {}
  /// Throws IndexError with the names that there are.
  double operator[](std::string_view name) const;
  const Logs& values() const { return values_; }  ///< all of them
  /// "loss 0.0412, accuracy 0.9876"
  std::string to_string() const;
  /// Prints that line to standard output.
  void print() const;

 private:
  Logs values_;
};

/// A layer that can be trained. Copies share everything.
class Model : public Layer {
 public:
  /// The computation recorded between tensors that come from nn::Input.
  Model(const Tensors& inputs, const Tensors& outputs, Where where = Where::here());
  template <class S>
  requires requires { &S::call; }
  Model(S spec, Where where = Where::here()) : Layer(std::move(spec), where) {}
  explicit Model(Layer layer) : Layer(std::move(layer)) {}

  /// Sets optimizer, loss and metrics, and forgets what was there. Throws ValueError where two
  /// metrics have one name, and where the optimizer (a copy shares its state) is another model's.
  /// Outputs are known when the model is built: `fit` and `evaluate` throw
  /// ValueError where losses or metrics are given for one that does not exist, or where outputs and
  /// targets do not pair. Penalties of layers may be the only loss.
  void compile(CompileOptions options);
  bool compiled() const;        ///< whether `compile` was called
  Optimizer optimizer() const;  ///< that of compile

  /// Trains. Each step is compiled once for a batch size and replayed. A step whose loss, gradients
  /// or statistics are not finite throws NumericError that names epoch, step and the operation or
  /// parameter; model and optimizer are then as before that step.
  History fit(const Dataset& data, FitOptions options = {});
  History fit(const Tensors& x, const Tensors& y, FitOptions options = {});
  /// Loss and metrics over a dataset, in inference mode.
  Scores evaluate(const Dataset& data, EvaluateOptions options = {});
  Scores evaluate(const Tensors& x, const Tensors& y, EvaluateOptions options = {});
  /// The outputs for all samples, in inference mode, without masks; none for none, of a model that
  /// was built.
  /// Throws ShapeError where an output has not one row for each sample.
  Outputs predict(const Tensors& x, PredictOptions options = {});
  Outputs predict(std::initializer_list<Tensor> x, PredictOptions options = {}) {
    return predict(Tensors(x), options);
  }
  Outputs predict(const Dataset& data, PredictOptions options = {});
  /// The same for raw rows, by the preprocessing that the model was trained with. Throws ValueError
  /// where it has none for tables.
  Outputs predict(const Table& table, PredictOptions options = {});

  /// Layers, shapes, parameters, operations and memory, as a table on standard output.
  void summary() const;

  /// Text that travels with the model: "classes" and "preprocessing" are Varve's own.
  void set_metadata(const std::string& key, const std::string& text);
  /// Empty where there is none.
  std::string metadata(const std::string& key) const;
  /// Names of classes 0, 1, ...; like the metadata "preprocessing" set by `fit` from the dataset
  /// where there are none yet.
  std::vector<std::string> class_names() const;
  void set_class_names(const std::vector<std::string>& names);  ///< see class_names

  /// Writes one safetensors file: weights under their paths; architecture, compile settings and
  /// metadata as JSON. Atomic. Throws IoError; UnsupportedError, naming the layer, for functions of
  /// your own.
  void save(std::string_view path) const;
  /// Reads it back, compiled as it was where that could be written. Throws IoError, FormatError.
  static Model load(std::string_view path, LoadOptions options = {});
  /// Writes the weights alone, for other programs or another architecture. Atomic. Throws IoError.
  void save_weights(std::string_view path) const;
  /// Reads weights into this model, which must be built. Without `partial`, nothing is loaded
  /// unless all fits: FormatError lists what is missing, unexpected or different.
  LoadReport load_weights(std::string_view path, LoadOptions options = {});

  /// A deep copy, compiled alike with a fresh optimizer.
  Model clone() const;
};

/// One layer after another.
///     Sequential model{nn::Dense{128, "relu"}, nn::Dense{10}};
class Sequential : public Model {
 public:
  Sequential();
  Sequential(std::initializer_list<Layer> layers);
  explicit Sequential(std::vector<Layer> layers);
  void add(const Layer& layer);  ///< appends it
};

}  // namespace varve
