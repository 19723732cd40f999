// Ops that work lane by lane along an axis (orders, running sums, places of extremes, one-hot
// rows): lanes are shared among the threads.
#include <algorithm>
#include <cmath>
#include <cstring>
#include <limits>

#include "backend/cpu/kernels.h"
#include "backend/cpu/order_keys.h"
#include "backend/cpu/simd_top.h"
#include "base/math.h"
#include "base/threads.h"
#include "ir/dispatch.h"

namespace varve::backend::cpu {
namespace {

using varve::cpu::key_of;
using varve::cpu::Narrow;
using varve::cpu::Wide;

/// Lanes of a packed tensor along an axis: element i of lane l is x[start(l) + i * step].
struct Lanes {
  int64_t count = 0, length = 0, step = 1;
  int threads = 1;

  int64_t start(int64_t lane, int64_t of_length) const {
    return lane / step * (step * of_length) + lane % step;
  }
};

Lanes lanes_of(const Request& r) {
  const Layout& x = r.inputs[0];
  const int64_t axis = r.attributes.integer("axis");
  Lanes l{1, x.shape[static_cast<int>(axis)], 1, r.threads};
  for (int i = 0; i < x.shape.rank(); ++i) {
    if (i != axis) l.count *= x.shape[i];
    if (i > axis) l.step *= x.shape[i];
  }
  return l;
}

/// About 30 microseconds of work a part, at so many nanoseconds an element.
int64_t lanes_a_part(const Lanes& l, double nanoseconds) {
  return std::max<int64_t>(
      1, static_cast<int64_t>(3e4 /
                              (nanoseconds * static_cast<double>(std::max<int64_t>(l.length, 1)))));
}
/// How many threads have such a part of their own.
int64_t parts_of(const Lanes& l, double nanoseconds) {
  return std::min<int64_t>(l.threads, ceil_div(l.count, lanes_a_part(l, nanoseconds)));
}
/// Calls body(part, lane) for every lane.
template <class F>
void share_lanes(const Lanes& l, int64_t parts, F body) {
  parallel_for(parts, 1, l.threads, [&](int64_t first, int64_t last) {
    for (int64_t p = first; p < last; ++p) {
      for (int64_t lane = l.count * p / parts; lane < l.count * (p + 1) / parts; ++lane)
        body(p, lane);
    }
  });
}

class Order final : public Kernel {
 public:
  Order(const Request& r, int64_t k, bool descending)
      : lanes_(lanes_of(r)),
        dtype_(r.inputs[0].dtype),
        k_(k),
        descending_(descending),
        narrow_(size_of(dtype_) <= 4 && lanes_.length <= int64_t{UINT32_MAX}) {}

  int64_t scratch_bytes() const override {
    return parts() * lanes_.length *
           static_cast<int64_t>(narrow_ ? sizeof(Narrow::Entry) : sizeof(Wide::Entry));
  }
  void run(const Arguments& a) const noexcept override {
    ir::dispatch(dtype_, [&]<class T>(T) {
      if constexpr (sizeof(T) <= 4) {
        if (narrow_) return order<T, Narrow>(a);
      } else {
        order<T, Wide>(a);
      }
    });
  }

 private:
  template <class T, class How>
  void order(const Arguments& a) const {
    using Entry = typename How::Entry;
    const auto* x = static_cast<const T*>(a.inputs[0]);
    auto* y = static_cast<int64_t*>(a.outputs[0]);
    auto* room = reinterpret_cast<Entry*>(a.scratch);
    share_lanes(lanes_, parts(), [&](int64_t part, int64_t l) {
      order_lane<How>(x + lanes_.start(l, lanes_.length), room + part * lanes_.length,
                      y + lanes_.start(l, k_));
    });
  }
  template <class How, class T>
  void order_lane(const T* lane, typename How::Entry* entries, int64_t* places) const {
    for (int64_t i = 0; i < lanes_.length; ++i) {
      const auto key = key_of(lane[i * lanes_.step]);
      entries[i] = How::entry(descending_ ? ~key : key, i);
    }
    if (0 < k_ && k_ < lanes_.length) {
      std::nth_element(entries, entries + k_, entries + lanes_.length);
    }
    std::sort(entries, entries + k_);
    for (int64_t i = 0; i < k_; ++i) places[i * lanes_.step] = How::place(entries[i]);
  }
  /// Each has room for one lane.
  int64_t parts() const {
    return parts_of(lanes_, 2 * std::log2(static_cast<double>(lanes_.length) + 2));
  }

  Lanes lanes_;
  DType dtype_;
  int64_t k_;
  bool descending_, narrow_;
};

Offer prepare_order(const Request& r, int64_t k, bool descending) {
  if (std::string why = not_packed(r); !why.empty()) return Offer::decline(why);
  if (r.inputs[0].shape[static_cast<int>(r.attributes.integer("axis"))] > int64_t{UINT32_MAX} &&
      size_of(r.inputs[0].dtype) <= 4) {
    return Offer::decline("lanes of 2^32 elements");
  }
  return Offer(std::make_unique<Order>(r, k, descending));
}
Offer prepare_argsort(const Request& r) {
  const int64_t n = r.inputs[0].shape[static_cast<int>(r.attributes.integer("axis"))];
  return prepare_order(r, n, r.attributes.flag("descending"));
}
Offer prepare_top_k(const Request& r) { return prepare_order(r, r.attributes.integer("k"), true); }

/// Few places of long lanes: a pass over each that keeps the best.
class FewTop final : public Kernel {
 public:
  explicit FewTop(const Request& r)
      : lanes_(lanes_of(r)),
        dtype_(r.inputs[0].dtype),
        k_(r.attributes.integer("k")),
        parts_(parts_of(lanes_, 0.2 + (k_ > 8 ? 200. : 80.) / static_cast<double>(lanes_.length))) {
  }

  /// Lanes with steps are packed first.
  int64_t scratch_bytes() const override {
    return lanes_.step == 1 ? 0 : parts_ * (lanes_.length * size_of(dtype_) + k_ * kPlaceBytes);
  }
  void run(const Arguments& a) const noexcept override {
    if (dtype_ == f32) return find<float>(a);
    if (dtype_ == f64) return find<double>(a);
    if (dtype_ == i32) return find<int32_t>(a);
    find<int64_t>(a);
  }

 private:
  static constexpr auto kPlaceBytes = static_cast<int64_t>(sizeof(int64_t));

  template <class T>
  void find(const Arguments& a) const {
    const auto* x = static_cast<const T*>(a.inputs[0]);
    auto* y = static_cast<int64_t*>(a.outputs[0]);
    const int64_t n = lanes_.length, step = lanes_.step;
    auto* places = reinterpret_cast<int64_t*>(a.scratch);
    auto* rows = reinterpret_cast<T*>(places + parts_ * k_);
    share_lanes(lanes_, parts_, [&](int64_t part, int64_t l) {
      const T* lane = x + lanes_.start(l, n);
      int64_t* to = y + lanes_.start(l, k_);
      if (step == 1) return varve::cpu::top_places(lane, n, k_, to);
      T* row = rows + part * n;
      int64_t* found = places + part * k_;
      for (int64_t i = 0; i < n; ++i) row[i] = lane[i * step];
      varve::cpu::top_places(row, n, k_, found);
      for (int64_t i = 0; i < k_; ++i) to[i * step] = found[i];
    });
  }

  Lanes lanes_;
  DType dtype_;
  int64_t k_, parts_;
};

Offer prepare_few_top(const Request& r) {
  if (std::string why = not_packed(r); !why.empty()) return Offer::decline(why);
  const Layout& x = r.inputs[0];
  const int64_t k = r.attributes.integer("k"),
                n = x.shape[static_cast<int>(r.attributes.integer("axis"))];
  if (x.dtype != f32 && x.dtype != f64 && x.dtype != i32 && x.dtype != i64)
    return Offer::decline("takes f32, f64, i32 and i64");
  // Others are as fast in order. Entries of eight bytes' keys take twice the steps.
  if (k < 1 || k > varve::cpu::kMostTop || n < 4 * k || (size_of(x.dtype) == 8 && n <= 32))
    return Offer::decline("takes few places of long lanes");
  if (n > int64_t{UINT32_MAX}) return Offer::decline("lanes of 2^32 elements");
  return Offer(std::make_unique<FewTop>(r));
}

/// Running sums in double, of integers in 64 bits, as the reference's.
Offer prepare_cumsum(const Request& r) {
  if (std::string why = not_packed(r); !why.empty()) return Offer::decline(why);
  const Lanes lanes = lanes_of(r);
  const bool reverse = r.attributes.flag("reverse"), exclusive = r.attributes.flag("exclusive");
  const DType dtype = r.inputs[0].dtype;
  if (dtype != f32 && dtype != f64 && dtype != i64) return Offer::decline("adds f32, f64 and i64");
  return kernel([=](const Arguments& a) {
    const auto add_up = [&]<class T, class Sum>(T, Sum) {
      parallel_for(lanes.count, lanes_a_part(lanes, 1.5), lanes.threads,
                   [&](int64_t begin, int64_t end) {
                     for (int64_t l = begin; l < end; ++l) {
                       const int64_t start = lanes.start(l, lanes.length);
                       const T* x = static_cast<const T*>(a.inputs[0]) + start;
                       T* y = static_cast<T*>(a.outputs[0]) + start;
                       Sum total = 0;
                       for (int64_t k = 0; k < lanes.length; ++k) {
                         const int64_t i = (reverse ? lanes.length - 1 - k : k) * lanes.step;
                         const auto v = static_cast<Sum>(x[i]);
                         y[i] = static_cast<T>(exclusive ? total : total + v);
                         total += v;
                       }
                     }
                   });
    };
    if (dtype == f32) return add_up(float{}, double{});
    if (dtype == f64) return add_up(double{}, double{});
    add_up(int64_t{}, uint64_t{});
  });
}

/// The extreme element of a dense lane, or NaN where there is one. Eight chains, which become one
/// register.
template <bool kLargest, class T>
T extreme(const T* x, int64_t n) {
  constexpr int64_t kChains = 8;
  T best[kChains];
  bool nan[kChains] = {};
  std::fill_n(best, kChains, x[0]);
  int64_t i = 0;
  for (; i + kChains <= n; i += kChains) {
    for (int64_t j = 0; j < kChains; ++j) {
      const T v = x[i + j];
      best[j] = (kLargest ? v > best[j] : v < best[j]) ? v : best[j];
      nan[j] |= v != v;
    }
  }
  for (; i < n; ++i) {
    best[0] = (kLargest ? x[i] > best[0] : x[i] < best[0]) ? x[i] : best[0];
    nan[0] |= x[i] != x[i];
  }
  for (int64_t j = 1; j < kChains; ++j) {
    best[0] = (kLargest ? best[j] > best[0] : best[j] < best[0]) ? best[j] : best[0];
    nan[0] |= nan[j];
  }
  return nan[0] ? std::numeric_limits<T>::quiet_NaN() : best[0];
}

/// The place of the largest (smallest) element, the first of equals; of a NaN the first.
template <bool kLargest>
Offer prepare_arg(const Request& r) {
  if (std::string why = not_packed(r); !why.empty()) return Offer::decline(why);
  const Lanes lanes = lanes_of(r);
  if (lanes.length == 0) return Offer::decline("no elements");
  const DType dtype = r.inputs[0].dtype;
  if (dtype != f32 && dtype != f64) return Offer::decline("takes f32 and f64");
  return kernel([=](const Arguments& a) {
    const auto find = [&]<class T>(T) {
      auto* y = static_cast<int64_t*>(a.outputs[0]);
      parallel_for(
          lanes.count, lanes_a_part(lanes, 0.7), lanes.threads, [&](int64_t begin, int64_t end) {
            for (int64_t l = begin; l < end; ++l) {
              const T* x = static_cast<const T*>(a.inputs[0]) + lanes.start(l, lanes.length);
              if (lanes.step == 1) {
                const T best = extreme<kLargest>(x, lanes.length);
                const auto found =
                    std::isnan(best) ? std::find_if(x, x + lanes.length, [](T v) { return v != v; })
                                     : std::find(x, x + lanes.length, best);
                y[l] = found - x;
                continue;
              }
              T best = x[0];
              int64_t place = 0;
              for (int64_t i = 1; i < lanes.length && !std::isnan(best); ++i) {
                const T v = x[i * lanes.step];
                if ((kLargest ? v > best : v < best) || std::isnan(v)) best = v, place = i;
              }
              y[l] = place;
            }
          });
    };
    if (dtype == f32) return find(float{});
    find(double{});
  });
}

Offer prepare_one_hot(const Request& r) {
  if (std::string why = not_packed(r); !why.empty()) return Offer::decline(why);
  const DType index_type = r.inputs[0].dtype, dtype = r.outputs[0].dtype;
  if (index_type != i64 && index_type != i32) return Offer::decline("takes indices of i32 and i64");
  const int64_t rows = r.inputs[0].shape.size(), classes = r.attributes.integer("classes");
  return kernel([=, width = size_of(dtype), threads = r.threads](const Arguments& a) {
    // No kernel may throw: 1 in the output's type is made beforehand.
    ir::dispatch(dtype, [&]<class T>(T) {
      const T one = convert<T>(true);
      auto* y = static_cast<T*>(a.outputs[0]);
      parallel_for(rows, (128 << 10) / std::max<int64_t>(classes * width, 1), threads,
                   [&](int64_t begin, int64_t end) {
                     std::memset(static_cast<void*>(y + begin * classes), 0,
                                 static_cast<size_t>((end - begin) * classes * width));
                     for (int64_t i = begin; i < end; ++i) {
                       const int64_t at = index_type == i64
                                              ? static_cast<const int64_t*>(a.inputs[0])[i]
                                              : static_cast<const int32_t*>(a.inputs[0])[i];
                       if (at < 0 || at >= classes) {
                         a.fault->note(0, i, at, 0, classes - 1);
                       } else {
                         y[i * classes + at] = one;
                       }
                     }
                   });
    });
  });
}

}  // namespace

std::vector<KernelRow> lane_kernels() {
  return {{"top_k", "simd top_k", prepare_few_top},    {"argsort", "cpu order", prepare_argsort},
          {"top_k", "cpu order", prepare_top_k},       {"cumsum", "cpu cumsum", prepare_cumsum},
          {"argmax", "cpu argmax", prepare_arg<true>}, {"argmin", "cpu argmin", prepare_arg<false>},
          {"one_hot", "cpu one_hot", prepare_one_hot}};
}

}  // namespace varve::backend::cpu
