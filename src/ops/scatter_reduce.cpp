// Scatters that multiply or keep the largest or smallest, and their derivatives.
#include "ops/indexing.h"
#include "varve/ops/indexing.h"
#include "varve/ops/pointwise.h"

namespace varve::ops {
namespace {

using Cotangents = std::span<const Tensor>;

/// d out / d x where x stands, and d out[place] / d update where each update stands.
struct Partials {
  Tensor x, updates;
};

/// Equal extremes share, as in the reductions max and min.
Partials extreme_partials(const Local& at) {
  const Tensor &x = at.x(0), &u = at.x(1), &i = at.x(2), &y = at.y();
  const Tensor own = cast(x == y, y.dtype()),
               theirs = cast(u == gathered(y, i, at.attributes), y.dtype());
  const Tensor winners = scatter("scatter_add", own, theirs, i, at.attributes);
  const Tensor share = where(winners == 0, 0, reciprocal(winners));
  return {own * share, theirs * gathered(share, i, at.attributes)};
}

/// The product of the other factors, which a factor of 0 hides in the result.
Partials product_partials(const Local& at) {
  const Tensor &x = at.x(0), &u = at.x(1), &i = at.x(2);
  const Tensor x_zero = x == 0, u_zero = u == 0;
  const Tensor zeros =
      scatter("scatter_add", cast(x_zero, i64), cast(u_zero, i64), i, at.attributes);
  const Tensor x_safe = where(x_zero, 1, x), u_safe = where(u_zero, 1, u);
  const Tensor product = scatter("scatter_multiply", x_safe, u_safe, i, at.attributes);
  const auto partial = [](const Tensor& is_zero, const Tensor& safe, const Tensor& all_zeros,
                          const Tensor& all) {
    return where(is_zero, where(all_zeros == 1, all, 0), where(all_zeros == 0, all / safe, 0));
  };
  return {partial(x_zero, x_safe, zeros, product),
          partial(u_zero, u_safe, gathered(zeros, i, at.attributes),
                  gathered(product, i, at.attributes))};
}

template <Partials (*partials)(const Local&)>
Slots back(const Local& at, Cotangents ct) {
  const Partials p = partials(at);
  return {ct[0] * p.x, gathered(ct[0], at.x(2), at.attributes) * p.updates, Tensor()};
}

template <Partials (*partials)(const Local&)>
Slots forward(const Local& at, Cotangents t) {
  if (!t[0].defined() && !t[1].defined()) return {Tensor()};
  const Partials p = partials(at);
  const auto part = [](const Tensor& tangent, const Tensor& by) {
    return tangent.defined() ? tangent * by : full_like(by, 0);
  };
  return {scatter("scatter_add", part(t[0], p.x), part(t[1], p.updates), at.x(2), at.attributes)};
}

template <Partials (*partials)(const Local&)>
ir::OpDef row(const char* name, const char* doc) {
  return {.name = name,
          .doc = doc,
          .min_inputs = 3,
          .max_inputs = 3,
          .infer = scatter_type,
          .derivative = ir::Custom{back<partials>, forward<partials>}};
}

}  // namespace

std::vector<ir::OpDef> scatter_reduce_rows() {
  return {
      row<product_partials>("scatter_multiply",
                            "x multiplied by updates where the gather of attribute form would "
                            "read; inputs x, updates, indices. Derivatives of higher order are "
                            "right where no factor is 0."),
      row<extreme_partials>("scatter_max",
                            "The largest of x and the updates where the gather of attribute form "
                            "would read; equal ones share the gradient."),
      row<extreme_partials>("scatter_min", "As scatter_max, the smallest."),
  };
}

}  // namespace varve::ops
