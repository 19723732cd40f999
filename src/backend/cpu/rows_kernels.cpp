// Kernels that are weighted sums of rows: resampling, reading between elements, regions.
#include <algorithm>
#include <cstring>
#include <string_view>

#include "backend/cpu/kernels.h"
#include "backend/cpu/simd_rows.h"
#include "backend/cpu/words.h"
#include "backend/regions.h"
#include "base/math.h"
#include "base/threads.h"
#include "ops/resampling_taps.h"

namespace varve::backend::cpu {
namespace {

/// Empty where all operands are packed, not empty and floats but for the one that holds indices.
std::string unfit(const Request& r, size_t indices) {
  for (size_t i = 0; i < r.inputs.size(); ++i) {
    if (r.inputs[i].dtype != (i == indices ? i64 : f32)) return "takes f32, and indices of i64";
  }
  return not_packed_or_empty(r);
}

/// Calls body(begin, end) on shares of n pieces of work of so many multiplications each.
template <class F>
void share(int64_t n, double work, int threads, F body) {
  constexpr double kGrain = 40000;  // some ten microseconds
  parallel_for(n, static_cast<int64_t>(kGrain / std::max(work, 1.)), threads, body);
}

/// y = weighted rows, however many there are.
class Sum {
 public:
  explicit Sum(varve::cpu::WeightedSum f) : f_(f) {}
  void add(float* y, int64_t n, const float* row, float weight) {
    rows_[count_] = row;
    weights_[count_++] = weight;
    if (count_ == kMost) flush(y, n);
  }
  void finish(float* y, int64_t n) {
    if (count_ > 0 || !begun_) flush(y, n);
    begun_ = false;
  }

 private:
  void flush(float* y, int64_t n) {
    f_(y, rows_, weights_, count_, n, begun_);
    begun_ = true;
    count_ = 0;
  }
  static constexpr int64_t kMost = 16;
  varve::cpu::WeightedSum f_;
  const float* rows_[kMost];
  float weights_[kMost];
  int64_t count_ = 0;
  bool begun_ = false;
};

/// A resampling of [outer, from, inner] to [outer, rows, inner].
struct Resampling {
  int64_t outer = 1, from = 1, inner = 1;
  std::vector<int64_t> begin, index;
  std::vector<float> weight;
  int threads = 1;

  int64_t rows() const { return static_cast<int64_t>(begin.size()) - 1; }
  double taps() const { return static_cast<double>(index.size()) / static_cast<double>(rows()); }

  /// Long rows: sums of rows.
  void by_rows(const float* x, float* y) const {
    const int64_t n = rows();
    share(outer * n, taps() * static_cast<double>(inner), threads,
          [&](int64_t first, int64_t last) {
            Sum sum(varve::cpu::weighted_sum());
            for (int64_t r = first; r < last; ++r) {
              const float* image = x + r / n * from * inner;
              float* to = y + r * inner;
              const auto i = static_cast<size_t>(r % n);
              for (int64_t t = begin[i]; t < begin[i + 1]; ++t) {
                const auto k = static_cast<size_t>(t);
                sum.add(to, inner, image + index[k] * inner, weight[k]);
              }
              sum.finish(to, inner);
            }
          });
  }
  /// Short ones: element by element.
  template <int kInner>
  void by_elements(const float* x, float* y) const {
    const int64_t n = rows(), width = kInner > 0 ? kInner : inner;
    const double work = (taps() + 1) * static_cast<double>(n * width);
    share(outer, work, threads, [&](int64_t first, int64_t last) {
      for (int64_t o = first; o < last; ++o) {
        const float* line = x + o * from * width;
        float* to = y + o * n * width;
        for (size_t i = 0; i < static_cast<size_t>(n); ++i, to += width) {
          for (int64_t c = 0; c < width; ++c) {
            float sum = 0;
            for (auto k = static_cast<size_t>(begin[i]); k < static_cast<size_t>(begin[i + 1]); ++k)
              sum += weight[k] * line[index[k] * width + c];
            to[c] = sum;
          }
        }
      }
    });
  }
};

template <class T>
void copy_elements(const Resampling& p, const T* x, T* y) {
  const int64_t n = p.rows();
  const auto bytes = static_cast<size_t>(p.inner) * sizeof(T);
  share(p.outer, static_cast<double>(n * p.inner), p.threads, [&](int64_t first, int64_t last) {
    for (int64_t o = first; o < last; ++o) {
      const T* line = x + o * p.from * p.inner;
      T* to = y + o * n * p.inner;
      for (int64_t i = 0; i < n; ++i, to += p.inner) {
        const T* from = line + p.index[static_cast<size_t>(i)] * p.inner;
        if (p.inner < 8) {
          for (int64_t c = 0; c < p.inner; ++c) to[c] = from[c];
        } else {
          std::memcpy(to, from, bytes);
        }
      }
    }
  });
}

Offer prepare_resample(const Request& r) {
  const Layout &x = r.inputs[0], &y = r.outputs[0];
  if (std::string why = not_packed_or_empty(r); !why.empty()) return Offer::decline(why);
  const bool back = r.op.name == std::string_view("resample_transpose");
  const auto axis = static_cast<size_t>(r.attributes.integer("axis"));
  Resampling p;
  p.threads = r.threads;
  p.from = x.shape.dims()[axis];
  for (size_t i = 0; i < x.shape.dims().size(); ++i) {
    if (i < axis) p.outer *= x.shape.dims()[i];
    if (i > axis) p.inner *= x.shape.dims()[i];
  }
  const int64_t to = y.shape.dims()[axis];
  ops::Taps taps = ops::resampling_taps(r.attributes, back ? to : p.from);
  if (back) taps = ops::transposed(taps, to);
  p.begin = taps.begin;
  p.index = taps.index;
  p.weight.assign(taps.weight.begin(), taps.weight.end());
  if (!back && taps.copies()) {
    return kernel([p, width = size_of(x.dtype)](const Arguments& a) {
      const auto copy = [&]<class T>(T) {
        copy_elements(p, static_cast<const T*>(a.inputs[0]), static_cast<T*>(a.outputs[0]));
      };
      varve::cpu::dispatch_word(width, copy);
    });
  }
  if (x.dtype != f32) return Offer::decline("takes f32");
  return kernel([p](const Arguments& a) {
    const auto* from = static_cast<const float*>(a.inputs[0]);
    auto* result = static_cast<float*>(a.outputs[0]);
    if (p.inner >= 8) return p.by_rows(from, result);
    if (p.inner == 1) return p.by_elements<1>(from, result);
    if (p.inner == 3) return p.by_elements<3>(from, result);
    p.by_elements<0>(from, result);
  });
}

/// x [rows, channels], indices [count, width].
struct Gather {
  int64_t rows, channels, count, width;
  int threads;

  double work() const { return static_cast<double>(width) * static_cast<double>(channels + 4); }
};

/// What such a kernel reads and writes; `other`: weights, or rows.
struct Gathered {
  const float* x;
  const int64_t* index;
  const float* other;
  float* y;
  Fault* fault;

  /// Calls f(k, index) for the indices of item i that name a row. Negative ones name none; one
  /// beyond the last is a fault.
  template <class F>
  void each(const Gather& g, int64_t i, F f) const {
    for (int64_t k = i * g.width; k < (i + 1) * g.width; ++k) {
      if (index[k] >= g.rows) {
        fault->note(1, k, index[k], 0, g.rows - 1);
      } else if (index[k] >= 0) {
        f(k, index[k]);
      }
    }
  }
};

/// A kernel of the operands x, indices and other; `rows`: how many the indices may name.
template <class Run>
Offer gather_kernel(const Request& r, int64_t rows, Run run) {
  if (std::string why = unfit(r, 1); !why.empty()) return Offer::decline(why);
  const Shape& index = r.inputs[1].shape;
  const Gather g{rows, r.inputs[0].shape[1], index[0], index[1], r.threads};
  return kernel([g, run](const Arguments& a) {
    run(g, Gathered{
               static_cast<const float*>(a.inputs[0]), static_cast<const int64_t*>(a.inputs[1]),
               static_cast<const float*>(a.inputs[2]), static_cast<float*>(a.outputs[0]), a.fault});
  });
}

Offer prepare_gather_sum(const Request& r) {
  return gather_kernel(r, r.inputs[0].shape[0], [](const Gather& g, const Gathered& o) {
    share(g.count, g.work(), g.threads, [&](int64_t first, int64_t last) {
      Sum sum(varve::cpu::weighted_sum());
      for (int64_t i = first; i < last; ++i) {
        float* to = o.y + i * g.channels;
        o.each(g, i, [&](int64_t k, int64_t row) {
          sum.add(to, g.channels, o.x + row * g.channels, o.other[k]);
        });
        sum.finish(to, g.channels);
      }
    });
  });
}

Offer prepare_gather_dot(const Request& r) {
  return gather_kernel(r, r.inputs[0].shape[0], [](const Gather& g, const Gathered& o) {
    share(g.count, g.work(), g.threads, [&](int64_t first, int64_t last) {
      const auto product = varve::cpu::row_product();
      for (int64_t i = first; i < last; ++i) {
        std::fill_n(o.y + i * g.width, g.width, 0.f);
        o.each(g, i, [&](int64_t k, int64_t row) {
          o.y[k] = product(o.x + row * g.channels, o.other + i * g.channels, g.channels);
        });
      }
    });
  });
}

Offer prepare_scatter_sum(const Request& r) {
  return gather_kernel(r, r.outputs[0].shape[0], [](const Gather& g, const Gathered& o) {
    const auto add = varve::cpu::weighted_sum();
    // Any row may be written for any index: threads share the columns, a cache line at least.
    constexpr int64_t kLine = 16;
    const double work = 2. * static_cast<double>(g.count * g.width) * kLine;
    share(ceil_div(g.channels, kLine), work, g.threads, [&](int64_t first, int64_t last) {
      const int64_t begin = first * kLine, n = std::min(g.channels, last * kLine) - begin;
      for (int64_t i = 0; i < g.rows; ++i) std::fill_n(o.y + i * g.channels + begin, n, 0.f);
      for (int64_t i = 0; i < g.count; ++i) {
        const float* from = o.x + i * g.channels + begin;
        o.each(g, i, [&](int64_t k, int64_t row) {
          add(o.y + row * g.channels + begin, &from, o.other + k, 1, n, true);
        });
      }
    });
  });
}

/// A region's elements along one axis: those of all samples of a bin together.
struct Merged {
  std::vector<std::vector<std::pair<int64_t, float>>> bins;
  explicit Merged(const RegionBins& from) {
    for (const auto& samples : from.samples) {
      auto& bin = bins.emplace_back();
      const auto add = [&](int64_t at, double weight) {
        const auto same =
            std::find_if(bin.begin(), bin.end(), [&](const auto& e) { return e.first == at; });
        if (same == bin.end()) {
          bin.emplace_back(at, static_cast<float>(weight));
        } else {
          same->second += static_cast<float>(weight);
        }
      };
      for (const RegionSample& s : samples) {
        add(s.low, s.low_weight);
        add(s.high, s.high_weight);
      }
    }
  }
};

Offer prepare_roi_align(const Request& r) {
  if (std::string why = unfit(r, 2); !why.empty()) return Offer::decline(why);
  const Shape &x = r.inputs[0].shape, &y = r.outputs[0].shape;
  struct Problem {
    int64_t images, height, width, channels, regions, rows, columns, ratio;
    int threads;
  };
  const bool half = r.attributes.flag("half_pixel");
  const Problem p{
      x[0], x[1], x[2], x[3], y[0], y[1], y[2], r.attributes.integer("sampling_ratio"), r.threads};
  return kernel([p, half, scale = r.attributes.real("scale")](const Arguments& a) {
    const auto* image = static_cast<const float*>(a.inputs[0]);
    const auto* regions = static_cast<const float*>(a.inputs[1]);
    const auto* which = static_cast<const int64_t*>(a.inputs[2]);
    auto* out = static_cast<float*>(a.outputs[0]);
    const double work = 8. * static_cast<double>(p.rows * p.columns * p.channels);
    share(p.regions, work, p.threads, [&](int64_t first, int64_t last) {
      Sum sum(varve::cpu::weighted_sum());
      for (int64_t i = first; i < last; ++i) {
        if (which[i] < 0 || which[i] >= p.images) {
          a.fault->note(2, i, which[i], 0, p.images - 1);
          return;
        }
        const auto edge = [&](int64_t k) {
          return static_cast<double>(regions[i * 4 + k]) * scale - (half ? 0.5 : 0);
        };
        const RegionBins down = region_bins(edge(1), edge(3), p.rows, p.ratio, half, p.height),
                         across = region_bins(edge(0), edge(2), p.columns, p.ratio, half, p.width);
        const Merged rows(down), columns(across);
        const auto share_of = static_cast<float>(1 / std::max(down.count * across.count, 1.));
        const float* from = image + which[i] * p.height * p.width * p.channels;
        float* to = out + i * p.rows * p.columns * p.channels;
        for (const auto& ys : rows.bins) {
          for (const auto& xs : columns.bins) {
            for (const auto& [row, weight] : ys) {
              for (const auto& [column, other] : xs) {
                sum.add(to, p.channels, from + (row * p.width + column) * p.channels,
                        weight * other * share_of);
              }
            }
            sum.finish(to, p.channels);
            to += p.channels;
          }
        }
      }
    });
  });
}

/// Windows added back, tap by tap: each tap's elements lie in a box of y with steps.
struct OverlapAdd {
  std::vector<int64_t> box;  ///< positions, and the sizes of the other axes
  ir::Strides from, to;      ///< steps of that box in x and in y
  struct Tap {
    int64_t from, to;
  };
  std::vector<Tap> taps;
  bool apart = false;  ///< the first axis is no window's: threads may share it
  int64_t size = 0;    ///< elements of y
  int threads = 1;

  /// n positions of an axis, all of those behind it.
  void add(size_t axis, int64_t n, const float* x, float* y) const {
    const int64_t s = from[axis], t = to[axis];
    if (axis + 1 < box.size()) {
      for (int64_t i = 0; i < n; ++i) add(axis + 1, box[axis + 1], x + i * s, y + i * t);
    } else if (s == 1 && t == 1) {
      for (int64_t i = 0; i < n; ++i) y[i] += x[i];
    } else {
      for (int64_t i = 0; i < n; ++i) y[i * t] += x[i * s];
    }
  }
  void run(const float* x, float* y) const {
    if (!apart) {
      std::fill_n(y, size, 0.f);
      for (const Tap& t : taps) add(0, box[0], x + t.from, y + t.to);
      return;
    }
    const double work = 2. * static_cast<double>(size) / static_cast<double>(box[0]);
    share(box[0], work, threads, [&](int64_t first, int64_t last) {
      float* mine = y + first * to[0];
      std::fill_n(mine, (last - first) * to[0], 0.f);
      for (const Tap& t : taps) add(0, last - first, x + first * from[0] + t.from, mine + t.to);
    });
  }
};

Offer prepare_overlap_add(const Request& r) {
  const Layout &x = r.inputs[0], &y = r.outputs[0];
  if (x.dtype != f32) return Offer::decline("takes f32");
  if (!y.contiguous()) return Offer::decline("writes row-major elements");
  if (x.shape.size() == 0 || y.shape.size() == 0) return Offer::decline("takes no empty operands");
  const ir::Ints &axes = r.attributes.ints("axes"), &window = r.attributes.ints("window"),
                 &strides = r.attributes.ints("strides"), &dilation = r.attributes.ints("dilation");
  const auto rank = y.shape.dims().size();
  if (rank == 0) return Offer::decline("takes at least one axis");
  OverlapAdd p;
  p.box.assign(x.shape.begin(), x.shape.begin() + static_cast<std::ptrdiff_t>(rank));
  p.from.assign(x.strides.begin(), x.strides.begin() + static_cast<std::ptrdiff_t>(rank));
  p.to = y.strides;
  p.size = y.shape.size();
  p.threads = r.threads;
  p.apart = axes.empty() || axes[0] != 0;
  p.taps = {{0, 0}};
  for (size_t i = 0; i < axes.size(); ++i) {
    const auto axis = static_cast<size_t>(axes[i]);
    std::vector<OverlapAdd::Tap> all;
    for (const auto& tap : p.taps) {
      for (int64_t t = 0; t < window[i]; ++t) {
        all.push_back(
            {tap.from + t * x.strides[rank + i], tap.to + t * dilation[i] * y.strides[axis]});
      }
    }
    p.taps = std::move(all);
    // One position takes no step, however long.
    p.to[axis] = p.box[axis] > 1 ? y.strides[axis] * strides[i] : 0;
  }
  return kernel([p](const Arguments& a) {
    p.run(static_cast<const float*>(a.inputs[0]), static_cast<float*>(a.outputs[0]));
  });
}

}  // namespace

std::vector<KernelRow> rows_kernels() {
  return {{"resample", "simd resample", prepare_resample},
          {"resample_transpose", "simd resample", prepare_resample},
          {"gather_sum", "simd gather_sum", prepare_gather_sum},
          {"gather_dot", "simd gather_dot", prepare_gather_dot},
          {"scatter_sum", "simd scatter_sum", prepare_scatter_sum},
          {"roi_align", "simd roi_align", prepare_roi_align},
          {"overlap_add", "cpu overlap_add", prepare_overlap_add}};
}

}  // namespace varve::backend::cpu
