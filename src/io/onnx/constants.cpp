// Tensors made of nothing but attributes and sizes.
#include <bit>
#include <cmath>

#include "io/onnx/helpers.h"
#include "varve/ops/random.h"
#include "varve/ops/reduction.h"
#include "varve/ops/shape.h"

namespace varve::io::onnx {
namespace {

// Exactly one of the value attributes is there.
Values constant(Call& c) {
  if (c.find("value")) return {c.tensor_attribute("value")};
  if (c.find("sparse_value")) return {c.sparse_attribute("sparse_value")};
  if (c.find("value_float")) return {known(scalar(c.real("value_float"), f32))};
  if (c.find("value_int")) {
    return {known(varve::tensor({c.integer("value_int")}, Shape{}))};
  }
  if (c.find("value_floats")) {
    const std::vector<float> v = c.reals("value_floats");
    return {known(varve::tensor(v, Shape{v.size()}))};
  }
  if (c.find("value_ints")) return {known_ints(c.integers("value_ints"))};
  if (c.find("value_string")) return {known(Value(Strings{{}, {c.text("value_string")}}))};
  if (c.find("value_strings")) {
    std::vector<std::string> texts = c.texts("value_strings");
    const Shape shape{texts.size()};
    return {known(Value(Strings{shape, std::move(texts)}))};
  }
  c.fail("no attribute gives the value");
}

Values constant_of_shape(Call& c) {
  const Shape shape(c.ints(0));
  c.limit(shape);
  if (!c.find("value")) return {zeros(shape, f32)};
  const Value v = c.tensor_attribute("value");
  if (v.kind != Value::Kind::tensor || v.tensor.size() != 1) {
    c.fail("attribute value: expected a tensor of one number");
  }
  return {Value(broadcast_to(reshape(v.tensor, {}), shape), v.type)};
}

Values range(Call& c) {
  const DType type = c.dtype(0);
  if (is_floating(type)) {
    const double start = c.number(0), stop = c.number(1), step = c.number(2);
    if (step == 0) c.fail("delta: expected a number other than 0");
    const double count = std::max(std::ceil((stop - start) / step), 0.);
    if (!(count <= static_cast<double>(kMaxElements))) {
      c.fail("needs " + std::to_string(count) + " elements, limit " + std::to_string(kMaxElements));
    }
    const Tensor steps = arange(static_cast<int64_t>(count), {.dtype = f64});
    return {cast(add(multiply(steps, step), start), type)};
  }
  const int64_t start = c.integer(0), stop = c.integer(1), step = c.integer(2);
  if (step == 0) c.fail("delta: expected a number other than 0");
  const double count =
      (static_cast<double>(stop) - static_cast<double>(start)) / static_cast<double>(step);
  if (count > static_cast<double>(kMaxElements)) {
    c.fail("needs " + std::to_string(count) + " elements, limit " + std::to_string(kMaxElements));
  }
  return {arange(start, stop, step, {.dtype = type})};
}

Values eye_like(Call& c) {
  const Shape shape = c.shape_of(0);
  if (shape.rank() != 2) c.fail("expected a matrix, got " + shape.to_string());
  const Type type = c.type_attribute("dtype", c.type(0));
  return {Value(eye(shape[0], shape[1], c.integer("k", 0), formats::onnx::held_as(type)), type)};
}

Values identity(Call& c) { return {c.has(0) ? c.value(0) : Value()}; }

// The reference draws other numbers; the same seed gives the same ones here. While the layer is
// trained a seed of the file's would draw the same at every step.
Key key_of(const Call& c) {
  if (!c.training() && c.find("seed")) return Key(std::bit_cast<uint64_t>(c.real("seed")));
  return c.fresh_key();
}
Shape random_shape(const Call& c, bool like) {
  const Shape shape = like ? c.shape_of(0) : Shape(c.integers("shape"));
  c.limit(shape);
  return shape;
}
Type random_type(const Call& c, bool like) {
  const Type fallback = like && is_floating(c.dtype(0)) ? c.type(0) : Type::float32;
  const Type type = c.type_attribute("dtype", fallback);
  if (!is_floating(formats::onnx::held_as(type)))
    c.fail("attribute dtype: expected a floating type");
  return type;
}
template <bool Like>
Values random_normal(Call& c) {
  const DType type = formats::onnx::held_as(random_type(c, Like));
  return {random::normal(
      key_of(c), random_shape(c, Like),
      {.mean = c.real("mean", 0), .standard_deviation = c.real("scale", 1), .dtype = type})};
}
template <bool Like>
Values random_uniform(Call& c) {
  const DType type = formats::onnx::held_as(random_type(c, Like));
  return {random::uniform(key_of(c), random_shape(c, Like),
                          {.low = c.real("low", 0), .high = c.real("high", 1), .dtype = type})};
}
Values bernoulli(Call& c) {
  const Type type = c.type_attribute("dtype", c.type(0));
  const Tensor drawn = random::bernoulli(key_of(c), c.tensor(0), c.shape(0));
  return {Value(cast(drawn, formats::onnx::held_as(type)), type)};
}

// Classes drawn by unnormalized log-probabilities, by the Gumbel trick: the largest of log p + g
// is class i with probability p_i.
Values multinomial(Call& c) {
  const Tensor& x = c.tensor(0);
  if (x.rank() != 2) c.fail("expected [batch, classes], got " + x.shape().to_string());
  const int64_t samples = c.integer("sample_size", 1);
  const Type type = c.type_attribute("dtype", Type::int32);
  const Shape shape{x.shape()[0], samples, x.shape()[1]};
  c.limit(shape);
  const Tensor u = random::uniform(key_of(c), shape);
  const Tensor gumbel = negative(log(negative(log(maximum(u, 1e-30)))));
  const Tensor drawn = argmax(add(expand_dims(as(x, f32), 1), gumbel), {.axis = 2});
  return {Value(cast(drawn, formats::onnx::held_as(type)), type)};
}

constexpr Row kRows[] = {
    {.name = "Bernoulli", .since = 15, .function = bernoulli, .random = true},
    {"Constant", 1, constant},
    {"ConstantOfShape", 9, constant_of_shape, input_bit(0)},
    {"EyeLike", 9, eye_like},
    {"Identity", 1, identity, 0, true},
    {.name = "Multinomial", .since = 7, .function = multinomial, .random = true},
    {.name = "RandomNormal", .since = 1, .function = random_normal<false>, .random = true},
    {.name = "RandomNormalLike", .since = 1, .function = random_normal<true>, .random = true},
    {.name = "RandomUniform", .since = 1, .function = random_uniform<false>, .random = true},
    {.name = "RandomUniformLike", .since = 1, .function = random_uniform<true>, .random = true},
    {"Range", 11, range, ~0u},
};

}  // namespace

Value known_ints(const std::vector<int64_t>& values) {
  return known(varve::tensor(values, Shape{values.size()}));
}

std::span<const Row> constant_rows() { return kRows; }

}  // namespace varve::io::onnx
