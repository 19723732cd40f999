// What a classifier said of a test part, and where it was wrong.
#pragma once
#include <cstdint>
#include <string>
#include <vector>

#include "report/page.h"
#include "train/output_kind.h"
#include "varve/dataset.h"
#include "varve/tensor.h"

namespace varve::report {

struct Judged {
  std::vector<int64_t> truth, said;
  std::vector<double> sure;      // probability of the class that was said, or its score
  std::vector<double> of_truth;  // the same of the true class
  bool probabilities = true;     // or scores, of which a larger one says more
  int64_t classes = 0;

  double accuracy() const;
  /// Positions that were told wrongly, the surest first.
  std::vector<int64_t> mistakes() const;
};

/// Predictions [n, classes], or [n] or [n, 1] for two classes. Throws ShapeError; IndexError for a
/// target that is none of the classes.
Judged judge(const Tensor& prediction, const std::vector<int64_t>& truth, train::OutputKind kind);
/// A number a class and row, the largest of which tells the class: the probability where the kind
/// gives some. Of one number a row come two: 1 - p and p, of a margin -m and m.
std::vector<std::vector<double>> class_scores(const Tensor& prediction, train::OutputKind kind);

/// Whether samples are pictures: [height, width, 1 or 3], bytes or floating numbers.
bool are_pictures(const Dataset& data);
/// The picture of a sample as it is stored; floating numbers are spread from 0..1 (or from their
/// own range where that is wider) over 0..255.
formats::Array picture_of_sample(const Dataset& data, int64_t position);
/// The worst `count` of them.
std::vector<GalleryItem> worst_mistakes(const Judged& judged, const Dataset& data,
                                        const std::vector<std::string>& class_names, size_t count);

}  // namespace varve::report
