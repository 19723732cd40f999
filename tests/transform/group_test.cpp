#include "transform/group.h"

#include <gtest/gtest.h>

#include "graphs.h"
#include "transform/tile_build.h"
#include "varve/ops/pointwise.h"
#include "varve/ops/shape.h"

namespace varve {
namespace {

using transform::parsed;

TEST(Group, PutsAChainAndItsScalarsIntoOneNode) {
  const ir::Graph g = parsed(R"(graph(%0: f32[4, 3], %1: f32[3]) {
    %2 = broadcast_to %1 {shape = [4, 3]} : f32[4, 3]
    %3 = add %0, %2 : f32[4, 3]
    %4 = constant {value = f32[] (2.0)} : f32[]
    %5 = broadcast_to %4 {shape = [4, 3]} : f32[4, 3]
    %6 = multiply %3, %5 : f32[4, 3]
    return %6
  })");
  const ir::Graph grouped = transform::group(g);
  ir::verify(grouped);
  EXPECT_EQ(ir::to_text(grouped), R"(graph(%0: f32[4, 3], %1: f32[3]) {
  %2 = broadcast_to %1 {shape = [4, 3]} : f32[4, 3]
  %3 = constant {value = f32[] (2.0)} : f32[]
  %4 = broadcast_to %3 {shape = [4, 3]} : f32[4, 3]
  %5 = group %0, %2 {body = graph(%0: f32[4, 3], %1: f32[4, 3]) {
    %2 = add %0, %1 : f32[4, 3]
    %3 = constant {value = f32[] (2.0)} : f32[]
    %4 = broadcast_to %3 {shape = [4, 3]} : f32[4, 3]
    %5 = multiply %2, %4 : f32[4, 3]
    return %5
  }} : f32[4, 3]
  return %5
})");
  EXPECT_TRUE(ir::same(grouped, transform::group(grouped)));
}

TEST(Group, NeverMakesACycleThroughWhatLiesBetween) {
  // %1 -> transpose -> %3 could join %1 only through the transposition between them.
  const ir::Graph g = parsed(R"(graph(%0: f32[3, 3]) {
    %1 = exp %0 : f32[3, 3]
    %2 = transpose %1 {axes = [1, 0]} : f32[3, 3]
    %3 = add %1, %2 : f32[3, 3]
    return %3
  })");
  EXPECT_TRUE(ir::same(transform::group(g), g));
}

TEST(Group, DoesNotReadAReductionWithinItsOwnGroup) {
  const ir::Graph g = parsed(R"(graph(%0: f32[4, 3]) {
    %1 = exp %0 : f32[4, 3]
    %2 = sum %1 {axes = [1], keep_dims = true} : f32[4, 1]
    %3 = broadcast_to %2 {shape = [4, 3]} : f32[4, 3]
    %4 = divide %1, %3 : f32[4, 3]
    %5 = sqrt %4 : f32[4, 3]
    return %5
  })");
  const ir::Graph grouped = transform::group(g);
  ir::verify(grouped);
  int groups = 0;
  for (const auto& n : grouped.nodes) groups += n.op->name == std::string_view("group");
  EXPECT_EQ(groups, 2);
}

TEST(TileBuild, JoinsAxesAndReducesLeadingOnes) {
  const ir::Graph body = parsed(R"(graph(%0: f32[2, 5, 7, 3], %1: f32[2, 5, 7, 3]) {
    %2 = multiply %0, %1 : f32[2, 5, 7, 3]
    %3 = sum %2 {axes = [0, 1, 2], keep_dims = false} : f32[3]
    return %2, %3
  })");
  const std::vector<ir::Strides> strides{ir::row_major(Shape{2, 5, 7, 3}), {0, 0, 0, 1}};
  const auto built = transform::build_tile(body, strides);
  ASSERT_TRUE(built.program) << built.why;
  tiling::validate(*built.program);
  EXPECT_EQ(tiling::to_string(*built.program), R"(tile [1, 70, 3]
  in0: f32 [0, 3, 1]
  in1: f32 [0, 0, 1]
  %0 = load.f32 in0
  %1 = load.f32 in1
  %2 = multiply.f32 %0, %1
  out0: f32 [0, 3, 1] = %2
  out1: f32 [0, 0, 1] = sum[1] %2
)");
}

}  // namespace
}  // namespace varve
