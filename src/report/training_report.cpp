#include "report/training_report.h"

#include <algorithm>
#include <cmath>

#include "varve/version.h"

namespace varve::report {
namespace {

constexpr std::string_view kValidation = "val_", kLearningRate = "learning_rate";

constexpr std::pair<std::string_view, const char*> kAbbreviations[] = {
    {"auc", "AUC"}, {"mae", "MAE"}, {"mse", "MSE"}, {"rmse", "RMSE"}};

bool is_share(const Curve& curve) {
  for (const char* name : {"accuracy", "top_k", "f1", "precision", "recall"}) {
    if (curve.name.find(name) == curve.name.npos) continue;
    return std::all_of(curve.values.begin(), curve.values.end(),
                       [](double v) { return !(v < 0 || v > 1); });
  }
  return false;
}

Series series(const std::string& name, const Curve& curve) {
  Series out{name, {}, curve.values};
  for (size_t i = 1; i <= curve.values.size(); ++i) out.x.push_back(static_cast<double>(i));
  return out;
}

// The share of each class that was told wrongly.
std::string error_bars(const ConfusionMatrix& m) {
  const size_t n = m.classes.size();
  BarChart chart{.title = "Mistakes by class",
                 .value_label = "share of the class that was told wrongly",
                 .percent = true};
  for (size_t i = 0; i < n; ++i) {
    int64_t total = 0;
    for (size_t j = 0; j < n; ++j) total += m.counts[i * n + j];
    if (total == 0) continue;
    const int64_t wrong = total - m.counts[i * n + i];
    chart.bars.push_back(
        {m.classes[i], static_cast<double>(wrong) / static_cast<double>(total),
         figure(static_cast<double>(wrong)) + " of " + figure(static_cast<double>(total))});
  }
  return bar_chart(chart);
}

}  // namespace

std::string heading_text(std::string name) {
  for (const auto& [known, shown] : kAbbreviations) {
    if (name == known) return shown;
  }
  std::replace(name.begin(), name.end(), '_', ' ');
  if (!name.empty() && name[0] >= 'a' && name[0] <= 'z')
    name[0] = static_cast<char>(name[0] - 'a' + 'A');
  return name;
}

std::vector<std::string> learning_curves(const std::vector<Curve>& history) {
  std::vector<std::pair<std::string, std::vector<const Curve*>>> groups;
  for (const Curve& curve : history) {
    const bool validation = curve.name.starts_with(kValidation);
    const std::string base = validation ? curve.name.substr(kValidation.size()) : curve.name;
    auto at =
        std::find_if(groups.begin(), groups.end(), [&](const auto& g) { return g.first == base; });
    if (at == groups.end()) at = groups.insert(groups.end(), {base, {}});
    at->second.push_back(&curve);
  }
  std::stable_partition(groups.begin(), groups.end(),
                        [](const auto& g) { return g.first == "loss"; });
  std::vector<std::string> out;
  for (const auto& [name, curves] : groups) {
    LineChart chart{
        .title = heading_text(name), .x_label = "epoch", .percent = is_share(*curves[0])};
    for (const Curve* c : curves) {
      const bool validation = c->name.starts_with(kValidation);
      // The learning rate is set, not measured on a part of the data.
      const bool set = c->name == kLearningRate;
      chart.series.push_back(series(validation ? "validation" : set ? "" : "training", *c));
    }
    // What is best may lie far from zero; the charts show the part that the values fill.
    out.push_back(line_chart(chart));
  }
  return out;
}

std::string training_page(const TrainingReport& report) {
  Page page(report.title, report.subtitle);
  if (!report.tiles.empty()) page.tiles(report.tiles);
  if (!report.history.empty()) {
    const bool validation =
        std::any_of(report.history.begin(), report.history.end(),
                    [](const Curve& c) { return c.name.starts_with(kValidation); });
    page.section("How it learned",
                 std::string("Figures of the training part are means over each epoch, while the "
                             "weights still change") +
                     (validation ? "; those of the validation part are taken at its end." : "."));
    page.pictures(learning_curves(report.history));
  }
  if (report.confusion || !report.confusion_file.empty()) {
    const std::string file =
        report.confusion_file.empty()
            ? ""
            : " " + report.confusion_file + " beside this page holds all counts.";
    page.section("What it confuses",
                 "Each row is a true class; the columns are what the network said of it, on the " +
                     report.part + " part." + file);
  }
  if (report.confusion) {
    page.pictures({confusion_matrix(*report.confusion), error_bars(*report.confusion)});
  }
  if (!report.mistakes.empty()) {
    const size_t n = report.mistakes.size();
    page.section(n == 1 ? "The worst mistake" : "The " + std::to_string(n) + " worst mistakes",
                 "Pictures of the " + report.part +
                     " part that the network told wrongly, those first of which it was surest.");
    page.gallery(report.mistakes);
  }
  if (!report.worst_rows.empty()) {
    page.section("The worst predictions",
                 "Rows of the " + report.part + " part that the network missed by most.");
    page.table(report.worst_head, report.worst_rows);
  }
  if (report.network) {
    page.section("The network");
    page.picture_and_text(draw_graph(*report.network), report.summary);
  }
  if (!report.settings.empty()) {
    page.section("How it was made");
    std::vector<std::vector<std::string>> rows;
    for (const auto& [name, value] : report.settings) rows.push_back({name, value});
    page.table({"setting", "value"}, rows);
  }
  return page.finish(std::string("Made by Varve ") + kVersion +
                     ". This page stands alone: it loads nothing and opens offline.");
}

}  // namespace varve::report
