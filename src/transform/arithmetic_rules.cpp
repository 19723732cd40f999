// Arithmetic identities. All hold for NaN and infinities; where a rule may change the sign of a
// zero or the last digit, it says so. x * 0 and x - x stay for floats: they may be NaN.
#include <cmath>

#include "transform/rewrite.h"

namespace varve::transform {
namespace {

using Result = std::optional<ir::ValueId>;
constexpr std::nullopt_t no = std::nullopt;

bool floats(const Rewriting& at) { return is_floating(at.result().dtype); }
bool equal_inputs(const Rewriting& at) { return at.x(0) == at.x(1); }

Result constant_second(Rewriting& at) {
  if (!at.node().op->traits.commutative || at.node().inputs.size() != 2) return no;
  if (!at.number(at.x(0)) || at.number(at.x(1))) return no;
  return at.again({at.x(1), at.x(0)});
}

Result add_zero(Rewriting& at) { return at.is(at.x(1), 0) ? Result(at.x(0)) : no; }

Result add_negative(Rewriting& at) {
  if (auto n = at.made_by(at.x(1), "negative")) return at.make("subtract", {at.x(0), n->inputs[0]});
  if (auto n = at.made_by(at.x(0), "negative")) return at.make("subtract", {at.x(1), n->inputs[0]});
  return no;
}

Result subtract_zero(Rewriting& at) { return at.is(at.x(1), 0) ? Result(at.x(0)) : no; }

Result subtract_from_zero(Rewriting& at) {
  return at.is(at.x(0), 0) ? Result(at.make("negative", {at.x(1)})) : no;
}

Result subtract_negative(Rewriting& at) {
  auto n = at.made_by(at.x(1), "negative");
  return n ? Result(at.make("add", {at.x(0), n->inputs[0]})) : no;
}

Result subtract_itself(Rewriting& at) {
  return !floats(at) && equal_inputs(at) ? Result(at.full(0, at.result())) : no;
}

Result multiply_one(Rewriting& at) { return at.is(at.x(1), 1) ? Result(at.x(0)) : no; }

Result multiply_minus_one(Rewriting& at) {
  return is_signed(at.result().dtype) && at.is(at.x(1), -1) ? Result(at.make("negative", {at.x(0)}))
                                                            : no;
}

Result multiply_zero(Rewriting& at) {
  return !floats(at) && at.is(at.x(1), 0) ? Result(at.x(1)) : no;
}

Result multiply_itself(Rewriting& at) {
  return equal_inputs(at) ? Result(at.make("square", {at.x(0)})) : no;
}

Result multiply_negatives(Rewriting& at) {
  auto a = at.made_by(at.x(0), "negative"), b = at.made_by(at.x(1), "negative");
  return a && b ? Result(at.again({a->inputs[0], b->inputs[0]})) : no;
}

/// A number whose rounding to the type neither overflows nor loses digits to underflow.
bool normal(double v, DType d) {
  const double size = std::abs(v);
  if (d == f16) return size >= 0x1p-14 && size <= 65504;
  if (d == bf16 || d == f32) return size >= 0x1p-126 && size <= 0x1p127;
  return std::isnormal(v);
}

/// A number of an integer type modulo 2^64.
uint64_t integer(double v) { return static_cast<uint64_t>(static_cast<int64_t>(v)); }

Result multiply_numbers(Rewriting& at) {
  const auto outer = at.number(at.x(1));
  auto m = at.made_by(at.x(0), "multiply");
  if (!outer || !m || at.number(m->inputs[0])) return no;
  const auto inner = at.number(m->inputs[1]);
  if (!inner) return no;
  const DType d = at.result().dtype;
  if (!floats(at)) {
    const uint64_t product = integer(*inner) * integer(*outer);
    return at.make("multiply", {m->inputs[0], at.wrapped(product, at.result())});
  }
  const double product = *inner * *outer;
  if (!normal(*inner, d) || !normal(*outer, d) || !normal(product, d)) return no;
  return at.make("multiply", {m->inputs[0], at.full(product, at.result())});
}

Result multiply_negative_by_number(Rewriting& at) {
  const auto c = at.number(at.x(1));
  auto n = at.made_by(at.x(0), "negative");
  if (!c || !n || !is_signed(at.result().dtype)) return no;
  const ir::ValueId negated =
      floats(at) ? at.full(-*c, at.result()) : at.wrapped(0 - integer(*c), at.result());
  return at.again({n->inputs[0], negated});
}

Result divide_one(Rewriting& at) { return at.is(at.x(1), 1) ? Result(at.x(0)) : no; }

Result divide_one_by(Rewriting& at) {
  return floats(at) && at.is(at.x(0), 1) ? Result(at.make("reciprocal", {at.x(1)})) : no;
}

Result divide_power_of_two(Rewriting& at) {
  const auto c = at.number(at.x(1));
  if (!floats(at) || !c || !normal(*c, at.result().dtype)) return no;
  int exponent = 0;
  if (std::abs(std::frexp(*c, &exponent)) != 0.5 || !normal(1 / *c, at.result().dtype)) return no;
  return at.make("multiply", {at.x(0), at.full(1 / *c, at.result())});
}

Result negative_twice(Rewriting& at) {
  auto n = at.made_by(at.x(), "negative");
  return n ? Result(n->inputs[0]) : no;
}

Result negative_difference(Rewriting& at) {
  auto s = at.made_by(at.x(), "subtract");
  return s && at.only_reader(0) ? Result(at.make("subtract", {s->inputs[1], s->inputs[0]})) : no;
}

/// f(-x) = f(x), and f(|x|) = f(x).
Result even(Rewriting& at) {
  if (auto n = at.made_by(at.x(), "negative")) return at.again({n->inputs[0]});
  if (auto n = at.made_by(at.x(), "absolute")) return at.again({n->inputs[0]});
  return no;
}

Result absolute_of_negative(Rewriting& at) {
  // Unsigned integers wrap: -1 is the largest.
  if (!is_signed(at.result().dtype) && at.made_by(at.x(), "negative")) return no;
  return even(at);
}

Result absolute_of_positive(Rewriting& at) {
  // Squares of integers wrap below zero.
  return floats(at) && at.made_by(at.x(), "square") ? Result(at.x()) : no;
}

Result power_number(Rewriting& at) {
  const auto c = at.number(at.x(1));
  if (!c) return no;
  if (*c == 0) return at.full(1, at.result());
  if (*c == 1) return at.x(0);
  if (*c == 2) return at.make("square", {at.x(0)});
  if (*c == -1 && floats(at)) return at.make("reciprocal", {at.x(0)});
  return no;
}

Result reciprocal_of_sqrt(Rewriting& at) {
  auto s = at.made_by(at.x(), "sqrt");
  return s ? Result(at.make("rsqrt", {s->inputs[0]})) : no;
}

Result itself_twice(Rewriting& at) { return equal_inputs(at) ? Result(at.x(0)) : no; }

Result maximum_zero(Rewriting& at) {
  if (at.result().dtype == DType::bool_ || !at.is(at.x(1), 0)) return no;
  return at.make("relu", {at.x(0)});
}

Result relu_twice(Rewriting& at) { return at.made_by(at.x(), "relu") ? Result(at.x()) : no; }

Result not_of(Rewriting& at) {
  if (auto n = at.made_by(at.x(), "logical_not"); n && at.type(n->inputs[0]).dtype == DType::bool_)
    return n->inputs[0];
  // Not so for < and >=: with NaN both are false.
  if (auto n = at.made_by(at.x(), "equal")) return at.make("not_equal", n->inputs);
  if (auto n = at.made_by(at.x(), "not_equal")) return at.make("equal", n->inputs);
  return no;
}

bool truths(const Rewriting& at) { return at.type(at.x(0)).dtype == DType::bool_; }

Result and_constant(Rewriting& at) {
  const auto c = at.number(at.x(1));
  if (!c || !truths(at)) return no;
  return *c != 0 ? at.x(0) : at.x(1);
}

Result or_constant(Rewriting& at) {
  const auto c = at.number(at.x(1));
  if (!c || !truths(at)) return no;
  return *c != 0 ? at.x(1) : at.x(0);
}

Result truth_with_itself(Rewriting& at) {
  return truths(at) && equal_inputs(at) ? Result(at.x(0)) : no;
}

constexpr Rule kRules[] = {
    {"c + x -> x + c, of any commutative op", "*", constant_second},
    {"x + 0 -> x (a zero may change its sign)", "add", add_zero},
    {"x + -y -> x - y", "add", add_negative},
    {"x - 0 -> x", "subtract", subtract_zero},
    {"0 - x -> -x (a zero may change its sign)", "subtract", subtract_from_zero},
    {"x - -y -> x + y", "subtract", subtract_negative},
    {"x - x -> 0, integers only", "subtract", subtract_itself},
    {"x * 1 -> x", "multiply", multiply_one},
    {"x * -1 -> -x", "multiply", multiply_minus_one},
    {"x * 0 -> 0, integers only", "multiply", multiply_zero},
    {"x * x -> square(x)", "multiply", multiply_itself},
    {"-x * -y -> x * y", "multiply", multiply_negatives},
    {"(x * a) * b -> x * (a b) (in the last digit)", "multiply", multiply_numbers},
    {"-x * a -> x * (-a)", "multiply", multiply_negative_by_number},
    {"x / 1 -> x", "divide", divide_one},
    {"1 / x -> reciprocal(x), floats only", "divide", divide_one_by},
    {"x / 2^n -> x * 2^-n, floats only", "divide", divide_power_of_two},
    {"-(-x) -> x", "negative", negative_twice},
    {"-(x - y) -> y - x (a zero may change its sign)", "negative", negative_difference},
    {"square(-x), square(|x|) -> square(x)", "square", even},
    {"|-x|, ||x|| -> |x|, the first for signed types only", "absolute", absolute_of_negative},
    {"|square(x)| -> square(x), floats only", "absolute", absolute_of_positive},
    {"cos(-x), cos(|x|) -> cos(x)", "cos", even},
    {"cosh(-x), cosh(|x|) -> cosh(x)", "cosh", even},
    {"power(x, c) -> 1, x, square(x), reciprocal(x) for c = 0, 1, 2, -1", "power", power_number},
    {"reciprocal(sqrt(x)) -> rsqrt(x) (in the last digit)", "reciprocal", reciprocal_of_sqrt},
    {"maximum(x, x) -> x", "maximum", itself_twice},
    {"minimum(x, x) -> x", "minimum", itself_twice},
    {"maximum(x, 0) -> relu(x)", "maximum", maximum_zero},
    {"relu(relu(x)) -> relu(x)", "relu", relu_twice},
    {"not not x -> x; not of == -> !=; not of != -> ==", "logical_not", not_of},
    {"x and true -> x; x and false -> false", "logical_and", and_constant},
    {"x or false -> x; x or true -> true", "logical_or", or_constant},
    {"x and x -> x", "logical_and", truth_with_itself},
    {"x or x -> x", "logical_or", truth_with_itself},
};

}  // namespace

std::span<const Rule> arithmetic_rules() { return kRules; }

}  // namespace varve::transform
