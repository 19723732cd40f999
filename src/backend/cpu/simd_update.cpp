#include "backend/cpu/simd_update.h"

#include <algorithm>
#include <atomic>

#include "backend/cpu/simd_targets.h"
#include "base/math.h"
#include "base/threads.h"
#undef HWY_TARGET_INCLUDE
#define HWY_TARGET_INCLUDE "backend/cpu/simd_update.cpp"
#include "hwy/foreach_target.h"
// Comes after foreach_target.
#include "backend/cpu/simd_partial-inl.h"

HWY_BEFORE_NAMESPACE();
namespace varve::cpu::HWY_NAMESPACE {
namespace {

using F32 = hn::ScalableTag<float>;
using VF = hn::Vec<F32>;
HWY_INLINE VF all(float v) { return hn::Set(F32(), v); }

/// Up to three slots and the parameter, loaded; the rule changes them.
struct Values {
  VF p, g;
  VF a, b, c;
};

/// Applies a rule with `slots` slots to elements [begin, end) of the arrays.
template <int slots, class Rule>
HWY_INLINE void each_vector(const UpdateArrays& u, int64_t begin, int64_t end, Rule rule) {
  const F32 d;
  const auto lanes = static_cast<int64_t>(hn::Lanes(d));
  int64_t i = begin;
  for (; i + lanes <= end; i += lanes) {
    Values v{hn::LoadU(d, u.parameter + i), hn::LoadU(d, u.gradient + i), hn::Zero(d), hn::Zero(d),
             hn::Zero(d)};
    if constexpr (slots > 0) v.a = hn::LoadU(d, u.slots[0] + i);
    if constexpr (slots > 1) v.b = hn::LoadU(d, u.slots[1] + i);
    if constexpr (slots > 2) v.c = hn::LoadU(d, u.slots[2] + i);
    rule(v);
    hn::StoreU(v.p, d, u.parameter + i);
    if constexpr (slots > 0) hn::StoreU(v.a, d, u.slots[0] + i);
    if constexpr (slots > 1) hn::StoreU(v.b, d, u.slots[1] + i);
    if constexpr (slots > 2) hn::StoreU(v.c, d, u.slots[2] + i);
  }
  if (i == end) return;
  const auto n = static_cast<size_t>(end - i);
  Values v{load_some(d, u.parameter + i, n, 0), load_some(d, u.gradient + i, n, 0), hn::Zero(d),
           hn::Zero(d), hn::Zero(d)};
  if constexpr (slots > 0) v.a = load_some(d, u.slots[0] + i, n, 1);
  if constexpr (slots > 1) v.b = load_some(d, u.slots[1] + i, n, 1);
  if constexpr (slots > 2) v.c = load_some(d, u.slots[2] + i, n, 1);
  rule(v);
  store_some(d, v.p, u.parameter + i, n);
  if constexpr (slots > 0) store_some(d, v.a, u.slots[0] + i, n);
  if constexpr (slots > 1) store_some(d, v.b, u.slots[1] + i, n);
  if constexpr (slots > 2) store_some(d, v.c, u.slots[2] + i, n);
}

HWY_INLINE void decay(Values& v, float weight_decay) {
  if (weight_decay != 0) v.g = hn::Add(v.g, hn::Mul(v.p, all(weight_decay)));
}

HWY_INLINE VF running(VF old, VF fresh, float keep, float take) {
  return hn::Add(hn::Mul(old, all(keep)), hn::Mul(fresh, all(take)));
}

/// RMSProp's change before momentum and rate. `s` and `mean` are its slots.
HWY_INLINE VF rms_change(const RmsPropStep& k, VF g, VF& s, VF* mean) {
  s = running(s, hn::Mul(g, g), k.rho, k.one_less_rho);
  VF size = s;
  if (mean != nullptr) {
    *mean = running(*mean, g, k.rho, k.one_less_rho);
    size = hn::Sub(s, hn::Mul(*mean, *mean));
  }
  return hn::Div(g, hn::Add(hn::Sqrt(size), all(k.epsilon)));
}

}  // namespace

void sgd_part(const UpdateArrays& u, int64_t begin, int64_t end, const SgdStep& k) {
  const auto step = [&](Values& v) HWY_ATTR {
    decay(v, k.weight_decay);
    return hn::Mul(v.g, all(k.learning_rate));
  };
  if (k.momentum == 0) {
    each_vector<0>(u, begin, end, [&](Values& v) HWY_ATTR { v.p = hn::Sub(v.p, step(v)); });
    return;
  }
  each_vector<1>(u, begin, end, [&](Values& v) HWY_ATTR {
    const VF change = step(v);
    v.a = hn::Sub(hn::Mul(v.a, all(k.momentum)), change);
    v.p = k.nesterov ? hn::Sub(hn::Add(v.p, hn::Mul(v.a, all(k.momentum))), change)
                     : hn::Add(v.p, v.a);
  });
}

void rmsprop_part(const UpdateArrays& u, int64_t begin, int64_t end, const RmsPropStep& k) {
  const auto finish = [&](Values& v, VF change)
                          HWY_ATTR { v.p = hn::Sub(v.p, hn::Mul(change, all(k.learning_rate))); };
  const auto gather = [&](VF& b, VF change) HWY_ATTR {
    b = hn::Add(hn::Mul(b, all(k.momentum)), change);
    return b;
  };
  if (k.centered && k.momentum != 0) {
    each_vector<3>(u, begin, end, [&](Values& v) HWY_ATTR {
      decay(v, k.weight_decay);
      const VF change = rms_change(k, v.g, v.a, &v.b);
      finish(v, gather(v.c, change));
    });
  } else if (k.centered) {
    each_vector<2>(u, begin, end, [&](Values& v) HWY_ATTR {
      decay(v, k.weight_decay);
      finish(v, rms_change(k, v.g, v.a, &v.b));
    });
  } else if (k.momentum != 0) {
    each_vector<2>(u, begin, end, [&](Values& v) HWY_ATTR {
      decay(v, k.weight_decay);
      const VF change = rms_change(k, v.g, v.a, nullptr);
      finish(v, gather(v.b, change));
    });
  } else {
    each_vector<1>(u, begin, end, [&](Values& v) HWY_ATTR {
      decay(v, k.weight_decay);
      finish(v, rms_change(k, v.g, v.a, nullptr));
    });
  }
}

void adam_part(const UpdateArrays& u, int64_t begin, int64_t end, const AdamStep& k) {
  each_vector<2>(u, begin, end, [&](Values& v) HWY_ATTR {
    decay(v, k.weight_decay);
    v.a = running(v.a, v.g, k.beta_1, k.one_less_beta_1);
    v.b = running(v.b, hn::Mul(v.g, v.g), k.beta_2, k.one_less_beta_2);
    const VF size = hn::Add(hn::Div(hn::Sqrt(v.b), all(k.root)), all(k.epsilon));
    const VF change = hn::Div(hn::Mul(v.a, all(k.rate)), size);
    v.p = hn::Sub(k.keep == 1 ? v.p : hn::Mul(v.p, all(k.keep)), change);
  });
}

bool finite_part(const float* x, size_t n) {
  const F32 d;
  const hn::RebindToSigned<F32> di;
  const size_t lanes = hn::Lanes(d);
  // Without their signs, the bits of numbers that are not finite are the greatest.
  const auto size_bits = hn::Set(di, 0x7fffffff);
  auto top = hn::Zero(di), other = top;
  size_t i = 0;
  for (; i + 2 * lanes <= n; i += 2 * lanes) {
    top = hn::Max(top, hn::And(hn::BitCast(di, hn::LoadU(d, x + i)), size_bits));
    other = hn::Max(other, hn::And(hn::BitCast(di, hn::LoadU(d, x + i + lanes)), size_bits));
  }
  top = hn::Max(top, other);
  for (; i < n; i += lanes) {
    const size_t some = std::min(lanes, n - i);
    const VF v = some == lanes ? hn::LoadU(d, x + i) : load_some(d, x + i, some, 0);
    top = hn::Max(top, hn::And(hn::BitCast(di, v), size_bits));
  }
  return hn::AllTrue(di, hn::Lt(top, hn::Set(di, 0x7f800000)));
}

}  // namespace varve::cpu::HWY_NAMESPACE
HWY_AFTER_NAMESPACE();

#if HWY_ONCE
namespace varve::cpu {
HWY_EXPORT(sgd_part);
HWY_EXPORT(rmsprop_part);
HWY_EXPORT(adam_part);
HWY_EXPORT(finite_part);
namespace {

// 16 KiB of each array: some 10 microseconds of an update from memory take four of these.
constexpr int64_t kChunk = 4096;
constexpr int64_t kChunksPerThread = 4;

/// Calls part(array, begin, end) for chunks of all arrays, shared among the threads.
template <class Array, class F>
void each_chunk(std::span<const Array> arrays, F part) {
  int64_t chunks = 0;
  for (const Array& a : arrays) chunks += ceil_div(a.size, kChunk);
  parallel_for(chunks, kChunksPerThread, [&](int64_t begin, int64_t end) {
    int64_t first = 0;  // of this array's chunks
    for (const Array& a : arrays) {
      const int64_t count = ceil_div(a.size, kChunk);
      const int64_t from = std::max(begin - first, int64_t{0}), to = std::min(end - first, count);
      for (int64_t c = from; c < to; ++c) {
        part(a, c * kChunk, std::min(a.size, (c + 1) * kChunk));
      }
      first += count;
    }
  });
}

}  // namespace

void sgd_update(std::span<const UpdateArrays> arrays, const SgdStep& step) noexcept {
  const auto part = HWY_DYNAMIC_DISPATCH(sgd_part);
  each_chunk(arrays, [&](const UpdateArrays& a, int64_t b, int64_t e) { part(a, b, e, step); });
}
void rmsprop_update(std::span<const UpdateArrays> arrays, const RmsPropStep& step) noexcept {
  const auto part = HWY_DYNAMIC_DISPATCH(rmsprop_part);
  each_chunk(arrays, [&](const UpdateArrays& a, int64_t b, int64_t e) { part(a, b, e, step); });
}
void adam_update(std::span<const UpdateArrays> arrays, const AdamStep& step) noexcept {
  const auto part = HWY_DYNAMIC_DISPATCH(adam_part);
  each_chunk(arrays, [&](const UpdateArrays& a, int64_t b, int64_t e) { part(a, b, e, step); });
}

bool all_finite(std::span<const FloatArray> arrays) noexcept {
  const auto part = HWY_DYNAMIC_DISPATCH(finite_part);
  std::atomic<bool> fine{true};
  each_chunk(arrays, [&](const FloatArray& a, int64_t b, int64_t e) {
    if (!fine.load(std::memory_order_relaxed)) return;
    if (!part(a.data + b, static_cast<size_t>(e - b))) fine.store(false, std::memory_order_relaxed);
  });
  return fine.load();
}

}  // namespace varve::cpu
#endif
