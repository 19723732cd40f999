// The training, evaluation and prediction steps, as functions of a dataset's stored tensors and the
// rows of a batch.
#include <numeric>

#include "base/error.h"
#include "nn/layer_state.h"
#include "train/output_kind.h"
#include "train/training.h"
#include "varve/derivatives.h"
#include "varve/nn/network.h"
#include "varve/ops/indexing.h"
#include "varve/ops/pointwise.h"
#include "varve/ops/reduction.h"

namespace varve::train {
namespace {

// The batch that the step's arguments describe: gathered and prepared inside the step.
Batch batch_of(std::span<const Tensor> arguments, const Dataset& data) {
  const Tensor& rows = arguments.back();
  const size_t inputs = data.stored_inputs().size(), targets = data.stored_targets().size();
  std::vector<Tensor> x, y;
  for (size_t i = 0; i < inputs; ++i) x.push_back(take(arguments[i], rows, 0));
  for (size_t i = 0; i < targets; ++i) y.push_back(take(arguments[inputs + i], rows, 0));
  Batch b{data.prepare(Tensors(std::move(x))), Tensors(std::move(y)), {}};
  if (data.stored_weights().defined()) b.weights = take(arguments[inputs + targets], rows, 0);
  return b;
}

struct LossParts {
  Tensor total;
  std::vector<Tensor> of_outputs;
};

LossParts loss_of(const std::vector<OutputPlan>& plan, const Tensors& outputs, const Batch& b,
                  const std::vector<Tensor>& penalties) {
  LossParts parts;
  const auto add = [&](const Tensor& term) {
    parts.total = parts.total.defined() ? parts.total + term : term;
  };
  for (size_t i = 0; i < plan.size(); ++i) {
    const OutputPlan& p = plan[i];
    if (!p.loss) {
      parts.of_outputs.push_back({});
      continue;
    }
    const Tensor l = b.weights.defined() ? p.loss(outputs[i], b.targets[i], b.weights)
                                         : p.loss(outputs[i], b.targets[i]);
    parts.of_outputs.push_back(l);
    add(p.weight == 1 ? l : l * p.weight);
  }
  for (const Tensor& penalty : penalties) add(penalty);
  return parts;
}

// Calls the model and notes loss and metrics; gives the loss.
Tensor forward(Model& model, const Training& training, const Batch& b, Meter& meter,
               bool is_training) {
  std::vector<Tensor> penalties;
  const Tensors outputs =
      model(b.inputs, CallOptions{.training = is_training, .losses = &penalties});
  if (outputs.size() < training.plan.size()) {
    throw ValueError("the model gives " + std::to_string(outputs.size()) + " outputs, losses are " +
                     "for " + std::to_string(training.plan.size()));
  }
  const LossParts parts = loss_of(training.plan, outputs, b, penalties);
  // What is noted is no part of the gradient.
  for (size_t i = 0; i < training.plan.size(); ++i) {
    if (i < b.targets.size()) {
      meter.add_metrics(i, stop_gradient(outputs[i]), b.targets[i], b.weights);
    }
  }
  if (!parts.total.defined()) return {};
  std::vector<Tensor> of_outputs;
  for (const Tensor& l : parts.of_outputs) {
    of_outputs.push_back(l.defined() ? stop_gradient(l) : Tensor());
  }
  meter.add_loss(stop_gradient(parts.total), of_outputs, b.size());
  return parts.total;
}

void describe(Model& model, const Dataset& data) {
  if (model.built()) return;
  // Two samples tell the shapes; nothing of the model is computed.
  const std::vector<int64_t> first(1, 0);
  const Batch b = data.batch(first);
  std::vector<Shape> samples;
  for (const Tensor& x : b.inputs) {
    samples.push_back(Shape(std::vector<int64_t>(x.shape().begin() + 1, x.shape().end())));
  }
  model.build_many(samples, b.inputs[0].dtype());
}

// Which loss and metrics belong to which output.
std::vector<OutputPlan> plan_of(const Model& model, const CompileOptions& o, size_t outputs) {
  std::vector<OutputPlan> plan;
  std::vector<std::string> names;
  const bool by_name = !o.loss.by_output().empty() || !o.output_metrics.empty() ||
                       !o.loss_weights.empty() || outputs > 1;
  if (by_name) {
    for (const nn::Port& p : nn::outputs_of(model)) names.push_back(p.name);
  } else {
    names.push_back("");
  }
  for (const std::string& n : names) {
    plan.push_back({n, names.size() > 1 ? n + "_" : "", o.loss.one(), 1, {}});
  }
  const auto find = [&](const std::string& n, const char* what) -> OutputPlan& {
    for (OutputPlan& p : plan) {
      if (p.name == n) return p;
    }
    throw ValueError(
        std::string("compile: ") + what + ": there is no output \"" + escaped(n) + "\"",
        did_you_mean(n, names));
  };
  for (const auto& [n, loss] : o.loss.by_output()) find(n, "loss").loss = loss;
  for (const auto& [n, weight] : o.loss_weights) find(n, "loss_weights").weight = weight;
  for (const auto& [n, metrics] : o.output_metrics) find(n, "output_metrics").metrics = metrics;
  if (!o.metrics.empty()) {
    if (plan.size() > 1) {
      throw ValueError(
          "compile: metrics: the model has " + std::to_string(plan.size()) + " outputs",
          "give output_metrics by their names");
    }
    plan[0].metrics = o.metrics;
  }
  for (OutputPlan& p : plan) {
    const bool above_zero = is_above_zero(output_kind(model, p.loss));
    for (Metric& m : p.metrics) m.set_from_logits(above_zero);
  }
  return plan;
}

}  // namespace

Training& training_of(const Layer& model) {
  std::shared_ptr<void>& slot = model.state()->training;
  if (!slot) slot = std::make_shared<Training>();
  return *static_cast<Training*>(slot.get());
}

Training& compiled_training(const Layer& model, const char* what) {
  Training& t = training_of(model);
  if (!t.compiled) {
    throw ValueError(std::string(what) + ": model \"" + model.name() + "\" is not compiled",
                     "call compile({.optimizer = ..., .loss = ...}) first");
  }
  return t;
}

void make_ready(Model& model, const Dataset& data, bool needs_targets) {
  if (data.size() == 0) throw ValueError("the dataset has no examples");
  describe(model, data);
  if (!needs_targets) return;
  Training& t = training_of(model);
  const bool nothing =
      !t.options.loss && t.options.metrics.empty() && t.options.output_metrics.empty();
  if (t.options.train_step && nothing) return;
  const size_t targets = data.stored_targets().size();
  if (t.plan.empty()) t.plan = plan_of(model, t.options, targets);
  size_t losses = 0;
  for (const OutputPlan& p : t.plan) losses += p.loss ? 1 : 0;
  if (losses > 0 && targets < t.plan.size()) {
    throw ValueError("the dataset has " + std::to_string(targets) + " targets, the model " +
                     std::to_string(t.plan.size()) + " outputs with losses");
  }
}

Program training_step(Model& model, const Dataset& data, Meter& meter) {
  Training& t = compiled_training(model, "fit");
  const bool eager = t.options.run_eagerly;
  if (t.options.train_step) {
    return Program(
        [&t, data, &meter](std::span<const Tensor> x) -> std::vector<Tensor> {
          const Batch b = batch_of(x, data);
          const StepLogs logs = t.options.train_step(b);
          for (const auto& [name, value] : logs) ir::guard(value, name);
          meter.add_logs(logs, b.size());
          return {};
        },
        eager);
  }
  return Program(
      [model, &t, data, &meter](std::span<const Tensor> x) mutable -> std::vector<Tensor> {
        const Batch b = batch_of(x, data);
        const Variables trainable = model.trainable();
        auto [loss, grads] = value_and_grad(
            [&] {
              const Tensor l = forward(model, t, b, meter, true);
              if (!l.defined()) throw ValueError("fit: there is no loss", "give compile a loss");
              ir::guard(l, "loss");
              return l;
            },
            trainable)();
        t.optimizer.update(grads);
        return {};
      },
      eager);
}

Program evaluation_step(Model& model, const Dataset& data, Meter& meter) {
  Training& t = compiled_training(model, "evaluate");
  return Program(
      [model, &t, data, &meter](std::span<const Tensor> x) mutable -> std::vector<Tensor> {
        forward(model, t, batch_of(x, data), meter, false);
        return {};
      },
      t.options.run_eagerly);
}

Program prediction_step(Model& model, const Dataset& data) {
  return Program(
      [model, data](std::span<const Tensor> x) -> std::vector<Tensor> {
        return model(batch_of(x, data).inputs, CallOptions{.training = false}).list();
      },
      training_of(model).options.run_eagerly);
}

std::vector<Tensor> arguments_of(const Dataset& data, std::span<const int64_t> positions) {
  std::vector<Tensor> x = data.stored_inputs().list();
  for (const Tensor& y : data.stored_targets()) x.push_back(y);
  if (data.stored_weights().defined()) x.push_back(data.stored_weights());
  std::vector<int64_t> rows;
  rows.reserve(positions.size());
  for (int64_t p : positions) rows.push_back(data.rows()[static_cast<size_t>(p)]);
  x.push_back(tensor(rows, Shape{rows.size()}));
  return x;
}

void for_each_batch(int64_t samples, int64_t batch_size,
                    const std::function<void(std::span<const int64_t>, int64_t)>& f) {
  std::vector<int64_t> order(static_cast<size_t>(samples));
  std::iota(order.begin(), order.end(), 0);
  for (int64_t first = 0; first < samples; first += batch_size) {
    const int64_t count = std::min(batch_size, samples - first);
    f(std::span(order).subspan(static_cast<size_t>(first), static_cast<size_t>(count)), first);
  }
}

Logs evaluate(const Program& step, Meter& meter, const Dataset& data, int64_t batch_size) {
  meter.reset();
  for_each_batch(data.size(), batch_size, [&](std::span<const int64_t> positions, int64_t) {
    step(arguments_of(data, positions));
  });
  return meter.results();
}

}  // namespace varve::train
