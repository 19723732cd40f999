// Attention in its kinds, and positions.
#include "varve/ops/attention.h"

#include <cmath>
#include <limits>

#include "io/onnx/helpers.h"
#include "varve/ops/convolution.h"
#include "varve/ops/indexing.h"
#include "varve/ops/matmul.h"
#include "varve/ops/normalization.h"
#include "varve/ops/shape.h"

namespace varve::io::onnx {
namespace {

// [batch, time, heads * size] to [batch, heads, time, size]; four axes stay.
Tensor with_heads(const Call& c, const Tensor& x, const char* heads) {
  if (x.rank() == 4) return x;
  const int64_t count = c.integer(heads);
  if (x.rank() != 3 || count < 1 || x.shape()[2] % count != 0) {
    c.fail(std::string(heads) + " " + std::to_string(count) + " does not fit " +
           x.shape().to_string());
  }
  const Tensor parts = reshape(x, {x.shape()[0], x.shape()[1], count, x.shape()[2] / count});
  return transpose(parts, {0, 2, 1, 3});
}

// [batch, heads, time, size] to [batch, time, heads * size].
Tensor without_heads(const Tensor& x) {
  const Shape& s = x.shape();
  return reshape(transpose(x, {0, 2, 1, 3}), {s[0], s[2], s[1] * s[3]});
}

constexpr double kMasked = -std::numeric_limits<double>::infinity();

Tensor as_bias(const Tensor& mask, DType dtype) {
  if (mask.dtype() != DType::bool_) return as(mask, dtype);
  return where(mask, zeros(mask.shape(), dtype), full(mask.shape(), kMasked, dtype));
}

// What is added to the scores, [.., queries, keys]; empty where nothing is. Queries stand at the
// end of the keys that are there: behind the cache, or at the end of each sample's own keys.
Tensor bias_of(const Call& c, const Tensor& q, const Tensor& k, int64_t past) {
  const int64_t queries = q.shape()[2], keys = k.shape()[2], batch = q.shape()[0];
  const DType dtype = is_floating(q.dtype()) && size_of(q.dtype()) > 4 ? f64 : f32;
  Tensor bias;
  const auto with = [&](const Tensor& more) { bias = bias.defined() ? add(bias, more) : more; };
  if (c.has(3)) {
    Tensor mask = as_bias(c.tensor(3), dtype);
    // A mask that is too short hides the keys beyond it.
    if (const int64_t missing = keys - mask.shape()[-1]; missing > 0) {
      std::vector<PadWidth> widths(static_cast<size_t>(mask.rank()));
      widths.back().after = missing;
      mask = pad(mask, widths, {.value = kMasked});
    }
    with(mask);
  }
  if (c.has(3) || c.has(6) || c.integer("is_causal", 0) != 0) c.limit(Shape({queries, keys}));
  const Tensor key_at = reshape(arange(keys), {1, 1, 1, keys});
  if (c.integer("is_causal", 0) != 0) {
    Tensor query_at = reshape(arange(queries), {1, 1, queries, 1});
    if (!c.has(4) && c.has(6)) {
      const Tensor offset = subtract(reshape(as(c.tensor(6), i64), {batch, 1, 1, 1}), queries);
      query_at = add(query_at, offset);
    } else {
      query_at = add(query_at, past);
    }
    with(as_bias(less_equal(key_at, query_at), dtype));
  }
  if (c.has(6)) {
    with(as_bias(less(key_at, reshape(as(c.tensor(6), i64), {batch, 1, 1, 1})), dtype));
  }
  return bias;
}

// Each head of keys and values serves several of queries in a row.
Tensor repeated(const Call& c, const Tensor& x, int64_t heads) {
  const int64_t own = x.shape()[1];
  if (own < 1 || heads % own != 0) {
    c.fail("heads: " + std::to_string(own) + " of keys or values do not divide " +
           std::to_string(heads) + " of queries");
  }
  return own == heads ? x : repeat(x, heads / own, 1);
}

Values attention_(Call& c) {
  const bool flat = c.tensor(0).rank() == 3;
  const Tensor q = with_heads(c, c.tensor(0), "q_num_heads");
  Tensor k = with_heads(c, c.tensor(1), "kv_num_heads"),
         v = with_heads(c, c.tensor(2), "kv_num_heads");
  if (q.rank() != 4 || k.rank() != 4 || v.rank() != 4 || k.shape()[1] < 1 ||
      q.shape()[1] % k.shape()[1] != 0) {
    c.fail("Q " + c.shape(0).to_string() + ", K " + c.shape(1).to_string() + " and V " +
           c.shape(2).to_string() + " do not fit");
  }
  const int64_t past = c.has(4) ? c.shape(4)[2] : 0;
  if (c.has(4)) k = concat({c.tensor(4), k}, 2);
  if (c.has(5)) v = concat({c.tensor(5), v}, 2);
  const int64_t mode = c.integer("qk_matmul_output_mode", 0);
  if (mode < 0 || mode > 3) c.fail("qk_matmul_output_mode: expected 0..3");
  const double softcap = c.real("softcap", 0);
  const double scale =
      c.find("scale") ? c.real("scale") : 1 / std::sqrt(static_cast<double>(q.shape()[3]));
  const Tensor bias = bias_of(c, q, k, past);
  AttentionOptions options{.scale = scale, .softcap = softcap, .heads_first = true};
  if (bias.defined()) {
    // Leading axes of size 1 may be missing.
    std::vector<int64_t> sizes(static_cast<size_t>(4 - std::min(bias.rank(), 4)), 1);
    sizes.insert(sizes.end(), bias.shape().begin(), bias.shape().end());
    options.mask = reshape(bias, Shape(std::move(sizes)));
  }
  const DType inner = q.dtype() == f64 ? f64 : f32;
  const Tensor wide_q = as(q, inner), wide_k = as(k, inner), wide_v = as(v, inner);
  const Tensor y = as(attention(wide_q, wide_k, wide_v, options), q.dtype());
  Values out = {flat ? without_heads(y) : y};
  if (c.outputs() > 1) out.emplace_back(k);
  if (c.outputs() > 2) out.emplace_back(v);
  if (c.outputs() > 3) {
    const auto scores = [&](AttentionStage stage) {
      return as(attention_scores(wide_q, wide_k, options, stage), q.dtype());
    };
    out.emplace_back(mode == 0   ? scores("product")
                     : mode == 1 ? scores("capped")
                     : mode == 2 ? scores("masked")
                                 : scores("weights"));
  }
  return out;
}

// Attention whose scores and weights pass through graphs of the model's own.
Values flex_attention(Call& c) {
  const Tensor &q = c.tensor(0), &k = c.tensor(1), &v = c.tensor(2);
  if (q.rank() != 4 || k.rank() != 4 || v.rank() != 4) {
    c.fail("expected [batch, heads, time, size], got " + q.shape().to_string() + ", " +
           k.shape().to_string() + " and " + v.shape().to_string());
  }
  const double scale =
      c.find("scale") ? c.real("scale") : 1 / std::sqrt(static_cast<double>(q.shape()[3]));
  const int64_t heads = q.shape()[1];
  const Type inner =
      c.type_attribute("softmax_precision", q.dtype() == f64 ? Type::float64 : Type::float32);
  const DType dtype = formats::onnx::held_as(inner);
  const auto through = [&](const char* graph, Tensor x) {
    if (!c.find(graph)) return x;
    const Values results = c.run(c.graph(graph), {Value(x)});
    if (results.empty() || results[0].kind != Value::Kind::tensor) {
      c.fail(std::string("attribute ") + graph + ": expected one tensor");
    }
    return results[0].tensor;
  };
  c.limit(Shape({q.shape()[0], heads, q.shape()[2], k.shape()[2]}));
  const Tensor product =
      matmul(as(q, dtype), as(repeated(c, k, heads), dtype), {.transpose_b = true});
  const Tensor scores = through("score_mod", multiply(product, scale));
  const Tensor masked = through("mask_mod", scores);
  const Tensor weights = through("prob_mod", softmax(masked, -1));
  return {as(matmul(weights, as(repeated(c, v, heads), weights.dtype())), v.dtype())};
}

// A state [batch, heads, key size, value size] that each step decays, corrects, writes and reads.
Values linear_attention(Call& c) {
  const std::string rule = c.text("update_rule", "gated_delta");
  const bool gated = rule == "gated" || rule == "gated_delta",
             delta = rule == "delta" || rule == "gated_delta";
  if (!gated && !delta && rule != "linear") {
    c.fail("attribute update_rule: expected linear, gated, delta or gated_delta, got \"" + rule +
           "\"");
  }
  const Tensor& query = c.tensor(0);
  const int64_t heads = c.integer("kv_num_heads");
  if (heads < 1) c.fail("kv_num_heads: expected at least 1, got " + std::to_string(heads));
  const DType inner = query.dtype() == f64 ? f64 : f32;
  const Tensor q = as(with_heads(c, query, "q_num_heads"), inner),
               k = as(with_heads(c, c.tensor(1), "kv_num_heads"), inner),
               v = as(with_heads(c, c.tensor(2), "kv_num_heads"), inner);
  const Shape &qs = q.shape(), &ks = k.shape();
  const int64_t batch = qs[0], steps = qs[2], size = ks[3];
  const Tensor decay = gated ? as(with_heads(c, c.tensor(4), "kv_num_heads"), inner) : Tensor();
  const Tensor beta =
      delta ? as(transpose(expand_dims(c.tensor(5), -1), {0, 2, 1, 3}), inner) : Tensor();
  const Tensor erase =
      delta && c.has(6) ? multiply(as(with_heads(c, c.tensor(6), "kv_num_heads"), inner), k) : k;
  const DType state_type = c.has(3) ? c.dtype(3) : query.dtype();
  Tensor state =
      c.has(3) ? as(c.tensor(3), inner) : zeros({batch, heads, size, v.shape()[3]}, inner);
  const double given = c.real("scale", 0);
  const double scale = given != 0 ? given : 1 / std::sqrt(static_cast<double>(size));
  const auto at = [](const Tensor& x, int64_t t) {  // [batch, heads, 1, size]
    return slice(x, {{}, {}, {.start = t, .stop = t + 1}});
  };
  std::vector<Tensor> outputs;
  c.spend(steps, kKept);
  for (int64_t t = 0; t < steps; ++t) {
    if (gated) state = multiply(state, transpose(exp(at(decay, t)), {0, 1, 3, 2}));
    Tensor value = at(v, t);
    if (delta) value = multiply(at(beta, t), subtract(value, matmul(at(erase, t), state)));
    state = add(state, matmul(at(k, t), value, {.transpose_a = true}));
    outputs.push_back(multiply(matmul(at(q, t), repeated(c, state, qs[1])), scale));
  }
  if (outputs.empty()) outputs.push_back(zeros({batch, qs[1], 0, v.shape()[3]}, inner));
  return {as(without_heads(concat(outputs, 2)), query.dtype()), as(state, state_type)};
}

// A depthwise convolution over time that sees what came before: the last steps are the next state.
Values causal_conv_with_state(Call& c) {
  const Tensor &x = c.tensor(0), &kernel = c.tensor(1);
  if (x.rank() != 3 || kernel.rank() != 3) {
    c.fail("expected [batch, channels, time] and [channels, 1, taps], got " +
           x.shape().to_string() + " and " + kernel.shape().to_string());
  }
  const std::string activation = c.text("activation", "none");
  if (activation != "none" && activation != "silu" && activation != "swish") {
    c.fail("attribute activation: expected none, silu or swish, got \"" + activation + "\"");
  }
  const int64_t before = kernel.shape()[2] - 1;
  const Tensor past = c.has(3) ? as(c.tensor(3), x.dtype())
                               : zeros({x.shape()[0], x.shape()[1], before}, x.dtype());
  const Tensor padded = concat({past, x}, 2);
  const Tensor y = conv1d(padded, kernel,
                          {.data_format = "channels_first",
                           .groups = x.shape()[1],
                           .bias = c.has(2) ? c.tensor(2) : Tensor()});
  const int64_t steps = padded.shape()[2];
  const Tensor present = slice(padded, {{}, {}, {.start = steps - before}});
  return {activation == "none" ? y : silu(y), c.has(3) ? as(present, c.dtype(3)) : present};
}

Values rotary(Call& c) {
  const Tensor& x = c.tensor(0);
  const bool flat = x.rank() == 3;
  Tensor heads = flat ? with_heads(c, x, "num_heads") : x;
  Tensor cosines = c.tensor(1), sines = c.tensor(2);
  if (c.has(3)) {
    cosines = take(cosines, c.tensor(3), 0);
    sines = take(sines, c.tensor(3), 0);
  }
  const Tensor y =
      rotate_pairs(heads, cosines, sines,
                   {.interleaved = c.integer("interleaved", 0) != 0, .heads_first = true});
  return {flat ? without_heads(y) : y};
}

constexpr Row kRows[] = {
    {"Attention", 23, attention_},
    {"CausalConvWithState", 27, causal_conv_with_state},
    {.name = "FlexAttention", .since = 1, .function = flex_attention, .domain = kPreview},
    {"LinearAttention", 27, linear_attention},
    {"RotaryEmbedding", 23, rotary},
};

}  // namespace

std::span<const Row> attention_rows() { return kRows; }

}  // namespace varve::io::onnx
