#include "varve/nn/attention_layers.h"

#include <algorithm>
#include <cmath>
#include <limits>

#include "base/error.h"
#include "nn/masks.h"
#include "nn/recurrent.h"
#include "nn/weights.h"
#include "ops/attention.h"
#include "ops/shape.h"
#include "varve/ops/attention.h"
#include "varve/ops/matmul.h"
#include "varve/ops/normalization.h"
#include "varve/ops/pointwise.h"
#include "varve/ops/random.h"
#include "varve/ops/reduction.h"
#include "varve/ops/shape.h"

namespace varve::nn {
namespace {

constexpr const char* kAxes = "[batch, time, size]";
constexpr RealRule kShare{.min = 0, .below = 1};

/// {query}, {query, value}, {query, value, key}, and a mask behind them.
struct AttentionInputs {
  Tensor query, value, key, mask;
  Tensor own;  // mask of the query, which the result has

  AttentionInputs(const Tensors& x, size_t least) {
    size_t n = x.size();
    if (n > 1 && x[n - 1].dtype() == DType::bool_) mask = x[--n];
    if (n < least || n > 3) {
      throw ValueError(std::string("expected ") + (least == 1 ? "{query}, " : "") +
                       "{query, value} or {query, value, key}, and maybe a bool mask, got " +
                       std::to_string(x.size()) + " tensors");
    }
    for (size_t i = 0; i < n; ++i) require_rank(x[i], 3, 3, kAxes);
    query = real(x[0]);
    value = n > 1 ? real(x[1]) : query;
    key = n > 2 ? real(x[2]) : value;
    const Tensor there = both(mask_of(n > 1 ? x[1] : x[0]), n > 2 ? mask_of(x[2]) : Tensor());
    if (there.defined()) require_keys(there);
    if (mask.defined() && mask.shape() != Shape{query.shape()[0], query.shape()[1], keys()})
      require_keys(mask);
    if (mask.defined() && mask.rank() == 3 && there.defined()) {
      mask = mask & expand_dims(there, 1);
    } else {
      mask = both(mask, there);
    }
    own = mask_of(x[0]);
  }
  /// The mask as it broadcasts to [batch, queries, keys], or empty.
  Tensor beside_scores() const {
    return mask.defined() && mask.rank() == 2 ? expand_dims(mask, 1) : mask;
  }

  /// Results of queries that are not there are 0, as Keras' Attention has them.
  Tensor without_absent(const Tensor& y) const {
    return own.defined() ? with_mask(where(mask_beside(own, y.rank()), y, 0), own) : y;
  }

 private:
  int64_t keys() const { return key.shape()[1]; }
  void require_keys(const Tensor& m) const {
    const int64_t batch = query.shape()[0], queries = query.shape()[1];
    if (m.shape() == Shape{batch, keys()}) return;
    throw ShapeError("mask: expected [batch, keys] " + Shape{batch, keys()}.to_string() +
                     " or [batch, queries, keys] " + Shape{batch, queries, keys()}.to_string() +
                     ", got " + m.shape().to_string());
  }
};

Tensor dropped(const Tensor& x, double rate, Scope& s) {
  const Tensor factor = dropout_factor(x.shape(), x.dtype(), rate, s);
  return factor.defined() ? x * factor : x;
}

/// Weights by scores [batch, queries, keys], and the sums of values that they make.
Tensors weighted(Tensor scores, const AttentionInputs& in, bool causal, double dropout,
                 bool with_scores, Scope& s) {
  constexpr double kNever = -std::numeric_limits<double>::infinity();
  if (in.mask.defined()) scores = where(in.beside_scores(), scores, kNever);
  if (causal) {
    const int64_t queries = scores.shape()[1], keys = scores.shape()[2];
    scores = where(ops::seen_up_to(ops::counted(queries, i64), keys), scores, kNever);
  }
  const Tensor weights = dropped(softmax(scores, -1), dropout, s);
  const Tensor y = in.without_absent(matmul(weights, in.value));
  if (with_scores) return {y, weights};
  return y;
}

/// sum over the last axis of scale * tanh(q + k), for all pairs: [batch, queries, keys].
Tensor additive_scores(const Tensor& q, const Tensor& k, const Tensor& scale) {
  const Tensor sum = tanh(expand_dims(q, 2) + expand_dims(k, 1));
  if (!scale.defined()) return varve::sum(sum, {.axes = {-1}});
  return squeeze(matmul(sum, expand_dims(scale, 1)), {-1});
}

Tensor unit_length(const Tensor& x) {
  // As Keras' cosine: no division by zero.
  return x * rsqrt(maximum(sum(square(x), {.axes = {-1}, .keep_dims = true}), 1e-12));
}

}  // namespace

// ---- Attention ----

Tensors Attention::call(const Tensors& x, Scope& s) const {
  const std::vector<std::string> scores = {"dot",     "scaled_dot", "general",
                                           "content", "additive",   "location"};
  if (std::find(scores.begin(), scores.end(), score) == scores.end())
    throw ValueError("score: unknown score \"" + escaped(score) + "\"",
                     did_you_mean(score, scores));
  const AttentionInputs in(x, 2);
  const DType dtype = weight_type(in.query);
  const int64_t size = in.query.shape()[2], key_size = in.key.shape()[2], keys = in.key.shape()[1];
  const auto kernel = [&](const char* called, const Shape& shape) {
    return fitted(s, called, shape, 0, 1, weight(kernel_initializer, dtype));
  };
  const auto finish = [&](const Tensor& all) {
    return weighted(all, in, causal, dropout, return_attention_scores, s);
  };
  if (score == "additive") {
    const int64_t width = units > 0 ? units.value : size;
    const Tensor w = kernel("kernel", {size + key_size, width});
    const Tensor scale = s.variable("scale", {width}, weight(kernel_initializer, dtype));
    // W [q; k] is W's upper rows on q and its lower ones on k.
    return finish(additive_scores(matmul(in.query, ops::narrow(w, 0, 0, size)),
                                  matmul(in.key, ops::narrow(w, 0, size, key_size)), scale));
  }
  if (score == "location") return finish(matmul(in.query, kernel("kernel", {size, keys})));
  Tensor q = in.query, k = in.key;
  if (score == "general") q = matmul(q, kernel("kernel", {size, key_size}));
  if (score == "content") {
    q = unit_length(q);
    k = unit_length(k);
  }
  const double scale =
      score == "scaled_dot" ? 1 / std::sqrt(std::max(1., static_cast<double>(size))) : 1;
  const AttentionOptions options{.causal = causal, .mask = in.beside_scores(), .scale = scale};
  if (return_attention_scores || (dropout > 0 && s.training()))
    return finish(attention_scores(q, k, {.scale = scale}, "product"));
  return in.without_absent(attention(q, k, in.value, options));
}
Outputs Attention::operator()(const Tensors& x, CallOptions options, Where where) && {
  return once(std::move(*this), x, options, where);
}
void Attention::fields(Fields& f) {
  f("score", score, "dot, scaled_dot, general, content, additive or location.");
  f("units", units, "Width of the additive score; 0: the query's size.", {.min = 0});
  f("dropout", dropout, "Share of the weights that is dropped.", kShare);
  f("causal", causal, "Whether a query sees earlier places alone.");
  f("return_attention_scores", return_attention_scores, "Whether the weights are given, too.");
  f("kernel_initializer", kernel_initializer, "How the score's weights begin.");
  f("name", name, kLayerName);
}

Tensors AdditiveAttention::call(const Tensors& x, Scope& s) const {
  const AttentionInputs in(x, 2);
  Tensor scale;
  if (use_scale) {
    scale =
        s.variable("scale", {in.query.shape()[2]}, weight("glorot_uniform", weight_type(in.query)));
  }
  return weighted(additive_scores(in.query, in.key, scale), in, causal, dropout,
                  return_attention_scores, s);
}
Outputs AdditiveAttention::operator()(const Tensors& x, CallOptions options, Where where) && {
  return once(std::move(*this), x, options, where);
}
void AdditiveAttention::fields(Fields& f) {
  f("use_scale", use_scale, "Whether each feature has a weight of its own.");
  f("dropout", dropout, "Share of the weights that is dropped.", kShare);
  f("causal", causal, "Whether a query sees earlier places alone.");
  f("return_attention_scores", return_attention_scores, "Whether the weights are given, too.");
  f("name", name, kLayerName);
}

// ---- MultiHeadAttention ----

namespace {

/// One call of multi-head attention.
struct Heads {
  const MultiHeadAttention& layer;
  Scope& s;
  DType dtype;

  int64_t key_heads() const {
    return layer.num_key_heads > 0 ? layer.num_key_heads.value : layer.num_heads.value;
  }
  int64_t value_size() const {
    return layer.value_dim > 0 ? layer.value_dim.value : layer.key_dim.value;
  }

  Tensor projected(const char* what, const Tensor& x, int64_t size) const {
    const std::string called = what;
    const Tensor kernel = fitted(
        s, called + "_kernel", {x.shape()[2], size}, 0, 1,
        weight(layer.kernel_initializer, dtype, layer.kernel_regularizer, layer.kernel_constraint));
    MatmulOptions options;
    if (layer.use_bias) {
      options.bias = s.variable(
          called + "_bias", {size},
          weight(layer.bias_initializer, dtype, layer.bias_regularizer, layer.bias_constraint));
    }
    return matmul(cast(x, dtype), kernel, options);
  }
  /// [batch, time, heads, size].
  Tensor split(const char* what, const Tensor& x, int64_t heads, int64_t size) const {
    const Tensor y = projected(what, x, heads * size);
    return reshape(y, {y.shape()[0], y.shape()[1], heads, size});
  }
};

/// Keys and values of the calls before, in variables of the layer.
struct Cache {
  Tensor keys, values, position;  // position: of the first new entry
  bool used = false;

  Cache(const Heads& h, KeptStates& kept, const Tensor& k, const Tensor& v) : keys(k), values(v) {
    const int64_t length = h.layer.cache_length;
    const auto room = [&](const Tensor& t) {
      return Shape{t.shape()[0], length, t.shape()[2], t.shape()[3]};
    };
    const Tensor held_keys = kept.read("cached_keys", room(k), h.dtype);
    const Tensor held_values = kept.read("cached_values", room(v), h.dtype);
    const Tensor count = kept.read("cached_count", Shape{1}, i64);
    if (!held_keys.defined()) return;
    used = true;
    position = reshape(ops::narrow(count, 0, 0, 1), Shape{});
    keys = held_keys;
    values = held_values;
  }
  void write(KeptStates& kept, const Tensor& k, const Tensor& v) {
    keys = cache_write(keys, k, position);
    values = cache_write(values, v, position);
    kept.write("cached_keys", keys);
    kept.write("cached_values", values);
    kept.write("cached_count", broadcast_to(position + k.shape()[1], Shape{k.shape()[0]}));
  }
  /// bool [queries, keys]: what a query sees, itself and all before.
  Tensor seen(int64_t queries) const {
    return ops::seen_up_to(position + ops::counted(queries, i64), keys.shape()[1]);
  }
};

}  // namespace

Tensors MultiHeadAttention::call(const Tensors& x, Scope& s) const {
  if (num_key_heads > 0 && num_heads % num_key_heads != 0) {
    throw ValueError("num_key_heads: expected a divisor of num_heads " +
                     std::to_string(num_heads.value) + ", got " +
                     std::to_string(num_key_heads.value));
  }
  const AttentionInputs in(x, 1);
  const Heads h{*this, s, weight_type(in.query)};
  const bool decodes = cache_length > 0;
  if (decodes && (x.size() > 1 || in.mask.defined() || return_attention_scores))
    throw ValueError(
        "a layer with a cache takes the query alone, without a mask, and gives no scores");
  Tensor q = h.split("query", in.query, num_heads, key_dim);
  Tensor k = h.split("key", in.key, h.key_heads(), key_dim);
  Tensor v = h.split("value", in.value, h.key_heads(), h.value_size());
  AttentionOptions o{.causal = causal};
  if (in.mask.defined())
    o.mask =
        in.mask.rank() == 2 ? expand_dims(expand_dims(in.mask, 1), 1) : expand_dims(in.mask, 1);
  KeptStates kept(decodes, batch_size, in.query, s);
  std::optional<Cache> cache;
  if (decodes) cache.emplace(h, kept, k, v);
  const bool cached = cache && cache->used;
  if (rotary) {
    RotaryOptions turn;
    if (cached) turn.positions = cache->position + ops::counted(q.shape()[1], i64);
    q = rotary_embedding(q, turn);
    k = rotary_embedding(k, turn);
  }
  if (cached) {
    cache->write(kept, k, v);
    k = cache->keys;
    v = cache->values;
    o.causal = false;
    o.mask = cache->seen(q.shape()[1]);
  } else if (decodes) {
    o.causal = true;
  }
  Tensor y, weights;
  const bool drops = dropout > 0 && s.training();
  if (return_attention_scores) {
    weights = dropped(attention_scores(q, k, o), dropout, s);
    const int64_t group = num_heads / h.key_heads();
    const Tensor per_head = group == 1 ? v : repeat(v, group, 2);
    y = transpose(matmul(weights, transpose(per_head, {0, 2, 1, 3})), {0, 2, 1, 3});
  } else {
    if (drops) {
      o.dropout = dropout;
      o.key = s.key();
    }
    y = attention(q, k, v, o);
  }
  const Tensor joined = reshape(y, {y.shape()[0], y.shape()[1], num_heads * h.value_size()});
  const Tensor out = with_mask(
      h.projected("output", joined, output_size > 0 ? output_size.value : in.query.shape()[2]),
      in.own);
  if (return_attention_scores) return {out, weights};
  return out;
}
Outputs MultiHeadAttention::operator()(const Tensors& x, CallOptions options, Where where) && {
  return once(std::move(*this), x, options, where);
}
void MultiHeadAttention::fields(Fields& f) {
  f("num_heads", num_heads, "How many heads.", {.min = 1});
  f("key_dim", key_dim, "Size of a head's queries and keys.", {.min = 1});
  f("value_dim", value_dim, "Size of a head's values; 0: key_dim.", {.min = 0});
  f("dropout", dropout, "Share of the weights that is dropped.", kShare);
  f("use_bias", use_bias, "Whether the projections add biases.");
  f("output_size", output_size, "Size of the result; 0: that of the query.", {.min = 0});
  f("kernel_initializer", kernel_initializer, "How the kernels begin.");
  f("bias_initializer", bias_initializer, "How the biases begin.");
  f("kernel_regularizer", kernel_regularizer, "Penalty on the kernels.");
  f("bias_regularizer", bias_regularizer, "Penalty on the biases.");
  f("kernel_constraint", kernel_constraint, "What the kernels are brought back to.");
  f("bias_constraint", bias_constraint, "What the biases are brought back to.");
  f("causal", causal, "Whether a query sees earlier places alone.");
  f("return_attention_scores", return_attention_scores, "Whether the weights are given, too.");
  f("num_key_heads", num_key_heads, "Heads of keys and values; 0: num_heads.", {.min = 0});
  f("rotary", rotary, "Whether queries and keys turn by their positions.");
  f("cache_length", cache_length, "Steps that a cache holds, for decoding; 0: none.", {.min = 0});
  f("batch_size", batch_size, "Of a layer with a cache: how many sequences go on side by side.",
    {.min = 0});
  f("name", name, kLayerName);
}

}  // namespace varve::nn
