// What attention's forward and backward kernels share: tiles of scores, and their exponentials.
#if defined(VARVE_BACKEND_CPU_SIMD_ATTENTION_INL_H_) == defined(HWY_TARGET_TOGGLE)
#ifdef VARVE_BACKEND_CPU_SIMD_ATTENTION_INL_H_
#undef VARVE_BACKEND_CPU_SIMD_ATTENTION_INL_H_
#else
#define VARVE_BACKEND_CPU_SIMD_ATTENTION_INL_H_
#endif

#include <algorithm>
#include <cstring>

#include "backend/cpu/simd_attention.h"
#include "backend/cpu/simd_hyperbolic-inl.h"
#include "backend/cpu/simd_tile-inl.h"
#include "backend/cpu/tile_loops.h"

HWY_BEFORE_NAMESPACE();
namespace varve::cpu::HWY_NAMESPACE {

// A tile of scores has 48 x 128 floats, 24 KiB; a multiple of the product's rows and panels.
constexpr int64_t kQueries = 48, kKeys = 128;

/// exp(x) within 5 units in the last place (within 2 from -9 on) for x up to some units above 0; 0
/// below -87, where floats become denormal.
HWY_INLINE VF exp_below(VF x) {
  // As in reduce_exp, but for ln 2 in one part: where there are FMAs, that leaves an error of
  // 1.9e-9 n in r, 2.4e-7 at the far end.
  const VF magic = constant(12582912.f);
  const VF t = hn::MulAdd(x, constant(1.44269504f), magic);
  const VF n = hn::Sub(t, magic);
#if HWY_NATIVE_FMA
  const VF r = hn::NegMulAdd(n, constant(0x1.62e43p-1f), x);
#else
  const VF near = hn::NegMulAdd(n, constant(0x1.62e4p-1f), x);
  const VF r = hn::NegMulAdd(n, constant(0x1.7f7d1cp-20f), near);
#endif
  // (exp(r) - 1 - r) / r^2 on [-0.3475, 0.3475], so that exp(r) is within 1.1e-7 of its value.
  const VF p =
      polynomial(r, 1.f, 1.f, 0x1.fffdf8p-2f, 0x1.5557b8p-3f, 0x1.572c2p-5f, 0x1.105faap-7f);
  // The magic number's own bits leave at the top.
  const VI power = hn::Add(hn::ShiftLeft<23>(bits_of(t)), hn::Set(I32(), 0x3f800000));
  const VF y = hn::Mul(p, from_bits(power));
  return hn::IfThenZeroElse(hn::Lt(x, constant(-87.f)), y);
}

/// One head of queries: rows of `step` floats.
struct Head {
  int64_t batch, head;

  int64_t at(const AttentionShape& s, int64_t row, int64_t size) const {
    return ((batch * s.queries + row) * s.heads + head) * size;
  }
};

/// Queries and keys of a tile.
struct Tile {
  int64_t q, queries, k, keys;
};

/// Blocks of queries of much the same size: multiples of the rows of a product by whole panels, but
/// for the last.
inline int64_t queries_of_block(const AttentionShape& s) {
  const int64_t blocks = (s.queries + kQueries - 1) / kQueries;
  const int64_t even = (s.queries + blocks - 1) / blocks;
  return std::min(kQueries, (even + kRows - 1) / kRows * kRows);
}
inline int64_t query_blocks(const AttentionShape& s) {
  return (s.queries + queries_of_block(s) - 1) / queries_of_block(s);
}

/// Keys that a block's last query sees at most.
inline int64_t key_limit(const AttentionShape& s, int64_t last_query) {
  return s.causal ? std::clamp<int64_t>(last_query + s.offset + 1, 0, s.keys) : s.keys;
}

/// Scores of one row from scaled products with keys: capped, masked. `slope`: of the cap.
struct Scores {
  const AttentionShape& s;
  const AttentionMask& mask;
  Head head;
  Tile tile;
  bool diagonal;  // some queries of the tile do not see all of its keys
  bool plain;     // the products themselves

  Scores(const AttentionShape& shape, const AttentionMask& m, Head h, Tile t)
      : s(shape),
        mask(m),
        head(h),
        tile(t),
        diagonal(shape.causal && t.k + t.keys - 1 > t.q + shape.offset),
        plain(!diagonal && shape.softcap == 0 && m.added == nullptr && m.seen == nullptr) {}

  HWY_INLINE VF of(VF product, int64_t row, int64_t column, size_t n, VF* slope) const {
    VF x = product;
    if (plain) return x;
    if (s.softcap > 0) {
      const VF t = simd_tanh(hn::Mul(x, constant(1 / s.softcap)));
      if (slope != nullptr) *slope = hn::NegMulAdd(t, t, constant(1.f));
      x = hn::Mul(t, constant(s.softcap));
    }
    const VF never = constant(-kInfinity);
    if (mask.added != nullptr || mask.seen != nullptr) {
      const int64_t at = head.batch * mask.batch + head.head * mask.head +
                         (tile.q + row) * mask.query + (tile.k + column) * mask.key;
      if (mask.added != nullptr) {
        x = hn::Add(x, mask.key ? load_part(mask.added + at, n) : constant(mask.added[at]));
      } else if (mask.key == 0) {
        if (!mask.seen[at]) x = never;
      } else {
        x = hn::IfThenElse(seen(mask.seen + at, n), x, never);
      }
    }
    if (diagonal) {
      // Exact as floats: positions within a tile and its distance to the diagonal, cut to it.
      const int64_t last = std::clamp<int64_t>(tile.q + row + s.offset - tile.k - column, -1,
                                               static_cast<int64_t>(kLanes));
      const VF place = hn::Iota(F32(), 0.f);
      x = hn::IfThenElse(hn::Gt(place, constant(static_cast<float>(last))), never, x);
    }
    return x;
  }

 private:
  static HWY_INLINE hn::Mask<F32> seen(const bool* p, size_t n) {
    const hn::Rebind<uint8_t, I32> bytes;
    HWY_ALIGN uint8_t lanes[kLanes] = {};
    std::memcpy(lanes, p, n);
    const VI wide = hn::PromoteTo(I32(), hn::Load(bytes, lanes));
    return hn::RebindMask(F32(), hn::Gt(wide, hn::Zero(I32())));
  }
};

/// What multiplies the weights of a tile: 0, or 1 / s.kept. By their row-major index in [batch,
/// heads, queries, keys], as the decomposition has it.
inline void dropout_factors(const AttentionShape& s, const uint64_t* key, Head head, Tile tile,
                            float* to) {
  constexpr int64_t kRoom = 64;  // random_words may write so many more
  HWY_ALIGN float unit[kKeys + kRoom];
  const VF limit = constant(s.kept), factor = constant(1 / s.kept);
  for (int64_t r = 0; r < tile.queries; ++r) {
    const int64_t row = (head.batch * s.heads + head.head) * s.queries + tile.q + r;
    random_words(true, key[0], key[1], static_cast<uint64_t>(row * s.keys + tile.k),
                 static_cast<size_t>(tile.keys), unit);
    for (int64_t c = 0; c < tile.keys; c += static_cast<int64_t>(kLanes)) {
      const auto keeps = hn::Lt(hn::Load(F32(), unit + c), limit);
      hn::Store(hn::IfThenElseZero(keeps, factor), F32(), to + r * kKeys + c);
    }
  }
}
/// x *= factors in a tile.
HWY_INLINE void multiply_tile(const float* factors, int64_t queries, int64_t keys, float* x) {
  for (int64_t r = 0; r < queries; ++r) {
    for (int64_t c = r * kKeys; c < r * kKeys + keys; c += static_cast<int64_t>(kLanes))
      hn::Store(hn::Mul(hn::Load(F32(), x + c), hn::Load(F32(), factors + c)), F32(), x + c);
  }
}

}  // namespace varve::cpu::HWY_NAMESPACE
HWY_AFTER_NAMESPACE();

#endif  // include guard
