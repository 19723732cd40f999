#include "report/graph_picture.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <rapidcheck/gtest.h>

#include "report/layered_layout.h"
#include "report/markup.h"
#include "varve/error.h"

namespace varve::report {
namespace {

using ::testing::HasSubstr;

std::vector<GraphEdge> random_edges(int nodes) {
  std::vector<GraphEdge> edges;
  for (int to = 1; to < nodes; ++to) {
    for (int k = *rc::gen::inRange(0, 4); k > 0; --k)
      edges.push_back({*rc::gen::inRange(0, to), to});
  }
  return edges;
}

RC_GTEST_PROP(Layout, EdgesGoDownAndNothingOverlaps, ()) {
  const int nodes = *rc::gen::inRange(1, 30);
  const std::vector<GraphEdge> edges = random_edges(nodes);
  const Layout layout = layered_layout(nodes, edges, 100, 10, 7);
  for (const GraphEdge& e : edges) {
    RC_ASSERT(layout.items[static_cast<size_t>(e.from)].row <
              layout.items[static_cast<size_t>(e.to)].row);
  }
  for (const auto& way : layout.ways) {
    for (size_t k = 1; k < way.size(); ++k) {
      RC_ASSERT(layout.items[static_cast<size_t>(way[k])].row ==
                layout.items[static_cast<size_t>(way[k - 1])].row + 1);
    }
  }
  for (const auto& row : layout.rows) {
    for (size_t k = 1; k < row.size(); ++k) {
      const Layout::Item &l = layout.items[static_cast<size_t>(row[k - 1])],
                         &r = layout.items[static_cast<size_t>(row[k])];
      const double half = ((l.node < 0 ? 10 : 100) + (r.node < 0 ? 10 : 100)) / 2.0;
      RC_ASSERT(r.x - l.x >= half + 7 - 1e-6);
    }
  }
  for (const Layout::Item& item : layout.items) {
    RC_ASSERT(item.x >= 0);
    RC_ASSERT(item.x <= layout.width);
  }
}

TEST(Layout, AChainStandsOnOneLine) {
  const Layout layout = layered_layout(4, {{0, 1}, {1, 2}, {2, 3}}, 100, 10, 7);
  for (const Layout::Item& item : layout.items) EXPECT_DOUBLE_EQ(item.x, 50);
  EXPECT_DOUBLE_EQ(layout.width, 100);
}

TEST(Layout, ASkipConnectionRunsBesideAStraightPath) {
  const Layout layout = layered_layout(4, {{0, 1}, {1, 2}, {2, 3}, {0, 3}}, 100, 10, 7);
  for (int i : {1, 2, 3})
    EXPECT_DOUBLE_EQ(layout.items[static_cast<size_t>(i)].x, layout.items[0].x);
  ASSERT_EQ(layout.ways[3].size(), 4u);
  EXPECT_DOUBLE_EQ(layout.items[static_cast<size_t>(layout.ways[3][1])].x,
                   layout.items[static_cast<size_t>(layout.ways[3][2])].x);
}

TEST(Layout, ASecondInputStandsJustAboveItsUse) {
  const Layout layout = layered_layout(6, {{0, 1}, {1, 2}, {2, 3}, {4, 5}, {5, 3}}, 100, 10, 7);
  EXPECT_EQ(layout.items[5].row, 2);
  EXPECT_EQ(layout.items[4].row, 1);
}

TEST(Layout, CyclesAndUnknownNodesAreRefused) {
  EXPECT_THROW(layered_layout(2, {{0, 1}, {1, 0}}, 1, 1, 1), ValueError);
  EXPECT_THROW(layered_layout(2, {{0, 2}}, 1, 1, 1), ValueError);
}

TEST(GraphPicture, EveryNodeIsABoxWithItsTexts) {
  const std::string svg = draw_graph({"net",
                                      {{"image", "input", "[28, 28, 1]"},
                                       {"conv", "conv2d", "[26, 26, 32]", "320 parameters"},
                                       {"<out>", "dense", "[10]", "16,010 parameters"}},
                                      {{0, 1}, {1, 2}}});
  EXPECT_EQ(unbalanced(svg), "");
  EXPECT_EQ(count(svg, "<rect"), 3);
  for (const char* text : {"[26, 26, 32]", "320 parameters", "&lt;out&gt;", "conv2d"}) {
    EXPECT_THAT(svg, HasSubstr(text));
  }
}

TEST(GraphPicture, ANetworkWithoutLayersIsAnEmptyPicture) {
  EXPECT_EQ(unbalanced(draw_graph({})), "");
}

}  // namespace
}  // namespace varve::report
