// Attention on f32 without storing scores: tiles of queries and keys, with a running maximum and
// sum.
#pragma once
#include <cstdint>

#include "base/threads.h"

namespace varve::cpu {

struct AttentionMask {
  const bool* seen = nullptr;                       // or
  const float* added = nullptr;                     // or none
  int64_t batch = 0, head = 0, query = 0, key = 0;  // steps; key: 0 or 1
};

/// Queries [batch, queries, heads, size], keys and values [batch, keys, key_heads, size],
/// row-major.
struct AttentionShape {
  int64_t batch = 0, queries = 0, keys = 0, heads = 0, key_heads = 0, size = 0, value_size = 0;
  float scale = 1, softcap = 0;
  bool causal = false;
  int64_t offset = 0;
  float kept = 1;  // share of the weights that is not dropped

  int64_t group() const { return heads / key_heads; }
};

/// Calls f(i, t) for all i < n; each of `threads` shares t takes neighbours.
template <class F>
void in_shares(int64_t n, int threads, const F& f) {
  parallel_for(threads, 1, [&](int64_t begin, int64_t end) {
    for (int64_t t = begin; t < end; ++t) {
      for (int64_t i = n * t / threads; i < n * (t + 1) / threads; ++i) f(i, t);
    }
  });
}

/// Floats of scratch.
int64_t attention_scratch(const AttentionShape& s, int threads);
int64_t attention_gradient_scratch(const AttentionShape& s, int threads);

struct AttentionForward {
  const float *q, *k, *v;
  AttentionMask mask;
  const uint64_t* key;     // of the weights that are dropped
  float* y;                // [batch, queries, heads, value size]
  float *largest, *total;  // [batch, heads, queries]
  float* scratch;
};
void attention_forward(const AttentionShape& s, const AttentionForward& f, int threads) noexcept;

struct AttentionBackward {
  const float *q, *k, *v, *y, *largest, *total, *dy;
  AttentionMask mask;
  const uint64_t* key;
  float *dq, *dk, *dv;
  float* scratch;
};
void attention_backward(const AttentionShape& s, const AttentionBackward& b, int threads) noexcept;

}  // namespace varve::cpu
