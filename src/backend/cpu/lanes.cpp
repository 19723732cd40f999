// Ops that work lane by lane along an axis (orders, running sums, places of extremes, one-hot
// rows): lanes are shared among the threads.
#include <algorithm>
#include <bit>
#include <cmath>
#include <cstring>
#include <limits>

#include "backend/cpu/kernels.h"
#include "base/math.h"
#include "base/threads.h"
#include "ir/dispatch.h"

namespace varve::backend::cpu {
namespace {

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

// Orders: the element as an unsigned key that rises with it, NaN the highest and -0 as 0, above the
// place in its lane. Equal elements then stand in the order of their places.

inline uint32_t key_of(float v) {
  if (std::isnan(v)) return UINT32_MAX;
  const auto bits = std::bit_cast<uint32_t>(v + 0.0f);
  return bits >> 31 ? ~bits : bits | 0x80000000u;
}
inline uint64_t key_of(double v) {
  if (std::isnan(v)) return UINT64_MAX;
  const auto bits = std::bit_cast<uint64_t>(v + 0.0);
  return bits >> 63 ? ~bits : bits | (uint64_t{1} << 63);
}
inline uint32_t key_of(Float16 v) { return key_of(static_cast<float>(v)); }
inline uint32_t key_of(BFloat16 v) { return key_of(static_cast<float>(v)); }
inline uint64_t key_of(int64_t v) { return static_cast<uint64_t>(v) ^ (uint64_t{1} << 63); }
inline uint64_t key_of(uint64_t v) { return v; }
template <class T>
requires(std::is_integral_v<T> && sizeof(T) <= 4) uint32_t key_of(T v) {
  if constexpr (std::is_signed_v<T>) return static_cast<uint32_t>(int32_t{v}) ^ 0x80000000u;
  return static_cast<uint32_t>(v);
}

/// A key and a place in one number, for elements of 32 bits at most and lanes below 2^32.
struct Narrow {
  using Entry = uint64_t;
  static Entry entry(uint32_t key, int64_t place) {
    return uint64_t{key} << 32 | static_cast<uint64_t>(place);
  }
  static int64_t place(Entry e) { return static_cast<int64_t>(e & UINT32_MAX); }
};
struct Wide {
  struct Entry {
    uint64_t key;
    int64_t place;
    bool operator<(const Entry& o) const { return key != o.key ? key < o.key : place < o.place; }
  };
  static Entry entry(uint64_t key, int64_t place) { return {key, place}; }
  static int64_t place(Entry e) { return e.place; }
};

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
    const int64_t n = parts();
    parallel_for(n, 1, lanes_.threads, [&](int64_t first, int64_t last) {
      for (int64_t p = first; p < last; ++p) {
        for (int64_t l = lanes_.count * p / n; l < lanes_.count * (p + 1) / n; ++l) {
          order_lane<How>(x + lanes_.start(l, lanes_.length), room + p * lanes_.length,
                          y + lanes_.start(l, k_));
        }
      }
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
    const double log_n = std::log2(static_cast<double>(lanes_.length) + 2);
    return std::min<int64_t>(lanes_.threads,
                             ceil_div(lanes_.count, lanes_a_part(lanes_, 2 * log_n)));
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
  return {
      {"argsort", "cpu order", prepare_argsort},    {"top_k", "cpu order", prepare_top_k},
      {"cumsum", "cpu cumsum", prepare_cumsum},     {"argmax", "cpu argmax", prepare_arg<true>},
      {"argmin", "cpu argmin", prepare_arg<false>}, {"one_hot", "cpu one_hot", prepare_one_hot}};
}

}  // namespace varve::backend::cpu
