// What may be done with the gradient of max pooling before it is spread over the windows, where it
// is several times smaller.
#include <algorithm>

#include "transform/rewrite.h"

namespace varve::transform {
namespace {

using Result = std::optional<ir::ValueId>;
constexpr std::nullopt_t no = std::nullopt;

/// The element type of cast(x > 0), where v is that.
std::optional<DType> is_positivity_of(const Rewriting& at, ir::ValueId v, ir::ValueId x) {
  const auto cast = at.made_by(v, "cast");
  if (!cast) return no;
  const auto greater = at.made_by(cast->inputs[0], "greater");
  if (!greater || greater->inputs[0] != x || !at.is(greater->inputs[1], 0)) return no;
  return cast->outputs[0].dtype;
}

/// An element gets gradients of those windows only whose largest it is, and is positive where that
/// is. relu's derivative is such a factor.
Result mask_of_spread(Rewriting& at) {
  for (size_t i : {size_t{0}, size_t{1}}) {
    const auto spread = at.made_by(at.x(i), "max_pool_gradient");
    if (!spread || !at.only_reader(i)) continue;
    const ir::ValueId gradient = spread->inputs[0], places = spread->inputs[1];
    const auto pool = at.made_by(places, "max_pool");
    if (!pool || places.output != 1) continue;
    const auto mask_type = is_positivity_of(at, at.x(1 - i), pool->inputs[0]);
    if (!mask_type) continue;
    const ir::ValueId largest{places.node, 0};
    const ir::ValueId zero = at.full(0, at.type(largest));
    const ir::ValueId mask =
        at.make("cast", {at.make("greater", {largest, zero})}, {{"dtype", *mask_type}});
    return at.make("max_pool_gradient", {at.make("multiply", {gradient, mask}), places},
                   spread->attributes);
  }
  return no;
}

/// Each position's gradient goes to one element: their sums are the same.
Result sum_of_spread(Rewriting& at) {
  const auto spread = at.made_by(at.x(), "max_pool_gradient");
  if (!spread) return no;
  const ir::Ints& axes = at.attributes().ints("axes");
  const int rank = at.type(at.x()).shape.rank();
  for (int64_t a = 1; a < rank - 1; ++a) {
    if (std::find(axes.begin(), axes.end(), a) == axes.end()) return no;
  }
  return at.again({spread->inputs[0]});
}

constexpr Rule kRules[] = {
    {"max_pool_gradient(g) * (x > 0) -> max_pool_gradient(g * (max_pool(x) > 0))", "multiply",
     mask_of_spread},
    {"sum of max_pool_gradient(g) over space -> sum of g (in the last digit)", "sum",
     sum_of_spread},
};

}  // namespace

std::span<const Rule> pooling_rules() { return kRules; }

}  // namespace varve::transform
