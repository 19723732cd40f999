// Networks by name: each spec of the zoo's headers has one, and its settings are those of its text.
#include "zoo/registry.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <regex>
#include <set>

#include "support/errors.h"
#include "support/folder.h"
#include "varve/zoo.h"
#include "zoo/helpers.h"

namespace varve {
namespace {

using test::message_of;

/// "MobileNetV2" and "mobilenet_v2" alike.
std::string plain(const std::string& name) {
  std::string out;
  for (char c : name) {
    if (c != '_') out += static_cast<char>(std::tolower(static_cast<unsigned char>(c)));
  }
  return out;
}

TEST(ZooNames, AreThoseOfEverySpecOfTheHeaders) {
  std::set<std::string> known;
  for (const std::string& name : zoo::names()) known.insert(plain(name));
  EXPECT_TRUE(std::ranges::is_sorted(zoo::names()));
  int specs = 0;
  for (const char* header : {"zoo.h", "zoo_vision.h", "zoo_generative.h", "zoo_text.h"}) {
    const std::string text =
        test::read_text(std::string(VARVE_SOURCE_DIR "/include/varve/") + header);
    const std::regex spec("\nstruct (\\w+) \\{");
    for (auto at = std::sregex_iterator(text.begin(), text.end(), spec);
         at != std::sregex_iterator(); ++at, ++specs) {
      const std::string name = plain((*at)[1]);
      const bool two = known.contains(name + "generator") && known.contains(name + "discriminator");
      EXPECT_TRUE(two || known.contains(name)) << (*at)[1];
    }
  }
  EXPECT_EQ(specs, 43);
}

TEST(ZooNames, MakeNetworksWithTheirSettings) {
  for (const zoo::Network& n : zoo::networks()) {
    SCOPED_TRACE(n.name);
    config::Json all = config::write(n.name, n.fields);
    EXPECT_FALSE(all.empty());
    const Model plain = zoo::from_config(config::Json(n.name).dump());
    all["type"] = n.name;
    const Model told = zoo::from_config(all.dump());
    EXPECT_EQ(told.config(), plain.config());
    // Every setting by itself is known, and one that is none is refused by its name.
    for (const auto& [key, value] : all.items()) {
      if (key != "type") zoo::from_config(config::Json{{"type", n.name}, {key, value}}.dump());
    }
    EXPECT_EQ(message_of<ConfigError>([&] {
                zoo::from_config(config::Json{{"type", n.name}, {"layer", 1}}.dump());
              }),
              "zoo.layer: unknown key");
  }
}

TEST(ZooNames, SettingsReachTheNetwork) {
  const Model small = zoo::from_config(
      R"({"type": "resnet", "depth": 18, "classes": 5, "input": [32, 32, 1], "width": 0.125})");
  EXPECT_EQ(small(zeros({2, 32, 32, 1})).shape(), (Shape{2, 5}));
  Model gpt = zoo::from_config(
      R"({"type": "gpt", "vocabulary": 11, "context": 8, "layers": 1, "heads": 2, "units": 4})");
  EXPECT_EQ(gpt(zeros({2, 8}, i64)).shape(), (Shape{2, 8, 11}));
  // A job's data give one input.
  EXPECT_NE(message_of<Error>([] {
              zoo::from_config(R"({"type": "koch_siamese", "width": 0.1})").build({105, 105, 1});
            }).find("2 inputs"),
            std::string::npos);
  EXPECT_EQ(message_of<ConfigError>([] { zoo::from_config("\"resnett\""); }),
            "zoo: unknown network \"resnett\"");
  EXPECT_EQ(message_of<ConfigError>(
                [] { zoo::from_config(R"({"type": "lenet5", "pooling": "min"})", "model.zoo"); }),
            "model.zoo: lenet5: pooling: unknown choice \"min\"");
}

}  // namespace
}  // namespace varve
