#include "transform/dead_code.h"

#include <gtest/gtest.h>

#include "ops/table.h"

namespace varve {
namespace {

TEST(DeadCode, GoesAndInputsStay) {
  const ir::Graph g = ir::parse_graph(R"(graph(%0: f32[2], %1: f32[2]) {
    %2 = exp %1 : f32[2]
    %3 = sin %0 : f32[2]
    %4 = add %2, %3 : f32[2]
    %5 = cos %3 : f32[2]
    return %5
  })",
                                      ops::find);
  const ir::Graph clean = transform::eliminate_dead_code(g);
  ir::verify(clean);
  EXPECT_EQ(ir::to_text(clean), R"(graph(%0: f32[2], %1: f32[2]) {
  %2 = sin %0 : f32[2]
  %3 = cos %2 : f32[2]
  return %3
})");
  EXPECT_TRUE(ir::same(clean, transform::eliminate_dead_code(clean)));
}

}  // namespace
}  // namespace varve
