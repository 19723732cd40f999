// The architecture of models as JSON, there and back.
#include "nn/helpers.h"
#include "varve/ops/shape.h"

namespace varve {
namespace {

using test::distance;
using test::message_of;
using test::names_of;
using test::normal;
using test::text_of;

/// Gives a model the weights of another, by name.
void copy_weights(const Layer& from, const Layer& to) {
  for (const NamedVariable& v : from.named_variables())
    to.variable(v.path).assign(v.variable.value());
}

void expect_same_through_config(const Layer& model, const Tensors& x) {
  const Outputs before = model(x);
  Layer again = Layer::from_config(model.config());
  if (!again.built()) again(x);
  EXPECT_EQ(names_of(again.variables()), names_of(model.variables()));
  copy_weights(model, again);
  const Outputs after = again(x);
  ASSERT_EQ(after.size(), before.size());
  for (size_t i = 0; i < after.size(); ++i) EXPECT_EQ(distance(after[i], before[i]), 0);
  EXPECT_EQ(again.config(), model.config());
}

TEST(Config, ALayerIsWrittenWithEveryField) {
  EXPECT_EQ(Layer(nn::Dense{10, "relu"}).config(),
            R"({"type":"dense","units":10,"activation":"relu","use_bias":true,)"
            R"("kernel_initializer":"glorot_uniform","bias_initializer":"zeros"})");
  EXPECT_EQ(Layer(nn::MaxPool2D{.strides = {1, 2}, .name = "pool"}).config(),
            R"({"type":"max_pool2d","name":"pool","pool_size":2,"strides":[1,2],)"
            R"("padding":"valid","data_format":"channels_last"})");
}

TEST(Config, ASequenceGoesThrough) {
  Layer model = nn::sequential(
      {nn::Conv2D{.filters = 4,
                  .padding = "same",
                  .activation = nn::LeakyReLU{.negative_slope = 0.2},
                  .kernel_regularizer = nn::L2{1e-4}},
       nn::BatchNorm{}, nn::MaxPool2D{.pool_size = {2, 1}}, nn::Flatten{},
       nn::sequential({nn::Dense{.units = 5, .name = "inner"}, nn::PReLU{}}), nn::Dropout{0.25},
       nn::Dense{.units = 3, .activation = "softmax", .bias_initializer = 0.5}});
  expect_same_through_config(model, normal({3, 6, 6, 2}));
}

TEST(Config, AFunctionalModelGoesThroughWithTheOperationsBetweenItsLayers) {
  Tensor a = nn::Input{.shape = {4, 3}, .name = "a"};
  Tensor b = nn::Input{.shape = {12}, .dtype = u8, .name = "b"};
  Layer shared = nn::Dense{.units = 3, .name = "shared"};
  Tensor h = reshape(shared(reshape(a, {-1, 3})), {a.shape()[0], 4, 3}) * tensor({1.f, 2.f, 0.1f});
  Tensor g = nn::Dropout{0.5}(nn::Flatten{}(shared(h)), {.training = true}) * 0;
  Layer model = nn::functional(
      {a, b}, {g + nn::Rescaling{1. / 255}(b)*std::numeric_limits<float>::min(),
               nn::Add{}({nn::Flatten{}(h), nn::Dense{12}(g)}), cast(clip(h, -1, 1), f64)});
  expect_same_through_config(model, {normal({5, 4, 3}), cast(normal({5, 12}), u8)});
  // A model inside another, called twice.
  Tensor x = nn::Input{.shape = {4, 3}};
  Tensor y = nn::Input{.shape = {12}, .dtype = u8};
  const Outputs one = model({x, y}), two = model({-x, y});
  expect_same_through_config(nn::functional({x, y}, one[1] - two[1]),
                             {normal({2, 4, 3}), cast(normal({2, 12}), u8)});
}

struct Scaled {
  Real factor = 2;
  std::vector<int> unused = {};
  Tensor call(const Tensor& x, Scope& s) const {
    return x * s.variable("w", {}, {.initializer = factor.value});
  }
  void fields(Fields& f) {
    f("factor", factor, "Factor.");
    f("unused", unused, "Nothing.");
  }
};

TEST(Config, ATypeOfOnesOwnMustBeRegisteredToBeLoaded) {
  Layer model = nn::sequential({Scaled{.factor = 3}, nn::Dense{2}});
  model.build({2});
  const std::string text = model.config();
  EXPECT_NE(text.find(R"({"type":"scaled","name":"scaled_1","factor":3.0,"unused":[]})"),
            std::string::npos)
      << text;
  const std::string refused = text_of<ConfigError>([&] { Layer::from_config(text); });
  EXPECT_NE(refused.find("layer.layers[0]: unknown layer type \"scaled\""), std::string::npos)
      << refused;
  EXPECT_NE(refused.find("nn::register_layer<T>(\"scaled\")"), std::string::npos) << refused;
  nn::register_layer<Scaled>("scaled");
  expect_same_through_config(model, normal({3, 2}));
  nn::register_layer<Scaled>("scaled");  // again is nothing new
  EXPECT_EQ(message_of<ValueError>([] { nn::register_layer<Scaled>("dense"); }),
            "register_layer: \"dense\" is another type's name");
  EXPECT_EQ(message_of<ValueError>([] { nn::register_layer<Scaled>("My Layer"); }),
            "register_layer: expected a name in snake case, got \"My Layer\"");
}

TEST(Config, AnUnnamedFunctionIsRefusedByTheNameOfItsLayer) {
  Layer model = nn::sequential({nn::Dense{2}, nn::Lambda{[](const Tensor& x) { return x; }}});
  EXPECT_EQ(text_of<UnsupportedError>([&] { (void)model.config(); }),
            "layer \"lambda_1\": function is a function of your own and has no text form\n  hint: "
            "write it as a layer struct and register it with nn::register_layer");
}

TEST(Config, FaultsNameWhereTheyAre) {
  auto refused = [](const std::string& json) {
    return text_of<ConfigError>([&] { Layer::from_config(json); });
  };
  auto in_sequence = [&](const std::string& layer) {
    return refused(R"({"type": "sequential", "layers": [{"type": "flatten"}, )" + layer + "]}");
  };
  EXPECT_EQ(in_sequence(R"({"type": "dense", "units": 0})"),
            "layer.layers[1].units: expected integer >= 1, got 0");
  EXPECT_EQ(in_sequence(R"({"type": "dense", "unit": 3})"),
            "layer.layers[1].unit: unknown key\n  hint: did you mean \"units\"?");
  EXPECT_EQ(in_sequence(R"({"type": "dense"})"),
            "layer.layers[1]: dense: units: expected integer >= 1, got 0");
  EXPECT_EQ(
      in_sequence(R"({"type": "dens", "units": 3})").substr(0, 88),
      "layer.layers[1]: unknown layer type \"dens\"\n  hint: did you mean \"dense\"?; types of "
      "your ");
  EXPECT_EQ(in_sequence(R"({"units": 3})"), "layer.layers[1]: expected a member \"type\"");
  EXPECT_EQ(in_sequence("3"), "layer.layers[1]: expected a name or an object with \"type\", got 3");
  EXPECT_EQ(refused(R"({"type": "sequential"})"), "layer.layers: expected a list of layers");
  EXPECT_EQ(refused(R"({"type": "sequential", "layers": [], "layer": 1})"),
            "layer.layer: unknown key\n  hint: did you mean \"layers\"?");
  auto in_model = [&](const std::string& step) {
    return refused(R"({"type": "model", "layers": [{"type": "dense", "units": 2, "name": "d"}],)"
                   R"("steps": [{"input": "x", "dtype": "f32", "shape": ["batch", 3]}, )" +
                   step + R"(], "outputs": [1]})");
  };
  EXPECT_EQ(in_model(R"({"layer": "d", "inputs": [0]})"), "no error");
  EXPECT_EQ(in_model(R"({"layer": "e", "inputs": [0]})"),
            "layer.steps[1].layer: there is no layer \"e\"\n  hint: did you mean \"d\"?");
  EXPECT_EQ(in_model(R"({"layer": "d", "inputs": [1]})"),
            "layer.steps[1].inputs: there is no value 1 before it");
  EXPECT_EQ(in_model(R"({"layer": "d", "inputs": [-1]})"),
            "layer.steps[1].inputs: there is no value -1 before it");
  EXPECT_EQ(in_model(R"({"op": "addd", "inputs": [0, 0]})"),
            "layer.steps[1].op: unknown operation \"addd\"");
  EXPECT_EQ(in_model(R"({"op": "add", "inputs": [0]})"),
            "layer.steps[1].inputs: expected 2..2 values, got 1");
  EXPECT_EQ(in_model(R"({"op": "reshape", "inputs": [0], "attributes": {"shape": ["7*bat"]}})"),
            "layer.steps[1].attributes.shape: expected an integer or \"batch\", got \"7*bat\"");
  EXPECT_EQ(in_model(R"({"constant": {"dtype": "f32", "shape": [2], "values": [1]}})"),
            "layer.steps[1].constant.values: expected a list of 2, got 1");
  EXPECT_EQ(message_of<FormatError>([] { Layer::from_config("{"); }).substr(0, 6), "layer:");
}

TEST(Config, OfAModelCannotMakeKernelsReadOutsideTheirOperands) {
  auto in_model = [&](const std::string& step) {
    return text_of<ConfigError>([&] {
      Layer::from_config(
          R"({"type": "model", "layers": [], "steps": [{"input": "x", "dtype": "f32", )"
          R"("shape": ["batch", 3, 4]}, )" +
          step + R"(], "outputs": [1]})");
    });
  };
  EXPECT_EQ(in_model(R"({"op": "transpose", "inputs": [0], "attributes": {"axes": [0, 1, 1]}})"),
            "layer.steps[1]: transpose: axis 1 is given twice");
  EXPECT_EQ(in_model(R"({"op": "normalize", "inputs": [0], "attributes": {"axes": [-1], )"
                     R"("parameter_axes": [], "epsilon": {"real": 0.1}}})"),
            "layer.steps[1]: normalize: axes are not sorted axes of [batch, 3, 4]");
  EXPECT_EQ(
      in_model(R"({"op": "diagonal", "inputs": [0], "attributes": {"axes": [], "offset": 0}})"),
      "layer.steps[1]: diagonal: axes: expected 2 numbers, got 0");
  EXPECT_EQ(in_model(R"({"op": "random_permutation", "inputs": [0], "attributes": {"n": 3}})")
                .substr(0, 43),
            "layer.steps[1]: random_permutation: key: ex");
  EXPECT_EQ(in_model(R"({"constant": {"dtype": "f32", "shape": [-1, -1], "values": [1]}})"),
            "layer.steps[1].constant.shape: expected sizes >= 0, got [-1,-1]");
  EXPECT_EQ(in_model(R"({"op": "group", "inputs": [0], "attributes": {"body": )"
                     R"({"graph": "graph(%0: f32[2]) { return %0 }"}}})"),
            "layer.steps[1].op: \"group\" is not an operation of a model");
}

}  // namespace
}  // namespace varve
