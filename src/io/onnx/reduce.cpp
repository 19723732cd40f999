// Reductions over axes.
#include <algorithm>
#include <cmath>

#include "base/integers.h"
#include "io/onnx/helpers.h"
#include "varve/ops/indexing.h"
#include "varve/ops/reduction.h"
#include "varve/ops/shape.h"

namespace varve::io::onnx {
namespace {

using Reduce = Tensor (*)(const Tensor& x, const ReduceOptions& options);

// Axes are an attribute, from opset 18 (ReduceSum: 13) on an input. None: all, or none at all where
// `noop_with_empty_axes` says so; what the op does to each element is then done all the same.
template <Reduce F, int Since = 18>
Values reduce(Call& c) {
  const Tensor& x = c.tensor(0);
  const auto given = c.ints_by_version("axes", Since, 1);
  ReduceOptions options{.keep_dims = c.integer("keepdims", 1) != 0};
  if (given && !given->empty()) {
    options.axes = c.axes(*given, x.rank());
  } else if (c.integer("noop_with_empty_axes", 0) != 0) {
    // One axis of size 1 more, which goes again.
    return {as(F(expand_dims(x, x.rank()), {.axes = {x.rank()}}), x.dtype())};
  }
  return {as(F(x, options), x.dtype())};
}

Tensor l1(const Tensor& x, const ReduceOptions& o) { return sum(abs(x), o); }
Tensor l2(const Tensor& x, const ReduceOptions& o) {
  const Tensor wide = is_floating(x.dtype()) ? widened(x) : as(x, f64);
  return sqrt(sum(square(wide), o));
}
Tensor log_sum(const Tensor& x, const ReduceOptions& o) {
  return log(sum(is_floating(x.dtype()) ? x : as(x, f64), o));
}
Tensor log_sum_exp(const Tensor& x, const ReduceOptions& o) {
  return logsumexp(is_floating(x.dtype()) ? x : as(x, f64), o);
}
Tensor sum_square(const Tensor& x, const ReduceOptions& o) { return sum(square(x), o); }
Tensor sum_(const Tensor& x, const ReduceOptions& o) { return sum(x, o); }
Tensor prod_(const Tensor& x, const ReduceOptions& o) { return prod(x, o); }
// Integers divide towards zero.
Tensor mean_(const Tensor& x, const ReduceOptions& o) {
  return is_floating(x.dtype()) ? mean(x, o) : trunc(mean(as(x, f64), o));
}

// Of nothing: the least that the type has (for max).
template <bool Max>
Tensor extreme(const Tensor& x, const ReduceOptions& o) {
  if (x.dtype() == DType::bool_) return Max ? any(x, o) : all(x, o);
  bool empty = false;
  for (int a = 0; a < x.rank(); ++a) {
    const bool reduced =
        o.axes.empty() || std::find(o.axes.begin(), o.axes.end(), a) != o.axes.end();
    empty = empty || (reduced && x.shape()[a] == 0);
  }
  if (!empty) return Max ? max(x, o) : min(x, o);
  const Shape shape = sum(x, o).shape();
  if (is_floating(x.dtype())) return full(shape, Max ? -INFINITY : INFINITY, x.dtype());
  const IntegerRange range = range_of(x.dtype());
  if (Max) return full(shape, range.low, x.dtype());
  return full(shape, range.high, x.dtype());
}

template <bool Max>
Values arg(Call& c) {
  const Tensor& x = c.tensor(0);
  const int axis = c.axis(c.integer("axis", 0), x.rank());
  const bool keep = c.integer("keepdims", 1) != 0;
  const auto of = [&](const Tensor& t) {
    const ArgOptions options{.axis = axis, .keep_dims = keep};
    return Max ? argmax(t, options) : argmin(t, options);
  };
  if (c.integer("select_last_index", 0) == 0) return {of(x)};
  return {subtract(x.shape()[axis] - 1, of(flip(x, {axis})))};
}

// The k largest (or smallest) and where they stand.
Values top_k_(Call& c) {
  const Tensor& x = c.tensor(0);
  const int axis = c.axis(c.integer("axis", -1), x.rank());
  const int64_t k = c.version() >= 10 ? c.integer(1) : c.integer("k");
  const int64_t n = x.shape()[axis];
  if (k < 0 || k > n) c.fail("k: expected 0.." + std::to_string(n) + ", got " + std::to_string(k));
  if (c.integer("largest", 1) != 0) {
    const TopKResult r = top_k(x, k, {.axis = axis});
    return {r.values, r.indices};
  }
  std::vector<Slice> slices(static_cast<size_t>(x.rank()));
  slices[static_cast<size_t>(axis)] = {.start = 0, .stop = k};
  const Tensor at = slice(argsort(x, {.axis = axis}), slices);
  return {take_along_axis(x, at, axis), at};
}

constexpr Row kRows[] = {
    {"ArgMax", 1, arg<true>},
    {"ArgMin", 1, arg<false>},
    {"ReduceL1", 1, reduce<l1>, input_bit(1)},
    {"ReduceL2", 1, reduce<l2>, input_bit(1)},
    {"ReduceLogSum", 1, reduce<log_sum>, input_bit(1)},
    {"ReduceLogSumExp", 1, reduce<log_sum_exp>, input_bit(1)},
    {"ReduceMax", 1, reduce<extreme<true>>, input_bit(1)},
    {"ReduceMean", 1, reduce<mean_>, input_bit(1)},
    {"ReduceMin", 1, reduce<extreme<false>>, input_bit(1)},
    {"ReduceProd", 1, reduce<prod_>, input_bit(1)},
    {"ReduceSum", 1, reduce<sum_, 13>, input_bit(1)},
    {"ReduceSumSquare", 1, reduce<sum_square>, input_bit(1)},
    {"TopK", 1, top_k_, input_bit(1)},
};

}  // namespace

std::span<const Row> reduce_rows() { return kRows; }

}  // namespace varve::io::onnx
