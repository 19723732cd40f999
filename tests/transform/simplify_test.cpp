#include "transform/simplify.h"

#include <gtest/gtest.h>

#include "graphs.h"
#include "transform/dead_code.h"

namespace varve::transform {
namespace {

TEST(Simplify, IsToldInTextForm) {
  const ir::Graph g = traced(
      f, [](X x) { return bi("add", un("exp", bi("multiply", x[0], c(1))), un("exp", x[0])); });
  EXPECT_EQ(ir::to_text(simplify(g)), R"(graph(%0: f32[2, 3]) {
  %1 = exp %0 : f32[2, 3]
  %2 = add %1, %1 : f32[2, 3]
  return %2
})");
}

TEST(Simplify, KeepsGradientStopsWhereAsked) {
  const ir::Graph g = traced(f, [](X x) { return un("stop_gradient", x[0]); });
  EXPECT_EQ(simplify(g).nodes.size(), 1u);
  EXPECT_EQ(simplify(g, {.keep_gradient_stops = true}).nodes.size(), 2u);
}

TEST(Simplify, ReachesBodies) {
  auto body = std::make_shared<const ir::Graph>(
      traced(f, [](X x) { return bi("add", bi("multiply", x[0], c(1)), c(0)); }));
  const ir::Graph g = ir::trace_body(f, [&](X x) -> std::vector<Tensor> {
    return {make("custom_derivative", {x[0]},
                 {{"body", ir::GraphRef(body)}, {"backward", ir::Opaque{"backward", nullptr}}})};
  });
  const ir::Graph simple = simplify(g);
  const ir::Graph& inner = *simple.node(simple.outputs[0]).attributes.get<ir::GraphRef>("body");
  EXPECT_EQ(ir::to_text(inner), "graph(%0: f32[2, 3]) {\n  return %0\n}");
}

/// A graph of random nodes over f64[2, 3], its transposed, its rows and scalars.
class RandomGraph {
 public:
  explicit RandomGraph(uint64_t seed) : seed_(seed) {}

  std::vector<Tensor> operator()(X x) {
    pool_.assign(x.begin(), x.end());
    for (double v : {0., 1., -1., 2., 0.25, 3.}) pool_.push_back(full(v, f64, s));
    for (int n = 0; n < 25; ++n) pool_.push_back(step());
    return {pool_.back(), pool_[pool_.size() - 2], pool_[pool_.size() - 3]};
  }

 private:
  size_t draw(size_t n) { return philox::word(seed_, 0, next_++) % n; }
  const Tensor& pick() { return pool_[draw(pool_.size())]; }
  Tensor fitted(Tensor t) {
    while (t.shape() != s) {
      if (t.rank() == 2) {
        t = t.shape()[0] == 3 ? turned(t, {1, 0}) : wide(t, {2, 3});
      } else {
        t = wide(t, {2, 3});
      }
    }
    return t;
  }
  Tensor step() {
    static constexpr const char* kUnary[] = {"negative", "absolute",      "square", "relu",
                                             "identity", "stop_gradient", "cos",    "sign"};
    static constexpr const char* kBinary[] = {"add",     "subtract", "multiply",
                                              "maximum", "minimum",  "divide"};
    switch (draw(12)) {
      case 0:
      case 1:
        return un(kUnary[draw(std::size(kUnary))], pick());
      case 2:
        return make("select",
                    {bi("equal", fitted(pick()), fitted(pick())), fitted(pick()), fitted(pick())});
      case 3: {
        const Tensor t = fitted(pick());
        return over(draw(2) ? "sum" : "max", t, {static_cast<int64_t>(draw(2))}, true);
      }
      case 4:
        return turned(fitted(pick()), {1, 0});
      case 5:
        return shaped(shaped(fitted(pick()), {6}), {2, 3});
      case 6:
        return over("mean", fitted(pick()), {0});
      case 7:
        return bi("power", fitted(pick()), full(static_cast<double>(draw(3)), f64, s));
      case 8:
        return to(to(fitted(pick()), draw(2) ? f64 : f32), f64);
      default:
        return bi(kBinary[draw(std::size(kBinary))], fitted(pick()), fitted(pick()));
    }
  }

  uint64_t seed_;
  uint64_t next_ = 0;
  std::vector<Tensor> pool_;
};

TEST(Simplify, KeepsTheValuesOfRandomGraphsAndIsIdempotent) {
  size_t before = 0, after = 0;
  for (uint64_t seed = 0; seed < 1000; ++seed) {
    RandomGraph random(seed);
    const ir::Graph g = ir::trace_body({{f64, s}, {f64, s}, {f64, {1, 3}}, {f64, {}}},
                                       [&](X x) { return random(x); });
    const ir::Graph simple = simplify(g);
    ir::verify(simple);
    ASSERT_EQ(difference(g, simple, seed), "") << "seed " << seed << "\n"
                                               << ir::to_text(g) << "\n"
                                               << ir::to_text(simple);
    const ir::Graph again = simplify(simple);
    ASSERT_TRUE(ir::same(simple, again)) << "seed " << seed << "\n"
                                         << ir::to_text(simple) << "\n"
                                         << ir::to_text(again);
    before += eliminate_dead_code(g).nodes.size();
    after += simple.nodes.size();
  }
  EXPECT_LT(after * 4, before * 3);  // the rules find work
}

}  // namespace
}  // namespace varve::transform
