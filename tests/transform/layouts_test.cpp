#include "transform/layouts.h"

#include <gtest/gtest.h>

#include "graphs.h"
#include "transform/simplify.h"

namespace varve::transform {
namespace {

/// The text of what becomes of a graph; its values are checked on the way.
std::string cancelled(const char* text) {
  const ir::Graph g = simplify(parsed(text));
  bool changed = false;
  ir::Graph out = cancel_transposes(g, changed);
  ir::verify(out);
  EXPECT_EQ(changed, !ir::same(g, out));
  out = simplify(out);
  ir::verify(out);
  for (uint64_t seed = 0; seed < 3; ++seed) EXPECT_EQ(difference(g, out, seed), "");
  return ir::to_text(out);
}

TEST(Layouts, APairAroundAnActivationGoes) {
  EXPECT_EQ(cancelled(R"(graph(%0: f32[2, 4, 5, 3]) {
    %1 = transpose %0 {axes = [0, 3, 1, 2]} : f32[2, 3, 4, 5]
    %2 = relu %1 : f32[2, 3, 4, 5]
    %3 = transpose %2 {axes = [0, 2, 3, 1]} : f32[2, 4, 5, 3]
    return %3
  })"),
            R"(graph(%0: f32[2, 4, 5, 3]) {
  %1 = relu %0 : f32[2, 4, 5, 3]
  return %1
})");
}

TEST(Layouts, SumsOfTwoAndNumbersOfChannelsGoAlong) {
  // A residual between two layers that have their channels last, scaled by channels.
  EXPECT_EQ(cancelled(R"(graph(%0: f32[2, 4, 5, 3], %1: f32[2, 4, 5, 3], %2: f32[3]) {
    %3 = transpose %0 {axes = [0, 3, 1, 2]} : f32[2, 3, 4, 5]
    %4 = transpose %1 {axes = [0, 3, 1, 2]} : f32[2, 3, 4, 5]
    %5 = add %3, %4 : f32[2, 3, 4, 5]
    %6 = reshape %2 {shape = [3, 1, 1]} : f32[3, 1, 1]
    %7 = broadcast_to %6 {shape = [2, 3, 4, 5]} : f32[2, 3, 4, 5]
    %8 = multiply %5, %7 : f32[2, 3, 4, 5]
    %9 = transpose %8 {axes = [0, 2, 3, 1]} : f32[2, 4, 5, 3]
    return %9
  })"),
            R"(graph(%0: f32[2, 4, 5, 3], %1: f32[2, 4, 5, 3], %2: f32[3]) {
  %3 = add %0, %1 : f32[2, 4, 5, 3]
  %4 = broadcast_to %2 {shape = [2, 4, 5, 3]} : f32[2, 4, 5, 3]
  %5 = multiply %3, %4 : f32[2, 4, 5, 3]
  return %5
})");
}

TEST(Layouts, JoinsSlicesAndPaddingTakeTheirAxesAlong) {
  // All axes go round by one: 0 1 2 -> 1 2 0 and back.
  EXPECT_EQ(cancelled(R"(graph(%0: f32[5, 2, 4], %1: f32[5, 3, 4], %2: f32[]) {
    %3 = transpose %0 {axes = [1, 2, 0]} : f32[2, 4, 5]
    %4 = transpose %1 {axes = [1, 2, 0]} : f32[3, 4, 5]
    %5 = concat %3, %4 {axis = 0} : f32[5, 4, 5]
    %6 = pad %5, %2 {low = [1, 0, 2], high = [0, 3, 0], interior = [0, 0, 0]} : f32[6, 7, 7]
    %7 = slice %6 {start = [0, 1, 6], size = [6, 3, 7], step = [1, 2, -1]} : f32[6, 3, 7]
    %8 = transpose %7 {axes = [2, 0, 1]} : f32[7, 6, 3]
    return %8
  })"),
            R"(graph(%0: f32[5, 2, 4], %1: f32[5, 3, 4], %2: f32[]) {
  %3 = concat %0, %1 {axis = 1} : f32[5, 5, 4]
  %4 = pad %3, %2 {high = [0, 0, 3], interior = [0, 0, 0], low = [2, 1, 0]} : f32[7, 6, 7]
  %5 = slice %4 {size = [7, 6, 3], start = [6, 0, 1], step = [-1, 1, 2]} : f32[7, 6, 3]
  return %5
})");
}

TEST(Layouts, WhatIsReadInBothOrdersIsTurnedOnce) {
  EXPECT_EQ(cancelled(R"(graph(%0: f32[2, 4, 5, 3]) {
    %1 = transpose %0 {axes = [0, 3, 1, 2]} : f32[2, 3, 4, 5]
    %2 = relu %1 : f32[2, 3, 4, 5]
    %3 = exp %2 : f32[2, 3, 4, 5]
    %4 = transpose %3 {axes = [0, 2, 3, 1]} : f32[2, 4, 5, 3]
    return %2, %4
  })"),
            R"(graph(%0: f32[2, 4, 5, 3]) {
  %1 = relu %0 : f32[2, 4, 5, 3]
  %2 = exp %1 : f32[2, 4, 5, 3]
  %3 = transpose %1 {axes = [0, 3, 1, 2]} : f32[2, 3, 4, 5]
  return %3, %2
})");
}

TEST(Layouts, NothingChangesWhereAsMuchWouldBeMoved) {
  for (const char* text : {// It would be turned behind the function, not before.
                           R"(graph(%0: f32[2, 4, 5, 3]) {
  %1 = transpose %0 {axes = [0, 3, 1, 2]} : f32[2, 3, 4, 5]
  %2 = relu %1 : f32[2, 3, 4, 5]
  return %2
})",
                           // The other summand would be turned.
                           R"(graph(%0: f32[2, 4, 5, 3], %1: f32[2, 3, 4, 5]) {
  %2 = transpose %0 {axes = [0, 3, 1, 2]} : f32[2, 3, 4, 5]
  %3 = add %2, %1 : f32[2, 3, 4, 5]
  return %3
})",
                           // Somebody else reads the transpose, so it stays.
                           R"(graph(%0: f32[2, 4, 5, 3]) {
  %1 = transpose %0 {axes = [0, 3, 1, 2]} : f32[2, 3, 4, 5]
  %2 = relu %1 : f32[2, 3, 4, 5]
  return %1, %2
})"}) {
    EXPECT_EQ(cancelled(text), text);
  }
}

TEST(Layouts, OfTwoOrdersTheOneThatMovesLessIsTaken) {
  // Two inputs come in one order, one in another.
  EXPECT_EQ(cancelled(R"(graph(%0: f32[4, 5, 3], %1: f32[4, 5, 3], %2: f32[5, 3, 4]) {
    %3 = transpose %0 {axes = [2, 0, 1]} : f32[3, 4, 5]
    %4 = transpose %1 {axes = [2, 0, 1]} : f32[3, 4, 5]
    %5 = transpose %2 {axes = [1, 2, 0]} : f32[3, 4, 5]
    %6 = add %3, %4 : f32[3, 4, 5]
    %7 = multiply %6, %5 : f32[3, 4, 5]
    %8 = transpose %7 {axes = [1, 2, 0]} : f32[4, 5, 3]
    return %8
  })"),
            R"(graph(%0: f32[4, 5, 3], %1: f32[4, 5, 3], %2: f32[5, 3, 4]) {
  %3 = add %0, %1 : f32[4, 5, 3]
  %4 = transpose %2 {axes = [2, 0, 1]} : f32[4, 5, 3]
  %5 = multiply %3, %4 : f32[4, 5, 3]
  return %5
})");
}

}  // namespace
}  // namespace varve::transform
