#include "ops.h"

#include <algorithm>
#include <chrono>
#include <cmath>
#include <cstdio>
#include <functional>
#include <vector>

#include "ir/node.h"
#include "varve/varve.h"

namespace varve::bench {
namespace {

using Clock = std::chrono::steady_clock;
using Inputs = std::vector<Tensor>;

struct Op {
  const char* name;
  /// About n elements altogether, in the shapes that bench/ops.py gives the peer.
  std::function<Inputs(int64_t n)> inputs;
  std::function<Tensor(const Inputs&)> call;
};

Tensor normal(const Shape& shape, uint64_t key = 1) {
  return random::normal(Key(key), shape).evaluate();
}
Tensor positive(const Shape& shape) { return (abs(normal(shape)) + 0.1).evaluate(); }
Tensor ids(int64_t below, const Shape& shape) {
  return random::integers(Key(3), 0, below, shape).evaluate();
}
/// Rows of 100.
int64_t rows(int64_t n) { return n / 100; }
int64_t side(int64_t n) { return std::max<int64_t>(1, std::llround(std::sqrt(double(n)))); }

std::function<Inputs(int64_t)> vector_of(Tensor (*fill)(const Shape&)) {
  return [fill](int64_t n) -> Inputs { return {fill({n})}; };
}
Inputs one(int64_t n) { return {normal({n})}; }
Inputs two(int64_t n) { return {normal({n}), normal({n}, 2)}; }
Inputs matrix(int64_t n) { return {normal({rows(n), 100})}; }
Inputs square(int64_t n) { return {normal({side(n), side(n)}), normal({side(n), side(n)}, 2)}; }
/// Pictures of 16 channels.
Inputs pictures(int64_t n) {
  const int64_t s = side(n / 16 < 64 ? 4 : 1024);
  return {normal({std::max<int64_t>(1, n / (16 * s * s)), s, s, 16})};
}

template <Tensor (*F)(const Operand&)>
Op unary(const char* name, std::function<Inputs(int64_t)> inputs = one) {
  return {name, std::move(inputs), [](const Inputs& x) { return F(x[0]); }};
}

const std::vector<Op>& table() {
  static const std::vector<Op> ops{
      unary<negative>("negative"),
      unary<abs>("abs"),
      unary<varve::square>("square"),
      unary<sqrt>("sqrt", vector_of(positive)),
      unary<rsqrt>("rsqrt", vector_of(positive)),
      unary<exp>("exp"),
      unary<expm1>("expm1"),
      unary<log>("log", vector_of(positive)),
      unary<log1p>("log1p", vector_of(positive)),
      unary<sin>("sin"),
      unary<cos>("cos"),
      unary<tan>("tan"),
      unary<atan>("atan"),
      unary<tanh>("tanh"),
      unary<erf>("erf"),
      unary<sigmoid>("sigmoid"),
      unary<softplus>("softplus"),
      unary<relu>("relu"),
      unary<silu>("silu"),
      unary<gelu>("gelu"),
      unary<floor>("floor"),
      unary<round>("round"),
      {"add", two, [](const Inputs& x) { return x[0] + x[1]; }},
      {"multiply", two, [](const Inputs& x) { return x[0] * x[1]; }},
      {"divide", two, [](const Inputs& x) { return x[0] / x[1]; }},
      {"power",
       [](int64_t n) -> Inputs {
         return {positive({n}), normal({n}, 2)};
       },
       [](const Inputs& x) { return power(x[0], x[1]); }},
      {"maximum", two, [](const Inputs& x) { return maximum(x[0], x[1]); }},
      {"greater", two, [](const Inputs& x) { return x[0] > x[1]; }},
      {"where", two, [](const Inputs& x) { return where(x[0] > 0, x[0], x[1]); }},
      {"add_row",
       [](int64_t n) -> Inputs {
         return {normal({rows(n), 100}), normal({100}, 2)};
       },
       [](const Inputs& x) { return x[0] + x[1]; }},
      {"cast_f64", one, [](const Inputs& x) { return cast(x[0], f64); }},
      {"cast_i64", one, [](const Inputs& x) { return cast(x[0], i64); }},
      {"sum", one, [](const Inputs& x) { return sum(x[0]); }},
      {"sum_rows", matrix, [](const Inputs& x) { return sum(x[0], {.axes = {1}}); }},
      {"sum_columns", matrix, [](const Inputs& x) { return sum(x[0], {.axes = {0}}); }},
      {"mean", one, [](const Inputs& x) { return mean(x[0]); }},
      {"var_rows", matrix, [](const Inputs& x) { return var(x[0], {.axes = {1}}); }},
      {"max", one, [](const Inputs& x) { return max(x[0]); }},
      {"max_rows", matrix, [](const Inputs& x) { return max(x[0], {.axes = {1}}); }},
      {"argmax_rows", matrix, [](const Inputs& x) { return argmax(x[0], {.axis = 1}); }},
      {"logsumexp_rows", matrix, [](const Inputs& x) { return logsumexp(x[0], {.axes = {1}}); }},
      {"softmax_rows", matrix, [](const Inputs& x) { return softmax(x[0]); }},
      {"log_softmax_rows", matrix, [](const Inputs& x) { return log_softmax(x[0]); }},
      {"layer_norm", matrix, [](const Inputs& x) { return layer_norm(x[0]); }},
      {"transpose", square, [](const Inputs& x) { return transpose(x[0]); }},
      {"concat", two,
       [](const Inputs& x) {
         return concat({x[0], x[1]}, 0);
       }},
      {"pad", one,
       [](const Inputs& x) {
         return pad(x[0], {{8, 8}});
       }},
      {"slice_step", one,
       [](const Inputs& x) {
         return slice(x[0], {Slice{{}, {}, 2}});
       }},
      {"flip", one, [](const Inputs& x) { return flip(x[0]); }},
      {"take_rows",
       [](int64_t n) -> Inputs {
         return {normal({1000, 100}), ids(1000, {rows(n)})};
       },
       [](const Inputs& x) { return take(x[0], x[1], 0); }},
      {"take_along_axis",
       [](int64_t n) -> Inputs {
         return {normal({rows(n), 100}), ids(100, {rows(n), 100})};
       },
       [](const Inputs& x) { return take_along_axis(x[0], x[1], 1); }},
      {"scatter_add_rows",
       [](int64_t n) -> Inputs {
         return {normal({1000, 100}), ids(1000, {rows(n)}), normal({rows(n), 100}, 2)};
       },
       [](const Inputs& x) { return scatter_add(x[0], x[1], x[2], 0); }},
      {"one_hot", [](int64_t n) -> Inputs { return {ids(100, {rows(n)})}; },
       [](const Inputs& x) { return one_hot(x[0], 100); }},
      {"cumsum_rows", matrix, [](const Inputs& x) { return cumsum(x[0]); }},
      {"sort_rows", matrix, [](const Inputs& x) { return sort(x[0]); }},
      {"sort", one, [](const Inputs& x) { return sort(x[0]); }},
      {"argsort_rows", matrix, [](const Inputs& x) { return argsort(x[0]); }},
      {"top_k_rows", matrix, [](const Inputs& x) { return top_k(x[0], 5).values; }},
      {"matmul", square, [](const Inputs& x) { return matmul(x[0], x[1]); }},
      {"batched_matmul",
       [](int64_t n) -> Inputs {
         const int64_t b = std::max<int64_t>(1, n / 1024);
         return {normal({b, 32, 32}), normal({b, 32, 32}, 2)};
       },
       [](const Inputs& x) { return matmul(x[0], x[1]); }},
      {"conv2d_3x3",
       [](int64_t n) -> Inputs {
         return {pictures(n)[0], normal({3, 3, 16, 16}, 2)};
       },
       [](const Inputs& x) { return conv2d(x[0], x[1], {.padding = "same"}); }},
      {"max_pool2d", pictures, [](const Inputs& x) { return max_pool2d(x[0]); }},
      {"average_pool2d", pictures, [](const Inputs& x) { return average_pool2d(x[0]); }},
      {"batch_norm", pictures, [](const Inputs& x) { return batch_norm(x[0]).output; }},
      {"cross_entropy",
       [](int64_t n) -> Inputs {
         return {normal({rows(n), 100}), ids(100, {rows(n)})};
       },
       [](const Inputs& x) { return cross_entropy(x[0], x[1]); }},
      {"random_uniform", [](int64_t n) -> Inputs { return {normal({n})}; },
       [](const Inputs& x) { return random::uniform(Key(7), x[0].shape()); }},
      {"random_normal", [](int64_t n) -> Inputs { return {normal({n})}; },
       [](const Inputs& x) { return random::normal(Key(7), x[0].shape()); }},
  };
  return ops;
}

/// The least microseconds of a call: rounds of about 5 ms.
template <class F>
double least_us(F call) {
  call();
  const auto time = [&](int64_t calls) {
    const auto start = Clock::now();
    for (int64_t i = 0; i < calls; ++i) call();
    return std::chrono::duration<double>(Clock::now() - start).count() * 1e6;
  };
  const double once = std::max(time(1), 0.1);
  const auto calls = std::max<int64_t>(1, static_cast<int64_t>(5e3 / once));
  double least = 1e300;
  for (int round = 0; round < 7; ++round)
    least = std::min(least, time(calls) / static_cast<double>(calls));
  return least;
}

}  // namespace

void print_op_times(const std::string& only, double max_size) {
  for (const Op& op : table()) {
    if (!only.empty() && only != op.name) continue;
    for (int64_t n = 100; static_cast<double>(n) <= max_size; n *= 10) {
      const Inputs x = op.inputs(n);
      const auto planned = jit([&](const Tensor& a, const Tensor& b, const Tensor& c) {
        Inputs v{a, b, c};
        v.resize(x.size());
        return op.call(v);
      });
      const auto at = [&](size_t i) -> const Tensor& { return x[std::min(i, x.size() - 1)]; };
      const double in_plan = least_us([&] { planned(at(0), at(1), at(2)); });
      // Elements in order: a view alone would be no work.
      const double eager = least_us([&] { ir::contiguous_array(op.call(x)); });
      std::printf("{\"op\": \"%s\", \"size\": %lld, \"planned_us\": %.3f, \"eager_us\": %.3f}\n",
                  op.name, static_cast<long long>(n), in_plan, eager);
      std::fflush(stdout);
    }
  }
}

}  // namespace varve::bench
