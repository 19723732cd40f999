#include <algorithm>

#include "train/training.h"

namespace varve::train {

Meter::Meter(const std::vector<OutputPlan>& plan, bool own_step) : own_step_(own_step) {
  if (own_step) return;
  for (const OutputPlan& p : plan) {
    if (p.loss && !loss_) loss_ = std::make_shared<RunningMean>("metric.loss");
    Output o{p.prefix, nullptr, {}};
    if (plan.size() > 1 && p.loss) o.loss = std::make_shared<RunningMean>("metric." + p.name);
    for (const Metric& m : p.metrics) o.metrics.push_back(m.fresh());
    outputs_.push_back(std::move(o));
  }
}

void Meter::reset() {
  if (loss_) loss_->reset();
  for (Output& o : outputs_) {
    if (o.loss) o.loss->reset();
    for (Metric& m : o.metrics) m.reset();
  }
  for (auto& [name, mean] : own_) mean->reset();
}

Logs Meter::results() const {
  Logs out;
  if (loss_) out.push_back({"loss", loss_->result()});
  for (const Output& o : outputs_) {
    if (o.loss) out.push_back({o.prefix + "loss", o.loss->result()});
  }
  for (const Output& o : outputs_) {
    for (const Metric& m : o.metrics) out.push_back({o.prefix + m.name(), m.result()});
  }
  for (const auto& [name, mean] : own_) out.push_back({name, mean->result()});
  return out;
}

void Meter::add_loss(const Tensor& total, const std::vector<Tensor>& of_outputs, int64_t samples) {
  if (!loss_) loss_ = std::make_shared<RunningMean>("metric.loss");
  loss_->add(total, samples);
  for (size_t i = 0; i < outputs_.size(); ++i) {
    if (outputs_[i].loss) outputs_[i].loss->add(of_outputs[i], samples);
  }
}

void Meter::add_metrics(size_t output, const Tensor& prediction, const Tensor& target,
                        const Tensor& weights) {
  for (Metric& m : outputs_[output].metrics) m.update(prediction, target, weights);
}

void Meter::add_logs(const StepLogs& logs, int64_t samples) {
  for (const auto& [name, value] : logs) {
    auto at = std::find_if(own_.begin(), own_.end(),
                           [&, &n = name](const auto& o) { return o.first == n; });
    if (at == own_.end()) {
      own_.push_back({name, std::make_shared<RunningMean>("metric." + name)});
      at = own_.end() - 1;
    }
    at->second->add(value, samples);
  }
}

std::vector<std::pair<std::string, Variable>> Meter::totals() const {
  std::vector<std::pair<std::string, Variable>> out;
  if (loss_) out.push_back({"loss", loss_->totals()});
  for (const Output& o : outputs_) {
    if (o.loss) out.push_back({o.prefix + "loss", o.loss->totals()});
    for (const Metric& m : o.metrics) {
      if (m.totals().defined()) out.push_back({o.prefix + m.name(), m.totals()});
    }
  }
  for (const auto& [name, mean] : own_) out.push_back({name, mean->totals()});
  return out;
}

bool Meter::set_totals(const std::string& name, const Tensor& totals) {
  const auto set = [&](const RunningMean& mean) {
    Variable(mean.totals()).assign(totals);
    return true;
  };
  for (const auto& [n, mean] : own_) {
    if (name == n) return set(*mean);
  }
  if (own_step_) return false;
  if (name == "loss") {
    // Of penalties alone, which no plan knows of.
    if (!loss_) loss_ = std::make_shared<RunningMean>("metric.loss");
    return set(*loss_);
  }
  for (Output& o : outputs_) {
    if (o.loss && name == o.prefix + "loss") return set(*o.loss);
    for (Metric& m : o.metrics) {
      if (name != o.prefix + m.name()) continue;
      m.set_totals(totals);
      return true;
    }
  }
  return false;
}

}  // namespace varve::train
