#include "report/chart.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cmath>

#include "report/markup.h"

namespace varve::report {
namespace {

using ::testing::DoubleEq;
using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::Not;

TEST(Chart, TicksAreRoundNumbersInsideTheRange) {
  EXPECT_THAT(ticks(0, 1, 5), ElementsAre(0, 0.2, 0.4, DoubleEq(0.6), 0.8, 1));
  EXPECT_THAT(ticks(1, 15, 8), ElementsAre(2, 4, 6, 8, 10, 12, 14));
  EXPECT_THAT(ticks(-0.3, 0.3, 3), ElementsAre(-0.2, 0, 0.2));
  EXPECT_THAT(ticks(3, 3, 5), ElementsAre(3));
}

TEST(Chart, TicksEndWhereTheNextMultipleIsNoOtherNumber) {
  const double low = 0x1p60, high = std::nextafter(low, 2 * low);
  EXPECT_LE(ticks(low, high, 1000).size(), 1002u);
  EXPECT_LE(ticks(-high, -low, 5).size(), 7u);
}

TEST(Chart, CurvesThatDifferInTheLastBitsAloneLieOnOneAxis) {
  for (const double value : {0.8660254037844386, -1.5e6, 3e300, 2e-300}) {
    const double near = std::nextafter(value, 2 * value);
    const std::string svg = line_chart({.series = {{"rmse", {1, 2}, {value, near}}}});
    EXPECT_EQ(unbalanced(svg), "");
    EXPECT_EQ(count(svg, "<polyline"), 1) << value;
    EXPECT_LE(count(svg, "<text"), 40) << value;
    EXPECT_THAT(svg, Not(HasSubstr("nan"))) << value;
    // Both ends of the axis given, and the same but for their last bits.
    line_chart({.series = {{"r2", {value, near}, {1, 2}}}, .y_low = value, .y_high = near});
    bar_chart({.bars = {{"a", near}}, .low = value});
  }
}

TEST(Chart, TickLabelsHaveTheDecimalsOfTheirStep) {
  EXPECT_EQ(tick_label(0.6000000000000001, 0.2), "0.6");
  EXPECT_EQ(tick_label(0.25, 0.05), "0.25");
  EXPECT_EQ(tick_label(0, 0.05), "0.00");
  EXPECT_EQ(tick_label(12000, 2000), "12,000");
  EXPECT_EQ(tick_label(2e6, 1e6), "2e+06");
}

TEST(Chart, FiguresHaveFourDigitsAndCommas) {
  EXPECT_EQ(figure(34826), "34,826");
  EXPECT_EQ(figure(-1000), "-1,000");
  EXPECT_EQ(figure(999), "999");
  EXPECT_EQ(figure(0.028531), "0.02853");
  EXPECT_EQ(figure(std::nan("")), "NaN");
}

TEST(Chart, EveryLineIsDrawnAndNamedWithItsLastValue) {
  const std::string svg = line_chart({.title = "Accuracy",
                                      .x_label = "epoch",
                                      .series = {{"training", {1, 2, 3}, {0.5, 0.7, 0.9}},
                                                 {"validation", {1, 2, 3}, {0.4, 0.6, 0.8125}}},
                                      .percent = true});
  EXPECT_EQ(unbalanced(svg), "");
  EXPECT_EQ(count(svg, "<polyline"), 2);
  EXPECT_THAT(svg, HasSubstr(">90.00 %<"));
  EXPECT_THAT(svg, HasSubstr(">81.25 %<"));
  EXPECT_THAT(svg, HasSubstr(">validation<"));
}

TEST(Chart, ASingleLineWithoutANameHasNoLegend) {
  LineChart chart{.title = "Learning rate", .series = {{"", {1, 2}, {0.25, 0.125}}}};
  const std::string nameless = line_chart(chart);
  chart.series[0].name = "training";
  const std::string named = line_chart(chart);
  EXPECT_EQ(count(nameless, "<polyline"), 1);
  EXPECT_EQ(count(nameless, "<line") + 1, count(named, "<line"));
  EXPECT_EQ(count(nameless, "<text") + 2, count(named, "<text"));
  EXPECT_EQ(svg_width(nameless), chart.width);
}

TEST(Chart, ALineBreaksWhereAValueIsNotFinite) {
  const double nan = std::nan("");
  const std::string svg =
      line_chart({.title = "Loss", .series = {{"loss", {1, 2, 3, 4, 5}, {3, 2, nan, 1, 0.5}}}});
  EXPECT_EQ(count(svg, "<polyline"), 2);
  EXPECT_THAT(svg, Not(HasSubstr("nan")));
}

TEST(Chart, NoDataAndOneValueStillGiveAPicture) {
  for (const std::vector<double>& y : {std::vector<double>{}, {std::nan("")}, {0.0}, {-3.5}}) {
    std::vector<double> x(y.size(), 1);
    EXPECT_EQ(unbalanced(line_chart({.title = "Loss", .series = {{"loss", x, y}}})), "");
  }
  EXPECT_EQ(unbalanced(line_chart({.title = "Loss"})), "");
  EXPECT_EQ(unbalanced(bar_chart({.title = "Bars"})), "");
  EXPECT_EQ(unbalanced(confusion_matrix({"Nothing", {}, {}})), "");
}

TEST(Chart, NamesCannotBreakTheMarkup) {
  const std::string name = "<b> & \"it's\" \x01";
  const std::string svg = line_chart({.title = name, .series = {{name, {1, 2}, {1, 2}}}});
  EXPECT_EQ(unbalanced(svg), "");
  EXPECT_THAT(svg, HasSubstr("&lt;b&gt; &amp; &quot;it&#39;s&quot; \xEF\xBF\xBD"));
}

TEST(Chart, BarsAreAsLongAsTheirValues) {
  const std::string svg = bar_chart({.title = "Mistakes", .bars = {{"a", 1}, {"b", 2}}});
  const auto width = [&](size_t from) {
    const size_t at = svg.find("width=\"", svg.find("<rect", from)) + 7;
    return std::pair{std::stod(svg.substr(at)), at};
  };
  const auto [first, at] = width(0);
  const auto [second, end] = width(at);
  EXPECT_NEAR(second, 2 * first, 0.02);
  (void)end;
}

TEST(Chart, TheConfusionMatrixShowsCountsAndShares) {
  const std::string svg = confusion_matrix({"Cats", {"cat", "dog"}, {8, 2, 0, 5}});
  EXPECT_EQ(unbalanced(svg), "");
  EXPECT_THAT(svg, HasSubstr("true cat, predicted dog: 2 (20.00 %)"));
  EXPECT_THAT(svg, HasSubstr("true dog, predicted dog: 5 (100.00 %)"));
  EXPECT_EQ(count(svg, "<rect"), 4);
}

TEST(Chart, CountsOfManyClassesAreDrawnWhereTheyFit) {
  for (const size_t n : {20u, 25u, 43u, 60u}) {
    ConfusionMatrix matrix{.title = "Many", .classes = std::vector<std::string>(n, "c")};
    matrix.counts.assign(n * n, 0);
    for (size_t i = 0; i < n; ++i) matrix.counts[i * n + i] = 321;
    matrix.counts[1] = 7;
    const std::string svg = confusion_matrix(matrix);
    EXPECT_EQ(count(svg, ">321<"), static_cast<int>(n)) << n;
    EXPECT_EQ(count(svg, ">7<"), 1) << n;
    // What has no room is in the tip alone.
    matrix.counts[2] = 123'456'789;
    EXPECT_EQ(count(confusion_matrix(matrix), ">123456789<"), 0) << n;
    EXPECT_THAT(confusion_matrix(matrix), HasSubstr("123,456,789"));
  }
}

TEST(Chart, TextIsCutToFitAtWholeCharacters) {
  EXPECT_EQ(fitted("short", 200, 12), "short");
  const std::string cut =
      fitted("\u00e4\u00e4\u00e4\u00e4\u00e4\u00e4\u00e4\u00e4\u00e4\u00e4", 40, 12);
  EXPECT_LE(text_width(cut, 12), 40);
  EXPECT_EQ(cut, "\u00e4\u00e4\u00e4\u00e4\u2026");
}

TEST(Chart, ColoursMixInEqualSteps) {
  EXPECT_EQ(mix("#000000", "#ffffff", 0), "#000000");
  EXPECT_EQ(mix("#000000", "#ffffff", 1), "#ffffff");
  EXPECT_EQ(mix("#102030", "#304050", 0.5), "#203040");
}

}  // namespace
}  // namespace varve::report
