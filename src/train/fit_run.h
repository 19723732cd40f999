// One call of fit.
#pragma once
#include <chrono>
#include <string>
#include <vector>

#include "io/tensor_file.h"
#include "nn/config.h"
#include "train/training.h"

namespace varve::detail {

/// What a checkpoint says of a run, as it was at one instant.
struct RunSnapshot {
  config::Json run, history, callbacks;
  std::vector<io::NamedTensor> tensors;
  // Which of them, and what messages call it.
  std::vector<std::pair<size_t, std::string>> must_be_finite;
};

class FitRun {
 public:
  FitRun(Model& model, const Dataset& data, FitOptions options);
  History run();

  // What TrainState shows.
  Logs logs() const;
  void require_log(std::string_view name) const;
  Model& model() { return model_; }
  train::Training& training() { return training_; }
  const FitOptions& options() const { return options_; }
  History& history() { return history_; }
  int64_t epoch() const { return epoch_; }
  int64_t batch() const { return batch_; }
  int64_t batches() const {
    return (train_.size() + options_.batch_size - 1) / options_.batch_size;
  }
  int64_t step() const { return step_; }
  int64_t samples() const { return samples_; }
  double seconds() const;
  double train_seconds() const { return train_seconds_ > 0 ? train_seconds_ : seconds(); }
  void stop(std::string why);
  bool stopped() const { return stopped_; }
  const std::string& why_stopped() const { return why_; }
  void save_checkpoint(const std::string& path);

 private:
  void split_off_validation(Dataset data);
  void take_texts(const Dataset& data);
  void take_seed();
  void resume(const std::string& path);
  void restore(const std::string& path);
  std::string fingerprint() const;
  void run_epoch();
  void run_step(std::span<const int64_t> positions);
  void call(void (Callback::*hook)(TrainState&));
  void call_rest(void (Callback::*hook)(TrainState&), size_t& told);
  RunSnapshot snapshot();
  std::vector<NamedVariable> state_of_step();
  void require_same_run(const io::TensorFile& file, const config::Json& run) const;
  std::vector<NamedVariable> variables_to_restore(const io::TensorFile& file,
                                                  const config::Json& run);
  void restore_callbacks(const io::TensorFile& file);
  std::vector<int64_t> order() const;

  Model& model_;
  train::Training& training_;
  FitOptions options_;
  Dataset train_;
  std::optional<Dataset> validation_;
  train::Meter meter_, validation_meter_;
  train::Program step_program_, validation_program_;
  History history_;
  Logs epoch_end_;  // set at the end of an epoch only
  uint64_t shuffle_seed_ = 0;
  mutable std::string fingerprint_;  // of the training data, worked out when first needed
  Variables step_assigns_;           // filled when a step is traced
  int64_t epoch_ = 0, batch_ = 0, step_ = 0, samples_ = 0;
  // The first batch that was not trained on, and how many callbacks were told that its epoch and it
  // begin: where a run that is resumed from here goes on.
  int64_t next_epoch_ = 0, next_batch_ = 0;
  size_t told_of_epoch_ = 0, told_of_batch_ = 0;
  std::chrono::steady_clock::time_point epoch_began_;
  double train_seconds_ = 0;  // of the epoch, without validation; set at its end
  // When the last epoch was over or broken off, before callbacks were told of an end that is none
  // for a run that goes on.
  std::optional<RunSnapshot> at_end_;
  bool stopped_ = false;
  std::string why_;
  std::string last_checkpoint_;  // its path, or empty
  int64_t last_checkpoint_step_ = 0;
};

}  // namespace varve::detail
