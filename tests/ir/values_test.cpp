// What values hold on to: snapshots of variables, history and its release, composites, residuals,
// graphs inside attributes.
#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>

#include "ir/frame.h"
#include "ir/graph.h"
#include "ops/table.h"
#include "runtime/lower.h"
#include "support/errors.h"
#include "varve/varve.h"

namespace varve {
namespace {

using Doubles = std::vector<double>;

TEST(Snapshots, WhatIsPendingWhenAVariableIsAssignedKeepsTheOldValue) {
  Variable v(tensor({1.f, 2.f}), {.name = "v"});
  const Tensor doubled = v * 2, view = reshape(v, {2, 1});
  v.assign(v + 10);
  const Tensor later = v * 2;
  v.assign(zeros({2}));
  EXPECT_EQ(doubled.to_doubles(), (Doubles{2, 4}));
  EXPECT_EQ(view.to_doubles(), (Doubles{1, 2}));
  EXPECT_EQ(later.to_doubles(), (Doubles{22, 24}));
}

TEST(Snapshots, CompiledStepsThatWriteInPlaceLeaveThemAlone) {
  Variable v(tensor({1.f, 2.f}), {.name = "v"});
  const auto step = jit([&] { v.assign(v + 1); });
  const Tensor first = v.value(), pending = v * 2, view = reshape(v, {2, 1});
  for (int i = 0; i < 5; ++i) step();
  const Tensor middle = v.value();
  for (int i = 0; i < 5; ++i) step();
  EXPECT_EQ(first.to_doubles(), (Doubles{1, 2}));
  EXPECT_EQ(pending.to_doubles(), (Doubles{2, 4}));
  EXPECT_EQ(view.to_doubles(), (Doubles{1, 2}));
  EXPECT_EQ(middle.to_doubles(), (Doubles{6, 7}));
  EXPECT_EQ(v.value().to_doubles(), (Doubles{11, 12}));
}

TEST(Snapshots, SpansStayValidWhileTheirTensorLives) {
  Variable v(tensor({1.f, 2.f}), {.name = "v"});
  const Tensor held = v.value();
  const std::span<const float> elements = held.span<float>();
  const auto step = jit([&] { v.assign(v + 1); });
  step();
  step();
  EXPECT_EQ(elements[0], 1);
  EXPECT_EQ(elements[1], 2);
}

TEST(Snapshots, InsideATraceTheFirstReadIsTheOldValueAndLaterOnesWhatWasAssigned) {
  Variable v(scalar(1, f32), {.name = "v"});
  const auto step = jit([&] {
    const Tensor before = v.value();
    v.assign(before + 1);
    const Tensor between = v.value();
    v.assign(between * 10);
    return Tensors{before, between, v.value()};
  });
  const Tensors a = step(), b = step();
  EXPECT_EQ(a[0].to_double(), 1);
  EXPECT_EQ(a[1].to_double(), 2);
  EXPECT_EQ(a[2].to_double(), 20);
  EXPECT_EQ(b[0].to_double(), 20);
  EXPECT_EQ(b[2].to_double(), 210);
  EXPECT_EQ(v.version(), 2u);
}

TEST(Text, OfIntegersIsExact) {
  EXPECT_EQ(tensor<uint64_t>({UINT64_MAX, 0}).to_string(), "u64[2]\n[18446744073709551615, 0]");
  EXPECT_EQ(tensor<int64_t>({INT64_MIN, (int64_t{1} << 53) + 1}).to_string(),
            "i64[2]\n[-9223372036854775808, 9007199254740993]");
  EXPECT_EQ(tensor({true, false}).to_string(), "bool[2]\n[true, false]");
}

TEST(History, OfAnEvaluatedValueIsReleased) {
  std::weak_ptr<detail::Cell> middle;
  Tensor y;
  {
    const Tensor m = exp(ones({3}));
    middle = m.cell();
    y = m + 1;
  }
  EXPECT_FALSE(middle.expired());
  y.evaluate();
  EXPECT_TRUE(middle.expired());
}

TEST(History, OfAGradientIsReleasedWhenItReturns) {
  std::weak_ptr<detail::Cell> middle;
  Tensor leaked;
  const auto f = [&](const Tensor& x) {
    const Tensor m = exp(x);
    m.evaluate();
    EXPECT_NE(m.cell()->node, nullptr);  // it can still be differentiated
    middle = m.cell();
    leaked = m * 2;
    leaked.evaluate();
    return sum(m * 3);
  };
  const Tensor g = grad(f)(ones({2}));
  EXPECT_EQ(leaked.cell()->node, nullptr);
  g.evaluate();
  EXPECT_TRUE(middle.expired());
  EXPECT_NEAR(g.to_doubles()[0], 3 * std::exp(1.0), 1e-5);
}

TEST(History, ThatIsGoneIsToldByTheNameOfTheVariable) {
  Variable w(scalar(3, f32), {.name = "w"});
  const Tensor loss = square(w);  // made outside: to the gradient it is a number
  loss.evaluate();
  take_warnings();
  const auto r = value_and_grad([&] { return loss; }, Variables{w})();
  EXPECT_EQ(r.value.to_double(), 9);
  EXPECT_EQ(r.grads[w].to_double(), 0);
  EXPECT_EQ(take_warnings(),
            (std::vector<std::string>{
                "grad: the loss does not depend on variable \"w\"; its gradient is zero"}));
}

TEST(History, OfATraceCannotBeReadAfterwards) {
  Tensor leaked;
  const auto f = jit([&](const Tensor& x) { return leaked = x * 2; });
  EXPECT_EQ(f(scalar(2, f32)).to_double(), 4);
  const ValueError e = test::error_of<ValueError>([&] { (leaked + 1).to_double(); });
  EXPECT_NE(e.message().find("a value inside a trace was read"), std::string::npos);
}

/// How often an op stands in a graph.
int count(const ir::Graph& g, const char* op) {
  return static_cast<int>(std::count_if(g.nodes.begin(), g.nodes.end(),
                                        [&](const auto& n) { return n.op == ops::find(op); }));
}
/// Nodes that are no input or constant.
size_t computing(const ir::Graph& g) {
  return static_cast<size_t>(std::count_if(g.nodes.begin(), g.nodes.end(),
                                           [](const auto& n) { return !n.op->traits.structural; }));
}

ir::Graph traced(const ir::Types& types, const std::function<Tensors(const Tensors&)>& f) {
  return ir::trace_body(types, [&](std::span<const Tensor> x) {
    return f(Tensors(std::vector<Tensor>(x.begin(), x.end()))).list();
  });
}

struct Composite {
  const char* op;
  ir::Types inputs;
  std::function<Tensors(const Tensors&)> call;
};
const std::vector<Composite> kComposites{
    {"softmax", {{f32, {4, 5}}}, [](const Tensors& x) -> Tensors { return softmax(x[0]); }},
    {"log_softmax", {{f32, {4, 5}}}, [](const Tensors& x) -> Tensors { return log_softmax(x[0]); }},
    {"normalize", {{f32, {4, 5}}}, [](const Tensors& x) -> Tensors { return layer_norm(x[0]); }},
    {"cross_entropy",
     {{f32, {4, 5}}, {i64, {4}}},
     [](const Tensors& x) -> Tensors { return cross_entropy(x[0], x[1]); }},
    {"max_pool",
     {{f32, {1, 4, 4, 2}}},
     [](const Tensors& x) -> Tensors { return max_pool2d(x[0]); }},
};

TEST(Composites, StayOneNodeUntilTheyAreLowered) {
  int decomposed = 0;
  for (const Composite& c : kComposites) {
    SCOPED_TRACE(c.op);
    const ir::Graph g = traced(c.inputs, c.call);
    EXPECT_EQ(count(g, c.op), 1) << ir::to_text(g);
    EXPECT_LE(computing(g), 3u) << ir::to_text(g);
    const ir::OpDef& op = ops::get(c.op);
    if (!op.decompose) continue;
    ++decomposed;
    // The decomposition has the node's outputs, residuals among them.
    const auto node =
        std::find_if(g.nodes.begin(), g.nodes.end(), [&](const auto& n) { return n.op == &op; });
    ir::Types types;
    for (ir::ValueId v : node->inputs) types.push_back(g.type(v));
    const ir::Graph parts = ir::trace_body(
        types, [&](std::span<const Tensor> x) { return op.decompose(x, node->attributes); });
    ir::verify(parts);
    ASSERT_EQ(parts.outputs.size(), node->outputs.size());
    for (size_t i = 0; i < node->outputs.size(); ++i)
      EXPECT_EQ(parts.type(parts.outputs[i]), node->outputs[i]) << "output " << i;
    EXPECT_EQ(count(parts, c.op), 0);
    EXPECT_GT(computing(parts), 1u);
  }
  EXPECT_GE(decomposed, 4);
}

TEST(Composites, ResidualsAreTheLastOutputsAndOnlyTheGradientReadsThem) {
  int with_residuals = 0;
  for (const Composite& c : kComposites) {
    SCOPED_TRACE(c.op);
    const auto residuals = static_cast<size_t>(ops::get(c.op).traits.residuals);
    if (residuals == 0) continue;
    ++with_residuals;
    const auto reads = [&](const ir::Graph& g) {
      size_t n = 0;
      for (const ir::GraphNode& reader : g.nodes) {
        for (ir::ValueId v : reader.inputs) {
          const ir::GraphNode& made = g.node(v);
          n += made.op == ops::find(c.op) &&
               static_cast<size_t>(v.output) + residuals >= made.outputs.size();
        }
      }
      return n;
    };
    EXPECT_EQ(reads(traced(c.inputs, c.call)), 0u);
    const ir::Graph backward = traced(c.inputs, [&](const Tensors& x) -> Tensors {
      return grad([&](const Tensor& at) {
        std::vector<Tensor> all = x.list();
        all[0] = at;
        return sum(square(c.call(Tensors(all))[0]));
      })(x[0]);
    });
    EXPECT_GT(reads(backward), 0u) << ir::to_text(backward);
    EXPECT_EQ(count(backward, c.op), 1) << "computed once, for both";
  }
  EXPECT_GE(with_residuals, 2);
}

/// x^2 with a derivative of its own, 7 x: a node with a graph inside.
Tensor odd_square(const Tensor& x) {
  return custom_derivative([](const Tensors& v) -> Tensors { return v[0] * v[0]; },
                           [](const Tensors& v, const Tensors&, const Tensors& ct) -> Tensors {
                             return v[0] * 7 * ct[0];
                           })(x)[0];
}

TEST(GraphsInside, AreNodesThatRunDifferentiateAndCompile) {
  const ir::Graph g =
      traced({{f32, {3}}}, [](const Tensors& x) -> Tensors { return odd_square(x[0]); });
  ASSERT_EQ(computing(g), 1u);
  const ir::GraphNode& node = g.nodes.back();
  const ir::Graph& body = *node.attributes.get<ir::GraphRef>("body");
  ir::verify(body);
  EXPECT_EQ(count(body, "multiply"), 1);
  const Tensor x = tensor({1.f, 2.f, 3.f});
  EXPECT_EQ(odd_square(x).to_doubles(), (Doubles{1, 4, 9}));
  const auto slope = grad([](const Tensor& t) { return sum(odd_square(t)); });
  EXPECT_EQ(slope(x).to_doubles(), (Doubles{7, 14, 21}));
  EXPECT_EQ(jit(odd_square)(x).to_doubles(), (Doubles{1, 4, 9}));
  EXPECT_EQ(jit(slope)(x).to_doubles(), (Doubles{7, 14, 21}));
}

TEST(GraphsInside, ArePartOfWhatANodeIs) {
  const auto body = [](double factor) {
    return ir::GraphRef(std::make_shared<const ir::Graph>(
        traced({{f32, {3}}}, [&](const Tensors& x) -> Tensors { return x[0] * factor; })));
  };
  const ir::Attributes a{{"body", body(2)}}, again{{"body", body(2)}}, other{{"body", body(3)}};
  EXPECT_TRUE(ir::same(a, again));
  EXPECT_EQ(ir::hash(a), ir::hash(again));
  EXPECT_FALSE(ir::same(a, other));
}

TEST(GraphsInside, PassesAreMappedOverThem) {
  const ir::Graph g = traced(
      {{f32, {3}}}, [](const Tensors& x) -> Tensors { return odd_square(odd_square(x[0])); });
  int bodies = 0;
  for (const ir::GraphNode& n : g.nodes) {
    const ir::Attributes mapped = ir::map_bodies(n.attributes, [&](const ir::Graph& body) {
      ++bodies;
      ir::Graph changed = body;
      changed.add_input({f32, {}});
      return std::make_shared<const ir::Graph>(changed);
    });
    if (!n.attributes.has("body")) continue;
    EXPECT_EQ(mapped.get<ir::GraphRef>("body")->inputs.size(), 2u);
    EXPECT_EQ(n.attributes.get<ir::GraphRef>("body")->inputs.size(), 1u);
  }
  EXPECT_EQ(bodies, 2);
}

TEST(Attributes, AreSortedReplacedAndComparedByBits) {
  ir::Attributes a{{"z", int64_t{1}}, {"a", true}};
  a.set("m", 0.5);
  a.set("z", int64_t{2});
  std::vector<std::string> names;
  for (const auto& [name, value] : a) names.push_back(name);
  EXPECT_EQ(names, (std::vector<std::string>{"a", "m", "z"}));
  EXPECT_EQ(a.integer("z"), 2);
  EXPECT_EQ(a.get_or<double>("none", 7.0), 7);
  EXPECT_THROW(a.integer("none"), InternalError);
  EXPECT_THROW(a.integer("m"), InternalError);
  const double nan = std::nan("");
  const auto same = [](const ir::Attribute& x, const ir::Attribute& y) {
    const ir::Attributes l{{"v", x}}, r{{"v", y}};
    EXPECT_TRUE(!ir::same(l, r) || ir::hash(l) == ir::hash(r));
    return ir::same(l, r);
  };
  EXPECT_TRUE(same(nan, nan));
  EXPECT_FALSE(same(0.0, -0.0));
  EXPECT_TRUE(same(ir::Doubles{nan, 1}, ir::Doubles{nan, 1}));
  EXPECT_FALSE(same(ir::Doubles{0.0}, ir::Doubles{-0.0}));
  EXPECT_FALSE(same(ir::Doubles{}, ir::Ints{}));
  EXPECT_FALSE(same(ir::Ints{1}, ir::Ints{1, 1}));
  EXPECT_FALSE(same(int64_t{1}, true));
}

}  // namespace
}  // namespace varve
