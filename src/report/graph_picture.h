// A network drawn as boxes and arrows, top to bottom.
#pragma once
#include <string>
#include <vector>

namespace varve::report {

struct GraphNode {
  std::string name, type;
  std::string output;     // its shape, as text
  std::string note = {};  // "18,496 parameters"
};
struct GraphEdge {
  int from = 0, to = 0;
};
struct GraphPicture {
  std::string title = {};
  std::vector<GraphNode> nodes = {};
  std::vector<GraphEdge> edges = {};
};

/// An SVG with one box a node: name, type, output shape, note. Nodes stand in rows by their longest
/// way from an input; an arrow that skips rows runs beside the boxes between. Needs: edges without
/// cycles (ValueError).
std::string draw_graph(const GraphPicture& picture);

}  // namespace varve::report
