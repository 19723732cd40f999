// What compiling adds to a model, and the steps that are made of it.
#pragma once
#include <functional>
#include <map>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <vector>

#include "ir/frame.h"
#include "varve/jit.h"
#include "varve/model.h"

namespace varve::train {

/// A function of tensors that runs compiled, or as it is. Either way its assignments take effect
/// together at the end, or not at all.
class Program {
 public:
  using Function = std::function<std::vector<Tensor>(std::span<const Tensor>)>;
  Program() = default;
  Program(Function f, const CompileOptions& options);
  std::vector<Tensor> operator()(const std::vector<Tensor>& arguments) const;
  /// Calls the function for what it does on the side (layers built, variables met); nothing that it
  /// assigns takes effect.
  void rehearse(const std::vector<Tensor>& arguments) const;
  explicit operator bool() const { return static_cast<bool>(f_); }
  CompiledInfo info() const { return CompiledInfo(compiled_); }

 private:
  Function f_;
  bool eager_ = false;
  std::shared_ptr<detail::Compiled> compiled_;
};

/// The weighted mean of a scalar over batches, as a variable.
class RunningMean {
 public:
  explicit RunningMean(const std::string& name);
  void add(const Tensor& value, int64_t samples);
  double result() const;
  void reset();
  const Variable& totals() const { return totals_; }

 private:
  Variable totals_;  // f64: sum, count
};

/// One output of the model: its loss and metrics.
struct OutputPlan {
  std::string name;
  std::string prefix;  // "digit_" or empty
  Loss loss;
  double weight = 1;
  std::vector<Metric> metrics;
};

/// Loss and metrics of a pass over data; training and validation have one each.
class Meter {
 public:
  Meter() = default;
  /// Metrics of its own, with the settings of the plan's. `own_step`: it is for what a training
  /// step of the user's logs, instead.
  explicit Meter(const std::vector<OutputPlan>& plan, bool own_step = false);
  void reset();
  /// "loss", the outputs' losses where there are several, metrics; or what steps of one's own
  /// logged.
  Logs results() const;
  /// The total is there where penalties are all that there is, too.
  void add_loss(const Tensor& total, const std::vector<Tensor>& of_outputs, int64_t samples);
  void add_metrics(size_t output, const Tensor& prediction, const Tensor& target,
                   const Tensor& weights);
  void add_logs(const StepLogs& logs, int64_t samples);
  /// Totals, by name, for checkpoints; only what was counted already.
  std::vector<std::pair<std::string, Variable>> totals() const;
  /// False where it has no such number.
  bool set_totals(const std::string& name, const Tensor& totals);

 private:
  struct Output {
    std::string prefix;
    std::shared_ptr<RunningMean> loss;
    std::vector<Metric> metrics;
  };
  bool own_step_ = false;
  std::shared_ptr<RunningMean> loss_;  // none where nothing was found to add up
  std::vector<Output> outputs_;
  std::vector<std::pair<std::string, std::shared_ptr<RunningMean>>> own_;
};

/// Kept in the layer's state.
struct Training {
  bool compiled = false;
  Optimizer optimizer{"rmsprop"};
  CompileOptions options;
  std::map<std::string, std::string> metadata;
  std::vector<OutputPlan> plan;  // made when the outputs are known
  Program predict;               // of tensors as they come
  uint64_t structure = 0;        // nn::structure_version() when these two were made
};

/// The training of a model, made where there is none.
Training& training_of(const Layer& model);
/// The same, or ValueError that asks for compile.
Training& compiled_training(const Layer& model, const char* what);

/// Drops what was made for other layers than the model has now.
void forget_older(Training& training);
/// ValueError where two numbers of the logs would have one name.
void require_distinct_logs(const std::vector<OutputPlan>& plan);
/// Describes the model's variables for the dataset's samples where that was not done yet, and
/// checks that losses and targets go with its outputs.
void make_ready(Model& model, const Dataset& data, bool needs_targets);

/// The steps. Their arguments are `arguments_of`: stored tensors of the dataset, the weights of a
/// batch where there are any, and its rows; they gather, prepare, compute.
/// `assigned`: gets the variables that the training step assigns, in order, whenever it is traced.
Program training_step(Model& model, const Dataset& data, Meter& meter, Variables& assigned);
Program evaluation_step(Model& model, const Dataset& data, Meter& meter);
Program prediction_step(Model& model, const Dataset& data);
std::vector<Tensor> arguments_of(const Dataset& data, std::span<const int64_t> positions);
/// Calls f(positions, first) for each batch of the dataset, in order.
void for_each_batch(int64_t samples, int64_t batch_size,
                    const std::function<void(std::span<const int64_t>, int64_t first)>& f);

/// "sample 812 feature 3 is nan", for the first of these positions whose floating inputs are not
/// finite; else empty.
std::string first_not_finite(const Dataset& data, std::span<const int64_t> positions);
/// The path of the first variable that is not finite; else empty.
std::string first_not_finite(const Model& model);
/// ValueError for the first such sample of all.
void require_finite_inputs(const Dataset& data);
/// IndexError for the first label that is no class of the model, where the loss is the
/// cross-entropy; ValueError for the first target that binary cross-entropy or hinge cannot mean.
void require_known_labels(const Model& model, const Dataset& data);
/// Warns where classes of the model have no example, or all examples are of one.
void warn_of_labels(const Model& model, const Dataset& data);
/// Warns where the loss takes logits and the last layer makes probabilities of them, or the other
/// way round.
void warn_of_activation(const Model& model);

/// Optimizer, loss and metrics as JSON; empty where they hold functions of the user's own.
std::string compile_config(const Training& training);
CompileOptions compile_options_from(std::string_view json);

/// Runs the evaluation step over all of a dataset.
Logs evaluate(const Program& step, Meter& meter, const Dataset& data, int64_t batch_size);

}  // namespace varve::train
