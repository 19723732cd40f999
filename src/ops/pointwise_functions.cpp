// The elementwise functions users call: operands meet in one type and shape, then one node is made.
#include <numbers>
#include <string_view>

#include "base/error.h"
#include "ops/build.h"
#include "varve/ops/pointwise.h"

namespace varve {
namespace {

using ops::meet;
using ops::meet_in;

Tensor binary(const char* op, const Operand& a, const Operand& b) {
  const auto t = meet(op, {&a, &b});
  return ops::make(op, {t[0], t[1]}, {}, a.where());
}

/// A comparison of an integer tensor with a number that its type does not hold is answered by the
/// number alone: u8 < 300 is true. (Arithmetic with such a number is refused.)
Tensor comparison(const char* op, const Operand& a, const Operand& b) {
  const DType d = ops::common_type({&a, &b});
  const Operand &number = a.is_tensor() ? b : a, &held = a.is_tensor() ? a : b;
  const int beyond = is_integer(d) && held.is_tensor() ? number.beyond(d) : 0;
  if (beyond == 0) return binary(op, a, b);
  const std::string_view name = op;
  // Where the number stands on the right; turned around on the left.
  const bool above = (beyond > 0) == a.is_tensor();
  const bool answer = name == "not_equal" || (above && name.starts_with("less")) ||
                      (!above && name.starts_with("greater"));
  return ops::full(answer, DType::bool_, held.tensor().shape());
}

/// Real by nature: integers become f32, 64-bit ones f64.
Tensor real_binary(const char* op, const Operand& a, const Operand& b) {
  DType d = ops::common_type({&a, &b});
  if (!is_floating(d)) d = size_of(d) == 8 ? f64 : f32;
  const auto t = meet_in(op, d, {&a, &b});
  return ops::make(op, {t[0], t[1]}, {}, a.where());
}

/// Truth values first, for logic on numbers.
Tensor truth(const Operand& x) {
  const Tensor t = x.tensor();
  return t.dtype() == DType::bool_ ? t
                                   : ops::make("cast", {t}, {{"dtype", DType::bool_}}, x.where());
}
Tensor logic(const char* op, const Operand& a, const Operand& b) {
  const Operand x(truth(a), a.where()), y(truth(b), b.where());
  return binary(op, x, y);
}

Tensor unary(const char* op, const Operand& x) {
  return ops::make(op, {x.tensor()}, {}, x.where());
}
Tensor real_unary(const char* op, const Operand& x) {
  return ops::make(op, {ops::floating(x)}, {}, x.where());
}

}  // namespace

Tensor add(const Operand& a, const Operand& b) { return binary("add", a, b); }
Tensor subtract(const Operand& a, const Operand& b) { return binary("subtract", a, b); }
Tensor multiply(const Operand& a, const Operand& b) { return binary("multiply", a, b); }
Tensor divide(const Operand& a, const Operand& b) { return real_binary("divide", a, b); }
Tensor floor_divide(const Operand& a, const Operand& b) { return binary("floor_divide", a, b); }
Tensor remainder(const Operand& a, const Operand& b) { return binary("remainder", a, b); }
Tensor fmod(const Operand& a, const Operand& b) { return binary("fmod", a, b); }
Tensor power(const Operand& a, const Operand& b) { return binary("power", a, b); }
Tensor maximum(const Operand& a, const Operand& b) { return binary("maximum", a, b); }
Tensor minimum(const Operand& a, const Operand& b) { return binary("minimum", a, b); }
Tensor atan2(const Operand& y, const Operand& x) { return real_binary("atan2", y, x); }

Tensor equal(const Operand& a, const Operand& b) { return comparison("equal", a, b); }
Tensor not_equal(const Operand& a, const Operand& b) { return comparison("not_equal", a, b); }
Tensor less(const Operand& a, const Operand& b) { return comparison("less", a, b); }
Tensor less_equal(const Operand& a, const Operand& b) { return comparison("less_equal", a, b); }
Tensor greater(const Operand& a, const Operand& b) { return comparison("greater", a, b); }
Tensor greater_equal(const Operand& a, const Operand& b) {
  return comparison("greater_equal", a, b);
}
Tensor logical_and(const Operand& a, const Operand& b) { return logic("logical_and", a, b); }
Tensor logical_or(const Operand& a, const Operand& b) { return logic("logical_or", a, b); }
Tensor logical_xor(const Operand& a, const Operand& b) { return logic("logical_xor", a, b); }
Tensor logical_not(const Operand& x) { return ops::make("logical_not", {truth(x)}, {}, x.where()); }
Tensor bitwise_and(const Operand& a, const Operand& b) { return binary("bitwise_and", a, b); }
Tensor bitwise_or(const Operand& a, const Operand& b) { return binary("bitwise_or", a, b); }
Tensor bitwise_xor(const Operand& a, const Operand& b) { return binary("bitwise_xor", a, b); }
Tensor bitwise_not(const Operand& x) {
  if (x.dtype() == DType::bool_) return logical_not(x);
  return unary("bitwise_not", x);
}
Tensor left_shift(const Operand& a, const Operand& count) { return binary("left_shift", a, count); }
Tensor right_shift(const Operand& a, const Operand& count) {
  return binary("right_shift", a, count);
}

Tensor operator+(const Operand& a, const Operand& b) { return add(a, b); }
Tensor operator-(const Operand& a, const Operand& b) { return subtract(a, b); }
Tensor operator*(const Operand& a, const Operand& b) { return multiply(a, b); }
Tensor operator/(const Operand& a, const Operand& b) { return divide(a, b); }
Tensor operator%(const Operand& a, const Operand& b) { return remainder(a, b); }
Tensor operator==(const Operand& a, const Operand& b) { return equal(a, b); }
Tensor operator!=(const Operand& a, const Operand& b) { return not_equal(a, b); }
Tensor operator<(const Operand& a, const Operand& b) { return less(a, b); }
Tensor operator<=(const Operand& a, const Operand& b) { return less_equal(a, b); }
Tensor operator>(const Operand& a, const Operand& b) { return greater(a, b); }
Tensor operator>=(const Operand& a, const Operand& b) { return greater_equal(a, b); }
Tensor operator&(const Operand& a, const Operand& b) { return bitwise_and(a, b); }
Tensor operator|(const Operand& a, const Operand& b) { return bitwise_or(a, b); }
Tensor operator^(const Operand& a, const Operand& b) { return bitwise_xor(a, b); }
Tensor operator-(const Operand& x) { return negative(x); }
Tensor operator!(const Operand& x) { return logical_not(x); }
Tensor operator!(const Tensor& x) { return logical_not(Operand(x, Where{})); }
Tensor operator~(const Operand& x) { return bitwise_not(x); }

Tensor negative(const Operand& x) { return unary("negative", x); }
Tensor abs(const Operand& x) { return unary("absolute", x); }
Tensor sign(const Operand& x) { return unary("sign", x); }
Tensor square(const Operand& x) { return unary("square", x); }
Tensor reciprocal(const Operand& x) { return real_unary("reciprocal", x); }
Tensor sqrt(const Operand& x) { return real_unary("sqrt", x); }
Tensor rsqrt(const Operand& x) { return real_unary("rsqrt", x); }
Tensor exp(const Operand& x) { return real_unary("exp", x); }
Tensor expm1(const Operand& x) { return real_unary("expm1", x); }
Tensor log(const Operand& x) { return real_unary("log", x); }
Tensor log1p(const Operand& x) { return real_unary("log1p", x); }
Tensor log2(const Operand& x) { return real_unary("log2", x); }
Tensor sin(const Operand& x) { return real_unary("sin", x); }
Tensor cos(const Operand& x) { return real_unary("cos", x); }
Tensor tan(const Operand& x) { return real_unary("tan", x); }
Tensor asin(const Operand& x) { return real_unary("asin", x); }
Tensor acos(const Operand& x) { return real_unary("acos", x); }
Tensor atan(const Operand& x) { return real_unary("atan", x); }
Tensor sinh(const Operand& x) { return real_unary("sinh", x); }
Tensor cosh(const Operand& x) { return real_unary("cosh", x); }
Tensor tanh(const Operand& x) { return real_unary("tanh", x); }
Tensor asinh(const Operand& x) { return real_unary("asinh", x); }
Tensor acosh(const Operand& x) { return real_unary("acosh", x); }
Tensor atanh(const Operand& x) { return real_unary("atanh", x); }
Tensor erf(const Operand& x) { return real_unary("erf", x); }
Tensor erfc(const Operand& x) { return real_unary("erfc", x); }
Tensor floor(const Operand& x) { return real_unary("floor", x); }
Tensor ceil(const Operand& x) { return real_unary("ceil", x); }
Tensor trunc(const Operand& x) { return real_unary("trunc", x); }
Tensor round(const Operand& x) { return real_unary("round", x); }
Tensor is_nan(const Operand& x) { return unary("is_nan", x); }
Tensor is_finite(const Operand& x) { return unary("is_finite", x); }
Tensor is_inf(const Operand& x) { return unary("is_inf", x); }

Tensor where(const Operand& condition, const Operand& a, const Operand& b) {
  const auto branches = meet("where", {&a, &b});
  const Tensor c = truth(condition);
  const Shape shape = ops::broadcast_shapes("where", c.shape(), branches[0].shape());
  auto stretch = [&](const Tensor& t) {
    return t.shape() == shape
               ? t
               : ops::make("broadcast_to", {t}, {{"shape", shape.dims()}}, condition.where());
  };
  return ops::make("select", {stretch(c), stretch(branches[0]), stretch(branches[1])}, {},
                   condition.where());
}

Tensor clip(const Operand& x, const Operand& low, const Operand& high) {
  const auto t = meet("clip", {&x, &low, &high});
  return ops::make("clip", {t[0], t[1], t[2]}, {}, x.where());
}

Tensor cast(const Operand& x, DType dtype) {
  const Tensor t = x.tensor();
  return t.dtype() == dtype ? t : ops::make("cast", {t}, {{"dtype", dtype}}, x.where());
}

Tensor sigmoid(const Operand& x) { return real_unary("sigmoid", x); }
Tensor log_sigmoid(const Operand& x) { return real_unary("log_sigmoid", x); }
Tensor relu(const Operand& x) { return unary("relu", x); }
Tensor relu6(const Operand& x) { return clip(x, 0, 6); }

Tensor leaky_relu(const Operand& x, Real negative_slope) {
  const ir::CallerScope caller(x.where());
  const Tensor t = ops::floating(x);
  return where(t > 0, t, negative_slope.value * t);
}

Tensor elu(const Operand& x, Real alpha) {
  const ir::CallerScope caller(x.where());
  const Tensor t = ops::floating(x);
  // The minimum keeps expm1, and with it the gradient of the branch not taken, finite.
  return where(t > 0, t, alpha.value * expm1(minimum(t, 0)));
}

Tensor selu(const Operand& x) {
  const ir::CallerScope caller(x.where());
  // The fixed point of the mean and variance map (Klambauer 2017, equation 14).
  constexpr double kAlpha = 1.6732632423543772848, kScale = 1.0507009873554804934;
  return kScale * elu(x, kAlpha);
}

Tensor softplus(const Operand& x) { return real_unary("softplus", x); }
Tensor softsign(const Operand& x) { return real_unary("softsign", x); }
Tensor silu(const Operand& x) { return real_unary("silu", x); }

Tensor gelu(const Operand& x) { return real_unary("gelu", x); }
Tensor gelu_tanh(const Operand& x) { return real_unary("gelu_tanh", x); }

Tensor hard_sigmoid(const Operand& x) {
  const ir::CallerScope caller(x.where());
  return clip(ops::floating(x) * (1. / 6) + 0.5, 0, 1);
}

Tensor mish(const Operand& x) { return real_unary("mish", x); }

}  // namespace varve
