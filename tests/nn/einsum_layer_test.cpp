// Dense layers by an equation, against dense layers and sums written out in double precision.
#include "nn/helpers.h"
#include "varve/model.h"
#include "varve/ops/contraction.h"
#include "varve/ops/pointwise.h"
#include "varve/ops/shape.h"

namespace varve {
namespace {

using test::distance;
using test::expect_near;
using test::message_of;
using test::normal;

Layer made(nn::EinsumDense spec) {
  spec.bias_initializer = "random_normal";
  return Layer(std::move(spec));
}

TEST(EinsumDense, OnTheLastAxisIsDense) {
  const Tensor x = normal({2, 3, 5});
  Layer dense = nn::Dense{.units = 4, .activation = "tanh", .bias_initializer = "random_normal"};
  const Tensor expected = dense(x);
  const nn::EinsumDense kinds[] = {
      {.equation = "abc,cd->abd", .output_shape = {-1, 4}},
      {.equation = "abc, cd -> abd", .output_shape = {3, 4}},
      {.equation = "...c,cd->...d", .output_shape = {4}},
  };
  for (nn::EinsumDense spec : kinds) {
    SCOPED_TRACE(spec.equation);
    spec.activation = "tanh";
    spec.bias_axes = "d";
    Layer layer = made(spec);
    layer.build({3, 5});
    layer.variable("kernel").assign(dense.variable("kernel").value());
    layer.variable("bias").assign(dense.variable("bias").value());
    EXPECT_LT(distance(layer(x), expected), 1e-6);
    Layer read = Layer::from_config(layer.config());
    EXPECT_EQ(read.config(), layer.config());
  }
}

TEST(EinsumDense, ProjectsToHeadsAndBack) {
  const Tensor x = normal({2, 3, 5});
  Layer to = made({.equation = "abc,cde->abde", .output_shape = {-1, 4, 2}, .bias_axes = "de"});
  const Tensor heads = to(x);
  ASSERT_EQ(heads.shape(), (Shape{2, 3, 4, 2}));
  ASSERT_EQ(to.variable("kernel").shape(), (Shape{5, 4, 2}));
  ASSERT_EQ(to.variable("bias").shape(), (Shape{4, 2}));
  const auto y = heads.to_doubles(), xs = x.to_doubles(),
             k = to.variable("kernel").value().to_doubles(),
             b = to.variable("bias").value().to_doubles();
  for (size_t i = 0; i < y.size(); ++i) {
    double sum = b[i % 8];
    for (size_t c = 0; c < 5; ++c) sum += xs[i / 8 * 5 + c] * k[c * 8 + i % 8];
    EXPECT_NEAR(y[i], sum, 1e-6);
  }
  Layer back = made({.equation = "abde,dec->abc", .output_shape = {-1, 5}, .bias_axes = "c"});
  EXPECT_EQ(back(heads).shape(), x.shape());
  EXPECT_EQ(back.variable("kernel").shape(), (Shape{4, 2, 5}));
}

// Shapes as Keras makes them.
TEST(EinsumDense, HasABiasAlongTheAxesThatAreNamed) {
  struct Case {
    const char *equation, *axes;
    Shape output, kernel, bias;
  };
  const Tensor x = normal({2, 3, 5, 7});
  const Case cases[] = {
      {"abcd,de->abce", "e", {3, 5, 4}, {7, 4}, {4}},
      {"abcd,de->abce", "c", {3, 5, 4}, {7, 4}, {5, 1}},
      {"abcd,de->abce", "be", {3, 5, 4}, {7, 4}, {3, 1, 4}},
      {"...d,de->...e", "e", {4}, {7, 4}, {4}},
      {"...cd,cde->...ce", "c", {-1, 4}, {5, 7, 4}, {5, 1}},
      {"ab...,be->ae...", "e", {4}, {3, 4}, {4, 1, 1}},
      {"abcd,bc->acd", "d", {-1, -1}, {3, 5}, {7}},
      {"abcd,bcd->a", "", {}, {3, 5, 7}, {}},
  };
  for (const Case& c : cases) {
    SCOPED_TRACE(c.equation);
    Layer layer = made({.equation = c.equation, .output_shape = c.output, .bias_axes = c.axes});
    const Tensor y = layer(x);
    EXPECT_EQ(layer.variable("kernel").shape(), c.kernel);
    const Tensor plain = einsum(c.equation, {x, layer.variable("kernel").value()});
    EXPECT_EQ(y.shape(), plain.shape());
    EXPECT_EQ(layer.variables().size(), *c.axes ? 2u : 1u);
    if (!*c.axes) continue;
    EXPECT_EQ(layer.variable("bias").shape(), c.bias);
    EXPECT_LT(distance(y, plain + layer.variable("bias").value()), 1e-6);
  }
}

TEST(EinsumDense, TrainsWithinAModelAndKeepsItsTypes) {
  Sequential model{nn::EinsumDense{.equation = "abc,cd->abd",
                                   .output_shape = {-1, 6},
                                   .activation = "relu",
                                   .bias_axes = "d"},
                   nn::EinsumDense{.equation = "abd,bd->a"}};
  const Tensor x = normal({32, 3, 4}), y = normal({32}, 2);
  model.compile({.optimizer = optim::Adam{.learning_rate = 0.02}, .loss = "mse"});
  const double before = model.evaluate(x, y)["loss"];
  model.fit(x, y, {.batch_size = 8, .epochs = 30, .progress = false});
  EXPECT_LT(model.evaluate(x, y)["loss"], before / 2);
  Layer layer = made({.equation = "ab,bc->ac", .output_shape = {2}, .bias_axes = "c"});
  EXPECT_EQ(layer(cast(normal({2, 4}), f64)).dtype(), f64);
  EXPECT_EQ(layer.variable("bias").dtype(), f64);
  Layer counts = nn::EinsumDense{.equation = "ab,bc->ac", .output_shape = {2}};
  EXPECT_EQ(counts(tensor({int64_t{1}, int64_t{2}}, Shape{1, 2})).dtype(), f32);
}

TEST(EinsumDense, NamesWhatDoesNotFit) {
  const auto told = [](const char* equation, const Shape& output, const char* bias = "") {
    return message_of([&] {
      Layer layer =
          nn::EinsumDense{.equation = equation, .output_shape = output, .bias_axes = bias};
      layer(normal({2, 3, 5}));
    });
  };
  for (const char* wrong : {"abc", "abc,cd", "abc->abd", "abc,cd->abd...", "...abc,cd->abd",
                            "abc,...cd->abd", "abc,->ab", "abc,cd,de->abe", "a1c,cd->a1d"}) {
    EXPECT_EQ(told(wrong, {3, 4}), "equation \"" + std::string(wrong) + "\"");
  }
  EXPECT_EQ(told("abb,bd->abd", {3, 4}),
            "equation \"abb,bd->abd\": axis \"b\" is named twice in one place");
  EXPECT_EQ(told("abc,cd->abe", {3, 4}),
            "equation \"abc,cd->abe\": output axis \"e\" is in no operand");
  EXPECT_EQ(
      told("abc,cde->abd", {3, 4}),
      "equation \"abc,cde->abd\": axis \"e\" of the kernel is neither in x nor in the output");
  const std::string batch =
      ": the first axis of x and of the output is the batch, which the kernel has not";
  EXPECT_EQ(told("abc,cd->bad", {3, 4}), "equation \"abc,cd->bad\"" + batch);
  EXPECT_EQ(told("abc,acd->abd", {3, 4}), "equation \"abc,acd->abd\"" + batch);
  EXPECT_EQ(told("ab,bd->ad", {4}), "expected axes \"ab\", got [2, 3, 5]");
  EXPECT_EQ(told("...abcd,d->...abc", {4, 4, 4}), "expected axes \"...abcd\", got [2, 3, 5]");
  EXPECT_EQ(told("abc,cd->abd", {4}),
            "output_shape: expected a size for each of the axes \"bd\", got [4]");
  EXPECT_EQ(told("abc,cd->abd", {2, 4}), "output_shape: axis \"b\" is 2, of x 3");
  EXPECT_EQ(told("abc,cd->abd", {3, -1}),
            "output_shape: axis \"d\" is the kernel's alone, so its size must be given");
  EXPECT_EQ(told("abc,cd->abd", {3, 4}, "e"),
            "bias_axes: \"e\" is no axis of the output \"abd\" beside the batch");
  EXPECT_EQ(told("abc,cd->abd", {3, 4}, "a"),
            "bias_axes: \"a\" is no axis of the output \"abd\" beside the batch");
}

}  // namespace
}  // namespace varve
