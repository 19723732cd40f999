// What small files may ask for: sizes beyond all memory, attributes of nothing, many functions.
// Each is refused by a line that names node and attribute, before memory is taken.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <ctime>

#include "io/onnx_builder.h"
#include "ir/graph.h"
#include "support/errors.h"
#include "varve/ops/reduction.h"
#include "varve/ops/shape.h"

namespace varve {
namespace {

using test::Attribute;
using test::floats;
using test::int64s;
using test::ints;
using test::node;
using ::testing::ElementsAre;
using ::testing::HasSubstr;

// What a model of one node "n" over x of these sizes says.
std::string said(test::Node n, const Shape& x, std::vector<test::TensorData> weights,
                 int64_t opset = 17) {
  n.name = "n";
  auto m = test::model({std::move(n)}, std::move(weights), opset);
  m.graph.inputs = {test::port("x", x.dims())};
  const io::onnx::Program program(test::reread(m));
  return test::message_of<Error>([&] { program.run({{"x", ones(x)}}).at(0).tensor.evaluate(); });
}

constexpr int64_t kHuge = INT32_MAX;
const test::TensorData kKernel = floats("w", {1, 1, 1, 1}, {1});

TEST(OnnxLimits, HoldConvolutions) {
  const auto conv = [](std::vector<Attribute> attributes) {
    return said(node("Conv", {"x", "w"}, {"y"}, std::move(attributes)), {1, 1, 2, 2}, {kKernel});
  };
  EXPECT_EQ(conv({ints("pads", {kHuge, 0, 0, kHuge})}),
            "node \"n\": pads: needs 4611686022722355201 elements, limit 1073741824");
  EXPECT_EQ(conv({ints("pads", {kHuge, kHuge, kHuge, kHuge})}),
            "node \"n\": pads: needs 9223372036854775807 elements, limit 1073741824");
  EXPECT_EQ(conv({ints("pads", {0, 0, int64_t{1} << 40, 0})}),
            "node \"n\": pads[2]: expected <= 2147483647, got 1099511627776");
  // The window itself is small, but spread over billions of elements, which SAME_UPPER pads.
  EXPECT_EQ(said(node("Conv", {"x", "w"}, {"y"},
                      {test::text("auto_pad", "SAME_UPPER"), ints("dilations", {kHuge, kHuge})}),
                 {1, 1, 2, 2}, {floats("w", {1, 1, 2, 2}, {1, 1, 1, 1})}),
            "node \"n\": auto_pad: needs 4611686022722355201 elements, limit 1073741824");
  // 2^16 channels of 2^15 positions each: neither the kernel nor the padded input is large.
  EXPECT_EQ(said(node("Conv", {"x", "w"}, {"y"}, {ints("pads", {0, 0, 0, 32767})}), {1, 1, 1, 1},
                 {floats("w", {65536, 1, 1, 1}, std::vector<float>(65536))}),
            "node \"n\": pads: needs 2147483648 elements, limit 1073741824");
  EXPECT_THAT(said(node("DeformConv", {"x", "w", "o"}, {"y"}, {ints("pads", {kHuge, 0, 0, kHuge})}),
                   {1, 1, 1, 1}, {kKernel, floats("o", {1, 2, 1, 1}, {0, 0})}, 19),
              HasSubstr("node \"n\": pads: needs 4611686018427387904 elements"));
}

TEST(OnnxLimits, HoldTransposedConvolutions) {
  const auto conv = [](std::vector<Attribute> attributes) {
    return said(node("ConvTranspose", {"x", "w"}, {"y"}, std::move(attributes)), {1, 1, 2, 2},
                {kKernel});
  };
  EXPECT_EQ(conv({ints("strides", {kHuge, kHuge})}),
            "node \"n\": strides: needs 4294967294 elements, limit 1073741824");
  EXPECT_EQ(conv({ints("strides", {1 << 20, 1 << 20})}),
            "node \"n\": strides and dilations: needs 1099513724929 elements, limit 1073741824");
  EXPECT_EQ(conv({ints("dilations", {kHuge, kHuge})}),
            "node \"n\": dilations: needs 2147483647 elements, limit 1073741824");
  EXPECT_EQ(conv({ints("output_padding", {kHuge, kHuge})}),
            "node \"n\": output_padding: needs 4611686022722355201 elements, limit 1073741824");
  EXPECT_EQ(conv({ints("output_shape", {kHuge, kHuge})}),
            "node \"n\": output_shape: needs 4611686014132420609 elements, limit 1073741824");
  EXPECT_EQ(conv({ints("output_shape", {1, 1, INT64_MIN, 2})}),
            "node \"n\": output_shape[2]: expected >= 1, got -9223372036854775808");
  EXPECT_EQ(conv({test::integer("group", INT64_MAX)}),
            "node \"n\": strides and dilations: needs 9223372036854775807 elements, limit "
            "1073741824");
}

TEST(OnnxLimits, HoldPools) {
  for (const char* op : {"MaxPool", "AveragePool", "LpPool"}) {
    const auto pool = [&](std::vector<Attribute> attributes) {
      return said(node(op, {"x"}, {"y"}, std::move(attributes)), {1, 1, 2, 2}, {}, 19);
    };
    EXPECT_EQ(pool({ints("kernel_shape", {1, 1}), ints("pads", {kHuge, 0, 0, kHuge})}),
              "node \"n\": pads: needs 4611686022722355201 elements, limit 1073741824")
        << op;
    EXPECT_EQ(pool({ints("kernel_shape", {1, INT64_MAX})}),
              "node \"n\": kernel_shape[1]: expected 1..2147483647, got 9223372036854775807")
        << op;
    EXPECT_EQ(pool({ints("kernel_shape", {kHuge, kHuge}), test::text("auto_pad", "SAME_LOWER")}),
              "node \"n\": auto_pad: needs 4611686018427387904 elements, limit 1073741824")
        << op;
  }
}

TEST(OnnxLimits, HoldWhatReversesPools) {
  const auto unpool = [](std::vector<Attribute> attributes, std::vector<int64_t> shape = {}) {
    std::vector<std::string> inputs = {"x", "i"};
    if (!shape.empty()) inputs.push_back("s");
    return said(
        node("MaxUnpool", inputs, {"y"}, std::move(attributes)), {1, 1, 1, 2},
        {test::weights<int64_t>("i", test::Type::int64, {1, 1, 1, 2}, {0, 1}), int64s("s", shape)});
  };
  EXPECT_EQ(unpool({ints("kernel_shape", {1, 1}), ints("strides", {1, kHuge})}),
            "node \"n\": strides: needs 4294967294 elements, limit 1073741824");
  EXPECT_EQ(unpool({ints("kernel_shape", {kHuge, kHuge})}),
            "node \"n\": kernel_shape and strides: needs 4611686016279904256 elements, limit "
            "1073741824");
  EXPECT_EQ(unpool({ints("kernel_shape", {1, 1})}, {1, 1, 1 << 20, 1 << 20}),
            "node \"n\": output_shape: needs 1099511627776 elements, limit 1073741824");
  EXPECT_EQ(unpool({ints("kernel_shape", {1, 1})}, {2, 1, 1, 2}),
            "node \"n\": output_shape: expected [1, 1, 1, 2] or more positions, got [2, 1, 1, 2]");
  const auto fold = [](std::vector<int64_t> image, std::vector<Attribute> attributes) {
    return said(node("Col2Im", {"x", "image", "block"}, {"y"}, std::move(attributes)), {8, 64, 1},
                {int64s("image", image), int64s("block", {1, 1})}, 18);
  };
  EXPECT_EQ(fold({1 << 13, 1 << 13}, {}),
            "node \"n\": image_shape and pads: needs 34359738368 elements, limit 1073741824");
  EXPECT_EQ(fold({1, 1}, {ints("pads", {kHuge, kHuge, 0, 0})}),
            "node \"n\": image_shape and pads: needs 9223372036854775807 elements, limit "
            "1073741824");
}

TEST(OnnxLimits, HoldSpectra) {
  const auto dft = [](int64_t length) {
    return said(node("DFT", {"x", "n"}, {"y"}), {4, 2, 1},
                {test::weights<int64_t>("n", test::Type::int64, {}, {length})});
  };
  EXPECT_EQ(dft(int64_t{1} << 40),
            "node \"n\": dft_length: needs 8796093022208 elements, limit 1073741824");
  // One sample of it alone would be just below the limit.
  EXPECT_EQ(dft(int64_t{1} << 29),
            "node \"n\": dft_length: needs 4294967296 elements, limit 1073741824");
  EXPECT_EQ(dft(0), "node \"n\": dft_length: expected >= 1, got 0");
  // Frames of half the signal, one from each element on.
  EXPECT_EQ(said(node("STFT", {"x", "step", "", "length"}, {"y"}), {1, 1 << 17},
                 {test::weights<int64_t>("step", test::Type::int64, {}, {1}),
                  test::weights<int64_t>("length", test::Type::int64, {}, {1 << 16})}),
            "node \"n\": frame_step and frame_length: needs 8590065664 elements, limit 1073741824");
}

TEST(OnnxLimits, AnEmptyTensorHidesNoSize) {
  auto m =
      test::model({node("OneHot", {"i", "depth", "v"}, {"y"}, {}, "n")},
                  {int64s("i", {}), int64s("depth", {int64_t{1} << 50}), floats("v", {2}, {0, 1})});
  EXPECT_EQ(test::message_of<Error>([&] { test::run(test::reread(m)); }),
            "node \"n\": depth: needs 1125899906842624 elements, limit 1073741824");
}

TEST(OnnxLimits, LargeBatchesAreTheCallers) {
  // As many positions as the input has: what is large came from the caller.
  auto m = test::model({node("Conv", {"x", "w"}, {"y"}, {ints("pads", {1, 1, 1, 1})}, "n")},
                       {floats("w", {64, 1, 3, 3}, std::vector<float>(64 * 9))});
  m.graph.inputs = {test::port("x", {-1, 1, 128, 128})};
  const io::onnx::Program program(test::reread(m));
  // 2^31 elements, in a trace: nothing is computed.
  const ir::Graph traced =
      ir::trace_body({{f32, Shape{2048, 1, 128, 128}}}, [&](std::span<const Tensor> x) {
        return std::vector<Tensor>{program.run({{"x", x[0]}}).at(0).tensor};
      });
  EXPECT_EQ(traced.type(traced.outputs.at(0)).shape, Shape({2048, 64, 128, 128}));
}

// Attributes whose value stands nowhere: an empty list, and a reference in a function's default.
TEST(OnnxLimits, AttributesOfNothingAreRefused) {
  Attribute none;
  none.name = "sparse_value";
  none.kind = Attribute::Kind::sparse_list;
  auto m = test::model({node("Constant", {}, {"y"}, {none}, "n")});
  EXPECT_EQ(test::message_of<FormatError>([&] { test::run(m); }),
            "node \"n\": attribute sparse_value: expected sparse, got sparses");
  for (const auto& [kind, name] : {std::pair{Attribute::Kind::tensor, "value"},
                                   std::pair{Attribute::Kind::sparse, "sparse_value"}}) {
    Attribute inside;
    inside.name = name;
    inside.kind = kind;
    inside.reference = "by";
    Attribute fallback;
    fallback.name = "by";
    fallback.kind = kind;
    fallback.reference = "nothing";
    formats::onnx::Function f;
    f.name = "f";
    f.domain = "own";
    f.inputs = {"a"};
    f.outputs = {"b"};
    f.defaults = {fallback};
    f.opsets = {{"", 17}};
    f.nodes = {node("Constant", {}, {"b"}, {inside}, "n")};
    m = test::model({node("f", {"x"}, {"y"})});
    m.graph.nodes[0].domain = "own";
    m.opsets["own"] = 1;
    m.functions = {f};
    EXPECT_EQ(test::message_of<FormatError>([&] { test::run(test::reread(m)); }),
              "node \"n\": attribute " + std::string(name) + ": expected one, got none");
  }
  // Labels of texts beside a default that is a number.
  Attribute keys, values, fallback;
  keys.name = "keys_int64s", keys.kind = Attribute::Kind::integers, keys.integers = {1};
  values.name = "values_strings", values.kind = Attribute::Kind::strings, values.strings = {"a"};
  fallback.name = "default_tensor", fallback.kind = Attribute::Kind::tensor;
  fallback.tensors = {floats("", {1}, {0})};
  m = test::model({node("LabelEncoder", {"x"}, {"y"}, {keys, values, fallback}, "n")});
  m.graph.nodes[0].domain = "ai.onnx.ml";
  m.opsets["ai.onnx.ml"] = 4;
  EXPECT_EQ(test::message_of<FormatError>([&] { test::run(test::reread(m)); }),
            "node \"n\": attribute default_tensor: expected one element of the type of the values");
}

// Each of 50,000 nodes calls a function of its own; 100,000 texts are compared with as many.
TEST(OnnxLimits, ManyNamesAreFoundAtOnce) {
  const std::clock_t start = std::clock();
  auto m = test::model({});
  m.opsets["own"] = 1;
  constexpr int kCount = 50000;
  for (int i = 0; i < kCount; ++i) {
    formats::onnx::Function f;
    f.name = "a_function_of_the_model_s_own_" + std::to_string(i);
    f.domain = "own";
    f.inputs = {"a"};
    f.outputs = {"b"};
    f.opsets = {{"", 17}};
    f.nodes = {node("Identity", {"a"}, {"b"})};
    m.graph.nodes.push_back(node(f.name, {i ? "v" + std::to_string(i) : "x"},
                                 {i + 1 < kCount ? "v" + std::to_string(i + 1) : "y"}));
    m.graph.nodes.back().domain = "own";
    m.functions.push_back(std::move(f));
  }
  EXPECT_THAT(test::run(m).to_doubles(), ElementsAre(1, 2, 3, 4));
  test::TensorData texts;
  texts.name = "t";
  texts.type = test::Type::string;
  texts.shape = Shape{100000};
  for (int i = 0; i < 100000; ++i) texts.strings.push_back("text " + std::to_string(i));
  m = test::model({node("Equal", {"t", "t"}, {"y"})}, {texts}, 19);
  EXPECT_TRUE(bool(all(test::run(m))));
  // Looking through all names for each takes a minute.
  EXPECT_LT(static_cast<double>(std::clock() - start) / CLOCKS_PER_SEC, 6);
}

}  // namespace
}  // namespace varve
