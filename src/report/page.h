// An HTML page in one file: no script, nothing loaded from anywhere, so it opens offline and can be
// sent by mail. Pictures are inline SVG and PNG data.
#pragma once
#include <string>
#include <string_view>
#include <vector>

#include "formats/array.h"

namespace varve::report {

/// A figure that the page leads with.
struct Tile {
  std::string label, value;
  std::string note = {};
};
struct GalleryItem {
  formats::Array picture;  // u8
  std::string caption;     // the first line, set in bold
  std::string detail = {};
};

class Page {
 public:
  Page(std::string title, std::string subtitle);
  void tiles(const std::vector<Tile>& tiles);
  /// A heading; what follows stands below it.
  void section(std::string_view heading, std::string_view text = {});
  void paragraph(std::string_view text);
  /// SVG pictures side by side where there is room.
  void pictures(const std::vector<std::string>& svgs);
  /// A picture, and beside it text as it stands.
  void picture_and_text(std::string_view svg, std::string_view text);
  /// Small pictures, enlarged without smoothing.
  void gallery(const std::vector<GalleryItem>& items);
  /// Columns that hold numbers are set to the right.
  void table(const std::vector<std::string>& head,
             const std::vector<std::vector<std::string>>& rows);
  void preformatted(std::string_view text);
  std::string finish(std::string_view footer) const;

 private:
  std::string title_, subtitle_, body_;
};

}  // namespace varve::report
