#include "report/page.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "formats/base64.h"
#include "formats/png.h"
#include "report/contact_sheet.h"
#include "report/markup.h"
#include "report/training_report.h"

namespace varve::report {
namespace {

using ::testing::AllOf;
using ::testing::HasSubstr;
using ::testing::Not;

formats::Array picture(int64_t height, int64_t width, int64_t channels, uint8_t value) {
  formats::Array out(DType::u8, Shape{height, width, channels});
  for (uint8_t& v : out.span<uint8_t>()) v = value;
  return out;
}

TEST(Page, Base64GivesTheVectorsOfRfc4648) {
  const char* expected[] = {"", "Zg==", "Zm8=", "Zm9v", "Zm9vYg==", "Zm9vYmE=", "Zm9vYmFy"};
  for (size_t n = 0; n <= 6; ++n) {
    EXPECT_EQ(formats::base64(formats::as_bytes(std::string_view("foobar").substr(0, n))),
              expected[n]);
  }
}

TEST(Page, StandsAloneAndIsWellFormed) {
  Page page("A <title>", "and what it is & was");
  page.tiles({{"Accuracy", "99.2 %", "published 99.22 %"}});
  page.section("Mistakes", "The surest first.");
  page.gallery({{picture(3, 3, 1, 7), "4, said 9", "98 %"}});
  page.table({"metric", "value"}, {{"accuracy", "0.9921"}, {"loss", "0.024"}});
  page.pictures({"<svg></svg>"});
  page.preformatted("a < b");
  const std::string html = page.finish("made by Varve");
  EXPECT_EQ(unbalanced(html), "");
  EXPECT_THAT(html, HasSubstr("<title>A &lt;title&gt;</title>"));
  EXPECT_THAT(html, HasSubstr("data:image/png;base64,iVBORw0KGgo"));
  // Numbers to the right, words to the left.
  EXPECT_THAT(html, HasSubstr("<th>metric</th><th class=\"number\">value</th>"));
  for (const char* outside : {"http:", "https:", "<script", "<link", "@import", "url("}) {
    EXPECT_THAT(html, Not(HasSubstr(outside))) << outside;
  }
}

TEST(Page, WidePicturesGetARowOfTheirOwn) {
  Page page("t", "");
  page.pictures({"<svg width=\"530\"></svg>", "<svg width=\"700.5\"></svg>", "<svg></svg>"});
  const std::string html = page.finish("");
  EXPECT_THAT(html, HasSubstr("<figure class=\"chart\"><svg width=\"530\">"));
  EXPECT_THAT(html, HasSubstr("<figure class=\"chart wide\"><svg width=\"700.5\">"));
  EXPECT_THAT(html, HasSubstr("<figure class=\"chart\"><svg></svg>"));
}

TEST(LearningCurves, NameTheirPartsButNotWhatIsSet) {
  const std::vector<std::string> charts =
      learning_curves({{"loss", {2, 1}}, {"learning_rate", {0.25, 0.125}}, {"val_loss", {3, 2}}});
  ASSERT_EQ(charts.size(), 2u);
  EXPECT_THAT(charts[0], AllOf(HasSubstr(">training<"), HasSubstr(">validation<")));
  EXPECT_THAT(charts[1], AllOf(HasSubstr(">Learning rate<"), Not(HasSubstr(">training<"))));
}

TEST(Headings, AreWordsAndAbbreviations) {
  EXPECT_EQ(heading_text("top_k"), "Top k");
  EXPECT_EQ(heading_text("auc"), "AUC");
  EXPECT_EQ(heading_text(""), "");
}

TEST(ContactSheet, PutsPicturesInRowsEnlarged) {
  const std::vector<formats::Array> pictures{picture(2, 2, 1, 10), picture(2, 2, 1, 20),
                                             picture(2, 2, 1, 30)};
  const formats::Array sheet = contact_sheet(pictures, {.columns = 2, .scale = 3, .gap = 1});
  EXPECT_EQ(sheet.shape, (Shape{1 + 2 * 7, 1 + 2 * 7, 1}));
  const auto at = [&](int64_t y, int64_t x) {
    return sheet.span<uint8_t>()[static_cast<size_t>(y * 15 + x)];
  };
  EXPECT_EQ(at(1, 1), 10);
  EXPECT_EQ(at(6, 6), 10);
  EXPECT_EQ(at(7, 7), 0xfc);
  EXPECT_EQ(at(1, 8), 20);
  EXPECT_EQ(at(8, 1), 30);
  EXPECT_EQ(at(8, 8), 0xfc);
}

TEST(ContactSheet, OneColouredPictureMakesTheSheetColoured) {
  const std::vector<formats::Array> pictures{picture(2, 2, 1, 10), picture(4, 3, 3, 20)};
  const formats::Array sheet = contact_sheet(pictures, {.columns = 8, .scale = 1, .gap = 0});
  EXPECT_EQ(sheet.shape, (Shape{4, 6, 3}));
  const auto pixels = sheet.span<uint8_t>();
  EXPECT_EQ(pixels[0], 0xfd);  // the small picture stands in the middle
  EXPECT_EQ(pixels[(1 * 6 + 0) * 3], 10);
  EXPECT_EQ(pixels[(0 * 6 + 3) * 3], 20);
}

TEST(ContactSheet, NoPicturesAreRefused) {
  EXPECT_THROW(contact_sheet(std::vector<formats::Array>{}), ValueError);
}

}  // namespace
}  // namespace varve::report
