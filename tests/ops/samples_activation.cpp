// Rows of the activations with parameters, with kinks and over an axis. Formulas are written here;
// PyTorch's and Keras' values stand in tests/golden/activations.json.
#include <algorithm>
#include <cmath>

#include "samples.h"
#include "varve/ops/activation.h"
#include "varve/ops/pointwise.h"
#include "varve/ops/shape.h"

namespace varve::samples {
namespace {

// Made of several ops that each round, which halves show.
const Tolerance kComposed{.ulp = 6, .largest = 4};

Row elementwise(const char* op, Tensor (*f)(const Operand&), double (*formula)(double),
                std::vector<double> kinks = {}) {
  auto x = [&](Shape shape) {
    In i = in(std::move(shape), -5, 5);
    i.away = kinks;
    return i;
  };
  Row row{.op = op,
          .call = call(f),
          .reference = each(formula),
          .dtypes = kAll,
          .tolerance = kComposed,
          .samples = {{"plain", {x({5, 5})}},
                      {"long", {x({1009})}},
                      {"rank 0", {x({})}},
                      {"empty", {x({0, 3})}},
                      {"odd", {x({3, 1, 17})}}}};
  return row;
}

double logistic(double x) { return 1 / (1 + std::exp(-x)); }
double hard_logistic(double x) { return std::min(std::max(x / 6 + 0.5, 0.), 1.); }

std::vector<Row> smooth() {
  return {
      elementwise(
          "softplus_beta",
          [](const Operand& x) { return softplus(x, {.beta = 2, .threshold = 3}); },
          [](double x) { return 2 * x > 3 ? x : std::log1p(std::exp(2 * x)) / 2; }, {1.5}),
      elementwise(
          "swish", [](const Operand& x) { return swish(x, 1.5); },
          [](double x) { return x * logistic(1.5 * x); }),
      elementwise("quick_gelu", quick_gelu, [](double x) { return x * logistic(1.702 * x); }),
      elementwise(
          "celu", [](const Operand& x) { return celu(x, 0.5); },
          [](double x) { return x > 0 ? x : 0.5 * std::expm1(2 * x); }),
      elementwise("tanh_shrink", tanh_shrink, [](double x) { return x - std::tanh(x); }),
      elementwise(
          "squareplus", [](const Operand& x) { return squareplus(x, 2); },
          [](double x) { return (x + std::sqrt(x * x + 2)) / 2; }, {0}),
  };
}

std::vector<Row> with_kinks() {
  return {
      elementwise(
          "thresholded_relu", [](const Operand& x) { return thresholded_relu(x, 1.5); },
          [](double x) { return x > 1.5 ? x : 0; }, {1.5}),
      elementwise(
          "hard_sigmoid_onnx",
          [](const Operand& x) { return hard_sigmoid(x, {.alpha = 0.2, .beta = 0.5}); },
          [](double x) { return std::min(std::max(0.2 * x + 0.5, 0.), 1.); }, {-2.5, 2.5}),
      elementwise("hard_swish", hard_swish, [](double x) { return x * hard_logistic(x); }, {-3, 3}),
      elementwise(
          "hard_tanh", [](const Operand& x) { return hard_tanh(x, -1, 2); },
          [](double x) { return std::min(std::max(x, -1.), 2.); }, {-1, 2}),
      elementwise(
          "hard_shrink", [](const Operand& x) { return hard_shrink(x, 0.75); },
          [](double x) { return std::abs(x) > 0.75 ? x : 0; }, {-0.75, 0.75}),
      elementwise(
          "soft_shrink", [](const Operand& x) { return soft_shrink(x, 0.75); },
          [](double x) { return x > 0.75    ? x - 0.75
                                : x < -0.75 ? x + 0.75
                                            : 0; }, {-0.75, 0.75}),
      elementwise("sparse_plus", sparse_plus,
                  [](double x) { return x <= -1  ? 0
                                        : x >= 1 ? x
                                                 : (x + 1) * (x + 1) / 4; },
                  {-1, 1}),
      elementwise("sparse_sigmoid", sparse_sigmoid,
                  [](double x) { return std::min(std::max((x + 1) / 2, 0.), 1.); }, {-1, 1}),
      elementwise(
          "step", [](const Operand& x) { return step(x); },
          [](double x) { return x < 0 ? 0. : 1.; }, {0}),
  };
}

/// Halves of the last axis through f.
Reference gated(double (*f)(double a, double b)) {
  return [f](const Plains& x) -> Plains {
    const auto n = static_cast<size_t>(x[0].shape[-1]), h = n / 2;
    std::vector<int64_t> dims = x[0].shape.dims();
    dims.back() /= 2;
    Plain y{Shape(dims), {}};
    for (size_t row = 0; n > 0 && row < x[0].v.size(); row += n) {
      for (size_t i = 0; i < h; ++i) y.v.push_back(f(x[0][row + i], x[0][row + h + i]));
    }
    return {y};
  };
}

Plains sparsemax_of(const Plains& x) {
  Plain y = x[0];
  const auto n = static_cast<size_t>(y.shape[-1]);
  for (size_t row = 0; n > 0 && row < y.v.size(); row += n) {
    // The threshold by bisection: their sum falls as it rises.
    double low = *std::max_element(&y.v[row], &y.v[row] + n) - 1, high = low + 1;
    for (int step = 0; step < 100; ++step) {
      const double t = (low + high) / 2;
      double total = 0;
      for (size_t i = 0; i < n; ++i) total += std::max(y[row + i] - t, 0.);
      (total > 1 ? low : high) = t;
    }
    for (size_t i = 0; i < n; ++i) y[row + i] = std::max(y[row + i] - low, 0.);
  }
  return {y};
}

Row gate(const char* op, Tensor (*f)(const Operand&, int), double (*formula)(double, double),
         const char* odd) {
  auto last = [f](const Tensors& x) -> Tensors { return f(x[0], -1); };
  return {.op = op,
          .dtypes = kAll,
          .tolerance = kComposed,
          .samples = {{"plain", {in({3, 8})}, last, gated(formula)},
                      {"wide", {in({2, 3, 34})}, last, gated(formula)},
                      {"empty", {in({0, 4})}, last, gated(formula)},
                      {"first axis",
                       {in({4, 3})},
                       [f](const Tensors& x) -> Tensors { return f(x[0], 0); }}},
          .errors = {throws<ShapeError>(odd, [f] {
            f(ones({2, 3}), -1);
          })}};
}

std::vector<Row> over_an_axis() {
  auto sparse = [](const Tensors& x) -> Tensors { return sparsemax(x[0]); };
  return {
      gate(
          "glu", glu, [](double a, double b) { return a * logistic(b); },
          "glu: axis -1 of [2, 3] has no two halves"),
      gate(
          "swiglu", swiglu, [](double a, double b) { return a * logistic(a) * b; },
          "swiglu: axis -1 of [2, 3] has no two halves"),
      gate(
          "geglu", geglu,
          [](double a, double b) { return a * 0.5 * std::erfc(-a / std::sqrt(2.)) * b; },
          "geglu: axis -1 of [2, 3] has no two halves"),
      {.op = "softmin",
       .dtypes = kAll,
       .tolerance = {.ulp = 16, .largest = 4},
       .samples = {{"plain",
                    {in({3, 5})},
                    [](const Tensors& x) -> Tensors { return softmin(x[0]); }}}},
      {.op = "sparsemax",
       .dtypes = kAll,
       .tolerance = {.ulp = 8, .largest = 16},
       .samples = {{"plain", {in({4, 5})}, sparse, sparsemax_of},
                   {"wide", {in({2, 33}, -0.1, 0.1)}, sparse, sparsemax_of, {f32, f64}},
                   {"one", {in({3, 1})}, sparse, sparsemax_of},
                   {"first axis",
                    {in({5, 2, 3})},
                    [](const Tensors& x) -> Tensors { return sparsemax(x[0], 0); }}},
       .errors = {throws<IndexError>("sparsemax: axis 2 out of range for rank 2 (-2..1)",
                                     [] {
                                       sparsemax(ones({2, 3}), 2);
                                     })}},
      {.op = "maxout",
       .dtypes = kNumbers,
       .samples = {{"pairs",
                    {in({3, 8})},
                    [](const Tensors& x) -> Tensors { return maxout(x[0], 2); },
                    {},
                    {f32, f64}},
                   {"first axis",
                    {in({6, 5})},
                    [](const Tensors& x) -> Tensors { return maxout(x[0], 3, 0); },
                    {},
                    {f32, f64}}},
       .errors = {throws<ShapeError>("maxout: axis -1 of [2, 3] into pieces of 2",
                                     [] {
                                       maxout(ones({2, 3}), 2);
                                     })}},
      {.op = "prelu",
       .call = call(prelu),
       .reference = each([](double x, double slope) { return x > 0 ? x : slope * x; }),
       .dtypes = kAll,
       .tolerance = kComposed,
       .samples = {{"a slope a channel", {in({4, 3, 5}).from(0), in({5})}},
                   {"one slope", {in({17}).from(0), in({})}}}},
  };
}

}  // namespace

std::vector<Row> activation_samples() {
  std::vector<Row> all;
  for (auto family : {smooth, with_kinks, over_an_axis}) {
    for (Row& row : family()) all.push_back(std::move(row));
  }
  return all;
}

}  // namespace varve::samples
