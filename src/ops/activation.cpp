// Activations of several steps as one op each: uncompiled they run as one plan, and compiled they
// are taken apart and fused with what is around them.
#include <numbers>

#include "ops/build.h"
#include "ops/checks.h"
#include "ops/table.h"
#include "varve/ops/pointwise.h"

namespace varve::ops {
namespace {

using ir::InferArguments;
using Parts = std::vector<Tensor>;

Parts gelu_tanh_parts(std::span<const Tensor> x, const Attributes&) {
  const Tensor inner = x[0] + 0.044715 * x[0] * square(x[0]);
  return {0.5 * x[0] * (1 + tanh(std::numbers::sqrt2 * std::numbers::inv_sqrtpi * inner))};
}

Parts mish_parts(std::span<const Tensor> x, const Attributes&) {
  return {x[0] * tanh(softplus(x[0]))};
}

template <int flops>
ir::OpDef row(const char* name, const char* doc,
              Parts (*parts)(std::span<const Tensor>, const Attributes&)) {
  return {.name = name,
          .doc = doc,
          .min_inputs = 1,
          .max_inputs = 1,
          .infer = same_type_floating,
          .derivative = ir::FromDecomposition{},
          .decompose = parts,
          .flops = [](const InferArguments& a, const Types&) {
            return double{flops} * static_cast<double>(a[0].shape.size());
          }};
}

}  // namespace

std::span<const ir::OpDef> activation_rows() {
  static const std::vector<ir::OpDef> rows = {
      row<9>("gelu_tanh", "x (1 + tanh(sqrt(2 / pi) (x + 0.044715 x^3))) / 2.", gelu_tanh_parts),
      row<3>("mish", "x tanh(softplus(x)).", mish_parts),
  };
  return rows;
}

}  // namespace varve::ops
