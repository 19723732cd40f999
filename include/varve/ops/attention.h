// room: ops
// Attention over keys and values, the scores behind it, caches of keys and values, and encodings of
// positions.
#pragma once
#include <optional>
#include <string_view>

#include "varve/tensor.h"

namespace varve {

struct AttentionOptions {
  bool causal = false;  ///< query i sees the keys 0 .. i + offset alone
  /// What may be seen: bool (true: seen), or floating numbers that are added to the scores (-inf:
  /// not seen); broadcasts to [batch, heads, queries, keys].
  Tensor mask = {};
  std::optional<double> scale = {};  ///< of the scores; empty: 1 / sqrt(size)
  Real softcap = 0;                  ///< above 0: scores become softcap tanh(score / softcap)
  Real dropout = 0;                  ///< share of the weights that is dropped; needs `key`
  std::optional<Key> key = {};
  Dim offset = 0;            ///< place of the first query among the keys: what a cache holds
  Tensor key_lengths = {};   ///< integers [batch]: how many keys a sample has; empty: all
  bool heads_first = false;  ///< [batch, heads, time, size] (ONNX, PyTorch)
};

/// softmax(scale q k' + mask) v for each head: every query gets the mean of the values, weighted by
/// how well their keys fit. A query that sees no key gets zeros. In f32 on the CPU the scores are
/// never stored: memory grows with the length, not with its square (other types and devices may
/// store them). Shapes: query
/// [batch, queries, heads, size], key [batch, keys, key heads, size], value [batch, keys, key
/// heads, value size] -> [batch, queries, heads, value size]. Without the axis of heads: one head.
/// The key heads divide the heads: each serves several in a row (grouped-query attention). Floating
/// types; integers become f32. Throws ShapeError, DTypeError, and ValueError for a negative softcap
/// or dropout outside [0, 1). Sources: Vaswani et al. 2017; grouped queries Ainslie et al. 2023;
/// without storing scores Rabe and Staats 2021, Dao et al. 2022. Example: attention(q, k, v,
/// {.causal = true})
Tensor attention(const Operand& query, const Operand& key, const Operand& value,
                 const AttentionOptions& options = {});

namespace detail {
void attention_stage_must_be_product_capped_masked_or_weights();
}
/// How far scores are worked out: "product" (scale q k'), "capped" (by softcap), "masked" (-inf
/// where not seen), "weights" (their softmax).
struct AttentionStage {
  enum class Kind { product, capped, masked, weights } kind;
  consteval AttentionStage(const char* name) : kind(read(name)) {}

 private:
  static constexpr Kind read(std::string_view n) {
    if (n == "product") return Kind::product;
    if (n == "capped") return Kind::capped;
    if (n == "masked") return Kind::masked;
    if (n != "weights") detail::attention_stage_must_be_product_capped_masked_or_weights();
    return Kind::weights;
  }
};
/// The scores that attention uses, [batch, heads, queries, keys] (without heads: [batch, queries,
/// keys]); dropout is left out.
Tensor attention_scores(const Operand& query, const Operand& key,
                        const AttentionOptions& options = {}, AttentionStage stage = "weights");

/// A cache of keys or values with new entries written from `position` (an integer, one number) on,
/// along an axis: what a decoder does with each step. The cache keeps its size, so that a compiled
/// step can be replayed; give attention .key_lengths, or a mask, for what is filled.
/// Throws IndexError, when computed, where the entries reach beyond the cache.
Tensor cache_write(const Operand& cache, const Operand& entries, const Operand& position,
                   int axis = 1);

struct SinusoidalOptions {
  Real base = 10000;
  bool interleaved = true;  ///< sin and cos take turns; else sines in front, cosines behind
  DType dtype = f32;
};
/// Positions 0 .. length - 1 as waves: [length, size], row p: sin(p / base^(2i / size)) and the
/// cosine of the same, for i = 0, 1 ... Throws ValueError where size is odd.
/// Source: Vaswani et al. 2017, section 3.5.
Tensor sinusoidal_positions(Dim length, Dim size, const SinusoidalOptions& options = {});

struct RotaryOptions {
  Tensor positions = {};  ///< integers [time] or [batch, time]; empty: offset, offset + 1, ...
  Dim offset = 0;
  Dim rotary_size = 0;       ///< how many of each head's elements turn, the first ones; 0: all
  bool interleaved = false;  ///< pairs are neighbours (2i, 2i + 1); else (i, i + rotary_size / 2)
  Real base = 10000;
  bool heads_first = false;  ///< x is [batch, heads, time, size]
};
/// Rotary position embedding: each pair (a, b) of a head turns by the angle p / base^(2i / size) of
/// its position p: (a cos - b sin, b cos + a sin). Products of queries and keys then depend on the
/// distance of their positions alone.
/// Shapes: x [batch, time, heads, size] or [batch, time, size]; the same comes out.
/// Throws ValueError where rotary_size is odd or above size, ShapeError for the positions.
/// Source: Su et al. 2021, "RoFormer".
Tensor rotary_embedding(const Operand& x, const RotaryOptions& options = {});
/// The same by given cosines and sines, [time, rotary_size / 2] or [batch, time, rotary_size / 2].
/// Of the options, `interleaved` and `heads_first` matter.
Tensor rotate_pairs(const Operand& x, const Operand& cosines, const Operand& sines,
                    const RotaryOptions& options = {});

}  // namespace varve
