// varve evaluate: loss and metrics of a trained model on data with targets.
#include <fmt/format.h>

#include <algorithm>
#include <memory>
#include <nlohmann/json.hpp>

#include "base/error.h"
#include "command.h"
#include "console.h"
#include "formats/file.h"
#include "job/apply.h"

namespace varve::app {
namespace {

struct Options {
  std::string model, data, inputs, targets, labels;
  int64_t batch = 128;
  bool json = false, finite = false;
};

int evaluate(const Options& o) {
  job::Application application(o.model, {.require_finite = o.finite});
  Model& model = application.model();
  if (!model.compiled()) {
    throw ConfigError(
        formats::shown(o.model) + ": the file does not say by which loss it is judged",
        "models that were compiled with functions of one's own keep none");
  }
  const Dataset data = application.labelled(o.data, o.inputs, o.targets, o.labels);
  const Scores scores = model.evaluate(data, {.batch_size = o.batch});
  if (o.json) {
    nlohmann::ordered_json out{{"samples", data.size()}};
    for (const auto& [name, value] : scores.values()) out[name] = value;
    say(out.dump() + "\n");
    return 0;
  }
  size_t width = 20;
  for (const auto& [name, value] : scores.values()) width = std::max(width, name.size() + 2);
  say(fmt::format("{:<{}}{}\n", "samples", width, data.size()));
  for (const auto& [name, value] : scores.values())
    say(fmt::format("{:<{}}{:.4f}\n", name, width, value));
  return 0;
}

}  // namespace

Action declare_evaluate(Arguments& arguments) {
  auto o = std::make_shared<Options>();
  arguments.positional("MODEL", o->model, "The model file.");
  arguments.positional(
      "DATA", o->data,
      "A CSV table with the target, a .npz file, an IDX file (with --labels), a "
      "job file (the part that training kept out), a folder of pictures by class, or MNIST's.");
  arguments.text("--inputs", "NAME", o->inputs, "Array of a .npz file; by default x_test or x.");
  arguments.text("--targets", "NAME", o->targets, "Array of a .npz file; by default y_test or y.");
  arguments.text("--labels", "FILE", o->labels, "The labels of an IDX file of images.");
  arguments.integer("--batch", "N", o->batch, 1, INT32_MAX, "Samples at a time; 128.");
  arguments.flag("--require-finite", o->finite, "NaN among the weights is an error.");
  arguments.flag("--json", o->json, "As JSON, for programs.");
  return [o] { return evaluate(*o); };
}

}  // namespace varve::app
