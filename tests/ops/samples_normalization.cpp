// Rows of softmax, normalization, cross-entropy and random numbers.
#include <algorithm>
#include <cmath>

#include "base/philox.h"
#include "ops/build.h"
#include "samples.h"
#include "varve/ops/cross_entropy.h"
#include "varve/ops/normalization.h"
#include "varve/ops/random.h"
#include "varve/ops/shape.h"

namespace varve::samples {
namespace {

/// f on every row along the last axis.
Reference rows(void (*f)(const double* x, double* y, size_t n)) {
  return [f](const Plains& in) -> Plains {
    Plain y = in[0];
    const auto n = static_cast<size_t>(y.shape[-1]);
    for (size_t at = 0; n && at < y.v.size(); at += n) f(in[0].v.data() + at, y.v.data() + at, n);
    return {y};
  };
}

double log_sum(const double* x, size_t n) {
  const double top = *std::max_element(x, x + n);
  double sum = 0;
  for (size_t i = 0; i < n; ++i) sum += std::exp(x[i] - top);
  return top + std::log(sum);
}

std::vector<Row> softmax_rows() {
  auto samples = [](Tensor (*f)(const Operand&, int), const Reference& reference) {
    auto last = [f](const Tensors& x) -> Tensors { return f(x[0], -1); };
    auto first = [f](const Tensors& x) -> Tensors { return f(x[0], 0); };
    return std::vector<Sample>{{"plain", {in({2, 3})}, last, reference},
                               {"wide", {in({3, 129})}, last, reference},
                               {"three axes", {in({2, 3, 5})}, last, reference},
                               {"far apart", {in({2, 4}, -80, 80)}, last, reference, kFloating},
                               {"one", {in({3, 1})}, last, reference},
                               {"no columns", {in({3, 0})}, last, reference},
                               {"no rows", {in({0, 3})}, last, reference},
                               {"first axis", {in({4, 3})}, first}};
  };
  return {{.op = "softmax",
           .dtypes = kAll,
           .tolerance = {.ulp = 16, .largest = 4},
           .samples = samples(softmax, rows([](const double* x, double* y, size_t n) {
                                const double norm = log_sum(x, n);
                                for (size_t i = 0; i < n; ++i) y[i] = std::exp(x[i] - norm);
                              })),
           .errors = {throws<IndexError>("softmax: axis 2 out of range for rank 2 (-2..1)",
                                         [] {
                                           softmax(ones({2, 3}), 2);
                                         })}},
          {.op = "log_softmax",
           .dtypes = kAll,
           .tolerance = {.ulp = 8, .largest = 4},
           .samples = samples(log_softmax, rows([](const double* x, double* y, size_t n) {
                                const double norm = log_sum(x, n);
                                for (size_t i = 0; i < n; ++i) y[i] = x[i] - norm;
                              }))}};
}

void standardize(const double* x, double* y, size_t n) {
  double mean = 0, variance = 0;
  for (size_t i = 0; i < n; ++i) mean += x[i] / static_cast<double>(n);
  for (size_t i = 0; i < n; ++i) variance += (x[i] - mean) * (x[i] - mean) / static_cast<double>(n);
  for (size_t i = 0; i < n; ++i) y[i] = (x[i] - mean) / std::sqrt(variance + 1e-3);
}

std::vector<Row> normalization_rows() {
  return {
      {.op = "layer_norm",
       .dtypes = kAll,
       .tolerance = {.ulp = 32, .largest = 16},
       .samples = {{"plain",
                    {in({4, 7})},
                    [](const Tensors& x) -> Tensors { return layer_norm(x[0]); },
                    rows(standardize)},
                   {"wide",
                    {in({3, 130})},
                    [](const Tensors& x) -> Tensors { return layer_norm(x[0]); },
                    rows(standardize)},
                   {"affine over two axes",
                    {in({2, 3, 4}), in({3, 4}), in({3, 4})},
                    [](const Tensors& x) -> Tensors {
                      return layer_norm(x[0], {.axes = {1, 2}, .scale = x[1], .offset = x[2]});
                    }}}},
      {.op = "normalize",
       .tolerance = {.ulp = 32, .largest = 16},
       .samples = {{"all outputs",
                    {in({5, 3, 4}), in({4}), in({4})},
                    [](const Tensors& x) -> Tensors {
                      return ir::apply(ops::get("normalize"), x.list(),
                                       {{"axes", ir::Ints{0, 1}},
                                        {"parameter_axes", ir::Ints{2}},
                                        {"epsilon", 0.1}});
                    }}}},
      {.op = "batch_norm",
       .dtypes = kAll,
       .tolerance = {.ulp = 32, .largest = 16},
       .samples = {{"channels first",
                    {in({3, 4, 5}), in({4}), in({4})},
                    [](const Tensors& x) -> Tensors {
                      const BatchNorm y =
                          batch_norm(x[0], {.axis = 1, .scale = x[1], .offset = x[2]});
                      return {y.output, y.mean, y.variance};
                    }}}},
      {.op = "group_norm",
       .dtypes = kAll,
       .tolerance = {.ulp = 32, .largest = 16},
       .samples = {{"two groups",
                    {in({2, 3, 3, 6}), in({6}), in({6})},
                    [](const Tensors& x) -> Tensors {
                      return group_norm(x[0], {.groups = 2, .scale = x[1], .offset = x[2]});
                    }}}},
      {.op = "batch_norm_inference",
       .dtypes = kAll,
       .tolerance = {.ulp = 32, .largest = 16},
       .samples = {{"plain",
                    {in({4, 5}), in({5}), in({5}, 0.5, 2), in({5}), in({5})},
                    [](const Tensors& x) -> Tensors {
                      return batch_norm_inference(x[0], x[1], x[2],
                                                  {.scale = x[3], .offset = x[4]});
                    },
                    [](const Plains& x) -> Plains {
                      Plain y = x[0];
                      for (size_t i = 0; i < y.v.size(); ++i) {
                        const size_t c = i % 5;
                        y[i] = (y[i] - x[1][c]) / std::sqrt(x[2][c] + 1e-3) * x[3][c] + x[4][c];
                      }
                      return {y};
                    },
                    kFloating}}},
  };
}

/// -sum q log p with q smoothed.
Plains cross_entropy_of(const Plains& in, double smoothing) {
  const auto classes = static_cast<size_t>(in[0].shape[-1]);
  Plain y{in[1].shape, {}};
  for (size_t r = 0; r < in[1].v.size(); ++r) {
    const double* x = in[0].v.data() + r * classes;
    double said = (1 - smoothing) * x[static_cast<size_t>(in[1][r])];
    for (size_t c = 0; c < classes; ++c) said += smoothing / static_cast<double>(classes) * x[c];
    y.v.push_back(log_sum(x, classes) - said);
  }
  return {y};
}

std::vector<Row> loss_rows() {
  auto plain = [](const Tensors& x) -> Tensors { return cross_entropy(x[0], x[1]); };
  auto smooth = [](const Tensors& x) -> Tensors {
    return cross_entropy(x[0], x[1], {.label_smoothing = 0.1});
  };
  auto exact = [](const Plains& x) { return cross_entropy_of(x, 0); };
  const ir::Attributes a{{"label_smoothing", 0.25}};
  auto gradient = [a](const Tensors& x) -> Tensors {
    return ir::apply(ops::get("cross_entropy_gradient"), x.list(), a);
  };
  return {
      {.op = "cross_entropy",
       .dtypes = kAll,
       .tolerance = {.ulp = 8, .largest = 8},
       .samples = {{"plain", {in({5, 4}), index({5}, 4)}, plain, exact},
                   {"bytes", {in({5, 4}), index({5}, 4, u8)}, plain, exact},
                   {"wide", {in({3, 131}), index({3}, 131)}, plain, exact},
                   {"smoothed",
                    {in({5, 4}), index({5}, 4)},
                    smooth,
                    [](const Plains& x) { return cross_entropy_of(x, 0.1); }},
                   {"two axes", {in({2, 3, 4}), index({2, 3}, 4)}, plain, exact},
                   {"no samples", {in({0, 4}), index({0}, 4)}, plain, exact},
                   {"ignored",
                    {in({5, 4}), index({5}, 4)},
                    [](const Tensors& x) -> Tensors {
                      return cross_entropy(x[0], x[1], {.ignore_index = 2});
                    }}}},
      {.op = "cross_entropy_gradient",
       .tolerance = {.ulp = 16, .largest = 16},
       .samples = {{"smoothed", {in({5, 4}), index({5}, 4), in({5}, 2, 3), in({5})}, gradient}}},
      {.op = "sigmoid_cross_entropy",
       .dtypes = kAll,
       .tolerance = {.ulp = 8, .largest = 8},
       .samples = {{"plain",
                    {in({3, 4}), in({3, 4}, 0, 1)},
                    call(sigmoid_cross_entropy),
                    each([](double x, double t) { return std::log1p(std::exp(x)) - x * t; }),
                    kFloating}}}};
}

/// A key as a tensor of two u64.
In key() { return given({2}, {12345, 678}, u64); }

const std::vector<Skip> kBits = {{Check::reverse, "random bits have no derivative"},
                                 {Check::forward, "random bits have no derivative"},
                                 {Check::second_order, "random bits have no derivative"}};

std::vector<Row> random_rows() {
  return {
      {.op = "fold_in",
       .samples = {{"plain",
                    {key(), given({}, {9}, u64)},
                    node("fold_in"),
                    [](const Plains&) -> Plains {
                      const auto k = philox::fold(12345, 678, 9);
                      return {{{2}, {static_cast<double>(k[0]), static_cast<double>(k[1])}}};
                    }}},
       .skips = kBits},
      {.op = "random_bits",
       .samples = {{"plain",
                    {key()},
                    [](const Tensors& x) -> Tensors {
                      return random::bits(Key(x[0]), {3, 37});
                    },
                    [](const Plains&) -> Plains {
                      Plain y{{3, 37}, {}};
                      for (uint64_t i = 0; i < 111; ++i) y.v.push_back(philox::word(12345, 678, i));
                      return {y};
                    }}},
       .skips = kBits},
      {.op = "random_unit",
       .samples = {{"f32",
                    {key()},
                    [](const Tensors& x) -> Tensors {
                      return random::uniform(Key(x[0]), {3, 37});
                    },
                    [](const Plains&) -> Plains {
                      Plain y{{3, 37}, {}};
                      for (uint64_t i = 0; i < 111; ++i)
                        y.v.push_back(
                            static_cast<double>(philox::unit_float(philox::word(12345, 678, i))));
                      return {y};
                    }},
                   {"f64",
                    {key()},
                    [](const Tensors& x) -> Tensors {
                      return random::uniform(Key(x[0]), {5, 7}, {.dtype = f64});
                    },
                    [](const Plains&) -> Plains {
                      Plain y{{5, 7}, {}};
                      for (uint64_t i = 0; i < 35; ++i)
                        y.v.push_back(philox::unit_double(12345, 678, i));
                      return {y};
                    }}},
       .skips = kBits},
      {.op = "random_permutation",
       .samples = {{"plain",
                    {key()},
                    [](const Tensors& x) -> Tensors {
                      return random::permutation(Key(x[0]), 31);
                    }}},
       .skips = kBits},
  };
}

}  // namespace

std::vector<Row> normalization_samples() {
  std::vector<Row> all;
  for (auto family : {softmax_rows(), normalization_rows(), loss_rows(), random_rows()})
    all.insert(all.end(), family.begin(), family.end());
  return all;
}

}  // namespace varve::samples
