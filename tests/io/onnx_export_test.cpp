// Whole models leave as ONNX with the batch open, and come back at other batch sizes.
#include <gtest/gtest.h>

#include <set>

#include "formats/onnx.h"
#include "io/onnx/export.h"
#include "io/onnx/program.h"
#include "support/onnx_cases.h"
#include "varve/varve.h"

namespace varve {
namespace {

using formats::onnx::Model;
namespace export_to = io::onnx;

/// Trains a little, so that running statistics are no longer those of the start.
void use(varve::Model& model, const Tensor& x, const Tensor& y, const char* loss) {
  model.compile({.optimizer = optim::SGD{.learning_rate = 1e-2}, .loss = loss});
  model.fit(x, y, {.batch_size = 4, .epochs = 2, .seed = 1, .progress = false});
}

/// The model is the same there as here, for several batches.
void expect_same(const std::string& name, const Layer& model,
                 const std::function<Tensors(int64_t)>& inputs) {
  const Model written = export_to::to_onnx(model);
  EXPECT_EQ(written.graph.inputs[0].type.dims[0].parameter, "batch");
  const std::string bytes = formats::onnx::serialize(written);
  const export_to::Program program(
      formats::onnx::parse_model("export", std::as_bytes(std::span(bytes))));
  for (int64_t batch : {1, 3, 5}) {
    const Tensors x = inputs(batch), expected(model(x, {.training = false}).list());
    std::map<std::string, export_to::Value> named;
    for (size_t i = 0; i < x.size(); ++i) named[written.graph.inputs[i].name] = x[i];
    const auto got = program.run(named);
    ASSERT_EQ(got.size(), expected.size());
    for (size_t i = 0; i < got.size(); ++i) {
      ASSERT_EQ(got[i].tensor.shape(), expected[i].shape());
      const auto a = got[i].tensor.to_doubles(), b = expected[i].to_doubles();
      for (size_t k = 0; k < a.size(); ++k) ASSERT_NEAR(a[k], b[k], 1e-5 + 1e-4 * std::abs(b[k]));
    }
    test::keep_onnx_case(name + "_" + std::to_string(batch), bytes, x, expected);
  }
}

Tensor normal(uint64_t key, const Shape& shape) { return random::normal(Key(key), shape); }

TEST(OnnxExport, ConvnetWithNormalizationAndPooling) {
  random::seed(1);
  Sequential model{
      nn::Input{.shape = {12, 12, 2}},
      nn::Conv2D{.filters = 6, .kernel_size = 3, .strides = 2, .padding = "same"},
      nn::BatchNorm{},
      nn::Activation{"relu"},
      nn::MaxPool2D{.pool_size = 2},
      nn::Conv2D{.filters = 4, .kernel_size = {1, 2}, .activation = "gelu"},
      nn::AveragePool2D{.pool_size = 2, .strides = 1},
      nn::Flatten{},
      nn::Dropout{.rate = 0.5},
      nn::Dense{.units = 3, .activation = "softmax"},
  };
  use(model, normal(1, {8, 12, 12, 2}), random::integers(Key(2), 0, 3, {8}), "cross_entropy");
  expect_same("convnet", model, [](int64_t n) -> Tensors { return normal(5, {n, 12, 12, 2}); });
}

TEST(OnnxExport, GraphOfTwoInputsWithASkipAndTwoOutputs) {
  random::seed(2);
  const Tensor image = nn::Input{.shape = {8, 8, 3}, .name = "image"},
               extra = nn::Input{.shape = {4}, .name = "extra"};
  Tensor h = nn::Conv2D{.filters = 3, .kernel_size = 3, .padding = "same"}(image);
  h = relu(h + image) * 0.5;
  const Tensor pooled = nn::GlobalAveragePool2D{}(h);
  const Tensor joined = nn::Concatenate{}({pooled, extra});
  const Tensor mean_map = nn::Dense{.units = 1, .activation = "sigmoid", .name = "score"}(joined);
  const Tensor flat = nn::Dense{.units = 5, .name = "logits"}(nn::Flatten{}(h));
  const varve::Model model({image, extra}, {mean_map, flat});
  expect_same("two_inputs", model, [](int64_t n) -> Tensors {
    return {normal(1, {n, 8, 8, 3}), normal(2, {n, 4})};
  });
}

TEST(OnnxExport, TokensThroughAnEmbedding) {
  random::seed(3);
  Sequential model{
      nn::Input{.shape = {7}, .dtype = i64},
      nn::Embedding{.input_dim = 11, .output_dim = 6},
      nn::LayerNorm{},
      nn::Lambda{[](const Tensor& x) { return max(x, {.axes = {1}}); }},
      nn::Dense{.units = 2},
  };
  expect_same("tokens", model, [](int64_t n) -> Tensors {
    return random::integers(Key(4), 0, 11, {n, 7});
  });
}

TEST(OnnxExport, RecurrentNetworkOfOnesOwn) {
  random::seed(4);
  const Variable w(normal(1, {5, 5}) * 0.3), u(normal(2, {3, 5}));
  Sequential model{
      nn::Input{.shape = {6, 3}},
      nn::Lambda{[=](const Tensor& x) {
        const Tensor zeros =
            broadcast_to(0.0f * index(x, {Slice{}, 0, Slice{0, 1}}), {x.shape()[0], 5});
        return scan(
                   [&](const Tensors& h, const Tensors& e) -> ScanStep {
                     return {tanh(matmul(h[0], w) + matmul(e[0], u)), {}};
                   },
                   zeros, move_axis(x, 1, 0))
            .carry.only();
      }},
  };
  expect_same("recurrent", model, [](int64_t n) -> Tensors { return normal(7, {n, 6, 3}); });
}

// Few operators of opset 17 take bf16: the others compute in f32.
TEST(OnnxExport, Bfloat16GoesThroughF32) {
  using formats::onnx::Type;
  random::seed(5);
  const Tensor kernel = cast(normal(1, {3, 3, 2, 4}), bf16).evaluate();
  Sequential model{
      nn::Input{.shape = {8, 8, 2}, .dtype = bf16},
      nn::Lambda{[=](const Tensor& x) {
        const Tensor y = conv2d(x, kernel, {.padding = "same"});
        return sin(softplus(max_pool2d(y, {.window = 2})));
      }},
      nn::Lambda{[](const Tensor& x) {
        return mean(average_pool2d(negative(x), {.window = 2}), {.axes = {1, 2}});
      }},
  };
  const Model written = export_to::to_onnx(model);
  const std::string bytes = formats::onnx::serialize(written);
  const export_to::Program program(
      formats::onnx::parse_model("export", std::as_bytes(std::span(bytes))));
  const Tensor x = cast(normal(6, {3, 8, 8, 2}), bf16);
  const Tensor got = program.run({{written.graph.inputs[0].name, x}}).at(0).tensor;
  const Tensor expected = model(x, {.training = false});
  ASSERT_EQ(got.dtype(), bf16);
  ASSERT_EQ(got.shape(), expected.shape());
  for (int64_t i = 0; i < got.size(); ++i) {
    const auto at = static_cast<size_t>(i);
    EXPECT_NEAR(got.to_doubles()[at], expected.to_doubles()[at], 0x1p-6);
  }
  // What is bf16: inputs, weights, and what Cast gave or elements were moved of.
  std::set<std::string> halves = {written.graph.inputs[0].name};
  for (const auto& t : written.graph.initializers) {
    if (t.type == Type::bfloat16) halves.insert(t.name);
  }
  for (const formats::onnx::Node& n : written.graph.nodes) {
    const bool moves = n.op == "Identity" || n.op == "Reshape" || n.op == "Transpose" ||
                       n.op == "Expand" || n.op == "Slice" || n.op == "Concat";
    for (const std::string& input : n.inputs) {
      if (!halves.contains(input)) continue;
      EXPECT_TRUE(moves || n.op == "Cast" || n.op == "Shape") << n.op << " of " << input;
      if (moves) halves.insert(n.outputs[0]);
    }
    if (n.op == "Cast" && n.attributes[0].integer == static_cast<int64_t>(Type::bfloat16)) {
      halves.insert(n.outputs[0]);
    }
  }
}

TEST(OnnxExport, UnsignedNumbersAreNegatedByTheirDifference) {
  Sequential model{
      nn::Input{.shape = {3}, .dtype = u8},
      nn::Lambda{[](const Tensor& x) { return negative(x); }},
  };
  const Model written = export_to::to_onnx(model);
  for (const auto& n : written.graph.nodes) EXPECT_NE(n.op, "Neg");
  const export_to::Program program{Model(written)};
  const Tensor x = cast(reshape(tensor({0.f, 1.f, 255.f}), {1, 3}), u8);
  EXPECT_EQ(program.run({{written.graph.inputs[0].name, x}}).at(0).tensor.to_doubles(),
            (std::vector<double>{0, 255, 1}));
}

TEST(OnnxExport, NamesWhatOnnxCannotSay) {
  Sequential model{nn::Input{.shape = {3}},
                   nn::Lambda{[](const Tensor& x) { return unique(x, {.size = 2}).values; }}};
  try {
    export_to::to_onnx(model);
    FAIL();
  } catch (const UnsupportedError& e) {
    EXPECT_NE(std::string(e.what()).find("ONNX export: unique"), std::string::npos) << e.what();
  }
}

TEST(OnnxExport, NeedsAModelThatWasBuilt) {
  EXPECT_THROW(export_to::to_onnx(Sequential{nn::Dense{3}}), ValueError);
}

}  // namespace
}  // namespace varve
