// What the reader of ONNX files makes of damaged and hostile ones: each is refused with a line that
// says where, before memory is taken and before anything outside the model's folder is opened.
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cstdlib>

#include "io/onnx_builder.h"
#include "support/errors.h"
#include "support/folder.h"
#include "varve/warnings.h"

namespace varve {
namespace {

using test::floats;
using test::int64s;
using test::node;
using ::testing::ElementsAre;
using ::testing::EndsWith;
using ::testing::HasSubstr;

std::string refusal(const std::string& bytes, const std::string& folder = "") {
  return test::message_of<FormatError>([&] { test::parsed(bytes, folder); });
}
std::string refusal(const formats::onnx::Model& m) { return refusal(formats::onnx::serialize(m)); }
std::string run_refusal(const formats::onnx::Model& m) {
  return test::message_of<Error>([&] { test::run(test::reread(m)); });
}

// A field of bytes with its tag and length.
std::string field(int number, const std::string& bytes) {
  std::string out(1, static_cast<char>(number << 3 | 2));
  for (size_t n = bytes.size();; n >>= 7) {
    out += static_cast<char>(n < 128 ? n : (n & 127) | 128);
    if (n < 128) break;
  }
  return out + bytes;
}
std::string number(int tag, uint64_t v) {
  std::string out(1, static_cast<char>(tag << 3));
  for (;; v >>= 7) {
    out += static_cast<char>(v < 128 ? v : (v & 127) | 128);
    if (v < 128) break;
  }
  return out;
}
const std::string kOpset = field(8, number(2, 17));

// A model with one initializer of these bytes.
std::string with_initializer(const std::string& tensor) {
  return kOpset + field(7, field(5, tensor));
}

TEST(OnnxReader, KeepsAllOfAModel) {
  auto m = test::model({node("MatMul", {"x", "w"}, {"h"}, {}, "n0"), node("Relu", {"h"}, {"y"})},
                       {floats("w", {2, 3}, {1, 2, 3, 4, 5, 6})});
  m.producer = "somebody";
  m.metadata = {{"key", "value"}};
  const auto again = test::reread(m);
  EXPECT_EQ(again.opsets.at(""), 17);
  EXPECT_EQ(again.producer, "somebody");
  EXPECT_EQ(again.graph.nodes.size(), 2u);
  EXPECT_EQ(again.graph.nodes[0].name, "n0");
  EXPECT_THAT(again.graph.nodes[0].inputs, ElementsAre("x", "w"));
  EXPECT_EQ(again.graph.inputs[0].type.to_string(), "tensor(float32)[batch, 2]");
  EXPECT_THAT(again.graph.initializers[0].array.span<float>(), ElementsAre(1, 2, 3, 4, 5, 6));
  EXPECT_EQ(formats::onnx::serialize(again), formats::onnx::serialize(m));
}

TEST(OnnxReader, ReadsNumbersOfFewBitsAndWritesThemAgain) {
  auto m = test::model({node("Identity", {"x"}, {"y"})});
  m.graph.initializers = {
      test::weights<int8_t>("i4", test::Type::int4, {3}, {-8, 7, -1}),
      test::weights<uint8_t>("u2", test::Type::uint2, {5}, {3, 0, 1, 2, 3}),
      test::weights<float>("f8", test::Type::float8e4m3fn, {4}, {448, -0.5f, 0.001953125f, 0}),
      test::weights<float>("f4", test::Type::float4e2m1, {3}, {6, -1.5f, 0.5f})};
  const auto again = test::reread(m);
  EXPECT_THAT(again.graph.initializers[0].array.span<int8_t>(), ElementsAre(-8, 7, -1));
  EXPECT_THAT(again.graph.initializers[1].array.span<uint8_t>(), ElementsAre(3, 0, 1, 2, 3));
  EXPECT_THAT(again.graph.initializers[2].array.span<float>(),
              ElementsAre(448, -0.5f, 0.001953125f, 0));
  EXPECT_THAT(again.graph.initializers[3].array.span<float>(), ElementsAre(6, -1.5f, 0.5f));
}

TEST(OnnxReader, EveryCutOfAModelIsRefusedAtAByte) {  // B028
  const std::string bytes = formats::onnx::serialize(test::model(
      {node("MatMul", {"x", "w"}, {"y"}, {}, "n0")}, {floats("w", {2, 2}, {1, 2, 3, 4})}));
  for (size_t n = 1; n < bytes.size(); ++n) {
    try {
      test::parsed(bytes.substr(0, n));
    } catch (const FormatError& e) {
      continue;
    }
    ADD_FAILURE() << "the first " << n << " bytes of " << bytes.size() << " were read";
  }
  EXPECT_EQ(refusal(field(7, "").substr(0, 1) + "\x7f"),
            "m.onnx: byte 0: field graph length 127, only 0 left");
  EXPECT_EQ(refusal(field(7, std::string(1, '\x0a') + "\x64" + "abc")),
            "m.onnx: byte 2: field graph.node[0] length 100, only 3 left");
}

TEST(OnnxReader, RefusesWhatIsNoProtobuf) {  // B029
  EXPECT_EQ(refusal(std::string("\x08") + std::string(11, '\xff')),
            "m.onnx: byte 1: invalid varint");
  EXPECT_EQ(refusal("\x3d\x01\x02\x03\x04"),
            "m.onnx: byte 0: field graph: expected bytes with a length, got 4 bytes");
  EXPECT_THAT(refusal("\x0f"), HasSubstr("unknown wire type 7"));
  EXPECT_THAT(refusal(std::string("\x00\x01", 2)), HasSubstr("invalid field number 0"));
  EXPECT_THAT(refusal(""), HasSubstr("not an ONNX model (it is empty)"));
}

TEST(OnnxReader, RefusesDeepNesting) {  // B030
  std::string graph;
  for (int i = 0; i < 20000; ++i) {
    // A node with an attribute that holds the graph so far.
    graph = field(1, field(5, field(6, graph)));
    if (graph.size() > 200000) break;
  }
  EXPECT_THAT(refusal(kOpset + field(7, graph)), HasSubstr("nesting deeper than 100 at byte "));
}

TEST(OnnxReader, ChecksOpsets) {  // B031
  auto m = test::model({node("Relu", {"x"}, {"y"})}, {}, 999);
  EXPECT_EQ(refusal(m), "m.onnx: opset: expected 1..27, got 999");
  m.opsets.clear();
  EXPECT_EQ(refusal(m), "m.onnx: opset: expected 1..27, got none");
  EXPECT_EQ(refusal(kOpset), "m.onnx: no graph");
}

TEST(OnnxReader, ListsEveryOpThatIsNotKnown) {  // B032
  auto m = test::model({node("Foo", {"x"}, {"a"}, {}, "n7"), node("Relu", {"a"}, {"b"}),
                        node("Bar", {"b"}, {"c"}), node("Gelu", {"c"}, {"y"}, {}, "late")});
  m.graph.nodes[0].domain = "com.acme";
  EXPECT_EQ(run_refusal(m),
            "m.onnx: unsupported ops com.acme::Foo (node \"n7\", opset not imported), "
            "Bar (node 2 (Bar), opset 17), Gelu (node \"late\", opset 17)");
}

TEST(OnnxReader, NamesMustBeThereBeforeTheyAreRead) {  // B033, B034
  EXPECT_EQ(refusal(test::model({node("Add", {"x", "x9"}, {"y"}, {}, "n7")})),
            "m.onnx: node \"n7\" input 1: \"x9\" is not produced before it");
  EXPECT_EQ(refusal(test::model({node("Add", {"x", "b"}, {"a"}, {}, "n1"),
                                 node("Relu", {"a"}, {"b"}, {}, "n4"),
                                 node("Relu", {"b"}, {"y"}, {}, "n5")})),
            "m.onnx: graph has a cycle: n1 -> n4 -> n1");
  EXPECT_EQ(refusal(test::model(
                {node("Relu", {"x"}, {"y"}, {}, "n1"), node("Relu", {"x"}, {"y"}, {}, "n2")})),
            "m.onnx: node \"n2\" output 0: \"y\" is given twice");
  EXPECT_EQ(refusal(test::model({node("Relu", {"x"}, {"z"})})),
            "m.onnx: output \"y\" is not produced");
  EXPECT_EQ(refusal(test::model({node("Relu", {"x"}, {"y"})},
                                {floats("w", {1}, {1}), floats("w", {1}, {1})})),
            "m.onnx: initializer \"w\" is given twice");
}

TEST(OnnxReader, SizesAreCheckedBeforeMemoryIsTaken) {  // B035, B037
  const std::string name = field(8, "w"), f32 = number(2, 1);
  EXPECT_THAT(refusal(with_initializer(number(1, static_cast<uint64_t>(-3)) + f32 + name)),
              EndsWith("initializer \"w\": dims[0]: expected integer >= 0, got -3"));
  const std::string huge = number(1, uint64_t{1} << 40);
  EXPECT_THAT(refusal(with_initializer(huge + huge + f32 + name)),
              EndsWith("dims [1099511627776, 1099511627776]: element count overflows"));
  EXPECT_THAT(refusal(with_initializer(huge + f32 + name + field(9, "abcd"))),
              EndsWith("initializer \"w\": expected 4398046511104 bytes, got 4"));
  EXPECT_THAT(refusal(with_initializer(number(1, 2) + f32 + name + field(4, "abcd"))),
              EndsWith("initializer \"w\": expected 2 values for [2], got 1"));
  EXPECT_THAT(refusal(with_initializer(number(1, 1) + number(2, 99) + name)),
              EndsWith("initializer \"w\": data_type: expected 1..26, got 99"));
  EXPECT_THAT(refusal(with_initializer(number(1, 1) + number(2, 9) + name + field(9, "\x02"))),
              EndsWith("bool: expected 0 or 1"));
  EXPECT_THAT(refusal(with_initializer(number(1, 1) + number(2, 3) + name + field(5, "\x80\x02"))),
              EndsWith("int32_data[0]: 256 is no int8"));
}

TEST(OnnxReader, RefusesTwoValues) {  // B036
  EXPECT_THAT(refusal(with_initializer(number(1, 1) + number(2, 1) + field(8, "w") +
                                       field(9, "abcd") + field(4, "abcd"))),
              EndsWith("initializer \"w\": 2 value fields (raw_data, float_data)"));
}

class ExternalData : public ::testing::Test {
 protected:
  std::string model(const std::string& location, const std::string& offset = "0",
                    const std::string& length = "8", const std::string& more = "") const {
    const auto entry = [](const std::string& key, const std::string& value) {
      return field(13, field(1, key) + field(2, value));
    };
    return with_initializer(number(1, 2) + number(2, 1) + field(8, "w") +
                            entry("location", location) + entry("offset", offset) +
                            entry("length", length) + more + number(14, 1));
  }
  std::string said(const std::string& location, const std::string& offset = "0",
                   const std::string& length = "8") const {
    return refusal(model(location, offset, length), inside());
  }
  std::string inside() const { return folder_ / "m"; }

  void SetUp() override {
    ::mkdir(inside().c_str(), 0700);
    const float values[] = {1, 2, 3, 4};
    bytes_.assign(reinterpret_cast<const char*>(values), sizeof(values));
    folder_.file("outside.bin", bytes_);
    folder_.file("m/w.bin", bytes_);
    ::mkdir((inside() + "/sub").c_str(), 0700);
    folder_.file("m/sub/v.bin", bytes_);
  }

  test::Folder folder_;
  std::string bytes_;
};

TEST_F(ExternalData, IsReadBesideTheModel) {
  const auto m = test::parsed(model("w.bin", "4"), inside());
  EXPECT_THAT(m.graph.initializers[0].array.span<float>(), ElementsAre(2, 3));
  const auto n = test::parsed(model("./sub/v.bin", "8"), inside());
  EXPECT_THAT(n.graph.initializers[0].array.span<float>(), ElementsAre(3, 4));
}

TEST_F(ExternalData, NeverOutside) {  // B038
  for (const char* location : {"../outside.bin", "sub/../../outside.bin", "/etc/passwd",
                               "%2e%2e/outside.bin", "..\\outside.bin", "sub/%2E%2E/w.bin"}) {
    EXPECT_THAT(said(location), EndsWith("path leaves the model directory")) << location;
  }
  EXPECT_THAT(said(""), EndsWith("expected the name of a file"));
  EXPECT_THAT(refusal(model("w.bin")), EndsWith("the model was not read from a folder"));
}

TEST_F(ExternalData, FollowsNoLinkAndWaitsForNoFifo) {  // B039
  ASSERT_EQ(::symlink("../outside.bin", (inside() + "/link.bin").c_str()), 0);
  EXPECT_THAT(said("link.bin"), EndsWith("\"link.bin\" is a symbolic link"));
  ASSERT_EQ(::symlink("..", (inside() + "/up").c_str()), 0);
  EXPECT_THAT(said("up/outside.bin"), EndsWith("\"up\" is no directory, or a symbolic link"));
  ASSERT_EQ(::link((folder_ / "outside.bin").c_str(), (inside() + "/hard.bin").c_str()), 0);
  EXPECT_THAT(said("hard.bin"), HasSubstr("is a hard link"));
  ASSERT_EQ(::mkfifo((inside() + "/fifo").c_str(), 0600), 0);
  EXPECT_THAT(said("fifo"), EndsWith("is a fifo; expected a regular file"));
  EXPECT_THAT(said("sub"), EndsWith("is a directory; expected a regular file"));
  EXPECT_THAT(said("none.bin"), EndsWith("cannot open: No such file or directory"));
}

TEST_F(ExternalData, RangesMustLieInTheFile) {  // B040
  EXPECT_THAT(said("w.bin", "12"),
              EndsWith("external data \"w.bin\": offset 12 + length 8 > file size 16"));
  EXPECT_THAT(said("w.bin", "1152921504606846976"), HasSubstr("> file size 16"));
  EXPECT_THAT(said("w.bin", "-4"), EndsWith("offset: expected integer >= 0, got \"-4\""));
  EXPECT_THAT(said("w.bin", "abc"), EndsWith("offset: expected integer >= 0, got \"abc\""));
  EXPECT_THAT(said("w.bin", "0", "4"), EndsWith("length: expected 8 bytes, got 4"));
}

TEST_F(ExternalData, UnknownKeysAreAWarning) {  // B041
  take_warnings();
  test::parsed(model("w.bin", "0", "8", field(13, field(1, "color") + field(2, "red"))), inside());
  EXPECT_THAT(take_warnings(), ElementsAre(HasSubstr("unknown key \"color\" is ignored")));
}

TEST(OnnxReader, FunctionsMustNotCallThemselves) {  // B046
  auto m = test::model({node("f", {"x"}, {"y"})});
  m.graph.nodes[0].domain = "own";
  m.opsets["own"] = 1;
  formats::onnx::Function f;
  f.name = "f";
  f.domain = "own";
  f.inputs = {"a"};
  f.outputs = {"b"};
  f.opsets = m.opsets;
  f.nodes = {node("f", {"a"}, {"b"})};
  f.nodes[0].domain = "own";
  m.functions = {f};
  EXPECT_EQ(refusal(m), "m.onnx: function \"f\" calls itself");
  // Each calls the next one twice: 2^40 nodes.
  m.functions.clear();
  for (int i = 0; i < 40; ++i) {
    f.name = i ? "f" + std::to_string(i) : "f";
    const std::string next = "f" + std::to_string(i + 1);
    f.nodes = {node(next, {"a"}, {"t"}), node(next, {"t"}, {"b"})};
    for (auto& n : f.nodes) n.domain = i + 1 < 40 ? "own" : "", n.op = i + 1 < 40 ? next : "Relu";
    m.functions.push_back(f);
  }
  EXPECT_EQ(refusal(m), "m.onnx: functions written out are more than 10000000 nodes");
}

TEST(OnnxReader, AttributesAreOfTheirKindAndRange) {  // B042, B043
  const auto conv = [](std::vector<test::Attribute> attributes) {
    auto m = test::model({node("Conv", {"x", "w"}, {"y"}, std::move(attributes), "conv1")},
                         {floats("w", {1, 1, 1, 1}, {1})});
    m.graph.inputs = {test::port("x", {1, 1, 2, 2})};
    const io::onnx::Program program(test::reread(m));
    return test::message_of<FormatError>([&] {
      program.run({{"x", varve::tensor<float>({1, 2, 3, 4}, {1, 1, 2, 2})}});
    });
  };
  EXPECT_EQ(conv({test::text("strides", "2")}),
            "node \"conv1\": attribute strides: expected ints, got string");
  EXPECT_EQ(conv({test::ints("strides", {0, 1})}),
            "node \"conv1\": strides[0]: expected >= 1, got 0");
  EXPECT_EQ(conv({test::ints("dilations", {1, -1})}),
            "node \"conv1\": dilations[1]: expected >= 1, got -1");
  EXPECT_EQ(conv({test::integer("group", 0)}), "node \"conv1\": group: expected >= 1, got 0");
}

TEST(OnnxReader, ShapesMustFitAndStayBelowTheLimit) {  // B044, B045
  const auto shaped = [](const std::string& op, std::vector<int64_t> sizes) {
    return run_refusal(test::model({node(op, {"x", "s"}, {"y"}, {}, "n")}, {int64s("s", sizes)}));
  };
  EXPECT_EQ(shaped("Reshape", {3, -1}), "node \"n\": Reshape: 4 elements into [3, -1]");
  EXPECT_EQ(shaped("Reshape", {-1, -1}), "node \"n\": Reshape: 4 elements into [-1, -1]");
  EXPECT_EQ(shaped("Expand", {int64_t{1} << 32, 2, 2}),
            "node \"n\": needs 17179869184 elements, limit 1073741824");
  EXPECT_EQ(shaped("Tile", {int64_t{1} << 62, int64_t{1} << 62}),
            "node \"n\": needs 9223372036854775807 elements, limit 1073741824");
  auto constant = test::model({node("ConstantOfShape", {"s"}, {"y"}, {}, "n")},
                              {int64s("s", {int64_t{1} << 40})});
  EXPECT_EQ(run_refusal(constant), "node \"n\": needs 1099511627776 elements, limit 1073741824");
  formats::onnx::Graph body;
  body.inputs = {test::port("i", {}, test::Type::int64), test::port("c", {}, test::Type::boolean),
                 test::port("v", {2, 2})};
  body.nodes = {node("Identity", {"c"}, {"d"}), node("Identity", {"v"}, {"w"})};
  body.outputs = {test::port("d", {}, test::Type::boolean), test::port("w", {2, 2})};
  auto loop = test::model({node("Loop", {"m", "", "x"}, {"y"}, {test::body("body", body)}, "n")},
                          {int64s("m", {int64_t{1} << 62})});
  EXPECT_EQ(run_refusal(loop),
            "node \"n\": needs 4611686018427387904 iterations, limit 1073741824");
}

}  // namespace
}  // namespace varve
