// Regions of interest and non-maximum suppression, as ONNX defines them.
#include <algorithm>
#include <cmath>
#include <string_view>

#include "backend/ref/families.h"
#include "backend/ref/loops.h"
#include "backend/regions.h"

namespace varve::backend::ref {
namespace {

using Sample = RegionSample;
using Bins = RegionBins;

struct Problem {
  Layout image, regions, batch, pooled;
  int64_t ratio;
  double scale;
  bool half_pixel;

  /// Calls f(region, image number, bins of rows, bins of columns); false after a fault.
  template <class F>
  bool each_region(const Arguments& a, F f) const {
    const double offset = half_pixel ? 0.5 : 0;
    const int64_t images = image.shape[0];
    for (int64_t r = 0; r < regions.shape[0]; ++r) {
      const double which = load(batch.dtype, a.inputs[2], r * batch.strides[0]);
      if (!(which >= 0) || which >= static_cast<double>(images)) {
        a.fault->note(2, r, convert<int64_t>(which), 0, images - 1);
        return false;
      }
      double edge[4];
      for (int64_t k = 0; k < 4; ++k) {
        edge[k] =
            load(regions.dtype, a.inputs[1], r * regions.strides[0] + k * regions.strides[1]) *
                scale -
            offset;
      }
      f(r, static_cast<int64_t>(which),
        region_bins(edge[1], edge[3], pooled.shape[1], ratio, half_pixel, image.shape[1]),
        region_bins(edge[0], edge[2], pooled.shape[2], ratio, half_pixel, image.shape[2]));
    }
    return true;
  }
  /// Calls f(weight, row, column) for the four elements of every sample of a bin.
  template <class F>
  static void each_corner(const std::vector<Sample>& rows, const std::vector<Sample>& columns,
                          F f) {
    for (const Sample& y : rows) {
      for (const Sample& x : columns) {
        f(y.low_weight * x.low_weight, y.low, x.low);
        f(y.low_weight * x.high_weight, y.low, x.high);
        f(y.high_weight * x.low_weight, y.high, x.low);
        f(y.high_weight * x.high_weight, y.high, x.high);
      }
    }
  }
};

int64_t at(const Layout& l, int64_t i, int64_t j, int64_t k, int64_t c) {
  return i * l.strides[0] + j * l.strides[1] + k * l.strides[2] + c * l.strides[3];
}

Problem problem(const Request& r, const Layout& image, const Layout& pooled) {
  return {image,
          r.inputs[1],
          r.inputs[2],
          pooled,
          r.attributes.integer("sampling_ratio"),
          r.attributes.real("scale"),
          r.attributes.flag("half_pixel")};
}

/// f(row, column, bins of rows, bins of columns) for every bin.
template <class F>
void each_bin(const Bins& rows, const Bins& columns, F f) {
  for (size_t i = 0; i < rows.samples.size(); ++i) {
    for (size_t j = 0; j < columns.samples.size(); ++j)
      f(static_cast<int64_t>(i), static_cast<int64_t>(j), rows.samples[i], columns.samples[j]);
  }
}

Offer prepare_roi_align(const Request& r) {
  const Problem p = problem(r, r.inputs[0], r.outputs[0]);
  return kernel([p](const Arguments& a) {
    ir::dispatch(p.image.dtype, [&]<class T>(T) {
      p.each_region(a, [&](int64_t n, int64_t image, const Bins& rows, const Bins& columns) {
        const double count = std::max(rows.count * columns.count, 1.);
        each_bin(rows, columns, [&](int64_t i, int64_t j, const auto& ys, const auto& xs) {
          for (int64_t c = 0; c < p.image.shape[3]; ++c) {
            double sum = 0;
            Problem::each_corner(ys, xs, [&](double w, int64_t y, int64_t x) {
              sum += w * static_cast<double>(in<T>(a, 0)[at(p.image, image, y, x, c)]);
            });
            out<T>(a)[at(p.pooled, n, i, j, c)] = convert<T>(sum / count);
          }
        });
      });
    });
  });
}

Offer prepare_roi_align_gradient(const Request& r) {
  const Problem p = problem(r, r.outputs[0], r.inputs[0]);
  return kernel([p](const Arguments& a) {
    ir::dispatch(p.image.dtype, [&]<class T>(T) {
      std::vector<double> sums(static_cast<size_t>(p.image.shape.size()), 0);
      const ir::Strides rows_first = ir::row_major(p.image.shape);
      const Layout whole{f64, p.image.shape, rows_first};
      const bool fine =
          p.each_region(a, [&](int64_t n, int64_t image, const Bins& rows, const Bins& columns) {
            const double count = std::max(rows.count * columns.count, 1.);
            each_bin(rows, columns, [&](int64_t i, int64_t j, const auto& ys, const auto& xs) {
              for (int64_t c = 0; c < p.image.shape[3]; ++c) {
                const double g = static_cast<double>(in<T>(a, 0)[at(p.pooled, n, i, j, c)]) / count;
                Problem::each_corner(ys, xs, [&](double w, int64_t y, int64_t x) {
                  sums[static_cast<size_t>(at(whole, image, y, x, c))] += w * g;
                });
              }
            });
          });
      if (!fine) return;
      for_each_element(p.image.shape, {&rows_first, &p.image.strides}, [&](const int64_t* k) {
        out<T>(a)[k[1]] = convert<T>(sums[static_cast<size_t>(k[0])]);
      });
    });
  });
}

Offer prepare_roi_align_max(const Request& r) {
  const Problem p = problem(r, r.inputs[0], r.outputs[0]);
  return kernel([p, places = r.outputs[1], weights = r.outputs[2]](const Arguments& a) {
    const Layout whole{i64, p.image.shape, ir::row_major(p.image.shape)};
    ir::dispatch(p.image.dtype, [&]<class T>(T) {
      p.each_region(a, [&](int64_t n, int64_t image, const Bins& rows, const Bins& columns) {
        each_bin(rows, columns, [&](int64_t i, int64_t j, const auto& ys, const auto& xs) {
          for (int64_t c = 0; c < p.image.shape[3]; ++c) {
            double best = 0, weight = 0;
            int64_t place = 0;
            bool any = false;
            Problem::each_corner(ys, xs, [&](double w, int64_t y, int64_t x) {
              const double v = w * static_cast<double>(in<T>(a, 0)[at(p.image, image, y, x, c)]);
              if (any && !(v > best) && !(std::isnan(v) && !std::isnan(best))) return;
              best = v, weight = w, place = at(whole, image, y, x, c), any = true;
            });
            // Samples outside of the image count as zeros.
            const auto inside = static_cast<double>(ys.size() * xs.size());
            if (any && best < 0 && inside < rows.count * columns.count) best = weight = 0;
            out<T>(a)[at(p.pooled, n, i, j, c)] = convert<T>(best);
            out<int64_t>(a, 1)[at(places, n, i, j, c)] = place;
            out<T>(a, 2)[at(weights, n, i, j, c)] = convert<T>(weight);
          }
        });
      });
    });
  });
}

struct Box {
  double top, left, bottom, right;
  double area() const { return (bottom - top) * (right - left); }
};

bool overlap(const Box& a, const Box& b, double threshold) {
  const double width = std::min(a.right, b.right) - std::max(a.left, b.left);
  const double height = std::min(a.bottom, b.bottom) - std::max(a.top, b.top);
  if (!(width > 0) || !(height > 0)) return false;
  const double common = width * height, all = a.area() + b.area() - common;
  return a.area() > 0 && b.area() > 0 && all > 0 && common / all > threshold;
}

struct Suppression {
  Layout boxes, scores, y;
  int64_t most;
  double iou, score;
  bool thresholded, center;

  template <class T>
  Box box(const T* b, int64_t image, int64_t i) const {
    const auto v = [&](int64_t k) {
      return static_cast<double>(
          b[image * boxes.strides[0] + i * boxes.strides[1] + k * boxes.strides[2]]);
    };
    if (center) {
      return {v(1) - v(3) / 2, v(0) - v(2) / 2, v(1) + v(3) / 2, v(0) + v(2) / 2};
    }
    return {std::min(v(0), v(2)), std::min(v(1), v(3)), std::max(v(0), v(2)), std::max(v(1), v(3))};
  }

  /// The boxes of one class, best first.
  template <class T>
  std::vector<int64_t> chosen(const T* b, const T* s, int64_t image, int64_t which) const {
    std::vector<std::pair<double, int64_t>> order;
    for (int64_t i = 0; i < boxes.shape[1]; ++i) {
      const auto v = static_cast<double>(
          s[image * scores.strides[0] + which * scores.strides[1] + i * scores.strides[2]]);
      if (!std::isnan(v) && (!thresholded || v > score)) order.emplace_back(-v, i);
    }
    std::sort(order.begin(), order.end());
    std::vector<Box> kept;
    std::vector<int64_t> out;
    for (const auto& [minus, i] : order) {
      if (static_cast<int64_t>(out.size()) >= most) break;
      const Box candidate = box(b, image, i);
      if (std::any_of(kept.begin(), kept.end(),
                      [&](const Box& k) { return overlap(candidate, k, iou); })) {
        continue;
      }
      kept.push_back(candidate);
      out.push_back(i);
    }
    return out;
  }
};

Offer prepare_suppression(const Request& r) {
  const Suppression p{r.inputs[0],
                      r.inputs[1],
                      r.outputs[0],
                      r.attributes.integer("max_output"),
                      r.attributes.real("iou_threshold"),
                      r.attributes.real("score_threshold"),
                      r.attributes.flag("thresholded"),
                      r.attributes.flag("center_point")};
  return kernel([p](const Arguments& a) {
    ir::dispatch(p.boxes.dtype, [&]<class T>(T) {
      int64_t* to = out<int64_t>(a);
      for_each_element(p.y.shape, {&p.y.strides}, [&](const int64_t* k) { to[k[0]] = 0; });
      int64_t found = 0;
      for (int64_t image = 0; image < p.scores.shape[0]; ++image) {
        for (int64_t which = 0; which < p.scores.shape[1]; ++which) {
          for (int64_t i : p.chosen(in<T>(a, 0), in<T>(a, 1), image, which)) {
            if (found >= p.y.shape[0]) continue;
            int64_t* row = to + found++ * p.y.strides[0];
            row[0] = image;
            row[p.y.strides[1]] = which;
            row[2 * p.y.strides[1]] = i;
          }
        }
      }
      *out<int64_t>(a, 1) = found;
    });
  });
}

}  // namespace

std::vector<KernelRow> detection_kernels() {
  return {{"roi_align", "ref roi_align", prepare_roi_align},
          {"roi_align_gradient", "ref roi_align_gradient", prepare_roi_align_gradient},
          {"roi_align_max", "ref roi_align_max", prepare_roi_align_max},
          {"non_max_suppression", "ref non_max_suppression", prepare_suppression}};
}

}  // namespace varve::backend::ref
