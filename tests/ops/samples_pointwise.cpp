// Rows of the elementwise ops, and of the activations made of them.
#include <algorithm>
#include <cmath>
#include <numbers>

#include "ops/build.h"
#include "samples.h"
#include "varve/derivatives.h"
#include "varve/ops/pointwise.h"

namespace varve::samples {
namespace {

/// Sizes around the vector widths, and long ones that leave remainders everywhere.
const std::vector<Shape> kShapes = {{2, 3},       {},   {0, 3},  {1},    {7},    {1, 5, 1},
                                    {2, 1, 3, 2}, {33}, {4, 17}, {3, 0}, {1009}, {8, 129}};

struct Range {
  double low = -2, high = 2;
  std::vector<double> away = {};
  In operator()(const Shape& shape) const {
    return {.shape = shape, .low = low, .high = high, .away = away};
  }
};

std::string name_of_shapes(const std::vector<In>& inputs) {
  std::string s;
  for (const In& i : inputs) s += (s.empty() ? "" : " ") + i.shape.to_string();
  return s;
}

std::vector<Sample> unary(const Range& r) {
  std::vector<Sample> out;
  for (const Shape& s : kShapes) out.push_back({s.to_string(), {r(s)}});
  return out;
}

std::vector<Sample> binary(const Range& a, const Range& b) {
  std::vector<Sample> out;
  for (const Shape& s : kShapes) out.push_back({s.to_string(), {a(s), b(s)}});
  const std::vector<std::pair<Shape, Shape>> broadcast = {
      {{2, 3}, {3}},    {{3}, {2, 3}},    {{2, 1}, {1, 3}},       {{}, {4}},  {{2, 2}, {}},
      {{0, 3}, {1, 3}}, {{1, 1}, {0, 2}}, {{2, 1, 3}, {4, 1}},    {{1}, {5}}, {{3, 1, 2}, {2}},
      {{65, 1}, {33}},  {{1}, {}},        {{2, 1, 1, 2}, {3, 1}},
  };
  for (const auto& [p, q] : broadcast) {
    std::vector<In> inputs = {a(p), b(q)};
    out.push_back({name_of_shapes(inputs), inputs});
  }
  return out;
}

std::vector<Sample> ternary(const Range& a, const Range& b, const Range& c) {
  std::vector<Sample> out;
  for (const Shape& s : kShapes) out.push_back({s.to_string(), {a(s), b(s), c(s)}});
  const std::vector<std::vector<Shape>> broadcast = {
      {{2, 3}, {}, {}}, {{2, 3}, {3}, {2, 1}}, {{3}, {2, 1}, {1}},
      {{}, {4}, {4}},   {{0, 2}, {2}, {1, 1}}, {{2, 1, 2}, {3, 1}, {}}};
  for (const auto& s : broadcast) {
    std::vector<In> inputs = {a(s[0]), b(s[1]), c(s[2])};
    out.push_back({name_of_shapes(inputs), inputs});
  }
  return out;
}

std::string text(const char* op, const std::string& what) { return std::string(op) + ": " + what; }

ErrorCase empty_operand(const char* op, std::vector<Tensor> before,
                        ir::Attributes attributes = {}) {
  before.emplace_back();
  return throws<ValueError>(
      text(op, "an operand is an empty Tensor (made by Tensor())\n  hint: give it a value first"),
      [=] { ir::apply(ops::get(op), before, attributes); });
}

ErrorCase bool_arithmetic(const char* op, std::function<void()> f) {
  return throws<DTypeError>(
      text(op, "bool has no arithmetic\n  hint: cast it, or use logical_and / logical_or"),
      std::move(f));
}

/// f gives the op f32.
ErrorCase refuses_floats(const char* op, std::function<void()> f) {
  return throws<DTypeError>(text(op, "expected an integer type, got f32"), std::move(f));
}

/// What every op of real numbers with one operand refuses.
std::vector<ErrorCase> real_errors(const char* op) {
  auto refuses = [&](DType d) {
    return throws<DTypeError>(text(op, std::string("expected a floating type, got ") + name_of(d)),
                              [=] { ops::make(op, {scalar(1, d)}); });
  };
  return {refuses(i32), refuses(i64), refuses(u8), refuses(DType::bool_), empty_operand(op, {})};
}

std::vector<ErrorCase> binary_errors(const char* op, Call f, DType d) {
  auto make = [f, d](Shape a, Shape b) {
    return [=] { f(Tensors{ops::full(1, d, a), ops::full(1, d, b)}); };
  };
  return {
      throws<ShapeError>(
          text(op, "shapes do not broadcast: [2, 3] and [4, 3] differ in axis -2 (2 and 4)"),
          make({2, 3}, {4, 3})),
      throws<ShapeError>(
          text(op, "shapes do not broadcast: [0, 3] and [2, 3] differ in axis -2 (0 and 2)"),
          make({0, 3}, {2, 3})),
      throws<ShapeError>(
          text(op, "shapes do not broadcast: [5] and [2, 3] differ in axis -1 (5 and 3)"),
          make({5}, {2, 3})),
  };
}

/// What the raw node of two operands refuses: its operands meet before.
std::vector<ErrorCase> raw_binary_errors(const char* op, DType d = f32, DType other = f64) {
  const Tensor one = scalar(1, d);
  const std::string type = varve::name_of(d);
  auto raw = [op, one](Tensor second) { return [=] { ops::make(op, {one, second}); }; };
  return {throws<DTypeError>(text(op, "inputs are of different types: " + type + "[] and " +
                                          varve::name_of(other) + "[]"),
                             raw(scalar(1, other))),
          throws<ShapeError>(
              text(op, "inputs are of different shapes: " + type + "[] and " + type + "[1]"),
              raw(ops::full(1, d, {1}))),
          empty_operand(op, {one})};
}

std::vector<ErrorCase> join(std::vector<ErrorCase> a, std::vector<ErrorCase> b) {
  for (ErrorCase& e : b) a.push_back(std::move(e));
  return a;
}

using Unary = Tensor (*)(const Operand&);
using Binary = Tensor (*)(const Operand&, const Operand&);

/// Ops that are real by nature: they take everything, integers as f32.
Row real(const char* op, Unary f, double (*formula)(double), Range range) {
  return {.op = op,
          .call = call(f),
          .reference = each(formula),
          .dtypes = kAll,
          .samples = unary(range),
          .errors = real_errors(op)};
}

/// Arithmetic with one operand: everything but bool.
Row arithmetic(const char* op, Unary f, double (*formula)(double), Range range) {
  return {
      .op = op,
      .call = call(f),
      .reference = each(formula),
      .dtypes = kNumbers,
      .samples = unary(range),
      .errors = {bool_arithmetic(op, [f] { f(scalar(1, DType::bool_)); }), empty_operand(op, {})}};
}

Row two(const char* op, Binary f, double (*formula)(double, double), std::vector<DType> dtypes,
        Range a, Range b, DType d = f32, DType other = f64) {
  return {.op = op,
          .call = call(f),
          .reference = each(formula),
          .dtypes = std::move(dtypes),
          .samples = binary(a, b),
          .errors = join(binary_errors(op, call(f), d), raw_binary_errors(op, d, other))};
}

/// The same with bools refused.
Row two_numbers(const char* op, Binary f, double (*formula)(double, double), Range a, Range b) {
  Row row = two(op, f, formula, kNumbers, a, b);
  row.errors.push_back(
      bool_arithmetic(op, [f] { f(scalar(1, DType::bool_), scalar(0, DType::bool_)); }));
  return row;
}

/// Truth values: operands that often are equal.
Row truths(const char* op, Binary f, double (*formula)(double, double)) {
  Row row = two(op, f, formula, kAll, {}, {});
  row.samples.push_back({"ties", {given({5}, {-1, 0, 0, 1, 2}), given({5}, {-1, 0, 1, 1, -2})}});
  row.samples.push_back(
      {"itself", {Range{}({7})}, [f](const Tensors& x) -> Tensors { return f(x[0], x[0]); }, {}});
  row.samples.back().reference = [formula](const Plains& x) -> Plains {
    Plain y = x[0];
    for (double& v : y.v) v = formula(v, v);
    return {y};
  };
  return row;
}

std::vector<Row> elementary() {
  return {
      real("sqrt", sqrt, [](double x) { return std::sqrt(x); }, {0.1, 4}),
      real("rsqrt", rsqrt, [](double x) { return 1 / std::sqrt(x); }, {0.1, 4}),
      real("exp", exp, [](double x) { return std::exp(x); }, {-4, 4}),
      real("expm1", expm1, [](double x) { return std::expm1(x); }, {-4, 4}),
      real("log", log, [](double x) { return std::log(x); }, {0.1, 8}),
      real("log1p", log1p, [](double x) { return std::log1p(x); }, {-0.9, 8}),
      real("log2", log2, [](double x) { return std::log2(x); }, {0.1, 8}),
      real("sin", sin, [](double x) { return std::sin(x); }, {-7, 7}),
      real("cos", cos, [](double x) { return std::cos(x); }, {-7, 7}),
      real("tan", tan, [](double x) { return std::tan(x); }, {-1.4, 1.4}),
      real("asin", asin, [](double x) { return std::asin(x); }, {-0.9, 0.9}),
      real("acos", acos, [](double x) { return std::acos(x); }, {-0.9, 0.9}),
      real("atan", atan, [](double x) { return std::atan(x); }, {-4, 4}),
      real("sinh", sinh, [](double x) { return std::sinh(x); }, {-4, 4}),
      real("cosh", cosh, [](double x) { return std::cosh(x); }, {-4, 4}),
      real("tanh", tanh, [](double x) { return std::tanh(x); }, {-4, 4}),
      real("asinh", asinh, [](double x) { return std::asinh(x); }, {-4, 4}),
      real("acosh", acosh, [](double x) { return std::acosh(x); }, {1.2, 4, {1}}),
      real("atanh", atanh, [](double x) { return std::atanh(x); }, {-0.9, 0.9}),
      real("erf", erf, [](double x) { return std::erf(x); }, {-3, 3}),
      real("erfc", erfc, [](double x) { return std::erfc(x); }, {-3, 3}),
      real("reciprocal", reciprocal, [](double x) { return 1 / x; }, {-3, 3, {0}}),
      // Between the steps, where the derivative is 0.
      real("floor", floor, [](double x) { return std::floor(x); }, {-4, 4}),
      real("ceil", ceil, [](double x) { return std::ceil(x); }, {-4, 4}),
      real("trunc", trunc, [](double x) { return std::trunc(x); }, {-4, 4}),
      real("round", round, [](double x) { return std::nearbyint(x); }, {-4, 4}),
  };
}

std::vector<Row> arithmetic_rows() {
  const Range divisor{-3, 3, {0}};
  Row power_row = two_numbers("power", power, [](double a, double b) { return std::pow(a, b); },
                              {0.2, 2}, {-2, 2});
  // A negative base has real powers at whole exponents alone.
  power_row.samples.push_back(
      {"negative base",
       {given({6}, {-2, -1.5, -1, -0.5, 2, 3}), given({6}, {2, 3, -1, -2, 0, 1}).fixed()},
       {},
       {},
       kFloating});
  power_row.samples.push_back(
      {"zero base", {given({3}, {0, 0, 0}), given({3}, {2, 3, 1}).fixed()}});
  return {
      two_numbers("add", add, [](double a, double b) { return a + b; }, {}, {}),
      two_numbers("subtract", subtract, [](double a, double b) { return a - b; }, {}, {}),
      two_numbers("multiply", multiply, [](double a, double b) { return a * b; }, {}, {}),
      two(
          "divide", divide, [](double a, double b) { return a / b; }, kAll, {}, divisor),
      two_numbers(
          "floor_divide", floor_divide, [](double a, double b) { return std::floor(a / b); },
          {-9, 9}, divisor),
      // C's fmod is exact.
      two_numbers(
          "remainder", remainder,
          [](double a, double b) {
            const double r = std::fmod(a, b);
            return r != 0 && (r < 0) != (b < 0) ? r + b : r;
          },
          {-9, 9}, divisor),
      two_numbers(
          "fmod", fmod, [](double a, double b) { return std::fmod(a, b); }, {-9, 9}, divisor),
      power_row,
      two("maximum", maximum, [](double a, double b) { return std::max(a, b); }, kAll, {}, {}),
      two("minimum", minimum, [](double a, double b) { return std::min(a, b); }, kAll, {}, {}),
      two("atan2", atan2, [](double y, double x) { return std::atan2(y, x); }, kAll, {-2, 2, {0}},
          {-2, 2, {0}}),
      arithmetic("negative", negative, [](double x) { return -x; }, {}),
      arithmetic("absolute", abs, [](double x) { return std::abs(x); }, {-2, 2, {0}}),
      arithmetic("sign", sign, [](double x) { return double(x > 0) - double(x < 0); },
                 {-2, 2, {0}}),
      arithmetic("square", square, [](double x) { return x * x; }, {}),
      arithmetic("relu", relu, [](double x) { return std::max(x, 0.); }, {-2, 2, {0}}),
      {.op = "identity",
       .call = node("identity"),
       .reference = each([](double x) { return x; }),
       .dtypes = kAll,
       .samples = unary({}),
       .errors = {empty_operand("identity", {})}},
      {.op = "stop_gradient",
       .call = call(stop_gradient),
       .reference = each([](double x) { return x; }),
       .dtypes = kAll,
       .samples = unary({}),
       .errors = {empty_operand("stop_gradient", {})},
       .skips = {{Check::reverse, "its derivative is 0 by definition, its differences are not"},
                 {Check::second_order, "as for the first order"}}},
  };
}

std::vector<Row> logic() {
  const std::vector<DType> whole = {DType::bool_, u8, i8, u16, i16, u32, i32, u64, i64};
  const Range bits{-100, 100}, counts{0, 6};
  auto classes = [](const char* op, Unary f, double (*formula)(double)) -> Row {
    Row row{.op = op,
            .call = call(f),
            .reference = each(formula),
            .dtypes = kAll,
            .samples = unary({}),
            .errors = {empty_operand(op, {})}};
    row.samples.push_back({"special values", {given({5}, {NAN, INFINITY, -INFINITY, 0, 1})}});
    return row;
  };
  auto bitwise = [&](const char* op, Binary f, double (*formula)(double, double)) {
    Row row = two(op, f, formula, whole, bits, bits, i32, i64);
    row.errors.push_back(refuses_floats(op, [f] { f(scalar(1, f32), scalar(1, f32)); }));
    return row;
  };
  auto shift = [&](const char* op, Binary f, double (*formula)(double, double)) {
    Row row = two(op, f, formula, kIntegers, bits, counts, i32, i64);
    row.errors.push_back(refuses_floats(op, [f] { f(scalar(1, f32), scalar(1, f32)); }));
    return row;
  };
  Row not_row{.op = "bitwise_not",
              .call = call(bitwise_not),
              .reference = each([](double x) { return -x - 1; }),
              .dtypes = whole,
              .samples = unary(bits),
              .errors = {refuses_floats("bitwise_not", [] { bitwise_not(scalar(1, f32)); }),
                         empty_operand("bitwise_not", {})}};
  not_row.dtypes.erase(not_row.dtypes.begin());
  not_row.samples.push_back(
      {"bools", {given({2}, {0, 1}, DType::bool_)}, {}, each([](double x) { return 1 - x; })});
  // Of bools the logical not: another formula, by the sample above.
  not_row.skips = {{Check::dtypes, "bool is taken, by its own sample"}};
  return {
      truths("equal", equal, [](double a, double b) { return double(a == b); }),
      truths("not_equal", not_equal, [](double a, double b) { return double(a != b); }),
      truths("less", less, [](double a, double b) { return double(a < b); }),
      truths("less_equal", less_equal, [](double a, double b) { return double(a <= b); }),
      truths("greater", greater, [](double a, double b) { return double(a > b); }),
      truths("greater_equal", greater_equal, [](double a, double b) { return double(a >= b); }),
      truths("logical_and", logical_and,
             [](double a, double b) { return double(a != 0 && b != 0); }),
      truths("logical_or", logical_or, [](double a, double b) { return double(a != 0 || b != 0); }),
      truths("logical_xor", logical_xor,
             [](double a, double b) { return double((a != 0) != (b != 0)); }),
      classes("logical_not", logical_not, [](double x) { return double(x == 0); }),
      classes("is_nan", is_nan, [](double x) { return double(std::isnan(x)); }),
      classes("is_finite", is_finite, [](double x) { return double(std::isfinite(x)); }),
      classes("is_inf", is_inf, [](double x) { return double(std::isinf(x)); }),
      bitwise("bitwise_and", bitwise_and,
              [](double a, double b) { return double(int64_t(a) & int64_t(b)); }),
      bitwise("bitwise_or", bitwise_or,
              [](double a, double b) { return double(int64_t(a) | int64_t(b)); }),
      bitwise("bitwise_xor", bitwise_xor,
              [](double a, double b) { return double(int64_t(a) ^ int64_t(b)); }),
      not_row,
      shift("left_shift", left_shift, [](double a, double b) { return a * std::exp2(b); }),
      shift("right_shift", right_shift,
            [](double a, double b) { return std::floor(a / std::exp2(b)); }),
  };
}

std::vector<Sample> select_samples() {
  std::vector<Sample> out;
  for (const Shape& s : kShapes) out.push_back({s.to_string(), {truth(s), in(s), in(s)}});
  for (const auto& s : std::vector<std::vector<Shape>>{{{2, 3}, {}, {}},
                                                       {{3}, {2, 3}, {2, 1}},
                                                       {{2, 1}, {3}, {}},
                                                       {{}, {4}, {1}},
                                                       {{0, 2}, {2}, {1, 1}}}) {
    std::vector<In> inputs = {truth(s[0]), in(s[1]), in(s[2])};
    out.push_back({name_of_shapes(inputs), inputs});
  }
  // Numbers other than 0 are true.
  out.push_back({"condition of numbers", {given({4}, {0, 1, -2, 0.5}, f32), in({4}), in({4})}});
  out.back().inputs[0].constant = true;
  return out;
}

std::vector<Sample> cast_samples() {
  std::vector<Sample> out;
  for (DType to : kAll) {
    for (const Shape& s : {Shape{2, 3}, Shape{}, Shape{0, 2}, Shape{33}, Shape{1009}}) {
      In x = in(s, 0, 3);
      // Differences of results shorter than f64 say nothing; f64 has all of the derivative.
      x.constant = to != f64;
      out.push_back({std::string(varve::name_of(to)) + " " + s.to_string(),
                     {x},
                     [to](const Tensors& t) -> Tensors { return cast(t[0], to); }});
    }
  }
  return out;
}

std::vector<Row> choice() {
  return {
      {.op = "select",
       .call = call(where),
       .reference = each([](double c, double a, double b) { return c != 0 ? a : b; }),
       .dtypes = kAll,
       .samples = select_samples(),
       .errors =
           {throws<ShapeError>("where: shapes do not broadcast: [2] and [3] differ in axis -1 (2 "
                               "and 3)",
                               [] {
                                 where(true, tensor({1.f, 2.f}), tensor({1.f, 2.f, 3.f}));
                               }),
            throws<ShapeError>("where: shapes do not broadcast: [2] and [3] differ in axis -1 (2 "
                               "and 3)",
                               [] {
                                 where(tensor({true, false}), 1, tensor({1.f, 2.f, 3.f}));
                               }),
            throws<DTypeError>(
                "select: condition: expected bool, got f32",
                [] {
                  ops::make("select", {scalar(1, f32), scalar(1, f32), scalar(1, f32)});
                }),
            throws<DTypeError>(
                "select: inputs are of different types: f32[] and f64[]",
                [] {
                  ops::make("select", {scalar(1, DType::bool_), scalar(1, f32), scalar(1, f64)});
                }),
            empty_operand("select", {scalar(1, DType::bool_), scalar(1, f32)})}},
      {.op = "clip",
       .call = call(clip),
       .reference =
           each([](double x, double low, double high) { return std::min(std::max(x, low), high); }),
       .dtypes = kAll,
       .samples = ternary({}, {-2, 0}, {0.1, 2}),
       .errors = {throws<ShapeError>(
                      "clip: shapes do not broadcast: [2, 3] and [4, 3] differ in "
                      "axis -2 (2 and 4)",
                      [] {
                        clip(ops::full(1, f32, {2, 3}), ops::full(1, f32, {4, 3}), 0);
                      }),
                  throws<DTypeError>(
                      "clip: inputs are of different types: f32[] and i32[]",
                      [] {
                        ops::make("clip", {scalar(1, f32), scalar(1, i32), scalar(1, f32)});
                      }),
                  empty_operand("clip", {scalar(1, f32), scalar(1, f32)})}},
      {.op = "cast",
       .reference = each([](double x) { return x; }),
       .dtypes = kAll,
       .samples = cast_samples(),
       .errors = {empty_operand("cast", {}, {{"dtype", f32}})}},
  };
}

/// Activations; those made of several ops round at each, which halves show.
Row activation(const char* op, Unary f, double (*formula)(double), Range range = {-4, 4},
               Tolerance tolerance = {}) {
  return {.op = op,
          .call = call(f),
          .reference = each(formula),
          .dtypes = kAll,
          .tolerance = tolerance,
          .samples = unary(range)};
}

double normal_cdf(double x) { return 0.5 * std::erfc(-x / std::numbers::sqrt2); }
double softplus_of(double x) { return std::max(x, 0.) + std::log1p(std::exp(-std::abs(x))); }

std::vector<Row> activations() {
  const Tolerance composed{.ulp = 6, .largest = 4};
  const Range around_0{-4, 4, {0}};
  std::vector<Row> rows = {
      real("sigmoid", sigmoid, [](double x) { return 1 / (1 + std::exp(-x)); }, {-8, 8}),
      real("log_sigmoid", log_sigmoid, [](double x) { return -softplus_of(-x); }, {-8, 8}),
      real("softplus", softplus, softplus_of, {-8, 8}),
      real(
          "softsign", softsign, [](double x) { return x / (1 + std::abs(x)); }, around_0),
      real("silu", silu, [](double x) { return x / (1 + std::exp(-x)); }, {-8, 8}),
      activation("relu6", relu6, [](double x) { return std::min(std::max(x, 0.), 6.); },
                 {-2, 8, {0, 6}}),
      activation(
          "elu", [](const Operand& x) { return elu(x, 0.5); },
          [](double x) { return x > 0 ? x : 0.5 * std::expm1(x); }, around_0, composed),
      activation(
          "leaky_relu", [](const Operand& x) { return leaky_relu(x, 0.25); },
          [](double x) { return x > 0 ? x : 0.25 * x; }, around_0, composed),
      activation(
          "selu", selu,
          [](double x) {
            return 1.0507009873554804934 * (x > 0 ? x : 1.6732632423543772848 * std::expm1(x));
          },
          around_0, composed),
      activation(
          "gelu", gelu, [](double x) { return x * normal_cdf(x); }, {-4, 4}, composed),
      activation(
          "gelu_tanh", gelu_tanh,
          [](double x) {
            return 0.5 * x *
                   (1 + std::tanh(std::sqrt(2 / std::numbers::pi) * (x + 0.044715 * x * x * x)));
          },
          {-4, 4}, composed),
      activation(
          "hard_sigmoid", hard_sigmoid,
          [](double x) { return std::min(std::max(x / 6 + 0.5, 0.), 1.); }, {-5, 5, {-3, 3}},
          composed),
      activation(
          "mish", mish, [](double x) { return x * std::tanh(softplus_of(x)); }, {-4, 4}, composed),
  };
  return rows;
}

}  // namespace

std::vector<Row> pointwise_samples() {
  std::vector<Row> all;
  for (auto family : {elementary, arithmetic_rows, logic, choice, activations}) {
    for (Row& row : family()) all.push_back(std::move(row));
  }
  return all;
}

}  // namespace varve::samples
