#include "job/check.h"

#include <algorithm>
#include <numeric>

#include "base/count.h"
#include "base/error.h"
#include "train/training.h"
#include "varve/nn/network.h"
#include "varve/ops/shape.h"

namespace varve::job {
namespace {

const char* place_of_model(const Job& job) {
  return job.model.contains("zoo")    ? "model.zoo"
         : job.model.contains("file") ? "model.file"
                                      : "model.layers";
}

std::string output_text(const Shape& output) {
  return output.rank() == 2 ? count_of(output[1], "number")
                            : "an array of " + count_of(output.rank() - 1, "axis", "axes");
}

// Behind what is said of the targets: where they stand.
std::string of_targets(const Job& job, const std::string& message, bool test = false) {
  return message + " (targets: " + places_of_targets(job, test).data + ")";
}

// Losses over classes take as many numbers as there are classes.
void check_classes(const Job& job, const Shape& output, size_t classes) {
  const std::string loss = job.train.loss.name();
  if (loss != "cross_entropy" && loss != "categorical_hinge") return;
  if (output.rank() == 2 && output[1] == static_cast<int64_t>(classes)) return;
  job.fail(of_targets(job, std::string(place_of_model(job)) + ": the data have " +
                               std::to_string(classes) + " classes, the last layer gives " +
                               output_text(output)),
           "units = \"classes\" in the last layer gives one number a class");
}

// Losses over yes and no take one number; rows of several such targets, as many as they have.
void check_yes_no(const Job& job, const Shape& output, const Tensor& target, size_t classes) {
  const std::string loss = job.train.loss.name();
  if (loss != "binary_cross_entropy" && loss != "hinge") return;
  if (target.rank() > 1 && target.size() > target.shape()[0]) return;
  if (classes > 2) {
    job.fail(of_targets(job, "train.loss: " + loss + " tells two classes apart, the data have " +
                                 std::to_string(classes)),
             "cross_entropy tells many apart, with units = \"classes\" in the last layer");
  }
  if (classes == 1) {
    job.fail(of_targets(job, "train.loss: " + loss + " tells two classes apart, the data have one"),
             "all rows of the training part are of the same class");
  }
  if (output.rank() == 2 && output[1] == 1) return;
  job.fail(std::string(place_of_model(job)) + ": " + loss +
               " takes one number, the last layer gives " + output_text(output),
           "set units = 1 in the last layer, or loss = \"cross_entropy\"");
}

// What is said of a loss or metric goes to its place.
template <class F>
void at_place(const Job& job, const std::string& place, F&& f) {
  const auto fail = [&](const Error& e) {
    job.fail(of_targets(job, place + ": " + e.message()), e.hint());
  };
  try {
    f();
  } catch (const ShapeError& e) {
    fail(e);
  } catch (const DTypeError& e) {
    fail(e);
  } catch (const ValueError& e) {
    fail(e);
  }
}

}  // namespace

void check_measures(const Job& job, const Model& model, const JobData& data) {
  const nn::OpenType output = nn::outputs_of(model).at(0).type;
  std::vector<int64_t> rows(
      static_cast<size_t>(std::min<int64_t>(job.train.batch_size, data.train.size())));
  std::iota(rows.begin(), rows.end(), 0);
  const Tensor target = data.train.batch(rows).targets.only();
  check_classes(job, output.shape, data.class_names.size());
  check_yes_no(job, output.shape, target, data.class_names.size());
  const auto n = static_cast<int64_t>(rows.size());
  std::vector<int64_t> dims = output.shape.dims();
  std::replace(dims.begin(), dims.end(), int64_t{-1}, n);
  const Tensor prediction = zeros(Shape(dims), output.dtype);
  const Tensor weights = ones({n});
  at_place(job, "train.loss", [&] {
    if (job.train.class_weight.empty()) {
      job.train.loss(prediction, target);
    } else {
      job.train.loss(prediction, target, weights);
    }
  });
  for (size_t i = 0; i < job.train.metrics.size(); ++i) {
    at_place(job, "train.metrics[" + std::to_string(i) + "]",
             [&] { job.train.metrics[i].fresh().update(prediction, target, weights); });
  }
  if (job.train.class_weight.empty()) return;
  if (!job.classification())
    job.fail("train.class_weight: the target is a number, which has no classes");
  at_place(job, "train.class_weight", [&] { data.train.classes(); });
}

void check_samples(const Job& job, PreparedJob& p) {
  train::make_ready(p.model, p.data.train, true);
  std::vector<int64_t> all(static_cast<size_t>(job.train.check_data ? p.data.train.size() : 0));
  std::iota(all.begin(), all.end(), 0);
  if (const std::string bad = train::first_not_finite(p.data.train, all); !bad.empty())
    job.fail("data: training part: " + bad);
  const auto look = [&](const char* part, const Dataset& samples) {
    const bool test = part == std::string_view("test");
    const auto fail = [&](const Error& e) {
      const std::string place = places_of_targets(job, test).key;
      job.fail(of_targets(job, place + ": " + part + " part: " + e.message(), test), e.hint());
    };
    try {
      train::require_known_labels(p.model, samples);
    } catch (const IndexError& e) {
      fail(e);
    } catch (const ValueError& e) {
      fail(e);
    }
  };
  look("training", p.data.train);
  if (p.data.validation) look("validation", *p.data.validation);
  if (p.data.test) look("test", *p.data.test);
  train::warn_of_labels(p.model, p.data.train);
  train::warn_of_activation(p.model);
}

}  // namespace varve::job
