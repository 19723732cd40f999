#include "formats/toml.h"

#include "helpers.h"

namespace varve::formats {
namespace {

using Kind = TomlValue::Kind;

std::string error(std::string_view text) {
  return message_of([&] { parse_toml(text, "config.toml"); });
}

TEST(Toml, GivesATreeWithPositions) {
  const TomlValue tree = parse_toml(R"(name = "digits"
seed = 7

[train]
learning_rate = 1e-3
layers = [
  { type = "dense", units = 10 },
  "relu",
]
shuffle = true
started = 2024-05-06
zoo.depth = 18

[[train.callbacks]]
type = "stop"
)",
                                    "config.toml");
  EXPECT_EQ(tree.kind, Kind::table);
  ASSERT_EQ(tree.members.size(), 3u);
  EXPECT_EQ(tree.members[0].key, "name");
  EXPECT_EQ(tree.find("name")->text, "digits");
  EXPECT_EQ(tree.find("seed")->integer, 7);
  EXPECT_EQ(tree.find("seed")->position.line, 2);
  EXPECT_EQ(tree.find("seed")->position.column, 8);
  EXPECT_EQ(tree.find("none"), nullptr);
  const TomlValue* train = tree.find("train");
  EXPECT_EQ(train->find("learning_rate")->real, 1e-3);
  const TomlValue* layers = train->find("layers");
  ASSERT_EQ(layers->items.size(), 2u);
  EXPECT_EQ(layers->items[0].members[0].key, "type")
      << "the order of the file, not of the alphabet";
  EXPECT_EQ(layers->items[0].find("units")->position.line, 7);
  EXPECT_EQ(layers->items[0].members[1].position.column, 21);
  EXPECT_EQ(layers->items[1].text, "relu");
  EXPECT_TRUE(train->find("shuffle")->boolean);
  EXPECT_EQ(train->find("started")->kind, Kind::date_time);
  EXPECT_EQ(train->find("started")->text, "2024-05-06");
  EXPECT_EQ(train->find("zoo")->find("depth")->integer, 18);
  EXPECT_EQ(train->find("callbacks")->items[0].find("type")->text, "stop");
  EXPECT_STREQ(name_of(train->find("layers")->kind), "array");
}

TEST(Toml, RefusesEveryBadInput) {  // B079
  const std::vector<std::pair<std::string, std::string>> rows{
      {"a = 1\nb = \n", "config.toml:2:5: expected value, got '\\n'"},
      {"a = 1\na = 2\n", "config.toml:2:5: cannot redefine existing integer 'a'"},
      {"[t]\nx=1\n[t]\n", "config.toml:3:1: cannot redefine existing table 't'"},
      {"a = [" + std::string(10'000, '[') + "\n", "config.toml:1:69: nesting deeper than 64"},
      {"a = " + repeated("{a=", 10'000) + "\n", "config.toml:1:197: nesting deeper than 64"},
      {"[a" + repeated(".a", 10'000) + "]\n", "config.toml:1:129: nesting deeper than 64"},
      {"# x\n" + repeated("a.", 500'000) + "a = 1\n", "config.toml:2:128: nesting deeper than 64"},
      {"a = [1,\n", "config.toml:1:9: encountered end-of-file"},
      {"a = 1e400\n", "config.toml:1:10: expected a value, got '1e400'"},
      {"a = 9223372036854775808\n",
       "config.toml:1:24: '9223372036854775808' is not representable in 64 bits"},
      {"a 3\n", "config.toml:1:3: expected '=', got '3'"},
      {"a = \"" + std::string(200, '[') + "\"\nb = 'x." + repeated("a.", 100) + "'\n", "no error"},
      {"a = \"\"\"\n" + std::string(200, '[') + "\n\\\"\"\"\"\n", "no error"}};
  for (const auto& [text, expected] : rows) EXPECT_EQ(error(text), expected) << text.substr(0, 40);
}

TEST(Toml, DottedKeysCountTowardsTheDepth) {
  const std::string part = "a" + repeated(".a", 39);
  EXPECT_EQ(error(part + " = 1\n"), "no error");
  EXPECT_EQ(error(part + " = { " + part + " = 1 }\n").substr(0, 13), "config.toml:1");
  EXPECT_NE(error(part + " = { " + part + " = 1 }\n").find("nesting deeper than 64"),
            std::string::npos);
}

TEST(Toml, AFileIsNamedWithItsPosition) {  // B082
  Folder folder;
  const std::string path = folder.file("config.toml", "a = 1\nb = [1,\n");
  EXPECT_EQ(message_of([&] { read_toml(path); }).substr(0, path.size() + 3), path + ":2:");
  const std::string large = folder.file("large.toml", std::string((1 << 20) + 1, '\n'));
  EXPECT_EQ(message_of([&] { read_toml(large); }),
            large + ": file too long: expected at most 1048576 bytes, got 1048577");
  EXPECT_EQ(message_of([&] { read_toml(folder.path()); }),
            folder.path() + ": is a directory; expected a regular file");
}

TEST(Toml, NoDamageCrashesTheReader) {
  const auto read = [](const Source& source) {
    parse_toml(source.read(0, source.size()).text(), "m");
  };
  check_damage(read,
               "a = 1\n[b.c]\nd = [1, 2.5e1, \"x\\u00e4\", true, 1979-05-27T07:32:00Z]\n"
               "e = { f = 'g', \"h\" = \"\"\"i\"\"\" }\n[[j]]\n",
               false);
}

}  // namespace
}  // namespace varve::formats
