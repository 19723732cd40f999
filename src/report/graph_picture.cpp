#include "report/graph_picture.h"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>

#include "report/layered_layout.h"
#include "report/svg.h"

namespace varve::report {
namespace {

constexpr double kHeight = 48, kRowGap = 30, kMargin = 20, kPad = 14, kTitleHeight = 30;
constexpr double kNameSize = 12.5, kSmall = 11;

struct Family {
  const char* part;  // of the type's name
  const char* colour;
};
// The first that fits; pooling before convolution, for "conv_pool" would be a pool.
constexpr Family kFamilies[] = {
    {"input", "#23282d"},   {"pool", "#5d6b78"},      {"conv", "#2a6f97"},
    {"dense", "#d9902f"},   {"embed", "#d9902f"},     {"lstm", "#7a5c9e"},
    {"gru", "#7a5c9e"},     {"attention", "#7a5c9e"}, {"norm", "#5b8c5a"},
    {"dropout", "#5b8c5a"}, {"noise", "#5b8c5a"},     {"add", "#b5483a"},
    {"concat", "#b5483a"},  {"multiply", "#b5483a"},  {"flatten", "#8d8675"},
    {"reshape", "#8d8675"}};

const char* family_colour(const std::string& type) {
  for (const Family& f : kFamilies) {
    if (type.find(f.part) != type.npos) return f.colour;
  }
  return "#9a7b4f";
}

double box_width(const GraphNode& node) {
  const double first =
      text_width(node.name, kNameSize, true) + 24 + text_width(node.output, kSmall) * 1.15;
  const double second = text_width(node.type, kSmall) + 24 + text_width(node.note, kSmall);
  return std::max(first, second) + 2 * kPad + 5;
}

void draw_box(Svg& svg, const GraphNode& node, const Box& box) {
  svg.begin_group(
      fmt::format("{} ({}) \u2192 {} {}", node.name, node.type, node.output, node.note));
  svg.rectangle(box, "#ffffff", 5, {"#d8d3c6", 1});
  svg.path(fmt::format("M{0} {1}h-1a5 5 0 0 0 -5 5v{2}a5 5 0 0 0 5 5h1z", number(box.x + 6),
                       number(box.y), number(box.height - 10)),
           {.width = 0}, family_colour(node.type));
  const double left = box.x + 5 + kPad, right = box.x + box.width - kPad;
  const double output = text_width(node.output, kSmall) * 1.15;
  svg.text({left, box.y + 20}, fitted(node.name, right - left - output - 12, kNameSize, true),
           {.size = kNameSize, .bold = true});
  svg.text({right, box.y + 20}, node.output, {.size = kSmall, .anchor = Anchor::end, .mono = true});
  svg.text({left, box.y + 37}, node.type, {.size = kSmall, .colour = colours::kMuted});
  svg.text({right, box.y + 37}, node.note,
           {.size = kSmall, .colour = colours::kMuted, .anchor = Anchor::end});
  svg.end_group();
}

struct Places {
  double left, top, box;
  const Layout& layout;
  double x(int item) const { return left + layout.items[static_cast<size_t>(item)].x; }
  double y(int item) const {
    return top + layout.items[static_cast<size_t>(item)].row * (kHeight + kRowGap);
  }
};

// The arrows that enter each node, from left to right.
std::vector<std::vector<size_t>> arrivals(const Layout& layout, size_t nodes) {
  std::vector<std::vector<size_t>> out(nodes);
  for (size_t e = 0; e < layout.ways.size(); ++e) {
    out[static_cast<size_t>(layout.ways[e].back())].push_back(e);
  }
  for (auto& list : out) {
    std::stable_sort(list.begin(), list.end(),
                     [&](size_t a, size_t b) { return layout.source(a).x < layout.source(b).x; });
  }
  return out;
}

// Where these arrows meet the box, side by side: the one from straight above in the middle, or all
// around it.
std::vector<double> ports(const Layout& layout, const std::vector<size_t>& arrows, double centre,
                          double width) {
  const auto n = static_cast<double>(arrows.size());
  const double step = std::min(26.0, width * 0.4 / std::max(n, 1.0));
  double middle = (n - 1) / 2;
  for (size_t k = 0; k < arrows.size(); ++k) {
    const Layout::Item& target = layout.items[static_cast<size_t>(layout.ways[arrows[k]].back())];
    if (std::abs(layout.source(arrows[k]).x - target.x) < 0.5) middle = static_cast<double>(k);
  }
  std::vector<double> out;
  for (size_t k = 0; k < arrows.size(); ++k)
    out.push_back(centre + (static_cast<double>(k) - middle) * step);
  return out;
}

void draw_arrow(Svg& svg, const Places& at, const std::vector<int>& way, double arrival) {
  std::string d;
  double x = at.x(way[0]), y = at.y(way[0]) + kHeight;
  d += fmt::format("M{} {}", number(x), number(y));
  for (size_t k = 1; k < way.size(); ++k) {
    const bool last = k + 1 == way.size();
    const double to_x = last ? arrival : at.x(way[k]), to_y = at.y(way[k]) - (last ? 6 : 0);
    if (std::abs(x - to_x) < 0.01) {
      d += fmt::format("V{}", number(to_y));
    } else {
      const double bend = (to_y - y) * 0.6;
      d += fmt::format("C{} {} {} {} {} {}", number(x), number(y + bend), number(to_x),
                       number(to_y - bend), number(to_x), number(to_y));
    }
    // Past the boxes of this row it runs straight down.
    if (!last) d += fmt::format("V{}", number(to_y + kHeight));
    x = to_x;
    y = to_y + (last ? 0 : kHeight);
  }
  svg.path(d, {"#8d8675", 1.4});
  svg.path(fmt::format("M{} {}l-4 -7h8z", number(x), number(y + 6)), {.width = 0}, "#8d8675");
}

}  // namespace

std::string draw_graph(const GraphPicture& picture) {
  double box = 210;
  for (const GraphNode& node : picture.nodes) box = std::max(box, box_width(node));
  box = std::min(box, 420.0);
  const Layout layout =
      layered_layout(static_cast<int>(picture.nodes.size()), picture.edges, box, 14, 22);
  const double title = picture.title.empty() ? 0 : kTitleHeight;
  const double inner = std::max(layout.width, text_width(picture.title, 14, true));
  const auto rows = static_cast<double>(layout.rows.size());
  Svg svg(inner + 2 * kMargin,
          2 * kMargin + title + rows * kHeight + std::max(0.0, rows - 1) * kRowGap,
          picture.title.empty() ? "network" : picture.title);
  if (title > 0) svg.text({kMargin, kMargin + 12}, picture.title, {.size = 14, .bold = true});
  const Places at{kMargin + (inner - layout.width) / 2, kMargin + title, box, layout};
  const auto order = arrivals(layout, picture.nodes.size());
  for (const auto& list : order) {
    for (size_t k = 0; k < list.size(); ++k) {
      const std::vector<int>& way = layout.ways[list[k]];
      draw_arrow(svg, at, way, ports(layout, list, at.x(way.back()), box)[k]);
    }
  }
  for (size_t i = 0; i < picture.nodes.size(); ++i) {
    const auto item = static_cast<int>(i);
    draw_box(svg, picture.nodes[i], {at.x(item) - box / 2, at.y(item), box, kHeight});
  }
  return svg.finish();
}

}  // namespace varve::report
