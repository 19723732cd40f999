// Arithmetic, element by element, and products of matrices.
#include "io/onnx/helpers.h"
#include "varve/ops/indexing.h"
#include "varve/ops/matmul.h"
#include "varve/ops/shape.h"

namespace varve::io::onnx {
namespace {

// Integers divide towards zero.
Values div(Call& c) {
  const Tensor &a = c.tensor(0), &b = c.tensor(1);
  if (is_floating(a.dtype())) return {divide(a, b)};
  const Tensor q = floor_divide(a, b);
  if (!is_signed(a.dtype())) return {q};
  const Tensor r = remainder(a, b);
  const Tensor up = logical_and(not_equal(r, 0), not_equal(less(a, 0), less(b, 0)));
  return {add(q, cast(up, a.dtype()))};
}

// fmod = 1: the sign of the dividend, as C; otherwise that of the divisor, as Python.
Values mod(Call& c) {
  const Tensor &a = c.tensor(0), &b = c.tensor(1);
  if (c.integer("fmod", 0) == 0 || !is_signed(a.dtype())) return {remainder(a, b)};
  return {varve::fmod(a, b)};
}

// The result has the base's type, whatever the exponent's.
Values pow(Call& c) {
  const Tensor &a = c.tensor(0), &b = c.tensor(1);
  if (a.dtype() == b.dtype()) return {power(a, b)};
  // Integers to a fraction's power, and wide exponents of narrow bases, meet in f64 as in NumPy.
  const bool integers = !is_floating(a.dtype()) && !is_floating(b.dtype());
  const DType common = integers                                            ? i64
                       : is_floating(a.dtype()) && !is_floating(b.dtype()) ? a.dtype()
                       : is_floating(a.dtype()) ? promote(a.dtype(), b.dtype())
                                                : f64;
  return {as(power(as(a, common), as(b, common)), a.dtype())};
}

template <Tensor (*F)(const Operand&, const Operand&)>
Tensor fold(Call& c) {
  Tensor out = c.tensor(0);
  for (int i = 1; i < c.inputs(); ++i) out = F(out, c.tensor(i));
  return out;
}
Values max_(Call& c) { return {fold<maximum>(c)}; }
Values min_(Call& c) { return {fold<minimum>(c)}; }
Values sum_(Call& c) { return {fold<add>(c)}; }
Values mean_(Call& c) { return {divide(fold<add>(c), c.inputs())}; }

// Bounds are attributes before opset 11; both may be left out.
Values clip_(Call& c) {
  Tensor x = c.tensor(0);
  if (c.version() < 11) {
    if (c.find("min")) x = maximum(x, number_like(c.real("min"), x));
    if (c.find("max")) x = minimum(x, number_like(c.real("max"), x));
    return {x};
  }
  if (c.has(1)) x = maximum(x, c.tensor(1));
  if (c.has(2)) x = minimum(x, c.tensor(2));
  return {x};
}

Values bit_shift(Call& c) {
  const std::string direction = c.text("direction");
  if (direction == "LEFT") return {left_shift(c.tensor(0), c.tensor(1))};
  if (direction == "RIGHT") return {right_shift(c.tensor(0), c.tensor(1))};
  c.fail("attribute direction: expected \"LEFT\" or \"RIGHT\"");
}

Values is_inf_(Call& c) {
  const Tensor& x = c.tensor(0);
  const bool negative_ = c.integer("detect_negative", 1),
             positive = c.integer("detect_positive", 1);
  if (negative_ && positive) return {is_inf(x)};
  if (!negative_ && !positive) return {cast(zeros_like(x), DType::bool_)};
  return {logical_and(is_inf(x), positive ? greater(x, 0) : less(x, 0))};
}

Values matmul_(Call& c) { return {matmul(c.tensor(0), c.tensor(1))}; }

// Y = alpha A' B' + beta C, C broadcasting to [M, N].
Values gemm(Call& c) {
  const Tensor &a = c.tensor(0), &b = c.tensor(1);
  if (a.rank() != 2 || b.rank() != 2) {
    c.fail("expected matrices, got " + a.shape().to_string() + " and " + b.shape().to_string());
  }
  const double alpha = c.real("alpha", 1), beta = c.real("beta", 1);
  MatmulOptions options{.transpose_a = c.integer("transA", 0) != 0,
                        .transpose_b = c.integer("transB", 0) != 0};
  const bool has_c = c.has(2) && beta != 0;
  const int64_t columns = options.transpose_b ? b.shape()[0] : b.shape()[1];
  const bool fused = has_c && alpha == 1 && beta == 1 && c.shape(2) == Shape{columns};
  if (fused) options.bias = c.tensor(2);
  Tensor y = matmul(a, b, options);
  const auto scaled = [&](const Tensor& x, double by) {
    return by == 1 ? x : as(multiply(x, by), x.dtype());
  };
  if (fused || !has_c) return {scaled(y, alpha)};
  return {add(scaled(y, alpha), scaled(c.tensor(2), beta))};
}

template <Tensor (*F)(const Operand&, const CumulativeOptions&)>
Values cumulative(Call& c) {
  const Tensor& x = c.tensor(0);
  const CumulativeOptions options{.axis = c.axis(c.integer(1), x.rank()),
                                  .reverse = c.integer("reverse", 0) != 0,
                                  .exclusive = c.integer("exclusive", 0) != 0};
  return {as(F(x, options), x.dtype())};
}

// A whole row of 8-bit integers fits i32: products of 65,000 such terms do not overflow.
Values matmul_integer(Call& c) {
  const auto shifted = [&](int i, int zero_point, bool rows) {
    const Tensor x = cast(c.tensor(i), i32);
    if (!c.has(zero_point)) return x;
    Tensor z = cast(c.tensor(zero_point), i32);
    // One for each row of A, one for each column of B.
    if (rows && z.rank() == 1 && z.size() > 1) z = expand_dims(z, -1);
    return subtract(x, z);
  };
  return {cast(matmul(shifted(0, 2, true), shifted(1, 3, false)), i32)};
}

constexpr Row kRows[] = {
    {"Abs", 6, unary<abs>},
    {"Acos", 7, unary<acos>},
    {"Acosh", 9, unary<acosh>},
    {"Add", 7, binary<add>},
    {"Asin", 7, unary<asin>},
    {"Asinh", 9, unary<asinh>},
    {"Atan", 7, unary<atan>},
    {"Atanh", 9, unary<atanh>},
    {"BitShift", 11, bit_shift},
    {"BitwiseAnd", 18, binary<bitwise_and>},
    {"BitwiseNot", 18, unary<bitwise_not>},
    {"BitwiseOr", 18, binary<bitwise_or>},
    {"BitwiseXor", 18, binary<bitwise_xor>},
    {"Ceil", 6, unary<ceil>},
    {"Clip", 6, clip_, input_bit(1) | input_bit(2)},
    {"Cos", 7, unary<cos>},
    {"Cosh", 9, unary<cosh>},
    {"CumProd", 26, cumulative<cumprod>, input_bit(1)},
    {"CumSum", 11, cumulative<cumsum>, input_bit(1)},
    {"Div", 7, div},
    {"Erf", 9, unary<erf>},
    {"Exp", 6, unary<exp>},
    {"Floor", 6, unary<floor>},
    {"Gemm", 7, gemm},
    {"IsInf", 10, is_inf_},
    {"IsNaN", 9, unary<is_nan>},
    {"Log", 6, unary<log>},
    {"MatMul", 1, matmul_},
    {"MatMulInteger", 10, matmul_integer},
    {"Max", 6, max_},
    {"Mean", 6, mean_},
    {"Min", 6, min_},
    {"Mod", 10, mod},
    {"Mul", 7, binary<multiply>},
    {"Neg", 6, unary<negative>},
    {"Pow", 7, pow},
    {"Reciprocal", 6, unary<reciprocal>},
    {"Round", 11, unary<round>},
    {"Sign", 9, unary<sign>},
    {"Sin", 7, unary<sin>},
    {"Sinh", 9, unary<sinh>},
    {"Sqrt", 6, unary<sqrt>},
    {"Sub", 7, binary<subtract>},
    {"Sum", 6, sum_},
    {"Tan", 7, unary<tan>},
    {"Tanh", 6, unary<tanh>},
};

}  // namespace

Tensor number_like(double value, const Tensor& x) { return scalar(value, x.dtype()); }

std::span<const Row> math_rows() { return kRows; }

}  // namespace varve::io::onnx
