// Functional models: what is recorded, replayed at any batch size, and refused.
#include "nn/helpers.h"
#include "varve/ops/indexing.h"
#include "varve/ops/matmul.h"
#include "varve/ops/normalization.h"
#include "varve/ops/reduction.h"
#include "varve/ops/shape.h"

namespace varve {
namespace {

using test::distance;
using test::message_of;
using test::names_of;
using test::normal;
using test::text_of;
using Names = std::vector<std::string>;

TEST(Functional, TheNotesModelOfTwoInputsHas468Parameters) {  // P4-08
  Tensor a = nn::Input{.shape = {16}}, b = nn::Input{.shape = {32}};
  Tensor both = nn::Concatenate{}({nn::Dense{8, "relu"}(a), nn::Dense{8, "relu"}(b)});
  EXPECT_EQ(both.shape()[-1], 16);
  Layer model = nn::functional({a, b}, nn::Dense{4}(both));
  EXPECT_EQ(model["dense_1"].parameter_count(), 136);
  EXPECT_EQ(model["dense_2"].parameter_count(), 264);
  EXPECT_EQ(model["dense_3"].parameter_count(), 68);
  EXPECT_EQ(model.parameter_count(), 468);
  Tensor y = model({normal({5, 16}), normal({5, 32})});
  EXPECT_EQ(y.shape(), (Shape{5, 4}));
}

TEST(Functional, TheNotesSequenceHas2641Parameters) {  // P4-07
  Layer model = nn::sequential(
      {nn::Input{.shape = {10, 5}}, nn::Dense{100, "relu"}, nn::Dense{20, "relu"}, nn::Dense{1}});
  EXPECT_EQ(model["dense_1"].parameter_count(), 600);
  EXPECT_EQ(model["dense_2"].parameter_count(), 2020);
  EXPECT_EQ(model["dense_3"].parameter_count(), 21);
  EXPECT_EQ(model.parameter_count(), 2641);
  const auto calls = nn::describe(model);
  ASSERT_EQ(calls.size(), 5u);  // the input once, three layers, the sequence itself
  EXPECT_EQ(calls[1].outputs[0].shape, Shape(std::vector<int64_t>{-1, 10, 100}));
  EXPECT_EQ(calls[2].outputs[0].shape, Shape(std::vector<int64_t>{-1, 10, 20}));
  EXPECT_EQ(calls[3].outputs[0].shape, Shape(std::vector<int64_t>{-1, 10, 1}));
}

/// A model with a skip connection, operations between layers, the batch as a number and a layer
/// that is called twice; and the same computed by hand.
struct Example {
  Layer shared = nn::Dense{.units = 3, .activation = "tanh", .name = "shared"};
  Layer wide = nn::Dense{.units = 12, .name = "wide"};
  Tensor input = nn::Input{.shape = {4, 3}, .name = "x"};
  Layer model = nn::functional(input, compute(input));

  Tensor compute(const Tensor& x) {
    Tensor h = reshape(x, {-1, 3});                 // [4 batch, 3]
    h = shared(h);                                  // [4 batch, 3]
    h = reshape(h, {x.shape()[0], 4, 3}) * 2;       // the batch as a number
    Tensor g = wide(reshape(h, {-1, 12}));          // [batch, 12]
    Tensor skip = h + relu(reshape(g, h.shape()));  // [batch, 4, 3]
    Tensor row = broadcast_to(tensor({1.f, 2.f, 3.f}), skip.shape());
    return shared(skip * row - 1 / (1 + abs(skip)));  // a second call
  }
};

TEST(Functional, ReplaysAtAnyBatchSize) {
  Example e;
  EXPECT_EQ(names_of(e.model.variables()),
            (Names{"shared.kernel", "shared.bias", "wide.kernel", "wide.bias"}));
  for (int64_t batch : {0, 1, 2, 3, 7, 64}) {
    const Tensor x = normal({batch, 4, 3}, static_cast<uint64_t>(batch));
    const Tensor y = e.model(x);
    EXPECT_EQ(y.shape(), (Shape{batch, 4, 3}));
    EXPECT_EQ(distance(y, e.compute(x)), 0) << batch;
  }
}

TEST(Functional, IsALayerOfOtherModels) {
  Example e;
  Tensor a = nn::Input{.shape = {4, 3}}, b = nn::Input{.shape = {4, 3}};
  Layer twin = nn::functional({a, b}, e.model(a) - e.model(b));
  const Tensor x = normal({5, 4, 3}, 1), y = normal({5, 4, 3}, 2);
  Tensor difference = twin({x, y});
  EXPECT_EQ(distance(difference, e.model(x) - e.model(y)), 0);
  EXPECT_EQ(twin.parameter_count(), e.model.parameter_count());
  EXPECT_TRUE(twin["model_1.shared"] == e.shared);
  Layer stack = nn::sequential({e.model, nn::Flatten{}, nn::Dense{2}});
  EXPECT_EQ(stack(x).shape(), (Shape{5, 2}));
}

TEST(Functional, HasSeveralOutputsByName) {
  Tensor x = nn::Input{.shape = {3}, .name = "table"};
  Tensor h = nn::Dense{4}(x);
  Layer model = nn::functional(x, {nn::Dense{.units = 2, .name = "class"}(h),
                                   nn::Dense{.units = 1, .name = "age"}(h), h + 1});
  const auto out = nn::outputs_of(model);
  ASSERT_EQ(out.size(), 3u);
  EXPECT_EQ(out[0].name, "class");
  EXPECT_EQ(out[1].name, "age");
  EXPECT_EQ(out[2].name, "add");
  EXPECT_EQ(out[1].type.shape, Shape(std::vector<int64_t>{-1, 1}));
  EXPECT_EQ(nn::inputs_of(model)[0].name, "table");
  const Outputs y = model(Tensors(normal({6, 3})));
  ASSERT_EQ(y.size(), 3u);
  EXPECT_EQ(y[2].shape(), (Shape{6, 4}));
}

TEST(Functional, CanBeginInTheMiddleOfAnother) {
  Tensor x = nn::Input{.shape = {3}};
  Tensor h = nn::Dense{4, "relu"}(x);
  Tensor y = nn::Dense{2}(h);
  Layer whole = nn::functional(x, y), head = nn::functional(h, y), features = nn::functional(x, h);
  const Tensor data = normal({5, 3});
  EXPECT_EQ(distance(head(features(data)), whole(data)), 0);
}

TEST(Functional, CastsDataToTheTypeOfItsInput) {
  Tensor x = nn::Input{.shape = {3}};
  Layer model = nn::functional(x, x * 0.5);
  const Tensor y = model(tensor<uint8_t>({1, 2, 3}, {1, 3}));
  EXPECT_EQ(y.dtype(), f32);
  EXPECT_EQ(y.to_doubles(), (std::vector<double>{0.5, 1, 1.5}));
}

TEST(Functional, ATrainingCallIsRecordedAsGiven) {
  Tensor x = nn::Input{.shape = {1000}};
  Layer always = nn::functional(x, nn::Dropout{0.5}(x, {.training = true}));
  Layer usual = nn::functional(x, nn::Dropout{0.5}(x));
  const Tensor data = normal({1, 1000});
  EXPECT_GT(distance(always(data), data), 0);
  EXPECT_EQ(distance(usual(data), data), 0);
  EXPECT_GT(distance(usual(data, {.training = true}), data), 0);
}

TEST(Functional, RefusesSizesThatChangeWithTheBatchNamingTheLine) {
  Tensor x = nn::Input{.shape = {6}};
  const int line = __LINE__ + 1;
  const Tensor mixed = reshape(x, {3, -1});
  EXPECT_EQ(text_of<ShapeError>([&] { nn::functional(x, mixed); }),
            "reshape: axis 1 of [3, 2*batch] changes with the batch\n"
            "  hint: only the first axis may; do it inside a layer's call if it is meant so\n"
            "  at functional_test.cpp:" +
                std::to_string(line));
  const Tensor gram = matmul(x, transpose(x));
  EXPECT_EQ(message_of<ShapeError>([&] { nn::functional(x, gram); }),
            "transpose: axis 1 of [6, batch] changes with the batch");
}

TEST(Functional, RefusesTheBatchAsANumberInTheComputation) {
  Tensor x = nn::Input{.shape = {6}};
  const int line = __LINE__ + 1;
  const Tensor scaled = x / x.shape()[0];
  EXPECT_EQ(text_of<ValueError>([&] { nn::functional(x, scaled); }),
            "Model: an operand holds the batch size as a number\n"
            "  hint: the size of the batch is open; use mean, a layer, or Lambda\n"
            "  at functional_test.cpp:" +
                std::to_string(line));
}

TEST(Functional, RefusesRandomNumbersThatWouldStay) {
  Tensor x = nn::Input{.shape = {6}};
  const Tensor noisy = x + random::normal(Key(1), x.shape());
  EXPECT_EQ(message_of<ValueError>([&] { nn::functional(x, noisy); }),
            "Model: random numbers drawn between layers would stay the same in every call");
}

TEST(Functional, RefusesWhatDoesNotComeFromItsInputs) {
  Tensor x = nn::Input{.shape = {3}, .name = "x"}, z = nn::Input{.shape = {3}, .name = "z"};
  EXPECT_EQ(message_of<ValueError>([&] { nn::functional(x, x + z); }),
            "Model: an output needs nn::Input \"z\", which is not among the inputs");
  EXPECT_EQ(message_of<ValueError>([&] {
              nn::functional(x, normal({2, 3}));
            }),
            "Model: output 0 does not come from an nn::Input");
  EXPECT_EQ(message_of<ValueError>([&] {
              nn::functional({x, normal({2, 3})}, x);
            }),
            "Model: input 1 does not come from an nn::Input");
}

TEST(Functional, AnInputHasNoElements) {
  Tensor x = nn::Input{.shape = {3}, .name = "x"};
  EXPECT_EQ(
      text_of<ValueError>([&] { (x * 2).to_doubles(); }),
      "the value comes from nn::Input \"x\" and has no elements\n  hint: make a Model(inputs, "
      "outputs) and call it on data");
  EXPECT_EQ((x * 2).shape().to_string(), "[batch, 3]");
}

TEST(Functional, ChecksTheShapesOfItsData) {
  Tensor a = nn::Input{.shape = {3}, .name = "a"}, b = nn::Input{.shape = {4}, .name = "b"};
  Layer model = nn::functional({a, b}, nn::Concatenate{}({a, b}));
  EXPECT_EQ(message_of<ShapeError>([&] {
              model({normal({2, 3}), normal({2, 5})});
            }),
            "input \"b\": expected [batch, 4], got [2, 5]");
  EXPECT_EQ(message_of<ShapeError>([&] {
              model({normal({2, 3}), normal({3, 4})});
            }),
            "input \"b\": a batch of 3, but \"a\" has 2");
  EXPECT_EQ(message_of<ValueError>([&] {
              model(normal({2, 3}));
            }),
            "model \"model\": expected 2 inputs, got 1");
}

TEST(Functional, NamesTheLayerThatGivesAWrongSize) {
  Layer fc2 = nn::Dense{.units = 10, .name = "fc2"};
  fc2.build({128});
  Tensor x = nn::Input{.shape = {28}};
  // Recorded while the model is put together, so the layer before has no place in a model yet.
  EXPECT_EQ(message_of<ShapeError>([&] { fc2(nn::Dense{.units = 64, .name = "fc1"}(x)); }),
            "layer \"fc2\": expects 128 features, \"fc1\" gives 64");
}

TEST(Functional, ClonesHaveWeightsOfTheirOwn) {
  Example e;
  Layer copy = e.model.clone();
  const Tensor x = normal({2, 4, 3});
  const Tensor before = e.model(x);
  EXPECT_EQ(distance(copy(x), before), 0);
  copy.variable("shared.bias").assign(tensor({1.f, 1.f, 1.f}));
  EXPECT_EQ(distance(e.model(x), before), 0);
  EXPECT_GT(distance(copy(x), before), 0);
}

TEST(Functional, DescribesItsCalls) {
  Tensor x = nn::Input{.shape = {8, 8, 3}, .name = "image"};
  Tensor h = nn::Conv2D{.filters = 4, .kernel_size = 3, .padding = "same"}(x);
  h = nn::Add{}({h, nn::Conv2D{.filters = 4, .padding = "same"}(relu(h))});
  Layer model = nn::functional(x, nn::Dense{2}(nn::Flatten{}(h)));
  const auto calls = nn::describe(model);
  std::vector<std::string> paths;
  for (const auto& c : calls) paths.push_back(c.path);
  EXPECT_EQ(paths, (Names{"image", "conv2d_1", "conv2d_2", "add_1", "flatten_1", "dense_1", ""}));
  EXPECT_EQ(calls[2].from, (std::vector<int>{1}));
  EXPECT_EQ(calls[3].from, (std::vector<int>{1, 2}));
  EXPECT_EQ(calls[1].parameters, 3 * 3 * 3 * 4 + 4);
  EXPECT_EQ(calls[1].outputs[0].shape, Shape(std::vector<int64_t>{-1, 8, 8, 4}));
  // Multiply and add for every tap that meets the picture.
  EXPECT_GT(calls[1].flops, 2. * 64 * 9 * 3 * 4 * 0.7);
  EXPECT_LT(calls[1].flops, 2. * 64 * 9 * 3 * 4 * 1.2);
  EXPECT_GE(calls.back().flops, calls[1].flops + calls[2].flops + calls[5].flops);
  EXPECT_EQ(calls.back().parameters, model.parameter_count());
}

}  // namespace
}  // namespace varve
