// The verifier catches each kind of damage and names the node.
#include <gtest/gtest.h>

#include <functional>

#include "ir/graph.h"
#include "ops/table.h"
#include "support/errors.h"

namespace varve {
namespace {

constexpr const char* kText = R"(graph(%0: f32[2, 3], %1: f32[3, 4]) {
  %2 = matmul %0, %1 {transpose_a = false, transpose_b = false} : f32[2, 4]
  %3 = constant {value = f32[] (2.0)} : f32[]
  %4 = broadcast_to %3 {shape = [2, 4]} : f32[2, 4]
  %5 = multiply %2, %4 : f32[2, 4]
  %6 = group %5 {body = graph(%0: f32[2, 4]) {
    %1 = exp %0 : f32[2, 4]
    return %1
  }} : f32[2, 4]
  return %6, %2
})";

struct Damage {
  const char* what;
  const char* told;
  std::function<void(ir::Graph&)> to;
};

/// The body of node 6, changed.
void damage_body(ir::Graph& g, const std::function<void(ir::Graph&)>& to) {
  ir::Graph body = *g.nodes[6].attributes.get<ir::GraphRef>("body");
  to(body);
  g.nodes[6].attributes.set("body", ir::GraphRef(std::make_shared<const ir::Graph>(body)));
}

const std::vector<Damage> kDamages{
    {"no op", "node 5: it has no op", [](ir::Graph& g) { g.nodes[5].op = nullptr; }},
    {"an input after its reader", "node 2: an input does not come before it",
     [](ir::Graph& g) { g.nodes[2].inputs[0].node = 5; }},
    {"a node that reads itself", "node 5: an input does not come before it",
     [](ir::Graph& g) { g.nodes[5].inputs[0].node = 5; }},
    {"a node that does not exist", "node 5: an input does not come before it",
     [](ir::Graph& g) { g.nodes[5].inputs[0].node = 99; }},
    {"a negative node", "node 5: an input does not come before it",
     [](ir::Graph& g) { g.nodes[5].inputs[0].node = -1; }},
    {"an output that a node does not have", "node 5: an input does not come before it",
     [](ir::Graph& g) { g.nodes[5].inputs[0].output = 1; }},
    {"a negative output", "node 5: an input does not come before it",
     [](ir::Graph& g) { g.nodes[5].inputs[0].output = -1; }},
    {"too few inputs", "node 5: wrong number of inputs",
     [](ir::Graph& g) { g.nodes[5].inputs.pop_back(); }},
    {"too many inputs", "node 4: wrong number of inputs",
     [](ir::Graph& g) {
       g.nodes[4].inputs.push_back({0, 0});
     }},
    {"another shape", "node 5: its types are not those of its shape rule",
     [](ir::Graph& g) {
       g.nodes[5].outputs[0].shape = Shape{4, 2};
     }},
    {"another element type", "node 5: its types are not those of its shape rule",
     [](ir::Graph& g) { g.nodes[5].outputs[0].dtype = f64; }},
    {"one output more", "node 5: its types are not those of its shape rule",
     [](ir::Graph& g) {
       g.nodes[5].outputs.push_back({f32, {}});
     }},
    {"no output", "node 6: its types are not those of its shape rule",
     [](ir::Graph& g) {
       g.nodes[6].outputs.clear(), g.outputs = {{2, 0}};
     }},
    {"inputs that do not fit", "node 2: ",
     [](ir::Graph& g) {
       g.nodes[2].inputs[1] = {0, 0};
     }},
    {"a missing attribute", "node 4: attribute \"shape\" is missing or of another type",
     [](ir::Graph& g) { g.nodes[4].attributes = {}; }},
    {"an attribute of another type", "node 4: attribute \"shape\" is missing or of another type",
     [](ir::Graph& g) { g.nodes[4].attributes.set("shape", true); }},
    {"a constant of another type", "node 3: its types are not those of its shape rule",
     [](ir::Graph& g) {
       auto v = g.nodes[3].attributes.get<ir::Literal>("value");
       v.dtype = f64;
       g.nodes[3].attributes.set("value", v);
     }},
    {"a constant without elements", "node 3: its elements \"value\" are missing",
     [](ir::Graph& g) {
       g.nodes[3].attributes.set("value", ir::Literal{f32, {}, {}});
     }},
    {"an input that is not listed", "node 1: it is not listed once among the graph's inputs",
     [](ir::Graph& g) { g.inputs.pop_back(); }},
    {"an input that is listed twice", "node 0: it is not listed once among the graph's inputs",
     [](ir::Graph& g) { g.inputs[1] = 0; }},
    {"an input of two types", "node 0: an input has one type and no inputs",
     [](ir::Graph& g) {
       g.nodes[0].outputs.push_back({f32, {}});
     }},
    {"a listed input that is none", "graph input 5 is not an input node",
     [](ir::Graph& g) { g.inputs.push_back(5); }},
    {"a listed input that does not exist", "graph input 70 is not an input node",
     [](ir::Graph& g) { g.inputs.push_back(70); }},
    {"a graph output that does not exist", "a graph output names a value that is not there",
     [](ir::Graph& g) {
       g.outputs.push_back({7, 0});
     }},
    {"a graph output of a wrong number", "a graph output names a value that is not there",
     [](ir::Graph& g) { g.outputs[0].output = 2; }},
    {"a missing graph inside", "node 6: its graph \"body\" is missing",
     [](ir::Graph& g) { g.nodes[6].attributes.set("body", ir::GraphRef()); }},
    {"damage inside a graph inside", "node 1: its types are not those of its shape rule",
     [](ir::Graph& g) { damage_body(g, [](ir::Graph& b) { b.nodes[1].outputs[0].dtype = f64; }); }},
    {"a body of other inputs", "node 6: ",
     [](ir::Graph& g) { damage_body(g, [](ir::Graph& b) {
                          b.add_input({f32, {}});
                        }); }},
};

TEST(Verifier, AcceptsAGraphThatIsWhole) { ir::verify(ir::parse_graph(kText, ops::find)); }

TEST(Verifier, CatchesEveryKindOfDamage) {
  for (const Damage& d : kDamages) {
    SCOPED_TRACE(d.what);
    ir::Graph g = ir::parse_graph(kText, ops::find);
    d.to(g);
    try {
      ir::verify(g);
      ADD_FAILURE() << "it was not noticed";
    } catch (const InternalError& e) {
      EXPECT_NE(e.message().find(d.told), std::string::npos) << e.message();
    }
  }
}

TEST(Verifier, ShowsTheNodesAroundTheFault) {
  ir::Graph g = ir::parse_graph(kText, ops::find);
  g.nodes[4].outputs[0].shape = Shape{4, 2};
  const InternalError e = test::error_of<InternalError>([&] { ir::verify(g); });
  EXPECT_NE(e.message().find("\n  > %4 = broadcast_to %3 {shape = [2, 4]} : f32[4, 2]"),
            std::string::npos)
      << e.message();
  EXPECT_NE(e.message().find("\n    %5 = multiply %2, %4 : f32[2, 4]"), std::string::npos);
}

}  // namespace
}  // namespace varve
