// Imported models as ordinary layers: what they give, that they differentiate, compile at any
// batch, train, and are saved.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "io/onnx/layer.h"
#include "io/onnx_builder.h"
#include "support/errors.h"
#include "support/folder.h"
#include "varve/varve.h"

namespace varve {
namespace {

using test::floats;
using test::int64s;
using test::node;
using ::testing::ElementsAre;
using ::testing::HasSubstr;

Model layer_of(const formats::onnx::Model& m) {
  return Model(
      io::onnx::make_layer(std::make_shared<const io::onnx::Program>(test::reread(m)), false, ""));
}

// relu(x w1 + b1) w2, its names those of exporters: with dots and slashes.
formats::onnx::Model network() {
  return test::model(
      {node("Gemm", {"x", "fc1.weight", "fc1.bias"}, {"h"}, {test::integer("transB", 1)}),
       node("Relu", {"h"}, {"a"}), node("MatMul", {"a", "/fc2/w"}, {"y"})},
      {floats("fc1.weight", {3, 2}, {1, -1, 2, 0.5f, -3, 1}),
       floats("fc1.bias", {3}, {0.5f, 0, -1}), floats("/fc2/w", {3, 1}, {1, 2, -1})});
}

TEST(OnnxLayer, GivesWhatTheModelGives) {
  Model model = layer_of(network());
  const Tensor x = tensor<float>({1, 2, -3, 4}, {2, 2});
  // Row 1: h = 1-2+.5, 2+1, -3+2-1 -> relu 0, 3, 0 -> 6. Row 2: -6.5, -4, 12 -> 0, 0, 12 -> -12.
  EXPECT_THAT(Tensor(model(x)).to_doubles(), ElementsAre(6, -12));
  std::vector<std::string> names;
  for (const auto& v : model.named_variables()) names.push_back(v.path);
  EXPECT_THAT(names, ElementsAre("fc1.weight", "fc1.bias", "/fc2/w"));
  EXPECT_EQ(model.parameter_count(), 12);
  EXPECT_THAT(model.variable("fc1.bias").value().to_doubles(), ElementsAre(0.5, 0, -1));
}

TEST(OnnxLayer, Differentiates) {
  Model model = layer_of(network());
  model.build({2});
  const Tensor x = tensor<float>({1, 2}, {1, 2});
  const auto r = value_and_grad([&] { return sum(Tensor(model(x))); }, model.trainable())();
  // Of the hidden units the second alone is above 0.
  EXPECT_THAT(r.grads[model.variable("fc1.weight")].to_doubles(), ElementsAre(0, 0, 2, 4, 0, 0));
  EXPECT_THAT(r.grads[model.variable("fc1.bias")].to_doubles(), ElementsAre(0, 2, 0));
  EXPECT_THAT(r.grads[model.variable("/fc2/w")].to_doubles(), ElementsAre(0, 3, 0));
}

TEST(OnnxLayer, TrainsAndComesBackFromItsFile) {
  const test::Folder folder;
  Model model = layer_of(network());
  const Tensor x = random::normal(Key(1), {64, 2});
  const Tensor y = sum(x, {.axes = {1}, .keep_dims = true});
  model.compile({.optimizer = optim::Adam{.learning_rate = 0.02}, .loss = "mse"});
  const double before = model.evaluate(x, y)["loss"];
  model.fit(x, y, {.batch_size = 16, .epochs = 30, .seed = 1, .progress = false});
  EXPECT_LT(model.evaluate(x, y)["loss"], before / 10);
  model.save(folder / "m.safetensors");
  Model again = Model::load(folder / "m.safetensors");
  EXPECT_TRUE(bool(all(Tensor(again.predict(x)) == Tensor(model.predict(x)))));
  const auto tensors = read_safetensors(folder / "m.safetensors");
  EXPECT_EQ(tensors.at("fc1.weight").shape(), Shape({3, 2}));
  const History more = again.fit(x, y, {.epochs = 1, .seed = 1, .progress = false});
  EXPECT_EQ(more.epochs(), 1);
}

// Shape -> Gather -> Concat -> Reshape: sizes worked out by the graph itself.
TEST(OnnxLayer, ShapeArithmeticCompilesAtAnyBatch) {
  auto m = test::model({node("Shape", {"x"}, {"s"}), node("Gather", {"s", "zero"}, {"n"}),
                        node("Unsqueeze", {"n", "axes"}, {"n1"}),
                        node("Concat", {"n1", "minus"}, {"to"}, {test::integer("axis", 0)}),
                        node("Concat", {"x", "x"}, {"xx"}, {test::integer("axis", 1)}),
                        node("Reshape", {"xx", "to"}, {"y"})},
                       {test::weights<int64_t>("zero", test::Type::int64, {}, {0}),
                        int64s("axes", {0}), int64s("minus", {2, -1})});
  Model model = layer_of(m);
  model.build({2});
  const auto f = jit([&](const Tensor& x) { return Tensor(model(x)); });
  for (const int64_t batch : {1, 5, 64}) {
    EXPECT_EQ(f(ones({batch, 2})).shape(), Shape({batch, 2, 2}));
  }
}

// Exporters write the batch of their example into shapes.
TEST(OnnxLayer, AModelOfOneSampleTakesBatches) {
  auto m = test::model({node("Reshape", {"x", "to"}, {"r"}), node("MatMul", {"r", "w"}, {"y"})},
                       {int64s("to", {1, 4}), floats("w", {4, 1}, {1, 10, 100, 1000})});
  m.graph.inputs = {test::port("x", {1, 2, 2})};
  Model model = layer_of(m);
  model.build({2, 2});
  const Tensor x = reshape(arange(8, {.dtype = f32}), {2, 2, 2});
  EXPECT_THAT(Tensor(model(x)).to_doubles(), ElementsAre(3210, 7654));
}

// The scale [1, 4] has as many rows as a sample of the model's only by chance: another batch leaves
// it as it is. It broadcasts, which a scale [2, 2] would not.
TEST(OnnxLayer, WhatDoesNotDependOnTheBatchDoesNotFollowIt) {
  auto m = test::model({node("Reshape", {"w", "to"}, {"row"}), node("Reshape", {"x", "to"}, {"r"}),
                        node("Mul", {"r", "row"}, {"s"}), node("MatMul", {"s", "ones"}, {"y"})},
                       {int64s("to", {1, -1}), floats("w", {4}, {1, 10, 100, 1000}),
                        floats("ones", {4, 1}, {1, 1, 1, 1})});
  m.graph.inputs = {test::port("x", {1, 2, 2})};
  Model model = layer_of(m);
  model.build({2, 2});
  const Tensor x = reshape(arange(8, {.dtype = f32}), {2, 2, 2});
  EXPECT_THAT(Tensor(model(x)).to_doubles(), ElementsAre(3210, 7654));
}

// What a body reads of the graph around it depends on the batch, too.
TEST(OnnxLayer, TheBatchIsFollowedIntoBranches) {
  const auto branch = [](const std::string& of) {
    formats::onnx::Graph g;
    g.nodes = {node("Identity", {of}, {"r"})};
    g.outputs = {test::port("r", {-1, 2})};
    return g;
  };
  auto m = test::model(
      {node("If", {"yes"}, {"b"},
            {test::body("then_branch", branch("x")), test::body("else_branch", branch("x"))}),
       node("Reshape", {"b", "to"}, {"r"}), node("MatMul", {"r", "w"}, {"y"})},
      {test::weights<uint8_t>("yes", test::Type::boolean, {}, {1}), int64s("to", {1, 4}),
       floats("w", {4, 1}, {1, 10, 100, 1000})});
  m.graph.inputs = {test::port("x", {1, 2, 2})};
  Model model = layer_of(m);
  model.build({2, 2});
  const Tensor x = reshape(arange(8, {.dtype = f32}), {2, 2, 2});
  EXPECT_THAT(Tensor(model(x)).to_doubles(), ElementsAre(3210, 7654));
}

TEST(OnnxLayer, WhatOpsNeedBeforehandStaysConstant) {
  auto m =
      test::model({node("Clip", {"x", "low", "high"}, {"c"}), node("Mul", {"c", "w"}, {"y"})},
                  {floats("low", {}, {-1}), floats("high", {}, {1}), floats("w", {2}, {2, 3})});
  Model model = layer_of(m);
  EXPECT_THAT(Tensor(model(tensor<float>({5, -0.5f}, {1, 2}))).to_doubles(), ElementsAre(2, -1.5));
  EXPECT_EQ(model.named_variables().size(), 1u);
}

TEST(OnnxLayer, RunningStatisticsAreNotTrained) {
  auto m = test::model({node("BatchNormalization", {"x", "g", "b", "mean", "var"}, {"y"})},
                       {floats("g", {2}, {1, 1}), floats("b", {2}, {0, 0}),
                        floats("mean", {2}, {1, 2}), floats("var", {2}, {1, 4})});
  Model model = layer_of(m);
  model.build({2});
  EXPECT_EQ(model.variables().size(), 4u);
  EXPECT_EQ(model.trainable().size(), 2u);
}

formats::onnx::Model normalized(std::vector<test::Node> before = {},
                                const std::string& mean = "mean") {
  before.push_back(node("BatchNormalization", {"x", "g", "b", mean, "var"}, {"y"},
                        {test::real("epsilon", 0), test::real("momentum", 0.75f)}));
  return test::model(std::move(before), {floats("g", {2}, {2, 1}), floats("b", {2}, {0, 1}),
                                         floats("mean", {2}, {1, 2}), floats("var", {2}, {1, 4})});
}

// Means 2 and 6, variances 1 and 4: as the layer nn::BatchNorm does.
TEST(OnnxLayer, BatchNormalizationLearnsWhileItIsTrained) {
  const Tensor x = tensor<float>({1, 4, 3, 8}, {2, 2});
  // The statistics themselves, or by another name, as exporters give what several nodes share.
  for (const auto& m : {normalized(), normalized({node("Identity", {"mean"}, {"same"})}, "same")}) {
    Model model = layer_of(m);
    model.build({2});
    EXPECT_THAT(Tensor(model(x)).to_doubles(), ElementsAre(0, 2, 4, 4));
    EXPECT_THAT(Tensor(model(x, {.training = true})).to_doubles(), ElementsAre(-2, 0, 2, 2));
    EXPECT_THAT(model.variable("mean").value().to_doubles(), ElementsAre(1.25, 3));
    EXPECT_THAT(model.variable("var").value().to_doubles(), ElementsAre(1, 4));
    EXPECT_THAT(Tensor(model(x)).to_doubles(), ElementsAre(-0.5, 1.5, 3.5, 3.5));
    // One sample has no variance.
    const Tensor one = tensor<float>({1.25f, 5}, {1, 2});
    EXPECT_THAT(Tensor(model(one, {.training = true})).to_doubles(), ElementsAre(0, 2));
    EXPECT_THAT(model.variable("mean").value().to_doubles(), ElementsAre(1.25, 3));
    model.freeze("g");
    EXPECT_THAT(Tensor(model(x, {.training = true})).to_doubles(),
                ElementsAre(-0.5, 1.5, 3.5, 3.5));
    model.unfreeze("g");
    model.freeze();
    model(x, {.training = true});
    EXPECT_THAT(model.variable("mean").value().to_doubles(), ElementsAre(1.25, 3));
  }
}

TEST(OnnxLayer, StatisticsThatWereComputedStayAsTheFileSays) {
  Model model = layer_of(normalized({node("Neg", {"mean"}, {"minus"})}, "minus"));
  model.build({2});
  const Tensor x = tensor<float>({1, 4, 3, 8}, {2, 2});
  EXPECT_EQ(Tensor(model(x, {.training = true})).to_doubles(), Tensor(model(x)).to_doubles());
}

TEST(OnnxLayer, FitMovesStatisticsAndPredictUsesThem) {
  auto m = normalized();
  m.graph.nodes[0].outputs = {"n"};
  m.graph.nodes.push_back(node("MatMul", {"n", "w"}, {"y"}));
  m.graph.initializers.push_back(floats("w", {2, 1}, {0.5f, 0.5f}));
  Model model = layer_of(m);
  model.compile({.optimizer = optim::SGD{.learning_rate = 0}, .loss = "mse"});
  // Mean 7 and 3: after many steps at a momentum of 3/4 nothing is left of 1 and 2.
  const Tensor x = random::normal(Key(3), {64, 2}) + tensor<float>({7, 3});
  model.fit(x, ones({64, 1}),
            {.batch_size = 64, .epochs = 60, .shuffle = false, .seed = 1, .progress = false});
  const Tensor expected = mean(x, {.axes = {0}});
  EXPECT_TRUE(bool(all(varve::abs(model.variable("mean").value() - expected) < 1e-4)));
  const Tensor centred = x - expected;
  EXPECT_TRUE(bool(all(
      varve::abs(model.variable("var").value() - mean(square(centred), {.axes = {0}})) < 1e-4)));
}

TEST(OnnxLayer, DropoutDropsWhileItIsTrained) {
  auto m = test::model({node("Dropout", {"x", "ratio", "training"}, {"y"})},
                       {floats("ratio", {}, {0.25f}),
                        test::weights<uint8_t>("training", test::Type::boolean, {}, {0})});
  Model model = layer_of(m);
  model.build({2});
  const Tensor x = ones({2000, 2});
  EXPECT_TRUE(bool(all(Tensor(model(x)) == x)));
  const Tensor first = model(x, {.training = true}), second = model(x, {.training = true});
  EXPECT_FALSE(bool(all(first == second)));
  // 4000 draws: three quarters stay, by 4/3 each; five standard deviations.
  EXPECT_NEAR(mean(cast(first > 0, f32)).to_double(), 0.75, 5 * std::sqrt(0.75 * 0.25 / 4000));
  EXPECT_FLOAT_EQ(static_cast<float>(max(first).to_double()), 4.f / 3);
  // Opset 7 knows no training mode; a seed in the file does not make all steps alike.
  auto old = test::model({node("Dropout", {"x"}, {"y"}, {test::real("ratio", 0.5f)})}, {}, 7);
  Model before = layer_of(old);
  before.build({2});
  EXPECT_TRUE(bool(all(Tensor(before(x)) == x)));
  EXPECT_LT(sum(cast(Tensor(before(x, {.training = true})) > 0, f32)).to_double(), 2500);
  m.graph.nodes[0].attributes = {test::integer("seed", 7)};
  Model seeded = layer_of(m);
  seeded.build({2});
  EXPECT_FALSE(
      bool(all(Tensor(seeded(x, {.training = true})) == Tensor(seeded(x, {.training = true})))));
}

TEST(OnnxLayer, ShapesThatDependOnDataAreRefusedInATrace) {
  auto m = test::model({node("NonZero", {"x"}, {"y"}, {}, "where")});
  m.graph.outputs = {test::port("y", {2, -1}, test::Type::int64)};
  const io::onnx::Program program(test::reread(m));
  EXPECT_EQ(test::run(m).shape(), Shape({2, 4}));
  const auto f = jit([&](const Tensor& x) { return program.run({{"x", x}}).at(0).tensor; });
  EXPECT_THAT(test::message_of<UnsupportedError>([&] {
                f(ones({2, 2}));
              }),
              HasSubstr("node \"where\", opset 17: the count of elements that are not 0 depends on "
                        "data"));
}

// y = sum(x) > 0 ? x + x : -x, chosen by the data of each call of one plan.
TEST(OnnxLayer, AChoiceByDataCompiles) {
  const auto branch = [](test::Node n) {
    formats::onnx::Graph g;
    g.nodes = {std::move(n)};
    g.outputs = {test::port("r", {-1, 2})};
    return g;
  };
  auto m = test::model({node("ReduceSum", {"x"}, {"s"}, {test::integer("keepdims", 0)}),
                        node("Greater", {"s", "zero"}, {"c"}),
                        node("If", {"c"}, {"y"},
                             {test::body("then_branch", branch(node("Add", {"x", "x"}, {"r"}))),
                              test::body("else_branch", branch(node("Neg", {"x"}, {"r"})))})},
                       {floats("zero", {}, {0})});
  const io::onnx::Program program(test::reread(m));
  const auto f = jit([&](const Tensor& x) { return program.run({{"x", x}}).at(0).tensor; });
  EXPECT_THAT(f(tensor<float>({1, 2}, {1, 2})).to_doubles(), ElementsAre(2, 4));
  EXPECT_THAT(f(tensor<float>({-5, 2}, {1, 2})).to_doubles(), ElementsAre(5, -2));
}

// Doubles until the sum is 100 or more.
TEST(OnnxLayer, ALoopByDataCompiles) {
  formats::onnx::Graph body;
  body.inputs = {test::port("i", {}, test::Type::int64), test::port("c", {}, test::Type::boolean),
                 test::port("v", {-1, 2})};
  body.nodes = {node("Add", {"v", "v"}, {"w"}),
                node("ReduceSum", {"w"}, {"s"}, {test::integer("keepdims", 0)}),
                node("Less", {"s", "most"}, {"d"})};
  body.outputs = {test::port("d", {}, test::Type::boolean), test::port("w", {-1, 2})};
  auto m = test::model(
      {node("Loop", {"", "yes", "x"}, {"y"}, {test::body("body", body)})},
      {floats("most", {}, {100}), test::weights<uint8_t>("yes", test::Type::boolean, {}, {1})});
  const io::onnx::Program program(test::reread(m));
  EXPECT_THAT(test::run(m, 1).to_doubles(), ElementsAre(64, 128));
  const auto f = jit([&](const Tensor& x) { return program.run({{"x", x}}).at(0).tensor; });
  EXPECT_THAT(f(tensor<float>({1, 2}, {1, 2})).to_doubles(), ElementsAre(64, 128));
  EXPECT_THAT(f(tensor<float>({50, 0}, {1, 2})).to_doubles(), ElementsAre(100, 0));
}

// A running sum over the rows, from the last one on.
TEST(OnnxLayer, AScanIsTheSameInATrace) {
  formats::onnx::Graph body;
  body.inputs = {test::port("state", {2}), test::port("row", {2})};
  body.nodes = {node("Add", {"state", "row"}, {"next"}), node("Identity", {"next"}, {"out"})};
  body.outputs = {test::port("next", {2}), test::port("out", {2})};
  auto m = test::model(
      {node("Scan", {"start", "x"}, {"end", "y"},
            {test::body("body", body), test::integer("num_scan_inputs", 1),
             test::ints("scan_input_directions", {1}), test::ints("scan_output_directions", {1})})},
      {floats("start", {2}, {0, 0})});
  const io::onnx::Program program(test::reread(m));
  const auto f = jit([&](const Tensor& x) { return program.run({{"x", x}}).at(0).tensor; });
  EXPECT_THAT(test::run(m, 3).to_doubles(), ElementsAre(9, 12, 8, 10, 5, 6));
  EXPECT_THAT(f(tensor<float>({1, 2, 3, 4, 5, 6}, {3, 2})).to_doubles(),
              ElementsAre(9, 12, 8, 10, 5, 6));
}

TEST(OnnxLayer, FunctionsOfTheModelAreWrittenOut) {
  auto m = test::model({node("twice_plus", {"x"}, {"y"}, {test::real("by", 3)})});
  m.graph.nodes[0].domain = "own";
  m.opsets["own"] = 1;
  formats::onnx::Function f;
  f.name = "twice_plus";
  f.domain = "own";
  f.inputs = {"a"};
  f.outputs = {"b"};
  f.attributes = {"by"};
  f.opsets = {{"", 17}};
  test::Attribute value = test::real("value_float", 0);
  value.reference = "by";
  f.nodes = {node("Add", {"a", "a"}, {"t"}), node("Constant", {}, {"k"}, {value}),
             node("Add", {"t", "k"}, {"b"})};
  m.functions = {f};
  EXPECT_THAT(test::run(test::reread(m)).to_doubles(), ElementsAre(5, 7, 9, 11));
}

TEST(OnnxModel, RunsByName) {
  const test::Folder folder;
  const std::string path = folder.file("m.onnx", formats::onnx::serialize(network()));
  const onnx::Model model = onnx::load(path);
  EXPECT_EQ(model.inputs().at(0).name, "x");
  EXPECT_EQ(model.inputs().at(0).type, "tensor(float32)[batch, 2]");
  EXPECT_EQ(model.outputs().at(0).name, "y");
  const auto out = model.run({{"x", tensor<float>({1, 2}, {1, 2})}});
  EXPECT_THAT(out.at("y").to_doubles(), ElementsAre(6));
  EXPECT_THAT(test::message_of<FormatError>([&] { model.run({}); }),
              HasSubstr("input \"x\": tensor(float32)[batch, 2] is missing"));
  EXPECT_THAT(test::message_of<FormatError>([&] {
                model.run({{"x", ones({1, 3})}});
              }),
              HasSubstr("expected tensor(float32)[batch, 2], got tensor(float32)[1, 3]"));
  EXPECT_THAT(test::message_of<IndexError>([&] {
                model.run({{"x", ones({1, 2})}, {"z", ones({1})}});
              }),
              HasSubstr("no input \"z\""));
  // A name that is wrong is said before the one that is missing for it.
  EXPECT_THAT(test::text_of<IndexError>([&] {
                model.run({{"X", ones({1, 2})}});
              }),
              HasSubstr("no input \"X\"\n  hint: did you mean \"x\"?"));
}

// A second call of a signature makes a plan and runs it, later ones run it.
TEST(OnnxModel, GivesTheSameByAPlan) {
  const test::Folder folder;
  const std::string path = folder.file("m.onnx", formats::onnx::serialize(network()));
  // As many plans as there are combinations; of a byte, the last one; and none.
  for (const auto& [bytes, plans] :
       {std::pair{int64_t{1} << 30, 2}, std::pair{int64_t{1}, 1}, std::pair{int64_t{0}, 0}}) {
    const onnx::Model model = onnx::load(path, {.plan_bytes = bytes});
    for (int time = 0; time < 4; ++time) {
      // Of two batch sizes in turns, with other numbers each time.
      const float a = static_cast<float>(time);
      EXPECT_THAT(model.run({{"x", tensor<float>({1, 2 + a}, {1, 2})}}).at("y").to_doubles(),
                  ElementsAre(2 * (2 + 0.5 * (2 + a)) - std::max(0.f, a - 2)));
      EXPECT_EQ(model.run({{"x", ones({5, 2})}}).at("y").shape(), Shape({5, 1}));
      EXPECT_EQ(model.plans(), time == 0 ? 0 : plans);
    }
  }
  EXPECT_THAT(test::message_of<ValueError>([&] { onnx::load(path, {.plan_bytes = -1}); }),
              HasSubstr("plan_bytes: expected >= 0, got -1"));
}

TEST(OnnxModel, RunsNodeByNodeWhereElementsDecide) {
  const test::Folder folder;
  auto reshaped = test::model({node("Reshape", {"x", "to"}, {"y"})});
  reshaped.graph.inputs.push_back(test::port("to", {2}, test::Type::int64));
  const onnx::Model model =
      onnx::load(folder.file("shape.onnx", formats::onnx::serialize(reshaped)));
  for (const int64_t rows : {2, 2, 2, 4, 1}) {
    const Tensor to = tensor<int64_t>({rows, 4 / rows}, {2});
    EXPECT_EQ(model.run({{"x", ones({2, 2})}, {"to", to}}).at("y").shape(),
              Shape({rows, 4 / rows}));
  }

  // While the sum of x is positive, and no more than is allowed.
  formats::onnx::Graph body;
  body.inputs = {test::port("i", {}, test::Type::int64), test::port("c", {}, test::Type::boolean),
                 test::port("v", {-1, 2})};
  body.nodes = {node("Sub", {"v", "one"}, {"w"}),
                node("ReduceSum", {"w"}, {"s"}, {test::integer("keepdims", 0)}),
                node("Greater", {"s", "zero"}, {"d"})};
  body.outputs = {test::port("d", {}, test::Type::boolean), test::port("w", {-1, 2})};
  const auto loop = test::model({node("Loop", {"", "yes", "x"}, {"y"}, {test::body("body", body)})},
                                {floats("one", {}, {1}), floats("zero", {}, {0}),
                                 test::weights<uint8_t>("yes", test::Type::boolean, {}, {1})});
  const onnx::Model counting = onnx::load(folder.file("loop.onnx", formats::onnx::serialize(loop)));
  for (const float start : {3.f, 3.f, 3.f, 5.5f}) {
    const Tensor y = counting.run({{"x", tensor<float>({start, start}, {1, 2})}}).at("y");
    const double end = start == 3 ? 0 : -0.5;
    EXPECT_THAT(y.to_doubles(), ElementsAre(end, end));
  }
  EXPECT_EQ(model.plans() + counting.plans(), 0);
}

// What runs node by node, and no trace can say.
TEST(OnnxModel, RunsNodeByNodeWhatCannotBeTraced) {
  const test::Folder folder;
  // Branches of different shapes.
  formats::onnx::Graph whole, total;
  whole.nodes = {node("Neg", {"x"}, {"whole"})};
  whole.outputs = {test::port("whole", {})};
  total.nodes = {node("ReduceSum", {"x"}, {"total"}, {test::integer("keepdims", 0)})};
  total.outputs = {test::port("total", {})};
  auto branches =
      test::model({node("ReduceSum", {"x"}, {"s"}, {test::integer("keepdims", 0)}),
                   node("Greater", {"s", "zero"}, {"c"}),
                   node("If", {"c"}, {"y"},
                        {test::body("then_branch", whole), test::body("else_branch", total)})},
                  {floats("zero", {}, {0})});
  const onnx::Model either = onnx::load(folder.file("if.onnx", formats::onnx::serialize(branches)));
  for (int time = 0; time < 4; ++time) {
    EXPECT_THAT(either.run({{"x", tensor<float>({1, 2}, {1, 2})}}).at("y").to_doubles(),
                ElementsAre(-1, -2));
    EXPECT_THAT(either.run({{"x", tensor<float>({-1, -2}, {1, 2})}}).at("y").to_doubles(),
                ElementsAre(-3));
  }
  EXPECT_EQ(either.plans(), 0);

  // So many steps that a plan would have no end; few of them make one.
  formats::onnx::Graph body;
  body.inputs = {test::port("i", {}, test::Type::int64), test::port("c", {}, test::Type::boolean),
                 test::port("v", {-1, 2})};
  body.nodes = {node("Add", {"v", "one"}, {"w"})};
  body.outputs = {test::port("c", {}, test::Type::boolean), test::port("w", {-1, 2})};
  for (const int64_t trips : {100, 3000}) {
    const auto loop = test::model(
        {node("Loop", {"trips", ""}, {"y"}, {test::body("body", body)})},
        {floats("one", {}, {1}), test::weights<int64_t>("trips", test::Type::int64, {}, {trips})});
    auto with_state = loop;
    with_state.graph.nodes[0].inputs.push_back("x");
    const onnx::Model model =
        onnx::load(folder.file("long.onnx", formats::onnx::serialize(with_state)));
    for (int time = 0; time < 3; ++time) {
      EXPECT_THAT(model.run({{"x", zeros({1, 2})}}).at("y").to_doubles(),
                  ElementsAre(trips, trips));
    }
    EXPECT_EQ(model.plans(), trips == 100 ? 1 : 0);
  }
}

// An index that is out of range by a plan, and is not the next time.
TEST(OnnxModel, APlanOutlivesAFault) {
  const test::Folder folder;
  auto taken = test::model({node("Gather", {"x", "i"}, {"y"}, {test::integer("axis", 1)})});
  taken.graph.inputs.push_back(test::port("i", {1}, test::Type::int64));
  const onnx::Model model = onnx::load(folder.file("m.onnx", formats::onnx::serialize(taken)));
  const auto run = [&](int64_t at) {
    return model.run({{"x", tensor<float>({1, 2}, {1, 2})}, {"i", tensor<int64_t>({at}, {1})}})
        .at("y")
        .to_doubles();
  };
  for (int time = 0; time < 3; ++time) EXPECT_THAT(run(1), ElementsAre(2));
  EXPECT_EQ(model.plans(), 1);
  EXPECT_THROW(run(7), Error);
  EXPECT_THAT(run(0), ElementsAre(1));
  EXPECT_EQ(model.plans(), 1);
}

TEST(OnnxModel, DrawsAnewEachTime) {
  const test::Folder folder;
  const auto noisy =
      test::model({node("RandomNormalLike", {"x"}, {"n"}), node("Add", {"x", "n"}, {"y"})});
  const onnx::Model model = onnx::load(folder.file("m.onnx", formats::onnx::serialize(noisy)));
  std::set<std::vector<double>> seen;
  for (int time = 0; time < 5; ++time)
    seen.insert(model.run({{"x", ones({2, 2})}}).at("y").to_doubles());
  EXPECT_EQ(seen.size(), 5);
}

}  // namespace
}  // namespace varve
