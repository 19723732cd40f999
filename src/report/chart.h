// Charts as SVG: lines, bars, confusion matrices. Plain data in, a picture out.
#pragma once
#include <cstdint>
#include <limits>
#include <optional>
#include <string>
#include <vector>

#include "report/svg.h"

namespace varve::report {

/// Round numbers that cover [low, high], about `count` of them; the step is 1, 2 or 5 times a power
/// of ten. Needs: low <= high, both finite.
std::vector<double> ticks(double low, double high, int count);
/// How a tick of such an axis is written: as many decimals as its step needs.
std::string tick_label(double value, double step);

struct Series {
  std::string name;
  std::vector<double> x, y;  // of one length; where y is not finite the line is broken
  bool dashed = false;
};

struct LineChart {
  std::string title = {};
  std::string x_label = {}, y_label = {};
  std::vector<Series> series = {};
  std::optional<double> y_low = {}, y_high = {};  // default: what the data need
  bool percent = false;                           // y as per cent
  bool whole_x = true;                            // x are counts: ticks only at whole numbers
  double width = 530, height = 310;
};
/// Axes with round ticks, a legend that gives each line's last value; a single line without a name
/// has none.
std::string line_chart(const LineChart& chart);

struct Bar {
  std::string label;
  double value = 0;
  std::string note = {};  // written behind the bar; default: the value
};
struct BarChart {
  std::string title = {};
  std::string value_label = {};
  std::vector<Bar> bars = {};  // of values >= 0
  bool percent = false;
  std::optional<double> low = {};  // where the axis begins; default 0
  double width = 530;
};
/// Horizontal bars, one a row.
std::string bar_chart(const BarChart& chart);

struct ConfusionMatrix {
  std::string title = {};
  std::vector<std::string> classes = {};
  std::vector<int64_t> counts = {};  // row-major, [true class, predicted class]
};
/// A heat map: the diagonal in blue, mistakes in brick, each by its share of its row. The counts
/// stand in the cells where there is room: those of three digits up to 60 classes.
std::string confusion_matrix(const ConfusionMatrix& matrix);

}  // namespace varve::report
