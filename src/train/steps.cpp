// The training, evaluation and prediction steps, as functions of a dataset's stored tensors and the
// rows of a batch.
#include <algorithm>
#include <numeric>
#include <set>

#include "base/any_batch.h"
#include "base/count.h"
#include "base/error.h"
#include "nn/layer_state.h"
#include "nn/network.h"
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
  if (data.weights().defined()) b.weights = arguments[inputs + targets];
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
    throw ValueError("the model gives " + count_of(outputs.size(), "output") + ", losses are " +
                     "for " + std::to_string(training.plan.size()));
  }
  const LossParts parts = loss_of(training.plan, outputs, b, penalties);
  // What is noted is no part of the gradient.
  for (size_t i = 0; i < training.plan.size(); ++i) {
    if (i < b.targets.size()) {
      const Tensor seen = nn::with_mask(stop_gradient(outputs[i]), nn::mask_of(outputs[i]));
      meter.add_metrics(i, seen, b.targets[i], b.weights);
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
  // One sample tells the types; nothing of the model is computed.
  const std::vector<int64_t> first(1, 0);
  const Batch b = data.batch(first);
  ir::Types samples;
  for (const Tensor& x : b.inputs) {
    if (x.rank() == 0) throw ShapeError("the dataset's preparation gives a scalar for a batch");
    std::vector<int64_t> dims = x.shape().dims();
    dims[0] = kAnyBatch;
    samples.push_back({x.dtype(), Shape(std::move(dims))});
  }
  nn::build(*model.state(), samples);
}

// Which loss and metrics belong to which output.
std::vector<OutputPlan> plan_of(const Model& model, const CompileOptions& o) {
  std::vector<OutputPlan> plan;
  std::vector<std::string> names;
  for (const nn::Port& p : nn::outputs_of(model)) names.push_back(p.name);
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
  require_distinct_logs(plan);
  return plan;
}

// Each output that is judged has a target, and each target an output.
void require_targets(const std::vector<OutputPlan>& plan, size_t targets, bool own_step) {
  size_t needed = 0;
  bool losses = false;
  for (size_t i = 0; i < plan.size(); ++i) {
    losses |= static_cast<bool>(plan[i].loss);
    if (plan[i].loss || !plan[i].metrics.empty()) needed = i + 1;
  }
  const std::string has = "the dataset has " + std::to_string(targets) +
                          (targets == 1 ? " target" : " targets") + ", the model " +
                          std::to_string(plan.size()) + (plan.size() == 1 ? " output" : " outputs");
  if (targets < needed) throw ValueError(has + " with " + (losses ? "losses" : "metrics"));
  // A step of the user's own may take more.
  if (needed > 0 && targets > plan.size() && !own_step) {
    throw ValueError(has, "give the dataset one target for each output");
  }
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

void require_distinct_logs(const std::vector<OutputPlan>& plan) {
  std::set<std::string> names{"loss", "learning_rate"};
  const auto add = [&](const std::string& name) {
    if (names.insert(name).second) return;
    throw ValueError(
        "compile: metrics: two numbers of the logs are called \"" + escaped(name) + "\"",
        "give one a name of its own: metrics::Accuracy{.name = \"...\"}");
  };
  for (const OutputPlan& p : plan) {
    if (p.loss && plan.size() > 1) add(p.prefix + "loss");
    for (const Metric& m : p.metrics) add(p.prefix + m.name());
  }
}

void make_ready(Model& model, const Dataset& data, bool needs_targets) {
  if (data.size() == 0) throw ValueError("the dataset has no examples");
  if (!model.built()) describe(model, data);
  if (!needs_targets) return;
  Training& t = training_of(model);
  const bool nothing =
      !t.options.loss && t.options.metrics.empty() && t.options.output_metrics.empty();
  if (t.options.train_step && nothing) return;
  // A layer that was called is built, but only the shape of a sample tells its outputs.
  if (model.state()->samples.empty()) describe(model, data);
  forget_older(t);
  if (t.plan.empty()) t.plan = plan_of(model, t.options);
  require_targets(t.plan, data.stored_targets().size(), static_cast<bool>(t.options.train_step));
}

void forget_older(Training& training) {
  const uint64_t now = nn::structure_version();
  if (training.structure == now) return;
  training.structure = now;
  training.plan.clear();
  training.predict = {};
}

namespace {

// Notes what a frame assigns, once each.
void note_assigned(const ir::Frame& frame, Variables& assigned) {
  for (const ir::Binding& b : frame.bindings()) {
    const Variable v(b.variable);
    if (b.assigned && std::find(assigned.begin(), assigned.end(), v) == assigned.end()) {
      assigned.push_back(v);
    }
  }
}

}  // namespace

Program training_step(Model& model, const Dataset& data, Meter& meter, Variables& assigned) {
  Training& t = compiled_training(model, "fit");
  auto step = [model, &t, data, &meter](std::span<const Tensor> x) mutable {
    const Batch b = batch_of(x, data);
    if (t.options.train_step) {
      const StepLogs logs = t.options.train_step(b);
      for (const auto& [name, value] : logs) ir::guard(value, name);
      meter.add_logs(logs, b.size());
      return;
    }
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
  };
  return Program(
      [step, &assigned](std::span<const Tensor> x) mutable -> std::vector<Tensor> {
        ir::Frame frame(ir::Frame::Kind::gradient);
        step(x);
        note_assigned(frame, assigned);
        frame.commit();
        return {};
      },
      t.options);
}

Program evaluation_step(Model& model, const Dataset& data, Meter& meter) {
  Training& t = compiled_training(model, "evaluate");
  return Program(
      [model, &t, data, &meter](std::span<const Tensor> x) mutable -> std::vector<Tensor> {
        forward(model, t, batch_of(x, data), meter, false);
        return {};
      },
      t.options);
}

Program prediction_step(Model& model, const Dataset& data) {
  return Program(
      [model, data](std::span<const Tensor> x) -> std::vector<Tensor> {
        return model(batch_of(x, data).inputs, CallOptions{.training = false}).list();
      },
      training_of(model).options);
}

std::vector<Tensor> arguments_of(const Dataset& data, std::span<const int64_t> positions) {
  std::vector<Tensor> x = data.stored_inputs().list();
  for (const Tensor& y : data.stored_targets()) x.push_back(y);
  if (data.weights().defined()) {
    const std::span<const float> all = data.weights().span<float>();
    std::vector<float> w;
    w.reserve(positions.size());
    for (int64_t p : positions) w.push_back(all[static_cast<size_t>(p)]);
    x.push_back(tensor(w, Shape{w.size()}));
  }
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
