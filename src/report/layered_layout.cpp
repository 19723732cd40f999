#include "report/layered_layout.h"

#include <algorithm>
#include <numeric>
#include <string>

#include "varve/error.h"

namespace varve::report {
namespace {

size_t at(int i) { return static_cast<size_t>(i); }

void check_edges(int nodes, const std::vector<GraphEdge>& edges) {
  for (const GraphEdge& e : edges) {
    if (e.from < 0 || e.from >= nodes || e.to < 0 || e.to >= nodes) {
      throw ValueError("layered_layout: edge " + std::to_string(e.from) + " -> " +
                       std::to_string(e.to) + ": expected nodes 0.." + std::to_string(nodes - 1));
    }
  }
}

// Longest way from a node without predecessors. A chain that begins at one stands just above what
// uses it.
std::vector<int> rows_of(int nodes, const std::vector<GraphEdge>& edges) {
  std::vector<int> row(at(nodes), 0), waiting(at(nodes), 0), sorted;
  std::vector<std::vector<int>> next(at(nodes)), before(at(nodes));
  for (const GraphEdge& e : edges) {
    next[at(e.from)].push_back(e.to);
    before[at(e.to)].push_back(e.from);
    ++waiting[at(e.to)];
  }
  for (int i = 0; i < nodes; ++i) {
    if (waiting[at(i)] == 0) sorted.push_back(i);
  }
  std::vector<bool> chain(at(nodes), false);
  for (size_t k = 0; k < sorted.size(); ++k) {
    const size_t i = at(sorted[k]);
    chain[i] = before[i].empty() || (before[i].size() == 1 && chain[at(before[i][0])] &&
                                     next[at(before[i][0])].size() == 1);
    for (int to : next[i]) {
      row[at(to)] = std::max(row[at(to)], row[i] + 1);
      if (--waiting[at(to)] == 0) sorted.push_back(to);
    }
  }
  if (sorted.size() != at(nodes)) throw ValueError("layered_layout: the edges form a cycle");
  for (auto i = sorted.rbegin(); i != sorted.rend(); ++i) {
    if (!chain[at(*i)] || next[at(*i)].empty()) continue;
    int lowest = row[at(next[at(*i)][0])];
    for (int to : next[at(*i)]) lowest = std::min(lowest, row[at(to)]);
    row[at(*i)] = lowest - 1;
  }
  return row;
}

void make_items(Layout& layout, int nodes, const std::vector<GraphEdge>& edges) {
  const std::vector<int> row = rows_of(nodes, edges);
  const auto add = [&](int node, int r) {
    layout.items.push_back({node, r, 0, {}, {}});
    if (layout.rows.size() <= at(r)) layout.rows.resize(at(r) + 1);
    layout.rows[at(r)].push_back(static_cast<int>(layout.items.size()) - 1);
    return static_cast<int>(layout.items.size()) - 1;
  };
  for (int i = 0; i < nodes; ++i) add(i, row[at(i)]);
  for (const GraphEdge& e : edges) {
    std::vector<int> way{e.from};
    for (int r = row[at(e.from)] + 1; r < row[at(e.to)]; ++r) {
      way.push_back(add(-1, r));
    }
    way.push_back(e.to);
    for (size_t i = 0; i + 1 < way.size(); ++i) {
      layout.items[at(way[i])].below.push_back(way[i + 1]);
      layout.items[at(way[i + 1])].above.push_back(way[i]);
    }
    layout.ways.push_back(std::move(way));
  }
}

// Items of a row in the order of the mean place of their neighbours in the row before.
void order_rows(Layout& layout) {
  std::vector<double> place(layout.items.size(), 0);
  const auto number_row = [&](const std::vector<int>& row) {
    for (size_t i = 0; i < row.size(); ++i) {
      place[at(row[i])] = static_cast<double>(i) - static_cast<double>(row.size() - 1) / 2;
    }
  };
  for (const auto& row : layout.rows) number_row(row);
  for (int sweep = 0; sweep < 8; ++sweep) {
    const bool down = sweep % 2 == 0;
    for (size_t k = 0; k < layout.rows.size(); ++k) {
      std::vector<int>& row = layout.rows[down ? k : layout.rows.size() - 1 - k];
      std::vector<double> wanted(layout.items.size(), 0);
      for (int i : row) {
        const Layout::Item& item = layout.items[at(i)];
        const std::vector<int>& near = down ? item.above : item.below;
        double sum = 0;
        for (int j : near) sum += place[at(j)];
        wanted[at(i)] = near.empty() ? place[at(i)] : sum / static_cast<double>(near.size());
      }
      std::stable_sort(row.begin(), row.end(),
                       [&](int a, int b) { return wanted[at(a)] < wanted[at(b)]; });
      number_row(row);
    }
  }
}

struct Widths {
  double box, lane, gap;
  double of(const Layout::Item& item) const { return item.node < 0 ? lane : box; }
};

// Longest ways, in items, that end in and begin at each item.
std::vector<int> ways_through(const Layout& layout) {
  std::vector<int> up(layout.items.size(), 0), down(layout.items.size(), 0);
  for (const auto& row : layout.rows) {
    for (int i : row) {
      for (int j : layout.items[at(i)].above) up[at(i)] = std::max(up[at(i)], up[at(j)] + 1);
    }
  }
  for (auto row = layout.rows.rbegin(); row != layout.rows.rend(); ++row) {
    for (int i : *row) {
      for (int j : layout.items[at(i)].below) down[at(i)] = std::max(down[at(i)], down[at(j)] + 1);
    }
  }
  for (size_t i = 0; i < up.size(); ++i) up[i] += down[i];
  return up;
}

// Blocks of items that stand exactly below each other: first the points of one long edge, then
// boxes along the longest ways, as far as these lines do not cross (after Brandes and Koepf 2002).
// Returns the block of each item.
std::vector<int> make_blocks(const Layout& layout, int& count) {
  struct Link {
    int upper, lower, rank;
  };
  std::vector<int> order(layout.items.size(), 0), next(layout.items.size(), -1);
  std::vector<bool> taken(layout.items.size(), false);
  for (const auto& row : layout.rows) {
    for (size_t k = 0; k < row.size(); ++k) order[at(row[k])] = static_cast<int>(k);
  }
  const std::vector<int> through = ways_through(layout);
  std::vector<Link> links;
  for (size_t i = 0; i < layout.items.size(); ++i) {
    for (int j : layout.items[i].below) {
      const int points = (layout.items[i].node < 0) + (layout.items[at(j)].node < 0);
      // Between points: first of all. From a point to a box: last.
      const int rank = points == 2   ? 0
                       : points == 1 ? 2000000
                                     : 1000000 - std::min(through[i], through[at(j)]);
      links.push_back({static_cast<int>(i), j, rank});
    }
  }
  std::stable_sort(links.begin(), links.end(),
                   [](const Link& a, const Link& b) { return a.rank < b.rank; });
  std::vector<std::vector<Link>> kept(layout.rows.size());
  for (const Link& link : links) {
    if (next[at(link.upper)] >= 0 || taken[at(link.lower)]) continue;
    std::vector<Link>& others = kept[at(layout.items[at(link.upper)].row)];
    const bool crosses = std::any_of(others.begin(), others.end(), [&](const Link& o) {
      return (order[at(o.upper)] < order[at(link.upper)]) !=
             (order[at(o.lower)] < order[at(link.lower)]);
    });
    if (crosses) continue;
    others.push_back(link);
    next[at(link.upper)] = link.lower;
    taken[at(link.lower)] = true;
  }
  std::vector<int> block(layout.items.size(), -1);
  count = 0;
  for (size_t i = 0; i < layout.items.size(); ++i) {
    if (taken[i]) continue;
    for (int j = static_cast<int>(i); j >= 0; j = next[at(j)]) block[at(j)] = count;
    ++count;
  }
  return block;
}

// What must lie between two blocks that are neighbours in some row.
struct Distance {
  int left, right;
  double least;
};

std::vector<Distance> distances(const Layout& layout, const std::vector<int>& block,
                                const Widths& widths) {
  std::vector<Distance> out;
  for (const auto& row : layout.rows) {
    for (size_t k = 1; k < row.size(); ++k) {
      const Layout::Item &l = layout.items[at(row[k - 1])], &r = layout.items[at(row[k])];
      out.push_back({block[at(row[k - 1])], block[at(row[k])],
                     (widths.of(l) + widths.of(r)) / 2 + widths.gap});
    }
  }
  return out;
}

// The leftmost places that keep the distances. Blocks do not cross, so passes over the list end.
std::vector<double> pushed_left(int blocks, const std::vector<Distance>& list) {
  std::vector<double> x(at(blocks), 0);
  for (int pass = 0; pass <= blocks; ++pass) {
    bool moved = false;
    for (const Distance& d : list) {
      if (x[at(d.right)] >= x[at(d.left)] + d.least) continue;
      x[at(d.right)] = x[at(d.left)] + d.least;
      moved = true;
    }
    if (!moved) break;
  }
  return x;
}

void place_blocks(Layout& layout, const Widths& widths) {
  int blocks = 0;
  const std::vector<int> block = make_blocks(layout, blocks);
  const std::vector<Distance> list = distances(layout, block, widths);
  std::vector<Distance> mirrored;
  for (const Distance& d : list) mirrored.push_back({d.right, d.left, d.least});
  std::vector<double> x = pushed_left(blocks, list);
  const std::vector<double> right = pushed_left(blocks, mirrored);
  // Half-way between leftmost and rightmost: both keep the distances, and so does their mean.
  for (size_t i = 0; i < x.size(); ++i) x[i] = (x[i] - right[i]) / 2;
  // Then each block goes where its arrows are shortest, as far as its neighbours allow.
  for (int sweep = 0; sweep < 30; ++sweep) {
    for (int b = 0; b < blocks; ++b) {
      double total = 0, links = 0, low = -1e12, high = 1e12;
      for (size_t i = 0; i < layout.items.size(); ++i) {
        if (block[i] != b) continue;
        for (const auto* near : {&layout.items[i].above, &layout.items[i].below}) {
          for (int j : *near) {
            if (block[at(j)] == b) continue;
            total += x[at(block[at(j)])];
            ++links;
          }
        }
      }
      for (const Distance& d : list) {
        if (d.right == b) low = std::max(low, x[at(d.left)] + d.least);
        if (d.left == b) high = std::min(high, x[at(d.right)] - d.least);
      }
      if (links > 0 && low <= high) x[at(b)] = std::clamp(total / links, low, high);
    }
  }
  for (size_t i = 0; i < layout.items.size(); ++i) layout.items[i].x = x[at(block[i])];
}

}  // namespace

Layout layered_layout(int nodes, const std::vector<GraphEdge>& edges, double box, double lane,
                      double gap) {
  check_edges(nodes, edges);
  Layout layout;
  make_items(layout, nodes, edges);
  order_rows(layout);
  const Widths widths{box, lane, gap};
  place_blocks(layout, widths);
  double low = 1e18, high = -1e18;
  for (const Layout::Item& item : layout.items) {
    low = std::min(low, item.x - widths.of(item) / 2);
    high = std::max(high, item.x + widths.of(item) / 2);
  }
  for (Layout::Item& item : layout.items) item.x -= low;
  layout.width = nodes > 0 ? high - low : 0;
  return layout;
}

}  // namespace varve::report
