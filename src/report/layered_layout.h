// Places for the nodes of a directed graph in rows (Sugiyama's method): rows by longest path, long
// edges broken by points of their own, order in a row by barycentres, places by least squares.
#pragma once
#include <vector>

#include "report/graph_picture.h"

namespace varve::report {

struct Layout {
  /// A node, or a point (node -1) where an edge passes a row.
  struct Item {
    int node = -1;
    int row = 0;
    double x = 0;  // centre
    std::vector<int> above, below;
  };
  std::vector<Item> items;             // the first ones are the nodes, in their order
  std::vector<std::vector<int>> rows;  // items of each row, left to right
  /// The items along each edge, both ends included.
  std::vector<std::vector<int>> ways;
  double width = 0;

  /// The item before the last of a way: where its arrow comes from.
  const Item& source(size_t way) const {
    return items[static_cast<size_t>(ways[way][ways[way].size() - 2])];
  }
};

/// `box`: the width of a node; points take `lane`. Throws ValueError for a cycle or an edge to a
/// node that is not there.
Layout layered_layout(int nodes, const std::vector<GraphEdge>& edges, double box, double lane,
                      double gap);

}  // namespace varve::report
