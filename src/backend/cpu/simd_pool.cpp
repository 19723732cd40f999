#include "backend/cpu/simd_pool.h"

#include <algorithm>
#include <limits>

#include "backend/cpu/simd_targets.h"
#include "base/math.h"
#include "base/threads.h"
#undef HWY_TARGET_INCLUDE
#define HWY_TARGET_INCLUDE "backend/cpu/simd_pool.cpp"
#include "hwy/foreach_target.h"
// Comes after foreach_target.
#include "backend/cpu/simd_partial-inl.h"

#ifndef VARVE_BACKEND_CPU_SIMD_POOL_ONCE
#define VARVE_BACKEND_CPU_SIMD_POOL_ONCE
namespace varve::cpu {

/// The taps [first, last) of a window's axis that lie within the input, and the input of tap 0.
struct Taps {
  int64_t first, last, origin;
};
inline Taps taps_at(int64_t position, int64_t stride, int64_t pad, int64_t dilation, int64_t window,
                    int64_t size) {
  const int64_t origin = position * stride - pad;
  const int64_t first = origin >= 0 ? 0 : ceil_div(-origin, dilation);
  // Most windows lie inside: no division for them.
  const bool inside = origin + (window - 1) * dilation < size;
  const int64_t last = inside ? window : origin >= size ? 0 : ceil_div(size - origin, dilation);
  return {first, std::max(first, last), origin};
}

/// How a row of inputs' gradients is written.
struct Spread {
  bool apart = false;  ///< windows do not overlap: each element is written at most once
  bool whole = false;  ///< and all of a row is, where any of it is
};
inline Spread spread_of(const PoolShape& p) {
  const int64_t reach = (p.window_height - 1) * p.dilation_height + 1;
  Spread s;
  s.apart = p.stride_height >= reach && p.dilation_width == 1 && p.stride_width >= p.window_width;
  s.whole = s.apart && p.stride_width == p.window_width && p.pad_left == 0 &&
            p.out_width * p.window_width == p.width;
  return s;
}

}  // namespace varve::cpu
#endif

HWY_BEFORE_NAMESPACE();
namespace varve::cpu::HWY_NAMESPACE {
namespace {

using F32 = hn::ScalableTag<float>;
using I32 = hn::RebindToSigned<F32>;
using VF = hn::Vec<F32>;
using VI = hn::Vec<I32>;

HWY_INLINE void store_places(VI v, int32_t* out) { hn::StoreU(v, I32(), out); }
HWY_INLINE void store_places(VI v, uint8_t* out) {
  const hn::Rebind<uint8_t, I32> d;
  hn::StoreU(hn::DemoteTo(d, v), d, out);
}
HWY_INLINE VI load_places(const int32_t* in) { return hn::LoadU(I32(), in); }
HWY_INLINE VI load_places(const uint8_t* in) {
  return hn::PromoteTo(I32(), hn::LoadU(hn::Rebind<uint8_t, I32>(), in));
}

template <class Place>
HWY_INLINE void store_some_places(VI v, Place* out, size_t n) {
  HWY_ALIGN int32_t lanes[hn::MaxLanes(I32())];
  hn::Store(v, I32(), lanes);
  for (size_t k = 0; k < n; ++k) out[k] = static_cast<Place>(lanes[k]);
}

HWY_INLINE VF positive(VF v) {
  return hn::IfThenElse(hn::Lt(v, hn::Zero(F32())), hn::Zero(F32()), v);
}

/// The largest of the window's elements in a vector of channels; `load` takes the tap's address.
template <class Place, class Load>
HWY_INLINE VF largest(const PoolShape& p, const Taps& down, const Taps& across, const float* image,
                      Load load, VI& place) {
  const F32 d;
  const int64_t row = p.width * p.channels * p.dilation_height;
  const int64_t column = p.channels * p.dilation_width;
  const float* top = image + (down.origin * p.width + across.origin) * p.channels;
  VF best = hn::Set(d, -std::numeric_limits<float>::infinity());
  place = hn::Zero(I32());
  bool any = false;
  for (int64_t i = down.first; i < down.last; ++i) {
    for (int64_t j = across.first; j < across.last; ++j) {
      const VF v = load(top + i * row + j * column);
      const VI at = hn::Set(I32(), static_cast<int32_t>(i * p.window_width + j));
      // Greater, or NaN where the best is none yet; the first one is best whatever it is.
      const auto beats = hn::AndNot(hn::Le(v, best), hn::Eq(best, best));
      best = any ? hn::IfThenElse(beats, v, best) : v;
      if constexpr (!std::is_void_v<Place>) {
        place = any ? hn::IfThenElse(hn::RebindMask(I32(), beats), at, place) : at;
      }
      any = true;
    }
  }
  return best;
}

/// One row of outputs.
template <class Place>
HWY_INLINE void pool_row(const PoolShape& p, const float* image, int64_t i, float* y, Place* places,
                         bool relu) {
  const F32 d;
  const auto lanes = static_cast<int64_t>(hn::Lanes(d));
  const Taps down =
      taps_at(i, p.stride_height, p.pad_top, p.dilation_height, p.window_height, p.height);
  for (int64_t j = 0; j < p.out_width; ++j) {
    const Taps across =
        taps_at(j, p.stride_width, p.pad_left, p.dilation_width, p.window_width, p.width);
    VI place;
    int64_t c = 0;
    for (; c + lanes <= p.channels; c += lanes) {
      const auto load = [&](const float* at) HWY_ATTR {
        const VF v = hn::LoadU(d, at + c);
        return relu ? positive(v) : v;
      };
      const VF v = largest<Place>(p, down, across, image, load, place);
      hn::StoreU(v, d, y + c);
      if constexpr (!std::is_void_v<Place>) store_places(place, places + c);
    }
    if (const auto rest = static_cast<size_t>(p.channels - c); rest > 0) {
      const auto load = [&](const float* at) HWY_ATTR {
        const VF v = load_some(d, at + c, rest, 0);
        return relu ? positive(v) : v;
      };
      const VF v = largest<Place>(p, down, across, image, load, place);
      // Within a row a vector may spill over into outputs that are written after.
      if ((p.out_width - j) * p.channels - c >= lanes) {
        hn::StoreU(v, d, y + c);
        if constexpr (!std::is_void_v<Place>) store_places(place, places + c);
      } else {
        store_some(d, v, y + c, rest);
        if constexpr (!std::is_void_v<Place>) store_some_places(place, places + c, rest);
      }
    }
    y += p.channels;
    if constexpr (!std::is_void_v<Place>) places += p.channels;
  }
}

/// The outputs whose window has the input at tap 0 <= t, for one axis: output (x + pad - t *
/// dilation) / stride where that is whole and in range. Calls f(tap, output).
template <class F>
HWY_INLINE void each_output(int64_t x, int64_t stride, int64_t pad, int64_t dilation,
                            int64_t window, int64_t outputs, F f) {
  for (int64_t t = 0; t < window; ++t) {
    const int64_t start = x + pad - t * dilation;
    if (start < 0) return;
    const int64_t position = start / stride;
    if (start % stride == 0 && position < outputs) f(t, position);
  }
}

/// Adds to one tap of one window, or, where windows are apart, writes it. Vectors may spill over
/// into what comes later in the row (`room` elements), with zeros, which is then written after.
template <bool kApart, class Place>
HWY_INLINE void spread_tap(int64_t channels, int32_t place, const float* dy, const Place* places,
                           int64_t readable, int64_t room, float* dx) {
  const F32 d;
  const auto lanes = static_cast<int64_t>(hn::Lanes(d));
  const auto part = [&](int64_t c) HWY_ATTR {
    const auto here = hn::RebindMask(d, hn::Eq(load_places(places + c), hn::Set(I32(), place)));
    return hn::IfThenElseZero(here, hn::LoadU(d, dy + c));
  };
  int64_t c = 0;
  for (; c + lanes <= channels; c += lanes) {
    hn::StoreU(kApart ? part(c) : hn::Add(hn::LoadU(d, dx + c), part(c)), d, dx + c);
  }
  if (c == channels) return;
  if (kApart && c + lanes <= std::min(readable, room)) {
    const auto wanted = hn::FirstN(d, static_cast<size_t>(channels - c));
    hn::StoreU(hn::IfThenElseZero(wanted, part(c)), d, dx + c);
    return;
  }
  for (; c < channels; ++c) {
    const float g = places[c] == place ? dy[c] : 0;
    dx[c] = kApart ? g : dx[c] + g;
  }
}

/// Spreads the gradients of one row of outputs over the inputs at tap `down` of its windows.
template <bool kApart, class Place>
HWY_INLINE void spread_row(const PoolShape& p, int64_t down, const float* dy, const Place* places,
                           int64_t readable, float* dx) {
  const int64_t end = p.width * p.channels;
  for (int64_t j = 0; j < p.out_width; ++j) {
    const Taps across =
        taps_at(j, p.stride_width, p.pad_left, p.dilation_width, p.window_width, p.width);
    const int64_t from = j * p.channels;
    for (int64_t t = across.first; t < across.last; ++t) {
      const auto place = static_cast<int32_t>(down * p.window_width + t);
      const int64_t to = (across.origin + t * p.dilation_width) * p.channels;
      spread_tap<kApart>(p.channels, place, dy + from, places + from, readable - from, end - to,
                         dx + to);
    }
  }
}

/// One row of inputs' gradients. `readable`: elements of dy from here to its end.
template <class Place>
HWY_INLINE void gradient_row(const PoolShape& p, const Spread& spread, const float* dy,
                             const Place* places, int64_t readable, int64_t row, float* dx) {
  const int64_t position = (row + p.pad_top) / p.stride_height;
  const bool covered =
      position < p.out_height && row + p.pad_top - position * p.stride_height < p.window_height;
  if (!spread.whole || !covered) std::fill_n(dx, p.width * p.channels, 0.f);
  each_output(row, p.stride_height, p.pad_top, p.dilation_height, p.window_height, p.out_height,
              [&](int64_t down, int64_t i) HWY_ATTR {
                const int64_t at = i * p.out_width * p.channels;
                if (spread.apart) {
                  spread_row<true>(p, down, dy + at, places + at, readable - at, dx);
                } else {
                  spread_row<false>(p, down, dy + at, places + at, readable - at, dx);
                }
              });
}

}  // namespace

void pool_row_u8(const PoolShape& p, const float* image, int64_t i, float* y, uint8_t* places,
                 bool relu) {
  pool_row<uint8_t>(p, image, i, y, places, relu);
}
void pool_row_i32(const PoolShape& p, const float* image, int64_t i, float* y, int32_t* places,
                  bool relu) {
  pool_row<int32_t>(p, image, i, y, places, relu);
}
void pool_row_values(const PoolShape& p, const float* image, int64_t i, float* y, bool relu) {
  pool_row<void>(p, image, i, y, nullptr, relu);
}
void gradient_row_u8(const PoolShape& p, const Spread& spread, const float* dy,
                     const uint8_t* places, int64_t readable, int64_t row, float* dx) {
  gradient_row(p, spread, dy, places, readable, row, dx);
}
void gradient_row_i32(const PoolShape& p, const Spread& spread, const float* dy,
                      const int32_t* places, int64_t readable, int64_t row, float* dx) {
  gradient_row(p, spread, dy, places, readable, row, dx);
}

}  // namespace varve::cpu::HWY_NAMESPACE
HWY_AFTER_NAMESPACE();

#if HWY_ONCE
namespace varve::cpu {
HWY_EXPORT(pool_row_u8);
HWY_EXPORT(pool_row_i32);
HWY_EXPORT(pool_row_values);
HWY_EXPORT(gradient_row_u8);
HWY_EXPORT(gradient_row_i32);
namespace {

/// Rows that take about 10 microseconds together.
int64_t grain(int64_t elements, int64_t taps) {
  return std::max<int64_t>(1, 40000 / (elements * std::max<int64_t>(taps, 4) + 1));
}

/// Calls row(image, output row, offset of its first output) for all of a batch.
template <class F>
void each_output_row(const PoolShape& p, const float* x, F row) {
  const int64_t width = p.out_width * p.channels;
  const int64_t rows = p.batch * p.out_height;
  parallel_for(rows, grain(width, p.window_height * p.window_width),
               [&](int64_t begin, int64_t end) {
                 for (int64_t r = begin; r < end; ++r) {
                   const int64_t image = r / p.out_height;
                   row(x + image * p.height * p.width * p.channels, r % p.out_height, r * width);
                 }
               });
}

}  // namespace

template <>
void max_pool(const PoolShape& p, const float* x, float* y, uint8_t* places, bool relu) noexcept {
  const auto row = HWY_DYNAMIC_DISPATCH(pool_row_u8);
  each_output_row(p, x, [&](const float* image, int64_t i, int64_t at) {
    row(p, image, i, y + at, places + at, relu);
  });
}
template <>
void max_pool(const PoolShape& p, const float* x, float* y, int32_t* places, bool relu) noexcept {
  const auto row = HWY_DYNAMIC_DISPATCH(pool_row_i32);
  each_output_row(p, x, [&](const float* image, int64_t i, int64_t at) {
    row(p, image, i, y + at, places + at, relu);
  });
}
void max_pool_values(const PoolShape& p, const float* x, float* y, bool relu) noexcept {
  const auto row = HWY_DYNAMIC_DISPATCH(pool_row_values);
  each_output_row(
      p, x, [&](const float* image, int64_t i, int64_t at) { row(p, image, i, y + at, relu); });
}

template <class Place>
void max_pool_gradient(const PoolShape& p, const float* dy, const Place* places,
                       float* dx) noexcept {
  const auto row = [&] {
    if constexpr (sizeof(Place) == 1)
      return HWY_DYNAMIC_DISPATCH(gradient_row_u8);
    else
      return HWY_DYNAMIC_DISPATCH(gradient_row_i32);
  }();
  const Spread spread = spread_of(p);
  const int64_t outputs = p.out_height * p.out_width * p.channels, width = p.width * p.channels;
  parallel_for(p.batch * p.height, grain(width, p.window_height), [&](int64_t begin, int64_t end) {
    for (int64_t r = begin; r < end; ++r) {
      const int64_t at = r / p.height * outputs;
      row(p, spread, dy + at, places + at, p.batch * outputs - at, r % p.height, dx + r * width);
    }
  });
}
template void max_pool_gradient(const PoolShape&, const float*, const uint8_t*, float*) noexcept;
template void max_pool_gradient(const PoolShape&, const float*, const int32_t*, float*) noexcept;

}  // namespace varve::cpu
#endif
