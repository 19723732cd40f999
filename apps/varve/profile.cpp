// varve profile: where the time of a model goes, kernel by kernel.
#include <fmt/format.h>

#include <chrono>
#include <memory>

#include "base/count.h"
#include "base/error.h"
#include "command.h"
#include "console.h"
#include "formats/file.h"
#include "train/training.h"
#include "varve/nn/network.h"
#include "varve/varve.h"

namespace varve::app {
namespace {

struct Options {
  std::string model;
  int64_t batch = 32, steps = 20;
  bool train = false, plan = false;
};

// Random samples of the shape that an input of the model has.
Tensor samples_for(const nn::OpenType& type, int64_t batch, uint64_t seed) {
  std::vector<int64_t> dims = type.shape.dims();
  dims[0] = batch;
  for (size_t i = 1; i < dims.size(); ++i) dims[i] = std::max<int64_t>(dims[i], 1);
  const Shape shape(dims);
  if (!is_floating(type.dtype)) return zeros(shape, type.dtype).evaluate();
  return cast(random::uniform(Key(seed), shape), type.dtype).evaluate();
}

// Targets that the loss of the model takes: class 0, or numbers.
Tensor targets_for(const Model& model, const nn::OpenType& output, int64_t batch) {
  const std::string loss = train::training_of(model).options.loss.one().name();
  if (loss == "cross_entropy" || loss == "categorical_hinge") {
    std::vector<int64_t> dims = output.shape.dims();
    dims.pop_back();
    dims[0] = batch;
    return zeros(Shape(dims), i64).evaluate();
  }
  std::vector<int64_t> dims = output.shape.dims();
  dims[0] = batch;
  return zeros(Shape(dims), f32).evaluate();
}

template <class F>
void measure(const Options& o, const F& step) {
  step();  // traces, plans, warms the caches
  step.info().profile(true);
  const auto begin = std::chrono::steady_clock::now();
  for (int64_t i = 0; i < o.steps; ++i) step();
  const std::chrono::duration<double> took = std::chrono::steady_clock::now() - begin;
  const double ms = took.count() * 1e3 / static_cast<double>(o.steps);
  if (o.plan) say(step.info().plan() + "\n");
  say(step.info().profile());
  say(fmt::format("\n{:.3f} ms a {} of {}, {:.0f} samples a second\n", ms,
                  o.train ? "step" : "batch", count_of(o.batch, "sample"),
                  1e3 * static_cast<double>(o.batch) / ms));
}

void profile_training(const Options& o, Model& model, const Tensors& x) {
  const Loss& loss = train::training_of(model).options.loss.one();
  if (!model.compiled() || !loss) {
    throw ConfigError(formats::shown(o.model) + ": --train needs a model that keeps its loss",
                      "those of varve train and varve run do");
  }
  const Tensor y = targets_for(model, nn::outputs_of(model).at(0).type, o.batch);
  Optimizer optimizer = model.optimizer();
  measure(o, jit([&] {
            auto [l, gradients] = value_and_grad(
                [&] {
                  const Outputs prediction = model(x, CallOptions{.training = true});
                  return loss(prediction[0], y);
                },
                model.trainable())();
            optimizer.update(gradients);
            return l;
          }));
}

int profile(const Options& o) {
  Model model = Model::load(o.model);
  std::vector<Tensor> inputs;
  for (const nn::Port& port : nn::inputs_of(model))
    inputs.push_back(samples_for(port.type, o.batch, inputs.size()));
  const Tensors x(inputs);
  if (o.train) {
    profile_training(o, model, x);
  } else {
    measure(o, jit([&] { return Tensors(model(x, CallOptions{.training = false}).list()); }));
  }
  return 0;
}

}  // namespace

Action declare_profile(Arguments& arguments) {
  auto o = std::make_shared<Options>();
  arguments.positional("MODEL", o->model, "The model file.");
  arguments.integer("--batch", "N", o->batch, 1, 1 << 20, "Samples in a batch; 32.");
  arguments.integer("--steps", "N", o->steps, 1, 1000000, "Batches that are timed; 20.");
  arguments.flag("--train", o->train, "Training steps in place of predictions.");
  arguments.flag("--plan", o->plan, "Shows the plan too: kernels, what was fused, memory.");
  return [o] { return profile(*o); };
}

}  // namespace varve::app
