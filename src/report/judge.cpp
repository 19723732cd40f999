#include "report/judge.h"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>
#include <numeric>

namespace varve::report {

namespace {

using train::OutputKind;

double sigmoid(double x) { return 1 / (1 + std::exp(-x)); }

std::vector<double> scores_of_row(std::vector<double> row, bool one, OutputKind kind) {
  if (one) {
    if (kind == OutputKind::margins) return {-row[0], row[0]};
    const double p = train::is_above_zero(kind) ? sigmoid(row[0]) : row[0];
    return {1 - p, p};
  }
  if (kind == OutputKind::yes_no_logits) {
    std::transform(row.begin(), row.end(), row.begin(), sigmoid);
  } else if (kind == OutputKind::logits) {
    const double top = *std::max_element(row.begin(), row.end());
    double sum = 0;
    for (double& v : row) sum += v = std::exp(v - top);
    for (double& v : row) v /= sum;
  }
  return row;
}

}  // namespace

std::vector<std::vector<double>> class_scores(const Tensor& prediction, OutputKind kind) {
  const Shape& shape = prediction.shape();
  const bool one = shape.rank() == 1 || (shape.rank() == 2 && shape[1] == 1);
  if (!one && shape.rank() != 2) {
    throw ShapeError("judge: expected predictions [n, classes] or [n], got " + shape.to_string());
  }
  const int64_t n = shape[0], width = one ? 1 : shape[1];
  const std::vector<double> values = prediction.to_doubles();
  std::vector<std::vector<double>> out;
  for (int64_t i = 0; i < n; ++i) {
    out.push_back(
        scores_of_row({values.begin() + i * width, values.begin() + (i + 1) * width}, one, kind));
  }
  return out;
}

Judged judge(const Tensor& prediction, const std::vector<int64_t>& truth, OutputKind kind) {
  const std::vector<std::vector<double>> p = class_scores(prediction, kind);
  if (p.size() != truth.size()) {
    throw ShapeError("judge: " + std::to_string(p.size()) + " predictions for " +
                     std::to_string(truth.size()) + " targets");
  }
  Judged out;
  out.truth = truth;
  out.probabilities = train::has_probabilities(kind);
  out.classes = p.empty() ? 0 : static_cast<int64_t>(p[0].size());
  for (size_t i = 0; i < p.size(); ++i) {
    if (truth[i] < 0 || truth[i] >= out.classes) {
      throw IndexError("judge: target[" + std::to_string(i) + "] = " + std::to_string(truth[i]) +
                       ", and the model tells " + std::to_string(out.classes) + " classes apart");
    }
    const auto best = std::max_element(p[i].begin(), p[i].end());
    out.said.push_back(best - p[i].begin());
    out.sure.push_back(*best);
    out.of_truth.push_back(p[i][static_cast<size_t>(truth[i])]);
  }
  return out;
}

double Judged::accuracy() const {
  int64_t right = 0;
  for (size_t i = 0; i < truth.size(); ++i) right += truth[i] == said[i];
  return truth.empty() ? 0 : static_cast<double>(right) / static_cast<double>(truth.size());
}

std::vector<int64_t> Judged::mistakes() const {
  std::vector<int64_t> out;
  for (size_t i = 0; i < truth.size(); ++i) {
    if (truth[i] != said[i]) out.push_back(static_cast<int64_t>(i));
  }
  std::stable_sort(out.begin(), out.end(), [&](int64_t a, int64_t b) {
    return sure[static_cast<size_t>(a)] > sure[static_cast<size_t>(b)];
  });
  return out;
}

bool are_pictures(const Dataset& data) {
  if (data.stored_inputs().size() != 1) return false;
  const Tensor& x = data.stored_inputs()[0];
  return x.rank() == 4 && (x.shape()[3] == 1 || x.shape()[3] == 3) &&
         (x.dtype() == u8 || is_floating(x.dtype()));
}

formats::Array picture_of_sample(const Dataset& data, int64_t position) {
  const Batch sample = data.stored_batch(std::vector<int64_t>{position});
  const Tensor& x = sample.x();
  formats::Array out(u8, Shape{x.shape()[1], x.shape()[2], x.shape()[3]});
  const std::vector<double> values = x.to_doubles();
  double low = 0, high = x.dtype() == u8 ? 255 : 1;
  if (x.dtype() != u8) {
    const auto [least, most] = std::minmax_element(values.begin(), values.end());
    low = std::min(low, *least);
    high = std::max(high, *most);
  }
  for (size_t i = 0; i < values.size(); ++i) {
    out.span<uint8_t>()[i] =
        static_cast<uint8_t>(std::lround((values[i] - low) / (high - low) * 255));
  }
  return out;
}

namespace {

std::string sure_text(const Judged& judged, size_t at, const std::string& truth) {
  const double sure = judged.sure[at], of_truth = judged.of_truth[at];
  return judged.probabilities ? fmt::format("{:.1f}\u00a0% sure\n{}: {:.1f}\u00a0%", sure * 100,
                                            truth, of_truth * 100)
                              : fmt::format("score {:.3g}\n{}: {:.3g}", sure, truth, of_truth);
}

}  // namespace

std::vector<GalleryItem> worst_mistakes(const Judged& judged, const Dataset& data,
                                        const std::vector<std::string>& class_names, size_t count) {
  const auto name = [&](int64_t c) {
    return static_cast<size_t>(c) < class_names.size() ? class_names[static_cast<size_t>(c)]
                                                       : std::to_string(c);
  };
  std::vector<GalleryItem> out;
  for (int64_t i : judged.mistakes()) {
    if (out.size() == count) break;
    const auto at = static_cast<size_t>(i);
    out.push_back({picture_of_sample(data, i),
                   "said " + name(judged.said[at]) + ", is " + name(judged.truth[at]),
                   sure_text(judged, at, name(judged.truth[at]))});
  }
  return out;
}

}  // namespace varve::report
