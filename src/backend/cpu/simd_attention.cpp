// Keys and values are packed once a head; a block of queries then meets them block by block, and
// its scores never leave the cache (Dao et al. 2022). A thread takes heads of keys, or blocks of
// queries where there are too few heads; either way the same sums are made in the same order.
#include "backend/cpu/simd_attention.h"

#include <algorithm>

#include "backend/cpu/simd_targets.h"
#undef HWY_TARGET_INCLUDE
#define HWY_TARGET_INCLUDE "backend/cpu/simd_attention.cpp"
#include "hwy/foreach_target.h"
// Comes after foreach_target.
#include "backend/cpu/simd_attention-inl.h"
#include "backend/cpu/simd_rows-inl.h"

HWY_BEFORE_NAMESPACE();
namespace varve::cpu::HWY_NAMESPACE {
namespace {

// Up to so many queries a head, keys are read where they lie.
constexpr int64_t kFew = 4;

/// Calls f(place, n) along a row of `count` floats, vector by vector.
template <class F>
HWY_INLINE void along(int64_t count, const F& f) {
  int64_t i = 0;
  for (; i + static_cast<int64_t>(kLanes) <= count; i += static_cast<int64_t>(kLanes)) f(i, kLanes);
  if (i < count) f(i, static_cast<size_t>(count - i));
}

/// What is known of a block of queries so far; `factor` is for what was summed before, with smaller
/// maxima.
struct Running {
  float top[kQueries], total[kQueries], factor[kQueries], shift[kQueries];

  Running() {
    std::fill_n(top, kQueries, -kInfinity);
    std::fill_n(total, kQueries, 0.f);
  }
};

HWY_INLINE VF load_or_never(const float* x, size_t n) { return load_some(F32(), x, n, -kInfinity); }

HWY_INLINE float largest(const float* x, int64_t count) {
  const F32 d;
  constexpr int64_t kStep = static_cast<int64_t>(kLanes);
  VF top = constant(-kInfinity), other = top;
  int64_t i = 0;
  for (; i + 2 * kStep <= count; i += 2 * kStep) {
    top = hn::Max(top, hn::LoadU(d, x + i));
    other = hn::Max(other, hn::LoadU(d, x + i + kStep));
  }
  if (i + kStep <= count) {
    top = hn::Max(top, hn::LoadU(d, x + i));
    i += kStep;
  }
  if (i < count) other = hn::Max(other, load_or_never(x + i, static_cast<size_t>(count - i)));
  return hn::GetLane(hn::MaxOfLanes(d, hn::Max(top, other)));
}

/// x = exp(x - shift); the sum of them.
HWY_INLINE float exponentials(float* x, int64_t count, float shift) {
  const F32 d;
  constexpr int64_t kStep = static_cast<int64_t>(kLanes);
  const VF s = constant(shift);
  VF sum = hn::Zero(d);
  int64_t i = 0;
  for (; i + kStep <= count; i += kStep) {
    const VF e = exp_below(hn::Sub(hn::LoadU(d, x + i), s));
    hn::StoreU(e, d, x + i);
    sum = hn::Add(sum, e);
  }
  if (i < count) {
    const auto n = static_cast<size_t>(count - i);
    const VF e = exp_below(hn::Sub(load_or_never(x + i, n), s));
    store_some(d, e, x + i, n);
    sum = hn::Add(sum, e);
  }
  return hn::GetLane(hn::SumOfLanes(d, sum));
}

/// Turns the scores of a tile into exponentials.
HWY_INLINE void update(float* scores, int64_t queries, int64_t keys, Running& run) {
  const F32 d;
  float before[kQueries];
  std::copy_n(run.top, kQueries, before);
  for (int64_t r = 0; r < queries; ++r)
    run.top[r] = std::max(run.top[r], largest(scores + r * kKeys, keys));
  for (int64_t r = 0; r < queries; r += static_cast<int64_t>(kLanes)) {
    const VF top = hn::LoadU(d, run.top + r);
    const VF shift = hn::IfThenZeroElse(hn::Eq(top, constant(-kInfinity)), top);
    const VF factor = exp_below(hn::Sub(hn::LoadU(d, before + r), shift));
    hn::StoreU(shift, d, run.shift + r);
    hn::StoreU(factor, d, run.factor + r);
    hn::StoreU(hn::Mul(hn::LoadU(d, run.total + r), factor), d, run.total + r);
  }
  for (int64_t r = 0; r < queries; ++r)
    run.total[r] += exponentials(scores + r * kKeys, keys, run.shift[r]);
}

/// Drops some of a tile's exponentials; their sum is that of all.
void drop(const AttentionShape& s, const AttentionForward& f, Head head, Tile tile, float* scores) {
  HWY_ALIGN float factors[kQueries * kKeys];
  dropout_factors(s, f.key, head, tile, factors);
  multiply_tile(factors, tile.queries, tile.keys, scores);
}

HWY_INLINE void store_residuals(const AttentionShape& s, const AttentionForward& f, Head head,
                                int64_t q0, int64_t queries, const Running& run) {
  const int64_t at = (head.batch * s.heads + head.head) * s.queries + q0;
  std::copy_n(run.top, queries, f.largest + at);
  std::copy_n(run.total, queries, f.total + at);
}

HWY_INLINE float share_of(float total) { return total == 0 ? 1 : 1 / total; }

/// Scores of a tile where nothing is to be done to them.
struct StoreProducts {
  float* to;
  HWY_INLINE void operator()(int64_t r, int64_t c, size_t, VF sum) const {
    hn::Store(sum, F32(), to + r * kKeys + c);  // there is room for whole vectors
  }
};
struct StoreScores {
  float* to;
  const Scores& score;
  HWY_INLINE void operator()(int64_t r, int64_t c, size_t n, VF sum) const {
    store_part(score.of(sum, r, c, n, nullptr), to + r * kKeys + c, n);
  }
};
/// Sums of values; the first ones are not added to anything, the last ones divided by the weights.
struct AddValues {
  float* y;
  int64_t step;
  const Running& run;
  bool first, last;
  HWY_INLINE void operator()(int64_t r, int64_t c, size_t n, VF sum) const {
    float* to = y + r * step + c;
    if (!first) sum = hn::MulAdd(load_part(to, n), constant(run.factor[r]), sum);
    if (last) sum = hn::Mul(sum, constant(share_of(run.total[r])));
    store_part(sum, to, n);
  }
};

/// Packed keys and values of one head of keys, behind one another.
struct Packed {
  int64_t keys, floats;
  explicit Packed(const AttentionShape& s)
      : keys(Panels::floats(s.keys, s.size)), floats(keys + Panels::floats(s.value_size, s.keys)) {}
};

}  // namespace

bool few(const AttentionShape& s) { return s.queries <= kFew; }
int64_t packed_floats(const AttentionShape& s) { return Packed(s).floats; }
int64_t blocks_of_head(const AttentionShape& s) { return query_blocks(s); }

/// Packs head number i of the keys, batch by batch.
void pack_head(const AttentionShape& s, const AttentionForward& f, int64_t i, float* to) {
  const int64_t batch = i / s.key_heads, head = i % s.key_heads;
  const int64_t first = batch * s.keys * s.key_heads + head;
  pack_turned(f.k + first * s.size, s.key_heads * s.size, s.size, s.keys, to, s.scale);
  pack_panels(f.v + first * s.value_size, s.key_heads * s.value_size, s.keys, s.value_size,
              to + Packed(s).keys);
}

/// Block number i of the queries: batch, head, block. `own`: its packed keys and values.
void forward_block(const AttentionShape& s, const AttentionForward& f, int64_t i,
                   const float* own) {
  const int64_t blocks = query_blocks(s), block = i % blocks;
  const Head head{i / blocks / s.heads, i / blocks % s.heads};
  const int64_t each = queries_of_block(s), q0 = block * each,
                queries = std::min(each, s.queries - q0);
  const int64_t limit = key_limit(s, q0 + queries - 1), step = s.heads * s.value_size;
  float* y = f.y + head.at(s, q0, s.value_size);
  HWY_ALIGN float scores[kQueries * kKeys];
  Running run;
  const Rows rows{f.q + head.at(s, q0, s.size), s.heads * s.size, 1};
  for (int64_t k0 = 0; k0 < limit; k0 += kKeys) {
    const Tile tile{q0, queries, k0, std::min(kKeys, limit - k0)};
    const Scores score(s, f.mask, head, tile);
    const Panels keys{own + k0 * s.size, std::min(kKeys, s.keys - k0), s.size};
    if (score.plain) {
      product(rows, queries, s.size, keys, StoreProducts{scores});
    } else {
      product(rows, queries, s.size, keys, StoreScores{scores, score});
    }
    update(scores, queries, tile.keys, run);
    if (s.kept < 1) drop(s, f, head, tile, scores);
    const Panels values{own + Packed(s).keys, s.value_size, s.keys, k0};
    product(Rows{scores, kKeys, 1}, queries, tile.keys, values,
            AddValues{y, step, run, k0 == 0, k0 + kKeys >= limit});
  }
  if (limit == 0) {
    for (int64_t r = 0; r < queries; ++r) std::fill_n(y + r * step, s.value_size, 0.f);
  }
  store_residuals(s, f, head, q0, queries, run);
}

// --- few queries: a decoder's step ---------------------------------------------------------------

namespace {

HWY_INLINE void scale_row(float* x, int64_t count, float factor) {
  along(count, [&](int64_t i, size_t n) HWY_ATTR {
    store_part(hn::Mul(load_part(x + i, n), constant(factor)), x + i, n);
  });
}

}  // namespace

/// All queries of head number i, where there are so few that packing keys would cost more.
void forward_few(const AttentionShape& s, const AttentionForward& f, int64_t i) {
  const Head head{i / s.heads, i % s.heads};
  const int64_t key_head = head.batch * s.keys * s.key_heads + head.head / s.group();
  const float *k = f.k + key_head * s.size, *v = f.v + key_head * s.value_size;
  const int64_t k_step = s.key_heads * s.size, v_step = s.key_heads * s.value_size;
  const int64_t limit = key_limit(s, s.queries - 1), step = s.heads * s.value_size;
  float* y = f.y + head.at(s, 0, s.value_size);
  HWY_ALIGN float scores[kFew * kKeys];
  Running run;
  for (int64_t r = 0; r < s.queries; ++r) std::fill_n(y + r * step, s.value_size, 0.f);
  for (int64_t k0 = 0; k0 < limit; k0 += kKeys) {
    const Tile tile{0, s.queries, k0, std::min(kKeys, limit - k0)};
    const Scores score(s, f.mask, head, tile);
    for (int64_t r = 0; r < s.queries; ++r) {
      float* row = scores + r * kKeys;
      const float* q = f.q + head.at(s, r, s.size);
      for (int64_t c = 0; c < tile.keys; ++c)
        row[c] = row_product(q, k + (k0 + c) * k_step, s.size) * s.scale;
      along(tile.keys, [&](int64_t c, size_t n) HWY_ATTR {
        store_part(score.of(load_part(row + c, n), r, c, n, nullptr), row + c, n);
      });
    }
    update(scores, s.queries, tile.keys, run);
    if (s.kept < 1) drop(s, f, head, tile, scores);
    const float* values[kKeys];
    for (int64_t c = 0; c < tile.keys; ++c) values[c] = v + (k0 + c) * v_step;
    for (int64_t r = 0; r < s.queries; ++r) {
      float* to = y + r * step;
      scale_row(to, s.value_size, run.factor[r]);
      weighted_rows(to, values, scores + r * kKeys, tile.keys, s.value_size, true);
    }
  }
  for (int64_t r = 0; r < s.queries; ++r)
    scale_row(y + r * step, s.value_size, share_of(run.total[r]));
  store_residuals(s, f, head, 0, s.queries, run);
}

}  // namespace varve::cpu::HWY_NAMESPACE
HWY_AFTER_NAMESPACE();

#if HWY_ONCE
namespace varve::cpu {
namespace {

HWY_EXPORT(few);
HWY_EXPORT(forward_few);
HWY_EXPORT(packed_floats);
HWY_EXPORT(blocks_of_head);
HWY_EXPORT(pack_head);
HWY_EXPORT(forward_block);

/// Whether each thread takes heads of keys as a whole; what it packs then stays in its own cache.
bool by_heads(const AttentionShape& s, int threads) {
  const int64_t heads = s.batch * s.key_heads;
  constexpr int64_t kEven = 8;  // so many a thread: one more or less is little
  return heads % threads == 0 || heads >= kEven * threads;
}

}  // namespace

int64_t attention_scratch(const AttentionShape& s, int threads) {
  if (HWY_DYNAMIC_DISPATCH(few)(s)) return 0;
  return (by_heads(s, threads) ? threads : s.batch * s.key_heads) *
         HWY_DYNAMIC_DISPATCH(packed_floats)(s);
}

void attention_forward(const AttentionShape& s, const AttentionForward& f, int threads) noexcept {
  if (HWY_DYNAMIC_DISPATCH(few)(s)) {
    const auto head = HWY_DYNAMIC_DISPATCH(forward_few);
    in_shares(s.batch * s.heads, threads, [&](int64_t i, int64_t) { head(s, f, i); });
    return;
  }
  const auto pack = HWY_DYNAMIC_DISPATCH(pack_head);
  const auto block = HWY_DYNAMIC_DISPATCH(forward_block);
  const int64_t floats = HWY_DYNAMIC_DISPATCH(packed_floats)(s), heads = s.batch * s.key_heads;
  // Blocks of all queries that a head of keys serves: they stand one behind another.
  const int64_t blocks = HWY_DYNAMIC_DISPATCH(blocks_of_head)(s) * s.group();
  if (!by_heads(s, threads)) {
    in_shares(heads, threads, [&](int64_t i, int64_t) { pack(s, f, i, f.scratch + i * floats); });
    in_shares(heads * blocks, threads,
              [&](int64_t i, int64_t) { block(s, f, i, f.scratch + i / blocks * floats); });
    return;
  }
  in_shares(heads, threads, [&](int64_t i, int64_t t) {
    float* own = f.scratch + t * floats;
    pack(s, f, i, own);
    for (int64_t b = 0; b < blocks; ++b) block(s, f, i * blocks + b, own);
  });
}

}  // namespace varve::cpu
#endif
