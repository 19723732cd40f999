// What is written once and what is computed again, and that no number changes.
#include "transform/recompute.h"

#include <gtest/gtest.h>

#include "graphs.h"
#include "transform/group.h"
#include "varve/derivatives.h"
#include "varve/ops/convolution.h"
#include "varve/ops/normalization.h"
#include "varve/ops/pointwise.h"
#include "varve/ops/reduction.h"

namespace varve {
namespace {

using transform::difference;
using transform::parsed;

/// The groups' outputs of the whole shape `shape`.
int written(const ir::Graph& g, const Shape& shape) {
  int count = 0;
  for (const ir::GraphNode& n : g.nodes) {
    if (n.op->name != std::string_view("group")) continue;
    for (const ir::TensorType& t : n.outputs) count += t.shape == shape;
  }
  return count;
}

/// x is normalized, activated and transposed; what comes back is summed beside x as it was before.
/// The two places that say @ take the lines that differ.
std::string two_passes(const std::string& activation, const std::string& input) {
  return R"(graph(%0: f32[64, 32], %1: f32[32, 64]) {
    %2 = transpose %0 {axes = [1, 0]} : f32[32, 64]
    %3 = reshape %2 {shape = [2048]} : f32[2048]
    %4 = reshape %3 {shape = [64, 32]} : f32[64, 32]
    %5 = )" +
         input + R"( : f32[64, 32]
    %6 = square %5 : f32[64, 32]
    %7 = )" +
         activation + R"( %6 : f32[64, 32]
    %8 = matmul %7, %1 {transpose_a = false, transpose_b = false} : f32[64, 64]
    %9 = matmul %8, %1 {transpose_a = false, transpose_b = true} : f32[64, 32]
    %10 = multiply %9, %6 : f32[64, 32]
    %11 = multiply %10, %5 : f32[64, 32]
    %12 = sum %11 {axes = [0], keep_dims = false} : f32[32]
    return %12, %4
  })";
}

TEST(Recompute, WritesOnlyWhatAProductReads) {
  const ir::Graph g = parsed(two_passes("relu", "negative %4").c_str());
  const ir::Graph grouped = transform::group(g);
  ir::verify(grouped);
  // Of %5, %6 and %7 only %7 is written; the second group starts from %4 again.
  EXPECT_EQ(written(grouped, {64, 32}), 1) << ir::to_text(grouped);
  const ir::GraphNode& second = grouped.node(grouped.outputs[0]);
  ASSERT_EQ(second.op->name, std::string_view("group"));
  EXPECT_EQ(second.inputs.size(), 2u) << ir::to_text(grouped);
  for (uint64_t seed = 0; seed < 4; ++seed) EXPECT_EQ(difference(g, grouped, seed), "");
}

TEST(Recompute, KeepsWhatCostsMoreThanItsMemory) {
  const ir::Graph g = parsed(two_passes("relu", "erfc %4").c_str());
  const ir::Graph grouped = transform::group(g);
  // erfc is written; its square follows from it.
  EXPECT_EQ(written(grouped, {64, 32}), 2) << ir::to_text(grouped);
  for (uint64_t seed = 0; seed < 4; ++seed) EXPECT_EQ(difference(g, grouped, seed), "");
}

TEST(Recompute, KeepsOneValueRatherThanTwoForIt) {
  // %4 and %5 are read by nobody else later: in place of %6 both would have to stay.
  const ir::Graph g = parsed(R"(graph(%0: f32[64, 32], %1: f32[32, 32]) {
    %2 = matmul %0, %1 {transpose_a = false, transpose_b = false} : f32[64, 32]
    %3 = matmul %2, %1 {transpose_a = false, transpose_b = false} : f32[64, 32]
    %4 = add %2, %3 : f32[64, 32]
    %5 = relu %4 : f32[64, 32]
    %6 = matmul %5, %1 {transpose_a = false, transpose_b = false} : f32[64, 32]
    %7 = multiply %6, %4 : f32[64, 32]
    return %7
  })");
  const ir::Graph grouped = transform::group(g);
  EXPECT_EQ(written(grouped, {64, 32}), 2) << ir::to_text(grouped);
  EXPECT_EQ(difference(g, grouped, 1), "");
}

TEST(Recompute, ReadsWhatItReadsAnywayOnce) {
  // %3 is written for the product and an output; the last group has all it takes to make it.
  const ir::Graph g = parsed(R"(graph(%0: f32[64, 32], %1: f32[32, 32]) {
    %2 = square %0 : f32[64, 32]
    %3 = relu %2 : f32[64, 32]
    %4 = matmul %3, %1 {transpose_a = false, transpose_b = false} : f32[64, 32]
    %5 = multiply %4, %3 : f32[64, 32]
    %6 = multiply %5, %0 : f32[64, 32]
    return %6, %3
  })");
  const ir::Graph grouped = transform::group(g);
  ir::verify(grouped);
  const ir::GraphNode& last = grouped.node(grouped.outputs[0]);
  EXPECT_EQ(last.inputs.size(), 2u) << ir::to_text(grouped);
  EXPECT_EQ(difference(g, grouped, 2), "");
}

TEST(Recompute, ReadsTheHalfThatIsStoredRatherThanWhatItWasMadeOf) {
  const ir::Graph g = parsed(R"(graph(%0: f32[64, 32], %1: f32[64, 32], %2: bf16[32, 32]) {
    %3 = add %0, %1 : f32[64, 32]
    %4 = cast %3 {dtype = bf16} : bf16[64, 32]
    %5 = matmul %4, %2 {transpose_a = false, transpose_b = false} : bf16[64, 32]
    %6 = cast %4 {dtype = f32} : f32[64, 32]
    %7 = cast %5 {dtype = f32} : f32[64, 32]
    %8 = multiply %7, %6 : f32[64, 32]
    return %8
  })");
  const ir::Graph grouped = transform::group(g);
  ir::verify(grouped);
  const ir::GraphNode& last = grouped.node(grouped.outputs[0]);
  ASSERT_EQ(last.inputs.size(), 2u) << ir::to_text(grouped);
  for (ir::ValueId v : last.inputs) EXPECT_EQ(grouped.type(v).dtype, bf16) << ir::to_text(grouped);
  EXPECT_EQ(difference(g, grouped, 2), "");
}

TEST(Recompute, ATrainingStepOfNormalizedLayersGivesTheSameNumbers) {
  const auto network = [](std::span<const Tensor> x) -> std::vector<Tensor> {
    const auto loss = [&](const Tensor& kernel, const Tensor& scale, const Tensor& offset) {
      Tensor y = x[0];
      for (int layer = 0; layer < 2; ++layer) {
        y = conv2d(y, kernel, {.padding = "same"});
        y = relu6(batch_norm(y, {.scale = scale, .offset = offset}).output) + y;
        y = silu(group_norm(y, {.groups = 2, .scale = scale, .offset = offset}));
      }
      return mean(square(y));
    };
    const auto [value, gradients] = value_and_grad(loss)(x[1], x[2], x[3]);
    return {value, gradients[0], gradients[1], gradients[2]};
  };
  const ir::Graph g =
      ir::trace_body({{f32, {2, 6, 6, 4}}, {f32, {3, 3, 4, 4}}, {f32, {4}}, {f32, {4}}}, network);
  const ir::Graph grouped = transform::group(g);
  ir::verify(grouped);
  EXPECT_TRUE(ir::same(grouped, transform::group(grouped)));
  for (uint64_t seed = 0; seed < 3; ++seed) EXPECT_EQ(difference(g, grouped, seed), "");
}

}  // namespace
}  // namespace varve
