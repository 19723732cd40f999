#include "report/page.h"

#include <fmt/format.h>

#include <cctype>

#include "formats/base64.h"
#include "formats/png.h"
#include "report/svg.h"

namespace varve::report {
namespace {

// Wider pictures get a row of their own: in half of one their text would be too small to read.
constexpr double kWide = 600;

constexpr const char* kStyle = R"(
:root { --ink: #23282d; --muted: #6d747a; --rule: #e6e1d6; --paper: #fdfcf9; --card: #ffffff;
  --accent: #2a6f97; }
* { box-sizing: border-box; }
body { margin: 0; background: var(--paper); color: var(--ink);
  font: 16px/1.55 Inter, system-ui, "Segoe UI", "Helvetica Neue", Arial, sans-serif; }
.strata { display: block; width: 100%; height: 26px; }
main, footer { max-width: 1180px; margin: 0 auto; padding: 0 28px; }
header { padding: 44px 0 8px; }
h1, h2 { font-family: "Iowan Old Style", "Palatino Linotype", Palatino, "TeX Gyre Pagella",
  "Book Antiqua", Georgia, serif;
  font-weight: 600; letter-spacing: -0.01em; }
h1 { font-size: 42px; line-height: 1.12; margin: 0 0 8px; }
h2 { font-size: 25px; margin: 56px 0 6px; }
p { max-width: 68ch; margin: 6px 0 14px; }
.subtitle { color: var(--muted); font-size: 18px; margin: 0; max-width: 80ch; }
.tiles { display: grid; grid-template-columns: repeat(auto-fit, minmax(170px, 1fr));
  margin: 34px 0 0;
  border-top: 1px solid var(--rule); border-bottom: 1px solid var(--rule); }
.tile { padding: 18px 20px 16px 0; }
.tile .label { color: var(--muted); font-size: 13px; }
.tile .value { font-size: 29px; line-height: 1.25; font-weight: 600;
  font-variant-numeric: tabular-nums; letter-spacing: -0.02em; }
.tile .note { color: var(--muted); font-size: 13px; }
.pictures { display: grid; grid-template-columns: repeat(auto-fill, minmax(min(440px, 100%), 1fr));
  gap: 22px; align-items: start; margin: 14px 0; }
.beside { display: flex; flex-wrap: wrap; gap: 22px; align-items: flex-start; margin: 14px 0; }
figure.chart { margin: 0; background: var(--card); border: 1px solid var(--rule);
  border-radius: 6px; padding: 6px; max-width: 100%; }
figure.chart svg { display: block; max-width: 100%; height: auto; }
figure.wide { grid-column: 1 / -1; }
.gallery { display: grid; grid-template-columns: repeat(auto-fill, minmax(124px, 1fr));
  gap: 18px 16px; margin: 16px 0; }
.gallery figure { margin: 0; }
.gallery img { width: 100%; image-rendering: pixelated; border-radius: 4px; display: block;
  border: 1px solid var(--rule); }
.gallery figcaption { font-size: 13px; line-height: 1.4; margin-top: 6px; }
.gallery .detail { color: var(--muted); white-space: pre-line; }
.beside pre { margin: 0; max-width: 100%; }
.table { overflow-x: auto; margin: 14px 0; }
table { border-collapse: collapse; font-size: 14px; font-variant-numeric: tabular-nums; }
th { text-align: left; font-weight: 600; color: var(--muted); font-size: 13px; }
th, td { padding: 6px 22px 6px 0; border-bottom: 1px solid var(--rule); white-space: nowrap; }
th.number, td.number { text-align: right; }
pre { background: var(--card); border: 1px solid var(--rule); border-radius: 6px;
  padding: 14px 18px; overflow-x: auto;
  font: 13px/1.5 "JetBrains Mono", ui-monospace, Menlo, Consolas, "DejaVu Sans Mono", monospace; }
footer { color: var(--muted); font-size: 13px; }
footer p { max-width: none; margin: 64px 0 0; padding: 22px 0 40px;
  border-top: 1px solid var(--rule); }
@media print { .strata { height: 14px; } h2 { break-after: avoid; } figure { break-inside: avoid;
  } }
)";

// The house's mark: yearly layers of sediment, thick and thin. The title decides them, so that a
// page looks the same whenever it is made.
std::string strata(std::string_view title) {
  static constexpr const char* kLayers[] = {"#e9dfc8", "#cdb892", "#8d9aa0", "#b98d5a",
                                            "#ded0b4", "#5f7f92", "#c8a878", "#efe7d6"};
  std::string out =
      "<svg class=\"strata\" viewBox=\"0 0 100 26\" preserveAspectRatio=\"none\" "
      "aria-hidden=\"true\">";
  uint32_t state = 2166136261u;  // FNV-1a
  for (char c : title) state = (state ^ static_cast<unsigned char>(c)) * 16777619u;
  double y = 0;
  for (size_t i = 0; y < 26; ++i) {
    state = state * 1664525u + 1013904223u;
    const double height = 0.8 + (state >> 24) / 255.0 * 3.4;
    const double sway = ((state >> 16 & 255) / 255.0 - 0.5) * 1.6;
    out += fmt::format("<path d=\"M0 {0}C30 {1} 70 {2} 100 {0}V26H0Z\" fill=\"{3}\"/>", number(y),
                       number(y + sway), number(y - sway), kLayers[(i + (state >> 28)) % 8]);
    y += height;
  }
  return out + "</svg>\n";
}

bool looks_numeric(const std::string& cell) {
  if (cell.empty()) return true;
  bool digit = false;
  for (char c : cell) {
    const auto u = static_cast<unsigned char>(c);
    if (std::isdigit(u)) {
      digit = true;
    } else if (std::string_view("+-.,%e x").find(c) == std::string_view::npos) {
      return false;
    }
  }
  return digit || cell == "-";
}

}  // namespace

Page::Page(std::string title, std::string subtitle)
    : title_(std::move(title)), subtitle_(std::move(subtitle)) {}

void Page::tiles(const std::vector<Tile>& tiles) {
  body_ += "<div class=\"tiles\">\n";
  for (const Tile& t : tiles) {
    body_ += fmt::format(
        "<div class=\"tile\"><div class=\"label\">{}</div><div class=\"value\">{}</div>"
        "<div class=\"note\">{}</div></div>\n",
        xml(t.label), xml(t.value), xml(t.note));
  }
  body_ += "</div>\n";
}

void Page::section(std::string_view heading, std::string_view text) {
  body_ += "<h2>" + xml(heading) + "</h2>\n";
  if (!text.empty()) paragraph(text);
}

void Page::paragraph(std::string_view text) { body_ += "<p>" + xml(text) + "</p>\n"; }

void Page::pictures(const std::vector<std::string>& svgs) {
  body_ += "<div class=\"pictures\">\n";
  for (const std::string& svg : svgs) {
    body_ += svg_width(svg) > kWide ? "<figure class=\"chart wide\">" : "<figure class=\"chart\">";
    body_ += svg + "</figure>\n";
  }
  body_ += "</div>\n";
}

void Page::picture_and_text(std::string_view svg, std::string_view text) {
  body_ += "<div class=\"beside\">\n<figure class=\"chart\">" + std::string(svg) + "</figure>\n";
  if (!text.empty()) preformatted(text);
  body_ += "</div>\n";
}

void Page::gallery(const std::vector<GalleryItem>& items) {
  body_ += "<div class=\"gallery\">\n";
  for (const GalleryItem& item : items) {
    const formats::Buffer png = formats::encode_png(item.picture);
    body_ += fmt::format(
        "<figure><img alt=\"{0}\" "
        "src=\"data:image/png;base64,{1}\"><figcaption><strong>{0}</strong>"
        "<div class=\"detail\">{2}</div></figcaption></figure>\n",
        xml(item.caption), formats::base64(png.span()), xml(item.detail));
  }
  body_ += "</div>\n";
}

void Page::table(const std::vector<std::string>& head,
                 const std::vector<std::vector<std::string>>& rows) {
  std::vector<const char*> cls(head.size(), "");
  for (size_t c = 0; c < head.size(); ++c) {
    bool numeric = !rows.empty();
    for (const auto& row : rows) numeric = numeric && (c >= row.size() || looks_numeric(row[c]));
    if (numeric) cls[c] = " class=\"number\"";
  }
  body_ += "<div class=\"table\"><table>\n<tr>";
  for (size_t c = 0; c < head.size(); ++c)
    body_ += fmt::format("<th{}>{}</th>", cls[c], xml(head[c]));
  body_ += "</tr>\n";
  for (const auto& row : rows) {
    body_ += "<tr>";
    for (size_t c = 0; c < row.size() && c < head.size(); ++c) {
      body_ += fmt::format("<td{}>{}</td>", cls[c], xml(row[c]));
    }
    body_ += "</tr>\n";
  }
  body_ += "</table></div>\n";
}

void Page::preformatted(std::string_view text) { body_ += "<pre>" + xml(text) + "</pre>\n"; }

std::string Page::finish(std::string_view footer) const {
  return fmt::format(
      "<!DOCTYPE html>\n<html lang=\"en\">\n<head>\n<meta charset=\"utf-8\">\n"
      "<meta name=\"viewport\" content=\"width=device-width, initial-scale=1\">\n"
      "<title>{0}</title>\n<style>{1}</style>\n</head>\n<body>\n{2}<main>\n<header>\n<h1>{0}</h1>\n"
      "<p "
      "class=\"subtitle\">{3}</p>\n</header>\n{4}</main>\n<footer><p>{5}</p></footer>\n</body>\n</"
      "html>\n",
      xml(title_), kStyle, strata(title_), xml(subtitle_), body_, xml(footer));
}

}  // namespace varve::report
