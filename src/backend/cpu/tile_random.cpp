// Philox words, several blocks of four at a time.
#include <cstring>

#include "backend/cpu/simd_targets.h"
#include "backend/cpu/tile_loops.h"
#include "base/philox.h"
#undef HWY_TARGET_INCLUDE
#define HWY_TARGET_INCLUDE "backend/cpu/tile_random.cpp"
#include "hwy/foreach_target.h"
// Comes after foreach_target.
#include "hwy/highway.h"

HWY_BEFORE_NAMESPACE();
namespace varve::cpu::HWY_NAMESPACE {
namespace hn = hwy::HWY_NAMESPACE;
namespace {

using U64 = hn::ScalableTag<uint64_t>;
using U32 = hn::ScalableTag<uint32_t>;
using V = hn::Vec<U64>;

/// Low halves of the lanes multiplied, 64 bits of product a lane.
HWY_INLINE V multiply_low(V a, V b) {
  return hn::MulEven(hn::BitCast(U32(), a), hn::BitCast(U32(), b));
}

/// Blocks `first` and following, one a lane, into out[0 .. 4 * lanes).
HWY_INLINE void blocks(uint64_t key, uint64_t stream, uint64_t first, uint64_t* out) {
  const U64 d;
  const V counter = hn::Add(hn::Set(d, first), hn::Iota(d, 0));
  const V low = hn::Set(d, 0xffffffffu);
  // Only the low half of a lane counts; what stands in the upper one is cut off at the end.
  V c0 = counter, c1 = hn::ShiftRight<32>(counter);
  V c2 = hn::Set(d, stream), c3 = hn::Set(d, stream >> 32);
  const V ma = hn::Set(d, 0xD2511F53u), mb = hn::Set(d, 0xCD9E8D57u);
  V k0 = hn::Set(d, key), k1 = hn::Set(d, key >> 32);
  for (int round = 0; round < 10; ++round) {
    const V a = multiply_low(ma, c0), b = multiply_low(mb, c2);
    c0 = hn::Xor(hn::Xor(hn::ShiftRight<32>(b), c1), k0);
    c1 = b;
    c2 = hn::Xor(hn::Xor(hn::ShiftRight<32>(a), c3), k1);
    c3 = a;
    k0 = hn::Add(k0, hn::Set(d, 0x9E3779B9u));
    k1 = hn::Add(k1, hn::Set(d, 0xBB67AE85u));
  }
  const V first_two = hn::Or(hn::And(c0, low), hn::ShiftLeft<32>(c1));
  const V last_two = hn::Or(hn::And(c2, low), hn::ShiftLeft<32>(c3));
  hn::StoreInterleaved2(first_two, last_two, d, out);
}

}  // namespace

void random_words_here(bool unit, uint64_t key, uint64_t stream, uint64_t first, size_t n,
                       void* out) {
  const U64 d;
  const U32 d32;
  const size_t words = 4 * hn::Lanes(d);
  HWY_ALIGN uint64_t head[2 * hn::MaxLanes(U64())];
  uint32_t* o = static_cast<uint32_t*>(out);
  // The first block may begin before the first word.
  const size_t skip = first & 3;
  blocks(key, stream, first >> 2, head);
  std::memcpy(o, reinterpret_cast<const char*>(head) + 4 * skip, 4 * (words - skip));
  for (size_t i = words - skip; i < n; i += words) {
    blocks(key, stream, (first + i) >> 2, head);
    std::memcpy(o + i, head, 4 * words);
  }
  if (!unit) return;
  const hn::RebindToFloat<U32> df;
  const hn::RebindToSigned<U32> di;
  for (size_t i = 0; i < n; i += hn::Lanes(d32)) {
    const auto bits = hn::ShiftRight<8>(hn::LoadU(d32, o + i));
    const auto value = hn::ConvertTo(df, hn::BitCast(di, bits));
    hn::StoreU(hn::BitCast(d32, hn::Mul(value, hn::Set(df, 0x1p-24f))), d32, o + i);
  }
}

}  // namespace varve::cpu::HWY_NAMESPACE
HWY_AFTER_NAMESPACE();

#if HWY_ONCE
namespace varve::cpu {
HWY_EXPORT(random_words_here);

void random_words(bool unit, uint64_t key, uint64_t stream, uint64_t first, size_t n, void* out) {
  HWY_DYNAMIC_DISPATCH(random_words_here)(unit, key, stream, first, n, out);
}
}  // namespace varve::cpu
#endif
