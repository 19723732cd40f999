#include "report/chart.h"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>

namespace varve::report {
namespace {

constexpr double kLabelSize = 11.5, kTitleSize = 14;

struct Axis {
  double low = 0, high = 1, from = 0, to = 1;  // data range and where it lies in the picture
  std::vector<double> at;
  double step = 1;
  double operator()(double v) const { return from + (v - low) / (high - low) * (to - from); }
};

// Values nearer to each other than this share of themselves differ by rounding alone.
constexpr double kLeastSpread = 1e-9;

bool is_empty(double low, double high) {
  return !(high - low > kLeastSpread * std::max(std::abs(low), std::abs(high)));
}

// The range widened to whole ticks, and never empty.
Axis make_axis(double low, double high, int count, bool fix_low, bool fix_high) {
  if (is_empty(low, high)) {
    const double pad = low == 0 ? 1 : std::abs(low) * 0.1;
    if (!fix_high) high = low + pad;
    if (!fix_low || is_empty(low, high)) low = high - 2 * pad;
  }
  Axis axis;
  axis.at = ticks(low, high, count);
  axis.step = axis.at.size() > 1 ? axis.at[1] - axis.at[0] : 1;
  axis.low = fix_low ? low : std::floor(low / axis.step + 1e-9) * axis.step;
  axis.high = fix_high ? high : std::ceil(high / axis.step - 1e-9) * axis.step;
  axis.at =
      ticks(axis.low, axis.high, static_cast<int>(std::lround((axis.high - axis.low) / axis.step)));
  return axis;
}

struct Range {
  double low = std::numeric_limits<double>::infinity(), high = -low;
  void take(double v) {
    if (!std::isfinite(v)) return;
    low = std::min(low, v);
    high = std::max(high, v);
  }
  bool empty() const { return low > high; }
};

std::string value_text(double v, bool percent) {
  if (!std::isfinite(v)) return figure(v);
  return percent ? fmt::format("{:.2f} %", v * 100) : figure(v);
}

double last_finite(const std::vector<double>& values) {
  for (auto it = values.rbegin(); it != values.rend(); ++it) {
    if (std::isfinite(*it)) return *it;
  }
  return std::nan("");
}

const char* series_colour(size_t i) { return colours::kSeries[i % colours::kSeriesCount]; }

// Rows above the plot; returns how many it took. The title alone says what a single curve without a
// name is.
int draw_legend(Svg& svg, const LineChart& chart, double left, double top) {
  if (chart.series.size() == 1 && chart.series[0].name.empty()) return 0;
  double x = left;
  int rows = 1;
  for (size_t i = 0; i < chart.series.size(); ++i) {
    const Series& s = chart.series[i];
    const std::string value = value_text(last_finite(s.y), chart.percent);
    const double width =
        34 + text_width(s.name, kLabelSize) + 6 + text_width(value, kLabelSize, true);
    if (x > left && x + width > chart.width - 12) {
      x = left;
      ++rows;
    }
    const double y = top + (rows - 1) * 18;
    svg.line({x, y - 4}, {x + 20, y - 4}, {series_colour(i), 2.4, s.dashed ? "5 4" : ""});
    svg.text({x + 27, y}, s.name, {.size = kLabelSize, .colour = colours::kMuted});
    svg.text({x + 33 + text_width(s.name, kLabelSize), y}, value,
             {.size = kLabelSize, .bold = true});
    x += width + 16;
  }
  return rows;
}

void draw_series(Svg& svg, const Series& s, const char* colour, const Axis& x, const Axis& y) {
  std::vector<Point> run;
  const Stroke stroke{colour, 2.2, s.dashed ? "5 4" : ""};
  const auto flush = [&] {
    if (run.size() > 1) svg.polyline(run, stroke);
    if (run.size() == 1) svg.circle(run[0], 3, colour);
    run.clear();
  };
  const size_t n = std::min(s.x.size(), s.y.size());
  Point last{};
  bool any = false;
  for (size_t i = 0; i < n; ++i) {
    if (!std::isfinite(s.y[i]) || !std::isfinite(s.x[i])) {
      flush();
      continue;
    }
    last = {x(s.x[i]), std::clamp(y(s.y[i]), std::min(y.from, y.to), std::max(y.from, y.to))};
    any = true;
    run.push_back(last);
  }
  flush();
  if (any) svg.circle(last, 3.4, colour, {colours::kPaper, 1.4});
}

void draw_axes(Svg& svg, const LineChart& chart, const Axis& x, const Axis& y) {
  for (double v : y.at) {
    svg.line({x.from, y(v)}, {x.to, y(v)}, {colours::kGrid, 1});
    const std::string label =
        chart.percent ? tick_label(v * 100, y.step * 100) + " %" : tick_label(v, y.step);
    svg.text({x.from - 9, y(v) + 4}, label,
             {.size = kLabelSize, .colour = colours::kMuted, .anchor = Anchor::end});
  }
  svg.line({x.from, y.from}, {x.to, y.from}, {colours::kAxis, 1});
  for (double v : x.at) {
    svg.line({x(v), y.from}, {x(v), y.from + 4}, {colours::kAxis, 1});
    svg.text({x(v), y.from + 18}, tick_label(v, x.step),
             {.size = kLabelSize, .colour = colours::kMuted, .anchor = Anchor::middle});
  }
  svg.text({(x.from + x.to) / 2, y.from + 37}, chart.x_label,
           {.size = kLabelSize, .colour = colours::kMuted, .anchor = Anchor::middle});
}

Axis x_axis(const LineChart& chart, const Range& range) {
  Axis x = make_axis(range.empty() ? 0 : range.low, range.empty() ? 1 : range.high, 8, true, true);
  if (chart.whole_x && x.step < 1) {
    x.step = 1;
    x.at.clear();
    for (double v = std::ceil(x.low); v <= x.high; ++v) x.at.push_back(v);
  }
  // One point alone stands in the middle.
  if (!range.empty() && range.low == range.high) {
    x.low = range.low - 1;
    x.high = range.low + 1;
    x.at = {range.low};
  }
  return x;
}

}  // namespace

std::vector<double> ticks(double low, double high, int count) {
  const double raw = (high - low) / std::max(1, count);
  if (!(raw > 0) || !std::isfinite(raw)) return {low};
  const double power = std::pow(10, std::floor(std::log10(raw) + 1e-9));
  const double lead = raw / power;
  const double step = power * (lead <= 1.0001 ? 1 : lead <= 2.0001 ? 2 : lead <= 5.0001 ? 5 : 10);
  const double first = std::ceil(low / step - 1e-9);
  std::vector<double> out;
  // Counted by an integer: beyond 2^53 steps from zero the next multiple is no other number.
  for (int i = 0; i <= count + 1; ++i) {
    const double v = (first + i) * step;
    if (v > high + step * 1e-9) break;
    out.push_back(v == 0 ? 0 : v);
  }
  return out;
}

std::string tick_label(double value, double step) {
  if (std::abs(value) >= 1e6 || (value != 0 && step < 1e-5)) return fmt::format("{:.3g}", value);
  const int decimals = step >= 1 ? 0 : static_cast<int>(std::ceil(-std::log10(step) - 1e-9));
  return decimals == 0 ? figure(std::round(value)) : fmt::format("{:.{}f}", value, decimals);
}

std::string line_chart(const LineChart& chart) {
  Svg svg(chart.width, chart.height, chart.title);
  Range rx, ry;
  for (const Series& s : chart.series) {
    for (size_t i = 0; i < std::min(s.x.size(), s.y.size()); ++i) {
      if (std::isfinite(s.y[i])) rx.take(s.x[i]);
      ry.take(s.y[i]);
    }
  }
  if (ry.empty()) ry = {0, 1};
  Axis y = make_axis(chart.y_low.value_or(ry.low), chart.y_high.value_or(ry.high), 5,
                     chart.y_low.has_value(), chart.y_high.has_value());
  Axis x = x_axis(chart, rx);
  double widest = 0;
  for (double v : y.at) {
    const std::string label =
        chart.percent ? tick_label(v * 100, y.step * 100) + " %" : tick_label(v, y.step);
    widest = std::max(widest, text_width(label, kLabelSize));
  }
  x.from = 16 + widest + 9;
  x.to = chart.width - 18;
  svg.text({16, 24}, chart.title, {.size = kTitleSize, .bold = true});
  const int rows = draw_legend(svg, chart, 16, 46);
  y.to = 46 + rows * 18 + 4;
  y.from = chart.height - 50;
  if (!chart.y_label.empty()) {
    svg.text({chart.width - 18, 24}, chart.y_label,
             {.size = kLabelSize, .colour = colours::kMuted, .anchor = Anchor::end});
  }
  draw_axes(svg, chart, x, y);
  for (size_t i = 0; i < chart.series.size(); ++i)
    draw_series(svg, chart.series[i], series_colour(i), x, y);
  return svg.finish();
}

std::string bar_chart(const BarChart& chart) {
  constexpr double kRow = 25, kBar = 15, kTop = 44;
  Range range;
  double label_width = 0, note_width = 0;
  std::vector<std::string> notes;
  for (const Bar& bar : chart.bars) {
    range.take(bar.value);
    label_width = std::max(label_width, text_width(bar.label, kLabelSize));
    notes.push_back(bar.note.empty() ? value_text(bar.value, chart.percent) : bar.note);
    note_width = std::max(note_width, text_width(notes.back(), kLabelSize, true));
  }
  label_width = std::min(label_width, chart.width * 0.35);
  const double low = chart.low.value_or(0),
               bottom = kTop + kRow * static_cast<double>(chart.bars.size());
  Axis x = make_axis(low, range.empty() ? low + 1 : std::max(range.high, low), 5, true, false);
  x.from = 16 + label_width + 10;
  x.to = chart.width - 18 - note_width;
  Svg svg(chart.width, bottom + 44, chart.title);
  svg.text({16, 24}, chart.title, {.size = kTitleSize, .bold = true});
  for (double v : x.at) {
    svg.line({x(v), kTop - 4}, {x(v), bottom}, {colours::kGrid, 1});
    const std::string label =
        chart.percent ? tick_label(v * 100, x.step * 100) + " %" : tick_label(v, x.step);
    svg.text({x(v), bottom + 16}, label,
             {.size = kLabelSize, .colour = colours::kMuted, .anchor = Anchor::middle});
  }
  for (size_t i = 0; i < chart.bars.size(); ++i) {
    const Bar& bar = chart.bars[i];
    const double y = kTop + kRow * static_cast<double>(i) + (kRow - kBar) / 2;
    const double end = std::isfinite(bar.value) ? std::max(x(bar.value), x.from) : x.from;
    svg.text({x.from - 10, y + kBar - 3.5}, fitted(bar.label, label_width + 1, kLabelSize),
             {.size = kLabelSize, .anchor = Anchor::end});
    svg.rectangle({x.from, y, end - x.from, kBar}, colours::kSeries[0], 2);
    svg.text({end + 7, y + kBar - 3.5}, notes[i], {.size = kLabelSize, .bold = true});
  }
  svg.line({x.from, kTop - 4}, {x.from, bottom}, {colours::kAxis, 1});
  svg.text({(x.from + x.to) / 2, bottom + 34}, chart.value_label,
           {.size = kLabelSize, .colour = colours::kMuted, .anchor = Anchor::middle});
  return svg.finish();
}

namespace {

// Smaller figures cannot be read.
constexpr double kSmallestCount = 6;

// Of many classes: 480 pixels in all while counts of three digits then have room in a cell, and
// more beyond, up to what a wide page shows.
double cell_side(double classes) {
  constexpr double kSide = 480, kWidest = 1080, kRoom = 18, kLeast = 4;
  return std::max({kLeast, kSide / classes, std::min(kRoom, kWidest / classes)});
}

// The size of letters with which a count fits into its cell.
double count_size(const std::string& text, double cell) {
  const bool small = cell < 24;
  return std::min({12.0, cell * (small ? 0.5 : 0.38),
                   (cell - (small ? 3 : 6)) / std::max(0.1, text_width(text, 1))});
}

}  // namespace

std::string confusion_matrix(const ConfusionMatrix& matrix) {
  const size_t n = matrix.classes.size();
  const double cell = n <= 12 ? 40 : cell_side(static_cast<double>(n));
  double label_width = 0;
  for (const std::string& name : matrix.classes)
    label_width = std::max(label_width, text_width(name, kLabelSize));
  label_width = std::min(label_width, 150.0);
  // Names that are wider than a cell stand upright.
  const bool upright = label_width > cell - 4;
  const double side = cell * static_cast<double>(n), left = 16 + 20 + label_width + 10;
  const double top = 62 + (upright ? label_width + 6 : 14);
  Svg svg(std::max(left + side + 20, 300.0), top + side + 18, matrix.title);
  svg.text({16, 24}, matrix.title, {.size = kTitleSize, .bold = true});
  svg.text({left + side / 2, 48}, "predicted",
           {.size = kLabelSize, .colour = colours::kMuted, .anchor = Anchor::middle});
  svg.text(
      {26, top + side / 2}, "true",
      {.size = kLabelSize, .colour = colours::kMuted, .anchor = Anchor::middle, .rotate = -90});
  const size_t every = cell >= 13 ? 1 : static_cast<size_t>(std::ceil(13 / cell));
  for (size_t i = 0; i < n; i += every) {
    const double middle = (static_cast<double>(i) + 0.5) * cell;
    const std::string name = fitted(matrix.classes[i], label_width + 1, kLabelSize);
    svg.text({left - 9, top + middle + 4}, name, {.size = kLabelSize, .anchor = Anchor::end});
    if (upright) {
      svg.text({left + middle + 4, top - 8}, name, {.size = kLabelSize, .rotate = -90});
    } else {
      svg.text({left + middle, top - 8}, name, {.size = kLabelSize, .anchor = Anchor::middle});
    }
  }
  for (size_t i = 0; i < n; ++i) {
    int64_t total = 0;
    for (size_t j = 0; j < n; ++j) total += matrix.counts[i * n + j];
    for (size_t j = 0; j < n; ++j) {
      const int64_t count = matrix.counts[i * n + j];
      const double share = total > 0 ? static_cast<double>(count) / static_cast<double>(total) : 0;
      // A square root for the mistakes: one in a hundred should still be seen.
      const double depth = i == j ? share * 0.92 : std::sqrt(share) * 1.4;
      const char* hue = i == j ? colours::kSeries[0] : colours::kSeries[2];
      const double x = left + static_cast<double>(j) * cell,
                   y = top + static_cast<double>(i) * cell;
      svg.begin_group(fmt::format("true {}, predicted {}: {} ({:.2f} %)", matrix.classes[i],
                                  matrix.classes[j], figure(static_cast<double>(count)),
                                  share * 100));
      svg.rectangle({x + 0.75, y + 0.75, cell - 1.5, cell - 1.5},
                    count == 0 ? "#f4f1ea" : mix("#f4f1ea", hue, std::max(0.08, depth)),
                    n <= 12 ? 3 : 1);
      const std::string text = std::to_string(count);
      const double size = count_size(text, cell);
      if (count > 0 && size >= kSmallestCount) {
        svg.text({x + cell / 2, y + cell / 2 + size * 0.36}, text,
                 {.size = size,
                  .colour = depth > 0.5 ? "#ffffff" : colours::kInk,
                  .anchor = Anchor::middle,
                  .bold = i == j});
      }
      svg.end_group();
    }
  }
  return svg.finish();
}

}  // namespace varve::report
