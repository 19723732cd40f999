// The handle Metric and the table of names.
#include <algorithm>
#include <limits>

#include "ir/node.h"
#include "nn/choice_table.h"
#include "varve/metrics.h"
#include "varve/nn/mask.h"
#include "varve/ops/pointwise.h"
#include "varve/ops/reduction.h"
#include "varve/ops/shape.h"

namespace varve {

namespace detail {

struct MetricState {
  std::shared_ptr<MetricRule> rule;
  std::string name;
  bool from_logits = false;
  Variable totals;  // f64, of the statistics' shape; made at the first update
};

}  // namespace detail

namespace {

using detail::MetricRule;

template <class S>
std::shared_ptr<MetricRule> made() {
  return std::make_shared<detail::MetricOf<S>>(S{});
}

const nn::ChoiceTable<MetricRule>& table() {
  static const nn::ChoiceTable<MetricRule> t(
      "metric", {{"accuracy", made<metrics::Accuracy>},
                 {"auc", made<metrics::AUC>},
                 {"binary_cross_entropy", made<metrics::BinaryCrossEntropy>},
                 {"cross_entropy", made<metrics::CrossEntropy>},
                 {"f1", made<metrics::F1>},
                 {"huber", made<metrics::Huber>},
                 {"mean", made<metrics::Mean>},
                 {"mean_absolute_error", made<metrics::MeanAbsoluteError>},
                 {"mean_squared_error", made<metrics::MeanSquaredError>},
                 {"precision", made<metrics::Precision>},
                 {"r2", made<metrics::R2>},
                 {"recall", made<metrics::Recall>},
                 {"root_mean_squared_error", made<metrics::RootMeanSquaredError>},
                 {"top_k", made<metrics::TopK>},
                 {"mae", made<metrics::MeanAbsoluteError>},
                 {"mse", made<metrics::MeanSquaredError>},
                 {"rmse", made<metrics::RootMeanSquaredError>}});
  return t;
}

// The mean of a function of one's own.
struct PerSampleMean {
  Loss function;
  Tensor statistics(const MetricInput& in) const {
    const Tensor value = function.per_sample(in.prediction, in.target);
    const Tensor weights = cast(in.weights, value.dtype());
    return stack({sum(value * weights), sum(weights)});
  }
  double result(std::span<const double> totals) const { return totals[0] / totals[1]; }
};

struct Counted {
  Tensor prediction, target, weights;
};

// Each step that a mask tells of is a sample of its own, which counts 0 where it is not there.
Counted steps_of(const Tensor& prediction, const Tensor& target, const Tensor& weights,
                 const std::string& name) {
  const Tensor mask = nn::mask_of(prediction);
  const int rank = mask.rank();
  const auto joined = [&](const Tensor& t) {
    std::vector<int64_t> dims{mask.size()};
    dims.insert(dims.end(), t.shape().begin() + rank, t.shape().end());
    return reshape(t, Shape(std::move(dims)));
  };
  if (target.rank() < rank ||
      !std::equal(mask.shape().begin(), mask.shape().end(), target.shape().begin())) {
    throw ShapeError("metric " + name + ": the prediction has a mask " + mask.shape().to_string() +
                         ", which the target " + target.shape().to_string() + " has no place for",
                     "take the mask off with nn::DropMask{}");
  }
  std::vector<int64_t> column(static_cast<size_t>(rank), 1);
  column[0] = weights.shape()[0];
  const Tensor counts = reshape(weights, Shape(std::move(column))) * cast(mask, weights.dtype());
  return {joined(nn::with_mask(prediction, {})), joined(target), reshape(counts, {mask.size()})};
}

}  // namespace

std::vector<std::string> metrics::names() { return table().names(); }

Metric::Metric(std::shared_ptr<MetricRule> rule, Where where)
    : state_(std::make_shared<detail::MetricState>()) {
  table().validate(*rule, where);
  state_->name = rule->given_name();
  if (state_->name.empty()) state_->name = table().name_of(*rule);
  state_->rule = std::move(rule);
}
Metric::Metric(const std::string& name, Where where) : Metric(table().make(name, where), where) {
  state_->name = name;  // "mse" stays "mse" in logs
}
Metric::Metric(const char* name, Where where) : Metric(std::string(name), where) {}
Metric::Metric(std::string name, Loss per_sample, PerSample)
    : state_(std::make_shared<detail::MetricState>()) {
  per_sample.label_ = "metric \"" + name + "\"";
  state_->rule = std::make_shared<detail::MetricOf<PerSampleMean>>(PerSampleMean{per_sample});
  state_->name = std::move(name);
}

const std::string& Metric::name() const { return state_->name; }

void Metric::update(const Tensor& prediction, const Tensor& target, const Tensor& weights) {
  if (prediction.rank() == 0) {
    throw ShapeError("metric " + name() + ": expected a batch of predictions, got a scalar");
  }
  const Shape batch{prediction.shape()[0]};
  if (weights.defined() && weights.shape() != batch) {
    throw ShapeError("metric " + name() + ": weights: expected " + batch.to_string() + ", got " +
                     weights.shape().to_string());
  }
  const Tensor w = weights.defined() ? weights : ones(batch);
  const bool masked = nn::mask_of(prediction).defined();
  const Counted all =
      masked ? steps_of(prediction, target, w, name()) : Counted{prediction, target, w};
  const Tensor s =
      cast(state_->rule->statistics({all.prediction, all.target, all.weights, state_->from_logits}),
           f64);
  if (!state_->totals.defined()) {
    state_->totals = Variable(s.shape(), f64, [shape = s.shape()] { return zeros(shape, f64); },
                              {.name = "metric." + name(), .trainable = false});
  }
  state_->totals.assign(state_->totals.value() + s);
}

double Metric::result() const {
  if (!state_->totals.defined()) return std::numeric_limits<double>::quiet_NaN();
  return state_->rule->result(state_->totals.value().to_doubles());
}

void Metric::reset() {
  if (state_->totals.defined()) state_->totals.assign(zeros(state_->totals.shape(), f64));
}

Variable Metric::totals() const { return state_->totals; }
void Metric::set_totals(const Tensor& totals) {
  if (!state_->totals.defined()) {
    state_->totals = Variable(totals, {.name = "metric." + name(), .trainable = false});
  }
  state_->totals.assign(totals);
}

void Metric::set_from_logits(bool from_logits) { state_->from_logits = from_logits; }

Metric Metric::fresh() const {
  Metric m = *this;
  m.state_ = std::make_shared<detail::MetricState>(*state_);
  m.state_->totals = {};
  return m;
}

std::string Metric::config() const {
  // A function of one's own has a name here, but no text form.
  if (dynamic_cast<const detail::MetricOf<PerSampleMean>*>(state_->rule.get())) {
    throw UnsupportedError("metric " + name() + " is a function of your own and has no text form");
  }
  config::Json text = config::Json::parse(table().config(*state_->rule));
  // "mse" stays "mse"; a name that was given to the spec is one of its fields.
  if (state_->rule->given_name().empty()) {
    (text.is_string() ? text : text["type"]) = state_->name;
  }
  return text.dump();
}

Metric Metric::from_config(std::string_view json) {
  Metric m(table().from_config(json), Where{});
  if (m.state_->rule->given_name().empty()) {
    m.state_->name = config::choice_type(config::parse(json, "metric"), "metric");
  }
  return m;
}

}  // namespace varve
