#include <cmath>

#include "base/error.h"
#include "base/math.h"
#include "ir/dispatch.h"
#include "ir/node.h"
#include "nn/config.h"
#include "nn/names.h"
#include "varve/nn/choices.h"
#include "varve/ops/linalg.h"
#include "varve/ops/pointwise.h"
#include "varve/ops/random.h"
#include "varve/ops/shape.h"

namespace varve {
namespace nn {
namespace {

/// Elements of one value, in row-major order: what is assigned in place later needs memory of its
/// own, so no broadcast view.
Tensor filled(double value, const Shape& shape, DType dtype) {
  ir::Array a = ir::allocate(dtype, shape);
  const int64_t n = shape.size();
  ir::dispatch(dtype, [&]<class T>(T) {
    T* out = reinterpret_cast<T*>(a.data());
    std::fill(out, out + n, convert<T>(value));
  });
  return ir::computed(dtype, shape, std::move(a));
}

}  // namespace

Fans fans(const Shape& shape) {
  const int rank = shape.rank();
  if (rank == 0) return {1, 1};
  if (rank == 1) {
    const auto n = static_cast<double>(shape[0]);
    return {n, n};
  }
  double field = 1;
  for (int i = 0; i < rank - 2; ++i) field *= static_cast<double>(shape[i]);
  return {field * static_cast<double>(shape[-2]), field * static_cast<double>(shape[-1])};
}

Tensor RandomNormal::make(const Key& key, const Shape& shape, DType dtype) const {
  return random::normal(key, shape, {.mean = mean, .standard_deviation = stddev, .dtype = dtype});
}
void RandomNormal::fields(Fields& f) {
  f("mean", mean, "Mean.");
  f("stddev", stddev, "Standard deviation.", {.min = 0});
}

Tensor RandomUniform::make(const Key& key, const Shape& shape, DType dtype) const {
  return random::uniform(key, shape, {.low = minval, .high = maxval, .dtype = dtype});
}
void RandomUniform::fields(Fields& f) {
  f("minval", minval, "Lower bound, taken.");
  f("maxval", maxval, "Upper bound, never taken.");
}

Tensor TruncatedNormal::make(const Key& key, const Shape& shape, DType dtype) const {
  return random::truncated_normal(key, shape,
                                  {.mean = mean, .standard_deviation = stddev, .dtype = dtype});
}
void TruncatedNormal::fields(Fields& f) {
  f("mean", mean, "Mean of the normal before the cut.");
  f("stddev", stddev, "Standard deviation of the normal before the cut.", {.min = 0});
}

Tensor VarianceScaling::make(const Key& key, const Shape& shape, DType dtype) const {
  const std::vector<std::string> modes = {"fan_in", "fan_out", "fan_avg"};
  if (std::find(modes.begin(), modes.end(), mode) == modes.end()) {
    throw ValueError("variance_scaling: unknown mode \"" + escaped(mode) + "\"",
                     did_you_mean(mode, modes));
  }
  const Fans n = fans(shape);
  const double count = mode == "fan_in" ? n.in : mode == "fan_out" ? n.out : (n.in + n.out) / 2;
  const double variance = scale / std::max(1.0, count);
  if (distribution == "truncated_normal") {
    // A normal cut at two standard deviations has 0.8796 of its standard deviation left.
    constexpr double kCut = 0.87962566103423978;
    return TruncatedNormal{0, std::sqrt(variance) / kCut}.make(key, shape, dtype);
  }
  if (distribution == "untruncated_normal")
    return RandomNormal{0, std::sqrt(variance)}.make(key, shape, dtype);
  if (distribution == "uniform") {
    const double limit = std::sqrt(3 * variance);
    return RandomUniform{-limit, limit}.make(key, shape, dtype);
  }
  throw ValueError(
      "variance_scaling: unknown distribution \"" + escaped(distribution) + "\"",
      did_you_mean(distribution, {"truncated_normal", "untruncated_normal", "uniform"}));
}
void VarianceScaling::fields(Fields& f) {
  f("scale", scale, "Variance times the mode's count.", {.above = 0});
  f("mode", mode, "fan_in, fan_out or fan_avg.");
  f("distribution", distribution, "truncated_normal, untruncated_normal or uniform.");
}

Tensor Constant::make(const Key&, const Shape& shape, DType dtype) const {
  return filled(value, shape, dtype);
}
void Constant::fields(Fields& f) { f("value", value, "The value everywhere."); }

Tensor Orthogonal::make(const Key& key, const Shape& shape, DType dtype) const {
  if (shape.rank() < 2) {
    throw ShapeError("orthogonal: expected a shape of rank 2 at least, got " + shape.to_string());
  }
  const int64_t columns = shape[-1], rows = columns ? shape.size() / columns : 0;
  const int64_t longer = std::max(rows, columns), shorter = std::min(rows, columns);
  // R's diagonal is not negative, so Q is spread evenly over all orthonormal columns.
  const Tensor q = linalg::qr(transpose(random::normal(key, {shorter, longer}, {.dtype = f64}))).q;
  return cast(reshape(rows >= columns ? q : transpose(q), shape) * gain, dtype);
}
void Orthogonal::fields(Fields& f) { f("gain", gain, "Factor of the orthonormal matrix."); }

}  // namespace nn

namespace {

using RulePointer = std::shared_ptr<detail::InitializerRule>;
template <class S>
RulePointer rule(S spec) {
  return std::make_shared<detail::InitializerOf<S>>(std::move(spec));
}
RulePointer scaling(double scale, const char* mode, const char* distribution) {
  return rule(nn::VarianceScaling{scale, mode, distribution});
}

struct Named {
  const char* name;
  RulePointer (*make)();
};
constexpr Named kNamed[] = {
    {"glorot_normal", [] { return scaling(1, "fan_avg", "truncated_normal"); }},
    {"glorot_uniform", [] { return scaling(1, "fan_avg", "uniform"); }},
    {"he_normal", [] { return scaling(2, "fan_in", "truncated_normal"); }},
    {"he_uniform", [] { return scaling(2, "fan_in", "uniform"); }},
    {"kaiming_normal", [] { return scaling(2, "fan_in", "truncated_normal"); }},
    {"kaiming_uniform", [] { return scaling(2, "fan_in", "uniform"); }},
    {"lecun_normal", [] { return scaling(1, "fan_in", "truncated_normal"); }},
    {"lecun_uniform", [] { return scaling(1, "fan_in", "uniform"); }},
    {"ones", [] { return rule(nn::Constant{1}); }},
    {"orthogonal", [] { return rule(nn::Orthogonal{}); }},
    {"random_normal", [] { return rule(nn::RandomNormal{}); }},
    {"random_uniform", [] { return rule(nn::RandomUniform{}); }},
    {"truncated_normal", [] { return rule(nn::TruncatedNormal{}); }},
    {"xavier_normal", [] { return scaling(1, "fan_avg", "truncated_normal"); }},
    {"xavier_uniform", [] { return scaling(1, "fan_avg", "uniform"); }},
    {"zeros", [] { return rule(nn::Constant{0}); }},
};
/// What an object's "type" may be.
constexpr Named kTypes[] = {
    {"constant", [] { return rule(nn::Constant{}); }},
    {"orthogonal", [] { return rule(nn::Orthogonal{}); }},
    {"random_normal", [] { return rule(nn::RandomNormal{}); }},
    {"random_uniform", [] { return rule(nn::RandomUniform{}); }},
    {"truncated_normal", [] { return rule(nn::TruncatedNormal{}); }},
    {"variance_scaling", [] { return rule(nn::VarianceScaling{}); }},
};

}  // namespace

std::vector<std::string> nn::initializer_names() {
  std::vector<std::string> names;
  for (const Named& n : kNamed) names.push_back(n.name);
  return names;
}

Initializer::Initializer(const std::string& name, Where where) : name_(name) {
  for (const Named& n : kNamed) {
    if (n.name == name) {
      spec_ = n.make();
      return;
    }
  }
  throw ValueError("initializer: unknown name \"" + escaped(name) + "\"",
                   did_you_mean(name, nn::initializer_names()), where.to_string());
}

Initializer::Initializer(const char* name, Where where) : Initializer(std::string(name), where) {}

Initializer::Initializer(double constant, Constant) : spec_(rule(nn::Constant{constant})) {}

Initializer::Initializer(std::shared_ptr<detail::InitializerRule> spec, Where where)
    : spec_(std::move(spec)) {
  config::validate(
      nn::type_of_spelling(spec_->spelling()), [&](Fields& f) { spec_->fields(f); }, where);
}

Tensor Initializer::operator()(const Key& key, const Shape& shape, DType dtype) const {
  if (spec_) return spec_->apply(key, shape, dtype).evaluate();
  const Tensor made = cast(function_(key, shape), dtype);
  if (made.shape() != shape) {
    throw ShapeError("initializer: expected shape " + shape.to_string() +
                     " of your function, got " + made.shape().to_string());
  }
  return made.evaluate();
}

std::string Initializer::config() const {
  if (!name_.empty()) return config::Json(name_).dump();
  if (!spec_) {
    throw UnsupportedError("the initializer is a function of your own and has no text form",
                           "use a named initializer or one of the specs, such as nn::RandomNormal");
  }
  return config::choice_text(nn::type_of_spelling(spec_->spelling()),
                             [&](Fields& f) { spec_->fields(f); });
}

Initializer Initializer::from_config(std::string_view json) {
  const config::Json value = config::parse(json, "initializer");
  if (value.is_number()) return Initializer(value.get<double>());
  const std::string type = config::choice_type(value, "initializer");
  if (value.is_string()) return Initializer(type, Where{});
  std::vector<std::string> known;
  for (const Named& t : kTypes) {
    known.push_back(t.name);
    if (t.name != type) continue;
    auto spec = t.make();
    config::read(value, "initializer", [&](Fields& f) { spec->fields(f); }, {"type"});
    return Initializer(std::move(spec), Where{});
  }
  throw ConfigError("initializer: unknown type \"" + escaped(type) + "\"",
                    did_you_mean(type, known));
}

}  // namespace varve
