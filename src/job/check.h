// What of a job does not go together is said before the training, with its place in the file.
#pragma once
#include "job/train_job.h"

namespace varve::job {

/// Outputs of the network, loss and metrics, tried on the shapes of one batch: nothing is computed.
/// Throws ConfigError that begins with model.layers, train.loss, train.metrics[1] ...
void check_measures(const Job& job, const Model& model, const JobData& data);

/// The data, row by row: finite inputs and known labels, as training looks for them first.
/// Needs: compiled. Throws ConfigError.
void check_samples(const Job& job, PreparedJob& prepared);

}  // namespace varve::job
