// The text form reads back to the same graph, whatever stands in it; what is no text form is
// refused with its line.
#include <gtest/gtest.h>

#include <cmath>
#include <limits>

#include "ir/graph.h"
#include "ops/table.h"
#include "runtime/optimize.h"
#include "runtime/programs.h"

namespace varve {
namespace {

using namespace test;

/// The graph of what reads back, which must be that of the text.
void expect_round_trip(const ir::Graph& g) {
  ir::verify(g);
  const std::string text = ir::to_text(g, {.elide = 0});
  const ir::Graph again = ir::parse_graph(text, ops::find);
  ir::verify(again);
  EXPECT_TRUE(ir::same(again, g)) << text;
  EXPECT_EQ(ir::to_text(again, {.elide = 0}), text);
  // Comments with places change nothing.
  EXPECT_TRUE(ir::same(ir::parse_graph(ir::to_text(g, {.elide = 0, .sites = true}), ops::find), g));
}

TEST(TextForm, OfTypesThatTheShapeRulesDoNotGiveIsRefused) {
  auto refused = [](const char* text) -> std::string {
    try {
      ir::parse_graph(text, ops::find);
    } catch (const FormatError& e) {
      return e.message().substr(0, e.message().find('\n'));
    }
    return "no error";
  };
  EXPECT_EQ(refused("graph(%0: f32[2]) { %1 = exp %0 : f32[2] return %1 }"), "no error");
  EXPECT_EQ(refused("graph(%0: f32[2]) { %1 = exp %0 : f32[200] return %1 }"),
            "graph text: graph is broken at node 1: its types are not those of its shape rule");
  EXPECT_EQ(refused("graph(%0: f32[2]) { %1 = group %0 {body = graph(%0: f32[2]) { "
                    "%1 = exp %0 : f32[9] return %1 }} : f32[9] return %1 }"),
            "graph text: graph is broken at node 1: its types are not those of its shape rule");
  EXPECT_EQ(refused("graph(%0: f32[2]) { %1 = add %0 : f32[2] return %1 }"),
            "graph text: graph is broken at node 1: wrong number of inputs");
  EXPECT_EQ(refused("graph(%0: f32[-1]) { return %0 }"),
            "graph text: line 1: expected sizes of 0 or more, got \"[-1]\"");
  EXPECT_EQ(refused("graph(%0: f32[4611686018427387904, 4]) { return %0 }"),
            "graph text: line 1: expected sizes of 0 or more, got \"[4611686018427387904, 4]\"");
}

ir::Graph traced(const Program& p) {
  ir::Types types;
  for (const Tensor& x : p.inputs()) types.push_back(ir::type_of(x));
  return ir::trace_body(types, [&](std::span<const Tensor> x) { return p(x).list(); });
}

TEST(TextForm, OfRandomProgramsReadsBack) {
  for (uint64_t seed = 0; seed < 150; ++seed) {
    SCOPED_TRACE("seed " + std::to_string(seed));
    for (Arithmetic a : {Arithmetic::exact, Arithmetic::smooth}) {
      expect_round_trip(traced(Program(seed, a)));
      if (HasFailure()) return;
    }
  }
}

TEST(TextForm, OfCompiledProgramsReadsBackWithTheGraphsInside) {
  int groups = 0;
  for (uint64_t seed = 0; seed < 60; ++seed) {
    SCOPED_TRACE("seed " + std::to_string(seed));
    const Program p(seed, seed % 2 ? Arithmetic::exact : Arithmetic::smooth);
    const ir::Graph g = runtime::optimize(traced(p), {.results = 4, .assigned = {}, .guards = {}},
                                          backend::KernelSet::all, 1);
    for (const ir::GraphNode& n : g.nodes) groups += n.op == ops::find("group");
    expect_round_trip(g);
    if (HasFailure()) return;
  }
  EXPECT_GT(groups, 20);
}

ir::Literal literal_of(const Tensor& x) { return {x.dtype(), x.shape(), ir::contiguous_array(x)}; }

/// A graph of one constant with these attributes beside its value.
ir::Graph with(ir::Attributes attributes) {
  ir::Graph g;
  attributes.set("value", literal_of(scalar(1, f32)));
  const ir::ValueId v = g.add({&ir::constant_op(), {}, attributes, {{f32, {}}}, {}});
  g.outputs = {v};
  return g;
}

TEST(TextForm, KeepsEveryKindOfAttributeToTheLastBit) {
  const double inf = std::numeric_limits<double>::infinity();
  expect_round_trip(with({{"yes", true},
                          {"no", false},
                          {"least", std::numeric_limits<int64_t>::min()},
                          {"most", std::numeric_limits<int64_t>::max()},
                          {"third", 1.0 / 3},
                          {"whole", 5.0},
                          {"tiny", 5e-324},
                          {"huge", 1e22},
                          {"negative_zero", -0.0},
                          {"inf", inf},
                          {"minus_inf", -inf},
                          {"nan", std::nan("")},
                          {"type", DType::bool_},
                          {"f", f32},
                          {"none", ir::Ints{}},
                          {"ints", ir::Ints{-1, 0, 7}},
                          {"no_reals", ir::Doubles{}},
                          {"reals", ir::Doubles{-0.0, 0.1, inf, std::nan("")}},
                          {"empty", std::string()},
                          {"text", std::string("a \"quoted\\\" text\n// of {two} lines %1")}}));
}

TEST(TextForm, KeepsConstantsOfEveryTypeToTheLastBit) {
  for (int d = 0; d < kDTypeCount; ++d) {
    const auto dtype = static_cast<DType>(d);
    SCOPED_TRACE(name_of(dtype));
    const Tensor all = tensor({0.0, 1.0, 0.1, -3.0, 250.0, 1e-7, 65504.0}, {7});
    expect_round_trip(with({{"elements", literal_of(cast(all, dtype))}}));
    expect_round_trip(with({{"nothing", literal_of(zeros({2, 0}, dtype))}}));
  }
  const auto most = std::numeric_limits<uint64_t>::max();
  expect_round_trip(with({{"u", literal_of(tensor({most, uint64_t{0}}))}}));
  const auto least = std::numeric_limits<int64_t>::min();
  expect_round_trip(with({{"i", literal_of(tensor({least, int64_t{-1}}))}}));
  const float inf = std::numeric_limits<float>::infinity();
  expect_round_trip(with({{"f", literal_of(tensor({inf, -inf, -0.f, 1e-45f, 3.4028235e38f}))}}));
}

TEST(TextForm, OfStridedConstantsIsThatOfTheirElements) {
  const Tensor x = transpose(reshape(arange(6), {2, 3}));
  x.evaluate();
  ir::Graph g;
  const ir::Literal strided{x.dtype(), x.shape(), x.cell()->array};
  g.outputs = {g.add({&ir::constant_op(), {}, {{"value", strided}}, {ir::type_of(x)}, {}})};
  EXPECT_EQ(ir::to_text(g),
            "graph() {\n  %0 = constant {value = i64[3, 2] (0, 3, 1, 4, 2, 5)} : "
            "i64[3, 2]\n  return %0\n}");
}

/// A graph inside a graph, so many deep.
ir::Graph nested(int depth) {
  ir::Graph g = with({});
  for (int i = 1; i < depth; ++i)
    g = with({{"body", ir::GraphRef(std::make_shared<const ir::Graph>(std::move(g)))}});
  return g;
}

TEST(TextForm, HoldsGraphsInGraphsToADepthOfSixtyFour) {
  expect_round_trip(nested(3));
  expect_round_trip(nested(64));
  const std::string text = ir::to_text(nested(65));
  EXPECT_THROW(ir::parse_graph(text, ops::find), FormatError);
  // No matter how deep, it is refused and not followed.
  std::string deep;
  for (int i = 0; i < 100000; ++i) deep += "graph() { %0 = constant {a = ";
  EXPECT_THROW(ir::parse_graph(deep, ops::find), FormatError);
}

TEST(TextForm, ThatIsNoneIsRefusedWithItsLine) {
  const std::vector<std::pair<const char*, const char*>> faults{
      {"", "line 1: expected \"graph(\", got \"\""},
      {"graph(", "line 1: expected \"%\", got \"\""},
      {"graph(%0 f32[]) {", "line 1: expected \":\", got \"f32[]) {\""},
      {"graph(%0: f31[]) {", "line 1: expected an element type"},
      {"graph(%0: f32[2, x]) {", "line 1: expected a number, got \"x]) {\""},
      {"graph(%0: f32[2]) {\n  return %1\n}",
       "line 2: expected a value defined before, got \"%1\""},
      {"graph(%0: f32[2]) {\n  return %0.1\n}", "line 2: expected an output of that node"},
      {"graph(%0: f32[2], %0: f32[2]) {", "line 1: expected a new name, got \"%0\""},
      {"graph(%0: f32[2]) {\n\n  %1 = exp %0 : f32[2]\n  %1 = exp %0 : f32[2]\n  return %1\n}",
       "line 4: expected a new name, got \"%1\""},
      {"graph(%0: f32[2]) {\n  %1 = exp %2 : f32[2]\n  return %1\n}",
       "line 2: expected a value defined before, got \"%2\""},
      {"graph(%0: f32[2]) {\n  %1 = exp %0\n  return %1\n}", "line 3: expected \":\""},
      {"graph() {\n  %1 = constant {value = f32[2] (1.0)} : f32[2]\n  return %1\n}",
       "line 2: expected \",\""},
      {"graph() {\n  %1 = constant {value = f32[900000000000] (1.0)} : f32[2]\n  return %1\n}",
       "line 2: expected fewer elements than characters left"},
      {"graph() {\n  %1 = constant {a = 99999999999999999999} : f32[]\n  return %1\n}",
       "line 2: expected a number"},
      {"graph() {\n  %1 = constant {a = \"open} : f32[]\n  return %1\n}",
       "line 4: expected \"\"\", got \"\""},
      {"graph() {\n  %1 = constant {a = <backward>} : f32[]\n  return %1\n}",
       "line 2: expected a word"},
      {"graph() {\n  return\n}\nmore", "line 4: expected end of text, got \"more\""},
  };
  for (const auto& [text, expected] : faults) {
    try {
      ir::parse_graph(text, ops::find);
      ADD_FAILURE() << "accepted:\n" << text;
    } catch (const FormatError& e) {
      EXPECT_EQ(e.message().rfind("graph text: " + std::string(expected), 0), 0u) << text << "\n"
                                                                                  << e.message();
    }
  }
}

TEST(TextForm, CutOrChangedAnywhereIsReadOrRefusedButNeverMore) {
  const std::string text = ir::to_text(traced(Program(3, Arithmetic::exact)), {.elide = 0});
  for (size_t i = 0; i < text.size(); i += 7) {
    for (const std::string& damaged : {text.substr(0, i), text.substr(0, i) + "}" + text.substr(i),
                                       text.substr(0, i) + text.substr(i + 1)}) {
      try {
        ir::parse_graph(damaged, ops::find);
      } catch (const FormatError&) {
      } catch (const ShapeError&) {  // a size beyond 2^63
      }
    }
  }
}

}  // namespace
}  // namespace varve
