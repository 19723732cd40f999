// Training as a job file says.
#pragma once
#include <functional>
#include <map>
#include <string>
#include <string_view>
#include <vector>

#include "job/job_data.h"
#include "varve/model.h"

namespace varve::job {

/// Data and model of a job, ready for training.
struct PreparedJob {
  JobData data;
  Model model;  // built and compiled
};
/// Throws as load_data does; ConfigError where layers do not go with each other or with the data,
/// and where loss or metrics do not go with what the last layer gives.
PreparedJob prepare(const Job& job);

struct TrainSettings {
  std::function<void(std::string_view)> say = [](std::string_view) {};
  std::string resume = {};  // a checkpoint to go on from
  bool resume_older = false;
  std::string initial = {};  // a model file whose weights are taken
  /// Asked before the first step and after every one: whether training ends there.
  std::function<bool()> interrupted = [] { return false; };
};

/// Trains, evaluates, and writes into the job's folder: model.safetensors, history.csv, report.html
/// and so on (see report::write_training), result.json last; also where it was interrupted.
/// Throws besides NumericError.
void train(const Job& job, const TrainSettings& settings);

/// The files that it may write, relative to the folder.
std::vector<std::string> output_files();

}  // namespace varve::job
