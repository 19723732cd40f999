// Elementwise ops as ONNX operators.
#include <cmath>
#include <numbers>

#include "io/onnx/emit.h"

namespace varve::io::onnx {
namespace {

using Names = std::vector<std::string>;

/// One operator for the whole op.
template <auto Make>
void row(const Exported& e) {
  e.outputs[0] =
      e.to.elementwise(e.node.outputs[0], e.inputs, [&](const Names& x) { return Make(e, x); });
}

std::string like(const Exported& e, double value) { return e.to.number(value, e.type(0).dtype); }
bool is_bool(const Exported& e, size_t input = 0) { return e.type(input).dtype == DType::bool_; }
bool floats(const Exported& e) { return is_floating(e.type(0).dtype); }

#define VARVE_ONE(name, op) \
  std::string name(const Exported& e, const Names& x) { return e.to.add(op, x); }
VARVE_ONE(add, "Add")
VARVE_ONE(subtract, "Sub")
VARVE_ONE(multiply, "Mul")
VARVE_ONE(divide, "Div")
VARVE_ONE(power, "Pow")
VARVE_ONE(maximum, "Max")
VARVE_ONE(minimum, "Min")
VARVE_ONE(absolute, "Abs")
VARVE_ONE(sign, "Sign")
VARVE_ONE(reciprocal, "Reciprocal")
VARVE_ONE(sqrt, "Sqrt")
VARVE_ONE(exp, "Exp")
VARVE_ONE(log, "Log")
VARVE_ONE(sin, "Sin")
VARVE_ONE(cos, "Cos")
VARVE_ONE(tan, "Tan")
VARVE_ONE(asin, "Asin")
VARVE_ONE(acos, "Acos")
VARVE_ONE(atan, "Atan")
VARVE_ONE(sinh, "Sinh")
VARVE_ONE(cosh, "Cosh")
VARVE_ONE(tanh, "Tanh")
VARVE_ONE(asinh, "Asinh")
VARVE_ONE(acosh, "Acosh")
VARVE_ONE(atanh, "Atanh")
VARVE_ONE(erf, "Erf")
VARVE_ONE(sigmoid, "Sigmoid")
VARVE_ONE(softplus, "Softplus")
VARVE_ONE(softsign, "Softsign")
VARVE_ONE(relu, "Relu")
VARVE_ONE(select, "Where")
VARVE_ONE(equal, "Equal")
VARVE_ONE(less, "Less")
VARVE_ONE(less_equal, "LessOrEqual")
VARVE_ONE(greater, "Greater")
VARVE_ONE(greater_equal, "GreaterOrEqual")
#undef VARVE_ONE

// Neg has no unsigned numbers, which wrap around 0.
std::string negative(const Exported& e, const Names& x) {
  if (is_signed(e.type(0).dtype)) return e.to.add("Neg", x);
  return e.to.add("Sub", {like(e, 0), x[0]});
}
// Whole numbers are their own floor.
template <const char* Op>
std::string rounded(const Exported& e, const Names& x) {
  return floats(e) ? e.to.add(Op, x) : x[0];
}
constexpr char kFloor[] = "Floor", kCeil[] = "Ceil", kRound[] = "Round";

std::string not_equal(const Exported& e, const Names& x) {
  return e.to.add("Not", {e.to.add("Equal", x)});
}
std::string square(const Exported& e, const Names& x) { return e.to.add("Mul", {x[0], x[0]}); }
std::string rsqrt(const Exported& e, const Names& x) {
  return e.to.add("Reciprocal", {e.to.add("Sqrt", x)});
}
std::string log2(const Exported& e, const Names& x) {
  return e.to.add("Div", {e.to.add("Log", x), like(e, std::numbers::ln2)});
}
/// e^x - 1 = 2 sinh(x / 2) e^(x / 2), exact near 0; far below 0 it is -1, where sinh overflows.
std::string expm1(const Exported& e, const Names& x) {
  const std::string above = e.to.add("Max", {x[0], like(e, e.type(0).dtype == f16 ? -16 : -40)});
  const std::string half = e.to.add("Mul", {above, like(e, 0.5)});
  const std::string sinh = e.to.add("Mul", {e.to.add("Sinh", {half}), like(e, 2)});
  return e.to.add("Mul", {sinh, e.to.add("Exp", {half})});
}
/// With u = 1 + x rounded: log(u) x / (u - 1), exact near 0; x where u is 1, log(u) where it is so
/// large that the correction is none (Kahan).
std::string log1p(const Exported& e, const Names& x) {
  const std::string one = like(e, 1), u = e.to.add("Add", {x[0], one});
  const std::string log = e.to.add("Log", {u}), below = e.to.add("Sub", {u, one});
  const std::string near = e.to.add("Equal", {u, one});
  const std::string safe = e.to.add("Where", {near, one, below});
  const std::string exact = e.to.add("Mul", {log, e.to.add("Div", {x[0], safe})});
  const std::string small = e.to.add("Where", {near, x[0], exact});
  return e.to.add("Where", {e.to.add("Less", {x[0], one}), small, log});
}
std::string erfc(const Exported& e, const Names& x) {
  return e.to.add("Sub", {like(e, 1), e.to.add("Erf", x)});
}
std::string log_sigmoid(const Exported& e, const Names& x) {
  return e.to.add("Neg", {e.to.add("Softplus", {e.to.add("Neg", x)})});
}
std::string silu(const Exported& e, const Names& x) {
  return e.to.add("Mul", {x[0], e.to.add("Sigmoid", x)});
}
std::string gelu(const Exported& e, const Names& x) {
  const std::string erf =
      e.to.add("Erf", {e.to.add("Mul", {x[0], like(e, std::numbers::sqrt2 / 2)})});
  const std::string half = e.to.add("Mul", {x[0], like(e, 0.5)});
  return e.to.add("Mul", {half, e.to.add("Add", {erf, like(e, 1)})});
}
std::string trunc(const Exported& e, const Names& x) {
  if (!floats(e)) return x[0];
  return e.to.add("Mul", {e.to.add("Sign", x), e.to.add("Floor", {e.to.add("Abs", x)})});
}
/// Python's: the sign of the divisor.
std::string remainder(const Exported& e, const Names& x) {
  if (!floats(e)) return e.to.add("Mod", x);
  const std::string r = e.to.add("Mod", x, {integer("fmod", 1)}), zero = like(e, 0);
  const std::string other =
      e.to.add("Xor", {e.to.add("Less", {r, zero}), e.to.add("Less", {x[1], zero})});
  const std::string wrong =
      e.to.add("And", {e.to.add("Not", {e.to.add("Equal", {r, zero})}), other});
  return e.to.add("Where", {wrong, e.to.add("Add", {r, x[1]}), r});
}
std::string fmod(const Exported& e, const Names& x) {
  return e.to.add("Mod", x, {integer("fmod", 1)});
}
std::string floor_divide(const Exported& e, const Names& x) {
  const std::string exact = e.to.add("Div", {e.to.add("Sub", {x[0], remainder(e, x)}), x[1]});
  return floats(e) ? e.to.add("Round", {exact}) : exact;
}
/// From atan(y / x), by the quadrant.
std::string atan2(const Exported& e, const Names& v) {
  const std::string &y = v[0], &x = v[1], zero = like(e, 0), pi = like(e, std::numbers::pi);
  const std::string up = e.to.add("GreaterOrEqual", {y, zero});
  const std::string none = e.to.add("Equal", {x, zero}), left = e.to.add("Less", {x, zero});
  const std::string safe = e.to.add("Where", {none, like(e, 1), x});
  const std::string angle = e.to.add("Atan", {e.to.add("Div", {y, safe})});
  const std::string turn = e.to.add("Where", {up, pi, e.to.add("Neg", {pi})});
  const std::string turned = e.to.add("Where", {left, e.to.add("Add", {angle, turn}), angle});
  const std::string axis = e.to.add("Mul", {e.to.add("Sign", {y}), like(e, std::numbers::pi / 2)});
  return e.to.add("Where", {none, axis, turned});
}
/// IsNaN and IsInf know f32 and f64 at opset 17; halves are exact in f32.
std::string is(const char* op, const Exported& e, const std::string& x) {
  const DType d = e.type(0).dtype;
  const auto single = static_cast<int64_t>(formats::onnx::Type::float32);
  return e.to.add(op, {d == f32 || d == f64 ? x : e.to.add("Cast", {x}, {integer("to", single)})});
}
std::string is_nan(const Exported& e, const Names& x) { return is("IsNaN", e, x[0]); }
std::string is_inf(const Exported& e, const Names& x) { return is("IsInf", e, x[0]); }
std::string is_finite(const Exported& e, const Names& x) {
  return e.to.add("Not", {e.to.add("Or", {is("IsNaN", e, x[0]), is("IsInf", e, x[0])})});
}
std::string clip(const Exported& e, const Names& x) {
  return e.to.add("Min", {e.to.add("Max", {x[0], x[1]}), x[2]});
}
std::string truth(const Exported& e, const std::string& x, size_t input) {
  if (is_bool(e, input)) return x;
  return e.to.add("Cast", {x}, {integer("to", static_cast<int64_t>(formats::onnx::Type::boolean))});
}
std::string logical_not(const Exported& e, const Names& x) {
  return e.to.add("Not", {truth(e, x[0], 0)});
}
template <const char* Op>
std::string logical(const Exported& e, const Names& x) {
  return e.to.add(Op, {truth(e, x[0], 0), truth(e, x[1], 1)});
}
constexpr char kAnd[] = "And", kOr[] = "Or", kXor[] = "Xor";
template <const char* Op>
std::string bits(const Exported& e, const Names& x) {
  if (!is_bool(e)) e.refuse("bits of integers have operators from opset 18 on");
  return e.to.add(Op, x);
}
std::string bitwise_not(const Exported& e, const Names& x) {
  if (!is_bool(e)) e.refuse("bits of integers have operators from opset 18 on");
  return e.to.add("Not", x);
}
std::string shifted(const Exported& e, const Names& x, const char* direction) {
  const DType d = e.type(0).dtype;
  if (d != DType::u8 && d != DType::u16 && d != DType::u32 && d != DType::u64)
    e.refuse("ONNX shifts unsigned integers alone");
  return e.to.add("BitShift", x, {text("direction", direction)});
}
std::string left_shift(const Exported& e, const Names& x) { return shifted(e, x, "LEFT"); }
std::string right_shift(const Exported& e, const Names& x) { return shifted(e, x, "RIGHT"); }
std::string cast(const Exported& e, const Names& x) {
  const auto to = static_cast<int64_t>(formats::onnx::type_of(e.node.outputs[0].dtype));
  return e.to.add("Cast", x, {integer("to", to)});
}

void same(const Exported& e) { e.outputs[0] = *e.inputs[0]; }

}  // namespace

std::span<const ExportRow> pointwise_exports() {
  static constexpr ExportRow rows[] = {
      {"identity", same},
      {"stop_gradient", same},
      {"add", row<add>},
      {"subtract", row<subtract>},
      {"multiply", row<multiply>},
      {"divide", row<divide>},
      {"floor_divide", row<floor_divide>},
      {"remainder", row<remainder>},
      {"fmod", row<fmod>},
      {"power", row<power>},
      {"maximum", row<maximum>},
      {"minimum", row<minimum>},
      {"atan2", row<atan2>},
      {"negative", row<negative>},
      {"absolute", row<absolute>},
      {"sign", row<sign>},
      {"square", row<square>},
      {"reciprocal", row<reciprocal>},
      {"sqrt", row<sqrt>},
      {"rsqrt", row<rsqrt>},
      {"exp", row<exp>},
      {"expm1", row<expm1>},
      {"log", row<log>},
      {"log1p", row<log1p>},
      {"log2", row<log2>},
      {"sin", row<sin>},
      {"cos", row<cos>},
      {"tan", row<tan>},
      {"asin", row<asin>},
      {"acos", row<acos>},
      {"atan", row<atan>},
      {"sinh", row<sinh>},
      {"cosh", row<cosh>},
      {"tanh", row<tanh>},
      {"asinh", row<asinh>},
      {"acosh", row<acosh>},
      {"atanh", row<atanh>},
      {"erf", row<erf>},
      {"erfc", row<erfc>},
      {"sigmoid", row<sigmoid>},
      {"log_sigmoid", row<log_sigmoid>},
      {"softplus", row<softplus>},
      {"softsign", row<softsign>},
      {"silu", row<silu>},
      {"gelu", row<gelu>},
      {"relu", row<relu>},
      {"floor", row<rounded<kFloor>>},
      {"ceil", row<rounded<kCeil>>},
      {"trunc", row<trunc>},
      {"round", row<rounded<kRound>>},
      {"equal", row<equal>},
      {"not_equal", row<not_equal>},
      {"less", row<less>},
      {"less_equal", row<less_equal>},
      {"greater", row<greater>},
      {"greater_equal", row<greater_equal>},
      {"logical_and", row<logical<kAnd>>},
      {"logical_or", row<logical<kOr>>},
      {"logical_xor", row<logical<kXor>>},
      {"logical_not", row<logical_not>},
      {"is_nan", row<is_nan>},
      {"is_finite", row<is_finite>},
      {"is_inf", row<is_inf>},
      {"bitwise_and", row<bits<kAnd>>},
      {"bitwise_or", row<bits<kOr>>},
      {"bitwise_xor", row<bits<kXor>>},
      {"bitwise_not", row<bitwise_not>},
      {"left_shift", row<left_shift>},
      {"right_shift", row<right_shift>},
      {"select", row<select>},
      {"clip", row<clip>},
      {"cast", row<cast>},
  };
  return rows;
}

}  // namespace varve::io::onnx
