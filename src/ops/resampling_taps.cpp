#include "ops/resampling_taps.h"

#include <algorithm>
#include <cmath>
#include <string>

namespace varve::ops {
namespace {

using ir::Attributes;

/// Adds weights of one row, merged by index; indices beyond the border are those of the border, or
/// are left out.
class Row {
 public:
  Row(int64_t input, bool exclude_outside) : input_(input), exclude_(exclude_outside) {}

  void add(int64_t index, double weight) {
    if (exclude_ && (index < 0 || index >= input_)) return;
    index = std::clamp<int64_t>(index, 0, input_ - 1);
    total_ += weight;
    if (!index_.empty() && index_.back() == index) {
      weight_.back() += weight;
    } else {
      index_.push_back(index);
      weight_.push_back(weight);
    }
  }
  /// Ends the row; `scaled`: so that its weights add up to 1.
  void put(Taps& to, bool scaled) {
    for (size_t k = 0; k < index_.size(); ++k) {
      const double w = scaled ? weight_[k] / total_ : weight_[k];
      if (w == 0) continue;  // nothing is read there
      to.index.push_back(index_[k]);
      to.weight.push_back(w);
    }
    to.begin.push_back(static_cast<int64_t>(to.index.size()));
  }

 private:
  int64_t input_;
  bool exclude_;
  double total_ = 0;
  std::vector<int64_t> index_;
  std::vector<double> weight_;
};

double cubic(double x, double a) {
  x = std::abs(x);
  if (x <= 1) return ((a + 2) * x - (a + 3)) * x * x + 1;
  return x < 2 ? a * (((x - 5) * x + 8) * x - 4) : 0;
}

int64_t nearest(double at, const std::string& rounding) {
  // A scale is a rounded quotient: what should be an element's place, or the middle between two,
  // may lie just beside it.
  const double half = std::round(2 * at) / 2;
  if (std::abs(at - half) <= 1e-9 * std::max(1., std::abs(at))) at = half;
  const double low = std::floor(at);
  if (rounding == "floor") return static_cast<int64_t>(low);
  if (rounding == "ceil") return static_cast<int64_t>(std::ceil(at));
  const bool up = rounding == "round_prefer_ceil" ? at - low >= 0.5 : at - low > 0.5;
  return static_cast<int64_t>(low) + up;
}

/// The elements that output i of `size` covers, each with the same weight.
void put_area(Taps& to, int64_t i, int64_t size, int64_t input) {
  // i * input / size, without passing 2^63 before the quotient does.
  const int64_t whole = input / size, rest = input % size;
  const int64_t first = i * whole + i * rest / size;
  const int64_t last = (i + 1) * whole + ((i + 1) * rest + size - 1) / size;
  for (int64_t k = first; k < last; ++k) {
    to.index.push_back(k);
    to.weight.push_back(1. / static_cast<double>(last - first));
  }
  to.begin.push_back(static_cast<int64_t>(to.index.size()));
}

}  // namespace

bool Taps::copies() const {
  for (size_t i = 0; i + 1 < begin.size(); ++i) {
    if (begin[i + 1] != begin[i] + 1 || weight[static_cast<size_t>(begin[i])] != 1) return false;
  }
  return true;
}

double source_of(const Attributes& a, int64_t i, int64_t input) {
  const auto& coordinates = a.get<std::string>("coordinates");
  const auto size = static_cast<double>(a.integer("size")), n = static_cast<double>(input);
  const double at = static_cast<double>(i), scale = a.real("scale"), length = scale * n;
  const bool single = std::abs(length - 1) <= 1e-9;
  if (coordinates == "asymmetric") return at / scale;
  if (coordinates == "align_corners") return single ? 0 : at * (n - 1) / (length - 1);
  if (coordinates == "tf_crop_and_resize") {
    const double start = a.real("start"), end = a.real("end");
    const double step = single ? 0.5 : at / (length - 1);
    return start * (n - 1) + step * (end - start) * (n - 1);
  }
  if (coordinates == "pytorch_half_pixel" && single) return -0.5;
  const double half = (at + 0.5) / scale - 0.5;
  return coordinates == "half_pixel_symmetric" ? half + n / 2 * (1 - size / length) : half;
}

Taps resampling_taps(const Attributes& a, int64_t input) {
  const auto &method = a.get<std::string>("method"), &rounding = a.get<std::string>("rounding");
  const int64_t size = a.integer("size");
  const bool crop = a.get<std::string>("coordinates") == "tf_crop_and_resize";
  const bool linear = method == "linear", antialias = a.flag("antialias");
  // How much wider than over neighbours the kernel is.
  const double stretch = antialias ? std::max(1., 1 / a.real("scale")) : 1;
  const double coefficient = a.real("cubic_coefficient"), support = (linear ? 1 : 2) * stretch;
  const bool exclude = a.flag("exclude_outside");
  const auto most = static_cast<double>(input - 1);
  Taps taps;
  for (int64_t i = 0; i < size; ++i) {
    if (method == "area") {
      put_area(taps, i, size, input);
      continue;
    }
    double at = source_of(a, i, input);
    Row row(input, exclude);
    if (crop && !(at >= 0 && at <= most)) {
      row.put(taps, false);
      continue;
    }
    // So far out all taps lie on one element.
    at = std::clamp(at, -support - 2, most + support + 2);
    if (method == "nearest") {
      Row copied(input, false);
      copied.add(nearest(at, rounding), 1);
      copied.put(taps, false);
      continue;
    }
    const auto first = static_cast<int64_t>(std::floor(at - support)) + 1,
               last = static_cast<int64_t>(std::ceil(at + support)) - 1;
    for (int64_t k = first; k <= last; ++k) {
      const double away = (static_cast<double>(k) - at) / stretch;
      row.add(k, linear ? std::max(0., 1 - std::abs(away)) : cubic(away, coefficient));
    }
    row.put(taps, antialias || exclude);
  }
  return taps;
}

Taps transposed(const Taps& taps, int64_t rows) {
  Taps out;
  out.begin.assign(static_cast<size_t>(rows) + 1, 0);
  for (int64_t k : taps.index) ++out.begin[static_cast<size_t>(k) + 1];
  for (size_t r = 1; r < out.begin.size(); ++r) out.begin[r] += out.begin[r - 1];
  out.index.resize(taps.index.size());
  out.weight.resize(taps.index.size());
  std::vector<int64_t> next = out.begin;
  for (int64_t i = 0; i < taps.rows(); ++i) {
    for (int64_t t = taps.begin[static_cast<size_t>(i)]; t < taps.begin[static_cast<size_t>(i) + 1];
         ++t) {
      const auto to =
          static_cast<size_t>(next[static_cast<size_t>(taps.index[static_cast<size_t>(t)])]++);
      out.index[to] = i;
      out.weight[to] = taps.weight[static_cast<size_t>(t)];
    }
  }
  return out;
}

}  // namespace varve::ops
