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
using ::testing::AllOf;
using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::StartsWith;

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

// A tensor of no elements.
test::TensorData empty(const std::string& name, std::vector<int64_t> sizes) {
  return floats(name, Shape(std::move(sizes)), {});
}
formats::onnx::Graph graph_of(std::vector<test::Node> nodes, std::vector<test::ValueInfo> inputs,
                              std::vector<test::ValueInfo> outputs) {
  formats::onnx::Graph g;
  g.name = "body";
  g.nodes = std::move(nodes);
  g.inputs = std::move(inputs);
  g.outputs = std::move(outputs);
  return g;
}
std::string refused(test::Node n, std::vector<test::TensorData> weights, int64_t opset = 20) {
  n.name = "n";
  auto m = test::model({std::move(n)}, std::move(weights), opset);
  return test::message_of<Error>([&] {
    const io::onnx::Program program(test::reread(m));
    const auto out = program.run({{"x", ones({2, 2})}}).at(0);
    if (out.kind == io::onnx::Value::Kind::tensor) out.tensor.evaluate();
  });
}

TEST(OnnxLimits, AnEmptyTensorHidesNoSize) {
  constexpr int64_t kSize = int64_t{1} << 40;
  EXPECT_EQ(refused(node("Identity", {"e"}, {"y"}), {empty("e", {kSize, 0})}),
            "tensor \"e\": a size of 1099511627776, limit 1073741824");
  EXPECT_EQ(refused(node("OneHot", {"i", "depth", "v"}, {"y"}),
                    {int64s("i", {}), int64s("depth", {kSize}), floats("v", {2}, {0, 1})}),
            "node \"n\": depth: a size of 1099511627776, limit 1073741824");
  const std::string from_op = "node \"n\": a size of 1099511627776, limit 1073741824";
  EXPECT_EQ(refused(node("ConstantOfShape", {"s"}, {"y"}), {int64s("s", {0, kSize})}), from_op);
  EXPECT_EQ(
      refused(node("Expand", {"e", "s"}, {"y"}), {empty("e", {0, 1}), int64s("s", {0, kSize})}),
      from_op);
  EXPECT_EQ(refused(node("Reshape", {"e", "s"}, {"y"}, {test::integer("allowzero", 1)}),
                    {empty("e", {0, 1}), int64s("s", {0, kSize})}),
            from_op);
  EXPECT_THAT(refused(node("AffineGrid", {"theta", "s"}, {"y"}),
                      {empty("theta", {0, 2, 3}), int64s("s", {0, 1, kSize, 1})}),
              HasSubstr("node \"n\": size: needs 1099511627776 elements"));
  // Below the limit a size is still no reason for lists of as many entries.
  constexpr int64_t kLong = int64_t{1} << 30;
  EXPECT_EQ(
      refused(node("Unique", {"e"}, {"y"}, {test::integer("axis", 0)}), {empty("e", {kLong, 0})}),
      "node \"n\": needs 68719476736 elements, limit 1073741824");
  EXPECT_EQ(refused(node("SplitToSequence", {"e"}, {"y"}), {empty("e", {kLong, 0})}),
            "node \"n\": needs more than 1073741824 iterations");
  const auto step =
      graph_of({node("Identity", {"v"}, {"w"})}, {test::port("v", {0})}, {test::port("w", {0})});
  EXPECT_EQ(refused(node("Scan", {"e"}, {"y"},
                         {test::integer("num_scan_inputs", 1), test::body("body", step)}),
                    {empty("e", {kLong, 0})}),
            "node \"n\": needs more than 1073741824 iterations");
}

// Each of small inputs, and with no size that is large by itself.
TEST(OnnxLimits, HoldEveryOutput) {
  const auto zeros_of = [](const char* name, std::vector<int64_t> sizes) {
    const Shape shape(std::move(sizes));
    return floats(name, shape, std::vector<float>(static_cast<size_t>(shape.size())));
  };
  constexpr int64_t kWide = 1 << 16;
  const std::vector<test::TensorData> cross = {zeros_of("a", {kWide, 1}),
                                               zeros_of("b", {1, kWide})};
  // Some are named by Varve's own operation, which refuses before it computes.
  const auto refusal =
      AllOf(StartsWith("node \"n\": "), HasSubstr("needs 4294967296 elements, limit 1073741824"));
  EXPECT_THAT(refused(node("Add", {"a", "b"}, {"y"}), cross), refusal);
  EXPECT_THAT(refused(node("Greater", {"a", "b"}, {"y"}), cross), refusal);
  EXPECT_THAT(refused(node("MatMul", {"a", "b"}, {"y"}), cross), refusal);
  EXPECT_THAT(refused(node("Gemm", {"a", "b"}, {"y"}), cross), refusal);
  EXPECT_THAT(
      refused(node("Einsum", {"a", "b"}, {"y"}, {test::text("equation", "ij,jk->ik")}), cross),
      refusal);
  EXPECT_THAT(refused(node("CenterCropPad", {"a", "s"}, {"y"}, {ints("axes", {1})}),
                      {cross[0], int64s("s", {kWide})}),
              refusal);
  EXPECT_THAT(refused(node("AffineGrid", {"a", "s"}, {"y"}),
                      {zeros_of("a", {1 << 12, 2, 3}), int64s("s", {1 << 12, 1, 1 << 10, 1 << 9})}),
              HasSubstr("needs 6442450944 elements"));
  EXPECT_THAT(refused(node("Tile", {"a", "s"}, {"y"}), {cross[0], int64s("s", {1, kWide})}),
              refusal);
  // Texts put together with themselves, 40 times over.
  test::TensorData text;
  text.name = "t0";
  text.type = test::Type::string;
  text.shape = Shape{1};
  text.strings = {"ab"};
  std::vector<test::Node> nodes;
  for (int i = 0; i < 40; ++i) {
    const std::string t = "t" + std::to_string(i);
    nodes.push_back(node("StringConcat", {t, t}, {i < 39 ? "t" + std::to_string(i + 1) : "y"}));
  }
  const io::onnx::Program program(test::reread(test::model(nodes, {text}, 20)));
  io::onnx::Program::Options options;
  options.elements = 1 << 20;
  EXPECT_EQ(test::message_of<Error>([&] {
              program.run({{"x", ones({2, 2})}}, options);
            }),
            "node 19 (StringConcat): needs 2097152 elements, limit 1048576");
}

// A body of a condition that is always true, and a part of `part` elements for an output.
test::Node endless(const std::string& trips, const std::string& condition, bool scans) {
  std::vector<test::Node> nodes = {node("Identity", {"c"}, {"d"}), node("Add", {"v", "v"}, {"w"})};
  std::vector<test::ValueInfo> outputs = {test::port("d", {}, test::Type::boolean),
                                          test::port("w", {2, 2})};
  if (scans) {
    nodes.push_back(node("Identity", {"v"}, {"part"}));
    outputs.push_back(test::port("part", {2, 2}));
  }
  const auto body = graph_of(std::move(nodes),
                             {test::port("i", {}, test::Type::int64),
                              test::port("c", {}, test::Type::boolean), test::port("v", {2, 2})},
                             std::move(outputs));
  std::vector<std::string> results = {scans ? "state" : "y"};
  if (scans) results.push_back("y");
  return node("Loop", {trips, condition, "x"}, std::move(results), {test::body("body", body)}, "n");
}
std::string loop_refusal(const test::Node& n, int64_t elements, int64_t iterations) {
  const io::onnx::Program program(test::reread(
      test::model({n}, {int64s("m", {int64_t{1} << 62}),
                        test::weights<uint8_t>("true", test::Type::boolean, {}, {1})})));
  io::onnx::Program::Options options;
  options.elements = elements;
  options.iterations = iterations;
  return test::message_of<Error>([&] {
    program.run({{"x", ones({2, 2})}}, options).at(0).tensor.evaluate();
  });
}

TEST(OnnxLimits, LoopsEnd) {
  // Without a condition all iterations are meant.
  EXPECT_EQ(loop_refusal(endless("m", "", true), 1 << 20, 1 << 20),
            "node \"n\": needs 4611686018427387904 iterations, limit 1048576");
  // With one it may end before, and does not.
  EXPECT_EQ(loop_refusal(endless("m", "true", false), 1 << 20, 5000),
            "node \"n\": needs more than 5000 iterations");
  EXPECT_EQ(loop_refusal(endless("", "true", false), 1 << 20, 5000),
            "node \"n\": needs more than 5000 iterations");
  // What it collects is counted while it runs.
  EXPECT_EQ(loop_refusal(endless("m", "true", true), 1 << 30, 1000 * io::onnx::kKept),
            "node \"n\": needs more than 512000 iterations");
  EXPECT_EQ(loop_refusal(endless("m", "true", true), 1000, int64_t{1} << 30),
            "node \"n\": needs 1004 elements, limit 1000");
}

TEST(OnnxLimits, LoopsInLoopsShareTheIterations) {
  // Neither runs longer than 100 times.
  auto inner = endless("hundred", "true", false);
  inner.inputs[2] = "v";
  inner.outputs[0] = "w";
  const auto body = graph_of({node("Identity", {"c"}, {"d"}), inner},
                             {test::port("i", {}, test::Type::int64),
                              test::port("c", {}, test::Type::boolean), test::port("v", {2, 2})},
                             {test::port("d", {}, test::Type::boolean), test::port("w", {2, 2})});
  const io::onnx::Program program(test::reread(test::model(
      {node("Loop", {"hundred", "true", "x"}, {"y"}, {test::body("body", body)}, "n")},
      {int64s("hundred", {100}), test::weights<uint8_t>("true", test::Type::boolean, {}, {1})})));
  io::onnx::Program::Options options;
  options.iterations = 5000;
  EXPECT_EQ(test::message_of<Error>([&] {
              program.run({{"x", ones({2, 2})}}, options);
            }),
            "node \"n\": needs more than 5000 iterations");
  options.iterations = 10100;
  EXPECT_EQ(program.run({{"x", ones({2, 2})}}, options).at(0).tensor.shape(), Shape({2, 2}));
}

TEST(OnnxLimits, SequencesAreNoTensors) {
  for (const char* op : {"Shape", "Size", "EyeLike", "RandomNormalLike", "Resize"}) {
    std::vector<std::string> inputs = {"s"};
    if (op == std::string("Resize")) inputs = {"x", "", "s"};
    auto m = test::model(
        {node("SequenceConstruct", {"x", "x"}, {"s"}), node(op, inputs, {"y"}, {}, "n")});
    EXPECT_THAT(test::message_of<FormatError>([&] { test::run(test::reread(m)); }),
                HasSubstr("got a sequence"))
        << op;
  }
}

// The shape of what one node makes of x, which has `declared` sizes in the file and these now: in a
// trace, so nothing is computed.
Shape traced_shape(test::Node n, const Shape& x, const std::vector<int64_t>& declared,
                   std::vector<test::TensorData> weights) {
  auto m = test::model({std::move(n)}, std::move(weights));
  m.graph.inputs = {test::port("x", declared)};
  const io::onnx::Program program(test::reread(m));
  const ir::Graph traced = ir::trace_body({{f32, x}}, [&](std::span<const Tensor> in) {
    return std::vector<Tensor>{program.run({{"x", in[0]}}).at(0).tensor};
  });
  return traced.type(traced.outputs.at(0)).shape;
}

TEST(OnnxLimits, LargeBatchesAreTheCallers) {
  const std::vector<int64_t> declared = {-1, 1, 128, 128};
  const Shape x{2048, 1, 128, 128};
  // 2^31 elements and more.
  EXPECT_EQ(traced_shape(node("Conv", {"x", "w"}, {"y"}, {ints("pads", {1, 1, 1, 1})}), x, declared,
                         {floats("w", {128, 1, 3, 3}, std::vector<float>(128 * 9))}),
            Shape({2048, 128, 128, 128}));
  EXPECT_EQ(traced_shape(node("Resize", {"x", "", "s"}, {"y"}), x, declared,
                         {floats("s", {4}, {1, 1, 8, 8})}),
            Shape({2048, 1, 1024, 1024}));
  EXPECT_EQ(traced_shape(node("Pad", {"x", "p"}, {"y"}), x, declared,
                         {int64s("p", {0, 0, 0, 0, 0, 0, 1 << 12, 1 << 8})}),
            Shape({2048, 1, 128 + (1 << 12), 128 + (1 << 8)}));
  // Many classes for each of many words.
  EXPECT_EQ(traced_shape(node("MatMul", {"x", "w"}, {"y"}), {64, 512, 8}, {-1, 512, 8},
                         {floats("w", {8, 50000}, std::vector<float>(400000))}),
            Shape({64, 512, 50000}));
  // Where the file says the size it is none of a batch; one large input counts by itself.
  EXPECT_EQ(traced_shape(node("Expand", {"x", "s"}, {"y"}), {1, 1 << 25}, {1, 1 << 25},
                         {int64s("s", {64, 1})}),
            Shape({64, 1 << 25}));
  EXPECT_EQ(test::message_of<Error>([] {
              traced_shape(node("Expand", {"x", "s"}, {"y"}, {}, "n"), {64, 1}, {64, 1},
                           {int64s("s", {64, 1 << 25})});
            }),
            "node \"n\": needs 2147483648 elements, limit 1073741824");
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
