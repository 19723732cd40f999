#include "report/training_files.h"

#include <fmt/format.h>

#include <algorithm>
#include <cctype>
#include <cmath>
#include <filesystem>
#include <numeric>

#include "formats/atomic_file.h"
#include "formats/csv.h"
#include "formats/file.h"
#include "formats/png.h"
#include "report/contact_sheet.h"
#include "report/model_picture.h"
#include "report/training_report.h"
#include "train/training.h"
#include "varve/report.h"

namespace varve::report {
namespace {

constexpr size_t kWorst = 25;
// More classes than this are no longer told apart in a picture of their confusions.
constexpr size_t kMostClasses = 60;
constexpr const char* kConfusionFile = "confusion.csv";
// A table of more than four million counts is no help to anybody.
constexpr size_t kMostClassesInFile = 2000;
// A table of worst rows is read, not scrolled through.
constexpr size_t kMostColumns = 10;

std::string history_csv(const History& history) {
  std::string text = "epoch";
  for (const std::string& name : history.names()) text += "," + formats::csv_cell(name);
  for (int64_t epoch = 0; epoch < history.epochs(); ++epoch) {
    text += fmt::format("\n{}", epoch + 1);
    for (const std::string& name : history.names())
      text += fmt::format(",{}", history[name][static_cast<size_t>(epoch)]);
  }
  return text + "\n";
}

// A class name as part of a file's name.
std::string file_part(const std::string& name) {
  std::string out;
  for (char c : name.substr(0, 60)) {
    const auto u = static_cast<unsigned char>(c);
    out += std::isalnum(u) || c == '-' || c == '_' || u >= 0x80 ? c : '_';
  }
  return out;
}

void write_samples(const std::string& folder, const TrainedModel& t, const Judged& judged) {
  std::error_code error;
  std::filesystem::create_directories(folder, error);
  if (error) throw IoError(formats::shown(folder) + ": " + error.message());
  for (size_t c = 0; c < t.class_names.size() && c < kMostClasses; ++c) {
    const auto at = std::find(judged.truth.begin(), judged.truth.end(), static_cast<int64_t>(c));
    if (at == judged.truth.end()) continue;
    formats::write_png(folder + "/" + t.sample + "_" + file_part(t.class_names[c]) + ".png",
                       picture_of_sample(*t.test, at - judged.truth.begin()));
  }
}

ConfusionMatrix confusion(const Judged& judged, const std::vector<std::string>& names) {
  const size_t n = names.size();
  ConfusionMatrix out{.title = "Confusion matrix", .classes = names};
  out.counts.assign(n * n, 0);
  for (size_t i = 0; i < judged.truth.size(); ++i) {
    ++out.counts[static_cast<size_t>(judged.truth[i]) * n + static_cast<size_t>(judged.said[i])];
  }
  return out;
}

// A row of the table: what was said of it, then its own cells.
std::vector<std::string> table_row(std::vector<std::string> said, const TableRows& rows,
                                   int64_t sample) {
  std::vector<std::string> cells = rows.cells(sample);
  cells.resize(std::min(cells.size(), kMostColumns));
  said.insert(said.end(), cells.begin(), cells.end());
  return said;
}

std::vector<std::string> table_head(std::vector<std::string> said, const TableRows& rows) {
  const auto n = static_cast<int64_t>(std::min(rows.columns.size(), kMostColumns));
  said.insert(said.end(), rows.columns.begin(), rows.columns.begin() + n);
  return said;
}

// A row a true class, a column a class that was said.
std::string confusion_csv(const ConfusionMatrix& matrix) {
  std::string text = "true \\ predicted";
  for (const std::string& name : matrix.classes) text += "," + formats::csv_cell(name);
  const size_t n = matrix.classes.size();
  for (size_t i = 0; i < n; ++i) {
    text += "\n" + formats::csv_cell(matrix.classes[i]);
    for (size_t j = 0; j < n; ++j) text += "," + std::to_string(matrix.counts[i * n + j]);
  }
  return text + "\n";
}

void show_confusion(TrainingReport& page, const std::string& folder, const TrainedModel& t,
                    const Judged& judged) {
  if (t.class_names.size() > kMostClassesInFile) return;
  ConfusionMatrix matrix = confusion(judged, t.class_names);
  formats::write_file(folder + "/" + kConfusionFile, confusion_csv(matrix));
  page.confusion_file = kConfusionFile;
  if (t.class_names.size() <= kMostClasses) page.confusion = std::move(matrix);
}

void show_classes(TrainingReport& page, const TrainedModel& t, const Judged& judged) {
  if (are_pictures(*t.test)) {
    page.mistakes = worst_mistakes(judged, *t.test, t.class_names, kWorst);
  } else if (t.rows) {
    page.worst_head = table_head({"said", "is", judged.probabilities ? "sure" : "score"}, *t.rows);
    for (int64_t i : judged.mistakes()) {
      if (page.worst_rows.size() == kWorst) break;
      const auto at = static_cast<size_t>(i);
      page.worst_rows.push_back(
          table_row({t.class_names.at(static_cast<size_t>(judged.said[at])),
                     t.class_names.at(static_cast<size_t>(judged.truth[at])),
                     judged.probabilities ? percent_text(judged.sure[at])
                                          : fmt::format("{:.4g}", judged.sure[at])},
                    *t.rows, i));
    }
  }
}

void require_names(const TrainedModel& t, const Judged& judged) {
  if (judged.classes == static_cast<int64_t>(t.class_names.size())) return;
  throw ShapeError("report: the model tells " + std::to_string(judged.classes) +
                   " classes apart, and " + std::to_string(t.class_names.size()) + " have names");
}

void show_numbers(TrainingReport& page, const TrainedModel& t, const Tensor& prediction) {
  const std::vector<double> said = prediction.to_doubles(), is = t.test->all().y().to_doubles();
  // Several numbers a sample do not fit into a table of one.
  if (!t.rows || said.size() != is.size() || said.size() != static_cast<size_t>(t.test->size())) {
    return;
  }
  std::vector<int64_t> order(said.size());
  std::iota(order.begin(), order.end(), 0);
  const auto off = [&](int64_t i) {
    return std::abs(said[static_cast<size_t>(i)] - is[static_cast<size_t>(i)]);
  };
  std::stable_sort(order.begin(), order.end(),
                   [&](int64_t a, int64_t b) { return off(a) > off(b); });
  page.worst_head = table_head({"said", "is", "off by"}, *t.rows);
  for (int64_t i : order) {
    if (page.worst_rows.size() == kWorst) break;
    const auto at = static_cast<size_t>(i);
    page.worst_rows.push_back(
        table_row({fmt::format("{:.4g}", said[at]), fmt::format("{:.4g}", is[at]),
                   fmt::format("{:.4g}", off(i))},
                  *t.rows, i));
  }
}

}  // namespace

std::string percent_text(double share) { return fmt::format("{:.2f} %", share * 100); }

std::string time_text(double seconds) {
  if (seconds < 1) return fmt::format("{:.0f} ms", seconds * 1e3);
  if (seconds < 60) return fmt::format("{:.1f} s", seconds);
  const auto whole = static_cast<int64_t>(seconds + 0.5);
  return fmt::format("{} min {} s", whole / 60, whole % 60);
}

std::vector<std::string> training_files(const std::string& samples) {
  std::vector<std::string> out{"model.safetensors", "model.svg",   "history.csv",  "curves.svg",
                               "mistakes.png",      "report.html", "confusion.csv"};
  if (!samples.empty()) out.push_back(samples);
  return out;
}

void remove_results(const std::string& folder) {
  for (const char* name : {"/report.html", "/result.json"}) {
    std::error_code error;
    std::filesystem::remove(folder + name, error);
    if (error) throw IoError(formats::shown(folder + name) + ": " + error.message());
  }
}

void write_training(const std::string& folder, TrainedModel t) {
  t.model.save(folder + "/model.safetensors");
  plot_model(t.model, folder + "/model.svg");
  TrainingReport page{.title = t.title, .subtitle = t.subtitle};
  page.tiles = t.tiles;
  page.part = t.part;
  page.network = picture_of(t.model, "");
  page.summary = summary(t.model);
  page.settings = t.settings;
  if (t.history && t.history->epochs() > 0) {
    formats::write_file(folder + "/history.csv", history_csv(*t.history));
    plot_history(*t.history, folder + "/curves.svg");
    page.history = curves_of(*t.history);
  }
  if (t.test) {
    const Tensor prediction = t.model.predict(*t.test);
    if (t.class_names.empty()) {
      show_numbers(page, t, prediction);
    } else {
      const Loss& loss = train::training_of(t.model).options.loss.one();
      const Judged judged = judge(prediction, t.test->classes(), train::output_kind(t.model, loss));
      require_names(t, judged);
      show_confusion(page, folder, t, judged);
      show_classes(page, t, judged);
      if (are_pictures(*t.test) && !t.samples.empty()) {
        write_samples(folder + "/" + t.samples, t, judged);
      }
    }
    std::vector<formats::Array> sheet;
    for (const GalleryItem& item : page.mistakes) sheet.push_back(item.picture);
    if (!sheet.empty())
      formats::write_png(folder + "/mistakes.png", contact_sheet(sheet, {.columns = 5}));
  }
  formats::write_file(folder + "/report.html", training_page(page));
}

}  // namespace varve::report
