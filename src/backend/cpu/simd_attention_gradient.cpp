// Attention's backward kernel: the weights are found again from each query's largest score and sum
// (Dao et al. 2022). A thread takes heads of keys with all their queries, so that sums do not
// depend on the number of threads.
#include <utility>

#include "backend/cpu/simd_attention.h"
#include "backend/cpu/simd_targets.h"
#undef HWY_TARGET_INCLUDE
#define HWY_TARGET_INCLUDE "backend/cpu/simd_attention_gradient.cpp"
#include "hwy/foreach_target.h"
// Comes after foreach_target.
#include "backend/cpu/simd_attention-inl.h"
#include "backend/cpu/simd_rows-inl.h"

HWY_BEFORE_NAMESPACE();
namespace varve::cpu::HWY_NAMESPACE {
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

/// What is known of the queries of a block.
struct Known {
  float mean[kQueries];   // dy y
  float shift[kQueries];  // the largest score; 0 where nothing is seen
  float share[kQueries];  // 1 / the sum of exponentials

  Known(const AttentionShape& s, const AttentionBackward& b, Head head, int64_t q0,
        int64_t queries) {
    const int64_t at = (head.batch * s.heads + head.head) * s.queries + q0;
    for (int64_t r = 0; r < queries; ++r) {
      const int64_t row = head.at(s, q0 + r, s.value_size);
      mean[r] = row_product(b.y + row, b.dy + row, s.value_size);
      const float top = b.largest[at + r], total = b.total[at + r];
      shift[r] = top == -kInfinity ? 0.f : top;
      share[r] = total == 0 ? 0.f : 1 / total;
    }
  }
};

/// The weights again; where scores are capped, the cap's slope goes where their gradient will be.
struct FindWeights {
  const Scores& score;
  const Known& known;
  float *weights, *change;
  HWY_INLINE void operator()(int64_t r, int64_t c, size_t n, VF sum) const {
    VF slope = constant(1.f);
    const VF x = score.of(sum, r, c, n, &slope);
    const VF e = exp_below(hn::Sub(x, constant(known.shift[r])));
    store_part(hn::Mul(e, constant(known.share[r])), weights + r * kKeys + c, n);
    if (score.s.softcap > 0) store_part(slope, change + r * kKeys + c, n);
  }
};
/// The gradient by the scores, from that by the weights.
struct FindChange {
  const Scores& score;
  const Known& known;
  float *weights, *change;
  const float* factors;  // of dropout, or null
  HWY_INLINE void operator()(int64_t r, int64_t c, size_t n, VF sum) const {
    float* to = change + r * kKeys + c;
    if (factors != nullptr) sum = hn::Mul(sum, load_part(factors + r * kKeys + c, n));
    const VF w = load_part(weights + r * kKeys + c, n);
    VF g = hn::Mul(w, hn::Sub(sum, constant(known.mean[r])));
    if (score.s.softcap > 0) g = hn::Mul(g, load_part(to, n));
    store_part(g, to, n);
  }
};
/// Adds to rows `step` apart; the first ones are stored.
struct AddTo {
  float* to;
  int64_t step;
  bool first;
  HWY_INLINE void operator()(int64_t r, int64_t c, size_t n, VF sum) const {
    float* p = to + r * step + c;
    store_part(first ? sum : hn::Add(load_part(p, n), sum), p, n);
  }
};

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
  float *dq = b.dq + head.at(s, q0, s.size), *dk = b.dk + first_key * s.size,
        *dv = b.dv + first_key * s.value_size;
  const Known known(s, b, head, q0, queries);
  pack_panels(q, q_step, queries, s.size, own + packed.queries, s.scale);
  pack_panels(dy, y_step, queries, s.value_size, own + packed.gradients);
  HWY_ALIGN float weights[kQueries * kKeys];
  HWY_ALIGN float change[kQueries * kKeys];
  HWY_ALIGN float factors[kQueries * kKeys];
  const bool drops = s.kept < 1;
  const int64_t limit = key_limit(s, q0 + queries - 1);
  for (int64_t k0 = 0; k0 < limit; k0 += kKeys) {
    const Tile tile{q0, queries, k0, std::min(kKeys, limit - k0)};
    const Scores score(s, b.mask, head, tile);
    const int64_t columns = std::min(kKeys, s.keys - k0);
    if (drops) dropout_factors(s, b.key, head, tile, factors);
    product(Rows{q, q_step, 1}, queries, s.size,
            Panels{own + packed.turned_keys + k0 * s.size, columns, s.size},
            FindWeights{score, known, weights, change});
    product(Rows{dy, y_step, 1}, queries, s.value_size,
            Panels{own + packed.turned_values + k0 * s.value_size, columns, s.value_size},
            FindChange{score, known, weights, change, drops ? factors : nullptr});
    if (drops) multiply_tile(factors, queries, tile.keys, weights);
    product(Rows{change, kKeys, 1}, queries, tile.keys,
            Panels{own + packed.keys, s.size, s.keys, k0}, AddTo{dq, q_step, k0 == 0});
    product(Rows{change, 1, kKeys}, tile.keys, queries,
            Panels{own + packed.queries, s.size, queries}, AddTo{dk + k0 * k_step, k_step, false});
    product(Rows{weights, 1, kKeys}, tile.keys, queries,
            Panels{own + packed.gradients, s.value_size, queries},
            AddTo{dv + k0 * v_step, v_step, false});
  }
  if (limit == 0) {
    for (int64_t r = 0; r < queries; ++r) std::fill_n(dq + r * q_step, s.size, 0.f);
  }
}

}  // namespace

int64_t backward_floats(const AttentionShape& s) { return BackPacked(s).floats; }

/// Head number i of the keys, with all its queries.
void backward_head(const AttentionShape& s, const AttentionBackward& b, int64_t i, float* own) {
  const BackPacked packed(s);
  const int64_t batch = i / s.key_heads, key_head = i % s.key_heads;
  const int64_t first = batch * s.keys * s.key_heads + key_head;
  const int64_t k_step = s.key_heads * s.size, v_step = s.key_heads * s.value_size;
  pack_turned(b.k + first * s.size, k_step, s.size, s.keys, own + packed.turned_keys, s.scale);
  pack_turned(b.v + first * s.value_size, v_step, s.value_size, s.keys, own + packed.turned_values);
  pack_panels(b.k + first * s.size, k_step, s.keys, s.size, own + packed.keys, s.scale);
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
HWY_EXPORT(backward_floats);
HWY_EXPORT(backward_head);
}  // namespace

int64_t attention_gradient_scratch(const AttentionShape& s, int threads) {
  return threads * HWY_DYNAMIC_DISPATCH(backward_floats)(s);
}

void attention_backward(const AttentionShape& s, const AttentionBackward& b, int threads) noexcept {
  const auto head = HWY_DYNAMIC_DISPATCH(backward_head);
  const int64_t floats = HWY_DYNAMIC_DISPATCH(backward_floats)(s), heads = s.batch * s.key_heads;
  in_shares(heads, threads, [&](int64_t i, int64_t t) { head(s, b, i, b.scratch + t * floats); });
}

}  // namespace varve::cpu
#endif
