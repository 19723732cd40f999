// Values at the edges of what operators of ONNX take: texts as numbers, integers of 64 bits.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cmath>

#include "io/onnx_builder.h"
#include "support/errors.h"
#include "varve/ops/pointwise.h"
#include "varve/ops/reduction.h"
#include "varve/ops/shape.h"

namespace varve {
namespace {

using test::int64s;
using test::node;
using test::Type;
using ::testing::ElementsAre;
using ::testing::HasSubstr;

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

TEST(OnnxErrors, QuoteAttributesWithoutControlCodes) {
  EXPECT_THAT(
      refusal(node("MaxPool", {"w"}, {"y"},
                   {test::ints("kernel_shape", {1}), test::text("auto_pad", "SAME\x1b[2J")}),
              {test::floats("w", {1, 1, 1}, {1})}, "", 17),
      HasSubstr("SAME\\x1b[2J"));
}

TEST(OnnxMath, FoldsOfManyInputsAreReadAtOpset7) {
  for (const char* op : {"Max", "Mean", "Min", "Sum"}) {
    EXPECT_EQ(test::run(test::model({node(op, {"x", "x"}, {"y"})}, {}, 7)).shape(), Shape({2, 2}))
        << op;
  }
}

TEST(OnnxLabelEncoder, TellsCloseKeysApart) {
  test::Attribute keys, values;
  keys.name = "keys_floats", keys.kind = test::Attribute::Kind::reals,
  keys.reals = {1e-8f, 2e-8f, NAN};
  values.name = "values_int64s", values.kind = test::Attribute::Kind::integers;
  values.integers = {10, 20, 30};
  auto m = test::model({node("LabelEncoder", {"l"}, {"y"}, {keys, values}, "n")},
                       {test::floats("l", {4}, {2e-8f, 1e-8f, -NAN, 3e-8f})});
  m.graph.nodes[0].domain = "ai.onnx.ml";
  m.opsets["ai.onnx.ml"] = 4;
  EXPECT_THAT(test::run(test::reread(m)).to_doubles(), ElementsAre(20, 10, 30, -1));
  keys = test::ints("keys_int64s", {(int64_t{1} << 53) + 1, int64_t{1} << 53});
  values.integers = {1, 2};
  m.graph.nodes[0].attributes = {keys, values};
  m.graph.initializers = {test::int64s("l", {int64_t{1} << 53, (int64_t{1} << 53) + 1})};
  EXPECT_THAT(test::run(test::reread(m)).to_doubles(), ElementsAre(2, 1));
  m.graph.initializers = {test::floats("l", {1}, {1})};
  EXPECT_EQ(test::message_of<FormatError>([&] { test::run(test::reread(m)); }),
            "node \"n\": expected labels of the type of the keys");
}

// Squares of 300 are beyond f16.
TEST(OnnxNormalization, OfHalvesDoesNotOverflow) {
  const Tensor x = cast(reshape(tensor({-300.f, 300.f, 290.f, -290.f}), {1, 1, 2, 2}), f16);
  const auto normal = [&](test::Node n, double tolerance, std::vector<double> expected) {
    const std::string op = n.op;
    auto m = test::model({std::move(n)});
    m.graph.inputs = {test::port("x", {1, 1, 2, 2}, Type::float16),
                      test::port("s", {1}, Type::float16), test::port("b", {1}, Type::float16)};
    const io::onnx::Program program{std::move(m)};
    const Tensor y =
        program.run({{"x", x}, {"s", cast(ones({1}), f16)}, {"b", cast(zeros({1}), f16)}})
            .at(0)
            .tensor;
    EXPECT_EQ(y.dtype(), f16);
    for (size_t i = 0; i < expected.size(); ++i) {
      EXPECT_NEAR(y.to_doubles()[i], expected[i], tolerance) << op;
    }
  };
  const double deviation = std::sqrt((300. * 300 + 290. * 290) / 2), unit = 1e-3;
  const std::vector<double> expected = {-300 / deviation, 300 / deviation, 290 / deviation,
                                        -290 / deviation};
  normal(node("InstanceNormalization", {"x", "s", "b"}, {"y"}), unit, expected);
  normal(node("MeanVarianceNormalization", {"x"}, {"y"}, {test::ints("axes", {0, 2, 3})}), unit,
         expected);
  // By alpha = 1, beta = 1/2, bias = 0 each is divided by its own size.
  normal(node("LRN", {"x"}, {"y"},
              {test::integer("size", 1), test::real("alpha", 1), test::real("beta", 0.5f),
               test::real("bias", 0)}),
         unit, {-1, 1, 1, -1});
}

TEST(OnnxResize, OfNoSamplesGivesNone) {
  auto m = test::model({node("Resize", {"x", "", "", "s"}, {"y"}, {}, "n")},
                       {int64s("s", {0, 1, 4, 6})});
  m.graph.inputs = {test::port("x", {-1, 1, 2, 3})};
  const auto shape = [&] {
    return io::onnx::Program(test::reread(m))
        .run({{"x", zeros({0, 1, 2, 3})}})
        .at(0)
        .tensor.shape();
  };
  EXPECT_EQ(shape(), Shape({0, 1, 4, 6}));
  m.graph.nodes[0].inputs = {"x", "", "f"};
  m.graph.initializers = {test::floats("f", {4}, {1, 1, 2, 2})};
  EXPECT_EQ(shape(), Shape({0, 1, 4, 6}));
  m.graph.initializers = {test::floats("f", {4}, {1, 1, NAN, 2})};
  EXPECT_THAT(test::message_of<FormatError>(shape), HasSubstr("node \"n\": scales: a size of nan"));
  m.graph.initializers = {test::floats("f", {4}, {1, 1, -3e38f, 2})};
  EXPECT_THAT(test::message_of<FormatError>(shape), HasSubstr("node \"n\": scales: a size of -"));
}

TEST(OnnxQuantize, BlocksMayBeLargerThanAnAxis) {
  const auto quantized = [&](int64_t block) {
    return test::run(test::reread(
        test::model({node("QuantizeLinear", {"x", "s"}, {"y"},
                          {test::integer("axis", 1), test::integer("block_size", block)}, "n")},
                    {test::floats("s", {2, 1}, {1, 2})}, 21)));
  };
  EXPECT_THAT(quantized(2).to_doubles(), ElementsAre(1, 2, 2, 2));
  EXPECT_THAT(quantized(INT64_MAX).to_doubles(), ElementsAre(1, 2, 2, 2));
}

TEST(OnnxCast, ToTextsHasAnExponentWhereDigitsWouldBeMany) {
  const auto texts = [](const std::vector<float>& numbers) {
    const io::onnx::Program program(test::reread(test::model(
        {node("Cast", {"f"}, {"y"}, {test::integer("to", static_cast<int64_t>(Type::string))})},
        {test::floats("f", Shape{numbers.size()}, numbers)})));
    return program.run({{"x", ones({2, 2})}}).at(0).strings->elements;
  };
  EXPECT_THAT(texts({1e5f, 1e15f, 1e16f, 1e-4f, 1e-5f, 1.5e-7f, 0.5f, 123456792, 0, -0.f, -2.5f}),
              ElementsAre("100000", "999999986991104", "1e+16", "0.0001", "1e-05", "1.5e-07", "0.5",
                          "123456792", "0", "-0", "-2.5"));
}

TEST(OnnxNonZero, OfANumberHasNoCoordinates) {
  for (const auto& [value, count] : {std::pair{3.f, 1}, std::pair{0.f, 0}}) {
    const Tensor y = test::run(test::reread(
        test::model({node("NonZero", {"f"}, {"y"})}, {test::floats("f", {}, {value})})));
    EXPECT_EQ(y.shape(), Shape({0, count}));
  }
}

TEST(OnnxReshape, CountsWithoutWrapping) {
  constexpr int64_t kHalf = int64_t{1} << 32;
  auto m = test::model({node("Reshape", {"x", "s"}, {"y"}, {test::integer("allowzero", 1)}, "n")},
                       {int64s("s", {kHalf, kHalf, 4})});
  EXPECT_EQ(test::message_of<FormatError>([&] { test::run(test::reread(m)); }),
            "node \"n\": Reshape: 4 elements into [4294967296, 4294967296, 4]");
  // More than 2^30 elements, which the caller brings.
  m.graph.inputs = {test::port("x", {-1, 1 << 16})};
  m.graph.initializers = {int64s("s", {2, -1})};
  const io::onnx::Program program(test::reread(m));
  EXPECT_EQ(program.run({{"x", ones({1 << 15, 1 << 16})}}).at(0).tensor.shape(),
            Shape({2, int64_t{1} << 30}));
}

// Numbers are drawn at each step, whatever is known of their shape.
TEST(OnnxRandom, DrawsAnewWhileTheLayerIsTrained) {
  for (const char* op : {"RandomNormal", "RandomUniform"}) {
    const io::onnx::Program program(test::reread(test::model(
        {node(op, {}, {"y"}, {test::ints("shape", {2, 3}), test::real("seed", 3e38f)})})));
    EXPECT_FALSE(program.run({{"x", ones({2, 2})}}).at(0).known) << op;
    uint64_t drawn = 0;
    io::onnx::Training training{.key = [&] { return Key(++drawn); }, .is_frozen = {}};
    io::onnx::Program::Options options;
    const auto sum_of = [&] {
      return sum(program.run({{"x", ones({2, 2})}}, options).at(0).tensor).to_double();
    };
    EXPECT_EQ(sum_of(), sum_of()) << op;
    options.training = &training;
    EXPECT_NE(sum_of(), sum_of()) << op;
    EXPECT_EQ(drawn, 2u) << op;
  }
}

// Scales of quantization are no weights to train, wherever they come from.
TEST(OnnxProgram, StatisticsAreFoundThroughGraphsAndFunctions) {
  const auto trained = [](formats::onnx::Model m) {
    const io::onnx::Program program(test::reread(m));
    std::map<std::string, bool> out;
    for (const auto& w : program.weights()) out[w.data->name] = w.trainable;
    return out;
  };
  const std::vector<test::TensorData> weights = {test::floats("s", {}, {2}),
                                                 test::floats("w", {2}, {1, 2})};
  const auto quantize = [](const char* scale, const char* out) {
    return node("QuantizeLinear", {"x", scale}, {out});
  };
  const std::map<std::string, bool> expected = {{"s", false}, {"w", true}};
  const auto weighed = node("Add", {"x", "w"}, {"z"});
  EXPECT_EQ(
      trained(test::model({weighed, node("Identity", {"s"}, {"t"}), quantize("t", "y")}, weights)),
      expected);
  // Inside a branch, and as the result of one.
  formats::onnx::Graph yes;
  yes.name = "yes";
  yes.nodes = {node("Identity", {"s"}, {"b"})};
  yes.outputs = {test::port("b", {})};
  const auto condition = test::weights<uint8_t>("c", Type::boolean, {}, {1});
  auto all = weights;
  all.push_back(condition);
  EXPECT_EQ(
      trained(test::model({weighed,
                           node("If", {"c"}, {"t"},
                                {test::body("then_branch", yes), test::body("else_branch", yes)}),
                           quantize("t", "y")},
                          all)),
      expected);
  formats::onnx::Graph inside = yes;
  inside.nodes = {quantize("s", "b")};
  inside.outputs = {test::port("b", {2, 2}, Type::uint8)};
  EXPECT_EQ(
      trained(test::model(
          {weighed, node("If", {"c"}, {"y"},
                         {test::body("then_branch", inside), test::body("else_branch", inside)})},
          all)),
      expected);
  formats::onnx::Function f;
  f.name = "f";
  f.domain = "own";
  f.inputs = {"a", "scale"};
  f.outputs = {"b"};
  f.opsets = {{"", 17}};
  f.nodes = {node("QuantizeLinear", {"a", "scale"}, {"b"})};
  auto m = test::model({weighed, node("f", {"x", "s"}, {"y"})}, weights);
  m.graph.nodes[1].domain = "own";
  m.opsets["own"] = 1;
  m.functions = {f};
  EXPECT_EQ(trained(m), expected);
}

}  // namespace
}  // namespace varve
