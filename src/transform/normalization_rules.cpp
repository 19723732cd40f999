// Batch normalization by given statistics is a factor and an offset a channel: a product before it
// takes them into its kernel and bias.
#include "transform/rewrite.h"

namespace varve::transform {
namespace {

using Result = std::optional<ir::ValueId>;
constexpr std::nullopt_t no = std::nullopt;

/// The convolution or matrix product that this node alone reads and whose columns are the channels.
std::optional<ir::GraphNode> product_before(const Rewriting& at) {
  if (!at.only_reader(0) || at.attributes().integer("axis") != at.result().shape.rank() - 1)
    return no;
  if (auto conv = at.made_by(at.x(), "convolution")) return conv;
  auto matmul = at.made_by(at.x(), "matmul");
  return matmul && !matmul->attributes.flag("transpose_b") ? matmul : no;
}

Result fold_into_product(Rewriting& at) {
  // Narrower types would round the kernel once more.
  if (at.result().dtype != f32 && at.result().dtype != f64) return no;
  const auto product = product_before(at);
  if (!product) return no;
  const ir::ValueId mean = at.x(1), variance = at.x(2), scale = at.x(3), offset = at.x(4);
  const ir::TensorType channels = at.type(mean);
  const ir::ValueId epsilon = at.full(at.attributes().real("epsilon"), channels);
  const ir::ValueId inverse = at.make("rsqrt", {at.make("add", {variance, epsilon})});
  const ir::ValueId factor = at.make("multiply", {scale, inverse});
  std::vector<ir::ValueId> inputs = product->inputs;
  const Shape kernel = at.type(inputs[1]).shape;
  inputs[1] = at.make("multiply", {inputs[1], at.broadcast(factor, kernel)});
  const bool biased = inputs.size() == 3;
  const ir::ValueId shift = biased ? at.make("subtract", {inputs[2], mean}) : mean;
  inputs.resize(2);
  inputs.push_back(
      at.make(biased ? "add" : "subtract", {offset, at.make("multiply", {shift, factor})}));
  return at.make(product->op->name, std::move(inputs), product->attributes);
}

constexpr Rule kRules[] = {
    {"batch norm by given statistics of a product -> the product (in the last digit)",
     "batch_norm_inference", fold_into_product},
};

}  // namespace

std::span<const Rule> normalization_rules() { return kRules; }

}  // namespace varve::transform
