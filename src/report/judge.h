// What a classifier said of a test part, and where it was wrong.
#pragma once
#include <cstdint>
#include <string>
#include <vector>

#include "report/page.h"
#include "varve/dataset.h"
#include "varve/tensor.h"

namespace varve::report {

struct Judged {
  std::vector<int64_t> truth, said;
  std::vector<double> sure;      // probability of the class that was said
  std::vector<double> of_truth;  // probability of the true class
  int64_t classes = 0;

  double accuracy() const;
  /// Positions that were told wrongly, the surest first.
  std::vector<int64_t> mistakes() const;
};

/// Predictions [n, classes], or [n] or [n, 1] for two classes; scores before softmax or sigmoid
/// where `from_logits`.
Judged judge(const Tensor& prediction, const std::vector<int64_t>& truth, bool from_logits);
/// Rows of probabilities: softmax of logits, sigmoid where there is one number a row (then two
/// columns: 1 - p and p).
std::vector<std::vector<double>> probabilities(const Tensor& prediction, bool from_logits);

/// Whether samples are pictures: [height, width, 1 or 3], bytes or floating numbers.
bool are_pictures(const Dataset& data);
/// The picture of a sample as it is stored; floating numbers are spread from 0..1 (or from their
/// own range where that is wider) over 0..255.
formats::Array picture_of_sample(const Dataset& data, int64_t position);
/// The worst `count` of them.
std::vector<GalleryItem> worst_mistakes(const Judged& judged, const Dataset& data,
                                        const std::vector<std::string>& class_names, size_t count);

}  // namespace varve::report
