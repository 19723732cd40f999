#include "transform/batch.h"

#include <gtest/gtest.h>

#include "graphs.h"

namespace varve {
namespace {

using transform::parsed;

constexpr const char* kUpdates = R"(graph(%0: f32[4], %1: f32[2, 3], %2: f32[]) {
  %3 = broadcast_to %2 {shape = [4]} : f32[4]
  %4 = broadcast_to %2 {shape = [2, 3]} : f32[2, 3]
  %5 = group %0, %3 {body = graph(%0: f32[4], %1: f32[4]) {
    %2 = multiply %0, %1 : f32[4]
    %3 = exp %2 : f32[4]
    return %3
  }} : f32[4]
  %6 = group %1, %4 {body = graph(%0: f32[2, 3], %1: f32[2, 3]) {
    %2 = multiply %0, %1 : f32[2, 3]
    %3 = exp %2 : f32[2, 3]
    return %2, %3
  }} : f32[2, 3], f32[2, 3]
  return %2, %6.1, %5, %6
})";

TEST(Batch, GroupsThatNobodyReadsBecomeOneNode) {
  const ir::Graph g = transform::batch(parsed(kUpdates), 1, 3);
  ir::verify(g);
  EXPECT_EQ(ir::to_text(g), R"(graph(%0: f32[4], %1: f32[2, 3], %2: f32[]) {
  %3 = broadcast_to %2 {shape = [4]} : f32[4]
  %4 = broadcast_to %2 {shape = [2, 3]} : f32[2, 3]
  %5 = group %0, %3, %1, %4 {body = graph(%0: f32[4], %1: f32[4], %3: f32[2, 3], %4: f32[2, 3]) {
    %2 = group %0, %1 {body = graph(%0: f32[4], %1: f32[4]) {
      %2 = multiply %0, %1 : f32[4]
      %3 = exp %2 : f32[4]
      return %3
    }} : f32[4]
    %5 = group %3, %4 {body = graph(%0: f32[2, 3], %1: f32[2, 3]) {
      %2 = multiply %0, %1 : f32[2, 3]
      %3 = exp %2 : f32[2, 3]
      return %2, %3
    }} : f32[2, 3], f32[2, 3]
    return %2, %5, %5.1
  }} : f32[4], f32[2, 3], f32[2, 3]
  return %2, %5.2, %5, %5.1
})");
}

TEST(Batch, LeavesGroupsAloneThatAreOtherResultsOrOnlyOne) {
  const ir::Graph g = parsed(kUpdates);
  // %6.1 is a result here, so only one update is left.
  EXPECT_TRUE(ir::same(transform::batch(g, 2, 2), g));
  EXPECT_TRUE(ir::same(transform::batch(g, 1, 0), g));
}

}  // namespace
}  // namespace varve
