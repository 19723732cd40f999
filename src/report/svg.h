// Drawing in SVG: shapes and text with the house's colours, as a string that stands alone in a file
// or inside an HTML page.
#pragma once
#include <string>
#include <string_view>
#include <vector>

namespace varve::report {

namespace colours {
inline constexpr const char *kPaper = "#fdfcf9", *kInk = "#23282d", *kMuted = "#737a80",
                            *kGrid = "#e8e4da", *kAxis = "#b9b4a8";
/// Told apart by readers with any colour vision: blue, ochre, brick, moss, violet, slate.
inline constexpr const char* kSeries[] = {"#2a6f97", "#d9902f", "#b5483a",
                                          "#5b8c5a", "#7a5c9e", "#5d6b78"};
inline constexpr int kSeriesCount = 6;
}  // namespace colours

/// A colour between two others of the form "#rrggbb"; share 0 gives `from`, 1 gives `to`.
std::string mix(std::string_view from, std::string_view to, double share);

/// Text made safe for XML and HTML; control characters, which neither allows, become U+FFFD.
std::string xml(std::string_view text);

/// A number in few characters: at most `decimals` of them behind the point, no trailing zeros.
std::string number(double value, int decimals = 2);
/// A number as a reader wants it: four significant digits, thousands apart with commas.
std::string figure(double value);

/// How wide text stands, by Helvetica's metrics: close enough for layout whatever the font.
double text_width(std::string_view text, double size, bool bold = false);
/// The text cut so that it fits, with an ellipsis where something was cut.
std::string fitted(const std::string& text, double width, double size, bool bold = false);

enum class Anchor { start, middle, end };

struct TextStyle {
  double size = 12;
  std::string colour = colours::kInk;
  Anchor anchor = Anchor::start;
  bool bold = false;
  bool mono = false;
  double rotate = 0;  // degrees, about the text's own point
};
struct Stroke {
  std::string colour = colours::kInk;
  double width = 1;
  std::string dash = {};
};
struct Point {
  double x = 0, y = 0;
};
struct Box {
  double x = 0, y = 0, width = 0, height = 0;
};

class Svg {
 public:
  /// `title` is what screen readers say.
  Svg(double width, double height, std::string title);

  void line(Point from, Point to, const Stroke& stroke);
  void polyline(const std::vector<Point>& points, const Stroke& stroke);
  /// `data` as in the attribute d.
  void path(const std::string& data, const Stroke& stroke, const std::string& fill = "none");
  void rectangle(const Box& box, const std::string& fill, double radius = 0,
                 const Stroke& stroke = {.width = 0});
  void circle(Point centre, double radius, const std::string& fill,
              const Stroke& stroke = {.width = 0});
  /// `y` is the baseline.
  void text(Point at, std::string_view text, const TextStyle& style = {});
  /// What shows when the pointer rests on the shapes drawn until `end_group`.
  void begin_group(std::string_view tooltip);
  void end_group();
  double width() const { return width_; }
  double height() const { return height_; }
  /// The whole picture.
  std::string finish() const;

 private:
  double width_, height_;
  std::string title_, body_;
};

/// How wide a finished picture is drawn; 0 for text that does not say.
double svg_width(std::string_view svg);

/// Finished pictures one below the other, as one.
std::string in_a_column(const std::vector<std::string>& svgs);

}  // namespace varve::report
