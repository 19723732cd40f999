// Attention as one node. Its residuals are each query's largest score and the sum of exponentials
// of what all scores are below it, from which the backward node finds the weights again. Two
// numbers, since their one logarithm would lose the sum where scores are large.
#include "ops/attention.h"

#include <cmath>
#include <limits>

#include "base/error.h"
#include "ops/build.h"
#include "ops/checks.h"
#include "ops/shape.h"
#include "varve/ops/matmul.h"
#include "varve/ops/normalization.h"
#include "varve/ops/pointwise.h"
#include "varve/ops/random.h"
#include "varve/ops/reduction.h"
#include "varve/ops/shape.h"

namespace varve::ops {

constexpr double kInfinity = std::numeric_limits<double>::infinity();

ScoreOptions ScoreOptions::of(const Attributes& a, const Tensor& mask) {
  return {a.real("scale"), a.real("softcap"), a.flag("causal"), a.integer("offset"), mask};
}

HeadSizes head_sizes(const Shape& query, const Shape& key) {
  return {query[0], query[1], key[1], query[2], key[2]};
}

Tensor grouped_queries(const Tensor& x, const HeadSizes& n) {
  const Tensor t = permuted(x, {0, 2, 1, 3});
  return reshaped(t, Shape{n.batch, n.key_heads, n.group(), x.shape()[1], x.shape()[3]});
}
Tensor grouped_keys(const Tensor& x) {
  const Tensor t = permuted(x, {0, 2, 1, 3});
  const Shape& s = t.shape();
  return reshaped(t, Shape{s[0], s[1], 1, s[2], s[3]});
}
Tensor ungrouped_queries(const Tensor& x, const HeadSizes& n) {
  const Tensor t = reshaped(x, Shape{n.batch, n.heads, x.shape()[3], x.shape()[4]});
  return permuted(t, {0, 2, 1, 3});
}

Tensor score_product(const Tensor& q, const Tensor& k, const HeadSizes& n, double scale) {
  return matmul(grouped_queries(q, n), grouped_keys(k), {.transpose_b = true}) * scale;
}

Tensor capped(const Tensor& scores, double softcap) {
  return softcap > 0 ? tanh(scores / softcap) * softcap : scores;
}

namespace {

/// A mask [.., heads or 1, .., ..] beside grouped scores.
Tensor grouped_mask(const Tensor& mask, const HeadSizes& n) {
  const Shape& m = mask.shape();
  const bool each = m[1] == n.heads && n.heads != 1;
  return reshaped(mask, Shape{m[0], each ? n.key_heads : 1, each ? n.group() : 1, m[2], m[3]});
}

}  // namespace

Tensor seen_up_to(const Tensor& last, int64_t keys) {
  return counted(keys, i64) <= reshaped(last, Shape{last.shape()[0], 1});
}

Tensor masked(const Tensor& scores, const ScoreOptions& o, const HeadSizes& n) {
  Tensor s = scores;
  if (o.mask.defined()) {
    const Tensor mask = grouped_mask(o.mask, n);
    s = mask.dtype() == DType::bool_ ? where(mask, s, -kInfinity) : s + mask;
  }
  if (o.causal) {
    s = where(seen_up_to(counted(n.queries, i64, o.offset), n.keys), s, -kInfinity);
  }
  return s;
}

namespace {

// --- shape rules ---------------------------------------------------------------------------------

void check_operands(const InferArguments& a) {
  if (!is_floating(a[0].dtype)) {
    throw DTypeError(
        text_of(a.op.name, std::string("expected a floating type, got ") + name_of(a[0].dtype)));
  }
  for (size_t i = 0; i < 3; ++i) {
    if (a[i].dtype != a[0].dtype || a[i].shape.rank() != 4) {
      throw ShapeError(text_of(a.op.name, "expected [batch, time, heads, size] of one type, got " +
                                              a[0].to_string() + " and " + a[i].to_string()));
    }
  }
  const Shape &q = a[0].shape, &k = a[1].shape, &v = a[2].shape;
  const bool heads_fit = k[2] > 0 ? q[2] % k[2] == 0 : q[2] == 0;
  if (k[0] != q[0] || k[3] != q[3] || !heads_fit || v[0] != k[0] || v[1] != k[1] || v[2] != k[2]) {
    throw ShapeError(text_of(a.op.name, "queries " + q.to_string() + ", keys " + k.to_string() +
                                            " and values " + v.to_string() + " do not fit"));
  }
}

void check_options(const InferArguments& a) {
  require_flags(a, {"causal"});
  if (!std::isfinite(a.attributes.real("scale")) || !(a.attributes.real("softcap") >= 0))
    throw ValueError(text_of(a.op.name, "scale and softcap: expected numbers"));
  // Any place that a sequence has.
  constexpr int64_t kFarthest = int64_t{1} << 40;
  const double dropout = a.attributes.real("dropout");
  if (!(dropout >= 0 && dropout < 1))
    throw ValueError(text_of(a.op.name, "dropout: got " + std::to_string(dropout)));
  const int64_t offset = a.attributes.integer("offset");
  if (offset < -kFarthest || offset > kFarthest)
    throw ValueError(text_of(a.op.name, "offset: got " + std::to_string(offset)));
}

/// The operands behind the others, of which there are `i`: a mask, and a key.
void check_extras(const InferArguments& a, size_t i) {
  size_t count = a.inputs.size();
  if (a.attributes.real("dropout") > 0) {
    --count;
    if (count < i || a[count] != TensorType{u64, Shape{2}})
      throw ShapeError(text_of(a.op.name, "key: expected u64[2] as the last input"));
  }
  if (count <= i) return;
  if (count > i + 1) throw ShapeError(text_of(a.op.name, "a key without dropout"));
  const TensorType& mask = a[i];
  const HeadSizes n = head_sizes(a[0].shape, a[1].shape);
  const int64_t full[] = {n.batch, n.heads, n.queries, n.keys};
  bool fits = mask.shape.rank() == 4 && (mask.dtype == DType::bool_ || mask.dtype == a[0].dtype);
  for (int axis = 0; fits && axis < 4; ++axis)
    fits = mask.shape[axis] == 1 || mask.shape[axis] == full[axis];
  if (!fits) {
    throw ShapeError(text_of(a.op.name, "mask: expected bool or numbers for scores " +
                                            Shape{full[0], full[1], full[2], full[3]}.to_string() +
                                            ", got " + mask.to_string()));
  }
}

/// The types of output, largest scores and sums.
Types result_types(const InferArguments& a) {
  const Shape &q = a[0].shape, &v = a[2].shape;
  const TensorType of_query{a[0].dtype, Shape{q[0], q[2], q[1]}};
  return {{a[0].dtype, Shape{q[0], q[1], q[2], v[3]}}, of_query, of_query};
}

Types attention_type(const InferArguments& a) {
  check_operands(a);
  check_options(a);
  check_extras(a, 3);
  return result_types(a);
}

Types gradient_type(const InferArguments& a) {
  check_operands(a);
  check_options(a);
  check_extras(a, 7);
  const Types made = result_types(a);
  if (a[3] != made[0] || a[4] != made[1] || a[5] != made[2] || a[6] != made[0]) {
    throw ShapeError(
        text_of(a.op.name, "output, residuals and gradient are not those of the attention"));
  }
  return {a[0], a[1], a[2]};
}

// --- decompositions ------------------------------------------------------------------------------

/// exp(scores - largest); 0 where nothing is seen, where all of these are -inf. The largest scores
/// are constants to a derivative: the weights do not depend on what is taken from all alike.
Tensor exponentials(const Tensor& scores, const Tensor& largest) {
  const Tensor top = make("stop_gradient", {largest});
  return exp(scores - where(top == -kInfinity, 0, top));
}

/// What may stand behind the first inputs.
struct Extras {
  Tensor mask, key;
  double dropout;

  Extras(std::span<const Tensor> in, const Attributes& a, size_t first)
      : dropout(a.real("dropout")) {
    size_t count = in.size();
    if (dropout > 0) key = in[--count];
    if (count > first) mask = in[first];
  }
  /// Of what belongs to weights [batch, key heads, group, queries, keys]: dropped where they are.
  Tensor dropped(const Tensor& x) const {
    if (dropout == 0) return x;
    const Tensor kept = random::bernoulli(Key(key), 1 - dropout, x.shape());
    return where(kept, x * (1 / (1 - dropout)), 0);
  }
};

std::vector<Tensor> attention_parts(std::span<const Tensor> in, const Attributes& a) {
  const Tensor &q = in[0], &k = in[1], &v = in[2];
  const HeadSizes n = head_sizes(q.shape(), k.shape());
  if (n.empty()) {
    const Shape each{n.batch, n.heads, n.queries};
    return {full(0, q.dtype(), Shape{n.batch, n.queries, n.heads, v.shape()[3]}),
            full(-kInfinity, q.dtype(), each), full(0, q.dtype(), each)};
  }
  const Extras extras(in, a, 3);
  const ScoreOptions o = ScoreOptions::of(a, extras.mask);
  const Tensor scores = masked(capped(score_product(q, k, n, o.scale), o.softcap), o, n);
  const Tensor y = matmul(extras.dropped(softmax(scores, -1)), grouped_keys(v));
  const Shape each{n.batch, n.heads, n.queries};
  const Tensor largest = max(scores, {.axes = {-1}, .keep_dims = true});
  return {ungrouped_queries(y, n), reshaped(largest, each),
          reshaped(sum(exponentials(scores, largest), {.axes = {-1}}), each)};
}

/// What flows back to the scores.
struct Backward {
  HeadSizes n;
  Tensor q, dy;             // grouped
  Tensor weights;           // [batch, key heads, group, queries, keys], after dropout
  Tensor masked, products;  // gradients by the scores after the mask and before the cap
};

/// Of q, k, v, output, largest scores, sums, gradient, mask, key.
Backward backward(std::span<const Tensor> in, const Attributes& a) {
  Backward b{head_sizes(in[0].shape(), in[1].shape()), {}, {}, {}, {}, {}};
  const HeadSizes& n = b.n;
  const Extras extras(in, a, 7);
  const ScoreOptions o = ScoreOptions::of(a, extras.mask);
  b.q = grouped_queries(in[0], n);
  b.dy = grouped_queries(in[6], n);
  const Tensor product = score_product(in[0], in[1], n, o.scale);
  const Tensor scores = masked(capped(product, o.softcap), o, n);
  const Shape each{n.batch, n.key_heads, n.group(), n.queries, 1};
  const Tensor total = reshaped(in[5], each);
  const Tensor weights = exponentials(scores, reshaped(in[4], each)) / where(total == 0, 1, total);
  b.weights = extras.dropped(weights);
  const Tensor of_weights =
      extras.dropped(matmul(b.dy, grouped_keys(in[2]), {.transpose_b = true}));
  const Tensor mean = sum(b.dy * grouped_queries(in[3], n), {.axes = {-1}, .keep_dims = true});
  b.masked = weights * (of_weights - mean);
  b.products = b.masked;
  if (o.softcap > 0) b.products = b.masked * (1 - square(tanh(product / o.softcap)));
  return b;
}

/// The sum over the heads that share a key: [batch, keys, key heads, size].
Tensor to_keys(const Tensor& x) { return permuted(sum(x, {.axes = {2}}), {0, 2, 1, 3}); }

std::vector<Tensor> gradient_parts(std::span<const Tensor> in, const Attributes& a) {
  if (head_sizes(in[0].shape(), in[1].shape()).empty())
    return {full_like(in[0], 0), full_like(in[1], 0), full_like(in[2], 0)};
  const Backward b = backward(in, a);
  const double scale = a.real("scale");
  return {ungrouped_queries(matmul(b.products, grouped_keys(in[1])) * scale, b.n),
          to_keys(matmul(b.products, b.q, {.transpose_a = true}) * scale),
          to_keys(matmul(b.weights, b.dy, {.transpose_a = true}))};
}

Slots attention_vjp(const Local& at, std::span<const Tensor> ct) {
  std::vector<Tensor> in{at.x(0), at.x(1), at.x(2), at.y(0), at.y(1), at.y(2), ct[0]};
  Slots slots(at.inputs.size());
  const bool has_mask = Extras(at.inputs, at.attributes, 3).mask.defined();
  in.insert(in.end(), at.inputs.begin() + 3, at.inputs.end());
  if (has_mask && at.wanted[3] && is_floating(at.x(3).dtype())) {
    const HeadSizes n = head_sizes(at.x(0).shape(), at.x(1).shape());
    const Tensor& mask = at.x(3);
    slots[3] = n.empty() ? full_like(mask, 0)
                         : sum_to(reshaped(backward(in, at.attributes).masked,
                                           Shape{n.batch, n.heads, n.queries, n.keys}),
                                  mask.shape());
  }
  if (at.wanted[0] || at.wanted[1] || at.wanted[2]) {
    const auto g = ir::apply(get("attention_gradient"), in, at.attributes);
    for (size_t i = 0; i < 3; ++i) slots[i] = g[i];
  }
  return slots;
}

/// Two products of queries by keys; `times` of them.
double product_flops(const InferArguments& a, double times) {
  const Shape &q = a[0].shape, &k = a[1].shape, &v = a[2].shape;
  return times * static_cast<double>(q[0]) * static_cast<double>(q[1]) * static_cast<double>(q[2]) *
         static_cast<double>(k[1]) * static_cast<double>(q[3] + v[3]);
}

}  // namespace

std::span<const ir::OpDef> attention_rows() {
  static const std::vector<ir::OpDef> rows = {
      {.name = "attention",
       .doc = "softmax(scale q k') v for each head. Inputs queries [batch, queries, heads, size], "
              "keys and values [batch, keys, key heads, size], maybe a mask that broadcasts to "
              "[batch, heads, queries, keys]: bool (seen) or numbers that are added. Attributes "
              "scale; softcap (0: none, else c tanh(score / c) before the mask); causal: query i "
              "sees keys up to i + offset; dropout: share of the weights that is dropped, by a key "
              "(u64[2], the last input where the share is above 0). Key heads serve several heads "
              "in a row. Zeros where a "
              "query sees no key. Outputs y [batch, queries, heads, value size] and, for the "
              "derivative, [batch, heads, queries] each: the largest score, and the sum of the "
              "exponentials of what the scores are below it. Vaswani et al. 2017.",
       .min_inputs = 3,
       .max_inputs = 5,
       .infer = attention_type,
       .derivative = ir::Custom{attention_vjp, nullptr},
       .decompose = attention_parts,
       .traits = {.residuals = 2, .precision = ir::PrecisionTrait::f32},
       .flops = [](const InferArguments& a, const Types&) { return product_flops(a, 2); }},
      {.name = "attention_gradient",
       .doc = "The gradients of attention by queries, keys and values. Inputs these three, the "
              "output, its two residuals, the gradient by the output, maybe the mask and the key.",
       .min_inputs = 7,
       .max_inputs = 9,
       .infer = gradient_type,
       .derivative = ir::FromDecomposition{},
       .decompose = gradient_parts,
       .traits = {.precision = ir::PrecisionTrait::f32},
       .flops = [](const InferArguments& a, const Types&) { return product_flops(a, 5); }},
  };
  return rows;
}

}  // namespace varve::ops
