#include "recipes/recipe.h"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <filesystem>
#include <nlohmann/json.hpp>

#include "formats/atomic_file.h"
#include "formats/csv.h"
#include "formats/png.h"
#include "report/contact_sheet.h"
#include "report/judge.h"
#include "report/model_picture.h"

namespace varve::recipes {
namespace {

constexpr std::array kTable{
    Recipe{"softmax_regression", "X08", "MNIST with one layer: the oldest baseline",
           softmax_regression},
    Recipe{"xor", "X11", "exclusive or, which no single unit learns, by two hidden ones",
           xor_problem},
    Recipe{"mnist_mlp", "X20", "MNIST with two dense layers and dropout", mnist_mlp},
    Recipe{"mnist_convnet", "X22", "MNIST with two convolutions: the demonstration", mnist_convnet},
    Recipe{"lenet5", "X24", "MNIST with the network of 1998", lenet5},
};

constexpr size_t kMistakes = 25;
constexpr int64_t kDigits = 10;

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

std::string percent(double share) { return fmt::format("{:.2f} %", share * 100); }

std::string time_text(double seconds) {
  if (seconds < 60) return fmt::format("{:.1f} s", seconds);
  const auto whole = static_cast<int64_t>(seconds + 0.5);
  return fmt::format("{} min {} s", whole / 60, whole % 60);
}

void write_history(const History& history, const std::string& path) {
  std::string text = "epoch";
  for (const std::string& name : history.names()) text += "," + formats::csv_cell(name);
  for (int64_t epoch = 0; epoch < history.epochs(); ++epoch) {
    text += fmt::format("\n{}", epoch + 1);
    for (const std::string& name : history.names())
      text += fmt::format(",{}", history[name][static_cast<size_t>(epoch)]);
  }
  formats::write_file(path, text + "\n");
}

// The first test picture of each class, as files to try `varve predict` on.
void write_samples(const Dataset& test, const std::string& folder) {
  std::filesystem::create_directories(folder);
  const std::vector<int64_t> classes = test.classes();
  for (int64_t c = 0; c < kDigits; ++c) {
    const auto at = std::find(classes.begin(), classes.end(), c);
    if (at == classes.end()) continue;
    formats::write_png(folder + "/digit_" + std::to_string(c) + ".png",
                       report::picture_of_sample(test, at - classes.begin()));
  }
}

std::vector<report::Tile> tiles(const Outcome& o) {
  std::vector<report::Tile> out{
      {"Test " + std::string(o.figure.higher_is_better ? "accuracy" : "error"),
       percent(o.figure.value), o.published ? "published " + percent(*o.published) : ""},
      {"Gate", percent(o.figure.gate), o.figure.passed() ? "reached" : "not reached"},
      {"Parameters", report::figure(static_cast<double>(o.parameters))},
      {"Training", time_text(o.seconds),
       report::figure(std::round(o.samples_per_second)) + " samples a second"}};
  return out;
}

void write_pictures(const Recipe& recipe, const Settings& settings, const Outcome& o) {
  const std::string& out = settings.out;
  Model model = *o.model;
  model.save(out + "/model.safetensors");
  plot_model(model, out + "/model.svg");
  report::TrainingReport page{
      .title = recipe.name,
      .subtitle = std::string(recipe.help) + ". Seed " + std::to_string(settings.seed) + "."};
  page.tiles = tiles(o);
  page.network = report::picture_of(model, "");
  page.summary = summary(model);
  page.settings = o.settings;
  for (const Figure& f : o.also) {
    page.settings.emplace_back(
        f.metric,
        percent(f.value) + (f.passed() ? ", gate " : ", misses the gate ") + percent(f.gate));
  }
  if (o.history) {
    write_history(*o.history, out + "/history.csv");
    plot_history(*o.history, out + "/curves.svg");
    page.history = report::curves_of(*o.history);
  }
  if (o.test) {
    const Tensor prediction = model.predict(*o.test);
    const std::vector<int64_t> truth = o.test->classes();
    const report::Judged judged = report::judge(prediction, truth, true);
    const Tensor counts = confusion_matrix(prediction, tensor(truth, {truth.size()}));
    page.confusion = report::confusion_of(counts, o.test->class_names(), "Confusion matrix");
    page.mistakes = report::worst_mistakes(judged, *o.test, o.test->class_names(), kMistakes);
    write_samples(*o.test, out + "/digits");
    std::vector<formats::Array> sheet;
    for (const report::GalleryItem& item : page.mistakes) sheet.push_back(item.picture);
    if (!sheet.empty())
      formats::write_png(out + "/mistakes.png", report::contact_sheet(sheet, {.columns = 5}));
  }
  formats::write_file(out + "/report.html", report::training_page(page));
}

void say_result(const Settings& settings, const Outcome& o) {
  const auto line = [&](const Figure& f, const std::optional<double>& published) {
    settings.say(fmt::format("{:<36} {:>9}   {}gate {} {}\n", f.metric, percent(f.value),
                             published ? "published " + percent(*published) + "   " : "",
                             percent(f.gate), f.passed() ? "reached" : "MISSED"));
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
  return {"result.json", "model.safetensors", "history.csv", "model.svg",
          "curves.svg",  "mistakes.png",      "report.html", "digits"};
}

bool run(const Recipe& recipe, const Settings& settings) {
  const Outcome outcome = recipe.run(settings);
  if (outcome.model) write_pictures(recipe, settings, outcome);
  // Last: where it stands, all else is there.
  write_result(recipe, settings, outcome);
  say_result(settings, outcome);
  return outcome.passed();
}

}  // namespace varve::recipes
