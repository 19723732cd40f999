// Keys and values are packed once a head; a block of queries then meets them block by block, and
// its scores never leave the cache. Backwards the weights are found again from each query's largest
// score and sum (Dao et al. 2022). Work is shared among threads by blocks of queries (backwards:
// by heads of keys), so that results do not depend on how many there are.
#include "backend/cpu/simd_attention.h"

#include <algorithm>
#include <cmath>
#include <utility>

#include "backend/cpu/simd_targets.h"
#include "base/threads.h"
#undef HWY_TARGET_INCLUDE
#define HWY_TARGET_INCLUDE "backend/cpu/simd_attention.cpp"
#include "hwy/foreach_target.h"
// Comes after foreach_target.
#include "backend/cpu/simd_hyperbolic-inl.h"
#include "backend/cpu/simd_tile-inl.h"

HWY_BEFORE_NAMESPACE();
namespace varve::cpu::HWY_NAMESPACE {
namespace {

// A tile of scores has 48 x 128 floats, 24 KiB; a multiple of the product's rows and panels.
constexpr int64_t kQueries = 48, kKeys = 128;
// Up to so many queries a head, keys are read where they lie.
constexpr int64_t kFew = 4;

/// exp(x) for x up to some units above 0; 0 below -87, where floats become denormal.
HWY_INLINE VF exp_below(VF x) {
  const ExpReduction e = reduce_exp(x);
  // (exp(r) - 1 - r) / r^2 on [-0.3475, 0.3475].
  const VF q = polynomial(e.r, 0x1.fffff4p-2f, 0x1.55548cp-3f, 0x1.555dd2p-5f, 0x1.123d6p-7f,
                          0x1.6721e8p-10f);
  const VF p = hn::MulAdd(hn::Mul(e.r, e.r), q, hn::Add(e.r, constant(1.f)));
  const VF y = hn::Mul(p, power_of_two(e.whole()));
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

/// Keys that a block's last query sees at most.
int64_t key_limit(const AttentionShape& s, int64_t last_query) {
  return s.causal ? std::clamp<int64_t>(last_query + s.offset + 1, 0, s.keys) : s.keys;
}

/// Scores of one row from products with keys: scaled, capped, masked. `slope`: of the cap.
struct Scores {
  const AttentionShape& s;
  const AttentionMask& mask;
  Head head;
  Tile tile;
  bool diagonal;  // some queries of the tile do not see all of its keys
  bool plain;     // nothing but the scale

  Scores(const AttentionShape& shape, const AttentionMask& m, Head h, Tile t)
      : s(shape),
        mask(m),
        head(h),
        tile(t),
        diagonal(shape.causal && t.k + t.keys - 1 > t.q + shape.offset),
        plain(!diagonal && shape.softcap == 0 && m.added == nullptr && m.seen == nullptr) {}

  HWY_INLINE VF of(VF product, int64_t row, int64_t column, size_t n, VF* slope) const {
    VF x = hn::Mul(product, constant(s.scale));
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
        const VF seen = truth(mask.seen + at, n);
        x = hn::IfThenElse(hn::Eq(seen, constant(0.f)), never, x);
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
  static HWY_INLINE VF truth(const bool* p, size_t n) {
    HWY_ALIGN float lanes[kLanes] = {};
    for (size_t i = 0; i < n; ++i) lanes[i] = p[i] ? 1.f : 0.f;
    return hn::Load(F32(), lanes);
  }
};

/// Calls f(place, n) along a row of `count` floats, vector by vector.
template <class F>
HWY_INLINE void along(int64_t count, const F& f) {
  int64_t i = 0;
  for (; i + static_cast<int64_t>(kLanes) <= count; i += static_cast<int64_t>(kLanes)) f(i, kLanes);
  if (i < count) f(i, static_cast<size_t>(count - i));
}

/// What is known of a block of queries so far.
struct Running {
  float top[kQueries], total[kQueries], factor[kQueries], shift[kQueries];

  /// Of nothing: the sums y, rows `step` apart, are 0.
  Running(float* y, int64_t queries, int64_t step, int64_t size) {
    std::fill_n(top, kQueries, -kInfinity);
    std::fill_n(total, kQueries, 0.f);
    for (int64_t r = 0; r < queries; ++r) std::fill_n(y + r * step, size, 0.f);
  }
};

HWY_INLINE float largest(const float* x, int64_t count) {
  const F32 d;
  VF top = constant(-kInfinity);
  along(count, [&](int64_t i, size_t n) HWY_ATTR {
    top = hn::Max(top, n == kLanes ? hn::LoadU(d, x + i) : load_some(d, x + i, n, -kInfinity));
  });
  return hn::GetLane(hn::MaxOfLanes(d, top));
}

/// x = exp(x - shift); the sum of them.
HWY_INLINE float exponentials(float* x, int64_t count, float shift) {
  const F32 d;
  const VF s = constant(shift);
  VF sum = hn::Zero(d);
  along(count, [&](int64_t i, size_t n) HWY_ATTR {
    const VF v = n == kLanes ? hn::LoadU(d, x + i) : load_some(d, x + i, n, -kInfinity);
    const VF e = exp_below(hn::Sub(v, s));
    store_part(e, x + i, n);
    sum = hn::Add(sum, e);
  });
  return hn::GetLane(hn::SumOfLanes(d, sum));
}

/// Turns scores into exponentials; `factor` is for what was summed before, with smaller maxima.
HWY_INLINE void update(float* scores, int64_t queries, int64_t keys, Running& run) {
  const F32 d;
  float before[kQueries];
  std::copy_n(run.top, kQueries, before);
  for (int64_t r = 0; r < queries; ++r)
    run.top[r] = std::max(run.top[r], largest(scores + r * kKeys, keys));
  for (int64_t r = 0; r < kQueries; r += static_cast<int64_t>(kLanes)) {
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

HWY_INLINE void scale_row(float* x, int64_t count, float factor) {
  along(count, [&](int64_t i, size_t n) HWY_ATTR {
    store_part(hn::Mul(load_part(x + i, n), constant(factor)), x + i, n);
  });
}

/// Divides the sums of a block by what they are to be divided by.
HWY_INLINE void finish_block(const AttentionShape& s, const AttentionForward& f, Head head,
                             int64_t q0, int64_t queries, const Running& run) {
  for (int64_t r = 0; r < queries; ++r) {
    const float total = run.total[r];
    if (total != 0) scale_row(f.y + head.at(s, q0 + r, s.value_size), s.value_size, 1 / total);
    const int64_t at = (head.batch * s.heads + head.head) * s.queries + q0 + r;
    f.largest[at] = run.top[r];
    f.total[at] = total;
  }
}

/// Packed keys and values of one head of keys, behind one another.
struct Packed {
  int64_t keys_floats, values_floats;
  explicit Packed(const AttentionShape& s)
      : keys_floats(Panels::floats(s.keys, s.size)),
        values_floats(Panels::floats(s.value_size, s.keys)) {}
  int64_t floats() const { return keys_floats + values_floats; }
};

}  // namespace

bool few(const AttentionShape& s) { return s.queries <= kFew; }

int64_t forward_scratch(const AttentionShape& s) {
  return few(s) ? 0 : s.batch * s.key_heads * Packed(s).floats();
}

/// Packs head number i of the keys, batch by batch.
void pack_head(const AttentionShape& s, const AttentionForward& f, int64_t i) {
  const Packed packed(s);
  const int64_t batch = i / s.key_heads, head = i % s.key_heads;
  const int64_t first = batch * s.keys * s.key_heads + head;
  float* to = f.scratch + i * packed.floats();
  pack_turned(f.k + first * s.size, s.key_heads * s.size, s.size, s.keys, to);
  pack_panels(f.v + first * s.value_size, s.key_heads * s.value_size, s.keys, s.value_size,
              to + packed.keys_floats);
}

/// Blocks of queries of much the same size: multiples of the product's rows, but for the last.
int64_t queries_of_block(const AttentionShape& s) {
  const int64_t blocks = (s.queries + kQueries - 1) / kQueries;
  const int64_t even = (s.queries + blocks - 1) / blocks;
  return std::min(kQueries, (even + kRows - 1) / kRows * kRows);
}
int64_t query_blocks(const AttentionShape& s) {
  return (s.queries + queries_of_block(s) - 1) / queries_of_block(s);
}

/// Block number i of the queries: batch, head, block.
void forward_block(const AttentionShape& s, const AttentionForward& f, int64_t i) {
  const int64_t blocks = query_blocks(s), block = i % blocks;
  const Head head{i / blocks / s.heads, i / blocks % s.heads};
  const int64_t each = queries_of_block(s), q0 = block * each,
                queries = std::min(each, s.queries - q0);
  const Packed packed(s);
  const float* own =
      f.scratch + (head.batch * s.key_heads + head.head / s.group()) * packed.floats();
  const int64_t limit = key_limit(s, q0 + queries - 1), step = s.heads * s.value_size;
  float* y = f.y + head.at(s, q0, s.value_size);
  HWY_ALIGN float scores[kQueries * kKeys];
  Running run(y, queries, step, s.value_size);
  const Rows rows{f.q + head.at(s, q0, s.size), s.heads * s.size, 1};
  for (int64_t k0 = 0; k0 < limit; k0 += kKeys) {
    const Tile tile{q0, queries, k0, std::min(kKeys, limit - k0)};
    const Scores score(s, f.mask, head, tile);
    const Panels keys{own + k0 * s.size, std::min(kKeys, s.keys - k0), s.size};
    product(rows, queries, s.size, keys, [&](int64_t r, int64_t c, size_t n, VF sum) HWY_ATTR {
      store_part(score.of(sum, r, c, n, nullptr), scores + r * kKeys + c, n);
    });
    update(scores, queries, tile.keys, run);
    const Panels values{own + packed.keys_floats, s.value_size, s.keys, k0};
    product(Rows{scores, kKeys, 1}, queries, tile.keys, values,
            [&](int64_t r, int64_t c, size_t n, VF sum) HWY_ATTR {
              float* to = y + r * step + c;
              store_part(hn::MulAdd(load_part(to, n), constant(run.factor[r]), sum), to, n);
            });
  }
  finish_block(s, f, head, q0, queries, run);
}

// --- few queries: a decoder's step ---------------------------------------------------------------

namespace {

HWY_INLINE float dot(const float* a, const float* b, int64_t count) {
  VF sum = hn::Zero(F32());
  along(count, [&](int64_t i, size_t n)
                   HWY_ATTR { sum = hn::MulAdd(load_part(a + i, n), load_part(b + i, n), sum); });
  return hn::GetLane(hn::SumOfLanes(F32(), sum));
}

HWY_INLINE void add_scaled(float* y, const float* x, float factor, int64_t count) {
  along(count, [&](int64_t i, size_t n) HWY_ATTR {
    store_part(hn::MulAdd(load_part(x + i, n), constant(factor), load_part(y + i, n)), y + i, n);
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
  Running run(y, s.queries, step, s.value_size);
  for (int64_t k0 = 0; k0 < limit; k0 += kKeys) {
    const Tile tile{0, s.queries, k0, std::min(kKeys, limit - k0)};
    const Scores score(s, f.mask, head, tile);
    for (int64_t r = 0; r < s.queries; ++r) {
      float* row = scores + r * kKeys;
      const float* q = f.q + head.at(s, r, s.size);
      for (int64_t c = 0; c < tile.keys; ++c) row[c] = dot(q, k + (k0 + c) * k_step, s.size);
      along(tile.keys, [&](int64_t c, size_t n) HWY_ATTR {
        store_part(score.of(load_part(row + c, n), r, c, n, nullptr), row + c, n);
      });
    }
    update(scores, s.queries, tile.keys, run);
    for (int64_t r = 0; r < s.queries; ++r) {
      scale_row(y + r * step, s.value_size, run.factor[r]);
      for (int64_t c = 0; c < tile.keys; ++c)
        add_scaled(y + r * step, v + (k0 + c) * v_step, scores[r * kKeys + c], s.value_size);
    }
  }
  finish_block(s, f, head, 0, s.queries, run);
}

// --- backward ------------------------------------------------------------------------------------

namespace {

/// Scratch of one head of keys.
struct BackPacked {
  int64_t turned_keys, turned_values, keys, queries, gradients;  // where each begins
  int64_t floats;
  explicit BackPacked(const AttentionShape& s) {
    int64_t at = 0;
    const auto take = [&](int64_t columns, int64_t rows) {
      return std::exchange(at, at + Panels::floats(columns, rows));
    };
    turned_keys = take(s.keys, s.size);
    turned_values = take(s.keys, s.value_size);
    keys = take(s.size, s.keys);
    queries = take(s.size, kQueries);
    gradients = take(s.value_size, kQueries);
    floats = at;
  }
};

/// dy y of each query of a block.
void row_products(const AttentionShape& s, const float* y, const float* dy, int64_t queries,
                  float* to) {
  const int64_t step = s.heads * s.value_size;
  for (int64_t r = 0; r < queries; ++r) {
    VF sum = hn::Zero(F32());
    along(s.value_size, [&](int64_t i, size_t n) HWY_ATTR {
      sum = hn::MulAdd(load_part(y + r * step + i, n), load_part(dy + r * step + i, n), sum);
    });
    to[r] = hn::GetLane(hn::SumOfLanes(F32(), sum));
  }
}

HWY_INLINE void add_to(float* to, VF v, size_t n) {
  store_part(hn::Add(load_part(to, n), v), to, n);
}

/// One block of queries of one head, against all keys.
void backward_block(const AttentionShape& s, const AttentionBackward& b, Head head, int64_t q0,
                    float* own) {
  const BackPacked packed(s);
  const int64_t queries = std::min(queries_of_block(s), s.queries - q0);
  const int64_t q_step = s.heads * s.size, y_step = s.heads * s.value_size;
  const int64_t key_head = head.head / s.group(),
                first_key = head.batch * s.keys * s.key_heads + key_head;
  const int64_t k_step = s.key_heads * s.size, v_step = s.key_heads * s.value_size;
  const float *q = b.q + head.at(s, q0, s.size), *dy = b.dy + head.at(s, q0, s.value_size);
  const int64_t residual = (head.batch * s.heads + head.head) * s.queries + q0;
  float *dq = b.dq + head.at(s, q0, s.size), *dk = b.dk + first_key * s.size,
        *dv = b.dv + first_key * s.value_size;
  float mean[kQueries], shift[kQueries], share[kQueries];
  row_products(s, b.y + head.at(s, q0, s.value_size), dy, queries, mean);
  for (int64_t r = 0; r < queries; ++r) {
    const float top = b.largest[residual + r], total = b.total[residual + r];
    shift[r] = top == -kInfinity ? 0.f : top;
    share[r] = total == 0 ? 0.f : 1 / total;
    std::fill_n(dq + r * q_step, s.size, 0.f);
  }
  pack_panels(q, q_step, queries, s.size, own + packed.queries);
  pack_panels(dy, y_step, queries, s.value_size, own + packed.gradients);
  HWY_ALIGN float weights[kQueries * kKeys];
  HWY_ALIGN float change[kQueries * kKeys];  // first the cap's slope, then the scores' gradient
  const int64_t limit = key_limit(s, q0 + queries - 1);
  for (int64_t k0 = 0; k0 < limit; k0 += kKeys) {
    const Tile tile{q0, queries, k0, std::min(kKeys, limit - k0)};
    const Scores score(s, b.mask, head, tile);
    const int64_t columns = std::min(kKeys, s.keys - k0);
    product(Rows{q, q_step, 1}, queries, s.size,
            Panels{own + packed.turned_keys + k0 * s.size, columns, s.size},
            [&](int64_t r, int64_t c, size_t n, VF sum) HWY_ATTR {
              VF slope = constant(1.f);
              const VF x = score.of(sum, r, c, n, &slope);
              const VF e = exp_below(hn::Sub(x, constant(shift[r])));
              store_part(hn::Mul(e, constant(share[r])), weights + r * kKeys + c, n);
              if (s.softcap > 0) store_part(slope, change + r * kKeys + c, n);
            });
    product(Rows{dy, y_step, 1}, queries, s.value_size,
            Panels{own + packed.turned_values + k0 * s.value_size, columns, s.value_size},
            [&](int64_t r, int64_t c, size_t n, VF sum) HWY_ATTR {
              float* to = change + r * kKeys + c;
              const VF w = load_part(weights + r * kKeys + c, n);
              VF g = hn::Mul(hn::Mul(w, hn::Sub(sum, constant(mean[r]))), constant(s.scale));
              if (s.softcap > 0) g = hn::Mul(g, load_part(to, n));
              store_part(g, to, n);
            });
    product(Rows{change, kKeys, 1}, queries, tile.keys,
            Panels{own + packed.keys, s.size, s.keys, k0},
            [&](int64_t r, int64_t c, size_t n, VF sum)
                HWY_ATTR { add_to(dq + r * q_step + c, sum, n); });
    product(Rows{change, 1, kKeys}, tile.keys, queries,
            Panels{own + packed.queries, s.size, queries},
            [&](int64_t r, int64_t c, size_t n, VF sum)
                HWY_ATTR { add_to(dk + (k0 + r) * k_step + c, sum, n); });
    product(Rows{weights, 1, kKeys}, tile.keys, queries,
            Panels{own + packed.gradients, s.value_size, queries},
            [&](int64_t r, int64_t c, size_t n, VF sum)
                HWY_ATTR { add_to(dv + (k0 + r) * v_step + c, sum, n); });
  }
}

}  // namespace

int64_t backward_scratch(const AttentionShape& s) {
  return s.batch * s.key_heads * BackPacked(s).floats;
}

/// Head number i of the keys, with all its queries.
void backward_head(const AttentionShape& s, const AttentionBackward& b, int64_t i) {
  const BackPacked packed(s);
  const int64_t batch = i / s.key_heads, key_head = i % s.key_heads;
  const int64_t first = batch * s.keys * s.key_heads + key_head;
  const int64_t k_step = s.key_heads * s.size, v_step = s.key_heads * s.value_size;
  float* own = b.scratch + i * packed.floats;
  pack_turned(b.k + first * s.size, k_step, s.size, s.keys, own + packed.turned_keys);
  pack_turned(b.v + first * s.value_size, v_step, s.value_size, s.keys, own + packed.turned_values);
  pack_panels(b.k + first * s.size, k_step, s.keys, s.size, own + packed.keys);
  for (int64_t k = 0; k < s.keys; ++k) {
    std::fill_n(b.dk + first * s.size + k * k_step, s.size, 0.f);
    std::fill_n(b.dv + first * s.value_size + k * v_step, s.value_size, 0.f);
  }
  for (int64_t g = 0; g < s.group(); ++g) {
    for (int64_t q0 = 0; q0 < s.queries; q0 += queries_of_block(s))
      backward_block(s, b, {batch, key_head * s.group() + g}, q0, own);
  }
}

}  // namespace varve::cpu::HWY_NAMESPACE
HWY_AFTER_NAMESPACE();

#if HWY_ONCE
namespace varve::cpu {
namespace {

HWY_EXPORT(few);
HWY_EXPORT(forward_few);
HWY_EXPORT(forward_scratch);
HWY_EXPORT(backward_scratch);
HWY_EXPORT(pack_head);
HWY_EXPORT(query_blocks);
HWY_EXPORT(forward_block);
HWY_EXPORT(backward_head);

/// Calls f(i) for i < n; on one thread where all together is little work.
template <class F>
void each(int64_t n, double operations, F f) {
  // As for library calls: 20 microseconds at 100 GFLOP/s.
  constexpr double kWorthAThread = 2e6;
  const auto some = [&](int64_t begin, int64_t end) {
    for (int64_t i = begin; i < end; ++i) f(i);
  };
  if (operations < kWorthAThread) {
    some(0, n);
  } else {
    parallel_for(n, 1, some);
  }
}

double operations_of(const AttentionShape& s) {
  return 2. * static_cast<double>(s.batch * s.heads) * static_cast<double>(s.queries) *
         static_cast<double>(s.keys) * static_cast<double>(s.size + s.value_size);
}

}  // namespace

int64_t attention_scratch(const AttentionShape& s) {
  return HWY_DYNAMIC_DISPATCH(forward_scratch)(s);
}
int64_t attention_gradient_scratch(const AttentionShape& s) {
  return HWY_DYNAMIC_DISPATCH(backward_scratch)(s);
}

void attention_forward(const AttentionShape& s, const AttentionForward& f) noexcept {
  const auto pack = HWY_DYNAMIC_DISPATCH(pack_head);
  const auto block = HWY_DYNAMIC_DISPATCH(forward_block);
  const double work = operations_of(s);
  if (HWY_DYNAMIC_DISPATCH(few)(s)) {
    const auto head = HWY_DYNAMIC_DISPATCH(forward_few);
    each(s.batch * s.heads, work, [&](int64_t i) { head(s, f, i); });
    return;
  }
  each(s.batch * s.key_heads, work, [&](int64_t i) { pack(s, f, i); });
  each(s.batch * s.heads * HWY_DYNAMIC_DISPATCH(query_blocks)(s), work,
       [&](int64_t i) { block(s, f, i); });
}

void attention_backward(const AttentionShape& s, const AttentionBackward& b) noexcept {
  const auto head = HWY_DYNAMIC_DISPATCH(backward_head);
  each(s.batch * s.key_heads, operations_of(s), [&](int64_t i) { head(s, b, i); });
}

}  // namespace varve::cpu
#endif
