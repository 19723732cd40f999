#include "ir/graph.h"

#include <gtest/gtest.h>

#include "ir/frame.h"
#include "ops/table.h"
#include "support/errors.h"
#include "varve/ops/pointwise.h"
#include "varve/ops/shape.h"

namespace varve {
namespace {

ir::Graph example() {
  return ir::trace_body(
      {{f32, {2, 3}}, {f32, {3}}},
      [](std::span<const Tensor> x) -> std::vector<Tensor> { return {exp(x[0]) + x[1] * 2}; });
}

TEST(Graph, PrintsItsTextForm) {
  EXPECT_EQ(ir::to_text(example()), R"(graph(%0: f32[2, 3], %1: f32[3]) {
  %2 = exp %0 : f32[2, 3]
  %3 = constant {value = f32[] (2.0)} : f32[]
  %4 = broadcast_to %3 {shape = [3]} : f32[3]
  %5 = multiply %1, %4 : f32[3]
  %6 = broadcast_to %5 {shape = [2, 3]} : f32[2, 3]
  %7 = add %2, %6 : f32[2, 3]
  return %7
})");
}

TEST(Graph, ItsTextFormReadsBackToTheSameGraph) {
  const ir::Graph g = example();
  const ir::Graph again = ir::parse_graph(ir::to_text(g), ops::find);
  EXPECT_TRUE(ir::same(g, again));
  ir::verify(again);
  EXPECT_EQ(ir::to_text(again), ir::to_text(g));
}

TEST(Graph, AFaultyTextIsRefusedWithItsLine) {
  const FormatError e = test::error_of<FormatError>([&] {
    ir::parse_graph("graph(%0: f32[2]) {\n  %1 = expp %0 : f32[2]\n  return %1\n}", ops::find);
  });
  EXPECT_STREQ(e.what(), "graph text: line 2: expected a known op, got \"expp\"");
}

TEST(Graph, TheVerifierNamesABrokenNode) {
  ir::Graph g = example();
  g.nodes[2].outputs[0].shape = Shape{3, 2};
  const InternalError e = test::error_of<InternalError>([&] { ir::verify(g); });
  EXPECT_NE(e.message().find("graph is broken at node 2"), std::string::npos) << e.message();
}

TEST(Evaluation, GivesTheElements) {
  const Tensor x = tensor({1.f, 2.f, 3.f, 4.f, 5.f, 6.f}, {2, 3});
  const Tensor y = transpose(x + tensor({10.f, 20.f, 30.f})) * 2;
  EXPECT_EQ(y.shape(), (Shape{3, 2}));
  EXPECT_EQ(y.to_doubles(), (std::vector<double>{22, 28, 44, 50, 66, 72}));
  EXPECT_EQ(reshape(y, {-1}).shape(), Shape{6});
}

TEST(Evaluation, ALoopOfAMillionStepsHoldsOneStep) {
  Tensor x = scalar(0, f64);
  for (int i = 0; i < 1000000; ++i) x = x + 1;
  EXPECT_EQ(x.item<double>(), 1e6);
}

TEST(Evaluation, KeepsValuesThatAUserHolds) {
  const Tensor x = tensor({1.f, 2.f});
  const Tensor middle = exp(x);
  const Tensor y = middle + 1;
  y.evaluate();
  EXPECT_TRUE(middle.cell()->computed());
  EXPECT_EQ(middle.cell()->node, nullptr);
  EXPECT_EQ(y.cell()->node, nullptr);
}

TEST(Errors, NameTheLineThatMadeThem) {
  const Tensor a = tensor({1.f, 2.f}), b = tensor({1.f, 2.f, 3.f});
  const ShapeError e = test::error_of<ShapeError>([&] { a + b; });
  EXPECT_EQ(e.message(), "add: shapes do not broadcast: [2] and [3] differ in axis -1 (2 and 3)");
  EXPECT_EQ(e.at().substr(0, 15), "graph_test.cpp:");
}

TEST(Variables, SnapshotsKeepTheirContents) {
  Variable v(tensor({1.f, 2.f}), {.name = "v"});
  const Tensor before = v.value();
  v.assign(before + 1);
  EXPECT_EQ(before.to_doubles(), (std::vector<double>{1, 2}));
  EXPECT_EQ(v.value().to_doubles(), (std::vector<double>{2, 3}));
  EXPECT_THROW(v.assign(tensor({1.f})), ShapeError);
}

TEST(Trace, ReadingAValueIsAnErrorThatSaysSo) {
  EXPECT_THROW(ir::trace_body({{f32, {}}},
                              [](std::span<const Tensor> x) -> std::vector<Tensor> {
                                if (x[0].item<float>() > 0) return {x[0]};
                                return {-x[0]};
                              }),
               ValueError);
}

TEST(Trace, VariablesAreReadOnceAndAssignedLast) {
  Variable v(tensor({1.f}), {.name = "v"});
  ir::Frame frame(ir::Frame::Kind::trace);
  const Tensor first = v.value();
  v.assign(first * 2);
  v.assign(v.value() * 3);
  ASSERT_EQ(frame.bindings().size(), 1u);
  EXPECT_TRUE(frame.bindings()[0].assigned);
  EXPECT_EQ(v.value().cell(), frame.bindings()[0].current.cell());
}

}  // namespace
}  // namespace varve
