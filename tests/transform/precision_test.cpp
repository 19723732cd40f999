#include "transform/precision.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <regex>

#include "graphs.h"
#include "support/errors.h"

namespace varve {
namespace {

using transform::mixed_bf16;

/// Products are written without their attributes here.
std::string whole(const std::string& text) {
  return std::regex_replace(text, std::regex("(matmul %\\d+, %\\d+)"),
                            "$1 {transpose_a = false, transpose_b = false}");
}
ir::Graph parsed(const std::string& text) { return transform::parsed(whole(text).c_str()); }

TEST(Precision, ProductsReadAndWriteBf16AndWhatOneElementwiseOpReadsIsNotRounded) {
  const ir::Graph g = parsed(R"(graph(%0: f32[4, 3], %1: f32[3, 5], %2: f32[5, 2]) {
    %3 = matmul %0, %1 : f32[4, 5]
    %4 = tanh %3 : f32[4, 5]
    %5 = relu %4 : f32[4, 5]
    %6 = matmul %5, %2 : f32[4, 2]
    return %6
  })");
  const ir::Graph mixed = mixed_bf16(g, true);
  ir::verify(mixed);
  EXPECT_EQ(ir::to_text(mixed), whole(R"(graph(%0: f32[4, 3], %1: f32[3, 5], %2: f32[5, 2]) {
  %3 = cast %0 {dtype = bf16} : bf16[4, 3]
  %4 = cast %1 {dtype = bf16} : bf16[3, 5]
  %5 = matmul %3, %4 : bf16[4, 5]
  %6 = cast %5 {dtype = f32} : f32[4, 5]
  %7 = tanh %6 : f32[4, 5]
  %8 = relu %7 : f32[4, 5]
  %9 = cast %8 {dtype = bf16} : bf16[4, 5]
  %10 = cast %2 {dtype = bf16} : bf16[5, 2]
  %11 = matmul %9, %10 : bf16[4, 2]
  %12 = cast %11 {dtype = f32} : f32[4, 2]
  return %12
})"));
}

TEST(Precision, MomentsReadBf16AsItLies) {
  const ir::Graph g = parsed(R"(graph(%0: bf16[6, 8], %1: f32[6, 8]) {
    %2 = cast %0 {dtype = f32} : f32[6, 8]
    %3 = moments %2 {axes = [0], keep_dims = true} : f32[1, 8], f32[1, 8]
    %4 = multiply %2, %1 : f32[6, 8]
    %5 = moments %4 {axes = [0], keep_dims = true} : f32[1, 8], f32[1, 8]
    return %3, %3.1, %4, %5
  })");
  const ir::Graph read = transform::moments_of_halves(g);
  ir::verify(read);
  EXPECT_EQ(ir::to_text(read), R"(graph(%0: bf16[6, 8], %1: f32[6, 8]) {
  %2 = cast %0 {dtype = f32} : f32[6, 8]
  %3 = moments %0 {axes = [0], dtype = f32, keep_dims = true} : f32[1, 8], f32[1, 8]
  %4 = multiply %2, %1 : f32[6, 8]
  %5 = moments %4 {axes = [0], keep_dims = true} : f32[1, 8], f32[1, 8]
  return %3, %3.1, %4, %5
})");
  for (uint64_t seed = 0; seed < 3; ++seed) EXPECT_EQ(transform::difference(g, read, seed), "");
}

TEST(Precision, MomentsAreOfAFloatingType) {
  const DTypeError e = test::error_of<DTypeError>([] {
    transform::make("moments", {transform::c(1)},
                    {{"axes", ir::Ints{0}}, {"dtype", i32}, {"keep_dims", true}});
  });
  EXPECT_THAT(e.what(), ::testing::HasSubstr("attribute dtype: expected a floating type, got i32"));
}

TEST(Precision, ActivationsThatSeveralReadAreStoredOnceInBf16) {
  // A residual: the sum is read by a product and by the next sum.
  const ir::Graph mixed = mixed_bf16(parsed(R"(graph(%0: f32[4, 4], %1: f32[4, 4]) {
    %2 = matmul %0, %1 : f32[4, 4]
    %3 = relu %2 : f32[4, 4]
    %4 = matmul %3, %1 : f32[4, 4]
    %5 = add %4, %3 : f32[4, 4]
    %6 = matmul %5, %1 : f32[4, 4]
    return %6
  })"),
                                     true);
  ir::verify(mixed);
  EXPECT_EQ(ir::to_text(mixed), whole(R"(graph(%0: f32[4, 4], %1: f32[4, 4]) {
  %2 = cast %0 {dtype = bf16} : bf16[4, 4]
  %3 = cast %1 {dtype = bf16} : bf16[4, 4]
  %4 = matmul %2, %3 : bf16[4, 4]
  %5 = cast %4 {dtype = f32} : f32[4, 4]
  %6 = relu %5 : f32[4, 4]
  %7 = cast %6 {dtype = bf16} : bf16[4, 4]
  %8 = matmul %7, %3 : bf16[4, 4]
  %9 = cast %8 {dtype = f32} : f32[4, 4]
  %10 = cast %7 {dtype = f32} : f32[4, 4]
  %11 = add %9, %10 : f32[4, 4]
  %12 = cast %11 {dtype = bf16} : bf16[4, 4]
  %13 = matmul %12, %3 : bf16[4, 4]
  %14 = cast %13 {dtype = f32} : f32[4, 4]
  return %14
})"));
}

/// Whether a cast to bf16 reads a value made by that op.
bool rounds(const ir::Graph& g, std::string_view op) {
  return std::any_of(g.nodes.begin(), g.nodes.end(), [&](const ir::GraphNode& n) {
    return n.op->name == std::string_view("cast") && n.outputs[0].dtype == bf16 &&
           g.node(n.inputs[0]).op->name == op;
  });
}

TEST(Precision, ParametersUpdatesLossesAndReductionsKeepAllDigits) {
  // The gradient of a loss to a parameter, its step with momentum, and the sum of a bias.
  const ir::Graph mixed = mixed_bf16(parsed(R"(graph(%0: f32[8, 4], %1: f32[4, 3], %2: f32[4, 3]) {
    %3 = matmul %0, %1 : f32[8, 3]
    %4 = softmax %3 {axis = 1} : f32[8, 3]
    %5 = square %4 : f32[8, 3]
    %6 = transpose %0 {axes = [1, 0]} : f32[4, 8]
    %7 = matmul %6, %5 : f32[4, 3]
    %8 = add %2, %7 : f32[4, 3]
    %9 = subtract %1, %8 : f32[4, 3]
    %10 = sum %5 {axes = [0], keep_dims = false} : f32[3]
    return %9, %8, %10
  })"),
                                     true);
  ir::verify(mixed);
  for (const char* op : {"softmax", "add", "subtract", "sum"})
    EXPECT_FALSE(rounds(mixed, op)) << op;
  EXPECT_TRUE(rounds(mixed, "square"));  // a product reads it
  for (const ir::ValueId v : mixed.outputs) EXPECT_EQ(mixed.type(v).dtype, f32);
}

TEST(Precision, FewNumbersRepeatedAndMasksGoWithActivations) {
  const ir::Graph mixed =
      mixed_bf16(parsed(R"(graph(%0: f32[8, 4], %1: f32[4, 4], %2: f32[4], %3: bool[8, 4]) {
    %4 = matmul %0, %1 : f32[8, 4]
    %5 = broadcast_to %2 {shape = [8, 4]} : f32[8, 4]
    %6 = add %4, %5 : f32[8, 4]
    %7 = cast %3 {dtype = f32} : f32[8, 4]
    %8 = multiply %6, %7 : f32[8, 4]
    %9 = matmul %8, %1 : f32[8, 4]
    %10 = add %9, %8 : f32[8, 4]
    %11 = matmul %10, %1 : f32[8, 4]
    return %11
  })"),
                 true);
  ir::verify(mixed);
  EXPECT_FALSE(rounds(mixed, "broadcast_to"));
  EXPECT_FALSE(rounds(mixed, "add") && rounds(mixed, "cast"));
  EXPECT_TRUE(rounds(mixed, "multiply"));
}

TEST(Precision, WithoutKernelsTheSameNumbersAreRounded) {
  const ir::Graph mixed = mixed_bf16(parsed(R"(graph(%0: f32[4, 3], %1: f32[3, 5]) {
    %2 = matmul %0, %1 : f32[4, 5]
    return %2
  })"),
                                     false);
  ir::verify(mixed);
  EXPECT_EQ(ir::to_text(mixed), whole(R"(graph(%0: f32[4, 3], %1: f32[3, 5]) {
  %2 = cast %0 {dtype = bf16} : bf16[4, 3]
  %3 = cast %2 {dtype = f32} : f32[4, 3]
  %4 = cast %1 {dtype = bf16} : bf16[3, 5]
  %5 = cast %4 {dtype = f32} : f32[3, 5]
  %6 = matmul %3, %5 : f32[4, 5]
  %7 = cast %6 {dtype = bf16} : bf16[4, 5]
  %8 = cast %7 {dtype = f32} : f32[4, 5]
  return %8
})"));
}

TEST(Precision, LeavesOtherTypesAlone) {
  const ir::Graph g = parsed(R"(graph(%0: f64[4, 3], %1: f64[3, 5]) {
    %2 = matmul %0, %1 : f64[4, 5]
    %3 = relu %2 : f64[4, 5]
    return %3
  })");
  EXPECT_TRUE(ir::same(mixed_bf16(g, true), g));
}

}  // namespace
}  // namespace varve
