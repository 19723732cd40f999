// varve summary and varve plot: what a model file holds.
#include <fmt/format.h>

#include <memory>

#include "base/error.h"
#include "command.h"
#include "console.h"
#include "data/image_preparation.h"
#include "output.h"
#include "report/settings_text.h"
#include "train/training.h"
#include "varve/report.h"

namespace varve::app {
namespace {

// The columns of a table as the model wants them, and what it says of them.
std::string table_text(const Model& model) {
  const auto fitted = TablePreprocessing::from_json(model.metadata("preprocessing"));
  std::string names;
  for (const std::string& name : fitted.feature_names())
    names += (names.empty() ? "" : ", ") + escaped(name);
  return fmt::format("{:<14}rows of a table: {}\n{:<14}{}\n", "takes", names, "predicts",
                     escaped(fitted.target()));
}

// As code would write it: Adam(learning_rate=0.001, ...).
std::string training_text(const CompileOptions& o) {
  const auto line = [](const std::string& name, const std::string& text) {
    return fmt::format("{:<14}{}\n", name, text);
  };
  const auto names = [](const std::vector<Metric>& metrics) {
    std::string out;
    for (const Metric& m : metrics) out += (out.empty() ? "" : ", ") + m.name();
    return out;
  };
  std::string out = line("optimizer", report::settings_text(o.optimizer.config()));
  if (o.loss.one()) out += line("loss", report::settings_text(o.loss.one().config()));
  for (const auto& [output, loss] : o.loss.by_output())
    out += line("loss", report::settings_text(loss.config()) + " of " + escaped(output));
  if (!o.metrics.empty()) out += line("metrics", names(o.metrics));
  for (const auto& [output, metrics] : o.output_metrics)
    out += line("metrics", names(metrics) + " of " + escaped(output));
  return out;
}

std::string about(const Model& model) {
  std::string out;
  const std::string preprocessing = model.metadata("preprocessing");
  if (preprocessing.find("\"table\"") != preprocessing.npos) {
    out += table_text(model);
  } else if (!preprocessing.empty()) {
    const auto p = data::ImagePreparation::from_json(preprocessing);
    out += p.is_picture() ? fmt::format("{:<14}pictures, brought to {} x {} {}\n", "takes",
                                        p.height, p.width, p.channels == 1 ? "grey" : "colour")
                          : fmt::format("{:<14}bytes, divided by {}\n", "takes", p.divide_by);
  }
  std::string classes;
  for (const std::string& name : model.class_names())
    classes += (classes.empty() ? "" : ", ") + escaped(name);
  if (!classes.empty()) out += fmt::format("{:<14}{}\n", "classes", escaped(classes, 1000));
  if (model.compiled()) out += training_text(train::training_of(model).options);
  return out;
}

int summarize(const std::string& path) {
  const Model model = Model::load(path);
  say(summary(model));
  const std::string more = about(model);
  if (!more.empty()) say("\n" + more);
  return 0;
}

struct PlotOptions {
  std::string model, out;
  bool force = false;
};

int plot(const PlotOptions& o) {
  if (!o.out.ends_with(".svg")) {
    throw UsageError("--out: expected a name that ends in .svg, got \"" + escaped(o.out) + "\"");
  }
  check_output(o.out, {o.model}, o.force);
  plot_model(Model::load(o.model), o.out);
  return 0;
}

}  // namespace

Action declare_summary(Arguments& arguments) {
  auto path = std::make_shared<std::string>();
  arguments.positional("MODEL", *path, "The model file.");
  return [path] { return summarize(*path); };
}

Action declare_plot(Arguments& arguments) {
  auto o = std::make_shared<PlotOptions>();
  o->out = "model.svg";
  arguments.positional("MODEL", o->model, "The model file.");
  arguments.text("--out,-o", "FILE", o->out, "The picture (SVG); model.svg by default.");
  arguments.flag("--force", o->force, "Replaces FILE.");
  return [o] { return plot(*o); };
}

}  // namespace varve::app
