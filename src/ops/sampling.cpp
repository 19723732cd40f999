// Weighted sums of rows, their transpose, and the products that the weights' derivative needs:
// three bilinear ops whose derivatives are each other.
#include "varve/ops/sampling.h"

#include "base/error.h"
#include "ops/build.h"
#include "ops/checks.h"
#include "varve/ops/pointwise.h"

namespace varve::ops {
namespace {

void require_floating(const InferArguments& a, size_t i) {
  if (!is_floating(a[i].dtype)) {
    throw DTypeError(
        text_of(a.op.name, std::string("expected a floating type, got ") + name_of(a[i].dtype)));
  }
}

/// `matrix` [.., channels], indices [r, k] and, where there is one, an operand of that type.
void require_operands(const InferArguments& a, size_t matrix, size_t indices) {
  require_floating(a, matrix);
  if (!is_integer(a[indices].dtype)) {
    throw DTypeError(text_of(
        a.op.name, std::string("indices: expected integers, got ") + name_of(a[indices].dtype)));
  }
  if (a[matrix].shape.rank() != 2 || a[indices].shape.rank() != 2) {
    throw ShapeError(text_of(a.op.name, "expected two axes, got " + a[matrix].shape.to_string() +
                                            " and " + a[indices].shape.to_string()));
  }
}
void require_equal(const InferArguments& a, size_t i, const TensorType& expected) {
  if (a[i] == expected) return;
  throw ShapeError(text_of(a.op.name, "input " + std::to_string(i) + ": expected " +
                                          expected.to_string() + ", got " + a[i].to_string()));
}

Types gather_sum_type(const InferArguments& a) {
  require_operands(a, 0, 1);
  require_equal(a, 2, {a[0].dtype, a[1].shape});
  return {{a[0].dtype, {a[1].shape[0], a[0].shape[1]}}};
}
Types scatter_sum_type(const InferArguments& a) {
  require_operands(a, 0, 1);
  require_equal(a, 2, {a[0].dtype, a[1].shape});
  const int64_t rows = a.attributes.integer("rows");
  if (rows < 0 || a[0].shape[0] != a[1].shape[0]) {
    throw ShapeError(text_of(
        a.op.name, "indices " + a[1].shape.to_string() + " do not fit " + a[0].shape.to_string()));
  }
  return {{a[0].dtype, {rows, a[0].shape[1]}}};
}
Types gather_dot_type(const InferArguments& a) {
  require_operands(a, 0, 1);
  require_equal(a, 2, {a[0].dtype, {a[1].shape[0], a[0].shape[1]}});
  return {{a[0].dtype, a[1].shape}};
}

Tensor sums(const Tensor& x, const Tensor& indices, const Tensor& weights) {
  return make("gather_sum", {x, indices, weights});
}
Tensor scattered(const Tensor& g, const Tensor& indices, const Tensor& weights, int64_t rows) {
  return make("scatter_sum", {g, indices, weights}, {{"rows", rows}});
}
Tensor dots(const Tensor& x, const Tensor& indices, const Tensor& g) {
  return make("gather_dot", {x, indices, g});
}

/// The tangent of a function linear in its inputs 0 and 2.
template <class F>
Slots product_rule(const Local& at, std::span<const Tensor> t, F f) {
  Tensor sum;
  if (t[0].defined()) sum = f(t[0], at.x(2));
  if (t[2].defined()) {
    const Tensor other = f(at.x(0), t[2]);
    sum = sum.defined() ? sum + other : other;
  }
  return {sum};
}

double flops(const InferArguments& a, const Types&) {
  return 2. * static_cast<double>(a[1].shape.size()) * static_cast<double>(a[0].shape[1]);
}

}  // namespace

std::span<const ir::OpDef> sampling_rows() {
  static const std::vector<ir::OpDef> rows = {
      {.name = "gather_sum",
       .doc = "out[r] = sum_k weights[r, k] x[indices[r, k]]; negative indices add nothing. Inputs "
              "x [n, channels], indices and weights [r, k].",
       .min_inputs = 3,
       .max_inputs = 3,
       .infer = gather_sum_type,
       .derivative = ir::Custom{
           [](const Local& at, std::span<const Tensor> ct) -> Slots {
             return {
                 at.wanted[0] ? scattered(ct[0], at.x(1), at.x(2), at.x(0).shape()[0]) : Tensor(),
                 Tensor(), at.wanted[2] ? dots(at.x(0), at.x(1), ct[0]) : Tensor()};
           },
           [](const Local& at, std::span<const Tensor> t) -> Slots {
             return product_rule(
                 at, t, [&](const Tensor& x, const Tensor& w) { return sums(x, at.x(1), w); });
           }},
       .traits = {.faults = true},
       .flops = flops},
      {.name = "scatter_sum",
       .doc =
           "The transpose of gather_sum: adds weights[r, k] g[r] to row indices[r, k] of attribute "
           "`rows` rows of zeros. Inputs g [r, channels], indices and weights [r, k].",
       .min_inputs = 3,
       .max_inputs = 3,
       .infer = scatter_sum_type,
       .derivative = ir::Custom{[](const Local& at, std::span<const Tensor> ct) -> Slots {
                                  return {at.wanted[0] ? sums(ct[0], at.x(1), at.x(2)) : Tensor(),
                                          Tensor(),
                                          at.wanted[2] ? dots(ct[0], at.x(1), at.x(0)) : Tensor()};
                                },
                                [](const Local& at, std::span<const Tensor> t) -> Slots {
                                  const int64_t rows = at.attributes.integer("rows");
                                  return product_rule(at, t, [&](const Tensor& g, const Tensor& w) {
                                    return scattered(g, at.x(1), w, rows);
                                  });
                                }},
       .traits = {.faults = true},
       .flops = flops},
      {.name = "gather_dot",
       .doc = "out[r, k] = x[indices[r, k]] . g[r], 0 for negative indices: the derivative of "
              "gather_sum by its weights. Inputs x [n, channels], indices [r, k], g [r, channels].",
       .min_inputs = 3,
       .max_inputs = 3,
       .infer = gather_dot_type,
       .derivative = ir::Custom{
           [](const Local& at, std::span<const Tensor> ct) -> Slots {
             return {
                 at.wanted[0] ? scattered(at.x(2), at.x(1), ct[0], at.x(0).shape()[0]) : Tensor(),
                 Tensor(), at.wanted[2] ? sums(at.x(0), at.x(1), ct[0]) : Tensor()};
           },
           [](const Local& at, std::span<const Tensor> t) -> Slots {
             return product_rule(
                 at, t, [&](const Tensor& x, const Tensor& g) { return dots(x, at.x(1), g); });
           }},
       .traits = {.faults = true},
       .flops = flops},
  };
  return rows;
}

}  // namespace varve::ops

namespace varve {

Tensor gather_sum(const Operand& x, const Operand& indices, const Operand& weights) {
  DType d = ops::common_type({&x, &weights});
  if (!is_floating(d)) d = f32;
  const Tensor i = indices.tensor();
  if (!is_integer(i.dtype())) {
    throw DTypeError(
        std::string("gather_sum: indices: expected integers, got ") + name_of(i.dtype()), "",
        x.where().to_string());
  }
  return ops::make(
      "gather_sum",
      {cast(Operand(x.as(d), x.where()), d), i, cast(Operand(weights.as(d), x.where()), d)}, {},
      x.where());
}

}  // namespace varve
