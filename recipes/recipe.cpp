#include "recipes/recipe.h"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <cmath>
#include <nlohmann/json.hpp>

#include "formats/atomic_file.h"
#include "report/svg.h"
#include "report/training_files.h"

namespace varve::recipes {
namespace {

using report::percent_text;
using report::time_text;

constexpr std::array kTable{
    Recipe{"softmax_regression", "X08", "MNIST with one layer: the oldest baseline",
           softmax_regression},
    Recipe{"xor", "X11", "exclusive or, which no single unit learns, by two hidden ones",
           xor_problem},
    Recipe{"mnist_mlp", "X20", "MNIST with two dense layers and dropout", mnist_mlp},
    Recipe{"mnist_convnet", "X22", "MNIST with two convolutions: the demonstration", mnist_convnet},
    Recipe{"mnist_convnet_bf16", "X124", "the same in half precision, beside f32",
           mnist_convnet_bf16},
    Recipe{"lenet5", "X24", "MNIST with the network of 1998", lenet5},
    Recipe{"lenet5_bf16", "X124", "the same in half precision, beside f32", lenet5_bf16},
};

constexpr const char* kSamples = "digits";

using Json = nlohmann::ordered_json;

Json to_json(const Figure& f) {
  return {{"metric", f.metric},
          {"value", f.value},
          {"gate", f.gate},
          {"better", f.higher_is_better ? "higher" : "lower"},
          {"passed", f.passed()}};
}

void write_result(const Recipe& recipe, const Settings& settings, const Outcome& o) {
  Json also = Json::array();
  for (const Figure& f : o.also) also.push_back(to_json(f));
  const Json result{{"name", recipe.name},
                    {"target", recipe.target},
                    {"metric", o.figure.metric},
                    {"value", o.figure.value},
                    {"published", o.published ? Json(*o.published) : Json()},
                    {"gate", o.figure.gate},
                    {"better", o.figure.higher_is_better ? "higher" : "lower"},
                    {"passed", o.passed()},
                    {"seed", settings.seed},
                    {"seconds", o.seconds},
                    {"samples_per_second", o.samples_per_second},
                    {"parameters", o.parameters},
                    {"also", also}};
  formats::write_file(settings.out + "/result.json", result.dump(2) + "\n");
}

std::vector<report::Tile> tiles(const Outcome& o) {
  std::vector<report::Tile> out{
      {"Test " + std::string(o.figure.higher_is_better ? "accuracy" : "error"),
       percent_text(o.figure.value), o.published ? "published " + percent_text(*o.published) : ""},
      {"Gate", percent_text(o.figure.gate), o.figure.passed() ? "reached" : "not reached"},
      {"Parameters", report::figure(static_cast<double>(o.parameters))},
      {"Training", time_text(o.seconds),
       report::figure(std::round(o.samples_per_second)) + " samples a second"}};
  return out;
}

void write_files(const Recipe& recipe, const Settings& settings, const Outcome& o) {
  report::TrainedModel t{
      .title = recipe.name,
      .subtitle = std::string(recipe.help) + ". Seed " + std::to_string(settings.seed) + ".",
      .model = *o.model};
  t.tiles = tiles(o);
  t.settings = o.settings;
  for (const Figure& f : o.also) {
    t.settings.emplace_back(f.metric, percent_text(f.value) +
                                          (f.passed() ? ", gate " : ", misses the gate ") +
                                          percent_text(f.gate));
  }
  t.history = o.history;
  t.test = o.test;
  if (o.test) t.class_names = o.test->class_names();
  t.samples = kSamples;
  t.sample = "digit";
  report::write_training(settings.out, std::move(t));
}

void say_result(const Settings& settings, const Outcome& o) {
  const auto line = [&](const Figure& f, const std::optional<double>& published) {
    settings.say(fmt::format("{:<36} {:>9}   {}gate {} {}\n", f.metric, percent_text(f.value),
                             published ? "published " + percent_text(*published) + "   " : "",
                             percent_text(f.gate), f.passed() ? "reached" : "MISSED"));
  };
  settings.say("\n");
  line(o.figure, o.published);
  for (const Figure& f : o.also) line(f, {});
  settings.say(fmt::format("{:<36} {:>9}   {} samples a second\n", "training time",
                           time_text(o.seconds), report::figure(std::round(o.samples_per_second))));
  settings.say(fmt::format("{:<36} {}\n", "result", settings.out + "/result.json"));
  if (o.model) {
    settings.say(fmt::format("{:<36} {}\n", "model", settings.out + "/model.safetensors"));
    settings.say(fmt::format("{:<36} {}\n", "report", settings.out + "/report.html"));
  }
}

}  // namespace

bool Outcome::passed() const {
  return figure.passed() &&
         std::all_of(also.begin(), also.end(), [](const Figure& f) { return f.passed(); });
}

std::span<const Recipe> table() { return kTable; }

const Recipe* find(std::string_view name) {
  for (const Recipe& r : kTable) {
    if (name == r.name) return &r;
  }
  return nullptr;
}

std::vector<std::string> output_files() {
  std::vector<std::string> out = report::training_files(kSamples);
  out.push_back("result.json");
  return out;
}

bool run(const Recipe& recipe, const Settings& settings) {
  report::remove_results(settings.out);
  const Outcome outcome = recipe.run(settings);
  if (outcome.model) write_files(recipe, settings, outcome);
  // Last: where it stands, all else is there.
  write_result(recipe, settings, outcome);
  say_result(settings, outcome);
  return outcome.passed();
}

}  // namespace varve::recipes
