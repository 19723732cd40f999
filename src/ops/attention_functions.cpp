// What users call of attention and of positions.
#include <cmath>

#include "base/error.h"
#include "ops/attention.h"
#include "ops/call.h"
#include "ops/shape.h"
#include "varve/ops/attention.h"
#include "varve/ops/indexing.h"
#include "varve/ops/matmul.h"
#include "varve/ops/normalization.h"
#include "varve/ops/pointwise.h"
#include "varve/ops/random.h"
#include "varve/ops/shape.h"

namespace varve::ops {
namespace {

constexpr double kInfinity = std::numeric_limits<double>::infinity();

/// Operands of one call as [batch, time, heads, size].
struct AttentionCall : Call {
  const AttentionOptions& options;
  bool single = false;  // without an axis of heads
  DType dtype = f32;
  Tensor query = {}, key = {}, value = {};

  Tensor operand(const char* what, const Operand& x) const {
    const Tensor t = cast(Operand(x.as(dtype), where), dtype);
    if (t.rank() != (single ? 3 : 4)) {
      shape_error(std::string(what) + ": expected " +
                  (single                ? "[batch, time, size]"
                   : options.heads_first ? "[batch, heads, time, size]"
                                         : "[batch, time, heads, size]") +
                  ", got " + t.shape().to_string());
    }
    if (single) {
      const Shape& s = t.shape();
      return reshaped(t, Shape{s[0], s[1], 1, s[2]}, where);
    }
    return options.heads_first ? permuted(t, {0, 2, 1, 3}, where) : t;
  }
  void take(const Operand& q, const Operand& k) {
    single = q.tensor().rank() == 3;
    query = operand("query", q);
    key = operand("key", k);
    const Shape &a = query.shape(), &b = key.shape();
    if (a[0] != b[0] || a[3] != b[3]) {
      shape_error("queries " + q.tensor().shape().to_string() + " and keys " +
                  k.tensor().shape().to_string() + " differ in batch or size");
    }
    if (b[2] > 0 ? a[2] % b[2] != 0 : a[2] != 0) {
      shape_error(std::to_string(b[2]) + " key heads do not divide " + std::to_string(a[2]) +
                  " heads");
    }
    if (!(options.softcap >= 0) || std::isinf(options.softcap.value))
      value_error("softcap: expected a number of at least 0, got " +
                  std::to_string(options.softcap.value));
    if (options.scale && !std::isfinite(*options.scale)) value_error("scale: expected a number");
    if (!(options.dropout >= 0 && options.dropout < 1)) {
      value_error("dropout: expected 0 to below 1, got " + std::to_string(options.dropout.value));
    }
    if (options.dropout > 0 && !options.key) value_error("dropout needs a key");
  }
  void take_value(const Operand& v) {
    value = operand("value", v);
    const Shape &a = key.shape(), &b = value.shape();
    if (a[0] != b[0] || a[1] != b[1] || a[2] != b[2]) {
      shape_error("keys and values differ in batch, time or heads: " + a.to_string() + " and " +
                  b.to_string() + " as [batch, time, heads, size]");
    }
  }

  double scale() const {
    if (options.scale) return *options.scale;
    return 1 / std::sqrt(std::max(1., static_cast<double>(query.shape()[3])));
  }
  HeadSizes sizes() const { return head_sizes(query.shape(), key.shape()); }

  /// bool [batch, 1, 1, keys]: the keys that there are.
  Tensor present() const {
    const Tensor& lengths = options.key_lengths;
    if (!is_integer(lengths.dtype())) {
      throw DTypeError(text_of(name, std::string("key_lengths: expected integers, got ") +
                                         name_of(lengths.dtype())),
                       "", where.to_string());
    }
    const HeadSizes n = sizes();
    if (lengths.shape() != Shape{n.batch}) {
      shape_error("key_lengths: expected " + Shape{n.batch}.to_string() + ", got " +
                  lengths.shape().to_string());
    }
    const Tensor each =
        reshaped(cast(Operand(lengths, where), i64), Shape{n.batch, 1, 1, 1}, where);
    return Operand(counted(n.keys, i64, 0, 1, where), where) < Operand(each, where);
  }
  /// The user's mask with four axes, and the lengths in it; empty where there is none.
  Tensor mask() const {
    Tensor m = options.mask;
    if (m.defined()) {
      const HeadSizes n = sizes();
      const Shape scores =
          single ? Shape{n.batch, n.queries, n.keys} : Shape{n.batch, n.heads, n.queries, n.keys};
      bool fits = m.rank() <= scores.rank();
      for (int i = 1; fits && i <= m.rank(); ++i)
        fits = m.shape()[-i] == 1 || m.shape()[-i] == scores[-i];
      if (!fits) {
        shape_error("mask: " + m.shape().to_string() + " does not broadcast to the scores " +
                    scores.to_string());
      }
      std::vector<int64_t> dims = m.shape().dims();
      dims.insert(dims.begin(), static_cast<size_t>(scores.rank() - m.rank()), 1);
      if (single) dims.insert(dims.begin() + 1, 1);
      m = reshaped(m, Shape(std::move(dims)), where);
      if (is_integer(m.dtype())) {
        throw DTypeError(text_of(name, std::string("mask: expected bool (seen) or numbers to add, "
                                                   "got ") +
                                           name_of(m.dtype())),
                         "cast(mask, DType::bool_) for one of 0 and 1", where.to_string());
      }
      if (m.dtype() != DType::bool_) m = cast(Operand(m, where), dtype);
    }
    if (!options.key_lengths.defined()) return m;
    const Tensor there = present();
    if (!m.defined()) return there;
    if (m.dtype() == DType::bool_) return Operand(m, where) & Operand(there, where);
    return varve::where(Operand(there, where), Operand(m, where), -kInfinity);
  }

  ScoreOptions score_options() const {
    return {scale(), options.softcap, options.causal, options.offset, mask()};
  }
  Tensor scores(AttentionStage::Kind stage) const {
    const HeadSizes n = sizes();
    const ScoreOptions o = score_options();
    Tensor s = score_product(query, key, n, o.scale);
    if (stage != AttentionStage::Kind::product) s = capped(s, o.softcap);
    if (stage >= AttentionStage::Kind::masked) s = masked(s, o, n);
    if (stage == AttentionStage::Kind::weights) s = softmax(s, -1);
    return s;
  }
  /// [batch, queries, heads, size] as it was asked for.
  Tensor given_back(const Tensor& y) const {
    const Shape& s = y.shape();
    if (single) return reshaped(y, Shape{s[0], s[1], s[3]}, where);
    return options.heads_first ? permuted(y, {0, 2, 1, 3}, where) : y;
  }
};

DType attention_type_of(std::initializer_list<const Operand*> operands) {
  const DType d = common_type(operands);
  return is_floating(d) ? d : f32;
}

/// [time, half] or [batch, time, half] beside [batch, time, heads, half].
Tensor beside_heads(const char* name, const Tensor& angles, const Shape& x, Where where) {
  const Shape& s = angles.shape();
  const bool per_sample = s.rank() == 3;
  if ((s.rank() != 2 && !per_sample) || s[-2] != x[1] || (per_sample && s[0] != x[0])) {
    throw ShapeError(text_of(name, "angles " + s.to_string() + " do not fit [batch, time, ...] " +
                                       x.to_string()),
                     "", where.to_string());
  }
  return reshaped(angles, Shape{per_sample ? s[0] : 1, s[-2], 1, s[-1]}, where);
}

/// x [batch, time, heads, size] with pairs of its first elements turned.
Tensor turned(const Tensor& x, const Tensor& cosines, const Tensor& sines, bool interleaved) {
  const int64_t size = x.shape()[3], half = cosines.shape()[3];
  const Tensor moving = half * 2 == size ? x : narrow(x, 3, 0, half * 2);
  std::vector<int64_t> pairs = x.shape().dims();
  pairs.back() = half;
  pairs.insert(pairs.end() - (interleaved ? 0 : 1), 2);
  const Tensor split = reshaped(moving, Shape(pairs));
  const int axis = interleaved ? 4 : 3;
  const Tensor a = squeezed(narrow(split, axis, 0, 1), {axis}),
               b = squeezed(narrow(split, axis, 1, 1), {axis});
  const Tensor both = stack({a * cosines - b * sines, b * cosines + a * sines}, axis);
  const Tensor y = reshaped(both, moving.shape());
  return half * 2 == size ? y : concat({y, narrow(x, 3, half * 2, size - half * 2)}, 3);
}

/// x as [batch, time, heads, size]; f of it; and back.
template <class F>
Tensor with_heads(const char* name, const Operand& x, bool heads_first, F f) {
  const Tensor t = floating(x);
  const Shape& s = t.shape();
  if (t.rank() == 3) {
    return reshaped(f(reshaped(t, Shape{s[0], s[1], 1, s[2]})), s);
  }
  if (t.rank() != 4) {
    throw ShapeError(text_of(name, std::string("expected ") +
                                       (heads_first ? "[batch, heads, time, size]"
                                                    : "[batch, time, heads, size]") +
                                       " or [batch, time, size], got " + s.to_string()),
                     "", x.where().to_string());
  }
  if (!heads_first) return f(t);
  return permuted(f(permuted(t, {0, 2, 1, 3})), {0, 2, 1, 3});
}

/// 1 / base^(2 i / size), i < size / 2.
std::vector<double> frequencies(double base, int64_t size) {
  std::vector<double> f(static_cast<size_t>(size / 2));
  for (size_t i = 0; i < f.size(); ++i)
    f[i] = std::pow(base, -2. * static_cast<double>(i) / static_cast<double>(size));
  return f;
}

}  // namespace
}  // namespace varve::ops

namespace varve {

Tensor attention(const Operand& query, const Operand& key, const Operand& value,
                 const AttentionOptions& options) {
  const ir::CallerScope caller(query.where());
  ops::AttentionCall c{{"attention", query.where()}, options};
  c.dtype = ops::attention_type_of({&query, &key, &value});
  c.take(query, key);
  c.take_value(value);
  std::vector<Tensor> inputs{c.query, c.key, c.value};
  if (const Tensor mask = c.mask(); mask.defined()) inputs.push_back(mask);
  if (options.dropout > 0) inputs.push_back(options.key->bits());
  const auto y = ir::apply(ops::get("attention"), inputs,
                           {{"scale", c.scale()},
                            {"softcap", options.softcap.value},
                            {"causal", options.causal},
                            {"dropout", options.dropout.value},
                            {"offset", options.causal ? options.offset.value : 0}},
                           c.where);
  return c.given_back(y[0]);
}

Tensor attention_scores(const Operand& query, const Operand& key, const AttentionOptions& options,
                        AttentionStage stage) {
  const ir::CallerScope caller(query.where());
  ops::AttentionCall c{{"attention_scores", query.where()}, options};
  c.dtype = ops::attention_type_of({&query, &key});
  c.take(query, key);
  const ops::HeadSizes n = c.sizes();
  const Shape out =
      c.single ? Shape{n.batch, n.queries, n.keys} : Shape{n.batch, n.heads, n.queries, n.keys};
  if (n.empty()) return ops::full(0, c.dtype, out);
  return ops::reshaped(c.scores(stage.kind), out, c.where);
}

Tensor cache_write(const Operand& cache, const Operand& entries, const Operand& position,
                   int axis) {
  const ir::CallerScope caller(cache.where());
  const Tensor held = cache.tensor(), fresh = entries.tensor(), place = position.tensor();
  const int at = ops::axis_at("cache_write", axis, held, cache.where());
  bool fits = fresh.rank() == held.rank();
  for (int i = 0; fits && i < held.rank(); ++i)
    fits = i == at ? fresh.shape()[i] <= held.shape()[i] : fresh.shape()[i] == held.shape()[i];
  if (!fits || place.size() != 1 || !is_integer(place.dtype())) {
    throw ShapeError("cache_write: entries " + fresh.shape().to_string() +
                         " at one integer position do not fit into a cache " +
                         held.shape().to_string() + " along axis " + std::to_string(at),
                     "", cache.where().to_string());
  }
  const Tensor first = reshape(cast(Operand(place), i64), Shape{});
  return scatter_set(held, ops::counted(fresh.shape()[at], i64) + first,
                     cast(Operand(fresh), held.dtype()), at);
}

Tensor sinusoidal_positions(Dim length, Dim size, const SinusoidalOptions& o) {
  if (length < 0 || size < 0 || size % 2 != 0) {
    throw ValueError("sinusoidal_positions: expected a length and an even size, got " +
                     std::to_string(length.value) + " and " + std::to_string(size.value));
  }
  const std::vector<double> f = ops::frequencies(o.base, size);
  std::vector<double> v(static_cast<size_t>(Shape{length, size}.size()));
  const auto width = static_cast<size_t>(size.value);
  for (size_t p = 0; p * width < v.size(); ++p) {
    for (size_t i = 0; i < f.size(); ++i) {
      const double angle = static_cast<double>(p) * f[i];
      const size_t sine = o.interleaved ? 2 * i : i,
                   cosine = o.interleaved ? sine + 1 : i + f.size();
      v[p * width + sine] = std::sin(angle);
      v[p * width + cosine] = std::cos(angle);
    }
  }
  return cast(tensor(v, Shape{length, size}), o.dtype);
}

Tensor rotate_pairs(const Operand& x, const Operand& cosines, const Operand& sines,
                    const RotaryOptions& o) {
  constexpr const char* kName = "rotate_pairs";
  const ir::CallerScope caller(x.where());
  return ops::with_heads(kName, x, o.heads_first, [&](const Tensor& t) {
    const Tensor c = ops::beside_heads(kName, cast(cosines, t.dtype()), t.shape(), x.where());
    const Tensor s = ops::beside_heads(kName, cast(sines, t.dtype()), t.shape(), x.where());
    if (c.shape() != s.shape() || 2 * c.shape()[3] > t.shape()[3]) {
      throw ShapeError(std::string(kName) + ": cosines " + cosines.tensor().shape().to_string() +
                           " and sines " + sines.tensor().shape().to_string() +
                           " do not fit heads of " + std::to_string(t.shape()[3]),
                       "", x.where().to_string());
    }
    return ops::turned(t, c, s, o.interleaved);
  });
}

Tensor rotary_embedding(const Operand& x, const RotaryOptions& o) {
  const ir::CallerScope caller(x.where());
  const Tensor t = x.tensor();
  const int64_t size = t.rank() ? t.shape()[-1] : 0;
  const int64_t rotary = o.rotary_size == 0 ? size : o.rotary_size.value;
  if (rotary < 0 || rotary > size || rotary % 2 != 0) {
    throw ValueError("rotary_embedding: rotary_size: expected an even number up to " +
                         std::to_string(size) + ", got " + std::to_string(rotary),
                     "", x.where().to_string());
  }
  Tensor positions = o.positions;
  if (!positions.defined()) {
    const bool heads_first = o.heads_first && t.rank() == 4;
    if (t.rank() >= 3) positions = ops::counted(t.shape()[heads_first ? 2 : 1], i64, o.offset);
  } else if (!is_integer(positions.dtype())) {
    throw DTypeError(std::string("rotary_embedding: positions: expected integers, got ") +
                         name_of(positions.dtype()),
                     "", x.where().to_string());
  }
  // Angles of far positions need more digits than f32 has.
  const Tensor f = tensor(ops::frequencies(o.base, rotary), Shape{rotary / 2});
  const Tensor angles =
      positions.defined() ? expand_dims(cast(Operand(positions), f64), -1) * f : f;
  const DType dtype = is_floating(t.dtype()) ? t.dtype() : f32;
  RotaryOptions pairs;
  pairs.interleaved = o.interleaved;
  pairs.heads_first = o.heads_first;
  return rotate_pairs(x, cast(cos(angles), dtype), cast(sin(angles), dtype), pairs);
}

}  // namespace varve
