#include "formats/json.h"

#include <nlohmann/json.hpp>

#include "formats/text.h"
#include "helpers.h"

namespace varve::formats {
namespace {

std::string error(const std::string& text) {
  return message_of([&] { parse_json(text, "j"); });
}

TEST(Json, BuildsTheTreeThatIsWritten) {
  const nlohmann::json tree = parse_json(
      R"( {"a": [1, -2, 3.5, 1e3, 18446744073709551615], "b": {"c": null, "d": [true, false]},
          "e": "x\n\u00e4\ud83d\ude00\/", "f": {}, "g": [], "h": 1e-999} )",
      "j");
  EXPECT_EQ(tree["a"][0], 1);
  EXPECT_TRUE(tree["a"][1].is_number_integer());
  EXPECT_EQ(tree["a"][2], 3.5);
  EXPECT_EQ(tree["a"][3], 1000.0);
  EXPECT_EQ(tree["a"][4], 18446744073709551615u);
  EXPECT_TRUE(tree["b"]["c"].is_null());
  EXPECT_EQ(tree["b"]["d"][1], false);
  EXPECT_EQ(tree["e"], "x\n\xc3\xa4\xf0\x9f\x98\x80/");
  EXPECT_EQ(tree["h"], 0.0);
  EXPECT_EQ(nlohmann::json::parse(tree.dump()), tree);
}

TEST(Json, RefusesWhatTheStandardRefuses) {  // B007, B009, B010, B146
  const std::vector<std::pair<std::string, std::string>> rows{
      {"", "j: JSON error at byte 0: expected a value"},
      {"{\"a\":1,}", "j: JSON error at byte 7: expected '\"'"},
      {"{\"a\":1", "j: JSON error at byte 6: expected '}'"},
      {"{\"a\":1 2}", "j: JSON error at byte 7: expected ',' or '}'"},
      {"{\"a\" 1}", "j: JSON error at byte 5: expected ':'"},
      {"[1,]", "j: JSON error at byte 3: expected a value"},
      {"[1", "j: JSON error at byte 2: expected ']'"},
      {"NaN", "j: JSON error at byte 0: expected a value"},
      {"[-Infinity]", "j: JSON error at byte 2: expected a digit"},
      {"[01]", "j: JSON error at byte 2: expected ',' or ']'"},
      {"[1.]", "j: JSON error at byte 3: expected a digit"},
      {"[.5]", "j: JSON error at byte 1: expected a value"},
      {"[1e999]", "j: JSON error at byte 6: number too large: \"1e999\""},
      {"\"a\nb\"", "j: JSON error at byte 2: control character in a string"},
      {"\"a", "j: JSON error at byte 2: string not closed"},
      {"\"\\x\"", "j: JSON error at byte 2: expected one of \" \\ / b f n r t u"},
      {"\"\\ud800\"", "j: JSON error at byte 7: expected the second half of a surrogate pair"},
      {"\"\\ud800\\u0041\"",
       "j: JSON error at byte 13: expected the second half of a surrogate pair"},
      {"\"\\udc00\"", "j: JSON error at byte 7: lone second half of a surrogate pair"},
      {"\"\\u12g4\"", "j: JSON error at byte 5: expected a hex digit"},
      {"truth", "j: JSON error at byte 0: expected a value"},
      {"1 2", "j: JSON error at byte 2: expected the end"},
      {"\xef\xbb\xbf{}", "j: JSON error at byte 0: expected a value"},
      {"\"\xc0\xaf\"", "j: invalid UTF-8 at byte 1"},
      {"{\"a\":1,\"b\":{\"a\":2,\"a\":3}}", "j: key \"a\": defined twice (bytes 12 and 18)"},
      {std::string(100'000, '['), "j: nesting deeper than 64 at byte 64"}};
  for (const auto& [text, expected] : rows) EXPECT_EQ(error(text), expected) << text.substr(0, 40);
  EXPECT_EQ(error(std::string(64, '[') + std::string(64, ']')), "no error");
}

TEST(Json, AFileIsNamedInItsErrors) {
  Folder folder;
  const std::string path = folder.file("a.json", "{");
  EXPECT_EQ(message_of([&] { read_json(path); }), path + ": JSON error at byte 1: expected '}'");
}

TEST(Json, NoDamageCrashesTheReader) {
  const auto read = [](const Source& source) {
    parse_json(source.read(0, source.size()).text(), "j");
  };
  check_damage(read, R"({"a": [1, -2.5e3, "x\u00e4\ud83d\ude00"], "b": {"c": null, "d": [true]}})");
}

TEST(Utf8, TheFirstBadByteIsFound) {
  const std::vector<std::pair<std::string, int64_t>> rows{
      {"", -1},
      {"plain ascii text", -1},
      {"\xc3\xa4\xe2\x82\xac\xf0\x9f\x98\x80", -1},
      {"abcdefgh\x80", 8},
      {"a\xc3", 1},
      {"\xc1\x81", 0},
      {"\xe0\x9f\xbf", 0},
      {"\xed\xa0\x80", 0},
      {"\xf0\x8f\xbf\xbf", 0},
      {"\xf4\x90\x80\x80", 0},
      {"\xf4\x8f\xbf\xbf", -1},
      {"ab\xe2\x82", 2},
      {"\xff", 0}};
  for (const auto& [text, expected] : rows) EXPECT_EQ(first_invalid_utf8(text), expected);
}

}  // namespace
}  // namespace varve::formats
