// The page that a training leaves behind.
#pragma once
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "report/chart.h"
#include "report/graph_picture.h"
#include "report/page.h"

namespace varve::report {

/// One number an epoch, by name; "val_loss" belongs to "loss".
struct Curve {
  std::string name;
  std::vector<double> values;
};

struct TrainingReport {
  std::string title, subtitle;
  std::vector<Tile> tiles = {};
  std::vector<Curve> history = {};
  /// What the figures below are taken from: "test" or "validation".
  std::string part = "test";
  std::optional<ConfusionMatrix> confusion = {};
  /// The file beside the page that holds all its counts; named even where they are not drawn.
  std::string confusion_file = {};
  /// Pictures that were classified wrongly, the worst first.
  std::vector<GalleryItem> mistakes = {};
  /// Rows of a table that were predicted worst, with a head; for data without pictures.
  std::vector<std::string> worst_head = {};
  std::vector<std::vector<std::string>> worst_rows = {};
  std::optional<GraphPicture> network = {};
  std::string summary = {};
  std::vector<std::pair<std::string, std::string>> settings = {};
};

/// "top_k" as "Top k", "auc" as "AUC".
std::string heading_text(std::string name);

/// One chart a quantity, training and validation together, "loss" first.
std::vector<std::string> learning_curves(const std::vector<Curve>& history);

/// Parts without data are left out.
std::string training_page(const TrainingReport& report);

}  // namespace varve::report
