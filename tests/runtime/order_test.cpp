#include "runtime/order.h"

#include <gtest/gtest.h>

#include <functional>
#include <map>

#include "runtime/optimize.h"
#include "varve/varve.h"

namespace varve {
namespace {

using runtime::frugal_order;

using Function = std::function<std::vector<Tensor>(std::span<const Tensor>)>;
ir::Graph traced(const std::vector<Shape>& shapes, const Function& f) {
  ir::Types types;
  for (const Shape& s : shapes) types.push_back({f32, s});
  return ir::trace_body(types, f);
}

std::vector<bool> none(const ir::Graph& g) { return std::vector<bool>(g.nodes.size(), false); }

std::vector<std::string> names(const ir::Graph& g, const std::vector<int32_t>& order) {
  std::vector<std::string> found;
  for (int32_t n : order) found.emplace_back(g.nodes[static_cast<size_t>(n)].op->name);
  return found;
}

/// Each node once, after what it reads.
void expect_order(const ir::Graph& g, const std::vector<int32_t>& order) {
  std::map<int32_t, size_t> place;
  for (size_t i = 0; i < order.size(); ++i) EXPECT_TRUE(place.emplace(order[i], i).second);
  size_t steps = 0;
  for (int32_t n = 0; n < static_cast<int32_t>(g.nodes.size()); ++n) {
    const ir::GraphNode& node = g.nodes[static_cast<size_t>(n)];
    if (node.op->traits.structural) continue;
    ++steps;
    ASSERT_TRUE(place.contains(n));
    for (ir::ValueId v : node.inputs) {
      EXPECT_TRUE(!place.contains(v.node) || place[v.node] < place[n]);
    }
  }
  EXPECT_EQ(order.size(), steps);
}

/// The most bytes that are alive at once, views being free.
int64_t peak(const ir::Graph& g, const std::vector<int32_t>& order) {
  const auto owner = [&](ir::ValueId v) {
    while (g.node(v).op->view) v = g.node(v).inputs[0];
    return std::pair(v.node, v.output);
  };
  std::map<std::pair<int32_t, int32_t>, size_t> last;
  for (size_t i = 0; i < order.size(); ++i) {
    for (ir::ValueId v : g.nodes[static_cast<size_t>(order[i])].inputs) last[owner(v)] = i;
  }
  for (ir::ValueId v : g.outputs) last[owner(v)] = order.size();
  int64_t alive = 0, most = 0;
  for (size_t i = 0; i < order.size(); ++i) {
    const ir::GraphNode& node = g.nodes[static_cast<size_t>(order[i])];
    if (!node.op->view) {
      for (const ir::TensorType& t : node.outputs) alive += t.shape.size() * size_of(t.dtype);
    }
    most = std::max(most, alive);
    for (const auto& [value, at] : last) {
      const ir::TensorType& t = g.type({value.first, value.second});
      if (at == i && !g.nodes[static_cast<size_t>(value.first)].op->traits.structural)
        alive -= t.shape.size() * size_of(t.dtype);
    }
  }
  return most;
}

/// Whatever runs `max` before `sin` holds less at once.
ir::Graph two_readers() {
  return traced({{100}}, [](std::span<const Tensor> x) {
    const Tensor a = exp(x[0]);
    return std::vector<Tensor>{sum(cos(sin(a))), max(a)};
  });
}

TEST(FrugalOrder, RunsWhatFreesMemoryAsSoonAsItCan) {
  const ir::Graph g = two_readers();
  const std::vector<int32_t> order = frugal_order(g, none(g));
  expect_order(g, order);
  EXPECT_EQ(names(g, order), (std::vector<std::string>{"exp", "max", "sin", "cos", "sum"}));
}

TEST(FrugalOrder, LeavesWhatWouldOnlyMakeMemoryFullerWhereItIs) {
  const ir::Graph g = traced({{100}}, [](std::span<const Tensor> x) {
    const Tensor a = sin(x[0]);
    return std::vector<Tensor>{sum(tan(cos(a))), exp(a)};  // exp(a) is as large as a
  });
  const std::vector<int32_t> order = frugal_order(g, none(g));
  expect_order(g, order);
  EXPECT_EQ(names(g, order), (std::vector<std::string>{"sin", "cos", "tan", "sum", "exp"}));
}

TEST(FrugalOrder, CountsAViewAsWhatItShows) {
  const ir::Graph g = traced({{10, 10}}, [](std::span<const Tensor> x) {
    const Tensor a = exp(x[0]);
    return std::vector<Tensor>{sum(sin(a)), max(reshape(a, {100}))};
  });
  const std::vector<int32_t> order = frugal_order(g, none(g));
  expect_order(g, order);
  EXPECT_EQ(names(g, order), (std::vector<std::string>{"exp", "reshape", "max", "sin", "sum"}));
}

TEST(FrugalOrder, LateNodesComeLast) {
  const ir::Graph g = two_readers();
  std::vector<bool> late = none(g);
  for (size_t n = 0; n < g.nodes.size(); ++n)
    late[n] = g.nodes[n].op->name == std::string_view("max");
  const std::vector<int32_t> order = frugal_order(g, late);
  expect_order(g, order);
  EXPECT_EQ(names(g, order).back(), "max");
}

TEST(FrugalOrder, ATrainingStepHoldsFewerActivations) {
  const Shape kernel{3, 3, 8, 8};
  const ir::Graph g = traced({{4, 16, 16, 8}, kernel, kernel, kernel, kernel}, [](auto x) {
    const auto layer = [](const Tensor& a, const Tensor& k) {
      return relu(conv2d(a, k, {.padding = "same"}));
    };
    const auto loss = [&](const Tensor& a, const Tensor& b, const Tensor& c, const Tensor& d) {
      return mean(square(layer(layer(layer(layer(x[0], a), b), c), d)));
    };
    const auto [value, gradients] = value_and_grad(loss)(x[1], x[2], x[3], x[4]);
    return std::vector<Tensor>(gradients.begin(), gradients.end());
  });
  runtime::PlanRoles roles;
  roles.results = 4;
  const ir::Graph ready = runtime::optimize(g, roles, backend::KernelSet::all, 2);
  std::vector<int32_t> as_traced;
  for (int32_t n = 0; n < static_cast<int32_t>(ready.nodes.size()); ++n) {
    if (!ready.nodes[static_cast<size_t>(n)].op->traits.structural) as_traced.push_back(n);
  }
  const std::vector<int32_t> order = frugal_order(ready, none(ready));
  expect_order(ready, order);
  EXPECT_LT(peak(ready, order), peak(ready, as_traced));
  // Each kernel's gradient as soon as that of its outputs is there, and only then the next one.
  std::string turns;
  for (const std::string& name : names(ready, order)) {
    if (name == "convolution_filter_gradient") turns += 'k';
    if (name == "convolution_input_gradient") turns += 'x';
  }
  EXPECT_EQ(turns, "kxkxkxk");
}

}  // namespace
}  // namespace varve
