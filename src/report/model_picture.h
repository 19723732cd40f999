// A model as a picture's boxes and arrows, for pages.
#pragma once
#include <string>
#include <vector>

#include "report/graph_picture.h"
#include "report/training_report.h"
#include "varve/model.h"
#include "varve/nn/network.h"

namespace varve::report {

/// The shape of one sample: without the batch.
std::string sample_shape(const nn::OpenType& type);
GraphPicture picture_of(const Layer& model, const std::string& title);
std::vector<Curve> curves_of(const History& history);
/// ValueError of a path that does not end in .svg.
void require_svg(const char* operation, std::string_view path);

ConfusionMatrix confusion_of(const Tensor& counts, const std::vector<std::string>& class_names,
                             const std::string& title);
/// "136.0 KiB".
std::string bytes_text(double bytes);
/// "5.2 M" of something.
std::string count_text(double count);

}  // namespace varve::report
