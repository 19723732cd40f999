#include "job/train_job.h"

#include <fmt/format.h>

#include <algorithm>
#include <chrono>
#include <cmath>

#include "base/error.h"
#include "data/table_state.h"
#include "formats/atomic_file.h"
#include "formats/file.h"
#include "job/check.h"
#include "report/settings_text.h"
#include "report/svg.h"
#include "report/training_files.h"
#include "report/training_report.h"
#include "varve/nn/network.h"
#include "varve/ops/random.h"
#include "varve/report.h"

namespace varve::job {
namespace {

using config::Json;

constexpr const char* kSamples = "samples";
constexpr const char* kInterrupted = "interrupted";

void build(const Job& job, Model& model, const Dataset& data) {
  const Batch one = data.batch(std::vector<int64_t>{0});
  const Shape& x = one.x().shape();
  const std::string place = job.model.contains("zoo")    ? "model.zoo"
                            : job.model.contains("file") ? "model.file"
                                                         : "model.layers";
  try {
    model.build(Shape(std::vector<int64_t>(x.begin() + 1, x.end())), one.x().dtype());
  } catch (const Error& e) {
    const std::string at = e.at().empty() || e.at()[0] == '(' ? e.at() : "(at " + e.at() + ")";
    job.fail(place + ": " + e.message() + (at.empty() ? "" : " ") + at, e.hint());
  }
}

Json scores_json(const Scores& scores) {
  Json out = Json::object();
  for (const auto& [name, value] : scores.values())
    out[name] = std::isfinite(value) ? Json(value) : Json();
  return out;
}

// Of a target that the loss cannot mean: where targets stand; of anything else, the section.
[[noreturn]] void fail_training(const Job& job, const Error& e) {
  if (e.message().find(": target[") == std::string::npos)
    job.fail("train: " + e.message(), e.hint());
  const TargetPlaces places = places_of_targets(job, false);
  job.fail(places.key + ": " + e.message() + " (targets: " + places.data + ")", e.hint());
}

struct Reached {
  History history;
  std::vector<std::pair<std::string, Scores>> parts;  // "training", "validation", "test"
  double seconds = 0, samples_per_second = 0;
};

Reached reach(const Job& job, PreparedJob& p, const TrainSettings& settings) {
  FitOptions options{.batch_size = job.train.batch_size,
                     .epochs = job.train.epochs,
                     .callbacks = job.callbacks(),
                     .validation_data = p.data.validation,
                     .shuffle = job.train.shuffle,
                     .seed = job.seed,
                     .check_data = job.train.check_data,
                     .resume = settings.resume,
                     .resume_older = settings.resume_older};
  // Not epochs times rows: those before a checkpoint took no time here.
  int64_t samples = 0, before = 0;
  const auto stop_if_told = [&](TrainState& s) {
    if (settings.interrupted()) s.stop(kInterrupted);
  };
  options.callbacks.push_back(
      callbacks::Hooks{.on_train_begin =
                           [&](TrainState& s) {
                             // Not before: a checkpoint that cannot be read leaves them.
                             report::remove_results(job.directory);
                             stop_if_told(s);
                           },
                       .on_batch_begin = [&](TrainState& s) { before = s.samples(); },
                       .on_batch_end =
                           [&](TrainState& s) {
                             samples += s.samples() - before;
                             stop_if_told(s);
                           }});
  if (!job.train.class_weight.empty()) options.class_weight = job.train.class_weight;
  Reached out;
  const auto begin = std::chrono::steady_clock::now();
  try {
    out.history = p.model.fit(p.data.train, options);
  } catch (const NumericError& e) {
    throw NumericError(job.file + ": training stopped: " + e.message(), e.hint(), e.at());
  } catch (const ShapeError& e) {
    job.fail("model: " + e.message(), e.hint());
  } catch (const IndexError& e) {
    fail_training(job, e);
  } catch (const ValueError& e) {
    fail_training(job, e);
  }
  out.seconds = std::chrono::duration<double>(std::chrono::steady_clock::now() - begin).count();
  out.samples_per_second = static_cast<double>(samples) / std::max(out.seconds, 1e-9);
  out.parts.emplace_back("training", p.model.evaluate(p.data.train));
  if (p.data.validation) out.parts.emplace_back("validation", p.model.evaluate(*p.data.validation));
  if (p.data.test) out.parts.emplace_back("test", p.model.evaluate(*p.data.test));
  return out;
}

report::TableRows rows_of(const Table& table, const Dataset& judged, const std::string& target) {
  report::TableRows out;
  out.columns.push_back("line");
  for (const std::string& column : table.columns()) {
    if (column != target) out.columns.push_back(column);
  }
  out.cells = [table, judged, columns = out.columns](int64_t sample) {
    const int64_t row = judged.rows()[static_cast<size_t>(sample)];
    std::vector<std::string> cells{std::to_string(table.state()->csv.line(row))};
    for (size_t i = 1; i < columns.size(); ++i) cells.push_back(table.cell(row, columns[i]));
    return cells;
  };
  return out;
}

std::vector<std::pair<std::string, std::string>> settings_of(const Job& job, const PreparedJob& p,
                                                             const Reached& r) {
  const JobData& d = p.data;
  std::string parts = report::figure(static_cast<double>(d.train.size())) + " for training";
  if (d.validation)
    parts += ", " + report::figure(static_cast<double>(d.validation->size())) + " for validation";
  if (d.test) parts += ", " + report::figure(static_cast<double>(d.test->size())) + " for testing";
  std::vector<std::pair<std::string, std::string>> out{
      {"job", job.file},
      {"data", parts},
      {"optimizer", report::settings_text(p.model.optimizer().config())},
      {"loss", report::settings_text(job.train.loss.config())},
      {"batch size", std::to_string(job.train.batch_size.value)},
      {"epochs", fmt::format("{} of {}", r.history.epochs(), job.train.epochs.value)},
      {"seed", std::to_string(job.seed)}};
  if (!job.train.class_weight.empty()) out.emplace_back("class weight", job.train.class_weight);
  for (const Json& callback : job.train.callbacks)
    out.emplace_back("callback", report::settings_text(callback.dump()));
  const auto stopped = r.history.params.find("stopped");
  if (stopped != r.history.params.end() && !stopped->second.empty())
    out.emplace_back("stopped", stopped->second);
  return out;
}

std::vector<report::Tile> tiles_of(const PreparedJob& p, const Reached& r) {
  const auto& [part, scores] = r.parts.back();
  std::vector<report::Tile> out;
  for (const auto& [name, value] : scores.values()) {
    const bool share = name != "loss" && value >= 0 && value <= 1 && !p.data.class_names.empty();
    out.push_back({report::heading_text(name),
                   share ? report::percent_text(value) : fmt::format("{:.4g}", value),
                   "on the " + part + " part"});
  }
  out.push_back({"Parameters", report::figure(static_cast<double>(p.model.parameter_count()))});
  out.push_back({"Training", report::time_text(r.seconds),
                 report::figure(std::round(r.samples_per_second)) + " samples a second"});
  return out;
}

void write_result(const Job& job, const PreparedJob& p, const Reached& r) {
  Json scores = Json::object();
  for (const auto& [part, values] : r.parts) scores[part] = scores_json(values);
  const Json result{{"name", job.name},
                    {"job", job.file},
                    {"seed", job.seed},
                    {"seconds", r.seconds},
                    {"samples_per_second", r.samples_per_second},
                    {"epochs", r.history.epochs()},
                    {"parameters", p.model.parameter_count()},
                    {"scores", scores}};
  formats::write_file(job.directory + "/result.json", result.dump(2) + "\n");
}

void say_result(const Job& job, const Reached& r, const TrainSettings& settings) {
  size_t width = 20;
  for (const auto& [name, value] : r.parts[0].second.values()) width = std::max(width, name.size());
  std::string head = fmt::format("\n{:<{}}", "", width);
  for (const auto& [part, scores] : r.parts) head += fmt::format("{:>12}", part);
  settings.say(head + "\n");
  for (const auto& [name, first] : r.parts[0].second.values()) {
    std::string line = fmt::format("{:<{}}", name, width);
    for (const auto& [part, scores] : r.parts) line += fmt::format("{:>12.4f}", scores[name]);
    settings.say(line + "\n");
  }
  settings.say("\n");
  for (const char* file : {"model.safetensors", "report.html", "result.json"})
    settings.say(job.directory + "/" + file + "\n");
  if (r.history.params.at("stopped") != kInterrupted) return;
  const std::string checkpoint = job.checkpoint();
  settings.say(fmt::format(
      "\ninterrupted in epoch {} of {}{}\n", r.history.epochs(), job.train.epochs.value,
      checkpoint.empty()
          ? ""
          : "; the same command with --resume " + formats::shown(checkpoint) + " goes on"));
}

}  // namespace

PreparedJob prepare(const Job& job) {
  random::seed(job.seed);
  JobData data = load_data(job);
  const size_t classes = data.class_names.size();
  PreparedJob out{std::move(data), [&] {
                    try {
                      return make_model(job.model,
                                        job.classification() ? static_cast<int64_t>(classes) : -1);
                    } catch (const ConfigError& e) {
                      job.fail(e.message(), e.hint());
                    }
                  }()};
  build(job, out.model, out.data.train);
  check_measures(job, out.model, out.data);
  out.model.compile({.optimizer = job.train.optimizer.fresh(),
                     .loss = job.train.loss,
                     .metrics = job.train.metrics,
                     .precision = Precision::parse(job.train.precision)});
  out.model.set_metadata(kSplitKey, out.data.record.to_json());
  return out;
}

namespace {

void begin_with(const std::string& file, Model& model) {
  const LoadReport report = model.load_weights(file, {.partial = true});
  if (report.complete()) return;
  throw FormatError(formats::shown(file) + ": the weights do not fit the model of the job:\n" +
                        report.to_string(),
                    "it must be a model of the same layers");
}

}  // namespace

void train(const Job& job, const TrainSettings& settings) {
  PreparedJob p = prepare(job);
  if (!settings.initial.empty()) begin_with(settings.initial, p.model);
  settings.say(summary(p.model) + "\n");
  const Reached r = reach(job, p, settings);
  report::TrainedModel t{
      .title = job.name, .subtitle = "Trained by " + job.file + ".", .model = p.model};
  t.tiles = tiles_of(p, r);
  t.history = r.history;
  t.test = p.data.judged();
  t.part = p.data.judged_name();
  t.class_names = p.data.class_names;
  if (p.data.table && t.test) t.rows = rows_of(*p.data.table, *t.test, job.data.csv.target);
  t.samples = kSamples;
  t.sample = "sample";
  t.settings = settings_of(job, p, r);
  report::write_training(job.directory, std::move(t));
  write_result(job, p, r);
  say_result(job, r, settings);
}

std::vector<std::string> output_files() {
  std::vector<std::string> out = report::training_files(kSamples);
  out.push_back("result.json");
  return out;
}

}  // namespace varve::job
