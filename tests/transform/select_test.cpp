// Selection against every combination tried, over random graphs and random times.
#include "transform/select.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <limits>

#include "base/philox.h"
#include "ops/table.h"

namespace varve::transform {
namespace {

using ir::Format;

const ir::TensorType kType{f32, {2, 4, 4, 16}};

/// Ways and times written down by a test.
struct Written final : Target {
  std::vector<std::vector<Candidate>> ways;

  std::vector<Candidate> candidates(const ir::Graph&, int32_t node) const override {
    return ways[static_cast<size_t>(node)];
  }
  double relay_seconds(const ir::TensorType&, Format from, Format to) const override {
    return from == to ? 0 : relay;
  }
  double relay = 1;
};

int32_t add(ir::Graph& g, std::vector<ir::ValueId> inputs) {
  const char* op = inputs.size() == 1 ? "relu" : inputs.size() == 2 ? "add" : "select";
  return g.add({&ops::get(op), std::move(inputs), {}, {kType}, {}}).node;
}

Candidate way(size_t inputs, Format in, Format out, double seconds) {
  return {std::vector<Format>(inputs, in), {out}, seconds};
}

/// What a choice costs, by the definition.
double cost_of(const ir::Graph& g, const Target& target, const std::vector<Candidate>& chosen) {
  double sum = 0;
  for (int32_t n = 0; n < static_cast<int32_t>(g.nodes.size()); ++n) {
    sum += chosen[static_cast<size_t>(n)].seconds;
    const Format from = chosen[static_cast<size_t>(n)].outputs[0];
    std::vector<Format> wanted;
    for (size_t m = 0; m < g.nodes.size(); ++m) {
      for (size_t i = 0; i < g.nodes[m].inputs.size(); ++i) {
        if (g.nodes[m].inputs[i].node == n) wanted.push_back(chosen[m].inputs[i]);
      }
    }
    for (ir::ValueId v : g.outputs) {
      if (v.node == n) wanted.push_back(Format::plain);
    }
    for (Format to : {Format::plain, Format::channels8, Format::channels16}) {
      if (to != from && std::count(wanted.begin(), wanted.end(), to))
        sum += target.relay_seconds(kType, from, to);
    }
  }
  return sum;
}

/// The least cost of all combinations.
double least(const ir::Graph& g, const Written& target) {
  std::vector<size_t> at(g.nodes.size(), 0);
  double best = std::numeric_limits<double>::infinity();
  while (true) {
    std::vector<Candidate> chosen;
    for (size_t n = 0; n < at.size(); ++n) chosen.push_back(target.ways[n][at[n]]);
    best = std::min(best, cost_of(g, target, chosen));
    size_t n = 0;
    while (n < at.size() && ++at[n] == target.ways[n].size()) at[n++] = 0;
    if (n == at.size()) return best;
  }
}

TEST(Select, FindsTheLeastSumOnRandomGraphs) {
  int mixed = 0;
  for (uint64_t seed = 0; seed < 300; ++seed) {
    uint64_t draw = 0;
    const auto number = [&](int64_t n) {
      return static_cast<int64_t>(philox::unit_double(seed, 0, draw++) * static_cast<double>(n));
    };
    ir::Graph g;
    Written target;
    target.relay = static_cast<double>(1 + number(4));
    for (int i = 0; i < 2; ++i) {
      g.add_input(kType);
      target.ways.push_back({way(0, Format::plain, Format::plain, 0)});
    }
    for (int i = 0; i < 9; ++i) {
      std::vector<ir::ValueId> inputs;
      for (int64_t k = 1 + number(2); k > 0; --k)
        inputs.push_back({static_cast<int32_t>(number(static_cast<int64_t>(g.nodes.size()))), 0});
      const size_t count = inputs.size();
      add(g, std::move(inputs));
      std::vector<Candidate> ways{
          way(count, Format::plain, Format::plain, static_cast<double>(number(12)))};
      for (int64_t k = number(3); k > 0; --k) {
        const auto format = [&] { return number(2) ? Format::channels8 : Format::channels16; };
        ways.push_back(way(count, number(3) ? format() : Format::plain, format(),
                           static_cast<double>(number(12))));
      }
      target.ways.push_back(std::move(ways));
    }
    g.outputs = {{static_cast<int32_t>(g.nodes.size()) - 1, 0}, {5, 0}};
    const std::vector<Candidate> chosen = select(g, target);
    ASSERT_EQ(chosen.size(), g.nodes.size());
    EXPECT_EQ(cost_of(g, target, chosen), least(g, target)) << "seed " << seed;
    for (const Candidate& c : chosen) mixed += c.outputs[0] != Format::plain;
  }
  EXPECT_GT(mixed, 100);
}

TEST(Select, KeepsAFormatOverAChainThatPaysForItsEnds) {
  // Each node alone gains less than the change there and back; four together gain more.
  for (int length : {1, 2, 3, 4, 50}) {
    ir::Graph g;
    Written target;
    target.relay = 3;
    int32_t last = g.add_input(kType).node;
    target.ways.push_back({way(0, Format::plain, Format::plain, 0)});
    for (int i = 0; i < length; ++i) {
      last = add(g, {{last, 0}});
      target.ways.push_back({way(1, Format::plain, Format::plain, 4),
                             way(1, Format::channels16, Format::channels16, 2)});
    }
    g.outputs = {{last, 0}};
    const std::vector<Candidate> chosen = select(g, target);
    for (size_t n = 1; n < chosen.size(); ++n)
      EXPECT_EQ(chosen[n].inputs[0], length > 3 ? Format::channels16 : Format::plain) << length;
  }
}

TEST(Select, ChangesAValueOnceForAllItsReaders) {
  // Forty readers gain a tenth each; one change of 3 serves them all.
  ir::Graph g;
  Written target;
  target.relay = 3;
  const int32_t x = g.add_input(kType).node;
  target.ways.push_back({way(0, Format::plain, Format::plain, 0)});
  for (int i = 0; i < 40; ++i) {
    g.outputs.push_back({add(g, {{x, 0}}), 0});
    target.ways.push_back(
        {way(1, Format::plain, Format::plain, 1), way(1, Format::channels16, Format::plain, 0.9)});
  }
  EXPECT_NEAR(cost_of(g, target, select(g, target)), 3 + 40 * 0.9, 1e-9);
}

TEST(Select, PrefersPlainWhereNothingIsGained) {
  ir::Graph g;
  Written target;
  const int32_t x = g.add_input(kType).node;
  target.ways.push_back({way(0, Format::plain, Format::plain, 0)});
  g.outputs = {{add(g, {{x, 0}}), 0}};
  target.ways.push_back(
      {way(1, Format::plain, Format::plain, 1), way(1, Format::channels16, Format::plain, 0)});
  EXPECT_EQ(select(g, target)[1].inputs[0], Format::plain);
}

TEST(Select, IsNeverWorseThanAllPlainWhereTablesWouldGrowTooLarge) {
  // Every one of 24 values is read by every one of 24 nodes in pairs: no order of elimination keeps
  // the tables small.
  ir::Graph g;
  Written target;
  std::vector<int32_t> makers;
  g.add_input(kType);
  target.ways.push_back({way(0, Format::plain, Format::plain, 0)});
  uint64_t draw = 0;
  const auto ways = [&](size_t inputs) {
    return std::vector<Candidate>{
        way(inputs, Format::plain, Format::plain, 10 * philox::unit_double(7, 1, draw++)),
        way(inputs, Format::channels16, Format::channels16,
            10 * philox::unit_double(7, 1, draw++))};
  };
  for (int i = 0; i < 24; ++i) {
    makers.push_back(add(g, {{0, 0}}));
    target.ways.push_back(ways(1));
  }
  for (int32_t a : makers) {
    for (int32_t b : makers) {
      if (a == b) continue;
      g.outputs.push_back({add(g, {{a, 0}, {b, 0}}), 0});
      target.ways.push_back(ways(2));
    }
  }
  std::vector<Candidate> plain;
  for (const auto& w : target.ways) plain.push_back(w[0]);
  EXPECT_LT(cost_of(g, target, select(g, target)), cost_of(g, target, plain));
}

}  // namespace
}  // namespace varve::transform
