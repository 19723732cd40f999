// Layers as handles: names, paths, sharing, freezing, copying, and what their errors say.
#include "nn/helpers.h"
#include "varve/ops/matmul.h"
#include "varve/ops/reduction.h"
#include "varve/ops/shape.h"

namespace varve {
namespace {

using test::message_of;
using test::names_of;
using test::normal;
using test::text_of;
using Names = std::vector<std::string>;

struct Residual {
  Dim units = 64;
  Real rate = 0.1;
  Tensor call(const Tensor& x, Scope& s) const {
    Tensor gain = s.variable("gain", {}, {.initializer = 0});
    Tensor h = s("up", nn::Dense{units, "gelu"}, x);
    h = s("down", nn::Dense{x.shape()[-1]}, h);
    if (s.training()) h = h * random::bernoulli(s.key(), 1 - rate, h.shape()) / (1 - rate);
    return x + gain * h;
  }
  void fields(Fields& f) {
    f("units", units, "Hidden width.", {.min = 1});
    f("rate", rate, "Dropout rate.", {.min = 0, .max = 1});
  }
};

TEST(Layer, ASpecBecomesALayerAndIsCalled) {
  Layer dense = nn::Dense{.units = 3};
  const Tensor y = dense(normal({2, 4}));
  EXPECT_EQ(y.shape(), (Shape{2, 3}));
  EXPECT_EQ(dense.variable("kernel").shape(), (Shape{4, 3}));
  EXPECT_EQ(dense.parameter_count(), 15);
  EXPECT_EQ(names_of(dense.variables()), (Names{"kernel", "bias"}));
}

TEST(Layer, CopiesShareWeightsAndClonesDoNot) {
  Layer a = nn::Dense{.units = 3};
  const Tensor x = normal({2, 4});
  const Tensor y = a(x);
  Layer b = a, c = a.clone();
  a.variable("bias").assign(tensor({1.f, 1.f, 1.f}));
  EXPECT_NEAR(test::distance(b(x), y), 1, 1e-6);
  EXPECT_EQ(test::distance(c(x), y), 0);
}

TEST(Layer, AnUnmadeVariableIsClonedWithTheSameBeginning) {
  Layer a = nn::Dense{.units = 3};
  a.build({4});
  Layer b = a.clone();
  EXPECT_EQ(test::distance(a.variable("kernel").value(), b.variable("kernel").value()), 0);
}

TEST(Layer, PartsAreNamedByTypeAndNumberWithinTheirParent) {
  Layer model =
      nn::sequential({nn::Dense{32}, Residual{.units = 128}, nn::Dense{1},
                      nn::sequential({nn::Dense{2}, nn::Dense{.units = 3, .name = "last"}})});
  model.build({16});
  EXPECT_EQ(
      names_of(model.variables()),
      (Names{"dense_1.kernel", "dense_1.bias", "residual_1.gain", "residual_1.up.kernel",
             "residual_1.up.bias", "residual_1.down.kernel", "residual_1.down.bias",
             "dense_2.kernel", "dense_2.bias", "sequential_1.dense_1.kernel",
             "sequential_1.dense_1.bias", "sequential_1.last.kernel", "sequential_1.last.bias"}));
}

TEST(Layer, GlobsChooseVariables) {
  Layer model = nn::sequential({nn::Dense{4}, Residual{.units = 8}, nn::Dense{1}});
  model.build({3});
  EXPECT_EQ(names_of(model.variables("*.kernel")),
            (Names{"dense_1.kernel", "residual_1.up.kernel", "residual_1.down.kernel",
                   "dense_2.kernel"}));
  EXPECT_EQ(names_of(model.variables("residual_1.up")),
            (Names{"residual_1.up.kernel", "residual_1.up.bias"}));
  EXPECT_EQ(names_of(model.variables("dense_?.bias")), (Names{"dense_1.bias", "dense_2.bias"}));
  EXPECT_TRUE(model.variables("nothing*").empty());
}

TEST(Layer, FreezingStopsTrainingOfWhatMatches) {
  Layer model = nn::sequential({nn::Dense{4}, nn::BatchNorm{}, nn::Dense{1}});
  model.build({3});
  EXPECT_EQ(model.trainable().size(), 6u);  // moving mean and variance are not trained
  model.freeze("dense*");
  EXPECT_EQ(names_of(model.trainable()), (Names{"batch_norm_1.gamma", "batch_norm_1.beta"}));
  model.unfreeze("*.kernel");
  EXPECT_EQ(names_of(model.trainable("dense*")), (Names{"dense_1.kernel", "dense_2.kernel"}));
  model.unfreeze();
  EXPECT_EQ(model.trainable().size(), 6u);
  EXPECT_EQ(message_of<IndexError>([&] { model.freeze("conv*"); }),
            "nothing in layer \"sequential\" matches \"conv*\"");
}

TEST(Layer, AFrozenBatchNormKeepsItsStatistics) {
  Layer model = nn::sequential({nn::BatchNorm{}});
  model.build({3});
  const Tensor x = normal({8, 3});
  model.freeze("batch_norm_1");
  const Tensor y = model(x, {.training = true});
  EXPECT_EQ(test::distance(y, model(x)), 0);
  EXPECT_EQ(model.variable("batch_norm_1.moving_mean").value().to_doubles(),
            (std::vector<double>{0, 0, 0}));
}

TEST(Layer, SubModelsAndVariablesAreFoundByPath) {
  Layer encoder = nn::sequential({nn::Dense{4}, Residual{.units = 8}});
  Layer model = nn::sequential({encoder, nn::Dense{2}});
  model.build({3});
  EXPECT_EQ(model["sequential_1.residual_1.up"].variable("kernel").shape(), (Shape{4, 8}));
  EXPECT_TRUE(model["sequential_1"] == encoder);
  EXPECT_TRUE(model.variable("dense_1.bias") == model["dense_1"].variable("bias"));
  EXPECT_EQ(
      text_of<IndexError>([&] { model["sequential_1.residul_1"]; }),
      "layer \"sequential_1\" has no part \"residul_1\"\n  hint: did you mean \"residual_1\"?");
  EXPECT_EQ(text_of<IndexError>([&] { model.variable("dense_1.biass"); }),
            "layer \"sequential\" has no variable \"dense_1.biass\"\n  hint: did you mean "
            "\"dense_1.bias\"?");
}

TEST(Layer, CountingAHugeModelAllocatesNothing) {
  // Three tables of 4 GiB each.
  Layer model = nn::sequential({nn::Dense{32768}, nn::Dense{32768}, nn::Dense{32768}});
  model.build({32768});
  EXPECT_EQ(model.parameter_count(), 3 * (int64_t{32768} * 32768 + 32768));
}

TEST(Layer, HasNoVariablesBeforeItIsBuilt) {
  Layer model = nn::sequential({nn::Dense{4}});
  EXPECT_EQ(message_of<ValueError>([&] { model.trainable(); }),
            "layer \"sequential\" has no variables yet");
}

TEST(Layer, ASpecWithAValueOutOfRangeIsRefusedAtItsLine) {
  EXPECT_EQ(text_of<ValueError>([] { Layer l = nn::Dense{}; }),
            "dense: units: expected integer >= 1, got 0\n  at layer_test.cpp:" +
                std::to_string(__LINE__ - 2));
  EXPECT_EQ(message_of<ValueError>([] { Layer l = nn::Dropout{.rate = 1.5}; }),
            "dropout: rate: expected number 0..1, got 1.5");
  EXPECT_EQ(message_of<ValueError>([] { Layer l = Residual{.units = -1}; }),
            "residual: units: expected integer >= 1, got -1");
  EXPECT_EQ(message_of<ValueError>([] {
              Layer l = nn::Conv2D{.filters = 8, .kernel_size = {3, 0}};
            }),
            "conv2d: kernel_size: expected integer >= 1 or a list of 2, got [3,0]");
  EXPECT_EQ(message_of<ValueError>([] { Layer l = nn::Dropout{.rate = NAN}; }),
            "dropout: rate: expected number 0..1, got nan");
}

TEST(Layer, TwoOfOneNameAreRefused) {
  EXPECT_EQ(
      message_of<ValueError>([] {
        nn::sequential({nn::Dense{.units = 1, .name = "a"}, nn::Dense{.units = 1, .name = "a"}});
      }),
      "name \"a\": two layers of \"sequential\" have it");
  EXPECT_EQ(message_of<ValueError>([] { Layer l = nn::Dense{.units = 1, .name = "a.b"}; }),
            "dense: name: expected a name without dots, got \"a.b\"");
}

TEST(Layer, AMismatchInAModelNamesBothLayers) {
  Layer fc2 = nn::Dense{.units = 10, .name = "fc2"};
  fc2.build({128});
  const int line = __LINE__ - 2;
  Layer model = nn::sequential({nn::Flatten{}, nn::Dense{.units = 64, .name = "fc1"}, fc2});
  EXPECT_EQ(text_of<ShapeError>([&] {
              model.build({28, 28});
            }),
            "layer 3 \"fc2\": expects 128 features, \"fc1\" gives 64\n  at layer_test.cpp:" +
                std::to_string(line) + " (layer \"fc2\")");
  // What the failed build described is taken back; what was there stays.
  EXPECT_FALSE(model["fc1"].built());
  EXPECT_TRUE(fc2.built());
  Layer alone = nn::Dense{.units = 2};
  alone(normal({1, 3}));
  EXPECT_EQ(message_of<ShapeError>([&] {
              alone(normal({1, 5}));
            }),
            "layer \"dense\": expects 3 features, got 5");
}

TEST(Layer, AnErrorInsideALayerNamesItsPathAndTheUsersLine) {
  struct Broken {
    Tensor call(const Tensor& x, Scope&) const { return x + tensor({1.f, 2.f}); }
  };
  Layer model = nn::sequential({nn::Dense{3}, Broken{}});
  const std::string text = text_of<ShapeError>([&] { model.build({5}); });
  EXPECT_NE(text.find("(layer \"broken_1\")"), std::string::npos) << text;
  EXPECT_NE(text.find("layer_test.cpp:" + std::to_string(__LINE__ - 5)), std::string::npos) << text;
}

TEST(Layer, TheNumberOfTensorsIsChecked) {
  Layer dense = nn::Dense{2};
  EXPECT_EQ(message_of<ValueError>([&] {
              dense({normal({1, 2}), normal({1, 2})});
            }),
            "layer \"dense\": expected one tensor, got 2");
}

TEST(Layer, AResultThatDependsOnTheBatchIsRefusedWhenBuilt) {
  struct Mixing {
    Tensor call(const Tensor& x, Scope&) const { return reshape(x, {1, -1}); }
  };
  Layer model = nn::sequential({Mixing{}});
  const std::string text = text_of<ShapeError>([&] { model.build({4}); });
  EXPECT_NE(text.find("changes with the batch in more than the first axis: f32[1, 8] at batch 2, "
                      "f32[1, 12] at batch 3"),
            std::string::npos)
      << text;
}

TEST(Layer, AVariableKeepsItsShape) {
  struct Table {
    Tensor call(const Tensor& x, Scope& s) const {
      return x * s.variable("w", {x.shape()[-1]}, {.initializer = "ones"});
    }
  };
  Layer layer = Table{};
  layer(normal({2, 3}));
  EXPECT_EQ(message_of<ShapeError>([&] {
              layer(normal({2, 4}));
            }),
            "variable \"w\": made with shape [3], now asked for with [4]");
}

/// An embedding whose table also multiplies the result.
struct Tied {
  std::string asked = "tokens";
  Tensor call(const Tensor& ids, Scope& s) const {
    const Tensor x = s("tokens", nn::Embedding{.input_dim = 7, .output_dim = 3}, ids);
    return matmul(x, s.part_variable(asked, "embeddings"), {.transpose_b = true});
  }
};

TEST(Layer, AVariableOfAPartServesTwice) {
  Layer tied = Tied{};
  const Tensor y = tied(arange(7)), table = tied.variable("tokens.embeddings").value();
  EXPECT_LT(test::distance(y, matmul(table, table, {.transpose_b = true})), 1e-6);
  EXPECT_EQ(tied.variables().size(), 1u);
  try {
    Layer(Tied{"token"})(arange(7));
    FAIL();
  } catch (const IndexError& e) {
    EXPECT_EQ(e.message(), "the layer has called no part \"token\"");
    EXPECT_NE(e.hint().find("tokens"), std::string::npos);
  }
}

TEST(Layer, UpdatesAVariableWithoutTrainingIt) {
  struct Counter {
    Tensor call(const Tensor& x, Scope& s) const {
      const Tensor n = s.variable("count", {}, {.trainable = false});
      if (s.training()) s.update("count", n + 1);
      return x;
    }
  };
  Layer layer = Counter{};
  layer.build({2});
  layer(normal({1, 2}), {.training = true});
  layer(normal({1, 2}), {.training = true});
  layer(normal({1, 2}));
  EXPECT_EQ(layer.variable("count").value().item<float>(), 2);
  EXPECT_TRUE(layer.trainable().empty());
}

TEST(Layer, PenaltiesAreCollectedOncePerVariable) {
  Layer shared = nn::Dense{.units = 3,
                           .use_bias = false,
                           .kernel_initializer = 2,
                           .kernel_regularizer = nn::L2{.rate = 0.5}};
  struct Twice {
    Layer inner;
    Tensor call(const Tensor& x, Scope& s) const {
      s.add_loss(7);
      return s("inner", inner, s("inner", inner, x));
    }
  };
  Layer model = Twice{shared};
  std::vector<Tensor> losses;
  model(normal({2, 3}), {.losses = &losses});
  ASSERT_EQ(losses.size(), 2u);
  EXPECT_EQ(losses[0].to_double(), 7);
  EXPECT_EQ(losses[1].to_double(), 0.5 * 9 * 4);
}

TEST(Layer, WhatItGivesIsAnOperandWhereItIsOneTensor) {
  const Outputs one = Outputs(Tensors(tensor({1.f, 2.f})));
  EXPECT_EQ(sum(one).to_double(), 3);
  EXPECT_TRUE(bool(all(one == one)));
  const Outputs two = Outputs(Tensors{tensor({1.f}), tensor({2.f})});
  EXPECT_EQ(message_of<ValueError>([&] { sum(two); }), "expected one tensor, got 2");
}

TEST(Layer, PrintsItsFieldsThatAreNotAtTheirDefault) {
  EXPECT_EQ(Layer(nn::Dense{10, "relu"}).to_string(), "Dense(units=10, activation=\"relu\")");
  EXPECT_EQ(Layer(nn::MaxPool2D{}).to_string(), "MaxPool2D()");
  EXPECT_EQ(Layer(Residual{.rate = 0.5}).to_string(), "Residual(rate=0.5)");
}

TEST(Layer, TypesAreSnakeCase) {
  EXPECT_EQ(Layer(nn::Conv2DTranspose{.filters = 1}).type(), "conv2d_transpose");
  EXPECT_EQ(Layer(nn::ReLU{}).type(), "relu");
  EXPECT_EQ(Layer(nn::LeakyReLU{}).type(), "leaky_relu");
  EXPECT_EQ(Layer(nn::PReLU{}).type(), "prelu");
  EXPECT_EQ(Layer(nn::ELU{}).type(), "elu");
  EXPECT_EQ(Layer(nn::GlobalAveragePool2D{}).type(), "global_average_pool2d");
  EXPECT_EQ(Layer(Residual{}).type(), "residual");
  struct LocalThing {
    Tensor call(const Tensor& x, Scope&) const { return x; }
  };
  EXPECT_EQ(Layer(LocalThing{}).type(), "local_thing");
}

TEST(Layer, EveryBuiltinTypeIsSpelledAsItsNameInFiles) {
  ASSERT_GT(nn::layer_types().size(), 20u);
  for (const std::string& type : nn::layer_types()) {
    if (type == "model" || type == "sequential") continue;
    // Fields that must be given are missing from some: only the type's name is asked here.
    try {
      EXPECT_EQ(Layer::from_config("\"" + type + "\"").type(), type);
    } catch (const ConfigError& e) {
      EXPECT_NE(e.message().find("layer: " + type + ": "), std::string::npos) << e.what();
    }
  }
}

}  // namespace
}  // namespace varve
