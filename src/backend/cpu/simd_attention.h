// Attention on f32 without storing scores: tiles of queries and keys, with a running maximum and
// sum.
#pragma once
#include <cstdint>

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

  int64_t group() const { return heads / key_heads; }
};

/// Floats of scratch.
int64_t attention_scratch(const AttentionShape& s);
int64_t attention_gradient_scratch(const AttentionShape& s);

struct AttentionForward {
  const float *q, *k, *v;
  AttentionMask mask;
  float* y;                // [batch, queries, heads, value size]
  float *largest, *total;  // [batch, heads, queries]
  float* scratch;
};
void attention_forward(const AttentionShape& s, const AttentionForward& f) noexcept;

struct AttentionBackward {
  const float *q, *k, *v, *y, *largest, *total, *dy;
  AttentionMask mask;
  float *dq, *dk, *dv;
  float* scratch;
};
void attention_backward(const AttentionShape& s, const AttentionBackward& b) noexcept;

}  // namespace varve::cpu
