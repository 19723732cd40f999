// Dead code, common subexpressions and constants, on the graphs' text form.
#include <gtest/gtest.h>

#include "graphs.h"
#include "ops/table.h"
#include "transform/common_subexpressions.h"
#include "transform/dead_code.h"
#include "transform/fold_constants.h"
#include "varve/ops/indexing.h"

namespace varve::transform {
namespace {

/// The text of what a pass makes of a text; the pass is idempotent.
std::string after(ir::Graph (*pass)(const ir::Graph&), const char* text) {
  const ir::Graph once = pass(parsed(text));
  ir::verify(once);
  EXPECT_TRUE(ir::same(pass(once), once));
  return ir::to_text(once);
}

TEST(CommonSubexpressions, BecomeOne) {
  EXPECT_EQ(after(eliminate_common_subexpressions, R"(graph(%0: f32[2]) {
  %1 = exp %0 : f32[2]
  %2 = exp %0 : f32[2]
  %3 = sin %2 : f32[2]
  %4 = sin %1 : f32[2]
  %5 = add %3, %4 : f32[2]
  return %5, %4
})"),
            R"(graph(%0: f32[2]) {
  %1 = exp %0 : f32[2]
  %2 = sin %1 : f32[2]
  %3 = add %2, %2 : f32[2]
  return %3, %2
})");
}

TEST(CommonSubexpressions, OfCommutativeOpsMaySwapTheirInputs) {
  EXPECT_EQ(after(eliminate_common_subexpressions, R"(graph(%0: f32[2], %1: f32[2]) {
  %2 = add %0, %1 : f32[2]
  %3 = add %1, %0 : f32[2]
  %4 = subtract %0, %1 : f32[2]
  %5 = subtract %1, %0 : f32[2]
  return %2, %3, %4, %5
})"),
            R"(graph(%0: f32[2], %1: f32[2]) {
  %2 = add %0, %1 : f32[2]
  %3 = subtract %0, %1 : f32[2]
  %4 = subtract %1, %0 : f32[2]
  return %2, %2, %3, %4
})");
}

TEST(CommonSubexpressions, DifferByAttributesAndByBitsOfConstants) {
  const char* text = R"(graph(%0: f32[2, 2]) {
  %1 = sum %0 {axes = [0], keep_dims = false} : f32[2]
  %2 = sum %0 {axes = [1], keep_dims = false} : f32[2]
  %3 = constant {value = f32[] (0.0)} : f32[]
  %4 = constant {value = f32[] (-0.0)} : f32[]
  return %1, %2, %3, %4
})";
  EXPECT_EQ(after(eliminate_common_subexpressions, text), text);
  EXPECT_EQ(after(eliminate_common_subexpressions, R"(graph() {
  %0 = constant {value = i32[2] (1, 2)} : i32[2]
  %1 = constant {value = i32[2] (1, 2)} : i32[2]
  return %0, %1
})"),
            R"(graph() {
  %0 = constant {value = i32[2] (1, 2)} : i32[2]
  return %0, %0
})");
}

TEST(CommonSubexpressions, OfRandomOpsAreThoseOfOneKey) {
  EXPECT_EQ(after(eliminate_common_subexpressions, R"(graph(%0: u64[2], %1: u64[2]) {
  %2 = random_bits %0 {shape = [3]} : u32[3]
  %3 = random_bits %0 {shape = [3]} : u32[3]
  %4 = random_bits %1 {shape = [3]} : u32[3]
  return %2, %3, %4
})"),
            R"(graph(%0: u64[2], %1: u64[2]) {
  %2 = random_bits %0 {shape = [3]} : u32[3]
  %3 = random_bits %1 {shape = [3]} : u32[3]
  return %2, %2, %3
})");
}

TEST(CommonSubexpressions, ABarrierIsComputedAgain) {
  const ir::OpDef recomputed{.name = "recomputed",
                             .doc = "x, computed again.",
                             .min_inputs = 1,
                             .max_inputs = 1,
                             .infer = ops::same_type,
                             .traits = {.barrier = true}};
  ir::Graph g;
  const ir::ValueId x = g.add_input({f32, {2}});
  const ir::ValueId a = g.add({&recomputed, {x}, {}, {{f32, {2}}}, {}});
  const ir::ValueId b = g.add({&recomputed, {x}, {}, {{f32, {2}}}, {}});
  g.outputs = {a, b};
  EXPECT_EQ(eliminate_common_subexpressions(g).nodes.size(), 3u);
}

TEST(Constants, AreFoldedThroughChains) {
  EXPECT_EQ(after(fold_constants, R"(graph(%0: f32[]) {
  %1 = constant {value = f32[] (2.0)} : f32[]
  %2 = constant {value = f32[] (3.0)} : f32[]
  %3 = multiply %1, %2 : f32[]
  %4 = negative %3 : f32[]
  %5 = add %0, %4 : f32[]
  return %5
})"),
            R"(graph(%0: f32[]) {
  %1 = constant {value = f32[] (2.0)} : f32[]
  %2 = constant {value = f32[] (3.0)} : f32[]
  %3 = constant {value = f32[] (6.0)} : f32[]
  %4 = constant {value = f32[] (-6.0)} : f32[]
  %5 = add %0, %4 : f32[]
  return %5
})");
}

TEST(Constants, RepetitionsRandomNumbersAndLargeResultsAreNotFolded) {
  const char* text = R"(graph() {
  %0 = constant {value = f32[] (2.0)} : f32[]
  %1 = broadcast_to %0 {shape = [3]} : f32[3]
  %2 = constant {value = u64[2] (1, 2)} : u64[2]
  %3 = random_bits %2 {shape = [3]} : u32[3]
  %4 = arange {dtype = i32, size = 1025, start = 0, step = 1} : i32[1025]
  return %1, %3, %4
})";
  EXPECT_EQ(after(fold_constants, text), text);
}

TEST(Constants, WhatFailsWhenRunStaysToBeToldWhereItIs) {
  const ir::Graph g = ir::trace_body({}, [](X) -> std::vector<Tensor> {
    return {take(tensor({1.f, 2.f}), tensor({int64_t{7}}), 0)};
  });
  EXPECT_EQ(fold_constants(g).nodes.size(), g.nodes.size());
}

TEST(Constants, AreFoldedWithinATrace) {
  ir::trace_body({{f32, {}}}, [](X x) -> std::vector<Tensor> {
    const ir::Graph g = parsed(R"(graph() {
  %0 = constant {value = f32[] (2.0)} : f32[]
  %1 = square %0 : f32[]
  return %1
})");
    const ir::Graph folded = fold_constants(g);
    EXPECT_TRUE(ir::is_constant(folded.node(folded.outputs[0])));
    return {x[0]};
  });
}

}  // namespace
}  // namespace varve::transform
