// Reductions over axes: rows with their derivatives.
#include "varve/ops/reduction.h"

#include <limits>

#include "base/error.h"
#include "ops/checks.h"
#include "ops/shape.h"
#include "varve/ops/pointwise.h"
#include "varve/ops/shape.h"

namespace varve::ops {
namespace {

using Cotangents = std::span<const Tensor>;

Shape reduced_shape(const InferArguments& a) {
  const ir::Ints& axes = require_axes(a, "axes");
  const bool keep = a.attributes.flag("keep_dims");
  std::vector<int64_t> dims;
  size_t next = 0;
  for (int i = 0; i < a[0].shape.rank(); ++i) {
    const bool reduced = next < axes.size() && axes[next] == i;
    if (reduced) ++next;
    if (!reduced) dims.push_back(a[0].shape[i]);
    if (reduced && keep) dims.push_back(1);
  }
  return Shape(std::move(dims));
}

DType accumulated(DType d) { return is_floating(d) || d == u64 ? d : i64; }

Types sum_type(const InferArguments& a) { return {{accumulated(a[0].dtype), reduced_shape(a)}}; }

Types mean_type(const InferArguments& a) {
  if (!is_floating(a[0].dtype)) {
    throw DTypeError(
        text_of(a.op.name, std::string("expected a floating type, got ") + name_of(a[0].dtype)));
  }
  return {{a[0].dtype, reduced_shape(a)}};
}

Types truth_type(const InferArguments& a) { return {{DType::bool_, reduced_shape(a)}}; }

void require_not_empty(const InferArguments& a, int64_t axis) {
  if (a[0].shape[static_cast<int>(axis)] == 0) {
    throw ValueError(text_of(a.op.name, "axis " + std::to_string(axis) + " of " +
                                            a[0].shape.to_string() + " is empty"),
                     "an empty axis has no largest or smallest element");
  }
}

Types extremum_type(const InferArguments& a) {
  const Shape shape = reduced_shape(a);
  for (int64_t axis : a.attributes.ints("axes")) require_not_empty(a, axis);
  return {{a[0].dtype, shape}};
}

Types arg_type(const InferArguments& a) {
  const int axis = require_axis(a, a.attributes.integer("axis"), a[0].shape.rank());
  require_not_empty(a, axis);
  std::vector<int64_t> dims = a[0].shape.dims();
  dims.erase(dims.begin() + axis);
  return {{i64, Shape(std::move(dims))}};
}

double per_input_element(const InferArguments& a, const Types&) {
  return static_cast<double>(a[0].shape.size());
}

int64_t reduced_count(const Local& at) {
  int64_t n = 1;
  for (int64_t axis : at.attributes.ints("axes")) n *= at.x().shape()[static_cast<int>(axis)];
  return n;
}

/// A reduced tensor stretched back over the axes that were reduced.
Tensor stretched(const Tensor& t, const Local& at) {
  return spread(t, at.attributes.ints("axes"), at.x().shape());
}

Tensor same_reduction(const char* op, const Tensor& x, const Local& at) {
  return make(
      op, {x},
      {{"axes", at.attributes.ints("axes")}, {"keep_dims", at.attributes.flag("keep_dims")}});
}

/// Equal extremes share the gradient: 1 / how many, for each of them.
Tensor extremum_shares(const Local& at) {
  const Tensor chosen = cast(at.x() == stretched(at.y(), at), at.x().dtype());
  return chosen / stretched(same_reduction("sum", chosen, at), at);
}

constexpr ir::Custom kExtremum{[](const Local& at, Cotangents ct) -> Slots {
                                 return {stretched(ct[0], at) * extremum_shares(at)};
                               },
                               [](const Local& at, Cotangents t) -> Slots {
                                 return {same_reduction("sum", t[0] * extremum_shares(at), at)};
                               }};

/// exp(x - logsumexp(x)): what each element has of the sum; 0 where the sum itself is 0, and beside
/// an infinite element.
Tensor softmax_weights(const Local& at) {
  const Tensor y = stretched(at.y(), at);
  return exp(at.x() - where(y == -std::numeric_limits<double>::infinity(), 0, y));
}

std::vector<Tensor> mean_decomposition(std::span<const Tensor> x, const Attributes& a) {
  const DType d = x[0].dtype();
  int64_t n = 1;
  for (int64_t axis : a.ints("axes")) n *= x[0].shape()[static_cast<int>(axis)];
  // A sum of many small halves may pass 65504 though their mean does not.
  const bool half = d == f16 || d == bf16;
  const Tensor total = make("sum", {half ? cast(x[0], f32) : x[0]}, a);
  return {cast(total / full_like(total, static_cast<double>(n)), d)};
}

/// Products of halves: multiplications alone, so that derivatives of every order are right at 0.
std::vector<Tensor> prod_decomposition(std::span<const Tensor> inputs, const Attributes& a) {
  Tensor x = cast(inputs[0], accumulated(inputs[0].dtype()));
  const ir::Ints& axes = a.ints("axes");
  for (int64_t axis : axes) {
    const int i = static_cast<int>(axis);
    if (x.shape()[i] == 0) {
      std::vector<int64_t> dims = x.shape().dims();
      dims[static_cast<size_t>(i)] = 1;
      x = full(1, x.dtype(), Shape(std::move(dims)));
    }
    while (x.shape()[i] > 1) {
      const int64_t n = x.shape()[i], half = n / 2;
      const Tensor pairs = narrow(x, i, 0, half) * narrow(x, i, half, half);
      x = n % 2 ? concat({pairs, narrow(x, i, n - 1, 1)}, i) : pairs;
    }
  }
  return {a.flag("keep_dims") ? x : squeezed(x, axes)};
}

std::vector<Tensor> logsumexp_decomposition(std::span<const Tensor> inputs, const Attributes& a) {
  const Tensor& x = inputs[0];
  const ir::Ints& axes = a.ints("axes");
  for (int64_t axis : axes) {
    if (x.shape()[static_cast<int>(axis)] != 0) continue;
    return {make("sum", {x}, a) - std::numeric_limits<double>::infinity()};
  }
  const Attributes kept{{"axes", axes}, {"keep_dims", true}};
  const Tensor top = make("max", {x}, kept);
  // An infinite maximum would give inf - inf.
  const Tensor m = where(is_finite(top), top, 0);
  const Tensor shifted = exp(x - make("broadcast_to", {m}, {{"shape", x.shape().dims()}}));
  const Tensor y = log(make("sum", {shifted}, kept)) + m;
  return {a.flag("keep_dims") ? y : squeezed(y, axes)};
}

Types moments_type(const InferArguments& a) {
  Types mean = mean_type(a);
  mean[0].dtype = a.attributes.get_or("dtype", mean[0].dtype);
  if (!is_floating(mean[0].dtype)) {
    throw DTypeError(text_of(
        a.op.name,
        std::string("attribute dtype: expected a floating type, got ") + name_of(mean[0].dtype)));
  }
  return {mean[0], mean[0]};
}

std::vector<Tensor> moments_decomposition(std::span<const Tensor> inputs, const Attributes& a) {
  const Attributes kept{{"axes", a.ints("axes")}, {"keep_dims", true}};
  const Tensor x = a.has("dtype") ? cast(inputs[0], a.get<DType>("dtype")) : inputs[0];
  const Tensor mean = make("mean", {x}, kept);
  const Tensor variance = make("mean", {square(x - mean)}, kept);
  if (a.flag("keep_dims")) return {mean, variance};
  return {squeezed(mean, a.ints("axes")), squeezed(variance, a.ints("axes"))};
}

ir::OpDef row(const char* name, const char* doc, Types (*infer)(const InferArguments&),
              ir::Derivative derivative) {
  return {.name = name,
          .doc = doc,
          .min_inputs = 1,
          .max_inputs = 1,
          .infer = infer,
          .derivative = std::move(derivative),
          .flops = per_input_element};
}

std::vector<ir::OpDef> sum_rows() {
  ir::OpDef mean = row(
      "mean", "sum(x) / count over attribute axes; of nothing: NaN.", mean_type,
      ir::Linear{[](const Local& at, Cotangents ct) -> Slots {
        return {stretched(ct[0] / full_like(ct[0], static_cast<double>(reduced_count(at))), at)};
      }});
  mean.decompose = mean_decomposition;
  ir::OpDef moments = row(
      "moments",
      "Mean m and mean((x - m)^2) over attribute axes, two outputs; of nothing: NaN. Computed and "
      "given in attribute dtype, x's own without it.",
      moments_type, ir::FromDecomposition{});
  moments.decompose = moments_decomposition;
  moments.traits.precision = ir::PrecisionTrait::f32;
  moments.flops = nullptr;  // of the decomposition
  ir::OpDef prod = row("prod", "Product over attribute axes; of nothing: 1. Types as sum.",
                       sum_type, ir::FromDecomposition{});
  prod.decompose = prod_decomposition;
  ir::OpDef logsumexp =
      row("logsumexp",
          "m + log(sum(exp(x - m))), m = max(x), over attribute axes; of nothing: -inf.", mean_type,
          ir::Custom{[](const Local& at, Cotangents ct) -> Slots {
                       return {stretched(ct[0], at) * softmax_weights(at)};
                     },
                     [](const Local& at, Cotangents t) -> Slots {
                       return {same_reduction("sum", t[0] * softmax_weights(at), at)};
                     }});
  logsumexp.decompose = logsumexp_decomposition;
  logsumexp.traits.precision = ir::PrecisionTrait::f32;
  return {row("sum",
              "Sum over attribute axes (sorted); of nothing: 0. bool and integers give i64 (u64 "
              "stays). keep_dims keeps the axes with size 1.",
              sum_type, ir::Linear{[](const Local& at, Cotangents ct) -> Slots {
                return {stretched(ct[0], at)};
              }}),
          mean, moments, prod, logsumexp};
}

std::vector<ir::OpDef> extremum_rows() {
  constexpr const char* kPlaces = "it gives places, not values";
  constexpr const char* kTruth = "it gives truth values";
  return {
      row("max", "Largest over attribute axes; NaN goes through; ties share the gradient.",
          extremum_type, kExtremum),
      row("min", "Smallest over attribute axes; NaN goes through; ties share the gradient.",
          extremum_type, kExtremum),
      row("argmax", "First place of the largest (or of NaN) along attribute axis, i64.", arg_type,
          ir::NotDifferentiable{kPlaces}),
      row("argmin", "First place of the smallest (or of NaN) along attribute axis, i64.", arg_type,
          ir::NotDifferentiable{kPlaces}),
      row("any", "Whether one element over attribute axes is not 0.", truth_type,
          ir::NotDifferentiable{kTruth}),
      row("all", "Whether every element over attribute axes is not 0.", truth_type,
          ir::NotDifferentiable{kTruth}),
  };
}

}  // namespace

std::span<const ir::OpDef> reduction_rows() {
  static const std::vector<ir::OpDef> rows = [] {
    std::vector<ir::OpDef> all = sum_rows();
    for (auto& r : extremum_rows()) all.push_back(std::move(r));
    return all;
  }();
  return rows;
}

}  // namespace varve::ops
