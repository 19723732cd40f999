#include "recipes/mnist.h"

#include <fmt/format.h>

#include <algorithm>
#include <chrono>

#include "report/settings_text.h"
#include "report/training_files.h"

namespace varve::recipes {

Outcome train_on_mnist(Model model, FitOptions options, const Settings& settings,
                       std::vector<std::pair<std::string, std::string>> notes) {
  const TrainTest mnist = datasets::mnist(settings.data);
  options.seed = settings.seed;
  // Keras' layers are built by their first batch; here the shape is known, and the parameters with
  // it.
  model.build({28, 28, 1});
  settings.say(summary(model) + "\n");
  const auto stop_if_told = [&](TrainState& s) {
    if (settings.interrupted()) s.stop("interrupted");
  };
  options.callbacks.push_back(
      callbacks::Hooks{.on_train_begin = stop_if_told, .on_batch_end = stop_if_told});
  const auto begin = std::chrono::steady_clock::now();
  const History history = model.fit(mnist.train, options);
  const std::chrono::duration<double> took = std::chrono::steady_clock::now() - begin;
  const Scores scores = model.evaluate(mnist.test);

  Outcome out;
  out.figure = {.metric = "test accuracy", .value = scores["accuracy"]};
  out.seconds = took.count();
  const double kept = 1 - options.validation_split;
  // Of an epoch that was broken off, the steps that were made.
  const double samples = std::min(
      static_cast<double>(mnist.train.size() * history.epochs()) * kept,
      std::stod(history.params.at("steps")) * static_cast<double>(options.batch_size.value));
  out.samples_per_second = samples / std::max(out.seconds, 1e-9);
  out.parameters = model.parameter_count();
  out.history = history;
  out.test = mnist.test;
  out.settings = {
      {"data", fmt::format("MNIST, {} digits for training, {} for testing", mnist.train.size(),
                           mnist.test.size())},
      {"optimizer", report::settings_text(model.optimizer().config())},
      {"batch size", std::to_string(options.batch_size.value)},
      {"epochs", fmt::format("{} of {}", history.epochs(), options.epochs.value)},
      {"validation", fmt::format("{:.0f} % of the training part", options.validation_split * 100)},
      {"test loss", fmt::format("{:.4f}", scores["loss"])}};
  out.settings.insert(out.settings.end(), notes.begin(), notes.end());
  out.model = std::move(model);
  return out;
}

Outcome in_bf16(const Settings& settings,
                Outcome (*train)(const Settings& settings, Precision precision)) {
  settings.say("In f32, for comparison:\n");
  const Outcome whole = train(settings, "f32");
  settings.say("In bf16:\n");
  Outcome out = train(settings, "mixed_bf16");
  const double worse = out.figure.higher_is_better ? whole.figure.value - out.figure.value
                                                   : out.figure.value - whole.figure.value;
  out.also = {{"lost to f32", worse, 0.002, false}};
  out.settings.emplace_back("in f32", fmt::format("{:.4f}", whole.figure.value));
  return out;
}

}  // namespace varve::recipes
