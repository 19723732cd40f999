// Values at the edges of what operators of ONNX take: texts as numbers, integers of 64 bits.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cmath>

#include "io/onnx_builder.h"
#include "support/errors.h"

namespace varve {
namespace {

using test::int64s;
using test::node;
using test::Type;
using ::testing::ElementsAre;

formats::onnx::Model texts_as(Type to, const std::vector<std::string>& texts) {
  test::TensorData t;
  t.name = "t";
  t.type = Type::string;
  t.shape = Shape{texts.size()};
  t.strings = texts;
  return test::model(
      {node("Cast", {"t"}, {"y"}, {test::integer("to", static_cast<int64_t>(to))}, "n")}, {t});
}
Tensor cast_texts(Type to, const std::vector<std::string>& texts) {
  return test::run(texts_as(to, texts));
}
std::string refused(Type to, const std::string& text) {
  return test::message_of<FormatError>([&] { cast_texts(to, {text}); });
}

TEST(OnnxCast, OfTextsKeepsAllBitsOfIntegers) {
  const auto i = cast_texts(Type::int64, {"9223372036854775807", "-9223372036854775808",
                                          "+9007199254740993", "1e3", "-2.9"});
  EXPECT_THAT(i.span<int64_t>(), ElementsAre(INT64_MAX, INT64_MIN, 9007199254740993, 1000, -2));
  const auto u = cast_texts(Type::uint64, {"18446744073709551615", "9223372036854775808", "-0.5"});
  EXPECT_THAT(u.span<uint64_t>(), ElementsAre(UINT64_MAX, uint64_t{1} << 63, 0u));
  EXPECT_THAT(cast_texts(Type::int8, {"-128", "127.9"}).span<int8_t>(), ElementsAre(-128, 127));
}

// As numpy.array([...]).astype: OverflowError and ValueError there.
TEST(OnnxCast, OfTextsRefusesWhatATypeDoesNotHold) {
  EXPECT_EQ(refused(Type::int64, "inf"), "node \"n\": \"inf\" is no number of i64");
  EXPECT_EQ(refused(Type::int64, "-INF"), "node \"n\": \"-INF\" is no number of i64");
  EXPECT_EQ(refused(Type::int32, "NaN"), "node \"n\": \"NaN\" is no number of i32");
  EXPECT_EQ(refused(Type::int64, "9223372036854775808"),
            "node \"n\": \"9223372036854775808\" is no number of i64");
  EXPECT_EQ(refused(Type::int64, "-1e30"), "node \"n\": \"-1e30\" is no number of i64");
  EXPECT_EQ(refused(Type::uint64, "18446744073709551616"),
            "node \"n\": \"18446744073709551616\" is no number of u64");
  EXPECT_EQ(refused(Type::uint64, "-1"), "node \"n\": \"-1\" is no number of u64");
  EXPECT_EQ(refused(Type::uint8, "256"), "node \"n\": \"256\" is no number of u8");
  EXPECT_EQ(refused(Type::int8, "-129"), "node \"n\": \"-129\" is no number of i8");
  EXPECT_EQ(refused(Type::int32, "12x"), "node \"n\": \"12x\" is no number");
  EXPECT_EQ(refused(Type::float32, ""), "node \"n\": \"\" is no number");
  for (const char* text : {"+-5", "++5", "+", "1e", "1e+", "1e9999999999999999999x"}) {
    const std::string said = std::string("node \"n\": \"") + text + "\" is no number";
    EXPECT_EQ(refused(Type::float64, text), said);
    EXPECT_EQ(refused(Type::int32, text), said);
  }
}

TEST(OnnxCast, OfTextsToFloatsGoesToInfinityAndZero) {
  const std::string zeros(400, '0');
  const auto y = cast_texts(
      Type::float64,
      {"1e999", "-1e400", "1e5000", "-1e99999999999999999999", "1" + zeros, "0.001e+320", "+inf",
       "1e-999", "1e-5000", "0." + zeros + "1", "1e-99999999999999999999", "1000e-330", "nan"});
  const auto v = y.to_doubles();
  EXPECT_THAT(std::vector(v.begin(), v.begin() + 7),
              ElementsAre(INFINITY, -INFINITY, INFINITY, -INFINITY, INFINITY, INFINITY, INFINITY));
  EXPECT_THAT(std::vector(v.begin() + 7, v.begin() + 12), ElementsAre(0, 0, 0, 0, 0));
  EXPECT_TRUE(std::isnan(v[12]));
}

// What a model of one node says over x [2, 2] and the weights.
std::string refusal(test::Node n, std::vector<test::TensorData> weights, const std::string& domain,
                    int64_t opset) {
  n.name = "n";
  n.domain = domain;
  auto m = test::model({std::move(n)}, std::move(weights), opset);
  if (!domain.empty()) m.opsets[domain] = 1;
  return test::message_of<Error>([&] { test::run(test::reread(m)); });
}

TEST(OnnxAttention, RefusesKeysAndValuesOfNoHeads) {
  const auto tensor = [](const char* name, const Shape& shape) {
    return test::floats(name, shape, std::vector<float>(static_cast<size_t>(shape.size())));
  };
  EXPECT_EQ(
      refusal(node("FlexAttention", {"q", "k", "v"}, {"y"}),
              {tensor("q", {1, 2, 3, 4}), tensor("k", {1, 2, 3, 4}), tensor("v", {1, 0, 3, 4})},
              "ai.onnx.preview", 23),
      "node \"n\": heads: 0 of keys or values do not divide 2 of queries");
  EXPECT_EQ(
      refusal(node("FlexAttention", {"q", "k", "v"}, {"y"}),
              {tensor("q", {1, 3, 3, 4}), tensor("k", {1, 2, 3, 4}), tensor("v", {1, 2, 3, 4})},
              "ai.onnx.preview", 23),
      "node \"n\": heads: 2 of keys or values do not divide 3 of queries");
  EXPECT_EQ(
      refusal(node("LinearAttention", {"q", "k", "v"}, {"y"},
                   {test::text("update_rule", "linear"), test::integer("q_num_heads", 1),
                    test::integer("kv_num_heads", 1)}),
              {tensor("q", {1, 1, 1, 4}), tensor("k", {1, 0, 1, 4}), tensor("v", {1, 0, 1, 4})}, "",
              27),
      "node \"n\": heads: 0 of keys or values do not divide 1 of queries");
}

TEST(OnnxPad, KeepsAllBitsOfItsValue) {
  auto m = test::model({node("Pad", {"i", "pads", "value"}, {"y"})},
                       {int64s("i", {1, INT64_MIN}), int64s("pads", {1, 2}),
                        test::weights<int64_t>("value", Type::int64, {}, {INT64_MAX})});
  EXPECT_THAT(test::run(m).span<int64_t>(),
              ElementsAre(INT64_MAX, 1, INT64_MIN, INT64_MAX, INT64_MAX));
  m.graph.initializers[1] = int64s("pads", {-1, 1});
  EXPECT_THAT(test::run(m).span<int64_t>(), ElementsAre(INT64_MIN, INT64_MAX));
  m.graph.initializers[0] = test::weights<uint64_t>("i", Type::uint64, {1}, {5});
  m.graph.initializers[1] = int64s("pads", {0, 1});
  m.graph.initializers[2] =
      test::weights<uint64_t>("value", Type::uint64, {}, {(uint64_t{1} << 63) + 1});
  EXPECT_THAT(test::run(m).span<uint64_t>(), ElementsAre(5u, (uint64_t{1} << 63) + 1));
}

}  // namespace
}  // namespace varve
