// Rows of the elementwise ops, and of the activations made of them.
#include <algorithm>
#include <cmath>
#include <limits>
#include <numbers>

#include "ops/build.h"
#include "samples.h"
#include "varve/ops/pointwise.h"
#include "varve/ops/shape.h"

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

ErrorCase empty_operand(const char* op, std::vector<Tensor> before) {
  before.emplace_back();
  return throws<ValueError>(
      text(op, "an operand is an empty Tensor (made by Tensor())\n  hint: give it a value first"),
      [=] { ir::apply(ops::get(op), before); });
}

/// What every op of real numbers with one operand refuses.
std::vector<ErrorCase> real_errors(const char* op) {
  auto refuses = [&](DType d) {
    return throws<DTypeError>(text(op, std::string("expected a floating type, got ") + name_of(d)),
                              [=] { ops::make(op, {scalar(1, d)}); });
  };
  return {refuses(i32), refuses(i64), refuses(u8), refuses(DType::bool_), empty_operand(op, {})};
}

std::vector<ErrorCase> binary_errors(const char* op, Call f) {
  auto make = [f](Shape a, Shape b) {
    return [=] { f(Tensors{ops::full(1, f64, a), ops::full(1, f64, b)}); };
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
std::vector<ErrorCase> raw_binary_errors(const char* op) {
  return {throws<DTypeError>(text(op, "inputs are of different types: f32[] and f64[]"),
                             [=] {
                               ops::make(op, {scalar(1, f32), scalar(1, f64)});
                             }),
          throws<ShapeError>(text(op, "inputs are of different shapes: f32[] and f32[1]"),
                             [=] {
                               ops::make(op, {scalar(1, f32), ops::full(1, f32, {1})});
                             }),
          empty_operand(op, {scalar(1, f32)})};
}

std::vector<ErrorCase> join(std::vector<ErrorCase> a, std::vector<ErrorCase> b) {
  for (ErrorCase& e : b) a.push_back(std::move(e));
  return a;
}

}  // namespace

std::vector<Row> pointwise_samples() {
  return {
      {.op = "exp",
       .call = call(exp),
       .reference = each([](double x) { return std::exp(x); }),
       .dtypes = kAll,
       .samples = unary({}),
       .errors = real_errors("exp")},
      {.op = "add",
       .call = call(add),
       .reference = each([](double a, double b) { return a + b; }),
       .dtypes = kNumbers,
       .samples = binary({}, {}),
       .errors = join(binary_errors("add", call(add)), raw_binary_errors("add"))},
      {.op = "clip",
       .call = call(clip),
       .reference =
           each([](double x, double low, double high) { return std::min(std::max(x, low), high); }),
       .dtypes = kAll,
       .samples = ternary({}, {-2, 0}, {0.1, 2}),
       .errors = {throws<ShapeError>(
           "clip: shapes do not broadcast: [2, 3] and [4, 3] differ in axis -2 (2 and 4)",
           [] {
             clip(ops::full(1, f32, {2, 3}), ops::full(1, f32, {4, 3}), 0);
           })}},
  };
}

}  // namespace varve::samples
