#include "report/svg.h"

#include <fmt/format.h>

#include <array>
#include <cmath>
#include <cstdlib>

namespace varve::report {
namespace {

// Widths of Helvetica's printable ASCII characters in 1/1000 of the size (Adobe font metrics).
constexpr std::array<int16_t, 95> kWidths = {
    278,  278, 355, 556, 556, 889, 667, 191, 333, 333, 389, 584, 278, 333, 278, 278,  // space .. /
    556,  556, 556, 556, 556, 556, 556, 556, 556, 556, 278, 278, 584, 584, 584, 556,  // 0 .. ?
    1015, 667, 667, 722, 722, 667, 611, 778, 722, 278, 500, 667, 556, 833, 722, 778,  // @ .. O
    667,  778, 722, 667, 611, 722, 667, 944, 667, 667, 611, 278, 278, 278, 469, 556,  // P .. _
    333,  556, 556, 500, 556, 556, 278, 556, 556, 222, 222, 500, 222, 833, 556, 556,  // ` .. o
    556,  556, 333, 500, 278, 556, 500, 722, 500, 500, 500, 334, 260, 334, 584};      // p .. ~
// The system fonts that stand in for Helvetica run a little wider, bold more so.
constexpr double kSlack = 1.06, kBold = 1.08;
constexpr const char* kSans = "Inter, system-ui, 'Segoe UI', 'Helvetica Neue', Arial, sans-serif";
constexpr const char* kMono =
    "'JetBrains Mono', ui-monospace, Menlo, Consolas, 'DejaVu Sans Mono', monospace";

int hex_pair(std::string_view colour, size_t at) {
  return static_cast<int>(std::strtol(std::string(colour.substr(at, 2)).c_str(), nullptr, 16));
}

bool continues_character(char c) { return (static_cast<unsigned char>(c) & 0xC0) == 0x80; }

std::string attributes(const Stroke& stroke) {
  if (stroke.width <= 0) return {};
  std::string out =
      fmt::format(" stroke=\"{}\" stroke-width=\"{}\"", stroke.colour, number(stroke.width));
  if (!stroke.dash.empty()) out += fmt::format(" stroke-dasharray=\"{}\"", stroke.dash);
  return out;
}

}  // namespace

std::string mix(std::string_view from, std::string_view to, double share) {
  share = std::isfinite(share) ? std::min(1.0, std::max(0.0, share)) : 0;
  std::string out = "#";
  for (size_t at : {1u, 3u, 5u}) {
    const double v = hex_pair(from, at) * (1 - share) + hex_pair(to, at) * share;
    out += fmt::format("{:02x}", static_cast<int>(std::lround(v)));
  }
  return out;
}

std::string xml(std::string_view text) {
  std::string out;
  out.reserve(text.size());
  for (char c : text) {
    switch (c) {
      case '&':
        out += "&amp;";
        break;
      case '<':
        out += "&lt;";
        break;
      case '>':
        out += "&gt;";
        break;
      case '"':
        out += "&quot;";
        break;
      case '\'':
        out += "&#39;";
        break;
      default: {
        const auto u = static_cast<unsigned char>(c);
        if ((u < 0x20 && c != '\n' && c != '\t') || u == 0x7f) {
          out += "\xEF\xBF\xBD";
        } else {
          out += c;
        }
      }
    }
  }
  return out;
}

std::string number(double value, int decimals) {
  if (!std::isfinite(value)) return "0";
  std::string out = fmt::format("{:.{}f}", value, decimals);
  if (out.find('.') != out.npos) {
    out.erase(out.find_last_not_of('0') + 1);
    if (out.back() == '.') out.pop_back();
  }
  return out == "-0" ? "0" : out;
}

std::string figure(double value) {
  if (std::isnan(value)) return "NaN";
  if (std::isinf(value)) return value > 0 ? "\u221e" : "-\u221e";
  if (value == std::floor(value) && std::abs(value) < 1e15) {
    std::string digits = fmt::format("{:.0f}", std::abs(value));
    for (int at = static_cast<int>(digits.size()) - 3; at > 0; at -= 3)
      digits.insert(static_cast<size_t>(at), ",");
    return (value < 0 ? "-" : "") + digits;
  }
  return fmt::format("{:.4g}", value);
}

double text_width(std::string_view text, double size, bool bold) {
  double units = 0;
  for (char c : text) {
    if (continues_character(c)) continue;
    const auto u = static_cast<unsigned char>(c);
    units += u >= 0x20 && u < 0x7f ? kWidths[u - 0x20] : 600;
  }
  return units / 1000 * size * kSlack * (bold ? kBold : 1);
}

std::string fitted(const std::string& text, double width, double size, bool bold) {
  if (text_width(text, size, bold) <= width) return text;
  std::string out = text;
  while (!out.empty() && text_width(out + "\u2026", size, bold) > width) {
    while (out.size() > 1 && continues_character(out.back())) out.pop_back();
    out.pop_back();
  }
  return out + "\u2026";
}

Svg::Svg(double width, double height, std::string title)
    : width_(width), height_(height), title_(std::move(title)) {}

void Svg::line(Point from, Point to, const Stroke& stroke) {
  body_ += fmt::format("<line x1=\"{}\" y1=\"{}\" x2=\"{}\" y2=\"{}\"{}/>\n", number(from.x),
                       number(from.y), number(to.x), number(to.y), attributes(stroke));
}

void Svg::polyline(const std::vector<Point>& points, const Stroke& stroke) {
  body_ += "<polyline fill=\"none\" stroke-linejoin=\"round\" stroke-linecap=\"round\" points=\"";
  for (const Point& p : points) body_ += number(p.x) + "," + number(p.y) + " ";
  body_ += "\"" + attributes(stroke) + "/>\n";
}

void Svg::path(const std::string& data, const Stroke& stroke, const std::string& fill) {
  body_ += fmt::format("<path d=\"{}\" fill=\"{}\"{}/>\n", data, fill, attributes(stroke));
}

void Svg::rectangle(const Box& box, const std::string& fill, double radius, const Stroke& stroke) {
  body_ += fmt::format("<rect x=\"{}\" y=\"{}\" width=\"{}\" height=\"{}\"", number(box.x),
                       number(box.y), number(box.width), number(box.height));
  if (radius > 0) body_ += fmt::format(" rx=\"{}\"", number(radius));
  body_ += fmt::format(" fill=\"{}\"{}/>\n", fill, attributes(stroke));
}

void Svg::circle(Point centre, double radius, const std::string& fill, const Stroke& stroke) {
  body_ += fmt::format("<circle cx=\"{}\" cy=\"{}\" r=\"{}\" fill=\"{}\"{}/>\n", number(centre.x),
                       number(centre.y), number(radius), fill, attributes(stroke));
}

void Svg::text(Point at, std::string_view text, const TextStyle& style) {
  static constexpr const char* kAnchors[] = {"start", "middle", "end"};
  body_ += fmt::format("<text x=\"{}\" y=\"{}\" font-size=\"{}\" fill=\"{}\"", number(at.x),
                       number(at.y), number(style.size), style.colour);
  if (style.anchor != Anchor::start) {
    body_ += fmt::format(" text-anchor=\"{}\"", kAnchors[static_cast<int>(style.anchor)]);
  }
  if (style.bold) body_ += " font-weight=\"600\"";
  if (style.mono) body_ += fmt::format(" font-family=\"{}\"", kMono);
  if (style.rotate != 0) {
    body_ += fmt::format(" transform=\"rotate({} {} {})\"", number(style.rotate), number(at.x),
                         number(at.y));
  }
  body_ += ">" + xml(text) + "</text>\n";
}

void Svg::begin_group(std::string_view tooltip) {
  body_ += "<g><title>" + xml(tooltip) + "</title>";
}
void Svg::end_group() { body_ += "</g>\n"; }

std::string Svg::finish() const {
  return fmt::format(
      "<svg xmlns=\"http://www.w3.org/2000/svg\" viewBox=\"0 0 {0} {1}\" width=\"{0}\" "
      "height=\"{1}\" "
      "role=\"img\" font-family=\"{2}\">\n<title>{3}</title>\n{4}</svg>\n",
      number(width_), number(height_), kSans, xml(title_), body_);
}

namespace {

// Of the first element, as finish() writes it; 0 where it has none.
double size_of_svg(std::string_view svg, std::string_view attribute) {
  const size_t at = svg.substr(0, svg.find('>')).find(attribute);
  return at == svg.npos ? 0 : std::stod(std::string(svg.substr(at + attribute.size(), 20)));
}

}  // namespace

double svg_width(std::string_view svg) { return size_of_svg(svg, " width=\""); }

std::string in_a_column(const std::vector<std::string>& svgs) {
  constexpr double kGap = 16;
  double width = 0, y = 0;
  std::string body;
  for (const std::string& svg : svgs) {
    // Each has its size written by finish(); here it gets a place besides.
    body += fmt::format("<svg y=\"{}\"", number(y)) + svg.substr(std::string_view("<svg").size());
    width = std::max(width, svg_width(svg));
    y += size_of_svg(svg, " height=\"") + kGap;
  }
  return fmt::format(
      "<svg xmlns=\"http://www.w3.org/2000/svg\" viewBox=\"0 0 {0} {1}\" width=\"{0}\" "
      "height=\"{1}\">\n{2}</svg>\n",
      number(width), number(std::max(0.0, y - kGap)), body);
}

}  // namespace varve::report
