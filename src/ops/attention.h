// Attention by primitives, for decompositions and for functions that show the scores.
#pragma once
#include "ops/build.h"

namespace varve::ops {

/// What is asked of the scores; the mask is [1 or batch, 1 or heads, 1 or queries, 1 or keys].
struct ScoreOptions {
  double scale = 1, softcap = 0;
  bool causal = false;
  int64_t offset = 0;
  Tensor mask = {};

  static ScoreOptions of(const Attributes& a, const Tensor& mask);
};

/// Sizes of queries [batch, queries, heads, size] and keys [batch, keys, key heads, size].
struct HeadSizes {
  int64_t batch, queries, keys, heads, key_heads;
  int64_t group() const { return key_heads ? heads / key_heads : 0; }
  /// [batch, key heads, group, queries, keys].
  Shape grouped_scores() const { return Shape{batch, key_heads, group(), queries, keys}; }
  bool empty() const { return batch * queries * keys * heads == 0; }
};
HeadSizes head_sizes(const Shape& query, const Shape& key);

/// Queries as [batch, key heads, group, queries, size]; keys as [batch, key heads, 1, keys, size];
/// and queries back.
Tensor grouped_queries(const Tensor& x, const HeadSizes& n);
Tensor grouped_keys(const Tensor& x);
Tensor ungrouped_queries(const Tensor& x, const HeadSizes& n);

/// scale q k', grouped.
Tensor score_product(const Tensor& q, const Tensor& k, const HeadSizes& n, double scale);
Tensor capped(const Tensor& scores, double softcap);
/// bool [queries, keys]: whether a key stands no later than a query's last one, i64 [queries].
Tensor seen_up_to(const Tensor& last, int64_t keys);
/// -inf where a key is not seen; a mask of numbers added.
Tensor masked(const Tensor& scores, const ScoreOptions& o, const HeadSizes& n);

}  // namespace varve::ops
