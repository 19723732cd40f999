// room: report
// Looking at models and trainings: tables and pictures. Pictures are SVG files, which every browser
// opens.
#pragma once
#include <string>
#include <string_view>
#include <vector>

#include "varve/model.h"

namespace varve {

/// The table that `Model::summary` prints: layers with the shape of what they give for one sample,
/// parameters, and floating-point operations of a forward pass; then totals and memory.
/// Throws ValueError where the model was not built.
std::string summary(const Layer& model);

/// Writes a picture of the network: boxes with name, type, output shape and parameters, arrows
/// between them, as SVG. Throws ValueError where the model was not built or the path does not end
/// in .svg, IoError.
void plot_model(const Layer& model, std::string_view path);

/// Writes the learning curves as SVG: one chart a quantity, training and validation together.
/// Throws IoError, ValueError for a history without epochs and a path that does not end in .svg.
void plot_history(const History& history, std::string_view path);

/// Counts of [true class, predicted class], i64 [classes, classes]. Predictions: [n, classes] (the
/// largest is the class; the number of classes is theirs) or [n] or [n, 1] (above `threshold` is
/// class 1). Targets: classes [n] or [n, 1], or one-hot rows. Throws ShapeError, IndexError.
Tensor confusion_matrix(const Tensor& prediction, const Tensor& target, Real threshold = 0.5);
/// Writes such a matrix as a heat map, as SVG. Throws ShapeError where names and counts do not fit,
/// ValueError for a path that does not end in .svg, IoError.
void plot_confusion_matrix(const Tensor& counts, const std::vector<std::string>& class_names,
                           std::string_view path);

}  // namespace varve
