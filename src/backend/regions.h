// Regions of interest along one axis: which elements each bin's samples lie between.
#pragma once
#include <algorithm>
#include <cmath>
#include <cstdint>
#include <vector>

namespace varve::backend {

/// One sample along an axis: two elements and their weights.
struct RegionSample {
  int64_t low, high;
  double low_weight, high_weight;
};
/// The samples of each bin that lie within the image.
struct RegionBins {
  std::vector<std::vector<RegionSample>> samples;
  double count = 0;  ///< of samples a bin, those outside included
};

/// Bins of the region from `start` to `end` on an axis of n elements, with `ratio` samples each (0:
/// as many as the bin has elements, rounded up).
inline RegionBins region_bins(double start, double end, int64_t bins, int64_t ratio,
                              bool half_pixel, int64_t n) {
  RegionBins out;
  out.samples.resize(static_cast<size_t>(bins));
  const double length = half_pixel ? end - start : std::max(end - start, 1.);
  const double bin = length / static_cast<double>(bins);
  out.count = ratio > 0 ? static_cast<double>(ratio) : std::ceil(bin);
  if (n < 1 || !std::isfinite(start) || !std::isfinite(bin) || !(out.count > 0)) return out;
  const double step = bin / out.count, size = static_cast<double>(n);
  for (int64_t b = 0; b < bins; ++b) {
    const double origin = start + static_cast<double>(b) * bin + step / 2;
    // Only samples in [-1, n] count; a region far larger than the image has many others.
    double first = 0, last = out.count - 1;
    if (step > 0) {
      first = std::max(first, std::ceil((-1 - origin) / step) - 1);
      last = std::min(last, std::floor((size - origin) / step) + 1);
    }
    // So far away from the image counting has no steps of 1, nor do samples have places.
    if (last >= 0x1p52) continue;
    for (double i = first; i <= last; ++i) {
      double at = origin + i * step;
      if (!(at >= -1) || at > size) continue;
      at = std::max(at, 0.);
      auto low = static_cast<int64_t>(at);
      if (low >= n - 1) {
        low = n - 1;
        at = static_cast<double>(low);
      }
      const double part = at - static_cast<double>(low);
      out.samples[static_cast<size_t>(b)].push_back(
          {low, std::min(low + 1, n - 1), 1 - part, part});
    }
  }
  return out;
}

}  // namespace varve::backend
